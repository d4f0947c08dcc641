/* balance_model_spec.c - each rule beside a model of it that is slow and plain: of many fields they choose the same.
 *
 * The draws of those of less weight are a part of it: the same seed is to play the same.
 */
#include "rules/balance.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/check.h"

#define MOST 6

static uint64_t mixed(uint64_t x)
{
    x ^= x >> 30;
    x *= 0xbf58476d1ce4e5b9U;
    x ^= x >> 27;
    x *= 0x94d049bb133111ebU;
    x ^= x >> 31;
    return x;
}

static uint64_t dice_state;

static uint64_t dice(uint64_t sides)
{
    return mixed(dice_state += 0x9e3779b97f4a7c15U) % sides;
}

/* --- the model -------------------------------------------------------------------------------- */

/* Those among which is chosen, by their places. */
struct list {
    int32_t at[MOST];
    int32_t count;
};

/* Before the first and behind the last one stands one that would be better than all. */
struct field {
    struct balance_of room[MOST + 2], *of;
    int32_t count;
    uint64_t key, dice;
    struct list in;
};

static struct list those_from(const struct field *f, enum balance_state least)
{
    struct list in = {.count = 0};
    for (int32_t i = 0; i < f->count; i++)
        if (f->of[i].state >= least)
            in.at[in.count++] = i;
    return in;
}

static int32_t weight_of_all(const struct field *f)
{
    int32_t all = 0;
    for (int32_t n = 0; n < f->in.count; n++)
        all += f->of[f->in.at[n]].weight;
    return all;
}

static int32_t largest_weight(const struct field *f)
{
    int32_t most = 0;
    for (int32_t n = 0; n < f->in.count; n++)
        if (f->of[f->in.at[n]].weight > most)
            most = f->of[f->in.at[n]].weight;
    return most;
}

/* Whoever is out may have been used last. */
static uint64_t latest(const struct field *f)
{
    uint64_t last = 0;
    for (int32_t i = 0; i < f->count; i++)
        if (f->of[i].used > last)
            last = f->of[i].used;
    return last;
}

static double drawn(uint64_t bits)
{
    return ldexp((double)(bits >> 12) + 0.5, -52);
}

static double luck(const struct field *f, int32_t at)
{
    int32_t others = weight_of_all(f) - f->of[at].weight;
    CHECK(others > 0);
    uint64_t uses = latest(f) - f->of[at].used;
    uint64_t rounds = uses * (uint64_t)largest_weight(f) / (uint64_t)others;
    uint64_t own = mixed(f->of[at].used + mixed((uint64_t)at + 1));
    return drawn(mixed(own + rounds));
}

static double carried(const struct field *f, int32_t at)
{
    int32_t most = largest_weight(f), weight = f->of[at].weight;
    if (weight == most)
        return f->of[at].outstanding;
    return floor((f->of[at].outstanding + luck(f, at)) * most / weight);
}

static double usual_us(const struct field *f)
{
    double sum_us = 0, known = 0;
    for (int32_t i = 0; i < f->count; i++) {
        bool is_known = f->of[i].state != BALANCE_OUT && f->of[i].latency_us > 0;
        sum_us += is_known ? f->of[i].latency_us : 0;
        known += is_known ? 1 : 0;
    }
    return known > 0 ? sum_us / known : 1;
}

static double cost(const struct field *f, int32_t at)
{
    double own_us = f->of[at].latency_us;
    return (own_us > 0 ? own_us : usual_us(f)) * (carried(f, at) + 1);
}

static int32_t two_choices(const struct field *f)
{
    struct list left = f->in;
    if (left.count < 2)
        return left.count == 0 ? -1 : left.at[0];
    int32_t n = (int32_t)((uint32_t)f->dice % (uint32_t)left.count), one = left.at[n];
    for (left.count--; n < left.count; n++)
        left.at[n] = left.at[n + 1];
    int32_t other = left.at[(f->dice >> 32) % (uint64_t)left.count];
    return cost(f, one) <= cost(f, other) ? one : other;
}

/* The less, the better: of the rules that have a figure for each. */
static double figure(const struct field *f, enum balance_rule rule, int32_t at)
{
    const struct balance_of *of = &f->of[at];
    if (rule == BALANCE_ROUND_ROBIN)
        return -(double)(of->credit + of->weight);
    if (rule == BALANCE_STICKY && f->key != 0)
        return of->weight / log(drawn(mixed(f->key ^ mixed(of->name))));
    if (rule != BALANCE_LEAST_RECENTLY_USED)
        return carried(f, at);
    int32_t most = largest_weight(f);
    bool passes = of->weight < most && luck(f, at) >= (double)of->weight / most;
    return passes ? INFINITY : (double)of->used;
}

/* Whether the dice begin among equals. */
static bool begins_anywhere(const struct field *f, enum balance_rule rule)
{
    return rule == BALANCE_LEAST_OUTSTANDING || (rule == BALANCE_STICKY && f->key == 0);
}

static int32_t model(struct field *f, enum balance_rule rule, enum balance_state least)
{
    f->in = those_from(f, least);
    if (rule == BALANCE_TWO_CHOICES)
        return two_choices(f);
    int32_t first = begins_anywhere(f, rule) ? (int32_t)(f->dice % (uint64_t)f->count) : 0;
    int32_t best = -1;
    for (int32_t i = first; i < first + f->count; i++) {
        int32_t at = i % f->count;
        if (f->of[at].state < least)
            continue;
        if (best < 0 || figure(f, rule, at) < figure(f, rule, best))
            best = at;
    }
    return best;
}

/* --- many fields ------------------------------------------------------------------------------ */

static void draw(struct field *f)
{
    static const int32_t weight[] = {100, 100, 50, 10, 1};
    f->count = 1 + (int32_t)dice(MOST);
    f->key = dice(2) == 0 ? 0 : dice(UINT64_MAX);
    f->dice = dice(UINT64_MAX);
    f->of = &f->room[1];
    f->room[0] = f->room[f->count + 1] = (struct balance_of){
        .state = BALANCE_READY, .weight = 100, .latency_us = 0.1, .credit = 1000, .name = 2};
    uint64_t uses = dice(4) == 0 ? 1 : 50, names = dice(4) == 0 ? 2 : UINT64_MAX;
    for (int32_t i = 0; i < f->count; i++)
        f->of[i] = (struct balance_of){
            .state = (enum balance_state)(dice(4) % 3),
            .weight = dice(2) == 0 ? weight[dice(COUNT(weight))] : 1 + (int32_t)dice(100),
            .outstanding = (int32_t)dice(4),
            .latency_us = dice(3) == 0 ? 0 : 0.5 + (double)dice(4),
            .used = dice(uses),
            .credit = (int64_t)dice(200) - 100,
            .name = dice(names),
        };
}

static void each_rule_chooses_as_the_model_does(void **unused)
{
    (void)unused;
    enum { FIELDS = 20000 };
    for (uint64_t seed = 1; seed <= FIELDS; seed++)
        for (int rule = BALANCE_ROUND_ROBIN; rule < BALANCE_RULES; rule++) {
            struct field f;
            dice_state = seed;
            draw(&f);
            struct balance_choice c =
                balance_choose((enum balance_rule)rule, f.of, f.count, f.key, f.dice);
            int32_t best = model(&f, (enum balance_rule)rule, BALANCE_BUSY);
            int32_t ready = best >= 0 && f.of[best].state == BALANCE_READY
                                ? best
                                : model(&f, (enum balance_rule)rule, BALANCE_READY);
            if (c.best != best || c.ready != ready)
                fail_msg("seed %llu, rule %d: %d and %d, not %d and %d", (unsigned long long)seed,
                         rule, c.best, c.ready, best, ready);
        }
}

/* FNV-1a's own examples (G. Fowler, L. C. Noll, K. Vo), and the last step. Another hash would send the keys of
 * a new version elsewhere. */
static void a_hash_is_the_same_for_ever(void **unused)
{
    (void)unused;
    assert_int_equal(balance_hash("", 0), mixed(0xcbf29ce484222325U));
    assert_int_equal(balance_hash("a", 1), mixed(0xaf63dc4c8601ec8cU));
    assert_int_equal(balance_hash("foobar", 6), mixed(0x85944171f73967e8U));
    assert_int_equal(balance_hash("foobar", 6), 0x404da9e3b74078c2U);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_rule_chooses_as_the_model_does),
        cmocka_unit_test(a_hash_is_the_same_for_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
