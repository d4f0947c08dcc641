/* slice_spec.c - a bucket whose tokens some take ahead, beside one bucket of which nobody does: never more than that,
 * and less by no more than is said. */
#include "rules/slice.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdbool.h>

#include "base/check.h"
#include "support/aborts.h"

#define MS 1000
#define SECOND 1000000
#define HOUR (3600 * (int64_t)SECOND)

static void a_slice_is_ten_milliseconds_worth_and_one_at_least(void **unused)
{
    (void)unused;
    static const struct {
        int64_t tokens, span_us, size;
    } row[] = {{0, SECOND, 1},           {1, SECOND, 1},   {100, SECOND, 1},
               {199, SECOND, 1},         {200, SECOND, 2}, {100000, SECOND, 1000},
               {1000, 24 * HOUR, 1},     {5, 1, 50000},    {1000000000, 1 * MS, 10000000000},
               {INT64_MAX, 1, INT64_MAX}};
    for (size_t i = 0; i < COUNT(row); i++) {
        const struct rate_policy p = {.tokens = row[i].tokens, .span_us = row[i].span_us};
        assert_int_equal(slice_size(&p), row[i].size);
    }
}

static int64_t take_all(struct bucket *b)
{
    int64_t tokens = bucket_take(b, INT64_MAX);
    bucket_settle(b, 0);
    return tokens;
}

static void time_fills_it_up_to_its_burst(void **unused)
{
    (void)unused;
    static const struct rate_policy p = {.tokens = 3, .span_us = SECOND, .burst = 30};
    struct bucket b;
    bucket_init(&b, 3 * RATE_TOKEN, 0);
    assert_int_equal(take_all(&b), 3);
    bucket_fill(&b, &p, 333333);
    assert_int_equal(take_all(&b), 0);
    bucket_fill(&b, &p, 333334);
    assert_int_equal(take_all(&b), 1);
    bucket_fill(&b, &p, HOUR);
    assert_int_equal(take_all(&b), 30);
    bucket_fill(&b, &p, INT64_MAX);
    assert_int_equal(take_all(&b), 30);
}

/* Not a part of a millionth of it either. */
static void what_time_brings_beyond_its_burst_is_lost(void **unused)
{
    (void)unused;
    static const struct rate_policy p = {.tokens = 1, .span_us = 10 * (int64_t)SECOND, .burst = 1};
    struct bucket b;
    bucket_init(&b, RATE_TOKEN, 0);
    bucket_fill(&b, &p, 9);
    assert_int_equal(take_all(&b), 1);
    bucket_fill(&b, &p, 18);
    assert_int_equal(b.micros, 0);
    bucket_fill(&b, &p, 19);
    assert_int_equal(b.micros, 1);
}

/* One that is full begins at nothing: here a microsecond brings a millionth, less a hair. */
static void what_is_full_keeps_no_rest(void **unused)
{
    (void)unused;
    static const struct rate_policy p = {.tokens = 1, .span_us = SECOND + 1, .burst = 1};
    struct bucket b;
    bucket_init(&b, RATE_TOKEN, 0);
    bucket_fill(&b, &p, 1);
    assert_int_equal(take_all(&b), 1);
    bucket_fill(&b, &p, 2);
    assert_int_equal(b.micros, 0);
    bucket_fill(&b, &p, 3);
    assert_int_equal(b.micros, 1);
}

/* Who comes in the same moment finds it as it is, also when it is full by then. */
static void no_time_changes_nothing(void **unused)
{
    (void)unused;
    static const struct rate_policy p = {.tokens = 1, .span_us = 10 * (int64_t)SECOND, .burst = 1};
    struct bucket b;
    bucket_init(&b, 0, 0);
    bucket_fill(&b, &p, 9);
    bucket_earn(&b, &p, RATE_TOKEN);
    bucket_fill(&b, &p, 9);
    assert_int_equal(take_all(&b), 1);
    bucket_fill(&b, &p, 10);
    assert_int_equal(b.micros, 1);
}

static void a_slow_rate_is_not_lost_by_looking_often(void **unused)
{
    (void)unused;
    static const struct rate_policy p = {.tokens = 1, .span_us = 24 * HOUR, .burst = 5};
    struct bucket b;
    bucket_init(&b, 0, 0);
    for (int64_t now_us = 0; now_us < 24 * HOUR; now_us += 7 * SECOND)
        bucket_fill(&b, &p, now_us);
    assert_int_equal(bucket_take(&b, 1), 0);
    bucket_fill(&b, &p, 24 * HOUR);
    assert_int_equal(bucket_take(&b, 1), 1);
}

static void what_is_in_slices_is_no_room(void **unused)
{
    (void)unused;
    static const struct rate_policy p = {.tokens = 1000, .span_us = SECOND, .burst = 10};
    struct bucket b;
    bucket_init(&b, 10 * RATE_TOKEN, 0);
    assert_int_equal(bucket_take(&b, 4), 4);
    bucket_settle(&b, 4);
    bucket_fill(&b, &p, HOUR);
    bucket_settle(&b, 0); /* they were used, nobody knows when */
    assert_int_equal(bucket_take(&b, 100), 6);
    bucket_give(&b, &p, 2);
    bucket_settle(&b, 0);
    assert_int_equal(bucket_take(&b, 100), 2);
}

static void what_is_given_back_finds_its_room(void **unused)
{
    (void)unused;
    static const struct rate_policy p = {.tokens = 0, .span_us = SECOND, .burst = 10};
    struct bucket b;
    bucket_init(&b, 10 * RATE_TOKEN, 0);
    assert_int_equal(bucket_take(&b, 8), 8);
    bucket_settle(&b, 8);
    bucket_earn(&b, &p, 5 * RATE_TOKEN); /* for which there is none */
    bucket_give(&b, &p, 8);
    bucket_settle(&b, 0);
    assert_int_equal(bucket_take(&b, 100), 10);
}

static void a_clock_that_goes_back_brings_nothing(void **unused)
{
    (void)unused;
    static const struct rate_policy p = {.tokens = 1000, .span_us = SECOND, .burst = 10};
    struct bucket b;
    bucket_init(&b, 0, HOUR);
    bucket_fill(&b, &p, 0);
    bucket_fill(&b, &p, HOUR);
    assert_int_equal(take_all(&b), 0);
    bucket_fill(&b, &p, HOUR + 5 * MS);
    assert_int_equal(take_all(&b), 5);
}

/* --- beside a model --------------------------------------------------------------------------- */

#define WORKERS 8

/* One bucket, of which each token is taken when it is used. Slow: it steps through each microsecond that
 * matters by itself, and counts in millionths of a millionth. */
struct model {
    double tokens, ahead;
    int64_t now_us;
};

static void model_pass(struct model *m, const struct rate_policy *p, int64_t now_us)
{
    if (now_us <= m->now_us)
        return;
    double brought = (double)(now_us - m->now_us) * (double)p->tokens / (double)p->span_us;
    double room = m->tokens > (double)p->burst ? 0 : (double)p->burst - m->tokens;
    double added = brought > room ? room : brought;
    m->tokens += added;
    m->ahead = m->ahead + added > (double)p->tokens ? (double)p->tokens : m->ahead + added;
    m->now_us = now_us;
}

static void model_earn(struct model *m, const struct rate_policy *p, double tokens)
{
    double paid = tokens < m->ahead ? tokens : m->ahead;
    m->ahead -= paid;
    tokens -= paid;
    double most = (double)(p->burst + p->extra);
    m->tokens = m->tokens + tokens > most ? most : m->tokens + tokens;
}

struct play {
    struct rate_policy policy;
    struct bucket bucket;
    struct model model;
    int workers;
    int64_t slice[WORKERS], taken_us[WORKERS];
    bool is_gone[WORKERS], is_late[WORKERS], may_be_late;
    int64_t now_us, used, refused, wrongly;
    uint64_t dice;
};

static int64_t roll(struct play *y, int64_t below)
{
    y->dice = y->dice * 6364136223846793005u + 1442695040888963407u;
    return (int64_t)((y->dice >> 33) % (uint64_t)below);
}

static int64_t held(const struct play *y)
{
    int64_t sum = 0;
    for (int i = 0; i < y->workers; i++)
        sum += y->slice[i];
    return sum;
}

static void settle(struct play *y, int i)
{
    bucket_fill(&y->bucket, &y->policy, y->now_us);
    bucket_give(&y->bucket, &y->policy, y->slice[i]);
    y->slice[i] = 0;
    y->taken_us[i] = INT64_MAX;
    bucket_settle(&y->bucket, held(y));
}

/* The model's word for it; a rounding error is no token. */
static void use(struct play *y)
{
    y->used++;
    y->model.tokens -= 1;
    if (y->model.tokens < -1e-4)
        fail_msg("%lld used, and the model has %f", (long long)y->used, y->model.tokens);
}

static void refuse(struct play *y)
{
    y->refused++;
    y->wrongly += y->model.tokens >= 1;
    int64_t slices = y->workers * (y->may_be_late ? 2 : 1);
    double most = (double)(slices * slice_size(&y->policy) + 1);
    if (y->model.tokens > most + 1e-4)
        fail_msg("refused, and the model has %f, not %f at most", y->model.tokens, most);
}

static void ask(struct play *y, int i)
{
    if (y->slice[i] == 0) {
        bucket_fill(&y->bucket, &y->policy, y->now_us);
        y->slice[i] = bucket_take(&y->bucket, slice_size(&y->policy));
        y->taken_us[i] = y->now_us;
        bucket_settle(&y->bucket, held(y));
    }
    if (y->slice[i] == 0) {
        refuse(y);
        return;
    }
    y->slice[i]--;
    use(y);
}

/* To the next moment, and through each at which somebody has to settle. */
static void pass(struct play *y, int64_t span_us)
{
    int64_t until_us = y->now_us + span_us;
    for (;;) {
        int first = -1;
        for (int i = 0; i < y->workers; i++)
            if (!y->is_late[i] && y->taken_us[i] <= until_us - SLICE_SPAN_US &&
                (first < 0 || y->taken_us[i] < y->taken_us[first]))
                first = i;
        if (first < 0)
            break;
        int64_t at_us = y->taken_us[first] + SLICE_SPAN_US;
        y->now_us = at_us > y->now_us ? at_us : y->now_us;
        model_pass(&y->model, &y->policy, y->now_us);
        settle(y, first);
    }
    y->now_us = until_us;
    model_pass(&y->model, &y->policy, y->now_us);
}

static void leave_or_come(struct play *y, int i)
{
    if (!y->is_gone[i])
        settle(y, i); /* with tokens in its slice */
    y->is_gone[i] = !y->is_gone[i];
    y->is_late[i] = false;
}

static void earn(struct play *y)
{
    int64_t micros = roll(y, 3 * RATE_TOKEN);
    bucket_fill(&y->bucket, &y->policy, y->now_us);
    bucket_earn(&y->bucket, &y->policy, micros);
    bucket_settle(&y->bucket, held(y));
    model_earn(&y->model, &y->policy, (double)micros / RATE_TOKEN);
}

static void act(struct play *y)
{
    int i = (int)roll(y, y->workers);
    int64_t what = roll(y, 1000);
    if (what < 3)
        leave_or_come(y, i);
    else if (what < 6)
        y->is_late[i] = y->may_be_late && !y->is_late[i];
    else if (what < 8)
        pass(y, roll(y, HOUR)); /* the clock jumps */
    else if (what < 300)
        pass(y, roll(y, 30 * MS));
    else if (what < 500)
        pass(y, roll(y, 200));
    else if (what < 550)
        earn(y);
    else if (!y->is_gone[i])
        for (int64_t n = roll(y, 30); n > 0; n--)
            ask(y, i);
}

static void begin(struct play *y, uint64_t seed)
{
    static const int64_t rate[] = {0, 1, 50, 100, 250, 1000, 20000, 1000000};
    *y = (struct play){.dice = seed * 0x9e3779b97f4a7c15 + 1, .now_us = 1000 * (int64_t)SECOND};
    y->workers = 1 + (int)(seed % WORKERS);
    y->may_be_late = roll(y, 3) == 0;
    y->policy = (struct rate_policy){.tokens = rate[roll(y, COUNT(rate))],
                                     .span_us = roll(y, 4) == 0 ? 7 * (int64_t)SECOND : SECOND};
    y->policy.burst = 1 + roll(y, roll(y, 2) == 0 ? 20 : 5000);
    y->policy.extra = roll(y, 3) == 0 ? roll(y, 1000) : 0;
    int64_t first = roll(y, y->policy.burst + 1);
    bucket_init(&y->bucket, first * RATE_TOKEN, y->now_us);
    y->model = (struct model){.tokens = (double)first, .ahead = (double)first, .now_us = y->now_us};
    for (int i = 0; i < WORKERS; i++)
        y->taken_us[i] = INT64_MAX;
}

static void never_more_than_one_bucket_gives_and_little_less(void **unused)
{
    (void)unused;
    int64_t used = 0, refused = 0, wrongly = 0;
    for (uint64_t seed = 1; seed <= 2000; seed++) {
        struct play y;
        begin(&y, seed);
        for (int i = 0; i < 400; i++)
            act(&y);
        used += y.used;
        refused += y.refused;
        wrongly += y.wrongly;
    }
    print_message("# %lld used, %lld refused, %lld of them by less than the bound\n",
                  (long long)used, (long long)refused, (long long)wrongly);
    assert_true(used > 100000 && refused > 100000 && wrongly > 100);
}

static void give_more_than_is_held(void)
{
    static const struct rate_policy p = {.tokens = 1, .span_us = SECOND, .burst = 10};
    struct bucket b;
    bucket_init(&b, 10 * RATE_TOKEN, 0);
    bucket_give(&b, &p, bucket_take(&b, 4) + 1);
}

static void nobody_gives_back_what_he_has_not(void **unused)
{
    (void)unused;
    assert_true(aborts(give_more_than_is_held));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slice_is_ten_milliseconds_worth_and_one_at_least),
        cmocka_unit_test(time_fills_it_up_to_its_burst),
        cmocka_unit_test(what_time_brings_beyond_its_burst_is_lost),
        cmocka_unit_test(what_is_full_keeps_no_rest),
        cmocka_unit_test(no_time_changes_nothing),
        cmocka_unit_test(a_slow_rate_is_not_lost_by_looking_often),
        cmocka_unit_test(what_is_in_slices_is_no_room),
        cmocka_unit_test(what_is_given_back_finds_its_room),
        cmocka_unit_test(a_clock_that_goes_back_brings_nothing),
        cmocka_unit_test(never_more_than_one_bucket_gives_and_little_less),
        cmocka_unit_test(nobody_gives_back_what_he_has_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
