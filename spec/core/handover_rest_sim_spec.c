/* Connections that nobody used for long, and that somebody wants in another worker: they are asked whether they live. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "sim/shift.h"

enum { OWNER = 0, OTHER, CREW };

/* The owner has the only one, idle. */
static void fill(struct shift *w, int64_t check_us)
{
    w->spec->pool.max = 1;
    w->spec->pool.check_us = check_us;
    shift_open_all(w);
    rig_release(&w->of[OWNER], shift_lease(w, OWNER, 100 * MS));
}

static void begin(struct shift *w, int64_t check_us)
{
    shift_begin(w, CREW);
    fill(w, check_us);
}

static uint64_t checks(const struct shift *w)
{
    return rig_pool(&w->of[OWNER])->stats.checks + rig_pool(&w->of[OTHER])->stats.checks;
}

static void lend_to_other(struct shift *w, uint64_t asked)
{
    int64_t lease = shift_lease(w, OTHER, 10 * MS);
    assert_true(lease > 0);
    assert_int_equal(checks(w), asked);
    assert_int_equal(server_opened(w->of[OWNER].server), 1); /* it is the same one */
    rig_release(&w->of[OTHER], lease);
}

static void one_that_was_used_of_late_is_not_asked(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w, SECOND);
    shift_pass(&w, 900 * MS);
    lend_to_other(&w, 0);
    shift_end(&w);
}

static void one_that_was_idle_for_too_long_is_asked(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w, SECOND);
    shift_pass(&w, 1100 * MS);
    lend_to_other(&w, 1);
    shift_end(&w);
}

static void always_is_whenever_it_was_idle(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w, 0);
    shift_pass(&w, 20 * MS);
    lend_to_other(&w, 1);
    int64_t lease = shift_lease(&w, OTHER, 10 * MS); /* where it is now */
    assert_int_equal(checks(&w), 2);
    int32_t ticket = shift_ask(&w, OWNER);
    shift_pass(&w, 10 * MS);
    rig_release(&w.of[OTHER], lease); /* it goes on at once, and was idle for no time */
    shift_pass(&w, MS);
    rig_release(&w.of[OWNER], shift_take(&w, OWNER, ticket));
    assert_int_equal(checks(&w), 2);
    shift_end(&w);
}

static void never_is_never(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w, -1);
    shift_pass(&w, 20 * SECOND);
    lend_to_other(&w, 0);
    shift_end(&w);
}

/* Whoever wanted it left in the meantime: it stays, and has rested for as long as before. */
static void one_that_does_not_go_after_all_is_asked_too(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w, SECOND);
    shift_pass(&w, 1100 * MS);
    int32_t ticket = shift_ask(&w, OTHER);
    struct quitter q = {.pause.run = quit, .rig = &w.of[OTHER], .ticket = ticket, .at_hand = true};
    ledger_trace_pause(&q.pause);
    shift_pass(&w, 5 * MS);
    ledger_trace_pause(NULL);
    assert_int_equal(rig_await(&w.of[OTHER], ticket, NULL), ERROR_CANCELLED);
    assert_int_equal(checks(&w), 1);
    assert_int_equal(rig_count(&w.of[OWNER], CONN_IDLE), 1);
    shift_end(&w);
}

/* The server ended the session and told nobody: who got it would wait for an answer that does not come. */
static void one_that_is_dead_is_lent_to_nobody(void **unused)
{
    (void)unused;
    struct shift w;
    shift_begin(&w, CREW);
    server_odds(w.of[OWNER].server, FAULT_LOST_SILENTLY, 1000);
    fill(&w, SECOND);
    shift_pass(&w, 6 * SECOND); /* it has ended by then */
    server_calm(w.of[OWNER].server);
    assert_int_equal(shift_lease(&w, OTHER, 100 * MS), 0);
    shift_pass(&w, 5 * SECOND);
    int64_t lease = shift_lease(&w, OTHER, 100 * MS);
    assert_int_equal(rig_say(&w.of[OTHER], lease, "get 1 1"), ERROR_OK);
    assert_int_equal(server_opened(w.of[OWNER].server), 2);
    rig_release(&w.of[OTHER], lease);
    shift_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_that_was_used_of_late_is_not_asked),
        cmocka_unit_test(one_that_was_idle_for_too_long_is_asked),
        cmocka_unit_test(always_is_whenever_it_was_idle),
        cmocka_unit_test(never_is_never),
        cmocka_unit_test(one_that_does_not_go_after_all_is_asked_too),
        cmocka_unit_test(one_that_is_dead_is_lent_to_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
