/* copies_sim_spec.c - copies of calls that take too long, in virtual time: when one goes, whose answer counts, what they cost,
 * and that those that lost are cancelled. */
#include "sim/ruled.h"

static const struct nebula_request twice = {.is_idempotent = true};

/* A copy after 50 ms, of each call. */
static const struct nebula_rules fixed = {
    .hedge = {.copies = 2, .delay_us = 50 * MS, .percent = 100, .burst = 10}};

static int32_t heard_by(struct rig *r, int64_t before)
{
    return (int32_t)(server_heard(r->server) - before);
}

static void what_takes_too_long_has_a_copy_whose_answer_counts(void **unused)
{
    (void)unused;
    struct rig r;
    struct nebula_reply reply;
    ruled_begin(&r, 2, fixed);
    int64_t before = server_heard(r.server), begun_us = world_time_us();
    server_odds(r.server, FAULT_STUCK, 1000);
    int32_t ticket = ruled_ask(&r, twice);
    rig_pass(&r, 20 * MS);
    server_calm(r.server);
    assert_int_equal(heard_by(&r, before), 1);
    assert_int_equal(rig_await(&r, ticket, &reply), ERROR_OK);
    assert_int_equal(heard_by(&r, before), 2);
    assert_in_range(world_time_us() - begun_us, 50 * MS, 60 * MS);
    assert_int_equal(reply.rows, 1);
    rig_pass(&r, 100 * MS); /* the first one was cancelled, and its connection is whole */
    assert_int_equal(rig_count(&r, CONN_IDLE), 2);
    rig_end(&r);
}

static void what_is_fast_has_none(void **unused)
{
    (void)unused;
    struct rig r;
    ruled_begin(&r, 2, fixed);
    int64_t before = server_heard(r.server);
    for (int i = 0; i < 10; i++)
        assert_int_equal(rig_await(&r, ruled_ask(&r, twice), NULL), ERROR_OK);
    rig_pass(&r, SECOND);
    assert_int_equal(heard_by(&r, before), 10);
    rig_end(&r);
}

static void what_may_not_be_done_twice_has_none(void **unused)
{
    (void)unused;
    struct rig r;
    ruled_begin(&r, 2, fixed);
    int64_t before = server_heard(r.server);
    server_pace(r.server, 200 * MS);
    assert_int_equal(rig_await(&r, ruled_ask(&r, get), NULL), ERROR_OK);
    assert_int_equal(
        rig_await(&r,
                  ruled_ask(&r, (struct nebula_request){.is_idempotent = true, .is_dirty = true}),
                  NULL),
        ERROR_OK);
    assert_int_equal(heard_by(&r, before), 3); /* the last one is a reset */
    rig_end(&r);
}

static void the_first_one_may_still_win(void **unused)
{
    (void)unused;
    struct rig r;
    ruled_begin(&r, 2, fixed);
    int64_t before = server_heard(r.server);
    server_pace(r.server, 60 * MS);
    int32_t ticket = ruled_ask(&r, twice);
    rig_pass(&r, 55 * MS);
    server_odds(r.server, FAULT_STUCK, 1000);
    assert_int_equal(rig_await(&r, ticket, NULL), ERROR_OK);
    assert_int_equal(heard_by(&r, before), 2);
    server_calm(r.server);
    rig_end(&r);
}

static void where_no_connection_is_there_at_once_none_goes(void **unused)
{
    (void)unused;
    struct rig r;
    ruled_begin(&r, 1, fixed);
    int64_t before = server_heard(r.server);
    server_pace(r.server, 200 * MS);
    assert_int_equal(rig_await(&r, ruled_ask(&r, twice), NULL), ERROR_OK);
    assert_int_equal(heard_by(&r, before), 1);
    rig_end(&r);
}

static void one_that_waits_for_its_connection_has_none(void **unused)
{
    (void)unused;
    struct rig r;
    ruled_begin(&r, 1, fixed);
    int64_t lease = rig_lease(&r), before = server_heard(r.server);
    int32_t ticket = ruled_ask(&r, twice);
    rig_pass(&r, 300 * MS);
    rig_release(&r, lease);
    assert_int_equal(rig_await(&r, ticket, NULL), ERROR_OK);
    assert_int_equal(heard_by(&r, before), 1);
    rig_end(&r);
}

static void copies_have_a_budget(void **unused)
{
    (void)unused;
    struct rig r;
    struct nebula_rules rules = fixed;
    rules.hedge.percent = 10;
    rules.hedge.burst = 2;
    ruled_begin(&r, 2, rules);
    int64_t before = server_heard(r.server);
    server_pace(r.server, 100 * MS);
    for (int i = 0; i < 30; i++) {
        assert_int_equal(rig_await(&r, ruled_ask(&r, twice), NULL), ERROR_OK);
        rig_pass(&r, 150 * MS);
    }
    assert_in_range(heard_by(&r, before), 30 + 4, 30 + 5); /* the burst, and a tenth */
    rig_end(&r);
}

/* There is one in all, and none comes back. */
static void one_that_finds_no_connection_costs_nothing(void **unused)
{
    (void)unused;
    struct rig r;
    struct nebula_rules rules = fixed;
    rules.hedge.percent = 0;
    rules.hedge.burst = 1;
    ruled_begin(&r, 2, rules);
    server_pace(r.server, 100 * MS);
    int64_t lease = rig_lease(&r), before = server_heard(r.server);
    assert_int_equal(rig_await(&r, ruled_ask(&r, twice), NULL), ERROR_OK);
    assert_int_equal(heard_by(&r, before), 1);
    rig_release(&r, lease);
    assert_int_equal(rig_await(&r, ruled_ask(&r, twice), NULL), ERROR_OK);
    assert_int_equal(heard_by(&r, before), 3);
    rig_pass(&r, 200 * MS);
    assert_int_equal(rig_await(&r, ruled_ask(&r, twice), NULL), ERROR_OK);
    assert_int_equal(heard_by(&r, before), 4);
    rig_end(&r);
}

static void one_that_fails_is_followed_at_once_and_the_last_failure_counts(void **unused)
{
    (void)unused;
    struct rig r;
    ruled_begin(&r, 2, fixed);
    int64_t before = server_heard(r.server), begun_us = world_time_us();
    server_odds(r.server, FAULT_LOST_BEFORE, 1000);
    assert_int_equal(rig_await(&r, ruled_ask(&r, twice), NULL), ERROR_LOST);
    assert_int_equal(heard_by(&r, before), 2);
    assert_true(world_time_us() - begun_us < 50 * MS);
    server_calm(r.server);
    rig_end(&r);
}

static void what_fails_for_good_is_the_answer(void **unused)
{
    (void)unused;
    struct rig r;
    ruled_begin(&r, 2, fixed);
    int64_t before = server_heard(r.server);
    assert_int_equal(
        rig_await(
            &r, rig_request(&r, (struct nebula_request){.text = "fail 1 1", .is_idempotent = true}),
            NULL),
        ERROR_QUERY);
    rig_pass(&r, 100 * MS);
    assert_int_equal(heard_by(&r, before), 1);
    rig_end(&r);
}

static void at_the_deadline_all_of_them_are_over(void **unused)
{
    (void)unused;
    struct rig r;
    ruled_begin(&r, 2, fixed);
    int64_t begun_us = world_time_us();
    server_odds(r.server, FAULT_STUCK, 1000);
    int32_t ticket =
        ruled_ask(&r, (struct nebula_request){.is_idempotent = true, .within_us = 200 * MS});
    assert_int_equal(rig_await(&r, ticket, NULL), ERROR_DEADLINE);
    assert_in_range(world_time_us() - begun_us, 200 * MS, 201 * MS);
    server_calm(r.server);
    rig_end(&r);
}

static void who_is_cancelled_cancels_all_of_them(void **unused)
{
    (void)unused;
    struct rig r;
    ruled_begin(&r, 2, fixed);
    server_odds(r.server, FAULT_STUCK, 1000);
    int32_t ticket = ruled_ask(&r, twice), forgotten;
    rig_pass(&r, 100 * MS);
    assert_int_equal(rig_count(&r, CONN_LEASED), 2);
    nebula_cancel(r.nebula, ticket);
    assert_int_equal(rig_await(&r, ticket, NULL), ERROR_CANCELLED);
    rig_pass(&r, 500 * MS);
    forgotten = ruled_ask(&r, twice);
    rig_pass(&r, 100 * MS);
    nebula_done(r.nebula, forgotten); /* before its drivers let go of it */
    server_calm(r.server);
    rig_end(&r);
}

static void the_delay_may_be_a_quantile_of_what_calls_take(void **unused)
{
    (void)unused;
    struct rig r;
    struct nebula_rules rules = fixed;
    rules.hedge.permille = 950;
    rules.hedge.delay_us = 0;
    ruled_begin(&r, 2, rules);
    server_pace(r.server, 20 * MS);
    int64_t before = server_heard(r.server);
    server_odds(r.server, FAULT_STUCK, 1000); /* nothing is known, so there is no copy */
    int32_t ticket =
        ruled_ask(&r, (struct nebula_request){.is_idempotent = true, .within_us = 300 * MS});
    assert_int_equal(rig_await(&r, ticket, NULL), ERROR_DEADLINE);
    assert_int_equal(heard_by(&r, before), 1);
    server_calm(r.server);
    for (int i = 0; i < 20; i++)
        assert_int_equal(rig_await(&r, ruled_ask(&r, twice), NULL), ERROR_OK);
    rig_pass(&r, 100 * MS);
    before = server_heard(r.server);
    server_odds(r.server, FAULT_STUCK, 1000);
    int64_t begun_us = world_time_us();
    ticket = ruled_ask(&r, twice);
    rig_pass(&r, 10 * MS);
    server_calm(r.server);
    assert_int_equal(rig_await(&r, ticket, NULL), ERROR_OK);
    assert_int_equal(heard_by(&r, before), 2);
    assert_in_range(world_time_us() - begun_us, 40 * MS, 55 * MS);
    rig_end(&r);
}

/* The first one was lost before it was done, its copy is done and not answered. */
static void what_a_copy_may_have_done_stays_in_doubt(void **unused)
{
    (void)unused;
    struct rig r;
    struct nebula_reply reply;
    ruled_begin(&r, 2, fixed);
    server_order(r.server, FAULT_UNSENT);
    server_order(r.server, FAULT_MUTE);
    int32_t ticket =
        rig_request(&r, (struct nebula_request){.text = "put 1 7", .is_idempotent = true});
    rig_pass(&r, 20 * MS);
    assert_int_equal(server_applied(r.server, 7), 1);
    nebula_cancel(r.nebula, ticket);
    assert_int_equal(rig_await(&r, ticket, &reply), ERROR_CANCELLED);
    assert_int_equal(reply.outcome, OUTCOME_IN_DOUBT);
    assert_int_equal(reply.attempts, 2);
    rig_end(&r);
}

/* The answer was that of the copy, which is gone: an address sanitizer sees who looks at it. */
static void who_pauses_has_no_answer_of_a_copy(void **unused)
{
    (void)unused;
    struct rig r;
    struct nebula_reply reply;
    rig_begin(&r);
    r.spec.policy.tries = 5;
    r.spec.policy.budget_least = 1;
    r.spec.policy.pause_us = r.spec.policy.pause_max_us = 100 * MS;
    rig_open(&r);
    int64_t lease = rig_lease(&r);
    rig_hold_for(&r, MS);
    rig_release(&r, lease);
    struct nebula_rules rules = fixed;
    rules.again.jitter = NEBULA_JITTER_NONE;
    ruled_say(&r, rules);
    server_odds(r.server, FAULT_LOST_BEFORE, 1000);
    int32_t ticket = ruled_ask(&r, twice);
    rig_pass(&r, 50 * MS);
    nebula_cancel(r.nebula, ticket);
    assert_int_equal(rig_await(&r, ticket, &reply), ERROR_CANCELLED);
    assert_int_equal(reply.attempts, 2);
    server_calm(r.server);
    rig_end(&r);
}

static void where_one_would_have_to_be_opened_none_goes(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    rig_open(&r);
    rig_hold_for(&r, MS);
    ruled_say(&r, fixed);
    server_pace(r.server, 200 * MS);
    assert_int_equal(rig_await(&r, ruled_ask(&r, twice), NULL), ERROR_OK);
    assert_int_equal(pool_all(rig_pool(&r)), 1);
    for (int i = 0; i < REFUSALS; i++) /* nor has one stood in the queue */
        assert_int_equal(rig_pool(&r)->stats.refused[i], 0);
    rig_end(&r);
}

/* Whoever says that it is to be tried again does not know that the first one is with its driver still. */
static void what_is_with_a_driver_is_not_tried_again(void **unused)
{
    (void)unused;
    struct rig r;
    struct nebula_question q;
    struct nebula_rules rules = fixed;
    rules.asks = 1U << NEBULA_ASK_FAILURE;
    rig_begin(&r);
    r.spec.policy.tries = 3;
    r.spec.policy.budget_least = 10;
    r.spec.policy.pause_us = r.spec.policy.pause_max_us = MS;
    rig_open(&r);
    int64_t lease = rig_lease(&r);
    rig_hold_for(&r, MS);
    rig_release(&r, lease);
    ruled_say(&r, rules);
    server_order(r.server, FAULT_STUCK);
    server_order(r.server, FAULT_ERROR);
    server_order(r.server, FAULT_CANCEL_MUTE);
    int32_t ticket = ruled_ask(&r, twice);
    rig_pass(&r, 60 * MS);
    assert_true(nebula_question(r.nebula, &q));
    assert_int_equal(q.ticket, ticket);
    assert_int_equal(nebula_answer(r.nebula, ticket, 1, NEBULA_CLASS_USUAL), 0);
    assert_int_equal(rig_await(&r, ticket, NULL), ERROR_QUERY);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_takes_too_long_has_a_copy_whose_answer_counts),
        cmocka_unit_test(what_is_fast_has_none),
        cmocka_unit_test(what_may_not_be_done_twice_has_none),
        cmocka_unit_test(the_first_one_may_still_win),
        cmocka_unit_test(where_no_connection_is_there_at_once_none_goes),
        cmocka_unit_test(one_that_waits_for_its_connection_has_none),
        cmocka_unit_test(copies_have_a_budget),
        cmocka_unit_test(one_that_finds_no_connection_costs_nothing),
        cmocka_unit_test(one_that_fails_is_followed_at_once_and_the_last_failure_counts),
        cmocka_unit_test(what_fails_for_good_is_the_answer),
        cmocka_unit_test(at_the_deadline_all_of_them_are_over),
        cmocka_unit_test(who_is_cancelled_cancels_all_of_them),
        cmocka_unit_test(what_a_copy_may_have_done_stays_in_doubt),
        cmocka_unit_test(what_is_with_a_driver_is_not_tried_again),
        cmocka_unit_test(who_pauses_has_no_answer_of_a_copy),
        cmocka_unit_test(where_one_would_have_to_be_opened_none_goes),
        cmocka_unit_test(the_delay_may_be_a_quantile_of_what_calls_take),
    };
    return cmocka_run_group_tests_name("copies", tests, NULL, NULL);
}
