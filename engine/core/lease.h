/* lease.h - a connection lent to a task, under a handle that goes stale.
 *
 * Leases come from a list of free ones and go back to it, so lending allocates nothing. A handle is
 * the lease's index with a generation that moves each time the lease ends: an old handle is an
 * error and never somebody else's connection.
 */
#ifndef CORE_LEASE_H
#define CORE_LEASE_H

#include "core/conn.h"
#include "core/engine.h"
#include "core/task.h"
#include "nebula.h" /* enum nebula_verdict */

#define LEASE_INDEX_BITS 24

struct lease {
    struct list_node in_task;
    int64_t handle;    /* 0 when free */
    struct conn *conn; /* NULL once lost */
    struct task *task;
    struct lease *next_free;
    int64_t last_handle;
    enum error_code lost; /* why there is no connection */
};

/* Makes sure that the next lease_begin() finds a free lease. False when out of memory. */
bool lease_reserve(struct engine *e);
/* Frees them all: none is in use. */
void leases_fini(struct engine *e);

/* Lends c to the current task. A lease was reserved. */
static inline struct lease *lease_begin(struct engine *e, struct conn *c)
{
    struct lease *l = e->lease_free;
    CHECK(l != NULL);
    e->lease_free = l->next_free;
    l->last_handle += 1 << LEASE_INDEX_BITS;
    l->handle = l->last_handle;
    l->conn = c;
    l->task = e->task;
    c->lease = l;
    list_push_tail(&l->task->leases, &l->in_task);
    return l;
}

/* Takes the lease itself out of use; its connection, if it has one, is still LEASED. */
static inline void lease_retire(struct lease *l)
{
    struct task *t = l->task;
    list_remove(&t->leases, &l->in_task);
    l->handle = 0;
    l->next_free = t->engine->lease_free;
    t->engine->lease_free = l;
    if (l->conn != NULL)
        l->conn->lease = NULL;
}

/* The task goes on with the lease but the connection does not. */
void lease_lose(struct lease *l, enum error_code why);
/* Gives the connection back. */
void lease_end(struct lease *l, enum nebula_verdict verdict);

static inline struct lease *lease_find(const struct engine *e, int64_t handle)
{
    int64_t index = handle & ((1 << LEASE_INDEX_BITS) - 1);
    if (handle <= 0 || index >= e->leases)
        return NULL;
    struct lease *l = e->lease[index];
    return l->handle == handle ? l : NULL;
}

#endif
