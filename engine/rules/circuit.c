#include "rules/circuit.h"

#include <string.h>

#include "base/check.h"

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t later(int64_t now_us, int64_t span_us)
{
    return now_us > INT64_MAX - span_us ? INT64_MAX : now_us + span_us;
}

/* --- its state -------------------------------------------------------------------------------- */

static const bool may_move[][3] = {
    [CIRCUIT_CLOSED] = {[CIRCUIT_OPEN] = true},
    [CIRCUIT_OPEN] = {[CIRCUIT_HALF] = true, [CIRCUIT_CLOSED] = true},
    [CIRCUIT_HALF] = {[CIRCUIT_OPEN] = true, [CIRCUIT_CLOSED] = true},
};

/* Every change of state comes through here. What is out from before counts for nothing then. */
static void move(struct circuit *c, enum circuit_state to, int64_t now_us)
{
    CHECK(may_move[c->state][to]);
    if (c->state == CIRCUIT_CLOSED && now_us >= later(c->since_us, c->pause_us))
        c->pause_us = 0; /* it was well for so long */
    c->state = to;
    c->era++;
    c->since_us = now_us;
    c->sum = (struct circuit_tally){0};
    c->streak = 0;
    memset(&c->kept, 0, sizeof c->kept);
}

static int64_t next_pause(const struct circuit *c, const struct circuit_policy *p)
{
    int64_t twice = c->pause_us > p->pause_max_us / 2 ? p->pause_max_us : c->pause_us * 2;
    return smaller(twice > p->pause_us ? twice : p->pause_us, p->pause_max_us);
}

static void trip(struct circuit *c, const struct circuit_policy *p, struct circuit_cause cause,
                 int64_t now_us, uint64_t dice)
{
    move(c, CIRCUIT_OPEN, now_us);
    c->cause = cause;
    c->trips += c->trips < INT32_MAX;
    c->pause_us = next_pause(c, p);
    c->until_us = later(now_us, c->pause_us - (int64_t)(dice % (uint64_t)(c->pause_us / 10 + 1)));
}

static void change_mode(struct circuit *c, enum circuit_mode mode, int64_t now_us)
{
    if (c->mode == CIRCUIT_FORCED_OPEN)
        c->until_us = now_us;
    c->mode = mode;
    if (mode == CIRCUIT_FORCED_OPEN) {
        if (c->state != CIRCUIT_OPEN)
            move(c, CIRCUIT_OPEN, now_us);
        c->cause = (struct circuit_cause){.why = CIRCUIT_ORDER};
    }
    if (mode == CIRCUIT_FORCED_CLOSED && c->state != CIRCUIT_CLOSED)
        move(c, CIRCUIT_CLOSED, now_us);
}

/* --- the last outcomes ------------------------------------------------------------------------ */

static bool bit(const uint64_t *bits, uint32_t at)
{
    return bits[at / 64] >> at % 64 & 1;
}

static void set(uint64_t *bits, uint32_t at, bool is)
{
    bits[at / 64] = (bits[at / 64] & ~(1ULL << at % 64)) | (uint64_t)is << at % 64;
}

/* So many outcomes ago. */
static uint32_t ago(const struct circuit_last *l, uint32_t outcomes)
{
    return (l->next - outcomes) % CIRCUIT_KEPT;
}

static void remember_last(struct circuit *c, bool is_failed, bool is_slow)
{
    struct circuit_last *l = &c->kept.last;
    if (c->sum.all == c->window) {
        uint32_t eldest = ago(l, (uint32_t)c->window);
        c->sum.failed -= bit(l->failed, eldest);
        c->sum.slow -= bit(l->slow, eldest);
        c->sum.all--;
    }
    set(l->failed, l->next, is_failed);
    set(l->slow, l->next, is_slow);
    l->next = (l->next + 1) % CIRCUIT_KEPT;
    l->filled += l->filled < CIRCUIT_KEPT;
}

static void count_last(struct circuit *c, int32_t window)
{
    const struct circuit_last *l = &c->kept.last;
    c->sum = (struct circuit_tally){.all = smaller(l->filled, window)};
    for (uint32_t i = 1; i <= c->sum.all; i++) {
        c->sum.failed += bit(l->failed, ago(l, i));
        c->sum.slow += bit(l->slow, ago(l, i));
    }
}

/* --- the outcomes of the last span ------------------------------------------------------------ */

static void add(struct circuit_tally *to, const struct circuit_tally *t, int64_t times)
{
    to->all += t->all * times;
    to->failed += t->failed * times;
    to->slow += t->slow * times;
}

/* Ends the buckets that are over. */
static void pass_time(struct circuit *c, int64_t now_us)
{
    struct circuit_span *s = &c->kept.span;
    int64_t width_us = c->span_us / CIRCUIT_BUCKETS;
    if (now_us < s->begin_us || now_us - s->begin_us < width_us)
        return;
    int64_t over = (now_us - s->begin_us) / width_us;
    s->begin_us += over * width_us;
    for (int64_t i = 0; i < over && i < CIRCUIT_BUCKETS; i++) {
        s->at = (s->at + 1) % CIRCUIT_BUCKETS;
        add(&c->sum, &s->bucket[s->at], -1);
        s->bucket[s->at] = (struct circuit_tally){0};
    }
}

static void remember_span(struct circuit *c, bool is_failed, bool is_slow)
{
    struct circuit_tally *bucket = &c->kept.span.bucket[c->kept.span.at];
    bucket->all++;
    bucket->failed += is_failed;
    bucket->slow += is_slow;
}

/* Each bucket, by its beginning, into one of another width. */
static void pour_over(struct circuit *c, int64_t span_us)
{
    const struct circuit_span old = c->kept.span;
    int64_t old_us = c->span_us / CIRCUIT_BUCKETS, width_us = span_us / CIRCUIT_BUCKETS;
    int64_t number = old.begin_us / width_us;
    c->kept.span = (struct circuit_span){.begin_us = number * width_us};
    c->sum = (struct circuit_tally){0};
    for (int32_t i = 0; i < CIRCUIT_BUCKETS; i++) {
        int64_t back = number - (old.begin_us - i * old_us) / width_us;
        if (back >= CIRCUIT_BUCKETS)
            break;
        const struct circuit_tally *from =
            &old.bucket[(old.at + CIRCUIT_BUCKETS - i) % CIRCUIT_BUCKETS];
        add(&c->kept.span.bucket[(CIRCUIT_BUCKETS - back) % CIRCUIT_BUCKETS], from, 1);
        add(&c->sum, from, 1);
    }
}

/* --- either window ---------------------------------------------------------------------------- */

static void change_window(struct circuit *c, const struct circuit_policy *p, int64_t now_us)
{
    CHECK(p->window >= 0 && p->window <= CIRCUIT_WINDOW_MOST);
    CHECK(p->window > 0 || p->span_us >= CIRCUIT_BUCKETS);
    if (c->window > 0 && p->window > 0) {
        count_last(c, p->window);
    } else if (c->window == 0 && p->window == 0 && c->span_us > 0) {
        pass_time(c, now_us);
        pour_over(c, p->span_us);
    } else {
        c->sum = (struct circuit_tally){0};
        memset(&c->kept, 0, sizeof c->kept);
    }
    c->window = p->window;
    c->span_us = p->span_us;
}

static void remember(struct circuit *c, uint32_t outcome)
{
    bool is_failed = outcome & CIRCUIT_FAILED, is_slow = outcome & CIRCUIT_SLOW;
    if (c->window > 0)
        remember_last(c, is_failed, is_slow);
    else
        remember_span(c, is_failed, is_slow);
    c->sum.all++;
    c->sum.failed += is_failed;
    c->sum.slow += is_slow;
    c->streak = is_failed ? c->streak + (c->streak < INT32_MAX) : 0;
}

static bool is_too_much(int64_t bad, int32_t percent, int64_t all)
{
    return percent > 0 && bad * 100 >= percent * all;
}

static struct circuit_cause failing(const struct circuit *c, const struct circuit_policy *p)
{
    const struct circuit_tally *t = &c->sum;
    bool is_enough = t->all >= p->least || t->all == c->window;
    if (is_enough && is_too_much(t->failed, p->percent, t->all))
        return (struct circuit_cause){CIRCUIT_FAILURES, t->failed, t->all};
    if (is_enough && is_too_much(t->slow, p->slow_percent, t->all))
        return (struct circuit_cause){CIRCUIT_SLOWNESS, t->slow, t->all};
    if (p->consecutive > 0 && c->streak >= p->consecutive)
        return (struct circuit_cause){CIRCUIT_CONSECUTIVE, c->streak, c->streak};
    return (struct circuit_cause){.why = CIRCUIT_NOT};
}

/* --- probes ----------------------------------------------------------------------------------- */

static uint64_t refuse(const struct circuit *c)
{
    return c->mode == CIRCUIT_METRICS_ONLY ? CIRCUIT_UNHEEDED : 0;
}

static uint64_t lend(struct circuit *c, const struct circuit_policy *p, int64_t now_us)
{
    CHECK(p->probes >= 1 && p->probes <= CIRCUIT_PROBES_MOST && p->probe_us > 0);
    struct circuit_probes *r = &c->kept.probes;
    struct circuit_permit *spare = NULL;
    int64_t until_us = later(now_us, p->probe_us);
    int64_t most_us = later(until_us, p->probe_us); /* beyond that, the clock went back */
    int32_t lent = 0;
    for (int32_t i = 0; i < CIRCUIT_PROBES_MOST; i++) {
        struct circuit_permit *t = &r->permit[i];
        if (t->number != 0 && now_us < t->until_us && t->until_us <= most_us) {
            lent++;
        } else {
            t->number = 0; /* over is over, whatever the clock says later */
            spare = t;
        }
    }
    if (lent + r->good >= p->probes)
        return refuse(c);
    r->lent = r->lent % CIRCUIT_NUMBER_MOST + 1;
    *spare = (struct circuit_permit){until_us, r->lent};
    return circuit_word(c) | CIRCUIT_PASS | (uint64_t)r->lent << CIRCUIT_NUMBER_SHIFT;
}

static void give_back(struct circuit *c, uint64_t pass)
{
    uint32_t number = (uint32_t)pass >> CIRCUIT_NUMBER_SHIFT;
    for (int32_t i = 0; i < CIRCUIT_PROBES_MOST; i++)
        if (c->kept.probes.permit[i].number == number)
            c->kept.probes.permit[i].number = 0;
}

static bool is_bad(const struct circuit_policy *p, uint32_t outcome)
{
    return outcome & CIRCUIT_FAILED || (outcome & CIRCUIT_SLOW && p->slow_percent > 0);
}

/* What becomes of it by its probes. */
static enum circuit_state decided(const struct circuit *c, const struct circuit_policy *p)
{
    if (c->kept.probes.bad > 0)
        return CIRCUIT_OPEN;
    return c->kept.probes.good >= p->probes ? CIRCUIT_CLOSED : CIRCUIT_HALF;
}

static void answer(struct circuit *c, const struct circuit_policy *p, uint64_t pass,
                   uint32_t outcome, int64_t now_us, uint64_t dice)
{
    struct circuit_probes *r = &c->kept.probes;
    give_back(c, pass);
    r->good += !is_bad(p, outcome);
    r->bad += is_bad(p, outcome);
    enum circuit_state next = decided(c, p);
    if (next == CIRCUIT_OPEN)
        trip(c, p, (struct circuit_cause){CIRCUIT_PROBE, r->bad, r->bad + r->good}, now_us, dice);
    else if (next == CIRCUIT_CLOSED)
        move(c, CIRCUIT_CLOSED, now_us);
}

/* --- what is asked of it ---------------------------------------------------------------------- */

/* It is CLOSED, counts the last outcomes, and goes by this policy already. */
static bool has_seen(const struct circuit *c, const struct circuit_policy *p)
{
    return c->state == CIRCUIT_CLOSED && c->mode == p->mode && c->window == p->window &&
           c->window > 0;
}

void circuit_look(struct circuit *c, const struct circuit_policy *p, int64_t now_us)
{
    if (c->mode != p->mode)
        change_mode(c, p->mode, now_us);
    if (c->state == CIRCUIT_HALF && decided(c, p) == CIRCUIT_CLOSED)
        move(c, CIRCUIT_CLOSED, now_us); /* fewer probes do now */
    if (c->state == CIRCUIT_OPEN)
        c->until_us = smaller(c->until_us, later(now_us, p->pause_max_us));
    if (c->state != CIRCUIT_CLOSED)
        return;
    if (c->window != p->window || c->span_us != p->span_us)
        change_window(c, p, now_us);
    if (c->window == 0)
        pass_time(c, now_us);
}

uint64_t circuit_allow(struct circuit *c, const struct circuit_policy *p, int64_t now_us)
{
    circuit_look(c, p, now_us);
    if (c->state == CIRCUIT_OPEN && c->mode != CIRCUIT_FORCED_OPEN && now_us >= c->until_us)
        move(c, CIRCUIT_HALF, now_us);
    switch (c->state) {
    case CIRCUIT_CLOSED:
        return circuit_pass(circuit_word(c));
    case CIRCUIT_OPEN:
        return refuse(c);
    case CIRCUIT_HALF:
        return lend(c, p, now_us);
    }
    UNREACHABLE();
}

/* Nothing else is news of the state that it is in. */
static bool counts(const struct circuit *c, uint64_t pass)
{
    CHECK(pass != 0);
    return pass >> CIRCUIT_ERA_SHIFT == c->era && !circuit_would_refuse(pass);
}

void circuit_record(struct circuit *c, const struct circuit_policy *p, uint64_t pass,
                    uint32_t outcome, int64_t now_us, uint64_t dice)
{
    if (!has_seen(c, p))
        circuit_look(c, p, now_us);
    if (!counts(c, pass))
        return;
    if (c->state == CIRCUIT_HALF) {
        answer(c, p, pass, outcome, now_us, dice);
    } else if (c->state == CIRCUIT_CLOSED) {
        remember(c, outcome);
        struct circuit_cause cause = failing(c, p);
        if (cause.why != CIRCUIT_NOT && c->mode != CIRCUIT_FORCED_CLOSED)
            trip(c, p, cause, now_us, dice);
    }
}

void circuit_return(struct circuit *c, uint64_t pass)
{
    if (counts(c, pass) && c->state == CIRCUIT_HALF)
        give_back(c, pass);
}

const char *circuit_state_name(enum circuit_state state)
{
    switch (state) {
    case CIRCUIT_CLOSED:
        return "closed";
    case CIRCUIT_OPEN:
        return "open";
    case CIRCUIT_HALF:
        return "half";
    }
    UNREACHABLE();
}

const char *circuit_reason(enum circuit_why why)
{
    switch (why) {
    case CIRCUIT_NOT:
        return "none";
    case CIRCUIT_FAILURES:
        return "failures";
    case CIRCUIT_SLOWNESS:
        return "slow";
    case CIRCUIT_CONSECUTIVE:
        return "consecutive";
    case CIRCUIT_PROBE:
        return "probe";
    case CIRCUIT_ORDER:
        return "order";
    }
    UNREACHABLE();
}
