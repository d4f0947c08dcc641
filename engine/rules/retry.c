#include "rules/retry.h"

#include "base/check.h"

#define SECOND_US 1000000
#define KEPT_SECONDS 10 /* what is saved up in quiet times lasts for a burst, not for an outage */
#define KEPT_CALLS 1000

int64_t retry_pause_us(const struct retry_policy *p, int32_t attempt, uint64_t dice)
{
    CHECK(attempt >= 2);
    int64_t bound = p->pause_us;
    for (int32_t i = 2; i < attempt && bound < p->pause_max_us; i++)
        bound = bound > INT64_MAX / 2 ? p->pause_max_us : bound * 2;
    if (bound > p->pause_max_us)
        bound = p->pause_max_us;
    return (int64_t)(dice % ((uint64_t)bound + 1));
}

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
