/* A circuit for each endpoint: whose failure it is, what other rules change, and what is told. The rest is in
 * circuits_at_sim_spec.c. */
#include <string.h>

#include "sim/circuited.h"

/* --- whose failure it is ------------------------------------------------------------------------ */

static void one_that_cannot_be_reached_opens_its_own(void **unused)
{
    (void)unused;
    struct fleet p;
    begin(&p, 2);
    fleet_open(&p);
    say(&p, &usual);
    server_odds(p.server[BROKEN], FAULT_REFUSED, 1000);
    int failed = 0;
    for (int i = 0; i < 100 && (i == 0 || state(&p, BROKEN) != CIRCUIT_OPEN); i++) {
        failed += fail_of(&p, 3);
        rig_pass(&p.rig, SECOND);
    }
    assert_int_equal(failed, 0);
    assert_int_equal(state(&p, BROKEN), CIRCUIT_OPEN);
    assert_int_equal(view(&p, BROKEN).cause.bad, IN_A_ROW);
    assert_int_equal(state(&p, 0), CIRCUIT_CLOSED);
    fleet_end(&p);
}

static void what_fails_on_leases_counts_and_one_that_is_held_goes_on(void **unused)
{
    (void)unused;
    struct fleet p;
    begin(&p, 2);
    open_all(&p);
    int64_t held[2] = {rig_lease(&p.rig), rig_lease(&p.rig)};
    struct lease_table *leases = &p.rig.engine->leases;
    int which = lease_find(leases, held[0])->reach == BROKEN ? 0 : 1;
    for (int i = 0; i < 30 && state(&p, BROKEN) != CIRCUIT_OPEN; i++) {
        int64_t lease = rig_lease(&p.rig);
        fleet_break(&p, BROKEN, true);
        int32_t code = rig_say(&p.rig, lease, "get 1 1");
        fleet_break(&p, BROKEN, false);
        nebula_release(p.rig.nebula, lease, NEBULA_GOOD);
        assert_true(code == ERROR_OK || code == ERROR_LOST);
    }
    assert_int_equal(state(&p, BROKEN), CIRCUIT_OPEN);
    assert_int_equal(state(&p, 0), CIRCUIT_CLOSED);
    assert_int_equal(rig_say(&p.rig, held[which], "get 1 1"), ERROR_OK);
    for (int i = 0; i < 2; i++)
        rig_release(&p.rig, held[i]);
    assert_int_equal(state(&p, BROKEN), CIRCUIT_OPEN);
    fleet_end(&p);
}

/* A lease takes nobody's place, and what runs on it is the probe. */
static void a_lease_of_one_that_is_half_open_takes_no_permit(void **unused)
{
    (void)unused;
    struct fleet p;
    begin(&p, 2);
    open_all(&p);
    break_one(&p, BROKEN);
    fleet_break(&p, BROKEN, false);
    rig_pass(&p.rig, 10 * SECOND);
    int64_t lease = 0;
    for (int i = 0; i < 10; i++) {
        lease = rig_lease(&p.rig);
        if (lease_find(&p.rig.engine->leases, lease)->reach == BROKEN)
            break;
        rig_release(&p.rig, lease);
        rig_pass(&p.rig, 10 * MS);
    }
    assert_int_equal(state(&p, BROKEN), CIRCUIT_HALF);
    assert_int_equal(view(&p, BROKEN).probes, 0);
    assert_int_equal(rig_say(&p.rig, lease, "get 1 1"), ERROR_OK);
    assert_int_equal(rig_say(&p.rig, lease, "get 1 1"), ERROR_OK);
    assert_int_equal(state(&p, BROKEN), CIRCUIT_CLOSED);
    rig_release(&p.rig, lease);
    fleet_end(&p);
}

static void calls_that_share_connections_are_told_apart(void **unused)
{
    (void)unused;
    struct fleet p;
    int32_t ticket[12];
    begin(&p, 3);
    p.rig.spec.pool.max = 3;
    p.rig.spec.pool.pipeline = 8;
    open_all(&p);
    struct nebula_request request = {.text = "get 1 1", .is_idempotent = true};
    fleet_break(&p, BROKEN, true);
    int failed = 0, heard = 0;
    for (int i = 0; i < 600; i++) {
        if (i >= 12)
            failed += rig_await(&p.rig, ticket[i % 12], NULL) != ERROR_OK;
        if (i == 200) {
            assert_int_equal(state(&p, BROKEN), CIRCUIT_OPEN);
            assert_true(failed >= IN_A_ROW);
            heard = fleet_heard(&p, BROKEN);
            failed = 0;
        }
        ticket[i % 12] = rig_request(&p.rig, request);
    }
    assert_true(heard > 0);
    assert_int_equal(failed, 0);
    assert_int_equal(fleet_heard(&p, BROKEN), 0);
    for (int i = 0; i < 12; i++)
        assert_int_equal(rig_await(&p.rig, ticket[i], NULL), ERROR_OK);
    fleet_end(&p);
}

/* A copy is an attempt of its own, with the pass of where it goes. */
static void each_copy_is_counted_where_it_went(void **unused)
{
    (void)unused;
    struct fleet p;
    begin(&p, 2);
    fleet_open(&p);
    struct nebula_circuit slow = usual;
    slow.consecutive = 0;
    slow.least = 4;
    slow.slow_percent = 50;
    slow.slow_us = 100 * MS;
    const struct nebula_rules rules = {
        .circuit = slow, .hedge = {.copies = 2, .delay_us = 10 * MS, .percent = 100, .burst = 10}};
    assert_int_equal(nebula_rules(p.rig.nebula, p.rig.shop, &rules), 0);
    fleet_warm_up(&p);
    server_pace(p.server[BROKEN], 300 * MS);
    server_odds(p.server[0], FAULT_LOST_BEFORE, 1000);
    struct nebula_request request = {.text = "get 1 1", .is_idempotent = true};
    for (int i = 0; i < 12 && state(&p, 0) == CIRCUIT_CLOSED; i++) {
        int32_t ticket = rig_request(&p.rig, request);
        rig_await(&p.rig, ticket, NULL);
    }
    assert_int_equal(state(&p, 0), CIRCUIT_OPEN);
    assert_int_equal(view(&p, 0).cause.why, CIRCUIT_FAILURES);
    assert_int_equal(view(&p, BROKEN).cause.why, CIRCUIT_SLOWNESS);
    server_pace(p.server[BROKEN], 0);
    fleet_end(&p);
}

static void no_copy_goes_to_one_that_is_open(void **unused)
{
    (void)unused;
    struct fleet p;
    begin(&p, 2);
    open_all(&p);
    mute(&p);
    const struct nebula_rules rules = {
        .circuit = usual, .hedge = {.copies = 2, .delay_us = 10 * MS, .percent = 100, .burst = 10}};
    assert_int_equal(nebula_rules(p.rig.nebula, p.rig.shop, &rules), 0);
    server_pace(p.server[0], 100 * MS);
    fleet_heard(&p, BROKEN);
    for (int i = 0; i < 5; i++) {
        const struct nebula_request request = {.text = "get 1 1", .is_idempotent = true};
        assert_int_equal(rig_await(&p.rig, rig_request(&p.rig, request), NULL), ERROR_OK);
    }
    assert_int_equal(fleet_heard(&p, BROKEN), 0);
    server_pace(p.server[0], 0);
    fleet_end(&p);
}

/* --- said and changed --------------------------------------------------------------------------- */

static void other_numbers_leave_what_is_known(void **unused)
{
    (void)unused;
    struct fleet p;
    struct nebula_circuit said = usual;
    begin(&p, 2);
    open_all(&p);
    break_one(&p, BROKEN);
    said.pause_max_us = 20 * (int64_t)SECOND;
    said.window = 20;
    say(&p, &said);
    assert_int_equal(state(&p, BROKEN), CIRCUIT_OPEN);
    fleet_break(&p, BROKEN, false);
    said.mode = NEBULA_CIRCUIT_METRICS;
    say(&p, &said);
    fleet_heard(&p, BROKEN);
    assert_int_equal(fail_of(&p, 10), 0);
    assert_true(fleet_heard(&p, BROKEN) >= 4);
    assert_int_equal(state(&p, BROKEN), CIRCUIT_OPEN);
    said.mode = NEBULA_CIRCUIT_CLOSED;
    say(&p, &said);
    assert_int_equal(state(&p, BROKEN), CIRCUIT_CLOSED);
    said.mode = NEBULA_CIRCUIT_NONE;
    say(&p, &said);
    fleet_break(&p, BROKEN, true);
    fail_of(&p, 60);
    assert_true(fleet_heard(&p, BROKEN) > IN_A_ROW);
    assert_null(guards_of(&p, 0)->at);
    assert_int_equal(rig_pool(&p.rig)->gate & GATE_CIRCUIT, 0);
    fleet_end(&p);
}

/* Each call began by one sort, and ends by the other; and by a third one that is of the first sort again. */
static void a_pass_of_one_is_never_handed_in_at_another(void **unused)
{
    (void)unused;
    for (int per = 0; per < 2; per++) {
        struct fleet p;
        struct nebula_circuit said[2] = {usual, usual};
        said[0].per = NEBULA_CIRCUIT_PER_RESOURCE;
        begin(&p, 2);
        fleet_open(&p);
        say(&p, &said[per]);
        fleet_warm_up(&p);
        for (int times = 1; times <= 2; times++) {
            int32_t ticket[8];
            for (int at = 0; at < 2; at++)
                server_pace(p.server[at], 100 * MS);
            for (size_t i = 0; i < COUNT(ticket); i++)
                ticket[i] = rig_call(&p.rig, 0, "get 1 1");
            rig_pass(&p.rig, 10 * MS);
            for (int at = 0; at < 2; at++)
                server_crash(p.server[at], 0);
            say(&p, &said[!per]);
            if (times == 2)
                say(&p, &said[per]);
            int lost = 0;
            for (size_t i = 0; i < COUNT(ticket); i++)
                lost += rig_await(&p.rig, ticket[i], NULL) == ERROR_LOST;
            assert_true(lost >= 2 * IN_A_ROW - 1);
            for (int at = 0; at < 2; at++)
                server_pace(p.server[at], 0);
            assert_int_equal(ask(&p), ERROR_OK);
            if (guards_of(&p, 0)->at != NULL)
                assert_true(state(&p, 0) == CIRCUIT_CLOSED && state(&p, 1) == CIRCUIT_CLOSED);
            say(&p, &said[per]);
            assert_int_equal(ask(&p), ERROR_OK);
        }
        fleet_end(&p);
    }
}

static void an_operation_that_is_apart_has_its_own(void **unused)
{
    (void)unused;
    struct fleet p;
    begin(&p, 2);
    open_all(&p);
    const struct nebula_rules each = {.circuit = usual}, none = {.asks = 0};
    struct nebula *n = p.rig.nebula;
    const struct nebula_policy *policy = &p.rig.spec.policy;
    assert_int_equal(nebula_operation(n, p.rig.shop, "pay", policy, &each, true), 1);
    assert_int_equal(nebula_operation(n, p.rig.shop, "free", policy, &none, true), 2);
    assert_int_equal(nebula_operation(n, p.rig.shop, "too", policy, &none, false), 3);
    break_one(&p, BROKEN);
    rig_pass(&p.rig, 100 * MS);
    static const bool is_left_out[] = {true, false, false, true};
    for (int32_t o = 0; o < 4; o++) {
        fleet_heard(&p, BROKEN);
        for (int i = 0; i < 60; i++) {
            rig_await(
                &p.rig,
                rig_request(&p.rig, (struct nebula_request){.text = "get 1 1", .operation = o}),
                NULL);
            rig_pass(&p.rig, MS);
        }
        int heard = fleet_heard(&p, BROKEN);
        assert_true(is_left_out[o] ? heard == 0 : o == 1 ? heard == IN_A_ROW : heard > 0);
    }
    struct circuits_view v;
    assert_true(circuits_at_view(guards_of(&p, 1), BROKEN, &v));
    assert_int_equal(v.state, CIRCUIT_OPEN);
    assert_null(guards_of(&p, 2)->at);
    fleet_end(&p);
}

static void it_needs_calls_that_are_balanced(void **unused)
{
    (void)unused;
    struct fleet p;
    struct nebula_circuit said = usual;
    static const char *const why = "shop: circuit: per endpoint needs calls that are balanced over "
                                   "endpoints: say by which rule first";
    begin(&p, 2);
    rig_open(&p.rig);
    struct nebula *n = p.rig.nebula;
    assert_int_equal(say_circuit(n, p.rig.shop, &usual), -ERROR_CONFIG);
    assert_string_equal(nebula_error(n), why);
    const struct nebula_rules rules = {.circuit = usual};
    assert_int_equal(nebula_operation(n, p.rig.shop, "pay", &p.rig.spec.policy, &rules, true),
                     -ERROR_CONFIG);
    assert_string_equal(nebula_error(n), why);
    said.mode = NEBULA_CIRCUIT_NONE;
    say(&p, &said);
    said.mode = NEBULA_CIRCUIT_AUTOMATIC;
    said.per = 2;
    assert_int_equal(say_circuit(n, p.rig.shop, &said), -ERROR_CONFIG);
    assert_string_equal(nebula_error(n), "shop: circuit: there is no per number 2");
    fleet_balance(&p);
    say(&p, &usual);
    p.balance.rule = NEBULA_CONNECTIONS;
    assert_int_equal(nebula_balance(n, p.rig.shop, &p.balance), -ERROR_CONFIG);
    assert_string_equal(nebula_error(n), "shop: balance: a circuit per endpoint needs a rule: say "
                                         "another circuit first");
    said.mode = NEBULA_CIRCUIT_NONE;
    said.per = NEBULA_CIRCUIT_PER_RESOURCE;
    say(&p, &said);
    assert_int_equal(ask(&p), ERROR_OK);
    assert_int_equal(nebula_operation(n, p.rig.shop, "pay", &p.rig.spec.policy, &rules, true), 1);
    assert_true((rig_pool(&p.rig)->gate & GATE_CIRCUIT) !=
                0); /* its calls ask with each connection */
    assert_int_equal(nebula_balance(n, p.rig.shop, &p.balance), -ERROR_CONFIG);
    p.balance.rule = NEBULA_ROUND_ROBIN;
    fleet_end(&p);
}

/* --- what is told -------------------------------------------------------------------------------- */

static void all_that_is_told_names_the_endpoint(void **unused)
{
    (void)unused;
    struct fleet p;
    struct nebula_question q;
    begin(&p, 2);
    fleet_open(&p);
    const struct nebula_rules rules = {.circuit = usual, .asks = 1U << NEBULA_TELL_CIRCUIT};
    assert_int_equal(nebula_rules(p.rig.nebula, p.rig.shop, &rules), 0);
    fleet_warm_up(&p);
    break_one(&p, BROKEN);
    assert_true(nebula_question(p.rig.nebula, &q));
    assert_int_equal(q.what, NEBULA_TELL_CIRCUIT);
    assert_string_equal(q.endpoint, "beta");
    assert_string_equal(q.to, "open");
    break_one(&p, 0);
    assert_int_equal(ask(&p), ERROR_OPEN);
    const char *told = nebula_ask(p.rig.nebula, "{\"verb\":\"explain\",\"name\":\"shop\"}");
    assert_non_null(strstr(told, "\"what\":\"counted\""));
    assert_non_null(strstr(told, "\"state\":\"closed\",\"bad\":2,\"of\":"));
    assert_non_null(strstr(told, "\"state\":\"open\",\"bad\":3,\"of\":3,\"endpoint\":\"beta\""));
    assert_non_null(strstr(told, "\"what\":\"circuit\",")); /* it refused, and beta is next */
    assert_non_null(
        strstr(told, "\"why\":\"consecutive\",\"bad\":3,\"of\":3,\"endpoint\":\"shop\""));
    told = fleet_inspect(&p);
    assert_non_null(strstr(told, "\"circuits\":{\"shop\":\"open\",\"beta\":\"open\"}"));
    assert_non_null(strstr(told, "\"per\":\"endpoint\""));
    assert_non_null(strstr(told,
                           "\"circuits\":[{\"state\":\"open\",\"why\":\"consecutive\",\"bad\":3,"
                           "\"of\":3,\"trips\":1,\"half_in\":"));
    assert_non_null(strstr(told, "\"endpoint\":\"beta\"}]"));
    assert_null(strstr(told, "\"circuit\":\""));
    fleet_end(&p);
}

/* --- all workers -------------------------------------------------------------------------------- */

/* A second worker beside that of the fleet, under one ledger. */
struct pair {
    struct fleet fleet;
    struct nebula_ledger *ledger;
    struct rig second;
};

static void open_one(struct pair *p, struct rig *r, int32_t worker)
{
    const struct nebula_options options = {.log_level = 4, .log_fd = -1, .name = "pair"};
    r->nebula = nebula_open_worker(p->ledger, worker, &options, NULL, 0);
    assert_non_null(r->nebula);
    r->engine = (struct engine *)(void *)r->nebula;
    r->shop = nebula_declare(r->nebula, &p->fleet.rig.spec);
    assert_int_equal(nebula_balance(r->nebula, r->shop, &p->fleet.balance), 0);
    assert_int_equal(say_circuit(r->nebula, r->shop, &usual), 0);
}

static void pair_begin(struct pair *p, int endpoints)
{
    begin(&p->fleet, endpoints);
    p->ledger = nebula_ledger_new(2);
    p->second = p->fleet.rig;
    open_one(p, &p->fleet.rig, 0);
    open_one(p, &p->second, 1);
}

static void pair_end(struct pair *p)
{
    nebula_close(&p->second.nebula);
    nebula_close(&p->fleet.rig.nebula);
    nebula_ledger_free(&p->ledger);
    fleet_end(&p->fleet);
}

static void turn_both(struct pair *p)
{
    rig_pass(&p->fleet.rig, 0);
    rig_pass(&p->second, 0);
    world_move(world_time_us() + MS);
}

static int32_t ask_in(struct pair *p, struct rig *r)
{
    int32_t ticket = rig_call(r, 0, "get 1 1");
    while (!rig_is_answered(r, ticket))
        turn_both(p);
    return rig_await(r, ticket, NULL);
}

static void workers_have_one_of_each_endpoint(void **unused)
{
    (void)unused;
    struct pair p;
    pair_begin(&p, 3);
    struct rig *of[2] = {&p.fleet.rig, &p.second};
    for (int i = 0; i < 60; i++)
        assert_int_equal(ask_in(&p, of[i % 2]), ERROR_OK);
    fleet_break(&p.fleet, BROKEN, true);
    int failed = 0;
    for (int i = 0; i < 200 && state(&p.fleet, BROKEN) != CIRCUIT_OPEN; i++)
        failed += ask_in(&p, of[i % 2]) != ERROR_OK;
    assert_int_equal(failed, IN_A_ROW); /* of both together */
    fleet_heard(&p.fleet, BROKEN);
    for (int i = 0; i < 100; i++)
        assert_int_equal(ask_in(&p, of[i % 2]), ERROR_OK);
    assert_int_equal(fleet_heard(&p.fleet, BROKEN), 0);
    fleet_break(&p.fleet, BROKEN, false);
    for (int w = 0; w < 2; w++)
        rig_pass(of[w], 10 * SECOND);
    for (int i = 0; i < 60 && state(&p.fleet, BROKEN) != CIRCUIT_CLOSED; i++)
        assert_int_equal(ask_in(&p, of[1]), ERROR_OK); /* the other one hears of it */
    assert_int_equal(state(&p.fleet, BROKEN), CIRCUIT_CLOSED);
    pair_end(&p);
}

/* They open while nobody is refused, and then somebody is, by the same word: whoever waits elsewhere is refused at once. */
static void who_waits_elsewhere_hears_of_another_mode(void **unused)
{
    (void)unused;
    struct pair p;
    struct nebula_circuit metrics = usual;
    metrics.mode = NEBULA_CIRCUIT_METRICS;
    pair_begin(&p, 2);
    assert_int_equal(nebula_resize(p.fleet.rig.nebula, p.fleet.rig.shop, -1, 0, 2), 0);
    assert_int_equal(say_circuit(p.fleet.rig.nebula, p.fleet.rig.shop, &metrics), 0);
    assert_int_equal(say_circuit(p.second.nebula, p.second.shop, &metrics), 0);
    for (int at = 0; at < 2; at++)
        fleet_break(&p.fleet, at, true);
    for (int i = 0; i < 30; i++)
        ask_in(&p, &p.fleet.rig);
    assert_true(state(&p.fleet, 0) == CIRCUIT_OPEN && state(&p.fleet, 1) == CIRCUIT_OPEN);
    for (int at = 0; at < 2; at++)
        fleet_break(&p.fleet, at, false);
    int64_t held[2] = {rig_lease(&p.fleet.rig), rig_lease(&p.fleet.rig)};
    int32_t ticket = rig_call(&p.second, 0, "get 1 1");
    for (int i = 0; i < 100; i++)
        turn_both(&p);
    assert_false(rig_is_answered(&p.second, ticket));
    assert_int_equal(say_circuit(p.fleet.rig.nebula, p.fleet.rig.shop, &usual), 0);
    for (int i = 0; i < 2; i++)
        turn_both(&p);
    assert_true(rig_is_answered(&p.second, ticket));
    assert_int_equal(rig_await(&p.second, ticket, NULL), ERROR_OPEN);
    for (int i = 0; i < 2; i++)
        rig_release(&p.fleet.rig, held[i]);
    pair_end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_that_cannot_be_reached_opens_its_own),
        cmocka_unit_test(what_fails_on_leases_counts_and_one_that_is_held_goes_on),
        cmocka_unit_test(a_lease_of_one_that_is_half_open_takes_no_permit),
        cmocka_unit_test(calls_that_share_connections_are_told_apart),
        cmocka_unit_test(each_copy_is_counted_where_it_went),
        cmocka_unit_test(no_copy_goes_to_one_that_is_open),
        cmocka_unit_test(other_numbers_leave_what_is_known),
        cmocka_unit_test(a_pass_of_one_is_never_handed_in_at_another),
        cmocka_unit_test(an_operation_that_is_apart_has_its_own),
        cmocka_unit_test(it_needs_calls_that_are_balanced),
        cmocka_unit_test(all_that_is_told_names_the_endpoint),
        cmocka_unit_test(workers_have_one_of_each_endpoint),
        cmocka_unit_test(who_waits_elsewhere_hears_of_another_mode),
    };
    return cmocka_run_group_tests_name("what counts for the circuit of an endpoint", tests, NULL,
                                       NULL);
}
