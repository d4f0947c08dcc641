/* What a call promises: its deadline, its one outcome, and that only what is safe is repeated. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "sim/rig.h"

#define PLENTY 100 /* of retry budget */

/* A rig whose calls may be tried again without much pause. */
static void begin_retrying(struct rig *r, int32_t tries)
{
    rig_begin(r);
    r->spec.policy.tries = tries;
    r->spec.policy.pause_us = 5 * MS;
    r->spec.policy.pause_max_us = 20 * MS;
    r->spec.policy.budget = PLENTY;
    r->spec.policy.budget_least = PLENTY;
}

/* Asks for text, once, and says how it ended. */
static struct nebula_reply ask(struct rig *r, const char *text, bool is_idempotent)
{
    struct nebula_reply reply;
    int32_t ticket =
        rig_request(r, (struct nebula_request){.text = text, .is_idempotent = is_idempotent});
    rig_await(r, ticket, &reply);
    return reply;
}

/* --- outcomes --------------------------------------------------------------------------------- */

static void each_fault_has_its_outcome(void **unused)
{
    (void)unused;
    static const struct {
        enum fault fault;
        enum error_code code;
        enum outcome outcome;
        int applied;
    } row[] = {
        {FAULT_NONE, ERROR_OK, OUTCOME_OK, 1},
        {FAULT_ERROR, ERROR_QUERY, OUTCOME_FAILED, 0},
        {FAULT_CONFLICT, ERROR_CONFLICT, OUTCOME_FAILED, 0},
        {FAULT_UNSENT, ERROR_LOST, OUTCOME_FAILED, 0},
        {FAULT_LOST_BEFORE, ERROR_LOST, OUTCOME_IN_DOUBT, 0},
        {FAULT_LOST_AFTER, ERROR_LOST, OUTCOME_IN_DOUBT, 1},
        {FAULT_UNREADABLE, ERROR_MEMORY, OUTCOME_IN_DOUBT, 1},
        {FAULT_STUCK, ERROR_DEADLINE, OUTCOME_IN_DOUBT, 0},
        {FAULT_MUTE, ERROR_DEADLINE, OUTCOME_IN_DOUBT, 1},
        {FAULT_REFUSED, ERROR_UNREACHABLE, OUTCOME_FAILED, 0},
        {FAULT_FULL, ERROR_BUSY, OUTCOME_FAILED, 0},
        {FAULT_DENIED, ERROR_DENIED, OUTCOME_FAILED, 0},
        {FAULT_NO_OPEN, ERROR_WAIT, OUTCOME_FAILED, 0},
    };
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        struct rig r;
        rig_begin(&r);
        rig_open(&r);
        bool is_of_open = row[i].fault != FAULT_NONE && row[i].fault <= FAULT_NO_OPEN;
        server_odds(r.server, row[i].fault, is_of_open ? 1000 : 0);
        if (!is_of_open && row[i].fault != FAULT_NONE)
            server_order(r.server, row[i].fault);
        struct nebula_reply reply = ask(&r, "add 1 1", false);
        assert_int_equal(reply.code, row[i].code);
        assert_int_equal(reply.outcome, row[i].outcome);
        assert_int_equal(server_applied(r.server, 1), row[i].applied);
        rig_end(&r);
    }
}

/* --- deadlines -------------------------------------------------------------------------------- */

static void the_caller_is_answered_at_his_deadline(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    rig_open(&r);
    server_order(r.server, FAULT_STUCK);
    int64_t asked_us = world_time_us();
    int32_t ticket =
        rig_request(&r, (struct nebula_request){.text = "add 1 1", .within_us = 70 * MS});
    assert_int_equal(rig_await(&r, ticket, NULL), ERROR_DEADLINE);
    assert_in_range(world_time_us() - asked_us, 70 * MS, 72 * MS);
    rig_end(&r);
}

static void no_later_than_his_tasks_deadline(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    rig_open(&r);
    int64_t asked_us = world_time_us();
    nebula_task_enter(r.nebula, nebula_task_open(r.nebula, 0));
    nebula_task_deadline(r.nebula, asked_us + 30 * MS);
    server_order(r.server, FAULT_STUCK);
    assert_int_equal(rig_say(&r, 0, "add 1 1"), ERROR_DEADLINE);
    assert_in_range(world_time_us() - asked_us, 30 * MS, 32 * MS);
    rig_pass(&r, 10 * MS);
    assert_int_equal(rig_call(&r, 0, "add 1 2"), -ERROR_DEADLINE); /* nothing is begun after it */
    rig_end(&r);
}

static void only_a_part_of_it_may_pass_in_the_queue(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    r.spec.pool.max = 1;
    r.spec.policy.wait_us = 80 * MS;
    rig_open(&r);
    int64_t lease = rig_lease(&r), asked_us = world_time_us();
    struct nebula_reply reply = ask(&r, "add 1 1", false);
    assert_int_equal(reply.code, ERROR_WAIT);
    assert_int_equal(reply.attempts, 0);
    assert_in_range(world_time_us() - asked_us, 80 * MS, 82 * MS);
    rig_release(&r, lease);
    rig_pass(&r, SECOND);
    assert_int_equal(server_applied(r.server, 1), 0);
    rig_end(&r);
}

/* --- what is repeated ------------------------------------------------------------------------- */

static void what_was_proven_not_applied_is_repeated(void **unused)
{
    (void)unused;
    static const enum fault fault[] = {FAULT_UNSENT, FAULT_CONFLICT};
    for (size_t i = 0; i < sizeof fault / sizeof *fault; i++) {
        struct rig r;
        begin_retrying(&r, 3);
        rig_open(&r);
        server_order(r.server, fault[i]);
        server_order(r.server, fault[i]);
        struct nebula_reply reply = ask(&r, "add 1 1", false);
        assert_int_equal(reply.code, ERROR_OK);
        assert_int_equal(reply.attempts, 3);
        assert_int_equal(server_applied(r.server, 1), 1);
        rig_end(&r);
    }
}

static void what_is_in_doubt_is_not(void **unused)
{
    (void)unused;
    struct rig r;
    begin_retrying(&r, 3);
    rig_open(&r);
    server_order(r.server, FAULT_LOST_BEFORE);
    struct nebula_reply reply = ask(&r, "add 1 1", false);
    assert_int_equal(reply.outcome, OUTCOME_IN_DOUBT);
    assert_int_equal(reply.attempts, 1);
    rig_end(&r);
}

static void unless_doing_it_twice_does_no_harm(void **unused)
{
    (void)unused;
    struct rig r;
    begin_retrying(&r, 3);
    rig_open(&r);
    server_order(r.server, FAULT_LOST_AFTER);
    struct nebula_reply reply = ask(&r, "put 1 1", true);
    assert_int_equal(reply.code, ERROR_OK);
    assert_int_equal(reply.attempts, 2);
    rig_end(&r);
}

static void what_was_in_doubt_once_does_not_become_proven_by_failing_again(void **unused)
{
    (void)unused;
    struct rig r;
    begin_retrying(&r, 2);
    rig_open(&r);
    server_order(r.server, FAULT_LOST_AFTER);
    server_order(r.server, FAULT_UNSENT);
    struct nebula_reply reply = ask(&r, "put 1 1", true);
    assert_int_equal(reply.code, ERROR_LOST);
    assert_int_equal(reply.outcome, OUTCOME_IN_DOUBT);
    rig_end(&r);
}

static void a_mistake_is_not_repeated(void **unused)
{
    (void)unused;
    struct rig r;
    begin_retrying(&r, 3);
    rig_open(&r);
    struct nebula_reply reply = ask(&r, "fail 1 1", true);
    assert_int_equal(reply.code, ERROR_QUERY);
    assert_int_equal(reply.attempts, 1);
    rig_end(&r);
}

static void nothing_on_a_lease_is_repeated(void **unused)
{
    (void)unused;
    struct rig r;
    begin_retrying(&r, 3);
    rig_open(&r);
    int64_t lease = rig_lease(&r);
    server_order(r.server, FAULT_CONFLICT);
    assert_int_equal(rig_say(&r, lease, "add 1 1"), ERROR_CONFLICT);
    assert_int_equal(server_heard(r.server), 1);
    rig_release(&r, lease);
    rig_end(&r);
}

static void not_more_often_than_the_policy_says(void **unused)
{
    (void)unused;
    struct rig r;
    begin_retrying(&r, 4);
    rig_open(&r);
    server_odds(r.server, FAULT_UNSENT, 1000);
    struct nebula_reply reply = ask(&r, "add 1 1", false);
    assert_int_equal(reply.code, ERROR_LOST);
    assert_int_equal(reply.outcome, OUTCOME_FAILED);
    assert_int_equal(reply.attempts, 4);
    rig_end(&r);
}

static void nor_past_the_deadline(void **unused)
{
    (void)unused;
    struct rig r;
    begin_retrying(&r, 1000);
    r.spec.policy.pause_us = r.spec.policy.pause_max_us = 100 * MS;
    rig_open(&r);
    server_odds(r.server, FAULT_CONFLICT, 1000);
    int64_t asked_us = world_time_us();
    struct nebula_reply reply = ask(&r, "add 1 1", false);
    assert_int_equal(reply.outcome, OUTCOME_FAILED);
    assert_true(reply.attempts > 3);
    assert_true(world_time_us() - asked_us <= SECOND + 2 * MS);
    rig_end(&r);
}

static void nor_beyond_the_budget_of_the_resource(void **unused)
{
    (void)unused;
    struct rig r;
    begin_retrying(&r, 5);
    r.spec.policy.budget = 0;
    r.spec.policy.budget_least = 2;
    rig_open(&r);
    server_odds(r.server, FAULT_CONFLICT, 1000);
    int32_t attempts = 0;
    for (int i = 0; i < 20; i++)
        attempts += ask(&r, "add 1 1", false).attempts;
    assert_in_range(attempts, 22, 23); /* 20 and what one second allows */
    rig_end(&r);
}

static void a_budget_grows_with_the_calls(void **unused)
{
    (void)unused;
    struct rig r;
    begin_retrying(&r, 2);
    r.spec.policy.budget = 10;
    r.spec.policy.budget_least = 0;
    rig_open(&r);
    for (int i = 0; i < 20; i++)
        assert_int_equal(ask(&r, "get 1 1", false).code, ERROR_OK);
    server_odds(r.server, FAULT_CONFLICT, 1000);
    int32_t attempts = 0;
    for (int i = 0; i < 10; i++)
        attempts += ask(&r, "add 1 1", false).attempts;
    assert_int_equal(attempts, 10 + 3); /* a tenth of 30 */
    rig_end(&r);
}

/* --- giving up -------------------------------------------------------------------------------- */

static void a_cancelled_call_is_in_doubt_once_it_was_sent(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    r.spec.pool.max = 1;
    rig_open(&r);
    int32_t sent = rig_call(&r, 0, "add 1 1");
    rig_release(&r, rig_lease(&r)); /* after it in the queue: so it was answered */
    assert_int_equal(rig_await(&r, sent, NULL), ERROR_OK);
    server_order(r.server, FAULT_STUCK);
    sent = rig_call(&r, 0, "add 1 2");
    int32_t queued = rig_call(&r, 0, "add 1 3");
    rig_pass(&r, 10 * MS);
    nebula_cancel(r.nebula, sent);
    nebula_cancel(r.nebula, queued);
    struct nebula_reply reply;
    assert_int_equal(rig_await(&r, sent, &reply), ERROR_CANCELLED);
    assert_int_equal(reply.outcome, OUTCOME_IN_DOUBT);
    assert_int_equal(rig_await(&r, queued, &reply), ERROR_CANCELLED);
    assert_int_equal(reply.outcome, OUTCOME_FAILED);
    rig_pass(&r, SECOND);
    assert_int_equal(rig_count(&r, CONN_IDLE), 1);
    assert_int_equal(server_total(r.server), 1);
    rig_end(&r);
}

static void the_calls_of_a_closed_task_vanish(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    rig_open(&r);
    int32_t task = nebula_task_open(r.nebula, 0);
    nebula_task_enter(r.nebula, task);
    server_order(r.server, FAULT_STUCK);
    int32_t ticket = rig_call(&r, 0, "add 1 1");
    rig_pass(&r, 10 * MS);
    nebula_task_close(r.nebula, task);
    rig_pass(&r, 3 * SECOND);
    assert_false(rig_is_answered(&r, ticket));
    assert_int_equal(rig_count(&r, CONN_IDLE), 1);
    rig_end(&r);
}

static void a_cancelled_task_begins_nothing_but_may_clean_up(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    rig_open(&r);
    int32_t task = nebula_task_open(r.nebula, 0);
    nebula_task_enter(r.nebula, task);
    int32_t ticket = rig_call(&r, 0, "add 1 1");
    nebula_task_cancel(r.nebula, task);
    assert_int_equal(rig_await(&r, ticket, NULL), ERROR_CANCELLED);
    assert_int_equal(rig_call(&r, 0, "add 1 2"), -ERROR_CANCELLED);
    assert_int_equal(rig_ask(&r), -ERROR_CANCELLED);
    nebula_task_grace(r.nebula, task, world_time_us() + SECOND);
    assert_int_equal(rig_say(&r, 0, "add 1 3"), ERROR_OK);
    rig_end(&r);
}

/* --- roles, and the end ----------------------------------------------------------------------- */

static void what_writes_is_done_by_the_writer(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    r.spec.roles = 2;
    r.spec.writer = 1;
    r.spec.role_name[1] = "writer";
    r.spec.role_max[1] = 1;
    rig_open(&r);
    server_writer(r.server, 1);
    struct nebula_reply reply = ask(&r, "add 1 1", false);
    assert_int_equal(reply.code, ERROR_OK);
    assert_int_equal(reply.role, 1);
    assert_int_equal(reply.attempts, 1);
    assert_int_equal(ask(&r, "get 1 1", false).role, 0);
    rig_end(&r);
}

static void a_stopping_engine_begins_nothing_and_lets_calls_end(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    rig_open(&r);
    assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_OK);
    int32_t quick = rig_call(&r, 0, "add 1 1");
    server_order(r.server, FAULT_STUCK);
    int32_t stuck = rig_call(&r, 0, "add 1 2");
    rig_pass(&r, 10 * MS);
    int64_t stop_us = world_time_us();
    nebula_stop(r.nebula, stop_us + 200 * MS);
    assert_int_equal(rig_await(&r, quick, NULL), ERROR_OK);
    assert_int_equal(rig_say(&r, 0, "add 1 3"), ERROR_CLOSED);
    struct nebula_reply reply;
    rig_await(&r, stuck, &reply);
    assert_int_equal(reply.outcome, OUTCOME_IN_DOUBT);
    assert_in_range(world_time_us() - stop_us, 200 * MS, 210 * MS);
    rig_pass(&r, 10 * MS);
    assert_true(nebula_is_stopped(r.nebula));
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_fault_has_its_outcome),
        cmocka_unit_test(the_caller_is_answered_at_his_deadline),
        cmocka_unit_test(no_later_than_his_tasks_deadline),
        cmocka_unit_test(only_a_part_of_it_may_pass_in_the_queue),
        cmocka_unit_test(what_was_proven_not_applied_is_repeated),
        cmocka_unit_test(what_is_in_doubt_is_not),
        cmocka_unit_test(unless_doing_it_twice_does_no_harm),
        cmocka_unit_test(what_was_in_doubt_once_does_not_become_proven_by_failing_again),
        cmocka_unit_test(a_mistake_is_not_repeated),
        cmocka_unit_test(nothing_on_a_lease_is_repeated),
        cmocka_unit_test(not_more_often_than_the_policy_says),
        cmocka_unit_test(nor_past_the_deadline),
        cmocka_unit_test(nor_beyond_the_budget_of_the_resource),
        cmocka_unit_test(a_budget_grows_with_the_calls),
        cmocka_unit_test(a_cancelled_call_is_in_doubt_once_it_was_sent),
        cmocka_unit_test(the_calls_of_a_closed_task_vanish),
        cmocka_unit_test(a_cancelled_task_begins_nothing_but_may_clean_up),
        cmocka_unit_test(what_writes_is_done_by_the_writer),
        cmocka_unit_test(a_stopping_engine_begins_nothing_and_lets_calls_end),
    };
    return cmocka_run_group_tests_name("call", tests, NULL, NULL);
}
