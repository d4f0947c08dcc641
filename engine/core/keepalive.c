#include "core/keepalive.h"

#include "core/pool.h"
#include "core/resource.h"

#define JITTER 10 /* percent */

static int64_t declared_us(const struct pool *p)
{
    return p->resource->spec->pool.keepalive_us;
}

static int64_t spread_us(const struct pool *p)
{
    return declared_us(p) / 100 * JITTER;
}

void keepalive_draw(struct conn *c)
{
    struct world *w = c->pool->engine->world;
    int64_t most_ms = declared_us(c->pool) / 1000, spread_ms = spread_us(c->pool) / 1000;
    if (most_ms > UINT32_MAX) /* seven weeks are as good as any longer */
        most_ms = UINT32_MAX;
    if (spread_ms > most_ms)
        spread_ms = most_ms;
    if (most_ms > 0)
        c->keepalive_ms = (uint32_t)(most_ms - (int64_t)world_below(w, (uint64_t)spread_ms + 1));
}

static bool is_off(const struct pool *p)
{
    return declared_us(p) == 0 || pool_is_closed(p) || (p->gate & GATE_DRAINING) != 0;
}

static int64_t due_us(const struct conn *c)
{
    return c->since_us + (int64_t)c->keepalive_ms * 1000;
}

void keepalive_look(struct pool *p)
{
    if (is_off(p) || !list_is_empty(&p->waiters))
        return;
    struct conn *c, *next;
    for (c = p->idle.first; c != NULL && p->count[CONN_CHECKING] < KEEPALIVE_AT_ONCE; c = next) {
        next = c->after;
        if (engine_now(p->engine) < due_us(c))
            continue;
        p->stats.keepalives++;
        care_check(c);
    }
}

/* What becomes idle after this look is due no sooner than the least span from now. Who is due already
 * has his turn when a check ends, at which the keeper looks. */
int64_t keepalive_next(const struct pool *p)
{
    if (is_off(p))
        return INT64_MAX;
    int64_t now_us = engine_now(p->engine), at_us = now_us + declared_us(p) - spread_us(p);
    for (const struct conn *c = p->idle.first; c != NULL; c = c->after)
        if (due_us(c) > now_us && due_us(c) < at_us)
            at_us = due_us(c);
    return at_us;
}
