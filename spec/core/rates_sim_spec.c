/* rates_sim_spec.c - the rate of a resource in virtual time: who is refused, who waits, and that all workers have one. */
#include <string.h>

#include "sim/ruled.h"

/* --- rate --------------------------------------------------------------------------------------- */

static const struct nebula_rate ten_a_second = {
    .shape = NEBULA_RATE_BUCKET, .tokens = 10, .span_us = SECOND, .burst = 2};

static void more_calls_than_the_rate_are_refused_and_told_when_to_come(void **unused)
{
    (void)unused;
    struct rig r;
    struct nebula_reply reply;
    ruled_begin(&r, 2, (struct nebula_rules){.rate = ten_a_second});
    int64_t before = server_heard(r.server);
    for (int i = 0; i < 2; i++)
        assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_OK);
    int32_t ticket = ruled_ask(&r, get);
    rig_come(&r, ticket);
    assert_int_equal(nebula_reply(r.nebula, ticket, &reply), 0);
    assert_string_equal(reply.text, "shop: no more calls now than 10 in 1000 ms");
    assert_string_equal(nebula_error_name(reply.code), "rate");
    assert_int_equal(reply.outcome, OUTCOME_FAILED);
    assert_in_range(reply.retry_after_us, 90 * MS, 100 * MS);
    rig_await(&r, ticket, NULL);
    assert_int_equal(server_heard(r.server) - before, 2);
    rig_pass(&r, 100 * MS);
    assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_OK);
    assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_RATE);
    rig_end(&r);
}

static void who_may_wait_for_the_rate_goes_in_turn(void **unused)
{
    (void)unused;
    struct rig r;
    struct nebula_rate leaky = ten_a_second;
    int32_t ticket[5];
    leaky.shape = NEBULA_RATE_LEAKY;
    leaky.wait_us = 300 * MS;
    ruled_begin(&r, 5, (struct nebula_rules){.rate = leaky});
    for (int i = 0; i < 5; i++)
        ticket[i] = ruled_ask(&r, get);
    assert_int_equal(rig_count(&r, CONN_LEASED), 1); /* the first goes at once */
    for (int i = 0; i < 4; i++) {
        assert_int_equal(rig_is_answered(&r, ticket[i]), 0);
        rig_pass(&r, i == 0 ? 20 * MS : 100 * MS);
        assert_int_equal(rig_await(&r, ticket[i], NULL), ERROR_OK);
    }
    assert_int_equal(rig_await(&r, ticket[4], NULL), ERROR_RATE);
    rig_end(&r);
}

static void who_waits_for_the_rate_may_be_cancelled(void **unused)
{
    (void)unused;
    struct rig r;
    struct nebula_rate rate = ten_a_second;
    rate.wait_us = SECOND;
    ruled_begin(&r, 2, (struct nebula_rules){.rate = rate});
    for (int i = 0; i < 2; i++)
        assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_OK);
    int32_t ticket = ruled_ask(&r, get);
    rig_pass(&r, 10 * MS);
    nebula_cancel(r.nebula, ticket);
    assert_int_equal(rig_await(&r, ticket, NULL), ERROR_CANCELLED);
    rig_end(&r);
}

static void whose_turn_comes_after_his_deadline_is_not_begun(void **unused)
{
    (void)unused;
    struct rig r;
    struct nebula_rate rate = ten_a_second;
    rate.wait_us = SECOND;
    ruled_begin(&r, 2, (struct nebula_rules){.rate = rate});
    for (int i = 0; i < 2; i++)
        assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_OK);
    int64_t before = server_heard(r.server);
    int32_t ticket = ruled_ask(&r, (struct nebula_request){.within_us = 200 * MS});
    world_move(world_time_us() + 300 * MS);
    assert_int_equal(ruled_says(&r, ticket, "shop: its turn came after its deadline"),
                     ERROR_DEADLINE);
    assert_int_equal(server_heard(r.server), before);
    rig_end(&r);
}

/* It was said that there is none while it was held by another rule. */
static void who_comes_to_a_rate_that_is_no_more_goes(void **unused)
{
    (void)unused;
    struct rig r;
    const struct nebula_rules rules = {.rate = ten_a_second,
                                       .limit = {.concurrent = 1, .queue = 1},
                                       .order = {NEBULA_STAGE_LIMIT, NEBULA_STAGE_RATE,
                                                 NEBULA_STAGE_DEADLINE, NEBULA_STAGE_RETRY,
                                                 NEBULA_STAGE_CIRCUIT, NEBULA_STAGE_HEDGE}};
    struct nebula_rules unrated = rules;
    unrated.rate.shape = NEBULA_RATE_NONE;
    ruled_begin(&r, 2, unrated);
    server_pace(r.server, 50 * MS);
    int32_t first = ruled_ask(&r, get);
    ruled_say(&r, rules);
    int32_t second = ruled_ask(&r, get);
    ruled_say(&r, (struct nebula_rules){.limit = rules.limit});
    assert_int_equal(rig_await(&r, first, NULL), ERROR_OK);
    assert_int_equal(rig_await(&r, second, NULL), ERROR_OK);
    rig_end(&r);
}

static void each_tenant_and_each_key_has_a_rate_of_its_own(void **unused)
{
    (void)unused;
    struct rig r;
    struct nebula_rate rate = ten_a_second;
    rate.per = NEBULA_PER_TENANT;
    rate.burst = 1;
    ruled_begin(&r, 2, (struct nebula_rules){.rate = rate});
    const char *const tenant[] = {"red", "blue"};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(nebula_task_tenant(r.nebula, tenant[i]), 0);
        assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_OK);
        assert_int_equal(ruled_says(&r, ruled_ask(&r, get),
                                    "shop: no more calls of this tenant now than 10 in 1000 ms"),
                         ERROR_RATE);
    }
    rate.per = NEBULA_PER_KEY;
    ruled_say(&r, (struct nebula_rules){.rate = rate});
    for (uint64_t key = 1; key < 3; key++) {
        r.engine->task->key = key;
        assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_OK);
        assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_RATE);
    }
    rig_end(&r);
}

static void all_workers_have_one_rate(void **unused)
{
    (void)unused;
    struct shift w;
    const struct nebula_rules rules = {
        .rate = {.shape = NEBULA_RATE_WINDOW, .tokens = 100, .span_us = SECOND}};
    int ok = 0, refused = 0;
    shift_begin(&w, 4);
    w.spec->pool.max = 8;
    shift_open_all(&w);
    for (int i = 0; i < 4; i++)
        assert_int_equal(nebula_rules(w.of[i].nebula, w.of[i].shop, &rules), 0);
    for (int i = 0; i < 400; i++) {
        int32_t code = shift_await(&w, i % 4, rig_call(&w.of[i % 4], 0, "get 1 1"));
        ok += code == ERROR_OK;
        refused += code == ERROR_RATE;
        if (i == 399)
            assert_true(world_time_us() < 2 * SECOND);
    }
    assert_int_equal(ok + refused, 400);
    assert_in_range(ok, 100 - 4, 200);
    shift_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(more_calls_than_the_rate_are_refused_and_told_when_to_come),
        cmocka_unit_test(who_may_wait_for_the_rate_goes_in_turn),
        cmocka_unit_test(who_waits_for_the_rate_may_be_cancelled),
        cmocka_unit_test(whose_turn_comes_after_his_deadline_is_not_begun),
        cmocka_unit_test(who_comes_to_a_rate_that_is_no_more_goes),
        cmocka_unit_test(each_tenant_and_each_key_has_a_rate_of_its_own),
        cmocka_unit_test(all_workers_have_one_rate),
    };
    return cmocka_run_group_tests_name("rates", tests, NULL, NULL);
}
