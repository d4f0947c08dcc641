/* lease.h - a connection lent to a task, under a number that goes stale.
 *
 * A lease is not a thing of its own: it is the connection, a holder and a generation, so that
 * lending allocates and links nothing. A number is the connection's row in the engine's table with
 * a generation that moves at each lease: an old number is an error and never somebody else's
 * connection. A row outlives its connection and keeps the generation for the next one.
 *
 * Whoever lost a lease hears that it was lost, however late he asks: until he gives it back, or ends,
 * its row is no other connection's. Beyond LEASES_OWED of them a later loss may hide an earlier one,
 * which is a stale lease then.
 *
 * A task knows that it was lent something; only such a one looks for leases when it ends.
 */
#ifndef CORE_LEASE_H
#define CORE_LEASE_H

#include "core/conn.h"
#include "core/engine.h"
#include "core/task.h"

#define LEASE_STEP ((int64_t)1 << LEASE_ROW_BITS)
#define LEASES_OWED 100000 /* of those who never give back what they lost */

struct lease_row {
    struct conn *conn;    /* NULL when it has none */
    int64_t last_number;  /* of the connection before; of the one here, before its first use */
    int64_t lost_number;  /* the last one whose connection went before it was given back */
    int64_t reclaimed_us; /* it was taken away after so long; 0: the connection was lost */
    const struct task *owed_to; /* lost it, and has not given it back; NULL: nobody */
    bool is_undone; /* the server said, when it was lost, that a conflict undid what was open */
    int32_t next_free;
};

/* A row for c. False when out of memory. */
bool lease_add(struct lease_table *t, struct conn *c);
void lease_drop(struct lease_table *t, const struct conn *c);
/* Ends the lease of one that goes. state: the server's own code for it, or "". */
void lease_lose(struct lease_table *t, struct conn *c, const char *state);
/* A row that is free when a connection comes that cannot be refused. False when out of memory. */
bool lease_keep(struct lease_table *t);
void lease_unkeep(struct lease_table *t);
void lease_add_kept(struct lease_table *t, struct conn *c); /* and is not kept any more */
/* Ends the lease of a connection that stays, because it was held for so long. */
void lease_reclaim(struct lease_table *t, struct conn *c, int64_t held_us);
/* What was lost under this number need not be remembered any more. Nothing, when nothing was. */
void lease_forget(struct lease_table *t, int64_t number);
/* All that was lost by one who ends. */
void lease_forget_all(struct lease_table *t, const struct task *task);
/* c goes on under other numbers, where somebody may ask yet what became of one of its own. */
void lease_part(struct lease_table *t, struct conn *c);
/* Why there is no lease of this number: refused with `stale`, but `lost` when its connection was, and
 * `conflict` when its server ended it because of one. */
int32_t lease_refuse(struct engine *e, int64_t number);
/* An error of what was cut short on c, because its lease was taken away, says so and keeps its codes.
 * Any other stays as it is. */
void lease_explain(const struct lease_table *t, const struct conn *c, struct error *why);
void lease_fini(struct lease_table *t); /* every row is free */

/* The connection whose newest number this is; it may have been given back. */
static inline struct conn *lease_last(const struct lease_table *t, int64_t number)
{
    uint32_t index = (uint32_t)number & (LEASE_STEP - 1);
    if (index >= (uint32_t)t->size)
        return NULL;
    struct conn *c = t->row[index].conn;
    return c != NULL && c->lease == number ? c : NULL;
}

/* Lent to somebody, and not to a one-shot call. */
static inline bool lease_is_out(const struct conn *c)
{
    return c->state == CONN_LEASED && c->holder != NULL;
}

/* The connection behind a number; NULL when the lease has ended or its connection was lost. */
static inline struct conn *lease_find(const struct lease_table *t, int64_t number)
{
    struct conn *c = lease_last(t, number);
    return c != NULL && lease_is_out(c) ? c : NULL;
}

/* Each use of a connection has a number, so that the numbers count the uses. */
static inline void lease_use(struct conn *c)
{
    c->lease = (int64_t)((uint64_t)c->lease + LEASE_STEP) & INT64_MAX;
    c->holder = NULL;
}

static inline uint64_t lease_uses(const struct lease_table *t, const struct conn *c)
{
    int64_t first = t->row[c->lease & (LEASE_STEP - 1)].last_number;
    return (uint64_t)((c->lease - first) & INT64_MAX) >> LEASE_ROW_BITS;
}

/* Lends c, which is LEASED and was counted as used, to t. Returns the number. */
static inline int64_t lease_begin(struct conn *c, struct task *t)
{
    c->holder = t;
    t->may_hold = true;
    return c->lease;
}

/* The number is stale from here on; what becomes of the connection is the caller's to say. */
static inline void lease_end(struct conn *c)
{
    c->holder = NULL;
}

#endif
