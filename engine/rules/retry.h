/* retry.h - try again, later, and not too often.
 *
 * A pause doubles with each attempt and is drawn evenly below that bound ("full jitter", M.
 * Brooker: Exponential Backoff And Jitter, 2015), so that callers who failed together do not come
 * back together.
 *
 * The budget keeps retries from multiplying the load of a server that is already in trouble. It
 * belongs to the resource as a whole: each call puts a share of a token in, each second a few whole
 * ones, each retry takes one out.
 *
 * Pure: the caller brings the time and the dice.
 */
#ifndef RULES_RETRY_H
#define RULES_RETRY_H

#include <stdbool.h>

#include "rules/policy.h"

/* The pause before attempt number `attempt` (2 is the first retry), in us. dice: 64 even bits. */
int64_t retry_pause_us(const struct retry_policy *p, int32_t attempt, uint64_t dice);

struct retry_budget {
    int64_t micros; /* millionths of a token */
    int64_t since_us;
};

/* Starts with one second's worth. */
void retry_budget_init(struct retry_budget *b, const struct retry_policy *p, int64_t now_us);
void retry_budget_earn(struct retry_budget *b, const struct retry_policy *p, int64_t now_us);
/* Takes a token if there is one. */
bool retry_budget_spend(struct retry_budget *b, const struct retry_policy *p, int64_t now_us);

#endif
