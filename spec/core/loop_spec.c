/* loop_spec.c - time, what is soon, news from real threads, signals. */
#include "core/loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/check.h"
#include "base/thread.h"
#include "support/stage.h"

/* --- how often the loop asks the kernel ------------------------------------------------------- */

static struct {
    int count, timeout_ms; /* of the last */
} polls;

int epoll_pwait(int epoll, struct epoll_event *event, int most, int timeout_ms,
                const sigset_t *mask)
{
    polls.count++;
    polls.timeout_ms = timeout_ms;
    int (*real)(int, struct epoll_event *, int, int, const sigset_t *) = NULL;
    *(void **)&real = dlsym(RTLD_NEXT, "epoll_pwait");
    return real(epoll, event, most, timeout_ms, mask);
}

int epoll_wait(int epoll, struct epoll_event *event, int most, int timeout_ms)
{
    return epoll_pwait(epoll, event, most, timeout_ms, NULL);
}

/* --- timers ----------------------------------------------------------------------------------- */

struct alarm {
    struct timer timer;
    struct stage *stage;
    int *fired;
    int64_t late_us, seen_us;
};

static void ring(struct timer *t)
{
    struct alarm *a = container_of(t, struct alarm, timer);
    (*a->fired)++;
    a->seen_us = loop_now_us(a->stage->loop);
    a->late_us = a->stage->world->now_us(a->stage->world) - t->at_us;
}

static void alarm_set(struct stage *s, struct alarm *a, int *fired, int64_t at_us)
{
    *a = (struct alarm){.stage = s, .fired = fired};
    timer_init(&a->timer, ring);
    loop_arm(s->loop, &a->timer, at_us);
}

/* A busy machine delays everything, so it is enough when half of them are on time in one of ten
 * rounds. */
static void timers_are_never_early_and_rarely_late(void **state)
{
    enum { TIMERS = 20 };
    struct stage *s = *state;
    int in_time = 0;
    for (int round = 0; round < 10 && in_time <= TIMERS / 2; round++) {
        in_time = 0;
        for (int i = 0; i < TIMERS; i++) {
            struct alarm alarm;
            int fired = 0;
            alarm_set(s, &alarm, &fired, loop_refresh(s->loop) + i * 337);
            turn_until(s->loop, &fired, 1);
            assert_true(alarm.late_us >= 0);
            in_time += alarm.late_us <= 2500;
        }
    }
    assert_true(in_time > TIMERS / 2);
}

static void all_of_a_turn_happens_at_one_time(void **state)
{
    struct stage *s = *state;
    struct alarm alarm[3];
    int fired = 0;
    for (size_t i = 0; i < COUNT(alarm); i++)
        alarm_set(s, &alarm[i], &fired, 0);
    loop_turn(s->loop, INT64_MAX);
    assert_int_equal(fired, 3);
    assert_true(alarm[0].seen_us == alarm[2].seen_us);
    assert_true(loop_now_us(s->loop) == alarm[0].seen_us);
    assert_ptr_equal(loop_world(s->loop), s->world);
}

static void the_time_is_kept_for_who_reads_it_often(void **state)
{
    struct stage *s = *state;
    int64_t now_us = 0, before_us = loop_now_us(s->loop);
    loop_keep(s->loop, &now_us);
    assert_true(now_us == before_us);
    while (now_us == before_us)
        loop_turn(s->loop, before_us + 1000);
    assert_true(now_us == loop_now_us(s->loop));
    loop_keep(s->loop, NULL);
    now_us = 0;
    loop_refresh(s->loop);
    assert_true(now_us == 0);
}

static void a_turn_ends_at_its_bound_or_before(void **state)
{
    struct stage *s = *state;
    struct alarm never;
    int fired = 0;
    alarm_set(s, &never, &fired, INT64_MAX);
    int64_t until_us = loop_refresh(s->loop) + 20 * MS;
    while (loop_now_us(s->loop) < until_us)
        loop_turn(s->loop, until_us);
    loop_turn(s->loop, 0);
    assert_int_equal(fired, 0);
    loop_disarm(s->loop, &never.timer);
    loop_disarm(s->loop, &never.timer);
}

static void a_flood_of_timers_is_spread_over_turns(void **state)
{
    enum { MANY = 5000 };
    struct stage *s = *state;
    struct alarm *alarm = malloc(MANY * sizeof *alarm);
    assert_non_null(alarm);
    int fired = 0, before = 0, turns = 0;
    for (int i = 0; i < MANY; i++)
        alarm_set(s, &alarm[i], &fired, 0);
    for (; fired < MANY; turns++, before = fired) {
        loop_turn(s->loop, INT64_MAX);
        assert_true(fired > before && fired - before <= 1000);
    }
    assert_true(turns > 1);
    free(alarm);
}

/* --- soon ------------------------------------------------------------------------------------- */

struct errand {
    struct soon soon;
    struct stage *stage;
    char letter;
    char *to;
    struct errand *then, *never; /* said, taken back when this runs */
};

static void run_errand(struct soon *s)
{
    struct errand *e = container_of(s, struct errand, soon);
    size_t size = strlen(e->to);
    e->to[size < 9 ? size : 8] = e->letter;
    if (e->then != NULL)
        loop_soon(e->stage->loop, &e->then->soon);
    if (e->never != NULL)
        loop_unsoon(e->stage->loop, &e->never->soon);
}

static void errands_init(struct stage *s, struct errand *e, size_t count, char *to)
{
    for (size_t i = 0; i < count; i++) {
        e[i] = (struct errand){.stage = s, .letter = (char)('a' + i), .to = to};
        soon_init(&e[i].soon, run_errand);
    }
}

static void soon_is_in_order_and_once(void **state)
{
    struct stage *s = *state;
    struct errand e[4];
    char ran[10] = "";
    errands_init(s, e, COUNT(e), ran);
    e[2].then = &e[0]; /* said by one that runs */
    e[2].never = &e[1];
    loop_soon(s->loop, &e[3].soon);
    loop_soon(s->loop, &e[2].soon);
    loop_soon(s->loop, &e[1].soon);
    loop_soon(s->loop, &e[3].soon);
    assert_string_equal(ran, "");
    for (int turn = 0; turn < 2; turn++)
        loop_turn(s->loop, 0);
    assert_string_equal(ran, "dca");
}

static void pass(struct loop *loop, int64_t span_us)
{
    int64_t until_us = loop_refresh(loop) + span_us;
    while (loop_refresh(loop) < until_us)
        continue;
}

static void what_is_read_is_the_time(void **state)
{
    struct stage *s = *state;
    for (int i = 0; i < 20000; i++) {
        int64_t before_us = s->world->now_us(s->world);
        int64_t read_us = i % 2 == 0 ? loop_refresh(s->loop) : loop_glance(s->loop);
        assert_in_range(read_us, i % 2 == 0 ? before_us : before_us - 8,
                        s->world->now_us(s->world));
    }
}

static void a_turn_does_not_wait_while_something_is_soon(void **state)
{
    struct stage *s = *state;
    struct errand e;
    char ran[10] = "";
    errands_init(s, &e, 1, ran);
    for (int i = 1; i <= 5; i++) {
        loop_soon(s->loop, &e.soon);
        polls.count = 0;
        pass(s->loop, 60);             /* else it may poll later */
        loop_turn(s->loop, INT64_MAX); /* for ever, if it waits */
        assert_int_equal(strlen(ran), i);
        assert_int_equal(polls.count, 1);
        assert_int_equal(polls.timeout_ms, 0);
    }
}

/* The kernel is asked every 50 us, and the clock each time. */
static void turns_that_follow_each_other_fast_poll_now_and_then(void **state)
{
    struct stage *s = *state;
    struct errand e;
    char ran[10] = "";
    errands_init(s, &e, 1, ran);
    loop_soon(s->loop, &e.soon);
    loop_turn(s->loop, INT64_MAX);
    polls.count = 0;
    int turns = 0, polled = 0;
    int64_t begun_us = loop_refresh(s->loop), polled_us = begun_us;
    for (; loop_now_us(s->loop) < begun_us + 5 * MS; turns++) {
        loop_soon(s->loop, &e.soon);
        loop_turn(s->loop, INT64_MAX);
        assert_false(node_is_listed(&e.soon.node));
        if (polls.count > polled)
            polled_us = loop_now_us(s->loop);
        polled = polls.count;
        assert_true(loop_now_us(s->loop) < polled_us + 50);
        pass(s->loop, 2);
    }
    int64_t took_us = loop_refresh(s->loop) - begun_us;
    assert_true(polls.count <= 1 + took_us / 50);
    assert_true(polls.count < turns);
}

static void one_that_always_says_soon_starves_nobody(void **state)
{
    struct stage *s = *state;
    struct errand e;
    char ran[10] = "";
    errands_init(s, &e, 1, ran);
    e.then = &e;
    loop_soon(s->loop, &e.soon);
    struct alarm alarm;
    int fired = 0;
    alarm_set(s, &alarm, &fired, loop_refresh(s->loop) + 3 * MS);
    turn_until(s->loop, &fired, 1);
    loop_unsoon(s->loop, &e.soon);
    loop_unsoon(s->loop, &e.soon);
}

/* --- news from other threads ------------------------------------------------------------------ */

enum { SENDERS = 6, LETTERS = 2000 };

struct letter {
    struct note note;
    int sender, number;
    struct office *office;
};

struct office {
    struct loop *loop;
    pthread_t thread, own;
    int arrived, next[SENDERS];
    struct letter letter[SENDERS][LETTERS];
};

static void letter_arrived(struct note *n)
{
    struct letter *l = container_of(n, struct letter, note);
    struct office *o = l->office;
    assert_true(pthread_equal(o->own, pthread_self()));
    assert_int_equal(l->number, o->next[l->sender]++);
    o->arrived++;
}

static void *send_letters(void *data)
{
    struct letter *l = data;
    for (int i = 0; i < LETTERS; i++) {
        loop_post(l->office->loop, &l[i].note);
        if (i % 100 == 0)
            sched_yield();
    }
    return NULL;
}

static void news_arrives_once_and_in_the_order_of_its_sender(void **state)
{
    struct stage *s = *state;
    struct office *o = calloc(1, sizeof *o);
    pthread_t thread[SENDERS];
    assert_non_null(o);
    o->loop = s->loop;
    o->own = pthread_self();
    for (int i = 0; i < SENDERS; i++)
        for (int k = 0; k < LETTERS; k++)
            o->letter[i][k] = (struct letter){{NULL, letter_arrived}, i, k, o};
    for (int i = 0; i < SENDERS; i++)
        assert_true(thread_start(&thread[i], send_letters, o->letter[i]));
    while (o->arrived < SENDERS * LETTERS)
        loop_turn(s->loop, INT64_MAX); /* a lost wake-up hangs here */
    loop_turn(s->loop, 0);
    assert_int_equal(o->arrived, SENDERS * LETTERS);
    for (int i = 0; i < SENDERS; i++)
        pthread_join(thread[i], NULL);
    free(o);
}

/* --- signals ---------------------------------------------------------------------------------- */

struct flag {
    struct signal_watch watch;
    int count, signum;
};

static void raised(struct signal_watch *w, int signum)
{
    struct flag *f = container_of(w, struct flag, watch);
    f->count++;
    f->signum = signum;
}

static void a_signal_arrives_on_the_loop(void **state)
{
    struct stage *s = *state;
    struct flag f = {.watch.arrived = raised};
    assert_true(loop_signal(s->loop, &f.watch, SIGUSR1));
    loop_turn(s->loop, 0);
    assert_int_equal(f.count, 0);
    kill(getpid(), SIGUSR1);
    turn_until(s->loop, &f.count, 1);
    assert_int_equal(f.signum, SIGUSR1);
    loop_unsignal(s->loop, &f.watch);
    loop_unsignal(s->loop, &f.watch);
    struct flag wrong = {.watch.arrived = raised};
    assert_false(loop_signal(s->loop, &wrong.watch, SIGKILL));
    assert_null(wrong.watch.impl);
}

/* --- the edges -------------------------------------------------------------------------------- */

static void without_descriptors_there_is_no_loop(void **unused)
{
    (void)unused;
    struct world *world = world_real();
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    const struct rlimit none = {0, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    struct loop *loop = loop_new(world);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_null(loop);
    free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STAGED(timers_are_never_early_and_rarely_late),
        STAGED(all_of_a_turn_happens_at_one_time),
        STAGED(the_time_is_kept_for_who_reads_it_often),
        STAGED(a_turn_ends_at_its_bound_or_before),
        STAGED(a_flood_of_timers_is_spread_over_turns),
        STAGED(soon_is_in_order_and_once),
        STAGED(what_is_read_is_the_time),
        STAGED(a_turn_does_not_wait_while_something_is_soon),
        STAGED(turns_that_follow_each_other_fast_poll_now_and_then),
        STAGED(one_that_always_says_soon_starves_nobody),
        STAGED(news_arrives_once_and_in_the_order_of_its_sender),
        STAGED(a_signal_arrives_on_the_loop),
        cmocka_unit_test(without_descriptors_there_is_no_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
