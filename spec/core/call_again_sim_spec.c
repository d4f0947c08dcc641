/* call_again_sim_spec.c - by what its driver says of an attempt: whether a call is done again and where, and what becomes
 * of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/check.h"
#include "sim/script.h"

static const struct nebula_request any = {.role = 0}, again = {.is_idempotent = true};

/* Readers and one writer. */
static void begin_with_roles(struct rig *r, const struct said *said, int count)
{
    script_begin(r, said, count);
    r->spec.roles = 2;
    r->spec.writer = 1;
    r->spec.role_name[1] = "writer";
    r->spec.role_max[1] = 1;
}

/* --- what is done again ------------------------------------------------------------------------ */

static void what_another_one_made_fail_is_no_attempt(void **unused)
{
    (void)unused;
    static const struct said said[] = {
        {.code = ERROR_CANCELLED, .wants_again = true, .has_rows = true}};
    struct rig r;
    script_begin(&r, said, COUNT(said));
    rig_open(&r);
    struct nebula_reply reply = script_ask(&r, any);
    assert_int_equal(reply.code, ERROR_OK);
    assert_int_equal(reply.attempts, 1);
    assert_int_equal(script.count, 2);
    rig_end(&r);
}

static void what_needs_the_writer_goes_there_once(void **unused)
{
    (void)unused;
    static const struct said wants = {
        .code = ERROR_READ_ONLY, .wants_writer = true, .has_rows = true};
    const struct {
        struct said said[2];
        enum error_code code;
        int32_t role, requests;
    } row[] = {{{wants}, ERROR_OK, 1, 2},
               {{wants, wants}, ERROR_READ_ONLY, 1, 2}, /* it does not write either */
               {{{.code = ERROR_QUERY}}, ERROR_QUERY, 0, 1}};
    for (size_t i = 0; i < COUNT(row); i++) {
        struct rig r;
        begin_with_roles(&r, row[i].said, 2);
        rig_open(&r);
        struct nebula_reply reply = script_ask(&r, any);
        assert_int_equal(reply.code, row[i].code);
        assert_int_equal(reply.role, row[i].role);
        assert_int_equal(reply.attempts, 1);
        assert_int_equal(script.count, row[i].requests);
        assert_int_equal(script.given[row[i].requests - 1].role, row[i].role);
        rig_end(&r);
    }
}

static void on_a_lease_it_goes_nowhere(void **unused)
{
    (void)unused;
    static const struct said said[] = {{.code = ERROR_READ_ONLY, .wants_writer = true}};
    struct rig r;
    begin_with_roles(&r, said, COUNT(said));
    rig_open(&r);
    int64_t lease = rig_lease(&r);
    assert_int_equal(script_ask(&r, (struct nebula_request){.lease = lease}).code, ERROR_READ_ONLY);
    assert_int_equal(script.count, 1);
    rig_release(&r, lease);
    rig_end(&r);
}

struct watcher {
    struct tracer tracer;
    int retries, lendings;
    int64_t ticket, attempt, pause_us;
};

static void happened(struct tracer *t, enum trace_what what, int64_t now_us, int32_t resource,
                     int64_t a, int64_t b, int64_t c)
{
    struct watcher *w = container_of(t, struct watcher, tracer);
    (void)now_us;
    (void)resource;
    w->lendings += what == TRACE_CONN_MOVED && b == CONN_IDLE && c == CONN_LEASED;
    if (what != TRACE_RETRIES)
        return;
    w->retries++;
    w->ticket = a;
    w->attempt = b;
    w->pause_us = c;
}

static void whoever_is_to_wait_is_tried_again_after_a_pause(void **unused)
{
    (void)unused;
    static const struct said said[] = {{.code = ERROR_BUSY, .has_rows = true}};
    struct watcher w = {.tracer = {.happened = happened}};
    struct rig r;
    script_begin(&r, said, COUNT(said));
    r.spec.policy.tries = 2;
    rig_open(&r);
    engine_watch(r.engine, &w.tracer);
    int32_t ticket = rig_call(&r, 0, "as written");
    assert_int_equal(rig_await(&r, ticket, NULL), ERROR_OK);
    assert_int_equal(w.retries, 1);
    assert_int_equal(w.ticket, ticket);
    assert_int_equal(w.attempt, 2);
    assert_in_range(w.pause_us, 2 * MS, 50 * MS);
    int64_t paused_us = script.given[1].at_us - script.given[0].at_us;
    assert_in_range(paused_us, w.pause_us, w.pause_us + MS);
    assert_int_equal(w.lendings, 1); /* the second one, at once */
    rig_end(&r);
}

/* What is left of an attempt is not taken for what comes of the next one. */
static void each_attempt_begins_anew(void **unused)
{
    (void)unused;
    static const struct said said[] = {{.code = ERROR_CONFLICT, .is_sent = true},
                                       {.code = ERROR_LOST, .is_lost = true}};
    struct rig r;
    script_begin(&r, said, COUNT(said));
    r.spec.policy.tries = 2;
    rig_open(&r);
    struct nebula_reply reply = script_ask(&r, any);
    assert_int_equal(reply.code, ERROR_LOST);
    assert_int_equal(reply.outcome, OUTCOME_FAILED);
    assert_false(script.given[1].is_sent);
    rig_end(&r);
}

static void one_that_is_tried_again_waits_for_its_turn_like_all(void **unused)
{
    (void)unused;
    static const struct said said[] = {{.code = ERROR_CONFLICT}};
    struct rig r;
    script_begin(&r, said, COUNT(said));
    r.spec.policy.tries = 2;
    rig_open(&r);
    rig_hold_for(&r, 0);
    int32_t ticket = rig_call(&r, 0, "as written");
    rig_pass(&r, 0);
    int64_t lease = rig_ask(&r); /* while it pauses */
    assert_true(lease > 0);
    script_says(&r, ticket, "shop: all 1 connections were in use for 80 ms, 1 are waiting");
    assert_int_equal(rig_await(&r, ticket, NULL), ERROR_WAIT);
    rig_release(&r, lease);
    rig_end(&r);
}

/* Whose pause was not over, for nobody looked, is answered with what became of him. */
static void nobody_is_tried_again_at_his_deadline(void **unused)
{
    (void)unused;
    static const struct said said[] = {{.code = ERROR_CONFLICT}};
    struct rig r;
    script_begin(&r, said, COUNT(said));
    r.spec.policy.tries = 2;
    rig_open(&r);
    rig_hold_for(&r, 0);
    int64_t asked_us = world_time_us();
    int32_t ticket =
        rig_request(&r, (struct nebula_request){.text = "as written", .within_us = 60 * MS});
    rig_pass(&r, 0);
    assert_false(rig_is_answered(&r, ticket));
    world_move(asked_us + 60 * MS);
    assert_int_equal(rig_await(&r, ticket, NULL), ERROR_CONFLICT);
    assert_int_equal(script.count, 1);
    rig_end(&r);
}

/* --- outcomes --------------------------------------------------------------------------------- */

static void each_outcome_is_counted(void **unused)
{
    (void)unused;
    static const struct said said[] = {{.code = ERROR_QUERY},
                                       {.code = ERROR_SERVER, .is_partial = true},
                                       {.code = ERROR_OK},
                                       {.code = ERROR_OK},
                                       {.code = ERROR_SERVER, .is_partial = true}};
    struct rig r;
    script_begin(&r, said, COUNT(said));
    rig_open(&r);
    const struct resource *shop = table_get(&r.engine->resources, r.shop);
    for (size_t i = 0; i < COUNT(said); i++)
        script_ask(&r, any);
    assert_int_equal(shop->failed, 1);
    assert_int_equal(shop->in_doubt, 2);
    rig_end(&r);
}

static void what_was_in_doubt_and_is_done_is_done(void **unused)
{
    (void)unused;
    static const struct said said[] = {{.code = ERROR_SERVER, .is_partial = true}};
    struct rig r;
    script_begin(&r, said, COUNT(said));
    r.spec.policy.tries = 2;
    rig_open(&r);
    struct nebula_reply reply = script_ask(&r, again);
    assert_int_equal(reply.attempts, 2);
    assert_int_equal(reply.outcome, OUTCOME_OK);
    rig_end(&r);
}

static void what_was_in_doubt_and_is_cancelled_in_the_queue_is_in_doubt(void **unused)
{
    (void)unused;
    static const struct said said[] = {{.code = ERROR_SERVER, .is_partial = true}};
    struct nebula_reply reply;
    struct rig r;
    script_begin(&r, said, COUNT(said));
    r.spec.policy.tries = 2;
    rig_open(&r);
    rig_hold_for(&r, 0);
    int32_t ticket =
        rig_request(&r, (struct nebula_request){.text = "as written", .is_idempotent = true});
    rig_pass(&r, 0);
    int64_t lease = rig_ask(&r);
    rig_pass(&r, 60 * MS);
    assert_int_equal(rig_pool(&r)->waiters.count, 1);
    nebula_cancel(r.nebula, ticket);
    script_says(&r, ticket, "shop: the task was cancelled");
    rig_await(&r, ticket, &reply);
    assert_int_equal(reply.outcome, OUTCOME_IN_DOUBT);
    rig_release(&r, lease);
    rig_end(&r);
}

static void what_was_not_sent_yet_is_taken_back(void **unused)
{
    (void)unused;
    static const struct said said[] = {{.is_nothing = true, .is_sent = true}};
    struct nebula_reply reply;
    struct rig r;
    script_begin(&r, said, COUNT(said));
    rig_open(&r);
    int64_t lease = rig_lease(&r);
    int32_t first = rig_call(&r, lease, "as written"), second = rig_call(&r, lease, "behind it");
    nebula_cancel(r.nebula, second);
    assert_int_equal(rig_await(&r, second, &reply), ERROR_CANCELLED);
    assert_int_equal(reply.outcome, OUTCOME_FAILED);
    nebula_cancel(r.nebula, first);
    assert_int_equal(rig_await(&r, first, &reply), ERROR_CANCELLED);
    assert_int_equal(reply.outcome, OUTCOME_IN_DOUBT);
    assert_int_equal(script.count, 1);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_another_one_made_fail_is_no_attempt),
        cmocka_unit_test(what_needs_the_writer_goes_there_once),
        cmocka_unit_test(on_a_lease_it_goes_nowhere),
        cmocka_unit_test(whoever_is_to_wait_is_tried_again_after_a_pause),
        cmocka_unit_test(each_attempt_begins_anew),
        cmocka_unit_test(one_that_is_tried_again_waits_for_its_turn_like_all),
        cmocka_unit_test(nobody_is_tried_again_at_his_deadline),
        cmocka_unit_test(each_outcome_is_counted),
        cmocka_unit_test(what_was_in_doubt_and_is_done_is_done),
        cmocka_unit_test(what_was_in_doubt_and_is_cancelled_in_the_queue_is_in_doubt),
        cmocka_unit_test(what_was_not_sent_yet_is_taken_back),
    };
    return cmocka_run_group_tests_name("call again", tests, NULL, NULL);
}
