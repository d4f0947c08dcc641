/* The minimum is the process's, and one worker keeps it: whoever leaves or comes, in virtual time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "sim/shift.h"

#define CREW 5
#define SHOPS 40

static void begin(struct shift *w, int32_t min, int32_t max)
{
    shift_begin(w, CREW);
    w->spec->pool.min = min;
    w->spec->pool.max = max;
    server_cap(w->of[0].server, 0, max);
}

static void start(struct shift *w, int i)
{
    shift_open(w, i);
    assert_true(nebula_start(w->of[i].nebula, w->of[i].shop) > 0);
}

static void start_all(struct shift *w)
{
    for (int i = 0; i < CREW; i++)
        start(w, i);
    shift_pass(w, 20 * MS);
}

/* Which one keeps it: exactly one does. */
static int home_of(const struct shift *w)
{
    int home = -1;
    for (int i = 0; i < CREW; i++)
        if (shift_is_open(w, i) && rig_pool(&w->of[i])->is_home) {
            assert_int_equal(home, -1);
            home = i;
        }
    assert_true(home >= 0);
    return home;
}

static int32_t idle(const struct shift *w)
{
    int32_t sum = 0;
    for (int i = 0; i < CREW; i++)
        sum += shift_is_open(w, i) ? rig_count(&w->of[i], CONN_IDLE) : 0;
    return sum;
}

static void after_each_leave_one_keeps_it(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w, 2, 3);
    start_all(&w);
    for (int left = CREW; left > 1; left--) {
        int home = home_of(&w);
        assert_in_range(idle(&w), 2, 3); /* the home opened one at least when it was started */
        shift_close(&w, home);
        shift_pass(&w, 4 * MS);
        assert_in_range(idle(&w), 2, 3);
        assert_int_equal(server_wires(w.of[0].server, 0), idle(&w));
    }
    shift_end(&w);
}

static void who_leaves_and_is_not_home_moves_nothing(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w, 2, 3);
    start_all(&w);
    int home = home_of(&w);
    for (int i = 0; i < CREW; i++)
        if (i != home) {
            shift_close(&w, i);
            shift_pass(&w, 4 * MS);
            assert_int_equal(home_of(&w), home);
        }
    assert_int_equal(idle(&w), 2);
    shift_end(&w);
}

/* --- of many resources ------------------------------------------------------------------------ */

static int32_t shop[CREW][SHOPS];

static void declare_shops(struct shift *w, int i)
{
    for (int n = 0; n < SHOPS; n++) {
        char name[24];
        struct nebula_spec spec = w->of[i].spec;
        snprintf(name, sizeof name, "shop-%d", n);
        spec.name = name;
        shop[i][n] = nebula_declare(w->of[i].nebula, &spec);
        assert_true(shop[i][n] > 0 && nebula_start(w->of[i].nebula, shop[i][n]) > 0);
        shift_pass(w, MS);
    }
}

static void note_homes(const struct shift *w, int *home)
{
    for (int n = 0; n < SHOPS; n++) {
        home[n] = -1;
        for (int i = 0; i < CREW; i++)
            if (shift_is_open(w, i) && engine_pool(w->of[i].engine, shop[i][n], 0)->is_home) {
                assert_int_equal(home[n], -1);
                home[n] = i;
            }
        assert_true(home[n] >= 0);
    }
}

static void only_what_was_the_leavers_moves_and_comes_back_with_it(void **unused)
{
    (void)unused;
    struct shift w;
    int before[SHOPS], after[SHOPS], again[SHOPS], had[CREW] = {0}, got[CREW] = {0};
    begin(&w, 0, 3);
    server_cap(w.of[0].server, 0, 3 * SHOPS);
    for (int i = 0; i < CREW; i++) {
        shift_open(&w, i);
        declare_shops(&w, i);
    }
    shift_pass(&w, 2 * MS);
    note_homes(&w, before);
    shift_close(&w, 2);
    shift_pass(&w, 2 * MS);
    note_homes(&w, after);
    for (int n = 0; n < SHOPS; n++) {
        had[before[n]]++;
        got[after[n]] += before[n] == 2;
        assert_true(before[n] == 2 ? after[n] != 2 : after[n] == before[n]);
    }
    for (int i = 0; i < CREW; i++)
        assert_in_range(had[i], SHOPS / CREW / 4, SHOPS / CREW * 2);
    assert_true((got[0] > 0) + (got[1] > 0) + (got[3] > 0) + (got[4] > 0) >= 2);
    shift_open(&w, 2);
    declare_shops(&w, 2);
    shift_pass(&w, 2 * MS);
    note_homes(&w, again);
    assert_memory_equal(again, before, sizeof before);
    shift_end(&w);
}

/* --- what counts for it ----------------------------------------------------------------------- */

static void what_others_have_counts_until_they_close_it(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w, 2, 2);
    w.spec->pool.idle_us = 50 * MS;
    start_all(&w);
    int home = home_of(&w), other = (home + 1) % CREW;
    int64_t one = shift_lease(&w, other, 5 * MS), two = shift_lease(&w, other, 5 * MS);
    assert_true(one > 0 && two > 0);
    assert_int_equal(pool_all(rig_pool(&w.of[home])), 0);
    rig_release(&w.of[other], one);
    rig_release(&w.of[other], two);
    shift_pass(&w, 40 * MS);
    assert_int_equal(rig_count(&w.of[other], CONN_IDLE), 2);
    assert_int_equal(server_opened(w.of[0].server), 2);
    shift_pass(&w, 40 * MS); /* where it is no minimum it is closed, and home opens others */
    assert_int_equal(rig_count(&w.of[home], CONN_IDLE), 2);
    shift_end(&w);
}

static void a_start_is_over_when_others_have_all_of_it(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w, 2, 2);
    start_all(&w);
    int home = home_of(&w), other = (home + 1) % CREW;
    int64_t one = shift_lease(&w, other, 5 * MS), two = shift_lease(&w, other, 5 * MS);
    assert_true(one > 0 && two > 0);
    int32_t ticket = nebula_start(w.of[home].nebula, w.of[home].shop);
    shift_pass(&w, MS);
    assert_int_equal(rig_await(&w.of[home], ticket, NULL), ERROR_OK);
    rig_release(&w.of[other], one);
    rig_release(&w.of[other], two);
    shift_end(&w);
}

/* The first one tries to open all that there may be, and no server answers. */
static int start_behind(int first)
{
    struct shift w;
    begin(&w, 1, 1);
    w.spec->pool.start_us = SECOND;
    w.spec->pool.connect_us = 100 * MS;
    server_order(w.of[0].server, FAULT_NO_OPEN);
    int32_t ticket[CREW];
    for (int n = 0; n < CREW; n++) {
        int i = (first + n) % CREW;
        shift_open(&w, i);
        ticket[i] = nebula_start(w.of[i].nebula, w.of[i].shop);
        shift_pass(&w, MS);
    }
    int home = home_of(&w);
    assert_int_equal(shift_await(&w, home, ticket[home]), ERROR_OK);
    assert_int_equal(rig_count(&w.of[home], CONN_IDLE), 1);
    for (int i = 0; i < CREW; i++)
        if (i != home)
            assert_int_equal(shift_await(&w, i, ticket[i]), ERROR_OK);
    shift_end(&w);
    return home;
}

static void a_start_is_not_over_when_others_only_try(void **unused)
{
    (void)unused;
    assert_int_equal(start_behind(0), start_behind(1)); /* so in one of them it is another one */
}

/* What the first one has is enough, as soon as it has it. */
static void a_start_is_over_when_others_have_opened_it(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w, 1, 1);
    w.spec->pool.start_us = SECOND;
    start_all(&w);
    int home = home_of(&w), other = (home + 1) % CREW;
    shift_end(&w);
    begin(&w, 1, 1);
    w.spec->pool.start_us = SECOND;
    server_order(w.of[0].server, FAULT_SLOW_OPEN);
    start(&w, other);
    shift_pass(&w, MS);
    shift_open(&w, home);
    int32_t ticket = nebula_start(w.of[home].nebula, w.of[home].shop);
    shift_pass(&w, MS);
    assert_false(rig_is_answered(&w.of[home], ticket));
    assert_int_equal(shift_await(&w, home, ticket), ERROR_OK);
    assert_int_equal(server_opened(w.of[0].server), 1);
    assert_int_equal(rig_count(&w.of[other], CONN_IDLE), 1);
    shift_end(&w);
}

static void a_reconnect_ends_where_others_have_the_rest(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w, 2, 2);
    start_all(&w);
    int home = home_of(&w), other = (home + 1) % CREW;
    int64_t one = shift_lease(&w, other, 5 * MS);
    assert_true(one > 0);
    int32_t ticket = nebula_reconnect(w.of[home].nebula, w.of[home].shop, 100, 0);
    shift_pass(&w, 100 * MS);
    rig_release(&w.of[other], one);
    shift_pass(&w, 100 * MS);
    assert_int_equal(rig_await(&w.of[home], ticket, NULL), ERROR_OK);
    assert_int_equal(server_opened(w.of[0].server), 4);
    shift_end(&w);
}

static void what_breaks_is_opened_anew_by_one(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w, 2, 4);
    start_all(&w);
    int64_t opened = server_opened(w.of[0].server);
    server_crash(w.of[0].server, 0);
    shift_pass(&w, 20 * MS);
    assert_int_equal(rig_count(&w.of[home_of(&w)], CONN_IDLE), 2);
    assert_int_equal(server_opened(w.of[0].server), opened + 2);
    shift_end(&w);
}

/* Nobody waits, the server is down: it is the home's to probe, and when that leaves the next one's. */
static void who_is_home_after_one_that_probed_probes(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w, 2, 4);
    start_all(&w);
    int home = home_of(&w);
    server_crash(w.of[0].server, world_time_us() + SECOND);
    shift_pass(&w, 300 * MS);
    uint64_t failed = rig_pool(&w.of[home])->stats.open_failed;
    assert_true(failed > 1);
    shift_close(&w, home);
    shift_pass(&w, 600 * MS);
    int next = home_of(&w);
    for (int i = 0; i < CREW; i++)
        if (shift_is_open(&w, i))
            assert_int_equal(rig_pool(&w.of[i])->stats.open_failed > 0, i == next);
    shift_pass(&w, 1500 * MS);
    assert_int_equal(rig_count(&w.of[next], CONN_IDLE), 2);
    shift_end(&w);
}

static void a_new_minimum_is_the_homes(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w, 1, 4);
    start_all(&w);
    int home = home_of(&w), other = (home + 2) % CREW;
    assert_int_equal(nebula_resize(w.of[other].nebula, w.of[other].shop, -1, 3, 4), 0);
    shift_pass(&w, 20 * MS);
    assert_int_equal(idle(&w), 3);
    shift_close(&w, home);
    shift_pass(&w, 20 * MS);
    assert_int_equal(idle(&w), 3);
    shift_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(after_each_leave_one_keeps_it),
        cmocka_unit_test(who_leaves_and_is_not_home_moves_nothing),
        cmocka_unit_test(only_what_was_the_leavers_moves_and_comes_back_with_it),
        cmocka_unit_test(what_others_have_counts_until_they_close_it),
        cmocka_unit_test(a_start_is_over_when_others_have_all_of_it),
        cmocka_unit_test(a_start_is_not_over_when_others_only_try),
        cmocka_unit_test(a_start_is_over_when_others_have_opened_it),
        cmocka_unit_test(a_reconnect_ends_where_others_have_the_rest),
        cmocka_unit_test(what_breaks_is_opened_anew_by_one),
        cmocka_unit_test(who_is_home_after_one_that_probed_probes),
        cmocka_unit_test(a_new_minimum_is_the_homes),
    };
    return cmocka_run_group_tests_name("home", tests, NULL, NULL);
}
