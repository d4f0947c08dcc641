#include "rules/histogram.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/check.h"

#define HOUR INT64_C(3600000000)

static struct histogram histogram;

static struct histogram *empty(void)
{
    histogram = (struct histogram){.newer = 0};
    return &histogram;
}

static void of_nothing_all_is_zero(void **unused)
{
    (void)unused;
    struct histogram *h = empty();
    assert_int_equal(histogram_count(h), 0);
    assert_int_equal(histogram_sum_us(h), 0);
    assert_int_equal(histogram_max_us(h), 0);
    assert_int_equal(histogram_quantile_us(h, 0, 950), 0);
    assert_int_equal(histogram_quantile_us(h, 7, 1000), 0);
}

/* What one value is told as, where a longer one keeps the longest from being known. */
static int64_t told_as(int64_t us)
{
    struct histogram *h = empty();
    histogram_record(h, us);
    histogram_record(h, 2 * HOUR);
    return histogram_quantile_us(h, 0, 500);
}

static void any_value_of_an_hour_is_told_within_two_percent(void **unused)
{
    (void)unused;
    int64_t worst_us = 0;
    double worst = 0;
    for (int64_t us = 0; us <= HOUR; us += 1 + us / 997) {
        for (int64_t one = us; one <= us + 1; one++) {
            int64_t off_us = llabs(told_as(one) - one);
            double off = one == 0 ? (double)off_us : (double)off_us / (double)one;
            worst_us = off > worst ? one : worst_us;
            worst = off > worst ? off : worst;
        }
    }
    if (worst > 0.016)
        fail_msg("%lld us is told as %lld", (long long)worst_us, (long long)told_as(worst_us));
    assert_true(worst > 0.014); /* the header says 1/64 */
}

static void short_ones_are_told_exactly(void **unused)
{
    (void)unused;
    for (int64_t us = 0; us < 64; us++)
        assert_int_equal(told_as(us), us);
    assert_int_equal(told_as(64), told_as(65));
}

static void each_power_of_two_begins_a_bucket(void **unused)
{
    (void)unused;
    for (int bit = 6; bit < 32; bit++) {
        int64_t us = INT64_C(1) << bit;
        assert_true(told_as(us - 1) < us);
        assert_true(told_as(us) >= us);
        assert_int_not_equal(told_as(us - 1), told_as(us));
    }
}

static void quantiles_are_of_the_order(void **unused)
{
    (void)unused;
    static const struct {
        const char *what;
        int64_t from_us, to_us; /* each value once */
        uint64_t zeros;
        int32_t permille;
        int64_t quantile_us;
    } row[] = {
        {"the median of an odd number", 1, 9, 0, 500, 5},
        {"the lower one of the two of an even number", 1, 10, 0, 500, 5},
        {"the least", 1, 10, 0, 0, 1},
        {"the longest", 1, 10, 0, 1000, 10},
        {"one of twenty is longer", 1, 20, 0, 950, 19},
        {"of few the last percent is the longest", 1, 20, 0, 990, 20},
        {"of one", 42, 42, 0, 500, 42},
        {"those of no time come first", 1, 10, 10, 500, 0},
        {"and count", 1, 10, 10, 550, 1},
        {"the last of many", 7, 7, 999, 999, 0},
        {"is told", 7, 7, 999, 1000, 7},
        {"recorded ones of no time too", 0, 1, 0, 500, 0},
        {"of very many", 3, 3, UINT64_C(1) << 62, 999, 0},
    };
    for (size_t i = 0; i < COUNT(row); i++) {
        struct histogram *h = empty();
        for (int64_t us = row[i].from_us; us <= row[i].to_us; us++)
            histogram_record(h, us);
        int64_t told_us = histogram_quantile_us(h, row[i].zeros, row[i].permille);
        if (told_us != row[i].quantile_us)
            fail_msg("%s: %lld, not %lld", row[i].what, (long long)told_us,
                     (long long)row[i].quantile_us);
    }
}

static void no_quantile_is_longer_than_the_longest(void **unused)
{
    (void)unused;
    struct histogram *h = empty();
    histogram_record(h, 1000000); /* whose bucket has its middle above it */
    assert_int_equal(histogram_quantile_us(h, 0, 500), 1000000);
    histogram_record(h, 3 * HOUR);
    assert_int_equal(histogram_quantile_us(h, 0, 1000), 3 * HOUR);
    assert_int_equal(histogram_max_us(h), 3 * HOUR);
}

static void the_older_half_is_forgotten_and_all_after_two_turns(void **unused)
{
    (void)unused;
    struct histogram *h = empty();
    histogram_record(h, 50);
    histogram_record(h, 60);
    histogram_turn(h);
    histogram_record(h, 10);
    assert_int_equal(histogram_count(h), 3);
    assert_int_equal(histogram_sum_us(h), 120);
    assert_int_equal(histogram_max_us(h), 60);
    assert_int_equal(histogram_quantile_us(h, 0, 500), 50);
    histogram_turn(h);
    assert_int_equal(histogram_count(h), 1);
    assert_int_equal(histogram_sum_us(h), 10);
    assert_int_equal(histogram_max_us(h), 10);
    assert_int_equal(histogram_quantile_us(h, 0, 1000), 10);
    histogram_turn(h);
    assert_int_equal(histogram_count(h), 0);
    assert_int_equal(histogram_quantile_us(h, 0, 1000), 0);
}

/* A count stays where it is before it would begin anew. */
static void a_bucket_is_never_too_full(void **unused)
{
    (void)unused;
    struct histogram *h = empty();
    h->half[0].bucket[9] = UINT32_MAX;
    h->half[0].count = UINT32_MAX;
    histogram_record(h, 9);
    assert_int_equal(h->half[0].bucket[9], UINT32_MAX);
    assert_int_equal(histogram_quantile_us(h, 0, 1000), 9);
}

static void its_price_is_as_documented(void **unused)
{
    (void)unused;
    assert_in_range(sizeof(struct histogram), 7000, 7300);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_nothing_all_is_zero),
        cmocka_unit_test(any_value_of_an_hour_is_told_within_two_percent),
        cmocka_unit_test(short_ones_are_told_exactly),
        cmocka_unit_test(each_power_of_two_begins_a_bucket),
        cmocka_unit_test(quantiles_are_of_the_order),
        cmocka_unit_test(no_quantile_is_longer_than_the_longest),
        cmocka_unit_test(the_older_half_is_forgotten_and_all_after_two_turns),
        cmocka_unit_test(a_bucket_is_never_too_full),
        cmocka_unit_test(its_price_is_as_documented),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
