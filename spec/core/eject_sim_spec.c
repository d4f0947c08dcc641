/* Endpoints that do badly, each promise as a scenario in virtual time: who is left alone, for how long, and
 * what is nobody's failure. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "sim/fleet.h"

/* --- who is left alone ------------------------------------------------------------------------- */

static void failures_in_a_row_eject_and_time_brings_back(void **unused)
{
    (void)unused;
    struct fleet p;
    int by[HOSTS];
    fleet_begin(&p, 3, NEBULA_ROUND_ROBIN);
    p.balance.slow_start_us = 20 * (int64_t)SECOND;
    fleet_open(&p);
    fleet_warm_up(&p);
    fleet_break(&p, 1, true);
    while (!fleet_is_out(&p, 1))
        fleet_work(&p, 1, 1);
    assert_int_equal(fleet_loads(&p)->eject[1].why, EJECT_CONSECUTIVE);
    assert_in_range(fleet_heard(&p, 1), 5, 6);
    rig_pass(&p.rig, 100 * MS);
    assert_int_equal(fleet_conns(&p, 1), 0);
    const char *told = fleet_inspect(&p);
    assert_non_null(strstr(told, "\"endpoint\":\"beta\",\"state\":\"fit\""));
    assert_non_null(strstr(told, "\"weight\":0"));
    assert_non_null(strstr(told, "\"ejections\":1"));
    assert_non_null(strstr(told, "\"ejected_by\":\"consecutive\""));
    assert_non_null(strstr(told, "\"balance\":\"round-robin\""));
    fleet_break(&p, 1, false);
    fleet_spread(&p, 200, 2, by);
    assert_int_equal(by[1], 0);
    assert_int_equal(fleet_conns(&p, 1), 0);
    rig_pass(&p.rig, 31 * SECOND);
    assert_false(fleet_is_out(&p, 1));
    for (int i = 0; i < 3; i++) { /* it comes back bit by bit */
        fleet_work(&p, 4, 1);
        rig_pass(&p.rig, 50 * MS);
        fleet_spread(&p, 300, 1, by);
        assert_in_range(by[1], i == 0 ? 10 : i == 1 ? 45 : 80, i == 0 ? 45 : i == 1 ? 80 : 120);
        rig_pass(&p.rig, 10 * SECOND);
    }
    fleet_end(&p);
}

static void the_connections_of_who_is_ejected_leave(void **unused)
{
    (void)unused;
    struct fleet p;
    int64_t lease[12];
    fleet_begin(&p, 3, NEBULA_LEAST_RECENTLY_USED);
    p.balance.consecutive = 2;
    p.rig.spec.pool.min = 12;
    fleet_open(&p);
    assert_int_equal(rig_await(&p.rig, nebula_start(p.rig.nebula, p.rig.shop), NULL), 0);
    for (int i = 0; i < 12; i++)
        lease[i] = rig_lease(&p.rig);
    int32_t number = rig_pool(&p.rig)->reach[1].conns;
    assert_int_equal(number, 4);
    for (int i = 2; i < 12; i++) /* the first ones go on being used */
        rig_release(&p.rig, lease[i]);
    server_pace(p.server[1], 5 * SECOND);
    while (!fleet_is_out(&p, 1)) {
        int32_t ticket =
            rig_request(&p.rig, (struct nebula_request){.text = "get 1 1", .within_us = 50 * MS});
        rig_await(&p.rig, ticket, NULL);
    }
    rig_pass(&p.rig, 100 * MS);
    assert_int_equal(fleet_loads(&p)->of[1].idle.count, 0);
    assert_true(fleet_conns(&p, 1) <= 3); /* being cancelled, or leased */
    server_pace(p.server[1], 0);
    for (int i = 0; i < 2; i++)
        rig_release(&p.rig, lease[i]);
    rig_pass(&p.rig, 5 * SECOND);
    assert_int_equal(fleet_conns(&p, 1), 0);
    assert_int_equal(pool_all(rig_pool(&p.rig)), 12); /* the others have its places, for min */
    fleet_end(&p);
}

/* One of its connections is spoiled, and another one opened for it, which takes a while. */
static void open_anew(struct fleet *p, int at)
{
    int64_t lease[6];
    struct lease_table *leases = &p->rig.engine->leases;
    bool is_spoiled = false;
    server_odds(p->server[at], FAULT_SLOW_OPEN, 1000);
    for (size_t i = 0; i < COUNT(lease); i++)
        lease[i] = rig_lease(&p->rig);
    for (size_t i = 0; i < COUNT(lease); i++) {
        bool is_its = !is_spoiled && lease_find(leases, lease[i])->reach == at;
        nebula_release(p->rig.nebula, lease[i], is_its ? NEBULA_SPOILED : NEBULA_GOOD);
        is_spoiled |= is_its;
    }
    rig_pass(&p->rig, MS);
    assert_int_equal(rig_pool(&p->rig)->reach[at].opening, 1);
}

/* Some call again and again, and give up after 20 ms. */
static int32_t call_again(struct fleet *p, int32_t before)
{
    if (before > 0)
        rig_await(&p->rig, before, NULL);
    return rig_request(&p->rig, (struct nebula_request){.text = "get 1 1", .within_us = 20 * MS});
}

static void one_that_is_opened_to_who_was_ejected_meanwhile_is_not_used(void **unused)
{
    (void)unused;
    struct fleet p;
    int32_t ticket[8] = {0};
    fleet_begin(&p, 3, NEBULA_LEAST_RECENTLY_USED);
    p.rig.spec.pool.min = p.rig.spec.pool.max = 6;
    p.balance.consecutive = 2;
    fleet_open(&p);
    assert_int_equal(rig_await(&p.rig, nebula_start(p.rig.nebula, p.rig.shop), NULL), 0);
    open_anew(&p, 1);
    server_pace(p.server[1], 5 * SECOND);
    for (int i = 0; !fleet_is_out(&p, 1); i++)
        ticket[i % 8] = call_again(&p, ticket[i % 8]);
    assert_int_equal(rig_pool(&p.rig)->reach[1].opening, 1);
    rig_pass(&p.rig, 0);
    fleet_heard(&p, 1);
    for (int i = 0; i < 3000; i++)
        ticket[i % 8] = call_again(&p, ticket[i % 8]);
    assert_true(fleet_is_out(&p, 1));
    assert_int_equal(fleet_heard(&p, 1), 0);
    for (int i = 0; i < 8; i++)
        rig_await(&p.rig, ticket[i], NULL);
    fleet_end(&p);
}

static void no_more_are_ejected_than_may_be(void **unused)
{
    (void)unused;
    struct fleet p;
    fleet_begin(&p, 3, NEBULA_LEAST_RECENTLY_USED);
    fleet_open(&p);
    fleet_warm_up(&p);
    fleet_break(&p, 0, true);
    fleet_break(&p, 1, true);
    for (int i = 0; i < 300; i++) {
        fleet_work(&p, 1, 1);
        assert_true(fleet_is_out(&p, 0) + fleet_is_out(&p, 1) <= 1);
    }
    assert_int_equal(fleet_is_out(&p, 0) + fleet_is_out(&p, 1), 1);
    fleet_end(&p);
}

static void with_too_few_left_all_are_used(void **unused)
{
    (void)unused;
    struct fleet p;
    int by[HOSTS];
    fleet_begin(&p, 3, NEBULA_LEAST_RECENTLY_USED);
    p.balance.most = 1;
    p.balance.panic = 0.5;
    fleet_open(&p);
    fleet_warm_up(&p);
    fleet_break(&p, 0, true);
    fleet_break(&p, 1, true);
    while (!fleet_is_out(&p, 0) || !fleet_is_out(&p, 1))
        fleet_work(&p, 1, 1);
    fleet_break(&p, 0, false);
    fleet_break(&p, 1, false);
    assert_non_null(strstr(fleet_inspect(&p), "\"panic\":true"));
    fleet_work(&p, 10, 1);
    rig_pass(&p.rig, 100 * MS);
    fleet_spread(&p, 300, 1, by);
    for (int i = 0; i < 3; i++)
        assert_int_equal(by[i], 100);
    assert_true(fleet_is_out(&p, 0) && fleet_is_out(&p, 1));
    fleet_end(&p);
}

/* Who is down cannot be used, and who is not what is wanted never could. */
static void panic_is_about_those_that_might_serve(void **unused)
{
    (void)unused;
    for (int is_unfit = 0; is_unfit < 2; is_unfit++) {
        struct fleet p;
        fleet_begin(&p, 3, NEBULA_LEAST_RECENTLY_USED);
        p.option[3] = (struct nebula_option){.name = "wants", .value = "primary"};
        p.rig.spec.options = 4;
        p.balance.panic = 0.5;
        if (is_unfit)
            server_standby(p.server[2], true);
        else
            server_crash(p.server[2], world_time_us() + 60 * (int64_t)SECOND);
        fleet_open(&p);
        fleet_warm_up(&p);
        fleet_break(&p, 1, true);
        while (!fleet_is_out(&p, 1))
            fleet_work(&p, 1, 1);
        assert_int_equal(load_is_panic(rig_pool(&p.rig)), !is_unfit); /* one of three, or of two */
        fleet_end(&p);
    }
}

/* It was used in a panic, and goes on being ejected when that is over. */
static void an_idle_one_to_who_is_ejected_serves_nobody_and_makes_room(void **unused)
{
    (void)unused;
    struct fleet p;
    int64_t lease[3];
    int by[HOSTS];
    fleet_begin(&p, 3, NEBULA_LEAST_RECENTLY_USED);
    p.rig.spec.pool.max = p.rig.spec.pool.min = 3;
    p.balance.most = 1;
    p.balance.panic = 0.5;
    fleet_open(&p);
    fleet_warm_up(&p);
    fleet_break(&p, 0, true);
    fleet_break(&p, 1, true);
    while (!fleet_is_out(&p, 0) || !fleet_is_out(&p, 1))
        fleet_work(&p, 1, 1);
    fleet_break(&p, 0, false);
    fleet_break(&p, 1, false);
    rig_pass(&p.rig, 5 * SECOND);
    fleet_work(&p, 20, 3);
    rig_pass(&p.rig, 5 * SECOND);
    assert_int_equal(fleet_loads(&p)->of[1].idle.count, 1);
    fleet_loads(&p)->eject[0].until_us = world_time_us();
    assert_false(load_is_panic(rig_pool(&p.rig)));
    fleet_spread(&p, 20, 1, by);
    assert_true(by[0] + by[2] == 20 && by[1] == 0);
    assert_int_equal(fleet_loads(&p)->of[1].idle.count, 1);
    for (int i = 0; i < 3; i++)
        lease[i] = rig_lease(&p.rig);
    assert_true(fleet_is_out(&p, 1) && fleet_conns(&p, 1) == 0);
    for (int i = 0; i < 3; i++)
        rig_release(&p.rig, lease[i]);
    fleet_end(&p);
}

static void without_panic_whoever_waits_is_served_when_one_is_back(void **unused)
{
    (void)unused;
    struct fleet p;
    fleet_begin(&p, 2, NEBULA_TWO_CHOICES);
    p.balance.most = 1;
    p.balance.panic = 0;
    p.balance.time_us = 5 * SECOND;
    fleet_open(&p);
    fleet_warm_up(&p);
    fleet_break(&p, 0, true);
    fleet_break(&p, 1, true);
    while (!fleet_is_out(&p, 0) || !fleet_is_out(&p, 1))
        fleet_work(&p, 1, 1);
    fleet_break(&p, 0, false);
    fleet_break(&p, 1, false);
    int32_t ticket = rig_call(&p.rig, 0, "add 1 1");
    rig_pass(&p.rig, 3 * SECOND);
    assert_false(rig_is_answered(&p.rig, ticket));
    int64_t from_us = world_time_us();
    assert_int_equal(rig_await(&p.rig, ticket, NULL), ERROR_OK);
    assert_true(world_time_us() - from_us < 3 * SECOND);
    fleet_end(&p);
}

static void whoever_does_worse_than_the_others_is_ejected(void **unused)
{
    (void)unused;
    struct fleet p;
    fleet_begin(&p, 5, NEBULA_LEAST_RECENTLY_USED);
    p.balance.consecutive = 0;
    fleet_open(&p);
    fleet_warm_up(&p);
    server_odds(p.server[3], FAULT_LOST_BEFORE, 400);
    for (int i = 0; i < 100; i++) {
        fleet_work(&p, 20, 4);
        rig_pass(&p.rig, 200 * MS);
        for (int at = 0; at < 5; at++)
            assert_true(at == 3 || !fleet_is_out(&p, at));
    }
    assert_int_equal(fleet_loads(&p)->eject[3].why, EJECT_SUCCESS);
    assert_true(fleet_loads(&p)->eject[3].ejections >= 1);
    fleet_end(&p);
}

static void what_is_nobodys_failure_counts_against_nobody(void **unused)
{
    (void)unused;
    struct fleet p;
    fleet_begin(&p, 2, NEBULA_ROUND_ROBIN);
    p.rig.spec.pool.max = 2;
    fleet_open(&p);
    fleet_warm_up(&p);
    for (int at = 0; at < 2; at++)
        server_pace(p.server[at], 50 * MS);
    for (int i = 0; i < 20; i++) { /* whom the caller did not wait for */
        int32_t ticket = rig_call(&p.rig, 0, "get 1 1");
        rig_pass(&p.rig, 10 * MS);
        nebula_cancel(p.rig.nebula, ticket);
        assert_int_equal(rig_await(&p.rig, ticket, NULL), ERROR_CANCELLED);
        rig_pass(&p.rig, 100 * MS);
    }
    for (int at = 0; at < 2; at++)
        server_pace(p.server[at], 0);
    for (int i = 0; i < 20; i++) /* what the server has against a statement */
        assert_int_equal(rig_say(&p.rig, 0, "fail 1 1"), ERROR_QUERY);
    int64_t lease[2] = {rig_lease(&p.rig), rig_lease(&p.rig)};
    for (int i = 0; i < 20; i++) { /* a full pool */
        int32_t ticket =
            rig_request(&p.rig, (struct nebula_request){.text = "get 1 1", .is_fail_fast = true});
        assert_int_equal(rig_await(&p.rig, ticket, NULL), ERROR_FULL);
    }
    for (int i = 0; i < 2; i++)
        rig_release(&p.rig, lease[i]);
    for (int at = 0; at < 2; at++) {
        assert_int_equal(
            fleet_loads(&p)->eject[at].failed[0] + fleet_loads(&p)->eject[at].failed[1], 0);
        assert_int_equal(fleet_loads(&p)->eject[at].streak, 0);
    }
    for (int i = 0; i < 11; i++) { /* but who was not answered in time */
        server_pace(p.server[0], 5 * SECOND);
        server_pace(p.server[1], 5 * SECOND);
        int32_t ticket =
            rig_request(&p.rig, (struct nebula_request){.text = "get 1 1", .within_us = 100 * MS});
        assert_int_equal(rig_await(&p.rig, ticket, NULL), ERROR_DEADLINE);
        rig_pass(&p.rig, 100 * MS);
    }
    assert_int_equal(fleet_is_out(&p, 0) + fleet_is_out(&p, 1), 1);
    fleet_end(&p);
}

static void what_we_cut_off_ourselves_is_nobodys_failure(void **unused)
{
    (void)unused;
    struct fleet p;
    fleet_begin(&p, 2, NEBULA_ROUND_ROBIN);
    fleet_open(&p);
    fleet_warm_up(&p);
    int64_t well[2];
    for (int at = 0; at < 2; at++) {
        server_pace(p.server[at], 30 * SECOND);
        well[at] = fleet_loads(&p)->eject[at].well[0] + fleet_loads(&p)->eject[at].well[1];
    }
    int32_t ticket[4];
    for (int i = 0; i < 4; i++)
        ticket[i] = rig_call(&p.rig, 0, "get 1 1");
    rig_pass(&p.rig, 10 * MS);
    int32_t drained = nebula_drain(p.rig.nebula, p.rig.shop, 50 * MS);
    for (int i = 0; i < 4; i++)
        assert_int_equal(rig_await(&p.rig, ticket[i], NULL), ERROR_LOST);
    assert_int_equal(rig_await(&p.rig, drained, NULL), ERROR_OK);
    for (int at = 0; at < 2; at++) {
        const struct eject *e = &fleet_loads(&p)->eject[at];
        assert_int_equal(e->streak, 0);
        assert_int_equal(e->failed[0] + e->failed[1], 0);
        assert_int_equal(e->well[0] + e->well[1], well[at]);
    }
    fleet_end(&p);
}

/* A lease, and where it leads to. */
static int64_t lease_at(struct fleet *p, int *at)
{
    int64_t lease = rig_lease(&p->rig);
    *at = lease_find(&p->rig.engine->leases, lease)->reach;
    return lease;
}

static void what_was_never_sent_is_nobodys_failure(void **unused)
{
    (void)unused;
    struct fleet p;
    int at;
    fleet_begin(&p, 3, NEBULA_ROUND_ROBIN);
    fleet_open(&p);
    fleet_warm_up(&p);
    int64_t lease = lease_at(&p, &at);
    server_order(p.server[at], FAULT_LOST_BEFORE);
    int32_t sent = rig_call(&p.rig, lease, "get 1 1"), queued = rig_call(&p.rig, lease, "get 1 2");
    assert_int_equal(rig_await(&p.rig, sent, NULL), ERROR_LOST);
    assert_int_equal(rig_await(&p.rig, queued, NULL), ERROR_LOST);
    assert_int_equal(fleet_loads(&p)->eject[at].streak, 1);
    fleet_end(&p);
}

/* As long as it goes on well it tells nothing. */
static void what_cuts_a_stream_off_is_a_failure(void **unused)
{
    (void)unused;
    struct fleet p;
    int at;
    fleet_begin(&p, 3, NEBULA_ROUND_ROBIN);
    fleet_open(&p);
    fleet_warm_up(&p);
    int64_t lease = lease_at(&p, &at);
    int64_t well = fleet_loads(&p)->eject[at].well[0];
    static const enum nebula_verb verb[] = {NEBULA_STREAM, NEBULA_PULL};
    for (size_t i = 0; i < COUNT(verb); i++) {
        int32_t ticket = rig_request(
            &p.rig, (struct nebula_request){
                        .lease = lease, .verb = verb[i], .window = 2, .text = "rows 1 9"});
        assert_int_equal(rig_await(&p.rig, ticket, NULL), ERROR_OK);
        assert_int_equal(fleet_loads(&p)->eject[at].well[0], well + 1);
    }
    server_order(p.server[at], FAULT_LOST_BEFORE);
    int32_t ticket = rig_request(
        &p.rig, (struct nebula_request){.lease = lease, .verb = NEBULA_PULL, .window = 2});
    assert_int_equal(rig_await(&p.rig, ticket, NULL), ERROR_LOST);
    assert_int_equal(fleet_loads(&p)->eject[at].streak, 1);
    fleet_end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failures_in_a_row_eject_and_time_brings_back),
        cmocka_unit_test(the_connections_of_who_is_ejected_leave),
        cmocka_unit_test(one_that_is_opened_to_who_was_ejected_meanwhile_is_not_used),
        cmocka_unit_test(no_more_are_ejected_than_may_be),
        cmocka_unit_test(with_too_few_left_all_are_used),
        cmocka_unit_test(panic_is_about_those_that_might_serve),
        cmocka_unit_test(an_idle_one_to_who_is_ejected_serves_nobody_and_makes_room),
        cmocka_unit_test(without_panic_whoever_waits_is_served_when_one_is_back),
        cmocka_unit_test(whoever_does_worse_than_the_others_is_ejected),
        cmocka_unit_test(what_is_nobodys_failure_counts_against_nobody),
        cmocka_unit_test(what_we_cut_off_ourselves_is_nobodys_failure),
        cmocka_unit_test(what_was_never_sent_is_nobodys_failure),
        cmocka_unit_test(what_cuts_a_stream_off_is_a_failure),
    };
    return cmocka_run_group_tests_name("eject", tests, NULL, NULL);
}
