#include "rules/hedge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "support/aborts.h"

#define MS 1000
#define SECOND 1000000
#define BEGIN_US (1000 * (int64_t)SECOND)

/* The example of A6, "Hedging Policy": 4 copies, half a second apart. */
static const struct hedge_policy usual = {.most = 4, .delay_us = 500 * MS};

/* --- the delay -------------------------------------------------------------------------------- */

static void the_delay_is_fixed_or_a_quantile_and_not_below_its_floor(void **unused)
{
    (void)unused;
    static const struct {
        int32_t permille;
        int64_t fixed_us, floor_us, quantile_us, delay_us;
    } row[] = {
        {0, 0, 0, 0, 0},
        {0, 100, 0, 0, 100},
        {0, 100, 0, 70, 100}, /* nobody asked for it */
        {0, 100, 100, 0, 100},
        {0, 100, 101, 0, 101},
        {0, 0, 5, 70, 5},
        {950, 100, 0, 70, 70},
        {950, 100, 69, 70, 70},
        {950, 100, 71, 70, 71},
        {950, 100, 0, 0, 100}, /* not known */
        {950, 100, 101, 0, 101},
        {950, 0, 0, 0, HEDGE_NEVER},
        {950, 0, 50, 0, HEDGE_NEVER},
        {950, 0, 0, 1, 1},
        {1, 1, 0, 0, 1},
        {1, 1, 0, INT64_MAX, HEDGE_NEVER},
    };
    for (size_t i = 0; i < COUNT(row); i++) {
        const struct hedge_policy p = {
            .permille = row[i].permille, .delay_us = row[i].fixed_us, .floor_us = row[i].floor_us};
        int64_t delay_us = hedge_delay_us(&p, row[i].quantile_us);
        if (delay_us != row[i].delay_us)
            fail_msg("row %zu: %lld", i, (long long)delay_us);
    }
}

/* --- sentences -------------------------------------------------------------------------------- */

struct story {
    struct hedge_policy policy;
    struct hedge hedge;
    struct hedge_step step; /* the last one */
    int64_t now_us;
    int budget; /* copies that there still are for others */
    char told[100];
};

static int64_t ms(const struct story *y)
{
    return (y->now_us - BEGIN_US) / MS;
}

static void tell(struct story *y, const char *format, int64_t number)
{
    size_t used = strlen(y->told);
    char *at = y->told + used;
    if (used > 0 && format[0] != '/')
        *at++ = ' ';
    snprintf(at, sizeof y->told - used - 1, format, (long long)number);
}

/* Does what the step says, and writes it down. */
static void go(struct story *y, struct hedge_step step)
{
    while (step.next == HEDGE_SEND) {
        bool is_sent = y->budget-- > 0;
        tell(y, is_sent ? "%lld" : "(%lld)", ms(y));
        step = is_sent ? hedge_sent(&y->hedge, &y->policy, y->now_us)
                       : hedge_denied(&y->hedge, y->now_us);
    }
    if (step.next == HEDGE_ANSWER) {
        tell(y, "a%lld", ms(y));
        tell(y, "/%lld", y->hedge.open);
        assert_int_equal(step.at_us, HEDGE_NEVER);
        step = hedge_timer(&y->hedge, &y->policy, y->now_us); /* it is told once */
        assert_int_equal(step.next, HEDGE_WAIT);
    }
    y->step = step;
}

static void pass(struct story *y, int64_t span_us)
{
    int64_t until_us = y->now_us + span_us;
    while (y->step.at_us <= until_us) {
        y->now_us = y->step.at_us;
        go(y, hedge_timer(&y->hedge, &y->policy, y->now_us));
    }
    y->now_us = until_us;
}

/* '.' is a tenth of a second that passes. A copy ends: 'w' well, 'n' in a way that is not fatal, 'f'
 * fatally; or it is pushed back: 'p' no more, '0' at once, '2' after 200 ms. 'g': nobody waits any
 * more. A digit behind a '|' is how many copies the policy has from there on. */
static void say(struct story *y, char what)
{
    struct hedge *h = &y->hedge;
    const struct hedge_policy *p = &y->policy;
    switch (what) {
    case '.':
        pass(y, 100 * MS);
        return;
    case 'w':
        go(y, hedge_ended(h, p, HEDGE_WELL, y->now_us));
        return;
    case 'n':
        go(y, hedge_ended(h, p, HEDGE_NON_FATAL, y->now_us));
        return;
    case 'f':
        go(y, hedge_ended(h, p, HEDGE_FATAL, y->now_us));
        return;
    case 'p':
        go(y, hedge_pushed_back(h, p, -1, y->now_us));
        return;
    case 'g':
        hedge_give_up(h);
        y->step = hedge_timer(h, p, y->now_us);
        return;
    default:
        go(y, hedge_pushed_back(h, p, (what - '0') * 100 * MS, y->now_us));
        return;
    }
}

static void begin(struct story *y, const struct hedge_policy *p, bool is_idempotent, int budget)
{
    *y = (struct story){.policy = *p, .now_us = BEGIN_US, .budget = budget};
    go(y, hedge_begin(&y->hedge, p, is_idempotent, hedge_delay_us(p, 0), y->now_us));
}

struct row {
    const char *sentence, *told;
};

static void read_rows(const struct hedge_policy *p, bool is_idempotent, int budget,
                      const struct row *row, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct story y;
        begin(&y, p, is_idempotent, budget);
        for (const char *c = row[i].sentence; *c != '\0'; c++)
            if (*c == '|')
                y.policy.most = *++c - '0';
            else
                say(&y, *c);
        if (strcmp(y.told, row[i].told) != 0)
            fail_msg("%s: %s, not %s", row[i].sentence, y.told, row[i].told);
    }
}

/* Behind each: when copies went after the first, in ms; "a600/1": answered then, and one must be
 * cancelled. */
static void copies_go_as_the_document_says(void **unused)
{
    (void)unused;
    static const struct row row[] = {
        /* one more after each delay, four in all */
        {"....", ""},
        {".....", "500"},
        {".........", "500"},
        {"..........", "500 1000"},
        {"...............", "500 1000 1500"},
        {"..............................", "500 1000 1500"},
        /* the first good one is the answer */
        {"w", "a0/0"},
        {"...w......", "a300/0"},
        {"......w", "500 a600/1"},
        {"................w", "500 1000 1500 a1600/3"},
        {"......ww", "500 a600/1"}, /* the other one was too late */
        {"......wn.......", "500 a600/1"},
        /* one that is not fatal: the next at once, and on from there */
        {"n", "0"},
        {"..n", "200"},
        {"..n....", "200"},
        {"..n.....", "200 700"},
        {"..n.....n", "200 700 700"},
        {"......n", "500 600"},
        {"......n....", "500 600"},
        {"......n.....", "500 600 1100"},
        {"nnn", "0 0 0"},
        {"nnn..............", "0 0 0"},
        {"nnnn", "0 0 0 a0/0"}, /* there is no other retry */
        {"nnnw", "0 0 0 a0/0"},
        {"...............nnn", "500 1000 1500"},
        {"...............nnnn", "500 1000 1500 a1500/0"},
        {"...............nw", "500 1000 1500 a1500/2"},
        /* a fatal one ends all */
        {"f", "a0/0"},
        {"......f", "500 a600/1"},
        {"......nf", "500 600 a600/1"},
        {"......ff", "500 a600/1"},
    };
    read_rows(&usual, true, 9, row, COUNT(row));
}

/* A6, "Pushback". */
static void a_server_may_push_back(void **unused)
{
    (void)unused;
    static const struct row row[] = {
        /* no more, but for those that went */
        {"p", "a0/0"},
        {"......p..........", "500"},
        {"......p...w", "500 a900/0"},
        {"......pn", "500 a600/0"},
        {"......pp", "500 a600/0"},
        {"..........pn.....", "500 1000"},
        {"...............p2", "500 1000 1500"},
        /* after so long, and on from there */
        {"2", ""},
        {"2.", ""},
        {"2..", "200"},
        {"2......", "200"},
        {"2.......", "200 700"},
        {"0", "0"},
        {"0.....", "0 500"},
        {"......2.", "500"},
        {"......2..", "500 800"},
        {"......2.......", "500 800 1300"},
        {"......9........", "500"}, /* longer than the delay */
        {"......9.........", "500 1500"},
        {"...............2222", "500 1000 1500 a1500/0"}, /* there were all */
        /* and whoever else fails meanwhile */
        {"......2n.", "500"},
        {"......2n..", "500 800"},
        {"......52.....", "500 1100"},
        {"......25.....", "500 1100"},
        {"......2p", "500 a600/0"},
        {"......2w..", "500 a600/0"},
        {"......2f..", "500 a600/0"},
        {"......2..n", "500 800 800"}, /* it is over */
    };
    read_rows(&usual, true, 9, row, COUNT(row));
}

static void nobody_waits_after_its_deadline(void **unused)
{
    (void)unused;
    static const struct row row[] = {
        {"g..........", ""},
        {"gw", ""},
        {"gn...", ""},
        {"......gww", "500"},
        {"......gn2..........", "500"},
        {"......gf", "500"},
        {"2g.....", ""},
    };
    read_rows(&usual, true, 9, row, COUNT(row));
}

static void what_may_be_done_once_has_one_copy(void **unused)
{
    (void)unused;
    static const struct row row[] = {
        {"..........", ""}, {"...w", "a300/0"}, {"n", "a0/0"}, {"f", "a0/0"},
        {"2", "a0/0"},      {"0", "a0/0"},      {"p", "a0/0"},
    };
    static const struct hedge_policy one = {.most = 1}, none = {.most = 0},
                                     unknown = {.most = 4, .permille = 950};
    read_rows(&usual, false, 9, row, COUNT(row));
    read_rows(&one, true, 9, row, COUNT(row));
    read_rows(&none, true, 9, row, COUNT(row));
    read_rows(&unknown, true, 9, row, COUNT(row));
}

static void without_a_delay_all_go_at_once(void **unused)
{
    (void)unused;
    static const struct hedge_policy p = {.most = 3};
    static const struct row row[] = {
        {".", "0 0"}, {".w", "0 0 a100/2"}, {"n.", "0 0"}, {".nnn", "0 0 a100/0"}};
    read_rows(&p, true, 9, row, COUNT(row));
}

/* A6, "Limits on Retries and Hedges". */
static void nobody_has_more_than_five(void **unused)
{
    (void)unused;
    static const struct row row[] = {{"...........", "100 200 300 400"}, {"nnnnn", "0 0 0 0 a0/0"}};
    for (int32_t most = 5; most <= 9; most++) {
        const struct hedge_policy p = {.most = most, .delay_us = 100 * MS};
        read_rows(&p, true, 9, row, COUNT(row));
    }
}

/* In brackets one for which there was none. */
static void who_finds_no_budget_has_no_more_copies(void **unused)
{
    (void)unused;
    static const struct row row[] = {
        {"...............", "(500)"}, {".....w", "(500) a500/0"}, {"n", "(0) a0/0"},
        {".....n", "(500) a500/0"},   {".....2", "(500) a500/0"}, {"2..", "(200) a200/0"},
        {".....f", "(500) a500/0"},
    };
    static const struct row one[] = {
        {"...............", "500 (1000)"},           {"...............w", "500 (1000) a1500/1"},
        {"...............nn", "500 (1000) a1500/0"}, {"nn", "0 (0) a0/0"},
        {".....n...w", "500 (500) a800/0"},
    };
    read_rows(&usual, true, 0, row, COUNT(row));
    read_rows(&usual, true, 1, one, COUNT(one));
}

static void another_policy_holds_for_the_next_copy(void **unused)
{
    (void)unused;
    static const struct row row[] = {
        {"......|1...........", "500"},
        {"......|1n", "500"},
        {"......|1nn", "500 a600/0"},
        {"......|2...........", "500"},
        {"......|3...........", "500 1000"},
        {"|9....................", "500 1000 1500 2000"},
        {"2|1..", "a200/0"}, /* the one that was to come does not */
        {"2|2.........", "200"},
    };
    read_rows(&usual, true, 9, row, COUNT(row));
}

/* --- time -------------------------------------------------------------------------------------- */

static void a_timer_that_comes_early_is_told_when(void **unused)
{
    (void)unused;
    struct story y;
    begin(&y, &usual, true, 9);
    assert_int_equal(y.step.at_us, BEGIN_US + 500 * MS);
    for (int64_t at_us = 0; at_us < BEGIN_US + 500 * MS; at_us += 300 * MS + 1) {
        struct hedge_step step = hedge_timer(&y.hedge, &y.policy, at_us);
        assert_int_equal(step.next, HEDGE_WAIT);
        assert_int_equal(step.at_us, BEGIN_US + 500 * MS);
    }
    assert_int_equal(hedge_timer(&y.hedge, &y.policy, BEGIN_US + 500 * MS - 1).next, HEDGE_WAIT);
    assert_int_equal(hedge_timer(&y.hedge, &y.policy, BEGIN_US + 500 * MS).next, HEDGE_SEND);
    assert_int_equal(hedge_timer(&y.hedge, &y.policy, INT64_MAX).next, HEDGE_SEND);
}

static void what_would_be_later_than_time_is_never(void **unused)
{
    (void)unused;
    struct hedge h;
    struct hedge_step step = hedge_begin(&h, &usual, true, 500 * MS, INT64_MAX - 500 * MS - 1);
    assert_int_equal(step.at_us, INT64_MAX - 1);
    step = hedge_begin(&h, &usual, true, 500 * MS, INT64_MAX - 500 * MS);
    assert_int_equal(step.at_us, HEDGE_NEVER);
    step = hedge_begin(&h, &usual, true, INT64_MAX - 1, INT64_MAX - 2);
    assert_int_equal(step.at_us, HEDGE_NEVER);
    step = hedge_pushed_back(&h, &usual, INT64_MAX, INT64_MAX - 1);
    assert_int_equal(step.next, HEDGE_ANSWER);
    hedge_begin(&h, &usual, true, 5, INT64_MAX);
    assert_int_equal(hedge_timer(&h, &usual, INT64_MAX).next, HEDGE_WAIT);
    assert_int_equal(hedge_ended(&h, &usual, HEDGE_NON_FATAL, INT64_MAX).next, HEDGE_ANSWER);
}

/* --- what cannot be --------------------------------------------------------------------------- */

static void send_one_that_is_answered(void)
{
    struct hedge h = {.is_over = true};
    hedge_sent(&h, &usual, BEGIN_US);
}

static void end_one_that_was_not_sent(void)
{
    struct hedge h = {.open = 0};
    hedge_ended(&h, &usual, HEDGE_WELL, BEGIN_US);
}

static void what_is_not_under_way_is_neither_sent_nor_ended(void **unused)
{
    (void)unused;
    assert_true(aborts(send_one_that_is_answered));
    assert_true(aborts(end_one_that_was_not_sent));
}

/* --- the budget ------------------------------------------------------------------------------- */

/* '.' is a call, '!' a copy more. Behind it: '+' there was one, '-' there was none. */
static void the_budget_is_a_share_of_calls_and_a_burst(void **unused)
{
    (void)unused;
    static const struct {
        double share;
        int32_t burst;
        const char *sentence, *told;
    } row[] = {
        {0.5, 2, "!!!", "++-"},
        {0.5, 2, "!!.!", "++-"},
        {0.5, 2, "!!..!", "+++"},
        {0.5, 2, "!!..!.!.!", "+++-+"},
        {0.5, 2, "..........!!!", "++-"},
        {0.5, 2, "!..........!!!", "+++-"},
        {0.05, 1, "!...................!.!", "+-+"},
        {1, 1, "!.!.!!", "+++-"},
        {0, 1, "!....................!", "+-"},
        {0.5, 0, "!......!", "--"},
        {0.333333, 1, "!...!.!", "+-+"},
        {0.333334, 1, "!..!.!", "+-+"},
        {0.0000001, 1, "!....................!", "+-"}, /* less than is counted */
    };
    for (size_t i = 0; i < COUNT(row); i++) {
        const struct hedge_policy p = {.share = row[i].share, .burst = row[i].burst};
        char told[50], *end = told;
        int64_t spent = 0;
        for (const char *c = row[i].sentence; *c != '\0'; c++) {
            int64_t before = spent;
            spent = *c == '.' ? hedge_earn(&p, spent, 1) : hedge_spend(&p, spent);
            if (*c == '!')
                *end++ = spent == before ? '-' : '+';
        }
        *end = '\0';
        if (strcmp(told, row[i].told) != 0)
            fail_msg("row %zu, %s: %s, not %s", i, row[i].sentence, told, row[i].told);
    }
}

static void many_calls_are_so_many_times_one(void **unused)
{
    (void)unused;
    const struct hedge_policy p = {.share = 0.05, .burst = INT32_MAX};
    assert_int_equal(hedge_earn(&p, 1000000, 7), 650000);
    assert_int_equal(hedge_earn(&p, 1000000, 20), 0);
    assert_int_equal(hedge_earn(&p, 1000000, 0), 1000000);
    assert_int_equal(hedge_earn(&p, 1000000, 1000000000), 0);
    assert_int_equal(hedge_earn(&p, INT64_MAX, INT64_MAX), 0);
    assert_int_equal(hedge_earn(&p, INT64_MAX, INT64_MAX / 50000), INT64_MAX % 50000);
    assert_int_equal(hedge_spend(&p, (int64_t)INT32_MAX * 1000000 - 1000000),
                     (int64_t)INT32_MAX * 1000000);
    assert_int_equal(hedge_spend(&p, (int64_t)INT32_MAX * 1000000 - 999999),
                     (int64_t)INT32_MAX * 1000000 - 999999);
    assert_int_equal(hedge_return(hedge_spend(&p, 250000)), 250000);
    assert_int_equal(hedge_return(999999), 0); /* calls have brought back some of it meanwhile */
    assert_int_equal(hedge_return(0), 0);
}

static void a_share_is_rounded_to_the_nearest(void **unused)
{
    (void)unused;
    const struct hedge_policy p = {.share = 0.0157}; /* a million times that is a little less */
    assert_int_equal(hedge_earn(&p, 1000000, 1), 984300);
}

static void a_smaller_burst_is_waited_for(void **unused)
{
    (void)unused;
    struct hedge_policy p = {.share = 0.5, .burst = 10};
    int64_t spent = 0;
    for (int i = 0; i < 10; i++)
        spent = hedge_spend(&p, spent);
    p.burst = 2;
    assert_int_equal(hedge_spend(&p, spent), spent);
    spent = hedge_earn(&p, spent, 17);
    assert_int_equal(hedge_spend(&p, spent), spent);
    spent = hedge_earn(&p, spent, 1);
    assert_int_equal(hedge_spend(&p, spent), spent + 1000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_delay_is_fixed_or_a_quantile_and_not_below_its_floor),
        cmocka_unit_test(copies_go_as_the_document_says),
        cmocka_unit_test(a_server_may_push_back),
        cmocka_unit_test(nobody_waits_after_its_deadline),
        cmocka_unit_test(what_may_be_done_once_has_one_copy),
        cmocka_unit_test(without_a_delay_all_go_at_once),
        cmocka_unit_test(nobody_has_more_than_five),
        cmocka_unit_test(who_finds_no_budget_has_no_more_copies),
        cmocka_unit_test(another_policy_holds_for_the_next_copy),
        cmocka_unit_test(a_timer_that_comes_early_is_told_when),
        cmocka_unit_test(what_would_be_later_than_time_is_never),
        cmocka_unit_test(what_is_not_under_way_is_neither_sent_nor_ended),
        cmocka_unit_test(the_budget_is_a_share_of_calls_and_a_burst),
        cmocka_unit_test(many_calls_are_so_many_times_one),
        cmocka_unit_test(a_share_is_rounded_to_the_nearest),
        cmocka_unit_test(a_smaller_burst_is_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
