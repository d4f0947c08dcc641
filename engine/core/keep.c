/* The keeper of a pool: has opened what is missing, closes what is too old, and sleeps until the next of
 * these is due. */
#include "core/admit.h"
#include "core/ear.h"
#include "core/errand.h"
#include "core/handover.h"
#include "core/hold.h"
#include "core/load.h"
#include "core/pool.h"
#include "core/resource.h"
#include "core/share.h"

static int32_t open_elsewhere(const struct pool *p)
{
    int32_t open = permits_open(&p->stake);
    for (const struct conn *c = open == 0 ? NULL : p->conns.first; c != NULL; c = c->next)
        open -= c->was_opened;
    return open;
}

/* How many must be open here. One at least, where the minimum is kept and others left room for one; in other
 * workers nobody waits for what may be had by none. What others only try to open may never be. */
static int32_t least_here(const struct pool *p)
{
    if (!p->is_home)
        return 0;
    int32_t least = p->size.min - open_elsewhere(p);
    return least > 0 ? least : permits_elsewhere(&p->stake) < p->size.max;
}

bool keep_is_warm(const struct pool *p)
{
    return pool_warm(p) >= least_here(p);
}

void keep_tell_starters(struct pool *p, const struct error *why)
{
    struct list_node *n;
    while ((n = p->starters.first) != NULL) {
        ring_remove(&p->starters, n);
        struct starter *s = container_of(n, struct starter, node);
        s->started(s, why);
    }
}

void keep_tell_warm(struct pool *p)
{
    if (keep_is_warm(p))
        keep_tell_starters(p, &(struct error){.code = ERROR_OK});
}

static void tell_impatient_starters(struct pool *p, const struct error *why)
{
    struct list_node *n, *next;
    for (n = p->starters.first; n != NULL; n = next) {
        next = ring_next(&p->starters, n);
        struct starter *s = container_of(n, struct starter, node);
        if (s->is_patient)
            continue;
        ring_remove(&p->starters, n);
        s->started(s, why);
    }
}

static void refuse_impatient(struct pool *p, const struct error *why)
{
    struct list_node *n, *next;
    for (n = list_head(&p->waiters); n != NULL; n = next) {
        next = list_next(&p->waiters, n);
        struct waiter *w = container_of(n, struct waiter, node);
        if (!w->is_fail_fast)
            continue;
        pool_refuse(p, w, why);
        next = list_head(&p->waiters); /* whoever was refused may have changed the queue */
    }
}

/* Those who do not wait for a better time. */
void keep_tell_impatient(struct pool *p, const struct error *why)
{
    refuse_impatient(p, why);
    tell_impatient_starters(p, why);
}

void keep_soon(struct pool *p)
{
    loop_soon(p->engine->loop, &p->look);
}

/* --- closing, and looking again -------------------------------------------------------------- */

static bool is_spare(const struct pool *p)
{
    return pool_warm(p) > p->size.min;
}

static void close_because(struct conn *c, const char *was)
{
    struct error why;
    error_set(&why, ERROR_CLOSED, "%s: connection %u was %s", conn_resource(c), c->id, was);
    conn_close(c, &why);
}

static void close_at_end_of_life(struct conn *c)
{
    if (engine_now(c->pool->engine) >= c->life_end_us)
        close_because(c, c->is_retired ? "retired" : "at the end of its life");
}

/* It never comes home, so it does not leave by itself. */
static void close_listening(struct pool *p)
{
    struct conn *c = p->ear == NULL ? NULL : p->ear->conn;
    if (c != NULL && (p->gate & GATE_DRAINING) != 0)
        close_because(c, "drained");
    else if (c != NULL)
        close_at_end_of_life(c);
}

static void close_old(struct pool *p)
{
    int64_t idle_us = p->resource->spec->pool.idle_us, now_us = engine_now(p->engine);
    struct conn *c, *next;
    for (c = p->idle.first; c != NULL; c = next) {
        next = c->after;
        close_at_end_of_life(c);
    }
    close_listening(p);
    while ((c = idle_oldest(&p->idle)) != NULL && (pool_has_excess(p) || permits_doom(&p->stake)))
        close_because(c, "one too many");
    while (idle_us > 0 && is_spare(p) && (c = idle_oldest(&p->idle)) != NULL &&
           now_us >= conn_idle_since(c) + idle_us)
        close_because(c, "idle for too long");
}

void keep_retire(struct pool *p, int32_t at)
{
    for (struct conn *c = p->conns.first; c != NULL; c = c->next) {
        if (c->reach == at && c->state != CONN_OPENING)
            conn_retire(c);
    }
}

static void sooner(int64_t *at_us, int64_t other_us)
{
    if (other_us < *at_us)
        *at_us = other_us;
}

/* Whoever waits for one that does not come back in time needs another. */
static void turn_end(int64_t *at_us, const struct conn *c)
{
    if (conn_is_turning(c) && c->since_us + POOL_TURN_US > engine_now(c->pool->engine))
        sooner(at_us, c->since_us + POOL_TURN_US);
}

/* A life that has not begun needs no look, nor one that is over: the connection closes as it comes
 * home. */
static void life_end(int64_t *at_us, const struct conn *c)
{
    if (c->state != CONN_CLOSING && c->life_end_us > engine_now(c->pool->engine))
        sooner(at_us, c->life_end_us);
}

/* When the keeper must look again. What becomes idle after this look is due no sooner than idle_us
 * from now, so that giving a connection back need not arm anything. */
static int64_t next_look(const struct pool *p)
{
    int64_t idle_us = p->resource->spec->pool.idle_us, at_us = reconnect_next(p);
    sooner(&at_us, drain_next(p));
    sooner(&at_us, keepalive_next(p));
    sooner(&at_us, hold_next(p));
    sooner(&at_us, monitor_next(p));
    struct fill_counts n = open_count(p);
    if (!pool_is_closed(p) && p->open_again_us > engine_now(p->engine) &&
        fill_wanted(&p->size, &n) > 0)
        sooner(&at_us, p->open_again_us);
    if (idle_us > 0 && is_spare(p)) {
        sooner(&at_us, engine_now(p->engine) + idle_us);
        const struct conn *oldest = idle_oldest(&p->idle);
        if (oldest != NULL)
            sooner(&at_us, conn_idle_since(oldest) + idle_us);
    }
    sooner(&at_us, handover_late_us(p));
    sooner(&at_us, admit_opens_us(p));
    if (handover_wish_us(p) > engine_now(p->engine))
        sooner(&at_us, handover_wish_us(p));
    for (const struct conn *c = p->conns.first; c != NULL; c = c->next) {
        life_end(&at_us, c);
        sooner(&at_us, conn_bound(c));
        sooner(&at_us, share_next(c));
        if (!list_is_empty(&p->waiters))
            turn_end(&at_us, c);
    }
    return at_us;
}

/* All connections are here, and some stuck; or no other worker has one to spare. */
static bool is_in_vain(const struct pool *p)
{
    if (pool_all(p) < p->size.max)
        return engine_now(p->engine) >= handover_given_up_us(p);
    return pool_stuck(p) > 0;
}

/* What the impatient waited for does not come back in time, and there is no room for another. */
static void refuse_if_stuck(struct pool *p)
{
    if (list_is_empty(&p->waiters) || pool_coming(p) > 0 || !is_in_vain(p))
        return;
    struct error why;
    error_set(&why, ERROR_FULL, "%s: all %d connections are in use", p->resource->name,
              p->size.max);
    refuse_impatient(p, &why);
}

/* The short path takes no notice of numbers. */
static void watch_excess(struct pool *p)
{
    if (pool_staying(p) > p->size.max || permits_has_excess(&p->stake))
        p->gate |= GATE_EXCESS;
    else
        p->gate &= ~(uint32_t)GATE_EXCESS;
}

static void wake_at(struct pool *p, int64_t at_us)
{
    if (at_us == INT64_MAX)
        loop_disarm(p->engine->loop, &p->keeper);
    else
        loop_arm(p->engine->loop, &p->keeper, at_us);
}

static void look_after(struct pool *p)
{
    monitor_look(p);
    drain_look(p);
    hold_look(p);
    reconnect_look(p);
    close_old(p);
    share_look(p);
    watch_excess(p);
    handover_look(p);
    pool_serve(p);
    admit_refuse(p);
    load_make_room(p);
    open_missing(p);
    if (!ring_is_empty(&p->starters))
        keep_tell_warm(p);
    refuse_if_stuck(p);
    keepalive_look(p);
    wake_at(p, next_look(p));
}

void keep_look(struct pool *p)
{
    if (!p->engine->is_stopping)
        look_after(p);
    errand_look(p->engine);
}

/* Also while the engine stops, when nothing else is looked at. */
static void close_late(struct pool *p)
{
    int64_t now_us = engine_now(p->engine);
    for (struct conn *c = p->conns.first, *next; c != NULL; c = next) {
        next = c->next;
        if (now_us >= conn_bound(c))
            conn_late(c);
    }
}

static void watch_bounds(struct pool *p)
{
    int64_t at_us = INT64_MAX;
    for (const struct conn *c = p->conns.first; c != NULL; c = c->next)
        sooner(&at_us, conn_bound(c));
    wake_at(p, at_us);
}

void keep_bound(struct conn *c, int64_t at_us)
{
    struct timer *keeper = &c->pool->keeper;
    c->bound_us = at_us;
    if (!timer_is_armed(keeper) || at_us < keeper->at_us)
        loop_arm(c->pool->engine->loop, keeper, at_us);
}

static void keeper_fired(struct timer *t)
{
    struct pool *p = container_of(t, struct pool, keeper);
    close_late(p);
    watch_bounds(p);
    keep_look(p);
}

static void look(struct soon *s)
{
    keep_look(container_of(s, struct pool, look));
}

void keep_init(struct pool *p)
{
    soon_init(&p->look, look);
    timer_init(&p->keeper, keeper_fired);
}

/* --- start, pause, stop ---------------------------------------------------------------------- */

void keep_start(struct pool *p, struct starter *s)
{
    node_init(&s->node);
    if (keep_is_warm(p)) {
        s->started(s, &(struct error){.code = ERROR_OK});
        return;
    }
    ring_push_tail(&p->starters, &s->node);
    keep_look(p);
}

void keep_unstart(struct pool *p, struct starter *s)
{
    ring_remove(&p->starters, &s->node);
}

void keep_pause(struct pool *p)
{
    p->gate |= GATE_PAUSED;
}

void keep_resume(struct pool *p)
{
    p->gate &= ~(uint32_t)GATE_PAUSED;
    if ((p->gate & GATE_DRAINING) != 0)
        drain_undo(p);
    if (p->ear != NULL)
        ear_hurry(p->ear);
    keep_look(p);
}

void keep_bounds(struct pool *p)
{
    monitor_bounds(p);
    p->size = resource_size(p->resource, p->role);
    if (!p->is_home || (p->gate & GATE_DRAINING) != 0)
        p->size.min = 0;
}

void keep_resize(struct pool *p)
{
    const struct fill_policy size = resource_size(p->resource, p->role);
    permits_resize(&p->stake, size.max);
    permits_least(&p->stake, size.min);
    keep_bounds(p);
    keep_tell_warm(p);
    keep_look(p);
}

static struct conn *first_in(const struct pool *p, uint32_t states)
{
    for (struct conn *c = p->conns.first; c != NULL; c = c->next) {
        if ((states >> c->state & 1) != 0)
            return c;
    }
    return NULL;
}

static void explain_end(const struct pool *p, struct error *why)
{
    error_set(why, ERROR_CLOSED, "%s: %s", p->resource->name,
              p->engine->is_stopping ? "the engine is shutting down" : "drained");
}

/* Looks from the front again for each: what a request's end sets off may close others. */
static void close_all(struct pool *p, uint32_t states)
{
    struct error why;
    explain_end(p, &why);
    struct conn *c;
    while ((c = first_in(p, states)) != NULL)
        conn_close(c, &why);
}

void keep_stop(struct pool *p)
{
    struct error why;
    explain_end(p, &why);
    p->gate |= GATE_STOPPING;
    watch_bounds(p);
    if (p->ear != NULL)
        ear_stop(p->ear);
    keep_tell_starters(p, &why);
    pool_refuse_all(p, &why);
    handover_stop(p);
    close_all(p, 1U << CONN_OPENING | 1U << CONN_IDLE);
}

void keep_cut(struct pool *p)
{
    close_all(p, ~(1U << CONN_CLOSING));
}
