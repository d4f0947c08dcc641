/* call_stages_sim_spec.c - a call goes in through its stages and comes out through those it is in, whatever their order. */
#include "sim/ruled.h"

#include <string.h>

#include "sim/tales.h"

static const struct nebula_request again = {.is_idempotent = true};

/* Three tries with 100 ms between them, and five connections. */
static void begin(struct rig *r, struct nebula_rules rules)
{
    rig_begin(r);
    r->spec.pool.max = 5;
    r->spec.policy.tries = 3;
    r->spec.policy.budget_least = 100;
    r->spec.policy.pause_us = r->spec.policy.pause_max_us = 100 * MS;
    rig_open(r);
    int64_t lease[5];
    for (int i = 0; i < 5; i++)
        lease[i] = rig_lease(r);
    for (int i = 0; i < 5; i++)
        rig_release(r, lease[i]);
    rules.again.jitter = NEBULA_JITTER_NONE;
    ruled_say(r, rules);
    if (tales_records(r) != NULL)
        tales_forget(r);
}

#define IN_A_ROW 3

/* It opens for 10 s. */
static const struct nebula_circuit circuit = {.mode = NEBULA_CIRCUIT_AUTOMATIC,
                                              .window = 10,
                                              .least = 10,
                                              .percent = 50,
                                              .consecutive = IN_A_ROW,
                                              .probes = 1,
                                              .probe_us = SECOND,
                                              .pause_us = 10 * (int64_t)SECOND,
                                              .pause_max_us = 10 * (int64_t)SECOND};

/* --- orders -------------------------------------------------------------------------------------- */

/* Behind the retry each attempt has a permit of its own, before it the call has one for all of them. */
static void who_pauses_has_left_what_is_behind_the_retry(void **unused)
{
    (void)unused;
    static const struct {
        uint8_t order[6];
        int32_t under; /* while it pauses */
    } row[] = {
        {{0}, 0},
        {{NEBULA_STAGE_RETRY, NEBULA_STAGE_RATE, NEBULA_STAGE_DEADLINE, NEBULA_STAGE_CIRCUIT,
          NEBULA_STAGE_LIMIT, NEBULA_STAGE_HEDGE},
         0},
        {{NEBULA_STAGE_RATE, NEBULA_STAGE_DEADLINE, NEBULA_STAGE_LIMIT, NEBULA_STAGE_RETRY,
          NEBULA_STAGE_CIRCUIT, NEBULA_STAGE_HEDGE},
         1},
        {{NEBULA_STAGE_LIMIT, NEBULA_STAGE_RETRY, NEBULA_STAGE_RATE, NEBULA_STAGE_DEADLINE,
          NEBULA_STAGE_CIRCUIT, NEBULA_STAGE_HEDGE},
         1},
        {{NEBULA_STAGE_RATE, NEBULA_STAGE_LIMIT, NEBULA_STAGE_DEADLINE, NEBULA_STAGE_CIRCUIT,
          NEBULA_STAGE_RETRY, NEBULA_STAGE_HEDGE},
         1},
        {{NEBULA_STAGE_CIRCUIT, NEBULA_STAGE_LIMIT, NEBULA_STAGE_RETRY, NEBULA_STAGE_RATE,
          NEBULA_STAGE_DEADLINE, NEBULA_STAGE_HEDGE},
         1},
    };
    for (size_t i = 0; i < COUNT(row); i++) {
        struct rig r;
        struct nebula_reply reply;
        struct nebula_rules rules = {
            .rate = {.shape = NEBULA_RATE_BUCKET, .tokens = 100, .span_us = SECOND, .burst = 10},
            .limit = {.concurrent = 2, .queue = 1},
            .circuit = circuit,
            .early = {.least = 1000}};
        memcpy(rules.order, row[i].order, sizeof rules.order);
        begin(&r, rules);
        server_order(r.server, FAULT_LOST_BEFORE);
        int32_t ticket = ruled_ask(&r, again);
        assert_int_equal(ruled_limit(&r).under, 1);
        rig_pass(&r, 20 * MS);
        if (ruled_limit(&r).under != row[i].under)
            fail_msg("row %zu: %d", i, ruled_limit(&r).under);
        rig_pass(&r, 70 * MS);
        assert_false(rig_is_answered(&r, ticket));
        assert_int_equal(rig_await(&r, ticket, &reply), ERROR_OK);
        assert_int_equal(reply.attempts, 2);
        assert_int_equal(ruled_limit(&r).under, 0);
        rig_end(&r);
    }
}

/* It is in the limit, wherever that is, when the rate refuses it. */
static void who_is_refused_has_left_all_that_he_was_in(void **unused)
{
    (void)unused;
    static const uint8_t order[][6] = {
        {NEBULA_STAGE_LIMIT, NEBULA_STAGE_RATE, NEBULA_STAGE_DEADLINE, NEBULA_STAGE_RETRY,
         NEBULA_STAGE_CIRCUIT, NEBULA_STAGE_HEDGE},
        {NEBULA_STAGE_DEADLINE, NEBULA_STAGE_LIMIT, NEBULA_STAGE_RATE, NEBULA_STAGE_RETRY,
         NEBULA_STAGE_CIRCUIT, NEBULA_STAGE_HEDGE},
    };
    for (size_t i = 0; i < COUNT(order); i++) {
        struct rig r;
        struct nebula_rules rules = {
            .rate = {.shape = NEBULA_RATE_BUCKET, .tokens = 1, .span_us = SECOND, .burst = 1},
            .limit = {.concurrent = 2, .queue = 1},
            .early = {.least = 1000}};
        memcpy(rules.order, order[i], sizeof rules.order);
        begin(&r, rules);
        assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_OK);
        assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_RATE);
        assert_int_equal(ruled_limit(&r).under, 0);
        rig_end(&r);
    }
}

/* --- what a call costs --------------------------------------------------------------------------- */

/* Of ten tokens more than five must be left: four calls that end at their deadline take one each. */
static void a_call_that_ends_at_its_deadline_has_failed(void **unused)
{
    (void)unused;
    struct rig r;
    struct nebula_reply reply;
    begin(&r, (struct nebula_rules){.again = {.budget = NEBULA_BUDGET_RATIO, .capacity = 10000}});
    server_pace(r.server, 200 * MS);
    for (int i = 0; i < 4; i++) {
        int32_t ticket =
            ruled_ask(&r, (struct nebula_request){.is_idempotent = true, .within_us = 50 * MS});
        assert_int_equal(rig_await(&r, ticket, &reply), ERROR_DEADLINE);
        assert_int_equal(reply.attempts, 1);
        tales_assert(&r, (size_t)i + 1,
                     "failed 1. deadline 50ms in_doubt, ended 1. deadline 50ms in_doubt");
        rig_pass(&r, 300 * MS);
    }
    server_pace(r.server, 0);
    server_odds(r.server, FAULT_LOST_BEFORE, 1000);
    assert_int_equal(rig_await(&r, ruled_ask(&r, again), &reply), ERROR_LOST);
    assert_int_equal(reply.attempts, 1);
    server_calm(r.server);
    rig_end(&r);
}

/* Copies of the attempt before are none of this one. */
static void each_attempt_has_copies_of_its_own(void **unused)
{
    (void)unused;
    struct rig r;
    begin(&r, (struct nebula_rules){
                  .hedge = {.copies = 2, .delay_us = 50 * MS, .percent = 100, .burst = 10}});
    server_order(r.server, FAULT_LOST_BEFORE);
    server_order(r.server, FAULT_LOST_BEFORE);
    server_order(r.server, FAULT_STUCK);
    int32_t ticket = ruled_ask(&r, again);
    assert_int_equal(rig_await(&r, ticket, NULL), ERROR_OK);
    tales_assert(&r, 1,
                 "failed 1. lost 0ms in_doubt, hedged 1. 0ms, failed 1. lost 0ms in_doubt, again "
                 "1. 100ms idempotent, "
                 "hedged 2. 50ms, hedge_won 2. 2 50ms, ended 2. ok 150ms ok");
    rig_pass(&r, 100 * MS);
    rig_end(&r);
}

/* --- who waits no more --------------------------------------------------------------------------- */

static const struct nebula_rules limit_first = {
    .limit = {.concurrent = 2, .queue = 1},
    .order = {NEBULA_STAGE_LIMIT, NEBULA_STAGE_RETRY, NEBULA_STAGE_RATE, NEBULA_STAGE_DEADLINE,
              NEBULA_STAGE_CIRCUIT, NEBULA_STAGE_HEDGE}};

/* It pauses: cancelled, or its deadline comes while nobody looks. */
static void who_pauses_leaves_what_is_before_the_retry_at_its_end(void **unused)
{
    (void)unused;
    for (int is_cancelled = 0; is_cancelled < 2; is_cancelled++) {
        struct rig r;
        struct nebula_reply reply;
        begin(&r, limit_first);
        server_order(r.server, FAULT_LOST_BEFORE);
        int64_t asked_us = world_time_us();
        int32_t ticket =
            ruled_ask(&r, (struct nebula_request){.is_idempotent = true, .within_us = 150 * MS});
        rig_pass(&r, 20 * MS);
        assert_int_equal(ruled_limit(&r).under, 1);
        if (is_cancelled)
            nebula_cancel(r.nebula, ticket);
        else
            world_move(asked_us + 150 * MS);
        assert_int_equal(rig_await(&r, ticket, &reply),
                         is_cancelled ? ERROR_CANCELLED : ERROR_LOST);
        assert_int_equal(reply.attempts, 1);
        assert_int_equal(ruled_limit(&r).under, 0);
        rig_end(&r);
    }
}

static void an_attempt_counts_when_it_was_sent(void **unused)
{
    (void)unused;
    for (int is_sent = 0; is_sent < 2; is_sent++) {
        struct rig r;
        struct nebula_reply reply;
        rig_open_warm(&r, 1);
        server_pace(r.server, 100 * MS);
        int64_t lease = is_sent ? 0 : rig_lease(&r);
        int32_t ticket = ruled_ask(&r, get);
        rig_pass(&r, 20 * MS);
        nebula_cancel(r.nebula, ticket);
        assert_int_equal(rig_await(&r, ticket, &reply), ERROR_CANCELLED);
        assert_int_equal(reply.attempts, is_sent);
        if (lease != 0)
            rig_release(&r, lease);
        rig_end(&r);
    }
}

/* --- what is a failure --------------------------------------------------------------------------- */

/* What the host is asked about has failed, also when nobody waits for the answer. */
static void who_is_cancelled_while_the_host_is_asked_has_failed(void **unused)
{
    (void)unused;
    struct rig r;
    begin(&r, (struct nebula_rules){.circuit = circuit, .asks = 1U << NEBULA_ASK_FAILURE});
    server_odds(r.server, FAULT_LOST_BEFORE, 1000);
    for (int i = 0; i < IN_A_ROW; i++) {
        int32_t ticket = ruled_ask(&r, get);
        rig_pass(&r, 20 * MS);
        nebula_cancel(r.nebula, ticket);
        assert_int_equal(rig_await(&r, ticket, NULL), ERROR_CANCELLED);
    }
    server_calm(r.server);
    assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_OPEN);
    rig_end(&r);
}

/* What goes on well with a stream is no call, and what does not is a failure. */
static void a_stream_that_is_lost_is_one(void **unused)
{
    (void)unused;
    struct rig r;
    begin(&r, (struct nebula_rules){.circuit = circuit});
    int64_t lease = rig_lease(&r);
    struct nebula_request rows = {
        .lease = lease, .verb = NEBULA_STREAM, .text = "rows 1 9", .window = 1};
    struct nebula_request pull = {.lease = lease, .verb = NEBULA_PULL, .text = "", .window = 1};
    assert_int_equal(rig_await(&r, rig_request(&r, rows), NULL), ERROR_OK);
    server_odds(r.server, FAULT_LOST_BEFORE, 1000);
    assert_int_equal(rig_await(&r, rig_request(&r, pull), NULL), ERROR_LOST);
    for (int i = 1; i < IN_A_ROW; i++)
        assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_LOST);
    server_calm(r.server);
    assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_OPEN);
    rig_end(&r);
}

/* --- what a call has ----------------------------------------------------------------------------- */

/* 300 ms for its turn, and then no more than 200 ms for a connection, which others have. */
static void it_waits_for_both_together_as_long(void **unused)
{
    (void)unused;
    struct rig r;
    rig_open_warm(&r, 1);
    ruled_say(&r, (struct nebula_rules){.limit = {.concurrent = 1, .queue = 1}});
    server_pace(r.server, 300 * MS);
    int64_t begun_us = world_time_us();
    int32_t first = ruled_ask(&r, get), second = ruled_ask(&r, get);
    assert_int_equal(rig_ask(&r), 0);
    int64_t lease = rig_lease_of(&r, rig_ticket(&r));
    assert_int_equal(rig_await(&r, first, NULL), ERROR_OK);
    assert_int_equal(rig_await(&r, second, NULL), ERROR_WAIT);
    assert_in_range(world_time_us() - begun_us, 499 * MS, 502 * MS);
    rig_release(&r, lease);
    rig_end(&r);
}

/* Who is held, and not who is refused. */
static void who_has_to_wait_for_his_turn_is_the_last_that_did(void **unused)
{
    (void)unused;
    struct rig r;
    rig_open_warm(&r, 3);
    ruled_say(&r, (struct nebula_rules){.limit = {.concurrent = 1, .queue = 1}});
    int32_t first = ruled_ask(&r, get);
    assert_true(rig_ticket(&r) != first);
    int32_t second = ruled_ask(&r, get);
    assert_int_equal(rig_ticket(&r), second);
    int32_t third = ruled_ask(&r, get);
    assert_int_equal(rig_ticket(&r), second);
    assert_int_equal(rig_await(&r, third, NULL), ERROR_FULL);
    assert_int_equal(rig_await(&r, second, NULL), ERROR_OK);
    assert_int_equal(rig_await(&r, first, NULL), ERROR_OK);
    rig_end(&r);
}

/* The memory of one that is larger than most is not kept for the next. */
static void a_large_call_leaves_no_room(void **unused)
{
    (void)unused;
    static char text[ROOM_SIZE + 1];
    struct rig r;
    memset(text, ' ', sizeof text - 1);
    memcpy(text, "get 1 1", 7);
    rig_open_warm(&r, 1);
    assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_OK);
    int32_t rooms = r.engine->rooms.count;
    assert_int_equal(rig_say(&r, 0, text), ERROR_OK);
    assert_int_equal(r.engine->rooms.count, rooms);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_pauses_has_left_what_is_behind_the_retry),
        cmocka_unit_test(who_is_refused_has_left_all_that_he_was_in),
        cmocka_unit_test(a_call_that_ends_at_its_deadline_has_failed),
        cmocka_unit_test(each_attempt_has_copies_of_its_own),
        cmocka_unit_test(who_pauses_leaves_what_is_before_the_retry_at_its_end),
        cmocka_unit_test(an_attempt_counts_when_it_was_sent),
        cmocka_unit_test(who_is_cancelled_while_the_host_is_asked_has_failed),
        cmocka_unit_test(a_stream_that_is_lost_is_one),
        cmocka_unit_test(it_waits_for_both_together_as_long),
        cmocka_unit_test(who_has_to_wait_for_his_turn_is_the_last_that_did),
        cmocka_unit_test(a_large_call_leaves_no_room),
    };
    return cmocka_run_group_tests_name("stages of a call", tests, NULL, NULL);
}
