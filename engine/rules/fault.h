/* fault.h - who is hit by a fault, and how long one that is delayed has to wait.
 *
 * A share of those that come is hit, each by dice of its own. A delay is one of three: always the same; even
 * between two bounds; or exponential, which most delays of networks are more like than like anything else:
 * many short ones, and few that are very long. Who says an exponential one says one of its quantiles, because
 * that is what is known: with a delay of d at the quantile q, a share of q is delayed for no longer than d. The
 * inverse of its distribution (Devroye, Non-Uniform Random Variate Generation, 1986, II.2) makes of even dice
 * u in 0..1
 *
 *     d * ln(1 - u) / ln(1 - q)
 *
 * which has its mean at d / -ln(1 - q): of 50 ms at p95 that is 17 ms. The dice have 53 bits, so it is never
 * longer than 53 times what is said, at p50.
 *
 * Pure: what is said and dice in.
 */
#ifndef RULES_FAULT_H
#define RULES_FAULT_H

#include <stdbool.h>
#include <stdint.h>

/* All zero: no delay. */
struct fault_delay {
    int64_t delay_us; /* not negative, and at most some days */
    int64_t
        most_us; /* even from delay_us up to this; not more than delay_us: it is always delay_us */
    double quantile; /* exponential, with delay_us at this quantile, 0.5 to below 1; 0: it is not */
};

/* Of all that come, this share, 0..1, is hit. */
bool fault_hits(double share, uint64_t dice);
int64_t fault_delay_us(const struct fault_delay *d, uint64_t dice);

#endif
