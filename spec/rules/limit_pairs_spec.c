/* limit_pairs_spec.c - what a pair of trials makes of the limit, number by number. They are those of the formulas in limit.h,
 * worked out elsewhere. */
#include "support/trials.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <math.h>

#include "base/check.h"

#define MS 1000
#define SECOND 1000000
#define HOUR (3600 * (int64_t)SECOND)
#define TWENTY TRIALS_TWENTY

static struct trials t;
static struct limit *const l = &t.limit;

/* --- what pairs say ---------------------------------------------------------------------------- */

struct story {
    const char *pairs; /* see trials_tell() */
    double limit, doubt;
    int32_t lower, upper;
};

static void expect(int32_t initial, const struct story *s)
{
    trials_begin(&t, initial);
    trials_tell(&t, s->pairs);
    if (!trials_is_about(l->limit, s->limit) || !trials_is_about(l->doubt, s->doubt) ||
        l->lower != s->lower || l->upper != s->upper)
        fail_msg("%s: %.4f with %.5f doubt, %d and %d", s->pairs, l->limit, l->doubt, l->lower,
                 l->upper);
}

static void pairs_move_the_limit(void **unused)
{
    (void)unused;
    static const struct story row[] = {
        {"", 100, 0.25, 70, 142},
        {"r", 142, 0.2, 105, 191}, /* no farther than was tried */
        {"rr", 191, 0.25, 135, 270},
        {"rrrrrrrr", 1000, 0.25, 705, 1000},
        {"f", 79.5010, 0.2, 61, 103},
        {"ff", 67.1279, 0.25, 50, 90},
        {"ffff", 45.9880, 0.25, 34, 63},
        {"ffffffff", 21.2904, 0.25, 15, 30},
        {"rf", 119.3898, 0.16, 90, 158}, /* one says this, and one that: there is less doubt */
        {"fr", 103, 0.16, 79, 134},
        {"rfrf", 137.8836, 0.1024, 107, 178},
        {"h", 52.0589, 0.2, 37, 74},
        {"hh", 29.8521, 0.25, 21, 42},
        {"a", 52.6502, 0.2, 37, 75}, /* what is gained has bounds */
        {"aa", 32.7339, 0.25, 23, 46},
        {"d", 142, 0.2, 105, 191}, /* what fails whatever the limit is takes nothing from it, */
        {"dddd", 383, 0.25, 270, 544},
        {"e", 100.1460, 0.2, 76, 132}, /* what fails by it does */
        {"x", 50, 0.25, 35, 71},
        {"xx", 25, 0.25, 18, 35},
        {"xxxxxxxx", 1, 0.25, 1, 2},
        {"rx", 71, 0.25, 50, 101},
        {"rrrrxr", 265.7818, 0.2, 187, 377}, /* then what was said before is forgotten */
        {"t", 100, 0.2, 77, 130},
        {"tttttttttt", 100, 0.026844, 89, 112},
        {TWENTY, 100, 0.004, 90, 112},
        {TWENTY "r", 106.6866, 0.004, 96, 119},
        {TWENTY "rrr", 129.7426, 0.016, 116, 145},
        {TWENTY "rrrrrr", 197, 0.128, 155, 250},
        {TWENTY "rrrrrrrrrr", 697, 0.25, 491, 989},
        {TWENTY "f", 96.8156, 0.004, 87, 108},
        {TWENTY "ffffff", 82.0087, 0.008, 73, 92},
        {TWENTY "TTTTT", 100, 0.004, 90, 112}, /* a fifth longer is nothing, */
        {TWENTY "UU", 100, 0.004, 90, 112},    /* half as long again is something */
        {TWENTY "UUU", 100, 0.2, 77, 130},
        {TWENTY "S", 100, 0.004, 90, 112}, /* and one that takes twice as long is one, */
        {TWENTY "SS", 100, 0.2, 77, 130},  /* and then the server is another one */
        {TWENTY "SSS", 100, 0.16, 79, 127},
        {TWENTY "QQQQ", 100, 0.004, 90, 112}, /* not when it becomes faster */
        {"tttttSS", 100, 0.052429, 86, 116},  /* nor while the limit changes */
    };
    for (size_t i = 0; i < COUNT(row); i++)
        expect(100, &row[i]);
}

/* Where calls are few chance is great. */
static void few_calls_say_less(void **unused)
{
    (void)unused;
    static const struct story row[] = {
        {"r", 5.4202, 0.2, 4, 8},
        {"rrr", 10, 0.25, 7, 14},
        {"rrrrrrrrrrrr", 168.6786, 0.25, 119, 239},
        {"f", 3.4362, 0.2, 2, 5},
        {"fff", 2.5552, 0.128, 2, 4},
        {"fffffffff", 1.7389, 0.033554, 1, 2},
        {TWENTY "SS", 4, 0.2, 3, 6},
        {TWENTY "SSS", 4, 0.16, 3, 6},
        {TWENTY "UUU", 4, 0.004, 3, 5}, /* it may be chance */
        {"x", 2, 0.25, 1, 3},
        {"xxx", 1, 0.25, 1, 2},
    };
    for (size_t i = 0; i < COUNT(row); i++)
        expect(4, &row[i]);
}

static void let_be(int32_t count, int32_t under, int64_t latency_us, int32_t failed)
{
    for (int32_t i = 0; i < count; i++)
        limit_note(&t.seen, (struct limit_pass){l->trial, under}, latency_us, i >= failed,
                   t.now_us);
    trials_turn(&t, 60 * MS);
}

/* As many as were under way, of which some failed, and how much longer the trial above took than the one below. */
static void a_pair_has_bounds(void **unused)
{
    (void)unused;
    static const struct {
        int32_t below, above; /* under way, where 70 and 142 may be */
        int32_t failed_below, failed_above;
        double times, limit;
    } row[] = {
        {70, 142, 0, 0, 1000, 49.9723}, /* no more is believed than is likely */
        {70, 142, 0, 0, 0.001, 142},
        {70, 142, 139, 0, 1, 142}, /* less than half of those below failed, */
        {70, 142, 140, 0, 1, 50},  /* and half of them */
        {70, 142, 0, 283, 1, 52.6502},
        {70, 142, 0, 284, 1, 52.6502},
        {70, 88, 0, 0, 2, 100}, /* so few are nearly the same */
        {70, 89, 0, 0, 2, 62.7042},
        {60, 75, 0, 0, 2, 100},
        {70, 89, 0, 0, 1, 100}, /* it does not grow beyond those, */
        {70, 101, 0, 0, 1, 101},
        {110, 142, 0, 0, 1, 118.0350},
    };
    for (size_t i = 0; i < COUNT(row); i++) {
        trials_begin(&t, 100);
        let_be(280, row[i].below, 10 * SECOND, row[i].failed_below);
        let_be(568, row[i].above, (int64_t)(10 * SECOND * row[i].times), row[i].failed_above);
        if (!trials_is_about(l->limit, row[i].limit))
            fail_msg("row %zu: %.4f", i, l->limit);
    }
}

/* --- the latency at rest ----------------------------------------------------------------------- */

/* Twice the latency at rest a third is gained by more calls, which is enough within the tolerance. */
static void beyond_the_tolerance_more_has_to_be_gained(void **unused)
{
    (void)unused;
    static const struct {
        const char *pairs;
        double tolerance;
        int64_t every_us;
        double limit, rest_us;
    } row[] = {
        {TWENTY "SSSS", 4, 120 * MS, 100, 9987614.1},
        {TWENTY "SSSS", 2, 120 * MS, 100, 9987614.1},
        {TWENTY "SSSS", 1.5, 120 * MS, 78.316, 9987614.1},
        {TWENTY "SSSS", 1, 120 * MS, 51.807, 9974143.5},
        {TWENTY "SSSSS", 1, 120 * MS, 39.765, 9974475.9},
        {TWENTY "SSSSSSSSSS", 1, 120 * MS, 27.296, 9052779.3},
        {TWENTY "SSSSSSSSSS", 1, SECOND, 27.452, 9052670.3}, /* time makes it forget, */
        {TWENTY "SSSSSSSSSS", 1, 10 * SECOND, 28.772, 9282538.0},
        {TWENTY "SSSSSSSSSS", 1, HOUR, 28.772, 9282538.0},  /* but a pause is no time, */
        {TWENTY "SSSSSSSSSS", 1, -HOUR, 27.260, 9052779.3}, /* nor is one that goes back */
    };
    for (size_t i = 0; i < COUNT(row); i++) {
        trials_begin(&t, 100);
        t.policy.tolerance = row[i].tolerance;
        for (const char *c = row[i].pairs; *c != '\0'; c++) {
            t.now_us += row[i].every_us - 120 * MS;
            trials_tell(&t, (char[]){*c, '\0'});
        }
        if (!trials_is_about(l->limit, row[i].limit) ||
            !trials_is_about(exp(l->rest), row[i].rest_us))
            fail_msg("row %zu: %.3f, %.1f us", i, l->limit, exp(l->rest));
    }
}

/* To the last bit, as long as calls take longer than at rest. */
static void time_alone_makes_it_forget(void **unused)
{
    (void)unused;
    static const struct {
        int64_t pause_us;
        double passed_us;
    } row[] = {{0, 0},
               {1, 1},
               {120 * MS, 120 * MS},
               {10 * SECOND - 1, 10 * SECOND - 1},
               {10 * SECOND, 10 * SECOND},
               {10 * SECOND + 1, 10 * SECOND},
               {HOUR, 10 * SECOND},
               {-HOUR, 0}};
    for (size_t i = 0; i < COUNT(row); i++) {
        trials_begin(&t, 100);
        trials_tell(&t, TWENTY "SSSS");
        double rest = l->rest;
        t.now_us += row[i].pause_us - 120 * MS;
        trials_tell(&t, "S");
        assert_true(l->lately > l->rest);
        if (l->rest != rest + row[i].passed_us / HOUR)
            fail_msg("row %zu: %.17g, before it %.17g", i, l->rest, rest);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pairs_move_the_limit),
        cmocka_unit_test(few_calls_say_less),
        cmocka_unit_test(a_pair_has_bounds),
        cmocka_unit_test(beyond_the_tolerance_more_has_to_be_gained),
        cmocka_unit_test(time_alone_makes_it_forget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
