/* What is done on one lease, one statement after the other, and what is left of it when the lease ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "sim/rig.h"

static void statements_of_one_lease_run_one_after_the_other(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    rig_open(&r);
    int64_t lease = rig_lease(&r);
    int32_t ticket[10];
    for (int i = 0; i < 10; i++)
        ticket[i] = rig_call(&r, lease, "add 1 1");
    for (int i = 0; i < 10; i++)
        assert_int_equal(rig_await(&r, ticket[i], NULL), ERROR_OK);
    assert_int_equal(server_applied(r.server, 1), 10);
    rig_release(&r, lease);
    rig_end(&r);
}

static void what_waits_behind_a_cancelled_one_is_proven_not_sent(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    rig_open(&r);
    int64_t lease = rig_lease(&r);
    server_order(r.server, FAULT_STUCK);
    int32_t first = rig_call(&r, lease, "add 1 1"), second = rig_call(&r, lease, "add 1 2");
    rig_pass(&r, MS);
    nebula_cancel(r.nebula, first);
    struct nebula_reply reply;
    assert_int_equal(rig_await(&r, first, NULL), ERROR_CANCELLED);
    assert_int_equal(rig_await(&r, second, &reply), ERROR_STALE);
    assert_int_equal(reply.outcome, OUTCOME_FAILED);
    rig_pass(&r, SECOND);
    assert_int_equal(server_total(r.server), 0);
    rig_end(&r);
}

static void a_lease_released_in_the_middle_of_a_statement_is_cleaned_up(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    r.spec.pool.max = 1;
    rig_open(&r);
    int64_t lease = rig_lease(&r);
    server_order(r.server, FAULT_STUCK);
    int32_t ticket = rig_call(&r, lease, "add 1 1");
    rig_pass(&r, MS);
    rig_release(&r, lease);
    rig_await(&r, ticket, NULL);
    lease = rig_lease(&r);
    assert_int_equal(rig_conn_of(&r, lease), 1);
    rig_release(&r, lease);
    rig_end(&r);
}

static void an_open_stream_ends_with_its_lease(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    r.spec.pool.max = 1;
    rig_open(&r);
    int64_t lease = rig_lease(&r);
    struct nebula_reply reply;
    int32_t ticket = rig_request(
        &r, (struct nebula_request){
                .lease = lease, .verb = NEBULA_STREAM, .text = "rows 1 9", .window = 2});
    assert_int_equal(rig_await(&r, ticket, &reply), ERROR_OK);
    assert_int_equal(reply.rows, 2);
    assert_true(reply.more);
    rig_release(&r, lease);
    lease = rig_lease(&r);
    assert_true(lease > 0);
    assert_int_equal(rig_conn_of(&r, lease), 1);
    assert_int_equal(rig_say(&r, lease, "get 2 1"), ERROR_OK);
    rig_release(&r, lease);
    rig_end(&r);
}

static void a_stream_is_pulled_to_its_end(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    rig_open(&r);
    int64_t lease = rig_lease(&r);
    struct nebula_request request = {
        .lease = lease, .verb = NEBULA_STREAM, .text = "rows 1 7", .window = 3};
    struct nebula_reply reply = {.more = true};
    int32_t rows = 0;
    for (; reply.more;
         request = (struct nebula_request){.lease = lease, .verb = NEBULA_PULL, .window = 3}) {
        assert_int_equal(rig_await(&r, rig_request(&r, request), &reply), ERROR_OK);
        rows += reply.rows;
    }
    assert_int_equal(rows, 7);
    rig_release(&r, lease);
    assert_int_equal(rig_count(&r, CONN_IDLE), 1);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(statements_of_one_lease_run_one_after_the_other),
        cmocka_unit_test(what_waits_behind_a_cancelled_one_is_proven_not_sent),
        cmocka_unit_test(a_lease_released_in_the_middle_of_a_statement_is_cleaned_up),
        cmocka_unit_test(an_open_stream_ends_with_its_lease),
        cmocka_unit_test(a_stream_is_pulled_to_its_end),
    };
    return cmocka_run_group_tests_name("lease", tests, NULL, NULL);
}
