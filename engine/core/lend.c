#include "core/lend.h"

#include "core/pool.h"
#include "core/tenant.h"

struct lend {
    struct ticket ticket;
    struct waiter waiter;
    struct timer timer;
    struct pool *pool;
    int64_t lease; /* number, once served */
    struct error error;
};

static void lend_abandon(struct ticket *t)
{
    struct lend *l = (struct lend *)t;
    loop_disarm(t->engine->loop, &l->timer);
    pool_leave(l->pool, &l->waiter);
    error_set(&l->error, ERROR_CANCELLED, "%s: the task was cancelled", l->pool->resource->name);
}

/* A lease that nobody can know of would be nobody's to give back. */
static void lend_free(struct ticket *t)
{
    struct lend *l = (struct lend *)t;
    struct conn *c = lease_find(&t->engine->leases, l->lease);
    if (t->state == TICKET_ENDED && c != NULL) {
        lease_end(c);
        pool_give(c->pool, c, NEBULA_GOOD);
    }
    free(l);
}

static const struct ticket_type lend_ticket = {.abandon = lend_abandon, .free = lend_free};

/* The lease belongs to the task that asked, whoever is acting now. */
static void served(struct waiter *w, struct conn *c)
{
    struct lend *l = container_of(w, struct lend, waiter);
    struct engine *e = l->ticket.engine;
    loop_disarm(e->loop, &l->timer);
    l->lease = lease_begin(c, l->ticket.task);
    ticket_end(&l->ticket, ERROR_OK);
}

static void refused(struct waiter *w, const struct error *why)
{
    struct lend *l = container_of(w, struct lend, waiter);
    loop_disarm(l->ticket.engine->loop, &l->timer);
    l->error = *why;
    ticket_end(&l->ticket, why->code);
}

static void too_late(struct timer *t)
{
    struct lend *l = container_of(t, struct lend, timer);
    pool_late(l->pool, &l->waiter, &l->error);
    ticket_end(&l->ticket, l->error.code);
}

struct lend *lend_of(struct ticket *t)
{
    return t->type == &lend_ticket ? (struct lend *)t : NULL;
}

struct error *lend_error(struct lend *l)
{
    return &l->error;
}

int64_t lend_lease(const struct lend *l)
{
    return l->lease;
}

static struct lend *lend_new(struct pool *p, int64_t within_us, bool is_fail_fast)
{
    struct engine *e = p->engine;
    struct lend *l = calloc(1, sizeof *l);
    if (l == NULL)
        return NULL;
    const struct nebula_policy *policy = &p->resource->spec->policy;
    int64_t wait_us = policy->wait_us < policy->deadline_us ? policy->wait_us : policy->deadline_us;
    int64_t span_us = within_us > 0 ? within_us : wait_us;
    int64_t at_us = span_us > INT64_MAX - engine_now(e) ? INT64_MAX : engine_now(e) + span_us;
    bool is_last_chance = e->task->deadline_us <= at_us;
    l->pool = p;
    l->waiter =
        (struct waiter){.arrived_us = engine_now(e),
                        .deadline_us = is_last_chance ? e->task->deadline_us : at_us,
                        .is_last_chance = is_last_chance,
                        .is_fail_fast = is_fail_fast || p->resource->spec->pool.is_fail_fast,
                        .served = served,
                        .refused = refused};
    node_init(&l->waiter.node);
    timer_init(&l->timer, too_late);
    return l;
}

static int64_t queue(struct pool *p, int64_t within_us, bool is_fail_fast)
{
    struct engine *e = p->engine;
    const char *name = p->resource->name;
    struct lend *l = lend_new(p, within_us, is_fail_fast);
    if (l == NULL)
        return engine_refuse(e, ERROR_MEMORY, "%s: no memory to wait for a lease", name);
    int32_t number = ticket_begin(&l->ticket, e, &lend_ticket);
    if (number < 0) {
        free(l);
        return number;
    }
    struct error why;
    loop_arm(e->loop, &l->timer, l->waiter.deadline_us);
    struct conn *c = pool_take(p, &l->waiter, &why);
    int64_t result = 0;
    if (c != NULL)
        result = lease_begin(c, e->task);
    else if (why.code != ERROR_OK)
        result = engine_refuse(e, why.code, "%s", why.text);
    if (result == 0)
        e->queued = number;
    else
        ticket_drop(&l->ticket);
    return result;
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
    return queue(p, within_us, is_fail_fast);
}
