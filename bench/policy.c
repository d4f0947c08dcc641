/* policy.c - what each rule takes of a call that goes well: all that it is asked from begin to end.
 *
 * A call comes every 10 us of a time that is made up, and each rule turns as often as it does by such a clock. It is
 * looked at that every call goes well. The processor's time of this thread, in slices that alternate with those of a
 * loop that asks no rule. That loop is counted 15 ns longer, which is what a rule may take: so what one takes is ours,
 * less the other, and 15. What the engine does around a rule that workers share, a lock or an exchange, is not in it.
 */
#include "base/check.h"
#include "rules/bulkhead.h"
#include "rules/circuit.h"
#include "rules/early.h"
#include "rules/hedge.h"
#include "rules/limit.h"
#include "rules/rate.h"
#include "rules/retry.h"
#include "rules/shed.h"
#include "rules/throttle.h"
#include "stage.h"

#define PAIRS 41
#define SLICES 20   /* of each side in a pair */
#define SLICE 20000 /* calls in a slice */
#define ALLOWED_NS 15
#define APART_US 10
#define TOOK_US 800
#define SECOND_US 1000000

/* Each rule as one that has known nothing but calls that went well; a policy is not known to the compiler. */
struct calls {
    int64_t now_us;
    uint64_t dice;
    struct retry_policy retry;
    struct circuit_policy last, span;
    struct circuit by_last, by_span;
    struct limit_policy adaptive;
    struct limit limit;
    struct limit_seen seen;
    struct bulkhead_policy fixed;
    struct bulkhead bulkhead;
    struct rate_limit often[RATE_WINDOW + 1];
    struct rate rate[RATE_WINDOW + 1];
    struct shed_policy queue;
    struct shed shed;
    struct early_policy early;
    struct hedge_policy hedge;
    int64_t spent; /* by copies */
    struct throttle_policy quota;
    uint64_t tokens;
};

/* One call. True: it went well. */
typedef bool call(struct calls *c);

static bool ask_none(struct calls *c)
{
    return c->now_us > 0;
}

/* The compiler must not know who is called, or it saves the call. */
static call *volatile bare = ask_none;

/* Also what is asked only when one went badly. */
static bool retry(struct calls *c)
{
    return retry_is_left(&c->retry, 1) &&
           retry_may_begin(retry_pause_us(&c->retry, 2, c->dice), c->now_us, c->now_us + SECOND_US);
}

static bool circuit(struct circuit *by, const struct circuit_policy *p, const struct calls *c)
{
    uint64_t pass = circuit_pass(circuit_word(by));
    if (pass == 0)
        return false;
    circuit_record(by, p, pass, circuit_outcome(p, false, TOOK_US), c->now_us, c->dice);
    return true;
}

static bool circuit_of_last(struct calls *c)
{
    return circuit(&c->by_last, &c->last, c);
}

static bool circuit_of_span(struct calls *c)
{
    return circuit(&c->by_span, &c->span, c);
}

/* As many are under way as may be, so that each counts. */
static bool limit(struct calls *c)
{
    int32_t level = c->limit.trial == 0 ? c->adaptive.initial : c->limit.level;
    struct limit_pass pass = limit_begin(&c->limit, &c->adaptive, level - 1);
    if (limit_note(&c->seen, pass, TOOK_US, true, c->now_us))
        limit_turn(&c->limit, &c->adaptive, &c->seen, c->now_us);
    return pass.under > 0;
}

static bool bulkhead(struct calls *c)
{
    if (bulkhead_enter(&c->bulkhead, &c->fixed) != BULKHEAD_RUN)
        return false;
    bulkhead_return(&c->bulkhead);
    return true;
}

static bool rate(struct calls *c, enum rate_shape shape)
{
    return rate_take(&c->rate[shape], &c->often[shape], 1, SECOND_US, c->now_us).verdict == RATE_GO;
}

static bool rate_bucket(struct calls *c)
{
    return rate(c, RATE_BUCKET);
}

static bool rate_leaky(struct calls *c)
{
    return rate(c, RATE_LEAKY);
}

static bool rate_window(struct calls *c)
{
    return rate(c, RATE_WINDOW);
}

static bool shed(struct calls *c)
{
    return !shed_refuses(&c->shed, &c->queue, SHED_NORMAL, TOOK_US, 3, c->now_us);
}

static bool early(struct calls *c)
{
    return !early_refuses(&c->early, SECOND_US, TOOK_US, 1000, c->dice);
}

static bool hedge(struct calls *c)
{
    struct hedge h;
    int64_t delay_us = hedge_delay_us(&c->hedge, 2 * TOOK_US);
    c->spent = hedge_earn(&c->hedge, c->spent, 1);
    return hedge_begin(&h, &c->hedge, true, delay_us, c->now_us).next == HEDGE_WAIT &&
           hedge_ended(&h, &c->hedge, HEDGE_WELL, c->now_us + TOOK_US).next == HEDGE_ANSWER;
}

/* The word stays as it is: there is nothing to exchange. */
static bool throttle(struct calls *c)
{
    return throttle_reward(c->tokens, &c->quota, 0) == c->tokens;
}

/* --- a rule beside none ----------------------------------------------------------------------- */

static double time_calls(struct calls *c, call *one)
{
    int64_t well = 0;
    double begun_ns = bench_thread_ns();
    for (int i = 0; i < SLICE; i++) {
        c->now_us += APART_US;
        c->dice = c->dice * 6364136223846793005u + 1442695040888963407u;
        well += one(c);
    }
    double took_ns = bench_thread_ns() - begun_ns;
    CHECK(well == SLICE);
    return took_ns / SLICE;
}

static void measure(const char *row, struct calls *c, call *one, double allowed_ns)
{
    double ours = 0, other = 0;
    for (int i = 0; i < SLICES; i += 2) { /* each is first as often as the other */
        ours += time_calls(c, one) / SLICES;
        other += time_calls(c, bare) / SLICES;
        other += time_calls(c, bare) / SLICES;
        ours += time_calls(c, one) / SLICES;
    }
    bench_pair(row, ours, other + allowed_ns);
}

static const struct {
    const char *name;
    call *one;
} rows[] = {
    {"policy.retry", retry},
    {"policy.circuit", circuit_of_last},
    {"policy.circuit.span", circuit_of_span},
    {"policy.limit", limit},
    {"policy.bulkhead", bulkhead},
    {"policy.rate", rate_bucket},
    {"policy.rate.leaky", rate_leaky},
    {"policy.rate.window", rate_window},
    {"policy.shed", shed},
    {"policy.early", early},
    {"policy.hedge", hedge},
    {"policy.throttle", throttle},
};

/* --- what policies say ------------------------------------------------------------------------ */

static void say_circuits(struct calls *c)
{
    c->last = (struct circuit_policy){.window = 100,
                                      .least = 20,
                                      .percent = 50,
                                      .slow_percent = 80,
                                      .slow_us = SECOND_US,
                                      .consecutive = 10,
                                      .probes = 3,
                                      .probe_us = SECOND_US,
                                      .pause_us = SECOND_US,
                                      .pause_max_us = 60 * SECOND_US};
    c->span = c->last;
    c->span.window = 0;
    c->span.span_us = 30 * SECOND_US;
}

/* Twice as often as calls come. */
static void say_rates(struct calls *c)
{
    for (int shape = RATE_BUCKET; shape <= RATE_WINDOW; shape++)
        c->often[shape] = (struct rate_limit){
            .shape = shape,
            .rate = {.tokens = 2 * SECOND_US / APART_US, .span_us = SECOND_US, .burst = 1000}};
}

static void say_quota(struct calls *c)
{
    c->quota = (struct throttle_policy){.mode = THROTTLE_QUOTA,
                                        .capacity = 500 * THROTTLE_TOKEN,
                                        .success = THROTTLE_TOKEN,
                                        .cost = 5 * THROTTLE_TOKEN,
                                        .cost_transient = 10 * THROTTLE_TOKEN};
    c->tokens = throttle_reward(0, &c->quota, 0);
}

int main(void)
{
    struct calls c = {
        .retry = {.tries = 3, .pause_us = 50000, .pause_max_us = 2000000},
        .adaptive = {.min = 1, .max = 1000, .initial = 4, .tolerance = 2},
        .fixed = {.concurrent = 1000, .queue = 64},
        .queue = {.interval_us = 100000, .of[SHED_NORMAL] = {.target_us = 5000, .most_us = 10000}},
        .early = {.least = 20, .share = 0.1},
        .hedge = {.most = 2, .permille = 950, .floor_us = 1000, .share = 0.05, .burst = 10},
    };
    say_circuits(&c);
    say_rates(&c);
    say_quota(&c);
    for (int i = 0; i < PAIRS; i++) {
        for (size_t row = 0; row < sizeof rows / sizeof rows[0]; row++)
            measure(rows[row].name, &c, rows[row].one, ALLOWED_NS);
        measure("noise.policy", &c, bare, 0);
    }
    return 0;
}
