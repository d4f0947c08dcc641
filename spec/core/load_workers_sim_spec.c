/* Calls balanced over several endpoints in two workers under one cap: one that is down costs no connection to
 * another, when it is back each worker finds it, though all permits are out, and who is ejected by one of them is
 * left alone by that one, whoever opens connections to it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "sim/fleet.h"

#define WORKERS 2
#define TASKS 6

/* Of each worker some tasks call without end. */
struct pair {
    struct fleet fleet;
    struct nebula_ledger *ledger;
    struct rig second, *of[WORKERS];
    int tasks;
    int64_t within_us[WORKERS]; /* 0: a minute */
    int32_t ticket[WORKERS][TASKS];
};

static int32_t call(struct pair *p, int w)
{
    return rig_request(p->of[w], (struct nebula_request){.text = "get 1 1",
                                                         .is_idempotent = true,
                                                         .within_us = p->within_us[w]});
}

static void open_both(struct pair *p, int tasks)
{
    const struct nebula_options options = {.log_level = 4, .log_fd = -1, .name = "pair"};
    p->ledger = nebula_ledger_new(WORKERS);
    assert_non_null(p->ledger);
    p->second = p->fleet.rig;
    p->of[0] = &p->fleet.rig;
    p->of[1] = &p->second;
    p->tasks = tasks;
    for (int w = 0; w < WORKERS; w++) {
        struct rig *r = p->of[w];
        r->nebula = nebula_open_worker(p->ledger, w, &options, NULL, 0);
        assert_non_null(r->nebula);
        r->engine = (struct engine *)(void *)r->nebula;
        r->shop = nebula_declare(r->nebula, &p->fleet.rig.spec);
        assert_true(r->shop > 0);
        assert_int_equal(nebula_balance(r->nebula, r->shop, &p->fleet.balance), 0);
        for (int i = 0; i < tasks; i++)
            p->ticket[w][i] = call(p, w);
    }
}

static void close_both(struct pair *p)
{
    for (int w = 0; w < WORKERS; w++)
        for (int i = 0; i < p->tasks; i++)
            rig_await(p->of[w], p->ticket[w][i], NULL);
    for (int w = WORKERS - 1; w >= 0; w--)
        nebula_close(&p->of[w]->nebula);
    nebula_ledger_free(&p->ledger);
    fleet_end(&p->fleet);
}

static void call_again(struct pair *p, int w)
{
    for (int i = 0; i < p->tasks; i++) {
        if (!rig_is_answered(p->of[w], p->ticket[w][i]))
            continue;
        rig_await(p->of[w], p->ticket[w][i], NULL);
        p->ticket[w][i] = call(p, w);
    }
}

static void work_until(struct pair *p, int64_t until_us)
{
    while (world_time_us() < until_us) {
        for (int w = 0; w < WORKERS; w++) {
            rig_pass(p->of[w], 0);
            call_again(p, w);
        }
        world_move(world_time_us() + MS);
    }
}

static int32_t conns(const struct pair *p, int w, int at)
{
    return rig_pool(p->of[w])->reach[at].conns;
}

static void one_that_is_down_costs_no_connection_to_another(void **unused)
{
    (void)unused;
    for (int rule = NEBULA_ROUND_ROBIN; rule <= NEBULA_STICKY; rule++) {
        struct pair p = {.tasks = 0};
        fleet_begin(&p.fleet, 3, (enum nebula_rule)rule);
        server_crash(p.fleet.server[2], world_time_us() + 10 * (int64_t)SECOND);
        open_both(&p, 1);
        work_until(&p, 8 * (int64_t)SECOND);
        for (int w = 0; w < WORKERS; w++)
            for (int at = 0; at < 2; at++)
                assert_in_range(conns(&p, w, at), 0, 2);
        close_both(&p);
    }
}

/* What each worker has of the others is more than it needs for one each. */
static void one_that_comes_back_is_found_by_all_though_no_permit_is_left(void **unused)
{
    (void)unused;
    for (int rule = NEBULA_ROUND_ROBIN; rule < NEBULA_STICKY; rule++) {
        struct pair p = {.tasks = 0};
        fleet_begin(&p.fleet, 2, (enum nebula_rule)rule);
        p.fleet.rig.spec.pool.max = 6;
        server_crash(p.fleet.server[1], world_time_us() + 3 * (int64_t)SECOND);
        open_both(&p, TASKS);
        work_until(&p, 3 * (int64_t)SECOND);
        assert_int_equal(conns(&p, 0, 0) + conns(&p, 1, 0), 6);
        assert_true(conns(&p, 0, 0) > 1 && conns(&p, 1, 0) > 1);
        work_until(&p, 8 * (int64_t)SECOND);
        for (int w = 0; w < WORKERS; w++)
            for (int at = 0; at < 2; at++)
                assert_true(conns(&p, w, at) > 0);
        close_both(&p);
    }
}

/* Each worker has fewer than it has tasks, and they go from one to the other: one that is without an endpoint for
 * a moment has it again in the next. */
static void those_that_go_from_worker_to_worker_stay_open(void **unused)
{
    (void)unused;
    for (int rule = NEBULA_ROUND_ROBIN; rule < NEBULA_STICKY; rule++) {
        struct pair p = {.tasks = 0};
        fleet_begin(&p.fleet, 3, (enum nebula_rule)rule);
        p.fleet.rig.spec.pool.max = 6;
        for (int at = 0; at < 3; at++)
            server_pace(p.fleet.server[at], (1 + 2 * at) * MS);
        open_both(&p, TASKS);
        work_until(&p, 3 * (int64_t)SECOND);
        for (int w = 0; w < WORKERS; w++)
            assert_true(rig_pool(p.of[w])->waiters.count > 0);
        uint64_t closed = rig_pool(p.of[0])->stats.closed + rig_pool(p.of[1])->stats.closed;
        work_until(&p, 23 * (int64_t)SECOND);
        closed = rig_pool(p.of[0])->stats.closed + rig_pool(p.of[1])->stats.closed - closed;
        assert_in_range(closed, 0, 4);
        close_both(&p);
    }
}

/* Whose connections come from the other worker, who has more patience. */
static void who_is_ejected_is_left_alone_though_the_other_worker_uses_it(void **unused)
{
    (void)unused;
    for (int rule = NEBULA_ROUND_ROBIN; rule < NEBULA_STICKY; rule++) {
        struct pair p = {.within_us = {0, 200 * MS}};
        fleet_begin(&p.fleet, 3, (enum nebula_rule)rule);
        p.fleet.rig.spec.pool.max = 6;
        for (int at = 0; at < 3; at++)
            server_pace(p.fleet.server[at], (1 + 2 * at) * MS);
        open_both(&p, TASKS);
        work_until(&p, 2 * (int64_t)SECOND);
        const struct loads *own = rig_pool(p.of[1])->loads;
        server_pace(p.fleet.server[1], 300 * MS);
        for (int i = 0; i < 100 && own->eject[1].ejections == 0; i++)
            work_until(&p, world_time_us() + 100 * MS);
        server_pace(p.fleet.server[1], 3 * MS);
        assert_int_equal(own->eject[1].ejections, 1);
        work_until(&p, world_time_us() + SECOND);
        uint64_t leases = pool_leases(rig_pool(p.of[1]));
        work_until(&p, world_time_us() + 4 * (int64_t)SECOND);
        assert_true(pool_leases(rig_pool(p.of[1])) - leases > 1000);
        assert_true(own->eject[1].until_us > world_time_us());
        assert_int_equal(own->eject[1].well[0] + own->eject[1].well[1], 0);
        close_both(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_that_is_down_costs_no_connection_to_another),
        cmocka_unit_test(one_that_comes_back_is_found_by_all_though_no_permit_is_left),
        cmocka_unit_test(those_that_go_from_worker_to_worker_stay_open),
        cmocka_unit_test(who_is_ejected_is_left_alone_though_the_other_worker_uses_it),
    };
    return cmocka_run_group_tests_name("load_workers", tests, NULL, NULL);
}
