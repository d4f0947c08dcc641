#include "core/circuits.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "core/common.h"
#include "core/identity.h"
#include "core/pool.h"
#include "core/rules.h"
#include "core/tale.h"
#include "rules/circuit.h"

/* What all workers have together. Of an engine that is alone it is its own, and has no ledger. */
struct shared {
    struct common common;
    _Atomic uint64_t word;
    struct circuit_policy policy;
    struct circuit circuit;
    int32_t seats;
    struct seat seat[]; /* by worker */
};

struct circuits {
    struct resource *resource;
    struct shared *shared;
    uint64_t word; /* as the pools know it */
};

/* --- what is said ----------------------------------------------------------------------------- */

static bool is_percent(int32_t percent)
{
    return percent >= 0 && percent <= 100;
}

static bool is_span(int64_t span_us, int64_t least)
{
    return span_us >= least && resource_is_span(span_us);
}

enum error_code circuits_check(const struct resource *r, const struct nebula_circuit *said,
                               struct error *e)
{
    if (said->mode < NEBULA_CIRCUIT_NONE || said->mode > NEBULA_CIRCUIT_METRICS)
        return error_set(e, ERROR_CONFIG, "%s: circuit: there is no mode number %d", r->name,
                         said->mode);
    if (said->mode == NEBULA_CIRCUIT_NONE)
        return ERROR_OK;
    if (said->window < 0 || said->window > CIRCUIT_WINDOW_MOST ||
        (said->window == 0 && !is_span(said->span_us, CIRCUIT_BUCKETS)))
        return error_set(e, ERROR_CONFIG,
                         "%s: circuit: a window of 1 to %d calls, or a span of at least %d us",
                         r->name, CIRCUIT_WINDOW_MOST, CIRCUIT_BUCKETS);
    if (!is_percent(said->percent) || !is_percent(said->slow_percent) || said->least < 1 ||
        said->consecutive < 0)
        return error_set(e, ERROR_CONFIG,
                         "%s: circuit: percent are 0 to 100, least >= 1, consecutive >= 0",
                         r->name);
    if (said->probes < 1 || said->probes > CIRCUIT_PROBES_MOST)
        return error_set(e, ERROR_CONFIG, "%s: circuit: 1 to %d probes, not %d", r->name,
                         CIRCUIT_PROBES_MOST, said->probes);
    if (!is_span(said->slow_us, 0) || !is_span(said->probe_us, 1) || !is_span(said->pause_us, 1) ||
        !is_span(said->pause_max_us, said->pause_us))
        return error_set(e, ERROR_CONFIG,
                         "%s: circuit: times are positive and not endless, and pause <= pause_max",
                         r->name);
    return ERROR_OK;
}

static enum circuit_mode mode_of(int32_t said)
{
    switch (said) {
    case NEBULA_CIRCUIT_OPEN:
        return CIRCUIT_FORCED_OPEN;
    case NEBULA_CIRCUIT_CLOSED:
        return CIRCUIT_FORCED_CLOSED;
    case NEBULA_CIRCUIT_METRICS:
        return CIRCUIT_METRICS_ONLY;
    default:
        return CIRCUIT_AUTOMATIC;
    }
}

static struct circuit_policy policy_of(const struct nebula_circuit *said)
{
    return (struct circuit_policy){.mode = mode_of(said->mode),
                                   .window = said->window,
                                   .span_us = said->span_us,
                                   .least = said->least,
                                   .percent = said->percent,
                                   .slow_percent = said->slow_percent,
                                   .slow_us = said->slow_us,
                                   .consecutive = said->consecutive,
                                   .probes = said->probes,
                                   .probe_us = said->probe_us,
                                   .pause_us = said->pause_us,
                                   .pause_max_us = said->pause_max_us};
}

/* --- touching --------------------------------------------------------------------------------- */

static struct shared *enter(struct circuits *c)
{
    pthread_mutex_lock(&c->shared->common.lock);
    return c->shared;
}

static void see_one(struct pool *p)
{
    const struct circuits *c = p->resource->circuits;
    if (circuit_pass(c->word) == 0)
        p->gate |= GATE_CIRCUIT;
    else
        p->gate &= ~(uint32_t)GATE_CIRCUIT;
}

/* The word is another: leases ask while it is not that of a closed one. */
static void look(void *circuits)
{
    struct circuits *c = circuits;
    c->word = atomic_load_explicit(&c->shared->word, memory_order_relaxed);
    resource_each_pool(c->resource, see_one);
}

/* Says what has become of it, for all workers. */
static void tell(const struct circuits *c, enum circuit_state was, enum circuit_state is,
                 const struct circuit_cause *cause, int64_t until_us)
{
    struct engine *e = c->resource->engine;
    const struct log_field field[] = {
        {.key = "resource", .text = c->resource->name},
        {.key = "was", .text = circuit_state_name(was)},
        {.key = "why", .text = circuit_reason(cause->why)},
        {.key = "bad", .number = cause->bad},
        {.key = "of", .number = cause->of},
        {.key = "ms", .number = (until_us - engine_now(e)) / 1000},
    };
    engine_trace(e, TRACE_CIRCUIT, c->resource->number, was, is, cause->why);
    tale_moved(c->resource, was, is, cause);
    if (is == CIRCUIT_OPEN)
        engine_log(e, LOG_WARN, "circuit open", field, COUNT(field));
    else
        engine_log(e, LOG_INFO, is == CIRCUIT_HALF ? "circuit half open" : "circuit closed", field,
                   2);
}

/* After something was done with it, whose word was this before: opens the lock. */
static void leave(struct circuits *c, uint64_t before)
{
    struct shared *s = c->shared;
    uint64_t word = circuit_word(&s->circuit);
    const struct circuit_cause cause = s->circuit.cause;
    int64_t until_us = s->circuit.until_us;
    if (word == before) {
        common_unlock(&s->common);
        return;
    }
    atomic_store_explicit(&s->word, word, memory_order_relaxed);
    for (int32_t i = 0; i < s->seats; i++)
        seat_tell(&s->seat[i]);
    common_unlock(&s->common);
    look(c);
    tell(c, before & CIRCUIT_STATE, word & CIRCUIT_STATE, &cause, until_us);
}

/* --- the beginning and the end ---------------------------------------------------------------- */

struct making {
    struct circuit_policy policy;
};

static struct common *make(const struct ledger *l, const void *how)
{
    int32_t seats = l == NULL ? 0 : ledger_workers(l);
    struct shared *s = calloc(1, sizeof *s + (size_t)seats * sizeof s->seat[0]);
    if (s == NULL)
        return NULL;
    s->policy = ((const struct making *)how)->policy;
    s->seats = seats;
    return &s->common;
}

static struct shared *make_alone(const struct making *how)
{
    struct common *c = make(NULL, how);
    if (c == NULL)
        return NULL;
    pthread_mutex_init(&c->lock, NULL);
    return container_of(c, struct shared, common);
}

static struct shared *join(struct resource *r, const struct making *how)
{
    struct engine *e = r->engine;
    if (e->ledger == NULL)
        return make_alone(how);
    char *identity = identity_of(r, "circuit", IDENTITY_ALL_ROLES);
    struct common *c = identity == NULL ? NULL : common_join(e->ledger, identity, make, how);
    free(identity);
    return c == NULL ? NULL : container_of(c, struct shared, common);
}

static void take_seat(struct circuits *c)
{
    struct engine *e = c->resource->engine;
    if (e->ledger == NULL)
        return;
    pthread_mutex_lock(&c->shared->common.lock);
    seat_take(&c->shared->seat[e->worker], &c->shared->common, e->loop, c, look);
    pthread_mutex_unlock(&c->shared->common.lock);
}

static struct circuits *circuits_new(struct resource *r)
{
    const struct making how = {.policy = policy_of(&r->rules->circuit)};
    struct circuits *c = calloc(1, sizeof *c);
    if (c == NULL)
        return NULL;
    c->resource = r;
    c->shared = join(r, &how);
    if (c->shared == NULL) {
        free(c);
        return NULL;
    }
    take_seat(c);
    c->word = atomic_load_explicit(&c->shared->word, memory_order_relaxed);
    return c;
}

void circuits_free(struct circuits **circuits)
{
    struct circuits *c = *circuits;
    *circuits = NULL;
    if (c == NULL)
        return;
    struct common *common = &c->shared->common;
    if (c->shared->seats == 0) {
        pthread_mutex_destroy(&common->lock);
        free(c->shared);
    } else {
        pthread_mutex_lock(&common->lock);
        seat_leave(&c->shared->seat[c->resource->engine->worker]);
        pthread_mutex_unlock(&common->lock);
        common_leave(common);
    }
    free(c);
}

/* NULL when there is none, or no memory for one: then nothing is refused. */
static struct circuits *circuits_of(struct resource *r)
{
    if (r->circuits == NULL && r->rules != NULL && r->rules->circuit.mode != NEBULA_CIRCUIT_NONE)
        r->circuits = circuits_new(r);
    return r->circuits;
}

/* --- for who calls ---------------------------------------------------------------------------- */

static uint64_t allow(struct circuits *c)
{
    struct shared *s = enter(c);
    uint64_t before = circuit_word(&s->circuit);
    uint64_t pass = circuit_allow(&s->circuit, &s->policy, engine_now(c->resource->engine));
    leave(c, before);
    return pass;
}

static void explain(struct circuits *c, struct error *why)
{
    struct shared *s = enter(c);
    const struct circuit_cause cause = s->circuit.cause;
    int64_t left_us = s->circuit.until_us - engine_now(c->resource->engine);
    bool is_half = s->circuit.state == CIRCUIT_HALF;
    pthread_mutex_unlock(&s->common.lock);
    const char *name = c->resource->name;
    if (cause.why == CIRCUIT_ORDER)
        error_set(why, ERROR_OPEN, "%s: its circuit was opened by order", name);
    else
        error_set(why, ERROR_OPEN, "%s: circuit %s, %" PRId64 " of %" PRId64 " calls %s", name,
                  is_half ? "half open" : "open", cause.bad, cause.of,
                  cause.why == CIRCUIT_SLOWNESS ? "were slow" : "failed");
    why->retry_after_us = left_us > 0 ? left_us : 0;
}

bool circuits_pass(struct resource *r, uint64_t *pass, struct error *why)
{
    struct circuits *c = circuits_of(r);
    if (c == NULL) {
        *pass = 0;
        return true;
    }
    *pass = circuit_pass(atomic_load_explicit(&c->shared->word, memory_order_relaxed));
    if (*pass == 0 && (*pass = allow(c)) == 0)
        explain(c, why);
    return *pass != 0;
}

uint64_t circuits_pass_leased(struct resource *r)
{
    struct circuits *c = circuits_of(r);
    if (c == NULL)
        return 0;
    uint64_t pass = circuit_pass(atomic_load_explicit(&c->shared->word, memory_order_relaxed));
    return pass != 0 ? pass : allow(c);
}

bool circuits_lend(struct resource *r, struct error *why)
{
    uint64_t pass;
    if (!circuits_pass(r, &pass, why))
        return false;
    circuits_end(r, pass, ERROR_CANCELLED, false, 0); /* what runs on it is asked for itself */
    return true;
}

/* --- how it ended ----------------------------------------------------------------------------- */

bool circuits_counts(enum error_code code, bool was_sent)
{
    return was_sent ? !error_is_ours(code) : code == ERROR_UNREACHABLE || code == ERROR_BUSY;
}

void circuits_end(struct resource *r, uint64_t pass, enum error_code code, bool was_sent,
                  int64_t took_us)
{
    struct circuits *c = r->circuits;
    struct engine *e = r->engine;
    if (c == NULL || pass == 0)
        return;
    struct shared *s = enter(c);
    uint64_t before = circuit_word(&s->circuit);
    if (circuits_counts(code, was_sent))
        circuit_record(&s->circuit, &s->policy, pass,
                       circuit_outcome(&s->policy, error_blames_server(code), took_us),
                       engine_now(e), e->world->random(e->world));
    else
        circuit_return(&s->circuit, pass);
    leave(c, before);
}

bool circuits_standing(struct resource *r, struct circuit_standing *out)
{
    if (r->circuits == NULL)
        return false;
    struct shared *s = enter(r->circuits);
    const struct circuit *c = &s->circuit;
    bool is_closed = c->state == CIRCUIT_CLOSED;
    *out = (struct circuit_standing){.state = (int32_t)c->state,
                                     .bad = is_closed ? c->sum.failed : c->cause.bad,
                                     .of = is_closed ? c->sum.all : c->cause.of};
    pthread_mutex_unlock(&s->common.lock);
    return true;
}

/* --- changes ---------------------------------------------------------------------------------- */

/* It is no more, and refuses nobody. */
static void drop(struct resource *r)
{
    r->circuits->word = 0;
    resource_each_pool(r, see_one);
    circuits_free(&r->circuits);
}

static void change(struct circuits *c)
{
    struct shared *s = enter(c);
    uint64_t before = circuit_word(&s->circuit);
    s->policy = policy_of(&c->resource->rules->circuit);
    circuit_look(&s->circuit, &s->policy, engine_now(c->resource->engine));
    leave(c, before);
}

bool circuits_say(struct resource *r, const struct nebula_circuit *said)
{
    struct rules all = {.circuit = {.mode = NEBULA_CIRCUIT_NONE}};
    if (r->rules != NULL)
        all = *r->rules;
    all.circuit = *said;
    const struct rules *kept = rules_keep(r->engine, &all);
    if (kept == NULL)
        return false;
    rules_return(r->engine, r->rules);
    r->rules = kept;
    if (r->circuits != NULL && said->mode == NEBULA_CIRCUIT_NONE)
        drop(r);
    else if (r->circuits != NULL)
        change(r->circuits);
    else
        resource_each_pool(r, circuits_see);
    return true;
}

void circuits_see(struct pool *p)
{
    if (circuits_of(p->resource) != NULL)
        see_one(p);
}
