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

/* Where the settings of its policy stand is not known: then none is named, and not those of another one. */
static void an_operation_with_a_policy_of_its_own(void **unused)
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
        cmocka_unit_test(who_is_shed),
        cmocka_unit_test(a_copy_that_goes_and_answers_first),
        cmocka_unit_test(a_copy_that_may_not_be_paid_for),
        cmocka_unit_test(an_operation_with_a_policy_of_its_own),
    };
    return cmocka_run_group_tests_name("tale_rules", tests, NULL, NULL);
}
