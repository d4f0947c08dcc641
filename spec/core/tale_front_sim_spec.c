/* tale_front_sim_spec.c - what stands in front of calls is told in the tale of its call, in the order in which it was
 * decided, and drives nothing out that is told of calls. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "nebula_policy.h"
#include "sim/tales.h"

#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define TRACEPARENT "00-" TRACE "-b7ad6b7169203331-01"
#define SHOP "{\"verb\":\"explain\",\"name\":\"shop\""

static const struct nebula_place places[NEBULA_SETTINGS] = {
    [NEBULA_SETTING_CACHE] = {"db.lua", 7},
    [NEBULA_SETTING_FALLBACK] = {"db.lua", 8},
};

static void begin(struct rig *r)
{
    rig_open_warm(r, 2);
    assert_int_equal(nebula_places(r->nebula, r->shop, places, NEBULA_SETTINGS), 0);
}

static void front(struct rig *r, int64_t tale, enum nebula_front what, int64_t a, int64_t b,
                  int64_t c)
{
    nebula_front(r->nebula, r->shop, tale, what, a, b, c);
}

static json_t *ask(struct rig *r, const char *request)
{
    json_t *answer = json_loads(nebula_ask(r->nebula, request), 0, NULL);
    assert_true(json_is_true(json_object_get(answer, "ok")));
    return answer;
}

static json_t *records_of(json_t *answer, size_t at)
{
    return told_at(json_array_get(told_at(answer, "calls"), at), "records");
}

/* --- one tale ----------------------------------------------------------------------------------- */

static void each_decision_is_told_with_its_numbers(void **unused)
{
    (void)unused;
    static const struct {
        enum nebula_front what;
        int64_t number[3];
        const char *tale;
    } row[] = {
        {NEBULA_FRONT_HIT, {30 * MS}, "cached 30ms (db.lua:7)"},
        {NEBULA_FRONT_STALE, {40 * MS}, "stale 40ms (db.lua:7)"},
        {NEBULA_FRONT_MISS, {50 * MS}, "missed 50ms (db.lua:7)"},
        {NEBULA_FRONT_JOINED, {ERROR_LOST, 60 * MS}, "joined lost 60ms (db.lua:7)"},
        {NEBULA_FRONT_JOINED, {ERROR_OK, 60 * MS}, "joined ok 60ms (db.lua:7)"},
        {NEBULA_FRONT_STALE_IF_ERROR, {ERROR_OPEN, 70 * MS}, "stale_if_error open 70ms (db.lua:7)"},
        {NEBULA_FRONT_FALLBACK,
         {2, NEBULA_WAY_VALUE, ERROR_LOST},
         "fallback 2 value lost (db.lua:8)"},
        {NEBULA_FRONT_FALLBACK,
         {1, NEBULA_WAY_RESOURCE, ERROR_COUNT - 1},
         "fallback 1 resource shed (db.lua:8)"},
        {NEBULA_FRONT_FALLBACK_LAST,
         {1, ERROR_LOST, 80 * MS},
         "fallback_last 1 lost 80ms (db.lua:8)"},
        {NEBULA_FRONT_FALLBACK_NONE,
         {3, NEBULA_WAY_CALL, ERROR_OK},
         "fallback_none 3 call ok (db.lua:8)"},
        {NEBULA_FRONT_FALLBACK_NONE,
         {3, NEBULA_WAY_LAST, ERROR_OK},
         "fallback_none 3 last ok (db.lua:8)"},
    };
    struct rig r;
    begin(&r);
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        front(&r, 0, row[i].what, row[i].number[0], row[i].number[1], row[i].number[2]);
        tales_assert(&r, i + 1 < 10 ? i + 1 : 10, row[i].tale); /* each is a tale of its own */
        const struct records *all = tales_records(&r);
        assert_int_equal(all->of_front, i < 5 ? i + 1 : 5);
        assert_int_equal(all->of_calls, i < 5 ? 0 : i - 4);
        rig_pass(&r, MS);
    }
    rig_end(&r);
}

/* Who answers would have no word for it. */
static void what_cannot_be_is_not_told(void **unused)
{
    (void)unused;
    struct rig r;
    begin(&r);
    nebula_front(r.nebula, 99, 0, NEBULA_FRONT_HIT, 1, 0, 0);
    nebula_front(r.nebula, r.shop, 0, -1, 1, 0, 0);
    nebula_front(r.nebula, r.shop, 0, NEBULA_FRONTS, 1, 0, 0);
    for (int64_t bad = -1; bad <= ERROR_COUNT; bad += ERROR_COUNT + 1) {
        front(&r, 0, NEBULA_FRONT_JOINED, bad, 1, 0);
        front(&r, 0, NEBULA_FRONT_STALE_IF_ERROR, bad, 1, 0);
        front(&r, 0, NEBULA_FRONT_FALLBACK_LAST, 1, bad, 0);
        front(&r, 0, NEBULA_FRONT_FALLBACK, 1, NEBULA_WAY_CALL, bad);
        front(&r, 0, NEBULA_FRONT_FALLBACK_NONE, 1, NEBULA_WAY_CALL, bad);
    }
    for (int64_t bad = -1; bad <= NEBULA_WAYS; bad += NEBULA_WAYS + 1) {
        front(&r, 0, NEBULA_FRONT_FALLBACK, 1, bad, ERROR_LOST);
        front(&r, 0, NEBULA_FRONT_FALLBACK_NONE, 1, bad, ERROR_LOST);
    }
    tales_assert(&r, 0, "");
    front(&r, -7, NEBULA_FRONT_HIT, INT64_MIN, INT64_MAX, -1); /* any number is told */
    tales_assert(&r, 1, "cached -9223372036854770ms (db.lua:7)");
    rig_end(&r);
}

/* The miss, the call and the fallback, whichever turn they are in. */
static void a_call_goes_on_with_the_tale_that_was_begun_for_it(void **unused)
{
    (void)unused;
    struct rig r;
    begin(&r);
    for (int pace = 0; pace < 2; pace++) {
        server_pace(r.server, pace * 40 * MS);
        int64_t tale = nebula_tale(r.nebula);
        assert_true(tale > 0);
        front(&r, tale, NEBULA_FRONT_MISS, -1, 0, 0);
        nebula_tale_in(r.nebula, tale);
        int32_t ticket = rig_call(&r, 0, "fail 1 1");
        nebula_tale_in(r.nebula, 0);
        rig_await(&r, ticket, NULL);
        front(&r, tale, NEBULA_FRONT_FALLBACK_NONE, 1, NEBULA_WAY_LAST, ERROR_OK);
        front(&r, tale, NEBULA_FRONT_FALLBACK, 2, NEBULA_WAY_VALUE, ERROR_QUERY);
        tales_assert(&r, (size_t)pace + 1,
                     pace == 0 ? "missed 0ms (db.lua:7), failed 1. query 0ms failed, not_again 1. "
                                 "hopeless, ended 1. query 0ms failed, fallback_none 1 last ok "
                                 "(db.lua:8), fallback 2 value query (db.lua:8)"
                               : "missed 0ms (db.lua:7), failed 1. query 40ms failed, not_again 1. "
                                 "hopeless, ended 1. query 40ms failed, fallback_none 1 last ok "
                                 "(db.lua:8), fallback 2 value query (db.lua:8)");
    }
    rig_end(&r);
}

/* Also where it is refused at the door, and is no call. */
static void so_does_one_that_an_open_circuit_refuses(void **unused)
{
    (void)unused;
    struct rig r;
    const struct nebula_rules shut = {.circuit = {.mode = NEBULA_CIRCUIT_OPEN,
                                                  .window = 1,
                                                  .least = 1,
                                                  .probes = 1,
                                                  .probe_us = SECOND,
                                                  .pause_us = SECOND,
                                                  .pause_max_us = SECOND}};
    begin(&r);
    assert_int_equal(nebula_rules(r.nebula, r.shop, &shut), 0);
    for (size_t i = 1; i < 4; i++) { /* the first one has the circuit made */
        int64_t tale = nebula_tale(r.nebula);
        front(&r, tale, NEBULA_FRONT_MISS, -1, 0, 0);
        nebula_tale_in(r.nebula, tale);
        assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_OPEN);
        front(&r, tale, NEBULA_FRONT_STALE_IF_ERROR, ERROR_OPEN, MS, 0);
        tales_assert(&r, i,
                     "missed 0ms (db.lua:7), circuit open 0 0, ended open 0ms failed, "
                     "stale_if_error open 0ms (db.lua:7)");
    }
    rig_end(&r);
}

/* One call: the one behind it has its own, and so has whoever asks for another task. */
static void it_is_the_next_call_of_this_task_alone(void **unused)
{
    (void)unused;
    struct rig r;
    begin(&r);
    int64_t tale = nebula_tale(r.nebula);
    nebula_tale_in(r.nebula, tale);
    nebula_task_enter(r.nebula, nebula_task_open(r.nebula, 0));
    int32_t other = rig_call(&r, 0, "fail 1 1");
    nebula_task_enter(r.nebula, 0);
    int32_t first = rig_call(&r, 0, "fail 1 1"), second = rig_call(&r, 0, "fail 1 1");
    nebula_tale_in(r.nebula, tale);
    nebula_tale_in(r.nebula, -1); /* none */
    int32_t third = rig_call(&r, 0, "fail 1 1");
    rig_await(&r, other, NULL);
    rig_await(&r, first, NULL);
    rig_await(&r, second, NULL);
    rig_await(&r, third, NULL);
    json_t *answer = tales_ask(&r), *calls = told_at(answer, "calls");
    assert_int_equal(json_array_size(calls), 4);
    int found = 0;
    for (size_t i = 0; i < 4; i++) {
        int64_t call = told_number(json_array_get(calls, i), "call");
        assert_in_range(call, 1, 10);
        found += call == tale;
    }
    assert_int_equal(found, 1);
    json_decref(answer);
    rig_end(&r);
}

/* A lease that is answered later is none of what its task asks for meanwhile. */
static void what_was_asked_for_before_is_no_part_of_it(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    r.spec.pool.max = 1;
    rig_open(&r);
    int64_t lease = rig_lease(&r);
    tales_forget(&r);
    assert_int_equal(rig_ask(&r), 0);
    int32_t ticket = rig_ticket(&r);
    int64_t tale = nebula_tale(r.nebula);
    nebula_tale_in(r.nebula, tale);
    rig_pass(&r, 10 * MS);
    rig_release(&r, lease);
    lease = rig_lease_of(&r, ticket);
    tales_assert(&r, 1, "served 10ms 1 (rig.c:0)");
    json_t *answer = tales_ask(&r);
    assert_true(told_number(json_array_get(told_at(answer, "calls"), 0), "call") != tale);
    json_decref(answer);
    rig_release(&r, lease);
    rig_end(&r);
}

/* --- the ring ------------------------------------------------------------------------------------- */

static void a_cache_drives_out_nothing_but_its_own(void **unused)
{
    (void)unused;
    struct rig r;
    begin(&r);
    rig_say(&r, 0, "fail 1 1");
    front(&r, 0, NEBULA_FRONT_FALLBACK, 1, NEBULA_WAY_VALUE, ERROR_LOST);
    front(&r, 0, NEBULA_FRONT_STALE_IF_ERROR, ERROR_LOST, 1, 0);
    const struct records *all = tales_records(&r);
    for (int i = 0; i < 10 * RECORDS_OF_FRONT; i++) {
        front(&r, 0, (enum nebula_front)(i % 3), i, 0, 0);
        assert_int_equal(records_of_front(all), i < RECORDS_OF_FRONT ? i + 1 : RECORDS_OF_FRONT);
    }
    assert_int_equal(records_of_front(all), RECORDS_OF_FRONT);
    assert_int_equal(records_of_calls(all), 5);
    for (uint32_t i = 0; i < RECORDS_OF_FRONT; i++)
        assert_int_equal(records_front(all, i)->number[0], 9 * RECORDS_OF_FRONT + i);
    json_t *answer = ask(&r, SHOP ",\"last\":256}");
    assert_int_equal(json_array_size(told_at(answer, "calls")), RECORDS_OF_FRONT + 3);
    json_decref(answer);
    answer = ask(&r, SHOP ",\"last\":1}");
    assert_string_equal(told_text(json_array_get(records_of(answer, 0), 0), "what"), "cached");
    json_decref(answer);
    rig_end(&r);
}

/* Both rings full, of as many calls: no more than were asked for. */
static void of_both_rings_the_last_are_told_in_the_order_of_time(void **unused)
{
    (void)unused;
    struct rig r;
    begin(&r);
    for (int i = 0; i < RECORDS_OF_CALLS; i++) {
        front(&r, 0, NEBULA_FRONT_FALLBACK_LAST, i, ERROR_LOST, 0);
        rig_pass(&r, MS);
        front(&r, 0, NEBULA_FRONT_HIT, i, 0, 0);
        rig_pass(&r, MS);
    }
    json_t *answer = ask(&r, SHOP ",\"last\":256}"), *calls = told_at(answer, "calls");
    assert_int_equal(json_array_size(calls), 256);
    for (size_t i = 1; i < 256; i++)
        assert_true(json_real_value(json_object_get(json_array_get(calls, i - 1), "at")) <
                    json_real_value(json_object_get(json_array_get(calls, i), "at")));
    for (size_t i = 0; i < 2 * RECORDS_OF_FRONT; i++)
        assert_string_equal(
            told_text(json_array_get(records_of(answer, 256 - 2 * RECORDS_OF_FRONT + i), 0),
                      "what"),
            i % 2 == 0 ? "fallback_last" : "cached");
    json_decref(answer);
    rig_end(&r);
}

/* However many there ever were: what tells which was first goes round. */
static void the_order_outlives_its_number(void **unused)
{
    (void)unused;
    struct rig r;
    begin(&r);
    for (int i = 0; i < 65536 + 5; i++) {
        front(&r, 0, NEBULA_FRONT_FALLBACK_LAST, i, ERROR_LOST, 0);
        front(&r, 0, NEBULA_FRONT_HIT, i, 0, 0);
    }
    json_t *answer = ask(&r, SHOP ",\"last\":20}");
    for (size_t i = 0; i < 20; i++)
        assert_string_equal(told_text(json_array_get(records_of(answer, i), 0), "what"),
                            i % 2 == 0 ? "fallback_last" : "cached");
    json_decref(answer);
    rig_end(&r);
}

static void tales_are_found_by_their_trace(void **unused)
{
    (void)unused;
    struct rig r;
    begin(&r);
    front(&r, 0, NEBULA_FRONT_HIT, 1, 0, 0);
    nebula_task_enter(r.nebula, nebula_task_open(r.nebula, 0));
    assert_int_equal(nebula_task_trace(r.nebula, TRACEPARENT), 0);
    front(&r, 0, NEBULA_FRONT_HIT, 2, 0, 0);
    rig_pass(&r, MS);
    int64_t tale = nebula_tale(r.nebula);
    front(&r, tale, NEBULA_FRONT_MISS, 3 * MS, 0, 0);
    nebula_tale_in(r.nebula, tale);
    rig_await(&r, rig_call(&r, 0, "fail 1 1"), NULL);
    front(&r, tale, NEBULA_FRONT_STALE_IF_ERROR, ERROR_QUERY, 20 * MS, 0);
    nebula_task_enter(r.nebula, 0);
    front(&r, 0, NEBULA_FRONT_HIT, 4, 0, 0);
    json_t *answer = ask(&r, SHOP ",\"trace\":\"" TRACE "\"}");
    assert_int_equal(json_array_size(told_at(answer, "calls")), 2);
    assert_string_equal(tales_text(records_of(answer, 0)), "cached 0ms (db.lua:7)");
    assert_string_equal(tales_text(records_of(answer, 1)),
                        "missed 0ms (db.lua:7), failed 1. query 0ms failed, not_again 1. hopeless, "
                        "ended 1. query 0ms failed, stale_if_error query 20ms (db.lua:7)");
    json_decref(answer);
    rig_end(&r);
}

/* Of each tenant it is told beside his calls; of one who was never called, by the mould. */
static void tenants_have_their_own(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    r.option.value = "{tenant}";
    r.option.has_tenant = true;
    r.spec.tenants = 2;
    rig_open(&r);
    assert_int_equal(nebula_places(r.nebula, r.shop, places, NEBULA_SETTINGS), 0);
    assert_int_equal(nebula_task_tenant(r.nebula, "shop"), 0);
    front(&r, 0, NEBULA_FRONT_HIT, 1, 0, 0);
    assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_OK);
    front(&r, 0, NEBULA_FRONT_MISS, 30 * MS, 0, 0);
    json_t *answer = ask(&r, SHOP "}");
    assert_string_equal(tales_text(records_of(answer, 0)), "cached 0ms (db.lua:7)");
    json_decref(answer);
    answer = ask(&r, "{\"verb\":\"explain\",\"name\":\"shop@shop\"}");
    json_t *calls = told_at(answer, "calls");
    size_t last = json_array_size(calls) - 1;
    assert_string_equal(tales_text(records_of(answer, last)), "missed 30ms (db.lua:7)");
    json_decref(answer);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_decision_is_told_with_its_numbers),
        cmocka_unit_test(what_cannot_be_is_not_told),
        cmocka_unit_test(a_call_goes_on_with_the_tale_that_was_begun_for_it),
        cmocka_unit_test(so_does_one_that_an_open_circuit_refuses),
        cmocka_unit_test(it_is_the_next_call_of_this_task_alone),
        cmocka_unit_test(what_was_asked_for_before_is_no_part_of_it),
        cmocka_unit_test(a_cache_drives_out_nothing_but_its_own),
        cmocka_unit_test(of_both_rings_the_last_are_told_in_the_order_of_time),
        cmocka_unit_test(the_order_outlives_its_number),
        cmocka_unit_test(tales_are_found_by_their_trace),
        cmocka_unit_test(tenants_have_their_own),
    };
    return cmocka_run_group_tests_name("tale of what stands in front", tests, NULL, NULL);
}
