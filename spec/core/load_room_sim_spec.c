/* Calls balanced over several endpoints: each of those has a connection, however few there are and however much
 * there is to do; and whoever makes room for it is the one who has most. */
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

/* --- who has none, and how often he is tried ---------------------------------------------------- */

/* One call at a time, ten in a second. */
static void work_in_peace(struct fleet *p, int seconds)
{
    for (int i = 0; i < 10 * seconds; i++) {
        fleet_work(p, 1, 1);
        rig_pass(&p->rig, 100 * MS);
    }
}

static void who_is_not_what_is_wanted_is_tried_every_ten_seconds(void **unused)
{
    (void)unused;
    struct fleet p;
    fleet_begin(&p, 2, NEBULA_LEAST_RECENTLY_USED);
    p.option[2] = (struct nebula_option){.name = "wants", .value = "primary"};
    p.rig.spec.options = 3;
    server_standby(p.server[1], true);
    fleet_open(&p);
    work_in_peace(&p, 60);
    assert_in_range(rig_pool(&p.rig)->stats.open_failed, 5, 8);
    assert_int_equal(fleet_conns(&p, 0), 1); /* and for that nobody needs another one elsewhere */
    fleet_end(&p);
}

static void who_is_down_is_tried_when_he_may_be_and_costs_no_other(void **unused)
{
    (void)unused;
    for (int is_ejected = 0; is_ejected < 2; is_ejected++) {
        struct fleet p;
        fleet_begin(&p, 2, NEBULA_LEAST_RECENTLY_USED);
        fleet_open(&p);
        fleet_work(&p, 4, 1);
        server_crash(p.server[1], world_time_us() + 60 * (int64_t)SECOND);
        fleet_work(&p, 1, 1);
        work_in_peace(&p, 1);
        assert_true(reach_is_down(&rig_pool(&p.rig)->reach[1]));
        if (is_ejected)
            fleet_loads(&p)->eject[1].until_us = world_time_us() + 60 * (int64_t)SECOND;
        uint64_t failed = rig_pool(&p.rig)->stats.open_failed;
        work_in_peace(&p, 20);
        assert_int_equal(rig_pool(&p.rig)->stats.open_failed > failed, !is_ejected);
        assert_int_equal(fleet_conns(&p, 0), 1);
        fleet_end(&p);
    }
}

static void who_has_one_is_not_tried_again_for_news(void **unused)
{
    (void)unused;
    struct fleet p;
    int64_t lease[6];
    int leases = 0;
    fleet_begin(&p, 2, NEBULA_LEAST_RECENTLY_USED);
    fleet_open(&p);
    fleet_work(&p, 4, 1);
    server_order(p.server[1], FAULT_REFUSED);
    while (!reach_is_down(&rig_pool(&p.rig)->reach[1]))
        lease[leases++] = rig_lease(&p.rig);
    for (int i = 0; i < leases; i++)
        rig_release(&p.rig, lease[i]);
    int64_t opened = server_opened(p.server[1]);
    work_in_peace(&p, 20);
    assert_int_equal(server_opened(p.server[1]), opened);
    fleet_end(&p);
}

/* --- who makes room ---------------------------------------------------------------------------- */

/* Two endpoints, the others being away, have all connections there may be. */
static void begin_away(struct fleet *p, int32_t hosts, int from, int32_t max)
{
    fleet_begin(p, hosts, NEBULA_LEAST_RECENTLY_USED);
    p->rig.spec.pool.max = p->rig.spec.pool.min = max;
    for (int at = from; at < hosts; at++)
        server_crash(p->server[at], world_time_us() + 2 * SECOND);
    fleet_open(p);
    fleet_work(p, 2, 2);
    rig_pass(&p->rig, 3 * SECOND);
    assert_int_equal(pool_all(rig_pool(&p->rig)), max);
}

static void who_has_most_gives_up_one_and_no_more(void **unused)
{
    (void)unused;
    struct fleet p;
    begin_away(&p, 3, 2, 5);
    int few = fleet_conns(&p, 0) < fleet_conns(&p, 1) ? 0 : 1;
    assert_int_equal(fleet_conns(&p, few), 2);
    server_order(p.server[!few], FAULT_CLOSE_SLOW); /* and is gone when others look again */
    for (int i = 0; i < 20; i++) {
        fleet_work(&p, 1, 1);
        rig_pass(&p.rig, 50 * MS);
        assert_int_equal(fleet_conns(&p, 0) + fleet_conns(&p, 1) >= 4, true);
    }
    rig_pass(&p.rig, 5 * SECOND);
    fleet_work(&p, 10, 1);
    assert_int_equal(fleet_conns(&p, few), 2);
    assert_int_equal(fleet_conns(&p, !few), 2);
    assert_int_equal(fleet_conns(&p, 2), 1);
    fleet_end(&p);
}

static void nobody_gives_up_the_only_one(void **unused)
{
    (void)unused;
    struct fleet p;
    begin_away(&p, 3, 2, 2);
    assert_true(fleet_conns(&p, 0) == 1 && fleet_conns(&p, 1) == 1);
    for (int i = 0; i < 20; i++) {
        fleet_work(&p, 1, 1);
        rig_pass(&p.rig, 100 * MS);
    }
    assert_int_equal(server_opened(p.server[0]) + server_opened(p.server[1]), 2);
    assert_true(fleet_conns(&p, 0) == 1 && fleet_conns(&p, 1) == 1);
    fleet_end(&p);
}

/* Its number tells of which lease it is. */
static const struct conn *the_one_that_leaves(const struct fleet *p)
{
    const struct conn *found = NULL;
    for (const struct conn *c = rig_pool(&p->rig)->conns.first; c != NULL; c = c->next) {
        assert_true(!c->is_retired || found == NULL);
        found = c->is_retired ? c : found;
    }
    return found;
}

/* Beside one that is not open yet, and was begun later. */
static void where_all_are_busy_the_one_lent_last_leaves_as_it_comes_home(void **unused)
{
    (void)unused;
    struct fleet p;
    int64_t lease[2];
    int32_t ticket[16], waiting = 0;
    fleet_begin(&p, 2, NEBULA_LEAST_RECENTLY_USED);
    p.rig.spec.pool.max = 3;
    server_crash(p.server[1], world_time_us() + 200 * MS);
    fleet_open(&p);
    for (int i = 0; i < 2; i++) {
        lease[i] = rig_lease(&p.rig);
        rig_pass(&p.rig, MS);
    }
    server_order(p.server[0], FAULT_NO_OPEN);
    fleet_loads(&p)->of[1].had_us -= SECOND; /* so long is it that something was done for it */
    while (the_one_that_leaves(&p) == NULL && waiting < 16) {
        assert_int_equal(rig_ask(&p.rig), 0);
        ticket[waiting++] = rig_ticket(&p.rig);
        rig_pass(&p.rig, 50 * MS);
    }
    assert_int_equal(rig_count(&p.rig, CONN_OPENING), 1);
    assert_int_equal(the_one_that_leaves(&p)->id, rig_conn_of(&p.rig, lease[1]));
    for (int i = 0; i < 2; i++)
        rig_release(&p.rig, lease[i]);
    for (int i = 0; i < waiting; i++)
        rig_release(&p.rig, rig_lease_of(&p.rig, ticket[i]));
    fleet_end(&p);
}

static void who_has_one_and_wants_more_takes_none_from_others(void **unused)
{
    (void)unused;
    struct fleet p;
    begin_away(&p, 2, 2, 4);
    struct pool *pool = rig_pool(&p.rig);
    fleet_loads(&p)->of[1].is_wanted = true;
    load_make_room(pool);
    assert_false(fleet_loads(&p)->of[1].is_wanted);
    assert_int_equal(pool_staying(pool), 4);
    fleet_end(&p);
}

static void one_that_leaves_already_is_room_enough(void **unused)
{
    (void)unused;
    struct fleet p;
    begin_away(&p, 3, 2, 4);
    struct pool *pool = rig_pool(&p.rig);
    conn_retire(pool->idle.first);
    fleet_loads(&p)->of[2].is_wanted = true;
    fleet_loads(&p)->of[2].had_us = 0;
    load_make_room(pool);
    assert_true(fleet_loads(&p)->of[2].is_wanted);
    assert_int_equal(pool_staying(pool), 3);
    fleet_end(&p);
}

/* Another one took its place; and when it is named again after a second, that is looked at. */
static void who_lost_the_only_one_gets_one_again(void **unused)
{
    (void)unused;
    struct fleet p;
    fleet_begin(&p, 3, NEBULA_LEAST_RECENTLY_USED);
    p.rig.spec.pool.max = p.rig.spec.pool.min = 3;
    fleet_open(&p);
    fleet_work(&p, 6, 1);
    rig_pass(&p.rig, 100 * MS);
    for (int at = 0; at < 3; at++)
        assert_int_equal(fleet_conns(&p, at), 1);
    server_crash(p.server[2], world_time_us() + 100 * MS);
    rig_pass(&p.rig, 200 * MS);
    fleet_work(&p, 3, 1);
    assert_int_equal(fleet_conns(&p, 2), 0);
    work_in_peace(&p, 3);
    for (int at = 0; at < 3; at++)
        assert_int_equal(fleet_conns(&p, at), 1);
    fleet_end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_endpoint_has_its_part_where_more_wait_than_max),
        cmocka_unit_test(one_that_comes_back_gets_a_connection_though_all_are_busy),
        cmocka_unit_test(calls_that_share_find_each_endpoint),
        cmocka_unit_test(one_that_keeps_silent_costs_no_connection_to_another),
        cmocka_unit_test(who_is_not_what_is_wanted_is_tried_every_ten_seconds),
        cmocka_unit_test(who_is_down_is_tried_when_he_may_be_and_costs_no_other),
        cmocka_unit_test(who_has_one_is_not_tried_again_for_news),
        cmocka_unit_test(who_has_most_gives_up_one_and_no_more),
        cmocka_unit_test(nobody_gives_up_the_only_one),
        cmocka_unit_test(where_all_are_busy_the_one_lent_last_leaves_as_it_comes_home),
        cmocka_unit_test(who_has_one_and_wants_more_takes_none_from_others),
        cmocka_unit_test(one_that_leaves_already_is_room_enough),
        cmocka_unit_test(who_lost_the_only_one_gets_one_again),
    };
    return cmocka_run_group_tests_name("load_room", tests, NULL, NULL);
}
