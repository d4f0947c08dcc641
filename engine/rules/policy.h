/* policy.h - the numbers that rules decide by. Data only; the one header that rules share. */
#ifndef RULES_POLICY_H
#define RULES_POLICY_H

#include <stdint.h>

/* How pauses grow: to twice as much, not at all, by the first one, by what was drawn before. */
enum retry_shape { RETRY_EXPONENTIAL = 0, RETRY_CONSTANT, RETRY_LINEAR, RETRY_DECORRELATED };
/* What of it the dice have: all, the upper half, a fifth less or more, nothing. */
enum retry_jitter { RETRY_FULL = 0, RETRY_EQUAL, RETRY_FIFTH, RETRY_PLAIN };

struct retry_policy {
    int32_t tries; /* attempts in all, at least 1 */
    enum retry_shape shape;
    enum retry_jitter jitter; /* not looked at where the shape is decorrelated */
    int64_t pause_us; /* bound of the first pause; of decorrelated ones the least; not negative */
    int64_t pause_max_us; /* bound of what the shape gives; not negative */
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
