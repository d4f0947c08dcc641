/* Whoever hits while others ask, in virtual time: the short path is open to him until his turn ends, as long as
 * he comes first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/check.h"
#include "core/handover.h"
#include "sim/shift.h"

#define CREW 2

/* The first one has lent the only connection, and the second has waited for so long. */
static int64_t begin(struct shift *w, int64_t waits_us, int32_t *waits_out)
{
    shift_begin(w, CREW);
    w->spec->pool.max = 1;
    server_cap(w->of[0].server, 0, 1);
    shift_open_all(w);
    int64_t lease = shift_lease(w, 0, 100 * MS);
    *waits_out = shift_ask(w, 1);
    shift_pass(w, waits_us);
    return lease;
}

static int64_t lease_at_once(struct shift *w)
{
    return nebula_lease(w->of[0].nebula, w->of[0].shop, 0, 0, false);
}

static bool is_open(struct shift *w)
{
    return (rig_pool(&w->of[0])->gate & GATE_ASKED) == 0;
}

static void who_comes_first_hits_until_his_turn_ends(void **unused)
{
    (void)unused;
    struct shift w;
    int32_t waits;
    int64_t lease = begin(&w, HANDOVER_LEAD_US / 2, &waits);
    assert_false(is_open(&w));
    for (int i = 0; i < 10; i++) {
        rig_release(&w.of[0], lease);
        assert_true(is_open(&w));
        lease = lease_at_once(&w);
        assert_true(lease > 0);
    }
    rig_release(&w.of[0], lease);
    shift_pass(&w, 0);
    rig_release(&w.of[1], shift_take(&w, 1, waits));
    shift_end(&w);
}

static void what_is_lent_when_the_turn_ends_goes_to_others_when_it_comes_home(void **unused)
{
    (void)unused;
    struct shift w;
    int32_t waits;
    rig_release(&w.of[0], begin(&w, HANDOVER_LEAD_US / 2, &waits));
    int64_t lease = lease_at_once(&w);
    assert_true(lease > 0);
    shift_pass(&w, HANDOVER_LEAD_US);
    assert_false(is_open(&w));
    rig_release(&w.of[0], lease);
    assert_false(is_open(&w));
    assert_int_equal(lease_at_once(&w), 0);
    int32_t here = nebula_ticket(w.of[0].nebula);
    shift_pass(&w, 0);
    assert_false(shift_has(&w, 0, here));
    rig_release(&w.of[1], shift_take(&w, 1, waits));
    shift_pass(&w, MS);
    rig_release(&w.of[0], shift_take(&w, 0, here));
    shift_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_comes_first_hits_until_his_turn_ends),
        cmocka_unit_test(what_is_lent_when_the_turn_ends_goes_to_others_when_it_comes_home),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
