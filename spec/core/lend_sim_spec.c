/* Whoever only leases what is idle lets the turn go on: every 64th lease of a turn is told in the next
 * one, by a ticket. Whoever comes to a line stands behind it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/lend.h"
#include "sim/memory.h"
#include "sim/rig.h"

/* One idle connection, and no lease of this turn is left. */
static void begin(struct rig *r)
{
    rig_begin(r);
    r->spec.pool.max = 1;
    rig_open(r);
    rig_release(r, rig_lease(r));
    rig_pass(r, MS);
    for (int i = 0; i < ENGINE_HITS_A_TURN; i++) {
        int64_t lease = rig_ask(r);
        assert_true(lease > 0);
        rig_release(r, lease);
    }
}

/* As begin(), and it was asked for. */
static int32_t asked(struct rig *r, bool is_fail_fast)
{
    begin(r);
    assert_int_equal(nebula_lease(r->nebula, r->shop, 0, 0, is_fail_fast), 0);
    assert_int_equal(rig_count(r, CONN_LEASED), 1);
    assert_false(rig_is_answered(r, rig_ticket(r)));
    return rig_ticket(r);
}

static void it_is_lent_at_once_and_told_in_the_next_turn(void **unused)
{
    (void)unused;
    for (int is_fail_fast = 0; is_fail_fast < 2; is_fail_fast++) {
        struct rig r;
        int32_t ticket = asked(&r, is_fail_fast);
        int64_t asked_us = world_time_us(), lease = rig_lease_of(&r, ticket);
        assert_true(lease > 0);
        assert_int_equal(world_time_us(), asked_us);
        rig_release(&r, lease);
        lease = rig_ask(&r); /* and as many again */
        assert_true(lease > 0);
        rig_release(&r, lease);
        rig_end(&r);
    }
}

static void it_is_held_from_when_it_was_told(void **unused)
{
    (void)unused;
    struct rig r;
    int64_t lease = rig_lease_of(&r, asked(&r, false));
    rig_release(&r, lease);
    assert_null(rig_pool(&r)->monitor.hold);
    rig_end(&r);
}

static void who_asks_while_it_is_untold_waits_behind_it(void **unused)
{
    (void)unused;
    struct rig r;
    int32_t first = asked(&r, false);
    assert_int_equal(nebula_lease(r.nebula, r.shop, 0, 0, true), -ERROR_FULL);
    assert_int_equal(rig_ask(&r), 0);
    int32_t second = rig_ticket(&r);
    int64_t lease = rig_lease_of(&r, first);
    assert_false(rig_is_answered(&r, second));
    rig_release(&r, lease);
    rig_release(&r, rig_lease_of(&r, second));
    rig_end(&r);
}

static void given_up_it_is_idle_again(void **unused)
{
    (void)unused;
    struct rig r;
    int32_t ticket = asked(&r, false);
    nebula_cancel(r.nebula, ticket);
    assert_int_equal(rig_count(&r, CONN_IDLE), 1);
    assert_int_equal(rig_await(&r, ticket, NULL), ERROR_CANCELLED);
    rig_end(&r);

    ticket = asked(&r, false);
    nebula_done(r.nebula, ticket);
    assert_int_equal(rig_count(&r, CONN_IDLE), 1);
    rig_pass(&r, MS);
    assert_false(rig_is_answered(&r, ticket));
    rig_end(&r);

    begin(&r);
    int32_t task = nebula_task_open(r.nebula, 0);
    nebula_task_enter(r.nebula, task);
    assert_int_equal(rig_ask(&r), 0);
    nebula_task_close(r.nebula, task);
    assert_int_equal(rig_count(&r, CONN_IDLE), 1);
    rig_end(&r);
}

static void the_long_path_counts_alike(void **unused)
{
    (void)unused;
    struct rig r;
    begin(&r);
    rig_pool(&r)->gate |=
        GATE_EXCESS; /* one of those that only send the next one by the long path */
    assert_int_equal(rig_ask(&r), 0);
    rig_release(&r, rig_lease_of(&r, rig_ticket(&r)));
    int leases = 0;
    for (int64_t lease; leases < 1000 && (lease = rig_ask(&r)) > 0; leases++)
        rig_release(&r, lease);
    assert_int_equal(leases, ENGINE_HITS_A_TURN);
    rig_release(&r, rig_lease_of(&r, rig_ticket(&r)));
    rig_end(&r);
}

static void a_lease_is_taken_with_its_ticket(void **unused)
{
    (void)unused;
    struct rig r;
    int32_t ticket = asked(&r, false);
    assert_int_equal(nebula_lent(r.nebula, ticket), 0); /* too soon */
    rig_come(&r, ticket);
    int64_t lease = nebula_lent(r.nebula, ticket);
    assert_true(lease > 0);
    assert_int_equal(nebula_lent(r.nebula, ticket), 0);
    rig_release(&r, lease);
    rig_end(&r);

    ticket = asked(&r, false); /* what brought none, and what is no such ticket, stays */
    nebula_cancel(r.nebula, ticket);
    rig_come(&r, ticket);
    assert_int_equal(nebula_lent(r.nebula, ticket), 0);
    nebula_done(r.nebula, ticket);
    ticket = rig_call(&r, 0, "get 1 1");
    rig_come(&r, ticket);
    assert_int_equal(nebula_lent(r.nebula, ticket), 0);
    nebula_done(r.nebula, ticket);
    assert_int_equal(nebula_lent(r.nebula, -1), 0);
    rig_end(&r);
}

static void without_memory_for_a_ticket_it_is_told_at_once(void **unused)
{
    (void)unused;
    struct rig r;
    begin(&r);
    lend_fini(r.engine);
    memory_fail(1);
    int64_t lease = rig_ask(&r);
    memory_fail(0);
    assert_true(lease > 0);
    rig_release(&r, lease);
    rig_end(&r);
}

/* --- in a line -------------------------------------------------------------------------------- */

/* The only connection is lent, and one waits for it. */
static int64_t begin_line(struct rig *r, int32_t *first)
{
    rig_begin(r);
    r->spec.pool.max = 1;
    r->spec.pool.queue = 3;
    rig_open(r);
    int64_t lease = rig_lease(r);
    assert_int_equal(rig_ask(r), 0);
    *first = rig_ticket(r);
    return lease;
}

static void who_stands_in_a_line_is_served_in_turn(void **unused)
{
    (void)unused;
    struct rig r;
    int32_t ticket[3];
    int64_t lease = begin_line(&r, &ticket[0]);
    assert_int_equal(nebula_lease(r.nebula, r.shop, 0, 0, true), -ERROR_FULL); /* will not wait */
    for (int i = 1; i < 3; i++) {
        assert_int_equal(rig_ask(&r), 0);
        ticket[i] = rig_ticket(&r);
    }
    assert_int_equal(rig_ask(&r), -ERROR_FULL);
    for (int i = 0; i < 3; i++) {
        assert_false(rig_is_answered(&r, ticket[i]));
        rig_release(&r, lease);
        lease = rig_lease_of(&r, ticket[i]);
        assert_true(lease > 0);
    }
    rig_release(&r, lease);
    rig_end(&r);
}

static void a_line_takes_nobody_whose_time_is_over(void **unused)
{
    (void)unused;
    struct rig r;
    int32_t first;
    int64_t lease = begin_line(&r, &first);
    int32_t task = nebula_task_open(r.nebula, 0);
    nebula_task_enter(r.nebula, task);
    nebula_task_deadline(r.nebula, world_time_us());
    assert_int_equal(rig_ask(&r), -ERROR_DEADLINE);
    nebula_task_deadline(r.nebula, world_time_us() + 50 * MS);
    assert_int_equal(rig_ask(&r), 0);
    int64_t asked_us = world_time_us();
    assert_int_equal(rig_await(&r, rig_ticket(&r), NULL), ERROR_DEADLINE);
    assert_in_range(world_time_us() - asked_us, 50 * MS, 52 * MS);
    nebula_task_cancel(r.nebula, task);
    assert_int_equal(rig_ask(&r), -ERROR_CANCELLED);
    nebula_task_close(r.nebula, task);
    rig_release(&r, lease);
    rig_release(&r, rig_lease_of(&r, first));
    rig_end(&r);
}

/* The memory of who was served is the next one's, and its timer may be armed. */
static void each_waits_for_as_long_as_he_said(void **unused)
{
    (void)unused;
    static const int64_t span_us[] = {100 * MS, 30 * MS, 200 * MS, 200 * MS};
    struct rig r;
    int32_t ticket;
    int64_t lease = begin_line(&r, &ticket);
    for (size_t i = 0; i < COUNT(span_us); i++) {
        rig_release(&r, lease);
        lease = rig_lease_of(&r, ticket);
        assert_int_equal(nebula_lease(r.nebula, r.shop, 0, span_us[i], false), 0);
        rig_release(&r, lease);
        lease = rig_lease_of(&r, rig_ticket(&r));
        assert_int_equal(nebula_lease(r.nebula, r.shop, 0, 100 * MS, false), 0);
        int64_t asked_us = world_time_us();
        assert_int_equal(rig_await(&r, rig_ticket(&r), NULL), ERROR_WAIT);
        assert_in_range(world_time_us() - asked_us, 100 * MS, 102 * MS);
        assert_int_equal(rig_ask(&r), 0);
        ticket = rig_ticket(&r);
    }
    rig_release(&r, lease);
    rig_release(&r, rig_lease_of(&r, ticket));
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_lent_at_once_and_told_in_the_next_turn),
        cmocka_unit_test(it_is_held_from_when_it_was_told),
        cmocka_unit_test(who_asks_while_it_is_untold_waits_behind_it),
        cmocka_unit_test(given_up_it_is_idle_again),
        cmocka_unit_test(the_long_path_counts_alike),
        cmocka_unit_test(a_lease_is_taken_with_its_ticket),
        cmocka_unit_test(without_memory_for_a_ticket_it_is_told_at_once),
        cmocka_unit_test(who_stands_in_a_line_is_served_in_turn),
        cmocka_unit_test(a_line_takes_nobody_whose_time_is_over),
        cmocka_unit_test(each_waits_for_as_long_as_he_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
