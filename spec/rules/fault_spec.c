#include "rules/fault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/check.h"
#include "support/dice.h"

#define MS 1000
#define DAY (24 * 3600 * INT64_C(1000000))
#define LEAST UINT64_C(0)
#define HALF (UINT64_C(1) << 63)
#define MOST UINT64_MAX
#define STEP (UINT64_C(1) << 11) /* what is below makes no difference */

static void a_share_of_them_is_hit(void **unused)
{
    (void)unused;
    static const struct {
        double share;
        uint64_t dice;
        bool is_hit;
    } row[] = {
        {0, LEAST, false},          {0, MOST, false},
        {1, LEAST, true},           {1, MOST, true},
        {0.5, HALF, false},         {0.5, HALF - 1, true},
        {0.25, HALF / 2, false},    {0.25, HALF / 2 - 1, true},
        {0.5, LEAST, true},         {0.5, MOST, false},
        {0x1p-53, LEAST, true},     {0x1p-53, STEP - 1, true},
        {0x1p-53, STEP, false},     {1 - 0x1p-53, MOST - STEP, true},
        {1 - 0x1p-53, MOST, false},
    };
    for (size_t i = 0; i < COUNT(row); i++)
        if (fault_hits(row[i].share, row[i].dice) != row[i].is_hit)
            fail_msg("row %zu", i);
}

static void a_delay_is_always_the_same_or_even_between_bounds(void **unused)
{
    (void)unused;
    static const struct {
        int64_t delay_us, most_us;
        uint64_t dice;
        int64_t expected_us;
    } row[] = {
        {0, 0, MOST, 0},     {50, 0, LEAST, 50},
        {50, 0, MOST, 50},   {50, 50, MOST, 50},
        {50, 49, MOST, 50},  {50, 51, HALF - 1, 50},
        {50, 51, HALF, 51},  {10, 19, LEAST, 10},
        {10, 19, MOST, 19},  {10, 19, HALF, 15},
        {0, 1, MOST, 1},     {0, DAY, LEAST, 0},
        {0, DAY, MOST, DAY}, {DAY, 3 * DAY, HALF, 2 * DAY},
        {DAY, 0, HALF, DAY},
    };
    for (size_t i = 0; i < COUNT(row); i++) {
        const struct fault_delay d = {.delay_us = row[i].delay_us, .most_us = row[i].most_us};
        int64_t us = fault_delay_us(&d, row[i].dice);
        if (us != row[i].expected_us)
            fail_msg("row %zu: %lld", i, (long long)us);
    }
}

/* The dice that are the quantile give what was said at it; half of the mass of p75 is at p50, for two halvings are 75 %. */
static void an_exponential_one_is_what_was_said_at_its_quantile(void **unused)
{
    (void)unused;
    static const struct {
        double quantile;
        int64_t delay_us;
        uint64_t dice;
        int64_t least_us, most_us;
    } row[] = {
        {0.5, 50 * MS, LEAST, 0, 0},
        {0.5, 50 * MS, HALF, 50 * MS, 50 * MS},
        {0.75, 50 * MS, HALF, 25 * MS, 25 * MS},
        {0.5, 50 * MS, HALF + HALF / 2, 100 * MS, 100 * MS},
        {0.5, 50 * MS, HALF + HALF / 2 + HALF / 4, 150 * MS, 150 * MS},
        {0.5, 50 * MS, MOST, 53 * 50 * MS, 53 * 50 * MS},
        {0.95, 50 * MS, HALF, 11568, 11569}, /* 50 ms * ln 2 / ln 20 */
        {0.99, 50 * MS, MOST, 398861, 398861 + 20},
        {0.5, 0, MOST, 0, 0},
        {0.5, DAY, MOST, 53 * DAY, 53 * DAY},
        {1 - 0x1p-53, DAY, MOST, DAY, DAY},
        {1 - 0x1p-53, 1, LEAST, 0, 0},
    };
    for (size_t i = 0; i < COUNT(row); i++) {
        const struct fault_delay d = {.delay_us = row[i].delay_us, .quantile = row[i].quantile};
        int64_t us = fault_delay_us(&d, row[i].dice);
        if (us < row[i].least_us || us > row[i].most_us)
            fail_msg("row %zu: %lld", i, (long long)us);
    }
}

static int percent_below(const struct fault_delay *d, int64_t bound_us)
{
    int below = 0;
    dice_state = 5;
    for (int i = 0; i < 100000; i++)
        below += fault_delay_us(d, dice()) <= bound_us;
    return (below + 500) / 1000;
}

static void of_many_so_many_are_below(void **unused)
{
    (void)unused;
    const struct fault_delay p95 = {.delay_us = 50 * MS, .quantile = 0.95},
                             even = {.delay_us = 10 * MS, .most_us = 20 * MS};
    assert_int_equal(percent_below(&p95, 50 * MS), 95);
    assert_int_equal(percent_below(&p95, 11568), 50);
    assert_int_equal(percent_below(&p95, 100 * MS), 100); /* 99.75 */
    assert_int_equal(percent_below(&even, 12 * MS), 20);
    assert_int_equal(percent_below(&even, 15 * MS), 50);
    assert_int_equal(percent_below(&even, 10 * MS - 1), 0);
    assert_int_equal(percent_below(&even, 20 * MS), 100);
}

static void so_large_a_share_is_hit(void **unused)
{
    (void)unused;
    dice_state = 7;
    for (int percent = 0; percent <= 100; percent += 10) {
        int hits = 0;
        for (int i = 0; i < 10000; i++)
            hits += fault_hits(percent / 100.0, dice());
        assert_in_range(hits, percent * 100 - (percent % 100 == 0 ? 0 : 150),
                        percent * 100 + (percent % 100 == 0 ? 0 : 150));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_share_of_them_is_hit),
        cmocka_unit_test(a_delay_is_always_the_same_or_even_between_bounds),
        cmocka_unit_test(an_exponential_one_is_what_was_said_at_its_quantile),
        cmocka_unit_test(of_many_so_many_are_below),
        cmocka_unit_test(so_large_a_share_is_hit),
    };
    return cmocka_run_group_tests_name("fault", tests, NULL, NULL);
}
