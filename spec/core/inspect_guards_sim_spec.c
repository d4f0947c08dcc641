/* inspect_guards_sim_spec.c - what the rules of a resource know is shown, once for all workers. */
#include <jansson.h>
#include <string.h>

#include "sim/ruled.h"
#include "sim/told.h"

static json_t *ask(struct rig *r, const char *request)
{
    json_t *answer = json_loads(nebula_ask(r->nebula, request), 0, NULL);
    assert_non_null(answer);
    assert_true(json_is_true(json_object_get(answer, "ok")));
    return answer;
}

static const struct nebula_rules rules = {.circuit = {.mode = NEBULA_CIRCUIT_AUTOMATIC,
                                                      .window = 10,
                                                      .least = 10,
                                                      .consecutive = 2,
                                                      .probes = 1,
                                                      .probe_us = SECOND,
                                                      .pause_us = SECOND,
                                                      .pause_max_us = SECOND},
                                          .limit = {.concurrent = 1, .queue = 5}};

/* What it has of an operation, as text without blanks. */
static char *guards_of(struct rig *r, size_t at)
{
    json_t *answer = ask(r, "{\"verb\":\"inspect\",\"name\":\"shop\"}");
    json_t *guards = json_object_get(json_object_get(answer, "resource"), "guards");
    char *text = json_dumps(json_array_get(guards, at), JSON_COMPACT);
    json_decref(answer);
    return text;
}

static void assert_guards(struct rig *r, size_t at, const char *expected)
{
    char *text = guards_of(r, at);
    assert_non_null(text);
    assert_string_equal(text, expected);
    free(text);
}

static void each_operation_that_is_apart_has_its_own(void **unused)
{
    (void)unused;
    struct rig r;
    ruled_begin(&r, 3, rules);
    assert_int_equal(nebula_operation(r.nebula, r.shop, "pay", &r.spec.policy, &rules, true), 1);
    assert_int_equal(nebula_operation(r.nebula, r.shop, "too", &r.spec.policy, &rules, false), 2);
    assert_guards(&r, 1, "{\"operation\":\"pay\"}");
    assert_null(guards_of(&r, 2));
    server_pace(r.server, 100 * MS);
    int32_t first = ruled_ask(&r, (struct nebula_request){.operation = 1});
    int32_t second = ruled_ask(&r, (struct nebula_request){.operation = 1});
    assert_guards(
        &r, 1,
        "{\"operation\":\"pay\",\"circuit\":{\"state\":\"closed\"},\"limit\":{\"under_way\":1,"
        "\"most\":1,\"waiting\":1,\"ran\":1,\"queued\":1,\"refused\":0,\"shed\":0}}");
    assert_int_equal(rig_await(&r, first, NULL), ERROR_OK);
    assert_int_equal(rig_await(&r, second, NULL), ERROR_OK);
    rig_end(&r);
}

/* Of a limit that is adaptive: the number, and what it was found by as soon as somebody knows. */
static void what_was_found_is_shown_beside_what_is_tried(void **unused)
{
    (void)unused;
    struct rig r;
    ruled_begin(&r, 9,
                (struct nebula_rules){.limit = {.concurrent = 4,
                                                .queue = 9,
                                                .is_adaptive = true,
                                                .min = 1,
                                                .max = 50,
                                                .tolerance = 200}});
    server_pace(r.server, 10 * MS);
    assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_OK);
    assert_guards(
        &r, 0,
        "{\"operation\":\"\",\"limit\":{\"under_way\":0,\"most\":3,\"waiting\":0,\"ran\":1,"
        "\"queued\":0,\"refused\":0,\"shed\":0,\"found\":{\"limit\":4}}}");
    for (int i = 0; i < 240; i++) {
        int32_t ticket[9];
        for (int n = 0; n < 9; n++)
            ticket[n] = ruled_ask(&r, get);
        for (int n = 0; n < 9; n++)
            assert_int_equal(rig_await(&r, ticket[n], NULL), ERROR_OK);
    }
    char *text = guards_of(&r, 0);
    assert_non_null(strstr(text, "\"latency\":0.01"));
    assert_non_null(strstr(text, "\"least\":0.01"));
    free(text);
    rig_end(&r);
}

static void open_in(struct rig *r, const char *state)
{
    json_t *answer = ask(r, "{\"verb\":\"ls\"}");
    json_t *shop = json_array_get(json_object_get(answer, "resources"), 0);
    const char *circuit = json_string_value(json_object_get(shop, "circuit"));
    if (state == NULL)
        assert_null(circuit);
    else
        assert_string_equal(circuit, state);
    json_decref(answer);
}

static void a_circuit_that_is_not_closed_is_seen_in_the_list(void **unused)
{
    (void)unused;
    struct rig r;
    ruled_begin(&r, 3, rules);
    open_in(&r, NULL);
    server_odds(r.server, FAULT_LOST_BEFORE, 1000);
    for (int i = 0; i < 2; i++)
        assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_LOST);
    server_calm(r.server);
    open_in(&r, "open");
    char *text = guards_of(&r, 0);
    assert_non_null(strstr(text, "\"circuit\":{\"state\":\"open\",\"why\":\"consecutive\",\"bad\":"
                                 "2,\"of\":2,\"trips\":1,\"half_in\":0.9"));
    free(text);
    rig_pass(&r, SECOND);
    assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_OK);
    open_in(&r, NULL);
    rig_end(&r);
}

static void of_all_workers_there_is_one(void **unused)
{
    (void)unused;
    struct shift w;
    shift_begin(&w, 3);
    shift_open_all(&w);
    for (int i = 0; i < 3; i++)
        assert_int_equal(nebula_rules(w.of[i].nebula, w.of[i].shop, &rules), 0);
    for (int i = 1; i < 3; i++) /* the first one was not used, and knows nothing */
        assert_int_equal(shift_await(&w, i, rig_call(&w.of[i], 0, "get 1 1")), ERROR_OK);
    json_t *answer = told_in(&w, 0, "{\"verb\":\"inspect\",\"name\":\"shop\"}");
    json_t *guards = json_object_get(json_object_get(answer, "resource"), "guards");
    assert_int_equal(json_array_size(guards), 1);
    const json_t *limit = json_object_get(json_array_get(guards, 0), "limit");
    assert_int_equal(json_integer_value(json_object_get(limit, "ran")), 2);
    json_decref(answer);
    shift_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_operation_that_is_apart_has_its_own),
        cmocka_unit_test(what_was_found_is_shown_beside_what_is_tried),
        cmocka_unit_test(a_circuit_that_is_not_closed_is_seen_in_the_list),
        cmocka_unit_test(of_all_workers_there_is_one),
    };
    return cmocka_run_group_tests_name("guards shown", tests, NULL, NULL);
}
