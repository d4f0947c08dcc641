/* lend.h - a lease: at once when a connection is idle, else by a ticket. */
#ifndef CORE_LEND_H
#define CORE_LEND_H

#include "core/lease.h"
#include "core/pool.h"
#include "core/resource.h"
#include "core/ticket.h"

/* A lease (> 0); 0 with the engine's `queued` when one has to be waited for; or a negative code. */
int64_t lend_begin(struct resource *r, int32_t role, int64_t within_us, bool is_fail_fast);

/* What an ended ticket of this kind has to tell; NULL when the ticket is of another kind. The
 * error's code is OK with a lease. */
struct lend;
struct lend *lend_of(struct ticket *t);
struct error *lend_error(struct lend *l);
int64_t lend_lease(const struct lend *l);

/* The short path, for the current task: what it lent; NULL, and nothing was done: the long path. */
static inline struct conn *lend_at_once(struct engine *e, int32_t resource, int32_t role)
{
    struct pool *p = engine_pool(e, resource, role);
    int64_t now_us = engine_now(e);
    struct conn *c = p == NULL ? NULL : pool_ready(p, now_us);
    if (c == NULL || task_is_done(e->task, now_us))
        return NULL;
    pool_hit(p, c, now_us);
    lease_begin(c, e->task);
    return c;
}

/* The short path back, alike. What is leased with nothing under way is no one-shot call's, so its
 * number tells who it is. */
static inline struct conn *lend_return(struct engine *e, int64_t lease)
{
    struct conn *c = lease_last(&e->leases, lease);
    return c != NULL && pool_return(c->pool, c, engine_now(e)) ? c : NULL;
}

#endif
