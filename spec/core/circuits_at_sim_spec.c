/* A circuit for each endpoint, each promise as a scenario in virtual time: who is left out and who serves on, what is
 * refused when nobody is left, and what becomes of probes. */
#include <string.h>

#include "sim/circuited.h"

/* --- who is left out --------------------------------------------------------------------------- */

static void one_that_keeps_failing_is_left_out_until_probes_go_well(void **unused)
{
    (void)unused;
    for (int rule = NEBULA_ROUND_ROBIN; rule <= NEBULA_STICKY; rule++) {
        struct fleet p;
        begin(&p, 3);
        p.balance.rule = rule;
        open_all(&p);
        assert_int_equal(break_one(&p, BROKEN), IN_A_ROW);
        rig_pass(&p.rig, 100 * MS);
        fleet_heard(&p, BROKEN);
        int32_t sessions = server_sessions(p.server[BROKEN]);
        for (int i = 0; i < 8; i++) { /* for most of its pause */
            assert_int_equal(fail_of(&p, 50), 0);
            rig_pass(&p.rig, SECOND);
        }
        assert_int_equal(fleet_heard(&p, BROKEN), 0);
        assert_true(server_sessions(p.server[BROKEN]) <= sessions); /* nothing new */
        assert_true(state(&p, 0) == CIRCUIT_CLOSED && state(&p, 2) == CIRCUIT_CLOSED);
        fleet_break(&p, BROKEN, false);
        rig_pass(&p.rig, 3 * SECOND);
        assert_int_equal(fail_of(&p, 100), 0);
        assert_int_equal(state(&p, BROKEN), CIRCUIT_CLOSED);
        assert_true(fleet_heard(&p, BROKEN) > 2);
        fleet_end(&p);
    }
}

/* The pause doubles, and nobody but who is the probe sees a failure. */
static void while_it_is_broken_it_hears_of_probes_alone(void **unused)
{
    (void)unused;
    struct fleet p;
    begin(&p, 3);
    open_all(&p);
    break_one(&p, BROKEN);
    rig_pass(&p.rig, 100 * MS);
    fleet_heard(&p, BROKEN);
    int failed = 0;
    for (int i = 0; i < 60; i++) {
        failed += fail_of(&p, 20);
        rig_pass(&p.rig, SECOND);
    }
    assert_in_range(failed, 1, 3); /* after 10, 20 and 40 s */
    assert_int_equal(fleet_heard(&p, BROKEN), failed);
    fleet_end(&p);
}

static void its_idle_connections_stay_and_are_not_lent(void **unused)
{
    (void)unused;
    struct fleet p;
    begin(&p, 2);
    open_all(&p);
    mute(&p);
    int32_t conns = fleet_conns(&p, BROKEN);
    assert_true(conns > 0 && fleet_loads(&p)->of[BROKEN].idle.count > 0);
    fleet_heard(&p, BROKEN);
    int64_t lease[7];
    for (size_t i = 0; i < COUNT(lease); i++) {
        lease[i] = rig_lease(&p.rig);
        assert_int_equal(lease_find(&p.rig.engine->leases, lease[i])->reach, 0);
    }
    assert_int_equal(fail_of(&p, 20), 0);
    assert_int_equal(fleet_heard(&p, BROKEN), 0);
    assert_int_equal(fleet_conns(&p, BROKEN), conns);
    for (size_t i = 0; i < COUNT(lease); i++)
        rig_release(&p.rig, lease[i]);
    fleet_end(&p);
}

/* All but one of its own, where others have none left. */
static void it_makes_room_for_those_who_serve(void **unused)
{
    (void)unused;
    struct fleet p;
    int32_t ticket[6];
    begin(&p, 2);
    p.rig.spec.pool.max = p.rig.spec.pool.min = 6;
    fleet_open(&p);
    struct nebula_circuit said = usual;
    say(&p, &said);
    assert_int_equal(rig_await(&p.rig, nebula_start(p.rig.nebula, p.rig.shop), NULL), 0);
    assert_int_equal(fleet_conns(&p, BROKEN), 3);
    mute(&p);
    server_pace(p.server[0], 3 * SECOND);
    for (size_t i = 0; i < COUNT(ticket); i++)
        ticket[i] = rig_call(&p.rig, 0, "get 1 1");
    rig_pass(&p.rig, SECOND);
    assert_int_equal(fleet_conns(&p, 0), 5);
    assert_int_equal(fleet_conns(&p, BROKEN), 1);
    for (size_t i = 0; i < COUNT(ticket); i++)
        assert_int_equal(rig_await(&p.rig, ticket[i], NULL), ERROR_OK);
    server_pace(p.server[0], 0);
    fleet_end(&p);
}

/* Which is a guess, and a circuit has counted. */
static void too_few_to_eject_any_is_no_reason_to_use_it(void **unused)
{
    (void)unused;
    struct fleet p;
    begin(&p, 2);
    p.balance.consecutive = 5;
    p.balance.most = 1;
    p.balance.panic = 0.6;
    open_all(&p);
    break_one(&p, BROKEN);
    rig_pass(&p.rig, 100 * MS);
    assert_true(load_is_panic(rig_pool(&p.rig)));
    fleet_heard(&p, BROKEN);
    assert_int_equal(fail_of(&p, 50), 0);
    assert_int_equal(fleet_heard(&p, BROKEN), 0);
    fleet_end(&p);
}

/* Who is ejected serves all the same when nobody else may. */
static void who_is_ejected_is_used_when_all_others_are_open(void **unused)
{
    (void)unused;
    struct fleet p;
    begin(&p, 2);
    p.balance.consecutive = 2;
    p.balance.panic = 0.3;
    open_all(&p);
    fleet_break(&p, 0, true);
    while (!fleet_is_out(&p, 0))
        ask(&p);
    fleet_break(&p, 0, false);
    assert_int_equal(state(&p, 0), CIRCUIT_CLOSED);
    break_one(&p, BROKEN);
    rig_pass(&p.rig, 100 * MS);
    assert_int_equal(fail_of(&p, 20), 0);
    fleet_end(&p);
}

/* --- when nobody is left ------------------------------------------------------------------------ */

static void break_all(struct fleet *p)
{
    for (int at = 0; at < p->hosts; at++) {
        break_one(p, at);
        rig_pass(&p->rig, SECOND);
    }
}

static void when_all_are_open_calls_and_leases_are_refused(void **unused)
{
    (void)unused;
    struct fleet p;
    struct nebula_reply reply;
    int by[HOSTS];
    begin(&p, 3);
    open_all(&p);
    break_all(&p);
    fleet_heard_by_all(&p, by);
    int32_t ticket = rig_call(&p.rig, 0, "get 1 1");
    rig_come(&p.rig, ticket);
    assert_int_equal(nebula_reply(p.rig.nebula, ticket, &reply), 0);
    assert_string_equal(reply.text, "shop: the circuit of no endpoint lets it pass; next is shop, "
                                    "open, 3 of 3 calls failed");
    assert_int_equal(reply.outcome, OUTCOME_FAILED);
    assert_int_equal(reply.attempts, 0);
    assert_in_range(reply.retry_after_us, 5 * SECOND,
                    7 * SECOND); /* the first has paused for 3 s */
    assert_int_equal(rig_await(&p.rig, ticket, NULL), ERROR_OPEN);
    assert_int_equal(rig_ask(&p.rig), -ERROR_OPEN);
    assert_string_equal(nebula_error(p.rig.nebula),
                        "shop: the circuit of no endpoint lets it pass; next is shop, open, 3 of 3 "
                        "calls failed");
    assert_int_equal(fleet_heard_by_all(&p, by), 0);
    for (int at = 0; at < 3; at++)
        fleet_break(&p, at, false);
    rig_pass(&p.rig, 7 * SECOND + 500 * MS); /* the first may be tried, and the last may not */
    assert_int_equal(fail_of(&p, 10), 0);
    assert_true(fleet_heard(&p, 0) > 1 && fleet_heard(&p, 2) == 0);
    fleet_end(&p);
}

static void who_waits_is_refused_when_the_last_one_opens(void **unused)
{
    (void)unused;
    struct fleet p;
    int32_t ticket[4];
    begin(&p, 2);
    p.rig.spec.pool.max = 2;
    open_all(&p);
    break_one(&p, BROKEN);
    rig_pass(&p.rig, 100 * MS);
    int64_t held[2] = {rig_lease(&p.rig), rig_lease(&p.rig)}; /* of the one that is left */
    for (int i = 0; i < 2; i++)
        ticket[i] = rig_call(&p.rig, 0, "get 1 1");
    assert_int_equal(rig_ask(&p.rig), 0);
    int32_t waits = rig_ticket(&p.rig);
    rig_pass(&p.rig, 100 * MS);
    assert_false(rig_is_answered(&p.rig, ticket[0]));
    struct nebula_circuit said = usual;
    said.mode = NEBULA_CIRCUIT_OPEN;
    say(&p, &said);
    for (int i = 0; i < 2; i++)
        assert_int_equal(rig_await(&p.rig, ticket[i], NULL), ERROR_OPEN);
    assert_int_equal(rig_await(&p.rig, waits, NULL), ERROR_OPEN);
    ticket[0] = rig_call(&p.rig, 0, "get 1 1");
    struct nebula_reply reply;
    rig_come(&p.rig, ticket[0]);
    assert_int_equal(nebula_reply(p.rig.nebula, ticket[0], &reply), 0);
    assert_string_equal(reply.text, "shop: the circuits of its endpoints were opened by order");
    rig_await(&p.rig, ticket[0], NULL);
    for (int i = 0; i < 2; i++)
        rig_release(&p.rig, held[i]);
    fleet_end(&p);
}

/* The other one of two connections is held. */
static int32_t wait_beside_an_open_one(struct fleet *p, int64_t *held)
{
    begin(p, 2);
    p->rig.spec.pool.max = 2;
    open_all(p);
    mute(p);
    *held = rig_lease(&p->rig);
    return rig_call(&p->rig, 0, "get 1 1");
}

/* Nobody comes home meanwhile: time alone serves him. */
static void who_waits_beside_an_open_one_is_its_probe(void **unused)
{
    (void)unused;
    struct fleet p;
    int64_t held;
    int32_t ticket = wait_beside_an_open_one(&p, &held);
    rig_pass(&p.rig, 5 * SECOND);
    assert_false(rig_is_answered(&p.rig, ticket));
    rig_pass(&p.rig, 6 * SECOND);
    assert_true(rig_is_answered(&p.rig, ticket));
    assert_int_equal(rig_await(&p.rig, ticket, NULL), ERROR_OK);
    rig_release(&p.rig, held);
    fleet_end(&p);
}

/* Nor does time pass: there is no circuit any more. */
static void who_waits_beside_an_open_one_is_served_when_it_is_none(void **unused)
{
    (void)unused;
    struct fleet p;
    struct nebula_circuit none = {.mode = NEBULA_CIRCUIT_NONE};
    int64_t held;
    int32_t ticket = wait_beside_an_open_one(&p, &held);
    rig_pass(&p.rig, SECOND);
    assert_false(rig_is_answered(&p.rig, ticket));
    say(&p, &none);
    rig_pass(&p.rig, 10 * MS);
    assert_true(rig_is_answered(&p.rig, ticket));
    assert_int_equal(rig_await(&p.rig, ticket, NULL), ERROR_OK);
    rig_release(&p.rig, held);
    fleet_end(&p);
}

static void who_is_not_what_the_role_needs_is_none_that_is_left(void **unused)
{
    (void)unused;
    struct fleet p;
    begin(&p, 2);
    server_odds(p.server[BROKEN], FAULT_UNFIT, 1000);
    fleet_open(&p);
    say(&p, &usual);
    assert_int_equal(fail_of(&p, 30), 0);
    assert_true(reach_is_unfit(&rig_pool(&p.rig)->reach[BROKEN]));
    break_one(&p, 0);
    assert_int_equal(ask(&p), ERROR_OPEN);
    fleet_end(&p);
}

/* It goes to none but the one where it is. */
static void a_role_that_stays_is_refused_by_its_own(void **unused)
{
    (void)unused;
    struct fleet p;
    const struct nebula_request stays = {.text = "get 1 1", .role = 1};
    begin(&p, 2);
    p.rig.spec.roles = 2;
    p.rig.spec.role_name[1] = "stays";
    open_all(&p);
    assert_int_equal(rig_await(&p.rig, rig_request(&p.rig, stays), NULL), ERROR_OK);
    break_one(&p, 0);
    assert_int_equal(rig_await(&p.rig, rig_request(&p.rig, stays), NULL), ERROR_OPEN);
    assert_int_equal(fail_of(&p, 10), 0);
    fleet_break(&p, 0, false);
    rig_pass(&p.rig, 10 * SECOND);
    for (int i = 0; i < 3; i++)
        assert_int_equal(rig_await(&p.rig, rig_request(&p.rig, stays), NULL), ERROR_OK);
    assert_int_equal(state(&p, 0), CIRCUIT_CLOSED);
    fleet_end(&p);
}

/* --- probes ------------------------------------------------------------------------------------ */

/* Half open, and as many calls as there are probes are under way there. */
static void begin_probes(struct fleet *p, int32_t *ticket, int probes)
{
    server_pace(p->server[BROKEN], 900 * MS);
    rig_pass(&p->rig, 10 * SECOND);
    fleet_heard(p, BROKEN);
    int found = 0;
    for (int i = 0; i < 40 && found < probes; i++) {
        ticket[found] = rig_call(&p->rig, 0, "get 1 1");
        rig_pass(&p->rig, 10 * MS);
        if (rig_is_answered(&p->rig, ticket[found]))
            assert_int_equal(rig_await(&p->rig, ticket[found], NULL), ERROR_OK);
        else
            found++;
    }
    assert_int_equal(found, probes);
}

static void so_many_probes_are_sent_at_once_and_no_more(void **unused)
{
    (void)unused;
    struct fleet p;
    int32_t ticket[2];
    begin(&p, 3);
    open_all(&p);
    break_one(&p, BROKEN);
    fleet_break(&p, BROKEN, false);
    begin_probes(&p, ticket, 2);
    assert_int_equal(state(&p, BROKEN), CIRCUIT_HALF);
    assert_int_equal(view(&p, BROKEN).probes, 2);
    assert_int_equal(fleet_heard(&p, BROKEN), 2);
    assert_int_equal(fail_of(&p, 30), 0);
    assert_int_equal(fleet_heard(&p, BROKEN), 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(rig_await(&p.rig, ticket[i], NULL), ERROR_OK);
    assert_int_equal(state(&p, BROKEN), CIRCUIT_CLOSED);
    server_pace(p.server[BROKEN], 0);
    fleet_end(&p);
}

static void a_probe_that_is_cancelled_or_late_gives_its_permit_back(void **unused)
{
    (void)unused;
    struct fleet p;
    int32_t ticket[2];
    begin(&p, 2);
    open_all(&p);
    break_one(&p, BROKEN);
    fleet_break(&p, BROKEN, false);
    begin_probes(&p, ticket, 2);
    nebula_cancel(p.rig.nebula, ticket[0]);
    assert_int_equal(rig_await(&p.rig, ticket[0], NULL), ERROR_CANCELLED);
    assert_int_equal(view(&p, BROKEN).probes, 1);
    assert_int_equal(state(&p, BROKEN), CIRCUIT_HALF);
    assert_int_equal(rig_await(&p.rig, ticket[1], NULL), ERROR_OK);
    assert_int_equal(view(&p, BROKEN).probes, 0);
    int32_t late = 0;
    for (int i = 0; i < 20 && view(&p, BROKEN).probes == 0; i++) {
        if (late > 0)
            rig_await(&p.rig, late, NULL);
        late =
            rig_request(&p.rig, (struct nebula_request){.text = "get 1 1", .within_us = 50 * MS});
        rig_pass(&p.rig, MS);
    }
    assert_int_equal(rig_await(&p.rig, late, NULL), ERROR_DEADLINE);
    assert_int_equal(state(&p, BROKEN), CIRCUIT_OPEN);
    assert_int_equal(view(&p, BROKEN).cause.why, CIRCUIT_PROBE);
    server_pace(p.server[BROKEN], 0);
    fleet_end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_that_keeps_failing_is_left_out_until_probes_go_well),
        cmocka_unit_test(while_it_is_broken_it_hears_of_probes_alone),
        cmocka_unit_test(its_idle_connections_stay_and_are_not_lent),
        cmocka_unit_test(it_makes_room_for_those_who_serve),
        cmocka_unit_test(too_few_to_eject_any_is_no_reason_to_use_it),
        cmocka_unit_test(who_is_ejected_is_used_when_all_others_are_open),
        cmocka_unit_test(when_all_are_open_calls_and_leases_are_refused),
        cmocka_unit_test(who_waits_is_refused_when_the_last_one_opens),
        cmocka_unit_test(who_waits_beside_an_open_one_is_its_probe),
        cmocka_unit_test(who_waits_beside_an_open_one_is_served_when_it_is_none),
        cmocka_unit_test(who_is_not_what_the_role_needs_is_none_that_is_left),
        cmocka_unit_test(a_role_that_stays_is_refused_by_its_own),
        cmocka_unit_test(so_many_probes_are_sent_at_once_and_no_more),
        cmocka_unit_test(a_probe_that_is_cancelled_or_late_gives_its_permit_back),
    };
    return cmocka_run_group_tests_name("a circuit for each endpoint", tests, NULL, NULL);
}
