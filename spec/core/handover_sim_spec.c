/* Several engines under one cap, in virtual time: the server never sees more connections than max, and who
 * came first is served first, whichever engine he asked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/check.h"
#include "core/handover.h"
#include "sim/ledger_trace.h"
#include "sim/shift.h"

#define CREW 3

static void begin(struct shift *w, int32_t max)
{
    shift_begin(w, CREW);
    w->spec->pool.max = max;
    server_cap(w->of[0].server, 0, max);
}

static void an_idle_connection_goes_to_who_waits_elsewhere(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w, 1);
    shift_open_all(&w);
    int64_t lease = shift_lease(&w, 0, 100 * MS);
    assert_true(lease > 0);
    assert_int_equal(rig_say(&w.of[0], lease, "get 1 1"), ERROR_OK);
    rig_release(&w.of[0], lease);
    lease = shift_lease(&w, 1, MS);
    assert_true(lease > 0);
    assert_int_equal(server_opened(w.of[0].server), 1); /* it is the same one */
    assert_int_equal(rig_count(&w.of[0], CONN_IDLE), 0);
    assert_int_equal(rig_say(&w.of[1], lease, "get 2 1"), ERROR_OK);
    rig_release(&w.of[1], lease);
    lease = shift_lease(&w, 0, MS);
    assert_true(lease > 0);
    assert_int_equal(rig_say(&w.of[0], lease, "get 3 1"), ERROR_OK);
    rig_release(&w.of[0], lease);
    shift_end(&w);
}

static void there_are_never_more_than_max(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w, 2);
    shift_open_all(&w);
    int64_t a = shift_lease(&w, 0, 100 * MS), b = shift_lease(&w, 1, 100 * MS);
    assert_true(a > 0 && b > 0);
    int32_t c = shift_ask(&w, 2);
    shift_pass(&w, 100 * MS);
    assert_false(shift_has(&w, 2, c));
    assert_int_equal(server_wires(w.of[0].server, 0), 2);
    rig_release(&w.of[1], b);
    shift_pass(&w, MS);
    rig_release(&w.of[2], shift_take(&w, 2, c));
    rig_release(&w.of[0], a);
    assert_int_equal(server_opened(w.of[0].server), 2);
    shift_end(&w);
}

static void who_came_first_is_served_first_wherever_he_asked(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w, 1);
    shift_open_all(&w);
    int64_t lease = shift_lease(&w, 0, 100 * MS);
    int32_t first = shift_ask(&w, 2);
    shift_pass(&w, 10 * MS);
    int32_t second = shift_ask(&w, 0);
    shift_pass(&w, 10 * MS);
    int32_t third = shift_ask(&w, 1);
    shift_pass(&w, 10 * MS);
    rig_release(&w.of[0], lease);
    shift_pass(&w, MS);
    assert_false(shift_has(&w, 0, second) || shift_has(&w, 1, third));
    rig_release(&w.of[2], shift_take(&w, 2, first));
    shift_pass(&w, MS);
    assert_false(shift_has(&w, 1, third));
    rig_release(&w.of[0], shift_take(&w, 0, second));
    shift_pass(&w, MS);
    rig_release(&w.of[1], shift_take(&w, 1, third));
    shift_end(&w);
}

static void a_driver_that_keeps_it_gives_the_permit(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w, 1);
    w.spec->driver = "sim_plain";
    shift_open_all(&w);
    int64_t lease = shift_lease(&w, 0, 100 * MS);
    int32_t waits = shift_ask(&w, 1);
    rig_release(&w.of[0], lease);
    shift_pass(&w, 100 * MS);
    rig_release(&w.of[1], shift_take(&w, 1, waits));
    assert_int_equal(server_opened(w.of[0].server), 2);
    shift_end(&w);
}

static void one_that_breaks_on_its_way_is_replaced(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w, 1);
    shift_open_all(&w);
    int64_t lease = shift_lease(&w, 0, 100 * MS);
    int32_t waits = shift_ask(&w, 1);
    rig_release(&w.of[0], lease);
    rig_pass(&w.of[0], 0);
    assert_int_equal(pool_all(rig_pool(&w.of[0])), 0);
    server_crash(w.of[0].server, 0);
    shift_pass(&w, 400 * MS);
    lease = shift_take(&w, 1, waits);
    if (rig_say(&w.of[1], lease, "get 1 1") !=
        ERROR_OK) { /* it may be lent before it is known to be broken */
        lease = shift_lease(&w, 1, 400 * MS);
        assert_int_equal(rig_say(&w.of[1], lease, "get 1 1"), ERROR_OK);
    }
    rig_release(&w.of[1], lease);
    shift_end(&w);
}

static void who_leaves_takes_nothing_with_him(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w, 1);
    shift_open_all(&w);
    int64_t lease = shift_lease(&w, 0, 100 * MS);
    int32_t waits = shift_ask(&w, 1);
    assert_true(lease > 0);
    shift_pass(&w, MS);
    shift_close(&w, 0);
    shift_pass(&w, 100 * MS);
    lease = shift_take(&w, 1, waits);
    shift_ask(&w, 2);
    shift_pass(&w, MS);
    rig_release(&w.of[1], lease); /* on its way to one that leaves */
    rig_pass(&w.of[1], 0);
    shift_close(&w, 2);
    assert_true(shift_lease(&w, 1, 100 * MS) > 0);
    shift_end(&w);
}

static void what_nobody_waits_for_any_more_serves_the_next(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w, 1);
    shift_open_all(&w);
    int64_t lease = shift_lease(&w, 0, 100 * MS);
    int32_t waits = shift_ask(&w, 1);
    shift_pass(&w, MS);
    rig_release(&w.of[0], lease);
    rig_pass(&w.of[0], 0);
    nebula_cancel(w.of[1].nebula, waits);
    shift_pass(&w, MS);
    rig_await(&w.of[1], waits, NULL);
    assert_int_equal(rig_count(&w.of[1], CONN_IDLE), 1);
    lease = shift_lease(&w, 2, MS);
    assert_true(lease > 0);
    rig_release(&w.of[2], lease);
    assert_int_equal(server_opened(w.of[0].server), 1);
    shift_end(&w);
}

/* Of two who asked one was served, and the other has gone by then. */
static void who_has_gone_is_not_asked_for_any_more(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w, 1);
    shift_open_all(&w);
    int64_t lease = shift_lease(&w, 0, 100 * MS);
    int32_t first = shift_ask(&w, 1), second = shift_ask(&w, 1);
    shift_pass(&w, 0);
    rig_release(&w.of[0], lease);
    shift_pass(&w, 0);
    nebula_cancel(w.of[1].nebula, second);
    shift_pass(&w, 0);
    rig_await(&w.of[1], second, NULL);
    assert_true(permits_asked_us(&rig_pool(&w.of[0])->stake) == LEDGER_NOBODY);
    rig_release(&w.of[1], shift_take(&w, 1, first));
    shift_end(&w);
}

static void the_minimum_is_kept_by_one(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w, 4);
    w.spec->pool.min = 2;
    shift_open_all(&w);
    int32_t ticket[CREW], idle = 0, wanted = 2;
    for (int i = 0; i < CREW; i++) {
        ticket[i] = nebula_start(w.of[i].nebula, w.of[i].shop);
        /* who comes and is home opens one, whatever others have */
        wanted += i > 0 && permits_is_home(&rig_pool(&w.of[i])->stake);
    }
    shift_pass(&w, 100 * MS);
    for (int i = 0; i < CREW; i++) {
        assert_int_equal(rig_await(&w.of[i], ticket[i], NULL), ERROR_OK);
        idle += rig_count(&w.of[i], CONN_IDLE);
    }
    assert_int_equal(idle, wanted);
    shift_end(&w);
}

static void bounds_are_those_of_all(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w, 1);
    server_cap(w.of[0].server, 0, 2);
    shift_open_all(&w);
    int64_t lease = shift_lease(&w, 0, 100 * MS);
    int32_t waits = shift_ask(&w, 1);
    shift_pass(&w, 10 * MS);
    for (int i = 0; i < CREW; i++)
        assert_int_equal(nebula_resize(w.of[i].nebula, w.of[i].shop, -1, 0, 2), 0);
    shift_pass(&w, 100 * MS);
    int64_t other = shift_take(&w, 1, waits);
    for (int i = 0; i < CREW; i++)
        assert_int_equal(nebula_resize(w.of[i].nebula, w.of[i].shop, -1, 0, 1), 0);
    rig_release(&w.of[1], other);
    waits = shift_ask(&w, 2);
    shift_pass(&w, 100 * MS);
    rig_release(&w.of[0], lease);
    shift_pass(&w, 100 * MS);
    rig_release(&w.of[2], shift_take(&w, 2, waits));
    shift_pass(&w, 100 * MS);
    assert_int_equal(server_wires(w.of[0].server, 0), 1);
    shift_end(&w);
}

static void whoever_does_not_wait_hears_soon_that_it_is_full(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w, 1);
    w.spec->pool.is_fail_fast = true;
    shift_open_all(&w);
    int64_t lease = shift_lease(&w, 0, 100 * MS);
    int64_t asked = rig_ask(&w.of[1]);
    assert_int_equal(asked, 0);
    int32_t waits = rig_ticket(&w.of[1]);
    shift_pass(&w, 60 * MS);
    assert_int_equal(rig_await(&w.of[1], waits, NULL), ERROR_FULL);
    rig_release(&w.of[0], lease);
    lease = shift_lease(&w, 1, MS); /* an idle one elsewhere is as good as one here */
    assert_true(lease > 0);
    rig_release(&w.of[1], lease);
    shift_end(&w);
}

static void what_is_older_than_a_reconnect_leaves_where_it_comes_to(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w, 1);
    shift_open_all(&w);
    int64_t lease = shift_lease(&w, 0, 100 * MS);
    int32_t waits = shift_ask(&w, 1);
    shift_pass(&w, MS);
    int32_t all = nebula_reconnect(w.of[1].nebula, w.of[1].shop, 100, 0);
    rig_release(&w.of[0], lease); /* before it hears of that */
    rig_pass(&w.of[0], 0);
    shift_pass(&w, 100 * MS);
    assert_int_equal(rig_await(&w.of[1], all, NULL), ERROR_OK);
    rig_release(&w.of[1], shift_take(&w, 1, waits));
    assert_int_equal(server_opened(w.of[0].server), 2);
    shift_end(&w);
}

static void different_things_of_one_name_share_nothing(void **unused)
{
    (void)unused;
    struct shift w;
    const struct nebula_option other[] = {{.name = "server", .value = "shop"},
                                          {.name = "wants", .value = "primary"}};
    begin(&w, 1);
    server_cap(w.of[0].server, 0, 2);
    shift_open(&w, 0);
    w.spec->option = other;
    w.spec->options = 2;
    shift_open(&w, 1);
    int64_t lease = shift_lease(&w, 0, 100 * MS), another = shift_lease(&w, 1, 100 * MS);
    assert_true(lease > 0 && another > 0);
    assert_int_equal(server_opened(w.of[0].server), 2);
    shift_end(&w);
}

/* Who has the minimum to keep waits for no lease, so he asks nobody for a permit. */
static void the_minimum_is_opened_as_soon_as_there_is_a_permit(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w, 1);
    w.spec->pool.min = 1;
    shift_open_all(&w);
    for (int i = 0; i < CREW; i++)
        nebula_start(w.of[i].nebula, w.of[i].shop);
    shift_pass(&w, 100 * MS);
    int home = 0;
    while (!rig_pool(&w.of[home])->is_home)
        home++;
    int other = (home + 1) % CREW;
    int64_t lease = shift_lease(&w, other, 100 * MS);
    assert_true(lease > 0);
    shift_pass(&w, 100 * MS);
    assert_int_equal(pool_all(rig_pool(&w.of[home])), 0);
    assert_int_equal(nebula_release(w.of[other].nebula, lease, NEBULA_SPOILED), 0);
    shift_pass(&w, 100 * MS);
    assert_int_equal(rig_count(&w.of[home], CONN_IDLE), 1);
    shift_end(&w);
}

/* Of two that are to be renewed one is not due yet, and goes to a worker that has had none so far. */
static void what_is_older_than_a_reconnect_is_lent_by_nobody_who_begins_later(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w, 2);
    shift_open_all(&w);
    int64_t a = shift_lease(&w, 0, 100 * MS), b = shift_lease(&w, 0, 100 * MS);
    assert_true(a > 0 && b > 0);
    assert_true(nebula_reconnect(w.of[0].nebula, w.of[0].shop, 1, 10 * (int64_t)SECOND) > 0);
    shift_pass(&w, MS);
    int32_t waits = shift_ask(&w, 1);
    shift_pass(&w, 5 * MS);
    rig_release(&w.of[0], b);
    shift_pass(&w, 100 * MS);
    rig_release(&w.of[1], shift_take(&w, 1, waits));
    assert_int_equal(server_opened(w.of[0].server), 3);
    rig_release(&w.of[0], a);
    shift_end(&w);
}

static void what_is_left_when_those_here_are_served_goes_to_those_elsewhere(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w, 2);
    shift_open_all(&w);
    int64_t a = shift_lease(&w, 0, 100 * MS), b = shift_lease(&w, 0, 100 * MS);
    assert_int_equal(nebula_pause(w.of[0].nebula, w.of[0].shop), 0);
    shift_pass(&w, MS);
    rig_release(&w.of[0], a);
    rig_release(&w.of[0], b);
    int32_t here = shift_ask(&w, 0);
    shift_pass(&w, 5 * MS);
    assert_int_equal(rig_count(&w.of[0], CONN_IDLE), 2);
    int32_t there = shift_ask(&w, 1);
    shift_pass(&w, 10 * MS);
    assert_int_equal(nebula_resume(w.of[0].nebula, w.of[0].shop), 0);
    shift_pass(&w, 5 * MS);
    rig_release(&w.of[0], shift_take(&w, 0, here));
    rig_release(&w.of[1], shift_take(&w, 1, there));
    assert_int_equal(server_opened(w.of[0].server), 2);
    shift_end(&w);
}

/* At the n-th step of another worker on the ledger, or when it hands something on. */
static void whoever_asked_may_leave_at_any_step_of_who_serves_him(void **unused)
{
    (void)unused;
    struct quitter q = {.left = 0};
    for (int nth = 1; q.left == 0; nth++) {
        struct shift w;
        begin(&w, 1);
        shift_open_all(&w);
        int64_t lease = shift_lease(&w, 0, 100 * MS);
        int32_t there = shift_ask(&w, 1);
        shift_pass(&w, 5 * MS);
        int32_t here = shift_ask(&w, 0);
        shift_pass(&w, 5 * MS);
        q = (struct quitter){.pause.run = quit, .rig = &w.of[1], .ticket = there, .left = nth};
        ledger_trace_pause(&q.pause);
        rig_release(&w.of[0], lease);
        shift_pass(&w, 5 * MS);
        ledger_trace_pause(NULL);
        assert_true(shift_has(&w, 1, there)); /* served, or cancelled */
        struct nebula_reply reply;
        int32_t code = rig_await(&w.of[1], there, &reply);
        if (code == ERROR_OK)
            rig_release(&w.of[1], reply.lease);
        shift_pass(&w, 5 * MS);
        rig_release(&w.of[0], shift_take(&w, 0, here));
        shift_end(&w);
        assert_true(nth < 100);
    }
}

/* Others go by what is asked for, so it may not be of one who has left for a moment. */
static void who_has_left_is_not_asked_for_while_others_wait(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w, 1);
    shift_open_all(&w);
    int64_t lease = shift_lease(&w, 0, 100 * MS);
    int32_t first = shift_ask(&w, 1);
    int64_t first_us = world_time_us();
    shift_pass(&w, 5 * MS);
    int32_t second = shift_ask(&w, 1);
    shift_pass(&w, 5 * MS);
    const struct stake *other = &rig_pool(&w.of[0])->stake;
    assert_true(permits_asked_us(other) <= first_us);
    nebula_cancel(w.of[1].nebula, first);
    assert_in_range(permits_asked_us(other), first_us + 5 * MS, world_time_us());
    rig_release(&w.of[0], lease);
    shift_pass(&w, 5 * MS);
    rig_release(&w.of[1], shift_take(&w, 1, second));
    shift_end(&w);
}

static void what_comes_back_because_nobody_wants_it_is_as_old_as_before(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w, 2);
    shift_open_all(&w);
    int64_t a = shift_lease(&w, 0, 100 * MS), b = shift_lease(&w, 0, 100 * MS);
    int32_t renews = nebula_reconnect(w.of[0].nebula, w.of[0].shop, 1, SECOND);
    shift_pass(&w, MS);
    int32_t waits = shift_ask(&w, 1);
    shift_pass(&w, 5 * MS);
    struct quitter q = {.pause.run = quit, .rig = &w.of[1], .ticket = waits, .at_hand = true};
    ledger_trace_pause(&q.pause);
    rig_release(&w.of[0], b);
    shift_pass(&w, 5 * MS);
    ledger_trace_pause(NULL);
    assert_int_equal(rig_await(&w.of[1], waits, NULL), ERROR_CANCELLED);
    rig_release(&w.of[0], a);
    shift_pass(&w, 3 * SECOND);
    assert_int_equal(rig_await(&w.of[0], renews, NULL), ERROR_OK);
    const struct pool *p = rig_pool(&w.of[0]);
    for (const struct conn *c = p->conns.first; c != NULL; c = c->next)
        assert_true(c->created_us >= p->renewed_us);
    shift_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_idle_connection_goes_to_who_waits_elsewhere),
        cmocka_unit_test(there_are_never_more_than_max),
        cmocka_unit_test(who_came_first_is_served_first_wherever_he_asked),
        cmocka_unit_test(a_driver_that_keeps_it_gives_the_permit),
        cmocka_unit_test(one_that_breaks_on_its_way_is_replaced),
        cmocka_unit_test(who_leaves_takes_nothing_with_him),
        cmocka_unit_test(what_nobody_waits_for_any_more_serves_the_next),
        cmocka_unit_test(who_has_gone_is_not_asked_for_any_more),
        cmocka_unit_test(the_minimum_is_kept_by_one),
        cmocka_unit_test(bounds_are_those_of_all),
        cmocka_unit_test(whoever_does_not_wait_hears_soon_that_it_is_full),
        cmocka_unit_test(different_things_of_one_name_share_nothing),
        cmocka_unit_test(what_is_older_than_a_reconnect_leaves_where_it_comes_to),
        cmocka_unit_test(what_is_older_than_a_reconnect_is_lent_by_nobody_who_begins_later),
        cmocka_unit_test(the_minimum_is_opened_as_soon_as_there_is_a_permit),
        cmocka_unit_test(what_is_left_when_those_here_are_served_goes_to_those_elsewhere),
        cmocka_unit_test(whoever_asked_may_leave_at_any_step_of_who_serves_him),
        cmocka_unit_test(who_has_left_is_not_asked_for_while_others_wait),
        cmocka_unit_test(what_comes_back_because_nobody_wants_it_is_as_old_as_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
