/* What was tried, tried again: by the policy, and out of a budget that all workers have together. */
#include <stdlib.h>

#include "core/budget.h"
#include "core/identity.h"
#include "core/resource.h"

struct retry_policy resource_retry(const struct resource *r)
{
    const struct nebula_policy *p = &r->spec->policy;
    return (struct retry_policy){.tries = p->tries,
                                 .pause_us = p->pause_us,
                                 .pause_max_us = p->pause_max_us,
                                 .budget = p->budget,
                                 .budget_least = p->budget_least};
}

/* That of the process, or a worker's own where it is alone; made with the first call. */
static struct budget *budget_of(struct resource *r, const struct retry_policy *retry)
{
    const struct engine *e = r->engine;
    const struct rate_policy rate = retry_rate(retry);
    if (r->budget != NULL)
        return r->budget;
    char *identity = identity_of(r, "retries", IDENTITY_ALL_ROLES);
    if (identity != NULL)
        r->budget = budget_new(e->ledger, e->worker, e->loop, identity, &rate, retry->budget_least);
    free(identity);
    return r->budget;
}

void resource_called(struct resource *r)
{
    const struct retry_policy retry = resource_retry(r);
    struct budget *b = budget_of(r, &retry);
    r->calls++;
    if (b != NULL)
        budget_put(b, retry_share(&retry), engine_now(r->engine));
}

int64_t resource_try_again(struct resource *r, int32_t attempts, int64_t deadline_us,
                           struct error *e)
{
    struct engine *engine = r->engine;
    struct retry_policy retry = resource_retry(r);
    if (engine->is_stopping)
        return -(int64_t)error_set(e, ERROR_CLOSED, "the engine is shutting down");
    if (attempts >= retry.tries)
        return -(int64_t)error_set(e, ERROR_LIMIT, "%d attempts are the most of the policy %s",
                                   attempts, r->spec->policy_name);
    int64_t pause_us = retry_pause_us(&retry, attempts + 1, engine->world->random(engine->world));
    if (pause_us >= deadline_us - engine_now(engine))
        return -(int64_t)error_set(e, ERROR_DEADLINE, "the deadline comes before the next attempt");
    struct budget *budget = budget_of(r, &retry);
    if (budget == NULL)
        return -(int64_t)error_set(e, ERROR_MEMORY, "no memory for a budget for retries");
    if (!budget_take(budget, engine_now(engine)))
        return -(int64_t)error_set(e, ERROR_FULL,
                                   "the budget for retries of the policy %s is spent",
                                   r->spec->policy_name);
    r->retries++;
    return pause_us;
}
