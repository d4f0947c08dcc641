#include "rules/fill.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/check.h"
#include "support/aborts.h"

static const struct fill_policy policy = {.min = 2, .max = 5, .connecting = 4};

static void opens_what_is_missing_and_no_more(void **unused)
{
    (void)unused;
    static const struct {
        const char *when;
        struct fill_counts n;
        int32_t wanted;
    } row[] = {
        {"the warm minimum, from nothing", {.all = 0}, 2},
        {"half of the minimum", {.all = 1}, 1},
        {"warm", {.all = 2}, 0},
        {"the minimum is on its way", {.all = 2, .opening = 2, .coming = 2}, 0},
        {"what is closing does not count as warm", {.all = 2, .closing = 1}, 1},
        {"one is elsewhere", {.all = 0, .elsewhere = 1}, 1},
        {"the minimum is elsewhere", {.all = 0, .elsewhere = 3}, 0},
        {"which serves nobody here", {.all = 0, .elsewhere = 3, .waiting = 1}, 1},
        {"one for each waiter", {.all = 2, .waiting = 2}, 2},
        {"not for a waiter who is about to be served",
         {.all = 3, .waiting = 2, .coming = 1, .opening = 1},
         1},
        {"never beyond max", {.all = 4, .waiting = 9}, 1},
        {"never beyond max, closing ones included", {.all = 5, .closing = 3, .waiting = 9}, 0},
        {"few at a time", {.all = 0, .waiting = 9}, 4},
        {"few at a time, those under way included",
         {.all = 3, .opening = 3, .coming = 3, .waiting = 9},
         1},
    };
    for (size_t i = 0; i < COUNT(row); i++) {
        int32_t wanted = fill_wanted(&policy, &row[i].n);
        if (wanted != row[i].wanted)
            fail_msg("%s: %d, not %d", row[i].when, wanted, row[i].wanted);
    }
}

/* A sentence: 'x' an attempt fails, '.' one succeeds. The answer is how many may connect at once
 * then. */
static int32_t allowed_after(const char *attempts)
{
    struct fill f;
    fill_init(&f, &policy);
    for (; *attempts != '\0'; attempts++)
        if (*attempts == '.')
            fill_opened(&f, &policy);
        else
            fill_failed(&f);
    assert_true(fill_has_room(&f, f.allowed - 1));
    assert_false(fill_has_room(&f, f.allowed));
    return f.allowed;
}

static void one_probes_after_an_outage_and_then_the_ramp_doubles(void **unused)
{
    (void)unused;
    static const struct {
        const char *attempts;
        int32_t allowed;
    } row[] = {{"", 4},    {".", 4},    {"x", 1},     {"xxxx", 1}, {"x.", 2},
               {"x..", 4}, {"x...", 4}, {"xx..x", 1}, {"x.x.", 2}};
    for (size_t i = 0; i < COUNT(row); i++)
        assert_int_equal(allowed_after(row[i].attempts), row[i].allowed);
}

static void failures_in_a_row_are_counted(void **unused)
{
    (void)unused;
    struct fill f;
    fill_init(&f, &policy);
    for (int i = 0; i < 3; i++)
        fill_failed(&f);
    assert_int_equal(f.failures, 3);
    fill_opened(&f, &policy);
    assert_int_equal(f.failures, 0);
    f.failures = INT32_MAX;
    fill_failed(&f);
    assert_int_equal(f.failures, INT32_MAX);
}

static void odd_bounds_are_reached(void **unused)
{
    (void)unused;
    static const struct fill_policy odd = {.min = 0, .max = 9, .connecting = 5};
    static const struct fill_policy one = {.max = 9, .connecting = 1};
    struct fill f;
    fill_init(&f, &one);
    fill_failed(&f);
    fill_opened(&f, &one);
    assert_int_equal(f.allowed, 1);
    fill_init(&f, &odd);
    fill_failed(&f);
    int32_t expected[] = {2, 4, 5, 5};
    for (size_t i = 0; i < COUNT(expected); i++) {
        fill_opened(&f, &odd);
        assert_int_equal(f.allowed, expected[i]);
    }
}

static void the_largest_bound_is_reached(void **unused)
{
    (void)unused;
    static const struct fill_policy large = {.max = INT32_MAX, .connecting = INT32_MAX};
    struct fill f;
    fill_init(&f, &large);
    fill_failed(&f);
    for (int doubled = 0; doubled < 30; doubled++)
        fill_opened(&f, &large);
    assert_int_equal(f.allowed, 1 << 30);
    fill_opened(&f, &large);
    assert_int_equal(f.allowed, INT32_MAX);
    fill_opened(&f, &large);
    assert_int_equal(f.allowed, INT32_MAX);
}

static void open_where_none_may_connect(void)
{
    static const struct fill_policy none = {.max = 9, .connecting = 0};
    struct fill f;
    fill_init(&f, &none);
    fill_opened(&f, &none);
}

static void a_policy_lets_one_connect_at_least(void **unused)
{
    (void)unused;
    assert_true(aborts(open_where_none_may_connect));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opens_what_is_missing_and_no_more),
        cmocka_unit_test(one_probes_after_an_outage_and_then_the_ramp_doubles),
        cmocka_unit_test(failures_in_a_row_are_counted),
        cmocka_unit_test(odd_bounds_are_reached),
        cmocka_unit_test(the_largest_bound_is_reached),
        cmocka_unit_test(a_policy_lets_one_connect_at_least),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
