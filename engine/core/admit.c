#include "core/admit.h"

#include "core/handover.h"
#include "core/load.h"
#include "core/resource.h"
#include "core/share.h"

bool admit(struct waiter *w, const struct conn *c)
{
    return w->guards == NULL || circuits_at_pass(w->guards, c->reach, &w->pass);
}

/* A role that stays is where it is, and an endpoint that is not what the role needs does not serve. */
static uint32_t could_serve(const struct pool *p)
{
    uint32_t could = 0;
    if ((p->resource->spec->role_choice[p->role] & NEBULA_SPREAD) == 0)
        return 1U << p->last;
    for (int32_t i = 0; i < p->reaches; i++)
        could |= (uint32_t)!reach_is_unfit(&p->reach[i]) << i;
    return could;
}

bool admit_is_shut(const struct pool *p, struct guards *g, struct circuits_refusal *why)
{
    uint32_t shut = ~circuits_at_choice(g).may, could = shut == 0 ? 0 : could_serve(p);
    bool is_shut = could != 0 && (could & ~shut) == 0;
    if (is_shut)
        circuits_at_next(g, could, why);
    return is_shut;
}

bool admit_refuses(const struct pool *p, const struct waiter *w, struct error *e)
{
    struct circuits_refusal why;
    if (w->guards == NULL || !admit_is_shut(p, w->guards, &why))
        return false;
    circuits_explain(w->guards, &why, e);
    return true;
}

void admit_refuse(struct pool *p)
{
    struct error why;
    struct list_node *n = (p->gate & GATE_CIRCUIT) == 0 ? NULL : list_head(&p->waiters), *next;
    for (const struct guards *open = NULL; n != NULL; n = next) {
        struct waiter *w = container_of(n, struct waiter, node);
        next = list_next(&p->waiters, n);
        if (w->guards == open)
            continue;
        if (!admit_refuses(p, w, &why)) {
            open = w->guards;
            continue;
        }
        pool_refuse(p, w, &why);
        next = list_head(&p->waiters); /* whoever was refused may have changed the queue */
    }
}

int64_t admit_opens_us(const struct pool *p)
{
    int64_t first_us = INT64_MAX;
    bool may_wait = (p->gate & GATE_CIRCUIT) != 0 && !list_is_empty(&p->waiters);
    for (int32_t i = 0; may_wait && i < p->reaches; i++) {
        int64_t at_us = circuits_at_again_us(p->resource, i);
        if (at_us != 0 && at_us < first_us)
            first_us = at_us;
    }
    return first_us;
}

/* --- an idle one ------------------------------------------------------------------------------- */

static void retire_old(struct conn *c)
{
    struct error why;
    error_set(&why, ERROR_CLOSED, "%s: connection %u reached the end of its life", conn_resource(c),
              c->id);
    conn_close(c, &why);
}

/* One that was idle for too long is asked first, for each waiter one; it comes to them when it has
 * answered. */
static void ask(struct pool *p, struct conn *c)
{
    uint32_t wanted = p->waiters.count > 0 ? p->waiters.count : 1;
    if (p->count[CONN_CHECKING] < wanted)
        care_check(c);
}

/* May be lent without a question; else it is asked, or closed. */
static bool is_lendable(struct pool *p, struct conn *c)
{
    CHECK(c->state == CONN_IDLE);
    if (pool_is_fresh(p, c, engine_now(p->engine)))
        return true;
    if (engine_now(p->engine) < c->life_end_us)
        ask(p, c);
    else
        retire_old(c);
    return false;
}

/* The idle connection that is next in turn; NULL when there is none. */
static struct conn *next_idle(struct pool *p, struct waiter *w, uint32_t may)
{
    for (struct conn *c = p->idle.first, *next; c != NULL; c = next) {
        next = c->after;
        if ((may >> c->reach & 1) != 0 && is_lendable(p, c) && admit(w, c))
            return c;
    }
    return NULL;
}

static struct conn *next_at(struct pool *p, int32_t at)
{
    struct list *idle = &p->loads->of[at].idle;
    for (struct list_node *n = list_head(idle), *next; n != NULL; n = next) {
        next = list_next(idle, n);
        struct conn *c = conn_of_turn(p, n);
        if (is_lendable(p, c))
            return c;
    }
    return NULL;
}

/* That of the endpoint whose turn it is, among these. */
static struct conn *next_among(struct pool *p, struct waiter *w, uint32_t may)
{
    int32_t at;
    for (uint32_t left = load_idle(p) & may; (at = load_choose(p, w->key, left, may)) >= 0;
         left &= ~(1U << at)) {
        struct conn *c = next_at(p, at);
        if (c != NULL && admit(w, c))
            return c;
    }
    return NULL;
}

struct conn *admit_find(struct pool *p, struct waiter *w)
{
    struct circuits_at_choice is = circuits_at_choice(w->guards);
    struct conn *c = is.due == 0 || p->loads == NULL ? NULL : next_among(p, w, is.due);
    if (c == NULL)
        c = p->loads == NULL ? next_idle(p, w, is.may) : next_among(p, w, is.may);
    return c == NULL && w->may_share ? share_find(p, w) : c;
}

/* --- who is served ------------------------------------------------------------------------------ */

/* The first one who waits, where nobody elsewhere waited longer; NULL. Those behind him may use what he may not: then
 * it is not for others, who might not use it either and would send it back. */
static struct list_node *first_in_turn(const struct pool *p)
{
    struct list_node *n = list_head(&p->waiters);
    bool is_due = n != NULL && handover_is_due(p, container_of(n, struct waiter, node)->arrived_us);
    return is_due ? NULL : n;
}

/* Whoever is late is told so soon; who goes by the same circuits as one who was refused is refused too. */
static bool is_passed_by(const struct pool *p, const struct waiter *w, const struct guards *in_vain)
{
    return w->deadline_us <= engine_now(p->engine) || (in_vain != NULL && w->guards == in_vain);
}

struct waiter *admit_first(struct pool *p, const struct conn *c)
{
    const struct guards *in_vain = NULL;
    for (struct list_node *n = first_in_turn(p); n != NULL; n = list_next(&p->waiters, n)) {
        struct waiter *w = container_of(n, struct waiter, node);
        if (is_passed_by(p, w, in_vain))
            continue;
        if (admit(w, c))
            return w;
        in_vain = w->guards;
    }
    return NULL;
}

/* Who goes by no circuits finds whatever is idle. */
struct waiter *admit_next(struct pool *p, struct conn **c)
{
    const struct guards *in_vain = NULL;
    for (struct list_node *n = first_in_turn(p); n != NULL; n = list_next(&p->waiters, n)) {
        struct waiter *w = container_of(n, struct waiter, node);
        if (is_passed_by(p, w, in_vain))
            continue;
        if ((*c = admit_find(p, w)) != NULL)
            return w;
        if (w->guards == NULL || p->idle.first == NULL)
            return NULL;
        in_vain = w->guards;
    }
    return NULL;
}
