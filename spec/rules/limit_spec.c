/* limit_spec.c - who may begin, what counts, and how trials follow each other. What pairs of them make of the limit is in
 * limit_pairs_spec.c, and what it makes of servers in limit_knee_spec.c. */
#include "support/trials.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <math.h>

#include "base/check.h"
#include "support/aborts.h"

#define MS 1000
#define SECOND 1000000
#define HOUR (3600 * (int64_t)SECOND)

static struct trials t;
static struct limit *const l = &t.limit;

/* --- who may begin, and what counts ------------------------------------------------------------ */

static void so_many_may_be_under_way(void **unused)
{
    (void)unused;
    static const struct {
        int32_t min, max, level, under, with; /* level 0: nothing is known, and 20 is initial */
    } row[] = {
        {1, 1000, 10, 0, 1},
        {1, 1000, 10, 9, 10},
        {1, 1000, 10, 10, 0},
        {1, 1000, 10, 11, 0},
        {1, 8, 10, 7, 8},
        {1, 8, 10, 8, 0}, /* another policy, at once */
        {12, 1000, 10, 11, 12},
        {12, 1000, 10, 12, 0},
        {1, 1000, 0, 19, 20},
        {1, 1000, 0, 20, 0},
        {1, 15, 0, 15, 0},
        {25, 1000, 0, 24, 25},
        {1, 1, 10, 0, 1},
        {1, 1, 10, 1, 0},
        {1, INT32_MAX, INT32_MAX, INT32_MAX - 1, INT32_MAX},
        {1, INT32_MAX, INT32_MAX, INT32_MAX, 0},
    };
    for (size_t i = 0; i < COUNT(row); i++) {
        const struct limit_policy p = {row[i].min, row[i].max, 20, 2};
        const struct limit some = {.level = row[i].level, .trial = row[i].level > 0 ? 2 : 0};
        struct limit_pass pass = limit_begin(&some, &p, row[i].under);
        if (pass.under != row[i].with || (pass.under == 0 && pass.trial != 0))
            fail_msg("row %zu: %d", i, pass.under);
    }
}

static void who_begins_beside_few_does_not_count(void **unused)
{
    (void)unused;
    trials_begin(&t, 100);
    assert_int_equal(l->lower, 70);
    assert_int_equal(l->upper, 142);
    assert_int_equal(limit_begin(l, &t.policy, 54).trial, 0);
    assert_int_equal(limit_begin(l, &t.policy, 54).under, 55);
    assert_int_equal(limit_begin(l, &t.policy, 55).trial, l->trial); /* 0.8 x 70 with it */
    trials_note(&t, 280, SECOND, 280);
    trials_turn(&t, SECOND);
    assert_int_equal(l->level, 142);
    assert_int_equal(limit_begin(l, &t.policy, 54).trial, 0);
    assert_int_equal(limit_begin(l, &t.policy, 55).trial, l->trial); /* nor in the trial above */
    limit_note(&t.seen, limit_begin(l, &t.policy, 54), SECOND, true, t.now_us);
    trials_turn(&t, SECOND);
    assert_true(l->calls.count == 0);
}

static void a_call_counts_with_what_it_took(void **unused)
{
    (void)unused;
    trials_begin(&t, 4);
    struct limit_pass pass = {.trial = l->trial, .under = 3};
    limit_note(&t.seen, pass, 1000, true, 0);
    limit_note(&t.seen, pass, 500, false, 0);
    limit_note(&t.seen, (struct limit_pass){l->trial, 2}, 0, true, 0);
    limit_note(&t.seen, (struct limit_pass){l->trial, 1}, -7, true, 0); /* a clock went back */
    limit_note(&t.seen, (struct limit_pass){0, 9}, 4000, true, 0);
    trials_turn(&t, 1);
    assert_true(l->calls.count == 4);
    assert_true(l->calls.well == 3);
    assert_true(l->calls.latency_us == 1502);
    assert_true(l->calls.under == 9);
    assert_int_equal(l->calls.most, 3);
    limit_note(&t.seen, (struct limit_pass){l->trial, 5}, INT64_MAX, true, 0);
    trials_turn(&t, 1);
    assert_true(l->calls.count == 5);
    assert_int_equal(l->calls.most, 5);
}

/* In which trial it began, by how many they are older. */
static void a_call_counts_in_its_trial_alone(void **unused)
{
    (void)unused;
    static const struct {
        uint32_t seen, pass, limit;
        int32_t count;
    } row[] = {{6, 6, 6, 2},
               {6, 5, 6, 1},
               {6, 4, 6, 1},
               {4, 6, 6, 1},
               {6, 6, 7, 0},
               {6, 7, 7, 1},
               {0, 2, 2, 1},
               {2, UINT32_MAX, 2, 1},
               {0, 0, 6, 0},
               {UINT32_MAX, 2, 2, 1},
               {UINT32_MAX, UINT32_MAX, 2, 0},
               {2147483650U, 2147483652U, 2147483652U, 1},
               {3000000000U, 0, 3000000000U, 1}};
    for (size_t i = 0; i < COUNT(row); i++) {
        trials_begin(&t, 4);
        t.seen.calls = (struct limit_calls){.trial = row[i].seen, .count = row[i].seen > 0};
        limit_note(&t.seen, (struct limit_pass){row[i].pass, 3}, SECOND, true, 0);
        l->trial = l->calls.trial = row[i].limit;
        trials_turn(&t, 1);
        if (l->calls.count != row[i].count)
            fail_msg("row %zu: %.0f count", i, l->calls.count);
        assert_int_equal(t.seen.calls.trial, row[i].limit);
        assert_true(t.seen.calls.count == 0);
    }
}

static void each_worker_hands_over_now_and_then(void **unused)
{
    (void)unused;
    trials_begin(&t, 4);
    trials_turn(&t, 10 * (int64_t)SECOND);
    assert_false(limit_note(&t.seen, (struct limit_pass){2, 3}, 1, true, t.now_us));
    assert_false(limit_note(&t.seen, (struct limit_pass){2, 3}, 1, true, t.now_us + 20 * MS - 1));
    assert_true(limit_note(&t.seen, (struct limit_pass){2, 3}, 1, true, t.now_us + 20 * MS));
    assert_true(limit_note(&t.seen, (struct limit_pass){0, 3}, 1, true, t.now_us + 20 * MS));
    assert_true(limit_note(&t.seen, (struct limit_pass){2, 3}, 1, true, t.now_us - 1));
    assert_true(limit_note(&t.seen, (struct limit_pass){2, 3}, 1, true, INT64_MAX));
    assert_true(limit_note(&t.seen, (struct limit_pass){2, 3}, 1, true, INT64_MIN));
}

/* What four see is what one sees. */
static void what_workers_see_adds_up(void **unused)
{
    (void)unused;
    struct limit_seen four[4] = {{.since_us = 0}};
    trials_begin(&t, 4);
    for (int32_t i = 0; i < 12; i++) {
        limit_note(&four[i % 4], (struct limit_pass){l->trial, i}, 1000 + i, i % 5 > 0, t.now_us);
        trials_note(&t, 1, SECOND, 1);
    }
    for (int i = 3; i >= 0; i--)
        limit_turn(l, &t.policy, &four[i], t.now_us);
    assert_true(l->calls.count == 12);
    assert_true(l->calls.well == 9);
    assert_true(l->calls.latency_us == 12066);
    assert_true(l->calls.under == 66);
    assert_int_equal(l->calls.most, 11);
    trials_turn(&t, 1);
    assert_true(l->calls.count == 24);
}

/* --- trials ------------------------------------------------------------------------------------ */

static void a_trial_has_calls_and_time_enough(void **unused)
{
    (void)unused;
    static const struct {
        int32_t initial, count;
        int64_t span_us;
        bool is_over;
    } row[] = {
        {4, 15, HOUR, false},   {4, 16, 50 * MS - 1, false}, {4, 16, 50 * MS, true},
        {4, 16, -HOUR, true},   {4, 0, HOUR, false},         {100, 279, HOUR, false},
        {100, 280, HOUR, true}, {100, 280, 50 * MS, true},   {100, 280, INT64_MAX / 2, true},
        {7, 19, HOUR, false},   {7, 20, HOUR, true},
    };
    for (size_t i = 0; i < COUNT(row); i++) {
        trials_begin(&t, row[i].initial);
        trials_turn(&t, HOUR); /* nothing came of it */
        trials_note(&t, row[i].count, SECOND, row[i].count);
        uint32_t trial = l->trial;
        bool is_other = trials_turn(&t, row[i].span_us - HOUR);
        if ((l->trial != trial) != row[i].is_over || is_other != row[i].is_over)
            fail_msg("row %zu: trial %u after %u", i, l->trial, trial);
    }
}

static void its_time_begins_with_it(void **unused)
{
    (void)unused;
    trials_begin(&t, 4);
    trials_note(&t, 16, SECOND, 16);
    assert_true(trials_turn(&t, HOUR));
    trials_note(&t, 24, SECOND, 24);
    assert_false(trials_turn(&t, 50 * MS - 1));
    assert_true(trials_turn(&t, 1));
}

static void trials_are_below_and_above_in_turn(void **unused)
{
    (void)unused;
    trials_begin(&t, 100);
    for (uint32_t i = 0; i < 10; i++) {
        int32_t lower = l->lower, upper = l->upper;
        assert_true(l->trial % 2 == i % 2);
        assert_int_equal(l->level, i % 2 == 0 ? lower : upper);
        assert_int_equal(l->since_us, t.now_us);
        trials_note(&t, 4 * l->level, SECOND, 4 * l->level);
        assert_true(trials_turn(&t, SECOND));
        assert_true(i % 2 == 1 || (l->lower == lower && l->upper == upper));
    }
    l->trial = l->calls.trial = t.seen.calls.trial = UINT32_MAX; /* 0 and 1 are none */
    l->below = (struct limit_calls){.count = 1, .well = 1, .latency_us = 1, .under = 1};
    trials_note(&t, 4 * l->level, SECOND, 4 * l->level);
    trials_turn(&t, SECOND);
    assert_int_equal(l->trial, 2);
    assert_int_equal(l->level, l->lower);
}

static void the_two_levels_differ_where_they_can(void **unused)
{
    (void)unused;
    static const struct {
        int32_t min, max, initial, lower, upper;
    } row[] = {
        {1, 1000, 1, 1, 2},     {1, 1000, 2, 1, 3},
        {1, 1000, 4, 3, 6},     {1, 1000, 100, 70, 142},
        {1, 100, 100, 70, 100}, {80, 1000, 80, 80, 114},
        {3, 3, 3, 3, 3},        {1, 2, 2, 1, 2},
        {1, 2, 1, 1, 2},        {5, 9, 100, 6, 9},
        {5, 9, 1, 5, 7},        {1, 2000000000, 2000000000, 1409376179, 2000000000},
    };
    for (size_t i = 0; i < COUNT(row); i++) {
        *l = (struct limit){.limit = 0};
        t.policy = (struct limit_policy){row[i].min, row[i].max, row[i].initial, 2};
        trials_turn(&t, 0);
        if (l->lower != row[i].lower || l->upper != row[i].upper)
            fail_msg("row %zu: %d and %d", i, l->lower, l->upper);
    }
    trials_begin(&t, 1000); /* as close as they may be, at the upper bound, */
    l->apart = 0.0001;
    trials_note(&t, 4 * l->level, SECOND, 4 * l->level);
    trials_turn(&t, SECOND);
    assert_int_equal(l->lower, 999);
    assert_int_equal(l->upper, 1000);
    trials_begin(&t, 50); /* and elsewhere */
    l->apart = 0.0001;
    trials_note(&t, 4 * l->level, SECOND, 4 * l->level);
    trials_turn(&t, SECOND);
    assert_int_equal(l->lower, 50);
    assert_int_equal(l->upper, 51);
}

static void people_can_look_at_it(void **unused)
{
    (void)unused;
    trials_begin(&t, 100);
    struct limit_view v = limit_view(l, &t.policy);
    assert_int_equal(v.limit, 100);
    assert_int_equal(v.level, 70);
    assert_int_equal(v.latency_us, 0);
    assert_int_equal(v.rest_us, 0);
    assert_true(v.gain == 0);
    trials_tell(&t, "rr");
    assert_true(trials_is_about(limit_view(l, &t.policy).gain, 0.36));
    trials_begin(&t, 100);
    trials_tell(&t, TRIALS_TWENTY "fSSSS");
    trials_note(&t, 4 * l->level, SECOND, 4 * l->level);
    trials_turn(&t, SECOND);
    v = limit_view(l, &t.policy);
    assert_int_equal(v.limit, (int32_t)round(l->limit));
    assert_int_equal(v.level, l->upper);
    assert_in_range(v.latency_us, 17900000, 18100000); /* on its way to twice as long, */
    assert_in_range(v.rest_us, 9950000, 10050000);     /* from 10 s */
    assert_true(v.gain > 0.29 && v.gain < 0.32);
    t.policy.max = 50;
    assert_int_equal(limit_view(l, &t.policy).limit, 50);
    assert_int_equal(limit_view(l, &t.policy).level, 50);
    *l = (struct limit){.limit = 0};
    t.policy.initial = 7;
    assert_int_equal(limit_view(l, &t.policy).limit, 7);
    assert_int_equal(limit_view(l, &t.policy).level, 7);
    l->now = 700; /* longer than there is time */
    l->rest = 1e9;
    assert_true(limit_view(l, &t.policy).latency_us > HOUR);
    assert_true(limit_view(l, &t.policy).rest_us > HOUR);
}

/* --- another policy ---------------------------------------------------------------------------- */

static void another_policy_keeps_the_limit_within_its_bounds(void **unused)
{
    (void)unused;
    static const struct {
        int32_t min, max;
        double limit;
        int32_t lower, upper;
        bool is_anew; /* the trial is */
    } row[] = {
        {1, 1000, 100, 90, 112, false},
        {90, 112, 100, 90, 112, false},
        {91, 112, 100, 91, 112, true},
        {90, 111, 100, 90, 111, true},
        {1, 95, 95, 85, 95, true},
        {1, 1, 1, 1, 1, true},
        {120, 1000, 120, 120, 134, true},
        {100, 100, 100, 100, 100, true},
        {1, 100, 100, 90, 100, true},
        {INT32_MAX, INT32_MAX, INT32_MAX, INT32_MAX, INT32_MAX, true},
    };
    for (size_t i = 0; i < COUNT(row); i++) {
        trials_begin(&t, 100);
        trials_tell(&t, TRIALS_TWENTY);
        uint32_t trial = l->trial;
        t.policy.min = row[i].min;
        t.policy.max = row[i].max;
        bool is_other = trials_turn(&t, 1);
        if (!trials_is_about(l->limit, row[i].limit) || l->lower != row[i].lower ||
            l->upper != row[i].upper)
            fail_msg("row %zu: %.1f, %d and %d", i, l->limit, l->lower, l->upper);
        assert_int_equal(l->trial != trial, row[i].is_anew);
        assert_int_equal(is_other, row[i].lower != 90);
        assert_int_equal(l->level, l->lower);
        assert_true(trials_is_about(l->doubt, 0.004));
        trials_turn(&t, 1);
        assert_int_equal(l->trial, row[i].is_anew ? trial + 2 : trial);
    }
    trials_begin(&t, 100); /* in the middle of a trial above */
    trials_note(&t, 280, SECOND, 280);
    trials_turn(&t, SECOND);
    trials_note(&t, 4, SECOND, 4);
    trials_turn(&t, SECOND);
    assert_int_equal(l->trial, 3);
    t.policy.max = 141;
    assert_true(trials_turn(&t, 1));
    assert_int_equal(l->trial, 6);
    assert_int_equal(l->level, 70);
    assert_true(l->calls.count == 0);
}

static void begin_with_none(void)
{
    t.policy = (struct limit_policy){.min = 0, .max = 9, .initial = 1, .tolerance = 2};
    trials_turn(&t, 1);
}

static void begin_above_the_most(void)
{
    t.policy = (struct limit_policy){.min = 9, .max = 8, .initial = 1, .tolerance = 2};
    trials_turn(&t, 1);
}

static void tolerate_less_than_rest(void)
{
    t.policy = (struct limit_policy){.min = 1, .max = 9, .initial = 1, .tolerance = 0.99};
    trials_turn(&t, 1);
}

static void a_policy_that_is_none_is_not_believed(void **unused)
{
    (void)unused;
    trials_begin(&t, 4);
    assert_true(aborts(begin_with_none));
    assert_true(aborts(begin_above_the_most));
    assert_true(aborts(tolerate_less_than_rest));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(so_many_may_be_under_way),
        cmocka_unit_test(who_begins_beside_few_does_not_count),
        cmocka_unit_test(a_call_counts_with_what_it_took),
        cmocka_unit_test(a_call_counts_in_its_trial_alone),
        cmocka_unit_test(each_worker_hands_over_now_and_then),
        cmocka_unit_test(what_workers_see_adds_up),
        cmocka_unit_test(a_trial_has_calls_and_time_enough),
        cmocka_unit_test(its_time_begins_with_it),
        cmocka_unit_test(trials_are_below_and_above_in_turn),
        cmocka_unit_test(the_two_levels_differ_where_they_can),
        cmocka_unit_test(people_can_look_at_it),
        cmocka_unit_test(another_policy_keeps_the_limit_within_its_bounds),
        cmocka_unit_test(a_policy_that_is_none_is_not_believed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
