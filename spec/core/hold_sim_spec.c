/* Who holds a lease for too long is noted, and where it is declared so it is taken away, in virtual
 * time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/hold.h"
#include "sim/rig.h"

#define HOLD (300 * (int64_t)MS)

static void open_held(struct rig *r, bool is_reclaiming)
{
    rig_begin(r);
    r->spec.pool.hold_us = HOLD;
    r->spec.pool.is_reclaiming = is_reclaiming;
    rig_open(r);
}

static void expect_no_hold(struct rig *r)
{
    struct nebula_hold hold;
    assert_false(nebula_hold(r->nebula, &hold));
}

static struct nebula_hold expect_hold(struct rig *r, int64_t lease, int64_t held_us)
{
    struct nebula_hold hold;
    assert_true(nebula_hold(r->nebula, &hold));
    assert_int_equal(hold.lease, lease);
    assert_int_equal(hold.resource, r->shop);
    assert_in_range(hold.held_us, held_us, held_us + 10 * MS);
    return hold;
}

static void each_hold_is_told_once_and_again_when_it_is_twice_as_long(void **unused)
{
    (void)unused;
    struct rig r;
    open_held(&r, false);
    int64_t lease = rig_lease(&r);
    rig_pass(&r, 299 * MS);
    expect_no_hold(&r);
    rig_pass(&r, 5 * MS);
    struct nebula_hold hold = expect_hold(&r, lease, HOLD);
    assert_int_equal(hold.connection, rig_conn_of(&r, lease));
    assert_int_equal(hold.task, 0);
    assert_false(hold.is_reclaimed);
    assert_null(hold.place);
    expect_no_hold(&r);
    rig_pass(&r, 290 * MS);
    expect_no_hold(&r);
    rig_pass(&r, 15 * MS);
    expect_hold(&r, lease, 2 * HOLD);
    rig_pass(&r, 610 * MS);
    expect_hold(&r, lease, 4 * HOLD);
    assert_int_equal(rig_say(&r, lease, "add 1 1"), ERROR_OK); /* it is good all the same */
    rig_release(&r, lease);
    rig_pass(&r, 10 * SECOND);
    expect_no_hold(&r);
    assert_int_equal(rig_pool(&r)->stats.holds, 3);
    assert_int_equal(rig_pool(&r)->stats.reclaims, 0);
    rig_end(&r);
}

static void each_of_several_is_told_in_its_own_time(void **unused)
{
    (void)unused;
    struct rig r;
    open_held(&r, false);
    int64_t first = rig_lease(&r);
    rig_pass(&r, 200 * MS);
    int64_t second = rig_lease(&r);
    rig_pass(&r, 110 * MS);
    expect_hold(&r, first, HOLD);
    expect_no_hold(&r);
    rig_release(&r, first);
    rig_pass(&r, 200 * MS);
    expect_hold(&r, second, HOLD);
    expect_no_hold(&r);
    rig_end(&r);
}

static void short_ones_and_calls_are_nobody_s_business(void **unused)
{
    (void)unused;
    struct rig r;
    open_held(&r, false);
    for (int i = 0; i < 50; i++) {
        int64_t lease = rig_lease(&r);
        rig_pass(&r, 50 * MS);
        rig_release(&r, lease);
    }
    server_order(r.server, FAULT_STUCK);
    assert_int_equal(rig_say(&r, 0, "add 1 1"), ERROR_DEADLINE); /* has a bound of its own */
    rig_pass(&r, SECOND);
    expect_no_hold(&r);
    rig_end(&r);
}

static void it_tells_whose_it_is_and_where_it_was_taken(void **unused)
{
    (void)unused;
    struct rig r;
    open_held(&r, false);
    int32_t task = nebula_task_open(r.nebula, 0);
    nebula_task_enter(r.nebula, task);
    int64_t lease = rig_lease(&r);
    assert_int_equal(nebula_lease_place(r.nebula, lease, "flow.lua:12"), 0);
    const char *answer = nebula_ask(r.nebula, "{\"verb\":\"inspect\",\"name\":\"shop\"}");
    assert_non_null(strstr(answer, "\"place\":\"flow.lua:12\""));
    rig_pass(&r, 310 * MS);
    struct nebula_hold hold = expect_hold(&r, lease, HOLD);
    assert_int_equal(hold.task, task);
    assert_string_equal(hold.place, "flow.lua:12");
    rig_release(&r, lease);
    assert_int_equal(nebula_lease_place(r.nebula, lease, "flow.lua:13"), -ERROR_STALE);
    int64_t other = rig_lease(&r);
    rig_pass(&r, 310 * MS);
    assert_null(expect_hold(&r, other, HOLD).place); /* it was another one's */
    nebula_task_close(r.nebula, task);
    rig_end(&r);
}

static void whatever_is_under_way_on_it_the_next_one_finds_it_clean(void **unused)
{
    (void)unused;
    static const char *const left[] = {"get 7 7", "begin 7", "set 7", "rows 7 9"};
    for (size_t i = 0; i < COUNT(left); i++) {
        struct rig r;
        open_held(&r, true);
        r.spec.pool.max = 1;
        int64_t lease = rig_lease(&r);
        struct nebula_request request = {.lease = lease, .text = left[i], .window = 2};
        request.verb = i == 3 ? NEBULA_STREAM : NEBULA_RUN;
        assert_int_equal(rig_await(&r, rig_request(&r, request), NULL), ERROR_OK);
        rig_pass(&r, 320 * MS);
        assert_true(expect_hold(&r, lease, HOLD).is_reclaimed);
        assert_int_equal(rig_say(&r, lease, "get 7 7"), ERROR_STALE);
        assert_non_null(strstr(nebula_error(r.nebula), "taken away: it was held for 30"));
        assert_int_equal(nebula_release(r.nebula, lease, NEBULA_GOOD), -ERROR_STALE);
        assert_non_null(strstr(nebula_error(r.nebula), "taken away"));
        int64_t next = rig_lease(&r);
        assert_int_equal(rig_say(&r, next, "begin 8"), ERROR_OK); /* the server sees if it is not */
        rig_release(&r, next);
        assert_int_equal(rig_pool(&r)->stats.reclaims, 1);
        rig_end(&r);
    }
}

static void what_is_in_flight_is_hurried_and_ends_by_itself(void **unused)
{
    (void)unused;
    static const struct {
        enum fault statement, cancel;
        enum outcome outcome;
    } row[] = {{FAULT_STUCK, FAULT_NONE, OUTCOME_FAILED},
               {FAULT_MUTE, FAULT_CANCEL_MUTE, OUTCOME_IN_DOUBT}};
    for (size_t i = 0; i < COUNT(row); i++) {
        struct rig r;
        open_held(&r, true);
        int64_t lease = rig_lease(&r);
        server_order(r.server, row[i].statement);
        if (row[i].cancel != FAULT_NONE)
            server_order(r.server, row[i].cancel);
        struct nebula_request request = {
            .lease = lease, .text = "add 1 1", .within_us = 60 * SECOND};
        struct nebula_reply reply;
        int64_t begun_us = world_time_us();
        int32_t ticket = rig_request(&r, request);
        rig_come(&r, ticket);
        nebula_reply(r.nebula, ticket, &reply);
        assert_non_null(strstr(reply.text, "taken away: it was held for 30"));
        assert_int_not_equal(rig_await(&r, ticket, NULL), ERROR_OK);
        assert_int_equal(reply.outcome, row[i].outcome);
        assert_in_range(world_time_us() - begun_us, HOLD, HOLD + 2100 * MS);
        assert_int_equal(rig_say(&r, lease, "get 1 1"), ERROR_STALE);
        assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_OK);
        rig_end(&r);
    }
}

static void who_waits_gets_it(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    r.spec.pool.max = 1;
    r.spec.pool.hold_us = HOLD;
    r.spec.pool.is_reclaiming = true;
    rig_open(&r);
    rig_lease(&r);
    assert_int_equal(rig_ask(&r), 0);
    int64_t asked_us = world_time_us();
    assert_true(rig_lease_of(&r, rig_ticket(&r)) > 0);
    assert_in_range(world_time_us() - asked_us, HOLD, HOLD + 5 * MS);
    rig_end(&r);
}

/* More are counted, and not remembered for a host that never asks. */
static void a_host_that_never_asks_is_no_leak(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    r.spec.pool.max = 1;
    r.spec.pool.hold_us = POOL_LOOK_LEAST_US;
    r.spec.pool.is_reclaiming = true;
    rig_open(&r);
    for (int i = 0; i < HOLDS_MOST + 10; i++) {
        rig_lease(&r);
        rig_pass(&r, 110 * MS);
    }
    assert_int_equal(rig_pool(&r)->stats.holds, HOLDS_MOST + 10);
    assert_int_equal(r.engine->holds.count, HOLDS_MOST);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_hold_is_told_once_and_again_when_it_is_twice_as_long),
        cmocka_unit_test(each_of_several_is_told_in_its_own_time),
        cmocka_unit_test(short_ones_and_calls_are_nobody_s_business),
        cmocka_unit_test(it_tells_whose_it_is_and_where_it_was_taken),
        cmocka_unit_test(whatever_is_under_way_on_it_the_next_one_finds_it_clean),
        cmocka_unit_test(what_is_in_flight_is_hurried_and_ends_by_itself),
        cmocka_unit_test(who_waits_gets_it),
        cmocka_unit_test(a_host_that_never_asks_is_no_leak),
    };
    return cmocka_run_group_tests_name("hold", tests, NULL, NULL);
}
