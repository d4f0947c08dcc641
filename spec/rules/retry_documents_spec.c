/* retry_documents_spec.c - what others have published of their retries, with our rules and their
 * numbers.
 */
#include "rules/retry.h"
#include "rules/throttle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "support/dice.h"

#define MS 1000
#define SECOND 1000000
#define T THROTTLE_TOKEN

/* --- a call ----------------------------------------------------------------------------------- */

#define ASKED_MS 700

struct call {
    const struct retry_policy *policy;
    int32_t attempts, counted; /* of which so many count for the pauses */
    int64_t before_us, now_us, deadline_us;
};

/* As a call goes on after a failure: negative, or the pause. */
static int64_t again(struct call *c, int64_t asked_us)
{
    if (!retry_is_left(c->policy, c->attempts))
        return -1;
    int64_t drawn_us = retry_next_us(c->policy, c->counted + 1, c->before_us, dice());
    int64_t pause_us = retry_asked_us(drawn_us, asked_us);
    if (!retry_may_begin(pause_us, c->now_us, c->deadline_us))
        return -1;
    c->before_us = drawn_us;
    c->now_us += pause_us;
    return pause_us;
}

/* A letter for each attempt that fails: 'x'; 'p' where the server asks for 700 ms, 'n' where it
 * asks not to be tried again. Out come the pauses in ms, and '-' where it is not tried again. */
static void tell(struct call *c, const char *story, char *text, size_t size)
{
    text[0] = '\0';
    for (const char *s = story; *s != '\0'; s++) {
        c->attempts++;
        c->counted++;
        int64_t pause_us = again(c, *s == 'p' ? ASKED_MS * MS : *s == 'n' ? -1 : 0);
        size_t end = strlen(text);
        if (pause_us < 0)
            (void)snprintf(text + end, size - end, "-");
        else
            (void)snprintf(text + end, size - end, "%d ", (int)(pause_us / MS));
    }
}

static void expect(const struct retry_policy *p, const char *story, int64_t deadline_ms,
                   const char *pauses)
{
    char text[128];
    struct call c = {.policy = p, .deadline_us = deadline_ms * MS};
    tell(&c, story, text, sizeof text);
    if (strcmp(text, pauses) != 0)
        fail_msg("%s: \"%s\", not \"%s\"", story, text, pauses);
}

/* The pause before this attempt is drawn from these, and comes to within a hundredth of both ends.
 */
static void expect_between(const struct retry_policy *p, int32_t attempt, int64_t least_ms,
                           int64_t most_ms)
{
    int64_t least_us = INT64_MAX, most_us = 0, near_us = (most_ms - least_ms) * MS / 100;
    for (int i = 0; i < 2000; i++) {
        int64_t pause_us = retry_pause_us(p, attempt, dice());
        least_us = pause_us < least_us ? pause_us : least_us;
        most_us = pause_us > most_us ? pause_us : most_us;
    }
    assert_in_range(least_us, least_ms * MS, least_ms * MS + near_us);
    assert_in_range(most_us, most_ms * MS - near_us, most_ms * MS);
}

/* --- gRPC: proposal A6, Client Retries -------------------------------------------------------- */

/* "Retry Policy": the example of the document. */
static const struct retry_policy a6 = {
    .tries = 4, .jitter = RETRY_PLAIN, .pause_us = 100 * MS, .pause_max_us = 1000 * MS};

/* "Exponential Backoff", in the edition of 2024-08-23 a fifth around, and in that of 2017-09-13
 * from nothing. */
static void a6_backs_off_with_jitter(void **unused)
{
    (void)unused;
    static const int64_t bound_ms[] = {100, 200, 400, 800, 1000, 1000};
    struct retry_policy fifth = a6, full = a6;
    fifth.jitter = RETRY_FIFTH;
    full.jitter = RETRY_FULL;
    dice_state = 6;
    for (int32_t i = 0; i < (int32_t)COUNT(bound_ms); i++) {
        expect_between(&fifth, 2 + i, bound_ms[i] * 8 / 10, bound_ms[i] * 12 / 10);
        expect_between(&full, 2 + i, 0, bound_ms[i]);
    }
}

/* "Maximum Number of Retries": four attempts are one and three retries, and one deadline is for all
 * of them. */
static void a6_has_so_many_attempts_and_one_deadline(void **unused)
{
    (void)unused;
    expect(&a6, "xxxx", 10000, "100 200 400 -");
    expect(&a6, "xxx", 701, "100 200 400 ");
    expect(&a6, "xxx", 700, "100 200 -");
    expect(&a6, "x", 100, "-");
}

/* "Pushback": it is waited for, it may forbid, and it makes no attempts. */
static void a6_is_pushed_back(void **unused)
{
    (void)unused;
    expect(&a6, "pxx", 10000, "700 200 400 ");
    expect(&a6, "xpx", 10000, "100 700 400 ");
    expect(&a6, "n", 10000, "-");
    expect(&a6, "xxn", 10000, "100 200 -");
    expect(&a6, "xxxp", 10000, "100 200 400 -");
    expect(&a6, "p", 700, "-");
    expect(&a6, "p", 701, "700 ");
}

/* "Pushback": pauses grow from the first one again, for who counts from there. */
static void a6_begins_anew_after_it(void **unused)
{
    (void)unused;
    char text[128];
    struct call c = {.policy = &a6, .deadline_us = 10 * SECOND};
    tell(&c, "xp", text, sizeof text);
    assert_string_equal(text, "100 700 ");
    c.counted = 0;
    tell(&c, "xx", text, sizeof text);
    assert_string_equal(text, "100 -"); /* and of attempts there are no more than before */
}

/* "Throttling Configuration": with 10 tokens and a ratio of 0.1 retries end when failures are more
 * than about a tenth of successes. So many go well, then one fails, and again. */
static void a6_throttles_beyond_a_tenth(void **unused)
{
    (void)unused;
    static const struct {
        int32_t tokens, ratio, well, refused; /* the first failure that may not be tried again */
    } row[] = {
        {10, 100, 0, 5},     {10, 100, 5, 9},      {10, 100, 9, 41},   {10, 100, 10, 0},
        {10, 100, 11, 0},    {10, 500, 1, 9},      {10, 500, 2, 0},    {10, 1000, 1, 0},
        {1000, 100, 0, 500}, {1000, 100, 9, 4991}, {1000, 100, 10, 0}, {1, 100, 100, 1},
        {2, 546, 1, 1},      {3, 546, 1, 3},       {3, 546, 2, 0},     {1000, 1, 999, 0},
    };
    for (size_t i = 0; i < COUNT(row); i++) {
        const struct throttle_policy p = {
            .mode = THROTTLE_RATIO, .capacity = row[i].tokens * T, .success = row[i].ratio};
        uint64_t word = 0;
        int32_t refused = 0;
        for (int32_t failure = 1; failure <= 6000 && refused == 0; failure++) {
            for (int32_t n = 0; n < row[i].well; n++)
                word = throttle_reward(word, &p, 0);
            struct throttle_verdict v = throttle_charge(word, &p, THROTTLE_RETRY);
            word = v.word;
            refused = v.may_retry ? 0 : failure;
        }
        if (refused != row[i].refused)
            fail_msg("row %zu: %d, not %d", i, refused, row[i].refused);
    }
}

/* --- AWS: SDKs and Tools Reference Guide, "Retry behavior" ------------------------------------ */

static const struct throttle_policy aws_2020 = {.mode = THROTTLE_QUOTA,
                                                .capacity = 500 * T,
                                                .success = 1 * T,
                                                .cost = 5 * T,
                                                .cost_transient = 10 * T};
static const struct throttle_policy aws_2026 = {.mode = THROTTLE_QUOTA,
                                                .capacity = 500 * T,
                                                .success = 1 * T,
                                                .cost = 5 * T,
                                                .cost_transient = 14 * T};

/* Three attempts, of which each fails. How many retries there were. */
static int32_t call_in_vain(uint64_t *word, const struct throttle_policy *p,
                            enum throttle_wish wish)
{
    for (int32_t retries = 0; retries < 2; retries++) {
        struct throttle_verdict v = throttle_charge(*word, p, wish);
        *word = v.word;
        if (!v.may_retry)
            return retries;
    }
    *word = throttle_charge(*word, p, THROTTLE_END).word;
    return 2;
}

/* When nothing goes well any more, so many are tried again, and then all fail at once. */
static void aws_fails_fast_in_an_outage(void **unused)
{
    (void)unused;
    static const struct {
        const struct throttle_policy *policy;
        enum throttle_wish wish;
        int32_t retries, until_next; /* calls that go well, before one may be tried again */
    } row[] = {{&aws_2020, THROTTLE_RETRY, 100, 5},
               {&aws_2020, THROTTLE_RETRY_TRANSIENT, 50, 10},
               {&aws_2026, THROTTLE_RETRY, 100, 5},
               {&aws_2026, THROTTLE_RETRY_TRANSIENT, 35, 4}}; /* 10 are left of it */
    for (size_t i = 0; i < COUNT(row); i++) {
        uint64_t word = 0;
        int32_t retries = 0, well = 0;
        for (int32_t calls = 0; calls < 10000; calls++)
            retries += call_in_vain(&word, row[i].policy, row[i].wish);
        assert_int_equal(retries, row[i].retries);
        for (; !throttle_charge(word, row[i].policy, row[i].wish).may_retry; well++)
            word = throttle_reward(word, row[i].policy, 0);
        assert_int_equal(well, row[i].until_next);
    }
}

/* A success gives back what its last retry has cost, so what goes well the second time is free. */
static void aws_retries_for_nothing_what_then_goes_well(void **unused)
{
    (void)unused;
    uint64_t word = 0;
    for (int32_t calls = 0; calls < 10000; calls++) {
        struct throttle_verdict v = throttle_charge(word, &aws_2020, THROTTLE_RETRY);
        assert_true(v.may_retry);
        word = throttle_reward(v.word, &aws_2020, v.paid);
        assert_int_equal(throttle_tokens(word, &aws_2020), 500 * T);
    }
    for (int32_t calls = 1; calls <= 99; calls++) { /* the third time: one retry is gone */
        struct throttle_verdict v = throttle_charge(word, &aws_2020, THROTTLE_RETRY);
        v = throttle_charge(v.word, &aws_2020, THROTTLE_RETRY);
        assert_true(v.may_retry);
        word = throttle_reward(v.word, &aws_2020, v.paid);
        assert_int_equal(throttle_tokens(word, &aws_2020), (500 - 5 * calls) * T);
    }
    assert_int_equal(call_in_vain(&word, &aws_2020, THROTTLE_RETRY), 1);
}

/* Two retries of a call in vain cost as much as so many calls earn that go well at once. */
static void aws_bears_so_many_failures(void **unused)
{
    (void)unused;
    static const struct {
        const struct throttle_policy *policy;
        enum throttle_wish wish;
        int32_t well;
    } row[] = {{&aws_2020, THROTTLE_RETRY, 10},
               {&aws_2020, THROTTLE_RETRY_TRANSIENT, 20},
               {&aws_2026, THROTTLE_RETRY, 10},
               {&aws_2026, THROTTLE_RETRY_TRANSIENT, 28}};
    for (size_t i = 0; i < COUNT(row); i++)
        for (int32_t less = 0; less <= 1; less++) {
            uint64_t word = 0;
            int32_t retries = 0;
            for (int32_t round = 0; round < 1000; round++) {
                retries += call_in_vain(&word, row[i].policy, row[i].wish);
                for (int32_t n = 0; n < row[i].well - less; n++)
                    word = throttle_reward(word, row[i].policy, 0);
            }
            assert_true(less == 0 ? retries == 2000 : retries < 2000);
        }
}

/* Pauses of the edition of 2026: 50 ms at first, 1 s where there is too much to do, 20 s at most;
 * three attempts. For DynamoDB 25 ms and four attempts, so that the bound of the last pause is the
 * same. */
static void aws_backs_off_with_full_jitter(void **unused)
{
    (void)unused;
    const struct retry_policy usual = {
        .tries = 3, .pause_us = 50 * MS, .pause_max_us = 20 * SECOND};
    struct retry_policy busy = usual, dynamo = usual;
    busy.pause_us = SECOND;
    dynamo.pause_us = 25 * MS;
    dynamo.tries = 4;
    dice_state = 2026;
    expect_between(&usual, 2, 0, 50);
    expect_between(&usual, usual.tries, 0, 100);
    expect_between(&dynamo, dynamo.tries, 0, 100);
    expect_between(&busy, 2, 0, 1000);
    expect_between(&busy, 6, 0, 16000);
    expect_between(&busy, 7, 0, 20000);
}

/* --- Polly: docs/strategies/retry.md, "Calculation of the next delay" ------------------------- */

static void polly_has_these_delays(void **unused)
{
    (void)unused;
    static const struct {
        enum retry_shape shape;
        int64_t most_ms;
        const char *pauses;
    } row[] = {
        {RETRY_CONSTANT, INT32_MAX, "1000 1000 1000 1000 1000 -"},
        {RETRY_LINEAR, INT32_MAX, "1000 2000 3000 4000 5000 -"},
        {RETRY_LINEAR, 4500, "1000 2000 3000 4000 4500 -"},
        {RETRY_EXPONENTIAL, INT32_MAX, "1000 2000 4000 8000 16000 -"},
        {RETRY_EXPONENTIAL, 15000, "1000 2000 4000 8000 15000 -"},
    };
    for (size_t i = 0; i < COUNT(row); i++) {
        const struct retry_policy p = {.tries = 6,
                                       .shape = row[i].shape,
                                       .jitter = RETRY_PLAIN,
                                       .pause_us = SECOND,
                                       .pause_max_us = row[i].most_ms * MS};
        expect(&p, "xxxxxx", INT32_MAX, row[i].pauses);
    }
}

/* --- resilience4j: core guide, "Retry" -------------------------------------------------------- */

static void resilience4j_waits_as_long_each_time(void **unused)
{
    (void)unused;
    struct retry_policy p = {.tries = 3,
                             .shape = RETRY_CONSTANT,
                             .jitter = RETRY_PLAIN,
                             .pause_us = 500 * MS,
                             .pause_max_us = SECOND};
    expect(&p, "xxx", INT32_MAX, "500 500 -");
    p.tries = 2;
    p.pause_us = 100 * MS;
    expect(&p, "xx", INT32_MAX, "100 -");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a6_backs_off_with_jitter),
        cmocka_unit_test(a6_has_so_many_attempts_and_one_deadline),
        cmocka_unit_test(a6_is_pushed_back),
        cmocka_unit_test(a6_begins_anew_after_it),
        cmocka_unit_test(a6_throttles_beyond_a_tenth),
        cmocka_unit_test(aws_fails_fast_in_an_outage),
        cmocka_unit_test(aws_retries_for_nothing_what_then_goes_well),
        cmocka_unit_test(aws_bears_so_many_failures),
        cmocka_unit_test(aws_backs_off_with_full_jitter),
        cmocka_unit_test(polly_has_these_delays),
        cmocka_unit_test(resilience4j_waits_as_long_each_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
