/* What is known of each endpoint that calls are balanced over, in virtual time: what its weight comes from, what counts
 * against it, and whom the next connection is opened to. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/check.h"
#include "sim/fleet.h"
#include "sim/memory.h"

static double figure(const struct fleet *p, int at, enum load_figure f)
{
    double number[LOAD_FIGURES];
    load_read(rig_pool(&p->rig), at, number);
    return number[f];
}

static void assert_about(double number, double expected)
{
    if (!(fabs(number - expected) <= 0.01))
        fail_msg("%g, not %g", number, expected);
}

static struct conn *conn_to(const struct fleet *p, int at)
{
    struct conn *c = rig_pool(&p->rig)->conns.first;
    while (c->reach != at)
        c = c->next;
    return c;
}

/* --- what a weight comes from ------------------------------------------------------------------ */

static void of_whom_nothing_is_known_nothing_is_held_against(void **unused)
{
    (void)unused;
    struct fleet p;
    fleet_begin(&p, 2, NEBULA_ROUND_ROBIN);
    p.balance.slow_start_us = 60 * (int64_t)SECOND;
    fleet_open(&p);
    rig_release(&p.rig, rig_lease(&p.rig));
    for (int f = LOAD_WEIGHT; f <= LOAD_SLOW_START; f++)
        assert_about(figure(&p, 1, (enum load_figure)f), f == LOAD_WEIGHT ? 100 : 1);
    assert_about(figure(&p, 1, LOAD_LATENCY), 0);
    assert_about(figure(&p, 1, LOAD_CALLS), 0);
    assert_about(figure(&p, 1, LOAD_SUCCESS_RATE), 1);
    assert_about(figure(&p, 1, LOAD_EJECTED_FOR), 0);
    fleet_end(&p);
}

static void failures_count_of_calls_and_of_attempts_to_connect(void **unused)
{
    (void)unused;
    struct fleet p;
    fleet_begin(&p, 2, NEBULA_LEAST_RECENTLY_USED);
    p.balance.consecutive = 0;
    fleet_open(&p);
    fleet_warm_up(&p);
    load_note(conn_to(&p, 1), ERROR_LOST, MS);
    assert_about(figure(&p, 1, LOAD_HEALTH), 0.5);
    load_note(conn_to(&p, 1), ERROR_LOST, MS);
    assert_about(figure(&p, 1, LOAD_HEALTH), 0.25);
    load_note(conn_to(&p, 1), ERROR_OK, MS);
    assert_about(figure(&p, 1, LOAD_HEALTH), 1);
    server_crash(p.server[1], world_time_us() + 60 * (int64_t)SECOND);
    while (!reach_is_down(&rig_pool(&p.rig)->reach[1]))
        fleet_work(&p, 1, 1);
    fleet_loads(&p)->eject[1].streak = 0;
    assert_about(figure(&p, 1, LOAD_HEALTH), 0.5);
    assert_about(figure(&p, 0, LOAD_HEALTH), 1);
    fleet_end(&p);
}

static void successes_are_those_of_two_windows(void **unused)
{
    (void)unused;
    static const double rate[] = {0.5, 0.5, 1}, success[] = {4.0 / 6, 4.0 / 6, 1};
    struct fleet p;
    fleet_begin(&p, 2, NEBULA_LEAST_RECENTLY_USED);
    fleet_open(&p);
    fleet_work(&p, 10, 2);
    rig_pass(&p.rig, 2 * p.balance.window_us);
    for (int i = 0; i < 4; i++)
        load_note(conn_to(&p, 1), i % 2 == 0 ? ERROR_OK : ERROR_LOST, MS);
    for (size_t i = 0; i < COUNT(rate); i++) { /* though nobody calls any more */
        assert_about(figure(&p, 1, LOAD_CALLS), i < 2 ? 4 : 0);
        assert_about(figure(&p, 1, LOAD_SUCCESS_RATE), rate[i]);
        assert_about(figure(&p, 1, LOAD_SUCCESS), success[i]);
        rig_pass(&p.rig, p.balance.window_us);
    }
    fleet_end(&p);
}

static void the_fastest_is_one_of_use_of_which_something_is_known(void **unused)
{
    (void)unused;
    struct fleet p;
    fleet_begin(&p, 3, NEBULA_ROUND_ROBIN);
    server_pace(p.server[0], 20 * MS);
    server_pace(p.server[1], 10 * MS);
    fleet_open(&p);
    fleet_warm_up(&p);
    assert_true(figure(&p, 0, LOAD_SPEED) < 0.3 && figure(&p, 1, LOAD_SPEED) < 0.3);
    fleet_loads(&p)->of[2].latency.mean_us = 0;
    assert_true(figure(&p, 0, LOAD_SPEED) < 0.6);
    assert_about(figure(&p, 1, LOAD_SPEED), 1);
    assert_about(figure(&p, 2, LOAD_SPEED), 1);
    assert_about(figure(&p, 2, LOAD_LATENCY), 0);
    fleet_loads(&p)->of[2].latency.mean_us = 100;
    server_crash(p.server[2], world_time_us() + 60 * (int64_t)SECOND);
    while (!reach_is_down(&rig_pool(&p.rig)->reach[2]))
        fleet_work(&p, 1, 1);
    assert_about(figure(&p, 1, LOAD_SPEED), 1);
    fleet_end(&p);
}

static void who_was_down_or_not_what_is_wanted_comes_back_slowly(void **unused)
{
    (void)unused;
    for (int is_unfit = 0; is_unfit < 2; is_unfit++) {
        struct fleet p;
        fleet_begin(&p, 2, NEBULA_LEAST_RECENTLY_USED);
        p.option[2] = (struct nebula_option){.name = "wants", .value = "primary"};
        p.rig.spec.options = 3;
        p.balance.slow_start_us = 100 * (int64_t)SECOND;
        if (is_unfit)
            server_standby(p.server[1], true);
        else
            server_crash(p.server[1], world_time_us() + 15 * (int64_t)SECOND);
        fleet_open(&p);
        fleet_work(&p, 4, 2);
        const struct reach *r = &rig_pool(&p.rig)->reach[1];
        assert_true(is_unfit ? reach_is_unfit(r) : reach_is_down(r));
        assert_about(figure(&p, 1, LOAD_SLOW_START), 1);
        rig_pass(&p.rig, 20 * SECOND);
        server_standby(p.server[1], false);
        for (int i = 0; fleet_conns(&p, 1) == 0; i++) {
            fleet_work(&p, 1, 1);
            rig_pass(&p.rig, 100 * MS);
            assert_true(i < 200);
        }
        assert_about(figure(&p, 1, LOAD_SLOW_START), 0.1);
        rig_pass(&p.rig, 50 * SECOND);
        assert_true(fabs(figure(&p, 1, LOAD_SLOW_START) - 0.5) < 0.03);
        assert_about(figure(&p, 0, LOAD_SLOW_START), 1);
        fleet_end(&p);
    }
}

static void a_window_begins_when_it_is_first_used(void **unused)
{
    (void)unused;
    struct fleet p;
    fleet_begin(&p, 2, NEBULA_ROUND_ROBIN);
    fleet_open(&p);
    rig_pass(&p.rig, 13 * SECOND);
    int64_t before_us = world_time_us();
    fleet_work(&p, 1, 1);
    assert_in_range(fleet_loads(&p)->fleet.since_us, before_us, world_time_us());
    fleet_end(&p);
}

/* --- in which roles ---------------------------------------------------------------------------- */

static void begin_roles(struct fleet *p, int32_t second)
{
    fleet_begin(p, 2, NEBULA_ROUND_ROBIN);
    p->rig.spec.roles = 2;
    p->rig.spec.role_name[1] = "second";
    p->rig.spec.role_choice[1] = second;
    rig_open(&p->rig);
    for (int32_t role = 0; role < 2; role++)
        assert_int_equal(rig_await(&p->rig,
                                   rig_request(&p->rig, (struct nebula_request){.text = "get 1 1",
                                                                                .role = role}),
                                   NULL),
                         ERROR_OK);
}

static const struct loads *loads_of(const struct fleet *p, int32_t role)
{
    return engine_pool(p->rig.engine, p->rig.shop, role)->loads;
}

static void those_roles_that_stay_with_one_have_none(void **unused)
{
    (void)unused;
    struct fleet p;
    begin_roles(&p, NEBULA_STAY);
    fleet_balance(&p);
    assert_true(loads_of(&p, 0) != NULL && loads_of(&p, 1) == NULL);
    fleet_end(&p);
}

static void all_roles_are_balanced_or_none_is(void **unused)
{
    (void)unused;
    for (int64_t nth = 1, failed = 1; failed > 0; nth++) {
        struct fleet p;
        begin_roles(&p, NEBULA_SPREAD);
        memory_fail(nth);
        int32_t code = nebula_balance(p.rig.nebula, p.rig.shop, &p.balance);
        failed = memory_failed();
        memory_fail(0);
        assert_int_equal(code, failed > 0 ? -ERROR_MEMORY : 0);
        for (int32_t role = 0; role < 2; role++)
            assert_int_equal(loads_of(&p, role) == NULL, failed > 0);
        fleet_end(&p);
    }
}

/* --- what counts against it -------------------------------------------------------------------- */

/* +: it did its part; -: it did not; and what says nothing of it. */
static void each_code_says_something_of_the_endpoint_or_nothing(void **unused)
{
    (void)unused;
    static const struct {
        char what;
        enum error_code code;
    } row[] = {
        {'+', ERROR_OK},          {'+', ERROR_QUERY},     {'+', ERROR_CONSTRAINT},
        {'+', ERROR_CONFLICT},    {'+', ERROR_LOCKED},    {'+', ERROR_READ_ONLY},
        {'-', ERROR_LOST},        {'-', ERROR_DEADLINE},  {'-', ERROR_SERVER},
        {'-', ERROR_PROTOCOL},    {'-', ERROR_STORAGE},   {'-', ERROR_BUSY},
        {'-', ERROR_UNREACHABLE}, {' ', ERROR_CANCELLED}, {' ', ERROR_CLOSED},
        {' ', ERROR_STALE},       {' ', ERROR_MEMORY},    {' ', ERROR_UNFIT},
    };
    struct fleet p;
    fleet_begin(&p, 2, NEBULA_LEAST_RECENTLY_USED);
    fleet_open(&p);
    fleet_warm_up(&p);
    struct eject *e = &fleet_loads(&p)->eject[1];
    for (size_t i = 0; i < COUNT(row); i++) {
        *e = (struct eject){.streak = 1};
        load_note(conn_to(&p, 1), row[i].code, MS);
        char what = e->well[0] == 1 ? '+' : e->failed[0] == 1 ? '-' : ' ';
        if (what != row[i].what || e->streak != (what == '+' ? 0 : what == '-' ? 2 : 1))
            fail_msg("%s: '%c', and %d in a row", error_name(row[i].code), what, (int)e->streak);
    }
    fleet_end(&p);
}

static void what_ends_because_we_stop_is_not_its_failure(void **unused)
{
    (void)unused;
    static const uint32_t gate[] = {GATE_STOPPING, GATE_DRAINING};
    struct fleet p;
    fleet_begin(&p, 2, NEBULA_LEAST_RECENTLY_USED);
    fleet_open(&p);
    fleet_warm_up(&p);
    struct pool *pool = rig_pool(&p.rig);
    for (size_t i = 0; i < COUNT(gate); i++) {
        pool->gate |= gate[i];
        load_note(conn_to(&p, 1), ERROR_LOST, MS);
        assert_int_equal(fleet_loads(&p)->eject[1].streak, 0);
        pool->gate &= ~gate[i];
    }
    fleet_end(&p);
}

static void who_fails_quickly_is_not_fast(void **unused)
{
    (void)unused;
    struct fleet p;
    fleet_begin(&p, 2, NEBULA_LEAST_RECENTLY_USED);
    fleet_open(&p);
    fleet_warm_up(&p);
    const struct balance_latency *l = &fleet_loads(&p)->of[1].latency;
    double before_us = l->mean_us;
    load_note(conn_to(&p, 1), ERROR_LOST, 1);
    assert_true(l->mean_us == before_us);
    load_note(conn_to(&p, 1), ERROR_LOST, SECOND); /* but slow */
    assert_true(l->mean_us > 2 * before_us);
    double after_us = l->mean_us;
    load_note(conn_to(&p, 1), ERROR_OK, 1);
    assert_true(l->mean_us < after_us);
    fleet_end(&p);
}

/* --- which of its connections is next -------------------------------------------------------------- */

/* The chain of all idle ones has the order in which they are lent. */
static void assert_in_order(const struct fleet *p)
{
    const struct pool *pool = rig_pool(&p->rig);
    for (int at = 0; at < p->hosts; at++) {
        struct list_node *n = list_head(&pool->loads->of[at].idle);
        for (struct conn *c = pool->idle.first; c != NULL; c = c->after) {
            if (c->reach != at)
                continue;
            assert_ptr_equal(conn_of_turn(pool, n), c);
            n = list_next(&pool->loads->of[at].idle, n);
        }
        assert_null(n);
    }
}

static void of_each_endpoint_they_are_lent_in_the_order_of_the_pool(void **unused)
{
    (void)unused;
    for (int is_fifo = 0; is_fifo < 2; is_fifo++) {
        struct fleet p;
        int64_t lease[6];
        fleet_begin(&p, 2, NEBULA_LEAST_RECENTLY_USED);
        p.rig.spec.pool.is_fifo = is_fifo == 1;
        p.rig.spec.pool.check_us = SECOND;
        rig_open(&p.rig);
        for (int i = 0; i < 6; i++)
            lease[i] = rig_lease(&p.rig);
        for (int i = 0; i < 6; i++)
            rig_release(&p.rig, lease[i]);
        fleet_balance(&p); /* of those that are there */
        assert_in_order(&p);
        for (int i = 0; i < 6; i++)
            lease[i] = rig_lease(&p.rig);
        for (int i = 0; i < 6; i++)
            rig_release(&p.rig, lease[i]);
        assert_in_order(&p);
        rig_pass(&p.rig, 2 * SECOND); /* for so long that they are asked first */
        fleet_work(&p, 3, 3);
        assert_in_order(&p);
        p.balance.rule = NEBULA_CONNECTIONS; /* and back */
        fleet_balance(&p);
        p.balance.rule = NEBULA_ROUND_ROBIN;
        fleet_balance(&p);
        assert_in_order(&p);
        fleet_end(&p);
    }
}

static void those_who_share_one_are_counted_from_the_beginning(void **unused)
{
    (void)unused;
    struct fleet p;
    int32_t ticket[6];
    fleet_begin(&p, 2, NEBULA_LEAST_OUTSTANDING);
    p.rig.spec.pool.max = 2;
    p.rig.spec.pool.pipeline = 8;
    rig_open(&p.rig);
    fleet_work(&p, 4, 2);
    for (int i = 0; i < 6; i++)
        ticket[i] =
            rig_request(&p.rig, (struct nebula_request){.text = "get 1 1", .is_idempotent = true});
    fleet_balance(&p);
    assert_int_equal(
        fleet_loads(&p)->balance[0].outstanding + fleet_loads(&p)->balance[1].outstanding, 6);
    for (int i = 0; i < 6; i++)
        assert_int_equal(rig_await(&p.rig, ticket[i], NULL), ERROR_OK);
    for (int at = 0; at < 2; at++)
        assert_int_equal(fleet_loads(&p)->balance[at].outstanding, 0);
    fleet_end(&p);
}

/* --- whom the next connection is opened to ------------------------------------------------------ */

/* A word for each endpoint, of a letter and how many connections it has: + may be connected to, x may not, - has no
 * room for one more attempt; w is + and wanted, o is so and one is on its way, u is x and wanted. */
static void whoever_is_wanted_comes_first_until_one_is_on_its_way(void **unused)
{
    (void)unused;
    static const struct {
        const char *is;
        int32_t weight[3];
        const char *becomes;
    } row[] = {
        {"+2 +2 +2", {100, 100, 100}, "+2 +2 +2"},
        {"+2 w0 +2", {100, 100, 100}, "-2 +0 -2"},
        {"+2 w0 w0", {100, 100, 100}, "-2 +0 +0"},
        {"x2 w0 +2", {100, 100, 100}, "x2 +0 -2"},
        {"+2 o1 +2", {100, 100, 100}, "+2 +1 +2"},
        {"+2 u0 +2", {100, 100, 100}, "+2 x0 +2"}, /* nobody waits for that one */
        {"+2 +2 +2", {100, 50, 10}, "+2 +4 +20"},  /* a little weight is as if it had more */
    };
    struct fleet p;
    fleet_begin(&p, 3, NEBULA_LEAST_RECENTLY_USED);
    fleet_open(&p);
    fleet_warm_up(&p);
    struct pool *pool = rig_pool(&p.rig);
    for (size_t i = 0; i < COUNT(row); i++) {
        struct choice_of of[3];
        char became[32] = "";
        for (int at = 0; at < 3; at++) {
            char letter = row[i].is[3 * at];
            of[at] = (struct choice_of){.state = letter == 'x' || letter == 'u' ? CHOICE_USELESS
                                                                                : CHOICE_READY,
                                        .conns = row[i].is[3 * at + 1] - '0'};
            pool->loads->of[at].is_wanted = letter == 'w' || letter == 'o' || letter == 'u';
            pool->loads->balance[at].weight = row[i].weight[at];
            pool->reach[at].opening = letter == 'o';
        }
        load_survey(pool, of);
        for (int at = 0, size = 0; at < 3; at++) {
            pool->loads->of[at].is_wanted = false;
            pool->reach[at].opening = 0;
            size += snprintf(became + size, sizeof became - (size_t)size, "%s%c%d",
                             at == 0 ? "" : " ", "x-+"[of[at].state], (int)of[at].conns);
        }
        assert_string_equal(became, row[i].becomes);
    }
    fleet_end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_whom_nothing_is_known_nothing_is_held_against),
        cmocka_unit_test(failures_count_of_calls_and_of_attempts_to_connect),
        cmocka_unit_test(successes_are_those_of_two_windows),
        cmocka_unit_test(the_fastest_is_one_of_use_of_which_something_is_known),
        cmocka_unit_test(who_was_down_or_not_what_is_wanted_comes_back_slowly),
        cmocka_unit_test(a_window_begins_when_it_is_first_used),
        cmocka_unit_test(those_roles_that_stay_with_one_have_none),
        cmocka_unit_test(all_roles_are_balanced_or_none_is),
        cmocka_unit_test(each_code_says_something_of_the_endpoint_or_nothing),
        cmocka_unit_test(what_ends_because_we_stop_is_not_its_failure),
        cmocka_unit_test(who_fails_quickly_is_not_fast),
        cmocka_unit_test(of_each_endpoint_they_are_lent_in_the_order_of_the_pool),
        cmocka_unit_test(those_who_share_one_are_counted_from_the_beginning),
        cmocka_unit_test(whoever_is_wanted_comes_first_until_one_is_on_its_way),
    };
    return cmocka_run_group_tests_name("load_weight", tests, NULL, NULL);
}
