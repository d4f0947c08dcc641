/* eject_spec.c - who is out, for how long, and when all are used. By the share of successes: eject_share_spec.c. */
#include "rules/eject.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "rules/eject_fleet.h"
#include "support/dice.h"
#include "support/aborts.h"

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
        {"AAAAaAAAA", "", 0.5, 5, 2},
        {"AAAAaAAAAA", "a", 0.5, 5, 2},
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
    static const struct {
        uint64_t dice;
        int64_t out_us;
    } row[] = {{0, 30 * SECOND}, {3 * SECOND, 27 * SECOND}, {3 * SECOND + 1, 30 * SECOND}};
    for (size_t i = 0; i < COUNT(row); i++) {
        struct eject of[2] = {{.streak = 4}};
        struct eject_fleet fleet = {.of = of, .count = 2};
        eject_note(&fleet, &usual, 0, false, 0, row[i].dice);
        assert_int_equal(of[0].until_us, row[i].out_us);
    }
}

static void however_often_no_count_overflows(void **unused)
{
    (void)unused;
    struct eject of[1] = {
        {.streak = INT32_MAX - 1, .times = INT32_MAX - 1, .ejections = INT32_MAX - 1}};
    struct eject_fleet fleet = {.of = of, .count = 1};
    struct eject_policy policy = usual;
    policy.consecutive = 0;
    let_fail(&fleet, &policy, 0, 3, 0);
    assert_int_equal(of[0].streak, INT32_MAX);
    policy.consecutive = 1;
    policy.most = 1;
    for (int64_t now_us = 0; now_us <= 600 * SECOND; now_us += 300 * SECOND) {
        of[0].times = of[0].times < INT32_MAX - 1 ? INT32_MAX : of[0].times;
        let_fail(&fleet, &policy, 0, 1, now_us);
        assert_int_equal(of[0].times, INT32_MAX);
        assert_int_equal(of[0].ejections, INT32_MAX);
        assert_int_equal(of[0].until_us - now_us, policy.time_most_us);
    }
}

static void the_shortest_window_counts_as_well(void **unused)
{
    (void)unused;
    struct eject of[2] = {{.streak = 0}};
    struct eject_fleet fleet = {.of = of, .count = 2};
    struct eject_policy policy = usual;
    policy.window_us = policy.time_us = 1;
    let_fail(&fleet, &policy, 0, 5, 0);
    assert_int_equal(of[0].until_us, 1);
    eject_look(&fleet, &policy, 1, 0);
    assert_int_equal(of[0].times, 1);
    eject_look(&fleet, &policy, 2, 0);
    assert_int_equal(of[0].times, 0);
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

/* --- what a policy may not be ------------------------------------------------------------------ */

static void look_by(int64_t window_us, int64_t time_us)
{
    struct eject_policy policy = usual;
    struct eject of[2] = {{.streak = 0}};
    struct eject_fleet fleet = {.of = of, .count = 2};
    policy.window_us = window_us;
    policy.time_us = time_us;
    eject_look(&fleet, &policy, 0, 0);
}

static void look_by_no_window(void)
{
    look_by(0, 1);
}

static void look_by_no_time(void)
{
    look_by(1, 0);
}

static void windows_and_times_are_not_nothing(void **unused)
{
    (void)unused;
    look_by(1, 1);
    assert_true(aborts(look_by_no_window));
    assert_true(aborts(look_by_no_time));
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
        cmocka_unit_test(however_often_no_count_overflows),
        cmocka_unit_test(the_shortest_window_counts_as_well),
        cmocka_unit_test(no_more_are_out_than_their_share),
        cmocka_unit_test(with_too_few_left_all_are_used),
        cmocka_unit_test(each_reason_has_a_name),
        cmocka_unit_test(windows_and_times_are_not_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
