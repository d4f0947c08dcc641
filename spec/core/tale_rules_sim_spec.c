/* tale_rules_sim_spec.c - what rules have decided about a call is told, with the numbers by which they did. */
#include "sim/ruled.h"

#include <string.h>

#include "sim/tales.h"

static const struct nebula_place places[NEBULA_SETTINGS] = {
    [NEBULA_SETTING_WAIT] = {"db.lua", 6},   [NEBULA_SETTING_CIRCUIT] = {"db.lua", 12},
    [NEBULA_SETTING_LIMIT] = {"db.lua", 20}, [NEBULA_SETTING_RATE] = {"db.lua", 21},
    [NEBULA_SETTING_SHED] = {"db.lua", 22},  [NEBULA_SETTING_HEDGE] = {"db.lua", 23},
    [NEBULA_SETTING_EARLY] = {"db.lua", 24},
};

static void begin(struct rig *r, struct nebula_rules rules)
{
    ruled_begin(r, 5, rules);
    assert_int_equal(nebula_places(r->nebula, r->shop, places, NEBULA_SETTINGS), 0);
    if (tales_records(r) != NULL)
        tales_forget(r);
}

static void who_waits_for_the_rate_or_is_refused_by_it(void **unused)
{
    (void)unused;
    struct rig r;
    begin(&r, (struct nebula_rules){.rate = {.shape = NEBULA_RATE_BUCKET,
                                             .tokens = 10,
                                             .span_us = SECOND,
                                             .burst = 1,
                                             .wait_us = 150 * MS}});
    int32_t first = ruled_ask(&r, get), second = ruled_ask(&r, get);
    rig_await(&r, first, NULL);
    assert_int_equal(rig_await(&r, second, NULL), ERROR_OK);
    tales_assert(&r, 1, "rate_served 100ms (db.lua:21), ended 1. ok 100ms ok");
    ruled_say(
        &r,
        (struct nebula_rules){
            .rate = {.shape = NEBULA_RATE_BUCKET, .tokens = 10, .span_us = SECOND, .burst = 1}});
    rig_pass(&r, 99 * MS); /* there is one again, and no more */
    rig_await(&r, ruled_ask(&r, get), NULL);
    assert_int_equal(rig_await(&r, ruled_ask(&r, get), NULL), ERROR_RATE);
    tales_assert(&r, 2, "rate_refused 90ms (db.lua:21), ended rate 0ms failed");
    rig_end(&r);
}

static void who_would_hardly_make_it(void **unused)
{
    (void)unused;
    struct rig r;
    begin(&r, (struct nebula_rules){.early = {.least = 5, .percent = 0}});
    server_pace(r.server, 200 * MS);
    for (int i = 0; i < 6; i++)
        assert_int_equal(rig_await(&r, ruled_ask(&r, get), NULL), ERROR_OK);
    tales_assert(&r, 0, "");
    int32_t ticket = ruled_ask(&r, (struct nebula_request){.within_us = 50 * MS});
    assert_int_equal(rig_await(&r, ticket, NULL), ERROR_DEADLINE);
    tales_assert(&r, 1, "early 50ms 190ms (db.lua:24), ended deadline 0ms failed");
    rig_end(&r);
}

static void who_waits_for_another_call_to_end(void **unused)
{
    (void)unused;
    struct rig r;
    begin(&r, (struct nebula_rules){.limit = {.concurrent = 1, .queue = 2}});
    server_pace(r.server, 800 * MS);
    int32_t first = ruled_ask(&r, get), second = ruled_ask(&r, get),
            third = ruled_ask(&r, (struct nebula_request){.within_us = 200 * MS}),
            last = ruled_ask(&r, get);
    assert_int_equal(rig_await(&r, last, NULL), ERROR_FULL);
    tales_assert(&r, 1, "limit_refused full 0ms 2 (db.lua:20), ended full 0ms failed");
    assert_int_equal(tales_number(&r, "limit_refused", "waited_us"), 0);
    assert_int_equal(rig_await(&r, third, NULL), ERROR_DEADLINE);
    tales_assert(&r, 2, "limit_refused deadline 200ms 2, ended deadline 200ms failed");
    assert_int_equal(rig_await(&r, second, NULL), ERROR_WAIT);
    tales_assert(&r, 3, "limit_refused wait 500ms 2 (db.lua:6), ended wait 500ms failed");
    assert_int_equal(rig_await(&r, first, NULL), ERROR_OK);
    tales_assert(&r, 3, "limit_refused wait 500ms 2 (db.lua:6), ended wait 500ms failed");
    server_pace(r.server, 100 * MS);
    first = ruled_ask(&r, get);
    second = ruled_ask(&r, get);
    assert_int_equal(rig_await(&r, first, NULL), ERROR_OK);
    assert_int_equal(rig_await(&r, second, NULL), ERROR_OK);
    tales_assert(&r, 4, "limit_served 100ms 1 (db.lua:20), ended 1. ok 200ms ok");
    rig_end(&r);
}

/* The other call is cancelled before any time passes; or after 1 us. */
static void who_did_not_wait_is_not_told_of(void **unused)
{
    (void)unused;
    for (int64_t wait_us = 0; wait_us <= 1; wait_us++) {
        struct rig r;
        begin(&r, (struct nebula_rules){.limit = {.concurrent = 1, .queue = 2}});
        int32_t first = ruled_ask(&r, get), second = ruled_ask(&r, get);
        rig_pass(&r, wait_us);
        nebula_cancel(r.nebula, first);
        assert_int_equal(rig_await(&r, second, NULL), ERROR_OK);
        rig_await(&r, first, NULL);
        assert_int_equal(tales_number(&r, "limit_served", "waited_us"), wait_us > 0 ? wait_us : -1);
        rig_end(&r);
    }
}

static void who_is_shed(void **unused)
{
    (void)unused;
    struct rig r;
    int32_t ticket[20], shed = 0;
    begin(&r, (struct nebula_rules){.limit = {.concurrent = 1, .queue = 20},
                                    .shed = {.interval_us = 50 * MS,
                                             .of = {{.target_us = 10 * MS, .most_us = 100 * MS}}}});
    server_pace(r.server, 20 * MS);
    for (int i = 0; i < 20; i++)
        ticket[i] = ruled_ask(&r, get);
    for (int i = 0; i < 20; i++)
        shed += rig_await(&r, ticket[i], NULL) == ERROR_SHED;
    assert_true(shed > 0);
    json_t *answer = tales_ask(&r), *calls = told_at(answer, "calls"), *one;
    size_t i;
    int32_t told = 0;
    json_array_foreach(calls, i, one)
    {
        const char *text = tales_text(told_at(one, "records"));
        told += strncmp(text, "shed ", 5) == 0 && strstr(text, "ms 10ms (db.lua:22), ended shed");
    }
    assert_true(told > 0);
    json_decref(answer);
    rig_end(&r);
}

/* A copy after 50 ms, of each call. */
static const struct nebula_rules fixed = {
    .hedge = {.copies = 2, .delay_us = 50 * MS, .percent = 100, .burst = 10}};

static void a_copy_that_goes_and_answers_first(void **unused)
{
    (void)unused;
    struct rig r;
    begin(&r, fixed);
    server_odds(r.server, FAULT_STUCK, 1000);
    int32_t ticket = ruled_ask(&r, (struct nebula_request){.is_idempotent = true});
    rig_pass(&r, 20 * MS);
    server_calm(r.server);
    assert_int_equal(rig_await(&r, ticket, NULL), ERROR_OK);
    tales_assert(&r, 1, "hedged 1. 50ms (db.lua:23), hedge_won 1. 2 50ms, ended 1. ok 50ms ok");
    rig_pass(&r, 100 * MS);
    rig_end(&r);
}

static void a_copy_that_may_not_be_paid_for(void **unused)
{
    (void)unused;
    struct rig r;
    struct nebula_rules poor = fixed;
    poor.hedge.percent = 0;
    poor.hedge.burst = 1;
    begin(&r, poor);
    server_pace(r.server, 80 * MS);
    for (int i = 0; i < 2; i++)
        rig_await(&r, ruled_ask(&r, (struct nebula_request){.is_idempotent = true}), NULL);
    json_t *answer = tales_ask(&r), *calls = told_at(answer, "calls");
    json_t *last = json_array_get(calls, json_array_size(calls) - 1);
    assert_non_null(
        strstr(tales_text(told_at(last, "records")), "hedge_denied 1. 50ms (db.lua:23)"));
    json_decref(answer);
    rig_pass(&r, SECOND);
    rig_end(&r);
}

/* --- operations ---------------------------------------------------------------------------------- */

static const struct nebula_place own_places[NEBULA_SETTINGS] = {
    [NEBULA_SETTING_DEADLINE] = {"pay.lua", 2}, [NEBULA_SETTING_WAIT] = {"pay.lua", 3},
    [NEBULA_SETTING_RETRY] = {"pay.lua", 4},    [NEBULA_SETTING_CIRCUIT] = {"pay.lua", 5},
    [NEBULA_SETTING_LIMIT] = {"pay.lua", 6},    [NEBULA_SETTING_RATE] = {"pay.lua", 7},
    [NEBULA_SETTING_SHED] = {"pay.lua", 8},     [NEBULA_SETTING_HEDGE] = {"pay.lua", 9},
    [NEBULA_SETTING_EARLY] = {"pay.lua", 10},
};

static int32_t operation(struct rig *r, const struct nebula_rules *rules, bool is_apart)
{
    const struct nebula_policy policy = {.deadline_us = 300 * MS,
                                         .wait_us = 200 * MS,
                                         .tries = 2,
                                         .budget = 100,
                                         .budget_least = 10};
    int32_t number = nebula_operation(r->nebula, r->shop, "pay", &policy, rules, is_apart);
    assert_true(number > 0);
    assert_int_equal(
        nebula_operation_places(r->nebula, r->shop, number, own_places, NEBULA_SETTINGS), 0);
    return number;
}

/* Its own settings are named where they decide, and those of the resource where these do: what is not apart goes by its
 * circuit, limit and rate. */
static void an_operation_names_the_policy_that_decided(void **unused)
{
    (void)unused;
    static const struct nebula_rules none = {.asks = 0},
                                     rate = {.rate = {.shape = NEBULA_RATE_BUCKET,
                                                      .tokens = 1,
                                                      .span_us = SECOND,
                                                      .burst = 1}};
    static const struct nebula_rules limit = {.limit = {.concurrent = 1, .queue = 7}};
    static const struct nebula_rules circuit = {.circuit = {.mode = NEBULA_CIRCUIT_OPEN,
                                                            .window = 1,
                                                            .least = 1,
                                                            .percent = 50,
                                                            .probes = 1,
                                                            .probe_us = SECOND,
                                                            .pause_us = SECOND,
                                                            .pause_max_us = SECOND}};
    static const struct {
        const struct nebula_rules *rules;
        const char *what, *with_others, *apart;
    } row[] = {
        {&rate, "rate_refused", "(db.lua:21)", "(pay.lua:7)"},
        {&limit, "limit_refused wait 200ms 7", "(pay.lua:3)", "(pay.lua:3)"},
        {&limit, "limit_served", "(db.lua:20)", "(pay.lua:6)"},
        {&circuit, "circuit open", "(db.lua:12)", "(pay.lua:5)"},
    };
    for (size_t i = 0; i < 2 * COUNT(row); i++) {
        struct rig r;
        char tale[200];
        bool is_apart = i % 2 == 1, is_wait = strstr(row[i / 2].what, "wait") != NULL;
        begin(&r, *row[i / 2].rules);
        struct nebula_request pay = {
            .operation = operation(&r, is_apart ? row[i / 2].rules : &none, is_apart)};
        server_pace(r.server, is_wait ? 250 * MS : 100 * MS);
        int32_t first = ruled_ask(&r, pay), second = ruled_ask(&r, pay);
        rig_await(&r, first, NULL);
        rig_await(&r, second, NULL);
        json_t *answer = tales_ask(&r), *calls = told_at(answer, "calls");
        snprintf(tale, sizeof tale, "%s",
                 tales_text(told_at(json_array_get(calls, json_array_size(calls) - 1), "records")));
        json_decref(answer);
        const char *place = is_apart ? row[i / 2].apart : row[i / 2].with_others;
        if (strncmp(tale, row[i / 2].what, strlen(row[i / 2].what)) != 0 ||
            strchr(tale, '(') == NULL || strncmp(strchr(tale, '('), place, strlen(place)) != 0)
            fail_msg("%s %s: %s", row[i / 2].what, place, tale);
        rig_end(&r);
    }
}

static void pauses_deadlines_and_copies_are_its_own_in_any_case(void **unused)
{
    (void)unused;
    for (int is_apart = 0; is_apart < 2; is_apart++) {
        struct rig r;
        const struct nebula_rules rules = {
            .hedge = {.copies = 2, .delay_us = 50 * MS, .percent = 100, .burst = 10}};
        begin(&r, (struct nebula_rules){.early = {.least = 0}});
        struct nebula_request pay = {.operation = operation(&r, &rules, is_apart == 1),
                                     .is_idempotent = true};
        server_pace(r.server, SECOND);
        assert_int_equal(rig_await(&r, ruled_ask(&r, pay), NULL), ERROR_DEADLINE);
        tales_assert(&r, 1,
                     "hedged 1. 50ms (pay.lua:9), failed 1. deadline 250ms in_doubt (pay.lua:2), "
                     "failed 1. deadline 300ms in_doubt (pay.lua:2), "
                     "ended 1. deadline 300ms in_doubt");
        rig_pass(&r, 10 * SECOND);
        server_pace(r.server, 0);
        rig_hold_for(&r, MS);
        server_odds(r.server, FAULT_LOST_BEFORE, 1000);
        assert_int_equal(rig_await(&r, ruled_ask(&r, pay), NULL), ERROR_LOST);
        json_t *answer = tales_ask(&r), *calls = told_at(answer, "calls");
        const char *tale =
            tales_text(told_at(json_array_get(calls, json_array_size(calls) - 1), "records"));
        assert_non_null(
            strstr(tale, "not_again 1. tries (pay.lua:4), ")); /* the copy was the second */
        json_decref(answer);
        server_calm(r.server);
        rig_end(&r);
    }
}

/* A circuit of its own that moves says so with its own line. */
static void its_circuit_moves_by_its_own_line(void **unused)
{
    (void)unused;
    struct rig r;
    const struct nebula_rules rules = {.circuit = {.mode = NEBULA_CIRCUIT_AUTOMATIC,
                                                   .window = 10,
                                                   .least = 10,
                                                   .percent = 50,
                                                   .consecutive = 1,
                                                   .probes = 1,
                                                   .probe_us = SECOND,
                                                   .pause_us = SECOND,
                                                   .pause_max_us = SECOND}};
    begin(&r, rules);
    struct nebula_request pay = {.operation = operation(&r, &rules, true)};
    server_odds(r.server, FAULT_LOST_BEFORE, 1000);
    rig_await(&r, ruled_ask(&r, pay), NULL);
    json_t *answer = tales_ask(&r);
    assert_string_equal(tales_text(told_at(answer, "events")),
                        "circuit_opened consecutive 1 1 (pay.lua:5)");
    assert_non_null(
        strstr(tales_text(told_at(json_array_get(told_at(answer, "calls"), 0), "records")),
               "counted 1. open 1 1 (pay.lua:5)"));
    json_decref(answer);
    server_calm(r.server);
    rig_end(&r);
}

/* Of all tenants, whenever they come; and said anew. */
static void where_they_stand_is_said_of_tenants_too(void **unused)
{
    (void)unused;
    struct rig r;
    const struct nebula_rules rules = {.limit = {.concurrent = 1, .queue = 0}};
    const char *const tenant[] = {"shop", "other"};
    struct server *other = server_new("other", 2);
    rig_begin(&r);
    r.option.value = "{tenant}";
    r.option.has_tenant = true;
    r.spec.tenants = 2;
    rig_open(&r);
    struct nebula_request pay = {.operation = operation(&r, &rules, true)};
    for (int i = 0; i < 4; i++) {
        char request[80];
        assert_int_equal(nebula_task_tenant(r.nebula, tenant[i % 2]), 0);
        int32_t first = ruled_ask(&r, pay), second = ruled_ask(&r, pay);
        assert_int_equal(rig_await(&r, second, NULL), ERROR_FULL);
        rig_await(&r, first, NULL);
        snprintf(request, sizeof request,
                 "{\"verb\":\"explain\",\"name\":\"shop@%s\",\"last\":256}", tenant[i % 2]);
        const char *told = nebula_ask(r.nebula, request);
        assert_non_null(strstr(told, "\"limit_refused\""));
        assert_non_null(strstr(told, i < 2 ? "\"pay.lua\",\"line\":6" : "\"new.lua\",\"line\":9"));
        if (i == 1) { /* both are there */
            struct nebula_place anew[NEBULA_SETTINGS] = {[NEBULA_SETTING_LIMIT] = {"new.lua", 9}};
            assert_int_equal(
                nebula_operation_places(r.nebula, r.shop, pay.operation, anew, NEBULA_SETTINGS), 0);
        }
    }
    assert_int_equal(nebula_operation_places(r.nebula, r.shop, 9, own_places, 1), -ERROR_USAGE);
    assert_string_equal(nebula_error(r.nebula), "shop has no operation number 9");
    assert_int_equal(nebula_operation_places(r.nebula, r.shop, -1, own_places, 1), -ERROR_USAGE);
    assert_int_equal(nebula_operation_places(r.nebula, r.shop, pay.operation, own_places, -1),
                     -ERROR_USAGE);
    assert_int_equal(
        nebula_operation_places(r.nebula, r.shop, pay.operation, own_places, NEBULA_SETTINGS + 1),
        -ERROR_USAGE);
    assert_int_equal(nebula_operation_places(r.nebula, 99, 0, own_places, 1), -ERROR_USAGE);
    rig_end(&r);
    server_free(&other);
}

/* Where the settings of its policy stand is not known: then none is named, and not those of another one. */
static void an_operation_of_whose_policy_nobody_told(void **unused)
{
    (void)unused;
    struct rig r;
    const struct nebula_policy policy = {.deadline_us = SECOND, .wait_us = 500 * MS, .tries = 1};
    const struct nebula_rules rules = {.limit = {.concurrent = 1, .queue = 1}};
    begin(&r, rules);
    int32_t number = nebula_operation(r.nebula, r.shop, "slow", &policy, &rules, true);
    assert_true(number > 0);
    server_pace(r.server, 100 * MS);
    int32_t first = ruled_ask(&r, (struct nebula_request){.operation = number}),
            second = ruled_ask(&r, (struct nebula_request){.operation = number}),
            third = ruled_ask(&r, (struct nebula_request){.operation = number});
    assert_int_equal(rig_await(&r, third, NULL), ERROR_FULL);
    tales_assert(&r, 1, "limit_refused full 0ms 1, ended full 0ms failed");
    rig_await(&r, first, NULL);
    rig_await(&r, second, NULL);
    tales_assert(&r, 2, "limit_served 100ms 1, ended 1. ok 200ms ok");
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_waits_for_the_rate_or_is_refused_by_it),
        cmocka_unit_test(who_would_hardly_make_it),
        cmocka_unit_test(who_waits_for_another_call_to_end),
        cmocka_unit_test(who_did_not_wait_is_not_told_of),
        cmocka_unit_test(who_is_shed),
        cmocka_unit_test(a_copy_that_goes_and_answers_first),
        cmocka_unit_test(a_copy_that_may_not_be_paid_for),
        cmocka_unit_test(an_operation_names_the_policy_that_decided),
        cmocka_unit_test(pauses_deadlines_and_copies_are_its_own_in_any_case),
        cmocka_unit_test(its_circuit_moves_by_its_own_line),
        cmocka_unit_test(where_they_stand_is_said_of_tenants_too),
        cmocka_unit_test(an_operation_of_whose_policy_nobody_told),
    };
    return cmocka_run_group_tests_name("tale_rules", tests, NULL, NULL);
}
