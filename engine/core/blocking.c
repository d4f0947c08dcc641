/* blocking.c - see blocking.h. One thread, which a semaphore wakes; the way back is loop_post().
 *
 * Jobs are given on a stack, which the thread takes as a whole and turns round: so there is no lock, and a thread
 * that has nothing to do costs little more than its semaphore. Whoever wakes it without a job has changed its name,
 * or has it end.
 *
 * A spare is the same struct without an owner: it has no job, and its thread waits as ever.
 */
#include "core/blocking.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/thread.h"

struct blocking {
    struct loop *loop;
    pthread_t thread;
    sem_t wake;                   /* as often as somebody wants it to look */
    _Atomic(struct note *) given; /* of jobs, the last one first */
    _Atomic(const char *) name;
    atomic_bool is_ending;
    int under_way; /* jobs given and not done; what the loop's thread alone knows */
};

static void arrived(struct note *n)
{
    struct job *j = container_of(n, struct job, note);
    j->blocking->under_way--;
    j->done(j);
}

/* --- the thread ------------------------------------------------------------------------------- */

/* Those given since it looked, the first one first. */
static struct note *take_all(struct blocking *b)
{
    struct note *all = NULL, *next, *n = atomic_exchange(&b->given, NULL);
    for (; n != NULL; n = next) {
        next = n->next;
        n->next = all;
        all = n;
    }
    return all;
}

static void serve_all(struct blocking *b)
{
    for (struct note *next, *n = take_all(b); n != NULL; n = next) {
        next = n->next;
        struct job *j = container_of(n, struct job, note);
        j->run(j);
        loop_post(b->loop, n);
    }
}

static void *serve(void *data)
{
    struct blocking *b = data;
    const char *called = NULL;
    do {
        const char *name = atomic_load(&b->name);
        if (name != called)
            thread_name(called = name);
        serve_all(b);
        while (sem_wait(&b->wake) != 0)
            continue;
    } while (!atomic_load(&b->is_ending));
    return NULL;
}

/* --- the spares ------------------------------------------------------------------------------- */

static void rename_to(struct blocking *b, const char *name)
{
    atomic_store(&b->name, name);
    sem_post(&b->wake);
}

static void end(struct blocking *b)
{
    atomic_store(&b->is_ending, true);
    sem_post(&b->wake);
    CHECK(pthread_join(b->thread, NULL) == 0);
    sem_destroy(&b->wake);
    free(b);
}

static void dismiss_late(struct timer *t)
{
    struct spares *s = container_of(t, struct spares, leaving);
    if (s->count == 0)
        return;
    struct blocking *oldest = s->idle[0];
    struct loop *loop = oldest->loop;
    if (s->leaves_us[0] <= loop_now_us(loop)) {
        s->count--;
        memmove(s->idle, s->idle + 1, (size_t)s->count * sizeof *s->idle);
        memmove(s->leaves_us, s->leaves_us + 1, (size_t)s->count * sizeof *s->leaves_us);
        end(oldest);
    }
    if (s->count > 0)
        loop_arm(loop, t, s->leaves_us[0]);
}

void spares_init(struct spares *s)
{
    s->count = 0;
    timer_init(&s->leaving, dismiss_late);
}

void spares_fini(struct spares *s, struct loop *loop)
{
    loop_disarm(loop, &s->leaving);
    while (s->count > 0)
        end(s->idle[--s->count]);
}

static void keep(struct spares *s, struct blocking *b)
{
    rename_to(b, "nebula-spare");
    s->leaves_us[s->count] = loop_now_us(b->loop) + SPARE_US;
    s->idle[s->count++] = b;
    loop_arm(b->loop, &s->leaving, s->leaves_us[0]);
}

/* --- for the owners --------------------------------------------------------------------------- */

static struct blocking *start(struct loop *loop, const char *name)
{
    struct blocking *b = malloc(sizeof *b);
    if (b == NULL)
        return NULL;
    *b = (struct blocking){.loop = loop, .name = name};
    sem_init(&b->wake, 0, 0);
    if (thread_start(&b->thread, serve, b))
        return b;
    sem_destroy(&b->wake);
    free(b);
    return NULL;
}

struct blocking *blocking_new(struct loop *loop, const char *name)
{
    struct spares *s = loop_spares(loop);
    if (s->count == 0)
        return start(loop, name);
    struct blocking *b = s->idle[--s->count];
    atomic_store(&b->name, name); /* it hears of it with its first job */
    return b;
}

void blocking_run(struct blocking *b, struct job *j)
{
    j->blocking = b;
    j->note = (struct note){.arrived = arrived, .next = atomic_load(&b->given)};
    b->under_way++;
    while (!atomic_compare_exchange_weak(&b->given, &j->note.next, &j->note))
        continue;
    sem_post(&b->wake);
}

void blocking_move(struct blocking *b, struct loop *loop)
{
    CHECK(b->under_way == 0);
    b->loop = loop; /* the next job is given after that */
}

void blocking_free(struct blocking **b_in)
{
    struct blocking *b = *b_in;
    *b_in = NULL;
    CHECK(b->under_way == 0);
    struct spares *s = loop_spares(b->loop);
    if (s->count < SPARES_MOST)
        keep(s, b);
    else
        end(b);
}
