/* A worker that does not turn keeps nobody waiting but its own, in virtual time: what was on its way to it goes to
 * others, and when it turns its waiters are the first again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "core/handover.h"
#include "sim/shift.h"

#define CREW 4
#define SOON                                                                                       \
    (3 * LEDGER_LATE_US) /* to ask in vain, to see that it was told, and that it has not heard */

/* Two connections that are leased, and who waits for them in a worker that does not turn any more. */
struct scene {
    struct shift w;
    int64_t lease[2];
    int32_t stuck[2];
};

static void begin(struct scene *s, const char *driver)
{
    shift_begin(&s->w, CREW);
    s->w.spec->driver = driver;
    s->w.spec->pool.max = 2;
    s->w.spec->policy.wait_us = s->w.spec->policy.deadline_us = 60 * SECOND;
    server_cap(s->w.of[0].server, 0, 2);
    shift_open_all(&s->w);
    for (int i = 0; i < 2; i++)
        s->lease[i] = shift_lease(&s->w, i, 100 * MS);
    assert_true(s->lease[0] > 0 && s->lease[1] > 0);
    for (int i = 0; i < 2; i++)
        s->stuck[i] = shift_ask(&s->w, 2);
    shift_pass(&s->w, 10 * MS);
    s->w.is_stuck[2] = true;
}

static void give_back(struct scene *s)
{
    for (int i = 0; i < 2; i++)
        rig_release(&s->w.of[i], s->lease[i]);
}

/* Those who wait in the worker that turns again come first. */
static void end(struct scene *s)
{
    s->w.is_stuck[2] = false;
    for (int i = 0; i < 2; i++) {
        shift_come(&s->w, 2, s->stuck[i]);
        rig_release(&s->w.of[2], shift_take(&s->w, 2, s->stuck[i]));
    }
    shift_end(&s->w);
}

static void who_comes_later_has_what_the_stuck_was_given(void **unused)
{
    (void)unused;
    for (int is_plain = 0; is_plain < 2; is_plain++) {
        struct scene s;
        begin(&s, is_plain ? "sim_plain" : "sim");
        give_back(&s);
        shift_pass(&s.w, 10 * MS);
        for (int i = 0; i < 2; i++)
            assert_int_equal(rig_count(&s.w.of[i], CONN_IDLE), 0); /* all has gone to it */
        int32_t waits = shift_ask(&s.w, 0);
        shift_pass(&s.w, SOON);
        rig_release(&s.w.of[0], shift_take(&s.w, 0, waits));
        for (int i = 0; i < 100; i++) { /* and it is asked for no more */
            int64_t lease = shift_lease(&s.w, i % 2, is_plain ? 20 * MS : MS);
            assert_true(lease > 0);
            rig_release(&s.w.of[i % 2], lease);
        }
        end(&s);
    }
}

static void who_waits_longest_has_it_of_those_that_turn(void **unused)
{
    (void)unused;
    struct scene s;
    begin(&s, "sim");
    int32_t first = shift_ask(&s.w, 3);
    shift_pass(&s.w, 10 * MS);
    int32_t second = shift_ask(&s.w, 0);
    give_back(&s);
    shift_pass(&s.w, SOON);
    int64_t a = shift_take(&s.w, 3, first), b = shift_take(&s.w, 0, second);
    int32_t third = shift_ask(&s.w, 1);
    shift_pass(&s.w, 10 * MS);
    s.w.is_stuck[2] = false;
    shift_pass(&s.w, MS); /* it asks again, for those who came before the third */
    rig_release(&s.w.of[3], a);
    rig_release(&s.w.of[0], b);
    shift_pass(&s.w, MS);
    assert_false(shift_has(&s.w, 1, third));
    assert_true(shift_has(&s.w, 2, s.stuck[0]) && shift_has(&s.w, 2, s.stuck[1]));
    rig_release(&s.w.of[2], shift_take(&s.w, 2, s.stuck[0]));
    rig_release(&s.w.of[2], shift_take(&s.w, 2, s.stuck[1]));
    shift_pass(&s.w, MS);
    rig_release(&s.w.of[1], shift_take(&s.w, 1, third));
    shift_end(&s.w);
}

static void several_may_be_stuck(void **unused)
{
    (void)unused;
    struct scene s;
    begin(&s, "sim");
    int32_t other = shift_ask(&s.w, 3);
    shift_pass(&s.w, 10 * MS);
    s.w.is_stuck[3] = true;
    give_back(&s);
    shift_pass(&s.w, 10 * MS);
    int32_t waits = shift_ask(&s.w, 0);
    shift_pass(&s.w, 2 * SOON);
    rig_release(&s.w.of[0], shift_take(&s.w, 0, waits));
    s.w.is_stuck[3] = false;
    shift_pass(&s.w, 10 * MS);
    rig_release(&s.w.of[3], shift_take(&s.w, 3, other));
    end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_comes_later_has_what_the_stuck_was_given),
        cmocka_unit_test(who_waits_longest_has_it_of_those_that_turn),
        cmocka_unit_test(several_may_be_stuck),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
