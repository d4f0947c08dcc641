#include "core/budget.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/check.h"
#include "rules/slice.h"

/* A slice is written by its worker alone, and read by who holds the lock. */
struct slice {
    _Atomic int64_t tokens;
    char apart[64 - sizeof(int64_t)]; /* no other's is in the same line of the cache */
};

struct purse {
    struct common common; /* its lock is that of the bucket */
    struct rate_policy policy;
    struct bucket bucket;
    int32_t slices;
    struct slice slice[]; /* by worker */
};

struct budget {
    struct purse *purse; /* NULL: it is alone, */
    struct rate_policy policy;
    struct bucket own; /* and this is all there is */
    struct loop *loop;
    struct timer timer; /* to settle */
    int32_t worker;
    int64_t taken_us; /* the slice */
    int64_t earned;   /* millionths that were put in, and are not in the bucket yet */
};

struct making {
    const struct rate_policy *policy;
    int64_t first, now_us;
};

static struct common *purse_make(const struct ledger *l, const void *how)
{
    const struct making *m = how;
    size_t slices = (size_t)ledger_workers(l);
    struct purse *p = calloc(1, sizeof *p + slices * sizeof p->slice[0]);
    if (p == NULL)
        return NULL;
    p->policy = *m->policy;
    p->slices = (int32_t)slices;
    bucket_init(&p->bucket, m->first * RATE_TOKEN, m->now_us);
    return &p->common;
}

/* --- touching --------------------------------------------------------------------------------- */

static int64_t slice_of(const struct budget *b)
{
    return b->purse == NULL
               ? 0
               : atomic_load_explicit(&b->purse->slice[b->worker].tokens, memory_order_relaxed);
}

static void keep(struct budget *b, int64_t tokens)
{
    if (b->purse != NULL)
        atomic_store_explicit(&b->purse->slice[b->worker].tokens, tokens, memory_order_relaxed);
}

/* The bucket, with what was put in; it is this worker's until leave(). */
static struct bucket *enter(struct budget *b, int64_t now_us)
{
    struct bucket *bucket = b->purse == NULL ? &b->own : &b->purse->bucket;
    if (b->purse != NULL)
        common_lock(&b->purse->common);
    bucket_fill(bucket, &b->policy, now_us);
    bucket_earn(bucket, &b->policy, b->earned);
    b->earned = 0;
    return bucket;
}

static void leave(struct budget *b)
{
    struct purse *p = b->purse;
    if (p == NULL) {
        bucket_settle(&b->own, 0);
        return;
    }
    int64_t held = 0;
    for (int32_t i = 0; i < p->slices; i++)
        held += atomic_load_explicit(&p->slice[i].tokens, memory_order_relaxed);
    bucket_settle(&p->bucket, held);
    common_unlock(&p->common);
}

static void settle(struct budget *b, int64_t now_us)
{
    loop_disarm(b->loop, &b->timer);
    bucket_give(enter(b, now_us), &b->policy, slice_of(b));
    keep(b, 0);
    leave(b);
}

static void time_to_settle(struct timer *t)
{
    struct budget *b = container_of(t, struct budget, timer);
    settle(b, loop_now_us(b->loop));
}

/* Behind what it is armed for already. */
static void settle_later(struct budget *b, int64_t now_us)
{
    if (!timer_is_armed(&b->timer))
        loop_arm(b->loop, &b->timer, now_us + SLICE_SPAN_US);
}

/* --- for who uses them ------------------------------------------------------------------------ */

struct budget *budget_new(struct ledger *l, int32_t worker, struct loop *loop, const char *identity,
                          const struct rate_policy *p, int64_t first)
{
    const struct making how = {.policy = p, .first = first, .now_us = loop_now_us(loop)};
    struct budget *b = calloc(1, sizeof *b);
    if (b == NULL)
        return NULL;
    b->worker = worker;
    b->loop = loop;
    b->policy = *p;
    timer_init(&b->timer, time_to_settle);
    bucket_init(&b->own, first * RATE_TOKEN, how.now_us);
    if (l == NULL)
        return b;
    struct common *c = common_join(l, identity, purse_make, &how);
    if (c == NULL) {
        free(b);
        return NULL;
    }
    b->purse = container_of(c, struct purse, common);
    b->policy = b->purse->policy;
    CHECK(worker >= 0 && worker < b->purse->slices && slice_of(b) == 0);
    return b;
}

void budget_free(struct budget **budget)
{
    struct budget *b = *budget;
    *budget = NULL;
    if (b == NULL)
        return;
    settle(b, loop_now_us(b->loop));
    if (b->purse != NULL)
        common_leave(&b->purse->common);
    free(b);
}

static bool draw(struct budget *b, int64_t now_us)
{
    int64_t most = b->purse == NULL ? 1 : slice_size(&b->policy);
    int64_t tokens = bucket_take(enter(b, now_us), most);
    keep(b, tokens > 0 ? tokens - 1 : 0); /* the first is used here */
    leave(b);
    b->taken_us = now_us;
    if (tokens > 1)
        settle_later(b, now_us);
    return tokens > 0;
}

bool budget_take(struct budget *b, int64_t now_us)
{
    int64_t tokens = slice_of(b);
    if (tokens == 0)
        return draw(b, now_us);
    if (now_us >= b->taken_us + SLICE_SPAN_US) {
        settle(b, now_us); /* the timer is late */
        return draw(b, now_us);
    }
    keep(b, tokens - 1);
    return true;
}

void budget_put(struct budget *b, int64_t micros, int64_t now_us)
{
    int64_t most = (b->policy.burst + b->policy.extra) * RATE_TOKEN;
    b->earned = micros < most - b->earned ? b->earned + micros : most;
    if (b->purse != NULL && b->earned >= RATE_TOKEN)
        settle_later(b, now_us);
}
