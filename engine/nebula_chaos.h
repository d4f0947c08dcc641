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

/* Shares are 0 to 1. A request is whatever the driver is given: statements, and what the pool itself asks. */
struct nebula_chaos {
    int64_t
        during_us; /* in force for so long from now on, at most 24 hours; 0: it is over, and the rest is not looked at */
    double fail;   /* this share of the requests fails, before the server hears of them */
    int32_t code;  /* with this error: lost locked conflict read_only storage server protocol */
    bool
        is_cut; /* no: they are sent, and the connection is cut before the answer is here. The code is lost */
    double delay_share;    /* this share is held back before it is sent */
    int64_t delay_us;      /* for so long, at most 24 hours */
    int64_t delay_most_us; /* or anything up to this; 0: always as long */
    double
        delay_quantile; /* or exponential, with delay_us at this quantile, 0.5 to below 1; 0: not so */
    double connect;     /* this share of the attempts to connect fails with unreachable */
    uint64_t seed;      /* of the dice, so that they fall the same again; 0: they do not */
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
