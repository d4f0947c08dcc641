#include "rules/advice.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"

#define MS 1000
#define SECOND 1000000

/* Each is busy enough for a conclusion, unless it says otherwise. */
static const struct {
    struct advice_on on;
    int32_t max;
    const char *words;
} row[] = {
    {{.leases = 40800, .arrivals_per_s = 340, .hold_p95_us = 28 * MS, .hold_mean_us = 9 * MS},
     12,
     "12 would do: 340 arrivals/s x 28 ms p95 hold x 1.25"},
    {{.leases = 100, .arrivals_per_s = 0.8333, .hold_p95_us = 450, .max = 20},
     1,
     "1 would do: 0.833 arrivals/s x 450 us p95 hold x 1.25"},
    {{.leases = 99, .arrivals_per_s = 340, .hold_p95_us = 28 * MS, .window_us = 180 * SECOND},
     0,
     "no advice: 99 leases in the last 180.0 s, at least 100 are wanted"},
    {{.leases = 900, .arrivals_per_s = 340, .hold_p95_us = 28 * MS, .max = 1, .is_fixed = true},
     0,
     "no advice: its kind says that max is 1"},
    {{.leases = 0}, 0, "no advice: 0 leases in the last 0.0 s, at least 100 are wanted"},
    {{.leases = 1, .window_us = 250000},
     0,
     "no advice: 1 leases in the last 0.2 s, at least 100 are wanted"},
    {{.leases = 1, .window_us = 750000},
     0,
     "no advice: 1 leases in the last 0.8 s, at least 100 are wanted"},
    {{.leases = 900, .arrivals_per_s = 7.5, .hold_p95_us = 1234 * MS},
     12,
     "12 would do: 7.5 arrivals/s x 1.23 s p95 hold x 1.25"},
    /* exactly ten, where a double is a hair more */
    {{.leases = 900, .arrivals_per_s = 100, .hold_p95_us = 80 * MS},
     10,
     "10 would do: 100 arrivals/s x 80 ms p95 hold x 1.25"},
    {{.leases = 900, .arrivals_per_s = 101.1, .hold_p95_us = 80 * MS},
     11,
     "11 would do: 101 arrivals/s x 80 ms p95 hold x 1.25"},
    /* what is too little to be shown is too little for one more */
    {{.leases = 900, .arrivals_per_s = 100.1, .hold_p95_us = 80 * MS},
     10,
     "10 would do: 100 arrivals/s x 80 ms p95 hold x 1.25"},
    /* few very long ones, of which the percentile knows nothing */
    {{.leases = 900, .arrivals_per_s = 100, .hold_p95_us = 0, .hold_mean_us = 400 * MS},
     50,
     "50 would do: 100 arrivals/s x 400 ms mean hold x 1.25"},
    /* those that go on */
    {{.leases = 900, .arrivals_per_s = 5, .hold_p95_us = 2 * MS, .in_use = 10.01},
     13,
     "13 would do: 10 in use x 1.25"},
    {{.leases = 900, .arrivals_per_s = 100, .hold_p95_us = 80 * MS, .in_use = 8},
     10,
     "10 would do: 100 arrivals/s x 80 ms p95 hold x 1.25"},
    {{.leases = 900, .arrivals_per_s = 5, .hold_p95_us = 2 * MS, .in_use = 2.04, .listening = 1},
     4,
     "4 would do: 2.04 in use x 1.25 + 1 listening"},
    {{.leases = 900, .arrivals_per_s = 8, .hold_p95_us = 100 * MS, .listening = 1},
     2,
     "2 would do: 8 arrivals/s x 100 ms p95 hold x 1.25 + 1 listening"},
    {{.leases = 900,
      .arrivals_per_s = 100,
      .hold_p95_us = 20 * MS,
      .wait_p95_us = 4 * MS,
      .max = 5},
     5,
     "5 as it is: 100 arrivals/s x 20 ms p95 hold x 1.25 is 3, but the p95 of the waits is 4 "
     "ms"},
    {{.leases = 900,
      .arrivals_per_s = 100,
      .hold_p95_us = 40 * MS,
      .wait_p95_us = 4 * MS,
      .max = 5},
     5,
     "5 would do: 100 arrivals/s x 40 ms p95 hold x 1.25"},
    {{.leases = 900,
      .arrivals_per_s = 100,
      .hold_p95_us = 90 * MS,
      .wait_p95_us = 4 * MS,
      .max = 5},
     12,
     "12 would do: 100 arrivals/s x 90 ms p95 hold x 1.25"},
    {{.leases = 900, .arrivals_per_s = 100, .hold_p95_us = 20 * MS, .max = 9, .least = 6},
     6,
     "6 would do, one for each endpoint in each worker: 100 arrivals/s x 20 ms p95 hold x 1.25 is "
     "3"},
    {{.leases = 900, .arrivals_per_s = 100, .hold_p95_us = 80 * MS, .max = 9, .least = 6},
     10,
     "10 would do: 100 arrivals/s x 80 ms p95 hold x 1.25"},
    {{.leases = 900,
      .arrivals_per_s = 100,
      .hold_p95_us = 20 * MS,
      .wait_p95_us = 4 * MS,
      .max = 9,
      .least = 6},
     9,
     "9 as it is: 100 arrivals/s x 20 ms p95 hold x 1.25 is 3, but the p95 of the waits is 4 ms"},
    {{.leases = 900, .arrivals_per_s = 100, .hold_p95_us = 20 * MS, .max = 9, .least = 3},
     3,
     "3 would do: 100 arrivals/s x 20 ms p95 hold x 1.25"},
    {{.leases = 900,
      .arrivals_per_s = 100,
      .hold_p95_us = 20 * MS,
      .wait_p95_us = 4 * MS,
      .max = 5,
      .least = 6},
     6,
     "6 would do, one for each endpoint in each worker: 100 arrivals/s x 20 ms p95 hold x 1.25 is "
     "3"},
    {{.leases = 900, .arrivals_per_s = 1234.4, .hold_p95_us = 8 * MS},
     13,
     "13 would do: 1234 arrivals/s x 8 ms p95 hold x 1.25"},
    /* all in one moment, of which no rate is known */
    {{.leases = 900, .arrivals_per_s = 0, .hold_p95_us = 8 * MS},
     1,
     "1 would do: 0 arrivals/s x 8 ms p95 hold x 1.25"},
    {{.leases = 900000, .arrivals_per_s = 123456, .hold_p95_us = 2 * SECOND},
     10000,
     "10000 would do: 123456 arrivals/s x 2 s p95 hold x 1.25"},
    {{.leases = 900000, .arrivals_per_s = 1e300, .hold_p95_us = INT64_MAX}, 10000, NULL},
    {{.leases = 900, .arrivals_per_s = 999.7, .hold_p95_us = 999800},
     1250,
     "1250 would do: 1000 arrivals/s x 1 s p95 hold x 1.25"},
    {{.leases = 900, .arrivals_per_s = 900, .hold_p95_us = 0},
     1,
     "1 would do: 900 arrivals/s x 0 us p95 hold x 1.25"},
    /* where one unit ends and the next one begins */
    {{.leases = 900, .arrivals_per_s = 100000, .hold_p95_us = 999},
     125,
     "125 would do: 100000 arrivals/s x 999 us p95 hold x 1.25"},
    {{.leases = 900, .arrivals_per_s = 100000, .hold_p95_us = 1000},
     125,
     "125 would do: 100000 arrivals/s x 1 ms p95 hold x 1.25"},
    {{.leases = 900, .arrivals_per_s = 100, .hold_p95_us = 999499},
     125,
     "125 would do: 100 arrivals/s x 999 ms p95 hold x 1.25"},
    {{.leases = 900, .arrivals_per_s = 100, .hold_p95_us = 999500},
     125,
     "125 would do: 100 arrivals/s x 1 s p95 hold x 1.25"},
    {{.leases = 900, .arrivals_per_s = 100, .hold_p95_us = 1124999},
     140,
     "140 would do: 100 arrivals/s x 1.12 s p95 hold x 1.25"},
    {{.leases = 900, .arrivals_per_s = 100, .hold_p95_us = 1125000},
     142,
     "142 would do: 100 arrivals/s x 1.13 s p95 hold x 1.25"},
    /* the shortest wait is one */
    {{.leases = 900, .arrivals_per_s = 100, .hold_p95_us = 20 * MS, .wait_p95_us = 1, .max = 5},
     5,
     "5 as it is: 100 arrivals/s x 20 ms p95 hold x 1.25 is 3, but the p95 of the waits is 1 us"},
};

static void each_number_has_its_arithmetic(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < COUNT(row); i++) {
        char words[200];
        int32_t max = advice_max(&row[i].on);
        advice_words(&row[i].on, words, sizeof words);
        if (max != row[i].max)
            fail_msg("row %zu: %d, not %d", i, max, row[i].max);
        if (row[i].words != NULL)
            assert_string_equal(words, row[i].words);
    }
}

/* Whoever does the sum of the words again. */
static double sum_of(const char *words)
{
    double arrivals = 0, hold = 0;
    char unit[8];
    assert_int_equal(
        sscanf(words, "%*d would do: %lf arrivals/s x %lf %7s", &arrivals, &hold, unit), 3);
    double unit_s = strcmp(unit, "us") == 0 ? 1e-6 : strcmp(unit, "ms") == 0 ? 1e-3 : 1;
    return arrivals * hold * unit_s * 1.25;
}

static void the_words_add_up(void **unused)
{
    (void)unused;
    uint64_t dice = 1;
    for (int i = 0; i < 20000; i++) {
        dice = dice * 6364136223846793005U + 1442695040888963407U;
        struct advice_on on = {.leases = 900,
                               .arrivals_per_s = (double)(dice >> 44) / 997,
                               .hold_p95_us = (int64_t)(dice >> 20 & 0xffffff)};
        char words[200];
        advice_words(&on, words, sizeof words);
        double sum = sum_of(words), wanted = ceil(sum - 1e-6);
        wanted = wanted < 1 ? 1 : wanted > ADVICE_MAX_MOST ? ADVICE_MAX_MOST : wanted;
        if (advice_max(&on) != (int32_t)wanted)
            fail_msg("%s: it is %.6f", words, sum);
    }
}

static void words_are_cut_off_where_there_is_no_room(void **unused)
{
    (void)unused;
    static const struct advice_on on = {
        .leases = 900, .arrivals_per_s = 340, .hold_p95_us = 28 * MS};
    char words[9];
    advice_words(&on, words, sizeof words);
    assert_string_equal(words, "12 would");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_number_has_its_arithmetic),
        cmocka_unit_test(the_words_add_up),
        cmocka_unit_test(words_are_cut_off_where_there_is_no_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
