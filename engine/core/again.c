#include "core/again.h"

#include <stdlib.h>

#include "core/budget.h"
#include "core/identity.h"
#include "core/tokens.h"

struct retry_policy again_policy(const struct resource *r, const struct operation *o)
{
    const struct nebula_policy *p = o == NULL ? &r->spec->policy : &o->policy;
    struct retry_policy retry = {.tries = p->tries,
                                 .pause_us = p->pause_us,
                                 .pause_max_us = p->pause_max_us,
                                 .budget = p->budget,
                                 .budget_least = p->budget_least};
    if (o != NULL) { /* the words of nebula_policy.h are those of the rule, in its order */
        retry.shape = (enum retry_shape)o->rules->again.shape;
        retry.jitter = (enum retry_jitter)o->rules->again.jitter;
    }
    return retry;
}

/* --- a share of the calls --------------------------------------------------------------------- */

/* That of the process, or a worker's own where it is alone; made with the first call. */
static void make_budget(struct resource *r)
{
    const struct engine *e = r->engine;
    const struct retry_policy retry = again_policy(r, NULL);
    const struct rate_policy rate = retry_rate(&retry);
    char *identity = identity_of(r, "retries", IDENTITY_ALL_ROLES);
    if (identity != NULL)
        r->budget = budget_new(e->ledger, e->worker, e->loop, identity, &rate, retry.budget_least);
    free(identity);
}

static struct budget *budget_of(struct resource *r)
{
    if (r->budget == NULL)
        make_budget(r);
    return r->budget;
}

void again_called(struct resource *r)
{
    const struct retry_policy retry = {.budget = r->spec->policy.budget};
    struct budget *b = budget_of(r);
    r->calls++;
    if (b != NULL)
        budget_put(b, retry_share(&retry), engine_now(r->engine));
}

static enum error_code take_share(struct resource *r, struct error *e)
{
    struct budget *budget = budget_of(r);
    if (budget == NULL)
        return error_set(e, ERROR_MEMORY, "no memory for a budget for retries");
    if (!budget_take(budget, engine_now(r->engine)))
        return error_set(e, ERROR_FULL, "the budget for retries of the policy %s is spent",
                         r->spec->policy_name);
    return ERROR_OK;
}

/* --- tokens ----------------------------------------------------------------------------------- */

static bool has_tokens(const struct operation *o)
{
    return o != NULL && o->rules->again.budget != NEBULA_BUDGET_SHARE;
}

static struct throttle_policy throttle_of(const struct nebula_again *a)
{
    return (struct throttle_policy){.mode = a->budget == NEBULA_BUDGET_QUOTA ? THROTTLE_QUOTA
                                                                             : THROTTLE_RATIO,
                                    .capacity = a->capacity,
                                    .success = a->success,
                                    .cost = a->cost,
                                    .cost_transient = a->cost_lost};
}

static bool charge(const struct operation *o, struct again *a, enum error_code code, bool wants)
{
    const struct throttle_policy p = throttle_of(&o->rules->again);
    bool is_transient = code == ERROR_LOST || code == ERROR_DEADLINE;
    enum throttle_wish wish = !wants         ? THROTTLE_END
                              : is_transient ? THROTTLE_RETRY_TRANSIENT
                                             : THROTTLE_RETRY;
    return tokens_charge(o->guards, &p, wish, &a->paid);
}

void again_over(const struct operation *o, const struct again *a, enum error_code code)
{
    if (!has_tokens(o))
        return;
    const struct throttle_policy p = throttle_of(&o->rules->again);
    enum error_action action = error_action_of(code);
    struct again copy = *a;
    if (code == ERROR_OK)
        tokens_reward(o->guards, &p, a->paid);
    else if (action == ACTION_RETRY || action == ACTION_WAIT)
        charge(o, &copy, code, false);
}

static enum error_code take_tokens(struct resource *r, const struct operation *o, struct again *a,
                                   enum error_code code, struct error *e)
{
    return charge(o, a, code, true)
               ? ERROR_OK
               : error_set(e, ERROR_FULL, "the tokens for retries of %s are spent", r->name);
}

/* --- both -------------------------------------------------------------------------------------- */

static int64_t pause_of(struct resource *r, const struct operation *o, struct again *a,
                        int64_t retry_after_us, struct error *e)
{
    struct engine *engine = r->engine;
    const struct retry_policy retry = again_policy(r, o);
    if (engine->is_stopping)
        return -(int64_t)error_set(e, ERROR_CLOSED, "the engine is shutting down");
    if (!retry_is_left(&retry, a->attempts))
        return -(int64_t)error_set(e, ERROR_LIMIT, "%d attempts are the most of the policy %s",
                                   a->attempts, r->spec->policy_name);
    if (retry_after_us < 0)
        return -(int64_t)error_set(e, ERROR_CLOSED, "the server asked for no other attempt");
    a->previous_us = retry_next_us(&retry, a->attempts + 1, a->previous_us,
                                   engine->world->random(engine->world));
    return retry_asked_us(a->previous_us, retry_after_us);
}

int64_t again_pause(struct resource *r, const struct operation *o, struct again *a,
                    const struct error *ended, int64_t deadline_us, struct error *e)
{
    int64_t pause_us = pause_of(r, o, a, ended->retry_after_us, e);
    enum error_code code = pause_us < 0 ? (enum error_code) - pause_us : ERROR_OK;
    if (code == ERROR_OK && !retry_may_begin(pause_us, engine_now(r->engine), deadline_us))
        code = error_set(e, ERROR_DEADLINE, "the deadline comes before the next attempt");
    if (code != ERROR_OK) {
        again_over(o, a, ended->code);
        return -(int64_t)code;
    }
    code = has_tokens(o) ? take_tokens(r, o, a, ended->code, e) : take_share(r, e);
    if (code != ERROR_OK)
        return -(int64_t)code;
    r->retries++;
    return pause_us;
}
