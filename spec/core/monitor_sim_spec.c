/* What the last minutes of a pool were like is told as it was, in virtual time. What is concluded from that:
 * advice_sim_spec.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "core/conn.h"
#include "sim/memory.h"
#include "sim/rig.h"

#define HALF ((int64_t)MONITOR_HALF_US)

struct told_window {
    double number[FIGURES];
    int64_t us[FIGURES]; /* the same, rounded */
};

static struct told_window tell(struct rig *r)
{
    struct told_window t = {.number = {0}};
    assert_int_equal(nebula_figures(r->nebula, r->shop, 0, t.number, FIGURES), FIGURES);
    for (int i = 0; i < FIGURES; i++)
        t.us[i] = (int64_t)(t.number[i] + 0.5);
    return t;
}

/* Times of the simulation are a little late, and quantiles a little off. */
static void assert_about(int64_t us, int64_t expected_us)
{
    assert_in_range(us, expected_us * 98 / 100, expected_us * 102 / 100 + 2 * MS);
}

/* --- holds ------------------------------------------------------------------------------------ */

static void holds_are_told_by_their_quantiles_and_how_much_was_in_use(void **unused)
{
    (void)unused;
    struct rig r;
    rig_open_warm(&r, 2);
    for (int i = 1; i <= 200; i++) {
        rig_hold_for(&r, (i % 20 == 0 ? 200 : 10) * MS);
        rig_pass(&r, 40 * MS);
    }
    struct told_window t = tell(&r);
    assert_int_equal(t.us[FIGURE_LEASES], 200);
    assert_int_equal(t.us[FIGURE_ENDED], 200);
    assert_about(t.us[FIGURE_HOLD_P50_US], 10 * MS);
    assert_about(t.us[FIGURE_HOLD_P95_US], 10 * MS);
    assert_about(t.us[FIGURE_HOLD_P99_US], 200 * MS);
    assert_about(t.us[FIGURE_HOLD_MAX_US], 200 * MS);
    assert_about(t.us[FIGURE_HOLD_MEAN_US], 19500);
    assert_about(t.us[FIGURE_WINDOW_US], 200 * 59500);
    assert_about((int64_t)(t.number[FIGURE_ARRIVALS_PER_S] * MS), 16800);
    assert_about((int64_t)(t.number[FIGURE_UTILISATION] * SECOND), (int64_t)SECOND * 195 / 595 / 2);
    assert_int_equal(t.us[FIGURE_ADVISED_MAX], 1); /* 17/s x 19.5 ms x 1.25 */
    rig_end(&r);
}

static void one_that_comes_home_in_its_turn_counts_as_held_for_no_time(void **unused)
{
    (void)unused;
    struct rig r;
    rig_open_warm(&r, 2);
    int64_t live = memory_live();
    for (int i = 0; i < 300; i++) {
        if (i == 0) /* the first one by the long path */
            rig_pool(&r)->gate |= GATE_EXCESS;
        rig_release(&r, rig_lease(&r));
    }
    assert_int_equal(memory_live(), live + 1); /* that of a ticket, for the next one */
    assert_null(rig_pool(&r)->monitor.hold);
    rig_hold_for(&r, 30 * MS);
    assert_non_null(rig_pool(&r)->monitor.hold);
    struct told_window t = tell(&r);
    assert_int_equal(t.us[FIGURE_ENDED], 301);
    assert_int_equal(t.us[FIGURE_HOLD_P99_US], 0);
    assert_about(t.us[FIGURE_HOLD_MAX_US], 30 * MS);
    assert_about(t.us[FIGURE_HOLD_MEAN_US], 100);
    rig_end(&r);
}

static void calls_hold_one_as_well(void **unused)
{
    (void)unused;
    struct rig r;
    rig_open_warm(&r, 2);
    for (int i = 0; i < 5; i++)
        assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_OK);
    struct told_window t = tell(&r);
    assert_int_equal(t.us[FIGURE_ENDED], 5);
    assert_true(t.us[FIGURE_HOLD_P50_US] > 0);
    assert_true(t.number[FIGURE_UTILISATION] > 0);
    rig_end(&r);
}

/* Each until the next one comes, so that all together they are what the connection was leased. */
static void of_one_that_is_shared_no_time_is_counted_twice(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    r.spec.pool.min = r.spec.pool.max = 1;
    r.spec.pool.pipeline = 4;
    rig_open(&r);
    assert_int_equal(rig_await(&r, nebula_start(r.nebula, r.shop), NULL), ERROR_OK);
    int32_t ticket[4];
    for (size_t i = 0; i < COUNT(ticket); i++) {
        ticket[i] =
            rig_request(&r, (struct nebula_request){.text = "get 1 1", .is_idempotent = true});
        rig_pass(&r, 100);
    }
    for (size_t i = 0; i < COUNT(ticket); i++)
        assert_int_equal(rig_await(&r, ticket[i], NULL), ERROR_OK);
    struct told_window w = tell(&r);
    assert_int_equal(w.us[FIGURE_LEASES], 4);
    assert_int_equal(w.us[FIGURE_ENDED], 4);
    assert_int_equal(w.us[FIGURE_HOLD_P50_US] / 100, 1);
    int64_t leased_us = (int64_t)(w.number[FIGURE_UTILISATION] * w.number[FIGURE_WINDOW_US] + 0.5);
    assert_in_range(4 * w.us[FIGURE_HOLD_MEAN_US], leased_us - 4, leased_us);
    assert_int_equal(rig_pool(&r)->monitor.held_us, leased_us);
    rig_end(&r);
}

static void end_well(struct rig *r, int64_t lease)
{
    rig_release(r, lease);
}

static void end_spoiled(struct rig *r, int64_t lease)
{
    assert_int_equal(nebula_release(r->nebula, lease, NEBULA_SPOILED), 0);
}

static void end_in_transaction(struct rig *r, int64_t lease)
{
    assert_int_equal(rig_say(r, lease, "begin 7"), ERROR_OK);
    rig_release(r, lease);
}

static void end_under_way(struct rig *r, int64_t lease)
{
    int32_t ticket = rig_call(r, lease, "get 1 1");
    rig_release(r, lease);
    rig_await(r, ticket, NULL);
}

static void end_lost(struct rig *r, int64_t lease)
{
    server_order(r->server, FAULT_LOST_BEFORE);
    assert_int_not_equal(rig_say(r, lease, "get 1 1"), ERROR_OK);
}

static void end_with_its_task(struct rig *r, int64_t lease)
{
    (void)lease;
    nebula_task_close(r->nebula, r->engine->task->number);
}

static void end_to_a_waiter(struct rig *r, int64_t lease)
{
    (void)rig_lease(r);
    assert_int_equal(rig_ask(r), 0);
    int32_t ticket = rig_ticket(r);
    rig_release(r, lease);
    rig_lease_of(r, ticket);
}

static void however_a_lease_ends_its_hold_is_told(void **unused)
{
    (void)unused;
    static void (*const end[])(struct rig *, int64_t) = {
        end_well, end_spoiled,       end_in_transaction, end_under_way,
        end_lost, end_with_its_task, end_to_a_waiter,
    };
    for (size_t i = 0; i < COUNT(end); i++) {
        struct rig r;
        rig_open_warm(&r, 2);
        int32_t task = nebula_task_open(r.nebula, 0);
        nebula_task_enter(r.nebula, task);
        int64_t lease = rig_lease(&r);
        rig_pass(&r, 70 * MS);
        end[i](&r, lease);
        struct told_window t = tell(&r);
        if (t.us[FIGURE_ENDED] != 1 || t.us[FIGURE_HOLD_MAX_US] < 70 * MS ||
            t.us[FIGURE_HOLD_MAX_US] > 90 * MS)
            fail_msg("end %zu: %lld ended, the longest after %lld us", i,
                     (long long)t.us[FIGURE_ENDED], (long long)t.us[FIGURE_HOLD_MAX_US]);
        if (end[i] != end_with_its_task)
            nebula_task_close(r.nebula, task);
        rig_pass(&r, SECOND);
        rig_end(&r);
    }
}

static void what_is_still_held_is_in_use(void **unused)
{
    (void)unused;
    struct rig r;
    rig_open_warm(&r, 2);
    int64_t lease = rig_lease(&r);
    rig_pass(&r, 10 * SECOND);
    struct told_window t = tell(&r);
    assert_int_equal(t.us[FIGURE_ENDED], 0);
    assert_int_equal(t.us[FIGURE_HOLD_MAX_US], 0);
    assert_about((int64_t)(t.number[FIGURE_UTILISATION] * SECOND), (int64_t)SECOND / 2);
    rig_pass(&r, 3 * HALF);
    t = tell(&r);
    assert_int_equal(t.us[FIGURE_LEASES], 0); /* it was lent before */
    assert_about((int64_t)(t.number[FIGURE_UTILISATION] * SECOND), (int64_t)SECOND / 2);
    rig_release(&r, lease);
    t = tell(&r);
    assert_about(t.us[FIGURE_HOLD_MAX_US], 3 * HALF + 10 * SECOND);
    assert_about((int64_t)(t.number[FIGURE_UTILISATION] * SECOND), (int64_t)SECOND / 2);
    rig_end(&r);
}

/* --- waits and refusals ------------------------------------------------------------------------ */

static void what_was_in_use_is_a_share_of_what_max_was_then(void **unused)
{
    (void)unused;
    struct rig r;
    int64_t lease[8];
    rig_open_warm(&r, 8);
    for (int i = 0; i < 8; i++)
        lease[i] = rig_lease(&r);
    rig_pass(&r, 10 * (int64_t)SECOND);
    for (int i = 0; i < 8; i++)
        rig_release(&r, lease[i]);
    assert_int_equal(nebula_resize(r.nebula, r.shop, -1, 0, 2), 0);
    assert_about((int64_t)(tell(&r).number[FIGURE_UTILISATION] * SECOND), SECOND);
    rig_pass(&r, 20 * (int64_t)SECOND);
    assert_about((int64_t)(tell(&r).number[FIGURE_UTILISATION] * SECOND), SECOND * 80 / 120);
    rig_pass(&r, 2 * HALF); /* of that time nothing is left */
    lease[0] = rig_lease(&r);
    rig_pass(&r, HALF);
    assert_about(tell(&r).us[FIGURE_WINDOW_US], 150 * (int64_t)SECOND);
    assert_about((int64_t)(tell(&r).number[FIGURE_UTILISATION] * SECOND), SECOND * 120 / 150 / 2);
    rig_release(&r, lease[0]);
    rig_end(&r);
}

static void waits_are_told_of_all_leases(void **unused)
{
    (void)unused;
    struct rig r;
    rig_open_warm(&r, 1);
    for (int i = 0; i < 18; i++)
        rig_hold_for(&r, 5 * MS);
    struct told_window t = tell(&r);
    assert_int_equal(t.us[FIGURE_WAITED], 0);
    assert_int_equal(t.us[FIGURE_WAIT_MAX_US], 0);
    assert_null(rig_pool(&r)->monitor.wait);
    int64_t lease = rig_lease(&r);
    assert_int_equal(rig_ask(&r), 0);
    int32_t ticket = rig_ticket(&r);
    rig_pass(&r, 60 * MS);
    rig_release(&r, lease);
    rig_release(&r, rig_lease_of(&r, ticket));
    t = tell(&r);
    assert_int_equal(t.us[FIGURE_LEASES], 20);
    assert_int_equal(t.us[FIGURE_WAITED], 1);
    assert_int_equal(t.us[FIGURE_WAIT_P95_US], 0);
    assert_about(t.us[FIGURE_WAIT_P99_US], 60 * MS);
    assert_about(t.us[FIGURE_WAIT_MAX_US], 60 * MS);
    rig_end(&r);
}

static void who_is_refused_arrived_too_and_waited_for_nothing(void **unused)
{
    (void)unused;
    struct rig r;
    rig_open_warm(&r, 1);
    int64_t lease = rig_lease(&r);
    assert_int_equal(nebula_lease(r.nebula, r.shop, 0, 0, true), -ERROR_FULL);
    assert_int_equal(rig_ask(&r), 0);
    int32_t ticket = rig_ticket(&r);
    rig_pass(&r, SECOND);
    assert_int_equal(rig_await(&r, ticket, NULL), ERROR_WAIT);
    rig_release(&r, lease);
    nebula_pause(r.nebula, r.shop);
    assert_int_equal(nebula_lease(r.nebula, r.shop, 0, 0, true), -ERROR_PAUSED);
    struct told_window t = tell(&r);
    assert_int_equal(t.us[FIGURE_LEASES], 1);
    assert_int_equal(t.us[FIGURE_REFUSED], 2);
    assert_int_equal(t.us[FIGURE_WAITED], 0);
    assert_int_equal(t.us[FIGURE_WAIT_MAX_US], 0);
    assert_about((int64_t)(t.number[FIGURE_ARRIVALS_PER_S] * t.number[FIGURE_WINDOW_US]),
                 3 * (int64_t)SECOND);
    rig_pass(&r, 3 * HALF);
    assert_int_equal(tell(&r).us[FIGURE_REFUSED], 0);
    rig_end(&r);
}

/* --- the window -------------------------------------------------------------------------------- */

static void what_is_older_than_two_halves_is_forgotten(void **unused)
{
    (void)unused;
    struct rig r;
    rig_open_warm(&r, 2);
    rig_hold_for(&r, 500 * MS);
    rig_pass(&r, HALF + SECOND);
    rig_hold_for(&r, 20 * MS);
    struct told_window t = tell(&r);
    assert_int_equal(t.us[FIGURE_ENDED], 2);
    assert_about(t.us[FIGURE_HOLD_MAX_US], 500 * MS);
    rig_pass(&r, HALF);
    t = tell(&r);
    assert_int_equal(t.us[FIGURE_ENDED], 1);
    assert_about(t.us[FIGURE_HOLD_P50_US], 20 * MS);
    assert_about(t.us[FIGURE_HOLD_MAX_US], 20 * MS);
    rig_pass(&r, HALF);
    t = tell(&r);
    assert_int_equal(t.us[FIGURE_LEASES], 0);
    assert_int_equal(t.us[FIGURE_HOLD_MAX_US], 0);
    assert_int_equal(t.us[FIGURE_HOLD_MEAN_US], 0);
    for (int i = 0; i < 20; i++) {
        rig_pass(&r, 7 * (int64_t)SECOND);
        assert_in_range(tell(&r).us[FIGURE_WINDOW_US], HALF, 2 * HALF);
    }
    rig_end(&r);
}

/* Nobody looks at it meanwhile, for there is nothing to look after. */
static void a_pool_that_had_no_connection_for_long_tells_nothing_old(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    r.spec.pool.idle_us = SECOND;
    rig_open(&r);
    rig_hold_for(&r, 500 * MS);
    rig_pass(&r, 100 * HALF);
    struct told_window t = tell(&r);
    assert_int_equal(rig_count(&r, CONN_IDLE), 0);
    assert_int_equal(t.us[FIGURE_LEASES], 0);
    assert_int_equal(t.us[FIGURE_HOLD_MAX_US], 0);
    assert_int_equal(t.us[FIGURE_WAIT_MAX_US], 0);
    assert_int_equal(t.us[FIGURE_WINDOW_US], HALF);
    rig_pass(&r, 100 * HALF);
    rig_hold_for(&r, 40 * MS);
    t = tell(&r);
    assert_int_equal(t.us[FIGURE_LEASES], 1);
    assert_int_equal(t.us[FIGURE_WAITED], 1); /* for it to be opened */
    assert_true(t.us[FIGURE_WAIT_MAX_US] > 0);
    assert_about(t.us[FIGURE_HOLD_MAX_US], 40 * MS);
    assert_about(t.us[FIGURE_WINDOW_US], HALF + 50 * MS);
    assert_true(t.number[FIGURE_UTILISATION] < 0.001); /* of all that while */
    rig_end(&r);
}

/* It comes after the half is over, and that is when the half ended. */
static void a_window_is_no_longer_when_there_was_no_connection_for_a_while(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    r.spec.pool.idle_us = SECOND;
    rig_open(&r);
    rig_hold_for(&r, 500 * MS);
    rig_pass(&r, 2 * HALF - 10 * (int64_t)SECOND);
    rig_hold_for(&r, 40 * MS);
    assert_int_equal(tell(&r).us[FIGURE_LEASES], 2);
    for (int i = 0; i < 40; i++) {
        rig_pass(&r, 7 * (int64_t)SECOND);
        rig_hold_for(&r, 20 * MS);
        struct told_window t = tell(&r);
        assert_in_range(t.us[FIGURE_WINDOW_US], HALF, 2 * HALF);
        assert_true(t.number[FIGURE_UTILISATION] > 0 && t.number[FIGURE_UTILISATION] < 0.01);
    }
    rig_end(&r);
}

static void of_a_moment_no_rate_is_known(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    rig_open(&r);
    assert_int_equal(nebula_lease(r.nebula, r.shop, 0, 0, true), 0);
    struct told_window t = tell(&r);
    assert_int_equal(t.us[FIGURE_WINDOW_US], 0);
    assert_true(t.number[FIGURE_ARRIVALS_PER_S] == 0 && t.number[FIGURE_UTILISATION] == 0);
    rig_release(&r, rig_lease_of(&r, rig_ticket(&r)));
    rig_end(&r);
}

static void who_never_used_it_is_told_nothing(void **unused)
{
    (void)unused;
    double number[FIGURES + 1] = {[2] = 42};
    struct rig r;
    rig_begin(&r);
    rig_open(&r);
    assert_int_equal(nebula_figures(r.nebula, r.shop, 0, number, FIGURES), 0);
    assert_int_equal(nebula_figures(r.nebula, r.shop, 1, number, FIGURES), -ERROR_USAGE);
    assert_int_equal(nebula_figures(r.nebula, r.shop, -1, number, FIGURES), -ERROR_USAGE);
    assert_int_equal(nebula_figures(r.nebula, r.shop + 1, 0, number, FIGURES), -ERROR_USAGE);
    rig_hold_for(&r, MS);
    assert_int_equal(nebula_figures(r.nebula, r.shop, 0, NULL, 0), FIGURES);
    assert_int_equal(nebula_figures(r.nebula, r.shop, 0, number, 2), FIGURES);
    assert_true(number[0] > 0 && number[1] == 1 && number[2] == 42);
    assert_string_equal(nebula_figure(0), "window_us");
    assert_null(nebula_figure(FIGURES));
    assert_null(nebula_figure(-1));
    rig_end(&r);
}

/* --- memory ------------------------------------------------------------------------------------ */

/* Neither for a histogram nor for a row in it. */
static void without_memory_a_figure_is_missing_and_nothing_else(void **unused)
{
    (void)unused;
    for (int nth = 1; nth <= 2; nth++) {
        struct rig r;
        rig_open_warm(&r, 2);
        int64_t lease = rig_lease(&r);
        rig_pass(&r, 30 * MS);
        memory_fail(nth);
        rig_release(&r, lease);
        assert_int_equal(memory_failed(), 1);
        struct told_window t = tell(&r);
        assert_int_equal(t.us[FIGURE_ENDED], 1);
        assert_int_equal(t.us[FIGURE_HOLD_MAX_US], 0);
        rig_hold_for(&r, 30 * MS);
        t = tell(&r);
        assert_int_equal(t.us[FIGURE_ENDED], 2);
        assert_about(t.us[FIGURE_HOLD_P50_US], 30 * MS);
        rig_end(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(holds_are_told_by_their_quantiles_and_how_much_was_in_use),
        cmocka_unit_test(one_that_comes_home_in_its_turn_counts_as_held_for_no_time),
        cmocka_unit_test(calls_hold_one_as_well),
        cmocka_unit_test(of_one_that_is_shared_no_time_is_counted_twice),
        cmocka_unit_test(however_a_lease_ends_its_hold_is_told),
        cmocka_unit_test(what_is_still_held_is_in_use),
        cmocka_unit_test(what_was_in_use_is_a_share_of_what_max_was_then),
        cmocka_unit_test(waits_are_told_of_all_leases),
        cmocka_unit_test(who_is_refused_arrived_too_and_waited_for_nothing),
        cmocka_unit_test(what_is_older_than_two_halves_is_forgotten),
        cmocka_unit_test(a_pool_that_had_no_connection_for_long_tells_nothing_old),
        cmocka_unit_test(a_window_is_no_longer_when_there_was_no_connection_for_a_while),
        cmocka_unit_test(of_a_moment_no_rate_is_known),
        cmocka_unit_test(who_never_used_it_is_told_nothing),
        cmocka_unit_test(without_memory_a_figure_is_missing_and_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
