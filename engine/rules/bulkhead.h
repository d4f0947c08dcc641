/* bulkhead.h - so many calls under way at once, and so many that wait for one of them to end.
 *
 * Who comes has a permit at once, or waits, or is refused; who waits gets the first permit that is free before
 * whoever comes later. The rule counts both. The queue itself, in which the first one to come is the first one
 * to be served, is the caller's: it asks bulkhead_next() until there is none, whenever a permit may have become
 * free, which is when one came back and when the policy is another one.
 *
 * A smaller bound cuts off nobody: permits that are one too many are gone when they come back, and who waits
 * already goes on waiting. The bound of calls may be that of rules/limit, which changes all the time.
 *
 * Pure: all of it is counting. All zero is one that nobody uses.
 */
#ifndef RULES_BULKHEAD_H
#define RULES_BULKHEAD_H

#include <stdbool.h>
#include <stdint.h>

struct bulkhead_policy {
    int32_t concurrent; /* 1 or more */
    int32_t queue;      /* 0: nobody waits */
};

enum bulkhead_verdict { BULKHEAD_RUN = 0, BULKHEAD_QUEUE, BULKHEAD_REFUSE };

struct bulkhead {
    int32_t under; /* permits that are out */
    int32_t waiting;
    int64_t ran, queued, refused,
        left; /* ever; who waited counts as queued, and then as one of the other two */
};

/* Somebody comes. BULKHEAD_RUN: he has a permit, and gives it back once. */
enum bulkhead_verdict bulkhead_enter(struct bulkhead *b, const struct bulkhead_policy *p);
/* True: whoever has waited longest has a permit now. */
bool bulkhead_next(struct bulkhead *b, const struct bulkhead_policy *p);
void bulkhead_return(struct bulkhead *b); /* a permit */
void bulkhead_leave(struct bulkhead *b);  /* somebody who waited waits no more */

#endif
