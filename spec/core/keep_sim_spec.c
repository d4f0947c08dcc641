/* How a pool keeps its connections, each promise as a scenario in virtual time: how long they live,
 * that they are clean, start, pause, outages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "sim/rig.h"

/* --- how long --------------------------------------------------------------------------------- */

static void what_is_idle_for_too_long_is_closed_down_to_the_minimum(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    r.spec.pool.min = 1;
    r.spec.pool.max = 3;
    r.spec.pool.idle_us = 200 * MS;
    rig_open(&r);
    int64_t lease[3];
    for (int i = 0; i < 3; i++)
        lease[i] = rig_lease(&r);
    for (int i = 0; i < 3; i++)
        rig_release(&r, lease[i]);
    rig_pass(&r, 190 * MS);
    assert_int_equal(rig_count(&r, CONN_IDLE), 3);
    rig_pass(&r, 15 * MS);
    assert_int_equal(rig_count(&r, CONN_IDLE), 1);
    rig_pass(&r, 5 * SECOND);
    assert_int_equal(rig_count(&r, CONN_IDLE), 1);
    assert_int_equal(server_opened(r.server), 3);
    rig_end(&r);
}

static void a_life_is_as_long_as_was_drawn_at_birth(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    r.spec.pool.max = 8;
    r.spec.pool.life_us = SECOND;
    r.spec.pool.life_jitter = 50;
    rig_open(&r);
    int64_t lease[8];
    for (int i = 0; i < 8; i++)
        lease[i] = rig_lease(&r);
    for (int i = 0; i < 8; i++)
        rig_release(&r, lease[i]);
    rig_pass(&r, 400 * MS);
    assert_int_equal(rig_count(&r, CONN_IDLE), 8);
    rig_pass(&r, 350 * MS);
    assert_in_range(rig_count(&r, CONN_IDLE), 1, 7); /* not all at once */
    rig_pass(&r, 260 * MS);
    assert_int_equal(rig_count(&r, CONN_IDLE), 0);
    rig_end(&r);
}

static void a_lease_may_outlive_the_life_but_nobody_gets_it_after(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    r.spec.pool.life_us = 100 * MS;
    rig_open(&r);
    int64_t lease = rig_lease(&r);
    rig_pass(&r, 300 * MS);
    assert_int_equal(rig_say(&r, lease, "get 1 1"), ERROR_OK);
    rig_release(&r, lease);
    rig_pass(&r, 10 * MS);
    assert_int_equal(server_wires(r.server, 0), 0);
    rig_end(&r);
}

static void what_was_idle_for_long_is_asked_before_it_is_lent(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    r.spec.pool.check_us = 100 * MS;
    rig_open(&r);
    rig_release(&r, rig_lease(&r));
    int64_t heard = server_heard(r.server);
    rig_pass(&r, 50 * MS);
    rig_release(&r, rig_lease(&r));
    assert_int_equal(server_heard(r.server), heard);
    rig_pass(&r, 150 * MS);
    rig_release(&r, rig_lease(&r));
    assert_int_equal(server_heard(r.server), heard + 1);
    rig_end(&r);
}

static void a_waiter_gets_another_one_when_the_check_fails(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    r.spec.pool.max = 1;
    r.spec.pool.check_us = 0;
    rig_open(&r);
    int64_t lease = rig_lease(&r);
    uint32_t before = rig_conn_of(&r, lease);
    rig_release(&r, lease);
    server_order(r.server, FAULT_OWN_FAILS);
    lease = rig_lease(&r);
    assert_true(lease > 0);
    assert_int_not_equal(rig_conn_of(&r, lease), before);
    rig_release(&r, lease);
    rig_end(&r);
}

/* --- clean ------------------------------------------------------------------------------------ */

static void what_one_left_is_cleaned_before_the_next_comes(void **unused)
{
    (void)unused;
    static const char *const left[] = {"set 7", "begin 7"};
    for (size_t i = 0; i < sizeof left / sizeof *left; i++) {
        struct rig r;
        rig_begin(&r);
        r.spec.pool.max = 1;
        rig_open(&r);
        int64_t lease = rig_lease(&r);
        uint32_t conn = rig_conn_of(&r, lease);
        assert_int_equal(rig_say(&r, lease, left[i]), ERROR_OK);
        rig_release(&r, lease);
        assert_int_equal(rig_count(&r, CONN_RESETTING), 1);
        lease = rig_lease(&r);
        assert_int_equal(rig_conn_of(&r, lease), conn);
        assert_int_equal(rig_say(&r, lease, "begin 8"),
                         ERROR_OK); /* the server sees if it is not */
        rig_release(&r, lease);
        rig_end(&r);
    }
}

static void a_clean_session_is_not_reset(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    rig_open(&r);
    assert_int_equal(rig_say(&r, 0, "add 1 1"), ERROR_OK);
    assert_int_equal(server_heard(r.server), 1);
    assert_int_equal(rig_count(&r, CONN_IDLE), 1);
    rig_end(&r);
}

static void what_cannot_be_cleaned_is_closed(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    r.spec.pool.max = 1;
    rig_open(&r);
    int64_t lease = rig_lease(&r);
    uint32_t before = rig_conn_of(&r, lease);
    assert_int_equal(rig_say(&r, lease, "set 7"), ERROR_OK);
    server_order(r.server, FAULT_OWN_FAILS);
    rig_release(&r, lease);
    lease = rig_lease(&r);
    assert_int_not_equal(rig_conn_of(&r, lease), before);
    rig_release(&r, lease);
    rig_end(&r);
}

static void what_is_given_back_as_spoiled_is_closed(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    rig_open(&r);
    int64_t lease = rig_lease(&r);
    assert_int_equal(nebula_release(r.nebula, lease, NEBULA_SPOILED), 0);
    rig_pass(&r, 10 * MS);
    assert_int_equal(server_wires(r.server, 0), 0);
    rig_end(&r);
}

/* --- start, pause, giving up ------------------------------------------------------------------ */

static void start_tries_again_until_its_bound(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    r.spec.pool.start_us = 3 * SECOND;
    rig_open(&r);
    for (int i = 0; i < 4; i++)
        server_order(r.server, FAULT_REFUSED);
    assert_int_equal(rig_await(&r, nebula_start(r.nebula, r.shop), NULL), ERROR_OK);
    assert_int_equal(server_seen(r.server, FAULT_REFUSED), 4);
    assert_int_equal(rig_pool(&r)->stats.open_failed, 4);
    assert_int_equal(rig_pool(&r)->stats.opened, 1);
    assert_int_equal(rig_pool(&r)->stats.closed, 0); /* none of them was open */
    nebula_cancel(r.nebula, nebula_drain(r.nebula, r.shop, 0));
    rig_pass(&r, SECOND);
    assert_int_equal(rig_pool(&r)->stats.closed, 1);
    rig_end(&r);
}

static void a_start_without_patience_ends_with_its_first_attempt(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    r.spec.pool.start_us = 0;
    rig_open(&r);
    server_crash(r.server, world_time_us() + 300 * MS);
    assert_int_equal(rig_await(&r, nebula_start(r.nebula, r.shop), NULL), ERROR_UNREACHABLE);
    rig_pass(&r, SECOND);
    assert_int_equal(rig_await(&r, nebula_start(r.nebula, r.shop), NULL), ERROR_OK);
    rig_end(&r);
}

static void start_says_why_it_did_not_work(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    r.spec.pool.start_us = 2 * SECOND;
    rig_open(&r);
    server_odds(r.server, FAULT_REFUSED, 1000);
    int64_t asked_us = world_time_us();
    assert_int_equal(rig_await(&r, nebula_start(r.nebula, r.shop), NULL), ERROR_UNREACHABLE);
    assert_in_range(world_time_us() - asked_us, 2 * SECOND, 2 * SECOND + 2 * MS);
    server_calm(r.server);
    server_order(r.server, FAULT_DENIED);
    rig_pass(&r, SECOND);
    assert_int_equal(rig_await(&r, nebula_start(r.nebula, r.shop), NULL), ERROR_DENIED);
    rig_end(&r);
}

static void a_start_waits_no_longer_than_its_task(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    r.spec.pool.start_us = 0;
    rig_open(&r);
    nebula_pause(r.nebula, r.shop);
    int64_t asked_us = world_time_us();
    nebula_task_deadline(r.nebula, asked_us + 300 * MS);
    assert_int_equal(rig_await(&r, nebula_start(r.nebula, r.shop), NULL), ERROR_PAUSED);
    assert_in_range(world_time_us() - asked_us, 300 * MS, 302 * MS);
    assert_int_equal(nebula_start(r.nebula, r.shop), -ERROR_DEADLINE);
    nebula_task_deadline(r.nebula, 0);
    nebula_stop(r.nebula, world_time_us() + SECOND);
    assert_int_equal(nebula_start(r.nebula, r.shop), -ERROR_CLOSED);
    rig_end(&r);
}

static void while_paused_everybody_waits_and_then_all_are_served(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    rig_open(&r);
    rig_release(&r, rig_lease(&r));
    assert_int_equal(nebula_pause(r.nebula, r.shop), 0);
    assert_int_equal(rig_ask(&r), 0);
    int32_t first = rig_ticket(&r);
    assert_int_equal(rig_ask(&r), 0);
    int32_t second = rig_ticket(&r);
    assert_int_equal(nebula_lease(r.nebula, r.shop, 0, 0, true), -ERROR_PAUSED);
    rig_pass(&r, 200 * MS);
    assert_false(rig_is_answered(&r, first));
    assert_int_equal(nebula_resume(r.nebula, r.shop), 0);
    rig_release(&r, rig_lease_of(&r, first));
    rig_release(&r, rig_lease_of(&r, second));
    rig_end(&r);
}

static void who_waits_past_his_deadline_in_a_pause_hears_of_the_pause(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    rig_open(&r);
    nebula_pause(r.nebula, r.shop);
    assert_int_equal(rig_say(&r, 0, "add 1 1"), ERROR_PAUSED);
    rig_end(&r);
}

static void a_connection_nobody_waits_for_any_more_serves_the_next(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    rig_open(&r);
    server_order(r.server, FAULT_SLOW_OPEN);
    assert_int_equal(rig_ask(&r), 0);
    int32_t ticket = rig_ticket(&r);
    nebula_cancel(r.nebula, ticket);
    assert_int_equal(rig_await(&r, ticket, NULL), ERROR_CANCELLED);
    rig_pass(&r, 2 * SECOND);
    assert_int_equal(rig_count(&r, CONN_IDLE), 1);
    int64_t lease = rig_ask(&r);
    assert_true(lease > 0);
    assert_int_equal(server_opened(r.server), 1);
    rig_release(&r, lease);
    rig_end(&r);
}

static void after_an_outage_one_attempt_probes(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    r.spec.pool.max = 8;
    r.spec.pool.connecting = 8;
    r.spec.policy.deadline_us = r.spec.policy.wait_us = 20 * SECOND;
    rig_open(&r);
    server_odds(r.server, FAULT_REFUSED, 1000);
    int32_t ticket[8];
    for (int i = 0; i < 8; i++) {
        assert_int_equal(rig_ask(&r), 0);
        ticket[i] = rig_ticket(&r);
    }
    rig_pass(&r, 10 * MS);
    int64_t refused = server_seen(r.server, FAULT_REFUSED);
    server_cap(r.server, 0, 1);
    rig_pass(&r, 5 * SECOND);
    assert_in_range(server_seen(r.server, FAULT_REFUSED) - refused, 3, 60);
    server_cap(r.server, 0, 8);
    server_calm(r.server);
    for (int i = 0; i < 8; i++)
        assert_true(rig_lease_of(&r, ticket[i]) > 0);
    rig_end(&r);
}

/* --- looking ---------------------------------------------------------------------------------- */

static void inspect_shows_each_connection(void **unused)
{
    (void)unused;
    static const char *const key[] = {"\"created\"", "\"last_used\"", "\"uses\":1", "\"since\"",
                                      "\"state\":\"idle\""};
    struct rig r;
    rig_begin(&r);
    rig_open(&r);
    assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_OK);
    const char *answer = nebula_ask(r.nebula, "{\"verb\":\"inspect\",\"name\":\"shop\"}");
    for (size_t i = 0; i < sizeof key / sizeof *key; i++) {
        if (strstr(answer, key[i]) == NULL)
            fail_msg("%s is not in %s", key[i], answer);
    }
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_start_without_patience_ends_with_its_first_attempt),
        cmocka_unit_test(what_is_idle_for_too_long_is_closed_down_to_the_minimum),
        cmocka_unit_test(a_life_is_as_long_as_was_drawn_at_birth),
        cmocka_unit_test(a_lease_may_outlive_the_life_but_nobody_gets_it_after),
        cmocka_unit_test(what_was_idle_for_long_is_asked_before_it_is_lent),
        cmocka_unit_test(a_waiter_gets_another_one_when_the_check_fails),
        cmocka_unit_test(what_one_left_is_cleaned_before_the_next_comes),
        cmocka_unit_test(a_clean_session_is_not_reset),
        cmocka_unit_test(what_cannot_be_cleaned_is_closed),
        cmocka_unit_test(what_is_given_back_as_spoiled_is_closed),
        cmocka_unit_test(start_tries_again_until_its_bound),
        cmocka_unit_test(start_says_why_it_did_not_work),
        cmocka_unit_test(a_start_waits_no_longer_than_its_task),
        cmocka_unit_test(while_paused_everybody_waits_and_then_all_are_served),
        cmocka_unit_test(who_waits_past_his_deadline_in_a_pause_hears_of_the_pause),
        cmocka_unit_test(a_connection_nobody_waits_for_any_more_serves_the_next),
        cmocka_unit_test(after_an_outage_one_attempt_probes),
        cmocka_unit_test(inspect_shows_each_connection),
    };
    return cmocka_run_group_tests_name("keep", tests, NULL, NULL);
}
