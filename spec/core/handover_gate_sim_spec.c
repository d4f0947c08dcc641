/* Several engines under one cap, in virtual time: when the short path is shut for others and when it is not, and when
 * others are asked. Who is served: handover_sim_spec.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/check.h"
#include "core/handover.h"
#include "core/share.h"
#include "sim/ledger_trace.h"
#include "sim/shift.h"

static void begin(struct shift *w, int count, int32_t max)
{
    shift_begin(w, count);
    w->spec->pool.max = max;
    server_cap(w->of[0].server, 0, max);
    shift_open_all(w);
}

/* --- the gate ---------------------------------------------------------------------------------- */

static void whoever_came_little_earlier_elsewhere_comes_behind_those_here(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w, 2, 1);
    int64_t lease = shift_lease(&w, 0, 100 * MS);
    int32_t waits = shift_ask(&w, 1);
    shift_pass(&w, MS);
    struct pool *p = rig_pool(&w.of[0]);
    int64_t asked_us = permits_asked_us(&p->stake);
    assert_false(handover_is_due(p, asked_us + HANDOVER_LEAD_US));
    assert_true(handover_is_due(p, asked_us + HANDOVER_LEAD_US + 1));
    nebula_cancel(w.of[1].nebula, waits);
    assert_true(p->is_asked); /* by what it saw last; and nobody does */
    assert_false(handover_is_due(p, INT64_MAX));
    rig_await(&w.of[1], waits, NULL);
    rig_release(&w.of[0], lease);
    shift_end(&w);
}

static void where_nobody_asks_the_short_path_is_open(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w, 2, 1);
    int64_t lease = shift_lease(&w, 0, 100 * MS);
    const struct pool *p = rig_pool(&w.of[0]);
    shift_pass(&w, MS);
    assert_int_equal(p->gate, 0);
    int32_t waits = shift_ask(&w, 1);
    shift_pass(&w, 5 * MS);
    assert_int_equal(p->gate, GATE_ASKED);
    nebula_cancel(w.of[1].nebula, waits);
    rig_await(&w.of[1], waits, NULL);
    keep_look(rig_pool(&w.of[0])); /* which it does at some time */
    assert_int_equal(p->gate, 0);
    rig_release(&w.of[0], lease);
    shift_end(&w);
}

/* In the turn in which one comes home, and the next ones have not looked yet. */
static void who_comes_when_others_have_waited_does_not_get_what_came_home(void **unused)
{
    (void)unused;
    for (int is_due = 0; is_due < 2; is_due++) {
        struct shift w;
        begin(&w, 2, 1);
        int64_t lease = shift_lease(&w, 0, 100 * MS);
        int32_t first = shift_ask(&w, 1);
        shift_pass(&w, is_due ? 10 * MS : MS);
        rig_release(&w.of[0], lease);
        assert_int_equal(rig_pool(&w.of[0])->gate, is_due ? GATE_ASKED : 0);
        lease = rig_ask(&w.of[0]);
        assert_int_equal(lease > 0, !is_due);
        int32_t second = is_due ? rig_ticket(&w.of[0]) : 0;
        if (!is_due)
            rig_release(&w.of[0], lease);
        shift_pass(&w, MS);
        rig_release(&w.of[1], shift_take(&w, 1, first));
        shift_pass(&w, MS);
        if (is_due)
            rig_release(&w.of[0], shift_take(&w, 0, second));
        shift_end(&w);
    }
}

/* --- asking ------------------------------------------------------------------------------------ */

/* He whose connection it was to be leaves as it is handed on, and the next one elsewhere came later than who waits here. */
static void those_here_are_passed_over_by_nobody_who_came_later(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w, 3, 1);
    int64_t lease = shift_lease(&w, 0, 100 * MS);
    int32_t first = shift_ask(&w, 1);
    shift_pass(&w, 5 * MS);
    int32_t second = shift_ask(&w, 0);
    shift_pass(&w, 5 * MS);
    int32_t third = shift_ask(&w, 2);
    shift_pass(&w, 5 * MS);
    struct quitter q = {.pause.run = quit, .rig = &w.of[1], .ticket = first, .at_hand = true};
    ledger_trace_pause(&q.pause);
    rig_release(&w.of[0], lease);
    shift_pass(&w, MS);
    ledger_trace_pause(NULL);
    assert_int_equal(rig_await(&w.of[1], first, NULL), ERROR_CANCELLED);
    assert_int_equal(q.hands, 1); /* it stayed here */
    rig_release(&w.of[0], shift_take(&w, 0, second));
    shift_pass(&w, MS);
    rig_release(&w.of[2], shift_take(&w, 2, third));
    shift_end(&w);
}

/* In the same look: no other one may come. */
static void when_those_here_are_served_it_is_the_turn_of_those_elsewhere(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w, 2, 2);
    int64_t a = shift_lease(&w, 0, 100 * MS), b = shift_lease(&w, 0, 100 * MS);
    struct pool *p = rig_pool(&w.of[0]);
    p->gate |= GATE_PAUSED;
    rig_release(&w.of[0], a);
    rig_release(&w.of[0], b);
    int32_t here = shift_ask(&w, 0);
    shift_pass(&w, 5 * MS);
    int32_t there = shift_ask(&w, 1);
    shift_pass(&w, 5 * MS);
    assert_int_equal(rig_count(&w.of[0], CONN_IDLE), 2);
    p->gate &= ~(uint32_t)GATE_PAUSED;
    loop_soon(p->engine->loop, &p->hand);
    nebula_turn(w.of[0].nebula, 0);
    assert_true(permits_has_come(&rig_pool(&w.of[1])->stake));
    shift_pass(&w, MS);
    rig_release(&w.of[0], shift_take(&w, 0, here));
    rig_release(&w.of[1], shift_take(&w, 1, there));
    shift_end(&w);
}

/* While his own is opened, others have some time to bring one, and it has some time to come. */
static void who_opens_one_asks_for_that_of_others_when_it_takes_long(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w, 2, 2);
    int64_t lease = shift_lease(&w, 0, 100 * MS);
    rig_release(&w.of[0], lease);
    server_order(w.of[0].server, FAULT_NO_OPEN);
    int32_t waits = shift_ask(&w, 1);
    shift_pass(&w, HANDOVER_LEAD_US - MS);
    assert_int_equal(rig_count(&w.of[0], CONN_IDLE), 1);
    shift_pass(&w, 2 * MS);
    rig_release(&w.of[1], shift_take(&w, 1, waits));
    assert_int_equal(rig_count(&w.of[0], CONN_IDLE), 0);
    shift_end(&w);
}

/* At most eight are asked for at a time; when those have gone it is the turn of those behind them. */
static void those_behind_the_first_eight_are_asked_for_when_these_leave(void **unused)
{
    (void)unused;
    struct shift w;
    int32_t waits[ASKS_MOST + 1];
    begin(&w, 2, 1);
    int64_t lease = shift_lease(&w, 0, 100 * MS);
    for (int i = 0; i <= ASKS_MOST; i++)
        waits[i] = shift_ask(&w, 1);
    shift_pass(&w, 5 * MS);
    for (int i = 0; i < ASKS_MOST; i++) {
        nebula_cancel(w.of[1].nebula, waits[i]);
        rig_await(&w.of[1], waits[i], NULL);
    }
    shift_pass(&w, MS);
    assert_true(permits_asked_us(&rig_pool(&w.of[0])->stake) != LEDGER_NOBODY);
    rig_release(&w.of[0], lease);
    shift_pass(&w, MS);
    rig_release(&w.of[1], shift_take(&w, 1, waits[ASKS_MOST]));
    shift_end(&w);
}

/* Of two who will not wait for long one was served, so the others do come: for the second one as long again. */
static void whatever_comes_from_others_is_hope_for_the_next(void **unused)
{
    (void)unused;
    struct shift w;
    shift_begin(&w, 2);
    w.spec->pool.max = 2;
    w.spec->pool.is_fail_fast = true;
    server_cap(w.of[0].server, 0, 2);
    shift_open_all(&w);
    int64_t a = shift_lease(&w, 0, 100 * MS), b = shift_lease(&w, 0, 100 * MS);
    int32_t first = shift_ask(&w, 1), second = shift_ask(&w, 1);
    shift_pass(&w, 40 * MS);
    rig_release(&w.of[0], a);
    shift_pass(&w, 30 * MS);
    a = shift_take(&w, 1, first);
    assert_false(rig_is_answered(&w.of[1], second));
    shift_pass(&w, 30 * MS);
    assert_int_equal(rig_await(&w.of[1], second, NULL), ERROR_FULL);
    rig_release(&w.of[1], a);
    rig_release(&w.of[0], b);
    shift_end(&w);
}

/* Two calls share one here, and another one would be opened beside if there were a permit. */
static void who_waits_for_nothing_asks_nobody(void **unused)
{
    (void)unused;
    struct shift w;
    int32_t ticket[2];
    shift_begin(&w, 2);
    w.spec->pool.max = 2;
    w.spec->pool.pipeline = 8;
    server_cap(w.of[0].server, 0, 2);
    shift_open_all(&w);
    int64_t lease = shift_lease(&w, 0, 100 * MS);
    rig_release(&w.of[1], shift_lease(&w, 1, 100 * MS));
    server_pace(w.of[0].server, 100 * MS);
    for (int i = 0; i < 2; i++)
        ticket[i] = rig_request(&w.of[1],
                                (struct nebula_request){.text = "get 1 1", .is_idempotent = true});
    shift_pass(&w, 10 * MS);
    struct pool *p = rig_pool(&w.of[1]);
    assert_int_equal(share_crowd(p), 1);
    assert_true(handover_given_up_us(p) == INT64_MAX);
    for (int i = 0; i < 2; i++)
        assert_int_equal(shift_await(&w, 1, ticket[i]), ERROR_OK);
    rig_release(&w.of[0], lease);
    shift_end(&w);
}

/* --- what comes, and who goes ------------------------------------------------------------------- */

static void one_granted_before_max_became_less_opens_nothing(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w, 2, 2);
    int64_t a = shift_lease(&w, 0, 100 * MS), b = shift_lease(&w, 0, 100 * MS);
    int32_t waits = shift_ask(&w, 1);
    shift_pass(&w, MS);
    assert_int_equal(nebula_release(w.of[0].nebula, a, NEBULA_SPOILED), 0);
    while (!permits_has_come(&rig_pool(&w.of[1])->stake))
        rig_pass(&w.of[0], 100);
    assert_int_equal(nebula_resize(w.of[0].nebula, w.of[0].shop, -1, 0, 1), 0);
    server_cap(w.of[0].server, 0, 1);
    shift_pass(&w, 20 * MS);
    assert_int_equal(server_wires(w.of[0].server, 0), 1);
    rig_release(&w.of[0], b);
    shift_pass(&w, MS);
    rig_release(&w.of[1], shift_take(&w, 1, waits));
    shift_end(&w);
}

/* It was told so by another worker, and the order was heard here before it came. */
static void what_was_told_to_leave_on_its_way_leaves_where_it_comes_to(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w, 2, 1);
    int64_t lease = shift_lease(&w, 0, 100 * MS);
    int32_t waits = shift_ask(&w, 1);
    shift_pass(&w, MS);
    rig_release(&w.of[0], lease);
    rig_pass(&w.of[0], 0);
    struct pool *there = rig_pool(&w.of[1]);
    assert_true(permits_has_come(&there->stake));
    board_order(there->outlook->board, 0, 0);
    there->heeded = there->outlook->board->orders;
    shift_pass(&w, 100 * MS);
    rig_release(&w.of[1], shift_take(&w, 1, waits));
    assert_int_equal(server_opened(w.of[0].server), 2);
    shift_end(&w);
}

/* At his last step: whoever comes meanwhile finds somebody who keeps the minimum. */
struct witness_of_home {
    struct ledger_pause pause;
    const struct stake *stake;
    bool is_home;
};

static void look(struct ledger_pause *pause, int32_t worker, bool is_hand)
{
    struct witness_of_home *h = container_of(pause, struct witness_of_home, pause);
    (void)is_hand;
    if (worker == h->stake->worker)
        h->is_home = permits_is_home(h->stake);
}

static void who_leaves_is_home_no_more_before_he_has_gone(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w, 3, 3);
    int home = -1;
    for (int i = 0; i < 3; i++)
        rig_release(&w.of[i], shift_lease(&w, i, 100 * MS));
    for (int i = 0; i < 3; i++)
        home = rig_pool(&w.of[i])->is_home ? i : home;
    struct witness_of_home h = {
        .pause.run = look, .stake = &rig_pool(&w.of[home])->stake, .is_home = true};
    ledger_trace_pause(&h.pause);
    shift_close(&w, home);
    ledger_trace_pause(NULL);
    assert_false(h.is_home);
    shift_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whoever_came_little_earlier_elsewhere_comes_behind_those_here),
        cmocka_unit_test(where_nobody_asks_the_short_path_is_open),
        cmocka_unit_test(who_comes_when_others_have_waited_does_not_get_what_came_home),
        cmocka_unit_test(those_here_are_passed_over_by_nobody_who_came_later),
        cmocka_unit_test(when_those_here_are_served_it_is_the_turn_of_those_elsewhere),
        cmocka_unit_test(who_opens_one_asks_for_that_of_others_when_it_takes_long),
        cmocka_unit_test(those_behind_the_first_eight_are_asked_for_when_these_leave),
        cmocka_unit_test(whatever_comes_from_others_is_hope_for_the_next),
        cmocka_unit_test(who_waits_for_nothing_asks_nobody),
        cmocka_unit_test(one_granted_before_max_became_less_opens_nothing),
        cmocka_unit_test(what_was_told_to_leave_on_its_way_leaves_where_it_comes_to),
        cmocka_unit_test(who_leaves_is_home_no_more_before_he_has_gone),
    };
    return cmocka_run_group_tests_name("handover_gate", tests, NULL, NULL);
}
