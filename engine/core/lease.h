/* lease.h - a connection lent to a task, under a handle that goes stale.
 *
 * A lease is not a thing of its own: it is the connection, a holder and a generation, so that
 * lending allocates and links nothing. A handle is the connection's row in the engine's table with
 * a generation that moves at each lease: an old handle is an error and never somebody else's
 * connection. A row outlives its connection and keeps the generation for the next one.
 *
 * A task knows that it was lent something; only such a one looks for leases when it ends.
 */
#ifndef CORE_LEASE_H
#define CORE_LEASE_H

#include "core/conn.h"
#include "core/engine.h"
#include "core/task.h"
#include "nebula.h" /* enum nebula_verdict */

#define LEASE_ROW_BITS 24
#define LEASE_STEP ((int64_t)1 << LEASE_ROW_BITS)

struct lease_row {
    struct conn *conn;   /* NULL when free */
    int64_t last_handle; /* of the connection before */
    int64_t lost_handle; /* the last one whose connection went before it was given back */
    int32_t next_free;
};

/* A row for c. False when out of memory. */
bool lease_add(struct lease_table *t, struct conn *c);
void lease_drop(struct lease_table *t, const struct conn *c);
void lease_lose(struct lease_table *t, struct conn *c); /* ends the lease of one that goes */
void lease_fini(struct lease_table *t);                 /* every row is free */

/* Gives everything back that the task still holds. */
void lease_end_all(struct engine *e, struct task *t);

/* The short paths tell the tracer what they did in their last step, so that nothing has to be kept
 * for it. Returns the handle, 0 once the lease has ended. */
__attribute__((cold, noinline)) int64_t lease_told(struct conn *c, enum conn_state from,
                                                   enum conn_state to);

/* The connection behind a handle; NULL when the lease has ended or its connection was lost. */
static inline struct conn *lease_find(const struct lease_table *t, int64_t handle)
{
    uint32_t index = (uint32_t)handle & (LEASE_STEP - 1);
    if (index >= (uint32_t)t->size)
        return NULL;
    struct conn *c = t->row[index].conn;
    return c != NULL && c->lease == handle && handle != 0 ? c : NULL;
}

/* The newest handle that c ever had: each use has one, so that lending writes no counter of its
 * own. */
static inline int64_t lease_last(const struct conn *c)
{
    return c->first_lease + (int64_t)(c->uses << LEASE_ROW_BITS);
}

/* Lends c, which is LEASED and was counted as used, to t. Returns the handle. */
static inline int64_t lease_begin(struct conn *c, struct task *t)
{
    c->holder = t;
    if (!t->may_hold)
        t->may_hold = true;
    c->lease = lease_last(c);
    return c->lease;
}

/* Why lease_find() found nothing: the connection went while it was lent, and the holder may not
 * know. */
static inline bool lease_was_lost(const struct lease_table *t, int64_t handle)
{
    uint32_t index = (uint32_t)handle & (LEASE_STEP - 1);
    return index < (uint32_t)t->size && handle != 0 && t->row[index].lost_handle == handle;
}

/* The handle is stale from here on; what becomes of the connection is the caller's to say. */
static inline void lease_end(struct conn *c)
{
    c->lease = 0;
}

#endif
