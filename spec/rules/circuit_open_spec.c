/* circuit_open_spec.c - what its probes decide, whose news count, and how long it is left alone. */
#include "rules/circuit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/check.h"
#include "support/circuit_story.h"

/* --- probes ----------------------------------------------------------------------------------- */

static void probes_decide(void **unused)
{
    (void)unused;
    static const struct circuit_story_row row[] = {
        {"4x9>-", "open failures 4/4 100"},
        {"4x10>", "open failures 4/4 0"}, /* until somebody asks */
        {"4x10>A", "half 0+1"},
        {"4x10>AB-", "half 0+2"},
        {"4x10>.", "half 1+0"},
        {"4x10>..", "closed 0+0/0"},
        {"4x10>ABa.", "half 1+1"},
        {"4x10>ABa.-", "half 1+1"}, /* those two are enough */
        {"4x10>ABb.a.", "closed 0+0/0"},
        {"4x10>x-", "open probe 1/1 2000"},
        {"4x10>.x-", "open probe 1/2 2000"},
        {"4x10>ABbx", "open probe 1/1 2000"},
        {"4x10>s", "open probe 1/1 2000"},
        {"4x10>z", "open probe 1/1 2000"},
        {"4x10>20r", "half 0+0"},
        {"4x10>ABarC-", "half 0+2"},
        {"4x10>.Aar.", "closed 0+0/0"},
        {"4x10>..3x", "closed 3+0/3"}, /* it begins anew */
        {"4x10>..4x", "open failures 4/4 2000"},
    };
    circuit_story_all_end(&circuit_usual, row, COUNT(row));
    struct circuit_policy policy = circuit_usual;
    policy.slow_percent = 0;
    circuit_story_ends(&policy, "4x10>ss", "closed 0+0/0");
    policy.slow_percent = 1;
    policy.least = 200;
    policy.consecutive = 4;
    circuit_story_ends(&policy, "4x10>s", "open probe 1/1 2000");
    policy.slow_percent = 0;
    circuit_story_ends(&policy, "4x10>z", "open probe 1/1 2000");
    policy.probes = 1;
    circuit_story_ends(&policy, "4x10>A-a.", "closed 0+0/0");
    policy.probes = CIRCUIT_PROBES_MOST;
    circuit_story_ends(&policy, "4x10>15.", "half 15+0");
    circuit_story_ends(&policy, "4x10>16.", "closed 0+0/0");
    circuit_story_ends(&policy, "4x10>12.ABCD-", "half 12+4");
    circuit_story_ends(&policy, "4x10>16A-", "half 0+16");
    circuit_story_ends(&policy, "4x10>15AB-brC-", "half 0+16");
}

static void a_permit_cannot_leak(void **unused)
{
    (void)unused;
    static const struct circuit_story_row row[] = {
        {"4x10>AB4>-", "half 0+2"},
        {"4x10>AB5>", "half 0+0"},
        {"4x10>AB5>CD-", "half 0+2"},
        {"4x10>AB500>CD-", "half 0+2"},
        {"4x10>A4>B-", "half 0+2"},
        {"4x10>A4>B>C-", "half 0+2"}, /* each has its own deadline */
        {"4x10>A4>B>C3>-", "half 0+2"},
        {"4x10>A4>B>C4>D-", "half 0+2"},
        {"4x10>AB5>CDcrE-", "half 0+2"},
        {"4x10>AB5>C5<D-", "half 0+2"}, /* nor come back with the clock */
        {"4x10>AB5<-", "half 0+2"},     /* another worker's may be so late */
        {"4x10>AB6<CD-", "half 0+2"},
        {"4x10>AB5>CDar-", "half 0+2"}, /* it is another's now */
        {"4x10>AB5>a.", "half 1+0"},    /* late, and nothing else is known */
        {"4x10>AB5>a.b.", "closed 0+0/0"},
        {"4x10>AB5>CDa.-", "half 1+2"},
        {"4x10>AB5>CDa.b.", "closed 0+0/0"},
        {"4x10>AB5>CDax", "open probe 1/1 2000"},
        {"4x10>AB500>bx", "open probe 1/1 2000"},
    };
    circuit_story_all_end(&circuit_usual, row, COUNT(row));
}

/* Of what was let pass before the state changed last. */
static void late_news_count_for_nothing(void **unused)
{
    (void)unused;
    static const struct circuit_story_row row[] = {
        {"A4xax", "open failures 4/4 1000"}, {"A4xa.", "open failures 4/4 1000"},
        {"A4x10>Bax", "half 0+1"},           {"A4x10>Ba.C-", "half 0+2"},
        {"A4x10>..ax", "closed 0+0/0"},      {"4x10>ABaxb.", "open probe 1/1 2000"},
        {"4x10>ABax20>Cbx", "half 0+1"},     {"4x10>ABax20>CDb.", "half 0+2"},
        {"4x10>ABbx20>Car", "half 0+1"},     {"4x10>AB5>..ax", "closed 0+0/0"},
        {"A@o@cax", "closed 0+0/0"},         {"A@o@aax", "open order 0/0 0"},
    };
    circuit_story_all_end(&circuit_usual, row, COUNT(row));
}

static void a_permit_has_a_number_of_its_own(void **unused)
{
    (void)unused;
    struct circuit_story s;
    circuit_story_begin(&s, &circuit_usual);
    circuit_story_tell(&s, "4x10>r");
    s.circuit.kept.probes.lent = CIRCUIT_NUMBER_MOST - 1;
    circuit_story_tell(&s, "AB-");
    assert_int_equal(s.pass['A'] >> CIRCUIT_NUMBER_SHIFT & CIRCUIT_NUMBER_MOST,
                     CIRCUIT_NUMBER_MOST);
    assert_int_equal(s.pass['B'] >> CIRCUIT_NUMBER_SHIFT & CIRCUIT_NUMBER_MOST, 1);
    assert_true(s.pass['A'] >> CIRCUIT_ERA_SHIFT == s.circuit.era);
    circuit_story_tell(&s, "arC-b.c.");
    assert_string_equal(circuit_story_says(&s), "closed 0+0/0");
}

static void the_number_of_probes_may_change_meanwhile(void **unused)
{
    (void)unused;
    struct circuit_story s;
    circuit_story_begin(&s, &circuit_usual);
    s.policy.probes = 5;
    circuit_story_tell(&s, "4x10>..AB");
    s.policy.probes = 4;
    circuit_story_tell(&s, "-");
    s.policy.probes = 3;
    circuit_story_tell(&s, "-?");
    assert_string_equal(circuit_story_says(&s), "half 2+2");
    s.policy.probes = 2; /* so many were good */
    circuit_story_tell(&s, "?");
    assert_string_equal(circuit_story_says(&s), "closed 0+0/0");
    assert_int_equal(s.circuit.since_us, s.now_us);
    circuit_story_tell(&s, "axbx");
    assert_string_equal(circuit_story_says(&s), "closed 0+0/0");
    circuit_story_begin(&s, &circuit_usual);
    circuit_story_tell(&s, "4x10>AB");
    s.policy.probes = 3;
    circuit_story_tell(&s, "C-");
    s.policy.probe_us = TICK_US; /* the deadlines of those that are out, too */
    circuit_story_tell(&s, "DEF-");
    s.policy.probe_us = 9 * TICK_US;
    circuit_story_tell(&s, ">GHA-");
}

/* --- how long --------------------------------------------------------------------------------- */

static void a_pause_grows_and_begins_anew(void **unused)
{
    (void)unused;
    static const struct circuit_story_row row[] = {
        {"4x10>x20>x", "open probe 1/1 4000"},
        {"4x10>x19>-", "open probe 1/1 100"},
        {"4x10>x20>x40>x80>x", "open probe 1/1 8000"},
        {"4x10>x20>x40>x80>x80>.x", "open probe 1/2 8000"},
        {"4x10>..9>4x", "open failures 4/4 2000"},
        {"4x10>..10>4x", "open failures 4/4 1000"}, /* it was closed for as long */
        {"4x10>x20>..19>4x", "open failures 4/4 4000"},
        {"4x10>x20>..20>4x", "open failures 4/4 1000"},
        {"4x10>..9>4x20>..19>4x", "open failures 4/4 4000"},
        {"4x10>..10>4x10>..10>4x", "open failures 4/4 1000"},
        {"4x10>..10>4x10>..9>4x", "open failures 4/4 2000"},
        {"4x300>..9>4x", "open failures 4/4 2000"}, /* not how long it was open */
        {"4x10>A300>ax", "open probe 1/1 2000"},
        {"4x@c9>@a4x", "open failures 4/4 2000"},
        {"4x@c10>@a4x", "open failures 4/4 1000"},
        {"4x@o300>@ax", "open probe 1/1 2000"},
        {"4x10>..10>@o@ax", "open probe 1/1 1000"},
    };
    circuit_story_all_end(&circuit_usual, row, COUNT(row));
}

static void each_pause_is_within_its_bounds(void **unused)
{
    (void)unused;
    static const struct {
        int64_t last, pause, most, next;
    } row[] = {
        {0, 1, 8, 1},
        {1, 1, 8, 2},
        {3, 1, 8, 6},
        {4, 1, 8, 8},
        {5, 1, 8, 8},
        {8, 1, 8, 8},
        {3, 1, 7, 6},
        {4, 1, 7, 7},
        {100, 1, 8, 8}, /* the bound is less now */
        {8, 20, 100, 20},
        {10, 20, 100, 20},
        {11, 20, 100, 22}, /* the first is more now */
        {0, 20, 5, 5},
        {8, 20, 5, 5},
        {0, 0, 8, 0},
        {0, 7, 0, 0},
        {INT64_MAX / 2, 1, INT64_MAX, INT64_MAX - 1},
        {INT64_MAX / 2 + 1, 1, INT64_MAX, INT64_MAX},
        {INT64_MAX, 1, INT64_MAX, INT64_MAX},
        {0, INT64_MAX, INT64_MAX, INT64_MAX},
    };
    for (size_t i = 0; i < COUNT(row); i++) {
        struct circuit_story s;
        circuit_story_begin(&s, &circuit_usual);
        s.policy.consecutive = 1;
        s.policy.pause_us = row[i].pause;
        s.policy.pause_max_us = row[i].most;
        s.circuit.pause_us = row[i].last;
        s.circuit.since_us = s.now_us;
        int64_t until_us = s.now_us > INT64_MAX - row[i].next ? INT64_MAX : s.now_us + row[i].next;
        circuit_story_tell(&s, "x");
        assert_int_equal(s.circuit.pause_us, row[i].next);
        assert_int_equal(s.circuit.until_us, until_us);
    }
}

static void the_dice_take_off_a_tenth_at_most(void **unused)
{
    (void)unused;
    int64_t least_us = INT64_MAX, most_us = 0;
    for (uint64_t roll = 0; roll < 2000; roll++) {
        struct circuit_story s;
        circuit_story_begin(&s, &circuit_usual);
        s.dice = roll * 0x9e3779b97f4a7c15U;
        circuit_story_tell(&s, "4x");
        int64_t pause_us = s.circuit.until_us - s.now_us;
        least_us = pause_us < least_us ? pause_us : least_us;
        most_us = pause_us > most_us ? pause_us : most_us;
        assert_int_equal(s.circuit.pause_us, SECOND_US); /* the next one is twice the whole */
    }
    assert_in_range(least_us, SECOND_US * 9 / 10, SECOND_US * 901 / 1000);
    assert_in_range(most_us, SECOND_US * 999 / 1000, SECOND_US);
    for (uint64_t roll = 0; roll < 3; roll++) {
        struct circuit_story s;
        circuit_story_begin(&s, &circuit_usual);
        s.dice = SECOND_US / 10 - 1 + roll;
        circuit_story_tell(&s, "4x");
        assert_int_equal(s.circuit.until_us - s.now_us,
                         roll == 2 ? SECOND_US : SECOND_US - (int64_t)s.dice);
    }
}

static void no_pause_is_longer_than_the_longest_from_now(void **unused)
{
    (void)unused;
    struct circuit_story s;
    circuit_story_begin(&s, &circuit_usual);
    circuit_story_tell(&s, "4x10>x20>x-");
    assert_int_equal(s.circuit.until_us - s.now_us, 4 * SECOND_US);
    s.policy.pause_max_us = 4 * SECOND_US;
    circuit_story_tell(&s, "?");
    assert_int_equal(s.circuit.until_us - s.now_us, 4 * SECOND_US);
    s.policy.pause_max_us = 3 * SECOND_US;
    circuit_story_tell(&s, "-");
    assert_int_equal(s.circuit.until_us - s.now_us, 3 * SECOND_US);
    circuit_story_tell(&s, "5<-");
    assert_int_equal(s.circuit.until_us - s.now_us, 3 * SECOND_US);
    s.now_us = 0; /* the clock goes back to the beginning */
    circuit_story_tell(&s, "?29>->A");
    s.now_us = 0;
    circuit_story_tell(&s, "BC-5>DE-"); /* nor is a permit */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(probes_decide),
        cmocka_unit_test(a_permit_cannot_leak),
        cmocka_unit_test(late_news_count_for_nothing),
        cmocka_unit_test(a_permit_has_a_number_of_its_own),
        cmocka_unit_test(the_number_of_probes_may_change_meanwhile),
        cmocka_unit_test(a_pause_grows_and_begins_anew),
        cmocka_unit_test(each_pause_is_within_its_bounds),
        cmocka_unit_test(the_dice_take_off_a_tenth_at_most),
        cmocka_unit_test(no_pause_is_longer_than_the_longest_from_now),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
