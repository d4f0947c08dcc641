/* nebula_chaos.h - faults on purpose, at the border of the driver: what a resource would be like if its server, or the way to it,
 * were worse than it is.
 *
 * Only an engine that was opened with nebula_options.allow_chaos lets it happen, and as long as it does nebula ls says so. It is
 * over by itself. docs/operating.md says what each fault looks like.
 */
#ifndef NEBULA_CHAOS_H
#define NEBULA_CHAOS_H

#include "nebula.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* [ffi */

/* Shares are 0 to 1. A request is whatever the driver is given: statements, and the pool's own words. */
struct nebula_chaos {
    int64_t during_us;     /* in force for so long from now on, at most 24 hours; 0: it is over */
    double fail;           /* of the requests; the server never hears of them */
    int32_t code;          /* with: lost locked conflict read_only storage server protocol */
    bool is_cut;           /* lost on the way there or back: so it may have been done */
    double delay_share;    /* of the requests; they are held back before they are sent */
    int64_t delay_us;      /* for so long, at most 24 hours */
    int64_t delay_most_us; /* or anything up to this; 0: always as long */
    double delay_quantile; /* or exponential, delay_us at this quantile, 0.5 to below 1; 0: none */
    double connect;        /* of the attempts to connect; they fail with unreachable */
    uint64_t seed;         /* of the dice, so that they fall the same again; 0: they do not */
};

/* From now on; copied. What was said before is over. 0 or a negative code: config, and which number cannot be; usage, where it
 * is not allowed; memory. */
int32_t nebula_chaos(struct nebula *n, int32_t resource, const struct nebula_chaos *c);

/* ffi] */

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
