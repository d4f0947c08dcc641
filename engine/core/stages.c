#include "core/stages.h"

#include "core/admit.h"
#include "core/limits.h"
#include "core/rates.h"
#include "core/tokens.h"
#include "rules/early.h"

static struct engine *engine_of(const struct call *c)
{
    return c->ticket.engine;
}

static int64_t left_us(const struct call *c)
{
    return c->attempt.deadline_us - engine_now(engine_of(c));
}

static struct tale *tale_of(struct call *c)
{
    return &c->attempt.tale;
}

/* --- rate ------------------------------------------------------------------------------------- */

static enum stage_verdict enter_rate(struct call *c)
{
    struct rate_answer a = rates_take(c->operation->guards, left_us(c), &c->error);
    if (a.verdict == RATE_REFUSE) {
        tale_rate(c->attempt.resource, tale_of(c), c->error.retry_after_us, true);
        return STAGE_REFUSE;
    }
    if (a.verdict == RATE_WAIT)
        tale_rate(c->attempt.resource, tale_of(c), a.at_us - engine_now(engine_of(c)), false);
    c->held_until_us = a.at_us;
    return a.verdict == RATE_WAIT ? STAGE_HOLD : STAGE_GO;
}

/* --- deadline --------------------------------------------------------------------------------- */

static bool is_too_late(const struct call *c, int64_t left_us, int64_t median_us, uint64_t known)
{
    struct world *world = engine_of(c)->world;
    const struct nebula_early *said = &c->operation->rules->early;
    const struct early_policy p = {.least = said->least, .share = said->percent / 100.0};
    return early_refuses(&p, left_us, median_us, known, world->random(world));
}

static enum stage_verdict enter_deadline(struct call *c)
{
    struct times *t = &c->operation->guards->calls;
    int64_t median_us = times_quantile_us(t, 500, engine_now(engine_of(c)));
    if (left_us(c) >= median_us || !is_too_late(c, left_us(c), median_us, t->count))
        return STAGE_GO;
    error_set(&c->error, ERROR_DEADLINE,
              "%s: not begun with %lld ms left, as half of such calls take more than %lld ms",
              c->attempt.resource->name, (long long)left_us(c) / 1000, (long long)median_us / 1000);
    tale_early(c->attempt.resource, tale_of(c), left_us(c), median_us);
    return STAGE_REFUSE;
}

/* A call that was cut off would have taken longer. */
static void leave_deadline(struct call *c, const struct stage_end *end)
{
    int64_t took_us = end->code == ERROR_DEADLINE ? end->took_us * 2 : end->took_us;
    if (end->was_sent && (end->code == ERROR_OK || end->code == ERROR_DEADLINE))
        times_note(&c->operation->guards->calls, took_us, engine_now(engine_of(c)));
}

/* --- circuit ---------------------------------------------------------------------------------- */

/* Of all calls; or each attempt asks the one of the endpoint that it goes to, if there is any left. */
static bool passes_circuit(struct call *c)
{
    struct attempt *a = &c->attempt;
    struct guards *g = c->operation->guards;
    bool has_each = circuits_at_apply(g);
    a->waiter.guards = has_each ? g : NULL;
    if (!has_each)
        return circuits_pass(g, &c->pass, &c->refused);
    struct pool *p = resource_pool(a->resource, a->role);
    return p == NULL || !admit_is_shut(p, g, &c->refused);
}

static enum stage_verdict enter_circuit(struct call *c)
{
    if (passes_circuit(c))
        return STAGE_GO;
    tale_circuit(c->attempt.resource, tale_of(c), &c->refused);
    error_clear(&c->error);
    c->error.code = ERROR_OPEN; /* and call_explain() says why */
    return STAGE_REFUSE;
}

void stage_let_by(struct call *c, const struct conn *leased)
{
    struct guards *g = c->operation->guards;
    c->pass = circuits_pass_leased(g); /* only one of the two can be had */
    c->attempt.waiter.guards = g;
    c->attempt.waiter.pass = circuits_at_pass_leased(g, leased->reach);
}

static void leave_circuit(struct call *c, const struct stage_end *end)
{
    circuits_end(c->operation->guards, c->pass, end->code, end->was_sent, end->took_us);
    c->pass = 0;
}

/* --- limit ------------------------------------------------------------------------------------ */

/* As many as may be under way now. */
static int32_t concurrent(const struct call *c)
{
    struct limits_view view;
    return limits_view(c->operation->guards, &view) ? view.most : 0;
}

void stage_limited(struct call *c, int64_t waited_us, enum error_code code)
{
    const struct nebula_rules *rules = c->operation->guards->rules;
    struct resource *r = c->attempt.resource;
    if (code == ERROR_SHED)
        tale_shed(r, tale_of(c), waited_us, rules->shed.of[c->limited.waiter.class].target_us);
    else if (code != ERROR_OK)
        tale_limit_refused(r, tale_of(c), code, waited_us, rules->limit.queue);
    else if (waited_us > 0)
        tale_limit(r, tale_of(c), waited_us, concurrent(c));
}

static enum stage_verdict enter_limit(struct call *c)
{
    struct engine *e = engine_of(c);
    struct limited *l = &c->limited;
    c->attempt.wait_us = c->operation->policy.wait_us; /* of each attempt anew */
    int64_t until_us = engine_in(e, c->attempt.wait_us);
    l->waiter.arrived_us = engine_now(e);
    l->waiter.deadline_us = c->attempt.deadline_us;
    l->ends_us = until_us < c->attempt.deadline_us ? until_us : c->attempt.deadline_us;
    l->is_fail_fast = c->attempt.waiter.is_fail_fast;
    switch (limits_enter(c->operation->guards, l, &c->error)) {
    case LIMITED_IN:
        return STAGE_GO;
    case LIMITED_OUT:
        stage_limited(c, 0, c->error.code);
        return STAGE_REFUSE;
    default:
        c->held_until_us = l->ends_us;
        return STAGE_HOLD;
    }
}

static void late_for_limit(struct call *c)
{
    struct guards *g = c->operation->guards;
    bool is_last_chance = c->limited.ends_us == c->attempt.deadline_us;
    limits_explain(g, &c->limited, is_last_chance ? ERROR_DEADLINE : ERROR_WAIT, &c->error);
    stage_limited(c, engine_now(engine_of(c)) - c->limited.waiter.arrived_us, c->error.code);
    limits_leave(g, &c->limited);
}

static void leave_limit(struct call *c, const struct stage_end *end)
{
    limits_return(c->operation->guards, &c->limited, !error_blames_server(end->code),
                  end->was_sent && !error_is_ours(end->code) ? end->took_us : -1);
}

/* --- all of them ------------------------------------------------------------------------------- */

enum stage_verdict stage_enter(struct call *c, enum nebula_stage stage)
{
    switch (stage) {
    case NEBULA_STAGE_RATE:
        return enter_rate(c);
    case NEBULA_STAGE_DEADLINE:
        return enter_deadline(c);
    case NEBULA_STAGE_CIRCUIT:
        return enter_circuit(c);
    case NEBULA_STAGE_LIMIT:
        return enter_limit(c);
    case NEBULA_STAGE_HEDGE:
        copies_allow(c);
        return STAGE_GO;
    default:
        return STAGE_GO; /* a retry begins when something has failed */
    }
}

bool stage_time(struct call *c, enum nebula_stage stage)
{
    if (stage != NEBULA_STAGE_LIMIT)
        return true;
    late_for_limit(c);
    return false;
}

void stage_abandon(struct call *c, enum nebula_stage stage)
{
    if (stage == NEBULA_STAGE_LIMIT)
        limits_leave(c->operation->guards, &c->limited);
}

void stage_leave(struct call *c, enum nebula_stage stage, const struct stage_end *end)
{
    switch (stage) {
    case NEBULA_STAGE_DEADLINE:
        leave_deadline(c, end);
        break;
    case NEBULA_STAGE_CIRCUIT:
        leave_circuit(c, end);
        break;
    case NEBULA_STAGE_LIMIT:
        leave_limit(c, end);
        break;
    case NEBULA_STAGE_HEDGE:
        copies_forbid(c, end);
        break;
    default:
        break;
    }
}
