/* eject_share_spec.c - who is left alone because fewer of its calls go well than of the others'. */
#include "rules/eject.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "rules/eject_fleet.h"

/* Of so many calls to each endpoint so many went well: who is out when the window is over. */
static void judge(const struct eject_policy *p, int32_t calls, const int32_t *well, int32_t count,
                  char *out)
{
    struct eject of[MOST] = {{.streak = 0}};
    struct eject_fleet fleet = {.of = of, .count = count};
    struct eject_policy policy = *p;
    policy.consecutive = 0;
    for (int32_t at = 0; at < count; at++)
        for (int32_t n = 0; n < calls; n++)
            eject_note(&fleet, &policy, at, n < well[at], SECOND, 0);
    eject_look(&fleet, &policy, 9 * SECOND, 0);
    for (int32_t at = 0; at < count; at++)
        assert_false(eject_is_out(&of[at], 9 * SECOND));
    eject_look(&fleet, &policy, 10 * SECOND, 0);
    name_those_out(&fleet, 10 * SECOND, out);
}

static void who_does_worse_than_the_others_is_ejected(void **unused)
{
    (void)unused;
    static const struct {
        int32_t calls, well[MOST], count;
        double factor;
        const char *out;
    } row[] = {
        {100, {99, 98, 99, 97, 60}, 5, 1.9, "e"},
        {100, {60, 99, 98, 99, 97}, 5, 1.9, "a"},
        {100, {99, 98, 99, 97, 96}, 5, 1.9, ""},
        /* beside perfect ones any failure stands out */
        {100, {100, 100, 100, 100, 99}, 5, 1.9, "e"},
        {100, {50, 50, 50, 50, 50}, 5, 1.9, ""}, /* what all do is no outlier */
        {9, {9, 9, 9, 9, 0}, 5, 1.9, ""},        /* too few calls to tell */
        {10, {10, 10, 10, 10, 0}, 5, 1.9, "e"},
        /* one of five is never farther off than twice */
        {100, {99, 98, 99, 97, 60}, 5, 2.1, ""},
        {100, {60, 99, 98, 99, 97}, 5, 2.1, ""},
        {100, {99, 98, 99, 97, 60}, 5, 0, ""},
        /* the rest is within bounds */
        {100, {99, 98, 99, 97, 98, 99, 98, 97, 10, 60}, 10, 1.0, "i"},
        {100, {99, 98, 99, 97, 98, 99, 98, 97, 10, 30}, 10, 1.0, "ij"},
    };
    for (size_t i = 0; i < COUNT(row); i++) {
        struct eject_policy policy = usual;
        char out[MOST + 1];
        policy.factor = row[i].factor;
        judge(&policy, row[i].calls, row[i].well, row[i].count, out);
        if (strcmp(out, row[i].out) != 0)
            fail_msg("row %zu: %s are out, not %s", i, out, row[i].out);
    }
}

static void how_few_are_too_few_is_the_policys_to_say(void **unused)
{
    (void)unused;
    static const int32_t one_fails[] = {1, 1, 1, 1, 0}, some_fail[] = {99, 98, 99, 60};
    struct eject_policy policy = usual;
    char out[MOST + 1];
    policy.least_calls = 1;
    judge(&policy, 1, one_fails, 5, out);
    assert_string_equal(out, "e");
    policy.factor = 1;
    judge(&policy, 100, some_fail, 4, out);
    assert_string_equal(out, "");
    policy.least_endpoints = 4;
    judge(&policy, 100, some_fail, 4, out);
    assert_string_equal(out, "d");
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
    of[4].well[1] = 7;
    eject_note(&fleet, &policy, 4, true, 0, 0);
    for (int n = 0; n < 5; n++)
        eject_note(&fleet, &policy, 4, false, 0, 0);
    assert_true(eject_is_out(&of[4], 0));
    assert_int_equal(of[4].well[0] + of[4].failed[0], 0);
    assert_int_equal(of[4].well[1], 7);
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

/* Of two there is room for one. */
static void the_worst_goes_when_there_is_no_room_for_all(void **unused)
{
    (void)unused;
    static const struct {
        int well[2], out;
    } row[] = {{{50, 25}, 9}, {{25, 50}, 8}, {{25, 25}, 8}};
    for (size_t i = 0; i < COUNT(row); i++) {
        struct eject of[10] = {{.streak = 0}};
        struct eject_fleet fleet = {.of = of, .count = 10};
        struct eject_policy policy = usual;
        policy.consecutive = 0;
        policy.most = 0.1;
        policy.factor = 1;
        for (int32_t at = 0; at < 10; at++)
            for (int n = 0; n < 100; n++)
                eject_note(&fleet, &policy, at, at < 8 || n < row[i].well[at - 8], 0, 0);
        eject_look(&fleet, &policy, 10 * SECOND, 0);
        for (int32_t at = 0; at < 10; at++)
            assert_int_equal(eject_is_out(&of[at], 10 * SECOND), at == row[i].out);
        assert_int_equal(of[row[i].out].why, EJECT_SUCCESS);
    }
}

static void it_is_the_share_that_counts_and_not_how_many_calls(void **unused)
{
    (void)unused;
    struct eject of[5] = {{.streak = 0}};
    struct eject_fleet fleet = {.of = of, .count = 5};
    for (int32_t at = 0; at < 5; at++)
        for (int n = 0; n < (at == 4 ? 1000 : 10); n++)
            eject_note(&fleet, &usual, at, at < 4 || n % 2 == 0, 0, 0);
    eject_look(&fleet, &usual, 10 * SECOND, 0);
    for (int32_t at = 0; at < 5; at++)
        assert_int_equal(eject_is_out(&of[at], 10 * SECOND), at == 4);
}

static void those_who_are_ejected_together_do_not_come_back_together(void **unused)
{
    (void)unused;
    struct eject of[10] = {{.streak = 0}};
    struct eject_fleet fleet = {.of = of, .count = 10};
    struct eject_policy policy = usual;
    policy.factor = 1;
    policy.consecutive = 0;
    for (int32_t at = 0; at < 10; at++)
        for (int n = 0; n < 100; n++)
            eject_note(&fleet, &policy, at, at < 7 || n % 2 == 0, 0, 0);
    eject_look(&fleet, &policy, 10 * SECOND, 0x9e3779b97f4a7c15);
    for (int32_t at = 7; at < 10; at++) {
        assert_true(eject_is_out(&of[at], 10 * SECOND));
        assert_in_range(of[at].until_us, 37 * SECOND, 40 * SECOND);
        assert_true(of[at].until_us != of[at == 7 ? 9 : at - 1].until_us);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_does_worse_than_the_others_is_ejected),
        cmocka_unit_test(how_few_are_too_few_is_the_policys_to_say),
        cmocka_unit_test(one_of_few_calls_or_none_is_not_compared_with),
        cmocka_unit_test(one_that_is_back_begins_anew_within_the_window),
        cmocka_unit_test(calls_count_in_their_window_and_the_next_one),
        cmocka_unit_test(a_window_that_nobody_looked_at_is_not_judged_by),
        cmocka_unit_test(the_worst_goes_when_there_is_no_room_for_all),
        cmocka_unit_test(it_is_the_share_that_counts_and_not_how_many_calls),
        cmocka_unit_test(those_who_are_ejected_together_do_not_come_back_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
