/* histogram_spec.c - what was recorded is told again, a little rounded, for as much memory as is said; and how it goes
 * on without. */
#include "base/histogram.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/check.h"

#define HOUR INT64_C(3600000000)

void *__real_realloc(void *memory, size_t size);
void *__wrap_realloc(void *memory, size_t size);

static bool has_no_memory;

void *__wrap_realloc(void *memory, size_t size)
{
    return has_no_memory ? NULL : __real_realloc(memory, size);
}

static struct histogram histogram;

static struct histogram *empty(void)
{
    has_no_memory = false;
    histogram_fini(&histogram);
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

static double how_far(int64_t us)
{
    return (double)llabs(told_as(us) - us) / (double)(us == 0 ? 1 : us);
}

/* The last value that is told as this one is: what is told grows with what was recorded. */
static int64_t last_alike(int64_t us)
{
    int64_t told_us = told_as(us), low = us, high = 2 * us + 1;
    while (low < high) {
        int64_t middle = low + (high - low + 1) / 2;
        if (told_as(middle) == told_us)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

/* All that is told alike lies between two values, and none of it is further away than one of them. */
static void any_value_of_an_hour_is_told_within_two_percent(void **unused)
{
    (void)unused;
    int64_t buckets = 0;
    double worst = 0;
    for (int64_t first = 0, last; first <= HOUR; first = last + 1) {
        last = last_alike(first);
        assert_true(told_as(first) >= first && told_as(last) <= last);
        worst = how_far(first) > worst ? how_far(first) : worst;
        worst = how_far(last) > worst ? how_far(last) : worst;
        buckets++;
    }
    print_message("# %d buckets, at most %.3f %% away\n", (int)buckets, 100 * worst);
    if (worst >= 0.02 || worst < 0.017)
        fail_msg("a value is told %.3f %% away", 100 * worst);
    assert_in_range(buckets, 600, 682);
}

static void what_is_told_grows_with_what_was_recorded(void **unused)
{
    (void)unused;
    int64_t before_us = 0;
    for (int64_t us = 0; us < 300000; us++) {
        int64_t told_us = told_as(us);
        if (told_us < before_us || how_far(us) >= 0.02)
            fail_msg("%lld us is told as %lld", (long long)us, (long long)told_us);
        before_us = told_us;
    }
}

static void short_ones_are_told_exactly(void **unused)
{
    (void)unused;
    for (int64_t us = 0; us < 128; us++)
        assert_int_equal(told_as(us), us);
    assert_int_equal(told_as(128), told_as(129));
}

static void each_power_of_two_begins_a_bucket(void **unused)
{
    (void)unused;
    for (int bit = 7; bit < 32; bit++) {
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
        {"a part of one is one more", 1, 3, 0, 400, 2},
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
    histogram_record(h, 983041); /* whose bucket has its middle above it */
    assert_int_equal(histogram_quantile_us(h, 0, 500), 983041);
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

/* The row that was made last has its place by then. */
static void what_is_not_forgotten_stays(void **unused)
{
    (void)unused;
    struct histogram *h = empty();
    histogram_record(h, 1000);
    histogram_turn(h);
    histogram_record(h, 100);
    histogram_record(h, 9);
    histogram_turn(h);
    assert_int_equal(h->used, 2);
    assert_int_equal(histogram_quantile_us(h, 0, 500), 9);
    assert_int_equal(histogram_quantile_us(h, 0, 1000), 100);
}

/* Counts are two bytes each until they carry. */
static void counts_go_on_beyond_two_bytes(void **unused)
{
    (void)unused;
    struct histogram *h = empty();
    for (int i = 0; i < 200000; i++)
        histogram_record(h, 9);
    for (int i = 0; i < 2; i++) {
        for (int n = 0; n < 100001; n++)
            histogram_record(h, 100);
        assert_int_equal(histogram_quantile_us(h, 0, 500), i == 0 ? 9 : 100);
    }
    assert_int_equal(h->used, 4);
    histogram_turn(h);
    assert_int_equal(histogram_quantile_us(h, 200000, 500), 9);
    histogram_turn(h);
    assert_int_equal(h->used, 0);
}

/* And then they stay where they are before they would begin anew. */
static void a_bucket_is_never_too_full(void **unused)
{
    (void)unused;
    struct histogram *h = empty(), twice = {.used = 0};
    histogram_record(h, 9);
    while (histogram_count(h) <= UINT32_MAX) { /* until it is less than twice that */
        assert_true(histogram_add(&twice, h));
        assert_true(histogram_add(h, &twice));
    }
    histogram_record(h, 100);
    uint64_t count = histogram_count(h);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(histogram_quantile_us(h, 0, 500), 9);
        histogram_record(h, 9);
    }
    assert_int_equal(histogram_count(h), count + 2);
    histogram_fini(&twice);
}

static void those_that_are_added_count_as_recorded(void **unused)
{
    (void)unused;
    struct histogram sum = {.used = 0};
    for (int i = 0; i < 3; i++) {
        struct histogram *h = empty();
        for (int64_t us = 1; us <= 1000; us++) {
            if (us == 500)
                histogram_turn(h); /* of both halves */
            histogram_record(h, us * (i + 1));
        }
        assert_true(histogram_add(&sum, h));
    }
    assert_int_equal(histogram_count(&sum), 3000);
    assert_int_equal(histogram_sum_us(&sum), 500500 * 6);
    assert_int_equal(histogram_max_us(&sum), 3000);
    struct histogram *all = empty();
    for (int i = 0; i < 3; i++)
        for (int64_t us = 1; us <= 1000; us++)
            histogram_record(all, us * (i + 1));
    for (int32_t permille = 0; permille <= 1000; permille++)
        assert_int_equal(histogram_quantile_us(&sum, 17, permille),
                         histogram_quantile_us(all, 17, permille));
    histogram_fini(&sum);
}

static void its_price_is_as_documented(void **unused)
{
    (void)unused;
    struct histogram *h = empty();
    assert_int_equal(histogram_bytes(h), 120);
    for (int64_t us = 1000; us <= 100000; us++)
        histogram_record(h, us);
    size_t usual = histogram_bytes(h);
    for (int64_t us = 0; us <= HOUR; us += 1 + us / 32)
        histogram_record(h, us);
    print_message("# %zu bytes from 1 to 100 ms, %zu of the whole range\n", usual,
                  histogram_bytes(h));
    assert_int_equal(usual, 824);
    assert_int_equal(histogram_bytes(h), 2848);
    histogram_turn(h);
    histogram_record(h, 5);
    histogram_turn(h); /* what nobody knows anything of is given up */
    assert_int_equal(histogram_bytes(h), 120 + 88);
    assert_int_equal(histogram_quantile_us(h, 0, 500), 5);
}

/* --- memory that ends ------------------------------------------------------------------------- */

static void without_memory_for_its_row_it_is_not_recorded(void **unused)
{
    (void)unused;
    struct histogram *h = empty(), other = {.used = 0};
    histogram_record(&other, 1000);
    has_no_memory = true;
    histogram_record(h, 9);
    assert_int_equal(histogram_count(h), 0);
    assert_int_equal(histogram_max_us(h), 0);
    assert_false(histogram_add(h, &other));
    has_no_memory = false;
    histogram_record(h, 9);
    assert_int_equal(histogram_quantile_us(h, 0, 500), 9);
    histogram_fini(&other);
}

static void without_memory_to_carry_a_count_stays(void **unused)
{
    (void)unused;
    struct histogram *h = empty();
    histogram_record(h, 100);
    for (int i = 0; i < UINT16_MAX; i++)
        histogram_record(h, 9);
    has_no_memory = true;
    for (int i = 0; i < 10; i++)
        histogram_record(h, 9);
    assert_int_equal(histogram_count(h), UINT16_MAX + 11);
    assert_int_equal(histogram_sum_us(h), (UINT16_MAX + 10) * 9 + 100);
    assert_int_equal(histogram_quantile_us(h, 0, 999), 9);
}

static void memory_that_cannot_be_given_back_is_kept(void **unused)
{
    (void)unused;
    struct histogram *h = empty();
    histogram_record(h, 1000);
    histogram_turn(h);
    histogram_record(h, 100);
    histogram_record(h, 9);
    has_no_memory = true;
    histogram_turn(h);
    assert_int_equal(histogram_quantile_us(h, 0, 500), 9);
}

static int fini(void **unused)
{
    (void)unused;
    histogram_fini(&histogram);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_nothing_all_is_zero),
        cmocka_unit_test(any_value_of_an_hour_is_told_within_two_percent),
        cmocka_unit_test(what_is_told_grows_with_what_was_recorded),
        cmocka_unit_test(short_ones_are_told_exactly),
        cmocka_unit_test(each_power_of_two_begins_a_bucket),
        cmocka_unit_test(quantiles_are_of_the_order),
        cmocka_unit_test(no_quantile_is_longer_than_the_longest),
        cmocka_unit_test(the_older_half_is_forgotten_and_all_after_two_turns),
        cmocka_unit_test(what_is_not_forgotten_stays),
        cmocka_unit_test(counts_go_on_beyond_two_bytes),
        cmocka_unit_test(a_bucket_is_never_too_full),
        cmocka_unit_test(those_that_are_added_count_as_recorded),
        cmocka_unit_test(its_price_is_as_documented),
        cmocka_unit_test(without_memory_for_its_row_it_is_not_recorded),
        cmocka_unit_test(without_memory_to_carry_a_count_stays),
        cmocka_unit_test(memory_that_cannot_be_given_back_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, fini);
}
