#include "rules/retry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/check.h"
#include "rules/slice.h"
#include "support/aborts.h"

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
        int64_t bound_us = attempt == 2 ? p.pause_us : p.pause_max_us;
        assert_int_equal(retry_pause_us(&p, attempt, (uint64_t)bound_us), bound_us);
        assert_int_equal(retry_pause_us(&p, attempt, (uint64_t)bound_us + 1), 0);
    }
    static const struct retry_policy largest = {.pause_us = INT64_MAX / 2,
                                                .pause_max_us = INT64_MAX};
    assert_int_equal(retry_pause_us(&largest, 3, INT64_MAX), 0);
    assert_int_equal(retry_pause_us(&largest, 4, INT64_MAX), INT64_MAX);
}

static void pause_before_the_first_attempt(void)
{
    static const struct retry_policy p = {.pause_us = MS, .pause_max_us = SECOND};
    retry_pause_us(&p, 0, 0);
}

static void no_pause_comes_before_the_first_attempt(void **unused)
{
    (void)unused;
    assert_true(aborts(pause_before_the_first_attempt));
}

static void no_pause_means_none(void **unused)
{
    (void)unused;
    static const struct retry_policy p = {.pause_us = 0, .pause_max_us = SECOND};
    for (int32_t attempt = 2; attempt < 50; attempt++)
        assert_int_equal(retry_pause_us(&p, attempt, UINT64_MAX), 0);
}

/* --- shapes ----------------------------------------------------------------------------------- */

/* The first eight pauses, in ms. */
static void each_shape_grows_in_its_way(void **unused)
{
    (void)unused;
    static const struct {
        enum retry_shape shape;
        int64_t pause, most;
        const char *pauses;
    } row[] = {
        {RETRY_EXPONENTIAL, 50, 2000, "50 100 200 400 800 1600 2000 2000"},
        {RETRY_EXPONENTIAL, 50, 1600, "50 100 200 400 800 1600 1600 1600"},
        {RETRY_EXPONENTIAL, 50, 1599, "50 100 200 400 800 1599 1599 1599"},
        {RETRY_EXPONENTIAL, 50, 50, "50 50 50 50 50 50 50 50"},
        {RETRY_EXPONENTIAL, 50, 49, "49 49 49 49 49 49 49 49"},
        {RETRY_EXPONENTIAL, 0, 2000, "0 0 0 0 0 0 0 0"},
        {RETRY_EXPONENTIAL, 50, 0, "0 0 0 0 0 0 0 0"},
        {RETRY_CONSTANT, 50, 2000, "50 50 50 50 50 50 50 50"},
        {RETRY_CONSTANT, 50, 49, "49 49 49 49 49 49 49 49"},
        {RETRY_CONSTANT, 0, 2000, "0 0 0 0 0 0 0 0"},
        {RETRY_LINEAR, 50, 2000, "50 100 150 200 250 300 350 400"},
        {RETRY_LINEAR, 50, 300, "50 100 150 200 250 300 300 300"},
        {RETRY_LINEAR, 50, 299, "50 100 150 200 250 299 299 299"},
        {RETRY_LINEAR, 50, 49, "49 49 49 49 49 49 49 49"},
        {RETRY_LINEAR, 0, 2000, "0 0 0 0 0 0 0 0"},
    };
    for (size_t i = 0; i < COUNT(row); i++) {
        const struct retry_policy p = {.shape = row[i].shape,
                                       .jitter = RETRY_PLAIN,
                                       .pause_us = row[i].pause * MS,
                                       .pause_max_us = row[i].most * MS};
        char text[128] = "";
        for (int32_t attempt = 2; attempt <= 9; attempt++) {
            size_t end = strlen(text);
            (void)snprintf(text + end, sizeof text - end, attempt == 2 ? "%d" : " %d",
                           (int)(retry_pause_us(&p, attempt, UINT64_MAX) / MS));
        }
        if (strcmp(text, row[i].pauses) != 0)
            fail_msg("row %zu: %s, not %s", i, text, row[i].pauses);
    }
}

static void there_is_no_pause_before_the_first_attempt(void **unused)
{
    (void)unused;
    for (int shape = RETRY_EXPONENTIAL; shape <= RETRY_DECORRELATED; shape++) {
        const struct retry_policy p = {.shape = (enum retry_shape)shape,
                                       .jitter = RETRY_PLAIN,
                                       .pause_us = 50 * MS,
                                       .pause_max_us = SECOND};
        assert_int_equal(retry_next_us(&p, 1, 40 * MS, UINT64_MAX), 0);
        assert_true(retry_next_us(&p, 2, 40 * MS, UINT64_MAX) > 0);
    }
}

static void an_attempt_of_any_number_has_the_longest_pause(void **unused)
{
    (void)unused;
    static const int32_t attempt[] = {100, 1 << 20, INT32_MAX - 1, INT32_MAX};
    for (size_t i = 0; i < COUNT(attempt); i++) {
        struct retry_policy p = {.jitter = RETRY_PLAIN, .pause_us = 1, .pause_max_us = INT64_MAX};
        assert_int_equal(retry_pause_us(&p, attempt[i], 0), INT64_MAX);
        p.shape = RETRY_LINEAR;
        assert_int_equal(retry_pause_us(&p, attempt[i], 0), attempt[i] - 1);
        p.pause_us = INT64_MAX / 50;
        assert_int_equal(retry_pause_us(&p, attempt[i], 0), INT64_MAX);
        p.pause_us = 0;
        assert_int_equal(retry_pause_us(&p, attempt[i], 0), 0);
        p.shape = RETRY_EXPONENTIAL;
        assert_int_equal(retry_pause_us(&p, attempt[i], 0), 0);
    }
}

/* --- jitter ----------------------------------------------------------------------------------- */

/* Each value from the least to the most, once in as many dice. */
static void the_dice_have_their_part(void **unused)
{
    (void)unused;
    static const struct {
        enum retry_jitter jitter;
        int64_t bound, least, most;
    } row[] = {
        {RETRY_FULL, 0, 0, 0},   {RETRY_FULL, 1, 0, 1},       {RETRY_FULL, 10, 0, 10},
        {RETRY_EQUAL, 0, 0, 0},  {RETRY_EQUAL, 1, 1, 1},      {RETRY_EQUAL, 2, 1, 2},
        {RETRY_EQUAL, 3, 2, 3},  {RETRY_EQUAL, 10, 5, 10},    {RETRY_EQUAL, 11, 6, 11},
        {RETRY_FIFTH, 0, 0, 0},  {RETRY_FIFTH, 4, 4, 4},      {RETRY_FIFTH, 5, 4, 6},
        {RETRY_FIFTH, 9, 8, 10}, {RETRY_FIFTH, 100, 80, 120}, {RETRY_FIFTH, 1000, 800, 1200},
        {RETRY_PLAIN, 0, 0, 0},  {RETRY_PLAIN, 11, 11, 11},
    };
    for (size_t i = 0; i < COUNT(row); i++) {
        const struct retry_policy p = {
            .jitter = row[i].jitter, .pause_us = row[i].bound, .pause_max_us = row[i].bound};
        int64_t values = row[i].most - row[i].least + 1;
        for (int64_t n = 0; n < 3 * values; n++) {
            int64_t pause_us = retry_pause_us(&p, 2, (uint64_t)n);
            if (pause_us != row[i].least + n % values)
                fail_msg("row %zu: %d at %d", i, (int)pause_us, (int)n);
        }
    }
}

/* --- decorrelated ----------------------------------------------------------------------------- */

/* A letter for each pause: 'l' and 'm' are the least and the most that may be drawn, 'w' is one
 * value more, which is the least again. In ms; the last one must be. */
static void a_decorrelated_pause_grows_from_the_one_before(void **unused)
{
    (void)unused;
    static const struct {
        const char *story;
        int64_t pause, most, before, last;
    } row[] = {
        {"l", 5, 2000, 0, 5},
        {"m", 5, 2000, 0, 15},
        {"w", 5, 2000, 0, 5},
        {"mm", 5, 2000, 0, 45},
        {"mmmmm", 5, 2000, 0, 1215},
        {"mmmmmm", 5, 2000, 0, 2000},
        {"ml", 5, 2000, 0, 5},
        {"mmlm", 5, 2000, 0, 15},
        {"mmmmmmmm", 5, 2000, 0, 2000},
        {"m", 5, 10, 0, 10},
        {"l", 5, 4, 0, 4},
        {"m", 0, 2000, 0, 0},
        {"m", 0, 2000, 7, 21},
        {"l", 0, 2000, 7, 0},
        {"m", 100, 2000, 15, 300},
        {"l", 100, 2000, 15, 100},
        {"m", 100, 2000, 100, 300},
        {"m", 100, 2000, 101, 303},
        {"m", 5, 2000, -9, 15},
        {"mmmm", 5, 2000, 3000, 2000},
        {"lm", 5, 2000, 3000, 15},
    };
    for (size_t i = 0; i < COUNT(row); i++) {
        const struct retry_policy p = {.shape = RETRY_DECORRELATED,
                                       .pause_us = row[i].pause * MS,
                                       .pause_max_us = row[i].most * MS};
        int64_t us = row[i].before * MS;
        for (const char *c = row[i].story; *c != '\0'; c++) {
            int64_t before_us = us > p.pause_us ? us : p.pause_us;
            uint64_t most = (uint64_t)(before_us * 3 - p.pause_us);
            us = retry_next_us(&p, 2, us, *c == 'l' ? 0 : *c == 'm' ? most : most + 1);
        }
        if (us != row[i].last * MS)
            fail_msg("row %zu: %d, not %d", i, (int)us, (int)row[i].last * MS);
    }
}

static void a_decorrelated_pause_has_no_jitter_besides(void **unused)
{
    (void)unused;
    for (int jitter = RETRY_FULL; jitter <= RETRY_PLAIN; jitter++) {
        const struct retry_policy p = {.shape = RETRY_DECORRELATED,
                                       .jitter = (enum retry_jitter)jitter,
                                       .pause_us = 5 * MS,
                                       .pause_max_us = SECOND};
        assert_int_equal(retry_next_us(&p, 7, 20 * MS, 33 * MS), 38 * MS);
        assert_int_equal(retry_pause_us(&p, INT32_MAX, 8 * MS), 13 * MS); /* as behind none */
    }
    const struct retry_policy nothing = {.shape = RETRY_DECORRELATED, .pause_max_us = SECOND};
    assert_int_equal(retry_pause_us(&nothing, 2, 3), 0);
}

/* --- what the server asked for, and the deadline ---------------------------------------------- */

static void what_the_server_asked_for_is_the_least(void **unused)
{
    (void)unused;
    static const struct {
        int64_t pause, asked, then;
    } row[] = {{50, 0, 50},
               {50, 49, 50},
               {50, 50, 50},
               {50, 51, 51},
               {2000, 5000, 5000},
               {0, 1, 1},
               {0, 0, 0},
               {50, -1, -1},
               {0, INT64_MIN, INT64_MIN},
               {50, INT64_MAX, INT64_MAX}};
    for (size_t i = 0; i < COUNT(row); i++)
        assert_int_equal(retry_asked_us(row[i].pause, row[i].asked), row[i].then);
}

static void a_pause_that_ends_at_the_deadline_is_not_begun(void **unused)
{
    (void)unused;
    static const struct {
        int64_t pause, now, deadline;
        bool may;
    } row[] = {
        {50, 100, 149, false},
        {50, 100, 150, false},
        {50, 100, 151, true},
        {0, 100, 100, false},
        {0, 100, 101, true},
        {0, 101, 100, false}, /* it is over */
        {50, 100, INT64_MAX, true},
        {INT64_MAX - 101, 100, INT64_MAX, true},
        {INT64_MAX - 100, 100, INT64_MAX, false},
        {INT64_MAX, 100, INT64_MAX, false},
        {INT64_MAX, INT64_MAX, INT64_MAX, false},
        {INT64_MAX, INT64_MIN, 0, true}, /* a clock that went back */
        {INT64_MAX, INT64_MIN, -1, false},
        {0, INT64_MAX - 1, INT64_MAX, true},
        {0, INT64_MIN, INT64_MIN, false},
        {-1, 100, 200, false}, /* the server asked not to */
        {INT64_MIN, INT64_MIN, 200, false},
    };
    for (size_t i = 0; i < COUNT(row); i++)
        if (retry_may_begin(row[i].pause, row[i].now, row[i].deadline) != row[i].may)
            fail_msg("row %zu", i);
}

static void as_many_attempts_as_the_policy_says(void **unused)
{
    (void)unused;
    const struct retry_policy p = {.tries = 3};
    assert_true(retry_is_left(&p, 0));
    assert_true(retry_is_left(&p, 2));
    assert_false(retry_is_left(&p, 3));
    assert_false(retry_is_left(&p, INT32_MAX));
}

/* --- what no policy says ---------------------------------------------------------------------- */

static bool is_stopped(const struct retry_policy *p, int32_t attempt)
{
    pid_t pid = fork();
    if (pid == 0) {
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), 2); /* where it names the place */
        retry_pause_us(p, attempt, 0);
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void who_asks_for_nonsense_is_stopped(void **unused)
{
    (void)unused;
    static const struct {
        int64_t pause_us, pause_max_us;
        int32_t attempt;
        bool is_stopped;
    } row[] = {{0, 0, 1, false},      {0, 0, 0, true},       {0, 0, INT32_MIN, true},
               {-1, SECOND, 2, true}, {SECOND, -1, 2, true}, {-1, -1, 1, true}};
    for (size_t i = 0; i < COUNT(row); i++) {
        const struct retry_policy p = {.pause_us = row[i].pause_us,
                                       .pause_max_us = row[i].pause_max_us};
        if (is_stopped(&p, row[i].attempt) != row[i].is_stopped)
            fail_msg("row %zu", i);
    }
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
    bucket_earn(&b->bucket, &b->rate, retry_share(p));
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
        {20, 0, 0, 0},
        {20, 0, 4, 0},
        {20, 0, 5, 1},
        {20, 0, 100, 20},
        {100, 0, 7, 7},
        {0, 0, 1000, 0},
        {0, 3, 0, 3},
        {20, 3, 10, 3}, /* whichever is more: these are of the first second */
        {20, 3, 15, 3},
        {20, 3, 20, 4},
        {20, 3, 100, 20},
        {1, 0, 99, 0},
        {1, 0, 100, 1},
        /* what is saved up has a bound */
        {20, 0, 9999, 200},
        {100, 0, 9999, 1000},
    };
    for (size_t i = 0; i < COUNT(row); i++) {
        struct retry_policy p = {.budget = row[i].budget, .budget_least = row[i].least};
        struct budget b = begin(&p);
        for (int32_t n = 0; n < row[i].calls; n++)
            call(&b, &p);
        assert_int_equal(spend_all(&b, 0), row[i].retries);
    }
}

static void a_call_puts_its_percent_in(void **unused)
{
    (void)unused;
    static const struct retry_policy p = {.budget = 20};
    assert_int_equal(retry_share(&p), RATE_TOKEN / 5);
}

static void time_brings_the_least_back(void **unused)
{
    (void)unused;
    static const struct retry_policy p = {.budget = 20, .budget_least = 3};
    struct budget b = begin(&p);
    assert_int_equal(spend_all(&b, 0), 3);
    assert_int_equal(spend_all(&b, 333333), 0);
    assert_int_equal(spend_all(&b, 333334), 1);
    assert_int_equal(spend_all(&b, 2333334), 6);
    /* ten seconds' worth and the calls' share is the most, however long nothing happens */
    assert_int_equal(spend_all(&b, 3600LL * SECOND), 30);
    for (int i = 0; i < 5000; i++)
        call(&b, &p);
    assert_int_equal(spend_all(&b, INT64_MAX - SECOND), 230);
    assert_int_equal(spend_all(&b, INT64_MAX), 3);
}

/* Calls that come evenly, for a minute; all retries that there may be are made at once. */
static int64_t in_a_minute(const struct retry_policy *p, int32_t per_s)
{
    struct budget b = begin(p);
    int64_t spent = spend_all(&b, 0);
    for (int32_t i = 1; i <= 60 * per_s; i++) {
        spent += spend_all(&b, i * (int64_t)SECOND / per_s);
        call(&b, p);
        spent += spend_all(&b, i * (int64_t)SECOND / per_s);
    }
    return spent;
}

/* So all attempts together are 1.2 times the calls where these are more than a few, and the least is for those that are not. */
static void it_is_the_share_or_the_least_whichever_is_more(void **unused)
{
    (void)unused;
    static const struct retry_policy p = {.budget = 20, .budget_least = 3};
    static const struct {
        int32_t per_s, retries;
    } row[] = {{1, 180}, {5, 180}, {10, 180}, {15, 180}, {20, 240}, {200, 2400}, {1000, 12000}};
    for (size_t i = 0; i < COUNT(row); i++)
        assert_in_range(in_a_minute(&p, row[i].per_s), row[i].retries, row[i].retries + 3);
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
        cmocka_unit_test(no_pause_comes_before_the_first_attempt),
        cmocka_unit_test(no_pause_means_none),
        cmocka_unit_test(each_shape_grows_in_its_way),
        cmocka_unit_test(there_is_no_pause_before_the_first_attempt),
        cmocka_unit_test(an_attempt_of_any_number_has_the_longest_pause),
        cmocka_unit_test(the_dice_have_their_part),
        cmocka_unit_test(a_decorrelated_pause_grows_from_the_one_before),
        cmocka_unit_test(a_decorrelated_pause_has_no_jitter_besides),
        cmocka_unit_test(what_the_server_asked_for_is_the_least),
        cmocka_unit_test(a_pause_that_ends_at_the_deadline_is_not_begun),
        cmocka_unit_test(as_many_attempts_as_the_policy_says),
        cmocka_unit_test(who_asks_for_nonsense_is_stopped),
        cmocka_unit_test(retries_are_a_share_of_calls),
        cmocka_unit_test(a_call_puts_its_percent_in),
        cmocka_unit_test(time_brings_the_least_back),
        cmocka_unit_test(it_is_the_share_or_the_least_whichever_is_more),
        cmocka_unit_test(a_budget_of_nothing_never_gives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
