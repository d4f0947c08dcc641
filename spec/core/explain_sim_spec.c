/* explain_sim_spec.c - what is told of calls is whole: of all workers as of one, and with memory that ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "core/record.h"
#include "nebula_policy.h"
#include "sim/told.h"

#define EXPLAIN "{\"verb\":\"explain\",\"name\":\"shop\"}"
#define WORKERS 3
#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define TRACEPARENT "00-" TRACE "-b7ad6b7169203331-01"
#define OTHER "00-1af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

static const struct nebula_rules breaker = {.circuit = {.mode = NEBULA_CIRCUIT_AUTOMATIC,
                                                        .window = 10,
                                                        .least = 10,
                                                        .percent = 50,
                                                        .consecutive = 1,
                                                        .probes = 1,
                                                        .probe_us = SECOND,
                                                        .pause_us = 10 * (int64_t)SECOND,
                                                        .pause_max_us = 10 * (int64_t)SECOND}};

static void begin(struct shift *w)
{
    shift_begin(w, WORKERS);
    w->spec->pool.max = WORKERS;
    shift_open_all(w);
}

/* A call of which there is something to tell. */
static void fail_in(struct shift *w, int i)
{
    shift_await(w, i, rig_call(&w->of[i], 0, "fail 1 1"));
    shift_pass(w, 10 * MS);
}

static int64_t worker_of(const json_t *list, int i)
{
    return told_number(json_array_get(list, (size_t)i), "worker");
}

static void tales_of_all_workers_are_in_the_order_of_time(void **unused)
{
    (void)unused;
    enum { CALLS = 12, LAST = 7 };
    struct shift w;
    begin(&w);
    for (int i = 0; i < CALLS; i++)
        fail_in(&w, i % WORKERS);
    json_t *answer = told_in(&w, 1, "{\"verb\":\"explain\",\"name\":\"shop\",\"last\":7}");
    json_t *calls = told_at(answer, "calls");
    assert_int_equal(json_array_size(calls), LAST);
    assert_int_equal(told_number(answer, "workers"), WORKERS);
    for (int i = 0; i < LAST; i++)
        assert_int_equal(worker_of(calls, i), (CALLS - LAST + i) % WORKERS);
    json_decref(answer);
    shift_end(&w);
}

static void what_the_resource_did_is_told_by_whoever_saw_it(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w);
    for (int i = 0; i < WORKERS; i++)
        assert_int_equal(nebula_rules(w.of[i].nebula, w.of[i].shop, &breaker), 0);
    server_odds(w.of[0].server, FAULT_LOST_BEFORE, 1000);
    shift_await(&w, 2, rig_call(&w.of[2], 0, "get 1 1"));
    shift_pass(&w, 10 * MS);
    shift_await(&w, 0, rig_call(&w.of[0], 0, "get 1 1"));
    json_t *answer = told_in(&w, 1, EXPLAIN), *calls = told_at(answer, "calls");
    json_t *last = json_array_get(calls, json_array_size(calls) - 1);
    assert_int_equal(told_number(last, "worker"), 0);
    json_t *records = told_at(last, "records"), *events = told_at(answer, "events");
    assert_string_equal(told_text(json_array_get(records, 0), "what"), "circuit");
    assert_string_equal(told_text(json_array_get(records, 0), "state"), "open");
    assert_int_equal(json_array_size(events), 1);
    assert_int_equal(worker_of(events, 0), 2);
    json_decref(answer);
    shift_end(&w);
}

/* Each of them has as many as there may be. */
static void no_more_is_told_than_was_asked_for(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w);
    for (int i = 0; i < WORKERS; i++) {
        struct resource *shop = table_get(&w.of[i].engine->resources, w.of[i].shop);
        for (int n = 0; n < RECORDS_OF_CALLS; n++) {
            struct tale t = {.call = (uint64_t)n + 1};
            record_add(shop, &t, RECORD_CACHED, (struct nebula_place){.file = NULL}, n, 0, 0);
        }
    }
    json_t *answer = told_in(&w, 2, "{\"verb\":\"explain\",\"name\":\"shop\",\"last\":256}");
    assert_int_equal(json_array_size(told_at(answer, "calls")), RECORDS_OF_CALLS);
    json_decref(answer);
    shift_end(&w);
}

/* In whichever workers they were. */
static void calls_are_found_by_their_trace(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w);
    for (int i = 0; i < WORKERS; i++) {
        struct nebula *n = w.of[i].nebula;
        fail_in(&w, i);
        nebula_task_enter(n, nebula_task_open(n, 0));
        assert_int_equal(nebula_task_trace(n, i == 1 ? OTHER : TRACEPARENT), 0);
        fail_in(&w, i);
        fail_in(&w, i);
        nebula_task_enter(n, 0);
        fail_in(&w, i);
    }
    json_t *answer =
        told_in(&w, 1, "{\"verb\":\"explain\",\"name\":\"shop\",\"trace\":\"" TRACE "\"}");
    json_t *calls = told_at(answer, "calls");
    assert_int_equal(json_array_size(calls), 4);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(worker_of(calls, i), i / 2 * 2);
        assert_string_equal(told_text(json_array_get(calls, (size_t)i), "trace"), TRACE);
    }
    json_decref(answer);
    shift_end(&w);
}

static void who_does_not_turn_is_named(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w);
    for (int i = 0; i < WORKERS; i++)
        fail_in(&w, i);
    w.is_stuck[1] = true;
    json_t *answer = told_in(&w, 0, EXPLAIN), *silent = told_at(answer, "silent");
    assert_int_equal(json_array_size(silent), 1);
    assert_int_equal(worker_of(silent, 0), 1);
    assert_int_equal(json_array_size(told_at(answer, "calls")), WORKERS - 1);
    json_decref(answer);
    w.is_stuck[1] = false;
    shift_pass(&w, SECOND);
    shift_end(&w);
}

static void of_a_resource_that_is_not_there_nothing_is_told(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w);
    json_t *answer = told_in(&w, 0, "{\"verb\":\"explain\",\"name\":\"none\"}");
    assert_true(json_is_false(told_at(answer, "ok")));
    json_decref(answer);
    shift_end(&w);
}

/* --- memory that ends --------------------------------------------------------------------------- */

/* An allocator of jansson has no argument to keep its books in. */
static int64_t left;

static void *allocate(size_t size)
{
    return --left == 0 ? NULL : malloc(size);
}

static void an_answer_with_gaps_is_none(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w);
    for (int i = 0; i < WORKERS; i++)
        fail_in(&w, i);
    char *whole = strdup(nebula_ask(w.of[0].nebula, EXPLAIN));
    int64_t failed = 0;
    json_set_alloc_funcs(allocate, free);
    for (left = 0; left <= 0; failed++) {
        left = failed + 1;
        const char *answer = nebula_ask(w.of[0].nebula, EXPLAIN);
        if (strcmp(answer, whole) != 0 && strncmp(answer, "{\"ok\":false,", 12) != 0)
            fail_msg("allocation %lld failed, the answer is %s", (long long)failed + 1, answer);
    }
    json_set_alloc_funcs(malloc, free);
    assert_true(failed > 30);
    free(whole);
    shift_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tales_of_all_workers_are_in_the_order_of_time),
        cmocka_unit_test(what_the_resource_did_is_told_by_whoever_saw_it),
        cmocka_unit_test(no_more_is_told_than_was_asked_for),
        cmocka_unit_test(calls_are_found_by_their_trace),
        cmocka_unit_test(who_does_not_turn_is_named),
        cmocka_unit_test(of_a_resource_that_is_not_there_nothing_is_told),
        cmocka_unit_test(an_answer_with_gaps_is_none),
    };
    return cmocka_run_group_tests_name("explain", tests, NULL, NULL);
}
