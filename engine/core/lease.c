#include "core/lease.h"

#include "core/pool.h"

#define FIRST_SIZE 16

static bool grow(struct lease_table *t)
{
    int32_t size = t->size == 0 ? FIRST_SIZE : t->size * 2;
    if (size > LEASE_STEP)
        return false;
    struct lease_row *row = realloc(t->row, (size_t)size * sizeof *row);
    if (row == NULL)
        return false;
    row[0] = (struct lease_row){.conn = NULL};
    t->row = row;
    int32_t first = t->size == 0 ? 1 : t->size;
    for (int32_t i = size - 1; i >= first; i--) {
        row[i] = (struct lease_row){.last_handle = i, .next_free = t->free_head};
        t->free_head = i;
    }
    t->size = size;
    return true;
}

bool lease_add(struct lease_table *t, struct conn *c)
{
    if (t->free_head == 0 && !grow(t))
        return false;
    struct lease_row *row = &t->row[t->free_head];
    t->free_head = row->next_free;
    t->used++;
    row->conn = c;
    c->first_lease = row->last_handle;
    return true;
}

void lease_drop(struct lease_table *t, const struct conn *c)
{
    int32_t index = (int32_t)(c->first_lease & (LEASE_STEP - 1));
    CHECK(c->lease == 0 && t->row[index].conn == c);
    t->row[index].conn = NULL;
    t->row[index].last_handle = lease_last(c);
    t->row[index].next_free = t->free_head;
    t->free_head = index;
    t->used--;
}

void lease_lose(struct lease_table *t, struct conn *c)
{
    t->row[c->lease & (LEASE_STEP - 1)].lost_handle = c->lease;
    lease_end(c);
}

void lease_fini(struct lease_table *t)
{
    CHECK(t->used == 0);
    free(t->row);
    t->row = NULL;
    t->size = t->free_head = 0;
}

void lease_end_all(struct engine *e, struct task *task)
{
    struct lease_table *t = &e->leases;
    for (int32_t i = 1; i < t->size; i++) {
        struct conn *c = t->row[i].conn;
        if (c == NULL || c->lease == 0 || c->holder != task)
            continue;
        lease_end(c);
        pool_give(c->pool, c, NEBULA_GOOD);
    }
}

int64_t lease_told(struct conn *c, enum conn_state from, enum conn_state to)
{
    engine_trace(c->engine, TRACE_CONN_MOVED, c->pool->number, c->id, from, to);
    return c->lease;
}
