/* A connection as one of its pool: how it comes to it, from nowhere or another worker, and how it leaves. */
#include "core/ear.h"
#include "core/lease.h"
#include "core/load.h"
#include "core/pool.h"
#include "core/resource.h"

static void join(struct pool *p, struct conn *c)
{
    struct conns *all = &p->conns;
    *(all->first == NULL ? &all->first : &all->last->next) = c;
    all->last = c;
    c->next = NULL;
    all->count++;
}

void conn_part(struct pool *p, const struct conn *c)
{
    struct conns *all = &p->conns;
    struct conn **at = &all->first, *before = NULL;
    while (*at != c) {
        CHECK(*at != NULL);
        before = *at;
        at = &before->next;
    }
    *at = c->next;
    if (all->last == c)
        all->last = before;
    all->count--;
}

/* Where it is, behind the driver's bytes. */
static size_t turn_at(const struct pool *p)
{
    size_t grain = _Alignof(struct list_node);
    return (p->driver->size + grain - 1) / grain * grain;
}

struct list_node *conn_turn(struct conn *c)
{
    return (struct list_node *)(void *)(c->driver_bytes + turn_at(c->pool));
}

struct conn *conn_of_turn(const struct pool *pool, struct list_node *turn)
{
    return conn_of((char *)turn - turn_at(pool));
}

/* --- coming and going ------------------------------------------------------------------------- */

/* Of all workers each has its own numbers. */
static uint32_t next_id(const struct pool *p)
{
    struct resource *r = p->resource;
    const struct engine *e = p->engine;
    r->last_conn += (uint32_t)(r->last_conn == 0 ? e->worker + 1 : e->workers);
    return r->last_conn;
}

bool conn_detach(struct conn *c)
{
    struct pool *p = c->pool;
    CHECK(c->state == CONN_IDLE && c->session == 0);
    if (c->pool->driver->detach == NULL || c->is_retired || !c->pool->driver->detach(c))
        return false;
    idle_remove(&p->idle, c);
    if (p->loads != NULL)
        load_left(c);
    conn_part(p, c);
    p->count[CONN_IDLE]--;
    p->reach[c->reach].conns--;
    p->stats.past_uses += lease_uses(&p->engine->leases, c);
    c->pool->engine->conns--;
    lease_drop(&c->pool->engine->leases, c);
    keep_soon(p); /* there is room for another */
    return true;
}

void conn_attach(struct conn *c, struct pool *pool)
{
    struct engine *e = pool->engine;
    struct reach *r = &pool->reach[c->reach];
    lease_add_kept(&e->leases, c);
    c->pool = pool;
    c->id = next_id(pool);
    c->state = CONN_LEASED;
    lease_end(c); /* whoever held it last did so in another worker */
    c->since_us = engine_now(e);
    join(pool, c);
    pool->count[CONN_IDLE]++; /* as which those leased count */
    r->conns++;
    e->conns++;
    if (pool->loads != NULL)
        load_came(c);
    c->pool->driver->attach(c, reach_target(r, c->is_easy));
}

struct conn *conn_open(struct pool *pool, int32_t at, bool is_easy)
{
    struct engine *e = pool->engine;
    struct reach *r = &pool->reach[at];
    bool has_turn = pool->share > 1 || pool->reaches > 1;
    size_t turn = has_turn ? sizeof(struct list_node) : 0;
    struct conn *c = calloc(1, sizeof *c + turn_at(pool) + turn);
    if (c == NULL || !lease_add(&e->leases, c)) {
        free(c);
        return NULL;
    }
    c->pool = pool;
    c->id = next_id(pool);
    c->state = CONN_OPENING;
    c->reach = (uint8_t)at;
    c->is_easy = is_easy;
    c->has_turn = has_turn;
    c->turns = r->seen->turns;
    c->created_us = c->since_us = c->used_us = engine_now(e);
    if (c->has_turn)
        node_init(conn_turn(c));
    join(pool, c);
    pool->count[CONN_OPENING]++;
    r->opening++;
    r->conns++;
    e->conns++;
    keep_bound(c, engine_now(e) + pool->resource->spec->pool.connect_us);
    pool->driver->open(c, reach_target(r, is_easy));
    return c;
}
