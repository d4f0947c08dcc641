/* balance_spec.c - each rule by sentences, and over many calls. By key: balance_sticky_spec.c. */
#include "rules/balance.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "support/dice.h"

#define MOST 16

/* What cmocka has for this also takes what is no number, or endless, for any. */
static void assert_about(double number, double expected, double within)
{
    if (!(fabs(number - expected) <= within))
        fail_msg("%g, not %g", number, expected);
}

/* --- sentences -------------------------------------------------------------------------------- */

/* A sentence has a word for each endpoint: x is out, - is busy, + is ready. Behind it stand weight,
 * outstanding, latency and credit or the number of the last use, as far as they matter. */
static int32_t understand(const char *sentence, struct balance_of *of)
{
    char copy[200], *rest = copy;
    int32_t count = 0;
    snprintf(copy, sizeof copy, "%s", sentence);
    for (char *word; (word = strsep(&rest, " ")) != NULL; count++) {
        int weight = 100, outstanding = 0, latency = 0, more = 0;
        sscanf(word + 1, "%d:%d:%d:%d", &weight, &outstanding, &latency, &more);
        of[count] = (struct balance_of){
            .state = *word == 'x'   ? BALANCE_OUT
                     : *word == '-' ? BALANCE_BUSY
                                    : BALANCE_READY,
            .weight = weight,
            .outstanding = outstanding,
            .latency_us = latency,
            .credit = more,
            .used = (uint64_t)more,
            .name = balance_hash((const char *)&count, sizeof count),
        };
    }
    return count;
}

static void each_rule_names_the_best_and_the_best_that_is_ready(void **unused)
{
    (void)unused;
    static const struct {
        enum balance_rule rule;
        const char *sentence;
        uint64_t dice;
        int32_t best, ready;
    } row[] = {
        {BALANCE_ROUND_ROBIN, "+ + +", 0, 0, 0},
        {BALANCE_ROUND_ROBIN, "+100:0:0:-200 +100:0:0:100 +100:0:0:100", 0, 1, 1},
        {BALANCE_ROUND_ROBIN, "+50 +100", 0, 1, 1},
        {BALANCE_ROUND_ROBIN, "+50 -100 +70", 0, 1, 2},
        {BALANCE_ROUND_ROBIN, "x100 +1", 0, 1, 1},
        {BALANCE_ROUND_ROBIN, "x - x", 0, 1, -1},
        {BALANCE_ROUND_ROBIN, "x x", 0, -1, -1},
        {BALANCE_LEAST_OUTSTANDING, "+100:3 +100:2 +100:4", 0, 1, 1},
        {BALANCE_LEAST_OUTSTANDING, "+100:3 -100:2 +100:4", 0, 1, 0},
        {BALANCE_LEAST_OUTSTANDING, "+100:3 x100:0 +100:4", 0, 0, 0},
        {BALANCE_LEAST_OUTSTANDING, "+50:1 +100:1", 0, 1, 1}, /* 2 to 3, and 1 */
        {BALANCE_LEAST_OUTSTANDING, "+50:0 +100:2", 0, 0, 0}, /* 0 to 1, and 2 */
        {BALANCE_LEAST_OUTSTANDING, "+50:1 +50:2", 0, 0, 0},
        {BALANCE_LEAST_OUTSTANDING, "+ + +", 1, 1, 1},
        {BALANCE_LEAST_OUTSTANDING, "+ + +", 2, 2, 2},
        {BALANCE_LEAST_OUTSTANDING, "x -", 1, 1, -1},
        {BALANCE_TWO_CHOICES, "+", 0, 0, 0},
        {BALANCE_TWO_CHOICES, "x", 0, -1, -1},
        {BALANCE_TWO_CHOICES, "+100:0:900 +100:0:100", 0, 1, 1}, /* both are drawn */
        {BALANCE_TWO_CHOICES, "+100:0:900 +100:9:100", 0, 0, 0}, /* 900 and 1000 */
        {BALANCE_TWO_CHOICES, "+10:1:100 +100:0:900", 0, 1, 1},  /* 1100 at least, and 900 */
        {BALANCE_TWO_CHOICES, "+10:0:100 +100:0:1100", 0, 0, 0}, /* 1000 at most, and 1100 */
        {BALANCE_TWO_CHOICES, "+10:0:900 +10:0:100", 0, 1, 1},
        {BALANCE_TWO_CHOICES, "+100:0:900 -100:0:100", 0, 1, 0},
        {BALANCE_TWO_CHOICES, "+100:0:0 +100:1:500", 0, 0, 0},             /* unknown is as usual */
        {BALANCE_TWO_CHOICES, "+100:0:0 +100:1:500 x100:0:5000", 0, 0, 0}, /* with those in use */
        {BALANCE_TWO_CHOICES, "+100:3 +100:1", 0, 1, 1},                   /* nothing is known */
        /* only two are drawn: the first and the second, the last and the second */
        {BALANCE_TWO_CHOICES, "+100:0:9 +100:0:8 +100:0:7", 0, 1, 1},
        {BALANCE_TWO_CHOICES, "+100:0:9 +100:0:8 +100:0:7", 2 | 1UL << 32, 2, 2},
        {BALANCE_LEAST_RECENTLY_USED, "+100:0:0:7 +100:0:0:5 +100:0:0:6", 0, 1, 1},
        {BALANCE_LEAST_RECENTLY_USED, "+100:0:0:7 -100:0:0:5 +100:0:0:6", 0, 1, 2},
        {BALANCE_LEAST_RECENTLY_USED, "+10:0:0:7 +10:0:0:5 x100:0:0:6", 0, 1, 1},
        {BALANCE_LEAST_RECENTLY_USED, "x +", 0, 1, 1},
        {BALANCE_STICKY, "+100:3 +100:2 +100:4", 0, 1, 1}, /* no key: least outstanding */
    };
    for (size_t i = 0; i < COUNT(row); i++) {
        struct balance_of room[MOST];
        int32_t count = understand(row[i].sentence, room);
        struct balance_of *of = malloc((size_t)count * sizeof *of); /* nothing is around them */
        memcpy(of, room, (size_t)count * sizeof *of);
        struct balance_choice c = balance_choose(row[i].rule, of, count, 0, row[i].dice);
        free(of);
        if (c.best != row[i].best || c.ready != row[i].ready)
            fail_msg("%s, rule %d: %d and %d, not %d and %d", row[i].sentence, row[i].rule, c.best,
                     c.ready, row[i].best, row[i].ready);
    }
}

static void weights_are_products_of_what_counts(void **unused)
{
    (void)unused;
    static const struct {
        enum balance_rule rule;
        struct balance_weight of;
        int32_t weight;
    } row[] = {
        {BALANCE_ROUND_ROBIN, {1, 1, 1, 1}, 100},
        {BALANCE_ROUND_ROBIN, {0.5, 1, 0.5, 1}, 25},
        {BALANCE_ROUND_ROBIN, {1, 0.8, 0.5, 0.5}, 20},
        {BALANCE_ROUND_ROBIN, {0.0625, 0.02, 0.1, 0.1}, 1},
        {BALANCE_ROUND_ROBIN, {1, 0.29, 1, 1}, 29}, /* a hair less, as a double */
        {BALANCE_TWO_CHOICES, {0.5, 1, 0.1, 1}, 50},
        {BALANCE_LEAST_OUTSTANDING, {1, 0.8, 0.1, 0.5}, 40},
        {BALANCE_LEAST_RECENTLY_USED, {1, 1, 0.1, 0.1}, 10},
        {BALANCE_STICKY, {0.5, 0.5, 0.1, 0.3}, 30},
        {BALANCE_CONNECTIONS, {1, 1, 0.1, 1}, 100},
    };
    for (size_t i = 0; i < COUNT(row); i++)
        assert_int_equal(balance_weight(row[i].rule, &row[i].of), row[i].weight);
    assert_about(balance_health(0), 1, 0);
    assert_about(balance_health(2), 0.25, 0);
    assert_about(balance_health(3), 0.125, 0);
    assert_about(balance_health(4), 0.0625, 0);
    assert_about(balance_health(5), 0.0625, 0);
    assert_about(balance_health(2 * (int64_t)INT32_MAX), 0.0625, 0);
    assert_about(balance_success(0, 0), 1, 0);
    assert_about(balance_success(0, 2), 0.5, 0);
    assert_about(balance_success(98, 100), 0.5, 0);
    assert_about(balance_speed(0, 100), 1, 0);
    assert_about(balance_speed(100, 0), 1, 0);
    assert_about(balance_speed(50, 100), 1, 0);
    assert_about(balance_speed(400, 100), 0.25, 0);
    assert_about(balance_speed(2, 1), 0.5, 0);
    assert_about(balance_speed(1, 0.5), 0.5, 0);
    assert_about(balance_speed(40000, 100), 0.1, 0);
    assert_about(balance_slow_start(0, 0), 1, 0);
    assert_about(balance_slow_start(0, 1000), 0.1, 0);
    assert_about(balance_slow_start(700, 1000), 0.7, 1e-9);
    assert_about(balance_slow_start(1000, 1000), 1, 0);
}

static void the_latency_follows_and_is_forgotten(void **unused)
{
    (void)unused;
    struct balance_latency l = {.mean_us = 0};
    assert_about(balance_latency_at(&l, 5), 0, 0);
    balance_latency_note(&l, 800, 1000);
    assert_about(balance_latency_at(&l, 1000), 800, 0);
    assert_about(balance_latency_at(&l, 0), 800, 0); /* for who looks by an older time */
    balance_latency_note(&l, 1600, 1000);
    assert_about(l.mean_us, 900, 1e-9); /* an eighth of the way */
    assert_about(balance_latency_at(&l, 1000 + BALANCE_DECAY_US), 900 / 2.718281828, 1e-3);
    balance_latency_note(&l, 100, 1000 + 100 * (int64_t)BALANCE_DECAY_US);
    assert_about(l.mean_us, 100, 1e-9); /* of what was before, nothing is left */
    balance_latency_note(&l, 900, l.at_us);
    assert_about(l.mean_us, 200, 1e-9); /* however late it is */
    l = (struct balance_latency){.mean_us = 1e9};
    assert_about(balance_latency_at(&l, 1), 1e9 - 100, 1e-3);
    l.mean_us = 0;
    balance_latency_note(&l, 0, 1000);
    assert_about(l.mean_us, 1, 0); /* so it is known */
    balance_latency_note(&l, 9, 1000);
    assert_about(l.mean_us, 2, 0);
}

/* --- properties ------------------------------------------------------------------------------- */

static int32_t draw(struct balance_of *of, bool is_weighted)
{
    int32_t count = 1 + (int32_t)(dice() % MOST);
    for (int32_t i = 0; i < count; i++)
        of[i] = (struct balance_of){.state = BALANCE_READY,
                                    .weight = is_weighted ? 1 + (int32_t)(dice() % 100) : 100,
                                    .name = balance_hash((const char *)&i, sizeof i)};
    return count;
}

static int32_t take(enum balance_rule rule, struct balance_of *of, int32_t count, uint64_t number)
{
    struct balance_choice c = balance_choose(rule, of, count, 0, dice());
    assert_int_equal(c.best, c.ready);
    balance_use(of, count, c.best, number);
    return c.best;
}

static void round_robin_is_exact_over_a_cycle_and_smooth_within_it(void **unused)
{
    (void)unused;
    dice_state = 1;
    for (int round = 0; round < 200; round++) {
        struct balance_of of[MOST];
        int32_t count = draw(of, true), all = 0, had[MOST] = {0};
        for (int32_t i = 0; i < count; i++)
            all += of[i].weight;
        for (int32_t turn = 1; turn <= 2 * all; turn++) {
            had[take(BALANCE_ROUND_ROBIN, of, count, (uint64_t)turn)]++;
            for (int32_t i = 0; i < count; i++) {
                /* Never ahead of its due, nor behind it, by a whole call. */
                int32_t ahead = had[i] * all - turn * of[i].weight;
                assert_true(ahead < all && ahead > -all);
                assert_int_equal(of[i].credit, -ahead);
                assert_true(turn % all != 0 || ahead == 0);
            }
        }
    }
}

static void round_robin_never_owes_more_than_a_round(void **unused)
{
    (void)unused;
    dice_state = 2;
    for (int round = 0; round < 200; round++) {
        struct balance_of of[MOST];
        int32_t count = draw(of, true), all = 0;
        for (int32_t i = 0; i < count; i++)
            all += of[i].weight;
        for (uint64_t turn = 1; turn <= 3000; turn++) {
            int32_t at = (int32_t)(dice() % (uint64_t)count); /* whoever came home */
            of[at].state = dice() % 4 == 0 ? BALANCE_OUT : BALANCE_READY;
            balance_use(of, count, at, turn);
            for (int32_t i = 0; i < count; i++)
                assert_true(of[i].credit <= all && of[i].credit >= -all);
        }
    }
}

static void who_is_used_again_and_again_owes_a_round(void **unused)
{
    (void)unused;
    struct balance_of of[MOST];
    int32_t count = understand("+60 +40", of);
    for (uint64_t turn = 1; turn <= 10; turn++)
        balance_use(of, count, 1, turn);
    assert_int_equal(of[0].credit, 100);
    assert_int_equal(of[1].credit, -100);
    assert_int_equal(of[1].used, 10);
}

static void who_is_out_earns_nothing(void **unused)
{
    (void)unused;
    struct balance_of of[MOST];
    int32_t count = understand("+ x", of);
    for (uint64_t turn = 1; turn <= 10; turn++)
        balance_use(of, count, 0, turn);
    assert_int_equal(of[0].credit, 0);
    assert_int_equal(of[1].credit, 0);
}

static void who_was_used_longest_ago_comes_in_turn(void **unused)
{
    (void)unused;
    dice_state = 3;
    struct balance_of of[MOST];
    int32_t count = draw(of, false), had[MOST] = {0};
    for (int32_t turn = 1; turn <= 10 * count; turn++)
        had[take(BALANCE_LEAST_RECENTLY_USED, of, count, (uint64_t)turn)]++;
    for (int32_t i = 0; i < count; i++)
        assert_int_equal(had[i], 10);
}

/* --- those of less weight --------------------------------------------------------------------- */

static const int32_t fleet_size[] = {2, 3, 10, 16};

static void draw_one_light(struct balance_of *of, int32_t count, int32_t weight)
{
    for (int32_t i = 0; i < count; i++)
        of[i] = (struct balance_of){
            .state = BALANCE_READY, .weight = i == 1 ? weight : 100, .latency_us = 1000};
}

/* Of calls one after the other: how many of its due it had. */
static double part_of_its_due(enum balance_rule rule, int32_t count, int32_t weight)
{
    enum { CALLS = 60000 };
    struct balance_of of[MOST];
    int had = 0;
    draw_one_light(of, count, weight);
    for (int n = 1; n <= CALLS; n++)
        had += take(rule, of, count, (uint64_t)n) == 1;
    return had * (100.0 * (count - 1) + weight) / ((double)CALLS * weight);
}

static void one_of_less_weight_gets_so_much_less_even_of_few_calls(void **unused)
{
    (void)unused;
    static const struct {
        enum balance_rule rule;
        double least, most;
    } row[] = {{BALANCE_ROUND_ROBIN, 0.99, 1.01},
               {BALANCE_LEAST_OUTSTANDING, 0.5, 1.1},
               {BALANCE_TWO_CHOICES, 0.5, 1.1},
               {BALANCE_LEAST_RECENTLY_USED, 0.9, 1.1}};
    dice_state = 8;
    for (size_t r = 0; r < COUNT(row); r++)
        for (size_t i = 0; i < COUNT(fleet_size); i++)
            for (int32_t weight = 10; weight <= 100; weight += 15) {
                double part = part_of_its_due(row[r].rule, fleet_size[i], weight);
                if (part < row[r].least || part > row[r].most)
                    fail_msg("rule %d: with %d percent, one of %d has %.2f of its due", row[r].rule,
                             weight, fleet_size[i], part);
            }
}

static void one_that_nobody_used_for_long_is_used_again(void **unused)
{
    (void)unused;
    for (int rule = BALANCE_ROUND_ROBIN; rule <= BALANCE_LEAST_RECENTLY_USED; rule++)
        for (size_t i = 0; i < COUNT(fleet_size); i++) {
            struct balance_of of[MOST];
            uint64_t number = 0, turns = (uint64_t)fleet_size[i] * 100;
            dice_state = 9;
            draw_one_light(of, fleet_size[i], 6); /* four failures in a row */
            while (take((enum balance_rule)rule, of, fleet_size[i], ++number) != 1)
                assert_true(number < 10 * turns);
        }
}

/* All of half the weight but the first, and it was used: who is next differs from round to round. */
static void those_that_were_never_used_draw_each_for_itself(void **unused)
{
    (void)unused;
    struct balance_of of[MOST];
    int32_t had[MOST] = {0}, several = 0;
    draw_one_light(of, MOST, 50);
    for (int32_t i = 1; i < MOST; i++)
        of[i].weight = 50;
    for (of[0].used = 1; of[0].used <= 1000; of[0].used++)
        had[balance_choose(BALANCE_LEAST_RECENTLY_USED, of, MOST, 0, 0).best]++;
    for (int32_t i = 1; i < MOST; i++)
        several += had[i] > 0;
    assert_true(several > 5 && had[0] < 10);
}

/* Calls that are always under way, each for as long as its endpoint takes: how many each has done. */
static void keep_busy(enum balance_rule rule, struct balance_of *of, int32_t count, int calls,
                      const int *span, int *done, int64_t *load)
{
    int at[64], left[64];
    memset(left, 0, sizeof left);
    for (int now = 0; now < 40000; now++)
        for (int i = 0; i < calls; i++) {
            if (left[i]-- > 0)
                continue;
            if (now > 0) {
                of[at[i]].outstanding--;
                done[at[i]]++;
            }
            at[i] = take(rule, of, count, (uint64_t)now + 1);
            of[at[i]].outstanding++;
            load[at[i]] += span[at[i]];
            left[i] = span[at[i]] - 1;
        }
}

static void one_of_less_weight_gets_so_much_less_of_many_calls(void **unused)
{
    (void)unused;
    static const int32_t rule[] = {BALANCE_LEAST_OUTSTANDING, BALANCE_TWO_CHOICES};
    for (size_t r = 0; r < COUNT(rule); r++)
        for (size_t i = 1; i < COUNT(fleet_size); i++) {
            int span[MOST], done[MOST] = {0}, all = 0;
            int64_t load[MOST] = {0};
            struct balance_of of[MOST];
            dice_state = 10;
            draw_one_light(of, fleet_size[i], 10);
            for (int at = 0; at < MOST; at++)
                span[at] = 30;
            keep_busy((enum balance_rule)rule[r], of, fleet_size[i], 60, span, done, load);
            for (int32_t at = 0; at < fleet_size[i]; at++)
                all += done[at];
            double share = (double)done[1] * fleet_size[i] / all;
            if (share < 0.05 || share > 0.3)
                fail_msg("rule %d: one of %d has %.2f of what it had with its full weight", rule[r],
                         fleet_size[i], share);
        }
}

static void two_choices_prefer_the_faster_in_proportion(void **unused)
{
    (void)unused;
    for (int times = 2; times <= 10; times += 2) {
        const int span[] = {10, 10 * times};
        struct balance_of of[COUNT(span)];
        int done[COUNT(span)] = {0};
        int64_t load[COUNT(span)] = {0};
        dice_state = 4;
        for (size_t i = 0; i < COUNT(span); i++)
            of[i] = (struct balance_of){
                .state = BALANCE_READY, .weight = 100, .latency_us = span[i] * 1000};
        keep_busy(BALANCE_TWO_CHOICES, of, COUNT(span), 60, span, done, load);
        double ratio = (double)load[0] / (double)load[1];
        if (ratio < times * 0.75 || ratio > times * 1.25)
            fail_msg("%d times as fast, it had %.2f times as much to do", times, ratio);
    }
}

static void two_choices_draw_the_slowest_too(void **unused)
{
    (void)unused;
    static const int span[] = {10, 20, 40, 80};
    struct balance_of of[COUNT(span)];
    int done[COUNT(span)] = {0}, all = 0;
    int64_t load[COUNT(span)] = {0};
    dice_state = 4;
    for (size_t i = 0; i < COUNT(span); i++)
        of[i] = (struct balance_of){
            .state = BALANCE_READY, .weight = 100, .latency_us = span[i] * 1000};
    keep_busy(BALANCE_TWO_CHOICES, of, COUNT(span), 40, span, done, load);
    for (size_t i = 0; i < COUNT(span); i++)
        all += done[i];
    for (size_t i = 1; i < COUNT(span); i++)
        assert_true(done[i - 1] > done[i]);
    assert_true(done[3] > 0);
    assert_true(done[0] <= all * 0.52); /* it is drawn for half of them */
}

static void least_outstanding_leaves_as_much_to_do_with_each(void **unused)
{
    (void)unused;
    static const int span[] = {10, 100};
    struct balance_of of[COUNT(span)];
    int done[COUNT(span)] = {0};
    int64_t load[COUNT(span)] = {0};
    dice_state = 5;
    for (size_t i = 0; i < COUNT(span); i++)
        of[i] = (struct balance_of){.state = BALANCE_READY, .weight = 100};
    keep_busy(BALANCE_LEAST_OUTSTANDING, of, COUNT(span), 20, span, done, load);
    double ratio = (double)done[0] / done[1];
    assert_true(ratio > 8 && ratio < 12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_rule_names_the_best_and_the_best_that_is_ready),
        cmocka_unit_test(weights_are_products_of_what_counts),
        cmocka_unit_test(the_latency_follows_and_is_forgotten),
        cmocka_unit_test(round_robin_is_exact_over_a_cycle_and_smooth_within_it),
        cmocka_unit_test(round_robin_never_owes_more_than_a_round),
        cmocka_unit_test(who_is_used_again_and_again_owes_a_round),
        cmocka_unit_test(who_is_out_earns_nothing),
        cmocka_unit_test(who_was_used_longest_ago_comes_in_turn),
        cmocka_unit_test(one_of_less_weight_gets_so_much_less_even_of_few_calls),
        cmocka_unit_test(one_that_nobody_used_for_long_is_used_again),
        cmocka_unit_test(those_that_were_never_used_draw_each_for_itself),
        cmocka_unit_test(one_of_less_weight_gets_so_much_less_of_many_calls),
        cmocka_unit_test(two_choices_prefer_the_faster_in_proportion),
        cmocka_unit_test(two_choices_draw_the_slowest_too),
        cmocka_unit_test(least_outstanding_leaves_as_much_to_do_with_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
