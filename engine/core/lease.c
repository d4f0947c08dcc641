#include "core/lease.h"

#include "core/pool.h"

#define LEASES_MOST ((1 << LEASE_INDEX_BITS) - 1)

static bool make_room(struct engine *e)
{
    if (e->leases < e->leases_size)
        return true;
    if (e->leases_size >= LEASES_MOST / 2)
        return false;
    int32_t size = e->leases_size == 0 ? 16 : e->leases_size * 2;
    struct lease **lease = realloc(e->lease, (size_t)size * sizeof *lease);
    if (lease == NULL)
        return false;
    e->lease = lease;
    e->leases_size = size;
    return true;
}

bool lease_reserve(struct engine *e)
{
    if (e->lease_free != NULL)
        return true;
    if (!make_room(e))
        return false;
    struct lease *l = malloc(sizeof *l);
    if (l == NULL)
        return false;
    /* Generation 1 at index 0 makes the first handle positive. */
    *l = (struct lease){.last_handle = e->leases};
    node_init(&l->in_task);
    e->lease[e->leases++] = l;
    e->lease_free = l;
    return true;
}

void leases_fini(struct engine *e)
{
    for (int32_t i = 0; i < e->leases; i++) {
        CHECK(e->lease[i]->handle == 0);
        free(e->lease[i]);
    }
    free(e->lease);
    e->lease = NULL;
    e->lease_free = NULL;
    e->leases = e->leases_size = 0;
}

void lease_lose(struct lease *l, enum error_code why)
{
    l->conn->lease = NULL;
    l->conn = NULL;
    l->lost = why;
}

void lease_end(struct lease *l, enum nebula_verdict verdict)
{
    struct conn *c = l->conn;
    lease_retire(l);
    if (c != NULL)
        pool_give(c->pool, c, verdict);
}
