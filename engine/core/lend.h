/* lend.h - a lease: at once when a connection is idle, else by a ticket. */
#ifndef CORE_LEND_H
#define CORE_LEND_H

#include "core/lease.h"
#include "core/pool.h"
#include "core/resource.h"
#include "core/ticket.h"

/* A lease (> 0); 0 with the engine's `queued` when one has to be waited for; or a negative code. */
int64_t lend_begin(struct resource *r, int32_t role, int64_t within_us, bool is_fail_fast);

/* The same with the bounds of the policy, where it is certain that the task has to wait, behind others: the
 * engine's `queued` is its ticket. False, and nothing was done: lend_begin(). */
bool lend_line_up(struct engine *e, int32_t resource, int32_t role);

/* The lease of a ticket that was taken and brought one, which is given back with that; else 0. */
int64_t lend_take(struct ticket *t);

void lend_fini(struct engine *e); /* gives up the memory that waits for the next one */

/* What an ended ticket of this kind has to tell; NULL when the ticket is of another kind. The
 * error's code is OK with a lease. */
struct lend;
struct lend *lend_of(struct ticket *t);
struct error *lend_error(struct lend *l);
int64_t lend_lease(const struct lend *l);

/* For the current task: what the short path may lend; NULL: nothing. */
static inline struct conn *lend_ready(const struct engine *e, int32_t resource, int32_t role)
{
    struct pool *p = engine_pool(e, resource, role);
    int64_t now_us = engine_now(e);
    struct conn *c = p == NULL ? NULL : pool_ready(p, now_us);
    return c != NULL && !task_is_done(e->task, now_us) ? c : NULL;
}

/* The short path: what it lent; NULL, and nothing was done: the long path. Every so often, without a turn
 * between, it lends nothing, so that the turn goes on. */
static inline struct conn *lend_at_once(struct engine *e, int32_t resource, int32_t role)
{
    struct conn *c = lend_ready(e, resource, role);
    if (c == NULL || e->hits_left == 0)
        return NULL;
    e->hits_left--;
    pool_hit(c->pool, c, engine_now(e));
    lease_begin(c, e->task);
    return c;
}

/* Then c, which is ready, is lent all the same, and whoever asked, who may never wait for anything else,
 * gets to know of it in the next turn: 0 with the engine's `queued`. At once, with its number, where there
 * is no room for a ticket. */
int64_t lend_next_turn(struct conn *c);

#endif
