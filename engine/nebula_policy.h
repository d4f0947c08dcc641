/* nebula_policy.h - by which rules the calls of a resource are made, besides its deadline and its retries.
 *
 * Each rule is said of a resource that is declared, and changed by saying it again: what is known goes on. All
 * workers of a ledger say the same.
 */
#ifndef NEBULA_POLICY_H
#define NEBULA_POLICY_H

#include "nebula.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* [ffi */

enum nebula_circuit_mode {
    NEBULA_CIRCUIT_NONE = 0, /* there is no circuit, and the rest is not in force */
    NEBULA_CIRCUIT_AUTOMATIC,
    NEBULA_CIRCUIT_OPEN,   /* refuses all */
    NEBULA_CIRCUIT_CLOSED, /* refuses nobody, and counts */
    NEBULA_CIRCUIT_METRICS /* goes from state to state, and refuses nobody */
};

/* What keeps failing is not called for a while. A call that is refused ends with `open`, and so does a lease; what
 * runs on a lease goes on. Failures are what blames the server: lost, no answer by the deadline, unreachable,
 * busy, server, storage, protocol. Percent are 1 to 100. */
struct nebula_circuit {
    int32_t mode;         /* enum nebula_circuit_mode */
    int32_t window;       /* the last calls, 1 to 1,000; 0: those of the last span */
    int64_t span_us;      /* at least 10, where there is no window */
    int32_t least;        /* calls, before a share of them says anything; at least 1 */
    int32_t percent;      /* that failed; 0: not looked at */
    int32_t slow_percent; /* that were slow; 0: not looked at */
    int32_t consecutive;  /* failures in a row; 0: not looked at */
    int64_t slow_us;      /* a call that takes longer is slow; 0: none is */
    int32_t probes;       /* good ones that close it, 1 to 16 */
    int64_t probe_us;     /* how long a probe may take, positive */
    int64_t pause_us;     /* positive; doubles each time it opens again */
    int64_t pause_max_us; /* at least pause_us */
};

/* From now on; copied. 0 or a negative code: config, and which number cannot be; memory. */
int32_t nebula_circuit(struct nebula *n, int32_t resource, const struct nebula_circuit *c);

/* --- where it stands -------------------------------------------------------------------------- */

/* What `nebula explain` names as the reason of a decision. */
enum nebula_setting {
    NEBULA_SETTING_DEADLINE = 0, /* call.deadline */
    NEBULA_SETTING_WAIT,         /* call.wait */
    NEBULA_SETTING_RETRY,
    NEBULA_SETTING_CIRCUIT,
    NEBULA_SETTING_LIMIT,
    NEBULA_SETTING_RATE,
    NEBULA_SETTING_SHED,
    NEBULA_SETTING_HEDGE,
    NEBULA_SETTING_EARLY,
    NEBULA_SETTINGS
};

struct nebula_place {
    const char *file; /* copied; NULL: nobody knows */
    int32_t line;
};

/* Where the settings of the resource's policy stand, from now on: place[i] is that of setting number i, and of those behind
 * the last nobody knows. 0 or a negative code. */
int32_t nebula_places(struct nebula *n, int32_t resource, const struct nebula_place *place,
                      int32_t places);

/* ffi] */

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
