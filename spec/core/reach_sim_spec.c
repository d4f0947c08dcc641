/* Several endpoints of one resource, each promise as a scenario in virtual time: who is the primary,
 * where reads go, what an endpoint that is down costs the others, and a switch-over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "sim/rig.h"

#define PRIMARY 0
#define REPLICA 1
#define HOSTS 3

/* A rig with three servers, of which the first is the primary; its calls are tried again. */
struct place {
    struct rig rig;
    struct server *server[HOSTS];
    struct nebula_option option[HOSTS + 2];
};

static const char *const name[HOSTS] = {"shop", "beta", "gamma"};

static void begin(struct place *p)
{
    struct rig *r = &p->rig;
    rig_begin(r);
    p->server[0] = r->server;
    for (int i = 0; i < HOSTS; i++) {
        p->server[i] = i == 0 ? r->server : server_new(name[i], (uint64_t)i);
        server_standby(p->server[i], i > 0);
        p->option[i] =
            (struct nebula_option){.name = "server", .value = name[i], .endpoint = (int8_t)(i + 1)};
    }
    p->option[HOSTS] = (struct nebula_option){.name = "wants", .value = "primary", .role = 1};
    p->option[HOSTS + 1] = (struct nebula_option){.name = "wants", .value = "standby", .role = 2};
    r->spec.option = p->option;
    r->spec.options = HOSTS + 2;
    r->spec.endpoint_name = name;
    r->spec.endpoints = HOSTS;
    r->spec.roles = 2;
    r->spec.role_name[PRIMARY] = "primary";
    r->spec.role_name[REPLICA] = "replica";
    r->spec.role_choice[REPLICA] = NEBULA_SPREAD;
    r->spec.pool.max = 4;
    r->spec.pool.connecting = 4;
    r->spec.policy = (struct nebula_policy){.deadline_us = 5 * SECOND,
                                            .wait_us = 3 * SECOND,
                                            .tries = 4,
                                            .pause_us = 5 * MS,
                                            .pause_max_us = 20 * MS,
                                            .budget = 100,
                                            .budget_least = 100};
}

static void end(struct place *p)
{
    rig_end(&p->rig);
    for (int i = 1; i < HOSTS; i++)
        server_free(&p->server[i]);
}

/* The primary becomes a standby, and another one the primary. */
static void switch_over(struct place *p, int from, int to)
{
    server_standby(p->server[from], true);
    server_standby(p->server[to], false);
}

static struct nebula_reply ask(struct place *p, int32_t role, const char *text)
{
    struct nebula_reply reply;
    rig_await(&p->rig, rig_request(&p->rig, (struct nebula_request){.text = text, .role = role}),
              &reply);
    return reply;
}

static int32_t wires(const struct place *p, int host)
{
    return server_wires(p->server[host], PRIMARY) + server_wires(p->server[host], REPLICA);
}

static int64_t lease_as(struct place *p, int32_t role)
{
    int64_t lease = nebula_lease(p->rig.nebula, p->rig.shop, role, 0, false);
    return lease != 0 ? lease : rig_lease_of(&p->rig, rig_ticket(&p->rig));
}

static struct pool *pool_as(const struct place *p, int32_t role)
{
    return resource_peek(table_get(&p->rig.engine->resources, p->rig.shop), role);
}

static void hold(struct place *p, int32_t role, int64_t *lease, int count)
{
    for (int i = 0; i < count; i++)
        lease[i] = lease_as(p, role);
}

static void let_go(struct place *p, const int64_t *lease, int count)
{
    for (int i = 0; i < count; i++)
        rig_release(&p->rig, lease[i]);
}

/* --- the primary ------------------------------------------------------------------------------ */

static void the_primary_is_found_wherever_it_is(void **unused)
{
    (void)unused;
    for (int i = 0; i < HOSTS; i++) {
        struct place p;
        begin(&p);
        switch_over(&p, 0, i);
        server_standby(p.server[i], false);
        rig_open(&p.rig);
        assert_int_equal(ask(&p, PRIMARY, "add 1 1").code, ERROR_OK);
        assert_int_equal(server_applied(p.server[i], 1), 1);
        end(&p);
    }
}

static void all_of_it_stays_where_it_is(void **unused)
{
    (void)unused;
    struct place p;
    begin(&p);
    p.rig.spec.options = HOSTS; /* nobody wants anything: each will do */
    rig_open(&p.rig);
    int64_t lease[4];
    hold(&p, PRIMARY, lease, 4);
    assert_int_equal(wires(&p, 0), 4);
    let_go(&p, lease, 4);
    server_crash(p.server[0], world_time_us() + SECOND);
    rig_pass(&p.rig, 10 * MS);
    hold(&p, PRIMARY, lease, 4);
    assert_int_equal(wires(&p, 1), 4);
    let_go(&p, lease, 4);
    server_crash(p.server[1], 0); /* and is there again at once */
    rig_pass(&p.rig, 3 * SECOND);
    hold(&p, PRIMARY, lease, 2);
    assert_int_equal(wires(&p, 1), 2);
    assert_int_equal(wires(&p, 0), 0);
    let_go(&p, lease, 2);
    end(&p);
}

static void who_is_primary_elsewhere_is_primary_no_more_here(void **unused)
{
    (void)unused;
    struct place p;
    begin(&p);
    p.rig.spec.pool.max = 3;
    rig_open(&p.rig);
    int64_t lease[3];
    hold(&p, PRIMARY, lease, 3);
    assert_int_equal(wires(&p, 0), 3);
    switch_over(&p, 0, 2);
    let_go(&p, &lease[2], 1);
    struct nebula_reply reply = ask(&p, PRIMARY, "add 9 1");
    assert_int_equal(reply.code, ERROR_OK);
    assert_int_equal(server_applied(p.server[2], 1), 1);
    assert_true(reply.attempts > 1); /* the first one heard 25006 */
    assert_int_equal(rig_say(&p.rig, lease[0], "get 1 1"), ERROR_OK); /* what is lent, stays lent */
    assert_int_equal(wires(&p, 0), 2);
    let_go(&p, lease, 2);
    rig_pass(&p.rig, 20 * MS);
    assert_int_equal(wires(&p, 0), 0);
    end(&p);
}

static void the_first_refusal_retires_all_of_them(void **unused)
{
    (void)unused;
    struct place p;
    begin(&p);
    rig_open(&p.rig);
    int64_t lease[4];
    hold(&p, PRIMARY, lease, 4);
    let_go(&p, lease, 4);
    int64_t heard = server_heard(p.server[0]);
    switch_over(&p, 0, 1);
    assert_int_equal(ask(&p, PRIMARY, "add 1 1").code, ERROR_OK);
    for (int i = 2; i < 6; i++)
        assert_int_equal(ask(&p, PRIMARY, "add 1 2").code, ERROR_OK);
    assert_int_equal(server_heard(p.server[0]), heard + 1);
    end(&p);
}

static void a_standby_that_is_met_while_connecting_retires_them_too(void **unused)
{
    (void)unused;
    struct place p;
    begin(&p);
    rig_open(&p.rig);
    int64_t lease[2];
    hold(&p, PRIMARY, lease, 2);
    let_go(&p, &lease[1], 1);
    rig_pass(&p.rig, MS);
    switch_over(&p, 0, 1);
    int64_t more[2];
    hold(&p, PRIMARY, more, 2); /* one that was idle, one that had to be opened */
    let_go(&p, more, 2);
    let_go(&p, lease, 1);
    rig_pass(&p.rig, 20 * MS);
    assert_int_equal(wires(&p, 0), 0);
    end(&p);
}

static void without_a_primary_callers_wait_and_are_told_why(void **unused)
{
    (void)unused;
    struct place p;
    begin(&p);
    server_standby(p.server[0], true);
    server_crash(p.server[2], INT64_MAX);
    p.rig.spec.policy.wait_us = 400 * MS;
    rig_open(&p.rig);
    int32_t ticket = rig_call(&p.rig, 0, "add 1 1");
    rig_pass(&p.rig, SECOND);
    struct nebula_reply reply;
    nebula_reply(p.rig.nebula, ticket, &reply);
    assert_int_equal(reply.code, ERROR_UNREACHABLE);
    assert_non_null(strstr(reply.text,
                           "no endpoint serves as primary: shop is unfit, beta is unfit, "
                           "gamma is down; gamma: connection refused"));
    rig_await(&p.rig, ticket, NULL);
    ticket = rig_call(&p.rig, 0, "add 1 2");
    rig_pass(&p.rig, 100 * MS);
    server_standby(p.server[1], false);
    assert_int_equal(rig_await(&p.rig, ticket, NULL), ERROR_OK);
    end(&p);
}

static void nothing_is_hopeless_before_all_are(void **unused)
{
    (void)unused;
    struct place p;
    begin(&p);
    server_odds(p.server[0], FAULT_DENIED, 1000);
    server_standby(p.server[1], false);
    rig_open(&p.rig);
    assert_int_equal(ask(&p, PRIMARY, "add 1 1").code, ERROR_OK);
    end(&p);
    begin(&p);
    for (int i = 0; i < HOSTS; i++)
        server_odds(p.server[i], FAULT_DENIED, 1000);
    rig_open(&p.rig);
    int64_t begun_us = world_time_us();
    assert_int_equal(ask(&p, PRIMARY, "add 1 1").code, ERROR_DENIED);
    assert_true(world_time_us() - begun_us < 50 * MS);
    end(&p);
}

/* --- the replicas ----------------------------------------------------------------------------- */

static void reads_spread_over_those_that_are_fit(void **unused)
{
    (void)unused;
    struct place p;
    begin(&p);
    rig_open(&p.rig);
    int64_t lease[4];
    hold(&p, REPLICA, lease, 4);
    assert_int_equal(wires(&p, 0), 0);
    assert_int_equal(wires(&p, 1), 2);
    assert_int_equal(wires(&p, 2), 2);
    let_go(&p, lease, 4);
    end(&p);
}

static void a_read_that_writes_goes_to_the_primary(void **unused)
{
    (void)unused;
    struct place p;
    begin(&p);
    rig_open(&p.rig);
    struct nebula_reply reply = ask(&p, REPLICA, "add 1 1");
    assert_int_equal(reply.code, ERROR_OK);
    assert_int_equal(reply.role, PRIMARY);
    assert_int_equal(reply.attempts, 1);
    assert_int_equal(server_applied(p.server[0], 1), 1);
    assert_int_equal(pool_all(pool_as(&p, REPLICA)), 1); /* and nothing is wrong with the replica */
    end(&p);
}

static void without_replicas_reads_fail_unless_they_may_fall_back(void **unused)
{
    (void)unused;
    for (int falls_back = 0; falls_back <= 1; falls_back++) {
        struct place p;
        begin(&p);
        p.rig.spec.role_choice[REPLICA] |= falls_back ? NEBULA_FALL_BACK : 0;
        p.rig.spec.policy.wait_us = 400 * MS;
        server_crash(p.server[1], INT64_MAX);
        server_crash(p.server[2], INT64_MAX);
        rig_open(&p.rig);
        int64_t begun_us = world_time_us();
        enum error_code code = (enum error_code)ask(&p, REPLICA, "get 1 1").code;
        assert_int_equal(code, falls_back ? ERROR_OK : ERROR_UNREACHABLE);
        assert_true(!falls_back || world_time_us() - begun_us < 30 * MS);
        end(&p);
    }
}

static void what_fell_back_returns_when_it_can(void **unused)
{
    (void)unused;
    struct place p;
    begin(&p);
    p.rig.spec.role_choice[REPLICA] |= NEBULA_FALL_BACK;
    server_crash(p.server[1], world_time_us() + 2 * SECOND);
    server_crash(p.server[2], INT64_MAX);
    rig_open(&p.rig);
    for (int i = 0; i < 120; i++) {
        assert_int_equal(ask(&p, REPLICA, "get 1 1").code, ERROR_OK);
        rig_pass(&p.rig, 100 * MS);
    }
    assert_int_equal(wires(&p, 0), 0);
    assert_int_equal(wires(&p, 1), 1);
    end(&p);
}

static void a_replica_that_was_promoted_serves_no_reads_any_more(void **unused)
{
    (void)unused;
    struct place p;
    begin(&p);
    rig_open(&p.rig);
    int64_t lease[4];
    hold(&p, REPLICA, lease, 4);
    let_go(&p, lease, 4);
    assert_int_equal(ask(&p, PRIMARY, "add 1 1").code, ERROR_OK);
    switch_over(&p, 0, 1);
    assert_int_equal(ask(&p, PRIMARY, "add 1 2").code, ERROR_OK);
    rig_pass(&p.rig, 20 * MS);
    assert_int_equal(server_wires(p.server[1], REPLICA), 0);
    assert_int_equal(server_wires(p.server[2], REPLICA), 2);
    end(&p);
}

/* --- one that is down ------------------------------------------------------------------------- */

static void one_that_does_not_answer_costs_one_bound_and_once(void **unused)
{
    (void)unused;
    struct place p;
    begin(&p);
    server_standby(p.server[0], true);
    server_standby(p.server[1], false);
    server_odds(p.server[0], FAULT_NO_OPEN, 1000);
    p.rig.spec.pool.connect_us = 300 * MS;
    rig_open(&p.rig);
    int64_t begun_us = world_time_us();
    int64_t lease[3];
    hold(&p, PRIMARY, lease, 1);
    assert_in_range(world_time_us() - begun_us, 300 * MS, 310 * MS);
    begun_us = world_time_us();
    hold(&p, PRIMARY, &lease[1], 2);
    assert_true(world_time_us() - begun_us < 20 * MS);
    let_go(&p, lease, 3);
    end(&p);
}

static void one_connection_probes_an_endpoint_whatever_the_roles(void **unused)
{
    (void)unused;
    struct place p;
    begin(&p);
    rig_open(&p.rig);
    for (int i = 0; i < HOSTS; i++)
        server_crash(p.server[i], world_time_us() + 3 * SECOND);
    int32_t ticket[6];
    for (int i = 0; i < 6; i++)
        ticket[i] = rig_request(&p.rig, (struct nebula_request){.text = "get 1 1", .role = i % 2});
    rig_pass(&p.rig, 50 * MS);
    const struct resource *shop = table_get(&p.rig.engine->resources, p.rig.shop);
    for (int i = 0; i < 2000; i++) {
        for (int host = 0; host < HOSTS; host++)
            assert_true(shop->outlook->board->endpoint[host].opening <= 1);
        rig_pass(&p.rig, MS);
    }
    for (int i = 0; i < 6; i++)
        rig_await(&p.rig, ticket[i], NULL);
    end(&p);
}

static void a_search_asks_those_that_were_down_at_once(void **unused)
{
    (void)unused;
    struct place p;
    begin(&p);
    p.rig.spec.pool.connect_us = 800 * MS;
    rig_open(&p.rig);
    assert_int_equal(ask(&p, PRIMARY, "add 1 1").code, ERROR_OK);
    server_crash(p.server[0], INT64_MAX);
    server_crash(p.server[1], INT64_MAX);
    rig_pass(&p.rig, SECOND);
    int32_t ticket = rig_call(&p.rig, 0, "add 1 2");
    rig_pass(&p.rig, 100 * MS);
    server_calm(p.server[0]);
    server_odds(p.server[0], FAULT_NO_OPEN, 1000); /* from refusing to silence */
    server_calm(p.server[1]);
    server_standby(p.server[1], false);
    int64_t begun_us = world_time_us();
    assert_int_equal(rig_await(&p.rig, ticket, NULL), ERROR_OK);
    assert_true(world_time_us() - begun_us < 500 * MS);
    end(&p);
}

static void max_counts_all_endpoints_together(void **unused)
{
    (void)unused;
    struct place p;
    begin(&p);
    for (int i = 0; i < HOSTS; i++)
        server_cap(p.server[i], REPLICA, 2);
    rig_open(&p.rig);
    int32_t ticket[12];
    for (int i = 0; i < 12; i++)
        ticket[i] =
            rig_request(&p.rig, (struct nebula_request){.text = "get 1 1", .role = REPLICA});
    for (int i = 0; i < 12; i++) {
        assert_int_equal(rig_await(&p.rig, ticket[i], NULL), ERROR_OK);
        assert_true(pool_all(pool_as(&p, REPLICA)) <= 4);
    }
    end(&p);
}

/* --- looking ---------------------------------------------------------------------------------- */

static void inspect_tells_of_each_endpoint(void **unused)
{
    (void)unused;
    struct place p;
    begin(&p);
    server_crash(p.server[2], INT64_MAX);
    rig_open(&p.rig);
    ask(&p, PRIMARY, "add 1 1");
    int64_t lease[2];
    hold(&p, REPLICA, lease, 2);
    const char *told = nebula_ask(p.rig.nebula, "{\"verb\":\"inspect\",\"name\":\"shop\"}");
    assert_non_null(
        strstr(told, "{\"endpoint\":\"shop\",\"seen_as\":\"primary\",\"connections\":1}"));
    assert_non_null(
        strstr(told, "{\"endpoint\":\"beta\",\"seen_as\":\"replica\",\"connections\":2}"));
    assert_non_null(
        strstr(told, "{\"endpoint\":\"gamma\",\"seen_as\":\"down\",\"connections\":0}"));
    assert_non_null(strstr(told, "\"state\":\"down\",\"connections\":0,\"failures\":1,"
                                 "\"error\":\"shop: connection refused\"}"));
    let_go(&p, lease, 2);
    end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_primary_is_found_wherever_it_is),
        cmocka_unit_test(all_of_it_stays_where_it_is),
        cmocka_unit_test(who_is_primary_elsewhere_is_primary_no_more_here),
        cmocka_unit_test(the_first_refusal_retires_all_of_them),
        cmocka_unit_test(a_standby_that_is_met_while_connecting_retires_them_too),
        cmocka_unit_test(without_a_primary_callers_wait_and_are_told_why),
        cmocka_unit_test(nothing_is_hopeless_before_all_are),
        cmocka_unit_test(reads_spread_over_those_that_are_fit),
        cmocka_unit_test(a_read_that_writes_goes_to_the_primary),
        cmocka_unit_test(without_replicas_reads_fail_unless_they_may_fall_back),
        cmocka_unit_test(what_fell_back_returns_when_it_can),
        cmocka_unit_test(a_replica_that_was_promoted_serves_no_reads_any_more),
        cmocka_unit_test(one_that_does_not_answer_costs_one_bound_and_once),
        cmocka_unit_test(one_connection_probes_an_endpoint_whatever_the_roles),
        cmocka_unit_test(a_search_asks_those_that_were_down_at_once),
        cmocka_unit_test(max_counts_all_endpoints_together),
        cmocka_unit_test(inspect_tells_of_each_endpoint),
    };
    return cmocka_run_group_tests_name("reach", tests, NULL, NULL);
}
