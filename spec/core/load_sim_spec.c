/* Calls balanced over several endpoints, each promise as a scenario in virtual time: whose turn it is, and
 * that nobody waits beside an idle connection for it. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "sim/fleet.h"
#include "sim/memory.h"

/* --- whose turn it is -------------------------------------------------------------------------- */

static void round_robin_is_in_turn_and_gives_the_slow_one_less(void **unused)
{
    (void)unused;
    for (int slow = 0; slow < 2; slow++) {
        struct fleet p;
        int by[HOSTS];
        fleet_begin(&p, 3, NEBULA_ROUND_ROBIN);
        server_pace(p.server[1], slow ? 20 * MS : 0);
        fleet_open(&p);
        fleet_warm_up(&p);
        fleet_work(&p, 900, 1);
        int all = fleet_heard_by_all(&p, by);
        assert_int_equal(all, 900);
        assert_in_range(by[0], slow ? 350 : 250, slow ? 500 : 350);
        assert_in_range(by[1], slow ? 30 : 250, slow ? 110 : 350);
        assert_in_range(by[2], slow ? 350 : 250, slow ? 500 : 350);
        fleet_end(&p);
    }
}

static void who_was_quick_and_is_gone_makes_nobody_slow(void **unused)
{
    (void)unused;
    struct fleet p;
    int by[HOSTS];
    fleet_begin(&p, 3, NEBULA_ROUND_ROBIN);
    server_pace(p.server[1], 20 * MS);
    fleet_open(&p);
    fleet_warm_up(&p);
    fleet_work(&p, 300, 1);
    server_crash(p.server[2], world_time_us() + 600 * (int64_t)SECOND);
    for (int i = 0; i < 60; i++) {
        fleet_work(&p, 3, 1);
        rig_pass(&p.rig, SECOND);
    }
    fleet_spread(&p, 300, 1, by);
    assert_int_equal(by[2], 0);
    assert_in_range(by[1], 1, 100);
    fleet_end(&p);
}

static void least_outstanding_leaves_the_slow_one_what_it_can_do(void **unused)
{
    (void)unused;
    struct fleet p;
    int by[HOSTS];
    fleet_begin(&p, 3, NEBULA_LEAST_OUTSTANDING);
    server_pace(p.server[1], 20 * MS);
    fleet_open(&p);
    fleet_warm_up(&p);
    for (int i = 0; i < 100; i++) {
        fleet_work(&p, 6, 6); /* as many at a time as would be two for each */
        for (int at = 0; at < 3; at++)
            assert_int_equal(fleet_loads(&p)->balance[at].outstanding, 0);
    }
    fleet_heard_by_all(&p, by);
    for (int at = 0; at < 3; at++)
        assert_in_range(by[at], 180, 220);
    fleet_end(&p);
}

static void one_that_failed_is_used_again_though_others_have_room(void **unused)
{
    (void)unused;
    for (int rule = NEBULA_ROUND_ROBIN; rule < NEBULA_STICKY; rule++) {
        struct fleet p;
        int by[HOSTS];
        fleet_begin(&p, 3, (enum nebula_rule)rule);
        fleet_open(&p);
        fleet_warm_up(&p);
        fleet_break(&p, 1, true);
        while (fleet_loads(&p)->eject[1].streak == 0)
            fleet_work(&p, 1, 1);
        fleet_break(&p, 1, false);
        fleet_spread(&p, 300, 1, by);
        assert_in_range(by[1], 50, 150);
        assert_int_equal(fleet_loads(&p)->eject[1].streak, 0);
        fleet_end(&p);
    }
}

static void two_choices_go_where_it_is_quick(void **unused)
{
    (void)unused;
    struct fleet p;
    int by[HOSTS];
    fleet_begin(&p, 3, NEBULA_TWO_CHOICES);
    server_pace(p.server[1], 20 * MS);
    fleet_open(&p);
    fleet_warm_up(&p);
    fleet_work(&p, 1200, 6);
    int all = fleet_heard_by_all(&p, by);
    assert_int_equal(all, 1200);
    assert_true(by[1] < 150);
    assert_true(by[0] > 400 && by[2] > 400);
    fleet_end(&p);
}

static void who_was_away_for_long_is_not_sent_all_there_is(void **unused)
{
    (void)unused;
    struct fleet p;
    int64_t lease[6];
    fleet_begin(&p, 3, NEBULA_TWO_CHOICES);
    p.rig.spec.pool.max = p.rig.spec.pool.min = 18;
    fleet_open(&p);
    assert_int_equal(rig_await(&p.rig, nebula_start(p.rig.nebula, p.rig.shop), NULL), 0);
    fleet_work(&p, 300, 6);
    fleet_loads(&p)->of[2].latency.at_us -= 600 * (int64_t)SECOND;
    for (int i = 0; i < 6; i++)
        lease[i] = rig_lease(&p.rig);
    assert_in_range(fleet_loads(&p)->balance[2].outstanding, 1, 3);
    for (int i = 0; i < 6; i++)
        rig_release(&p.rig, lease[i]);
    fleet_end(&p);
}

static void the_least_recently_used_comes_in_turn(void **unused)
{
    (void)unused;
    struct fleet p;
    int by[HOSTS];
    fleet_begin(&p, 3, NEBULA_LEAST_RECENTLY_USED);
    server_pace(p.server[1], 20 * MS);
    fleet_open(&p);
    fleet_work(&p, 10, 1);
    rig_pass(&p.rig, 100 * MS);
    fleet_spread(&p, 300, 1, by);
    for (int i = 0; i < 3; i++)
        assert_int_equal(by[i], 100);
    fleet_end(&p);
}

static void what_has_a_key_goes_to_the_same_one(void **unused)
{
    (void)unused;
    struct fleet p;
    int by[HOSTS], first[40] = {0};
    int32_t keys = 0;
    fleet_begin(&p, 3, NEBULA_STICKY);
    fleet_open(&p);
    fleet_warm_up(&p);
    for (int round = 0; round < 4; round++) {
        if (round == 2)
            server_crash(p.server[1], world_time_us() + SECOND);
        if (round == 3)
            rig_pass(&p.rig, 5 * SECOND);
        for (int k = 0; k < 40; k++) {
            char key[16];
            snprintf(key, sizeof key, "key %d", k);
            rig_await(&p.rig, fleet_call(&p, key), NULL); /* which may be lost with the server */
            rig_await(&p.rig, fleet_call(&p, key), NULL); /* it opens what it wants */
            rig_pass(&p.rig, 10 * MS);
            fleet_heard_by_all(&p, by);
            assert_int_equal(rig_await(&p.rig, fleet_call(&p, key), NULL), ERROR_OK);
            assert_int_equal(fleet_heard_by_all(&p, by), 1);
            int at = by[0] ? 0 : by[1] ? 1 : 2;
            first[k] = round == 0 ? at : first[k];
            keys += round == 0 && at == 1;
            assert_true(round == 2 && first[k] == 1 ? at != 1 : at == first[k]);
        }
    }
    assert_in_range(keys, 5, 25);
    fleet_end(&p);
}

/* --- nobody waits beside an idle one ------------------------------------------------------------ */

static void whoever_comes_has_whatever_is_idle(void **unused)
{
    (void)unused;
    for (int rule = NEBULA_ROUND_ROBIN; rule <= NEBULA_STICKY; rule++) {
        struct fleet p;
        int64_t lease[6];
        fleet_begin(&p, 3, (enum nebula_rule)rule);
        p.rig.spec.pool.max = 6;
        p.rig.spec.pool.min = 6;
        fleet_open(&p);
        assert_int_equal(rig_await(&p.rig, nebula_start(p.rig.nebula, p.rig.shop), NULL), 0);
        for (int at = 0; at < 3; at++)
            assert_int_equal(fleet_conns(&p, at), 2);
        nebula_task_key(p.rig.nebula, "one", 3); /* all of them would be where it is */
        for (int i = 0; i < 6; i++) {
            lease[i] = rig_ask(&p.rig);
            assert_true(lease[i] > 0);
        }
        int32_t waits = rig_ask(&p.rig) == 0 ? rig_ticket(&p.rig) : 0;
        assert_true(waits > 0);
        for (int at = 0; at < 3; at++)
            assert_int_equal(fleet_loads(&p)->balance[at].outstanding, 2);
        rig_release(&p.rig, lease[3]); /* whichever it is */
        lease[3] = rig_lease_of(&p.rig, waits);
        for (int i = 0; i < 6; i++)
            rig_release(&p.rig, lease[i]);
        for (int at = 0; at < 3; at++) {
            assert_int_equal(fleet_loads(&p)->balance[at].outstanding, 0);
            assert_int_equal(fleet_loads(&p)->of[at].idle.count, 2);
        }
        fleet_end(&p);
    }
}

static void one_without_a_connection_gets_one_where_max_is_reached(void **unused)
{
    (void)unused;
    struct fleet p;
    int64_t lease[4];
    int by[HOSTS];
    fleet_begin(&p, 3, NEBULA_LEAST_RECENTLY_USED);
    p.rig.spec.pool.max = 4;
    server_crash(p.server[2], world_time_us() + 2 * SECOND);
    fleet_open(&p);
    for (int i = 0; i < 4; i++)
        lease[i] = rig_lease(&p.rig);
    assert_int_equal(fleet_conns(&p, 0) + fleet_conns(&p, 1), 4);
    for (int i = 0; i < 4; i++)
        rig_release(&p.rig, lease[i]);
    rig_pass(&p.rig, 4 * SECOND);
    for (int i = 0; i < 20; i++) {
        fleet_work(&p, 1, 1);
        rig_pass(&p.rig, 200 * MS);
        assert_true(pool_all(rig_pool(&p.rig)) <= 4);
    }
    assert_int_equal(fleet_conns(&p, 2), 1);
    assert_int_equal(fleet_conns(&p, 0) + fleet_conns(&p, 1), 3);
    fleet_spread(&p, 30, 1, by);
    assert_int_equal(by[2], 10);
    fleet_end(&p);
}

static void calls_that_share_go_where_the_rule_says_too(void **unused)
{
    (void)unused;
    struct fleet p;
    int by[HOSTS];
    fleet_begin(&p, 3, NEBULA_TWO_CHOICES);
    p.rig.spec.pool.max = 3;
    p.rig.spec.pool.pipeline = 8;
    server_pace(p.server[1], 20 * MS);
    fleet_open(&p);
    fleet_warm_up(&p);
    int32_t ticket[12];
    for (int i = 0; i < 600; i++) {
        if (i >= 12)
            assert_int_equal(rig_await(&p.rig, ticket[i % 12], NULL), ERROR_OK);
        ticket[i % 12] =
            rig_request(&p.rig, (struct nebula_request){.text = "get 1 1", .is_idempotent = true});
        int32_t all = 0;
        for (int at = 0; at < 3; at++)
            all += fleet_loads(&p)->balance[at].outstanding;
        assert_true(all <= 12 && all >= rig_count(&p.rig, CONN_LEASED));
    }
    for (int i = 0; i < 12; i++)
        assert_int_equal(rig_await(&p.rig, ticket[i], NULL), ERROR_OK);
    assert_int_equal(fleet_heard_by_all(&p, by), 600);
    assert_true(by[1] < by[0] / 2 && by[1] < by[2] / 2);
    for (int at = 0; at < 3; at++)
        assert_int_equal(fleet_loads(&p)->balance[at].outstanding, 0);
    fleet_end(&p);
}

static void who_may_not_be_used_has_no_weight(void **unused)
{
    (void)unused;
    struct fleet p;
    double number[LOAD_FIGURES];
    fleet_begin(&p, 3, NEBULA_ROUND_ROBIN);
    fleet_open(&p);
    fleet_warm_up(&p);
    server_crash(p.server[1], world_time_us() + 10 * (int64_t)SECOND);
    for (int i = 0; i < 30; i++)
        fleet_work(&p, 1, 1);
    rig_pass(&p.rig, SECOND);
    assert_true(reach_is_down(&rig_pool(&p.rig)->reach[1]));
    for (int at = 0; at < 3; at++) {
        load_read(rig_pool(&p.rig), at, number);
        assert_int_equal(number[LOAD_WEIGHT] > 0, at != 1);
    }
    fleet_end(&p);
}

static void a_stream_is_one_call_however_often_it_is_pulled(void **unused)
{
    (void)unused;
    struct fleet p;
    struct nebula_reply reply;
    double before[LOAD_FIGURES], after[LOAD_FIGURES];
    fleet_begin(&p, 2, NEBULA_ROUND_ROBIN);
    fleet_open(&p);
    fleet_warm_up(&p);
    int64_t lease = rig_lease(&p.rig);
    int at = fleet_loads(&p)->balance[0].outstanding == 1 ? 0 : 1;
    struct nebula_request request = {
        .lease = lease, .verb = NEBULA_STREAM, .text = "rows 1 50", .window = 1};
    load_read(rig_pool(&p.rig), at, before);
    assert_int_equal(rig_await(&p.rig, rig_request(&p.rig, request), &reply), ERROR_OK);
    load_read(rig_pool(&p.rig), at, after);
    assert_int_equal(after[LOAD_CALLS], before[LOAD_CALLS] + 1);
    assert_true(reply.more);
    request = (struct nebula_request){.lease = lease, .verb = NEBULA_PULL, .window = 1};
    while (reply.more)
        assert_int_equal(rig_await(&p.rig, rig_request(&p.rig, request), &reply), ERROR_OK);
    double latency = after[LOAD_LATENCY];
    load_read(rig_pool(&p.rig), at, after);
    assert_int_equal(after[LOAD_CALLS], before[LOAD_CALLS] + 1);
    assert_true(fabs(after[LOAD_LATENCY] - latency) <= latency / 10);
    rig_release(&p.rig, lease);
    fleet_end(&p);
}

/* --- what is said ------------------------------------------------------------------------------ */

static void it_is_in_force_at_once_and_may_be_taken_back(void **unused)
{
    (void)unused;
    struct fleet p;
    int by[HOSTS];
    fleet_begin(&p, 3, NEBULA_LEAST_RECENTLY_USED);
    rig_open(&p.rig);
    fleet_work(&p, 30, 6);
    int64_t lease[2] = {rig_lease(&p.rig), rig_lease(&p.rig)};
    assert_null(fleet_loads(&p));
    fleet_balance(&p); /* while some are idle, and some lent */
    int32_t idle = 0, outstanding = 0;
    for (int at = 0; at < 3; at++) {
        idle += (int32_t)fleet_loads(&p)->of[at].idle.count;
        outstanding += fleet_loads(&p)->balance[at].outstanding;
    }
    assert_int_equal(idle, rig_count(&p.rig, CONN_IDLE));
    assert_int_equal(outstanding, 2);
    for (int i = 0; i < 2; i++)
        rig_release(&p.rig, lease[i]);
    fleet_work(&p, 30, 1);
    fleet_spread(&p, 30, 1, by);
    for (int at = 0; at < 3; at++)
        assert_int_equal(by[at], 10);
    p.balance.rule = NEBULA_CONNECTIONS;
    fleet_balance(&p);
    assert_null(fleet_loads(&p));
    assert_int_equal(rig_pool(&p.rig)->gate, 0); /* by the short path again */
    lease[0] = rig_ask(&p.rig);
    assert_true(lease[0] > 0);
    rig_release(&p.rig, lease[0]);
    fleet_end(&p);
}

static void each_tenant_has_the_balance_of_the_declaration(void **unused)
{
    (void)unused;
    struct fleet p;
    struct nebula_option option[4];
    fleet_begin(&p, 3, NEBULA_STICKY);
    memcpy(option, p.option, 3 * sizeof *option);
    option[3] = (struct nebula_option){.name = "realm", .value = "{tenant}", .has_tenant = true};
    p.rig.spec.option = option;
    p.rig.spec.options = 4;
    p.rig.spec.tenants = 3;
    fleet_open(&p);
    struct nebula *n = p.rig.nebula;
    const char *const tenant[] = {"a", "b", "c"}, *const name[] = {"shop@a", "shop@b", "shop@c"};
    for (int i = 0; i < 3; i++) {
        if (i == 2) { /* those that are there hear of it, and those that come */
            p.balance.rule = NEBULA_ROUND_ROBIN;
            fleet_balance(&p);
        }
        assert_int_equal(nebula_task_tenant(n, tenant[i]), 0);
        assert_int_equal(rig_say(&p.rig, 0, "get 1 1"), ERROR_OK);
        struct pool *own = engine_pool(p.rig.engine, nebula_find(n, name[i]), 0);
        assert_int_equal(own->loads->said.rule, p.balance.rule);
    }
    for (int i = 0; i < 3; i++)
        assert_int_equal(engine_pool(p.rig.engine, nebula_find(n, name[i]), 0)->loads->said.rule,
                         NEBULA_ROUND_ROBIN);
    fleet_end(&p);
}

static void what_cannot_be_is_refused(void **unused)
{
    (void)unused;
    struct fleet p;
    fleet_begin(&p, 3, NEBULA_ROUND_ROBIN);
    rig_open(&p.rig);
    const struct nebula_balance good = p.balance;
    struct nebula_balance bad[13];
    for (int i = 0; i < 13; i++)
        bad[i] = good;
    bad[0].rule = 6;
    bad[1].rule = -1;
    bad[2].consecutive = -1;
    bad[3].factor = -0.1;
    bad[4].most = 1.1;
    bad[5].panic = -0.1;
    bad[6].window_us = 0;
    bad[7].time_us = 0;
    bad[8].time_most_us = bad[8].time_us - 1;
    bad[9].slow_start_us = INT64_MAX;
    bad[10].least_calls = -1;
    bad[11].factor = (double)NAN;
    bad[12].time_most_us = INT64_MAX;
    for (int i = 0; i < 13; i++)
        if (nebula_balance(p.rig.nebula, p.rig.shop, &bad[i]) != -ERROR_CONFIG)
            fail_msg("%d was taken", i);
    assert_int_equal(nebula_balance(p.rig.nebula, 99, &good), -ERROR_USAGE);
    fleet_end(&p);
    fleet_begin(&p, 3, NEBULA_ROUND_ROBIN);
    p.rig.spec.role_choice[0] = NEBULA_STAY;
    rig_open(&p.rig);
    assert_int_equal(nebula_balance(p.rig.nebula, p.rig.shop, &good), -ERROR_CONFIG);
    assert_non_null(strstr(nebula_error(p.rig.nebula), "none of its roles spreads"));
    fleet_end(&p);
    fleet_begin(&p, 1, NEBULA_ROUND_ROBIN);
    rig_open(&p.rig);
    assert_int_equal(nebula_balance(p.rig.nebula, p.rig.shop, &good), -ERROR_CONFIG);
    fleet_end(&p);
}

static void without_memory_all_is_as_before(void **unused)
{
    (void)unused;
    for (int64_t nth = 1, failed = 1; failed > 0; nth++) {
        struct fleet p;
        fleet_begin(&p, 3, NEBULA_LEAST_RECENTLY_USED);
        rig_open(&p.rig);
        fleet_work(&p, 10, 2);
        memory_fail(nth);
        int32_t code = nebula_balance(p.rig.nebula, p.rig.shop, &p.balance);
        failed = memory_failed();
        memory_fail(0);
        assert_int_equal(code, failed > 0 ? -ERROR_MEMORY : 0);
        assert_true((fleet_loads(&p) == NULL) == (failed > 0));
        fleet_work(&p, 10, 2);
        fleet_end(&p);
    }
}

static void a_pool_that_comes_without_memory_is_an_error(void **unused)
{
    (void)unused;
    for (int64_t nth = 1, failed = 1; failed > 0; nth++) {
        struct fleet p;
        fleet_begin(&p, 3, NEBULA_TWO_CHOICES);
        fleet_open(&p);
        memory_fail(nth);
        int32_t ticket = rig_call(&p.rig, 0, "get 1 1");
        if (ticket > 0)
            rig_await(&p.rig, ticket, NULL);
        failed = memory_failed();
        memory_fail(0);
        assert_int_equal(rig_say(&p.rig, 0, "get 1 1"), ERROR_OK);
        fleet_end(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_robin_is_in_turn_and_gives_the_slow_one_less),
        cmocka_unit_test(who_was_quick_and_is_gone_makes_nobody_slow),
        cmocka_unit_test(least_outstanding_leaves_the_slow_one_what_it_can_do),
        cmocka_unit_test(one_that_failed_is_used_again_though_others_have_room),
        cmocka_unit_test(two_choices_go_where_it_is_quick),
        cmocka_unit_test(who_was_away_for_long_is_not_sent_all_there_is),
        cmocka_unit_test(the_least_recently_used_comes_in_turn),
        cmocka_unit_test(what_has_a_key_goes_to_the_same_one),
        cmocka_unit_test(whoever_comes_has_whatever_is_idle),
        cmocka_unit_test(one_without_a_connection_gets_one_where_max_is_reached),
        cmocka_unit_test(who_may_not_be_used_has_no_weight),
        cmocka_unit_test(a_stream_is_one_call_however_often_it_is_pulled),
        cmocka_unit_test(it_is_in_force_at_once_and_may_be_taken_back),
        cmocka_unit_test(calls_that_share_go_where_the_rule_says_too),
        cmocka_unit_test(each_tenant_has_the_balance_of_the_declaration),
        cmocka_unit_test(what_cannot_be_is_refused),
        cmocka_unit_test(without_memory_all_is_as_before),
        cmocka_unit_test(a_pool_that_comes_without_memory_is_an_error),
    };
    return cmocka_run_group_tests_name("load", tests, NULL, NULL);
}
