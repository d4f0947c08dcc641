/* Some engines of one ledger in virtual time: asked in one, they answer as one, whoever does not turn, leaves, or asks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/counters.h"
#include "core/crew.h"
#include "sim/memory.h"
#include "sim/told.h"

static void begin(struct shift *w, int count, int32_t max)
{
    shift_begin(w, count);
    w->spec->pool.max = max;
    server_cap(w->of[0].server, 0, max);
}

/* --- asking ----------------------------------------------------------------------------------- */

static void of_one_worker_the_answer_is_as_without_a_ledger(void **unused)
{
    (void)unused;
    static const char *const request[] = {"{\"verb\":\"ls\"}",
                                          TOLD_INSPECT,
                                          TOLD_STATS,
                                          "{}",
                                          "no",
                                          "{\"verb\":\"pause\",\"name\":\"shop\"}",
                                          "{\"verb\":\"pause\",\"name\":\"none\"}"};
    struct shift w;
    begin(&w, 2, 2);
    shift_open(&w, 0);
    rig_release(&w.of[0], shift_lend(&w, 0));
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
    shift_end(&w);
}

/* What each tells of itself, added up. */
static int64_t sum_of(struct shift *w, enum counter counter)
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
    for (int count = 2; count <= SHIFT_MOST; count *= 2) {
        struct shift w;
        int64_t lease[SHIFT_MOST];
        begin(&w, count, 20);
        shift_open_all(&w);
        for (int i = 0; i < count; i++) {
            lease[i] = shift_lend(&w, i);
            rig_release(&w.of[i], shift_lend(&w, i));
        }
        shift_pass(&w, 10 * MS);
        for (int i = 0; i < count; i++) {
            json_t *ls = told_in(&w, i, "{\"verb\":\"ls\"}");
            json_t *shop = json_array_get(told_at(ls, "resources"), 0);
            assert_int_equal(json_array_size(told_at(ls, "resources")), 1);
            assert_int_equal(told_number(ls, "workers"), count);
            assert_null(json_object_get(ls, "silent"));
            assert_int_equal(told_number(shop, "max"), 20);
            assert_int_equal(told_number(shop, "open"), sum_of(&w, COUNTER_OPENED));
            assert_int_equal(told_number(shop, "leased"), count);
            assert_int_equal(told_number(shop, "idle"), sum_of(&w, COUNTER_IDLE));
            assert_int_equal(told_number(shop, "leases"), 2 * count);
            json_decref(ls);
            json_t *stats = told_in(&w, i, TOLD_STATS);
            assert_int_equal(told_number(told_at(stats, "stats"), "opened"),
                             sum_of(&w, COUNTER_OPENED));
            assert_int_equal(told_number(told_at(stats, "stats"), "max"), 20);
            json_t *any = told_at(told_at(told_at(stats, "stats"), "roles"), "any");
            assert_int_equal(told_number(any, "leased"), count);
            assert_int_equal(told_number(told_at(any, "window"), "leases"), 2 * count);
            json_decref(stats);
        }
        for (int i = 0; i < count; i++)
            rig_release(&w.of[i], lease[i]);
        shift_end(&w);
    }
}

static void what_is_listed_says_whose_it_is(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w, 3, 9);
    shift_open_all(&w);
    for (int i = 1; i < 3; i++)
        for (int n = 0; n < i; n++)
            rig_release(&w.of[i], shift_lend(&w, i));
    int64_t lease = shift_lend(&w, 2);
    json_t *answer = told_in(&w, 0, TOLD_INSPECT), *shop = told_at(answer, "resource"), *one;
    int by_worker[3] = {0};
    size_t i;
    json_array_foreach(told_at(shop, "connections"), i, one)
        by_worker[told_number(one, "worker")]++;
    assert_int_equal(by_worker[0], 0);
    assert_int_equal(by_worker[1], 1);
    assert_int_equal(by_worker[2], 1);
    json_t *workers = told_at(shop, "workers");
    assert_int_equal(json_array_size(workers), 3);
    json_array_foreach(workers, i, one)
    {
        assert_int_equal(told_number(one, "worker"), i);
        assert_int_equal(told_number(one, "leased"), i == 2);
        assert_int_equal(told_number(one, "leases"), i == 0 ? 0 : i == 1 ? 1 : 3);
        assert_string_equal(told_text(one, "state"), i == 0 ? "unused" : "ready");
    }
    assert_string_equal(told_text(shop, "state"), "ready");
    assert_int_equal(json_array_size(told_at(shop, "pools")), 1);
    json_decref(answer);
    rig_release(&w.of[2], lease);
    shift_end(&w);
}

/* 19 in 20 of one worker's are short and all of the other's are long: 38 % of all are. */
static void quantiles_are_those_of_all_holds(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w, 2, 20);
    shift_open_all(&w);
    for (int i = 0; i < 100; i++) {
        shift_hold(&w, 0, (i % 20 == 0 ? 50 : 2) * MS);
        if (i % 2 == 0)
            shift_hold(&w, 1, 50 * MS);
    }
    json_t *answer = told_in(&w, 1, TOLD_INSPECT);
    json_t *pool = json_array_get(told_at(told_at(answer, "resource"), "pools"), 0);
    json_t *window = told_at(pool, "window");
    assert_int_equal(told_number(window, "leases"), 150);
    assert_int_equal(told_number(window, "ended"), 150);
    assert_in_range(told_number(window, "hold_p50_us"), 1950, 2600);
    assert_in_range(told_number(window, "hold_p95_us"), 49000, 51500);
    assert_in_range(told_number(window, "hold_mean_us"), 18000, 20000);
    double arrivals = json_real_value(told_at(window, "arrivals_per_s"));
    assert_true(arrivals > 47 && arrivals < 55); /* 150 in some 2.95 s */
    double in_use = json_real_value(told_at(window, "utilisation")) * 20;
    assert_true(in_use > 0.85 && in_use < 1.03); /* there is always one of them */
    int64_t wanted =
        (int64_t)(arrivals * (double)told_number(window, "hold_p95_us") / 1e6 * 1.25) + 1;
    assert_int_equal(told_number(window, "advised_max"), wanted);
    char words[32];
    snprintf(words, sizeof words, "%d would do: ", (int)wanted);
    assert_non_null(strstr(told_text(window, "advice"), words));
    json_decref(answer);
    shift_end(&w);
}

static void who_does_not_turn_is_named_and_the_others_are_told(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w, 3, 9);
    shift_open_all(&w);
    for (int i = 0; i < 3; i++)
        rig_release(&w.of[i], shift_lend(&w, i));
    w.is_stuck[1] = true;
    shift_pass(&w, 2 * SECOND);
    int64_t begun_us = world_time_us();
    json_t *ls = told_in(&w, 0, "{\"verb\":\"ls\"}"), *silent = told_at(ls, "silent");
    assert_in_range(world_time_us() - begun_us, 990 * MS, 1010 * MS);
    assert_int_equal(json_array_size(silent), 1);
    assert_int_equal(told_number(json_array_get(silent, 0), "worker"), 1);
    double since = json_real_value(told_at(json_array_get(silent, 0), "seconds"));
    assert_true(since > 2.99 && since < 3.02);
    assert_int_equal(told_number(json_array_get(told_at(ls, "resources"), 0), "open"), 2);
    json_decref(ls);
    w.is_stuck[1] = false; /* its sheet comes when nobody waits for it any more */
    shift_pass(&w, MS);
    ls = told_in(&w, 0, "{\"verb\":\"ls\"}");
    assert_null(json_object_get(ls, "silent"));
    assert_int_equal(told_number(json_array_get(told_at(ls, "resources"), 0), "open"), 3);
    json_decref(ls);
    shift_end(&w);
}

static void who_leaves_while_he_is_asked_has_answered(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w, 2, 4);
    shift_open_all(&w);
    rig_release(&w.of[1], shift_lend(&w, 1));
    int32_t ticket = nebula_ask_all(w.of[0].nebula, TOLD_STATS);
    shift_close(&w, 1);
    rig_pass(&w.of[0], 0);
    assert_true(rig_is_answered(&w.of[0], ticket));
    assert_null(strstr(nebula_asked(w.of[0].nebula, ticket), "silent"));
    assert_non_null(strstr(nebula_asked(w.of[0].nebula, ticket), "\"leases\":1"));
    rig_await(&w.of[0], ticket, NULL);
    json_t *ls = told_in(&w, 0, "{\"verb\":\"ls\"}");
    assert_null(json_object_get(ls, "workers")); /* it is alone now */
    json_decref(ls);
    shift_end(&w);
}

/* The other one comes back to nobody, or to another engine in his place. */
static void who_leaves_while_he_asks_is_not_missed(void **unused)
{
    (void)unused;
    for (int is_replaced = 0; is_replaced < 2; is_replaced++) {
        struct shift w;
        begin(&w, 2, 4);
        shift_open_all(&w);
        rig_release(&w.of[1], shift_lend(&w, 1));
        assert_true(nebula_ask_all(w.of[0].nebula, TOLD_INSPECT) > 0);
        assert_true(nebula_drain(w.of[0].nebula, w.of[0].shop, SECOND) > 0);
        shift_close(&w, 0);
        if (is_replaced)
            shift_open(&w, 0);
        shift_pass(&w, MS);
        shift_end(&w);
    }
}

static void a_cancelled_or_late_question_ends(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w, 2, 4);
    shift_open_all(&w);
    w.is_stuck[1] = true;
    int32_t ticket = nebula_ask_all(w.of[0].nebula, TOLD_INSPECT);
    nebula_cancel(w.of[0].nebula, ticket);
    assert_int_equal(rig_await(&w.of[0], ticket, NULL), ERROR_CANCELLED);
    nebula_task_deadline(w.of[0].nebula, nebula_now_us(w.of[0].nebula) + 20 * MS);
    ticket = nebula_ask_all(w.of[0].nebula, TOLD_INSPECT);
    shift_pass(&w, 30 * MS);
    assert_null(nebula_asked(w.of[0].nebula, ticket));
    assert_int_equal(rig_await(&w.of[0], ticket, NULL), ERROR_DEADLINE);
    nebula_task_deadline(w.of[0].nebula, 0);
    shift_end(&w);
}

/* Nobody asks him any more what he would not answer either; and soon nobody orders any more. */
static void who_does_not_turn_has_only_so_much_before_him(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w, 2, 4);
    shift_open_all(&w);
    w.is_stuck[1] = true;
    for (int i = 0; i < 2 * CREW_QUESTIONS_MOST; i++) {
        int64_t begun_us = world_time_us();
        json_t *answer = told_in(&w, 0, TOLD_STATS);
        json_t *silent = told_at(answer, "silent");
        assert_int_equal(json_array_size(silent), 1);
        assert_true(json_real_value(told_at(json_array_get(silent, 0), "seconds")) > 0.99);
        assert_int_equal(world_time_us() - begun_us > SECOND / 2, i < CREW_QUESTIONS_MOST);
        json_decref(answer);
    }
    assert_int_equal(crew_waiting(w.of[0].engine, 1), CREW_QUESTIONS_MOST);
    int32_t code = 0, orders = 0;
    for (; code == 0; orders++)
        code = nebula_pause(w.of[0].nebula, w.of[0].shop);
    assert_int_equal(code, -ERROR_FULL);
    assert_non_null(strstr(nebula_error(w.of[0].nebula), "worker 1 does not turn"));
    assert_int_equal(orders, CREW_NEWS_MOST - CREW_QUESTIONS_MOST + 1);
    assert_int_equal(nebula_drain(w.of[0].nebula, w.of[0].shop, SECOND), -ERROR_FULL);
    w.is_stuck[1] = false;
    shift_pass(&w, MS);
    assert_int_equal(nebula_resume(w.of[0].nebula, w.of[0].shop), 0);
    shift_pass(&w, MS);
    assert_string_equal(told_state(&w, 1), "unused");
    shift_end(&w);
}

static int32_t declare(struct shift *w, int i, const char *name)
{
    struct nebula_spec spec = *w->spec;
    spec.name = name;
    return nebula_declare(w->of[i].nebula, &spec);
}

/* What all know and nobody used is told by whoever was asked alone. */
static void what_is_unused_is_listed_once(void **unused)
{
    (void)unused;
    for (int is_alike = 0; is_alike < 2; is_alike++) {
        struct shift w;
        begin(&w, 3, 4);
        shift_open_all(&w);
        for (int i = 0; i < 3; i++)
            assert_true(declare(&w, i, "other") > 0);
        if (!is_alike)
            assert_true(declare(&w, 2, "third") > 0);
        shift_hold(&w, 2, MS);
        json_t *ls = told_in(&w, 0, "{\"verb\":\"ls\"}"), *all = told_at(ls, "resources");
        assert_int_equal(json_array_size(all), is_alike ? 2 : 3);
        assert_string_equal(told_text(json_array_get(all, 0), "state"), "ready");
        assert_int_equal(told_number(json_array_get(all, 0), "leases"), 1);
        assert_string_equal(told_text(json_array_get(all, 1), "state"), "unused");
        json_decref(ls);
        shift_end(&w);
    }
}

/* --- memory that ends ------------------------------------------------------------------------- */

static void without_memory_there_is_no_answer_and_nothing_is_left(void **unused)
{
    (void)unused;
    static const char *const request[] = {TOLD_INSPECT, "{\"verb\":\"ls\"}",
                                          "{\"verb\":\"pause\",\"name\":\"shop\"}"};
    struct shift w;
    begin(&w, 3, 6);
    shift_open_all(&w);
    for (int i = 0; i < 3; i++)
        shift_hold(&w, i, MS);
    for (size_t i = 0; i < COUNT(request) + 1; i++) {
        bool has_failed = true;
        for (int nth = 1; has_failed; nth++) {
            int64_t before = memory_failed();
            memory_fail(nth);
            int32_t ticket = i < COUNT(request)
                                 ? nebula_ask_all(w.of[0].nebula, request[i])
                                 : nebula_reconnect(w.of[0].nebula, w.of[0].shop, 100, 0);
            for (int n = 0; n < 4; n++)
                shift_pass(&w, 0);
            has_failed = memory_failed() > before;
            memory_fail(0);
            if (ticket > 0)
                shift_await(&w, 0, ticket);
            assert_true(nth < 2000);
        }
    }
    nebula_resume(w.of[0].nebula, w.of[0].shop);
    shift_pass(&w, 100 * MS);
    shift_end(&w);
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
        cmocka_unit_test(who_does_not_turn_has_only_so_much_before_him),
        cmocka_unit_test(what_is_unused_is_listed_once),
        cmocka_unit_test(without_memory_there_is_no_answer_and_nothing_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
