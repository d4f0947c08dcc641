/* What the pool promises to those who take, each promise as a scenario in virtual time: how many
 * connections, and in which order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "sim/rig.h"

/* --- how many --------------------------------------------------------------------------------- */

static void start_warms_the_minimum_which_stays_without_traffic(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    r.spec.pool.min = 2;
    r.spec.pool.max = 4;
    r.spec.pool.idle_us = 100 * MS;
    r.spec.pool.life_us = 700 * MS;
    rig_open(&r);
    assert_int_equal(rig_await(&r, nebula_start(r.nebula, r.shop), NULL), ERROR_OK);
    assert_int_equal(rig_count(&r, CONN_IDLE), 2);
    rig_pass(&r, 10 * SECOND);
    assert_int_equal(rig_count(&r, CONN_IDLE), 2);
    assert_true(server_opened(r.server) > 20); /* lives ended and others began */
    rig_end(&r);
}

static void a_lost_connection_of_the_minimum_is_replaced(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    r.spec.pool.min = 2;
    rig_open(&r);
    rig_await(&r, nebula_start(r.nebula, r.shop), NULL);
    server_crash(r.server, world_time_us() + 300 * MS);
    rig_pass(&r, 100 * MS);
    assert_int_equal(rig_count(&r, CONN_IDLE), 0);
    rig_pass(&r, 5 * SECOND);
    assert_int_equal(rig_count(&r, CONN_IDLE), 2);
    rig_end(&r);
}

static void there_are_never_more_than_max(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    r.spec.pool.max = 3;
    r.spec.pool.connecting = 8;
    rig_open(&r);
    server_cap(r.server, 0, 3);
    int32_t ticket[8];
    for (int i = 0; i < 8; i++) {
        assert_int_equal(rig_ask(&r), 0);
        ticket[i] = rig_ticket(&r);
    }
    rig_pass(&r, 100 * MS);
    assert_int_equal(rig_count(&r, CONN_LEASED), 3);
    assert_int_equal(server_wires(r.server, 0), 3);
    for (int i = 0; i < 8; i++)
        rig_release(&r, rig_lease_of(&r, ticket[i]));
    rig_end(&r);
}

static void no_more_than_so_many_connect_at_once(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    r.spec.pool.max = 6;
    r.spec.pool.connecting = 2;
    rig_open(&r);
    server_cap(r.server, 0, 2);
    for (int i = 0; i < 2; i++)
        server_order(r.server, FAULT_NO_OPEN);
    for (int i = 0; i < 6; i++)
        assert_int_equal(rig_ask(&r), 0);
    rig_pass(&r, 900 * MS);
    assert_int_equal(rig_count(&r, CONN_OPENING), 2);
    rig_end(&r);
}

/* --- in which order --------------------------------------------------------------------------- */

static void waiters_are_served_in_the_order_of_arrival(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    r.spec.pool.max = 1;
    rig_open(&r);
    int64_t lease = rig_lease(&r);
    int32_t ticket[5];
    for (int i = 0; i < 5; i++) {
        assert_int_equal(rig_ask(&r), 0);
        ticket[i] = rig_ticket(&r);
        rig_pass(&r, MS);
    }
    for (int i = 0; i < 5; i++) {
        rig_release(&r, lease);
        rig_pass(&r, 0);
        for (int k = i; k < 5; k++)
            assert_int_equal(rig_is_answered(&r, ticket[k]), k == i);
        lease = rig_lease_of(&r, ticket[i]);
    }
    rig_release(&r, lease);
    rig_end(&r);
}

static void a_newcomer_does_not_overtake_who_waits(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    r.spec.pool.max = 1;
    rig_open(&r);
    int64_t lease = rig_lease(&r);
    assert_int_equal(rig_ask(&r), 0);
    int32_t first = rig_ticket(&r);
    rig_release(&r, lease); /* handed over at once */
    assert_int_equal(rig_ask(&r), 0);
    int32_t second = rig_ticket(&r);
    rig_release(&r, rig_lease_of(&r, first));
    rig_release(&r, rig_lease_of(&r, second));
    rig_end(&r);
}

static void a_waiter_waits_no_longer_than_his_deadline(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    r.spec.pool.max = 1;
    rig_open(&r);
    int64_t lease = rig_lease(&r), asked_us = world_time_us();
    assert_int_equal(nebula_lease(r.nebula, r.shop, 0, 50 * MS, false), 0);
    assert_int_equal(rig_await(&r, rig_ticket(&r), NULL), ERROR_WAIT);
    assert_in_range(world_time_us() - asked_us, 50 * MS, 52 * MS);
    /* That of his task is another: it is over with him, not with the queue. */
    int64_t before_us = nebula_task_deadline(r.nebula, world_time_us() + 20 * MS);
    assert_int_equal(nebula_lease(r.nebula, r.shop, 0, 50 * MS, false), 0);
    assert_int_equal(rig_await(&r, rig_ticket(&r), NULL), ERROR_DEADLINE);
    nebula_task_deadline(r.nebula, before_us);
    rig_release(&r, lease);
    assert_int_equal(rig_count(&r, CONN_IDLE), 1);
    rig_end(&r);
}

static void one_waiter_more_than_the_queue_holds_is_refused(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    r.spec.pool.max = 1;
    r.spec.pool.queue = 2;
    rig_open(&r);
    int64_t lease = rig_lease(&r);
    assert_int_equal(rig_ask(&r), 0);
    assert_int_equal(rig_ask(&r), 0);
    assert_int_equal(rig_ask(&r), -ERROR_FULL);
    rig_release(&r, lease);
    rig_end(&r);
}

static void who_waits_for_a_connection_on_its_way_does_not_queue(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    r.spec.pool.max = 2;
    r.spec.pool.queue = 0;
    rig_open(&r);
    assert_int_equal(rig_ask(&r), 0);
    int32_t first = rig_ticket(&r);
    assert_int_equal(rig_ask(&r), 0);
    int32_t second = rig_ticket(&r);
    assert_int_equal(rig_ask(&r), -ERROR_FULL);
    int64_t a = rig_lease_of(&r, first), b = rig_lease_of(&r, second);
    assert_true(a > 0 && b > 0);
    assert_int_equal(rig_ask(&r), -ERROR_FULL);
    rig_release(&r, a);
    rig_release(&r, b);
    rig_end(&r);
}

static void who_fails_fast_does_not_queue(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    r.spec.pool.max = 1;
    rig_open(&r);
    assert_int_equal(nebula_lease(r.nebula, r.shop, 0, 0, true), 0); /* one is opened for him */
    int64_t lease = rig_lease_of(&r, rig_ticket(&r));
    assert_true(lease > 0);
    assert_int_equal(nebula_lease(r.nebula, r.shop, 0, 0, true), -ERROR_FULL);
    rig_release(&r, lease);
    lease = nebula_lease(r.nebula, r.shop, 0, 0, true);
    assert_true(lease > 0);
    rig_release(&r, lease);
    rig_end(&r);
}

/* Which of two connections is lent when both are idle, the last one used being `last`. */
static uint32_t lent_after(struct rig *r, uint32_t *last_out)
{
    int64_t a = rig_lease(r), b = rig_lease(r);
    *last_out = rig_conn_of(r, b);
    rig_release(r, a);
    rig_pass(r, MS);
    rig_release(r, b);
    int64_t next = rig_lease(r);
    uint32_t lent = rig_conn_of(r, next);
    rig_release(r, next);
    return lent;
}

static void the_last_one_used_is_lent_first(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    rig_open(&r);
    uint32_t last, lent = lent_after(&r, &last);
    assert_int_equal(lent, last);
    rig_end(&r);
}

static void or_the_one_that_was_idle_longest(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    r.spec.pool.is_fifo = true;
    rig_open(&r);
    uint32_t last, lent = lent_after(&r, &last);
    assert_int_not_equal(lent, last);
    rig_end(&r);
}

/* --- numbers ---------------------------------------------------------------------------------- */

static void numbers_begin_again_after_the_last_one(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    rig_open(&r);
    int64_t lease = rig_lease(&r);
    struct conn *c = lease_find(&r.engine->leases, lease);
    c->lease |= INT64_MAX & ~(LEASE_STEP - 1);
    int64_t last = c->lease;
    assert_int_equal(nebula_release(r.nebula, lease, NEBULA_GOOD), -ERROR_STALE);
    rig_release(&r, last);
    lease = rig_lease(&r);
    assert_true(lease > 0 && lease < last);
    assert_int_equal(nebula_release(r.nebula, last, NEBULA_GOOD), -ERROR_STALE);
    rig_release(&r, lease);
    rig_end(&r);
}

/* Not even by the number that it would have. */
static void what_a_call_was_lent_cannot_be_given_back(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    rig_open(&r);
    rig_release(&r, rig_lease(&r));
    int32_t ticket = rig_call(&r, 0, "check");
    const struct conn *c = rig_pool(&r)->conns.first;
    assert_int_equal(c->state, CONN_LEASED);
    assert_int_equal(nebula_release(r.nebula, c->lease, NEBULA_GOOD), -ERROR_STALE);
    assert_int_equal(rig_call(&r, c->lease, "check"), -ERROR_STALE);
    assert_int_equal(rig_await(&r, ticket, NULL), ERROR_OK);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(start_warms_the_minimum_which_stays_without_traffic),
        cmocka_unit_test(a_lost_connection_of_the_minimum_is_replaced),
        cmocka_unit_test(there_are_never_more_than_max),
        cmocka_unit_test(no_more_than_so_many_connect_at_once),
        cmocka_unit_test(waiters_are_served_in_the_order_of_arrival),
        cmocka_unit_test(a_newcomer_does_not_overtake_who_waits),
        cmocka_unit_test(a_waiter_waits_no_longer_than_his_deadline),
        cmocka_unit_test(one_waiter_more_than_the_queue_holds_is_refused),
        cmocka_unit_test(who_waits_for_a_connection_on_its_way_does_not_queue),
        cmocka_unit_test(who_fails_fast_does_not_queue),
        cmocka_unit_test(the_last_one_used_is_lent_first),
        cmocka_unit_test(or_the_one_that_was_idle_longest),
        cmocka_unit_test(numbers_begin_again_after_the_last_one),
        cmocka_unit_test(what_a_call_was_lent_cannot_be_given_back),
    };
    return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
