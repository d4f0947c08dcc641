/* refused_door_sim_spec.c - which calls an open circuit refuses at the door, and what is counted and told of them. */
#include "sim/ruled.h"

#include <stdio.h>
#include <string.h>

#include "core/refused.h"
#include "sim/memory.h"
#include "sim/tales.h"

/* Open by order: it refuses all. */
static const struct nebula_circuit shut = {.mode = NEBULA_CIRCUIT_OPEN,
                                           .window = 10,
                                           .least = 10,
                                           .percent = 50,
                                           .probes = 2,
                                           .probe_us = SECOND,
                                           .pause_us = SECOND,
                                           .pause_max_us = SECOND};

static const struct nebula_rate plenty = {
    .shape = NEBULA_RATE_BUCKET, .tokens = 100, .span_us = SECOND, .burst = 9};

static void where_nothing_is_asked_before_the_circuit(void **unused)
{
    (void)unused;
    static const struct {
        bool has_rate, has_limit, has_early, is_open, is_short;
        uint8_t order[6];
    } row[] = {
        {.is_open = true, .is_short = true},
        {.is_open = false, .is_short = false},
        {.is_open = true, .has_limit = true, .is_short = true},
        {.is_open = true, .has_rate = true, .is_short = false},
        {.is_open = true, .has_early = true, .is_short = false},
        {.is_open = true,
         .is_short = true,
         .has_rate = true,
         .has_limit = true,
         .order = {NEBULA_STAGE_CIRCUIT, NEBULA_STAGE_RETRY, NEBULA_STAGE_RATE, NEBULA_STAGE_LIMIT,
                   NEBULA_STAGE_DEADLINE, NEBULA_STAGE_HEDGE}},
        {.is_open = true,
         .is_short = false,
         .has_limit = true,
         .order = {NEBULA_STAGE_RETRY, NEBULA_STAGE_LIMIT, NEBULA_STAGE_CIRCUIT, NEBULA_STAGE_RATE,
                   NEBULA_STAGE_DEADLINE, NEBULA_STAGE_HEDGE}},
        {.is_open = true,
         .is_short = false,
         .has_limit = true,
         .order = {NEBULA_STAGE_LIMIT, NEBULA_STAGE_CIRCUIT, NEBULA_STAGE_RETRY, NEBULA_STAGE_RATE,
                   NEBULA_STAGE_DEADLINE, NEBULA_STAGE_HEDGE}},
        {.is_open = true,
         .is_short = false,
         .has_rate = true,
         .order = {NEBULA_STAGE_RATE, NEBULA_STAGE_CIRCUIT, NEBULA_STAGE_RETRY, NEBULA_STAGE_LIMIT,
                   NEBULA_STAGE_DEADLINE, NEBULA_STAGE_HEDGE}},
    };
    for (size_t i = 0; i < COUNT(row); i++) {
        struct rig r;
        struct nebula_rules rules = {.circuit = shut};
        if (!row[i].is_open)
            rules.circuit.mode = NEBULA_CIRCUIT_AUTOMATIC;
        if (row[i].has_rate)
            rules.rate = plenty;
        if (row[i].has_limit)
            rules.limit = (struct nebula_limit){.concurrent = 9};
        if (row[i].has_early)
            rules.early.least = 9;
        memcpy(rules.order, row[i].order, sizeof rules.order);
        ruled_begin(&r, 2, rules);
        int32_t ticket = ruled_ask(&r, get);
        bool is_short = refused_of(ticket_find(r.engine, ticket)) != NULL;
        if (is_short != row[i].is_short)
            fail_msg("row %zu: %d", i, is_short);
        assert_int_equal(rig_await(&r, ticket, NULL), row[i].is_open ? ERROR_OPEN : ERROR_OK);
        rig_end(&r);
    }
}

/* One that has parts has a reply for each of them. */
static void no_batch_is_refused_there(void **unused)
{
    (void)unused;
    static const struct nebula_part parts[] = {{.text = "get 1 1", .text_size = 7}};
    struct rig r;
    ruled_begin(&r, 2, (struct nebula_rules){.circuit = shut});
    const struct nebula_request batch = {
        .resource = r.shop, .verb = NEBULA_BATCH, .part = parts, .parts = 1};
    int32_t ticket = nebula_call(r.nebula, &batch);
    assert_null(refused_of(ticket_find(r.engine, ticket)));
    assert_int_equal(rig_await(&r, ticket, NULL), ERROR_OPEN);
    rig_end(&r);
}

static void it_is_counted_as_any_call(void **unused)
{
    (void)unused;
    struct rig r;
    struct nebula_reply reply;
    ruled_begin(&r, 2, (struct nebula_rules){.circuit = shut});
    const struct resource *shop = table_get(&r.engine->resources, r.shop);
    int64_t calls = shop->calls, failed = shop->failed, users = shop->users;
    int32_t ticket = ruled_ask(&r, (struct nebula_request){.within_us = 3 * (int64_t)SECOND});
    assert_int_equal(shop->calls, calls + 1);
    assert_int_equal(shop->failed, failed + 1);
    assert_int_equal(shop->users, users + 1);
    assert_int_equal(nebula_reply(r.nebula, ticket, &reply), 0);
    assert_int_equal(reply.code, ERROR_OPEN);
    assert_int_equal(reply.role, 0);
    assert_int_equal(reply.deadline_us, engine_now(r.engine) + 3 * (int64_t)SECOND);
    for (int i = 0; i < 2; i++) { /* however often it is read */
        assert_int_equal(nebula_reply(r.nebula, ticket, &reply), 0);
        assert_string_equal(reply.text, "shop: its circuit was opened by order");
    }
    assert_int_equal(rig_await(&r, ticket, NULL), ERROR_OPEN);
    assert_int_equal(shop->users, users);
    rig_end(&r);
}

/* And of one that the circuit refuses behind a rate, in the same words. */
static void the_host_hears_of_it_if_it_wants_to(void **unused)
{
    (void)unused;
    for (int way = 0; way < 4; way++) {
        struct rig r;
        struct nebula_question q;
        bool hears = way % 2 == 1, has_rate = way >= 2;
        struct nebula_rules rules = {.circuit = shut,
                                     .asks = hears ? 1U << NEBULA_TELL_REFUSED : 0};
        if (has_rate)
            rules.rate = plenty;
        ruled_begin(&r, 2, rules);
        assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_OPEN);
        assert_int_equal(nebula_question(r.nebula, &q), hears);
        if (hears) {
            assert_int_equal(q.what, NEBULA_TELL_REFUSED);
            assert_int_equal(q.code, ERROR_OPEN);
            assert_int_equal(q.attempts, 0);
            assert_string_equal(q.text, "shop: its circuit was opened by order");
        }
        rig_end(&r);
    }
}

/* Where the policy of the operation stands nobody has said. */
static void it_has_a_tale(void **unused)
{
    (void)unused;
    static const struct nebula_place places[NEBULA_SETTINGS] = {
        [NEBULA_SETTING_CIRCUIT] = {"db.lua", 12}};
    struct rig r;
    const struct nebula_rules rules = {.circuit = shut};
    ruled_begin(&r, 2, rules);
    assert_int_equal(nebula_places(r.nebula, r.shop, places, NEBULA_SETTINGS), 0);
    int32_t pay = nebula_operation(r.nebula, r.shop, "pay", &r.spec.policy, &rules, true);
    assert_int_equal(pay, 1);
    if (tales_records(&r) != NULL)
        tales_forget(&r);
    assert_int_equal(rig_await(&r, ruled_ask(&r, get), NULL), ERROR_OPEN);
    tales_assert(&r, 1, "circuit open 0 0 (db.lua:12), ended open 0ms failed");
    for (size_t calls = 2; calls <= 3;
         calls++) { /* the first one makes the circuit, and is told of it */
        int32_t ticket = ruled_ask(&r, (struct nebula_request){.operation = pay});
        assert_int_equal(refused_of(ticket_find(r.engine, ticket)) != NULL, calls == 3);
        assert_int_equal(rig_await(&r, ticket, NULL), ERROR_OPEN);
        tales_assert(&r, calls, "circuit open 0 0, ended open 0ms failed");
    }
    rig_end(&r);
}

/* Once the one, once the other is what it cannot have: its room, or a ticket. */
static void without_memory_it_leaves_nothing(void **unused)
{
    (void)unused;
    int refused[3] = {0};
    for (int64_t nth = 1; nth <= 2; nth++) {
        struct rig r;
        ruled_begin(&r, 2, (struct nebula_rules){.circuit = shut});
        const struct resource *shop = table_get(&r.engine->resources, r.shop);
        int64_t begun = shop->users;
        for (int i = 0; i < RIG_TICKETS - 4; i++) {
            memory_fail(nth);
            int32_t ticket = ruled_ask(&r, get);
            memory_fail(0);
            assert_true(ticket > 0 || ticket == -ERROR_MEMORY);
            refused[nth] += ticket < 0;
            begun += ticket > 0;
            assert_int_equal(shop->users, begun);
        }
        rig_end(&r);
    }
    assert_true(refused[1] > 0 && refused[2] > 0);
}

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
    struct nebula_rules rules = {.circuit = shut};
    ruled_begin(&r, 2, rules);
    refused_reply(&r, brief);
    rules.rate = plenty;
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
    ruled_begin(&r, 2, (struct nebula_rules){.circuit = shut});
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
        cmocka_unit_test(where_nothing_is_asked_before_the_circuit),
        cmocka_unit_test(no_batch_is_refused_there),
        cmocka_unit_test(it_is_counted_as_any_call),
        cmocka_unit_test(the_host_hears_of_it_if_it_wants_to),
        cmocka_unit_test(it_has_a_tale),
        cmocka_unit_test(without_memory_it_leaves_nothing),
        cmocka_unit_test(a_refusal_is_the_same_whichever_way_it_came),
        cmocka_unit_test(nobody_has_to_take_the_event_of_a_refusal),
    };
    return cmocka_run_group_tests_name("refused at the door", tests, NULL, NULL);
}
