#include <stdio.h>
#include <string.h>

#include "play.h"
#include "unlikely.h"

#define RULED_PERMILLE 600
#define SLOW_PERMILLE 300
#define MAX_OF_SLOW 24
#define COPIES_MOST 5
#define DECLARED_AT_FIRST 700
#define WITH 1 /* the operation that counts with the others, and the one that does not */
#define APART 2

static int64_t roll(struct play *p, int64_t low, int64_t high)
{
    return dice_between(&p->dice, low, high);
}

static bool chance(struct play *p, int permille)
{
    return dice_hits(&p->dice, permille);
}

/* --- numbers that bite ------------------------------------------------------------------------ */

static struct nebula_again roll_again(struct play *p)
{
    int32_t capacity = (int32_t)roll(p, 1000, 10000);
    return (struct nebula_again){
        .shape = (int32_t)roll(p, NEBULA_RETRY_EXPONENTIAL, NEBULA_RETRY_DECORRELATED),
        .jitter = (int32_t)roll(p, NEBULA_JITTER_FULL, NEBULA_JITTER_NONE),
        .budget = (int32_t)roll(p, NEBULA_BUDGET_SHARE, NEBULA_BUDGET_RATIO),
        .capacity = capacity,
        .success = (int32_t)roll(p, 0, 1000),
        .cost = (int32_t)roll(p, 0, 1000),
        .cost_lost = (int32_t)roll(p, 0, 1000),
    };
}

static int32_t roll_circuit_mode(struct play *p)
{
    int64_t what = roll(p, 0, 99);
    return what < 5    ? NEBULA_CIRCUIT_OPEN
           : what < 10 ? NEBULA_CIRCUIT_CLOSED
           : what < 20 ? NEBULA_CIRCUIT_METRICS
                       : NEBULA_CIRCUIT_AUTOMATIC;
}

static struct nebula_circuit roll_circuit(struct play *p)
{
    int64_t pause_us = roll(p, 1 * MS, 50 * MS);
    return (struct nebula_circuit){
        .mode = roll_circuit_mode(p),
        .window = chance(p, 500) ? 0 : (int32_t)roll(p, 1, 10),
        .span_us = roll(p, 10 * MS, SECOND),
        .least = (int32_t)roll(p, 1, 5),
        .percent = chance(p, 200) ? 0 : (int32_t)roll(p, 10, 100),
        .slow_percent = chance(p, 500) ? 0 : (int32_t)roll(p, 50, 100),
        .consecutive = chance(p, 500) ? 0 : (int32_t)roll(p, 1, 4),
        .slow_us = chance(p, 500) ? 0 : roll(p, 1 * MS, 50 * MS),
        .probes = (int32_t)roll(p, 1, 3),
        .probe_us = roll(p, 500 * MS, 10 * SECOND),
        .pause_us = pause_us,
        .pause_max_us = roll(p, pause_us, 200 * MS),
    };
}

static struct nebula_rate roll_rate(struct play *p)
{
    return (struct nebula_rate){
        .shape = (int32_t)roll(p, NEBULA_RATE_BUCKET, NEBULA_RATE_WINDOW),
        .per = (int32_t)roll(p, NEBULA_PER_ALL, NEBULA_PER_TENANT),
        .tokens = roll(p, 1, 20),
        .span_us = roll(p, 1 * MS, 100 * MS),
        .burst = roll(p, 1, 5),
        .wait_us = chance(p, 300) ? 0 : roll(p, 1 * MS, 100 * MS),
    };
}

static struct nebula_limit roll_limit(struct play *p)
{
    int32_t concurrent = (int32_t)roll(p, 1, 4);
    return (struct nebula_limit){
        .concurrent = concurrent,
        .queue = (int32_t)roll(p, 0, 10),
        .is_adaptive = chance(p, 300),
        .min = (int32_t)roll(p, 1, concurrent),
        .max = (int32_t)roll(p, concurrent, 8),
        .tolerance = (int32_t)roll(p, 100, 300),
    };
}

static struct nebula_shed roll_shed(struct play *p)
{
    struct nebula_shed shed = {.interval_us = roll(p, 1 * MS, 20 * MS)};
    for (int i = 0; i < NEBULA_PRIORITIES; i++)
        shed.of[i] = (struct nebula_patience){
            .target_us = chance(p, 300) ? 0 : roll(p, 100, 5 * MS),
            .most_us = chance(p, 500) ? 0 : roll(p, 1 * MS, 20 * MS),
            .patience_us = chance(p, 500) ? 0 : roll(p, 1 * MS, 50 * MS),
        };
    return shed;
}

static struct nebula_hedge roll_hedge(struct play *p)
{
    return (struct nebula_hedge){
        .copies = (int32_t)roll(p, 2, COPIES_MOST),
        .permille = chance(p, 500) ? 0 : (int32_t)roll(p, 500, 999),
        .delay_us = roll(p, 500, 5 * MS),
        .floor_us = roll(p, 0, 2 * MS),
        .percent = (int32_t)roll(p, 0, 100),
        .burst = (int32_t)roll(p, 1, 10),
    };
}

/* What all else keeps from going goes at once here: so many copies are under way. */
static struct nebula_hedge roll_eager(struct play *p)
{
    return (struct nebula_hedge){.copies = (int32_t)roll(p, 2, 3),
                                 .delay_us = roll(p, 100, MS),
                                 .percent = 100,
                                 .burst = 10};
}

static void roll_order(struct play *p, uint8_t order[NEBULA_STAGES - 1])
{
    for (int i = 0; i < NEBULA_STAGES - 1; i++)
        order[i] = (uint8_t)(NEBULA_STAGE_NONE + 1 + i);
    for (int i = NEBULA_STAGES - 3; i > 0; i--) { /* hedge stays where it is */
        int64_t other = roll(p, 0, i);
        uint8_t stage = order[i];
        order[i] = order[other];
        order[other] = stage;
    }
}

static struct nebula_rules roll_rules(struct play *p, bool is_slow, bool has_balance)
{
    struct nebula_rules r;
    memset(&r, 0, sizeof r);
    if (chance(p, 100))
        return r;
    if (is_slow && chance(p, 800)) {
        r.hedge = roll_eager(p);
        r.asks = chance(p, 300) ? 1U << NEBULA_ASK_FAILURE : 0;
        return r;
    }
    if (chance(p, 500))
        r.again = roll_again(p);
    if (chance(p, has_balance ? 900 : 500))
        r.circuit = roll_circuit(p);
    if (has_balance && chance(p, 800))
        r.circuit.per = NEBULA_CIRCUIT_PER_ENDPOINT;
    if (chance(p, 400))
        r.rate = roll_rate(p);
    if (chance(p, 600))
        r.limit = roll_limit(p);
    if (r.limit.concurrent > 0 && chance(p, 500))
        r.shed = roll_shed(p);
    if (chance(p, 600))
        r.hedge = roll_hedge(p);
    if (chance(p, 300))
        r.early = (struct nebula_early){.least = (int32_t)roll(p, 1, 10),
                                        .percent = (int32_t)roll(p, 0, 50)};
    if (chance(p, 300))
        roll_order(p, r.order);
    if (chance(p, 300))
        r.asks = (uint32_t)roll(p, 1, (1 << NEBULA_ASKS) - 1);
    return r;
}

/* --- saying ----------------------------------------------------------------------------------- */

/* How long a call may take stays as it is, so that each knows when to be answered. */
static void roll_edition(struct play *p, struct declared *d)
{
    struct rulebook *b = &d->rulebook;
    memcpy(b->before, b->rules, sizeof b->before);
    for (int o = 0; o < OPERATIONS; o++) {
        b->rules[o] = roll_rules(p, b->is_slow, d->balance.rule != NEBULA_CONNECTIONS);
        b->policy[o].tries = (int32_t)roll(p, 1, 4);
        b->policy[o].pause_us = roll(p, 0, 20 * MS);
    }
    b->edition++;
}

void policies_roll(struct play *p, int i)
{
    struct declared *d = &p->declared[i];
    struct rulebook *b = &d->rulebook;
    b->is_used = chance(p, RULED_PERMILLE);
    b->is_slow = b->is_used && chance(p, SLOW_PERMILLE);
    if (b->is_slow) { /* there is time for copies, and room */
        server_pace(d->server, roll(p, 1 * MS, 10 * MS));
        d->spec.pool.max = MAX_OF_SLOW;
    }
    b->opened_by = -1;
    for (int o = 0; o < OPERATIONS; o++) {
        b->policy[o] = d->spec.policy;
        b->policy[o].deadline_us = roll(p, 20 * MS, SECOND);
        b->policy[o].wait_us = roll(p, 1 * MS, SECOND);
    }
    if (b->is_used && chance(p, DECLARED_AT_FIRST))
        roll_edition(p, d);
}

static bool say_operation(struct play *p, struct worker *w, int i, int32_t o)
{
    static const char *const name[OPERATIONS] = {[WITH] = "with", [APART] = "apart"};
    const struct rulebook *b = &p->declared[i].rulebook;
    return nebula_operation(w->nebula, w->number[i], name[o], &b->policy[o], &b->rules[o],
                            o == APART) == o;
}

/* A call under way that may have copies may have as many as it is told now. */
static void raise_copies(struct worker *w, int i)
{
    const struct rulebook *b = &w->play->declared[i].rulebook;
    for (int32_t t = 1; t <= w->most_ticket; t++) {
        struct op *op = &w->op[t];
        int32_t most = b->rules[op->operation].hedge.copies;
        if (op->kind == OP_CALL && op->resource == i && op->copies > 1 && most > op->copies)
            op->copies = most;
    }
}

/* Until all have said the next one what this one allows goes on. */
static void remember_bounds(struct play *p, int i)
{
    for (int is_apart = 0; is_apart <= 1; is_apart++) {
        int32_t bound = policies_bound(p, i, is_apart);
        int32_t *left = &p->declared[i].rulebook.bound_left[is_apart];
        *left = bound > *left ? bound : *left;
    }
}

/* What is let pass by one that is no more is nobody's. */
static void remember_forgetting(struct rulebook *b)
{
    for (int is_apart = 0; is_apart <= 1; is_apart++) {
        int o = is_apart ? APART : 0;
        const struct nebula_circuit *is = &b->rules[o].circuit, *was = &b->before[o].circuit;
        if (was->mode != NEBULA_CIRCUIT_NONE &&
            (is->mode == NEBULA_CIRCUIT_NONE || is->per != was->per))
            b->unbroken_us[is_apart] = world_time_us();
    }
}

bool policies_say(struct play *p, struct worker *w, int i)
{
    struct rulebook *b = &p->declared[i].rulebook;
    if (b->edition == 0)
        return true;
    play_note(p, "worker %d says edition %d of %s", w->index, b->edition, p->declared[i].spec.name);
    obeyed_meet_saying(w, i);
    remember_bounds(p, i);
    raise_copies(w, i);
    remember_forgetting(b);
    bool is_said = nebula_rules(w->nebula, w->number[i], &b->rules[0]) == 0 &&
                   say_operation(p, w, i, WITH) && say_operation(p, w, i, APART);
    if (is_said)
        w->edition[i] = b->edition;
    else if (!p->is_starved)
        law_broken("%s: rules were refused: %s", p->declared[i].spec.name, nebula_error(w->nebula));
    return is_said;
}

bool policies_are_said(const struct play *p, int i)
{
    bool have = true;
    for (int n = 0; n < p->workers; n++)
        have &= p->worker[n].nebula == NULL ||
                p->worker[n].edition[i] == p->declared[i].rulebook.edition;
    return have;
}

bool policies_leave_out(const struct play *p, int i)
{
    const struct declared *d = &p->declared[i];
    return d->rulebook.is_used && d->balance.rule != NEBULA_CONNECTIONS;
}

void policies_act(struct play *p)
{
    int i = (int)roll(p, 0, DECLARED - 1);
    struct worker *w = troupe_pick(p);
    struct rulebook *b = &p->declared[i].rulebook;
    if (w == NULL || !b->is_used)
        return;
    if (policies_are_said(p, i) && chance(p, 300)) {
        remember_bounds(p, i);
        roll_edition(p, &p->declared[i]);
    }
    if (w->edition[i] != b->edition || chance(p, 100)) /* the same again is nothing new */
        policies_say(p, w, i);
}

/* Whoever has a part in a limit may have been told nothing yet, and who was told has no part in it. */
void policies_lose(struct play *p)
{
    for (int i = 0; i < DECLARED; i++)
        if (!policies_are_said(p, i))
            p->declared[i].rulebook.unsure = p->declared[i].rulebook.edition;
}

static int32_t bound_of(const struct nebula_limit *l)
{
    return l->concurrent == 0 ? INT32_MAX : l->is_adaptive ? l->max : l->concurrent;
}

int32_t policies_bound(const struct play *p, int i, bool is_apart)
{
    const struct rulebook *b = &p->declared[i].rulebook;
    int32_t o = is_apart ? APART : 0;
    if (b->edition - !policies_are_said(p, i) <= b->unsure)
        return INT32_MAX;
    int32_t bound = b->edition == 0 ? 0 : bound_of(&b->rules[o].limit);
    for (int n = 0; n < p->workers; n++) {
        const struct worker *w = &p->worker[n];
        bool is_behind = w->nebula != NULL && w->edition[i] != b->edition;
        if (is_behind && bound_of(&b->before[o].limit) > bound)
            bound = bound_of(&b->before[o].limit);
    }
    return bound;
}

/* --- asking by them --------------------------------------------------------------------------- */

/* As its worker knows it, which may be behind. */
static const struct nebula_rules *rules_of(const struct rulebook *b, const struct worker *w,
                                           const struct op *op)
{
    static const struct nebula_rules none;
    int32_t edition = w->edition[op->resource];
    return edition == 0            ? &none
           : edition == b->edition ? &b->rules[op->operation]
                                   : &b->before[op->operation];
}

void policies_choose(struct play *p, struct op *op, struct nebula_request *r)
{
    const struct worker *w = op->actor->worker;
    const struct rulebook *b = &p->declared[op->resource].rulebook;
    if (!b->is_used)
        return;
    if (w->edition[op->resource] > 0)
        r->operation = op->operation = (int32_t)roll(p, 0, OPERATIONS - 1);
    r->priority = (int32_t)roll(p, NEBULA_PRIORITY_NORMAL, NEBULA_PRIORITIES - 1);
    const struct nebula_rules *rules = rules_of(b, w, op);
    op->copies = rules->hedge.copies > 1 ? rules->hedge.copies : 1;
    if (p->is_starved) /* half of an edition may have been said */
        op->copies = COPIES_MOST;
    op->is_ruled = true;
}

const struct nebula_policy *policies_of(const struct play *p, const struct op *op)
{
    const struct declared *d = &p->declared[op->resource];
    return op->operation == 0 ? &d->spec.policy : &d->rulebook.policy[op->operation];
}

/* --- answering -------------------------------------------------------------------------------- */

void policies_answer(struct worker *w)
{
    struct play *p = w->play;
    struct nebula_question q;
    while (nebula_question(w->nebula, &q)) {
        if (q.what != NEBULA_ASK_FAILURE || chance(p, 300))
            continue;
        unlikely_met(ASKED);
        int32_t code = nebula_answer(w->nebula, q.ticket, (int32_t)roll(p, -1, 1),
                                     (int32_t)roll(p, NEBULA_CLASS_USUAL, NEBULA_CLASS_NOTHING));
        if (code != 0)
            law_broken("a call asks, and takes no answer: %s", nebula_error(w->nebula));
    }
}
