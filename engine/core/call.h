/* call.h - one call from begin to end: the order of all policies, in one place.
 *
 * The order is fixed: deadline, retry, lease, send, record. A call makes attempts, and ends with exactly one
 * of three outcomes; between attempts it pauses. What is proven not applied, or harmless to repeat, may be
 * tried again within the policy's bounds, and nothing else.
 *
 * A call may be answered before its request has ended: at its deadline, or cancelled. Then the request lives on
 * until the driver lets go of it.
 */
#ifndef CORE_CALL_H
#define CORE_CALL_H

#include "core/attempt.h"
#include "core/ticket.h"

enum call_state { CALL_TRYING = 0, CALL_PAUSING, CALL_OVER };

struct call {
    struct ticket ticket; /* first: a ticket of this type is a call */
    struct timer timer;   /* of its pause */
    enum call_state state;
    bool is_dropped;  /* nobody wants the reply any more */
    bool is_doubtful; /* an attempt ended in doubt */
    int32_t attempts; /* that were sent */
    uint64_t pass;    /* of the attempt under way, by the circuit; 0: it needs none */
    enum outcome outcome;
    struct part *shown; /* whose reply is read; NULL: that of the whole */
    struct error error;
    struct attempt attempt;
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
