#include "rules/rate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"

#define MS 1000
#define SECOND 1000000
#define DAY (86400 * (int64_t)SECOND)
#define LONG (10000 * DAY) /* to wait */
#define BEGIN_US (1000 * (int64_t)SECOND)

static struct rate_limit limit(enum rate_shape shape, int64_t tokens, int64_t span_us,
                               int64_t burst, int64_t wait_us)
{
    return (struct rate_limit){.shape = shape,
                               .rate = {.tokens = tokens, .span_us = span_us, .burst = burst},
                               .wait_us = wait_us};
}

static struct rate_answer ask(struct rate *r, const struct rate_limit *p, int64_t cost,
                              int64_t now_us)
{
    return rate_take(r, p, cost, LONG, now_us);
}

static void expect(struct rate_answer a, enum rate_verdict verdict, int64_t at_us)
{
    assert_int_equal(a.verdict, verdict);
    assert_int_equal(a.at_us, at_us);
}

/* --- sentences -------------------------------------------------------------------------------- */

/* A digit is a call that costs so much, '.' is a tenth of a second that passes, '<' one that the
 * clock goes back. Behind it what each call was told: 'g' go, 'w' wait, 'x' not now, 'n' never.
 * Writes when the last one was told to go or to ask again, in ms since it began. */
static int64_t tell(const struct rate_limit *p, const char *sentence, char *told)
{
    struct rate r = {.since_us = 0};
    struct rate_answer a = {.at_us = 0};
    int64_t now_us = BEGIN_US;
    for (const char *c = sentence; *c != '\0'; c++) {
        now_us += *c == '.' ? 100 * MS : *c == '<' ? -100 * MS : 0;
        if (*c < '0' || *c > '9')
            continue;
        a = ask(&r, p, *c - '0', now_us);
        *told++ = a.at_us == RATE_NEVER ? 'n' : "gwx"[a.verdict];
        assert_true(a.at_us == now_us || a.verdict != RATE_GO);
        assert_true(a.verdict == RATE_REFUSE || a.at_us != RATE_NEVER);
    }
    *told = '\0';
    return a.at_us == RATE_NEVER ? -1 : (a.at_us - BEGIN_US) / MS;
}

struct row {
    const char *sentence, *told;
    int64_t last_ms; /* -1: never */
};

static void read_rows(const struct rate_limit *p, const struct row *row, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char told[100];
        int64_t last_ms = tell(p, row[i].sentence, told);
        if (strcmp(told, row[i].told) != 0 || last_ms != row[i].last_ms)
            fail_msg("%s: told %s, the last for %lld, not %s for %lld", row[i].sentence, told,
                     (long long)last_ms, row[i].told, (long long)row[i].last_ms);
    }
}

static void a_bucket_lets_a_burst_go_and_then_its_rate(void **unused)
{
    (void)unused;
    static const struct row row[] = {
        {"1", "g", 0},
        {"111", "ggg", 0},
        {"3", "g", 0},
        {"21", "gg", 0},
        {"1111", "gggx", 100},
        {"33", "gx", 300},
        {"31", "gx", 100},
        {"32", "gx", 200},
        {"4", "n", -1}, /* more than there can ever be */
        {"41", "ng", 0},
        {"111.1", "gggg", 100},
        {"111.11", "ggggx", 200},
        {"111.2", "gggx", 200},
        {"111..2", "gggg", 200},
        {"1111.1", "gggxg", 100}, /* who is refused uses nothing */
        {"1.1.1.1.1.1.1.1.1.1.1.1", "gggggggggggg", 1100},
        {"2.2.2.2", "ggxg", 300},
        {"111..........1111", "ggggggx", 1100}, /* no more than the burst is saved up */
        {"3<1", "gx", 100},
        {"3<.1", "gx", 100}, /* no time twice */
        {"3<..1", "gg", 100},
        {".3<<<...1", "gx", 200},
    };
    const struct rate_limit p = limit(RATE_BUCKET, 10, SECOND, 3, 0);
    read_rows(&p, row, COUNT(row));
}

static void a_bucket_keeps_times_for_who_may_wait(void **unused)
{
    (void)unused;
    static const struct row row[] = {
        {"111", "ggg", 0},        {"1111", "gggw", 100},
        {"11111", "gggww", 200},  {"31", "gw", 100},
        {"32", "gw", 200},        {"311", "gww", 200},
        {"33", "gx", 100},        {"111111", "gggwwx", 100},
        {"311.1", "gwww", 300}, /* behind those who wait */
        {"311..1", "gwww", 300},  {"311...1", "gwwg", 300},
        {"3111.1", "gwwxw", 300}, {"4", "n", -1},
        {"3<1", "gw", 100},       {"3<11", "gwx", 0},
    };
    const struct rate_limit p = limit(RATE_BUCKET, 10, SECOND, 3, 200 * MS);
    read_rows(&p, row, COUNT(row));
}

static void a_leaky_one_spaces_calls_by_what_they_cost(void **unused)
{
    (void)unused;
    static const struct row row[] = {
        {"1", "g", 0},
        {"11", "gw", 100},
        {"111", "gww", 200},
        {"1111", "gwww", 300},
        {"11111", "gwwwx", 100}, /* 400 is too long, and will not be in 100 */
        {"11111.1", "gwwwxw", 400},
        {"9", "g", 0}, /* it goes, and the others wait */
        {"91", "gx", 600},
        {"31", "gw", 300},
        {"41", "gx", 100},
        {"41.1", "gxw", 400},
        {"12", "gw", 100},
        {"121", "gww", 300},
        {"1.1", "gg", 100},
        {"1.11", "ggw", 200},
        {"1..........11", "ggw", 1100}, /* nothing is saved up */
        {"1<1", "gw", 100},
        {"1<11", "gww", 200},
        {"1<111", "gwwx", 0},
        {"1<.1", "gw", 100},
        {"1<..1", "gg", 100},
    };
    const struct rate_limit p = limit(RATE_LEAKY, 10, SECOND, 77, 300 * MS);
    read_rows(&p, row, COUNT(row));
}

static void a_leaky_one_where_nobody_waits_refuses(void **unused)
{
    (void)unused;
    static const struct row row[] = {
        {"11", "gx", 100}, {"11.1", "gxg", 100}, {"3.1", "gx", 300}, {"3...1", "gg", 300}};
    const struct rate_limit p = limit(RATE_LEAKY, 10, SECOND, 0, 0);
    read_rows(&p, row, COUNT(row));
}

/* A part is a tenth of a second. */
static void a_window_counts_a_span_and_a_part(void **unused)
{
    (void)unused;
    static const struct row row[] = {
        {"1111", "gggg", 0},
        {"4", "g", 0},
        {"5", "n", -1},
        {"45", "gn", -1},
        {"11111", "ggggx", 600},
        {"4.....1", "gx", 600},
        {"4......1", "gg", 600},
        {"4......11111", "gggggx", 1200},
        {"1.3.1", "ggx", 600},
        {"1.3.2", "ggx", 700}, /* the part of the second one must go, too */
        {"1.3....11", "ggxx", 600},
        {"1.3.....11", "gggx", 700},
        {"1.3....1.1", "ggxg", 600},
        {"1.1.1.1.1.1.1", "ggggxxg", 600},
        {"1.1.1.1....1", "ggggg", 700},
        {"1.1.1.1....11", "gggggg", 700},
        {"1.1.1.1....111", "ggggggx", 800},
        {"1.1.1.1....31", "ggggxg", 700},
        {".............4......4", "gg", 1900},
        {"1...4..3", "gxg", 500},
        {"1......4", "gg", 600},
        {"1.......4......1", "ggg", 1300},
        {"4<1", "gx", 600},
        {"4<<<4", "gx", 600},
        {"1<3.1", "ggx", 600},
        {"3...1.......4", "ggg", 1000},
    };
    const struct rate_limit p = limit(RATE_WINDOW, 4, 500 * MS, 77, LONG);
    read_rows(&p, row, COUNT(row));
}

/* --- to the us -------------------------------------------------------------------------------- */

static void what_is_told_is_the_first_us_that_will_do(void **unused)
{
    (void)unused;
    static const struct {
        int64_t tokens, span_us, burst, cost, again, first_us; /* after the burst */
    } row[] = {
        {3, SECOND, 1, 1, 1, 333334},
        {3, SECOND, 2, 2, 2, 666667},
        {3, SECOND, 3, 3, 3, 1000000},
        {1, DAY, 1, 1, 1, DAY},
        {7, DAY, 5, 5, 1, 12342857143},
        {1000000, SECOND, 1, 1, 1, 1},
        {2000000, SECOND, 5, 5, 3, 2},
        {2000000, SECOND, 5, 5, 4, 2},
        {1000000000, SECOND, 9, 9, 9, 1},
        {999999, SECOND, 1, 1, 1, 2},
        {1000001, SECOND, 1, 1, 1, 1},
        {1000000, SECOND, 1000000000, 1000000000, 1000000000, 1000000000},
        {1, DAY, 1000000, 1000000, 1000000, 1000000 * DAY},
    };
    for (size_t i = 0; i < COUNT(row); i++) {
        const struct rate_limit p =
            limit(RATE_BUCKET, row[i].tokens, row[i].span_us, row[i].burst, 0);
        struct rate r = {.since_us = 0};
        expect(ask(&r, &p, row[i].cost, 7), RATE_GO, 7);
        expect(ask(&r, &p, row[i].again, 7), RATE_REFUSE, 7 + row[i].first_us);
        expect(ask(&r, &p, row[i].again, 7 + row[i].first_us - 1), RATE_REFUSE,
               7 + row[i].first_us);
        expect(ask(&r, &p, row[i].again, 7 + row[i].first_us), RATE_GO, 7 + row[i].first_us);
    }
}

/* What an unrounded one of a third of a second had left over is there at the next. */
static void nothing_is_rounded(void **unused)
{
    (void)unused;
    const struct rate_limit p = limit(RATE_BUCKET, 3, SECOND, 1, LONG);
    const struct rate_limit q = limit(RATE_LEAKY, 3, SECOND, 0, LONG);
    struct rate r = {.since_us = 0}, l = {.since_us = 0};
    for (int64_t i = 0; i < 1000; i++) {
        int64_t at_us = BEGIN_US + (i * SECOND + 2) / 3;
        expect(ask(&r, &p, 1, BEGIN_US), i == 0 ? RATE_GO : RATE_WAIT, at_us);
        expect(ask(&l, &q, 1, BEGIN_US), i == 0 ? RATE_GO : RATE_WAIT, at_us);
    }
}

static void the_wait_is_bounded_to_the_us(void **unused)
{
    (void)unused;
    static const struct {
        int64_t wait_us, left_us;
        enum rate_verdict verdict;
        int64_t at_us;
    } row[] = {
        {100000, LONG, RATE_WAIT, 100000},   {99999, LONG, RATE_REFUSE, 1},
        {LONG, 100000, RATE_WAIT, 100000},   {LONG, 99999, RATE_REFUSE, 1},
        {99999, 99998, RATE_REFUSE, 2},      {99998, 99999, RATE_REFUSE, 2},
        {LONG, 0, RATE_REFUSE, 100000},      {LONG, -5, RATE_REFUSE, 100000},
        {-5, LONG, RATE_REFUSE, 100000},     {INT64_MAX, INT64_MAX, RATE_WAIT, 100000},
        {0, INT64_MIN, RATE_REFUSE, 100000}, {1, 1, RATE_REFUSE, 99999},
    };
    for (size_t i = 0; i < COUNT(row); i++)
        for (int shape = RATE_BUCKET; shape <= RATE_LEAKY; shape++) {
            const struct rate_limit p =
                limit((enum rate_shape)shape, 10, SECOND, 1, row[i].wait_us);
            struct rate r = {.since_us = 0};
            expect(rate_take(&r, &p, 1, row[i].left_us, BEGIN_US), RATE_GO, BEGIN_US);
            expect(rate_take(&r, &p, 1, row[i].left_us, BEGIN_US), row[i].verdict,
                   BEGIN_US + row[i].at_us);
        }
}

/* 7 us are cut into parts of 2. */
static void parts_of_a_window_are_rounded_up(void **unused)
{
    (void)unused;
    static const struct {
        int64_t span_us, gone_us;
    } row[] = {{1, 6}, {5, 6}, {6, 12}, {7, 12}, {10, 12}, {11, 18}, {SECOND, 1200000}};
    for (size_t i = 0; i < COUNT(row); i++) {
        const struct rate_limit p = limit(RATE_WINDOW, 1, row[i].span_us, 0, 0);
        struct rate r = {.since_us = 0};
        int64_t gone_us = 50 + row[i].gone_us;
        expect(ask(&r, &p, 1, 50), RATE_GO, 50);
        expect(ask(&r, &p, 1, 50), RATE_REFUSE, gone_us);
        expect(ask(&r, &p, 1, gone_us - 1), RATE_REFUSE, gone_us);
        expect(ask(&r, &p, 1, gone_us), RATE_GO, gone_us);
    }
}

/* --- far numbers ------------------------------------------------------------------------------ */

static void a_rate_of_nothing_gives_the_burst_and_no_more(void **unused)
{
    (void)unused;
    struct rate_limit p = limit(RATE_BUCKET, 0, SECOND, 2, LONG);
    struct rate r = {.since_us = 0}, l = {.since_us = 0}, w = {.since_us = 0};
    expect(ask(&r, &p, 2, 0), RATE_GO, 0);
    expect(ask(&r, &p, 1, 0), RATE_REFUSE, RATE_NEVER);
    expect(ask(&r, &p, 1, LONG), RATE_REFUSE, RATE_NEVER);
    p.shape = RATE_LEAKY;
    expect(ask(&l, &p, 5, 0), RATE_GO, 0);
    expect(ask(&l, &p, 1, LONG), RATE_REFUSE, RATE_NEVER);
    p.shape = RATE_WINDOW;
    expect(ask(&w, &p, 1, 0), RATE_REFUSE, RATE_NEVER);
}

static void what_would_be_later_than_time_is_never(void **unused)
{
    (void)unused;
    const struct rate_limit p = limit(RATE_BUCKET, 1, DAY, 1000000000, INT64_MAX);
    const struct rate_limit w = limit(RATE_WINDOW, 1, 10, 0, 0);
    struct rate r = {.since_us = 0}, c = {.since_us = 0};
    expect(ask(&r, &p, 1000000000, 5), RATE_GO, 5);
    expect(rate_take(&r, &p, 1000000000, INT64_MAX, 5), RATE_REFUSE, RATE_NEVER);
    expect(rate_take(&r, &p, 100000000, INT64_MAX, 5), RATE_WAIT, 5 + 100000000 * DAY);
    expect(ask(&c, &w, 1, INT64_MAX - 12), RATE_GO, INT64_MAX - 12);
    expect(ask(&c, &w, 1, INT64_MAX - 12), RATE_REFUSE, INT64_MAX);
    expect(ask(&c, &w, 1, INT64_MAX - 1), RATE_REFUSE, RATE_NEVER);
}

static void the_largest_numbers_are_no_others(void **unused)
{
    (void)unused;
    const int64_t most = INT64_MAX;
    const struct rate_limit p = limit(RATE_BUCKET, most, most, most, most);
    const struct rate_limit q = limit(RATE_LEAKY, most, most, most, most);
    struct rate r = {.since_us = 0}, l = {.since_us = 0};
    expect(rate_take(&r, &p, most, most, 3), RATE_GO, 3);
    expect(rate_take(&r, &p, 1, most, 3), RATE_WAIT, 4);
    expect(rate_take(&r, &p, most, most, 3), RATE_REFUSE, RATE_NEVER);
    expect(rate_take(&r, &p, most, most, most), RATE_REFUSE, RATE_NEVER);
    expect(rate_take(&r, &p, 5, most, most), RATE_GO, most);
    expect(rate_take(&l, &q, most - 9, most, 3), RATE_GO, 3);
    expect(rate_take(&l, &q, most, most, 3), RATE_WAIT, most - 6);
    expect(rate_take(&l, &q, 1, most, 3), RATE_REFUSE, RATE_NEVER);
}

static void a_window_of_more_tokens_than_it_counts_is_one_of_those(void **unused)
{
    (void)unused;
    static const int64_t tokens[] = {UINT32_MAX, (int64_t)UINT32_MAX + 1, INT64_MAX};
    for (size_t i = 0; i < COUNT(tokens); i++) {
        const struct rate_limit p = limit(RATE_WINDOW, tokens[i], SECOND, 0, 0);
        struct rate r = {.since_us = 0};
        expect(ask(&r, &p, (int64_t)UINT32_MAX + 1, 0), RATE_REFUSE, RATE_NEVER);
        expect(ask(&r, &p, INT64_MAX, 0), RATE_REFUSE, RATE_NEVER);
        expect(ask(&r, &p, UINT32_MAX - 1, 0), RATE_GO, 0);
        expect(ask(&r, &p, 1, 200 * MS), RATE_GO, 200 * MS);
        expect(ask(&r, &p, 1, 400 * MS), RATE_REFUSE, 1200 * MS);
        expect(ask(&r, &p, UINT32_MAX, 400 * MS), RATE_REFUSE, 1400 * MS);
    }
}

static void there_may_be_many_of_them(void **unused)
{
    (void)unused;
    assert_in_range(sizeof(struct rate), 16, 48);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bucket_lets_a_burst_go_and_then_its_rate),
        cmocka_unit_test(a_bucket_keeps_times_for_who_may_wait),
        cmocka_unit_test(a_leaky_one_spaces_calls_by_what_they_cost),
        cmocka_unit_test(a_leaky_one_where_nobody_waits_refuses),
        cmocka_unit_test(a_window_counts_a_span_and_a_part),
        cmocka_unit_test(what_is_told_is_the_first_us_that_will_do),
        cmocka_unit_test(nothing_is_rounded),
        cmocka_unit_test(the_wait_is_bounded_to_the_us),
        cmocka_unit_test(parts_of_a_window_are_rounded_up),
        cmocka_unit_test(a_rate_of_nothing_gives_the_burst_and_no_more),
        cmocka_unit_test(what_would_be_later_than_time_is_never),
        cmocka_unit_test(the_largest_numbers_are_no_others),
        cmocka_unit_test(a_window_of_more_tokens_than_it_counts_is_one_of_those),
        cmocka_unit_test(there_may_be_many_of_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
