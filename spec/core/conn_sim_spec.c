/* What becomes of a connection: opened or not, lost, cancelled, closed; and that nobody is hit by
 * what was meant for another one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "sim/rig.h"

/* --- opening ---------------------------------------------------------------------------------- */

static void who_does_not_wait_hears_why_a_connection_does_not_open(void **unused)
{
    (void)unused;
    static const struct {
        enum fault fault;
        enum error_code code;
    } row[] = {
        {FAULT_REFUSED, ERROR_UNREACHABLE},
        {FAULT_DENIED, ERROR_DENIED},
        {FAULT_FULL, ERROR_BUSY},
        {FAULT_NO_OPEN, ERROR_UNREACHABLE},
    };
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        struct rig r;
        rig_begin(&r);
        r.spec.pool.connect_us = 50 * MS;
        rig_open(&r);
        server_order(r.server, row[i].fault);
        assert_int_equal(nebula_lease(r.nebula, r.shop, 0, 0, true), 0);
        assert_int_equal(rig_await(&r, rig_ticket(&r), NULL), row[i].code);
        rig_end(&r);
    }
}

static void a_slow_connect_is_given_up_at_its_bound_and_tried_again(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    r.spec.pool.max = 1;
    r.spec.pool.connect_us = 50 * MS;
    rig_open(&r);
    server_order(r.server, FAULT_NO_OPEN);
    int64_t lease = rig_lease(&r);
    assert_int_equal(rig_conn_of(&r, lease), 2);
    rig_release(&r, lease);
    rig_end(&r);
}

/* --- losing ----------------------------------------------------------------------------------- */

static void what_is_lost_while_idle_is_not_lent(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    rig_open(&r);
    rig_release(&r, rig_lease(&r));
    server_crash(r.server, world_time_us());
    rig_pass(&r, 10 * MS);
    assert_int_equal(rig_count(&r, CONN_IDLE), 0);
    int64_t lease = rig_lease(&r);
    assert_int_equal(rig_conn_of(&r, lease), 2);
    rig_release(&r, lease);
    rig_end(&r);
}

static void a_lease_whose_connection_went_is_lost(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    rig_open(&r);
    int64_t lease = rig_lease(&r);
    server_crash(r.server, world_time_us());
    rig_pass(&r, 10 * MS);
    assert_int_equal(rig_call(&r, lease, "add 1 1"), -ERROR_LOST);
    assert_int_equal(nebula_release(r.nebula, lease, NEBULA_GOOD), -ERROR_STALE);
    int64_t next = rig_lease(&r);
    rig_release(&r, next);
    assert_int_equal(rig_call(&r, next, "add 1 1"), -ERROR_STALE);
    rig_end(&r);
}

static int64_t lose(struct rig *r)
{
    int64_t lease = rig_lease(r);
    server_crash(r->server, world_time_us());
    rig_pass(r, 10 * MS);
    return lease;
}

static void each_of_many_that_were_lost_one_after_the_other_hears_that_it_was(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    rig_open(&r);
    int64_t lease[20];
    for (int i = 0; i < 20; i++)
        lease[i] = lose(&r);
    for (int i = 0; i < 20; i++)
        assert_int_equal(rig_call(&r, lease[i], "add 1 1"), -ERROR_LOST);
    for (int i = 0; i < 20; i++)
        assert_int_equal(nebula_release(r.nebula, lease[i], NEBULA_GOOD), -ERROR_STALE);
    rig_end(&r);
}

static void what_was_lost_is_forgotten_once_it_is_given_back_or_its_task_ends(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    rig_open(&r);
    for (int i = 0; i < 500; i++) {
        int32_t task = nebula_task_open(r.nebula, 0);
        nebula_task_enter(r.nebula, task);
        int64_t lease = lose(&r);
        if (i % 2 == 0)
            assert_int_equal(nebula_release(r.nebula, lease, NEBULA_GOOD), -ERROR_STALE);
        nebula_task_close(r.nebula, task);
    }
    assert_true(rig_pool(&r)->engine->leases.size <= 32);
    rig_end(&r);
}

static void a_transaction_ends_with_its_connection(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    rig_open(&r);
    int64_t lease = rig_lease(&r);
    assert_int_equal(rig_say(&r, lease, "begin 1"), ERROR_OK);
    assert_int_equal(rig_say(&r, lease, "add 1 1"), ERROR_OK);
    server_order(r.server, FAULT_LOST_BEFORE);
    assert_int_equal(rig_say(&r, lease, "commit 1"), ERROR_LOST);
    rig_pass(&r, SECOND);
    assert_int_equal(server_total(r.server), 0);
    rig_end(&r);
}

static void one_that_died_silently_is_found_by_its_check(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    r.spec.pool.check_us = 10 * MS;
    r.spec.pool.connect_us = 100 * MS;
    rig_open(&r);
    server_odds(r.server, FAULT_LOST_SILENTLY, 1000);
    rig_release(&r, rig_lease(&r));
    server_odds(r.server, FAULT_LOST_SILENTLY, 0);
    server_order(r.server, FAULT_LOST_SILENTLY);
    rig_pass(&r, 6 * SECOND);
    assert_int_equal(server_sessions(r.server), 0);
    assert_int_equal(rig_count(&r, CONN_IDLE), 1); /* as far as we know */
    int64_t lease = rig_lease(&r);
    assert_true(lease > 0);
    assert_int_equal(rig_say(&r, lease, "get 1 1"), ERROR_OK);
    rig_release(&r, lease);
    rig_end(&r);
}

/* --- cancelling ------------------------------------------------------------------------------- */

/* A statement that is never answered is given up after 20 ms. The connection is CANCELLING then. */
static void give_up_on(struct rig *r, int64_t lease, enum fault fault, const char *text)
{
    server_order(r->server, fault);
    int32_t ticket =
        rig_request(r, (struct nebula_request){.lease = lease, .text = text, .within_us = 20 * MS});
    assert_int_equal(rig_await(r, ticket, NULL), ERROR_DEADLINE);
    assert_int_equal(rig_count(r, CONN_CANCELLING), 1);
}

static void a_cancelled_connection_is_used_again_when_all_has_ended(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    r.spec.pool.max = 1;
    rig_open(&r);
    give_up_on(&r, 0, FAULT_STUCK, "add 1 1");
    int64_t lease = rig_lease(&r);
    assert_int_equal(rig_conn_of(&r, lease), 1);
    rig_release(&r, lease);
    assert_int_equal(server_applied(r.server, 1), 0);
    rig_end(&r);
}

static void whose_statement_was_cut_short_hears_of_it_though_his_connection_went_on(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    r.spec.pool.max = 1;
    rig_open(&r);
    int64_t lease = rig_lease(&r);
    give_up_on(&r, lease, FAULT_STUCK, "add 1 1");
    int64_t next = lose(&r);
    assert_int_equal(rig_call(&r, next, "get 1 1"), -ERROR_LOST);
    assert_int_equal(rig_call(&r, lease, "get 1 1"), -ERROR_LOST);
    nebula_release(r.nebula, lease, NEBULA_GOOD);
    nebula_release(r.nebula, next, NEBULA_GOOD);
    rig_end(&r);
}

static void not_before_the_cancel_itself_has_returned(void **unused)
{
    (void)unused;
    for (int round = 0; round < 40; round++) {
        struct rig r;
        rig_begin(&r);
        r.spec.pool.max = 1;
        rig_open(&r);
        rig_release(&r, rig_lease(&r));
        server_order(r.server, FAULT_CANCEL_SLOW);
        int32_t ticket = rig_request(
            &r, (struct nebula_request){.text = "add 1 1", .within_us = 1 + round * 100});
        enum error_code code = (enum error_code)rig_await(&r, ticket, NULL);
        rig_pass(&r, 10 * MS); /* the reply is here, whatever it was */
        assert_int_equal(rig_count(&r, CONN_CANCELLING), code == ERROR_DEADLINE);
        rig_pass(&r, 4 * SECOND);
        rig_end(&r);
    }
}

static void a_late_cancel_never_hits_the_next_statement(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    r.spec.pool.max = 2;
    r.spec.policy.deadline_us = r.spec.policy.wait_us = 20 * SECOND;
    rig_open(&r);
    server_odds(r.server, FAULT_CANCEL_SLOW, 300);
    int hurried = 0;
    for (int i = 1; i <= 1000; i++) {
        char text[32];
        snprintf(text, sizeof text, "add %d %d", i, i);
        int32_t ticket = rig_request(
            &r, (struct nebula_request){.text = text, .within_us = i % 2 == 0 ? 2 * MS : 0});
        int32_t code = rig_await(&r, ticket, NULL);
        hurried += code == ERROR_DEADLINE;
        if (i % 2 != 0) /* nobody hurried this one, so nobody may have cancelled it */
            assert_int_equal(code, ERROR_OK);
    }
    assert_true(hurried > 100);
    rig_end(&r);
}

static void get_one_stuck(struct rig *r)
{
    server_order(r->server, FAULT_STUCK);
    server_order(r->server, FAULT_CANCEL_MUTE);
    int32_t ticket =
        rig_request(r, (struct nebula_request){.text = "add 1 1", .within_us = 20 * MS});
    assert_int_equal(rig_await(r, ticket, NULL), ERROR_DEADLINE);
}

static void a_cancel_that_does_not_return_costs_the_connection_after_two_seconds(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    rig_open(&r);
    get_one_stuck(&r);
    rig_pass(&r, 1990 * MS);
    assert_int_equal(rig_count(&r, CONN_CANCELLING), 1);
    rig_pass(&r, 20 * MS);
    assert_int_equal(server_wires(r.server, 0), 0);
    rig_end(&r);
}

static void one_that_is_stuck_keeps_nobody_from_another(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    rig_open(&r);
    get_one_stuck(&r);
    int64_t asked_us = world_time_us();
    assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_OK);
    assert_in_range(world_time_us() - asked_us, 1, POOL_TURN_US + 20 * MS);
    assert_int_equal(rig_count(&r, CONN_CANCELLING), 1);
    rig_end(&r);
}

static void nobody_impatient_waits_for_one_that_is_stuck(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    r.spec.pool.max = 1;
    r.spec.pool.is_fail_fast = true;
    rig_open(&r);
    get_one_stuck(&r);
    int64_t asked_us = world_time_us();
    assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_FULL); /* it might have come back soon */
    assert_in_range(world_time_us() - asked_us, 1, POOL_TURN_US + MS);
    asked_us = world_time_us();
    assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_FULL);
    assert_in_range(world_time_us() - asked_us, 0, MS);
    rig_end(&r);
}

static void a_cancelled_transaction_is_rolled_back_first(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    r.spec.pool.max = 1;
    rig_open(&r);
    int64_t lease = rig_lease(&r);
    assert_int_equal(rig_say(&r, lease, "begin 1"), ERROR_OK);
    assert_int_equal(rig_say(&r, lease, "add 1 1"), ERROR_OK);
    give_up_on(&r, lease, FAULT_STUCK, "add 1 2");
    assert_int_equal(rig_call(&r, lease, "commit 1"), -ERROR_LOST);
    lease = rig_lease(&r);
    assert_int_equal(rig_conn_of(&r, lease), 1);
    assert_int_equal(rig_say(&r, lease, "begin 2"), ERROR_OK);
    rig_release(&r, lease);
    rig_pass(&r, SECOND);
    assert_int_equal(server_total(r.server), 0);
    rig_end(&r);
}

static void a_driver_that_cannot_cancel_closes(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    r.spec.driver = "sim_plain";
    rig_open(&r);
    server_order(r.server, FAULT_STUCK);
    int32_t ticket =
        rig_request(&r, (struct nebula_request){.text = "add 1 1", .within_us = 20 * MS});
    assert_int_equal(rig_await(&r, ticket, NULL), ERROR_DEADLINE);
    rig_pass(&r, 20 * MS);
    assert_int_equal(server_wires(r.server, 0), 0);
    rig_end(&r);
}

/* --- stopping --------------------------------------------------------------------------------- */

static void stopping_closes_what_is_idle_at_once_and_leases_at_the_bound(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    rig_open(&r);
    int64_t lease = rig_lease(&r);
    rig_release(&r, rig_lease(&r));
    nebula_stop(r.nebula, world_time_us() + 100 * MS);
    rig_pass(&r, 10 * MS);
    assert_int_equal(server_wires(r.server, 0), 1);
    assert_int_equal(rig_say(&r, lease, "add 1 1"), ERROR_OK);
    assert_int_equal(rig_ask(&r), -ERROR_CLOSED);
    rig_pass(&r, 100 * MS);
    assert_int_equal(server_wires(r.server, 0), 0);
    assert_int_equal(rig_call(&r, lease, "add 1 1"), -ERROR_LOST);
    rig_end(&r);
}

static void closing_an_engine_takes_all_with_it(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    r.spec.pool.max = 4;
    r.spec.pool.min = 3;
    rig_open(&r);
    int64_t lease = rig_lease(&r);
    rig_call(&r, lease, "get 1 9");
    server_order(r.server, FAULT_STUCK);
    rig_call(&r, 0, "add 1 1");
    server_order(r.server, FAULT_NO_OPEN);
    nebula_start(r.nebula, r.shop);
    nebula_sleep(r.nebula, SECOND);
    nebula_wait(r.nebula);
    for (int i = 0; i < 5; i++)
        rig_ask(&r);
    rig_pass(&r, MS);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_does_not_wait_hears_why_a_connection_does_not_open),
        cmocka_unit_test(a_slow_connect_is_given_up_at_its_bound_and_tried_again),
        cmocka_unit_test(what_is_lost_while_idle_is_not_lent),
        cmocka_unit_test(a_lease_whose_connection_went_is_lost),
        cmocka_unit_test(each_of_many_that_were_lost_one_after_the_other_hears_that_it_was),
        cmocka_unit_test(what_was_lost_is_forgotten_once_it_is_given_back_or_its_task_ends),
        cmocka_unit_test(a_transaction_ends_with_its_connection),
        cmocka_unit_test(one_that_died_silently_is_found_by_its_check),
        cmocka_unit_test(a_cancelled_connection_is_used_again_when_all_has_ended),
        cmocka_unit_test(whose_statement_was_cut_short_hears_of_it_though_his_connection_went_on),
        cmocka_unit_test(not_before_the_cancel_itself_has_returned),
        cmocka_unit_test(a_late_cancel_never_hits_the_next_statement),
        cmocka_unit_test(a_cancel_that_does_not_return_costs_the_connection_after_two_seconds),
        cmocka_unit_test(one_that_is_stuck_keeps_nobody_from_another),
        cmocka_unit_test(nobody_impatient_waits_for_one_that_is_stuck),
        cmocka_unit_test(a_cancelled_transaction_is_rolled_back_first),
        cmocka_unit_test(a_driver_that_cannot_cancel_closes),
        cmocka_unit_test(stopping_closes_what_is_idle_at_once_and_leases_at_the_bound),
        cmocka_unit_test(closing_an_engine_takes_all_with_it),
    };
    return cmocka_run_group_tests_name("connection", tests, NULL, NULL);
}
