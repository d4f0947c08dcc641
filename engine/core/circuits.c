#include "core/circuits.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "core/asked.h"
#include "core/operation.h"
#include "core/pool.h"
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
    struct guards *guards;
    struct shared *shared;
    uint64_t word; /* as the pools know it */
};

/* --- what is said ----------------------------------------------------------------------------- */

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

static struct engine *engine_of(const struct circuits *c)
{
    return c->guards->resource->engine;
}

static struct shared *enter(struct circuits *c)
{
    pthread_mutex_lock(&c->shared->common.lock);
    return c->shared;
}

/* Of no circuit the word is that of a closed one. */
static void see_one(struct pool *p)
{
    const struct operation *o = p->resource->operations;
    const struct circuits *c = o == NULL ? NULL : o->guards->circuits;
    if (circuit_pass(c == NULL ? 0 : c->word) == 0)
        p->gate |= GATE_CIRCUIT;
    else
        p->gate &= ~(uint32_t)GATE_CIRCUIT;
}

/* The word is another: leases ask while it is not that of a closed one. */
static void look(void *circuits)
{
    struct circuits *c = circuits;
    c->word = atomic_load_explicit(&c->shared->word, memory_order_relaxed);
    resource_each_pool(c->guards->resource, see_one);
}

/* Says what has become of it, for all workers. */
static void tell(const struct circuits *c, enum circuit_state was, enum circuit_state is,
                 const struct circuit_cause *cause, int64_t until_us)
{
    struct resource *r = c->guards->resource;
    struct engine *e = r->engine;
    const struct log_field field[] = {
        {.key = "resource", .text = r->name},
        {.key = "operation", .text = c->guards->owner->name},
        {.key = "was", .text = circuit_state_name(was)},
        {.key = "why", .text = circuit_reason(cause->why)},
        {.key = "bad", .number = cause->bad},
        {.key = "of", .number = cause->of},
        {.key = "ms", .number = (until_us - engine_now(e)) / 1000},
    };
    asked_tell(c->guards->owner, (struct nebula_question){.what = NEBULA_TELL_CIRCUIT,
                                                          .from = circuit_state_name(was),
                                                          .to = circuit_state_name(is),
                                                          .why = circuit_reason(cause->why),
                                                          .bad = cause->bad,
                                                          .of = cause->of,
                                                          .pause_us = until_us - engine_now(e)});
    engine_trace(e, TRACE_CIRCUIT, r->number, was, is, cause->why);
    tale_moved(r, c->guards->owner, was, is, cause);
    if (is == CIRCUIT_OPEN)
        engine_log(e, LOG_WARN, "circuit open", field, COUNT(field));
    else
        engine_log(e, LOG_INFO, is == CIRCUIT_HALF ? "circuit half open" : "circuit closed", field,
                   3);
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

static struct common *make(const struct ledger *l, const void *policy)
{
    int32_t seats = l == NULL ? 0 : ledger_workers(l);
    struct shared *s = calloc(1, sizeof *s + (size_t)seats * sizeof s->seat[0]);
    if (s == NULL)
        return NULL;
    s->policy = *(const struct circuit_policy *)policy;
    s->seats = seats;
    return &s->common;
}

static void take_seat(struct circuits *c)
{
    struct engine *e = engine_of(c);
    if (c->shared->seats == 0)
        return;
    pthread_mutex_lock(&c->shared->common.lock);
    seat_take(&c->shared->seat[e->worker], &c->shared->common, e->loop, c, look);
    pthread_mutex_unlock(&c->shared->common.lock);
}

static struct circuits *circuits_new(struct guards *g)
{
    const struct circuit_policy policy = policy_of(&g->rules->circuit);
    struct circuits *c = calloc(1, sizeof *c);
    struct common *common = c == NULL ? NULL : guards_join(g, "circuit", make, &policy);
    if (common == NULL) {
        free(c);
        return NULL;
    }
    c->guards = g;
    c->shared = container_of(common, struct shared, common);
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
    if (c->shared->seats > 0) {
        pthread_mutex_lock(&common->lock);
        seat_leave(&c->shared->seat[engine_of(c)->worker]);
        pthread_mutex_unlock(&common->lock);
    }
    common_leave(common);
    free(c);
}

/* NULL when there is none, or no memory for one: then nothing is refused. */
static struct circuits *circuits_of(struct guards *g)
{
    if (g->circuits == NULL && g->rules->circuit.mode != NEBULA_CIRCUIT_NONE)
        g->circuits = circuits_new(g);
    return g->circuits;
}

/* --- for who calls ---------------------------------------------------------------------------- */

static uint64_t allow(struct circuits *c)
{
    struct shared *s = enter(c);
    uint64_t before = circuit_word(&s->circuit);
    uint64_t pass = circuit_allow(&s->circuit, &s->policy, engine_now(engine_of(c)));
    leave(c, before);
    return pass;
}

static void explain(struct circuits *c, struct error *why)
{
    struct shared *s = enter(c);
    const struct circuit_cause cause = s->circuit.cause;
    int64_t left_us = s->circuit.until_us - engine_now(engine_of(c));
    bool is_half = s->circuit.state == CIRCUIT_HALF;
    pthread_mutex_unlock(&s->common.lock);
    const char *name = c->guards->resource->name;
    if (cause.why == CIRCUIT_ORDER)
        error_set(why, ERROR_OPEN, "%s: its circuit was opened by order", name);
    else
        error_set(why, ERROR_OPEN, "%s: circuit %s, %" PRId64 " of %" PRId64 " calls %s", name,
                  is_half ? "half open" : "open", cause.bad, cause.of,
                  cause.why == CIRCUIT_SLOWNESS ? "were slow" : "failed");
    why->retry_after_us = left_us > 0 ? left_us : 0;
}

bool circuits_pass(struct guards *g, uint64_t *pass, struct error *why)
{
    struct circuits *c = circuits_of(g);
    if (c == NULL) {
        *pass = 0;
        return true;
    }
    *pass = circuit_pass(atomic_load_explicit(&c->shared->word, memory_order_relaxed));
    if (*pass == 0 && (*pass = allow(c)) == 0)
        explain(c, why);
    return *pass != 0;
}

uint64_t circuits_pass_leased(struct guards *g)
{
    struct circuits *c = circuits_of(g);
    if (c == NULL)
        return 0;
    uint64_t pass = circuit_pass(atomic_load_explicit(&c->shared->word, memory_order_relaxed));
    return pass != 0 ? pass : allow(c);
}

bool circuits_lend(struct resource *r, struct error *why)
{
    struct operation *o = operation_find(r, 0);
    uint64_t pass;
    if (o == NULL)
        return true;
    if (!circuits_pass(o->guards, &pass, why))
        return false;
    circuits_end(o->guards, pass, ERROR_CANCELLED, false,
                 0); /* what runs on it is asked for itself */
    return true;
}

/* --- how it ended ----------------------------------------------------------------------------- */

bool circuits_counts(enum error_code code, bool was_sent)
{
    return was_sent ? !error_is_ours(code) : code == ERROR_UNREACHABLE || code == ERROR_BUSY;
}

void circuits_end(struct guards *g, uint64_t pass, enum error_code code, bool was_sent,
                  int64_t took_us)
{
    struct circuits *c = g->circuits;
    struct engine *e = g->resource->engine;
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

bool circuits_standing(const struct guards *g, struct circuit_standing *out)
{
    if (g->circuits == NULL)
        return false;
    struct shared *s = enter(g->circuits);
    const struct circuit *c = &s->circuit;
    bool is_closed = c->state == CIRCUIT_CLOSED;
    *out = (struct circuit_standing){.state = (int32_t)c->state,
                                     .bad = is_closed ? c->sum.failed : c->cause.bad,
                                     .of = is_closed ? c->sum.all : c->cause.of};
    pthread_mutex_unlock(&s->common.lock);
    return true;
}

/* --- for people ------------------------------------------------------------------------------- */

bool circuits_view(const struct guards *g, struct circuits_view *out)
{
    if (g->circuits == NULL)
        return false;
    int64_t now_us = engine_now(g->resource->engine);
    struct shared *s = enter(g->circuits);
    uint64_t before = circuit_word(&s->circuit);
    circuit_look(&s->circuit, &s->policy, now_us);
    int64_t left_us = s->circuit.until_us - now_us;
    *out = (struct circuits_view){.state = s->circuit.state,
                                  .cause = s->circuit.cause,
                                  .trips = s->circuit.trips,
                                  .left_us = left_us > 0 ? left_us : 0};
    leave(g->circuits, before);
    return true;
}

/* --- changes ---------------------------------------------------------------------------------- */

static void change(struct circuits *c)
{
    struct shared *s = enter(c);
    uint64_t before = circuit_word(&s->circuit);
    s->policy = policy_of(&c->guards->rules->circuit);
    circuit_look(&s->circuit, &s->policy, engine_now(engine_of(c)));
    leave(c, before);
}

/* One that is no more refuses nobody, and what is under way is handed in to nothing. */
void circuits_changed(struct guards *g)
{
    if (g->circuits == NULL)
        return;
    if (g->rules->circuit.mode != NEBULA_CIRCUIT_NONE)
        change(g->circuits);
    else
        circuits_free(&g->circuits);
}

void circuits_see(struct pool *p)
{
    struct operation *o = operation_find(p->resource, 0);
    if (o == NULL)
        return;
    circuits_of(o->guards);
    see_one(p);
}
