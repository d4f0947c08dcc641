/* Some engines of one ledger in virtual time: asked in one, they answer as one, whoever does not turn, leaves, or asks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/counters.h"
#include "sim/memory.h"
#include "sim/team.h"

/* --- asking ----------------------------------------------------------------------------------- */

static void of_one_worker_the_answer_is_as_without_a_ledger(void **unused)
{
    (void)unused;
    static const char *const request[] = {"{\"verb\":\"ls\"}",
                                          TEAM_INSPECT,
                                          TEAM_STATS,
                                          "{}",
                                          "no",
                                          "{\"verb\":\"pause\",\"name\":\"shop\"}",
                                          "{\"verb\":\"pause\",\"name\":\"none\"}"};
    struct team w;
    team_begin(&w, 2, 2);
    team_open_one(&w, 0);
    rig_release(&w.of[0], team_lease_in(&w, 0));
    for (size_t i = 0; i < COUNT(request); i++) {
        char *alone = strdup(nebula_ask(w.of[0].nebula, request[i]));
        int32_t ticket = nebula_ask_all(w.of[0].nebula, request[i]);
        assert_null(strstr(alone, "worker"));
        rig_pass(&w.of[0], 0);
        assert_true(rig_is_answered(&w.of[0], ticket));
        const char *all = nebula_asked(w.of[0].nebula, ticket);
        if (i == 0) /* the ticket itself is one of the tickets that it tells */
            assert_non_null(strstr(all, "\"tickets\":1"));
        else
            assert_string_equal(all, alone);
        rig_await(&w.of[0], ticket, NULL);
        free(alone);
    }
    team_end(&w);
}

/* What each tells of itself, added up. */
static int64_t sum_of(struct team *w, enum counter counter)
{
    int64_t sum = 0;
    for (int i = 0; i < w->count; i++) {
        int64_t all[COUNTERS];
        nebula_stats(w->of[i].nebula, w->of[i].shop, -1, all, COUNTERS);
        sum += all[counter];
    }
    return sum;
}

static void numbers_are_those_of_all_workers(void **unused)
{
    (void)unused;
    for (int count = 2; count <= TEAM_MOST; count *= 2) {
        struct team w;
        int64_t lease[TEAM_MOST];
        team_begin(&w, count, 20);
        team_open_all(&w);
        for (int i = 0; i < count; i++) {
            lease[i] = team_lease_in(&w, i);
            rig_release(&w.of[i], team_lease_in(&w, i));
        }
        team_pass(&w, 10 * MS);
        for (int i = 0; i < count; i++) {
            json_t *ls = team_ask(&w, i, "{\"verb\":\"ls\"}");
            json_t *shop = json_array_get(team_at(ls, "resources"), 0);
            assert_int_equal(json_array_size(team_at(ls, "resources")), 1);
            assert_int_equal(team_number(ls, "workers"), count);
            assert_null(json_object_get(ls, "silent"));
            assert_int_equal(team_number(shop, "max"), 20);
            assert_int_equal(team_number(shop, "open"), sum_of(&w, COUNTER_OPENED));
            assert_int_equal(team_number(shop, "leased"), count);
            assert_int_equal(team_number(shop, "idle"), sum_of(&w, COUNTER_IDLE));
            assert_int_equal(team_number(shop, "leases"), 2 * count);
            json_decref(ls);
            json_t *stats = team_ask(&w, i, TEAM_STATS);
            assert_int_equal(team_number(team_at(stats, "stats"), "opened"),
                             sum_of(&w, COUNTER_OPENED));
            assert_int_equal(team_number(team_at(stats, "stats"), "max"), 20);
            json_t *any = team_at(team_at(team_at(stats, "stats"), "roles"), "any");
            assert_int_equal(team_number(any, "leased"), count);
            assert_int_equal(team_number(team_at(any, "window"), "leases"), 2 * count);
            json_decref(stats);
        }
        for (int i = 0; i < count; i++)
            rig_release(&w.of[i], lease[i]);
        team_end(&w);
    }
}

static void what_is_listed_says_whose_it_is(void **unused)
{
    (void)unused;
    struct team w;
    team_begin(&w, 3, 9);
    team_open_all(&w);
    for (int i = 1; i < 3; i++)
        for (int n = 0; n < i; n++)
            rig_release(&w.of[i], team_lease_in(&w, i));
    int64_t lease = team_lease_in(&w, 2);
    json_t *answer = team_ask(&w, 0, TEAM_INSPECT), *shop = team_at(answer, "resource"), *one;
    int by_worker[3] = {0};
    size_t i;
    json_array_foreach(team_at(shop, "connections"), i, one)
        by_worker[team_number(one, "worker")]++;
    assert_int_equal(by_worker[0], 0);
    assert_int_equal(by_worker[1], 1);
    assert_int_equal(by_worker[2], 1);
    json_t *workers = team_at(shop, "workers");
    assert_int_equal(json_array_size(workers), 3);
    json_array_foreach(workers, i, one)
    {
        assert_int_equal(team_number(one, "worker"), i);
        assert_int_equal(team_number(one, "leased"), i == 2);
        assert_int_equal(team_number(one, "leases"), i == 0 ? 0 : i == 1 ? 1 : 3);
        assert_string_equal(team_text(one, "state"), i == 0 ? "unused" : "ready");
    }
    assert_string_equal(team_text(shop, "state"), "ready");
    assert_int_equal(json_array_size(team_at(shop, "pools")), 1);
    json_decref(answer);
    rig_release(&w.of[2], lease);
    team_end(&w);
}

/* 19 in 20 of one worker's are short and all of the other's are long: 38 % of all are. */
static void quantiles_are_those_of_all_holds(void **unused)
{
    (void)unused;
    struct team w;
    team_begin(&w, 2, 20);
    team_open_all(&w);
    for (int i = 0; i < 100; i++) {
        team_hold(&w, 0, (i % 20 == 0 ? 50 : 2) * MS);
        if (i % 2 == 0)
            team_hold(&w, 1, 50 * MS);
    }
    json_t *answer = team_ask(&w, 1, TEAM_INSPECT);
    json_t *pool = json_array_get(team_at(team_at(answer, "resource"), "pools"), 0);
    json_t *window = team_at(pool, "window");
    assert_int_equal(team_number(window, "leases"), 150);
    assert_int_equal(team_number(window, "ended"), 150);
    assert_in_range(team_number(window, "hold_p50_us"), 1950, 2600);
    assert_in_range(team_number(window, "hold_p95_us"), 49000, 51500);
    assert_in_range(team_number(window, "hold_mean_us"), 18000, 20000);
    double arrivals = json_real_value(team_at(window, "arrivals_per_s"));
    double in_use = json_real_value(team_at(window, "utilisation")) * 20;
    assert_true(in_use > 0.85 && in_use < 1.03); /* there is always one of them */
    int64_t wanted =
        (int64_t)(arrivals * (double)team_number(window, "hold_p95_us") / 1e6 * 1.25) + 1;
    assert_int_equal(team_number(window, "advised_max"), wanted);
    char words[32];
    snprintf(words, sizeof words, "%d would do: ", (int)wanted);
    assert_non_null(strstr(team_text(window, "advice"), words));
    json_decref(answer);
    team_end(&w);
}

static void who_does_not_turn_is_named_and_the_others_are_told(void **unused)
{
    (void)unused;
    struct team w;
    team_begin(&w, 3, 9);
    team_open_all(&w);
    for (int i = 0; i < 3; i++)
        rig_release(&w.of[i], team_lease_in(&w, i));
    w.stuck = 1;
    team_pass(&w, 2 * SECOND);
    int64_t begun_us = world_time_us();
    json_t *ls = team_ask(&w, 0, "{\"verb\":\"ls\"}"), *silent = team_at(ls, "silent");
    assert_in_range(world_time_us() - begun_us, 990 * MS, 1010 * MS);
    assert_int_equal(json_array_size(silent), 1);
    assert_int_equal(team_number(json_array_get(silent, 0), "worker"), 1);
    double since = json_real_value(team_at(json_array_get(silent, 0), "seconds"));
    assert_true(since > 2.99 && since < 3.02);
    assert_int_equal(team_number(json_array_get(team_at(ls, "resources"), 0), "open"), 2);
    json_decref(ls);
    w.stuck = -1; /* its sheet comes when nobody waits for it any more */
    team_pass(&w, MS);
    ls = team_ask(&w, 0, "{\"verb\":\"ls\"}");
    assert_null(json_object_get(ls, "silent"));
    assert_int_equal(team_number(json_array_get(team_at(ls, "resources"), 0), "open"), 3);
    json_decref(ls);
    team_end(&w);
}

static void who_leaves_while_he_is_asked_has_answered(void **unused)
{
    (void)unused;
    struct team w;
    team_begin(&w, 2, 4);
    team_open_all(&w);
    rig_release(&w.of[1], team_lease_in(&w, 1));
    int32_t ticket = nebula_ask_all(w.of[0].nebula, TEAM_STATS);
    nebula_close(&w.of[1].nebula);
    rig_pass(&w.of[0], 0);
    assert_true(rig_is_answered(&w.of[0], ticket));
    assert_null(strstr(nebula_asked(w.of[0].nebula, ticket), "silent"));
    assert_non_null(strstr(nebula_asked(w.of[0].nebula, ticket), "\"leases\":1"));
    rig_await(&w.of[0], ticket, NULL);
    json_t *ls = team_ask(&w, 0, "{\"verb\":\"ls\"}");
    assert_null(json_object_get(ls, "workers")); /* it is alone now */
    json_decref(ls);
    team_end(&w);
}

/* The other one comes back to nobody, or to another engine in his place. */
static void who_leaves_while_he_asks_is_not_missed(void **unused)
{
    (void)unused;
    for (int is_replaced = 0; is_replaced < 2; is_replaced++) {
        struct team w;
        team_begin(&w, 2, 4);
        team_open_all(&w);
        rig_release(&w.of[1], team_lease_in(&w, 1));
        assert_true(nebula_ask_all(w.of[0].nebula, TEAM_INSPECT) > 0);
        assert_true(nebula_drain(w.of[0].nebula, w.of[0].shop, SECOND) > 0);
        nebula_close(&w.of[0].nebula);
        if (is_replaced)
            team_open_one(&w, 0);
        team_pass(&w, MS);
        team_end(&w);
    }
}

static void a_cancelled_or_late_question_ends(void **unused)
{
    (void)unused;
    struct team w;
    team_begin(&w, 2, 4);
    team_open_all(&w);
    w.stuck = 1;
    int32_t ticket = nebula_ask_all(w.of[0].nebula, TEAM_INSPECT);
    nebula_cancel(w.of[0].nebula, ticket);
    assert_int_equal(rig_await(&w.of[0], ticket, NULL), ERROR_CANCELLED);
    nebula_task_deadline(w.of[0].nebula, nebula_now_us(w.of[0].nebula) + 20 * MS);
    ticket = nebula_ask_all(w.of[0].nebula, TEAM_INSPECT);
    team_pass(&w, 30 * MS);
    assert_null(nebula_asked(w.of[0].nebula, ticket));
    assert_int_equal(rig_await(&w.of[0], ticket, NULL), ERROR_DEADLINE);
    nebula_task_deadline(w.of[0].nebula, 0);
    team_end(&w);
}

/* --- memory that ends ------------------------------------------------------------------------- */

static void without_memory_there_is_no_answer_and_nothing_is_left(void **unused)
{
    (void)unused;
    static const char *const request[] = {TEAM_INSPECT, "{\"verb\":\"ls\"}",
                                          "{\"verb\":\"pause\",\"name\":\"shop\"}"};
    struct team w;
    team_begin(&w, 3, 6);
    team_open_all(&w);
    for (int i = 0; i < 3; i++)
        team_hold(&w, i, MS);
    for (size_t i = 0; i < COUNT(request) + 1; i++) {
        bool has_failed = true;
        for (int nth = 1; has_failed; nth++) {
            int64_t before = memory_failed();
            memory_fail(nth);
            int32_t ticket = i < COUNT(request)
                                 ? nebula_ask_all(w.of[0].nebula, request[i])
                                 : nebula_reconnect(w.of[0].nebula, w.of[0].shop, 100, 0);
            for (int n = 0; n < 4; n++)
                team_turn_all(&w);
            has_failed = memory_failed() > before;
            memory_fail(0);
            if (ticket > 0)
                team_wait_for(&w, 0, ticket);
            assert_true(nth < 2000);
        }
    }
    nebula_resume(w.of[0].nebula, w.of[0].shop);
    team_pass(&w, 100 * MS);
    team_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_one_worker_the_answer_is_as_without_a_ledger),
        cmocka_unit_test(numbers_are_those_of_all_workers),
        cmocka_unit_test(what_is_listed_says_whose_it_is),
        cmocka_unit_test(quantiles_are_those_of_all_holds),
        cmocka_unit_test(who_does_not_turn_is_named_and_the_others_are_told),
        cmocka_unit_test(who_leaves_while_he_is_asked_has_answered),
        cmocka_unit_test(who_leaves_while_he_asks_is_not_missed),
        cmocka_unit_test(a_cancelled_or_late_question_ends),
        cmocka_unit_test(without_memory_there_is_no_answer_and_nothing_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
