/* retry_model_spec.c - pauses beside a model that takes its time, and how even the dice make them.
 */
#include "rules/retry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/check.h"
#include "support/dice.h"

#define MS 1000
#define DAY (86400 * (int64_t)1000000)

#define DRAWS 50000
#define PARTS 16

/* As many in each part of what it may be, and so the mean is in the middle. */
static void no_part_is_more_likely(const struct retry_policy *p, int64_t least_us, int64_t most_us)
{
    int32_t count[PARTS] = {0};
    double sum = 0, width = (double)(most_us - least_us) / PARTS;
    for (int i = 0; i < DRAWS; i++) {
        int64_t pause_us = retry_pause_us(p, 2, dice());
        assert_true(pause_us >= least_us && pause_us <= most_us);
        int part = (int)((double)(pause_us - least_us) / width);
        count[part < PARTS ? part : PARTS - 1]++;
        sum += (double)pause_us;
    }
    double off = sum / DRAWS - (double)(least_us + most_us) / 2;
    assert_true(off < width / 10 && off > -width / 10); /* five deviations of a mean of so many */
    for (int part = 0; part < PARTS; part++)
        assert_in_range(count[part], DRAWS / PARTS * 91 / 100, DRAWS / PARTS * 109 / 100);
}

static void jitter_is_even(void **unused)
{
    (void)unused;
    dice_state = 3;
    for (int shape = RETRY_EXPONENTIAL; shape <= RETRY_LINEAR; shape++) {
        struct retry_policy p = {
            .shape = (enum retry_shape)shape, .pause_us = 5 * DAY, .pause_max_us = 30 * DAY};
        no_part_is_more_likely(&p, 0, 5 * DAY);
        p.jitter = RETRY_EQUAL;
        no_part_is_more_likely(&p, 5 * DAY / 2, 5 * DAY);
        p.jitter = RETRY_FIFTH;
        no_part_is_more_likely(&p, 4 * DAY, 6 * DAY);
        p.pause_us = 100 * MS;
        no_part_is_more_likely(&p, 80 * MS, 120 * MS);
    }
    const struct retry_policy p = {
        .shape = RETRY_DECORRELATED, .pause_us = 5 * DAY, .pause_max_us = 30 * DAY};
    no_part_is_more_likely(&p, 5 * DAY, 15 * DAY);
}

/* --- beside a model --------------------------------------------------------------------------- */

__extension__ typedef __int128 wide;

/* Grown step by step, in numbers that are wide enough. */
static wide model_bound(const struct retry_policy *p, int32_t attempt)
{
    wide bound = p->pause_us;
    for (int32_t n = 2; n < attempt && bound > 0 && bound < p->pause_max_us; n++) {
        if (p->shape == RETRY_EXPONENTIAL)
            bound += bound;
        if (p->shape == RETRY_LINEAR)
            bound += p->pause_us;
    }
    return bound < p->pause_max_us ? bound : p->pause_max_us;
}

static wide model(const struct retry_policy *p, int32_t attempt, wide before, uint64_t thrown)
{
    wide bound = model_bound(p, attempt), least = bound, most = bound;
    if (p->shape == RETRY_DECORRELATED) {
        least = p->pause_us;
        most = 3 * (before > least ? before : least);
        most = most < INT64_MAX ? most : INT64_MAX;
    } else if (p->jitter == RETRY_FULL) {
        least = 0;
    } else if (p->jitter == RETRY_EQUAL) {
        least = (bound + 1) / 2;
    } else if (p->jitter == RETRY_FIFTH) {
        wide room = INT64_MAX - bound, fifth = bound / 5 < room ? bound / 5 : room;
        least = bound - fifth;
        most = bound + fifth;
    }
    wide values = most - least + 1, drawn = least + (wide)thrown % values;
    return p->shape == RETRY_DECORRELATED && drawn > p->pause_max_us ? p->pause_max_us : drawn;
}

/* Of any size, and often at an end of what there is. */
static int64_t any_us(void)
{
    static const int64_t edge[] = {
        0, 1, 2, 3, 5, INT64_MAX / 3, INT64_MAX / 2, INT64_MAX - 1, INT64_MAX};
    int64_t us = (int64_t)(dice() >> (1 + dice() % 63));
    return dice() % 3 == 0 ? edge[dice() % COUNT(edge)] : us;
}

static int32_t any_attempt(void)
{
    return 2 + (int32_t)(dice() % 4 == 0 ? dice() % 3000 : dice() % 70);
}

static void no_pause_is_another_than_the_models(void **unused)
{
    (void)unused;
    for (uint64_t seed = 1; seed <= 100000; seed++) {
        dice_state = seed * 1000003;
        struct retry_policy p = {.shape = (enum retry_shape)(dice() % 4),
                                 .jitter = (enum retry_jitter)(dice() % 4),
                                 .pause_us = any_us(),
                                 .pause_max_us = any_us()};
        int32_t attempt = any_attempt();
        int64_t before_us = any_us();
        uint64_t thrown = dice() % 8 == 0 ? UINT64_MAX - dice() % 2 : dice();
        int64_t pause_us = retry_next_us(&p, attempt, before_us, thrown);
        if (pause_us != model(&p, attempt, before_us, thrown))
            fail_msg("seed %llu: %lld", (unsigned long long)seed, (long long)pause_us);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jitter_is_even),
        cmocka_unit_test(no_pause_is_another_than_the_models),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
