/* queue.c mutex|fair THREADS - two things behind a mutex, and threads that take and give as fast as they can, for
 * bench/waits.lua: each line on the input is a time in us, the answer is what came of it.
 *
 * `mutex` is the pool that one writes by hand: a condition variable wakes somebody, and whoever is there first has it.
 * `fair` hands a thing that is given to who waited longest, by a condition variable of his own.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "base/list.h"

#define SIZE 2
#define EVERY 16
#define THREADS_MOST 64
#define SAMPLES 20000 /* of a thread */

struct waiter {
    struct list_node node;
    pthread_cond_t woken;
    int thing; /* -1: none yet */
};

struct pool {
    pthread_mutex_t lock;
    pthread_cond_t given;
    struct list waiters;
    bool is_fair;
    int idle;
    int thing[SIZE];
};

struct crowd {
    struct pool pool;
    double until_ns;
    pthread_barrier_t begin;
};

struct member {
    pthread_t thread;
    struct crowd *crowd;
    struct waiter waiter;
    int64_t rounds;
    int samples;
    double waited_ns[SAMPLES];
};

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int take(struct pool *p, struct waiter *w)
{
    pthread_mutex_lock(&p->lock);
    if (p->is_fair && p->idle == 0) {
        w->thing = -1;
        list_push_tail(&p->waiters, &w->node);
        while (w->thing < 0)
            pthread_cond_wait(&w->woken, &p->lock);
        pthread_mutex_unlock(&p->lock);
        return w->thing;
    }
    while (p->idle == 0)
        pthread_cond_wait(&p->given, &p->lock);
    int thing = p->thing[--p->idle];
    pthread_mutex_unlock(&p->lock);
    return thing;
}

static void give(struct pool *p, int thing)
{
    pthread_mutex_lock(&p->lock);
    struct list_node *n = list_pop_head(&p->waiters);
    if (n != NULL) {
        struct waiter *w = container_of(n, struct waiter, node);
        w->thing = thing;
        pthread_cond_signal(&w->woken);
    } else {
        p->thing[p->idle++] = thing;
        pthread_cond_signal(&p->given);
    }
    pthread_mutex_unlock(&p->lock);
}

static double time_one(struct member *m)
{
    double begun_ns = now_ns();
    int thing = take(&m->crowd->pool, &m->waiter);
    double at_ns = now_ns();
    give(&m->crowd->pool, thing);
    if (m->samples < SAMPLES)
        m->waited_ns[m->samples++] = at_ns - begun_ns;
    return at_ns;
}

/* The first time and every 16th are timed. */
static void *take_and_give(void *data)
{
    struct member *m = data;
    struct pool *p = &m->crowd->pool;
    pthread_barrier_wait(&m->crowd->begin);
    time_one(m);
    do {
        for (int i = 1; i < EVERY; i++)
            give(p, take(p, &m->waiter));
        m->rounds += EVERY;
    } while (time_one(m) < m->crowd->until_ns);
    return NULL;
}

static int by_size(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static double quantile(double *list, size_t count, size_t percent)
{
    qsort(list, count, sizeof *list, by_size);
    return list[count * percent / 100];
}

static void answer(const struct member *m, int threads, double took_ns)
{
    static double all[THREADS_MOST * SAMPLES];
    int64_t rounds = 0, slowest = INT64_MAX, fastest = 0;
    size_t samples = 0;
    double worst = 0;
    for (int i = 0; i < threads; i++) {
        rounds += m[i].rounds;
        slowest = m[i].rounds < slowest ? m[i].rounds : slowest;
        fastest = m[i].rounds > fastest ? m[i].rounds : fastest;
        memcpy(all + samples, m[i].waited_ns, (size_t)m[i].samples * sizeof *all);
        double own = quantile(all + samples, (size_t)m[i].samples, 99);
        worst = own > worst ? own : worst;
        samples += (size_t)m[i].samples;
    }
    double p50 = quantile(all, samples, 50), p99 = quantile(all, samples, 99);
    printf("%lld %.0f %lld %lld %.0f %.0f %.0f\n", (long long)rounds, took_ns, (long long)slowest,
           (long long)fastest, p50, p99, worst);
    fflush(stdout);
}

static void run(struct crowd *c, int threads, double span_us)
{
    static struct member m[THREADS_MOST];
    CHECK(pthread_barrier_init(&c->begin, NULL, (unsigned)threads) == 0);
    double begun_ns = now_ns();
    c->until_ns = begun_ns + span_us * 1e3;
    for (int i = 0; i < threads; i++) {
        m[i].crowd = c;
        m[i].rounds = m[i].samples = 0;
        node_init(&m[i].waiter.node);
        CHECK(pthread_cond_init(&m[i].waiter.woken, NULL) == 0);
        CHECK(pthread_create(&m[i].thread, NULL, take_and_give, &m[i]) == 0);
    }
    for (int i = 0; i < threads; i++)
        CHECK(pthread_join(m[i].thread, NULL) == 0);
    answer(m, threads, now_ns() - begun_ns);
    pthread_barrier_destroy(&c->begin);
}

int main(int words, char **word)
{
    static struct crowd c = {.pool = {.lock = PTHREAD_MUTEX_INITIALIZER,
                                      .given = PTHREAD_COND_INITIALIZER,
                                      .idle = SIZE}};
    char line[32];
    CHECK(words == 3);
    list_init(&c.pool.waiters);
    c.pool.is_fair = strcmp(word[1], "fair") == 0;
    for (int i = 0; i < SIZE; i++)
        c.pool.thing[i] = i;
    int threads = atoi(word[2]);
    CHECK(threads > 0 && threads <= THREADS_MOST);
    while (fgets(line, sizeof line, stdin) != NULL)
        run(&c, threads, atof(line));
    return 0;
}
