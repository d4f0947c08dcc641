/* Another connection for each, in virtual time: a share at a time, the minimum warm, never above
 * max, and nobody is cut off. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "sim/rig.h"

static void open_warm(struct rig *r, int32_t min, int32_t max)
{
    rig_begin(r);
    r->spec.pool.min = min;
    r->spec.pool.max = max;
    r->spec.pool.connecting = 4;
    rig_open(r);
    assert_int_equal(rig_await(r, nebula_start(r->nebula, r->shop), NULL), ERROR_OK);
    rig_pass(r, 100 * MS);
    assert_int_equal(rig_count(r, CONN_IDLE), min);
}

/* Whatever the moment, so many could be lent. */
static void pass_warm(struct rig *r, int64_t span_us, int32_t least)
{
    for (int64_t i = 0; i < span_us / MS; i++) {
        rig_pass(r, MS);
        assert_true(rig_count(r, CONN_IDLE) + rig_count(r, CONN_LEASED) >= least);
        assert_true(pool_all(rig_pool(r)) <= rig_pool(r)->size.max);
    }
}

static void a_share_leaves_at_a_time_and_the_minimum_stays_warm(void **unused)
{
    (void)unused;
    struct rig r;
    open_warm(&r, 4, 8);
    int64_t begun_us = world_time_us();
    int32_t ticket = nebula_reconnect(r.nebula, r.shop, 25, SECOND);
    pass_warm(&r, 900 * MS, 4);
    assert_int_equal(server_opened(r.server), 5);
    assert_int_equal(reconnect_left(rig_pool(&r)), 3);
    pass_warm(&r, 2000 * MS, 4);
    assert_false(rig_is_answered(&r, ticket));
    assert_int_equal(rig_await(&r, ticket, NULL), ERROR_OK);
    assert_in_range(world_time_us() - begun_us, 3 * SECOND, 3 * SECOND + 200 * MS);
    assert_int_equal(server_opened(r.server), 8);
    assert_int_equal(rig_pool(&r)->stats.retired, 4);
    rig_pass(&r, 10 * SECOND);
    assert_int_equal(server_opened(r.server), 8);
    rig_end(&r);
}

static void where_there_is_no_room_they_leave_one_by_one(void **unused)
{
    (void)unused;
    struct rig r;
    open_warm(&r, 4, 4);
    int32_t ticket = nebula_reconnect(r.nebula, r.shop, 100, 0);
    pass_warm(&r, SECOND, 3);
    assert_int_equal(rig_await(&r, ticket, NULL), ERROR_OK);
    assert_int_equal(server_opened(r.server), 8);
    rig_end(&r);
}

static void who_holds_one_keeps_it_and_nobody_gets_it_after(void **unused)
{
    (void)unused;
    struct rig r;
    open_warm(&r, 2, 2);
    int64_t lease = rig_lease(&r);
    uint32_t old = rig_conn_of(&r, lease);
    int32_t ticket = nebula_reconnect(r.nebula, r.shop, 100, 0);
    rig_pass(&r, SECOND);
    assert_int_equal(reconnect_left(rig_pool(&r)), 1);
    assert_int_equal(rig_say(&r, lease, "get 1 1"), ERROR_OK);
    assert_false(rig_is_answered(&r, ticket));
    int64_t other = rig_lease(&r);
    assert_true(rig_conn_of(&r, other) > 2);
    rig_release(&r, lease);
    rig_release(&r, other);
    assert_int_equal(rig_await(&r, ticket, NULL), ERROR_OK);
    rig_pass(&r, SECOND);
    assert_int_equal(rig_count(&r, CONN_IDLE), 2);
    for (int i = 0; i < 2; i++)
        assert_true(rig_conn_of(&r, rig_lease(&r)) != old);
    rig_end(&r);
}

static void what_is_being_opened_leaves_when_it_is_open(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    rig_open(&r);
    server_order(r.server, FAULT_SLOW_OPEN);
    assert_int_equal(rig_ask(&r), 0);
    int32_t waits = rig_ticket(&r);
    int32_t ticket = nebula_reconnect(r.nebula, r.shop, 100, 0);
    int64_t lease = rig_lease_of(&r, waits);
    assert_true(rig_conn_of(&r, lease) > 1);
    rig_release(&r, lease);
    rig_pass(&r, 2 * SECOND);
    assert_int_equal(rig_await(&r, ticket, NULL), ERROR_OK);
    rig_end(&r);
}

static void while_nothing_opens_nobody_leaves(void **unused)
{
    (void)unused;
    static const int32_t max[] = {4, 8};
    for (size_t i = 0; i < COUNT(max); i++) {
        struct rig r;
        open_warm(&r, 4, max[i]);
        server_odds(r.server, FAULT_REFUSED, 1000);
        int32_t ticket = nebula_reconnect(r.nebula, r.shop, 50, 100 * MS);
        pass_warm(&r, 5 * SECOND, 3);
        assert_false(rig_is_answered(&r, ticket));
        server_calm(r.server);
        pass_warm(&r, 3 * SECOND, 3);
        assert_int_equal(rig_await(&r, ticket, NULL), ERROR_OK);
        assert_int_equal(rig_count(&r, CONN_IDLE), 4);
        rig_end(&r);
    }
}

static void a_second_one_begins_anew_and_ends_both_tickets(void **unused)
{
    (void)unused;
    struct rig r;
    open_warm(&r, 2, 4);
    int32_t first = nebula_reconnect(r.nebula, r.shop, 50, SECOND);
    rig_pass(&r, 500 * MS);
    int32_t second = nebula_reconnect(r.nebula, r.shop, 100, 0);
    assert_int_equal(rig_await(&r, first, NULL), ERROR_OK);
    assert_int_equal(rig_await(&r, second, NULL), ERROR_OK);
    assert_int_equal(server_opened(r.server), 5); /* the new one left, too */
    rig_end(&r);
}

static void who_stops_waiting_stops_nothing(void **unused)
{
    (void)unused;
    struct rig r;
    open_warm(&r, 2, 4);
    int32_t ticket = nebula_reconnect(r.nebula, r.shop, 50, SECOND);
    nebula_cancel(r.nebula, ticket);
    assert_int_equal(rig_await(&r, ticket, NULL), ERROR_CANCELLED);
    nebula_task_deadline(r.nebula, world_time_us() + 100 * MS);
    ticket = nebula_reconnect(r.nebula, r.shop, 50, SECOND);
    nebula_task_deadline(r.nebula, 0);
    assert_int_equal(rig_await(&r, ticket, NULL), ERROR_DEADLINE);
    rig_pass(&r, 3 * SECOND);
    assert_true(reconnect_is_over(rig_pool(&r)));
    assert_int_equal(server_opened(r.server), 5);
    rig_end(&r);
}

static void there_is_nothing_to_wait_for_where_nothing_is(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    rig_open(&r);
    int32_t ticket = nebula_reconnect(r.nebula, r.shop, 25, SECOND);
    assert_int_equal(rig_await(&r, ticket, NULL), ERROR_OK);
    rig_release(&r, rig_lease(&r));
    ticket = nebula_reconnect(r.nebula, r.shop, 1, SECOND);
    assert_int_equal(rig_await(&r, ticket, NULL), ERROR_OK);
    assert_int_equal(rig_count(&r, CONN_IDLE), 0);
    rig_end(&r);
}

static void it_ends_with_the_engine(void **unused)
{
    (void)unused;
    struct rig r;
    open_warm(&r, 2, 2);
    int64_t lease = rig_lease(&r);
    int32_t ticket = nebula_reconnect(r.nebula, r.shop, 50, SECOND);
    nebula_stop(r.nebula, world_time_us() + SECOND);
    assert_int_equal(nebula_reconnect(r.nebula, r.shop, 50, SECOND), -ERROR_CLOSED);
    rig_release(&r, lease);
    assert_int_equal(rig_await(&r, ticket, NULL), ERROR_OK);
    rig_end(&r);
}

static void what_makes_no_sense_is_refused(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    r.spec.pool.max = 1;
    rig_open(&r);
    assert_int_equal(nebula_reconnect(r.nebula, r.shop + 1, 25, 0), -ERROR_USAGE);
    assert_int_equal(nebula_reconnect(r.nebula, r.shop, 0, 0), -ERROR_USAGE);
    assert_int_equal(nebula_reconnect(r.nebula, r.shop, 101, 0), -ERROR_USAGE);
    assert_int_equal(nebula_reconnect(r.nebula, r.shop, 25, -1), -ERROR_USAGE);
    assert_int_equal(nebula_reconnect(r.nebula, r.shop, 25, INT64_MAX), -ERROR_USAGE);
    struct nebula_spec memory = r.spec;
    memory.name = "memory";
    memory.is_data = true;
    int32_t number = nebula_declare(r.nebula, &memory);
    assert_int_equal(nebula_reconnect(r.nebula, number, 25, 0), -ERROR_USAGE);
    rig_end(&r);
}

/* Of the first role none is left, so that nothing is to be done there; of the second one is in use. */
static void it_is_over_when_all_roles_are(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    r.spec.roles = 2;
    r.spec.role_name[1] = "other";
    rig_open(&r);
    assert_int_equal(nebula_release(r.nebula, rig_lease(&r), NEBULA_SPOILED), 0);
    rig_pass(&r, 100 * MS);
    assert_int_equal(nebula_lease(r.nebula, r.shop, 1, 0, false), 0);
    int64_t lease = rig_lease_of(&r, rig_ticket(&r));
    int32_t ticket = nebula_reconnect(r.nebula, r.shop, 100, 0);
    rig_pass(&r, 100 * MS);
    assert_false(rig_is_answered(&r, ticket));
    rig_release(&r, lease);
    assert_int_equal(rig_await(&r, ticket, NULL), ERROR_OK);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_share_leaves_at_a_time_and_the_minimum_stays_warm),
        cmocka_unit_test(where_there_is_no_room_they_leave_one_by_one),
        cmocka_unit_test(who_holds_one_keeps_it_and_nobody_gets_it_after),
        cmocka_unit_test(what_is_being_opened_leaves_when_it_is_open),
        cmocka_unit_test(while_nothing_opens_nobody_leaves),
        cmocka_unit_test(a_second_one_begins_anew_and_ends_both_tickets),
        cmocka_unit_test(who_stops_waiting_stops_nothing),
        cmocka_unit_test(there_is_nothing_to_wait_for_where_nothing_is),
        cmocka_unit_test(it_is_over_when_all_roles_are),
        cmocka_unit_test(it_ends_with_the_engine),
        cmocka_unit_test(what_makes_no_sense_is_refused),
    };
    return cmocka_run_group_tests_name("reconnect", tests, NULL, NULL);
}
