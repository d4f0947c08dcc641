/* fill.h - how many connections to open now.
 *
 * Enough for those who wait and for the warm minimum, never beyond the cap, and few at a time.
 * After an outage of an endpoint one attempt probes it; each success doubles how many may connect at
 * once, up to the policy's bound, so a server that has just come back is not trampled.
 *
 * Pure: counts in, a decision out.
 */
#ifndef RULES_FILL_H
#define RULES_FILL_H

#include <stdbool.h>

#include "rules/policy.h"

struct fill {
    int32_t allowed;  /* may connect at once: 1 after a failure, doubling to policy->connecting */
    int32_t failures; /* attempts that failed in a row */
};

struct fill_counts {
    int32_t all;       /* of whatever state, those still closing included */
    int32_t closing;   /* of those, the ones that nobody can use again */
    int32_t elsewhere; /* of other workers, who count for the minimum too */
    int32_t opening;
    int32_t coming;  /* opening, or soon back from a check, a reset or a cancel */
    int32_t waiting; /* waiters */
};

void fill_init(struct fill *f, const struct fill_policy *p);
/* How many the pool wants, wherever they go to. */
int32_t fill_wanted(const struct fill_policy *p, const struct fill_counts *n);
/* Whether one more may connect to the endpoint at which `opening` connect already. */
bool fill_has_room(const struct fill *f, int32_t opening);
void fill_opened(struct fill *f, const struct fill_policy *p);
void fill_failed(struct fill *f);

#endif
