/* nebula_lease.c - leases: the short path to an idle connection, and the long one that says why. */
#include "nebula_border.h"

#include "core/hold.h"
#include "core/lend.h"
#include "core/pool.h"
#include "core/resource.h"

__attribute__((cold, noinline)) static int64_t
lease_slowly(struct nebula *n, int32_t resource, int32_t role, int64_t within_us, bool is_fail_fast)
{
    struct engine *e = border_enter(n);
    struct conn *c = border_is_short(n) ? NULL : lend_at_once(e, resource, role);
    if (c != NULL) {
        conn_tell(c, CONN_IDLE);
        return c->lease;
    }
    c = e->hits_left == 0 ? lend_ready(e, resource, role) : NULL;
    if (c != NULL) {
        int64_t lease = lend_next_turn(c);
        conn_tell(c, CONN_IDLE);
        return lease;
    }
    struct resource *r = table_get(&e->resources, resource);
    if (r == NULL)
        return border_no_resource(e, resource);
    if (role < 0 || role >= r->spec->roles)
        return engine_refuse(e, ERROR_USAGE, "%s has no role number %d", r->name, role);
    return lend_begin(r, role, within_us, is_fail_fast);
}

/* Where others wait, one has nothing to do but to stand behind them. */
__attribute__((cold, noinline)) static int64_t
lease_behind(struct nebula *n, int32_t resource, int32_t role, int64_t within_us, bool is_fail_fast)
{
    if (within_us > 0 || is_fail_fast)
        return lease_slowly(n, resource, role, within_us, is_fail_fast);
    return lend_line_up(border_enter(n), resource, role)
               ? 0
               : lease_slowly(n, resource, role, 0, false);
}

int64_t nebula_lease(struct nebula *n, int32_t resource, int32_t role, int64_t within_us,
                     bool is_fail_fast)
{
    struct conn *c = border_is_short(n) ? lend_at_once(&n->engine, resource, role) : NULL;
    return c != NULL ? c->lease : lease_behind(n, resource, role, within_us, is_fail_fast);
}

int32_t nebula_ticket(const struct nebula *n)
{
    CHECK(border_is_here(n));
    return n->engine.queued;
}

int64_t nebula_lent(struct nebula *n, int32_t ticket)
{
    struct ticket *t = ticket_find(border_enter(n), ticket);
    return t == NULL ? 0 : lend_take(t);
}

/* NULL with the sentence, when it has ended: for whoever has nothing to send on it, lost or not, that is
 * a stale one. */
static struct conn *leased(struct nebula *n, int64_t lease)
{
    struct engine *e = border_enter(n);
    struct conn *c = lease_find(&e->leases, lease);
    if (c == NULL)
        lease_refuse(e, lease);
    return c;
}

__attribute__((cold, noinline)) static int32_t release_slowly(struct nebula *n, int64_t lease,
                                                              int32_t verdict)
{
    struct conn *c = leased(n, lease);
    if (c == NULL) {
        lease_forget(&n->engine.leases, lease);
        return -ERROR_STALE;
    }
    monitor_held(c);
    if (verdict == NEBULA_GOOD && pool_return(c->pool, c, engine_now(&n->engine))) {
        conn_tell(c, CONN_LEASED);
        return 0;
    }
    if (verdict == NEBULA_GOOD && pool_pass(c))
        return 0;
    lease_end(c);
    pool_give(c->pool, c, (enum nebula_verdict)verdict);
    return 0;
}

/* c: whose newest number this is; NULL where it was not looked for. */
__attribute__((cold, noinline)) static int32_t release_on(struct nebula *n, int64_t lease,
                                                          int32_t verdict, struct conn *c)
{
    bool is_passed = c != NULL && lease_is_out(c) && pool_pass(c);
    return is_passed ? 0 : release_slowly(n, lease, verdict);
}

/* The short path back. What is leased with nothing under way is no one-shot call's, so its number tells who
 * it is. */
int32_t nebula_release(struct nebula *n, int64_t lease, int32_t verdict)
{
    bool is_short = border_is_short(n) && verdict == NEBULA_GOOD;
    struct conn *c = is_short ? lease_last(&n->engine.leases, lease) : NULL;
    bool is_home = c != NULL && pool_return(c->pool, c, engine_now(&n->engine));
    return is_home ? 0 : release_on(n, lease, verdict, c);
}

int32_t nebula_dirty(struct nebula *n, int64_t lease)
{
    struct conn *c = leased(n, lease);
    if (c == NULL)
        return -ERROR_STALE;
    conn_dirty(c);
    return 0;
}

int32_t nebula_lease_resource(struct nebula *n, int64_t lease)
{
    const struct conn *c = leased(n, lease);
    return c == NULL ? -ERROR_STALE : c->pool->resource->number;
}

int32_t nebula_in_transaction(struct nebula *n, int64_t lease)
{
    const struct conn *c = leased(n, lease);
    return c == NULL ? -ERROR_STALE : (c->session & SESSION_IN_TRANSACTION) != 0;
}

int32_t nebula_lease_place(struct nebula *n, int64_t lease, const char *place)
{
    struct engine *e = border_enter(n);
    struct conn *c = lease_find(&e->leases, lease);
    if (c == NULL)
        return lease_refuse(e, lease);
    return hold_trace(c, place) ? 0 : engine_refuse(e, ERROR_MEMORY, "no memory for a place");
}

bool nebula_hold(struct nebula *n, struct nebula_hold *out)
{
    struct engine *e = border_enter(n);
    struct hold *h = hold_take(e);
    if (h == NULL)
        return false;
    *out = (struct nebula_hold){.lease = h->lease,
                                .held_us = h->held_us,
                                .task = h->task == e->nobody->number ? 0 : h->task,
                                .resource = h->resource->number,
                                .name = h->resource->name,
                                .connection = h->conn,
                                .is_reclaimed = h->is_reclaimed,
                                .place = h->place};
    free(h);
    return true;
}
