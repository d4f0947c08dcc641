/* tokens.h - what retries and copies are paid with, where that goes by what comes of the calls.
 *
 * Two words that all workers have together: the tokens of rules/throttle, and what is spent for the copies of
 * rules/hedge. Each is changed by an exchange, and read only as long as all goes well.
 */
#ifndef CORE_TOKENS_H
#define CORE_TOKENS_H

#include "core/guards.h"
#include "rules/throttle.h"

struct tokens;

/* An attempt failed and wants this. Whether it may be tried again, and what that has cost. Without memory for the
 * words it may not. */
bool tokens_charge(struct guards *g, const struct throttle_policy *p, enum throttle_wish wish,
                   int32_t *paid);
/* One went well, that had paid so much. */
void tokens_reward(struct guards *g, const struct throttle_policy *p, int32_t paid);

/* A call began that may have copies; may one more go? */
void tokens_earn(struct guards *g, const struct nebula_hedge *h);
bool tokens_spend(struct guards *g, const struct nebula_hedge *h);
/* It was paid for, and did not go. */
void tokens_return(struct guards *g);

void tokens_free(struct tokens **t); /* *t may be NULL */

#endif
