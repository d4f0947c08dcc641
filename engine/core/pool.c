#include "core/pool.h"

#include <string.h>

#include "core/admit.h"
#include "core/ear.h"
#include "core/handover.h"
#include "core/lease.h"
#include "core/load.h"
#include "core/resource.h"
#include "core/share.h"

struct pool *pool_new(struct resource *r, int32_t role)
{
    struct pool *p = calloc(1, sizeof *p + reach_size(r, role));
    if (p == NULL)
        return NULL;
    const struct nebula_pool *spec = &r->spec->pool;
    p->engine = r->engine;
    p->resource = r;
    p->role = role;
    p->driver = r->driver;
    p->idle.is_fifo = spec->is_fifo;
    p->share = spec->pipeline > 1 ? spec->pipeline : 1;
    p->size = resource_size(r, role);
    p->check_us = spec->check_us < 0 ? INT64_MAX / 2 : spec->check_us;
    p->reaches = reach_count(r);
    list_init(&p->waiters);
    keep_init(p);
    monitor_init(p);
    if (!reach_init(p) || !load_init(p) || !handover_join(p)) {
        load_fini(p);
        reach_fini(p);
        free(p);
        return NULL;
    }
    return p;
}

void pool_free(struct pool **pool)
{
    struct pool *p = *pool;
    *pool = NULL;
    CHECK(pool_all(p) == 0 && list_is_empty(&p->waiters) && ring_is_empty(&p->starters));
    loop_disarm(p->engine->loop, &p->keeper);
    loop_unsoon(p->engine->loop, &p->look);
    if (p->ear != NULL)
        ear_free(&p->ear);
    handover_leave(p);
    load_fini(p);
    reach_fini(p);
    monitor_fini(p);
    free(p->trouble);
    free(p);
}

bool pool_is_in_use(const struct pool *p)
{
    bool is_listened_to = p->ear != NULL && ear_is_used(p->ear);
    return pool_all(p) > 0 || !list_is_empty(&p->waiters) || !ring_is_empty(&p->starters) ||
           is_listened_to || permits_has_come(&p->stake);
}

int32_t pool_all(const struct pool *p)
{
    return (int32_t)p->conns.count;
}

int32_t pool_staying(const struct pool *p)
{
    return pool_all(p) - (int32_t)(p->count[CONN_CLOSING] + p->leaving);
}

uint32_t pool_count(const struct pool *p, enum conn_state state)
{
    if (state == CONN_LEASED)
        return p->count[CONN_IDLE] - idle_count(&p->idle);
    return state == CONN_IDLE ? idle_count(&p->idle) : p->count[state];
}

int32_t pool_warm(const struct pool *p)
{
    int32_t opening = 0;
    const struct conn *c = p->count[CONN_OPENING] == 0 ? NULL : p->conns.first;
    for (; c != NULL; c = c->next)
        opening += c->state == CONN_OPENING && !c->is_retired;
    return pool_staying(p) - opening;
}

bool pool_has_excess(const struct pool *p)
{
    bool is_of_no_use = (p->gate & GATE_DRAINING) != 0 && list_is_empty(&p->waiters);
    return is_of_no_use || pool_staying(p) > p->size.max;
}

static uint32_t turning(const struct pool *p)
{
    return p->count[CONN_CHECKING] + p->count[CONN_RESETTING] + p->count[CONN_CANCELLING];
}

static bool is_stuck(const struct conn *c, int64_t now_us)
{
    if (conn_is_turning(c))
        return c->is_retired || now_us >= c->since_us + POOL_TURN_US;
    return c->is_retired && c->state == CONN_OPENING;
}

uint32_t pool_stuck(const struct pool *p)
{
    uint32_t stuck = 0;
    bool is_certain = turning(p) + p->leaving == 0;
    for (const struct conn *c = is_certain ? NULL : p->conns.first; c != NULL; c = c->next)
        stuck += is_stuck(c, engine_now(p->engine));
    return stuck;
}

uint32_t pool_coming(const struct pool *p)
{
    return p->count[CONN_OPENING] + turning(p) - pool_stuck(p);
}

uint64_t pool_leases(const struct pool *p)
{
    uint64_t leases = p->stats.past_uses;
    for (const struct conn *c = p->conns.first; c != NULL; c = c->next)
        leases += lease_uses(&p->engine->leases, c);
    return leases;
}

static bool is_paused(const struct pool *p)
{
    return (p->gate & GATE_PAUSED) != 0;
}

/* --- the queue ------------------------------------------------------------------------------- */

static inline void leave_queue(struct pool *p, struct waiter *w)
{
    list_remove(&p->waiters, &w->node);
    if (!list_is_empty(&p->waiters)) {
        handover_next_waiter(p, w->arrived_us);
        return;
    }
    p->gate &= ~(uint32_t)GATE_QUEUE;
    handover_unask(p);
    bool is_left = p->is_asked && p->idle.first != NULL; /* he could not use it, and others may */
    if (is_left || (p->gate & GATE_DRAINING) != 0)
        keep_soon(p); /* nobody here has a use for what is idle any more */
}

static void note_refusal(struct pool *p, enum error_code code)
{
    p->stats.refused[refusal_of(code)]++;
    engine_trace(p->engine, TRACE_REFUSED, p->resource->number, code, 0, 0);
}

void pool_refuse(struct pool *p, struct waiter *w, const struct error *why)
{
    leave_queue(p, w);
    note_refusal(p, why->code);
    w->refused(w, why);
}

void pool_refuse_all(struct pool *p, const struct error *why)
{
    struct list_node *n;
    while ((n = list_head(&p->waiters)) != NULL)
        pool_refuse(p, container_of(n, struct waiter, node), why);
}

void pool_leave(struct pool *p, struct waiter *w)
{
    leave_queue(p, w);
}

/* What hinders the pool is what the waiter is told, the server's own code included. */
void pool_explain_trouble(const struct pool *p, long long waited_ms, struct error *out)
{
    error_set(out, p->trouble->code, "%s: no connection within %lld ms: %s", p->resource->name,
              waited_ms, p->trouble->text);
    memcpy(out->state, p->trouble->state, sizeof out->state);
    out->is_planted = p->trouble->is_planted;
    out->retry_after_us = p->trouble->retry_after_us;
}

/* Lent, or kept for listening: how many nobody else can have. */
static uint32_t in_use(const struct pool *p)
{
    return pool_count(p, CONN_LEASED) + p->count[CONN_LISTENING];
}

static void hint_at_listening(const struct pool *p, struct error *out)
{
    bool is_far = p->ear != NULL && p->ear->state == EAR_FAR; /* it is in another worker */
    if ((p->count[CONN_LISTENING] > 0 || is_far) && p->size.max == 1)
        error_append(out, "; the only one listens: with listeners, max must be 2 or more");
}

void pool_explain_wait(const struct pool *p, int64_t arrived_us, bool is_last_chance,
                       struct error *out)
{
    const char *name = p->resource->name;
    long long ms = (engine_now(p->engine) - arrived_us) / 1000;
    if (is_paused(p))
        error_set(out, ERROR_PAUSED, "%s: still paused after %lld ms", name, ms);
    else if (p->trouble != NULL)
        pool_explain_trouble(p, ms, out);
    else if (is_last_chance)
        error_set(out, ERROR_DEADLINE,
                  "%s: the deadline passed after %lld ms in the queue for a connection", name, ms);
    else if (in_use(p) < (uint32_t)p->size.max)
        error_set(out, ERROR_WAIT,
                  "%s: no connection was ready within %lld ms; %u are being opened, %u are waiting",
                  name, ms, p->count[CONN_OPENING], p->waiters.count);
    else
        error_set(out, ERROR_WAIT, "%s: all %d connections were in use for %lld ms, %u are waiting",
                  name, p->size.max, ms, p->waiters.count);
    hint_at_listening(p, out);
}

void pool_late(struct pool *p, struct waiter *w, struct error *out)
{
    pool_explain_wait(p, w->arrived_us, w->is_last_chance, out);
    leave_queue(p, w);
    note_refusal(p, out->code);
}

/* The first one whose time is not over; those before him are refused. */
static struct waiter *next_waiter(struct pool *p)
{
    struct list_node *n;
    while ((n = list_head(&p->waiters)) != NULL) {
        struct waiter *w = container_of(n, struct waiter, node);
        if (w->deadline_us > engine_now(p->engine))
            return w;
        struct error why;
        pool_explain_wait(p, w->arrived_us, w->is_last_chance, &why);
        pool_refuse(p, w, &why);
    }
    return NULL;
}

static void lend(struct conn *c)
{
    conn_move(c, CONN_LEASED);
    lease_use(c);
    if (c->pool->loads != NULL)
        load_use(c);
}

/* c, which was lent for him, is his. */
static inline void serve(struct pool *p, struct waiter *w, struct conn *c)
{
    int64_t waited_us = engine_now(p->engine) - w->arrived_us;
    p->stats.waited++;
    p->stats.waited_us += waited_us;
    monitor_waited(p, waited_us);
    engine_trace(p->engine, TRACE_SERVED, p->resource->number, c->id, waited_us, 0);
    w->served(w, c);
}

static void hand_over(struct pool *p, struct waiter *w, struct conn *c)
{
    leave_queue(p, w);
    lend(c);
    serve(p, w, c);
}

bool pool_pass(struct conn *c)
{
    struct pool *p = c->pool;
    int64_t now_us = engine_now(p->engine);
    struct list_node *n = list_head(&p->waiters);
    struct waiter *w = n == NULL ? NULL : container_of(n, struct waiter, node);
    if (w == NULL || p->gate != GATE_QUEUE || p->is_asked || p->share > 1 ||
        now_us >= w->deadline_us || c->session != 0 || !ring_is_empty(&c->requests) ||
        now_us >= c->life_end_us || c->state != CONN_LEASED)
        return false;
    if (now_us != c->since_us)
        monitor_held(c);
    leave_queue(p, w);
    conn_shift(c, CONN_LEASED, now_us);
    lease_use(c);
    conn_tell(c, CONN_LEASED);
    serve(p, w, c);
    return true;
}

void pool_settled(struct pool *p, struct conn *c)
{
    struct waiter *w = is_paused(p) || next_waiter(p) == NULL ? NULL : admit_first(p, c);
    if (w != NULL) {
        hand_over(p, w, c);
        if (p->share > 1) /* with those behind him, maybe */
            pool_serve(p);
        return;
    }
    conn_move(c, CONN_IDLE);
    handover_look(p);
}

/* --- taking and giving ----------------------------------------------------------------------- */

/* Who waits for a connection that is on its way to him does not queue. */
static bool may_come(const struct pool *p)
{
    uint32_t away = in_use(p) + p->count[CONN_CLOSING] + pool_stuck(p);
    return !is_paused(p) && (p->trouble == NULL || p->count[CONN_OPENING] == 0) &&
           p->waiters.count + away < (uint32_t)p->size.max;
}

static enum error_code refuse_newcomer(struct pool *p, const struct waiter *w, struct error *e)
{
    const char *name = p->resource->name;
    if (p->engine->is_stopping)
        return error_set(e, ERROR_CLOSED, "%s: the engine is shutting down", name);
    if ((p->gate & GATE_DRAINING) != 0)
        return error_set(e, ERROR_PAUSED, "%s: drained until it is resumed", name);
    if (admit_refuses(p, w, e))
        return e->code;
    if (w->is_fail_fast && is_paused(p))
        return error_set(e, ERROR_PAUSED, "%s: paused", name);
    if (w->is_fail_fast && p->trouble != NULL && !may_come(p)) {
        *e = *p->trouble;
        return e->code;
    }
    if (w->is_fail_fast && !may_come(p)) {
        error_set(e, ERROR_FULL, "%s: all %d connections are in use", name, p->size.max);
        hint_at_listening(p, e);
        return e->code;
    }
    if (p->waiters.count >= (uint32_t)p->resource->spec->pool.queue && !may_come(p))
        return error_set(e, ERROR_FULL, "%s: %u are waiting already, which is the most", name,
                         p->waiters.count);
    return ERROR_OK;
}

void pool_line_up(struct pool *p, struct waiter *w)
{
    list_push_tail(&p->waiters, &w->node);
    p->gate |= GATE_QUEUE;
    engine_trace(p->engine, TRACE_WAITS, p->resource->number, p->waiters.count, 0, 0);
}

struct conn *pool_take(struct pool *p, struct waiter *w, struct error *e)
{
    e->code = ERROR_OK;
    node_init(&w->node);
    if (!pool_is_closed(p) && (p->gate & GATE_DRAINING) == 0 && next_waiter(p) == NULL &&
        !handover_is_due(p, w->arrived_us)) {
        struct conn *c = admit_find(p, w);
        if (c != NULL) {
            lend(c);
            return c;
        }
    }
    if (refuse_newcomer(p, w, e) != ERROR_OK) {
        note_refusal(p, e->code);
        return NULL;
    }
    pool_line_up(p, w);
    if (!pool_is_exhausted(p))
        keep_look(p);
    return NULL;
}

struct conn *pool_take_idle(struct pool *p, struct waiter *w, struct error *e)
{
    struct conn *c = NULL;
    e->code = ERROR_OK;
    node_init(&w->node);
    if (!pool_is_closed(p) && (p->gate & GATE_DRAINING) == 0 && list_is_empty(&p->waiters) &&
        !handover_is_due(p, w->arrived_us))
        c = admit_find(p, w);
    if (c != NULL)
        lend(c);
    else
        error_set(e, ERROR_FULL, "%s: no connection is idle", p->resource->name);
    return c;
}

void pool_serve(struct pool *p)
{
    struct waiter *w;
    struct conn *c;
    while (!pool_is_closed(p) && next_waiter(p) != NULL && (w = admit_next(p, &c)) != NULL)
        hand_over(p, w, c);
}

void pool_give(struct pool *p, struct conn *c, enum nebula_verdict verdict)
{
    if (c->state != CONN_LEASED)
        return; /* lost, or being cancelled: it finds its own way */
    struct error why;
    if (verdict == NEBULA_SPOILED) {
        error_set(&why, ERROR_STALE, "%s: connection %u was given back as spoiled",
                  p->resource->name, c->id);
        conn_close(c, &why);
    } else if (!ring_is_empty(&c->requests) || (c->session & SESSION_STREAMING) != 0) {
        conn_cancel(c);
    } else {
        care_settle(c);
    }
}

void pool_give_back(struct conn *c)
{
    monitor_held(c);
    if (pool_return(c->pool, c, engine_now(c->pool->engine)))
        conn_tell(c, CONN_LEASED);
    else
        pool_give(c->pool, c, NEBULA_GOOD);
}

void pool_give_all(struct engine *e, const struct task *task)
{
    struct lease_table *t = &e->leases;
    for (int32_t i = 1; i < t->size; i++) {
        struct conn *c = t->row[i].conn;
        if (c == NULL || !lease_is_out(c) || c->holder != task)
            continue;
        lease_end(c);
        pool_give(c->pool, c, NEBULA_GOOD);
    }
    lease_forget_all(t, task);
}
