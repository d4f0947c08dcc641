/* A resource runs empty, in virtual time: nobody new, nobody cut off before the bound, and back again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "sim/rig.h"

static void open_warm(struct rig *r)
{
    rig_begin(r);
    r->spec.pool.min = 2;
    rig_open(r);
    assert_int_equal(rig_await(r, nebula_start(r->nebula, r->shop), NULL), ERROR_OK);
}

static void shows(const struct rig *r, const char *text)
{
    const char *answer = nebula_ask(r->nebula, "{\"verb\":\"inspect\",\"name\":\"shop\"}");
    if (strstr(answer, text) == NULL)
        fail_msg("%s is not in %s", text, answer);
}

static void who_is_in_comes_to_his_end_and_nobody_new_gets_in(void **unused)
{
    (void)unused;
    struct rig r;
    open_warm(&r);
    int64_t lease = rig_lease(&r);
    int32_t ticket = nebula_drain(r.nebula, r.shop, 10 * SECOND);
    shows(&r, "\"state\":\"draining\"");
    rig_pass(&r, SECOND);
    assert_int_equal(rig_count(&r, CONN_IDLE), 0);
    assert_int_equal(rig_ask(&r), -ERROR_PAUSED);
    assert_int_equal(rig_say(&r, 0, "add 1 1"), ERROR_PAUSED);
    assert_int_equal(nebula_start(r.nebula, r.shop), -ERROR_PAUSED);
    assert_int_equal(rig_say(&r, lease, "add 2 2"), ERROR_OK);
    assert_false(rig_is_answered(&r, ticket));
    rig_release(&r, lease);
    assert_int_equal(rig_await(&r, ticket, NULL), ERROR_OK);
    assert_int_equal(server_wires(r.server, 0), 0);
    shows(&r, "\"state\":\"drained\"");
    rig_pass(&r, 20 * SECOND);
    assert_int_equal(pool_all(rig_pool(&r)), 0); /* nothing is kept warm */
    assert_int_equal(rig_ask(&r), -ERROR_PAUSED);
    assert_int_equal(nebula_resume(r.nebula, r.shop), 0);
    assert_int_equal(rig_say(&r, 0, "add 3 3"), ERROR_OK);
    rig_pass(&r, SECOND);
    assert_int_equal(rig_count(&r, CONN_IDLE), 2);
    shows(&r, "\"state\":\"ready\"");
    rig_end(&r);
}

static void who_waits_already_is_served(void **unused)
{
    (void)unused;
    struct rig r;
    open_warm(&r);
    int64_t lease[2] = {rig_lease(&r), rig_lease(&r)};
    int32_t call = rig_call(&r, 0, "add 1 1");
    int32_t ticket = nebula_drain(r.nebula, r.shop, 10 * SECOND);
    rig_pass(&r, 100 * MS);
    assert_false(rig_is_answered(&r, call));
    rig_release(&r, lease[0]);
    rig_release(&r, lease[1]);
    assert_int_equal(rig_await(&r, call, NULL), ERROR_OK);
    assert_int_equal(rig_await(&r, ticket, NULL), ERROR_OK);
    rig_end(&r);
}

static void at_the_bound_what_is_left_is_cut_off(void **unused)
{
    (void)unused;
    struct rig r;
    open_warm(&r);
    int64_t lease = rig_lease(&r), other = rig_lease(&r);
    server_order(r.server, FAULT_STUCK);
    struct nebula_request slow = {.lease = other, .text = "add 1 1", .within_us = 60 * SECOND};
    int32_t call = rig_request(&r, slow);
    assert_int_equal(rig_ask(&r), 0);
    int32_t waits = rig_ticket(&r);
    int64_t begun_us = world_time_us();
    int32_t ticket = nebula_drain(r.nebula, r.shop, 200 * MS);
    struct nebula_reply reply;
    assert_int_equal(rig_await(&r, waits, NULL), ERROR_PAUSED);
    assert_int_equal(rig_await(&r, call, &reply), ERROR_LOST);
    assert_int_equal(reply.outcome, OUTCOME_IN_DOUBT);
    assert_int_equal(rig_await(&r, ticket, NULL), ERROR_OK);
    assert_in_range(world_time_us() - begun_us, 200 * MS, 300 * MS);
    assert_int_equal(rig_say(&r, lease, "add 2 2"), ERROR_LOST);
    rig_end(&r);
}

static void resumed_before_the_end_it_is_no_drain(void **unused)
{
    (void)unused;
    struct rig r;
    open_warm(&r);
    int64_t lease = rig_lease(&r);
    int32_t ticket = nebula_drain(r.nebula, r.shop, SECOND);
    rig_pass(&r, 100 * MS);
    assert_int_equal(nebula_resume(r.nebula, r.shop), 0);
    assert_int_equal(rig_await(&r, ticket, NULL), ERROR_CANCELLED);
    rig_pass(&r, 5 * SECOND);
    assert_int_equal(rig_say(&r, lease, "add 1 1"), ERROR_OK);
    rig_release(&r, lease);
    rig_pass(&r, SECOND);
    assert_int_equal(rig_count(&r, CONN_IDLE), 2);
    rig_end(&r);
}

static void who_waited_in_a_pause_hears_of_the_drain(void **unused)
{
    (void)unused;
    struct rig r;
    open_warm(&r);
    nebula_pause(r.nebula, r.shop);
    assert_int_equal(rig_ask(&r), 0);
    int32_t waits = rig_ticket(&r), start = nebula_start(r.nebula, r.shop);
    assert_int_equal(rig_await(&r, nebula_drain(r.nebula, r.shop, SECOND), NULL), ERROR_OK);
    assert_int_equal(rig_await(&r, waits, NULL), ERROR_PAUSED);
    assert_int_equal(rig_await(&r, start, NULL), ERROR_OK); /* it was warm */
    assert_int_equal(nebula_pause(r.nebula, r.shop), 0);    /* is no way around it */
    assert_int_equal(rig_ask(&r), -ERROR_PAUSED);
    rig_end(&r);
}

static void what_nobody_used_is_drained_too(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    rig_open(&r);
    assert_int_equal(rig_await(&r, nebula_drain(r.nebula, r.shop, 0), NULL), ERROR_OK);
    assert_int_equal(rig_ask(&r), -ERROR_PAUSED);
    assert_int_equal(nebula_resume(r.nebula, r.shop), 0);
    assert_int_equal(rig_say(&r, 0, "add 1 1"), ERROR_OK);
    rig_end(&r);
}

static void a_second_one_has_another_bound(void **unused)
{
    (void)unused;
    struct rig r;
    open_warm(&r);
    rig_lease(&r);
    int32_t first = nebula_drain(r.nebula, r.shop, 60 * SECOND);
    rig_pass(&r, SECOND);
    assert_false(rig_is_answered(&r, first));
    int32_t second = nebula_drain(r.nebula, r.shop, 0);
    assert_int_equal(rig_await(&r, first, NULL), ERROR_OK);
    assert_int_equal(rig_await(&r, second, NULL), ERROR_OK);
    rig_end(&r);
}

static void it_ends_with_the_engine(void **unused)
{
    (void)unused;
    struct rig r;
    open_warm(&r);
    rig_lease(&r);
    int32_t ticket = nebula_drain(r.nebula, r.shop, 60 * SECOND);
    nebula_stop(r.nebula, world_time_us() + SECOND);
    assert_int_equal(rig_await(&r, ticket, NULL), ERROR_OK);
    assert_int_equal(nebula_drain(r.nebula, r.shop, 0), -ERROR_CLOSED);
    rig_end(&r);
}

static void what_makes_no_sense_is_refused(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    rig_open(&r);
    assert_int_equal(nebula_drain(r.nebula, r.shop + 1, 0), -ERROR_USAGE);
    assert_int_equal(nebula_drain(r.nebula, r.shop, -1), -ERROR_USAGE);
    assert_int_equal(nebula_drain(r.nebula, r.shop, INT64_MAX), -ERROR_USAGE);
    assert_int_equal(rig_say(&r, 0, "add 1 1"), ERROR_OK); /* nothing was begun */
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_in_comes_to_his_end_and_nobody_new_gets_in),
        cmocka_unit_test(who_waits_already_is_served),
        cmocka_unit_test(at_the_bound_what_is_left_is_cut_off),
        cmocka_unit_test(resumed_before_the_end_it_is_no_drain),
        cmocka_unit_test(who_waited_in_a_pause_hears_of_the_drain),
        cmocka_unit_test(what_nobody_used_is_drained_too),
        cmocka_unit_test(a_second_one_has_another_bound),
        cmocka_unit_test(it_ends_with_the_engine),
        cmocka_unit_test(what_makes_no_sense_is_refused),
    };
    return cmocka_run_group_tests_name("drain", tests, NULL, NULL);
}
