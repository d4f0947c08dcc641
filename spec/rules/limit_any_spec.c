/* limit_any_spec.c - whatever comes, in any order. */
#include "support/trials.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <math.h>

#include "base/check.h"

#define MS 1000
#define SECOND 1000000
#define HOUR (3600 * (int64_t)SECOND)

static struct trials t;
static struct limit *const l = &t.limit;

static uint64_t dice_state;

static uint64_t dice(uint64_t bound)
{
    uint64_t x = dice_state += 0x9e3779b97f4a7c15U;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9U;
    x = (x ^ x >> 27) * 0x94d049bb133111ebU;
    return (x ^ x >> 31) % bound;
}

static int64_t any_span_us(void)
{
    static const int64_t most[] = {1, MS, SECOND, 24 * HOUR, INT64_MAX};
    int64_t span_us = (int64_t)dice((uint64_t)most[dice(COUNT(most))]);
    return dice(8) == 0 ? -span_us : span_us;
}

static void any_policy(void)
{
    static const uint64_t most[] = {1, 10, 1000, 1000000000};
    t.policy.min = 1 + (int32_t)dice(most[dice(COUNT(most))]);
    t.policy.max = t.policy.min + (int32_t)dice(most[dice(COUNT(most))]);
    t.policy.initial = (int32_t)dice(2000000000);
    t.policy.tolerance = 1 + (double)dice(1000) / 100;
}

static bool is_sound(void)
{
    struct limit_view v = limit_view(l, &t.policy);
    return l->limit >= t.policy.min && l->limit <= t.policy.max && l->lower >= t.policy.min &&
           l->lower <= l->upper && l->upper <= t.policy.max &&
           l->level == (l->trial % 2 == 0 ? l->lower : l->upper) && l->trial > 1 && l->near >= 1 &&
           l->near <= l->lower && l->doubt >= 0.004 && l->doubt <= 0.25 && l->apart >= 0.22 &&
           l->apart <= 0.7 && l->noise >= 0 && isfinite(l->noise) && isfinite(l->lean) &&
           isfinite(l->now) && isfinite(l->lately) && l->rest <= l->lately &&
           v.limit >= t.policy.min && v.limit <= t.policy.max && v.latency_us >= 0 &&
           v.rest_us >= 0 && isfinite(v.gain) &&
           limit_begin(l, &t.policy, l->level - 1).under == l->level &&
           limit_begin(l, &t.policy, l->level).under == 0;
}

/* Calls of this trial, or of the one before, some of which failed, and took any time; at times a million each. */
static void let_some_end(void)
{
    int32_t count = (int32_t)dice(40), failed = (int32_t)dice(3) * (int32_t)dice(40);
    int64_t usual_us = any_span_us();
    for (int32_t i = 0; i < count; i++) {
        struct limit_pass pass = {l->trial - (dice(20) == 0 ? 1 : 0), l->level};
        int64_t latency_us = dice(50) == 0 ? any_span_us() : usual_us;
        limit_note(&t.seen, pass, latency_us, i >= failed, t.now_us);
    }
    double each = dice(2) == 0 ? 1e6 : 1;
    t.seen.calls.count *= each;
    t.seen.calls.well *= each;
    t.seen.calls.latency_us *= each;
    t.seen.calls.under *= each;
}

static void whatever_comes_it_is_sound(void **unused)
{
    (void)unused;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        dice_state = seed;
        t = (struct trials){.now_us = any_span_us()};
        any_policy();
        trials_turn(&t, 0);
        for (int i = 0; i < 300; i++) {
            let_some_end();
            if (dice(20) == 0)
                any_policy();
            t.now_us = dice(10) == 0 ? any_span_us() : t.now_us / 2 + any_span_us() / 4;
            trials_turn(&t, 0);
            if (!is_sound())
                fail_msg("seed %d, turn %d: %f, %d and %d", (int)seed, i, l->limit, l->lower,
                         l->upper);
        }
    }
}

#define WORKERS 3
#define CALLS 64

/* Each call by itself: what it has of its begin, and whether its worker has noted its end. */
struct call {
    struct limit_pass pass;
    bool is_noted;
};

struct worker {
    struct limit_seen seen;
    struct call call[CALLS];
    int32_t calls;
};

static void hand_over(struct worker *w, double *count, double *under)
{
    uint32_t trial = l->trial;
    for (int32_t i = w->calls - 1; i >= 0; i--) {
        if (!w->call[i].is_noted)
            continue;
        *count += w->call[i].pass.trial == trial;
        *under += w->call[i].pass.trial == trial ? w->call[i].pass.under : 0;
        w->call[i] = w->call[--w->calls];
    }
    limit_turn(l, &t.policy, &w->seen, t.now_us);
    if (l->trial != trial)
        *count = *under = 0;
}

static void step(struct worker *w, int32_t *under_way)
{
    struct limit_pass pass = limit_begin(l, &t.policy, *under_way);
    struct call *c = &w->call[w->calls > 0 ? dice((uint64_t)w->calls) : 0];
    if (dice(2) == 0 && pass.under > 0 && w->calls < CALLS) {
        assert_int_equal(pass.trial, pass.under >= 0.8 * l->lower ? l->trial : 0);
        w->call[w->calls++] = (struct call){pass, false};
        (*under_way)++;
    } else if (w->calls > 0 && !c->is_noted) {
        c->is_noted = true;
        (*under_way)--;
        limit_note(&w->seen, c->pass, 10 * MS, true, t.now_us);
    }
}

static void calls_of_workers_count_as_a_model_says(void **unused)
{
    (void)unused;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct worker worker[WORKERS] = {{.calls = 0}};
        double count = 0, under = 0;
        int32_t under_way = 0;
        dice_state = seed;
        trials_begin(&t, 20);
        for (int i = 0; i < 2000; i++) {
            struct worker *w = &worker[dice(WORKERS)];
            t.now_us += (int64_t)dice(5 * MS);
            step(w, &under_way);
            if (dice(10) == 0)
                hand_over(w, &count, &under);
            if (l->calls.count != count || l->calls.under != under)
                fail_msg("seed %d, step %d: %.0f, not %.0f", (int)seed, i, l->calls.count, count);
        }
        assert_true(l->trial > 4);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_comes_it_is_sound),
        cmocka_unit_test(calls_of_workers_count_as_a_model_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
