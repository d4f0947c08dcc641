/* retry.h - try again, later, and not too often.
 *
 * Before retry number n, with dice that are even:
 *
 *   exponential    bound = min(most, pause * 2^(n-1))
 *   constant       bound = min(most, pause)
 *   linear         bound = min(most, pause * n)
 *   decorrelated   min(most, random(pause, 3 * the one before)), at first as if that were pause
 *
 *   full jitter    random(0, bound)                  equal    bound / 2 + random(0, bound / 2)
 *   no jitter      bound                             fifth    bound * random(0.8, 1.2)
 *
 * (M. Brooker: Exponential Backoff And Jitter, AWS Architecture Blog, 2015; the fifth is that of
 * gRPC proposal A6, "Exponential Backoff", as of 2024, and as there it alone may go beyond the
 * most.) Full jitter is the default, so that callers who failed together do not come back together;
 * it costs the server least.
 *
 * A decorrelated pause has no jitter besides. It is a draw already, and the next one grows from
 * what was drawn: a second draw would take it below the least it promises and, since it is
 * remembered, make it shrink with each retry; none at all would be a plain growth by three, with
 * which all come back together. So it always has the dice as a whole.
 *
 * What the server asked for is the least pause, beyond the most too: it knows when it will be well
 * again. Growth goes by the pauses that were drawn, not by what was waited. (A6, "Pushback", waits
 * exactly so long and lets pauses grow from the first one again: who wants that counts attempts
 * from there.) A pause that ends at the deadline or behind it is not begun, so the deadline bounds
 * attempts and pauses together.
 *
 * The budget keeps retries from multiplying the load of a server that is already in trouble. It
 * belongs to the resource as a whole: each call puts a share of a token in, or each second a few whole
 * ones where that is more, and each retry takes one out. Whose it is, and how it is counted, is for core/budget;
 * rules/throttle has two others, which go by what came of the calls.
 *
 * Times are in us. A value of the dice is more likely than another by bound / 2^64 at most, which
 * is nothing for pauses of days.
 *
 * Pure: the caller brings the dice, and keeps the pause before.
 */
#ifndef RULES_RETRY_H
#define RULES_RETRY_H

#include <stdbool.h>

#include "rules/policy.h"

/* Whether one more may follow so many attempts. */
static inline bool retry_is_left(const struct retry_policy *p, int32_t attempts)
{
    return attempts < p->tries;
}

/* The pause before attempt number `attempt` (2 is the first retry), in us. dice: 64 even bits. */
int64_t retry_pause_us(const struct retry_policy *p, int32_t attempt, uint64_t dice);
/* The same for who remembers what was drawn before the attempt that failed; 0: nothing was. */
int64_t retry_next_us(const struct retry_policy *p, int32_t attempt, int64_t previous_us,
                      uint64_t dice);
/* With what the server asked for; 0: it did not. Negative, as what it asked for: it is not to be
 * tried again. */
int64_t retry_asked_us(int64_t pause_us, int64_t retry_after_us);
/* Whether an attempt behind this pause would begin before the deadline. */
bool retry_may_begin(int64_t pause_us, int64_t now_us, int64_t deadline_us);

/* What the budget gets by time, and keeps; the first second's worth is there from the beginning. */
struct rate_policy retry_rate(const struct retry_policy *p);
/* What each call puts in, in millionths. */
int64_t retry_share(const struct retry_policy *p);

#endif
