#include "core/circuits.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "core/asked.h"
#include "core/operation.h"
#include "core/pool.h"
#include "core/tale.h"

/* What all workers have together. Of an engine that is alone it is its own, and has no ledger. */
struct shared {
    struct common common;
    _Atomic uint64_t word;
    struct circuit_policy policy;
    uint64_t said; /* when that was, see guards.h */
    struct circuit circuit;
    int32_t seats;
    struct seat seat[]; /* by worker */
};

struct circuits {
    struct guards *guards;
    struct shared *shared;
    uint64_t word; /* as the pools know it */
    uint64_t dice; /* for when it opens next */
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

static uint64_t roll(const struct circuits *c)
{
    struct world *world = engine_of(c)->world;
    return world->random(world);
}

static struct shared *enter(struct circuits *c)
{
    common_lock(&c->shared->common);
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
    int64_t left_us = until_us - engine_now(e);
    const struct log_field field[] = {
        {.key = "resource", .text = r->name},
        {.key = "operation", .text = c->guards->owner->name},
        {.key = "was", .text = circuit_state_name(was)},
        {.key = "why", .text = circuit_reason(cause->why)},
        {.key = "bad", .number = cause->bad},
        {.key = "of", .number = cause->of},
        {.key = "ms", .number = left_us > 0 ? left_us / 1000 : 0}, /* by order there is no end */
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
    if (word == before) {
        common_unlock(&s->common);
        return;
    }
    const struct circuit_cause cause = s->circuit.cause;
    int64_t until_us = s->circuit.until_us;
    atomic_store_explicit(&s->word, word, memory_order_relaxed);
    for (int32_t i = 0; i < s->seats; i++)
        seat_tell(&s->seat[i]);
    common_unlock(&s->common);
    c->dice = roll(c);
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
    common_lock(&c->shared->common);
    seat_take(&c->shared->seat[e->worker], &c->shared->common, e->loop, c, look);
    common_unlock(&c->shared->common);
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
    c->dice = roll(c);
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
        common_lock(common);
        seat_leave(&c->shared->seat[engine_of(c)->worker]);
        common_unlock(common);
    }
    common_leave(common);
    free(c);
}

/* What was said later is in force. */
static void say(const struct guards *g, struct shared *s)
{
    if (g->said < s->said)
        return;
    s->policy = policy_of(&g->rules->circuit);
    s->said = g->said;
}

/* It may be open by order from the beginning. */
static void begin(struct guards *g)
{
    g->circuits = circuits_new(g);
    if (g->circuits == NULL)
        return;
    struct shared *s = enter(g->circuits);
    uint64_t before = circuit_word(&s->circuit);
    say(g, s);
    circuit_look(&s->circuit, &s->policy, engine_now(g->resource->engine));
    leave(g->circuits, before);
}

/* NULL when there is none, or no memory for one: then nothing is refused. */
static struct circuits *circuits_of(struct guards *g)
{
    if (g->circuits == NULL && g->rules->circuit.mode != NEBULA_CIRCUIT_NONE)
        begin(g);
    return g->circuits;
}

/* --- for who calls ---------------------------------------------------------------------------- */

static struct circuits_refusal refusal(const struct circuit *c, int64_t now_us)
{
    return (struct circuits_refusal){.cause = c->cause,
                                     .is_half = c->state == CIRCUIT_HALF,
                                     .left_us = c->until_us > now_us ? c->until_us - now_us : 0};
}

/* 0: *why says why not. */
static uint64_t allow(struct circuits *c, struct circuits_refusal *why)
{
    struct shared *s = enter(c);
    int64_t now_us = engine_now(engine_of(c));
    uint64_t before = circuit_word(&s->circuit);
    uint64_t pass = circuit_allow(&s->circuit, &s->policy, now_us);
    if (pass == 0)
        *why = refusal(&s->circuit, now_us);
    leave(c, before);
    return pass;
}

static uint64_t word_of(const struct circuits *c)
{
    return atomic_load_explicit(&c->shared->word, memory_order_relaxed);
}

bool circuits_pass(struct guards *g, uint64_t *pass, struct circuits_refusal *why)
{
    struct circuits *c = circuits_of(g);
    *pass = c == NULL ? 0 : circuit_pass(word_of(c));
    return c == NULL || *pass != 0 || (*pass = allow(c, why)) != 0;
}

bool circuits_are_shut(const struct guards *g, struct circuits_refusal *why)
{
    struct circuits *c = g->circuits;
    if (c == NULL || (word_of(c) & CIRCUIT_STATE) != CIRCUIT_OPEN)
        return false;
    struct shared *s = enter(c);
    int64_t now_us = engine_now(engine_of(c));
    bool is_shut = circuit_is_shut(&s->circuit, &s->policy, now_us);
    if (is_shut)
        *why = refusal(&s->circuit, now_us);
    common_unlock(&s->common);
    return is_shut;
}

uint64_t circuits_pass_leased(struct guards *g)
{
    struct circuits *c = circuits_of(g);
    struct circuits_refusal why;
    uint64_t pass = c == NULL ? 0 : circuit_pass(word_of(c));
    return c == NULL || pass != 0 ? pass : allow(c, &why);
}

void circuits_explain(const struct guards *g, const struct circuits_refusal *r, struct error *out)
{
    const char *name = g->resource->name;
    if (r->cause.why == CIRCUIT_ORDER)
        error_set(out, ERROR_OPEN, "%s: its circuit was opened by order", name);
    else
        error_set(out, ERROR_OPEN, "%s: circuit %s, %" PRId64 " of %" PRId64 " calls %s", name,
                  r->is_half ? "half open" : "open", r->cause.bad, r->cause.of,
                  r->cause.why == CIRCUIT_SLOWNESS ? "were slow" : "failed");
    out->retry_after_us = r->left_us;
}

bool circuits_lend(struct resource *r, struct circuits_refusal *refused, struct error *why)
{
    struct operation *o = operation_find(r, 0);
    uint64_t pass;
    if (o == NULL)
        return true;
    if (!circuits_pass(o->guards, &pass, refused)) {
        circuits_explain(o->guards, refused, why);
        return false;
    }
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
    if (c == NULL || pass == 0)
        return;
    struct shared *s = enter(c);
    uint64_t before = circuit_word(&s->circuit);
    if (circuits_counts(code, was_sent))
        circuit_record(&s->circuit, &s->policy, pass,
                       circuit_outcome(&s->policy, error_blames_server(code), took_us),
                       engine_now(engine_of(c)), c->dice);
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
    common_unlock(&s->common);
    return true;
}

/* --- for people ------------------------------------------------------------------------------- */

static int32_t count_probes(const struct circuit *c, int64_t now_us)
{
    int32_t out = 0;
    for (int32_t i = 0; c->state == CIRCUIT_HALF && i < CIRCUIT_PROBES_MOST; i++) {
        const struct circuit_permit *p = &c->kept.probes.permit[i];
        out += p->number != 0 && now_us < p->until_us;
    }
    return out;
}

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
                                  .left_us = left_us > 0 ? left_us : 0,
                                  .era = s->circuit.era,
                                  .probes = count_probes(&s->circuit, now_us)};
    leave(g->circuits, before);
    return true;
}

/* --- changes ---------------------------------------------------------------------------------- */

static void change(struct circuits *c)
{
    struct shared *s = enter(c);
    uint64_t before = circuit_word(&s->circuit);
    say(c->guards, s);
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
