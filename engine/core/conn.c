#include "core/conn.h"

#include "core/chaos.h"
#include "core/ear.h"
#include "core/handover.h"
#include "core/lease.h"
#include "core/load.h"
#include "core/pool.h"
#include "core/resource.h"
#include "core/share.h"

#define CANCEL_BOUND_US 2000000 /* a cancel that takes longer is not worth its connection */

static void trace(struct conn *c, enum trace_what what, int64_t b, int64_t d)
{
    engine_trace(c->pool->engine, what, c->pool->resource->number, c->id, b, d);
}

struct loop *conn_loop(const struct conn *c)
{
    return c->pool->engine->loop;
}

int64_t conn_open_until_us(const struct conn *c)
{
    return c->created_us + c->pool->resource->spec->pool.connect_us;
}

const char *conn_resource(const struct conn *c)
{
    return c->pool->resource->name;
}

const struct driver *conn_driven_by(const struct conn *c)
{
    return c->pool->driver;
}

struct request *conn_head(const struct conn *c)
{
    struct list_node *n = c->requests.first;
    return n == NULL ? NULL : container_of(n, struct request, node);
}

const char *conn_state_name(enum conn_state state)
{
    static const char *const name[CONN_STATES] = {
        [CONN_OPENING] = "opening",     [CONN_IDLE] = "idle",
        [CONN_LEASED] = "leased",       [CONN_CHECKING] = "checking",
        [CONN_RESETTING] = "resetting", [CONN_CANCELLING] = "cancelling",
        [CONN_LISTENING] = "listening", [CONN_CLOSING] = "closing",
    };
    CHECK((size_t)state < CONN_STATES);
    return name[state];
}

/* The short path moves between IDLE and LEASED and counts nothing, so they are counted as one. */
static enum conn_state counted_as(enum conn_state state)
{
    return state == CONN_LEASED ? CONN_IDLE : state;
}

void conn_tell(struct conn *c, enum conn_state from)
{
    trace(c, TRACE_CONN_MOVED, from, c->state);
}

void conn_move(struct conn *c, enum conn_state to)
{
    struct pool *p = c->pool;
    enum conn_state from = c->state;
    if (from == CONN_IDLE)
        idle_remove(&p->idle, c);
    if (from == CONN_LEASED)
        share_withdraw(c);
    c->holder = NULL; /* or whatever it had by its state */
    monitor_held(c);
    conn_shift(c, to, engine_now(c->pool->engine));
    if (to == CONN_IDLE && conn_was_resting(c))
        idle_put_back(&p->idle, c);
    else if (to == CONN_IDLE)
        idle_push(&p->idle, c);
    p->reach[c->reach].opening -= from == CONN_OPENING;
    p->reach[c->reach].conns -= to == CONN_CLOSING;
    p->count[counted_as(from)]--;
    p->count[counted_as(to)]++;
    if (p->loads != NULL)
        load_moved(c, from);
    conn_tell(c, from);
}

/* --- ends ------------------------------------------------------------------------------------ */

static void end_request(struct conn *c, struct request *r, const struct error *why)
{
    ring_remove(&c->requests, &r->node);
    reply_fini(&r->reply);
    reply_init(&r->reply); /* of what the driver had found out by then, nothing counts */
    r->reply.error = *why;
    r->reply.error.is_planted |= r->is_cut;
    r->reply.is_unanswered = true;
    r->ended(r);
}

static void end_unsent(struct conn *c, const struct error *why)
{
    struct list_node *n;
    while ((n = ring_tail(&c->requests)) != NULL) {
        struct request *r = container_of(n, struct request, node);
        if (r->is_lent)
            return;
        end_request(c, r, why);
    }
}

static void end_lent(struct conn *c, const struct error *why)
{
    c->lent = 0;
    for (struct request *r = conn_head(c); r != NULL; r = conn_head(c))
        end_request(c, r, why);
}

/* Into CLOSING, once. Nobody can reach the connection any more; the driver still has it. */
static void let_go(struct conn *c, const struct error *why, bool is_over)
{
    bool was_opening = c->state == CONN_OPENING && !c->was_opened;
    if (c->pool->resource->chaos != NULL)
        chaos_forget(c);
    if (lease_is_out(c))
        lease_lose(&c->pool->engine->leases, c, why->state);
    if (c->state == CONN_LISTENING)
        ear_lost(c->pool->ear, c, why);
    conn_move(c, CONN_CLOSING);
    c->pool->leaving -= c->is_retired;
    end_unsent(c, why);
    if (is_over)
        end_lent(c, why);
    if (was_opening)
        open_failed(c, why);
    keep_soon(c->pool);
    c->pool->driver->close(c);
}

void conn_close(struct conn *c, const struct error *why)
{
    if (c->state != CONN_CLOSING)
        let_go(c, why, false);
}

/* One that was open and is of no more use, not by our will. */
static void note_lost(const struct conn *c, const struct error *why)
{
    c->pool->stats.lost++;
    const struct log_field field[] = {{.key = "resource", .text = conn_resource(c)},
                                      {.key = "connection", .number = c->id},
                                      {.key = "state", .text = conn_state_name(c->state)},
                                      {.key = "error", .text = why->text}};
    engine_log(c->pool->engine, LOG_WARN, "connection lost", field, COUNT(field));
}

void conn_break(struct conn *c, const struct error *why)
{
    if (c->state != CONN_CLOSING)
        note_lost(c, why);
    conn_close(c, why);
}

int64_t conn_bound(const struct conn *c)
{
    bool is_bounded = conn_is_turning(c) || c->state == CONN_OPENING;
    return is_bounded && c->bound_us != 0 ? c->bound_us : INT64_MAX;
}

void conn_late(struct conn *c)
{
    struct error why;
    if (c->state == CONN_OPENING)
        error_set(&why, ERROR_UNREACHABLE, "%s: no connection within %lld ms", conn_resource(c),
                  (long long)c->pool->resource->spec->pool.connect_us / 1000);
    else
        error_set(&why, ERROR_LOST, "%s: connection %u did not end %s in time", conn_resource(c),
                  c->id, conn_state_name(c->state));
    (c->state == CONN_OPENING ? conn_close : conn_break)(c, &why);
}

/* --- the driver's sentences ------------------------------------------------------------------- */

void conn_opened(struct conn *c)
{
    if (c->state == CONN_CLOSING)
        return;
    CHECK(c->state == CONN_OPENING);
    if (c->pool->resource->chaos != NULL && chaos_refuses(c))
        return;
    trace(c, TRACE_CONN_OPENED, 0, 0);
    open_succeeded(c);
}

void conn_failed(struct conn *c, const struct error *why)
{
    if (c->state == CONN_CLOSING)
        return;
    trace(c, TRACE_CONN_FAILED, why->code, 0);
    if (c->state != CONN_OPENING)
        note_lost(c, why);
    let_go(c, why, true);
}

static void lend(struct conn *c, struct request *r)
{
    if (c->pool->resource->chaos != NULL && !chaos_lets(c, r))
        return;
    c->lent++;
    r->is_lent = true;
    trace(c, TRACE_SENT, r->verb, 0);
    c->pool->driver->send(c, r);
}

static void send_next(struct conn *c)
{
    struct request *r = conn_head(c);
    if (r != NULL && c->lent == 0)
        lend(c, r);
}

void conn_go_on(struct conn *c)
{
    struct list_node *n = c->requests.first;
    for (uint32_t i = 0; i < c->lent; i++)
        n = ring_next(&c->requests, n);
    for (; n != NULL; n = ring_next(&c->requests, n)) {
        struct request *r = container_of(n, struct request, node);
        if (c->lent == 0 || r->is_shared)
            lend(c, r);
        if (!r->is_lent)
            return;
    }
}

static void finish_cancel(struct conn *c)
{
    if (c->state != CONN_CANCELLING || conn_head(c) != NULL || c->is_cancel_sent)
        return;
    care_settle(c);
}

void conn_replied(struct conn *c, struct request *r)
{
    if (c->state == CONN_CLOSING)
        return;
    CHECK(r->is_lent && conn_head(c) == r);
    if (c->pool->resource->chaos != NULL && chaos_eats(c, r))
        return;
    ring_remove(&c->requests, &r->node);
    c->lent--;
    c->used_us = engine_now(c->pool->engine);
    c->session |= c->is_said_dirty ? SESSION_DIRTY : 0;
    trace(c, TRACE_REPLIED, r->verb, r->reply.error.code);
    bool was_cancelling = c->state == CONN_CANCELLING;
    r->ended(r);
    if (was_cancelling)
        finish_cancel(c);
    else if (c->state != CONN_CLOSING)
        send_next(c);
}

void conn_cancelled(struct conn *c)
{
    if (c->state == CONN_CLOSING)
        return;
    CHECK(c->state == CONN_CANCELLING && c->is_cancel_sent);
    c->is_cancel_sent = false;
    trace(c, TRACE_CANCELLED, 0, 0);
    finish_cancel(c);
}

void conn_turned(struct conn *c)
{
    if (c->state != CONN_CLOSING)
        open_turned(c);
}

/* What whoever is cut off has to know, to look for the cause at the right end. */
static const char *meanwhile(const struct pool *p)
{
    if ((p->gate & GATE_STOPPING) != 0)
        return ": the engine is shutting down";
    if ((p->gate & GATE_DRAINING) != 0)
        return ": the resource is being drained";
    return p->resource->chaos != NULL ? ": chaos is in force" : "";
}

void conn_closed(struct conn *c)
{
    CHECK(c->state == CONN_CLOSING);
    struct pool *pool = c->pool;
    trace(c, TRACE_CONN_CLOSED, 0, 0);
    struct error why;
    error_set(&why, ERROR_LOST, "%s: the connection was closed%s", conn_resource(c),
              meanwhile(pool));
    end_lent(c, &why);
    conn_part(pool, c);
    pool->count[CONN_CLOSING]--;
    pool->stats.closed += c->was_opened;
    if (c->was_opened)
        permits_closed(&pool->stake);
    pool->stats.past_uses += lease_uses(&pool->engine->leases, c);
    c->pool->engine->conns--;
    lease_drop(&c->pool->engine->leases, c);
    free(c);
    handover_closed(pool);
    keep_soon(pool);
}

void conn_retire(struct conn *c)
{
    if (c->is_retired || c->state == CONN_CLOSING)
        return;
    c->is_retired = true;
    c->life_end_us = engine_now(c->pool->engine);
    c->pool->leaving++;
    c->pool->stats.retired++;
    keep_soon(c->pool);
}

void conn_told(struct conn *c, const struct told *told)
{
    if (c->state != CONN_LISTENING)
        return;
    trace(c, TRACE_TOLD, told->size, 0);
    ear_told(c->pool->ear, told);
}

void conn_notice(struct conn *c, const char *text)
{
    const struct log_field field[] = {{.key = "resource", .text = conn_resource(c)},
                                      {.key = "connection", .number = c->id},
                                      {.key = "notice", .text = text}};
    engine_log(c->pool->engine, LOG_INFO, "the server says", field, COUNT(field));
}

/* --- for the pool and for call.c ------------------------------------------------------------- */

void conn_send(struct conn *c, struct request *r)
{
    CHECK(c->state == CONN_LEASED || c->state == CONN_CHECKING || c->state == CONN_RESETTING ||
          c->state == CONN_CANCELLING || c->state == CONN_LISTENING);
    node_init(&r->node);
    r->is_lent = r->is_held = r->is_cut = false;
    ring_push_tail(&c->requests, &r->node);
    if (c->lent == 0 || r->is_shared)
        lend(c, r);
}

void conn_dirty(struct conn *c)
{
    if (c->pool->resource->spec->is_data)
        return;
    c->is_said_dirty = true;
    c->session |= SESSION_DIRTY;
}

bool conn_unsend(struct conn *c, struct request *r)
{
    if (r->is_lent)
        return false;
    ring_remove(&c->requests, &r->node);
    if (c->pool->resource->chaos != NULL)
        chaos_unsent(c, r);
    return true;
}

void conn_cancel(struct conn *c)
{
    CHECK(c->state == CONN_LEASED);
    struct error why;
    error_set(&why, ERROR_STALE, "%s: the lease ended before this was sent", conn_resource(c));
    if (lease_is_out(c)) /* whoever gave it back is no holder any more */
        lease_lose(&c->pool->engine->leases, c, why.state);
    conn_move(c, CONN_CANCELLING);
    c->pool->stats.cancels++;
    if (c->pool->resource->chaos != NULL)
        chaos_forget(c);
    end_unsent(c, &why);
    if (conn_head(c) == NULL && (c->session & SESSION_STREAMING) != 0 && !care_stop_stream(c))
        return;
    if (conn_head(c) == NULL) {
        care_settle(c);
        return;
    }
    if (c->pool->driver->cancel == NULL) {
        conn_close(c, &why);
        return;
    }
    keep_bound(c, engine_now(c->pool->engine) + CANCEL_BOUND_US);
    c->is_cancel_sent = true;
    trace(c, TRACE_CANCEL_SENT, 0, 0);
    c->pool->driver->cancel(c, conn_head(c));
}
