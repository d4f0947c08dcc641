#include "core/circuits_inner.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/asked.h"
#include "core/circuits_at.h"
#include "core/operation.h"
#include "core/pool.h"
#include "core/tale.h"

/* What all workers have together. Of an engine that is alone it is its own, and has no ledger. */
struct circuits_shared {
    struct common common;
    _Atomic uint64_t word;
    struct circuit_policy policy;
    uint64_t said; /* when that was, see guards.h */
    struct circuit circuit;
    int32_t seats;
    struct seat seat[]; /* by worker */
};

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

static struct circuits_shared *enter(struct circuits *c)
{
    common_lock(&c->shared->common);
    return c->shared;
}

/* Somebody has to be asked with each connection. */
static bool is_each_asked(const struct resource *r)
{
    for (const struct operation *o = r->operations; o != NULL; o = o->next)
        if (circuits_at_apply(o->guards))
            return true;
    return false;
}

/* Of no circuit the word is that of a closed one. */
static void see_one(struct pool *p)
{
    const struct operation *o = p->resource->operations;
    const struct circuits *c = o == NULL ? NULL : o->guards->circuits;
    if (circuit_pass(c == NULL ? 0 : c->word) == 0 || is_each_asked(p->resource))
        p->gate |= GATE_CIRCUIT;
    else
        p->gate &= ~(uint32_t)GATE_CIRCUIT;
}

/* The word is another: leases ask while it is not that of a closed one. Of an endpoint's, who waits is to be served,
 * or refused. */
static void look(void *circuits)
{
    struct circuits *c = circuits;
    c->word = atomic_load_explicit(&c->shared->word, memory_order_relaxed);
    resource_each_pool(c->guards->resource, c->at == CIRCUITS_OF_ALL ? see_one : keep_soon);
}

/* NULL: it is of all. */
static const char *endpoint_of(const struct circuits *c)
{
    return c->at == CIRCUITS_OF_ALL ? NULL : outlook_name(c->guards->resource->outlook, c->at);
}

static void log_move(const struct circuits *c, enum circuit_state was, enum circuit_state is,
                     const struct circuit_cause *cause, int64_t left_us)
{
    const char *at = endpoint_of(c), *text = is == CIRCUIT_OPEN   ? "circuit open"
                                             : is == CIRCUIT_HALF ? "circuit half open"
                                                                  : "circuit closed";
    const struct log_field field[] = {
        {.key = "endpoint", .text = at},
        {.key = "resource", .text = c->guards->resource->name},
        {.key = "operation", .text = c->guards->owner->name},
        {.key = "was", .text = circuit_state_name(was)},
        {.key = "why", .text = circuit_reason(cause->why)},
        {.key = "bad", .number = cause->bad},
        {.key = "of", .number = cause->of},
        {.key = "ms", .number = left_us > 0 ? left_us / 1000 : 0}, /* by order there is no end */
    };
    int first = at == NULL, last = is == CIRCUIT_OPEN ? COUNT(field) : 4;
    engine_log(engine_of(c), is == CIRCUIT_OPEN ? LOG_WARN : LOG_INFO, text, field + first,
               last - first);
}

/* Says what has become of it, for all workers. */
static void tell(const struct circuits *c, enum circuit_state was, enum circuit_state is,
                 const struct circuit_cause *cause, int64_t until_us)
{
    struct resource *r = c->guards->resource;
    int64_t left_us = until_us - engine_now(r->engine);
    asked_tell(c->guards->owner, (struct nebula_question){.what = NEBULA_TELL_CIRCUIT,
                                                          .from = circuit_state_name(was),
                                                          .to = circuit_state_name(is),
                                                          .why = circuit_reason(cause->why),
                                                          .endpoint = endpoint_of(c),
                                                          .bad = cause->bad,
                                                          .of = cause->of,
                                                          .pause_us = left_us});
    engine_trace(r->engine, TRACE_CIRCUIT, r->number, was, is, cause->why);
    tale_moved(r, c->guards->owner, c->at, was, is, cause);
    log_move(c, was, is, cause, left_us);
}

static void tell_all(struct circuits_shared *s)
{
    for (int32_t i = 0; i < s->seats; i++)
        seat_tell(&s->seat[i]);
}

/* After something was done with it, whose word was this before: opens the lock. */
static void leave(struct circuits *c, uint64_t before)
{
    struct circuits_shared *s = c->shared;
    uint64_t word = circuit_word(&s->circuit);
    if (word == before) {
        common_unlock(&s->common);
        return;
    }
    const struct circuit_cause cause = s->circuit.cause;
    int64_t until_us = s->circuit.until_us;
    atomic_store_explicit(&s->word, word, memory_order_relaxed);
    tell_all(s);
    common_unlock(&s->common);
    c->dice = roll(c);
    look(c);
    tell(c, before & CIRCUIT_STATE, word & CIRCUIT_STATE, &cause, until_us);
}

/* --- the beginning and the end ---------------------------------------------------------------- */

struct beginning {
    struct circuit_policy policy;
    uint32_t era;
};

/* What was let pass by one that is gone must be nothing to the next one, so each has eras of its own. */
static struct common *make(const struct ledger *l, const void *how)
{
    const struct beginning *b = how;
    int32_t seats = l == NULL ? 0 : ledger_workers(l);
    struct circuits_shared *s = calloc(1, sizeof *s + (size_t)seats * sizeof s->seat[0]);
    if (s == NULL)
        return NULL;
    s->policy = b->policy;
    s->circuit.era = b->era;
    s->word = circuit_word(&s->circuit);
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

static bool join(struct circuits *c)
{
    const struct beginning b = {circuits_policy(&c->guards->rules->circuit),
                                (uint32_t)(c->dice >> 32)};
    char sort[32] = "circuit";
    if (c->at != CIRCUITS_OF_ALL)
        snprintf(sort, sizeof sort, "circuit %d", c->at);
    struct common *common = guards_join(c->guards, sort, make, &b);
    if (common == NULL)
        return false;
    c->shared = container_of(common, struct circuits_shared, common);
    take_seat(c);
    c->word = atomic_load_explicit(&c->shared->word, memory_order_relaxed);
    return true;
}

/* What was said later is in force. */
static void say(const struct guards *g, struct circuits_shared *s)
{
    if (g->said < s->said)
        return;
    s->policy = circuits_policy(&g->rules->circuit);
    s->said = g->said;
}

/* It may be open by order from the beginning. */
bool circuits_init(struct circuits *c, struct guards *g, int32_t at)
{
    *c = (struct circuits){.guards = g, .at = at};
    c->dice = roll(c);
    if (!join(c))
        return false;
    struct circuits_shared *s = enter(c);
    uint64_t before = circuit_word(&s->circuit);
    say(g, s);
    circuit_look(&s->circuit, &s->policy, engine_now(engine_of(c)));
    leave(c, before);
    return true;
}

void circuits_fini(struct circuits *c)
{
    struct common *common = &c->shared->common;
    if (c->shared->seats > 0) {
        common_lock(common);
        seat_leave(&c->shared->seat[engine_of(c)->worker]);
        common_unlock(common);
    }
    common_leave(common);
}

void circuits_free(struct circuits **circuits)
{
    struct circuits *c = *circuits;
    *circuits = NULL;
    if (c == NULL)
        return;
    circuits_fini(c);
    free(c);
}

static void begin(struct guards *g)
{
    g->circuits = calloc(1, sizeof *g->circuits);
    if (g->circuits == NULL || circuits_init(g->circuits, g, CIRCUITS_OF_ALL))
        return;
    free(g->circuits);
    g->circuits = NULL;
}

/* NULL when there is none, or no memory for one: then nothing is refused. */
static struct circuits *circuits_of(struct guards *g)
{
    const struct nebula_circuit *said = &g->rules->circuit;
    if (g->circuits == NULL && said->mode != NEBULA_CIRCUIT_NONE &&
        said->per == NEBULA_CIRCUIT_PER_RESOURCE)
        begin(g);
    return g->circuits;
}

/* --- for who calls ---------------------------------------------------------------------------- */

static struct circuits_refusal refusal(const struct circuits *c, const struct circuit *is,
                                       int64_t now_us)
{
    return (struct circuits_refusal){.cause = is->cause,
                                     .is_half = is->state == CIRCUIT_HALF,
                                     .at = c->at,
                                     .left_us = is->until_us > now_us ? is->until_us - now_us : 0};
}

/* 0: *why says why not. */
static uint64_t allow(struct circuits *c, struct circuits_refusal *why)
{
    struct circuits_shared *s = enter(c);
    int64_t now_us = engine_now(engine_of(c));
    uint64_t before = circuit_word(&s->circuit);
    uint64_t pass = circuit_allow(&s->circuit, &s->policy, now_us);
    if (pass == 0)
        *why = refusal(c, &s->circuit, now_us);
    leave(c, before);
    return pass;
}

static uint64_t word_of(const struct circuits *c)
{
    return atomic_load_explicit(&c->shared->word, memory_order_relaxed);
}

uint64_t circuits_take(struct circuits *c, struct circuits_refusal *why)
{
    uint64_t pass = circuit_pass(word_of(c));
    return pass != 0 ? pass : allow(c, why);
}

/* What a copy of it says: the rule changes what it is asked about. */
enum circuits_word circuits_would_say(struct circuits *c, struct circuits_refusal *why)
{
    if (circuit_pass(word_of(c)) != 0)
        return CIRCUITS_PASS;
    const struct circuits_shared *s = enter(c);
    struct circuit copy = s->circuit;
    const struct circuit_policy policy = s->policy;
    common_unlock(&c->shared->common);
    int64_t now_us = engine_now(engine_of(c));
    uint64_t pass = circuit_allow(&copy, &policy, now_us);
    if (pass == 0)
        *why = refusal(c, &copy, now_us);
    bool is_probe = copy.state == CIRCUIT_HALF && !circuit_would_refuse(pass);
    return pass == 0 ? CIRCUITS_REFUSE : is_probe ? CIRCUITS_PROBE : CIRCUITS_PASS;
}

static int64_t first_permit_us(const struct circuit_probes *r)
{
    int64_t first_us = INT64_MAX;
    for (int32_t i = 0; i < CIRCUIT_PROBES_MOST; i++)
        if (r->permit[i].number != 0 && r->permit[i].until_us < first_us)
            first_us = r->permit[i].until_us;
    return first_us;
}

int64_t circuits_opens_us(struct circuits *c)
{
    struct circuits_shared *s = enter(c);
    const struct circuit *is = &s->circuit;
    int64_t at_us = INT64_MAX;
    if (is->state == CIRCUIT_HALF)
        at_us = first_permit_us(&is->kept.probes);
    else if (is->state == CIRCUIT_OPEN && is->mode != CIRCUIT_FORCED_OPEN)
        at_us = is->until_us;
    common_unlock(&s->common);
    return at_us;
}

bool circuits_pass(struct guards *g, uint64_t *pass, struct circuits_refusal *why)
{
    struct circuits *c = circuits_of(g);
    *pass = c == NULL ? 0 : circuits_take(c, why);
    return c == NULL || *pass != 0;
}

bool circuits_are_shut(const struct guards *g, struct circuits_refusal *why)
{
    struct circuits *c = g->circuits;
    if (c == NULL || (word_of(c) & CIRCUIT_STATE) != CIRCUIT_OPEN)
        return false;
    struct circuits_shared *s = enter(c);
    int64_t now_us = engine_now(engine_of(c));
    bool is_shut = circuit_is_shut(&s->circuit, &s->policy, now_us);
    if (is_shut)
        *why = refusal(c, &s->circuit, now_us);
    common_unlock(&s->common);
    return is_shut;
}

uint64_t circuits_pass_leased(struct guards *g)
{
    struct circuits *c = circuits_of(g);
    struct circuits_refusal why;
    return c == NULL ? 0 : circuits_take(c, &why);
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

void circuits_hand_in(struct circuits *c, uint64_t pass, enum error_code code, bool was_sent,
                      int64_t took_us)
{
    struct circuits_shared *s = enter(c);
    uint64_t before = circuit_word(&s->circuit);
    if (circuits_counts(code, was_sent))
        circuit_record(&s->circuit, &s->policy, pass,
                       circuit_outcome(&s->policy, error_blames_server(code), took_us),
                       engine_now(engine_of(c)), c->dice);
    else
        circuit_return(&s->circuit, pass);
    if (c->at != CIRCUITS_OF_ALL && s->circuit.state == CIRCUIT_HALF)
        tell_all(s); /* there is a permit that somebody may wait for */
    leave(c, before);
}

void circuits_end(struct guards *g, uint64_t pass, enum error_code code, bool was_sent,
                  int64_t took_us)
{
    if (g->circuits != NULL && pass != 0)
        circuits_hand_in(g->circuits, pass, code, was_sent, took_us);
}

void circuits_stand(struct circuits *c, struct circuit_standing *out)
{
    struct circuits_shared *s = enter(c);
    const struct circuit *is = &s->circuit;
    bool is_closed = is->state == CIRCUIT_CLOSED;
    *out = (struct circuit_standing){.state = (int32_t)is->state,
                                     .bad = is_closed ? is->sum.failed : is->cause.bad,
                                     .of = is_closed ? is->sum.all : is->cause.of};
    common_unlock(&s->common);
}

bool circuits_standing(const struct guards *g, struct circuit_standing *out)
{
    if (g->circuits != NULL)
        circuits_stand(g->circuits, out);
    return g->circuits != NULL;
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

void circuits_show(struct circuits *c, struct circuits_view *out)
{
    int64_t now_us = engine_now(engine_of(c));
    struct circuits_shared *s = enter(c);
    uint64_t before = circuit_word(&s->circuit);
    circuit_look(&s->circuit, &s->policy, now_us);
    int64_t left_us = s->circuit.until_us - now_us;
    *out = (struct circuits_view){.state = s->circuit.state,
                                  .cause = s->circuit.cause,
                                  .trips = s->circuit.trips,
                                  .left_us = left_us > 0 ? left_us : 0,
                                  .era = s->circuit.era,
                                  .probes = count_probes(&s->circuit, now_us)};
    leave(c, before);
}

bool circuits_view(const struct guards *g, struct circuits_view *out)
{
    if (g->circuits != NULL)
        circuits_show(g->circuits, out);
    return g->circuits != NULL;
}

/* --- changes ---------------------------------------------------------------------------------- */

void circuits_change(struct circuits *c)
{
    struct circuits_shared *s = enter(c);
    uint64_t before = circuit_word(&s->circuit);
    enum circuit_mode mode = s->circuit.mode;
    say(c->guards, s);
    circuit_look(&s->circuit, &s->policy, engine_now(engine_of(c)));
    if (s->circuit.mode != mode) /* by the same word it may refuse from here on, or not any more */
        tell_all(s);
    leave(c, before);
}

/* One that is no more refuses nobody, and what is under way is handed in to nothing. */
void circuits_changed(struct guards *g)
{
    const struct nebula_circuit *said = &g->rules->circuit;
    if (g->circuits == NULL)
        return;
    if (said->mode != NEBULA_CIRCUIT_NONE && said->per == NEBULA_CIRCUIT_PER_RESOURCE)
        circuits_change(g->circuits);
    else
        circuits_free(&g->circuits);
}

void circuits_see(struct pool *p)
{
    struct operation *o = operation_find(p->resource, 0);
    if (o == NULL)
        return;
    circuits_of(o->guards);
    for (; o != NULL; o = o->next)
        if (o->is_apart)
            circuits_at_choice(o->guards); /* so that they are there */
    see_one(p);
}
