#include <string.h>

#include "core/call.h"
#include "core/circuits_at.h"
#include "core/operation.h"
#include "core/resource.h"
#include "core/stages.h"
#include "play.h"
#include "rules/circuit.h"
#include "unlikely.h"

/* --- looking inside --------------------------------------------------------------------------- */

static struct call *call_at(const struct worker *w, int32_t ticket)
{
    struct ticket *t = w->engine == NULL ? NULL : ticket_find(w->engine, ticket);
    return t == NULL ? NULL : call_of(t);
}

/* What the calls of a resource, or of its operation that is apart, know together; NULL: nothing yet. */
static struct guards *guards_of(const struct worker *w, int i, bool is_apart)
{
    const struct resource *r =
        w->engine == NULL ? NULL : table_get(&w->engine->resources, w->number[i]);
    const struct operation *o = r == NULL ? NULL : r->operations;
    while (o != NULL && (o->number > 0 && o->is_apart) != is_apart)
        o = o->next;
    return o == NULL ? NULL : o->guards;
}

static enum nebula_stage held_by(const struct call *c)
{
    bool is_held = c->state == CALL_HELD;
    return is_held ? (enum nebula_stage)c->stages.at[c->inside] : NEBULA_STAGE_NONE;
}

/* A copy of it was sent. */
static bool is_copied(const struct call *c)
{
    const struct copy *copy = c->copies.first;
    while (copy != NULL && !copy->attempt.was_sent)
        copy = copy->next;
    return copy != NULL;
}

/* --- after each step -------------------------------------------------------------------------- */

static bool is_probe(uint64_t pass, uint32_t era)
{
    return pass >> CIRCUIT_ERA_SHIFT == era && (uint32_t)pass >> CIRCUIT_NUMBER_SHIFT != 0;
}

/* All calls of all workers that go by the same. */
struct calls {
    int32_t under, waiting, probes;
};

static void count_call(struct calls *s, const struct call *c, uint32_t era)
{
    enum limited_state state = c->limited.state;
    if (state == LIMITED_SERVED)
        unlikely_met(SERVED_ELSEWHERE);
    s->under += state == LIMITED_IN || state == LIMITED_SERVED;
    s->waiting += state == LIMITED_WAITING;
    s->probes += is_probe(c->pass, era);
}

static struct calls count_calls(const struct play *p, int i, bool is_apart, uint32_t era)
{
    struct calls s = {.under = 0};
    for (int n = 0; n < p->workers; n++) {
        const struct worker *w = &p->worker[n];
        const struct guards *g = guards_of(w, i, is_apart);
        for (int32_t t = 1; g != NULL && t < w->engine->tickets.size; t++) {
            const struct call *c = call_at(w, t);
            if (c != NULL && c->operation != NULL && c->operation->guards == g)
                count_call(&s, c, era);
        }
    }
    return s;
}

/* As any worker sees it, for they have it together. */
static bool see_limit(const struct play *p, int i, bool is_apart, struct limits_view *out)
{
    bool is_seen = false;
    for (int n = 0; n < p->workers && !is_seen; n++) {
        struct guards *g = guards_of(&p->worker[n], i, is_apart);
        is_seen = g != NULL && limits_view(g, out);
    }
    return is_seen;
}

static bool see_circuit(const struct play *p, int i, bool is_apart, struct circuits_view *out)
{
    bool is_seen = false;
    for (int n = 0; n < p->workers && !is_seen; n++) {
        struct guards *g = guards_of(&p->worker[n], i, is_apart);
        is_seen = g != NULL && circuits_view(g, out);
    }
    return is_seen;
}

/* Each permit is that of one call, and there are no more than somebody said lately. */
static void inspect_limit(struct play *p, int i, bool is_apart, const struct calls *s)
{
    struct limits_view v;
    const char *name = p->declared[i].spec.name;
    int32_t *left = &p->declared[i].rulebook.bound_left[is_apart];
    int32_t bound = policies_bound(p, i, is_apart);
    if (!see_limit(p, i, is_apart, &v))
        return;
    if (v.under != s->under || v.waiting != s->waiting)
        law_broken("%s: %d calls have %d permits, and %d wait in a queue of %d", name, s->under,
                   v.under, s->waiting, v.waiting);
    if (v.under > bound && v.under > *left)
        law_broken("%s: %d calls are under way, %d is the bound", name, v.under,
                   bound > *left ? bound : *left);
    if (v.waiting > 0 && v.under < v.most)
        law_broken("%s: %d calls wait, and %d of %d are under way", name, v.waiting, v.under,
                   v.most);
    if (!policies_are_said(p, i)) /* whoever has not said it may let in so many until he is gone */
        *left = bound > *left ? bound : *left;
    else if (v.under < *left)
        *left = v.under;
}

/* What is said meanwhile to be none is forgotten. */
static void inspect_circuit(const struct play *p, int i, bool is_apart, const struct calls *s,
                            const struct circuits_view *v)
{
    int64_t unbroken_us = p->declared[i].rulebook.unbroken_us[is_apart];
    bool is_forgotten = unbroken_us > 0 && world_time_us() < unbroken_us + 10 * SECOND;
    if (v->probes > s->probes && !is_forgotten)
        law_broken("%s: %d calls are probes, and %d permits of its circuit are out",
                   p->declared[i].spec.name, s->probes, v->probes);
}

/* An attempt of an endpoint: it has gone there, or has nothing to hand in. */
static bool is_probe_at(const struct attempt *a, int32_t at, uint32_t era)
{
    if (a->waiter.pass != 0 && (a->waiter.guards == NULL || a->state == ATTEMPT_WAITING))
        law_broken("an attempt has a pass, and goes nowhere");
    return a->reach == at && is_probe(a->waiter.pass, era);
}

static int32_t count_probes_of(const struct worker *w, const struct guards *g, int32_t at,
                               uint32_t era)
{
    int32_t probes = 0;
    for (int32_t t = 1; t < w->engine->tickets.size; t++) {
        const struct call *c = call_at(w, t);
        if (c == NULL || c->operation == NULL || c->operation->guards != g)
            continue;
        probes += is_probe_at(&c->attempt, at, era);
        for (const struct copy *copy = c->copies.first; copy != NULL; copy = copy->next)
            probes += is_probe_at(&copy->attempt, at, era);
    }
    return probes;
}

/* Each permit of an endpoint's circuit is that of one attempt, in some worker. */
static void inspect_endpoint(const struct play *p, int i, bool is_apart, int32_t at)
{
    struct calls s = {.probes = 0};
    struct circuits_view v = {.era = 0};
    bool is_seen = false;
    for (int n = 0; n < p->workers && !is_seen; n++) {
        struct guards *g = guards_of(&p->worker[n], i, is_apart);
        is_seen = g != NULL && circuits_at_view(g, at, &v);
    }
    for (int n = 0; n < p->workers && is_seen; n++) {
        struct guards *g = guards_of(&p->worker[n], i, is_apart);
        s.probes += g == NULL ? 0 : count_probes_of(&p->worker[n], g, at, v.era);
    }
    if (is_seen)
        inspect_circuit(p, i, is_apart, &s, &v);
    if (is_seen && v.probes > 0)
        unlikely_met(ENDPOINT_PROBED);
}

static void inspect_guards(struct play *p, int i, bool is_apart)
{
    struct circuits_view v = {.era = 0};
    bool has_circuit = see_circuit(p, i, is_apart, &v);
    const struct calls s = count_calls(p, i, is_apart, v.era);
    inspect_limit(p, i, is_apart, &s);
    if (has_circuit)
        inspect_circuit(p, i, is_apart, &s, &v);
    for (int32_t at = 0; at < p->declared[i].spec.endpoints; at++)
        inspect_endpoint(p, i, is_apart, at);
}

/* --- each call -------------------------------------------------------------------------------- */

static int32_t count_open(const struct call *c, int32_t *all)
{
    int32_t open = c->attempt.state != ATTEMPT_OVER;
    *all = 1;
    for (const struct copy *copy = c->copies.first; copy != NULL; copy = copy->next, ++*all)
        open += copy->attempt.state != ATTEMPT_OVER;
    return open;
}

static void inspect_copies(const struct op *op, const struct call *c)
{
    int32_t all, open = count_open(c, &all);
    if (all > (op->copies > 1 ? op->copies : 1))
        law_broken("a call had %d copies, %d are the most", all, op->copies);
    if (open > 0 && c->state != CALL_TRYING)
        law_broken("%d copies of a call go on, and it is none", open);
    if ((c->state == CALL_PAUSING || c->state == CALL_HELD) && c->attempt.is_in_flight)
        law_broken("a call is to be tried again, and a driver has it still");
}

static void meet_call(const struct call *c)
{
    if (held_by(c) == NEBULA_STAGE_RATE)
        unlikely_met(RATE_WAITS);
    if (c->limited.state == LIMITED_WAITING)
        unlikely_met(LIMIT_WAITS);
}

static void inspect_calls(const struct worker *w)
{
    for (int32_t t = 1; t <= w->most_ticket; t++) {
        const struct op *op = &w->op[t];
        const struct call *c = op->kind == OP_CALL ? call_at(w, t) : NULL;
        if (c == NULL)
            continue;
        inspect_copies(op, c);
        meet_call(c);
    }
}

void obeyed_inspect(struct play *p)
{
    for (int n = 0; n < p->workers; n++)
        if (troupe_is_here(&p->worker[n]))
            inspect_calls(&p->worker[n]);
    for (int i = 0; i < DECLARED; i++) {
        inspect_guards(p, i, false);
        inspect_guards(p, i, true);
    }
}

/* --- an answer -------------------------------------------------------------------------------- */

/* By a stage, which tells so. */
static bool is_refused(const struct nebula_reply *r)
{
    static const char *const said[] = {"not begun with", "calls under way to end",
                                       "calls wait for others to end",
                                       "as many calls as may be are under way"};
    bool is_said = r->code == ERROR_OPEN || r->code == ERROR_RATE || r->code == ERROR_SHED;
    for (size_t i = 0; i < COUNT(said); i++)
        is_said |= strstr(r->text, said[i]) != NULL;
    return is_said;
}

static void meet_refusal(const struct op *op, const struct nebula_reply *r)
{
    const struct worker *w = op->actor->worker;
    int32_t opened_by = w->play->declared[op->resource].rulebook.opened_by;
    if (r->code == ERROR_RATE)
        unlikely_met(RATE_REFUSES);
    if (r->code == ERROR_OPEN)
        unlikely_met(opened_by == w->index ? CIRCUIT_REFUSES : CIRCUIT_REFUSES_ELSEWHERE);
    if (strstr(r->text, "no endpoint lets it pass") != NULL)
        unlikely_met(ENDPOINTS_REFUSE);
    if (r->code == ERROR_SHED)
        unlikely_met(LIMIT_SHEDS);
    if (r->code == ERROR_FULL)
        unlikely_met(LIMIT_IS_FULL);
    if (strstr(r->text, "calls under way to end") != NULL)
        unlikely_met(LIMIT_IS_LATE);
    if (strstr(r->text, "not begun with") != NULL)
        unlikely_met(EARLY_REFUSES);
    if (r->attempts > 0)
        unlikely_met(RETRY_IS_REFUSED);
}

static void meet_copies(const struct call *c, const struct nebula_reply *r)
{
    bool is_well = r->code == ERROR_OK;
    if (is_well && c->answer != &c->attempt)
        unlikely_met(COPY_WINS);
    if (is_well && copies_are_in_flight(c))
        unlikely_met(COPY_LOSES);
    if (is_well && c->answer != &c->attempt && c->attempt.is_in_flight)
        unlikely_met(FIRST_LOSES);
    if (!is_well && is_copied(c))
        unlikely_met(COPIES_FAIL);
}

/* To the writer, by a reader that did not do it; who has a circuit may refuse it there. */
static bool was_sent_on(const struct op *op, const struct nebula_reply *r)
{
    const struct nebula_spec *spec = &op->actor->worker->play->declared[op->resource].spec;
    return spec->roles > 1 && r->role == spec->writer && r->code == ERROR_OPEN;
}

/* The server has never heard of what was refused at the door. */
void obeyed_answered(const struct op *op, int32_t ticket, const struct nebula_reply *r)
{
    const struct call *c = call_at(op->actor->worker, ticket);
    const char *code = nebula_error_name(r->code);
    if (c != NULL)
        meet_copies(c, r);
    if (!is_refused(r))
        return;
    meet_refusal(op, r);
    if (r->outcome == OUTCOME_OK || (r->outcome != OUTCOME_FAILED && r->attempts == 0))
        law_broken("refused with %s, and its outcome is %d", code, r->outcome);
    if (r->attempts == 0 && op->heard > 0 && !was_sent_on(op, r))
        law_broken("refused with %s, and its server has heard of it", code);
}

/* --- the end ---------------------------------------------------------------------------------- */

void obeyed_expect_over(struct play *p)
{
    for (int i = 0; i < DECLARED * 2; i++) {
        struct limits_view v;
        if (see_limit(p, i / 2, i % 2, &v) && v.under + v.waiting > 0)
            law_broken("%s: nobody calls, %d calls are under way and %d wait",
                       p->declared[i / 2].spec.name, v.under, v.waiting);
    }
}

/* --- what is worth being met ------------------------------------------------------------------ */

void obeyed_meet_leaving(const struct worker *w, int32_t ticket)
{
    const struct call *c = call_at(w, ticket);
    if (c == NULL || w->op[ticket].kind != OP_CALL)
        return;
    if (held_by(c) == NEBULA_STAGE_RATE)
        unlikely_met(LEFT_IN_RATE);
    if (c->limited.state == LIMITED_WAITING)
        unlikely_met(LEFT_IN_LIMIT);
    if (c->limited.state == LIMITED_SERVED)
        unlikely_met(LEFT_UNHEARD);
    if (c->state == CALL_TRYING && is_copied(c))
        unlikely_met(LEFT_COPIED);
}

void obeyed_meet_saying(const struct worker *w, int i)
{
    for (int32_t t = 1; t <= w->most_ticket; t++) {
        const struct op *op = &w->op[t];
        const struct call *c = op->kind == OP_CALL && op->resource == i ? call_at(w, t) : NULL;
        if (c == NULL)
            continue;
        if (c->state == CALL_HELD)
            unlikely_met(RULED_WHILE_HELD);
        if (c->state == CALL_PAUSING)
            unlikely_met(RULED_IN_PAUSE);
        if (c->state == CALL_TRYING && is_copied(c))
            unlikely_met(RULED_WHILE_COPIED);
    }
}

void obeyed_meet_circuit(struct worker *w, int32_t resource, int64_t state)
{
    for (int i = 0; i < DECLARED; i++) {
        if (w->number[i] != resource)
            continue;
        if (state == CIRCUIT_OPEN)
            w->play->declared[i].rulebook.opened_by = w->index;
        unlikely_met(state == CIRCUIT_OPEN   ? CIRCUIT_OPENS
                     : state == CIRCUIT_HALF ? CIRCUIT_PROBES
                                             : CIRCUIT_CLOSES);
    }
}
