#include "rules/early.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/histogram.h"
#include "support/dice.h"

#define MS 1000
#define SECOND 1000000

static void who_has_less_time_than_half_of_them_took_is_refused(void **unused)
{
    (void)unused;
    static const struct {
        int64_t least;
        double share;
        int64_t left_us, median_us;
        uint64_t calls, dice;
        bool is_refused;
    } row[] = {
        {20, 0, 99, 100, 20, 0, true},
        {20, 0, 100, 100, 20, 0, false},
        {20, 0, 99, 100, 19, 0, false}, /* too few to know */
        {20, 0, 0, 1, 20, 0, true},
        {20, 0, -5, 0, 20, 0, true}, /* its deadline is over */
        {20, 0, 0, 0, 20, 0, false},
        {20, 0, INT64_MIN, INT64_MAX, UINT64_MAX, 0, true},
        {0, 0, 99, 100, 1000, 0, false}, /* not looked at */
        {1, 0, 99, 100, 1, 0, true},
        {1, 0, 99, 100, 0, 0, false},
        {INT64_MAX, 0, 99, 100, INT64_MAX, 0, true},
        {20, 0, 99, 100, 20, UINT64_MAX, true},
        {20, 1, 99, 100, 20, UINT64_MAX, false}, /* all go */
        {20, 0.5, 99, 100, 20, (UINT64_MAX >> 1) - 2047, false},
        {20, 0.5, 99, 100, 20, (UINT64_MAX >> 1) + 1, true},
        {20, 0.25, 99, 100, 20, UINT64_MAX >> 2, false},
        {20, 0.25, 99, 100, 20, (UINT64_MAX >> 2) + 1, true},
    };
    for (size_t i = 0; i < COUNT(row); i++) {
        const struct early_policy p = {.least = row[i].least, .share = row[i].share};
        bool is_refused =
            early_refuses(&p, row[i].left_us, row[i].median_us, row[i].calls, row[i].dice);
        if (is_refused != row[i].is_refused)
            fail_msg("row %zu: %d", i, is_refused);
    }
}

static void so_large_a_share_goes(void **unused)
{
    (void)unused;
    dice_state = 3;
    for (int percent = 0; percent <= 100; percent += 10) {
        const struct early_policy p = {.least = 1, .share = percent / 100.0};
        int go = 0;
        for (int i = 0; i < 10000; i++)
            go += !early_refuses(&p, 1, 2, 1, dice());
        assert_in_range(go, percent * 100 - (percent > 0) * 200,
                        percent * 100 + (percent < 100) * 200 * (percent > 0));
    }
}

/* --- a server that is slow for a while -------------------------------------------------------- */

/* A hundred calls a second, each with 100 ms. */
struct server {
    struct early_policy policy;
    struct histogram took;
    int64_t now_us, median_us;
};

/* Of those that would be made so many are refused. The histogram turns each minute. */
static int refused_in(struct server *s, int64_t takes_us, int64_t seconds)
{
    int refused = 0;
    for (int64_t until_us = s->now_us + seconds * SECOND; s->now_us < until_us;) {
        s->now_us += 10 * MS;
        if (s->now_us % (60 * (int64_t)SECOND) == 0)
            histogram_turn(&s->took);
        if (s->now_us % (500 * MS) == 0)
            s->median_us = histogram_quantile_us(&s->took, 0, 500);
        if (early_refuses(&s->policy, 100 * MS, s->median_us, histogram_count(&s->took), dice()))
            refused++;
        else
            histogram_record(&s->took, takes_us < 100 * MS ? takes_us : 200 * MS);
    }
    return refused;
}

/* Slow for some minutes, and then as fast as before, whenever that is between two turns of the
 * histogram. */
static void it_is_let_alone_while_it_is_slow_and_not_for_long_after(void **unused)
{
    (void)unused;
    static const struct {
        double share;
        int after_least, after_most; /* refused when it was fast again; at worst */
    } row[] = {{0, 8000, 12000}, {0.05, 4000, 6100}};
    for (size_t i = 0; i < COUNT(row); i++) {
        int worst = 0;
        for (int64_t slow_s = 240; slow_s < 480; slow_s += 23) {
            struct server s = {.policy = {.least = 20, .share = row[i].share}};
            dice_state = (uint64_t)slow_s;
            assert_int_equal(refused_in(&s, 10 * MS, 240), 0);
            assert_true(refused_in(&s, SECOND, slow_s) > 70 * slow_s); /* of 100 */
            int after = refused_in(&s, 10 * MS, 120);
            worst = after > worst ? after : worst;
            assert_int_equal(refused_in(&s, 10 * MS, 60), 0);
            histogram_fini(&s.took);
        }
        print_message("# share %.2f: %d refused after it was fast again\n", row[i].share, worst);
        assert_in_range(worst, row[i].after_least, row[i].after_most);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_has_less_time_than_half_of_them_took_is_refused),
        cmocka_unit_test(so_large_a_share_goes),
        cmocka_unit_test(it_is_let_alone_while_it_is_slow_and_not_for_long_after),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
