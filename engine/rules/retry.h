/* retry.h - try again, later, and not too often.
 *
 * A pause doubles with each attempt and is drawn evenly below that bound ("full jitter", M.
 * Brooker: Exponential Backoff And Jitter, 2015), so that callers who failed together do not come
 * back together.
 *
 * The budget keeps retries from multiplying the load of a server that is already in trouble. It
 * belongs to the resource as a whole: each call puts a share of a token in, each second a few whole
 * ones, each retry takes one out. Whose it is, and how it is counted, is for core/budget.
 *
 * Pure: the caller brings the dice.
 */
#ifndef RULES_RETRY_H
#define RULES_RETRY_H

#include "rules/policy.h"

/* The pause before attempt number `attempt` (2 is the first retry), in us. dice: 64 even bits. */
int64_t retry_pause_us(const struct retry_policy *p, int32_t attempt, uint64_t dice);

/* What the budget gets by time, and keeps; the first second's worth is there from the beginning. */
struct rate_policy retry_rate(const struct retry_policy *p);
/* What each call puts in, in millionths. */
int64_t retry_share(const struct retry_policy *p);

#endif
