#include "rules/eject.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "support/dice.h"

#define SECOND 1000000
#define MOST 16

static const struct eject_policy usual = {.consecutive = 5,
                                          .factor = 1.9,
                                          .least_calls = 10,
                                          .least_endpoints = 5,
                                          .window_us = 10 * SECOND,
                                          .most = 0.5,
                                          .time_us = 30 * SECOND,
                                          .time_most_us = 300 * SECOND,
                                          .panic = 0.5};

static void name_those_out(const struct eject_fleet *f, int64_t now_us, char *out)
{
    for (int32_t at = 0; at < f->count; at++)
        if (eject_is_out(&f->of[at], now_us))
            *out++ = (char)('a' + at);
    *out = '\0';
}

/* --- failures in a row ------------------------------------------------------------------------- */

/* A letter for each call: 'a' to 'd' is one that went well at that endpoint, a capital one that failed, '>'
 * is a second that passes. Behind it: who is out. */
static void failures_in_a_row_eject(void **unused)
{
    (void)unused;
    static const struct {
        const char *sentence, *out;
        double most;
        int32_t consecutive, count;
    } row[] = {
        {"AAAA", "", 0.5, 5, 2},
        {"AAAAA", "a", 0.5, 5, 2},
        {"AAAAaA", "", 0.5, 5, 2},
        {"AAAABABABABAB", "ab", 1, 5, 2},
        {"AAAAABBBBB", "a", 0.5, 5, 2}, /* the other one would be one too many */
        {"AAAAABBBBB", "a", 0.99, 5, 2},
        {"AAAAABBBBB", "ab", 1, 5, 2},
        {"AAAAA", "", 0.49, 5, 2},          /* so little is nobody */
        {"AAAAA", "a", 0.3333333333, 5, 3}, /* a third, as people write it */
        {"AAAAA", "", 0, 5, 4},
        {"AAABBBCCC", "ab", 0.5, 3, 4},
        {"AAABBBCCC", "abc", 0.75, 3, 4},
        {"AAAAAAAAAAAA", "", 1, 0, 2}, /* not looked at */
        {"A", "a", 1, 1, 1},
        {"AAAAA>>>>>>>>>>>>>>>>>>>>>>>>>>", "a", 0.5, 5, 2}, /* 26 s of 27 at least */
        {"AAAAA>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>", "", 0.5, 5, 2},
        {"AAAAABBBB>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>B", "b", 0.5, 5, 2}, /* now there is room */
        {"AAAAA>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>A", "", 0.5, 3,
         2}, /* out since the third, it begins anew */
        {"AAAAA>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>AAA", "a", 0.5, 3, 2},
    };
    for (size_t i = 0; i < COUNT(row); i++) {
        struct eject of[4] = {{.streak = 0}};
        struct eject_fleet fleet = {.of = of, .count = row[i].count};
        struct eject_policy policy = usual;
        char out[MOST + 1];
        int64_t now_us = 0;
        policy.most = row[i].most;
        policy.consecutive = row[i].consecutive;
        for (const char *c = row[i].sentence; *c != '\0'; c++)
            if (*c == '>')
                now_us += SECOND;
            else
                eject_note(&fleet, &policy, (*c | 32) - 'a', *c >= 'a', now_us, dice());
        name_those_out(&fleet, now_us, out);
        if (strcmp(out, row[i].out) != 0)
            fail_msg("%s at most %.2f: %s are out, not %s", row[i].sentence, row[i].most, out,
                     row[i].out);
    }
}

/* --- its time ---------------------------------------------------------------------------------- */

static void let_fail(struct eject_fleet *f, const struct eject_policy *p, int32_t at, int times,
                     int64_t now_us)
{
    for (int i = 0; i < times; i++)
        eject_note(f, p, at, false, now_us, 0);
}

static void its_time_grows_with_each_and_is_bounded(void **unused)
{
    (void)unused;
    struct eject of[2] = {{.streak = 0}};
    struct eject_fleet fleet = {.of = of, .count = 2};
    int64_t now_us = 0;
    for (int i = 1; i <= 15; i++) {
        let_fail(&fleet, &usual, 0, 5, now_us);
        assert_true(eject_is_out(&of[0], now_us));
        assert_int_equal(of[0].until_us - now_us, (i < 10 ? i : 10) * 30 * (int64_t)SECOND);
        assert_int_equal(of[0].ejections, i);
        assert_int_equal(of[0].why, EJECT_CONSECUTIVE);
        now_us = of[0].until_us;
        assert_false(eject_is_out(&of[0], now_us));
    }
}

static void it_shrinks_with_each_window_that_it_is_in(void **unused)
{
    (void)unused;
    struct eject of[2] = {{.streak = 0}};
    struct eject_fleet fleet = {.of = of, .count = 2};
    int64_t now_us = 0;
    for (int i = 1; i <= 4; i++) {
        let_fail(&fleet, &usual, 0, 5, now_us);
        now_us = of[0].until_us;
    }
    assert_int_equal(of[0].times, 4);
    eject_look(&fleet, &usual, now_us + 9 * SECOND, 0);
    assert_int_equal(of[0].times, 4);
    eject_look(&fleet, &usual, now_us + 10 * SECOND, 0);
    assert_int_equal(of[0].times, 3);
    eject_look(&fleet, &usual, now_us + 30 * SECOND, 0);
    assert_int_equal(of[0].times, 1);
    eject_look(&fleet, &usual, now_us + 900 * SECOND, 0);
    assert_int_equal(of[0].times, 0);
    let_fail(&fleet, &usual, 0, 5, now_us + 900 * SECOND);
    assert_int_equal(of[0].until_us - now_us, 930 * (int64_t)SECOND);
}

static void it_is_as_long_as_was_said_until_it_is_the_longest(void **unused)
{
    (void)unused;
    struct eject of[2] = {{.streak = 0}};
    struct eject_fleet fleet = {.of = of, .count = 2};
    struct eject_policy policy = usual;
    int64_t now_us = 0;
    policy.time_most_us = 100 * SECOND;
    for (int i = 1; i <= 5; i++) {
        let_fail(&fleet, &policy, 0, 5, now_us);
        assert_int_equal(of[0].until_us - now_us, (i < 4 ? i * 30 : 100) * (int64_t)SECOND);
        now_us = of[0].until_us;
    }
}

/* However often it is looked at meanwhile, and whatever comes of calls that were under way: they count for its
 * weight alone. */
static void while_it_is_out_it_does_not_change(void **unused)
{
    (void)unused;
    struct eject of[2] = {{.streak = 0}};
    struct eject_fleet fleet = {.of = of, .count = 2};
    let_fail(&fleet, &usual, 0, 5 + 7, 0);
    assert_int_equal(of[0].failed[0], 7);
    assert_int_equal(of[0].streak, 0);
    for (int64_t now_us = 0; now_us <= 30 * SECOND; now_us += SECOND) {
        eject_look(&fleet, &usual, now_us, 0);
        assert_int_equal(of[0].times, 1);
    }
}

static void the_dice_take_off_a_tenth_at_most(void **unused)
{
    (void)unused;
    int64_t least_us = INT64_MAX, most_us = 0;
    dice_state = 1;
    for (int i = 0; i < 1000; i++) {
        struct eject of[2] = {{.streak = 4}};
        struct eject_fleet fleet = {.of = of, .count = 2};
        eject_note(&fleet, &usual, 0, false, 0, dice());
        least_us = of[0].until_us < least_us ? of[0].until_us : least_us;
        most_us = of[0].until_us > most_us ? of[0].until_us : most_us;
    }
    assert_in_range(least_us, 27 * SECOND, 27.1 * SECOND);
    assert_in_range(most_us, 29.9 * SECOND, 30 * SECOND);
}

/* --- the share of successes -------------------------------------------------------------------- */

/* A word for each endpoint: of so many calls so many went well. */
static void who_does_worse_than_the_others_is_ejected(void **unused)
{
    (void)unused;
    static const struct {
        int32_t calls, well[MOST], count;
        double factor;
        const char *out;
    } row[] = {
        {100, {99, 98, 99, 97, 60}, 5, 1.9, "e"},
        {100, {99, 98, 99, 97, 96}, 5, 1.9, ""},
        {100,
         {100, 100, 100, 100, 99},
         5,
         1.9,
         "e"},                                   /* beside perfect ones any failure stands out */
        {100, {50, 50, 50, 50, 50}, 5, 1.9, ""}, /* what all do is no outlier */
        {100, {99, 98, 99, 60}, 4, 1.9, ""},     /* too few to compare with */
        {9, {9, 9, 9, 9, 0}, 5, 1.9, ""},        /* too few calls to tell */
        {10, {10, 10, 10, 10, 0}, 5, 1.9, "e"},
        {100, {99, 98, 99, 97, 60}, 5, 2.1, ""}, /* one of five is never farther off than twice */
        {100, {99, 98, 99, 97, 60}, 5, 0, ""},
        {100,
         {99, 98, 99, 97, 98, 99, 98, 97, 10, 60},
         10,
         1.0,
         "i"}, /* the rest is within bounds */
        {100, {99, 98, 99, 97, 98, 99, 98, 97, 10, 30}, 10, 1.0, "ij"},
    };
    for (size_t i = 0; i < COUNT(row); i++) {
        struct eject of[MOST] = {{.streak = 0}};
        struct eject_fleet fleet = {.of = of, .count = row[i].count};
        struct eject_policy policy = usual;
        char out[MOST + 1];
        policy.consecutive = 0;
        policy.factor = row[i].factor;
        for (int32_t at = 0; at < row[i].count; at++)
            for (int32_t n = 0; n < row[i].calls; n++)
                eject_note(&fleet, &policy, at, n < row[i].well[at], SECOND, 0);
        eject_look(&fleet, &policy, 9 * SECOND, 0);
        for (int32_t at = 0; at < row[i].count; at++)
            assert_false(eject_is_out(&of[at], 9 * SECOND));
        eject_look(&fleet, &policy, 10 * SECOND, 0);
        name_those_out(&fleet, 10 * SECOND, out);
        if (strcmp(out, row[i].out) != 0)
            fail_msg("row %zu: %s are out, not %s", i, out, row[i].out);
    }
}

/* The counts of all others are of a whole window, and of nothing else. */
static void one_of_few_calls_or_none_is_not_compared_with(void **unused)
{
    (void)unused;
    for (int32_t calls = 0; calls < 10; calls += 9) {
        struct eject of[6] = {{.streak = 0}};
        struct eject_fleet fleet = {.of = of, .count = 6};
        struct eject_policy policy = usual;
        policy.consecutive = 0;
        policy.least_calls = calls == 0 ? 0 : 10;
        for (int32_t at = 0; at < 6; at++)
            for (int n = 0; n < (at == 5 ? calls : 100); n++)
                eject_note(&fleet, &policy, at, at < 4 || (at == 4 && n < 60), 0, 0);
        eject_look(&fleet, &policy, 10 * SECOND, 0);
        for (int32_t at = 0; at < 6; at++)
            assert_int_equal(eject_is_out(&of[at], 10 * SECOND), at == 4);
    }
}

/* What it was ejected for does not count against it again. */
static void one_that_is_back_begins_anew_within_the_window(void **unused)
{
    (void)unused;
    struct eject of[5] = {{.streak = 0}};
    struct eject_fleet fleet = {.of = of, .count = 5};
    struct eject_policy policy = usual;
    policy.time_us = SECOND;
    let_fail(&fleet, &policy, 4, 5, 0);
    assert_true(eject_is_out(&of[4], 0));
    for (int32_t at = 0; at < 5; at++)
        for (int n = 0; n < 100; n++)
            eject_note(&fleet, &policy, at, true, 2 * SECOND, 0);
    eject_look(&fleet, &policy, 10 * SECOND, 0);
    assert_false(eject_is_out(&of[4], 10 * SECOND));
}

static void calls_count_in_their_window_and_the_next_one(void **unused)
{
    (void)unused;
    struct eject of[1] = {{.streak = 0}};
    struct eject_fleet fleet = {.of = of, .count = 1};
    static const struct {
        int64_t at_us;
        int64_t now, before; /* well, and as many failed */
    } row[] = {{9, 10, 0},  {14, 0, 10}, {19, 0, 10}, {20, 0, 0},
               {29, 10, 0}, {30, 0, 10}, {59, 10, 0}, {75, 0, 0}};
    for (size_t i = 0; i < COUNT(row); i++) {
        for (int n = 0; n < 20 && row[i].now > 0; n++)
            eject_note(&fleet, &usual, 0, n % 2 == 0, row[i].at_us * SECOND, 0);
        eject_look(&fleet, &usual, row[i].at_us * SECOND, 0);
        assert_int_equal(of[0].well[0], row[i].now);
        assert_int_equal(of[0].failed[0], row[i].now);
        assert_int_equal(of[0].well[1], row[i].before);
        assert_int_equal(of[0].failed[1], row[i].before);
    }
}

static void a_window_that_nobody_looked_at_is_not_judged_by(void **unused)
{
    (void)unused;
    struct eject of[5] = {{.streak = 0}};
    struct eject_fleet fleet = {.of = of, .count = 5};
    for (int32_t at = 0; at < 5; at++)
        for (int n = 0; n < 100; n++)
            eject_note(&fleet, &usual, at, at < 4 || n % 2 == 0, 0, 0);
    eject_look(&fleet, &usual, 25 * SECOND, 0); /* those are older than the last window */
    assert_false(eject_is_out(&of[4], 25 * SECOND));
}

static void the_worst_goes_when_there_is_no_room_for_all(void **unused)
{
    (void)unused;
    struct eject of[10] = {{.streak = 0}};
    struct eject_fleet fleet = {.of = of, .count = 10};
    struct eject_policy policy = usual;
    policy.most = 0.1;
    policy.factor = 1;
    for (int32_t at = 0; at < 10; at++)
        for (int n = 0; n < 100; n++)
            eject_note(&fleet, &policy, at, at < 8 || n % 4 <= 8 - at + 1, 0, 0);
    eject_look(&fleet, &policy, 10 * SECOND, 0);
    assert_false(eject_is_out(&of[8], 10 * SECOND));
    assert_true(eject_is_out(&of[9], 10 * SECOND));
    assert_int_equal(of[9].why, EJECT_SUCCESS);
}

static void those_who_are_ejected_together_do_not_come_back_together(void **unused)
{
    (void)unused;
    struct eject of[10] = {{.streak = 0}};
    struct eject_fleet fleet = {.of = of, .count = 10};
    struct eject_policy policy = usual;
    policy.factor = 1;
    policy.consecutive = 0;
    dice_state = 5;
    for (int32_t at = 0; at < 10; at++)
        for (int n = 0; n < 100; n++)
            eject_note(&fleet, &policy, at, at < 7 || n % 2 == 0, 0, 0);
    eject_look(&fleet, &policy, 10 * SECOND, dice());
    for (int32_t at = 7; at < 10; at++) {
        assert_true(eject_is_out(&of[at], 10 * SECOND));
        assert_in_range(of[at].until_us, 37 * SECOND, 40 * SECOND);
        assert_true(of[at].until_us != of[at == 7 ? 9 : at - 1].until_us);
    }
}

/* --- properties ------------------------------------------------------------------------------- */

static void no_more_are_out_than_their_share(void **unused)
{
    (void)unused;
    dice_state = 7;
    for (int round = 0; round < 300; round++) {
        struct eject of[MOST] = {{.streak = 0}};
        struct eject_fleet fleet = {.of = of, .count = 1 + (int32_t)(dice() % MOST)};
        struct eject_policy policy = usual;
        int64_t now_us = 0;
        policy.most = (double)(dice() % 101) / 100;
        policy.factor = (double)(dice() % 3);
        policy.least_endpoints = 2;
        for (int call = 0; call < 3000; call++) {
            now_us += (int64_t)(dice() % 100000);
            int32_t at = (int32_t)(dice() % (uint64_t)fleet.count), out = 0;
            bool is_well = dice() % 100 < 20 + (uint64_t)at * 5;
            eject_note(&fleet, &policy, at, is_well, now_us, dice());
            for (int32_t i = 0; i < fleet.count; i++) {
                out += eject_is_out(&of[i], now_us);
                assert_true(of[i].until_us - now_us <= policy.time_most_us);
            }
            assert_true(out <= policy.most * fleet.count + 1e-6);
        }
    }
}

static void with_too_few_left_all_are_used(void **unused)
{
    (void)unused;
    static const struct {
        int32_t usable, all;
        double panic;
        bool is_panic;
    } row[] = {
        {2, 2, 0.5, false},  {1, 2, 0.5, false}, {0, 2, 0.5, true},   {1, 3, 0.5, true},
        {2, 3, 0.5, false},  {0, 3, 0, false},   {2, 3, 1, true},     {3, 3, 1, false},
        {3, 10, 0.3, false}, {2, 10, 0.3, true}, {7, 10, 0.7, false}, {2, 3, 0.6666666667, false},
    };
    for (size_t i = 0; i < COUNT(row); i++) {
        struct eject_policy policy = {.panic = row[i].panic};
        if (eject_is_panic(&policy, row[i].usable, row[i].all) != row[i].is_panic)
            fail_msg("%d of %d with %.2f", row[i].usable, row[i].all, row[i].panic);
    }
}

static void each_reason_has_a_name(void **unused)
{
    (void)unused;
    assert_string_equal(eject_reason(EJECT_NOT), "none");
    assert_string_equal(eject_reason(EJECT_CONSECUTIVE), "consecutive");
    assert_string_equal(eject_reason(EJECT_SUCCESS), "success");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failures_in_a_row_eject),
        cmocka_unit_test(its_time_grows_with_each_and_is_bounded),
        cmocka_unit_test(it_shrinks_with_each_window_that_it_is_in),
        cmocka_unit_test(it_is_as_long_as_was_said_until_it_is_the_longest),
        cmocka_unit_test(while_it_is_out_it_does_not_change),
        cmocka_unit_test(the_dice_take_off_a_tenth_at_most),
        cmocka_unit_test(who_does_worse_than_the_others_is_ejected),
        cmocka_unit_test(one_of_few_calls_or_none_is_not_compared_with),
        cmocka_unit_test(one_that_is_back_begins_anew_within_the_window),
        cmocka_unit_test(calls_count_in_their_window_and_the_next_one),
        cmocka_unit_test(a_window_that_nobody_looked_at_is_not_judged_by),
        cmocka_unit_test(the_worst_goes_when_there_is_no_room_for_all),
        cmocka_unit_test(those_who_are_ejected_together_do_not_come_back_together),
        cmocka_unit_test(no_more_are_out_than_their_share),
        cmocka_unit_test(with_too_few_left_all_are_used),
        cmocka_unit_test(each_reason_has_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
