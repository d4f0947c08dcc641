/* rate_model_spec.c - each shape of a rate beside one that keeps a list of all that went, and what
 * workers do who take slices of one. */
#include "rules/rate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdbool.h>

#include "base/check.h"
#include "rules/slice.h"

#define MS 1000
#define SECOND 1000000
#define DAY (86400 * (int64_t)SECOND)
#define MOST 400 /* calls of a play */

__extension__ typedef __int128 wide;

/* All calls that went, or were told when they go, in that order. */
struct past {
    wide at[MOST]; /* in us / tokens: not rounded */
    int64_t at_us[MOST], cost[MOST];
    int count;
};

struct play {
    uint64_t seed, dice;
    struct rate_limit limit;
    struct rate rate;
    struct past past;
    int64_t now_us, began_us;
};

static int64_t roll(struct play *y, int64_t below)
{
    y->dice = y->dice * 6364136223846793005u + 1442695040888963407u;
    return (int64_t)((y->dice >> 33) % (uint64_t)below);
}

static int64_t one_of(struct play *y, const int64_t *of, size_t count)
{
    return of[roll(y, (int64_t)count)];
}

static void begin(struct play *y, uint64_t seed, enum rate_shape shape)
{
    static const int64_t tokens[] = {1, 2, 3, 7, 10, 100, 999, 1000000};
    static const int64_t span_us[] = {1, 7, 1000, SECOND, 7 * SECOND, 60 * (int64_t)SECOND, DAY};
    static const int64_t wait_us[] = {0, 0, 1, 1000, SECOND, 10 * DAY};
    *y = (struct play){.seed = seed, .dice = seed * 0x9e3779b97f4a7c15 + 1};
    y->limit.shape = shape;
    y->limit.rate.tokens = one_of(y, tokens, COUNT(tokens));
    y->limit.rate.span_us = one_of(y, span_us, COUNT(span_us));
    y->limit.rate.burst = 1 + roll(y, roll(y, 2) == 0 ? 5 : 1000);
    y->limit.wait_us = one_of(y, wait_us, COUNT(wait_us));
    y->now_us = y->began_us = roll(y, DAY);
}

/* Some at once, some about as far from each other as the rate says, and now and then a long time. */
static void pass(struct play *y)
{
    int64_t token_us = y->limit.rate.span_us / y->limit.rate.tokens + 1;
    int64_t what = roll(y, 100);
    if (what < 50)
        y->now_us += roll(y, 2 * token_us);
    else if (what < 60)
        y->now_us += roll(y, y->limit.rate.span_us + 2);
    else if (what < 62)
        y->now_us += roll(y, 10 * y->limit.rate.span_us);
}

static int64_t roll_cost(struct play *y)
{
    return roll(y, 4) > 0 ? 1 : 1 + roll(y, roll(y, 2) == 0 ? 4 : y->limit.rate.burst + 2);
}

static void expect(const struct play *y, bool is_so, const char *what)
{
    if (!is_so)
        fail_msg("seed %llu, call %d at %lld: not %s", (unsigned long long)y->seed, y->past.count,
                 (long long)y->now_us, what);
}

static void remember(struct play *y, int64_t at_us, int64_t cost)
{
    y->past.at_us[y->past.count] = at_us;
    y->past.cost[y->past.count++] = cost;
}

static void differ(const struct play *y, struct rate_answer a, int64_t model_us)
{
    fail_msg("seed %llu, call %d at %lld: %d for %lld, and the model says %lld",
             (unsigned long long)y->seed, y->past.count, (long long)y->now_us, a.verdict,
             (long long)a.at_us, (long long)model_us);
}

/* The model lets it go no sooner than then, in us / tokens: what does that say? */
static void compare(struct play *y, struct rate_answer a, int64_t cost, int64_t left_us, wide then)
{
    int64_t bound_us = left_us < y->limit.wait_us ? left_us : y->limit.wait_us;
    int64_t tokens = y->limit.rate.tokens, at_us = (int64_t)((then + tokens - 1) / tokens);
    bool is_told = at_us <= y->now_us + bound_us;
    enum rate_verdict verdict = at_us == y->now_us ? RATE_GO : is_told ? RATE_WAIT : RATE_REFUSE;
    at_us -= is_told ? 0 : bound_us;
    if (a.verdict != verdict || a.at_us != at_us)
        differ(y, a, at_us);
    if (is_told) {
        y->past.at[y->past.count] = then;
        remember(y, at_us, cost);
    }
}

/* --- a bucket ---------------------------------------------------------------------------------- */

/* In every span that ends with it no more go than the burst and what the rate brings. */
static wide bucket_model(const struct play *y, int64_t cost)
{
    const struct rate_policy *p = &y->limit.rate;
    wide sum = cost, at = (wide)y->now_us * p->tokens;
    for (int i = y->past.count - 1; i >= 0; i--) {
        sum += y->past.cost[i];
        wide then = y->past.at[i] + (sum - p->burst) * p->span_us;
        at = then > at ? then : at;
    }
    return at;
}

static void a_bucket_is_what_its_bound_allows_and_no_less(void **unused)
{
    (void)unused;
    int64_t told[3] = {0};
    for (uint64_t seed = 1; seed <= 1000; seed++) {
        struct play y;
        begin(&y, seed, RATE_BUCKET);
        for (int i = 0; i < 150; i++) {
            int64_t cost = roll_cost(&y), left_us = roll(&y, 2) == 0 ? DAY : roll(&y, SECOND);
            pass(&y);
            struct rate_answer a = rate_take(&y.rate, &y.limit, cost, left_us, y.now_us);
            told[a.verdict]++;
            if (cost > y.limit.rate.burst)
                expect(&y, a.verdict == RATE_REFUSE && a.at_us == RATE_NEVER, "never");
            else
                compare(&y, a, cost, left_us, bucket_model(&y, cost));
        }
    }
    print_message("# %lld go, %lld wait, %lld refused\n", (long long)told[RATE_GO],
                  (long long)told[RATE_WAIT], (long long)told[RATE_REFUSE]);
    assert_true(told[RATE_GO] > 10000 && told[RATE_WAIT] > 10000 && told[RATE_REFUSE] > 10000);
}

/* --- a leaky one ------------------------------------------------------------------------------- */

/* The other form of I.371: a time is kept at which the next one may go. */
static void a_leaky_one_is_the_virtual_schedule(void **unused)
{
    (void)unused;
    int64_t told[3] = {0};
    for (uint64_t seed = 1; seed <= 1000; seed++) {
        struct play y;
        wide next = 0; /* in us / tokens */
        begin(&y, seed, RATE_LEAKY);
        for (int i = 0; i < 300; i++) {
            int64_t cost = roll_cost(&y), left_us = roll(&y, 2) == 0 ? DAY : roll(&y, SECOND);
            int went = y.past.count;
            pass(&y);
            wide now = (wide)y.now_us * y.limit.rate.tokens;
            next = next > now ? next : now;
            struct rate_answer a = rate_take(&y.rate, &y.limit, cost, left_us, y.now_us);
            told[a.verdict]++;
            compare(&y, a, cost, left_us, next);
            next += y.past.count > went ? (wide)cost * y.limit.rate.span_us : 0;
        }
    }
    assert_true(told[RATE_GO] > 10000 && told[RATE_WAIT] > 10000 && told[RATE_REFUSE] > 10000);
}

/* --- a window ---------------------------------------------------------------------------------- */

/* What went in the span that ends now, its first us included. */
static int64_t within(const struct past *past, int64_t now_us, int64_t span_us)
{
    int64_t sum = 0;
    for (int i = past->count - 1; i >= 0 && past->at_us[i] >= now_us - span_us; i--)
        sum += past->cost[i];
    return sum;
}

/* Asked again when it was told it goes, and not before. */
static void expect_then(const struct play *y, int64_t cost, int64_t at_us)
{
    struct rate before = y->rate, then = y->rate;
    expect(y, at_us > y->now_us, "later");
    expect(y, rate_take(&before, &y->limit, cost, 0, at_us - 1).verdict != RATE_GO,
           "the first time");
    expect(y, rate_take(&then, &y->limit, cost, 0, at_us).verdict == RATE_GO, "late enough");
}

static void never_more_than_its_tokens_in_any_span_of_a_window(void **unused)
{
    (void)unused;
    int64_t told[3] = {0}, wrongly = 0;
    for (uint64_t seed = 1; seed <= 1000; seed++) {
        struct play y;
        begin(&y, seed, RATE_WINDOW);
        y.limit.rate.tokens = 1 + y.limit.rate.tokens % 1000;
        int64_t tokens = y.limit.rate.tokens, span_us = y.limit.rate.span_us;
        int64_t part_us = (span_us + RATE_PARTS - 1) / RATE_PARTS;
        for (int i = 0; i < MOST; i++) {
            int64_t cost = 1 + roll(&y, roll(&y, 3) == 0 ? tokens : tokens / 9 + 1);
            pass(&y);
            struct rate_answer a = rate_take(&y.rate, &y.limit, cost, DAY, y.now_us);
            told[a.verdict]++;
            if (a.verdict == RATE_GO) {
                remember(&y, y.now_us, cost);
                expect(&y, within(&y.past, y.now_us, span_us) <= tokens, "within the tokens");
                continue;
            }
            wrongly += within(&y.past, y.now_us, span_us - 1) + cost <= tokens;
            int64_t counted = within(&y.past, y.now_us, part_us * (RATE_PARTS + 1) - 1);
            expect(&y, counted + cost > tokens, "refused for a reason");
            expect_then(&y, cost, a.at_us);
        }
    }
    print_message("# %lld go, %lld refused, %lld of them within the bound\n",
                  (long long)told[RATE_GO], (long long)told[RATE_REFUSE], (long long)wrongly);
    assert_true(told[RATE_GO] > 10000 && told[RATE_REFUSE] > 10000 && wrongly > 1000);
}

/* From window to window: what the one before still knew of counts. */
static void nor_when_it_becomes_another_one(void **unused)
{
    (void)unused;
    int64_t went = 0, refused = 0;
    for (uint64_t seed = 1; seed <= 1000; seed++) {
        struct play y;
        int64_t known_us = 0; /* all since then is */
        begin(&y, seed, RATE_WINDOW);
        for (int i = 0; i < MOST; i++) {
            pass(&y);
            if (roll(&y, 20) == 0) {
                int64_t back_us = y.now_us - y.limit.rate.span_us;
                known_us = back_us > known_us ? back_us : known_us;
                y.limit.rate.span_us = 1 + roll(&y, SECOND);
                y.limit.rate.tokens = 1 + roll(&y, 50);
            }
            int64_t cost = 1 + roll(&y, 3);
            if (rate_take(&y.rate, &y.limit, cost, 0, y.now_us).verdict != RATE_GO) {
                refused++;
                continue;
            }
            remember(&y, y.now_us, cost);
            went++;
            int64_t since_us = y.now_us - y.limit.rate.span_us;
            since_us = since_us > known_us ? since_us : known_us;
            int64_t known = within(&y.past, y.now_us, y.now_us - since_us);
            expect(&y, known <= y.limit.rate.tokens, "within the tokens");
        }
    }
    assert_true(went > 10000 && refused > 10000);
}

/* --- all of them ------------------------------------------------------------------------------ */

static int64_t any(struct play *y)
{
    int64_t number =
        (int64_t)((uint64_t)roll(y, INT64_C(1) << 31) << 32 | (uint64_t)roll(y, INT64_C(1) << 31));
    return number >> roll(y, 63);
}

/* Whatever the numbers are, and become: it answers, what it says goes does, and who waits is within
 * his bound. */
static void any_numbers_do(void **unused)
{
    (void)unused;
    int64_t told[3] = {0};
    for (uint64_t seed = 1; seed <= 2000; seed++) {
        struct play y;
        begin(&y, seed, RATE_BUCKET);
        for (int i = 0; i < 100; i++) {
            if (roll(&y, 5) == 0)
                y.limit = (struct rate_limit){
                    .shape = (enum rate_shape)roll(&y, 3),
                    .rate = {.tokens = any(&y), .span_us = any(&y) | 1, .burst = any(&y)},
                    .wait_us = any(&y)};
            y.now_us = roll(&y, 3) == 0 ? any(&y) : y.now_us;
            int64_t left_us = any(&y);
            struct rate_answer a = rate_take(&y.rate, &y.limit, any(&y) | 1, left_us, y.now_us);
            told[a.verdict]++;
            expect(&y, (a.verdict == RATE_GO) == (a.at_us == y.now_us), "now");
            expect(&y, a.at_us >= y.now_us, "later");
            if (a.verdict != RATE_WAIT)
                continue;
            expect(&y, a.at_us - y.now_us <= left_us, "in time");
            expect(&y, a.at_us - y.now_us <= y.limit.wait_us, "within the bound");
        }
    }
    assert_true(told[RATE_GO] > 1000 && told[RATE_WAIT] > 1000 && told[RATE_REFUSE] > 1000);
}

/* A million calls that ask whenever they were told to: not one more or less than the rate. */
static void nothing_is_gained_or_lost_in_the_long_run(void **unused)
{
    (void)unused;
    static const struct rate_policy rate[] = {
        {.tokens = 3, .span_us = SECOND, .burst = 1},
        {.tokens = 7, .span_us = DAY, .burst = 10},
        {.tokens = 999983, .span_us = SECOND, .burst = 17},
    };
    for (size_t i = 0; i < COUNT(rate); i++) {
        const struct rate_limit p = {.rate = rate[i]};
        struct rate r = {.since_us = 0};
        int64_t now_us = 0, went = 0;
        for (int n = 0; n < 300000; n++) {
            struct rate_answer a = rate_take(&r, &p, 1, 0, now_us);
            went += a.verdict == RATE_GO;
            now_us = a.at_us;
        }
        wide due = rate[i].burst + (wide)now_us * rate[i].tokens / rate[i].span_us;
        assert_true(went == due || went + 1 == due);
    }
}

/* --- slices ------------------------------------------------------------------------------------ */

#define WORKERS 4

/* Times that one worker has: so many, from then on. */
struct slice {
    int64_t from_us, count, next;
};

static int64_t time_of(const struct slice *s, const struct rate_policy *p, int64_t i)
{
    return s->from_us + (int64_t)(((wide)i * p->span_us + p->tokens - 1) / p->tokens);
}

/* When a call of this worker goes: in the first of its slice's times that is not over, or of a new
 * one. */
static int64_t go_by_slice(struct play *y, struct slice *s)
{
    const struct rate_policy *p = &y->limit.rate;
    while (s->next < s->count && time_of(s, p, s->next) < y->now_us)
        s->next++;
    if (s->next == s->count) {
        int64_t size = slice_size(p);
        struct rate_answer a = rate_take(&y->rate, &y->limit, size, 10 * DAY, y->now_us);
        expect(y, a.verdict != RATE_REFUSE, "a time");
        *s = (struct slice){.from_us = a.at_us, .count = size};
    }
    return time_of(s, p, s->next++);
}

/* Beside one queue of which nobody takes ahead. */
static void times_in_slices_are_as_far_apart_and_little_later(void **unused)
{
    (void)unused;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        static const int64_t tokens[] = {1, 30, 100, 200, 1000, 30000};
        static int64_t went_us[3000];
        struct play y;
        struct slice of[WORKERS] = {{.count = 0}};
        struct rate one = {.since_us = 0};
        begin(&y, seed, RATE_LEAKY);
        y.limit.wait_us = 10 * DAY;
        y.limit.rate.span_us = SECOND;
        y.limit.rate.tokens = one_of(&y, tokens, COUNT(tokens));
        int64_t token_us = SECOND / y.limit.rate.tokens;
        for (size_t i = 0; i < COUNT(went_us); i++) {
            y.now_us += roll(&y, 3 * token_us);
            went_us[i] = go_by_slice(&y, &of[roll(&y, WORKERS)]);
            struct rate_answer a = rate_take(&one, &y.limit, 1, 10 * DAY, y.now_us);
            int64_t late_us = went_us[i] - a.at_us;
            expect(&y, late_us <= WORKERS * SLICE_SPAN_US + token_us, "as early");
            for (size_t k = i; k > 0 && went_us[k] < went_us[k - 1]; k--) {
                int64_t later_us = went_us[k - 1];
                went_us[k - 1] = went_us[k];
                went_us[k] = later_us;
            }
        }
        for (size_t i = 1; i < COUNT(went_us); i++)
            expect(&y, went_us[i] - went_us[i - 1] >= token_us, "as far apart");
    }
}

static void a_longer_window_in_slices_has_no_more_in_any_span(void **unused)
{
    (void)unused;
    int64_t went = 0, refused = 0;
    for (uint64_t seed = 1; seed <= 1000; seed++) {
        struct play y;
        int64_t left[WORKERS] = {0}, taken_us[WORKERS] = {0};
        begin(&y, seed, RATE_WINDOW);
        int64_t tokens = 2 + roll(&y, 300), span_us = 1 + roll(&y, 200 * MS);
        y.limit.rate = (struct rate_policy){.tokens = tokens, .span_us = span_us + SLICE_SPAN_US};
        for (int i = 0; i < MOST; i++) {
            int64_t w = roll(&y, WORKERS);
            y.now_us += roll(&y, roll(&y, 10) == 0 ? 2 * span_us : span_us / tokens + 2);
            if (left[w] == 0 || y.now_us > taken_us[w] + SLICE_SPAN_US) {
                int64_t size = slice_size(&y.limit.rate);
                bool is_given = rate_take(&y.rate, &y.limit, size, 0, y.now_us).verdict == RATE_GO;
                left[w] = is_given ? size : 0;
                taken_us[w] = y.now_us;
            }
            if (left[w] == 0) {
                refused++;
                continue;
            }
            left[w]--;
            went++;
            remember(&y, y.now_us, 1);
            expect(&y, within(&y.past, y.now_us, span_us) <= tokens, "within the tokens");
        }
    }
    assert_true(went > 10000 && refused > 10000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bucket_is_what_its_bound_allows_and_no_less),
        cmocka_unit_test(a_leaky_one_is_the_virtual_schedule),
        cmocka_unit_test(never_more_than_its_tokens_in_any_span_of_a_window),
        cmocka_unit_test(nor_when_it_becomes_another_one),
        cmocka_unit_test(any_numbers_do),
        cmocka_unit_test(nothing_is_gained_or_lost_in_the_long_run),
        cmocka_unit_test(times_in_slices_are_as_far_apart_and_little_later),
        cmocka_unit_test(a_longer_window_in_slices_has_no_more_in_any_span),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
