/* call_given_sim_spec.c - what a call gives to its driver, who gets none at all, and how its deadline is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/check.h"
#include "core/task.h"
#include "sim/memory.h"
#include "sim/script.h"

static const struct nebula_request any = {.role = 0};

/* --- deadlines -------------------------------------------------------------------------------- */

static void what_ends_behind_its_deadline_is_not_answered_again(void **unused)
{
    (void)unused;
    static const struct said said[] = {{.is_nothing = true, .is_sent = true}};
    struct nebula_reply reply;
    struct rig r;
    script_begin(&r, said, COUNT(said));
    rig_open(&r);
    int32_t ticket =
        rig_request(&r, (struct nebula_request){.text = "as written", .within_us = 2000 * MS});
    script_says(&r, ticket, "shop: no answer by the deadline, after 2000 ms");
    rig_pass(&r, SECOND);
    assert_int_equal(rig_count(&r, CONN_IDLE), 1);
    assert_int_equal(rig_await(&r, ticket, &reply), ERROR_DEADLINE);
    assert_int_equal(reply.outcome, OUTCOME_IN_DOUBT);
    rig_end(&r);
}

/* Nor is anything done with a connection that goes already. */
static void a_deadline_may_come_while_the_connection_closes(void **unused)
{
    (void)unused;
    static const struct said said[] = {{.is_nothing = true, .is_sent = true}};
    struct rig r;
    script_begin(&r, said, COUNT(said));
    rig_open(&r);
    int64_t lease = rig_lease(&r);
    int32_t ticket = rig_request(
        &r, (struct nebula_request){.lease = lease, .text = "as written", .within_us = MS});
    script.is_close_slow = true;
    assert_int_equal(nebula_release(r.nebula, lease, NEBULA_SPOILED), 0);
    assert_int_equal(rig_await(&r, ticket, NULL), ERROR_DEADLINE);
    script_closed();
    rig_end(&r);
}

static void the_queue_is_told_apart_from_the_deadline(void **unused)
{
    (void)unused;
    static const struct {
        int64_t within_us;
        enum error_code code;
    } row[] = {{79 * MS, ERROR_DEADLINE}, {80 * MS, ERROR_DEADLINE}, {81 * MS, ERROR_WAIT}};
    for (size_t i = 0; i < COUNT(row); i++) {
        struct rig r;
        script_begin(&r, NULL, 0);
        rig_open(&r);
        int64_t lease = rig_lease(&r);
        assert_int_equal(
            script_ask(&r, (struct nebula_request){.within_us = row[i].within_us}).code,
            row[i].code);
        rig_release(&r, lease);
        rig_end(&r);
    }
}

/* --- what the driver is given ------------------------------------------------------------------ */

static void it_is_told_until_when_and_for_whom(void **unused)
{
    (void)unused;
    struct rig r;
    script_begin(&r, NULL, 0);
    rig_open(&r);
    rig_hold_for(&r, 0);
    nebula_task_enter(r.nebula, nebula_task_open(r.nebula, 0));
    assert_int_equal(
        nebula_task_trace(r.nebula, "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"), 0);
    int64_t asked_us = world_time_us();
    script_ask(&r, any);
    script_ask(&r, (struct nebula_request){.within_us = 1});
    assert_int_equal(script.given[0].deadline_us, asked_us + SECOND);
    assert_int_equal(script.given[1].deadline_us, script.given[1].at_us + 1);
    assert_non_null(script.given[0].context);
    assert_ptr_equal(script.given[0].context, r.engine->task->context);
    rig_end(&r);
}

static void who_is_dirtying_is_cleaned_up_after(void **unused)
{
    (void)unused;
    struct rig r;
    script_begin(&r, NULL, 0);
    rig_open(&r);
    script_ask(&r, any);
    assert_int_equal(script.resets, 0);
    script_ask(&r, (struct nebula_request){.is_dirty = true});
    rig_pass(&r, MS);
    assert_int_equal(script.resets, 1);
    rig_end(&r);
}

/* --- batches ---------------------------------------------------------------------------------- */

static const struct nebula_part parts[] = {{.text = "one", .text_size = 3},
                                           {.text = "two", .text_size = 3}};

static struct nebula_reply ask_batch(struct rig *r, const struct said *said)
{
    script_begin(r, said, 1);
    r->spec.driver = "script";
    r->spec.policy.tries = 2;
    rig_open(r);
    return script_ask(
        r, (struct nebula_request){
               .verb = NEBULA_BATCH, .part = parts, .parts = COUNT(parts), .is_each = true});
}

static void a_batch_goes_by_its_parts_where_the_whole_is_no_answer(void **unused)
{
    (void)unused;
    static const struct {
        struct said said;
        enum error_code code;
        enum outcome outcome;
        int32_t requests;
    } row[] = {
        {{.code = ERROR_OK}, ERROR_OK, OUTCOME_OK, 1},
        {{.code = ERROR_OK, .part_fails = true}, ERROR_OK, OUTCOME_OK, 1},
        {{.is_nothing = true}, ERROR_DEADLINE, OUTCOME_IN_DOUBT, 1},
        {{.code = ERROR_SERVER, .part_fails = true}, ERROR_SERVER, OUTCOME_IN_DOUBT, 1},
        {{.code = ERROR_CONFLICT}, ERROR_OK, OUTCOME_OK, 2},
    };
    for (size_t i = 0; i < COUNT(row); i++) {
        struct rig r;
        struct nebula_reply reply = ask_batch(&r, &row[i].said);
        assert_int_equal(reply.code, row[i].code);
        assert_int_equal(reply.outcome, row[i].outcome);
        assert_int_equal(script.count, row[i].requests);
        rig_end(&r);
    }
}

static void a_driver_without_batches_gets_none(void **unused)
{
    (void)unused;
    struct rig r;
    script_begin(&r, NULL, 0);
    rig_open(&r);
    assert_int_equal(rig_request(&r, (struct nebula_request){.verb = NEBULA_BATCH,
                                                             .part = parts,
                                                             .parts = COUNT(parts)}),
                     -ERROR_USAGE);
    int64_t lease = rig_lease(&r);
    for (int32_t verb = NEBULA_RUN; verb <= NEBULA_PREPARE; verb++)
        assert_int_equal(script_ask(&r, (struct nebula_request){.lease = lease, .verb = verb}).code,
                         0);
    const struct nebula_request stream = {.lease = lease, .verb = NEBULA_STREAM, .window = 1};
    assert_int_equal(script_ask(&r, stream).code, 0);
    rig_release(&r, lease);
    rig_end(&r);
}

/* --- the begin -------------------------------------------------------------------------------- */

static void whoever_has_to_wait_is_the_last_that_did(void **unused)
{
    (void)unused;
    static const struct said said[] = {{.code = ERROR_OK}, {.is_nothing = true}};
    struct rig r;
    script_begin(&r, said, COUNT(said));
    rig_open(&r);
    int32_t first = rig_call(&r, 0, "for a connection");
    assert_int_equal(rig_ticket(&r), first);
    rig_come(&r, first);
    int32_t second = rig_call(&r, 0, "is served at once");
    assert_int_equal(rig_ticket(&r), first);
    int32_t third = rig_call(&r, 0, "waits");
    assert_int_equal(rig_ticket(&r), third);
    assert_int_equal(rig_await(&r, third, NULL), ERROR_WAIT);
    assert_int_equal(rig_await(&r, second, NULL), ERROR_DEADLINE);
    assert_int_equal(rig_await(&r, first, NULL), ERROR_OK);
    rig_end(&r);
}

static void what_is_no_lease_is_not_taken_for_none(void **unused)
{
    (void)unused;
    struct rig r;
    script_begin(&r, NULL, 0);
    rig_open(&r);
    static const int64_t lease[] = {-1, 1, INT64_MIN, INT64_MAX};
    for (size_t i = 0; i < COUNT(lease); i++)
        assert_int_equal(rig_call(&r, lease[i], "on what?"), -ERROR_STALE);
    assert_int_equal(script.count, 0);
    rig_end(&r);
}

static void without_memory_it_is_refused_with_a_sentence(void **unused)
{
    (void)unused;
    struct rig r;
    script_begin(&r, NULL, 0);
    rig_open(&r);
    memory_fail(1);
    assert_int_equal(rig_call(&r, 0, "as written"), -ERROR_MEMORY);
    assert_string_equal(nebula_error(r.nebula), "shop: no memory for a call");
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_ends_behind_its_deadline_is_not_answered_again),
        cmocka_unit_test(a_deadline_may_come_while_the_connection_closes),
        cmocka_unit_test(the_queue_is_told_apart_from_the_deadline),
        cmocka_unit_test(it_is_told_until_when_and_for_whom),
        cmocka_unit_test(who_is_dirtying_is_cleaned_up_after),
        cmocka_unit_test(a_batch_goes_by_its_parts_where_the_whole_is_no_answer),
        cmocka_unit_test(a_driver_without_batches_gets_none),
        cmocka_unit_test(whoever_has_to_wait_is_the_last_that_did),
        cmocka_unit_test(what_is_no_lease_is_not_taken_for_none),
        cmocka_unit_test(without_memory_it_is_refused_with_a_sentence),
    };
    return cmocka_run_group_tests_name("call given", tests, NULL, NULL);
}
