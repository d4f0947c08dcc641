/* retry_contention_spec.c - clients who contend for one row, in virtual time: M. Brooker:
 * Exponential Backoff And Jitter, AWS Architecture Blog, 2015, with what it tells and its figures.
 *
 * Each client reads the version of the row, and writes if nobody has written since; else it pauses,
 * and begins again. Each way over the network takes what a normal distribution says, of mean 10 ms
 * and standard deviation 2 ms. All begin at once, and each writes once. The base is 5 ms, doubled
 * already before the first retry, and the cap 2 s.
 */
#include "rules/retry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <math.h>

#include <cmocka.h>

#include "base/check.h"
#include "support/dice.h"

#define MS 1000
#define CLIENTS 100
#define SEEDS 30

/* --- the simulation --------------------------------------------------------------------------- */

/* Above 0 and up to 1. */
static double chance(void)
{
    return ((double)(dice() >> 11) + 1) / 9007199254740992.0;
}

/* One way over the network (G. Box, M. Muller: A Note on the Generation of Random Normal Deviates,
 * 1958). */
static int64_t way_us(void)
{
    double normal = sqrt(-2 * log(chance())) * cos(2 * 3.14159265358979323846 * chance());
    return (int64_t)fabs(10.0 * MS + 2.0 * MS * normal);
}

enum step { READS, HAS_READ, WRITES, HAS_LOST, HAS_WON, IS_DONE };

struct client {
    enum step next;
    int64_t at_us, before_us;
    int32_t version, attempts;
};

struct outcome {
    double calls, ms;
};

static int first(const struct client *c, int count)
{
    int first = -1;
    for (int i = 0; i < count; i++)
        if (c[i].next != IS_DONE && (first < 0 || c[i].at_us < c[first].at_us))
            first = i;
    return first;
}

static void pause_after(struct client *c, const struct retry_policy *p)
{
    c->attempts++;
    c->before_us = retry_next_us(p, c->attempts + 1, c->before_us, dice());
    c->at_us += c->before_us;
    c->next = READS;
}

static struct outcome contend(const struct retry_policy *p, int count)
{
    struct client client[CLIENTS] = {{.next = READS}};
    int32_t version = 0;
    int64_t now_us = 0, writes = 0;
    for (int i = 0; i < count; i++)
        client[i] = (struct client){.next = READS, .at_us = way_us()};
    for (int i; (i = first(client, count)) >= 0;) {
        struct client *c = &client[i];
        now_us = c->at_us;
        c->at_us += way_us(); /* there or back */
        switch (c->next) {
        case READS:
            c->version = version;
            c->next = HAS_READ;
            break;
        case HAS_READ:
            c->next = WRITES;
            break;
        case WRITES:
            writes++;
            c->next = c->version == version ? HAS_WON : HAS_LOST;
            version += c->next == HAS_WON;
            break;
        case HAS_LOST:
            pause_after(c, p);
            break;
        case HAS_WON:
            c->next = IS_DONE;
            break;
        case IS_DONE:
            UNREACHABLE();
        }
    }
    assert_int_equal(version, count);
    return (struct outcome){.calls = (double)writes, .ms = (double)now_us / MS};
}

/* --- all of them, of each count of clients ---------------------------------------------------- */

enum way { NONE, EXPONENTIAL, FULL, EQUAL, DECORRELATED, WAYS };
enum count { TEN, FIFTY, HUNDRED, COUNTS };

static const struct retry_policy policy[WAYS] = {
    [NONE] = {.jitter = RETRY_PLAIN},
    [EXPONENTIAL] = {.jitter = RETRY_PLAIN, .pause_us = 10 * MS, .pause_max_us = 2000 * MS},
    [FULL] = {.jitter = RETRY_FULL, .pause_us = 10 * MS, .pause_max_us = 2000 * MS},
    [EQUAL] = {.jitter = RETRY_EQUAL, .pause_us = 10 * MS, .pause_max_us = 2000 * MS},
    [DECORRELATED] = {.shape = RETRY_DECORRELATED, .pause_us = 5 * MS, .pause_max_us = 2000 * MS},
};
static const int clients[COUNTS] = {[TEN] = 10, [FIFTY] = 50, [HUNDRED] = 100};

struct table {
    struct outcome of[SEEDS][WAYS][COUNTS], mean[WAYS][COUNTS];
};

static int contend_all(void **state)
{
    static struct table t;
    for (uint64_t seed = 0; seed < SEEDS; seed++)
        for (int way = 0; way < WAYS; way++)
            for (int count = 0; count < COUNTS; count++) {
                dice_state = (seed + 1) * 1000003;
                struct outcome o = contend(&policy[way], clients[count]);
                t.of[seed][way][count] = o;
                t.mean[way][count].calls += o.calls / SEEDS;
                t.mean[way][count].ms += o.ms / SEEDS;
            }
    *state = &t;
    return 0;
}

static bool is_near(double value, double published, double part, double least)
{
    double off = published * part > least ? published * part : least;
    return value > published - off && value < published + off;
}

/* As they can be read in its figures of work and of completion time, which are means of 100 runs:
 * calls to within 3 in a hundred or 12, times to within 10 in a hundred, which is four deviations
 * of a mean of so few. */
static void the_figures_are_those_of_the_article(void **state)
{
    const struct table *t = *state;
    static const struct {
        double calls, ms;
    } published[WAYS][COUNTS] = {
        [NONE] = {[TEN] = {50, 380}, [FIFTY] = {690, 1130}, [HUNDRED] = {2420, 2030}},
        [EXPONENTIAL] = {[TEN] = {50, 3500}, [FIFTY] = {620, 35800}, [HUNDRED] = {1850, 62900}},
        [FULL] = {[TEN] = {40, 480}, [FIFTY] = {335, 2840}, [HUNDRED] = {795, 4860}},
        [EQUAL] = {[TEN] = {42, 710}, [FIFTY] = {345, 4230}, [HUNDRED] = {810, 6700}},
        [DECORRELATED] = {[TEN] = {40, 430}, [FIFTY] = {375, 2210}, [HUNDRED] = {1005, 4520}},
    };
    for (int way = 0; way < WAYS; way++)
        for (int count = 0; count < COUNTS; count++) {
            struct outcome o = t->mean[way][count];
            bool is_wide = clients[count] == 10; /* there chance is more */
            if (!is_near(o.calls, published[way][count].calls, 0.03, 12) ||
                !is_near(o.ms, published[way][count].ms, is_wide ? 0.25 : 0.1, 0))
                fail_msg("way %d, %d clients: %.0f calls, %.0f ms", way, clients[count], o.calls,
                         o.ms);
        }
}

/* One succeeds in each round: time is as clients are, and work as the square of that. */
static void without_backoff_time_grows_with_clients_and_work_faster(void **state)
{
    const struct outcome *o = ((const struct table *)*state)->mean[NONE];
    double slope = (o[FIFTY].ms - o[TEN].ms) / 40, later = (o[HUNDRED].ms - o[FIFTY].ms) / 50;
    assert_true(is_near(later, slope, 0.1, 0));
    assert_true(is_near(o[HUNDRED].calls / o[FIFTY].calls, 3.5, 0.05, 0)); /* 4 with no variance */
}

/* A little less work, and so much more time that the last figure is drawn without it. */
static void backoff_alone_is_the_loser(void **state)
{
    const struct table *t = *state;
    for (int seed = 0; seed < SEEDS; seed++) {
        struct outcome none = t->of[seed][NONE][HUNDRED], plain = t->of[seed][EXPONENTIAL][HUNDRED];
        assert_true(plain.calls < none.calls && plain.calls > none.calls * 2 / 3);
        for (int way = FULL; way < WAYS; way++) {
            assert_true(plain.calls > t->of[seed][way][HUNDRED].calls * 3 / 2);
            assert_true(plain.ms > t->of[seed][way][HUNDRED].ms * 5);
        }
    }
}

/* With 100 clients. */
static void jitter_saves_more_than_half_of_the_work(void **state)
{
    const struct table *t = *state;
    for (int seed = 0; seed < SEEDS; seed++)
        for (int way = FULL; way < WAYS; way++)
            assert_true(t->of[seed][way][HUNDRED].calls < t->of[seed][NONE][HUNDRED].calls / 2);
}

/* Equal jitter makes as little work as full jitter, or hardly more, and takes far longer.
 * Decorrelated pauses make more work than both, and are done a little earlier. */
static void full_and_decorrelated_jitter_win(void **state)
{
    const struct table *t = *state;
    for (int count = FIFTY; count < COUNTS; count++) {
        struct outcome full = t->mean[FULL][count], equal = t->mean[EQUAL][count];
        struct outcome decorrelated = t->mean[DECORRELATED][count];
        assert_true(equal.calls > full.calls && equal.calls < full.calls * 1.08);
        assert_true(decorrelated.calls > equal.calls * 1.05);
        assert_true(equal.ms > full.ms * 1.25);
        assert_true(full.ms > decorrelated.ms && full.ms < decorrelated.ms * 1.5);
    }
}

/* The work of all of them grows faster than clients do. */
static void jitter_does_not_make_it_linear(void **state)
{
    const struct table *t = *state;
    for (int way = FULL; way < WAYS; way++)
        assert_true(t->mean[way][HUNDRED].calls > t->mean[way][FIFTY].calls * 2.25);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_figures_are_those_of_the_article),
        cmocka_unit_test(without_backoff_time_grows_with_clients_and_work_faster),
        cmocka_unit_test(backoff_alone_is_the_loser),
        cmocka_unit_test(jitter_saves_more_than_half_of_the_work),
        cmocka_unit_test(full_and_decorrelated_jitter_win),
        cmocka_unit_test(jitter_does_not_make_it_linear),
    };
    return cmocka_run_group_tests(tests, contend_all, NULL);
}
