#include "base/check.h"
#include "core/admit.h"
#include "core/ear.h"
#include "core/handover.h"
#include "core/hold.h"
#include "core/lease.h"
#include "core/listener.h"
#include "core/pool.h"
#include "core/resource.h"
#include "core/share.h"
#include "core/task.h"
#include "play.h"
#include "unlikely.h"

/* Where we look, and at what time. */
struct view {
    struct worker *w;
    struct declared *d;
    int32_t resource; /* index of declared */
    const struct pool *pool;
    int64_t now_us;
};

struct pool *laws_pool(const struct worker *w, int32_t resource, int32_t role)
{
    const struct resource *r =
        w->engine == NULL ? NULL : table_get(&w->engine->resources, w->number[resource]);
    return r == NULL ? NULL : resource_peek(r, role);
}

/* Unless there are others to be asked, or somebody to be served, first. */
static void inspect_keepalive(const struct view *v, const struct conn *c)
{
    const struct pool *p = v->pool;
    int64_t bound_us = v->d->spec.pool.keepalive_us;
    bool has_turn = p->gate == 0 && p->count[CONN_CHECKING] < KEEPALIVE_AT_ONCE;
    if (bound_us > 0 && has_turn && v->now_us > c->since_us + 2 * bound_us + SLACK_US)
        law_broken("%s: connection %u was not asked for %lld us", v->d->spec.name, c->id,
                   (long long)(v->now_us - c->since_us));
}

static void inspect_idle(const struct view *v, const struct conn *c)
{
    const char *name = v->d->spec.name;
    if (pool_has_excess(v->pool))
        law_broken("%s: connection %u is idle and one too many", name, c->id);
    if (c->is_retired)
        law_broken("%s: connection %u is idle and was retired", name, c->id);
    if (c->session != 0 || !ring_is_empty(&c->requests) || c->is_cancel_sent)
        law_broken("%s: connection %u is idle but not clean and free", name, c->id);
    if (v->now_us - SLACK_US > c->life_end_us)
        law_broken("%s: connection %u is idle %lld us past the end of its life", name, c->id,
                   (long long)(v->now_us - c->life_end_us));
    int64_t idle_us = v->d->spec.pool.idle_us;
    bool is_spare = pool_warm(v->pool) > v->pool->size.min;
    if (idle_us > 0 && is_spare && v->now_us > conn_idle_since(c) + idle_us + SLACK_US)
        law_broken("%s: connection %u is idle for %lld us, %lld us is the bound", name, c->id,
                   (long long)(v->now_us - conn_idle_since(c)), (long long)idle_us);
    inspect_keepalive(v, c);
}

/* As long as declared, less what was drawn at birth. */
static void inspect_life(const struct view *v, const struct conn *c)
{
    const struct nebula_pool *pool = &v->d->spec.pool;
    int64_t life_us = c->life_end_us - c->created_us;
    int64_t least_us = pool->life_us - pool->life_us / 100 * pool->life_jitter;
    if (pool->life_us > 0 && !c->is_retired && (life_us > pool->life_us || life_us < least_us))
        law_broken("%s: connection %u has a life of %lld us", v->d->spec.name, c->id,
                   (long long)life_us);
}

/* Who holds one for too long was noted, and has it no more where it is taken away. */
static void inspect_hold(const struct view *v, const struct conn *c)
{
    const struct nebula_pool *pool = &v->d->spec.pool;
    bool is_long = pool->hold_us > 0 && v->now_us > c->since_us + pool->hold_us + SLACK_US;
    if (!lease_is_out(c) || !is_long || v->w->engine->is_stopping)
        return;
    if (!hold_was_noted(c) || pool->is_reclaiming)
        law_broken("%s: connection %u is held for %lld us, and nothing was done", v->d->spec.name,
                   c->id, (long long)(v->now_us - c->since_us));
}

static void inspect_conn(const struct view *v, const struct conn *c)
{
    const char *name = v->d->spec.name;
    enum conn_state state = c->state;
    if (c->pool != v->pool)
        law_broken("%s: connection %u is in a list that is not its own", name, c->id);
    if (state == CONN_IDLE) {
        inspect_idle(v, c);
        inspect_life(v, c);
    }
    if (state == CONN_LEASED && c->holder == NULL && ring_is_empty(&c->requests))
        law_broken("%s: connection %u is leased to nobody", name, c->id);
    if (state == CONN_LEASED && c->since_us == v->now_us && v->now_us >= c->life_end_us &&
        !c->is_retired)
        law_broken("%s: connection %u was lent past the end of its life", name, c->id);
    if (lease_is_out(c) && lease_find(&v->w->engine->leases, c->lease) != c)
        law_broken("%s: connection %u and its lease do not know each other", name, c->id);
    inspect_hold(v, c);
    bool is_bounded = state == CONN_OPENING || state == CONN_CHECKING || state == CONN_RESETTING ||
                      state == CONN_CANCELLING;
    int64_t bound_us = conn_bound(c);
    if (is_bounded != (bound_us != INT64_MAX))
        law_broken("%s: connection %u is %s and %s", name, c->id, conn_state_name(state),
                   is_bounded ? "not bounded" : "bounded");
    if (is_bounded && (!timer_is_armed(&c->pool->keeper) || c->pool->keeper.at_us > bound_us))
        law_broken("%s: nobody looks whether connection %u, which is %s, is late", name, c->id,
                   conn_state_name(state));
}

/* The idle ones, in the order in which they came home, or the other way round. */
static void inspect_chain(const struct view *v)
{
    const struct idle *idle = &v->pool->idle;
    for (const struct conn *c = idle->first; c != NULL; c = c->after) {
        bool is_last = c->after == NULL;
        if (c->state != CONN_IDLE)
            law_broken("%s: connection %u is %s among the idle ones", v->d->spec.name, c->id,
                       conn_state_name(c->state));
        if (!is_last && conn_idle_since(c) != conn_idle_since(c->after) &&
            (conn_idle_since(c) < conn_idle_since(c->after)) != idle->is_fifo)
            law_broken("%s: connection %u is not in its turn", v->d->spec.name, c->id);
        if (is_last && idle->is_fifo && idle->last != c)
            law_broken("%s: connection %u is not known to be the last", v->d->spec.name, c->id);
    }
}

static int32_t larger(int32_t a, int32_t b)
{
    return a > b ? a : b;
}

/* Where the bound became less, what was there may stay for a while, but it does not grow. */
static void inspect_bound(const struct view *v, const char *what, int32_t count, int32_t bound,
                          int32_t *left)
{
    int32_t *most = &left[v->pool->role];
    if (count > larger(bound, *most))
        law_broken("%s: %d %s, %d is the bound", v->d->spec.name, count, what,
                   larger(bound, *most));
    if (count < *most)
        *most = count;
}

static uint32_t count_requests(const struct conn *c)
{
    uint32_t count = 0;
    for (struct list_node *n = c->requests.first; n != NULL; n = ring_next(&c->requests, n))
        count++;
    return count;
}

/* What calls share is lent to nobody, and is counted. */
static void inspect_sharing(const struct view *v)
{
    const char *name = v->d->spec.name;
    int32_t sharers = 0, shared = 0;
    for (const struct conn *c = v->pool->conns.first; c != NULL; c = c->next) {
        bool is_offered = v->pool->loads == NULL && share_is_offered(c);
        bool is_sent = c->lent == c->sharers || v->pool->resource->chaos != NULL;
        sharers += c->sharers;
        shared += c->sharers > 0;
        if ((c->sharers > 0 || is_offered) && lease_is_out(c))
            law_broken("%s: connection %u is shared, and leased too", name, c->id);
        if (is_offered && (c->state != CONN_LEASED || c->sharers == 0))
            law_broken("%s: connection %u is offered to share, but is %s", name, c->id,
                       conn_state_name(c->state));
        if (v->now_us - SLACK_US > share_next(c) && !v->w->engine->is_stopping)
            law_broken("%s: nobody waits for what holds up connection %u", name, c->id);
        if (c->sharers > v->pool->share ||
            (c->sharers > 0 && (count_requests(c) != c->sharers || !is_sent)))
            law_broken("%s: connection %u carries %u calls, %d share it", name, c->id,
                       count_requests(c), c->sharers);
    }
    if (sharers != v->pool->sharers || shared != v->pool->shared)
        law_broken("%s: %d calls share %d connections, but %d and %d are counted", name, sharers,
                   shared, v->pool->sharers, v->pool->shared);
}

static uint32_t inspect_conns(const struct view *v)
{
    uint32_t all = 0, leaving = 0, count[CONN_STATES] = {0};
    for (const struct conn *c = v->pool->conns.first; c != NULL; c = c->next, all++) {
        inspect_conn(v, c);
        count[c->state]++;
        leaving += c->is_retired && c->state != CONN_CLOSING;
    }
    inspect_chain(v);
    inspect_sharing(v);
    for (enum conn_state s = CONN_OPENING; s < CONN_STATES; s++)
        if (count[s] != pool_count(v->pool, s))
            law_broken("%s: %u connections are %s, but %u are counted", v->d->spec.name, count[s],
                       conn_state_name(s), pool_count(v->pool, s));
    if (leaving != v->pool->leaving)
        law_broken("%s: %u connections are leaving, but %u are counted", v->d->spec.name, leaving,
                   v->pool->leaving);
    if ((int32_t)count[CONN_OPENING] > v->d->spec.pool.connecting)
        law_broken("%s: %u connecting at once", v->d->spec.name, count[CONN_OPENING]);
    return all;
}

static void inspect_waiters(const struct view *v)
{
    const struct list *l = &v->pool->waiters;
    const char *name = v->d->spec.name;
    int64_t before_us = 0;
    for (struct list_node *n = list_head(l); n != NULL; n = list_next(l, n)) {
        const struct waiter *w = container_of(n, struct waiter, node);
        if (w->arrived_us < before_us)
            law_broken("%s: the queue is not in the order of arrival", name);
        if (v->now_us - SLACK_US > w->deadline_us)
            law_broken("%s: a waiter is queued past his deadline", name);
        before_us = w->arrived_us;
    }
    int32_t coming = v->pool->size.max - (int32_t)pool_count(v->pool, CONN_LEASED);
    inspect_bound(v, "waiters", (int32_t)l->count, larger(v->d->spec.pool.queue, coming),
                  v->w->waiters_left[v->resource]);
}

/* Another role connects to an endpoint that has no room for one more attempt, or has just ended that. */
static bool is_another_connecting(const struct pool *p)
{
    for (int32_t i = 0; i < p->reaches; i++)
        if (p->reach[i].endpoint->opening > 0)
            return true;
    return node_is_listed(&p->look.node);
}

int32_t laws_waits_for(const struct pool *p, int64_t since_us)
{
    struct list_node *n = list_head(&p->waiters);
    const struct waiter *w = n == NULL ? NULL : container_of(n, struct waiter, node);
    return w != NULL && w->arrived_us < since_us ? (int32_t)circuits_at_choice(w->guards).may : 0;
}

/* The endpoints by which somebody who waits may be served, a bit each. */
static uint32_t may_serve(const struct view *v)
{
    uint32_t may = 0;
    const struct list *all = &v->pool->waiters;
    for (struct list_node *n = list_head(all); n != NULL; n = list_next(all, n)) {
        const struct waiter *w = container_of(n, struct waiter, node);
        if (w->deadline_us > v->now_us)
            may |= circuits_at_choice(w->guards).may;
    }
    return may;
}

/* Time makes an endpoint one that may be tried, and so do others: that is seen when the loop turns. */
static bool is_seen_by_now(const struct view *v, bool is_beside)
{
    int64_t *since_us = &v->w->beside_us[v->resource][v->pool->role];
    if (!is_beside || *since_us == 0)
        *since_us = is_beside ? v->now_us : 0;
    bool has_each = v->d->balance.rule != NEBULA_CONNECTIONS;
    return is_beside && (!has_each || v->now_us > *since_us + SLACK_US + v->w->late_us);
}

static void inspect_beside(const struct view *v, uint32_t turning)
{
    const struct pool *p = v->pool;
    uint32_t may = may_serve(v), idle = 0, fresh = 0;
    for (const struct conn *c = p->idle.first; c != NULL; c = c->after) {
        idle |= 1U << c->reach;
        fresh |= (uint32_t)pool_is_fresh(p, c, v->now_us) << c->reach;
    }
    if ((idle & ~may) != 0)
        unlikely_met(ENDPOINT_IS_LEFT_OUT);
    bool is_unasked = (idle & may) != 0 && p->waiters.count > turning;
    if (!is_seen_by_now(v, (fresh & may) != 0 || is_unasked))
        return;
    if ((fresh & may) != 0)
        law_broken("%s: %u wait beside a connection that is idle", v->d->spec.name,
                   p->waiters.count);
    law_broken("%s: %u wait, and nobody asks whether the idle ones live", v->d->spec.name,
               p->waiters.count);
}

/* Whoever waits for endpoints whose circuits have all opened is refused, as soon as the loop turns. While probes are out
 * they decide, and nobody else hears of each. */
static void inspect_shut_out(const struct view *v)
{
    int64_t *since_us = &v->w->shut_out_us[v->resource][v->pool->role];
    const struct list *all = &v->pool->waiters;
    struct circuits_refusal why;
    bool is_shut_out = false;
    for (struct list_node *n = list_head(all); n != NULL; n = list_next(all, n)) {
        const struct waiter *w = container_of(n, struct waiter, node);
        is_shut_out |= w->deadline_us > v->now_us && w->guards != NULL &&
                       admit_is_shut(v->pool, w->guards, &why) && !why.is_half;
    }
    if (!is_shut_out || *since_us == 0)
        *since_us = is_shut_out ? v->now_us : 0;
    if (is_shut_out && v->now_us > *since_us + SLACK_US + v->w->late_us)
        law_broken("%s: somebody waits, and no endpoint that could serve lets anybody pass",
                   v->d->spec.name);
}

/* Somebody waits: then no usable connection is idle, and if none is on its way, one will be. */
static void inspect_progress(const struct view *v)
{
    const struct pool *p = v->pool;
    if (p->waiters.count == 0 || p->resource->is_paused || v->w->engine->is_stopping) {
        v->w->beside_us[v->resource][p->role] = v->w->shut_out_us[v->resource][p->role] = 0;
        return;
    }
    inspect_shut_out(v);
    inspect_beside(v, p->count[CONN_OPENING] + p->count[CONN_CHECKING] + p->count[CONN_RESETTING] +
                          p->count[CONN_CANCELLING]);
    bool is_full = pool_all(p) >= p->size.max || p->asks_since_us != INT64_MAX;
    bool is_pausing = v->now_us <= p->open_again_us + SLACK_US && timer_is_armed(&p->keeper);
    uint32_t coming = (uint32_t)pool_all(p) - pool_count(p, CONN_IDLE) - p->count[CONN_LISTENING];
    if (coming == 0 && !is_full && !is_pausing && !is_another_connecting(p))
        law_broken("%s: %u wait and nothing is done for them", v->d->spec.name, p->waiters.count);
}

static uint32_t inspect_resource(struct worker *w, int32_t resource)
{
    struct declared *d = &w->play->declared[resource];
    uint32_t all = 0;
    for (int32_t role = 0; role < d->spec.roles; role++) {
        const struct pool *pool = laws_pool(w, resource, role);
        if (pool == NULL)
            continue;
        const struct view v = {
            .w = w, .d = d, .resource = resource, .pool = pool, .now_us = world_time_us()};
        all += inspect_conns(&v);
        inspect_waiters(&v);
        inspect_progress(&v);
    }
    return all;
}

/* A lease may be lost, but nobody has one that its holder does not know of. */
static void inspect_leases(const struct worker *w)
{
    const struct engine *e = w->engine;
    int32_t out = 0, held = 0;
    for (int32_t i = 0; i < e->leases.size; i++) {
        const struct conn *c = e->leases.row[i].conn;
        out += c != NULL && lease_is_out(c);
    }
    for (int i = 0; i < ACTORS; i++) {
        const struct actor *a = &w->actor[i];
        const struct conn *c = lease_find(&e->leases, a->held.lease);
        held += c != NULL;
        if (c != NULL && c->holder->number != a->task)
            law_broken("a lease of task %d is held by task %d", a->task, c->holder->number);
    }
    if (out != held)
        law_broken("%d leases are out, but %d are held", out, held);
}

/* What is not heard is kept up to the bound, and no more. */
static void inspect_listeners(const struct worker *w)
{
    for (int i = 0; i < ACTORS; i++) {
        const struct actor *a = &w->actor[i];
        const struct listener *l = listener_find(w->engine, a->book.listener);
        if (l != NULL && backlog_is_over_full(&l->backlog))
            law_broken("a listener keeps %u messages, %u is the bound", l->backlog.queue.list.count,
                       l->backlog.most);
        if (l != NULL && l->task->number != a->task)
            law_broken("a listener of task %d is that of task %d", a->task, l->task->number);
    }
}

static void inspect_books(const struct worker *w)
{
    const struct engine *e = w->engine;
    int32_t tasks = 1; /* one is nobody's */
    for (int i = 0; i < ACTORS; i++)
        tasks += w->actor[i].task != 0;
    if (e->tickets.used != w->ops)
        law_broken("%d tickets are out, but %d are waited for", e->tickets.used, w->ops);
    if (e->tasks.used != tasks)
        law_broken("%d tasks are open, but there should be %d", e->tasks.used, tasks);
}

static void inspect_worker(struct worker *w)
{
    uint32_t all = 0;
    for (int i = 0; i < DECLARED; i++)
        all += inspect_resource(w, i);
    if (all != w->engine->conns)
        law_broken("%u connections are in lists, %u are alive", all, w->engine->conns);
    if (w->is_dying)
        return;
    inspect_leases(w);
    inspect_listeners(w);
    inspect_books(w);
}

void laws_inspect(struct play *p)
{
    for (int i = 0; i < p->workers; i++)
        if (troupe_is_awake(&p->worker[i]))
            inspect_worker(&p->worker[i]);
    troupe_inspect(p);
    obeyed_inspect(p);
}

void laws_expect_started(const struct worker *w, int32_t resource)
{
    const struct declared *d = &w->play->declared[resource];
    const struct pool *pool = laws_pool(w, resource, 0);
    bool is_home = pool == NULL || pool->is_home;
    if (pool == NULL && w->play->ledger != NULL)
        return; /* where nothing is kept warm */
    CHECK(pool != NULL);
    int32_t open =
        pool_all(pool) - (int32_t)pool->count[CONN_OPENING] - (int32_t)pool->count[CONN_CLOSING];
    int32_t elsewhere = permits_open(&pool->stake); /* which counts */
    for (const struct conn *c = pool->conns.first; elsewhere > 0 && c != NULL; c = c->next)
        elsewhere -= c->was_opened;
    bool needs_one = is_home && permits_elsewhere(&pool->stake) < pool->size.max;
    if (open + elsewhere < pool->size.min || open < (needs_one ? 1 : 0))
        law_broken("%s: started with %d connections, %d is the minimum", d->spec.name, open,
                   pool->size.min);
}

/* Nobody gets one that is to leave. */
void laws_expect_staying(const struct worker *w, int32_t resource, uint32_t conn)
{
    const struct declared *d = &w->play->declared[resource];
    for (int32_t role = 0; role < d->spec.roles; role++) {
        const struct pool *pool = laws_pool(w, resource, role);
        const struct conn *c = pool == NULL ? NULL : pool->conns.first;
        for (; c != NULL; c = c->next) {
            if (c->id == conn && c->is_retired)
                law_broken("%s: connection %u was lent, though it was retired", d->spec.name, conn);
        }
    }
}

static const struct ear *ear_of(const struct play *p, int n, int32_t resource)
{
    const struct pool *pool = n < p->workers ? laws_pool(&p->worker[n], resource, 0) : NULL;
    return pool == NULL ? NULL : pool->ear;
}

/* When all have looked for long: whoever hears by another worker hears by one that has the connection, or waits for it;
 * is_over: nobody hears any more. */
void laws_expect_ears(const struct play *p, bool is_over)
{
    for (int i = 0; i < DECLARED * p->workers; i++) {
        int32_t resource = i % DECLARED;
        const char *name = p->declared[resource].spec.name;
        const struct ear *e = ear_of(p, i / DECLARED, resource);
        if (e == NULL)
            continue;
        const struct ear *home = e->state == EAR_FAR ? ear_of(p, e->line.home, resource) : e;
        if (home == NULL || home->state == EAR_FAR || (e != home && home->state == EAR_CLOSED))
            law_broken("%s: worker %d hears by worker %d, which does not listen", name,
                       i / DECLARED, e->line.home);
        if (is_over && (e->state != EAR_CLOSED || !list_is_empty(&e->channels.all)))
            law_broken("%s: worker %d listens for nobody", name, i / DECLARED);
    }
}

/* After quiet times with a healthy server every resource has its minimum, wherever it lies, and nothing
 * else is going on. */
bool laws_are_warm(const struct play *p)
{
    for (int i = 0; i < DECLARED; i++) {
        int32_t idle = 0, min = 0;
        for (int n = 0; n < p->workers; n++) {
            const struct pool *pool = laws_pool(&p->worker[n], i, 0);
            idle += pool == NULL ? 0 : (int32_t)pool_count(pool, CONN_IDLE);
            min = pool == NULL ? min : larger(min, pool->size.min);
        }
        if (idle < min)
            return false;
    }
    return true;
}
