/* nebula_balance.h - how the calls and leases of a resource spread over its endpoints.
 *
 * For resources that name several (nebula_spec.endpoints), in the roles that spread over them
 * (NEBULA_SPREAD). Each engine balances by what it has seen itself. docs/postgres.md says what the rules
 * do, and which numbers are good ones.
 */
#ifndef NEBULA_BALANCE_H
#define NEBULA_BALANCE_H

#include "nebula.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* [ffi */

enum nebula_rule {
    NEBULA_CONNECTIONS = 0, /* none: whichever idle connection is next; the rest is not in force */
    NEBULA_ROUND_ROBIN,     /* smooth, weighted by health, successes and latency */
    NEBULA_LEAST_OUTSTANDING,
    NEBULA_TWO_CHOICES, /* of two drawn ones that with less latency x outstanding */
    NEBULA_LEAST_RECENTLY_USED,
    NEBULA_STICKY, /* by nebula_task_key() */
};

/* Shares are 0 to 1, times are positive unless it is said otherwise. */
struct nebula_balance {
    int32_t rule;        /* enum nebula_rule */
    int32_t consecutive; /* failures in a row that eject an endpoint; 0: not looked at */
    double factor;       /* or a share of successes so many standard deviations below the mean of
                                all; 0: not looked at */
    int32_t least_calls; /* in the window, of those that are compared */
    int32_t least_endpoints; /* that had so many; below it none is compared */
    int64_t window_us;
    double most;           /* share of the endpoints that may be out at a time */
    int64_t time_us;       /* for how long, times how often it was out lately */
    int64_t time_most_us;  /* at most, at least time_us */
    double panic;          /* with a smaller share of the endpoints left, all are used; 0: never */
    int64_t slow_start_us; /* an endpoint that comes back gets its share bit by bit; 0: at once */
};

/* From now on; copied. 0 or a negative code: config, for example when no role spreads. */
int32_t nebula_balance(struct nebula *n, int32_t resource, const struct nebula_balance *b);
/* From here on the calls and leases that the task entered asks for have this key: those with equal keys
 * go to the same endpoint where the rule is NEBULA_STICKY. size 0: none. Tasks begin with none. */
void nebula_task_key(struct nebula *n, const char *key, uint32_t size);

/* ffi] */

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
