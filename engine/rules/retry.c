#include "rules/retry.h"

#include "base/check.h"

#define TOKEN 1000000
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

static int64_t most(const struct retry_policy *p)
{
    return (int64_t)p->budget_least * KEPT_SECONDS * TOKEN +
           (int64_t)p->budget * TOKEN / 100 * KEPT_CALLS;
}

static void put(struct retry_budget *b, const struct retry_policy *p, int64_t micros)
{
    b->micros += micros;
    if (b->micros > most(p))
        b->micros = most(p);
}

/* What the time since the last look has brought. */
static void flow(struct retry_budget *b, const struct retry_policy *p, int64_t now_us)
{
    int64_t span_us = now_us - b->since_us;
    if (span_us > KEPT_SECONDS * SECOND_US)
        span_us = KEPT_SECONDS * SECOND_US;
    put(b, p, span_us * p->budget_least); /* TOKEN a second is one micro token a us */
    b->since_us = now_us;
}

void retry_budget_init(struct retry_budget *b, const struct retry_policy *p, int64_t now_us)
{
    *b = (struct retry_budget){.micros = (int64_t)p->budget_least * TOKEN, .since_us = now_us};
}

void retry_budget_earn(struct retry_budget *b, const struct retry_policy *p, int64_t now_us)
{
    flow(b, p, now_us);
    put(b, p, (int64_t)p->budget * TOKEN / 100);
}

bool retry_budget_spend(struct retry_budget *b, const struct retry_policy *p, int64_t now_us)
{
    flow(b, p, now_us);
    if (b->micros < TOKEN)
        return false;
    b->micros -= TOKEN;
    return true;
}
