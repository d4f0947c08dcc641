#include "core/admit.h"

#include "core/resource.h"

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
    const struct list_node *n = list_head(&p->waiters);
    const struct waiter *w = n == NULL ? NULL : container_of(n, struct waiter, node);
    struct circuits_refusal why;
    uint32_t shut = w == NULL ? 0 : ~circuits_at_choice(w->guards).may;
    if (shut == 0)
        return INT64_MAX;
    circuits_at_next(w->guards, shut, &why);
    return why.left_us == 0 ? INT64_MAX : engine_now(p->engine) + why.left_us;
}
