/* circuit_model_spec.c - random lives of a circuit beside a slow model of it, which keeps a list of all
 * that happened, and counts anew whenever it is asked. */
#include "rules/circuit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"

#define MS 1000
#define SECOND 1000000
#define HOUR (3600 * (int64_t)SECOND)

/* --- the model -------------------------------------------------------------------------------- */

#define LISTED 8000
#define CALLS 40

struct ended {
    int64_t at_us;
    bool is_failed, is_slow;
};

/* What a call was told, and with which permit. */
enum told { REFUSED = 0, PASSES, UNHEEDED };
struct called {
    enum told told;
    uint64_t pass;  /* what the circuit gave it */
    int64_t turn;   /* of the state in which it passed */
    int32_t permit; /* in the list of those; -1: none */
};

struct model {
    struct circuit_policy policy; /* that it goes by */
    int32_t window;
    int64_t span_us;
    enum circuit_state state;
    int64_t turn; /* moves until now */
    int64_t since_us, until_us, pause_us;
    int32_t trips, row;
    struct circuit_cause cause;
    struct ended ended[LISTED]; /* since it closed, of those that count */
    int32_t count;
    int64_t clock_us;                /* as far as it ever came, with a span */
    int64_t permit_until_us[LISTED]; /* 0: it is back */
    int32_t permits, good;
};

static void enter(struct model *m, enum circuit_state state, int64_t now_us)
{
    if (m->state == CIRCUIT_CLOSED && now_us - m->since_us >= m->pause_us)
        m->pause_us = 0;
    m->state = state;
    m->turn++;
    m->since_us = now_us;
    m->row = m->count = m->permits = m->good = 0;
    m->clock_us = 0;
}

static void open_it(struct model *m, enum circuit_why why, int64_t bad, int64_t of, int64_t now_us,
                    uint64_t dice)
{
    const struct circuit_policy *p = &m->policy;
    enter(m, CIRCUIT_OPEN, now_us);
    m->cause = (struct circuit_cause){why, bad, of};
    m->trips++;
    int64_t pause_us = m->pause_us * 2;
    if (pause_us < p->pause_us)
        pause_us = p->pause_us;
    if (pause_us > p->pause_max_us)
        pause_us = p->pause_max_us;
    m->pause_us = pause_us;
    m->until_us = now_us + pause_us - (int64_t)(dice % (uint64_t)(pause_us / 10 + 1));
}

static int64_t bucket_of(int64_t at_us, int64_t span_us)
{
    return at_us / (span_us / 10);
}

static void forget_the_old(struct model *m)
{
    int32_t kept = 0;
    for (int32_t i = 0; i < m->count; i++)
        if (bucket_of(m->ended[i].at_us, m->span_us) > bucket_of(m->clock_us, m->span_us) - 10)
            m->ended[kept++] = m->ended[i];
    m->count = kept;
}

static void come_to(struct model *m, int64_t now_us)
{
    if (m->clock_us < now_us)
        m->clock_us = now_us;
    forget_the_old(m);
}

/* All that happened in a bucket did so at its beginning, and so did now. */
static void round_down(struct model *m, int64_t now_us)
{
    int64_t width_us = m->span_us / 10;
    come_to(m, now_us);
    for (int32_t i = 0; i < m->count; i++)
        m->ended[i].at_us -= m->ended[i].at_us % width_us;
    m->clock_us -= m->clock_us % width_us;
}

static void keep_what_can_be_kept(struct model *m, int64_t now_us)
{
    const struct circuit_policy *p = &m->policy;
    bool was_last = m->window > 0, was_span = m->window == 0 && m->span_us > 0;
    if (was_span && p->window == 0 && m->span_us != p->span_us)
        round_down(m, now_us);
    else if (!(was_span && p->window == 0) && !(was_last && p->window > 0))
        m->count = m->clock_us = 0;
    m->window = p->window;
    m->span_us = p->span_us;
    if (m->window == 0)
        come_to(m, now_us);
}

static void obey(struct model *m, enum circuit_mode was, int64_t now_us)
{
    enum circuit_mode mode = m->policy.mode;
    if (was == mode)
        return;
    if (was == CIRCUIT_FORCED_OPEN)
        m->until_us = now_us;
    if (mode == CIRCUIT_FORCED_CLOSED && m->state != CIRCUIT_CLOSED)
        enter(m, CIRCUIT_CLOSED, now_us);
    if (mode == CIRCUIT_FORCED_OPEN && m->state != CIRCUIT_OPEN)
        enter(m, CIRCUIT_OPEN, now_us);
    if (mode == CIRCUIT_FORCED_OPEN)
        m->cause = (struct circuit_cause){CIRCUIT_ORDER, 0, 0};
}

static void model_look(struct model *m, const struct circuit_policy *p, int64_t now_us)
{
    enum circuit_mode was = m->policy.mode;
    m->policy = *p;
    obey(m, was, now_us);
    if (m->state == CIRCUIT_HALF && m->good >= p->probes)
        enter(m, CIRCUIT_CLOSED, now_us);
    if (m->state == CIRCUIT_OPEN && m->until_us > now_us + p->pause_max_us)
        m->until_us = now_us + p->pause_max_us;
    if (m->state == CIRCUIT_CLOSED)
        keep_what_can_be_kept(m, now_us);
}

static struct circuit_tally tally(const struct model *m)
{
    struct circuit_tally t = {0};
    for (int32_t i = m->count - 1; i >= 0; i--) {
        if (m->window > 0 && t.all == m->window)
            break;
        t.all++;
        t.failed += m->ended[i].is_failed;
        t.slow += m->ended[i].is_slow;
    }
    return t;
}

static enum told not_now(const struct model *m)
{
    return m->policy.mode == CIRCUIT_METRICS_ONLY ? UNHEEDED : REFUSED;
}

/* Who has one beyond its deadline has none, whatever the clock says later. */
static int32_t permits_out(struct model *m, int64_t now_us)
{
    int32_t out = 0;
    for (int32_t i = 0; i < m->permits; i++) {
        int64_t left_us = m->permit_until_us[i] - now_us;
        if (left_us <= 0 || left_us > 2 * m->policy.probe_us)
            m->permit_until_us[i] = 0;
        else
            out++;
    }
    return out;
}

static struct called model_allow(struct model *m, const struct circuit_policy *p, int64_t now_us)
{
    model_look(m, p, now_us);
    bool is_forced = p->mode == CIRCUIT_FORCED_OPEN;
    if (m->state == CIRCUIT_OPEN && !is_forced && now_us >= m->until_us)
        enter(m, CIRCUIT_HALF, now_us);
    struct called c = {.told = PASSES, .turn = m->turn, .permit = -1};
    if (m->state == CIRCUIT_OPEN)
        c.told = not_now(m);
    if (m->state == CIRCUIT_HALF) {
        if (permits_out(m, now_us) + m->good >= p->probes) {
            c.told = not_now(m);
        } else {
            c.permit = m->permits++;
            m->permit_until_us[c.permit] = now_us + p->probe_us;
        }
    }
    return c;
}

static bool is_share(int64_t bad, int64_t all, int32_t percent)
{
    return percent != 0 && bad * 100 / all >= percent; /* no whole percent is between */
}

static void judge(struct model *m, int64_t now_us, uint64_t dice)
{
    const struct circuit_policy *p = &m->policy;
    struct circuit_tally t = tally(m);
    bool is_full = m->window > 0 && t.all >= m->window;
    if (p->mode == CIRCUIT_FORCED_CLOSED)
        return;
    if ((is_full || t.all >= p->least) && is_share(t.failed, t.all, p->percent))
        open_it(m, CIRCUIT_FAILURES, t.failed, t.all, now_us, dice);
    else if ((is_full || t.all >= p->least) && is_share(t.slow, t.all, p->slow_percent))
        open_it(m, CIRCUIT_SLOWNESS, t.slow, t.all, now_us, dice);
    else if (p->consecutive != 0 && m->row >= p->consecutive)
        open_it(m, CIRCUIT_CONSECUTIVE, m->row, m->row, now_us, dice);
}

static void list(struct model *m, uint32_t outcome, int64_t now_us)
{
    if (m->count == LISTED) {
        for (int32_t i = 0; i < LISTED / 2; i++)
            m->ended[i] = m->ended[i + LISTED / 2];
        m->count = LISTED / 2;
    }
    m->ended[m->count++] =
        (struct ended){m->window == 0 ? m->clock_us : now_us, (outcome & CIRCUIT_FAILED) != 0,
                       (outcome & CIRCUIT_SLOW) != 0};
    m->row = outcome & CIRCUIT_FAILED ? m->row + 1 : 0;
}

static void model_record(struct model *m, const struct circuit_policy *p, const struct called *c,
                         uint32_t outcome, int64_t now_us, uint64_t dice)
{
    model_look(m, p, now_us);
    if (c->told == UNHEEDED || c->turn != m->turn)
        return;
    if (m->state == CIRCUIT_CLOSED) {
        list(m, outcome, now_us);
        judge(m, now_us, dice);
        return;
    }
    m->permit_until_us[c->permit] = 0;
    bool is_slow = p->slow_percent > 0 && (outcome & CIRCUIT_SLOW);
    if (outcome & CIRCUIT_FAILED || is_slow)
        open_it(m, CIRCUIT_PROBE, 1, m->good + 1, now_us, dice);
    else if (++m->good >= p->probes)
        enter(m, CIRCUIT_CLOSED, now_us);
}

static void model_return(struct model *m, const struct called *c)
{
    if (c->told == PASSES && c->turn == m->turn && m->state == CIRCUIT_HALF)
        m->permit_until_us[c->permit] = 0;
}

/* --- a life ----------------------------------------------------------------------------------- */

struct life {
    struct circuit circuit;
    struct model model;
    struct circuit_policy policy;
    struct called call[CALLS];
    int32_t calls;
    int64_t now_us;
    uint64_t seed, dice;
    int32_t step;
    int64_t moved[3][3]; /* in one step, in which much may happen */
    int64_t told[3], outcomes;
};

static int64_t roll(struct life *l, int64_t below)
{
    l->dice = l->dice * 6364136223846793005U + 1442695040888963407U;
    return (int64_t)((l->dice >> 33) % (uint64_t)below);
}

static bool one_in(struct life *l, int64_t many)
{
    return roll(l, many) == 0;
}

static void expect(const struct life *l, const char *what, int64_t is, int64_t expected)
{
    if (is != expected)
        fail_msg("seed %llu, step %d: %s is %lld, not %lld", (unsigned long long)l->seed, l->step,
                 what, (long long)is, (long long)expected);
}

static void compare(struct life *l)
{
    const struct circuit *c = &l->circuit;
    const struct model *m = &l->model;
    expect(l, "the state", c->state, m->state);
    expect(l, "the mode", c->mode, m->policy.mode);
    expect(l, "the era", c->era, m->turn);
    expect(l, "since", c->since_us, m->since_us);
    expect(l, "the pause", c->pause_us, m->pause_us);
    expect(l, "the number of trips", c->trips, m->trips);
    expect(l, "why", c->cause.why, m->cause.why);
    expect(l, "of those so many bad", c->cause.bad, m->cause.bad);
    expect(l, "of so many", c->cause.of, m->cause.of);
    if (m->state == CIRCUIT_OPEN)
        expect(l, "until", c->until_us, m->until_us);
    if (m->state == CIRCUIT_HALF)
        expect(l, "the number of good probes", c->kept.probes.good, m->good);
    if (m->state != CIRCUIT_CLOSED)
        return;
    struct circuit_tally t = tally(m);
    expect(l, "all", c->sum.all, t.all);
    expect(l, "failed", c->sum.failed, t.failed);
    expect(l, "slow", c->sum.slow, t.slow);
    expect(l, "in a row", c->streak, m->row);
}

/* What may change of one that is open, and stays so. */
static bool is_as_it_was(const struct circuit *was, const struct circuit *is)
{
    return was->state == is->state && was->era == is->era && was->mode == is->mode &&
           was->until_us == is->until_us && was->trips == is->trips;
}

static void ask(struct life *l)
{
    uint64_t word = circuit_word(&l->circuit);
    enum circuit_state before = l->circuit.state;
    struct circuit asked = l->circuit;
    bool is_shut = circuit_is_shut(&l->circuit, &l->policy, l->now_us);
    uint64_t pass = circuit_allow(&l->circuit, &l->policy, l->now_us);
    struct called c = model_allow(&l->model, &l->policy, l->now_us);
    enum told told = pass == 0 ? REFUSED : circuit_would_refuse(pass) ? UNHEEDED : PASSES;
    expect(l, "what the call is told", told, c.told);
    expect(l, "whether it was known to be shut", is_shut,
           told == REFUSED && before == CIRCUIT_OPEN && is_as_it_was(&asked, &l->circuit));
    if (l->model.turn == (int64_t)(word >> CIRCUIT_ERA_SHIFT))
        expect(l, "the pass by the word", (int64_t)circuit_pass(word),
               before == CIRCUIT_CLOSED ? (int64_t)pass : 0);
    l->told[told]++;
    c.pass = pass;
    if (pass != 0 && l->calls < CALLS)
        l->call[l->calls++] = c;
    else if (pass != 0)
        l->call[roll(l, CALLS)] = c; /* that one is never heard of again */
}

static void end_one(struct life *l, int64_t percent)
{
    if (l->calls == 0)
        return;
    int32_t at = (int32_t)roll(l, l->calls);
    struct called c = l->call[at];
    l->call[at] = l->call[--l->calls];
    bool is_failed = roll(l, 100) < percent;
    uint32_t outcome =
        circuit_outcome(&l->policy, is_failed, roll(l, 100) < percent ? 2 * SECOND : 0);
    if (one_in(l, 10)) {
        circuit_return(&l->circuit, c.pass);
        model_return(&l->model, &c);
        return;
    }
    uint64_t dice = (uint64_t)roll(l, HOUR);
    l->outcomes++;
    circuit_record(&l->circuit, &l->policy, c.pass, outcome, l->now_us, dice);
    model_record(&l->model, &l->policy, &c, outcome, l->now_us, dice);
}

static void pass_time(struct life *l)
{
    static const int64_t most_us[] = {2,      MS,          100 * MS,    100 * MS, SECOND,
                                      SECOND, 10 * SECOND, 60 * SECOND, HOUR,     1000 * HOUR};
    int64_t span_us = roll(l, most_us[roll(l, COUNT(most_us))]);
    l->now_us += one_in(l, 15) ? -span_us : span_us;
    l->now_us = l->now_us < 0 ? 0 : l->now_us;
}

static void change_mode(struct life *l)
{
    l->policy.mode = one_in(l, 2) ? CIRCUIT_AUTOMATIC : (enum circuit_mode)roll(l, 4);
}

static void change_policy(struct life *l)
{
    static const int32_t window[] = {0, 0, 0, 1, 2, 10, 32, 64, 65, 999, 1000};
    static const int64_t span_us[] = {10,         19,          100 * MS,    SECOND,
                                      3 * SECOND, 10 * SECOND, 60 * SECOND, 24 * HOUR};
    static const int32_t percent[] = {0, 1, 33, 50, 50, 60, 80, 99, 100};
    struct circuit_policy *p = &l->policy;
    if (one_in(l, 2))
        p->window = window[roll(l, COUNT(window))];
    if (one_in(l, 2))
        p->span_us = span_us[roll(l, COUNT(span_us))];
    p->least = (int32_t)roll(l, one_in(l, 2) ? 6 : 120);
    p->percent = percent[roll(l, COUNT(percent))];
    p->slow_percent = percent[roll(l, COUNT(percent))];
    p->slow_us = one_in(l, 4) ? 0 : SECOND;
    p->consecutive = one_in(l, 2) ? 0 : 1 + (int32_t)roll(l, 12);
    p->probes = 1 + (int32_t)roll(l, one_in(l, 3) ? CIRCUIT_PROBES_MOST : 3);
    p->probe_us = 1 + roll(l, one_in(l, 2) ? SECOND : 100 * SECOND);
    p->pause_us = roll(l, one_in(l, 3) ? 10 : 2 * SECOND);
    p->pause_max_us = roll(l, one_in(l, 3) ? 3 * SECOND : 100 * SECOND);
}

static void act(struct life *l)
{
    int64_t what = roll(l, 100);
    int64_t many = one_in(l, 400) ? 1500 : roll(l, 40);
    int64_t percent = one_in(l, 3) ? 70 : one_in(l, 2) ? 20 : 2;
    if (what < 30)
        pass_time(l);
    else if (what < 33)
        change_policy(l);
    else if (what < 38)
        change_mode(l);
    else if (what < 60)
        ask(l);
    else if (what < 80)
        end_one(l, percent);
    else
        for (int64_t i = 0; i < many; i++) {
            ask(l);
            end_one(l, percent);
        }
    if (one_in(l, 2))
        return; /* what holds from the next call is not in force yet */
    circuit_look(&l->circuit, &l->policy, l->now_us);
    model_look(&l->model, &l->policy, l->now_us);
}

static void live(struct life *l, uint64_t seed)
{
    l->circuit = (struct circuit){.state = CIRCUIT_CLOSED};
    memset(&l->model, 0, sizeof l->model);
    l->policy = (struct circuit_policy){.span_us = SECOND};
    l->seed = seed;
    l->dice = seed * 0x9e3779b97f4a7c15U;
    l->now_us = one_in(l, 4) ? 0 : roll(l, HOUR);
    l->calls = 0;
    change_policy(l);
    for (l->step = 0; l->step < 150; l->step++) {
        enum circuit_state before = l->circuit.state;
        act(l);
        compare(l);
        l->moved[before][l->circuit.state]++;
    }
}

static void it_does_as_the_model_does(void **unused)
{
    (void)unused;
    static struct life l;
    for (uint64_t seed = 1; seed <= 2000; seed++)
        live(&l, seed);
    print_message("# %lld outcomes, %lld pass, %lld would not, %lld do not\n",
                  (long long)l.outcomes, (long long)l.told[PASSES], (long long)l.told[UNHEEDED],
                  (long long)l.told[REFUSED]);
    assert_true(l.outcomes > 100000 && l.told[UNHEEDED] > 10000 && l.told[REFUSED] > 10000);
    for (int from = CIRCUIT_CLOSED; from <= CIRCUIT_HALF; from++)
        for (int to = CIRCUIT_CLOSED; to <= CIRCUIT_HALF; to++)
            assert_true(l.moved[from][to] >
                        (from == CIRCUIT_CLOSED && to == CIRCUIT_HALF ? 0 : 1000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_does_as_the_model_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
