#include "core/share.h"

#include "core/admit.h"
#include "core/load.h"

#define PATIENCE_US 10000 /* with one that nobody waits for: as a rule it is over at once */

bool share_may(const struct pool *p, const struct request *r)
{
    return p->share > 1 && r->is_idempotent && r->verb == NEBULA_RUN &&
           p->driver->may_share(p->driver, r);
}

static bool has_room(const struct conn *c)
{
    return c->state == CONN_LEASED && c->session == 0 &&
           c->sharers < c->pool->share && /* those that wait to be sent too, see chaos.h */
           engine_now(c->pool->engine) < c->life_end_us;
}

/* The next in turn of those that lead to one of these endpoints, a bit each. Who has no room any more
 * leaves. */
static struct conn *next_in_turn(struct pool *p, uint32_t endpoints)
{
    for (struct list_node *n = p->sharing.first, *next; n != NULL; n = next) {
        struct conn *c = conn_of_turn(p, n);
        next = ring_next(&p->sharing, n);
        CHECK(c->holder == NULL);
        if (!has_room(c))
            ring_remove(&p->sharing, n);
        else if ((endpoints >> c->reach & 1) != 0)
            return c;
    }
    return NULL;
}

static uint32_t endpoints_with_room(const struct pool *p)
{
    uint32_t endpoints = 0;
    for (struct list_node *n = p->sharing.first; n != NULL; n = ring_next(&p->sharing, n)) {
        const struct conn *c = conn_of_turn(p, n);
        endpoints |= (uint32_t)has_room(c) << c->reach;
    }
    return endpoints;
}

/* The next in turn that he has a pass for. */
static struct conn *admitted(struct pool *p, struct waiter *w, uint32_t endpoints)
{
    struct conn *c;
    while ((c = next_in_turn(p, endpoints)) != NULL && !admit(w, c))
        endpoints &= ~(1U << c->reach);
    return c;
}

struct conn *share_find(struct pool *p, struct waiter *w)
{
    uint32_t may = circuits_at_choice(w->guards).may;
    if (p->loads == NULL)
        return admitted(p, w, may);
    struct conn *c = NULL;
    uint32_t left = endpoints_with_room(p) & may;
    for (int32_t at; c == NULL && (at = load_choose(p, w->key, left, may)) >= 0;
         left &= ~(1U << at))
        c = admitted(p, w, 1U << at);
    return c;
}

/* Behind the others that have room: in turn. */
static void offer(struct conn *c)
{
    share_withdraw(c);
    if (c->has_turn && has_room(c))
        ring_push_tail(&c->pool->sharing, conn_turn(c));
}

void share_begin(struct conn *c)
{
    struct pool *p = c->pool;
    p->sharers++;
    if (p->loads != NULL && c->sharers > 0)
        load_shared(c, 1);
    p->shared += c->sharers++ == 0;
    offer(c);
    if (share_crowd(p) > 0 && pool_all(p) < p->size.max)
        keep_soon(p);
}

void share_withdraw(struct conn *c)
{
    if (c->has_turn && c->pool->share > 1)
        ring_remove(&c->pool->sharing, conn_turn(c));
}

bool share_is_offered(const struct conn *c)
{
    struct list_node *n = c->pool->sharing.first;
    while (n != NULL && conn_of_turn(c->pool, n) != c)
        n = ring_next(&c->pool->sharing, n);
    return n != NULL;
}

static void come_home(struct conn *c)
{
    share_withdraw(c);
    pool_give_back(c);
}

void share_end(struct conn *c)
{
    struct pool *p = c->pool;
    p->sharers--;
    p->shared -= --c->sharers == 0;
    if (p->loads != NULL && c->sharers > 0)
        load_shared(c, -1);
    if (c->state != CONN_LEASED)
        return;
    const struct request *head = conn_head(c);
    if (head == NULL) {
        come_home(c);
    } else {
        if (head->is_unwanted)
            keep_soon(p);
        offer(c);
        pool_serve(p);
    }
}

void share_give_up(struct conn *c, struct request *r)
{
    r->is_unwanted = true;
    if (c->state == CONN_LEASED && conn_head(c) == r)
        conn_cancel(c);
}

int64_t share_next(const struct conn *c)
{
    bool is_late = c->sharers > 0 && c->state == CONN_LEASED && conn_head(c)->is_unwanted;
    return is_late ? c->used_us + PATIENCE_US : INT64_MAX;
}

void share_look(struct pool *p)
{
    if (p->sharers == 0)
        return;
    for (struct conn *c = p->conns.first; c != NULL; c = c->next) {
        if (engine_now(p->engine) >= share_next(c))
            conn_cancel(c);
    }
}

int32_t share_crowd(const struct pool *p)
{
    return p->sharers - p->shared;
}
