/* A call that an open circuit refuses before anything else is asked: to whoever asked it, it is like any other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "sim/rig.h"
#include "support/said.h"

static const struct nebula_circuit shut = {.mode = NEBULA_CIRCUIT_OPEN,
                                           .window = 10,
                                           .least = 10,
                                           .percent = 50,
                                           .probes = 2,
                                           .probe_us = SECOND,
                                           .pause_us = SECOND,
                                           .pause_max_us = SECOND};

/* All that the reply to a refused call says, the deadline from now. */
static void refused_reply(struct rig *r, char said[2 * ERROR_TEXT_SIZE])
{
    struct nebula_reply y;
    const struct nebula_request request = {.resource = r->shop,
                                           .verb = NEBULA_RUN,
                                           .text = "get 1 1",
                                           .text_size = 7,
                                           .within_us = 3 * SECOND};
    int32_t ticket = nebula_call(r->nebula, &request);
    assert_true(ticket > 0);
    assert_int_equal(nebula_reply(r->nebula, ticket, &y), 0);
    snprintf(said, 2 * ERROR_TEXT_SIZE,
             "%d %d %d %d %d %d %d %d %lld %lld %lld %lld %lld %lld %d %d '%s' '%s' '%s'", y.code,
             y.outcome, y.rows, y.columns, y.attempts, y.role, y.parts, y.part, (long long)y.lease,
             (long long)y.listener, (long long)y.changed, (long long)y.last_id,
             (long long)y.retry_after_us, (long long)(y.deadline_us - nebula_now_us(r->nebula)),
             y.more, y.wants_input, y.column, y.state, y.text);
    assert_int_equal(rig_await(r, ticket, NULL), ERROR_OPEN);
}

/* Without a stage before the circuit it takes the short way, and with one it does not. */
static void a_refusal_is_the_same_whichever_way_it_came(void **unused)
{
    (void)unused;
    struct rig r;
    char brief[2 * ERROR_TEXT_SIZE], whole[2 * ERROR_TEXT_SIZE];
    rig_open_warm(&r, 2);
    struct nebula_rules rules = {.circuit = shut};
    assert_int_equal(nebula_rules(r.nebula, r.shop, &rules), 0);
    refused_reply(&r, brief);
    rules.rate = (struct nebula_rate){
        .shape = NEBULA_RATE_BUCKET, .tokens = 100, .span_us = SECOND, .burst = 100};
    assert_int_equal(nebula_rules(r.nebula, r.shop, &rules), 0);
    refused_reply(&r, whole);
    assert_string_equal(brief, whole);
    assert_int_equal(rig_pool(&r)->resource->failed, 2);
    rig_end(&r);
}

/* Given back before its event was taken, and left to a task that ends. */
static void nobody_has_to_take_the_event_of_a_refusal(void **unused)
{
    (void)unused;
    struct rig r;
    rig_open_warm(&r, 2);
    assert_int_equal(say_circuit(r.nebula, r.shop, &shut), 0);
    nebula_done(r.nebula, rig_call(&r, 0, "get 1 1"));
    assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_OPEN);
    int32_t task = nebula_task_open(r.nebula, 0);
    nebula_task_enter(r.nebula, task);
    assert_true(rig_call(&r, 0, "get 1 1") > 0);
    nebula_task_enter(r.nebula, 0);
    nebula_task_close(r.nebula, task);
    assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_OPEN);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refusal_is_the_same_whichever_way_it_came),
        cmocka_unit_test(nobody_has_to_take_the_event_of_a_refusal),
    };
    return cmocka_run_group_tests_name("a refusal", tests, NULL, NULL);
}
