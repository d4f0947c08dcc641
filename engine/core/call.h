/* call.h - one call from begin to end: the order of all policies, in one place.
 *
 * The order is fixed: deadline, retry, lease, send, record. A call waits for a connection, is sent,
 * and ends with exactly one of three outcomes; between attempts it pauses. What is proven not
 * applied, or harmless to repeat, may be tried again within the policy's bounds, and nothing else.
 *
 * A call may be answered before its request has ended: at its deadline, or cancelled. Then the
 * request lives on, with the connection that is CANCELLING, until the driver lets go of it.
 */
#ifndef CORE_CALL_H
#define CORE_CALL_H

#include "core/lease.h"
#include "core/pool.h"
#include "core/ticket.h"

enum call_state { CALL_WAITING = 0, CALL_SENT, CALL_PAUSING, CALL_OVER };

struct call {
    struct ticket ticket; /* first: a ticket of this type is a call */
    struct waiter waiter;
    struct timer timer;
    struct resource *resource;
    struct pool *pool;
    struct conn *conn; /* while SENT; not owned */
    enum call_state state;
    bool is_dirtying;  /* it changes the session in a way that its words do not tell */
    bool is_leased;    /* runs on the caller's lease: no retry, no giving back */
    bool is_in_flight; /* the connection has the request */
    bool is_dropped;   /* nobody wants the reply any more */
    bool is_doubtful;  /* an attempt ended in doubt */
    int32_t role;
    int32_t attempts;
    int64_t begun_us, attempt_us; /* of all; of the last attempt */
    int64_t deadline_us;
    enum outcome outcome;
    struct part *shown; /* whose reply is read; NULL: that of the whole */
    struct request request;
    struct error error;
    char bytes[]; /* the values, then the texts */
};

extern const struct ticket_type call_ticket;

/* The ticket's number, or a negative code. */
int32_t call_begin(struct engine *e, const struct nebula_request *request);

/* The call behind a ticket; NULL when the ticket is of another kind. */
static inline struct call *call_of(struct ticket *t)
{
    return t->type == &call_ticket ? (struct call *)t : NULL;
}

#endif
