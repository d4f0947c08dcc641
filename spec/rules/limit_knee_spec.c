/* limit_knee_spec.c - servers in virtual time whose knee is not told, and what the limit makes of them.
 *
 * The best limit of a server is the least one with which it does 95 % of the most that it does with any, if it is always in
 * demand: where throughput stops growing and latency begins to. A sweep over fixed limits shows it. The limit is to be
 * within 25 % of it a minute after it began, and a minute after the server became another one, and to stay there. Whoever
 * answers sooner than in 200 ms is found sooner. Where calls take as long as chance wants, chance may want that it is
 * not: once in 50 times, and then it is within 40 %. */
#include "support/queueing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "base/check.h"

#define MS 1000
#define SECOND 1000000
#define MINUTE (60 * (int64_t)SECOND)
#define SWEEP_MOST 256

static const struct limit_policy usual = {.min = 1, .max = 1000, .initial = 4, .tolerance = 2};

static struct queueing q;

static void set(struct queueing_server server, struct queueing_client client, uint64_t seed)
{
    memset(&q, 0, sizeof q);
    q.server = server;
    q.clients = 1;
    q.client[0] = client;
    q.client[0].policy = client.policy.max > 0 ? client.policy : usual;
    queueing_begin(&q, seed);
}

static void pass(int64_t span_us)
{
    queueing_run(&q, q.now_us + span_us);
}

static int32_t limit_now(void)
{
    return limit_view(&q.client[0].limit, &q.client[0].policy).limit;
}

/* Calls a second that went well. */
static double throughput(int64_t span_us)
{
    int64_t before = q.client[0].well;
    pass(span_us);
    return (double)(q.client[0].well - before) * SECOND / (double)span_us;
}

static struct queueing_client tasks(int32_t count)
{
    return (struct queueing_client){.tasks = count};
}

/* --- the best limit ---------------------------------------------------------------------------- */

static int32_t best_limit(struct queueing_server server)
{
    double of[SWEEP_MOST] = {0}, most = 0;
    int32_t best = 1, last = server.at_once > 0 ? 2 * server.at_once + 2 : 60;
    for (int32_t fixed = 1; fixed <= last; fixed += 1 + fixed / 25) {
        struct queueing_client client = tasks(last);
        client.fixed = fixed;
        set(server, client, 1);
        pass((int64_t)server.mean_us * 10);
        of[fixed] =
            throughput((int64_t)server.mean_us * 3000 / (server.at_once > 0 ? server.at_once : 4));
        most = fmax(most, of[fixed]);
    }
    while (of[best] < 0.95 * most)
        best++;
    return best;
}

static bool is_near(double limit, int32_t best, double share)
{
    return fabs(limit - best) <= share * best;
}

/* Ten times, and on average. */
static bool stays_near(const char *what, uint64_t seed, int32_t best)
{
    double sum = 0;
    int far = 0;
    for (int i = 0; i < 10; i++) {
        pass(SECOND / 2);
        sum += q.client[0].limit.limit;
        far += !is_near(limit_now(), best, 0.25);
    }
    if (!is_near(sum / 10, best, 0.4))
        fail_msg("%s, seed %d: %.1f, where %d is best", what, (int)seed, sum / 10, best);
    return far == 0 && is_near(sum / 10, best, 0.25);
}

/* A server, and one that became half or twice as large after the limit was found. */
struct row {
    const char *name;
    struct queueing_server server;
    int seeds, span_s;
};

/* How often it is not found. */
static int look_for(const struct row *r, int32_t percent)
{
    struct queueing_server then = r->server;
    then.at_once = then.at_once * percent / 100;
    int32_t best = best_limit(then);
    int missed = 0;
    for (uint64_t seed = 1; seed <= (uint64_t)r->seeds; seed++) {
        set(r->server, tasks(200), seed);
        pass(r->span_s * (int64_t)SECOND);
        if (percent != 100) {
            q.server.at_once = then.at_once;
            pass(r->span_s * (int64_t)SECOND);
        }
        missed += !stays_near(r->name, seed, best);
    }
    return missed;
}

static void look_for_each(const struct row *row, size_t count, int32_t percent)
{
    int missed = 0, runs = 0;
    for (size_t i = 0; i < count; i++) {
        missed += look_for(&row[i], percent);
        runs += row[i].seeds;
    }
    if (missed * 50 > runs)
        fail_msg("%d of %d were not found", missed, runs);
}

#define EXPONENTIAL .spread = QUEUEING_EXPONENTIAL
#define LOGNORMAL .spread = QUEUEING_LOGNORMAL, .sigma = 1
#define CONTENDED QUEUEING_CONTENDED, .contention = 0.02, .coherence = 0.0005

static const struct row lines[] = {
    {"1, 2 ms", {.at_once = 1, .mean_us = 2 * MS, EXPONENTIAL}, 5, 30},
    {"2, 2 ms", {.at_once = 2, .mean_us = 2 * MS, EXPONENTIAL}, 4, 6},
    {"10, 2 ms", {.at_once = 10, .mean_us = 2 * MS, EXPONENTIAL}, 2, 6},
    {"10, 2 ms each", {.at_once = 10, .mean_us = 2 * MS}, 1, 6},
    {"4, 20 ms", {.at_once = 4, .mean_us = 20 * MS, EXPONENTIAL}, 10, 30},
    {"40, 20 ms, lognormal", {.at_once = 40, .mean_us = 20 * MS, LOGNORMAL}, 3, 12},
    {"10, 200 ms", {.at_once = 10, .mean_us = 200 * MS, EXPONENTIAL}, 40, 60},
    {"10, 200 ms each", {.at_once = 10, .mean_us = 200 * MS}, 1, 60},
    {"16, 200 ms, lognormal", {.at_once = 16, .mean_us = 200 * MS, LOGNORMAL}, 20, 60},
    {"40, 200 ms", {.at_once = 40, .mean_us = 200 * MS, EXPONENTIAL}, 10, 60},
};

static const struct row others[] = {
    {"shared by 10, 20 ms",
     {QUEUEING_SHARED, .at_once = 10, .mean_us = 20 * MS, EXPONENTIAL},
     10,
     30},
    {"shared by 20, 200 ms",
     {QUEUEING_SHARED, .at_once = 20, .mean_us = 200 * MS, EXPONENTIAL},
     20,
     60},
    {"shared by 8, 200 ms each", {QUEUEING_SHARED, .at_once = 8, .mean_us = 200 * MS}, 1, 60},
    {"contended, 2 ms", {CONTENDED, .mean_us = 2 * MS, EXPONENTIAL}, 3, 6},
    {"contended, 20 ms", {CONTENDED, .mean_us = 20 * MS, EXPONENTIAL}, 10, 60},
    {"contended, 20 ms each", {CONTENDED, .mean_us = 20 * MS}, 1, 30},
    {"coherent, 20 ms",
     {QUEUEING_CONTENDED, .mean_us = 20 * MS, EXPONENTIAL, .coherence = 0.001},
     6,
     60},
};

static void a_line_is_found(void **unused)
{
    (void)unused;
    look_for_each(lines, COUNT(lines), 100);
}

/* But of one there is no half. */
static void one_that_halves_is_found_again(void **unused)
{
    (void)unused;
    look_for_each(lines + 1, COUNT(lines) - 1, 50);
}

static void one_that_doubles_is_found_again(void **unused)
{
    (void)unused;
    look_for_each(lines, COUNT(lines), 200);
}

static void whoever_serves_all_at_once_is_found(void **unused)
{
    (void)unused;
    look_for_each(others, COUNT(others), 100);
}

/* --- what it is found by ----------------------------------------------------------------------- */

static const struct queueing_server ten = {.at_once = 10, .mean_us = 20 * MS, EXPONENTIAL};

static void expect(const char *what, uint64_t seed)
{
    if (!is_near(limit_now(), 10, 0.25))
        fail_msg("%s, seed %d: %d", what, (int)seed, limit_now());
}

static void whoever_calls_it_is_found(void **unused)
{
    (void)unused;
    static const struct {
        const char *what;
        struct queueing_client client;
    } row[] = {
        {"few more tasks than it serves", {.tasks = 12}},
        {"very many", {.tasks = 2000}},
        {"arrivals above its capacity that wait", {.per_s = 600, .queue = 100}},
        {"many that wait", {.per_s = 1500, .queue = 100}},
        {"arrivals that nobody lets wait", {.per_s = 1000}},
        {"a few of those", {.per_s = 550}},
        {"calls with a deadline", {.tasks = 100, .deadline_us = 300 * MS}},
        {"four workers", {.tasks = 100, .workers = 4}},
        {"a limit that begins ten times too high",
         {.tasks = 200, .policy = {.min = 1, .max = 1000, .initial = 100, .tolerance = 2}}},
        {"one that begins with one",
         {.tasks = 200, .policy = {.min = 1, .max = 1000, .initial = 1, .tolerance = 2}}},
    };
    for (size_t i = 0; i < COUNT(row); i++)
        for (uint64_t seed = 1; seed <= 2; seed++) {
            set(ten, row[i].client, seed);
            pass(MINUTE);
            expect(row[i].what, seed);
        }
}

static void little_of_what_it_can_do_is_lost(void **unused)
{
    (void)unused;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        set(ten, tasks(100), seed);
        pass(30 * SECOND);
        assert_true(throughput(30 * SECOND) > 0.92 * 500);
    }
}

static void who_comes_seldom_enough_does_not_wait_in_vain(void **unused)
{
    (void)unused;
    set(ten, (struct queueing_client){.per_s = 350, .queue = 100}, 1);
    pass(MINUTE);
    q.client[0].refused = 0;
    assert_true(throughput(MINUTE) > 0.98 * 350);
    assert_int_equal(q.client[0].refused, 0);
    set(ten, (struct queueing_client){.per_s = 350}, 1);
    pass(MINUTE);
    assert_true(throughput(MINUTE) > 0.92 * 350);
}

static void it_goes_by_bursts_and_rests_between_them(void **unused)
{
    (void)unused;
    set(ten, (struct queueing_client){.per_s = 2000, .queue = 100}, 1);
    for (int burst = 0; burst < 20; burst++) {
        q.client[0].is_away = false;
        pass(SECOND);
        if (burst >= 10)
            expect("a burst", (uint64_t)burst);
        q.client[0].is_away = true;
        pass(SECOND);
        double limit = q.client[0].limit.limit;
        pass(20 * SECOND);
        assert_memory_equal(&limit, &q.client[0].limit.limit, sizeof limit);
    }
}

/* Five tasks never show that there is room for ten, and two never show anything. */
static void it_does_not_grow_beyond_what_is_under_way(void **unused)
{
    (void)unused;
    set(ten, tasks(5), 1);
    for (int i = 0; i < 60; i++) {
        pass(SECOND);
        assert_true(q.client[0].limit.limit <= 5);
    }
    assert_int_equal(limit_now(), 5);
    set(ten, tasks(2), 1);
    pass(MINUTE);
    assert_int_equal(limit_now(), 4);
    assert_int_equal(q.client[0].limit.doubt * 100, 25);
}

/* --- troubles ---------------------------------------------------------------------------------- */

static void a_server_that_has_little_room_refuses_little(void **unused)
{
    (void)unused;
    struct queueing_server server = ten;
    server.room = 5;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        set(server, tasks(100), seed);
        pass(MINUTE);
        expect("five may wait", seed);
        int64_t failed = q.client[0].failed;
        double well = throughput(30 * SECOND) * 30;
        assert_true((double)(q.client[0].failed - failed) < 0.02 * well);
    }
}

/* Ten times slower for half a minute: it neither collapses nor floods the server, and is there again. */
static void a_brown_out_passes(void **unused)
{
    (void)unused;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        set(ten, tasks(100), seed);
        pass(MINUTE);
        q.server.slow = 10;
        for (int i = 0; i < 30; i++) {
            pass(SECOND);
            assert_in_range(limit_now(), 2, 20);
        }
        q.server.slow = 1;
        pass(30 * SECOND);
        expect("after a brown-out", seed);
    }
}

/* While no call ends in time nothing is gained by many. */
static void while_all_time_out_it_shrinks(void **unused)
{
    (void)unused;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        set(ten, (struct queueing_client){.tasks = 100, .deadline_us = 150 * MS}, seed);
        pass(MINUTE);
        expect("before all time out", seed);
        q.server.slow = 1000;
        pass(30 * SECOND);
        assert_int_equal(limit_now(), 1);
        q.server.slow = 1;
        pass(MINUTE);
        expect("after all timed out", seed);
    }
}

/* Its speed wanders: by half as much or twice as much within a second. */
static void a_server_that_wanders_is_found(void **unused)
{
    (void)unused;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        double wander = 0, sum = 0;
        set(ten, tasks(100), seed);
        for (int i = 0; i < 120 * 50; i++) {
            wander = wander * 0.93 + sqrt(1 - 0.93 * 0.93) * queueing_normal(&q);
            q.server.slow = exp(wander * 0.5);
            pass(20 * MS);
            sum += i >= 60 * 50 ? q.client[0].limit.limit : 0;
        }
        assert_true(is_near(sum / (60 * 50), 10, 0.25));
    }
}

/* The calls that all of so many processes have under way, on average. */
static double crowd(int32_t processes, double tolerance)
{
    double sum = 0;
    memset(&q, 0, sizeof q);
    q.server = ten;
    q.server.at_once = 40;
    q.clients = processes;
    for (int32_t i = 0; i < processes; i++)
        q.client[i] = (struct queueing_client){.tasks = 500, .policy = usual};
    for (int32_t i = 0; i < processes; i++)
        q.client[i].policy.tolerance = tolerance;
    queueing_begin(&q, 1);
    for (int second = 0; second < 60; second++) {
        pass(SECOND);
        for (int32_t i = 0; i < processes && second >= 30; i++)
            sum += q.client[i].limit.limit;
    }
    return sum / 30;
}

/* Each of them takes from the others, and has a gain by it. */
static void many_processes_do_not_drive_each_other_up(void **unused)
{
    (void)unused;
    double most = crowd(8, 2);
    assert_true(most > 40 && most < 40 * 6);
    for (int32_t i = 0; i < 8; i++)
        assert_true(q.client[i].well > 0.2 * 2000 * 60 / 8);
    assert_true(crowd(8, 1) < most);
    assert_true(crowd(8, 1e9) > 2 * most);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_found),
        cmocka_unit_test(one_that_halves_is_found_again),
        cmocka_unit_test(one_that_doubles_is_found_again),
        cmocka_unit_test(whoever_serves_all_at_once_is_found),
        cmocka_unit_test(whoever_calls_it_is_found),
        cmocka_unit_test(little_of_what_it_can_do_is_lost),
        cmocka_unit_test(who_comes_seldom_enough_does_not_wait_in_vain),
        cmocka_unit_test(it_goes_by_bursts_and_rests_between_them),
        cmocka_unit_test(it_does_not_grow_beyond_what_is_under_way),
        cmocka_unit_test(a_server_that_has_little_room_refuses_little),
        cmocka_unit_test(a_brown_out_passes),
        cmocka_unit_test(while_all_time_out_it_shrinks),
        cmocka_unit_test(a_server_that_wanders_is_found),
        cmocka_unit_test(many_processes_do_not_drive_each_other_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
