/* circuit_window_spec.c - which outcomes count: the last ones, or those of the last span; and what is
 * kept of them when the policy changes. */
#include "rules/circuit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "support/circuit_story.h"
#include "support/dice.h"

/* Nothing trips it, so all outcomes are there to be counted. */
static struct circuit_policy calm(int32_t window, int64_t ticks)
{
    struct circuit_policy p = circuit_usual;
    p.percent = p.slow_percent = 0;
    p.window = window;
    p.span_us = ticks * TICK_US;
    return p;
}

/* --- the last outcomes ------------------------------------------------------------------------ */

struct listed {
    bool is_failed, is_slow;
};

static void record(struct circuit_story *s, struct listed l)
{
    uint64_t pass = circuit_pass(circuit_word(&s->circuit));
    circuit_record(&s->circuit, &s->policy, pass,
                   (l.is_failed ? CIRCUIT_FAILED : 0U) | (l.is_slow ? CIRCUIT_SLOW : 0U), s->now_us,
                   0);
}

static void expect_last(struct circuit_story *s, const struct listed *list, int32_t count)
{
    struct circuit_tally t = {0};
    circuit_look(&s->circuit, &s->policy, s->now_us);
    for (int32_t i = count - 1; i >= 0 && t.all < s->policy.window; i--) {
        t.all++;
        t.failed += list[i].is_failed;
        t.slow += list[i].is_slow;
    }
    if (memcmp(&t, &s->circuit.sum, sizeof t) != 0)
        fail_msg("%s, not %d+%d/%d, of the last %d", circuit_story_says(s), (int)t.failed,
                 (int)t.slow, (int)t.all, s->policy.window);
}

static void the_last_ones_count_and_no_other(void **unused)
{
    (void)unused;
    static const int32_t window[] = {1, 2, 3, 31, 63, 64, 65, 127, 128, 129, 999, 1000};
    dice_state = 3;
    for (size_t w = 0; w < COUNT(window); w++) {
        static struct listed list[3000];
        struct circuit_policy policy = calm(window[w], 0);
        struct circuit_story s;
        circuit_story_begin(&s, &policy);
        for (int32_t i = 0; i < (int32_t)COUNT(list); i++) {
            list[i] = (struct listed){dice() % 3 == 0, dice() % 2 == 0};
            record(&s, list[i]);
            if (i < 100 || i % 101 == 0)
                expect_last(&s, list, i + 1);
        }
    }
}

static void a_window_may_shrink_and_grow_without_losing_any(void **unused)
{
    (void)unused;
    static const int32_t count[] = {1, 64, 500, 1000, 1024, 1025, 5000};
    static struct listed list[5100];
    dice_state = 4;
    for (size_t c = 0; c < COUNT(count); c++) {
        struct circuit_policy policy = calm(10, 0);
        struct circuit_story s;
        circuit_story_begin(&s, &policy);
        for (int32_t i = 0; i < count[c]; i++)
            record(&s, list[i] = (struct listed){dice() % 3 == 0, dice() % 2 == 0});
        for (int32_t i = 0; i < 100; i++) {
            static const int32_t window[] = {1000, 1, 64, 999};
            s.policy.window = i < 4 ? window[i] : 1 + (int32_t)(dice() % 1000);
            expect_last(&s, list, count[c] + i);
            record(&s, list[count[c] + i] = (struct listed){dice() % 3 == 0, dice() % 2 == 0});
        }
    }
}

static void a_window_that_shrinks_trips_with_the_next_outcome(void **unused)
{
    (void)unused;
    struct circuit_story s;
    circuit_story_begin(&s, &circuit_usual);
    circuit_story_tell(&s, "6.4x");
    s.policy.window = 4;
    circuit_story_tell(&s, "?9r");
    assert_string_equal(circuit_story_says(&s), "closed 4+0/4");
    circuit_story_tell(&s, ".");
    assert_string_equal(circuit_story_says(&s), "open failures 3/4 1000");
}

/* --- the last span ---------------------------------------------------------------------------- */

/* Ten buckets of a second. The story begins with one. */
static void an_outcome_counts_for_nine_tenths_of_the_span_and_never_longer_than_it(void **unused)
{
    (void)unused;
    static const struct circuit_story_row row[] = {
        {"x", "closed 1+0/1"},
        {"x99>?", "closed 1+0/1"},
        {"x100>?", "closed 0+0/0"},
        {"9>x90>?", "closed 1+0/1"},
        {"9>x91>?", "closed 0+0/0"}, /* it was the last in its bucket */
        {"10>x99>?", "closed 1+0/1"},
        {"10>x100>?", "closed 0+0/0"},
        {"x9>z10>s90>?", "closed 0+1/1"},
        {"x9>z10>s91>?", "closed 0+0/0"},
        {"x9>z10>s81>?", "closed 0+1/1"},
        {"x9>z10>s80>?", "closed 2+2/3"},
        {"x10>x10>x10>x10>x10>x10>x10>x10>x10>x", "closed 10+0/10"},
        {"x10>x10>x10>x10>x10>x10>x10>x10>x10>x10>?", "closed 9+0/9"},
        {"x10>x10>x10>x10>x10>x10>x10>x10>x10>x80>?", "closed 2+0/2"},
        {"x10>x10>x10>x10>x10>x10>x10>x10>x10>x99>?", "closed 1+0/1"},
        {"x10>x10>x10>x10>x10>x10>x10>x10>x10>x100>?", "closed 0+0/0"},
        {"x10>x10>x10>x10>x10>x10>x10>x10>x10>x119>.", "closed 0+0/1"},
        {"20x1000>?", "closed 0+0/0"},
        {"20x1000>x", "closed 1+0/1"},
    };
    struct circuit_policy policy = calm(0, 100);
    circuit_story_all_end(&policy, row, COUNT(row));
}

static void it_trips_by_what_is_left(void **unused)
{
    (void)unused;
    static const struct circuit_story_row row[] = {
        {"4.10>xxx", "closed 3+0/7"},
        {"4.10>xxx80>.", "closed 3+0/8"},
        {"4.10>xxx90>9r", "closed 3+0/3"}, /* what went well is forgotten */
        {"4.10>xxx90>.", "open failures 3/4 1000"},
        {"3x100>xxx", "closed 3+0/3"},
        {"3x90>x", "open failures 4/4 1000"},
        {"4x10>..3x", "closed 3+0/3"}, /* it begins anew */
    };
    struct circuit_policy policy = circuit_usual;
    policy.window = 0;
    policy.span_us = 100 * TICK_US;
    circuit_story_all_end(&policy, row, COUNT(row));
}

static void whatever_the_span_is(void **unused)
{
    (void)unused;
    dice_state = 5;
    for (int round = 0; round < 20000; round++) {
        struct circuit_policy policy = calm(0, 0);
        struct circuit_story s;
        policy.span_us = CIRCUIT_BUCKETS + (int64_t)(dice() % (round % 2 == 0 ? 100 : 100000000));
        circuit_story_begin(&s, &policy);
        s.now_us += (int64_t)(dice() % 1000000000);
        circuit_story_tell(&s, dice() % 2 == 0 ? "z" : "?z");
        int64_t width_us = policy.span_us / CIRCUIT_BUCKETS;
        int64_t passed_us = (int64_t)(dice() % (uint64_t)(12 * width_us));
        int64_t begin_us = s.now_us / width_us * width_us;
        s.now_us += passed_us;
        circuit_story_tell(&s, "?");
        bool is_there = s.circuit.sum.all == 1;
        assert_int_equal(is_there, s.now_us < begin_us + CIRCUIT_BUCKETS * width_us);
        assert_true(is_there ? passed_us < policy.span_us : passed_us > 9 * width_us);
        assert_int_equal(s.circuit.sum.failed, is_there);
        assert_int_equal(s.circuit.sum.slow, is_there);
    }
}

static void nothing_is_forgotten_when_the_clock_goes_back(void **unused)
{
    (void)unused;
    static const struct circuit_story_row row[] = {
        {"x5<x", "closed 2+0/2"},
        {"x500<x", "closed 2+0/2"},
        {"10>x20<x119>?", "closed 2+0/2"}, /* as if it were where it was */
        {"10>x20<x120>?", "closed 0+0/0"},
    };
    struct circuit_policy policy = calm(0, 100);
    circuit_story_all_end(&policy, row, COUNT(row));
}

/* As many as there can be in a day. */
static void a_share_of_very_many_is_exact(void **unused)
{
    (void)unused;
    struct circuit_policy policy = circuit_usual;
    struct circuit_story s;
    policy.window = 0;
    policy.span_us = 86400 * SECOND_US;
    for (int64_t half = 500000000; half < 1000000000000000; half *= 10) {
        circuit_story_begin(&s, &policy);
        circuit_story_tell(&s, "xx.");
        struct circuit_tally many = {.all = 2 * half - 1, .failed = half - 2, .slow = 3};
        s.circuit.kept.span.bucket[s.circuit.kept.span.at] = s.circuit.sum = many;
        circuit_story_tell(&s, "x");
        assert_int_equal(s.circuit.state, CIRCUIT_CLOSED);
        circuit_story_tell(&s, "x.?");
        assert_int_equal(s.circuit.state, CIRCUIT_CLOSED);
        circuit_story_tell(&s, "x");
        assert_int_equal(s.circuit.state, CIRCUIT_CLOSED);
        circuit_story_tell(&s, "x");
        assert_int_equal(s.circuit.state, CIRCUIT_OPEN);
        assert_int_equal(s.circuit.cause.bad, half + 2);
        assert_int_equal(s.circuit.cause.of, 2 * half + 4);
    }
}

/* --- another one ------------------------------------------------------------------------------ */

struct change {
    int64_t before; /* ticks; 0: a window of ten outcomes */
    const char *sentence;
    int64_t after;
    const char *then, *says;
};

static void change(const struct change *h)
{
    struct circuit_policy policy = calm(h->before == 0 ? 10 : 0, h->before);
    struct circuit_story s;
    circuit_story_begin(&s, &policy);
    circuit_story_tell(&s, h->sentence);
    policy = calm(h->after == 0 ? 10 : 0, h->after);
    s.policy.window = policy.window;
    s.policy.span_us = policy.span_us;
    s.policy.consecutive = 4;
    circuit_story_tell(&s, "?");
    circuit_story_tell(&s, h->then);
    if (strcmp(circuit_story_says(&s), h->says) != 0)
        fail_msg("\"%s\", %lld for %lld, \"%s\": it is %s, not %s", h->sentence,
                 (long long)h->after, (long long)h->before, h->then, s.now, h->says);
}

static void what_is_in_a_bucket_counts_from_its_beginning_in_another_span(void **unused)
{
    (void)unused;
    static const struct change row[] = {
        {100, "x50>x", 200, "?", "closed 2+0/2"},
        {100, "x50>x", 200, "149>?", "closed 2+0/2"},
        {100, "x50>x", 200, "150>?", "closed 1+0/1"},
        {100, "x50>x", 200, "189>?", "closed 1+0/1"},
        {100, "x50>x", 200, "190>?", "closed 0+0/0"},
        {100, "x40>x30>x", 50, "?", "closed 2+0/2"},
        {100, "x40>x30>x", 50, "19>?", "closed 2+0/2"},
        {100, "x40>x30>x", 50, "20>?", "closed 1+0/1"},
        {100, "x40>x30>x", 50, "49>?", "closed 1+0/1"},
        {100, "x40>x30>x", 50, "50>?", "closed 0+0/0"},
        {100, "9>x", 50, "40>?", "closed 1+0/1"},
        {100, "9>x", 50, "41>?", "closed 0+0/0"},
        {1000, "z50>s", 100, "49>?", "closed 1+2/2"},
        {1000, "z50>s", 100, "50>?", "closed 0+0/0"},
        {1000, "x99>x", 100, "?", "closed 2+0/2"},
        {1000, "x99>x>", 100, "?", "closed 0+0/0"},
        {1000, "x500>x", 100, "?", "closed 1+0/1"},
        {100, "x10>x10>x10>.10>x10>x10>x10>.10>s10>z", 1000, "?", "closed 7+2/10"},
        {100, "x10>x10>x10>.10>x10>x10>x10>.10>s10>z", 1000, "1000>?", "closed 0+0/0"},
        {100, "x10>x10>x10>.10>x10>x10>x10>.10>s10>z", 50, "?", "closed 3+2/5"},
        {100, "x", 1000, "1000>?", "closed 0+0/0"},
        {100, "x", 1000, "999>?", "closed 1+0/1"},
        {100, "x100>", 1000, "?", "closed 0+0/0"}, /* it was too old already */
        {100, "x99>", 1000, "900>?", "closed 1+0/1"},
        {100, "50>x30<", 200, "?", "closed 1+0/1"},
        {100, "50>x30<", 200, "219>?", "closed 1+0/1"},
        {100, "50>x30<", 200, "220>?", "closed 0+0/0"},
        {100, "x", 100, "x", "closed 2+0/2"},
    };
    for (size_t i = 0; i < COUNT(row); i++)
        change(&row[i]);
}

static void from_one_kind_to_the_other_only_a_row_of_failures_is_kept(void **unused)
{
    (void)unused;
    static const struct change row[] = {
        {0, "z.z", 100, "?", "closed 0+0/0"},
        {0, "z.z", 100, "z..", "closed 1+1/3"},
        {0, "9z.", 100, "99>zzz.100>?", "closed 0+0/0"},
        {100, "z.z", 0, "?", "closed 0+0/0"},
        {100, "10>z10>9z.", 0, "20.", "closed 0+0/10"},
        {100, "z.z", 0, "..z", "closed 1+1/3"},
        {100, "xx", 0, "x", "closed 1+0/1"},
        {100, "xx", 0, "xx", "open consecutive 4/4 1000"},
        {0, "xx", 100, "xx", "open consecutive 4/4 1000"},
        {0, "xxx", 100, ".x", "closed 1+0/2"},
        {100, "xx", 200, "xx", "open consecutive 4/4 1000"},
    };
    for (size_t i = 0; i < COUNT(row); i++)
        change(&row[i]);
    struct circuit_story s;
    struct circuit_policy policy = calm(10, 0);
    circuit_story_begin(&s, &policy);
    circuit_story_tell(&s, "zz.");
    s.policy.span_us = SECOND_US; /* of a span that is not looked at */
    circuit_story_tell(&s, ".");
    assert_string_equal(circuit_story_says(&s), "closed 2+2/4");
}

/* Open or half open it has none, so whatever was said meanwhile holds from when it closes. */
static void a_window_that_changes_while_it_is_not_closed(void **unused)
{
    (void)unused;
    static const struct {
        int32_t window;
        int64_t span_us;
        const char *then, *says;
    } row[] = {
        {4, 0, "10>..5.", "closed 0+0/4"},
        {4, 0, "10>..xx..", "open failures 2/4 2000"},
        {0, 10 * SECOND_US, "10>..xx.100>.", "closed 0+0/1"},
        {0, 10 * SECOND_US, "10>..xx.99>.", "open failures 2/4 1000"},
    };
    for (size_t i = 0; i < COUNT(row); i++) {
        struct circuit_story s;
        circuit_story_begin(&s, &circuit_usual);
        circuit_story_tell(&s, "4x");
        s.policy.window = row[i].window;
        s.policy.span_us = row[i].span_us;
        s.policy.pause_max_us = 2 * SECOND_US;
        circuit_story_tell(&s, row[i].then);
        if (strcmp(circuit_story_says(&s), row[i].says) != 0)
            fail_msg("row %zu: it is %s, not %s", i, s.now, row[i].says);
        circuit_story_begin(&s, &circuit_usual);
        circuit_story_tell(&s, "4x10>.A");
        s.policy.window = row[i].window;
        s.policy.span_us = row[i].span_us;
        circuit_story_tell(&s, "-a.");
        assert_string_equal(circuit_story_says(&s), "closed 0+0/0");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_ones_count_and_no_other),
        cmocka_unit_test(a_window_may_shrink_and_grow_without_losing_any),
        cmocka_unit_test(a_window_that_shrinks_trips_with_the_next_outcome),
        cmocka_unit_test(an_outcome_counts_for_nine_tenths_of_the_span_and_never_longer_than_it),
        cmocka_unit_test(it_trips_by_what_is_left),
        cmocka_unit_test(whatever_the_span_is),
        cmocka_unit_test(nothing_is_forgotten_when_the_clock_goes_back),
        cmocka_unit_test(a_share_of_very_many_is_exact),
        cmocka_unit_test(what_is_in_a_bucket_counts_from_its_beginning_in_another_span),
        cmocka_unit_test(from_one_kind_to_the_other_only_a_row_of_failures_is_kept),
        cmocka_unit_test(a_window_that_changes_while_it_is_not_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
