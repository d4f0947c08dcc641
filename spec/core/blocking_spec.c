/* blocking_spec.c - jobs run one after the other on a thread of their own, and end on the loop. */
#include "core/blocking.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "support/stage.h"

typedef void *thread_main(void *data);
int __real_pthread_create(pthread_t *, const pthread_attr_t *, thread_main *, void *);
int __wrap_pthread_create(pthread_t *, const pthread_attr_t *, thread_main *, void *);

static bool may_start = true;

int __wrap_pthread_create(pthread_t *out, const pthread_attr_t *attr, thread_main *run, void *data)
{
    return may_start ? __real_pthread_create(out, attr, run, data) : EAGAIN;
}

struct errand {
    struct job job;
    int number, begun; /* begun: how many were, when this one was */
    int *counter;      /* the thread's */
    int *ended;        /* the loop's */
    pthread_t ran_on, ended_on;
    bool is_deaf; /* all signals were blocked */
    char name[16];
    struct blocking **free_at_end;
};

static void run(struct job *j)
{
    struct errand *e = container_of(j, struct errand, job);
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    e->is_deaf = sigismember(&mask, SIGINT) && sigismember(&mask, SIGTERM) &&
                 sigismember(&mask, SIGUSR1) && sigismember(&mask, SIGPIPE);
    e->ran_on = pthread_self();
    pthread_getname_np(pthread_self(), e->name, sizeof e->name);
    e->begun = (*e->counter)++;
}

static void done(struct job *j)
{
    struct errand *e = container_of(j, struct errand, job);
    e->ended_on = pthread_self();
    assert_int_equal(e->number, (*e->ended)++);
    if (e->free_at_end != NULL)
        blocking_free(e->free_at_end);
}

static void errands_init(struct errand *e, int count, int *counter, int *ended)
{
    for (int i = 0; i < count; i++)
        e[i] = (struct errand){
            .job = {.run = run, .done = done}, .number = i, .counter = counter, .ended = ended};
}

static void jobs_run_in_order_and_end_on_the_loop(void **state)
{
    enum { MANY = 1000 };
    struct stage *s = *state;
    struct errand *e = malloc(MANY * sizeof *e);
    int counter = 0, ended = 0;
    errands_init(e, MANY, &counter, &ended);
    struct blocking *b = blocking_new(s->loop, "a name that is too long");
    assert_non_null(b);
    for (int i = 0; i < MANY; i++)
        blocking_run(b, &e[i].job);
    assert_int_equal(ended, 0);
    turn_until(s->loop, &ended, MANY);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(e[i].begun, i);
        assert_true(pthread_equal(e[i].ran_on, e[0].ran_on));
        assert_true(pthread_equal(e[i].ended_on, pthread_self()));
        assert_true(e[i].is_deaf);
    }
    assert_false(pthread_equal(e[0].ran_on, pthread_self()));
    assert_string_equal(e[MANY - 1].name, "a name that is ");
    blocking_free(&b);
    assert_null(b);
    free(e);
}

static void a_job_can_be_given_again_when_it_is_done(void **state)
{
    struct stage *s = *state;
    struct errand e;
    int counter = 0, ended = 0;
    errands_init(&e, 1, &counter, &ended);
    struct blocking *b = blocking_new(s->loop, "spec");
    for (int i = 0; i < 500; i++, e.number++) {
        blocking_run(b, &e.job);
        turn_until(s->loop, &ended, i + 1);
    }
    assert_int_equal(counter, 500);
    blocking_free(&b);
}

static void the_thread_may_be_freed_when_its_last_job_is_done(void **state)
{
    struct stage *s = *state;
    for (int i = 0; i < 200; i++) {
        struct errand *e = malloc(sizeof *e);
        int counter = 0, ended = 0;
        errands_init(e, 1, &counter, &ended);
        struct blocking *b = blocking_new(s->loop, "spec");
        e->free_at_end = &b;
        blocking_run(b, &e->job);
        turn_until(s->loop, &ended, 1);
        assert_null(b);
        free(e);
    }
}

struct meeting {
    struct job job;
    pthread_barrier_t *all;
    int *ended;
};

static void meet(struct job *j)
{
    pthread_barrier_wait(container_of(j, struct meeting, job)->all);
}

static void met(struct job *j)
{
    (*container_of(j, struct meeting, job)->ended)++;
}

/* Each job ends only when all have begun. */
static void threads_do_not_wait_for_each_other(void **state)
{
    enum { THREADS = 8 };
    struct stage *s = *state;
    struct blocking *b[THREADS];
    struct meeting m[THREADS];
    pthread_barrier_t all;
    int ended = 0;
    pthread_barrier_init(&all, NULL, THREADS);
    for (int i = 0; i < THREADS; i++) {
        assert_non_null(b[i] = blocking_new(s->loop, "spec"));
        m[i] = (struct meeting){.job = {.run = meet, .done = met}, .all = &all, .ended = &ended};
        blocking_run(b[i], &m[i].job);
    }
    turn_until(s->loop, &ended, THREADS);
    for (int i = 0; i < THREADS; i++)
        blocking_free(&b[i]);
    pthread_barrier_destroy(&all);
}

static void a_loop_has_one_thread_that_computes(void **state)
{
    struct stage *s = *state;
    struct errand e[2];
    int counter = 0, ended = 0;
    errands_init(e, 2, &counter, &ended);
    struct blocking *b = loop_computer(s->loop);
    assert_non_null(b);
    assert_ptr_equal(loop_computer(s->loop), b);
    for (int i = 0; i < 2; i++)
        blocking_run(b, &e[i].job);
    turn_until(s->loop, &ended, 2);
    assert_string_equal(e[1].name, "nebula-compute");
}

/* --- spares ----------------------------------------------------------------------------------- */

/* How many threads of this process ps calls that. */
static int threads_called(const char *name)
{
    int count = 0;
    DIR *tasks = opendir("/proc/self/task");
    assert_non_null(tasks);
    for (struct dirent *d; (d = readdir(tasks)) != NULL;) {
        char path[300], line[32] = "";
        snprintf(path, sizeof path, "/proc/self/task/%s/comm", d->d_name);
        FILE *f = fopen(path, "r");
        if (f == NULL) /* no task, or it has just ended */
            continue;
        if (fgets(line, sizeof line, f) != NULL)
            line[strcspn(line, "\n")] = '\0';
        fclose(f);
        count += strcmp(line, name) == 0;
    }
    closedir(tasks);
    return count;
}

static void wait_for_threads(const char *name, int want)
{
    alarm(60); /* the end of a test that would wait for ever */
    while (threads_called(name) != want)
        sched_yield();
    alarm(0);
}

static void run_one(struct stage *s, const char *name, struct errand *e)
{
    int counter = 0, ended = 0;
    errands_init(e, 1, &counter, &ended);
    struct blocking *b = blocking_new(s->loop, name);
    assert_non_null(b);
    blocking_run(b, &e->job);
    turn_until(s->loop, &ended, 1);
    blocking_free(&b);
}

static void a_thread_that_was_given_back_is_used_again(void **state)
{
    struct stage *s = *state;
    struct errand first, second;
    run_one(s, "first", &first);
    assert_string_equal(first.name, "first");
    wait_for_threads("nebula-spare", 1);
    run_one(s, "second", &second);
    assert_string_equal(second.name, "second");
    assert_true(pthread_equal(first.ran_on, second.ran_on));
    wait_for_threads("nebula-spare", 1);
    wait_for_threads("second", 0);
}

static void of_many_threads_a_few_are_kept(void **state)
{
    enum { THREADS = SPARES_MOST + 3 };
    struct stage *s = *state;
    struct blocking *b[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_non_null(b[i] = blocking_new(s->loop, "spec"));
    for (int i = 0; i < THREADS; i++)
        blocking_free(&b[i]);
    wait_for_threads("nebula-spare", SPARES_MOST);
    wait_for_threads("spec", 0);
}

/* The real world, but for what is left out of it. */
struct late_world {
    struct world world, *real;
    int64_t ahead_us;
};

static int64_t late_now_us(struct world *w)
{
    struct late_world *late = container_of(w, struct late_world, world);
    return late->real->now_us(late->real) + late->ahead_us;
}

static void whom_nobody_needs_leaves(void **state)
{
    struct stage *s = *state;
    struct late_world late = {.world = {.now_us = late_now_us}, .real = s->world};
    struct stage later = {.world = &late.world, .loop = loop_new(&late.world)};
    struct blocking *b[2];
    for (int i = 0; i < 2; i++)
        assert_non_null(b[i] = blocking_new(later.loop, "spec"));
    blocking_free(&b[0]);
    late.ahead_us = SPARE_US / 2;
    loop_turn(later.loop, 0);
    blocking_free(&b[1]);
    wait_for_threads("nebula-spare", 2);
    late.ahead_us = SPARE_US + SECOND;
    loop_turn(later.loop, 0);
    wait_for_threads("nebula-spare", 1);
    late.ahead_us = 2 * SPARE_US;
    loop_turn(later.loop, 0);
    wait_for_threads("nebula-spare", 0);
    loop_free(&later.loop);
}

static void without_room_for_a_thread_there_is_none(void **state)
{
    struct stage *s = *state;
    may_start = false;
    struct blocking *b = blocking_new(s->loop, "spec"), *computer = loop_computer(s->loop);
    may_start = true;
    assert_null(b);
    assert_null(computer);
    assert_non_null(loop_computer(s->loop));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STAGED(jobs_run_in_order_and_end_on_the_loop),
        STAGED(a_job_can_be_given_again_when_it_is_done),
        STAGED(the_thread_may_be_freed_when_its_last_job_is_done),
        STAGED(threads_do_not_wait_for_each_other),
        STAGED(a_loop_has_one_thread_that_computes),
        STAGED(a_thread_that_was_given_back_is_used_again),
        STAGED(of_many_threads_a_few_are_kept),
        STAGED(whom_nobody_needs_leaves),
        STAGED(without_room_for_a_thread_there_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
