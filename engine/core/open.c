/* Opening connections: how many are missing, and what came of each attempt, of ours or of another worker's. */
#include "core/circuits_at.h"
#include "core/handover.h"
#include "core/load.h"
#include "core/pool.h"
#include "core/reconnect.h"
#include "core/resource.h"
#include "core/share.h"

#define EASY_LIFE_US 10000000 /* of a connection that is not what the role needs */

static void log_outage(const struct pool *p, enum log_level level, const char *text,
                       const struct error *why)
{
    const struct log_field field[] = {{.key = "resource", .text = p->resource->name},
                                      {.key = "error", .text = why->text}};
    engine_log(p->engine, level, text, field, COUNT(field));
}

/* Those who share the endpoints may have waited for an attempt of ours. */
static void tell_other_roles(struct pool *p)
{
    if (p->outlook->pool == NULL)
        resource_each_pool(p->resource, keep_soon);
}

/* --- what came of it -------------------------------------------------------------------------- */

/* No endpoint is left to be tried at once. */
static void despair(struct pool *p, const struct error *last, bool is_heard)
{
    struct error why;
    reach_explain(p, last, &why);
    if (p->trouble == NULL) {
        if (!is_heard)
            log_outage(p, LOG_WARN, "cannot connect", &why);
        p->trouble = malloc(sizeof *p->trouble);
    }
    if (p->trouble != NULL)
        *p->trouble = why;
    if (error_is_hopeless(why.code)) {
        pool_refuse_all(p, &why);
        keep_tell_starters(p, &why);
    } else {
        keep_tell_impatient(p, &why);
    }
}

static void take_heart(struct pool *p)
{
    free(p->trouble);
    p->trouble = NULL;
}

/* Those leave that are older than the last order to leave of their endpoint. */
static void heed(struct pool *p)
{
    if (p->heeded == p->outlook->board->orders)
        return;
    p->heeded = p->outlook->board->orders;
    if ((p->resource->spec->role_choice[p->role] & NEBULA_SPREAD) == 0)
        p->last = outlook_last(p->outlook, p->role);
    for (struct conn *c = p->conns.first; c != NULL; c = c->next)
        if (c->state != CONN_OPENING && open_is_outdated(c))
            conn_retire(c);
}

static void heed_all(struct pool *p)
{
    if (p->outlook->pool == NULL)
        resource_each_pool(p->resource, heed);
    else
        heed(p);
}

bool open_is_outdated(const struct conn *c)
{
    const struct seen *s = c->pool->reach[c->reach].seen;
    return (int32_t)(s->turns - c->turns) > 0;
}

static void failed(struct pool *p, int32_t at, const struct error *why)
{
    p->stats.open_failed++;
    load_arrived(p, at);
    outage_failed(p, at, why);
    circuits_at_failed(p->resource, at, why->code);
    heed_all(p);
    tell_other_roles(p);
    if (!reach_has_hope(p))
        despair(p, why, false);
}

static int64_t draw_life_end(const struct pool *p)
{
    const struct nebula_pool *spec = &p->resource->spec->pool;
    struct engine *e = p->engine;
    if (spec->life_us == 0)
        return INT64_MAX;
    int64_t spread_us = spec->life_us / 100 * spec->life_jitter;
    return engine_now(e) + spec->life_us - (int64_t)world_below(e->world, (uint64_t)spread_us + 1);
}

/* What is second best is soon looked for anew. */
static int64_t life_end_of(const struct conn *c)
{
    if (c->is_retired)
        return engine_now(c->pool->engine);
    int64_t drawn_us = draw_life_end(c->pool), easy_us = engine_now(c->pool->engine) + EASY_LIFE_US;
    return c->is_easy && easy_us < drawn_us ? easy_us : drawn_us;
}

void open_succeeded(struct conn *c)
{
    struct pool *p = c->pool;
    load_arrived(p, c->reach);
    outage_opened(p, c->reach, c->is_easy);
    c->turns = p->reach[c->reach].seen->turns;
    c->was_opened = true;
    permits_opened(&p->stake);
    p->stats.opened++;
    heed_all(p);
    tell_other_roles(p);
    if (p->trouble != NULL)
        log_outage(p, LOG_INFO, "connects again", p->trouble);
    take_heart(p);
    c->created_us = c->used_us = engine_now(p->engine);
    if (load_is_shunned(p, c->reach))
        conn_retire(c);
    keepalive_draw(c);
    c->life_end_us = life_end_of(c);
    care_settle(c);
    keep_tell_warm(p);
    keep_look(p);
}

void open_failed(struct conn *c, const struct error *why)
{
    struct pool *p = c->pool;
    if (p->engine->is_stopping) {
        outage_gave_up(p, c->reach);
        return;
    }
    if (why->code == ERROR_CLOSED) { /* by us, who have no use for it any more */
        outage_gave_up(p, c->reach);
        tell_other_roles(p);
    } else {
        failed(p, c->reach, why);
    }
    keep_look(p);
}

void open_turned(struct conn *c)
{
    outage_turned(c);
    heed_all(c->pool);
}

/* --- what another worker found ---------------------------------------------------------------- */

/* At some endpoint nothing is known to be wrong. */
static bool is_well(const struct pool *p)
{
    for (int32_t i = 0; i < p->reaches; i++)
        if (p->reach[i].endpoint->fill.failures == 0 && p->reach[i].seen->misses == 0)
            return true;
    return false;
}

void open_heard(struct pool *p)
{
    if (p->engine->is_stopping)
        return;
    heed(p);
    if (is_well(p))
        take_heart(p);
    keep_soon(p);
}

/* Of an attempt at an endpoint of ours. */
void open_heard_failure(struct pool *p)
{
    open_heard(p);
    if (p->engine->is_stopping || reach_has_hope(p))
        return;
    struct error why;
    const struct error *told = p->reach[0].endpoint->why;
    error_set(&why, ERROR_UNFIT, "%s: the server is not what the role needs", p->resource->name);
    despair(p, told != NULL ? told : &why, true);
}

/* --- what is missing -------------------------------------------------------------------------- */

struct fill_counts open_count(const struct pool *p)
{
    int32_t opening = (int32_t)p->count[CONN_OPENING];
    int32_t starting = !ring_is_empty(&p->starters) && !keep_is_warm(p) && opening == 0;
    bool may_matter = p->size.min > pool_staying(p);
    int32_t elsewhere = may_matter ? permits_elsewhere(&p->stake) : 0;
    int32_t waiting = (int32_t)p->waiters.count + share_crowd(p) + starting;
    return (struct fill_counts){.all = pool_all(p),
                                .closing = pool_all(p) - pool_staying(p) + reconnect_due(p),
                                .opening = opening,
                                .elsewhere = elsewhere,
                                .coming = (int32_t)pool_coming(p) - reach_probing(p),
                                .waiting = load_demand(p, waiting)};
}

/* The place of the endpoint for one more, for which there is a permit and room; -1: none for now. */
static int32_t place_for_one(struct pool *p, int32_t missing, bool *is_easy_out)
{
    int32_t at;
    while (outage_has_room(p) && (at = reach_next(p, is_easy_out)) >= 0) {
        if (!handover_may_open(p, missing))
            return -1;
        if (outage_begin(p, at, *is_easy_out))
            return at;
        handover_unopened(p); /* others know better by now */
        if (load_is_wanted(p, at)) {
            load_arrived(p, at); /* nobody else is wanted in its place */
            keep_soon(p);
            return -1;
        }
    }
    p->open_again_us = reach_again_us(p);
    return -1;
}

static void open_some(struct pool *p)
{
    struct fill_counts n = open_count(p);
    for (int32_t missing = fill_wanted(&p->size, &n); missing > 0; missing--) {
        bool is_easy;
        int32_t at = place_for_one(p, missing, &is_easy);
        if (at < 0)
            return;
        p->last = (p->resource->spec->role_choice[p->role] & NEBULA_SPREAD) != 0 ? at : p->last;
        if (conn_open(p, at, is_easy) != NULL)
            continue;
        handover_closed(p);
        struct error why;
        error_set(&why, ERROR_MEMORY, "%s: no memory for one more connection", p->resource->name);
        failed(p, at, &why);
        keep_soon(p);
        return;
    }
}

void open_missing(struct pool *p)
{
    p->open_again_us = 0;
    p->claims = false;
    if (!pool_is_closed(p))
        open_some(p);
    handover_opened(p);
}
