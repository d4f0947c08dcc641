#include "rules/retry.h"

#include "base/check.h"

#define SECOND_US 1000000
#define KEPT_SECONDS 10 /* what is saved up in quiet times lasts for a burst, not for an outage */
#define KEPT_CALLS 1000

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* From 0 to most, as likely each. */
static int64_t even(int64_t most, uint64_t dice)
{
    return (int64_t)(dice % ((uint64_t)most + 1));
}

/* --- how it grows ----------------------------------------------------------------------------- */

static int64_t doubled_us(const struct retry_policy *p, int32_t times)
{
    int64_t shift = smaller(times, 63); /* by which anything but 0 is too long */
    bool is_longest = p->pause_us > p->pause_max_us >> shift;
    return is_longest ? p->pause_max_us : p->pause_us << shift;
}

static int64_t multiple_us(const struct retry_policy *p, int32_t times)
{
    int64_t us;
    bool is_longest = __builtin_mul_overflow(p->pause_us, times, &us);
    return is_longest ? p->pause_max_us : smaller(us, p->pause_max_us);
}

static int64_t decorrelated_us(const struct retry_policy *p, int64_t previous_us, uint64_t dice)
{
    int64_t before_us = larger(previous_us, p->pause_us);
    int64_t most_us = before_us > INT64_MAX / 3 ? INT64_MAX : before_us * 3;
    return smaller(p->pause_us + even(most_us - p->pause_us, dice), p->pause_max_us);
}

/* --- what the dice have ----------------------------------------------------------------------- */

static int64_t jittered_us(enum retry_jitter jitter, int64_t bound_us, uint64_t dice)
{
    int64_t half_us = bound_us / 2, fifth_us = smaller(bound_us / 5, INT64_MAX - bound_us);
    switch (jitter) {
    case RETRY_FULL:
        return even(bound_us, dice);
    case RETRY_EQUAL:
        return bound_us - half_us + even(half_us, dice);
    case RETRY_FIFTH:
        return bound_us - fifth_us + even(fifth_us * 2, dice);
    case RETRY_PLAIN:
        return bound_us;
    }
    UNREACHABLE();
}

/* --- pauses ----------------------------------------------------------------------------------- */

int64_t retry_next_us(const struct retry_policy *p, int32_t attempt, int64_t previous_us,
                      uint64_t dice)
{
    CHECK(attempt >= 1 && p->pause_us >= 0 && p->pause_max_us >= 0);
    int32_t retry = attempt - 1;
    if (retry == 0)
        return 0;
    switch (p->shape) {
    case RETRY_EXPONENTIAL:
        return jittered_us(p->jitter, doubled_us(p, retry - 1), dice);
    case RETRY_CONSTANT:
        return jittered_us(p->jitter, multiple_us(p, 1), dice);
    case RETRY_LINEAR:
        return jittered_us(p->jitter, multiple_us(p, retry), dice);
    case RETRY_DECORRELATED:
        return decorrelated_us(p, previous_us, dice);
    }
    UNREACHABLE();
}

int64_t retry_pause_us(const struct retry_policy *p, int32_t attempt, uint64_t dice)
{
    return retry_next_us(p, attempt, 0, dice);
}

int64_t retry_asked_us(int64_t pause_us, int64_t retry_after_us)
{
    return retry_after_us < 0 ? retry_after_us : larger(pause_us, retry_after_us);
}

bool retry_may_begin(int64_t pause_us, int64_t now_us, int64_t deadline_us)
{
    int64_t begin_us;
    if (pause_us < 0 || __builtin_add_overflow(now_us, pause_us, &begin_us))
        return false;
    return begin_us < deadline_us;
}

/* --- the budget ------------------------------------------------------------------------------- */

struct rate_policy retry_rate(const struct retry_policy *p)
{
    return (struct rate_policy){.tokens = p->budget_least,
                                .span_us = SECOND_US,
                                .burst = (int64_t)p->budget_least * KEPT_SECONDS,
                                .extra = (int64_t)p->budget * KEPT_CALLS / 100};
}

int64_t retry_share(const struct retry_policy *p)
{
    return (int64_t)p->budget * RATE_TOKEN / 100;
}
