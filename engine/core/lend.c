#include "core/lend.h"

#include "core/admit.h"
#include "core/operation.h"
#include "core/pool.h"
#include "core/tale.h"
#include "core/tenant.h"

struct lend {
    struct ticket ticket;
    struct waiter waiter;
    struct timer timer; /* stays armed when it does not wait any more */
    struct soon soon;   /* lent already, and told in the next turn */
    struct pool *pool;
    int64_t lease; /* number, once served */
    struct error error;
};

/* A lease that nobody can know of would be nobody's to give back. */
static void give_back(struct lend *l)
{
    struct lease_table *leases = &l->ticket.engine->leases;
    struct conn *c = lease_find(leases, l->lease);
    if (c == NULL) {
        lease_forget(leases, l->lease);
        return;
    }
    lease_end(c);
    pool_give(c->pool, c, NEBULA_GOOD);
}

static void lend_abandon(struct ticket *t)
{
    struct lend *l = (struct lend *)t;
    loop_unsoon(t->engine->loop, &l->soon);
    pool_leave(l->pool, &l->waiter);
    give_back(l);
    l->lease = 0;
    error_set(&l->error, ERROR_CANCELLED, "%s: the task was cancelled", l->pool->resource->name);
}

static void dispose(struct engine *e, struct lend *l)
{
    loop_disarm(e->loop, &l->timer);
    free(l);
}

/* Where many wait, one comes for each that goes: the memory of one stays, and its timer armed. */
static void forget(struct engine *e, struct lend *l)
{
    if (e->spare == NULL)
        e->spare = l;
    else
        dispose(e, l);
}

void lend_fini(struct engine *e)
{
    if (e->spare != NULL)
        dispose(e, e->spare);
    e->spare = NULL;
}

static void lend_free(struct ticket *t)
{
    struct lend *l = (struct lend *)t;
    if (t->state == TICKET_ENDED)
        give_back(l);
    forget(t->engine, l);
}

static const struct ticket_type lend_ticket = {.abandon = lend_abandon, .free = lend_free};

static void tell_refusal(struct lend *l, const struct error *why)
{
    struct tale s = tale_apart(l->ticket.engine, l->ticket.task->context);
    tale_refused(l->pool->resource, &s, &l->waiter, l->pool->role, why);
}

/* What runs on it is asked for itself. */
static void return_pass(struct lend *l, const struct conn *c)
{
    struct waiter *w = &l->waiter;
    if (w->pass != 0)
        circuits_at_end(w->guards, c->reach, w->pass, ERROR_CANCELLED, false, 0);
    w->pass = 0;
}

/* The lease belongs to the task that asked, whoever is acting now. */
static void served(struct waiter *w, struct conn *c)
{
    struct lend *l = container_of(w, struct lend, waiter);
    return_pass(l, c);
    struct tale s = tale_apart(l->ticket.engine, l->ticket.task->context);
    tale_served(l->pool->resource, &s, w, l->pool->role);
    l->lease = lease_begin(c, l->ticket.task);
    ticket_end(&l->ticket, ERROR_OK);
}

/* Held from now on: before, nobody knew that he had it. */
static void next_turn(struct soon *s)
{
    struct lend *l = container_of(s, struct lend, soon);
    struct conn *c = lease_find(&l->ticket.engine->leases, l->lease);
    if (c != NULL)
        c->since_us = engine_now(c->pool->engine);
    ticket_end(&l->ticket, ERROR_OK);
}

static void refused(struct waiter *w, const struct error *why)
{
    struct lend *l = container_of(w, struct lend, waiter);
    l->error = *why;
    tell_refusal(l, why);
    ticket_end(&l->ticket, why->code);
}

/* Armed for somebody before him, maybe, whose time is over sooner. */
static void ring(struct timer *t)
{
    struct lend *l = container_of(t, struct lend, timer);
    struct engine *e = l->ticket.engine;
    if (!node_is_listed(&l->waiter.node))
        return;
    if (engine_now(e) < l->waiter.deadline_us) {
        loop_arm(e->loop, &l->timer, l->waiter.deadline_us);
        return;
    }
    pool_late(l->pool, &l->waiter, &l->error);
    tell_refusal(l, &l->error);
    ticket_end(&l->ticket, l->error.code);
}

int64_t lend_take(struct ticket *t)
{
    bool is_lent = t->type == &lend_ticket && t->state == TICKET_TAKEN && t->code == ERROR_OK;
    int64_t lease = is_lent ? ((struct lend *)t)->lease : 0;
    if (is_lent)
        ticket_drop(t);
    return lease;
}

struct lend *lend_of(struct ticket *t)
{
    return t->type == &lend_ticket ? (struct lend *)t : NULL;
}

struct error *lend_error(struct lend *l)
{
    if (l->ticket.code == ERROR_OK)
        error_clear(&l->error);
    return &l->error;
}

int64_t lend_lease(const struct lend *l)
{
    return l->lease;
}

static struct lend *make(void)
{
    struct lend *l = malloc(sizeof *l);
    if (l == NULL)
        return NULL;
    l->waiter = (struct waiter){.served = served, .refused = refused};
    node_init(&l->waiter.node);
    timer_init(&l->timer, ring);
    soon_init(&l->soon, next_turn);
    return l;
}

/* Loose, and waits for nothing: so was the spare one when it went. The error is not touched before there is
 * one: it is most of it. */
static inline struct lend *lend_new(struct pool *p)
{
    struct engine *e = p->engine;
    struct lend *l = e->spare != NULL ? e->spare : make();
    if (l == NULL)
        return NULL;
    e->spare = NULL;
    l->pool = p;
    l->lease = 0;
    l->waiter.key = e->task->key;
    l->waiter.guards = NULL;
    return l;
}

static inline void wait_within(struct lend *l, int64_t within_us, bool is_fail_fast)
{
    const struct pool *p = l->pool;
    struct engine *e = p->engine;
    const struct nebula_policy *policy = &p->resource->spec->policy;
    int64_t wait_us = policy->wait_us < policy->deadline_us ? policy->wait_us : policy->deadline_us;
    int64_t span_us = within_us > 0 ? within_us : wait_us;
    int64_t at_us = engine_in(e, span_us);
    bool is_last_chance = e->task->deadline_us <= at_us;
    l->waiter.arrived_us = engine_now(e);
    l->waiter.deadline_us = is_last_chance ? e->task->deadline_us : at_us;
    l->waiter.is_last_chance = is_last_chance;
    l->waiter.is_fail_fast = is_fail_fast || p->resource->spec->pool.is_fail_fast;
    if (!timer_is_armed(&l->timer) || l->timer.at_us > l->waiter.deadline_us)
        loop_arm(e->loop, &l->timer, l->waiter.deadline_us);
}

/* --- in the next turn ------------------------------------------------------------------------- */

static int64_t tell_next_turn(struct lend *l, struct conn *c)
{
    struct engine *e = l->ticket.engine;
    l->lease = lease_begin(c, e->task);
    loop_soon(e->loop, &l->soon);
    e->queued = l->ticket.number;
    return 0;
}

int64_t lend_next_turn(struct conn *c)
{
    struct engine *e = c->pool->engine;
    pool_hit(c->pool, c, engine_now(e));
    struct lend *l = lend_new(c->pool);
    if (l != NULL && ticket_begin(&l->ticket, e, &lend_ticket) > 0)
        return tell_next_turn(l, c);
    if (l != NULL)
        forget(e, l);
    return lease_begin(c, e->task);
}

/* --- by the long path ------------------------------------------------------------------------- */

/* What there was at once counts as a hit. */
static int64_t lend(struct lend *l, struct conn *c)
{
    struct engine *e = l->ticket.engine;
    return_pass(l, c);
    if (e->hits_left == 0)
        return tell_next_turn(l, c);
    e->hits_left--;
    ticket_drop(&l->ticket);
    return lease_begin(c, e->task);
}

static int64_t queue(struct pool *p, struct guards *by, int64_t within_us, bool is_fail_fast)
{
    struct engine *e = p->engine;
    const char *name = p->resource->name;
    struct lend *l = lend_new(p);
    if (l == NULL)
        return engine_refuse(e, ERROR_MEMORY, "%s: no memory to wait for a lease", name);
    int32_t number = ticket_begin(&l->ticket, e, &lend_ticket);
    if (number < 0) {
        forget(e, l);
        return number;
    }
    struct error why;
    l->waiter.guards = by;
    wait_within(l, within_us, is_fail_fast);
    struct conn *c = pool_take(p, &l->waiter, &why);
    if (c != NULL)
        return lend(l, c);
    if (why.code == ERROR_OK) {
        e->queued = number;
        return 0;
    }
    tell_refusal(l, &why);
    ticket_drop(&l->ticket);
    return engine_refuse(e, why.code, "%s", why.text);
}

/* Others wait, whose time is not over, and whoever comes has only to stand behind them. */
static bool has_line(const struct pool *p)
{
    const struct nebula_pool *spec = &p->resource->spec->pool;
    struct list_node *n = pool_is_exhausted(p) ? list_head(&p->waiters) : NULL;
    return n != NULL && p->waiters.count < (uint32_t)spec->queue && !spec->is_fail_fast &&
           p->resource->tenants == NULL &&
           loop_glance(p->engine->loop) < container_of(n, struct waiter, node)->deadline_us;
}

bool lend_line_up(struct engine *e, int32_t resource, int32_t role)
{
    struct pool *p = engine_pool(e, resource, role);
    if (p == NULL || !has_line(p) || task_is_done(e->task, engine_now(e)))
        return false;
    struct lend *l = lend_new(p);
    if (l == NULL || ticket_begin(&l->ticket, e, &lend_ticket) < 0) {
        if (l != NULL)
            forget(e, l);
        return false;
    }
    wait_within(l, 0, false);
    pool_line_up(p, &l->waiter);
    e->queued = l->ticket.number;
    return true;
}

/* By a circuit. *by: where each endpoint has one, whose. */
static bool is_refused(struct pool *p, struct guards **by, struct error *why)
{
    struct engine *e = p->engine;
    struct resource *r = p->resource;
    struct operation *o = operation_find(r, 0);
    struct circuits_refusal refused;
    bool has_each = o != NULL && circuits_at_apply(o->guards);
    *by = has_each ? o->guards : NULL;
    if (has_each ? !admit_is_shut(p, *by, &refused) : circuits_lend(r, &refused, why))
        return false;
    if (has_each)
        circuits_explain(*by, &refused, why);
    struct tale s = tale_begin(e, e->task->context);
    tale_circuit(r, &s, &refused);
    return true;
}

int64_t lend_begin(struct resource *r, int32_t role, int64_t within_us, bool is_fail_fast)
{
    struct engine *e = r->engine;
    int32_t refusal = task_may_begin(e, r->name);
    if (refusal < 0)
        return refusal;
    if ((r = tenant_resource(r)) == NULL)
        return -(int32_t)e->error.code;
    struct pool *p = resource_pool(r, role);
    if (p == NULL)
        return engine_refuse(e, ERROR_MEMORY, "%s: no memory for a pool", r->name);
    struct guards *by = NULL;
    struct error why;
    if ((p->gate & GATE_CIRCUIT) != 0 && is_refused(p, &by, &why))
        return engine_refuse(e, why.code, "%s", why.text);
    return queue(p, by, within_us, is_fail_fast);
}
