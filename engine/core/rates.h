/* rates.h - how often calls may go, in all workers: a span of time has so many tokens, and each call takes one.
 *
 * What is used is counted in one place for all (rules/rate). A worker that calls often takes a slice at a time:
 * twice as many tokens as it used of the last one in its 10 ms, and no more than all workers may use in 10 ms; so
 * it takes the lock some hundred times a second and not with each call. What of a slice is not used by then is
 * lost. So no more go than rules/rate says of a span that is 10 ms longer, and who asks is refused wrongly for
 * what others did not use of their slices. Of an engine that has no others, nothing is lost.
 *
 * Other numbers that another worker says count here from the next slice on, or the next call of a key.
 *
 * By key or by tenant each has tokens of its own, without slices. RATES_KEYS_MOST of them are known at a time; when
 * there is one more, the one that called longest ago begins anew.
 */
#ifndef CORE_RATES_H
#define CORE_RATES_H

#include "base/error.h"
#include "core/guards.h"
#include "rules/rate.h"

#define RATES_KEYS_MOST 10000

struct rates; /* a worker's part */

/* A call of the acting task, that has so much time left to wait. REFUSE: *why says why. */
struct rate_answer rates_take(struct guards *g, int64_t left_us, struct error *why);
/* Its numbers are others: what is left of a slice counts no more. */
void rates_changed(struct guards *g);
void rates_free(struct rates **r); /* *r may be NULL */

#endif
