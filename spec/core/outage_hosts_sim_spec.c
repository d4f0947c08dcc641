/* Several workers, roles and hosts, in virtual time: what one worker finds out of an endpoint, all go by. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "sim/shift.h"

#define CREW 4
#define HOSTS 3
#define PRIMARY 0
#define REPLICA 1

static const char *const host[HOSTS] = {"shop", "beta", "gamma"};
static struct server *server[HOSTS];
static struct nebula_option option[HOSTS + 2];

static void begin(struct shift *w, int32_t max)
{
    shift_begin(w, CREW);
    w->spec->pool.max = max;
    server_cap(w->of[0].server, 0, max);
    for (int i = 0; i < HOSTS; i++) {
        server[i] = i == 0 ? w->of[0].server : server_new(host[i], (uint64_t)i);
        server_standby(server[i], i > 0);
        option[i] =
            (struct nebula_option){.name = "server", .value = host[i], .endpoint = (int8_t)(i + 1)};
    }
    option[HOSTS] = (struct nebula_option){.name = "wants", .value = "primary", .role = 1};
    option[HOSTS + 1] = (struct nebula_option){.name = "wants", .value = "standby", .role = 2};
    w->spec->option = option;
    w->spec->options = HOSTS + 2;
    w->spec->endpoint_name = host;
    w->spec->endpoints = HOSTS;
    w->spec->roles = 2;
    w->spec->role_name[PRIMARY] = "primary";
    w->spec->role_name[REPLICA] = "replica";
    w->spec->role_choice[REPLICA] = NEBULA_SPREAD;
    w->spec->policy.wait_us = w->spec->policy.deadline_us = 30 * (int64_t)SECOND;
    w->spec->policy.tries = 4;
    w->spec->policy.budget = w->spec->policy.budget_least = 100;
}

static void end(struct shift *w)
{
    shift_end(w);
    for (int i = 1; i < HOSTS; i++)
        server_free(&server[i]);
}

static struct pool *pool_as(const struct shift *w, int i, int32_t role)
{
    return engine_pool(w->of[i].engine, w->of[i].shop, role);
}

/* One connection to the primary for each, idle. */
static void warm(struct shift *w)
{
    int64_t lease[CREW];
    for (int i = 0; i < CREW; i++)
        assert_true((lease[i] = shift_lease(w, i, 50 * MS)) > 0);
    for (int i = 0; i < CREW; i++)
        rig_release(&w->of[i], lease[i]);
    shift_pass(w, MS);
}

static void switch_over(int from, int to)
{
    server_standby(server[from], true);
    server_standby(server[to], false);
}

static void one_that_turned_is_left_by_all(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w, CREW);
    shift_open_all(&w);
    warm(&w);
    assert_int_equal(server_wires(server[0], PRIMARY), CREW);
    int64_t heard = server_heard(server[0]);
    switch_over(0, 2);
    int32_t ticket = rig_call(&w.of[1], 0, "add 1 1");
    shift_pass(&w, 100 * MS);
    assert_int_equal(rig_await(&w.of[1], ticket, NULL), ERROR_OK);
    assert_int_equal(server_heard(server[0]), heard + 1); /* one was refused, of all */
    assert_int_equal(server_wires(server[0], PRIMARY), 0);
    for (int i = 0; i < CREW; i++)
        assert_int_equal(pool_as(&w, i, PRIMARY)->last, 2);
    int64_t opened = server_opened(server[1]);
    warm(&w);
    assert_int_equal(server_wires(server[2], PRIMARY), CREW);
    assert_int_equal(server_opened(server[1]), opened); /* nobody looked for it where it is not */
    end(&w);
}

/* No host is refused by anybody, and one worker has to go elsewhere: the others follow. */
static void where_one_went_all_go(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w, CREW);
    w.spec->options = HOSTS; /* each will do */
    shift_open_all(&w);
    warm(&w);
    assert_int_equal(server_wires(server[0], PRIMARY), CREW);
    server_odds(server[0], FAULT_REFUSED, 1000);
    int64_t lease[CREW];
    for (int i = 0; i < CREW; i++)
        assert_true((lease[i] = rig_ask(&w.of[i])) > 0);
    assert_int_equal(nebula_release(w.of[2].nebula, lease[2], NEBULA_SPOILED), 0);
    int64_t more = shift_lease(&w, 2, 30 * MS);
    assert_true(more > 0);
    assert_int_equal(server_wires(server[1], PRIMARY), 1);
    for (int i = 0; i < CREW; i++)
        if (i != 2)
            rig_release(&w.of[i], lease[i]);
    shift_pass(&w, 20 * MS);
    assert_int_equal(server_wires(server[0], PRIMARY), 0);
    rig_release(&w.of[2], more);
    end(&w);
}

static void what_was_lent_when_it_turned_leaves_as_it_comes_home(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w, CREW);
    shift_open_all(&w);
    warm(&w);
    int64_t lease = rig_ask(&w.of[3]);
    assert_true(lease > 0);
    switch_over(0, 1);
    int32_t ticket = rig_call(&w.of[0], 0, "add 1 1");
    shift_pass(&w, 100 * MS);
    assert_int_equal(rig_await(&w.of[0], ticket, NULL), ERROR_OK);
    assert_int_equal(server_wires(server[0], PRIMARY), 1);
    rig_release(&w.of[3], lease);
    shift_pass(&w, 20 * MS);
    assert_int_equal(server_wires(server[0], PRIMARY), 0);
    end(&w);
}

/* It went away before the order to leave, and comes to one that has heard it. */
static void what_was_on_its_way_when_it_turned_leaves_where_it_comes_to(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w, 2);
    shift_open_all(&w);
    int64_t lease = shift_lease(&w, 0, 50 * MS), other = shift_lease(&w, 2, 50 * MS);
    assert_true(lease > 0 && other > 0);
    int32_t ticket = shift_ask(&w, 1);
    shift_pass(&w, MS);
    rig_release(&w.of[0], lease);
    rig_pass(&w.of[0], 0);
    assert_int_equal(pool_all(pool_as(&w, 0, PRIMARY)), 0);
    switch_over(0, 1);
    int32_t call = rig_call(&w.of[2], other, "add 1 1");
    for (int i = 0; i < 400 && !shift_has(&w, 2, call); i++) {
        world_move(world_time_us() + 50);
        rig_pass(&w.of[2], 0); /* the one that it comes to has not looked yet */
    }
    assert_int_equal(rig_await(&w.of[2], call, NULL), ERROR_READ_ONLY);
    shift_pass(&w, 200 * MS);
    rig_release(&w.of[2], other);
    rig_release(&w.of[1], shift_take(&w, 1, ticket));
    shift_pass(&w, 20 * MS);
    assert_int_equal(server_wires(server[0], PRIMARY), 0);
    end(&w);
}

static void one_probe_for_each_host_whatever_the_roles(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w, CREW);
    shift_open_all(&w);
    warm(&w);
    for (int i = 0; i < HOSTS; i++)
        server_crash(server[i], world_time_us() + 3 * (int64_t)SECOND);
    int32_t ticket[2 * CREW];
    for (int i = 0; i < 2 * CREW; i++)
        ticket[i] = rig_request(
            &w.of[i / 2],
            (struct nebula_request){.text = "get 1 1", .role = i % 2, .is_idempotent = true});
    shift_pass(&w, 50 * MS);
    for (int n = 0; n < 2900; n++) {
        int32_t at[HOSTS] = {0};
        for (int i = 0; i < 2 * CREW; i++)
            for (int h = 0; h < HOSTS; h++)
                at[h] += pool_as(&w, i / 2, i % 2) == NULL
                             ? 0
                             : pool_as(&w, i / 2, i % 2)->reach[h].opening;
        for (int h = 0; h < HOSTS; h++)
            assert_in_range(at[h], 0, 1);
        shift_pass(&w, MS);
    }
    shift_pass(&w, 3 * (int64_t)SECOND);
    for (int i = 0; i < 2 * CREW; i++)
        assert_int_equal(rig_await(&w.of[i / 2], ticket[i], NULL), ERROR_OK);
    end(&w);
}

static void an_engine_that_comes_later_sees_what_is_known(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w, CREW);
    for (int i = 0; i < CREW - 1; i++)
        shift_open(&w, i);
    switch_over(0, 2);
    int64_t lease = shift_lease(&w, 0, 100 * MS);
    assert_true(lease > 0);
    shift_open(&w, CREW - 1);
    int64_t opened = server_wires(server[2], PRIMARY);
    int64_t begun_us = world_time_us();
    int64_t other = shift_lease(&w, CREW - 1, 4 * MS); /* at once where it is, with no search */
    assert_true(other > 0 && world_time_us() - begun_us <= 4 * MS);
    assert_int_equal(server_wires(server[2], PRIMARY), opened + 1);
    rig_release(&w.of[0], lease);
    rig_release(&w.of[CREW - 1], other);
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_that_turned_is_left_by_all),
        cmocka_unit_test(where_one_went_all_go),
        cmocka_unit_test(what_was_lent_when_it_turned_leaves_as_it_comes_home),
        cmocka_unit_test(what_was_on_its_way_when_it_turned_leaves_where_it_comes_to),
        cmocka_unit_test(one_probe_for_each_host_whatever_the_roles),
        cmocka_unit_test(an_engine_that_comes_later_sees_what_is_known),
    };
    return cmocka_run_group_tests_name("outage_hosts", tests, NULL, NULL);
}
