#include "core/drain.h"

#include "core/pool.h"
#include "core/resource.h"

static void explain(const struct pool *p, struct error *why)
{
    error_set(why, ERROR_PAUSED, "%s: drained until it is resumed", p->resource->name);
}

void drain_begin(struct pool *p, int64_t at_us)
{
    struct error why;
    explain(p, &why);
    if ((p->gate & GATE_PAUSED) != 0) /* they wait for a resumption that does not come */
        pool_refuse_all(p, &why);
    p->gate = (p->gate & ~(uint32_t)GATE_PAUSED) | GATE_DRAINING;
    p->cut_us = at_us;
    p->size.min = 0;
    keep_tell_starters(p, &why);
    keep_look(p);
}

void drain_undo(struct pool *p)
{
    p->gate &= ~(uint32_t)GATE_DRAINING;
    keep_bounds(p);
}

bool drain_is_over(const struct pool *p)
{
    return pool_all(p) == 0 && list_is_empty(&p->waiters);
}

void drain_look(struct pool *p)
{
    if ((p->gate & GATE_DRAINING) == 0 || engine_now(p->engine) < p->cut_us)
        return;
    struct error why;
    explain(p, &why);
    pool_refuse_all(p, &why);
    keep_cut(p);
}

int64_t drain_next(const struct pool *p)
{
    bool is_under_way = (p->gate & GATE_DRAINING) != 0 && engine_now(p->engine) < p->cut_us;
    return is_under_way ? p->cut_us : INT64_MAX;
}
