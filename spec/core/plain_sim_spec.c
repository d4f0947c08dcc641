/* Workers under one cap whose driver cannot let go of a connection, in virtual time: it is closed for another worker
 * where its permit is of use there, and only then. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "core/handover.h"
#include "sim/shift.h"

enum { OTHER = 0, HOME, CREW };

/* The minimum is warm, and the other one asks for one more than there are: his ticket. */
static int32_t begin(struct shift *w, int32_t min, int32_t max)
{
    shift_begin(w, CREW);
    w->spec->driver = "sim_plain";
    w->spec->pool.min = min;
    w->spec->pool.max = max;
    server_cap(w->of[0].server, 0, max);
    shift_open_all(w);
    assert_true(nebula_start(w->of[HOME].nebula, w->of[HOME].shop) > 0);
    shift_pass(w, 20 * MS);
    assert_int_equal(rig_count(&w->of[HOME], CONN_IDLE), min);
    server_order(w->of[0].server, FAULT_NO_OPEN);
    return shift_ask(w, OTHER);
}

/* What the other worker connects is never answered: he would rather have one that lives, and the permit of the
 * home's would be of no use to him. */
static void who_connects_already_needs_no_permit(void **unused)
{
    (void)unused;
    struct shift w;
    int32_t ticket = begin(&w, 2, 3);
    shift_pass(&w, 400 * MS);
    assert_int_equal(rig_count(&w.of[HOME], CONN_IDLE), 2);
    assert_int_equal(server_opened(w.of[0].server), 2);
    assert_int_equal(rig_await(&w.of[OTHER], ticket, NULL), ERROR_WAIT);
    shift_end(&w);
}

/* As long as they wait, and while what is closed for them closes, which takes time. */
static void one_is_closed_for_each_who_waits_elsewhere(void **unused)
{
    (void)unused;
    struct shift w;
    int32_t first = begin(&w, 4, 4), second = shift_ask(&w, OTHER);
    server_calm(w.of[0].server);
    shift_pass(&w, 300 * MS);
    int64_t one = shift_take(&w, OTHER, first), two = shift_take(&w, OTHER, second);
    assert_int_equal(rig_count(&w.of[HOME], CONN_IDLE), 2);
    assert_int_equal(server_opened(w.of[0].server), 6);
    rig_release(&w.of[OTHER], one);
    rig_release(&w.of[OTHER], two);
    shift_end(&w);
}

/* Also for who comes while what was closed for the first is still closing. */
static void one_is_closed_for_who_comes_later_too(void **unused)
{
    (void)unused;
    struct shift w;
    int32_t first = begin(&w, 4, 4);
    server_calm(w.of[0].server);
    server_order(w.of[0].server, FAULT_CLOSE_SLOW);
    shift_pass(&w, MS);
    assert_int_equal(rig_count(&w.of[HOME], CONN_IDLE), 3);
    int32_t second = shift_ask(&w, OTHER);
    shift_pass(&w, MS);
    assert_int_equal(rig_count(&w.of[HOME], CONN_IDLE), 2);
    shift_await(&w, OTHER, first); /* served or not: closing takes its time */
    shift_await(&w, OTHER, second);
    shift_end(&w);
}

/* One hangs, and another one waits beside him: to that one it is of use, and he who came first gets it. */
static void who_may_open_one_more_gets_a_permit(void **unused)
{
    (void)unused;
    struct shift w;
    int32_t first = begin(&w, 2, 3), second = shift_ask(&w, OTHER);
    shift_pass(&w, 100 * MS);
    int64_t one = shift_take(&w, OTHER, first);
    assert_int_equal(rig_count(&w.of[HOME], CONN_IDLE), 1);
    assert_int_equal(server_opened(w.of[0].server), 3);
    rig_release(&w.of[OTHER], one);
    shift_pass(&w, MS);
    rig_release(&w.of[OTHER], shift_take(&w, OTHER, second));
    shift_end(&w);
}

/* Of two who waited one has gone, and for the other one a connection is on its way. */
static void what_nobody_would_open_is_closed_by_nobody(void **unused)
{
    (void)unused;
    struct shift w;
    shift_begin(&w, CREW);
    w.spec->driver = "sim_plain";
    w.spec->pool.max = 3;
    server_cap(w.of[0].server, 0, 3);
    shift_open_all(&w);
    int64_t a = shift_lease(&w, HOME, 100 * MS), b = shift_lease(&w, HOME, 100 * MS);
    server_order(w.of[0].server, FAULT_SLOW_OPEN);
    int32_t first = shift_ask(&w, OTHER);
    shift_pass(&w, MS);
    int32_t second = shift_ask(&w, OTHER);
    shift_pass(&w, MS);
    nebula_cancel(w.of[OTHER].nebula, second);
    rig_await(&w.of[OTHER], second, NULL);
    shift_pass(&w, MS);
    rig_release(&w.of[HOME], a);
    shift_pass(&w, MS);
    assert_int_equal(rig_count(&w.of[HOME], CONN_IDLE), 1);
    rig_release(&w.of[HOME], b);
    shift_await(&w, OTHER, first);
    shift_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_connects_already_needs_no_permit),
        cmocka_unit_test(one_is_closed_for_each_who_waits_elsewhere),
        cmocka_unit_test(one_is_closed_for_who_comes_later_too),
        cmocka_unit_test(who_may_open_one_more_gets_a_permit),
        cmocka_unit_test(what_nobody_would_open_is_closed_by_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
