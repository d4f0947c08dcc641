/* blocking.c - see blocking.h. One queue, one thread, one lock; the way back is loop_post().
 *
 * A spare is the same struct without an owner: its queue is empty, and its thread waits as ever.
 */
#include "core/blocking.h"

#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/thread.h"

struct blocking {
    struct loop *loop;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct note *first; /* of the jobs not begun, which are few, in the order given */
    const char *name;
    bool is_ending;
    int under_way; /* jobs given and not done; what the loop's thread alone knows */
};

static void arrived(struct note *n)
{
    struct job *j = container_of(n, struct job, note);
    j->blocking->under_way--;
    j->done(j);
}

/* --- the thread ------------------------------------------------------------------------------- */

static void wait_for_job(struct blocking *b, const char **called)
{
    for (;;) {
        if (b->name != *called)
            thread_name(*called = b->name);
        if (b->first != NULL || b->is_ending)
            return;
        pthread_cond_wait(&b->changed, &b->lock);
    }
}

/* The next job, NULL when the thread is to end. */
static struct job *next_job(struct blocking *b, const char **called)
{
    pthread_mutex_lock(&b->lock);
    wait_for_job(b, called);
    struct note *n = b->first;
    b->first = n == NULL ? NULL : n->next;
    pthread_mutex_unlock(&b->lock);
    return n == NULL ? NULL : container_of(n, struct job, note);
}

static void *serve(void *data)
{
    struct blocking *b = data;
    const char *called = NULL;
    struct job *j;
    while ((j = next_job(b, &called)) != NULL) {
        j->run(j);
        loop_post(b->loop, &j->note);
    }
    return NULL;
}

/* --- the spares ------------------------------------------------------------------------------- */

static void rename_to(struct blocking *b, const char *name)
{
    pthread_mutex_lock(&b->lock);
    b->name = name;
    pthread_cond_signal(&b->changed);
    pthread_mutex_unlock(&b->lock);
}

static void end(struct blocking *b)
{
    pthread_mutex_lock(&b->lock);
    b->is_ending = true;
    pthread_cond_signal(&b->changed);
    pthread_mutex_unlock(&b->lock);
    CHECK(pthread_join(b->thread, NULL) == 0);
    pthread_cond_destroy(&b->changed);
    pthread_mutex_destroy(&b->lock);
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
    pthread_mutex_init(&b->lock, NULL);
    pthread_cond_init(&b->changed, NULL);
    if (thread_start(&b->thread, serve, b))
        return b;
    pthread_cond_destroy(&b->changed);
    pthread_mutex_destroy(&b->lock);
    free(b);
    return NULL;
}

struct blocking *blocking_new(struct loop *loop, const char *name)
{
    struct spares *s = loop_spares(loop);
    if (s->count == 0)
        return start(loop, name);
    struct blocking *b = s->idle[--s->count];
    pthread_mutex_lock(&b->lock);
    b->name = name; /* it hears of it with its first job */
    pthread_mutex_unlock(&b->lock);
    return b;
}

void blocking_run(struct blocking *b, struct job *j)
{
    j->blocking = b;
    j->note = (struct note){.arrived = arrived};
    b->under_way++;
    pthread_mutex_lock(&b->lock);
    struct note **at = &b->first;
    while (*at != NULL)
        at = &(*at)->next;
    *at = &j->note;
    pthread_cond_signal(&b->changed);
    pthread_mutex_unlock(&b->lock);
}

void blocking_move(struct blocking *b, struct loop *loop)
{
    CHECK(b->under_way == 0);
    pthread_mutex_lock(&b->lock);
    b->loop = loop;
    pthread_mutex_unlock(&b->lock);
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
