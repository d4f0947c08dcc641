/* circuit_scenarios_spec.c - what the documents of others promise, with their numbers, in our letters.
 *
 * resilience4j: its guide, "CircuitBreaker" (resilience4j.readme.io/docs/circuitbreaker).
 * Polly: "Circuit breaker resilience strategy" (pollydocs.org/strategies/circuit-breaker), and what it
 * was before: its wiki, "Circuit Breaker".
 */
#include "rules/circuit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/check.h"
#include "support/circuit_story.h"

/* --- resilience4j ----------------------------------------------------------------------------- */

/* "Create and configure a CircuitBreaker", the defaults of the table. Its pause does not grow. */
static const struct circuit_policy r4j = {.window = 100,
                                          .least = 100,
                                          .percent = 50,
                                          .slow_percent = 100,
                                          .slow_us = 60 * SECOND_US,
                                          .probes = 10,
                                          .probe_us = 3600 * SECOND_US,
                                          .pause_us = 60 * SECOND_US,
                                          .pause_max_us = 60 * SECOND_US};

/* The same section, the example in Java. */
static struct circuit_policy r4j_of_five_seconds(void)
{
    struct circuit_policy p = r4j;
    p.window = 0;
    p.span_us = 5 * SECOND_US;
    p.least = 10;
    p.slow_percent = 50;
    p.slow_us = 2 * SECOND_US;
    p.probes = 3;
    p.pause_us = p.pause_max_us = SECOND_US;
    return p;
}

/* "Failure rate and slow call rate thresholds", by the defaults. */
static void r4j_trips_at_its_thresholds_and_not_below(void **unused)
{
    (void)unused;
    static const struct circuit_story_row row[] = {
        {"99x", "closed 99+0/99"},
        {"100x", "open failures 100/100 60000"},
        {"51.49x", "closed 49+0/100"},
        {"50.50x", "open failures 50/100 60000"}, /* equal or greater */
        {"99s", "closed 0+99/99"},
        {"99s.", "closed 0+99/100"},
        {"100s", "open slow 100/100 60000"},
    };
    circuit_story_all_end(&r4j, row, COUNT(row));
}

/* The same section: at least ten, of which nine are not enough, though all failed. */
static void r4j_needs_its_minimum_number_of_calls(void **unused)
{
    (void)unused;
    struct circuit_policy policy = r4j;
    policy.least = 10;
    circuit_story_ends(&policy, "9x", "closed 9+0/9");
    circuit_story_ends(&policy, "10x", "open failures 10/10 60000");
    circuit_story_ends(&policy, "9x.", "open failures 9/10 60000");
    policy.slow_percent = 50;
    circuit_story_ends(&policy, "5.4s", "closed 0+4/9");
    circuit_story_ends(&policy, "5.5s", "open slow 5/10 60000");
}

/* "Count-based sliding window": of ten there are always ten, and the eldest is taken off. */
static void r4j_takes_the_eldest_of_ten_off(void **unused)
{
    (void)unused;
    struct circuit_policy policy = r4j;
    policy.window = policy.least = 10;
    static const struct circuit_story_row row[] = {
        {"x9.", "closed 1+0/10"},
        {"x10.", "closed 0+0/10"},
        {"4x6.", "closed 4+0/10"},
        {"4x6.4x", "closed 4+0/10"},
        {"4x6.4xx", "open failures 5/10 60000"},
        {"z99.", "closed 0+0/10"},
    };
    circuit_story_all_end(&policy, row, COUNT(row));
}

/* "Time-based sliding window": ten seconds are ten buckets, each of what happened in one second. */
static void r4j_takes_the_eldest_second_of_ten_off(void **unused)
{
    (void)unused;
    struct circuit_policy policy = r4j;
    policy.window = 0;
    policy.span_us = 10 * SECOND_US;
    static const struct circuit_story_row row[] = {
        {"x9>z>s", "closed 2+2/3"},     {"x9>z>s89>?", "closed 2+2/3"},
        {"x9>z>s90>?", "closed 0+1/1"}, /* all of the first second at once */
        {"x9>z>s99>?", "closed 0+1/1"}, {"x9>z>s100>?", "closed 0+0/0"},
        {"99x100>x", "closed 1+0/1"},   {"99x99>x", "open failures 100/100 60000"},
    };
    circuit_story_all_end(&policy, row, COUNT(row));
}

/* "Create and configure a CircuitBreaker", the example. Their five buckets are ten halves here, and one
 * bad probe of three, which is below half, opens it, where theirs goes by the share. */
static void r4j_of_the_last_five_seconds(void **unused)
{
    (void)unused;
    const struct circuit_policy policy = r4j_of_five_seconds();
    static const struct circuit_story_row row[] = {
        {"5.4x", "closed 4+0/9"},
        {"5.5x", "open failures 5/10 1000"},
        {"6.4x", "closed 4+0/10"},
        {"5.5s", "open slow 5/10 1000"},
        {"9x50>x", "closed 1+0/1"},
        {"9x49>x", "open failures 10/10 1000"},
        {"10x9>-", "open failures 10/10 100"},
        {"10x10>ABC-", "half 0+3"}, /* until all that were permitted have ended */
        {"10x10>ABCa.b.-", "half 2+1"},
        {"10x10>ABCa.b.c.", "closed 0+0/0"},
        {"10x10>..x", "open probe 1/3 1000"},
        {"10x10>..s", "open probe 1/3 1000"},
        {"10x10>x10>x10>...", "closed 0+0/0"},
    };
    circuit_story_all_end(&policy, row, COUNT(row));
}

/* The table's maxWaitDurationInHalfOpenState. Theirs opens then; here the permits are free again. */
static void r4j_does_not_wait_for_probes_for_ever(void **unused)
{
    (void)unused;
    struct circuit_policy policy = r4j_of_five_seconds();
    policy.probe_us = 10 * SECOND_US;
    static const struct circuit_story_row row[] = {
        {"10x10>ABC99>-", "half 0+3"},
        {"10x10>ABC100>", "half 0+0"},
        {"10x10>ABC100>DEF-", "half 0+3"},
        {"10x10>ABC100>...", "closed 0+0/0"},
    };
    circuit_story_all_end(&policy, row, COUNT(row));
}

/* "Failure rate and slow call rate thresholds", the end: a window of 15 is no bound of twenty at once. */
static void r4j_lets_twenty_pass_at_once(void **unused)
{
    (void)unused;
    struct circuit_story s;
    uint64_t pass[20];
    circuit_story_begin(&s, &r4j);
    s.policy.window = 15;
    for (size_t i = 0; i < COUNT(pass); i++)
        pass[i] = circuit_allow(&s.circuit, &s.policy, s.now_us);
    for (size_t i = 0; i < COUNT(pass); i++)
        circuit_record(&s.circuit, &s.policy, pass[i], CIRCUIT_WELL, s.now_us, 0);
    assert_string_equal(circuit_story_says(&s), "closed 0+0/15");
}

/* The special states: always and never, until somebody says else; and METRICS_ONLY, which is told of
 * each call that it would have refused, where theirs tells of the threshold. */
static void r4j_in_its_special_states(void **unused)
{
    (void)unused;
    static const struct circuit_story_row row[] = {
        {"@c500x", "closed 100+0/100"}, /* DISABLED, but that it counts */
        {"@c500x36000>.", "closed 99+0/100"},
        {"@o9-36000>9-", "open by order"}, /* FORCED_OPEN */
        {"@o36000>@a9.", "half 9+0"},
        {"@o36000>@a10.", "closed 0+0/0"},
        {"@m99x", "closed 99+0/99"}, /* METRICS_ONLY */
        {"@m100x50~", "open failures 100/100 60000"},
    };
    circuit_story_all_end(&r4j, row, COUNT(row));
}

/* --- Polly ------------------------------------------------------------------------------------ */

/* "Diagrams", both; a probe is one call, and its pause does not grow. */
static const struct circuit_policy polly = {.span_us = 2 * SECOND_US,
                                            .least = 2,
                                            .percent = 50,
                                            .probes = 1,
                                            .probe_us = SECOND_US,
                                            .pause_us = SECOND_US,
                                            .pause_max_us = SECOND_US};

static void polly_breaks_and_mends_as_in_its_diagrams(void **unused)
{
    (void)unused;
    static const struct circuit_story_row row[] = {
        {"..x", "closed 1+0/3"},            /* "Simple: happy path": 0.33 */
        {".x-", "open failures 1/2 1000"},  /* "Simple: unhappy path" */
        {"xx-10>.", "closed 0+0/0"},        /* "Complex: happy path" */
        {"xx-10>x", "open probe 1/1 1000"}, /* "Complex: unhappy path" */
        {"xx-10>x-", "open probe 1/1 1000"},
        {"xx-10>x10>.", "closed 0+0/0"},
        {"xx9>-", "open failures 2/2 100"},
        {"xx100>",
         "open failures 2/2 -9000"}, /* it is no active object: who asks next is the probe */
        {"xx100>A-", "half 0+1"},
        {"xx100>A-a.", "closed 0+0/0"},
        {"x20>x", "closed 1+0/1"}, /* the sampling has ended */
        {"x17>x", "open failures 2/2 1000"},
    };
    circuit_story_all_end(&polly, row, COUNT(row));
}

/* "Usage": half of at least eight within ten seconds, for thirty. */
static void polly_by_the_options_of_its_example(void **unused)
{
    (void)unused;
    struct circuit_policy policy = polly;
    policy.span_us = 10 * SECOND_US;
    policy.least = 8;
    policy.pause_us = policy.pause_max_us = 30 * SECOND_US;
    static const struct circuit_story_row row[] = {
        {"7x", "closed 7+0/7"},
        {"8x", "open failures 8/8 30000"},
        {"4.4x", "open failures 4/8 30000"},
        {"5.3x", "closed 3+0/8"},
        {"7x100>7x", "closed 7+0/7"},
        {"8x299>-", "open failures 8/8 100"},
        {"8x300>.", "closed 0+0/0"},
    };
    circuit_story_all_end(&policy, row, COUNT(row));
}

/* "Defaults": a tenth of at least a hundred within thirty seconds, for five. */
static void polly_by_its_defaults(void **unused)
{
    (void)unused;
    struct circuit_policy policy = polly;
    policy.span_us = 30 * SECOND_US;
    policy.least = 100;
    policy.percent = 10;
    policy.pause_us = policy.pause_max_us = 5 * SECOND_US;
    static const struct circuit_story_row row[] = {
        {"99x", "closed 99+0/99"},
        {"9x91.", "closed 9+0/100"},
        {"10x90.", "open failures 10/100 5000"},
        {"9x91.x", "closed 10+0/101"},
        {"9x81.299>9.x", "open failures 10/100 5000"},
        {"9x81.300>9.x", "closed 1+0/10"},
    };
    circuit_story_all_end(&policy, row, COUNT(row));
}

/* The manual control: isolated until it is closed, which resets what it had counted. */
static void polly_is_isolated_until_it_is_closed(void **unused)
{
    (void)unused;
    static const struct circuit_story_row row[] = {
        {"@o9-500>9-", "open by order"}, {"x@o-@c@a", "closed 0+0/0"},
        {"x@o-@c@ax", "closed 1+0/1"},   {"xx@o-@c@a.x", "open failures 1/2 1000"},
        {"xx-@c@a.", "closed 0+0/1"}, /* a broken one may be closed by hand, too */
    };
    circuit_story_all_end(&polly, row, COUNT(row));
}

/* The wiki: it broke after two in a row, for a minute. */
static void polly_as_it_was_counts_failures_in_a_row(void **unused)
{
    (void)unused;
    struct circuit_policy policy = polly;
    policy.percent = 0;
    policy.consecutive = 2;
    policy.pause_us = policy.pause_max_us = 60 * SECOND_US;
    static const struct circuit_story_row row[] = {
        {"x.x.x", "closed 3+0/5"},
        {"xx", "open consecutive 2/2 60000"},
        {"x500>x", "open consecutive 2/2 60000"},
        {"xx599>-", "open consecutive 2/2 100"},
        {"xx600>A-a.x", "closed 1+0/1"},
        {"xx600>A-ax", "open probe 1/1 60000"},
    };
    circuit_story_all_end(&policy, row, COUNT(row));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(r4j_trips_at_its_thresholds_and_not_below),
        cmocka_unit_test(r4j_needs_its_minimum_number_of_calls),
        cmocka_unit_test(r4j_takes_the_eldest_of_ten_off),
        cmocka_unit_test(r4j_takes_the_eldest_second_of_ten_off),
        cmocka_unit_test(r4j_of_the_last_five_seconds),
        cmocka_unit_test(r4j_does_not_wait_for_probes_for_ever),
        cmocka_unit_test(r4j_lets_twenty_pass_at_once),
        cmocka_unit_test(r4j_in_its_special_states),
        cmocka_unit_test(polly_breaks_and_mends_as_in_its_diagrams),
        cmocka_unit_test(polly_by_the_options_of_its_example),
        cmocka_unit_test(polly_by_its_defaults),
        cmocka_unit_test(polly_is_isolated_until_it_is_closed),
        cmocka_unit_test(polly_as_it_was_counts_failures_in_a_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
