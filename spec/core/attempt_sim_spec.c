/* attempt_sim_spec.c - one attempt at a call: where it goes, and whether it was sent. */
#include "core/attempt.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/check.h"
#include "sim/shift.h"
#include "support/aborts.h"

/* Two roles, each with one connection, of which one alone may write. */
static void begin(struct rig *r, int32_t writer)
{
    rig_begin(r);
    r->spec.roles = 2;
    r->spec.writer = writer;
    r->spec.role_name[1] = "other";
    r->spec.role_max[0] = r->spec.role_max[1] = 1;
    rig_open(r);
    server_writer(r->server, writer);
}

/* --- where -------------------------------------------------------------------------------------- */

static void whoever_cannot_write_sends_it_to_the_writer(void **unused)
{
    (void)unused;
    for (int32_t writer = 0; writer < 2; writer++)
        for (int32_t role = 0; role < 2; role++) {
            struct rig r;
            struct nebula_reply reply;
            begin(&r, writer);
            int32_t ticket =
                rig_request(&r, (struct nebula_request){.text = "add 1 1", .role = role});
            assert_int_equal(rig_await(&r, ticket, &reply), ERROR_OK);
            assert_int_equal(reply.role, writer);
            assert_int_equal(reply.attempts, 1);
            assert_int_equal(server_applied(r.server, 1), 1);
            rig_end(&r);
        }
}

/* --- whether it was sent ------------------------------------------------------------------------ */

/* The writer's only connection is somebody else's for longer than the call has. */
static void what_was_to_be_done_elsewhere_was_not_sent(void **unused)
{
    (void)unused;
    struct rig r;
    struct nebula_reply reply;
    begin(&r, 1);
    assert_int_equal(nebula_lease(r.nebula, r.shop, 1, 0, false), 0);
    int64_t lease = rig_lease_of(&r, rig_ticket(&r));
    int32_t ticket =
        rig_request(&r, (struct nebula_request){.text = "add 1 1", .within_us = 50 * MS});
    assert_int_equal(rig_await(&r, ticket, &reply), ERROR_DEADLINE);
    assert_int_equal(reply.attempts, 0);
    assert_int_equal(reply.outcome, OUTCOME_FAILED);
    assert_int_equal(server_applied(r.server, 1), 0);
    rig_release(&r, lease);
    rig_end(&r);
}

/* The first one was; for the second one there is no connection. */
static void each_attempt_is_sent_or_not(void **unused)
{
    (void)unused;
    struct rig r;
    struct nebula_reply reply;
    rig_begin(&r);
    r.spec.pool.max = 1;
    r.spec.policy.tries = 3;
    r.spec.policy.budget_least = 10;
    r.spec.policy.pause_us = r.spec.policy.pause_max_us = 20 * MS;
    rig_open(&r);
    rig_hold_for(&r, MS);
    server_pace(r.server, 20 * MS);
    int32_t ticket = rig_request(
        &r,
        (struct nebula_request){.text = "get 1 1", .is_idempotent = true, .within_us = 100 * MS});
    rig_pass(&r, 5 * MS);
    server_crash(r.server, world_time_us() + SECOND);
    assert_int_equal(rig_await(&r, ticket, &reply), ERROR_UNREACHABLE);
    assert_int_equal(reply.attempts, 1);
    rig_end(&r);
}

/* --- stopping it -------------------------------------------------------------------------------- */

static void give_up_one_that_is_over(void)
{
    struct attempt a = {.state = ATTEMPT_OVER};
    attempt_give_up(&a);
}

static void what_is_over_is_not_given_up(void **unused)
{
    (void)unused;
    assert_true(aborts(give_up_one_that_is_over));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whoever_cannot_write_sends_it_to_the_writer),
        cmocka_unit_test(what_was_to_be_done_elsewhere_was_not_sent),
        cmocka_unit_test(each_attempt_is_sent_or_not),
        cmocka_unit_test(what_is_over_is_not_given_up),
    };
    return cmocka_run_group_tests_name("an attempt", tests, NULL, NULL);
}
