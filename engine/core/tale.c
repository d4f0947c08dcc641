#include "core/tale.h"

#include "core/attempt.h"
#include "core/circuits_at.h"
#include "core/operation.h"
#include "core/pool.h"
#include "core/sizing.h"

static const struct nebula_place nowhere;

/* Of the policy of an operation. */
static struct nebula_place place_by(const struct resource *r, const struct operation *o,
                                    enum nebula_setting setting)
{
    return o == NULL || o->number == 0 ? place_of(r, setting) : place_at(o->places, setting);
}

/* Of the policy that the call goes by. */
static struct nebula_place place_in(const struct resource *r, const struct tale *s,
                                    enum nebula_setting setting)
{
    return place_by(r, s->by, setting);
}

/* Of the policy whose rule it is, which others go by too. */
static struct nebula_place place_of_guard(const struct resource *r, const struct tale *s,
                                          enum nebula_setting setting)
{
    return place_by(r, s->by == NULL || !s->by->is_apart ? NULL : s->by, setting);
}

static const struct nebula_policy *policy_of(const struct resource *r, const struct tale *s)
{
    return s->by == NULL ? &r->spec->policy : &s->by->policy;
}

/* --- a connection ----------------------------------------------------------------------------- */

static int64_t waited_us(const struct resource *r, const struct waiter *w)
{
    return engine_now(r->engine) - w->arrived_us;
}

void tale_served(struct resource *r, struct tale *s, const struct waiter *w, int32_t role)
{
    int64_t us = waited_us(r, w);
    if (us > 0)
        record_add(r, s, RECORD_SERVED, place_declared(r), us, resource_size(r, role).max, 0);
}

/* The policy's deadline, and not that of the task or of whoever asked. */
static struct nebula_place place_of_deadline(const struct resource *r, const struct tale *s,
                                             int64_t deadline_us)
{
    bool is_policys = deadline_us - s->begun_us == policy_of(r, s)->deadline_us;
    return is_policys ? place_in(r, s, NEBULA_SETTING_DEADLINE) : nowhere;
}

static struct nebula_place place_of_wait(const struct resource *r, const struct tale *s,
                                         const struct waiter *w)
{
    bool is_policys = w->deadline_us - w->arrived_us == policy_of(r, s)->wait_us;
    return is_policys ? place_in(r, s, NEBULA_SETTING_WAIT) : nowhere;
}

void tale_refused(struct resource *r, struct tale *s, const struct waiter *w, int32_t role,
                  const struct error *why)
{
    struct nebula_place place = nowhere;
    if (why->is_planted)
        place = place_of(r, NEBULA_SETTING_CHAOS);
    else if (why->code == ERROR_WAIT)
        place = place_of_wait(r, s, w);
    else if (why->code == ERROR_DEADLINE)
        place = place_of_deadline(r, s, w->deadline_us);
    else if (why->code == ERROR_FULL)
        place = place_declared(r);
    record_add(r, s, why->is_planted ? RECORD_REFUSED_BY_CHAOS : RECORD_REFUSED, place, why->code,
               waited_us(r, w), resource_size(r, role).max);
}

/* --- attempts --------------------------------------------------------------------------------- */

void tale_failed(struct resource *r, struct tale *s, const struct error *why, enum outcome outcome,
                 int64_t after_us, int64_t deadline_us)
{
    struct nebula_place place = nowhere;
    if (why->is_planted)
        place = place_of(r, NEBULA_SETTING_CHAOS);
    else if (why->code == ERROR_DEADLINE)
        place = place_of_deadline(r, s, deadline_us);
    record_add(r, s, why->is_planted ? RECORD_FAILED_BY_CHAOS : RECORD_FAILED, place, why->code,
               after_us, outcome);
}

static enum record_reason reason_of(const struct resource *r, enum error_code refusal)
{
    switch ((int)refusal) {
    case ERROR_LIMIT:
        return REASON_TRIES;
    case ERROR_DEADLINE:
        return REASON_DEADLINE;
    case ERROR_FULL:
        return REASON_BUDGET;
    case ERROR_CLOSED:
        return r->engine->is_stopping ? REASON_STOPPING : REASON_SERVER;
    default:
        return REASON_MEMORY;
    }
}

void tale_again(struct resource *r, struct tale *s, enum outcome outcome, int64_t pause_us)
{
    struct nebula_place place = place_in(r, s, NEBULA_SETTING_RETRY);
    bool is_in_doubt = outcome == OUTCOME_IN_DOUBT;
    if (pause_us >= 0)
        record_add(r, s, RECORD_AGAIN, place, pause_us,
                   is_in_doubt ? REASON_IDEMPOTENT : REASON_NOT_APPLIED, 0);
    else
        record_add(r, s, RECORD_NOT_AGAIN, place, reason_of(r, (enum error_code) - pause_us), 0, 0);
}

void tale_not_again(struct resource *r, struct tale *s, enum outcome outcome)
{
    record_add(r, s, RECORD_NOT_AGAIN, nowhere,
               outcome == OUTCOME_IN_DOUBT ? REASON_IN_DOUBT : REASON_HOPELESS, 0, 0);
}

/* --- the circuit ------------------------------------------------------------------------------ */

static void add_circuit(struct resource *r, struct tale *s, enum record_what what, int32_t endpoint,
                        int64_t state, int64_t bad, int64_t of)
{
    struct record *one =
        record_add(r, s, what, place_of_guard(r, s, NEBULA_SETTING_CIRCUIT), state, bad, of);
    record_endpoint(one, endpoint);
}

/* Of all calls, or of the endpoint that the attempt was sent to. */
void tale_counted(const struct attempt *a, struct tale *s, const struct operation *o,
                  enum error_code code)
{
    struct circuit_standing is;
    if (o == NULL || !error_blames_server(code) || !circuits_counts(code, a->was_sent))
        return;
    if (circuits_standing(o->guards, &is))
        add_circuit(a->resource, s, RECORD_COUNTED, -1, is.state, is.bad, is.of);
    else if (a->was_sent && circuits_at_standing(o->guards, a->reach, &is))
        add_circuit(a->resource, s, RECORD_COUNTED, a->reach, is.state, is.bad, is.of);
}

void tale_circuit(struct resource *r, struct tale *s, const struct circuits_refusal *why)
{
    add_circuit(r, s, RECORD_CIRCUIT, why->at, why->is_half ? CIRCUIT_HALF : CIRCUIT_OPEN,
                why->cause.bad, why->cause.of);
}

void tale_moved(struct resource *r, const struct operation *o, int32_t endpoint,
                enum circuit_state was, enum circuit_state is, const struct circuit_cause *cause)
{
    struct nebula_place place = place_by(r, o, NEBULA_SETTING_CIRCUIT);
    struct record *one;
    if (is == CIRCUIT_OPEN)
        one = record_itself(r, RECORD_CIRCUIT_OPENED, place, cause->why, cause->bad, cause->of);
    else
        one = record_itself(r, is == CIRCUIT_HALF ? RECORD_CIRCUIT_HALF : RECORD_CIRCUIT_CLOSED,
                            place, was, 0, 0);
    record_endpoint(one, endpoint);
}

/* --- the other rules -------------------------------------------------------------------------- */

void tale_rate(struct resource *r, struct tale *s, int64_t wait_us, bool is_refused)
{
    record_add(r, s, is_refused ? RECORD_RATE_REFUSED : RECORD_RATE_SERVED,
               place_of_guard(r, s, NEBULA_SETTING_RATE), wait_us, 0, 0);
}

void tale_early(struct resource *r, struct tale *s, int64_t left_us, int64_t median_us)
{
    record_add(r, s, RECORD_EARLY, place_in(r, s, NEBULA_SETTING_EARLY), left_us, median_us, 0);
}

void tale_limit(struct resource *r, struct tale *s, int64_t waited_us, int32_t concurrent)
{
    if (waited_us > 0)
        record_add(r, s, RECORD_LIMIT_SERVED, place_of_guard(r, s, NEBULA_SETTING_LIMIT), waited_us,
                   concurrent, 0);
}

void tale_limit_refused(struct resource *r, struct tale *s, enum error_code code, int64_t waited_us,
                        int32_t queue)
{
    struct nebula_place place = place_of_guard(r, s, NEBULA_SETTING_LIMIT);
    if (code == ERROR_WAIT)
        place = place_in(r, s, NEBULA_SETTING_WAIT);
    else if (code != ERROR_FULL)
        place = nowhere;
    record_add(r, s, RECORD_LIMIT_REFUSED, place, code, waited_us, queue);
}

void tale_shed(struct resource *r, struct tale *s, int64_t waited_us, int64_t target_us)
{
    record_add(r, s, RECORD_SHED, place_of_guard(r, s, NEBULA_SETTING_SHED), waited_us, target_us,
               0);
}

void tale_hedged(struct resource *r, struct tale *s, int64_t after_us, bool is_denied)
{
    record_add(r, s, is_denied ? RECORD_HEDGE_DENIED : RECORD_HEDGED,
               place_in(r, s, NEBULA_SETTING_HEDGE), after_us, 0, 0);
}

void tale_hedge_won(struct resource *r, struct tale *s, int32_t copy, int64_t after_us)
{
    record_add(r, s, RECORD_HEDGE_WON, nowhere, copy, after_us, 0);
}

/* --- chaos ------------------------------------------------------------------------------------ */

void tale_chaos(struct resource *r, struct tale *s, enum record_planted what, enum error_code code,
                int64_t delay_us)
{
    record_add(r, s, RECORD_CHAOS, place_of(r, NEBULA_SETTING_CHAOS), what, code, delay_us);
}

void tale_chaos_began(struct resource *r, int64_t during_us)
{
    record_itself(r, RECORD_CHAOS_BEGAN, place_of(r, NEBULA_SETTING_CHAOS), during_us, 0, 0);
}

void tale_chaos_over(struct resource *r)
{
    record_itself(r, RECORD_CHAOS_OVER, place_of(r, NEBULA_SETTING_CHAOS), (int64_t)r->faults, 0,
                  0);
}

void tale_sized(struct resource *r, int32_t role, int32_t from, int32_t to)
{
    const struct nebula_strategy *by = &r->sizing->said;
    const struct nebula_place place = {.file = by->file, .line = by->line};
    record_itself(r, RECORD_SIZED, place, role + 1, from, to);
}

/* --- in front --------------------------------------------------------------------------------- */

/* What a cache decides again and again has a ring of its own. */
static const struct {
    enum record_what what;
    enum nebula_setting setting;
    bool is_apart;
} fronts[NEBULA_FRONTS] = {
    [NEBULA_FRONT_HIT] = {RECORD_CACHED, NEBULA_SETTING_CACHE, true},
    [NEBULA_FRONT_STALE] = {RECORD_STALE, NEBULA_SETTING_CACHE, true},
    [NEBULA_FRONT_MISS] = {RECORD_MISSED, NEBULA_SETTING_CACHE, true},
    [NEBULA_FRONT_JOINED] = {RECORD_JOINED, NEBULA_SETTING_CACHE, true},
    [NEBULA_FRONT_STALE_IF_ERROR] = {RECORD_STALE_IF_ERROR, NEBULA_SETTING_CACHE, false},
    [NEBULA_FRONT_FALLBACK] = {RECORD_FALLBACK, NEBULA_SETTING_FALLBACK, false},
    [NEBULA_FRONT_FALLBACK_LAST] = {RECORD_FALLBACK_LAST, NEBULA_SETTING_FALLBACK, false},
    [NEBULA_FRONT_FALLBACK_NONE] = {RECORD_FALLBACK_NONE, NEBULA_SETTING_FALLBACK, false},
};

void tale_front(struct resource *r, struct tale *s, enum nebula_front what, int64_t a, int64_t b,
                int64_t c)
{
    CHECK((uint32_t)what < NEBULA_FRONTS);
    struct nebula_place place = place_of(r, fronts[what].setting);
    if (fronts[what].is_apart)
        record_front(r, s, fronts[what].what, place, a, b, c);
    else
        record_add(r, s, fronts[what].what, place, a, b, c);
}
