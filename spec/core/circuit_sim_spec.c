/* The circuit of a resource, each promise as a scenario in virtual time: what is refused and what goes on, whose failure it
 * is, and that all workers have one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "sim/shift.h"
#include "support/said.h"

#define IN_A_ROW 3

static const struct nebula_circuit usual = {.mode = NEBULA_CIRCUIT_AUTOMATIC,
                                            .window = 10,
                                            .least = 10,
                                            .percent = 50,
                                            .consecutive = IN_A_ROW,
                                            .probes = 2,
                                            .probe_us = SECOND,
                                            .pause_us = 10 * (int64_t)SECOND,
                                            .pause_max_us = 40 * (int64_t)SECOND};

static void begin(struct rig *r, const struct nebula_circuit *said)
{
    rig_open_warm(r, 2);
    assert_int_equal(say_circuit(r->nebula, r->shop, said), 0);
}

/* So many statements fail, one by one. */
static void fail_calls(struct rig *r, int times)
{
    server_odds(r->server, FAULT_LOST_BEFORE, 1000);
    for (int i = 0; i < times; i++)
        assert_int_equal(rig_say(r, 0, "get 1 1"), ERROR_LOST);
    server_calm(r->server);
}

static int64_t heard_while(struct rig *r, int times, int32_t code)
{
    int64_t before = server_heard(r->server);
    for (int i = 0; i < times; i++)
        assert_int_equal(rig_say(r, 0, "get 1 1"), code);
    return server_heard(r->server) - before;
}

/* --- what is refused --------------------------------------------------------------------------- */

static void what_keeps_failing_is_not_called_until_probes_go_well(void **unused)
{
    (void)unused;
    struct rig r;
    struct nebula_reply reply;
    begin(&r, &usual);
    fail_calls(&r, IN_A_ROW);
    rig_pass(&r, 100 * MS);
    assert_int_equal(heard_while(&r, 5, ERROR_OPEN), 0);
    int32_t ticket = rig_call(&r, 0, "get 1 1");
    rig_come(&r, ticket);
    assert_int_equal(nebula_reply(r.nebula, ticket, &reply), 0);
    assert_string_equal(reply.text, "shop: circuit open, 3 of 3 calls failed");
    assert_int_equal(reply.outcome, OUTCOME_FAILED);
    assert_int_equal(reply.attempts, 0);
    assert_in_range(reply.retry_after_us, 8 * SECOND, 10 * SECOND);
    assert_int_equal(rig_await(&r, ticket, NULL), ERROR_OPEN);
    rig_pass(&r, 10 * SECOND);
    assert_true(heard_while(&r, 5, ERROR_OK) >= 5); /* two of them were probes */
    rig_end(&r);
}

static void so_many_probes_are_sent_at_once_and_no_more(void **unused)
{
    (void)unused;
    struct rig r;
    begin(&r, &usual);
    fail_calls(&r, IN_A_ROW);
    rig_pass(&r, 10 * SECOND);
    server_pace(r.server, 300 * MS);
    int32_t first = rig_call(&r, 0, "get 1 1"), second = rig_call(&r, 0, "get 1 1");
    assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_OPEN);
    assert_int_equal(rig_await(&r, first, NULL), ERROR_OK);
    assert_int_equal(rig_await(&r, second, NULL), ERROR_OK);
    assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_OK);
    rig_end(&r);
}

static void a_probe_that_fails_doubles_the_pause(void **unused)
{
    (void)unused;
    struct rig r;
    begin(&r, &usual);
    fail_calls(&r, IN_A_ROW);
    rig_pass(&r, 10 * SECOND);
    fail_calls(&r, 1);
    rig_pass(&r, 17 * SECOND);
    assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_OPEN);
    rig_pass(&r, 3 * SECOND);
    assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_OK);
    rig_end(&r);
}

static void a_probe_that_is_cancelled_makes_room_for_another(void **unused)
{
    (void)unused;
    struct rig r;
    struct nebula_circuit said = usual;
    said.probe_us = 60 * (int64_t)SECOND;
    begin(&r, &said);
    fail_calls(&r, IN_A_ROW);
    rig_pass(&r, 10 * SECOND);
    server_pace(r.server, 300 * MS);
    for (int i = 0; i < 2; i++) {
        int32_t ticket = rig_call(&r, 0, "get 1 1");
        nebula_cancel(r.nebula, ticket);
        assert_int_equal(rig_await(&r, ticket, NULL), ERROR_CANCELLED);
    }
    server_pace(r.server, 0);
    rig_pass(&r, SECOND);
    for (int i = 0; i < 3; i++)
        assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_OK);
    rig_end(&r);
}

static void a_lease_is_refused_and_one_that_is_held_goes_on(void **unused)
{
    (void)unused;
    struct rig r;
    begin(&r, &usual);
    int64_t held = rig_lease(&r);
    fail_calls(&r, IN_A_ROW);
    rig_pass(&r, 100 * MS);
    assert_int_equal(rig_ask(&r), -ERROR_OPEN);
    assert_int_equal(rig_say(&r, held, "get 1 1"), ERROR_OK);
    rig_release(&r, held);
    rig_pass(&r, 10 * SECOND);
    int64_t probing = rig_lease(&r); /* it may, and takes nobody's place */
    assert_true(probing > 0);
    assert_int_equal(rig_say(&r, probing, "get 1 1"), ERROR_OK);
    assert_int_equal(rig_say(&r, probing, "get 1 1"), ERROR_OK); /* so it is closed */
    rig_release(&r, probing);
    assert_true(rig_pool(&r)->gate == 0);
    rig_end(&r);
}

static void whoever_comes_to_a_line_is_refused_too(void **unused)
{
    (void)unused;
    struct rig r;
    struct nebula_circuit said = usual;
    begin(&r, &said);
    int64_t held[2] = {rig_lease(&r), rig_lease(&r)};
    assert_int_equal(rig_ask(&r), 0);
    int32_t waits = rig_ticket(&r);
    said.mode = NEBULA_CIRCUIT_OPEN;
    assert_int_equal(say_circuit(r.nebula, r.shop, &said), 0);
    assert_int_equal(rig_ask(&r), -ERROR_OPEN);
    rig_release(&r, held[0]);
    rig_release(&r, rig_lease_of(&r, waits)); /* he came before */
    rig_release(&r, held[1]);
    rig_end(&r);
}

/* Else who reads a long stream would close it, or keep it from opening. */
static void what_goes_on_with_a_stream_is_no_call(void **unused)
{
    (void)unused;
    struct rig r;
    begin(&r, &usual);
    int64_t lease = rig_lease(&r);
    struct nebula_request rows = {
        .lease = lease, .verb = NEBULA_STREAM, .text = "rows 1 9", .window = 1};
    assert_int_equal(rig_await(&r, rig_request(&r, rows), NULL), ERROR_OK);
    for (int i = 0; i < IN_A_ROW; i++) {
        struct nebula_request pull = {.lease = lease, .verb = NEBULA_PULL, .text = "", .window = 1};
        fail_calls(&r, 1);
        assert_int_equal(rig_await(&r, rig_request(&r, pull), NULL), ERROR_OK);
    }
    assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_OPEN);
    rig_release(&r, lease);
    rig_end(&r);
}

static void what_fails_on_leases_counts_too(void **unused)
{
    (void)unused;
    struct rig r;
    begin(&r, &usual);
    for (int i = 0; i < IN_A_ROW; i++) {
        int64_t lease = rig_lease(&r);
        server_odds(r.server, FAULT_LOST_BEFORE, 1000);
        assert_int_equal(rig_say(&r, lease, "get 1 1"), ERROR_LOST);
        server_calm(r.server);
        assert_int_equal(nebula_release(r.nebula, lease, NEBULA_GOOD), -ERROR_STALE);
    }
    assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_OPEN);
    rig_end(&r);
}

/* --- whose failure it is ------------------------------------------------------------------------ */

static void what_the_server_refuses_and_who_waits_in_vain_are_no_failures(void **unused)
{
    (void)unused;
    struct rig r;
    begin(&r, &usual);
    for (int i = 0; i < 2 * IN_A_ROW; i++)
        assert_int_equal(rig_say(&r, 0, "fail 1 1"), ERROR_QUERY);
    int64_t first = rig_lease(&r), second = rig_lease(&r);
    for (int i = 0; i < 2 * IN_A_ROW; i++)
        assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_WAIT);
    rig_release(&r, first);
    rig_release(&r, second);
    assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_OK);
    rig_end(&r);
}

static void no_answer_by_the_deadline_is_one(void **unused)
{
    (void)unused;
    struct rig r;
    begin(&r, &usual);
    server_pace(r.server, 5 * SECOND);
    for (int i = 0; i < IN_A_ROW; i++)
        assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_DEADLINE);
    assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_OPEN);
    server_pace(r.server, 0);
    rig_end(&r);
}

static void a_server_that_cannot_be_reached_is_one(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    r.spec.pool.is_fail_fast = true;
    rig_open(&r);
    assert_int_equal(say_circuit(r.nebula, r.shop, &usual), 0);
    server_odds(r.server, FAULT_REFUSED, 1000);
    for (int i = 0; i < IN_A_ROW; i++) {
        assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_UNREACHABLE);
        rig_pass(&r, 5 * SECOND);
    }
    assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_OPEN);
    server_calm(r.server);
    rig_end(&r);
}

static void each_attempt_counts(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    r.spec.policy.tries = 5;
    r.spec.policy.budget = 100;
    r.spec.policy.budget_least = 100;
    rig_open(&r);
    assert_int_equal(say_circuit(r.nebula, r.shop, &usual), 0);
    server_odds(r.server, FAULT_UNSENT, 1000);
    int32_t ticket = rig_call(&r, 0, "get 1 1");
    struct nebula_reply reply;
    rig_come(&r, ticket);
    assert_int_equal(nebula_reply(r.nebula, ticket, &reply), 0);
    assert_string_equal(reply.text, "shop: circuit open, 3 of 3 calls failed");
    assert_int_equal(reply.attempts, IN_A_ROW);
    assert_int_equal(rig_await(&r, ticket, NULL), ERROR_OPEN);
    server_calm(r.server);
    rig_end(&r);
}

static void slow_calls_open_it(void **unused)
{
    (void)unused;
    struct rig r;
    struct nebula_circuit said = usual;
    said.least = 4;
    said.slow_percent = 50;
    said.slow_us = 100 * MS;
    begin(&r, &said);
    server_pace(r.server, 200 * MS);
    for (int i = 0; i < 4; i++)
        assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_OK);
    assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_OPEN);
    server_pace(r.server, 0);
    rig_end(&r);
}

/* --- modes -------------------------------------------------------------------------------------- */

static void open_by_order_from_the_beginning_it_refuses_the_first_call(void **unused)
{
    (void)unused;
    struct rig r;
    struct nebula_circuit said = usual;
    said.mode = NEBULA_CIRCUIT_OPEN;
    rig_open_warm(&r, 2);
    int32_t ticket = rig_call(&r, 0, "get 1 1"); /* before there is one */
    assert_int_equal(rig_await(&r, ticket, NULL), ERROR_OK);
    assert_int_equal(say_circuit(r.nebula, r.shop, &said), 0);
    assert_int_equal(heard_while(&r, 1, ERROR_OPEN), 0);
    rig_end(&r);
}

static void a_mode_is_in_force_at_once_and_what_is_known_goes_on(void **unused)
{
    (void)unused;
    struct rig r;
    struct nebula_circuit said = usual;
    begin(&r, &said);
    said.mode = NEBULA_CIRCUIT_OPEN;
    assert_int_equal(say_circuit(r.nebula, r.shop, &said), 0);
    assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_OPEN);
    assert_int_equal(rig_ask(&r), -ERROR_OPEN);
    said.mode = NEBULA_CIRCUIT_METRICS;
    assert_int_equal(say_circuit(r.nebula, r.shop, &said), 0);
    fail_calls(&r, 2 * IN_A_ROW);
    said.mode = NEBULA_CIRCUIT_AUTOMATIC; /* it would have been open, and is */
    assert_int_equal(say_circuit(r.nebula, r.shop, &said), 0);
    assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_OPEN);
    said.mode = NEBULA_CIRCUIT_CLOSED;
    assert_int_equal(say_circuit(r.nebula, r.shop, &said), 0);
    fail_calls(&r, 2 * IN_A_ROW);
    said.mode = NEBULA_CIRCUIT_AUTOMATIC;
    assert_int_equal(say_circuit(r.nebula, r.shop, &said), 0);
    fail_calls(&r, 1);
    assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_OPEN);
    said.mode = NEBULA_CIRCUIT_NONE;
    assert_int_equal(say_circuit(r.nebula, r.shop, &said), 0);
    rig_release(&r, rig_lease(&r));
    assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_OK);
    assert_true(rig_pool(&r)->gate == 0);
    rig_end(&r);
}

static void what_cannot_be_is_refused_with_its_name(void **unused)
{
    (void)unused;
    struct rig r;
    static const struct {
        struct nebula_circuit said;
        const char *why;
    } row[] = {
        {{.mode = 9}, "shop: circuit: there is no mode number 9"},
        {{.mode = 1, .window = 1001},
         "shop: circuit: a window of 1 to 1000 calls, or a span of at least 10 us"},
        {{.mode = 1, .span_us = 9},
         "shop: circuit: a window of 1 to 1000 calls, or a span of at least 10 us"},
        {{.mode = 1, .window = 1, .least = 1, .percent = 101},
         "shop: circuit: percent are 0 to 100, least >= 1, consecutive >= 0"},
        {{.mode = 1, .window = 1},
         "shop: circuit: percent are 0 to 100, least >= 1, consecutive >= 0"},
        {{.mode = 1, .window = 1, .least = 1, .probes = 17},
         "shop: circuit: 1 to 16 probes, not 17"},
        {{.mode = 1, .window = 1, .least = 1, .probes = 1},
         "shop: circuit: times are positive and not endless, and pause <= pause_max"},
        {{.mode = 1,
          .window = 1,
          .least = 1,
          .probes = 1,
          .probe_us = 1,
          .pause_us = 2,
          .pause_max_us = 1},
         "shop: circuit: times are positive and not endless, and pause <= pause_max"},
    };
    rig_begin(&r);
    rig_open(&r);
    for (size_t i = 0; i < COUNT(row); i++) {
        assert_int_equal(say_circuit(r.nebula, r.shop, &row[i].said), -ERROR_CONFIG);
        assert_string_equal(nebula_error(r.nebula), row[i].why);
    }
    assert_int_equal(say_circuit(r.nebula, 99, &usual), -ERROR_USAGE);
    rig_end(&r);
}

static void each_tenant_has_one(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    r.option.value = "{tenant}";
    r.option.has_tenant = true;
    r.spec.tenants = 2;
    struct server *other = server_new("other", 2);
    rig_open(&r);
    assert_int_equal(say_circuit(r.nebula, r.shop, &usual), 0);
    assert_int_equal(nebula_task_tenant(r.nebula, "other"), 0);
    assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_OK);
    assert_int_equal(nebula_task_tenant(r.nebula, "shop"), 0);
    fail_calls(&r, IN_A_ROW);
    assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_OPEN);
    assert_int_equal(nebula_task_tenant(r.nebula, "other"), 0);
    assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_OK);
    rig_end(&r);
    server_free(&other);
}

/* --- all workers -------------------------------------------------------------------------------- */

static void say(struct shift *w, const struct nebula_circuit *said)
{
    for (int i = 0; i < w->count; i++)
        assert_int_equal(say_circuit(w->of[i].nebula, w->of[i].shop, said), 0);
}

static int32_t call_in(struct shift *w, int i)
{
    return shift_await(w, i, rig_call(&w->of[i], 0, "get 1 1"));
}

static void workers_have_one(void **unused)
{
    (void)unused;
    struct shift w;
    shift_begin(&w, 3);
    shift_open_all(&w);
    say(&w, &usual);
    for (int i = 0; i < 3; i++)
        assert_int_equal(call_in(&w, i), ERROR_OK);
    server_odds(w.of[0].server, FAULT_LOST_BEFORE, 1000);
    for (int i = 0; i < IN_A_ROW; i++) /* one in each worker */
        assert_int_equal(call_in(&w, i), ERROR_LOST);
    server_calm(w.of[0].server);
    int64_t before = server_heard(w.of[0].server);
    for (int i = 0; i < 3; i++)
        assert_int_equal(call_in(&w, i), ERROR_OPEN);
    shift_pass(&w, 10 * MS);
    for (int i = 0; i < 3; i++)
        assert_int_equal(rig_ask(&w.of[i]), -ERROR_OPEN);
    assert_int_equal(server_heard(w.of[0].server), before);
    shift_pass(&w, 10 * SECOND);
    assert_int_equal(call_in(&w, 0), ERROR_OK);
    assert_int_equal(call_in(&w, 1), ERROR_OK); /* the second probe */
    shift_pass(&w, 10 * MS);
    for (int i = 0; i < 3; i++)
        shift_hold(&w, i, MS);
    shift_end(&w);
}

static void who_comes_or_goes_changes_nothing(void **unused)
{
    (void)unused;
    struct shift w;
    shift_begin(&w, 4);
    shift_open(&w, 0);
    shift_open(&w, 1);
    shift_open(&w, 3);
    shift_hold(&w, 3, MS); /* before anybody says that there is one */
    for (int i = 0; i < 2; i++)
        assert_int_equal(say_circuit(w.of[i].nebula, w.of[i].shop, &usual), 0);
    assert_int_equal(call_in(&w, 1), ERROR_OK);
    server_odds(w.of[0].server, FAULT_LOST_BEFORE, 1000);
    for (int i = 0; i < IN_A_ROW; i++)
        assert_int_equal(call_in(&w, 0), ERROR_LOST);
    server_calm(w.of[0].server);
    shift_close(&w, 0);
    shift_open(&w, 2); /* its first use finds it open */
    assert_int_equal(say_circuit(w.of[2].nebula, w.of[2].shop, &usual), 0);
    assert_int_equal(rig_ask(&w.of[2]), -ERROR_OPEN);
    assert_int_equal(call_in(&w, 1), ERROR_OPEN);
    assert_int_equal(say_circuit(w.of[3].nebula, w.of[3].shop, &usual), 0);
    assert_int_equal(rig_ask(&w.of[3]), -ERROR_OPEN);
    shift_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_keeps_failing_is_not_called_until_probes_go_well),
        cmocka_unit_test(so_many_probes_are_sent_at_once_and_no_more),
        cmocka_unit_test(a_probe_that_fails_doubles_the_pause),
        cmocka_unit_test(a_probe_that_is_cancelled_makes_room_for_another),
        cmocka_unit_test(a_lease_is_refused_and_one_that_is_held_goes_on),
        cmocka_unit_test(whoever_comes_to_a_line_is_refused_too),
        cmocka_unit_test(what_goes_on_with_a_stream_is_no_call),
        cmocka_unit_test(what_fails_on_leases_counts_too),
        cmocka_unit_test(what_the_server_refuses_and_who_waits_in_vain_are_no_failures),
        cmocka_unit_test(no_answer_by_the_deadline_is_one),
        cmocka_unit_test(a_server_that_cannot_be_reached_is_one),
        cmocka_unit_test(each_attempt_counts),
        cmocka_unit_test(slow_calls_open_it),
        cmocka_unit_test(open_by_order_from_the_beginning_it_refuses_the_first_call),
        cmocka_unit_test(a_mode_is_in_force_at_once_and_what_is_known_goes_on),
        cmocka_unit_test(what_cannot_be_is_refused_with_its_name),
        cmocka_unit_test(each_tenant_has_one),
        cmocka_unit_test(workers_have_one),
        cmocka_unit_test(who_comes_or_goes_changes_nothing),
    };
    return cmocka_run_group_tests_name("the circuit", tests, NULL, NULL);
}
