/* Calls balanced over several endpoints: each of those has a connection, however few there are and however much
 * there is to do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "sim/fleet.h"

static void each_endpoint_has_its_part_where_more_wait_than_max(void **unused)
{
    (void)unused;
    static const int32_t connecting[] = {1, 2, 8};
    for (int rule = NEBULA_ROUND_ROBIN; rule <= NEBULA_STICKY; rule++)
        for (size_t i = 0; i < sizeof connecting / sizeof *connecting; i++) {
            struct fleet p;
            int by[HOSTS];
            fleet_begin(&p, 3, (enum nebula_rule)rule);
            p.rig.spec.pool.max = 3;
            p.rig.spec.pool.connecting = connecting[i];
            fleet_open(&p);
            fleet_work(&p, 60, 8);
            fleet_spread(&p, 300, 8, by);
            for (int at = 0; at < 3; at++)
                assert_in_range(by[at], 80, 120);
            fleet_end(&p);
        }
}

/* Calls that never stop, until there is nothing more to be proved. */
static void work_on(struct fleet *p, int32_t *ticket, int count, int calls)
{
    for (int i = 0; i < calls; i++) {
        rig_await(&p->rig, ticket[i % count], NULL);
        ticket[i % count] = rig_call(&p->rig, 0, "get 1 1");
        assert_true(pool_all(rig_pool(&p->rig)) <= p->rig.spec.pool.max);
    }
}

static void one_that_comes_back_gets_a_connection_though_all_are_busy(void **unused)
{
    (void)unused;
    for (int rule = NEBULA_ROUND_ROBIN; rule < NEBULA_STICKY; rule++) {
        struct fleet p;
        int32_t ticket[8];
        fleet_begin(&p, 3, (enum nebula_rule)rule);
        p.rig.spec.pool.max = 4;
        server_crash(p.server[2], world_time_us() + 2 * (int64_t)SECOND);
        fleet_open(&p);
        for (int i = 0; i < 8; i++)
            ticket[i] = rig_call(&p.rig, 0, "get 1 1");
        while (world_time_us() < 8 * (int64_t)SECOND)
            work_on(&p, ticket, 8, 100);
        assert_true(fleet_conns(&p, 2) >= 1);
        assert_true(fleet_heard(&p, 2) > 0);
        for (int i = 0; i < 8; i++)
            rig_await(&p.rig, ticket[i], NULL);
        fleet_end(&p);
    }
}

static void calls_that_share_find_each_endpoint(void **unused)
{
    (void)unused;
    for (int rule = NEBULA_ROUND_ROBIN; rule < NEBULA_STICKY; rule++) {
        struct fleet p;
        int32_t ticket[12];
        int by[HOSTS];
        fleet_begin(&p, 3, (enum nebula_rule)rule);
        p.rig.spec.pool.max = 3;
        p.rig.spec.pool.pipeline = 8;
        fleet_open(&p);
        struct nebula_request request = {.text = "get 1 1", .is_idempotent = true};
        for (int i = 0; i < 900; i++) {
            if (i >= 12)
                assert_int_equal(rig_await(&p.rig, ticket[i % 12], NULL), ERROR_OK);
            if (i == 300)
                fleet_heard_by_all(&p, by);
            ticket[i % 12] = rig_request(&p.rig, request);
        }
        for (int i = 0; i < 12; i++)
            assert_int_equal(rig_await(&p.rig, ticket[i], NULL), ERROR_OK);
        fleet_heard_by_all(&p, by);
        for (int at = 0; at < 3; at++)
            assert_in_range(by[at], 150, 250);
        fleet_end(&p);
    }
}

/* The keeper looks again and again meanwhile. */
static void one_that_keeps_silent_costs_no_connection_to_another(void **unused)
{
    (void)unused;
    for (int rule = NEBULA_ROUND_ROBIN; rule < NEBULA_STICKY; rule++) {
        struct fleet p;
        fleet_begin(&p, 3, (enum nebula_rule)rule);
        server_odds(p.server[2], FAULT_NO_OPEN, 1000);
        fleet_open(&p);
        for (int i = 0; i < 400; i++) {
            assert_int_equal(rig_say(&p.rig, 0, "get 1 1"), ERROR_OK);
            rig_pass(&p.rig, 50 * MS);
            assert_int_equal(nebula_resize(p.rig.nebula, p.rig.shop, -1, 0, 12), 0);
        }
        assert_in_range(fleet_conns(&p, 0) + fleet_conns(&p, 1), 2, 4);
        fleet_end(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_endpoint_has_its_part_where_more_wait_than_max),
        cmocka_unit_test(one_that_comes_back_gets_a_connection_though_all_are_busy),
        cmocka_unit_test(calls_that_share_find_each_endpoint),
        cmocka_unit_test(one_that_keeps_silent_costs_no_connection_to_another),
    };
    return cmocka_run_group_tests_name("load_room", tests, NULL, NULL);
}
