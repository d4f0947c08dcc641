/* refused.h - a call that its circuit refuses before anything else is asked: a ticket that has ended.
 *
 * While a circuit is open, calls come as fast as their callers can make them, and each ends in the same way. Such a
 * one needs nothing of what a call is: no copy of its request, no attempt, no timers. To whoever asked it looks like
 * any other: an event, a reply, two records, and on.refused. Where another stage comes before the circuit it is to be
 * asked first, and a batch has parts to be shown: those go the long way, to the same end.
 */
#ifndef CORE_REFUSED_H
#define CORE_REFUSED_H

#include "core/circuits.h"
#include "core/ticket.h"

struct refused {
    struct ticket ticket; /* first: a ticket of this type is one */
    struct operation *operation;
    struct circuits_refusal why;
    int32_t role;
    int64_t deadline_us;
    struct error error; /* once somebody asks */
};

/* A call of r that may be begun. Its ticket's number, or a negative code; 0: it is not refused like this. */
int32_t refused_begin(struct resource *r, const struct nebula_request *request);
/* NULL when the ticket is of another kind. */
struct refused *refused_of(struct ticket *t);
/* In words. */
struct error *refused_error(struct refused *f);

#endif
