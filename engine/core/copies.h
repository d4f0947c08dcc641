/* copies.h - an attempt of which other copies go when it takes too long, and the first good answer counts.
 *
 * What is to be done is for rules/hedge to say, and what it costs for tokens.h. Copies go by the same request, each
 * with a connection of its own that is there at once: none waits in a queue. Those that lost are given up, which
 * cancels them on the server. They stay where they are until their drivers let go of them, and so does the call.
 */
#ifndef CORE_COPIES_H
#define CORE_COPIES_H

#include "core/attempt.h"
#include "rules/hedge.h"

struct call;
struct stage_end;

struct copy {
    struct attempt attempt;
    struct call *call;
    struct copy *next;
};

/* Of one call. All zero: there are none, and none may go. */
struct copies {
    struct hedge hedge;
    struct timer timer;
    struct copy *first;
    bool is_allowed;
    bool is_beginning; /* one that ends meanwhile was never sent; the first one, too */
};

void copies_init(struct copies *x);
/* The attempt that goes next may have some, if its request may be done twice. */
void copies_allow(struct call *c);
/* It ended so. */
void copies_forbid(struct call *c, const struct stage_end *end);
/* The attempt is begun between these. */
void copies_begin(struct call *c);
void copies_begun(struct call *c);
/* One of them ended. True: so does the attempt, whose answer it is, and the others are given up. */
bool copies_ended(struct call *c, struct attempt *a, enum outcome outcome);
/* Gives up all that are not over but this one, which may be NULL. */
void copies_give_up(struct call *c, const struct attempt *but);
bool copies_are_in_flight(const struct call *c);
void copies_free(struct call *c); /* none is in flight */

#endif
