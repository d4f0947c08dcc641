/* tale_sim_spec.c - what is told of a call is what happened to it: each decision as a scenario in virtual time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "core/record.h"
#include "nebula_policy.h"
#include "sim/tales.h"

static const struct nebula_place places[NEBULA_SETTINGS] = {
    [NEBULA_SETTING_DEADLINE] = {"db.lua", 5},
    [NEBULA_SETTING_WAIT] = {"db.lua", 6},
    [NEBULA_SETTING_RETRY] = {"standard.lua", 9},
    [NEBULA_SETTING_CIRCUIT] = {"db.lua", 12},
};

static const struct nebula_rules breaker = {.circuit = {.mode = NEBULA_CIRCUIT_AUTOMATIC,
                                                        .window = 10,
                                                        .least = 10,
                                                        .percent = 50,
                                                        .consecutive = 2,
                                                        .probes = 1,
                                                        .probe_us = SECOND,
                                                        .pause_us = 10 * (int64_t)SECOND,
                                                        .pause_max_us = 10 * (int64_t)SECOND}};

static void begin(struct rig *r, int32_t max)
{
    rig_begin(r);
    r->spec.line = 3;
    r->spec.pool.max = max;
    r->spec.policy.pause_us = r->spec.policy.pause_max_us = 20 * MS;
    r->spec.policy.budget = 100;
    r->spec.policy.budget_least = 10;
}

static void open(struct rig *r)
{
    rig_open(r);
    assert_int_equal(nebula_places(r->nebula, r->shop, places, NEBULA_SETTINGS), 0);
    rig_hold_for(r, MS); /* there is a connection, */
    tales_forget(r);     /* and nothing to tell of how it came */
    server_pace(r->server, 40 * MS);
}

/* --- calls ------------------------------------------------------------------------------------- */

static void of_what_went_well_at_once_nothing_is_told(void **unused)
{
    (void)unused;
    struct rig r;
    begin(&r, 2);
    open(&r);
    for (int i = 0; i < 5; i++)
        assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_OK);
    int64_t lease = rig_lease(&r);
    assert_int_equal(rig_say(&r, lease, "get 1 1"), ERROR_OK);
    rig_release(&r, lease);
    tales_assert(&r, 0, "");
    assert_int_equal(tales_records(&r)->of_calls, 0);
    rig_end(&r);
}

/* It waits for one of one, is lost, pauses and goes well. */
static void a_call_is_told_from_its_beginning_to_its_end(void **unused)
{
    (void)unused;
    struct rig r;
    begin(&r, 1);
    r.spec.policy.tries = 2;
    open(&r);
    int64_t lease = rig_lease(&r), begun_us = world_time_us();
    int32_t ticket =
        rig_request(&r, (struct nebula_request){.text = "get 1 1", .is_idempotent = true});
    rig_pass(&r, 30 * MS);
    server_order(r.server, FAULT_LOST_AFTER);
    rig_release(&r, lease);
    assert_int_equal(rig_await(&r, ticket, NULL), ERROR_OK);
    int64_t ended_us = world_time_us(), lost_us = tales_number(&r, "failed", "after_us"),
            pause_us = tales_number(&r, "again", "pause_us");
    char tale[400];
    snprintf(tale, sizeof tale,
             "served 1. 30ms 1 (rig.c:3), failed 1. lost %" PRId64 "ms in_doubt, "
             "again 1. %" PRId64 "ms idempotent (standard.lua:9), "
             "ended 2. ok %" PRId64 "ms ok",
             lost_us / TENTH * 10, pause_us / TENTH * 10, (ended_us - begun_us) / TENTH * 10);
    assert_true(pause_us >= 0 && pause_us <= 20 * MS && lost_us >= 40 * MS);
    json_t *answer = tales_ask(&r), *call = json_array_get(told_at(answer, "calls"), 0);
    json_t *records = told_at(call, "records");
    for (size_t i = 1; i < json_array_size(records); i++) /* it may wait for another connection */
        if (strcmp(told_text(json_array_get(records, i), "what"), "served") == 0)
            json_array_remove(records, i);
    assert_string_equal(tales_text(records), tale);
    assert_int_equal(tales_number(&r, "ended", "after_us"), ended_us - begun_us);
    json_decref(answer);
    rig_end(&r);
}

/* Why there is no other attempt. */
static void what_is_not_tried_again_says_why(void **unused)
{
    (void)unused;
    static const struct {
        const char *text;
        enum fault fault;
        bool is_idempotent;
        int32_t tries, budget;
        int64_t pause_us;
        const char *tale;
    } row[] = {
        {"add 1 1", FAULT_LOST_AFTER, false, 3, 100, 0,
         "failed 1. lost 40ms in_doubt, not_again 1. in_doubt, ended 1. lost 40ms in_doubt"},
        {"fail 1 1", FAULT_NONE, true, 3, 100, 0,
         "failed 1. query 40ms failed, not_again 1. hopeless, ended 1. query 40ms failed"},
        {"get 1 1", FAULT_LOST_BEFORE, true, 1, 100, 0,
         "failed 1. lost 40ms in_doubt, not_again 1. tries (standard.lua:9), "
         "ended 1. lost 40ms in_doubt"},
        {"get 1 1", FAULT_LOST_BEFORE, true, 3, 0, 0,
         "failed 1. lost 40ms in_doubt, not_again 1. budget (standard.lua:9), "
         "ended 1. lost 40ms in_doubt"},
        {"get 1 1", FAULT_LOST_BEFORE, true, 3, 100, 100 * (int64_t)SECOND,
         "failed 1. lost 40ms in_doubt, not_again 1. deadline (standard.lua:9), "
         "ended 1. lost 40ms in_doubt"},
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        struct rig r;
        begin(&r, 2);
        r.spec.policy.tries = row[i].tries;
        r.spec.policy.budget = row[i].budget;
        r.spec.policy.budget_least = 0;
        r.spec.policy.pause_us = r.spec.policy.pause_max_us = row[i].pause_us;
        open(&r);
        if (row[i].fault != FAULT_NONE)
            server_odds(r.server, row[i].fault, 1000);
        rig_await(&r,
                  rig_request(&r, (struct nebula_request){.text = row[i].text,
                                                          .is_idempotent = row[i].is_idempotent}),
                  NULL);
        tales_assert(&r, 1, row[i].tale);
        rig_end(&r);
    }
}

static void an_engine_that_stops_tries_nothing_again(void **unused)
{
    (void)unused;
    struct rig r;
    begin(&r, 1);
    r.spec.policy.tries = 3;
    open(&r);
    server_odds(r.server, FAULT_LOST_BEFORE, 1000);
    int32_t ticket =
        rig_request(&r, (struct nebula_request){.text = "get 1 1", .is_idempotent = true});
    nebula_stop(r.nebula, world_time_us() + 10 * (int64_t)SECOND);
    rig_await(&r, ticket, NULL);
    json_t *answer = tales_ask(&r), *call = json_array_get(told_at(answer, "calls"), 0);
    json_t *why = json_array_get(told_at(call, "records"), 1);
    assert_string_equal(told_text(why, "reason"), "stopping");
    json_decref(answer);
    rig_end(&r);
}

static void who_is_not_served_is_told_by_which_bound(void **unused)
{
    (void)unused;
    static const struct {
        int64_t within_us;
        int32_t queue;
        bool is_fail_fast;
        const char *tale;
    } row[] = {
        {0, 100, false, "refused 1. wait 500ms 1 (db.lua:6), ended 1. wait 500ms failed"},
        {300 * MS, 100, false, "refused 1. deadline 300ms 1, ended 1. deadline 300ms failed"},
        {0, 0, false, "refused 1. full 0ms 1 (rig.c:3), ended 1. full 0ms failed"},
        {0, 100, true, "refused 1. full 0ms 1 (rig.c:3), ended 1. full 0ms failed"},
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        struct rig r;
        begin(&r, 1);
        r.spec.pool.queue = row[i].queue;
        open(&r);
        int64_t lease = rig_lease(&r);
        rig_await(&r,
                  rig_request(&r, (struct nebula_request){.text = "get 1 1",
                                                          .within_us = row[i].within_us,
                                                          .is_fail_fast = row[i].is_fail_fast}),
                  NULL);
        tales_assert(&r, 1, row[i].tale);
        rig_release(&r, lease);
        rig_end(&r);
    }
}

static void a_deadline_is_the_policys_or_nobodys_here(void **unused)
{
    (void)unused;
    struct rig r;
    begin(&r, 1);
    open(&r);
    server_pace(r.server, 3 * SECOND);
    rig_await(&r, rig_request(&r, (struct nebula_request){.text = "get 1 1"}), NULL);
    tales_assert(
        &r, 1, "failed 1. deadline 1000ms in_doubt (db.lua:5), ended 1. deadline 1000ms in_doubt");
    rig_pass(&r, 10 * SECOND);
    rig_await(&r,
              rig_request(&r, (struct nebula_request){.text = "get 1 1", .within_us = 200 * MS}),
              NULL);
    json_t *answer = tales_ask(&r), *call = json_array_get(told_at(answer, "calls"), 1), *one;
    size_t i;
    json_array_foreach(told_at(call, "records"), i, one)
    {
        if (strcmp(told_text(one, "what"), "failed") == 0)
            assert_null(json_object_get(one, "file"));
    }
    json_decref(answer);
    rig_pass(&r, 10 * SECOND);
    rig_end(&r);
}

static void who_gives_up_is_told_when_there_was_something(void **unused)
{
    (void)unused;
    struct rig r;
    begin(&r, 1);
    r.spec.policy.tries = 3;
    r.spec.policy.pause_us = r.spec.policy.pause_max_us = 400 * MS;
    open(&r);
    int32_t ticket = rig_call(&r, 0, "get 1 1");
    rig_pass(&r, 10 * MS);
    nebula_cancel(r.nebula, ticket);
    rig_await(&r, ticket, NULL);
    tales_assert(&r, 0, "");
    rig_pass(&r, SECOND);
    server_odds(r.server, FAULT_LOST_BEFORE, 1000);
    ticket = rig_request(&r, (struct nebula_request){.text = "get 1 1", .is_idempotent = true});
    for (int i = 0; i < 200 && tales_number(&r, "again", "pause_us") < 0; i++)
        rig_pass(&r, MS);
    nebula_cancel(r.nebula, ticket);
    rig_await(&r, ticket, NULL);
    json_t *answer = tales_ask(&r), *call = json_array_get(told_at(answer, "calls"), 0);
    const char *tale = tales_text(told_at(call, "records"));
    assert_non_null(strstr(tale, "ended 1. cancelled"));
    json_decref(answer);
    rig_end(&r);
}

/* --- leases, transactions ----------------------------------------------------------------------- */

static void a_lease_that_was_waited_for_is_told(void **unused)
{
    (void)unused;
    struct rig r;
    begin(&r, 1);
    open(&r);
    int64_t lease = rig_lease(&r);
    assert_int_equal(rig_ask(&r), 0);
    int32_t ticket = rig_ticket(&r);
    rig_pass(&r, 30 * MS);
    rig_release(&r, lease);
    lease = rig_lease_of(&r, ticket);
    tales_assert(&r, 1, "served 30ms 1 (rig.c:3)");
    assert_int_equal(rig_ask(&r), 0);
    ticket = rig_ticket(&r);
    rig_release(&r, lease);
    lease = rig_lease_of(&r, ticket);
    tales_assert(&r, 1, "served 30ms 1 (rig.c:3)"); /* that took no time */
    assert_int_equal(rig_ask(&r), 0);
    rig_pass(&r, 600 * MS);
    assert_int_equal(rig_await(&r, rig_ticket(&r), NULL), ERROR_WAIT);
    tales_assert(&r, 2, "refused wait 500ms 1 (db.lua:6)");
    assert_int_equal(nebula_lease(r.nebula, r.shop, 0, 0, true), -ERROR_FULL);
    tales_assert(&r, 3, "refused full 0ms 1 (rig.c:3)");
    assert_int_equal(nebula_lease(r.nebula, r.shop, 0, 100 * MS, false), 0);
    rig_pass(&r, 200 * MS);
    assert_int_equal(rig_await(&r, rig_ticket(&r), NULL), ERROR_WAIT);
    tales_assert(&r, 4, "refused wait 100ms 1"); /* as whoever asked said */
    assert_int_equal(rig_say(&r, lease, "fail 1 1"), ERROR_QUERY);
    tales_assert(&r, 5, "failed 1. query 40ms failed, ended 1. query 40ms failed");
    rig_release(&r, lease);
    rig_end(&r);
}

static void a_transaction_that_is_run_again_is_told(void **unused)
{
    (void)unused;
    struct rig r;
    begin(&r, 1);
    r.spec.policy.tries = 3;
    r.spec.policy.pause_us = r.spec.policy.pause_max_us = 0;
    open(&r);
    assert_int_equal(nebula_retry(r.nebula, r.shop, 2), 0);
    tales_assert(&r, 1, "again 2. 0ms not_applied (standard.lua:9)");
    assert_int_equal(nebula_retry(r.nebula, r.shop, 3), -ERROR_LIMIT);
    tales_assert(&r, 2, "not_again 3. tries (standard.lua:9)");
    rig_end(&r);
}

/* --- the circuit --------------------------------------------------------------------------------- */

static void lose_a_call(struct rig *r)
{
    server_odds(r->server, FAULT_LOST_BEFORE, 1000);
    assert_int_equal(rig_say(r, 0, "put 1 1"), ERROR_LOST);
    server_calm(r->server);
}

static void what_counts_for_the_circuit_and_what_it_refuses_is_told(void **unused)
{
    (void)unused;
    struct rig r;
    begin(&r, 1);
    open(&r);
    assert_int_equal(nebula_rules(r.nebula, r.shop, &breaker), 0);
    assert_int_equal(rig_say(&r, 0, "fail 1 1"), ERROR_QUERY);
    tales_assert(&r, 1,
                 "failed 1. query 40ms failed, not_again 1. hopeless, ended 1. query 40ms failed");
    tales_forget(&r);
    lose_a_call(&r);
    json_t *answer = tales_ask(&r), *calls = told_at(answer, "calls");
    const char *tale = tales_text(told_at(json_array_get(calls, 0), "records"));
    assert_non_null(strstr(tale, ", counted 1. closed 1 2 (db.lua:12), "));
    json_decref(answer);
    rig_hold_for(&r, MS);
    lose_a_call(&r);
    answer = tales_ask(&r);
    calls = told_at(answer, "calls");
    tale = tales_text(told_at(json_array_get(calls, json_array_size(calls) - 1), "records"));
    assert_non_null(strstr(tale, ", counted 1. open 2 2 (db.lua:12), "));
    assert_string_equal(tales_text(told_at(answer, "events")),
                        "circuit_opened consecutive 2 2 (db.lua:12)");
    size_t before = json_array_size(calls);
    json_decref(answer);
    assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_OPEN);
    tales_assert(&r, before + 1, "circuit open 2 2 (db.lua:12), ended open 0ms failed");
    assert_int_equal(rig_ask(&r), -ERROR_OPEN);
    tales_assert(&r, before + 2, "circuit open 2 2 (db.lua:12)");
    rig_pass(&r, 10 * SECOND);
    assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_OK);
    answer = tales_ask(&r);
    assert_string_equal(tales_text(told_at(answer, "events")),
                        "circuit_opened consecutive 2 2 (db.lua:12), circuit_half open "
                        "(db.lua:12), circuit_closed half (db.lua:12)");
    json_decref(answer);
    rig_end(&r);
}

/* Nobody was called. */
static void who_only_waited_counts_for_no_circuit(void **unused)
{
    (void)unused;
    struct rig r;
    begin(&r, 1);
    open(&r);
    assert_int_equal(nebula_rules(r.nebula, r.shop, &breaker), 0);
    int64_t lease = rig_lease(&r);
    rig_await(&r,
              rig_request(&r, (struct nebula_request){.text = "get 1 1", .within_us = 300 * MS}),
              NULL);
    tales_assert(&r, 1, "refused 1. deadline 300ms 1, ended 1. deadline 300ms failed");
    rig_release(&r, lease);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_what_went_well_at_once_nothing_is_told),
        cmocka_unit_test(a_call_is_told_from_its_beginning_to_its_end),
        cmocka_unit_test(what_is_not_tried_again_says_why),
        cmocka_unit_test(an_engine_that_stops_tries_nothing_again),
        cmocka_unit_test(who_is_not_served_is_told_by_which_bound),
        cmocka_unit_test(a_deadline_is_the_policys_or_nobodys_here),
        cmocka_unit_test(who_gives_up_is_told_when_there_was_something),
        cmocka_unit_test(a_lease_that_was_waited_for_is_told),
        cmocka_unit_test(a_transaction_that_is_run_again_is_told),
        cmocka_unit_test(what_counts_for_the_circuit_and_what_it_refuses_is_told),
        cmocka_unit_test(who_only_waited_counts_for_no_circuit),
    };
    return cmocka_run_group_tests_name("tale", tests, NULL, NULL);
}
