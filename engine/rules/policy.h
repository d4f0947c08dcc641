/* policy.h - the numbers that rules decide by. Data only; the one header that rules share. */
#ifndef RULES_POLICY_H
#define RULES_POLICY_H

#include <stdint.h>

struct retry_policy {
    int32_t tries;        /* attempts in all, at least 1 */
    int64_t pause_us;     /* bound of the first pause; doubles with each */
    int64_t pause_max_us; /* bound of every pause */
    int32_t budget;       /* retries in percent of calls, for the resource as a whole */
    int32_t budget_least; /* retries a second that are allowed whatever the percentage */
};

/* So many tokens in a span of time, and a few saved up. */
#define RATE_TOKEN 1000000 /* millionths of a token are counted */
struct rate_policy {
    int64_t tokens, span_us;
    int64_t burst; /* time saves up no more whole tokens than these */
    int64_t extra; /* and so many more are kept of what is put in besides */
};

struct fill_policy {
    int32_t min;        /* kept open without traffic */
    int32_t max;        /* never more, of whatever state */
    int32_t connecting; /* at once */
};

#endif
