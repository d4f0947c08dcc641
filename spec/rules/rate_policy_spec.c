/* rate_policy_spec.c - a rate goes by another policy from one call to the next. */
#include "rules/rate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/check.h"
#include "support/aborts.h"

#define MS 1000
#define SECOND 1000000
#define DAY (86400 * (int64_t)SECOND)
#define BEGIN_US (1000 * (int64_t)SECOND)

static void expect(struct rate *r, const struct rate_limit *p, int64_t cost, int64_t now_us,
                   enum rate_verdict verdict, int64_t at_us)
{
    struct rate_answer a = rate_take(r, p, cost, INT64_MAX, now_us);
    if (a.verdict != verdict || a.at_us != at_us)
        fail_msg("at %lld: %d for %lld, not %d for %lld", (long long)now_us, a.verdict,
                 (long long)a.at_us, verdict, (long long)at_us);
}

/* First some calls by the one, and then one by the other, so much later. */
static void what_is_owed_outlives_the_policy(void **unused)
{
    (void)unused;
    static const struct rate_policy tens = {.tokens = 10, .span_us = SECOND, .burst = 10},
                                    same = {.tokens = 600, .span_us = 60 * SECOND, .burst = 10},
                                    fast = {.tokens = 100, .span_us = SECOND, .burst = 10},
                                    small = {.tokens = 10, .span_us = SECOND, .burst = 4},
                                    slow = {.tokens = 1, .span_us = SECOND, .burst = 20},
                                    odd = {.tokens = 7, .span_us = 700001, .burst = 10},
                                    daily = {.tokens = 10, .span_us = DAY, .burst = 10};
    static const struct {
        enum rate_shape shape, then_shape;
        const struct rate_policy *rate, *then;
        int64_t cost, later_ms, again;
        enum rate_verdict verdict;
        int64_t at_us; /* since the first */
    } row[] = {
        {RATE_BUCKET, RATE_BUCKET, &tens, &same, 10, 0, 1, RATE_REFUSE, 100 * MS},
        {RATE_BUCKET, RATE_BUCKET, &tens, &same, 10, 50, 1, RATE_REFUSE, 100 * MS},
        {RATE_BUCKET, RATE_BUCKET, &same, &tens, 10, 0, 1, RATE_REFUSE, 100 * MS},
        {RATE_BUCKET, RATE_BUCKET, &tens, &fast, 10, 0, 1, RATE_REFUSE, 10 * MS},
        {RATE_BUCKET, RATE_BUCKET, &tens, &fast, 10, 10, 1, RATE_GO, 10 * MS},
        {RATE_BUCKET, RATE_BUCKET, &tens, &small, 10, 0, 1, RATE_REFUSE, 700 * MS},
        {RATE_BUCKET, RATE_BUCKET, &tens, &small, 3, 0, 1, RATE_GO, 0},
        {RATE_BUCKET, RATE_BUCKET, &tens, &slow, 10, 0, 10, RATE_GO, 0},
        {RATE_BUCKET, RATE_BUCKET, &tens, &slow, 10, 0, 11, RATE_REFUSE, SECOND},
        {RATE_BUCKET, RATE_BUCKET, &odd, &tens, 10, 0, 1, RATE_REFUSE, 100 * MS},
        {RATE_BUCKET, RATE_BUCKET, &tens, &odd, 10, 0, 1, RATE_REFUSE, 100001},
        {RATE_BUCKET, RATE_LEAKY, &tens, &tens, 10, 0, 1, RATE_REFUSE, SECOND},
        {RATE_BUCKET, RATE_LEAKY, &tens, &same, 10, 400, 1, RATE_REFUSE, SECOND},
        {RATE_BUCKET, RATE_LEAKY, &tens, &tens, 10, 1000, 1, RATE_GO, SECOND},
        {RATE_LEAKY, RATE_BUCKET, &tens, &tens, 9, 0, 1, RATE_GO, 0},
        {RATE_LEAKY, RATE_BUCKET, &tens, &tens, 9, 0, 2, RATE_REFUSE, 100 * MS},
        {RATE_LEAKY, RATE_BUCKET, &tens, &small, 9, 100, 1, RATE_REFUSE, 600 * MS},
        {RATE_BUCKET, RATE_WINDOW, &tens, &tens, 9, 0, 1, RATE_GO, 0},
        {RATE_BUCKET, RATE_WINDOW, &tens, &tens, 9, 0, 2, RATE_REFUSE, 1200 * MS},
        {RATE_BUCKET, RATE_WINDOW, &tens, &tens, 9, 300, 4, RATE_GO, 300 * MS},
        {RATE_BUCKET, RATE_WINDOW, &tens, &tens, 9, 300, 5, RATE_REFUSE, 1500 * MS},
        {RATE_BUCKET, RATE_WINDOW, &tens, &tens, 9, 299, 4, RATE_REFUSE,
         1499 * MS}, /* begun is whole */
        {RATE_BUCKET, RATE_WINDOW, &same, &tens, 9, 300, 4, RATE_GO, 300 * MS},
        {RATE_BUCKET, RATE_WINDOW, &tens, &daily, 9, 0, 1, RATE_GO, 0},
        {RATE_BUCKET, RATE_WINDOW, &tens, &daily, 9, 0, 2, RATE_REFUSE, DAY / 5 * 6},
        {RATE_LEAKY, RATE_WINDOW, &tens, &small, 25, 0, 1, RATE_REFUSE, 1200 * MS},
        {RATE_WINDOW, RATE_BUCKET, &tens, &tens, 9, 0, 1, RATE_GO, 0},
        {RATE_WINDOW, RATE_BUCKET, &tens, &tens, 9, 0, 2, RATE_REFUSE, 100 * MS},
        {RATE_WINDOW, RATE_BUCKET, &tens, &tens, 9, 1199, 2, RATE_REFUSE, 1299 * MS},
        {RATE_WINDOW, RATE_BUCKET, &tens, &tens, 9, 1200, 10, RATE_GO, 1200 * MS},
        {RATE_WINDOW, RATE_LEAKY, &tens, &same, 9, 0, 1, RATE_REFUSE, 900 * MS},
        {RATE_WINDOW, RATE_WINDOW, &tens, &same, 10, 0, 590, RATE_GO, 0},
        {RATE_WINDOW, RATE_WINDOW, &tens, &same, 10, 0, 591, RATE_REFUSE, 72 * SECOND},
        {RATE_WINDOW, RATE_WINDOW, &tens, &same, 10, 1199, 591, RATE_REFUSE, 73199 * MS},
        {RATE_WINDOW, RATE_WINDOW, &tens, &same, 10, 1200, 600, RATE_GO, 1200 * MS},
        {RATE_WINDOW, RATE_WINDOW, &same, &tens, 11, 0, 1, RATE_REFUSE, 1200 * MS},
        {RATE_WINDOW, RATE_WINDOW, &same, &tens, 11, 71000, 1, RATE_REFUSE, 72200 * MS},
        {RATE_WINDOW, RATE_WINDOW, &tens, &fast, 10, 0, 90, RATE_GO, 0}, /* the parts stay */
        {RATE_WINDOW, RATE_WINDOW, &tens, &fast, 10, 0, 91, RATE_REFUSE, 1200 * MS},
        {RATE_WINDOW, RATE_WINDOW, &fast, &tens, 50, 100, 1, RATE_REFUSE, 1200 * MS},
    };
    for (size_t i = 0; i < COUNT(row); i++) {
        struct rate r = {.since_us = 0};
        struct rate_limit p = {.shape = row[i].shape, .rate = *row[i].rate};
        expect(&r, &p, row[i].cost, BEGIN_US, RATE_GO, BEGIN_US);
        p = (struct rate_limit){.shape = row[i].then_shape, .rate = *row[i].then};
        int64_t now_us = BEGIN_US + row[i].later_ms * MS;
        struct rate_answer a = rate_take(&r, &p, row[i].again, 0, now_us);
        if (a.verdict != row[i].verdict || a.at_us - BEGIN_US != row[i].at_us)
            fail_msg("row %zu: %d for %lld", i, a.verdict, (long long)(a.at_us - BEGIN_US));
    }
}

/* After 70 ms there are 9.3 of 10 left to bring back, and after 30 more 9. */
static void parts_of_a_token_outlive_the_policy_too(void **unused)
{
    (void)unused;
    const struct rate_limit p = {.shape = RATE_BUCKET,
                                 .rate = {.tokens = 10, .span_us = SECOND, .burst = 10}};
    const struct rate_limit q = {.shape = RATE_BUCKET,
                                 .rate = {.tokens = 20, .span_us = 2 * SECOND, .burst = 10}};
    struct rate r = {.since_us = 0};
    expect(&r, &p, 10, BEGIN_US, RATE_GO, BEGIN_US);
    expect(&r, &p, 1, BEGIN_US + 70 * MS, RATE_REFUSE, BEGIN_US + 100 * MS);
    expect(&r, &q, 1, BEGIN_US + 70 * MS, RATE_REFUSE, BEGIN_US + 100 * MS);
    expect(&r, &p, 1, BEGIN_US + 99999, RATE_REFUSE, BEGIN_US + 100 * MS);
    expect(&r, &q, 1, BEGIN_US + 100 * MS, RATE_GO, BEGIN_US + 100 * MS);
}

static void more_tokens_than_a_word_holds_are_that_many(void **unused)
{
    (void)unused;
    const struct rate_limit p = {
        .shape = RATE_LEAKY, .rate = {.tokens = INT64_MAX, .span_us = 1}, .wait_us = INT64_MAX};
    const struct rate_limit q = {
        .shape = RATE_LEAKY, .rate = {.tokens = INT64_MAX, .span_us = 2}, .wait_us = INT64_MAX};
    const struct rate_limit w = {.shape = RATE_WINDOW, .rate = {.tokens = INT64_MAX, .span_us = 2}};
    struct rate r = {.since_us = 0};
    for (int i = 0; i < 9; i++)
        assert_int_equal(rate_take(&r, &p, INT64_MAX, INT64_MAX, 0).at_us, i);
    expect(&r, &q, 1, 0, RATE_WAIT, 2);
    expect(&r, &w, 1, 0, RATE_REFUSE, 6);
}

static void a_clock_that_went_back_is_waited_for(void **unused)
{
    (void)unused;
    const struct rate_limit p = {.shape = RATE_BUCKET,
                                 .rate = {.tokens = 10, .span_us = SECOND, .burst = 1},
                                 .wait_us = 300 * MS};
    const struct rate_limit w = {.shape = RATE_WINDOW, .rate = {.tokens = 1, .span_us = SECOND}};
    struct rate r = {.since_us = 0}, c = {.since_us = 0};
    expect(&r, &p, 1, BEGIN_US, RATE_GO, BEGIN_US);
    expect(&r, &p, 1, BEGIN_US - 200 * MS, RATE_WAIT, BEGIN_US + 100 * MS);
    expect(&r, &p, 1, 0, RATE_REFUSE, BEGIN_US - 100 * MS);
    expect(&c, &w, 1, BEGIN_US, RATE_GO, BEGIN_US);
    expect(&c, &w, 1, 0, RATE_REFUSE, BEGIN_US + 1200 * MS);
    struct rate_limit b = {.shape = RATE_BUCKET,
                           .rate = {.tokens = 10, .span_us = SECOND, .burst = 1}};
    expect(&c, &b, 1, 0, RATE_REFUSE, BEGIN_US + 100 * MS);
    expect(&c, &w, 1, 0, RATE_REFUSE, BEGIN_US + 1200 * MS);
}

/* --- what is no policy ------------------------------------------------------------------------ */

static void take_by(int64_t tokens, int64_t span_us, int64_t burst, int64_t cost)
{
    const struct rate_limit p = {.shape = RATE_LEAKY,
                                 .rate = {.tokens = tokens, .span_us = span_us, .burst = burst}};
    struct rate r = {.since_us = 0};
    rate_take(&r, &p, cost, INT64_MAX, BEGIN_US);
}

static void take_in_no_span(void)
{
    take_by(10, 0, 1, 1);
}

static void take_of_less_than_no_tokens(void)
{
    take_by(-1, SECOND, 1, 1);
}

static void take_of_less_than_no_burst(void)
{
    take_by(10, SECOND, -1, 1);
}

static void take_nothing(void)
{
    take_by(10, SECOND, 1, 0);
}

static void what_is_no_policy_is_not_gone_by(void **unused)
{
    (void)unused;
    assert_true(aborts(take_in_no_span));
    assert_true(aborts(take_of_less_than_no_tokens));
    assert_true(aborts(take_of_less_than_no_burst));
    assert_true(aborts(take_nothing));
    take_by(0, 1, 0, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_owed_outlives_the_policy),
        cmocka_unit_test(parts_of_a_token_outlive_the_policy_too),
        cmocka_unit_test(more_tokens_than_a_word_holds_are_that_many),
        cmocka_unit_test(a_clock_that_went_back_is_waited_for),
        cmocka_unit_test(what_is_no_policy_is_not_gone_by),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
