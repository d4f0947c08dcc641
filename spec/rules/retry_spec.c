#include "rules/retry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/check.h"
#include "rules/slice.h"

#define MS 1000
#define SECOND 1000000

static void a_pause_doubles_up_to_its_bound(void **unused)
{
    (void)unused;
    static const struct retry_policy p = {.pause_us = 50 * MS, .pause_max_us = 2000 * MS};
    static const struct {
        int32_t attempt;
        int64_t bound_us;
    } row[] = {{2, 50 * MS},   {3, 100 * MS},  {4, 200 * MS},  {5, 400 * MS},         {6, 800 * MS},
               {7, 1600 * MS}, {8, 2000 * MS}, {9, 2000 * MS}, {INT32_MAX, 2000 * MS}};
    for (size_t i = 0; i < COUNT(row); i++) {
        uint64_t largest = (uint64_t)row[i].bound_us; /* dice modulo bound + 1 */
        assert_int_equal(retry_pause_us(&p, row[i].attempt, largest), row[i].bound_us);
        assert_int_equal(retry_pause_us(&p, row[i].attempt, 0), 0);
        assert_int_equal(retry_pause_us(&p, row[i].attempt, largest + 1), 0);
    }
}

static void no_attempt_number_overflows(void **unused)
{
    (void)unused;
    static const struct retry_policy p = {.pause_us = INT64_MAX / 2 + 1,
                                          .pause_max_us = INT64_MAX - 1};
    for (int32_t attempt = 2; attempt < 200; attempt++) {
        int64_t pause_us = retry_pause_us(&p, attempt, UINT64_MAX);
        assert_true(pause_us >= 0 && pause_us <= p.pause_max_us);
    }
}

static void no_pause_means_none(void **unused)
{
    (void)unused;
    static const struct retry_policy p = {.pause_us = 0, .pause_max_us = SECOND};
    for (int32_t attempt = 2; attempt < 50; attempt++)
        assert_int_equal(retry_pause_us(&p, attempt, UINT64_MAX), 0);
}

/* --- the budget ------------------------------------------------------------------------------- */

/* As core/budget counts it, of one worker that is alone. */
struct budget {
    struct bucket bucket;
    struct rate_policy rate;
};

static struct budget begin(const struct retry_policy *p)
{
    struct budget b = {.rate = retry_rate(p)};
    bucket_init(&b.bucket, (int64_t)p->budget_least * RATE_TOKEN, 0);
    return b;
}

static void call(struct budget *b, const struct retry_policy *p)
{
    bucket_put(&b->bucket, &b->rate, retry_share(p));
}

static int64_t spend_all(struct budget *b, int64_t now_us)
{
    bucket_fill(&b->bucket, &b->rate, now_us);
    int64_t spent = bucket_take(&b->bucket, INT64_MAX);
    bucket_settle(&b->bucket, 0);
    return spent;
}

static void retries_are_a_share_of_calls(void **unused)
{
    (void)unused;
    static const struct {
        int32_t budget, least, calls, retries;
    } row[] = {
        {20, 0, 0, 0},  {20, 0, 4, 0},   {20, 0, 5, 1},      {20, 0, 100, 20},
        {100, 0, 7, 7}, {0, 0, 1000, 0}, {0, 3, 0, 3},       {20, 3, 10, 5},
        {1, 0, 99, 0},  {1, 0, 100, 1},  {20, 0, 9999, 200}, /* what is saved up has a bound */
    };
    for (size_t i = 0; i < COUNT(row); i++) {
        struct retry_policy p = {.budget = row[i].budget, .budget_least = row[i].least};
        struct budget b = begin(&p);
        for (int32_t n = 0; n < row[i].calls; n++)
            call(&b, &p);
        assert_int_equal(spend_all(&b, 0), row[i].retries);
    }
}

static void time_brings_the_least_back(void **unused)
{
    (void)unused;
    static const struct retry_policy p = {.budget = 20, .budget_least = 3};
    struct budget b = begin(&p);
    assert_int_equal(spend_all(&b, 0), 3);
    assert_int_equal(spend_all(&b, 333 * MS), 0);
    assert_int_equal(spend_all(&b, 334 * MS), 1);
    assert_int_equal(spend_all(&b, 2334 * MS), 6);
    /* ten seconds' worth and the calls' share is the most, however long nothing happens */
    assert_int_equal(spend_all(&b, 3600LL * SECOND), 30);
    for (int i = 0; i < 5000; i++)
        call(&b, &p);
    assert_int_equal(spend_all(&b, INT64_MAX - SECOND), 230);
    assert_int_equal(spend_all(&b, INT64_MAX), 3);
}

static void a_budget_of_nothing_never_gives(void **unused)
{
    (void)unused;
    static const struct retry_policy p = {.budget = 0, .budget_least = 0};
    struct budget b = begin(&p);
    call(&b, &p);
    assert_int_equal(spend_all(&b, 7200LL * SECOND), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pause_doubles_up_to_its_bound),
        cmocka_unit_test(no_attempt_number_overflows),
        cmocka_unit_test(no_pause_means_none),
        cmocka_unit_test(retries_are_a_share_of_calls),
        cmocka_unit_test(time_brings_the_least_back),
        cmocka_unit_test(a_budget_of_nothing_never_gives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
