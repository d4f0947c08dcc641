/* mutex.c - the pool that one writes by hand: ten things behind a mutex, and a condition variable for who has to wait.
 *
 * For bench/pools.lua. A second thread is there and does nothing, because in a process of a single thread the C library
 * takes a mutex without a locked instruction, and nobody would need the mutex.
 */
#include <pthread.h>
#include <unistd.h>

#include "base/check.h"
#include "stage.h"

#define SIZE 10

struct pool {
    pthread_mutex_t lock;
    pthread_cond_t given;
    int idle;
    int thing[SIZE];
};

static int take(struct pool *p)
{
    pthread_mutex_lock(&p->lock);
    while (p->idle == 0)
        pthread_cond_wait(&p->given, &p->lock);
    int thing = p->thing[--p->idle];
    pthread_mutex_unlock(&p->lock);
    return thing;
}

static void give(struct pool *p, int thing)
{
    pthread_mutex_lock(&p->lock);
    p->thing[p->idle++] = thing;
    pthread_cond_signal(&p->given);
    pthread_mutex_unlock(&p->lock);
}

static void take_and_give(void *of_pool, int64_t times)
{
    struct pool *p = of_pool;
    for (int64_t i = 0; i < times; i++)
        give(p, take(p));
}

static void *stand_by(void *nothing)
{
    for (;;)
        pause();
    return nothing;
}

int main(void)
{
    struct pool p = {
        .lock = PTHREAD_MUTEX_INITIALIZER, .given = PTHREAD_COND_INITIALIZER, .idle = SIZE};
    for (int i = 0; i < SIZE; i++)
        p.thing[i] = i;
    pthread_t other;
    CHECK(pthread_create(&other, NULL, stand_by, NULL) == 0);
    bench_slices(take_and_give, &p);
    return 0;
}
