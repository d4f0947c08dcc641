/* again.h - what was tried, tried again: by the policy, and out of a budget that all workers have together. */
#ifndef CORE_AGAIN_H
#define CORE_AGAIN_H

#include "core/operation.h"
#include "rules/retry.h"

/* What one call, or one transaction, knows of its attempts. All zero: there was none. */
struct again {
    int32_t attempts;    /* that were sent */
    int32_t paid;        /* tokens, by the last retry */
    int64_t previous_us; /* the pause that was drawn before it */
};

/* One more call, which puts its share into the budget. */
void again_called(struct resource *r);
/* The last attempt ended so. May there be another one? The pause before it in us, out of the budget; or a negative
 * code, and why in *e, which may be NULL. o: by whose policy, NULL: by that of the declaration. */
int64_t again_pause(struct resource *r, const struct operation *o, struct again *a,
                    const struct error *ended, int64_t deadline_us, struct error *e);
/* There will be none whatever the policy says; or it went well. For budgets that go by what comes of attempts. */
void again_over(const struct operation *o, const struct again *a, enum error_code code);
/* Pauses and attempts of a policy. */
struct retry_policy again_policy(const struct resource *r, const struct operation *o);

#endif
