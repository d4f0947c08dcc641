/* record_sim_spec.c - the rings of records: what is kept, in which order, for how long, and how it is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "core/record.h"
#include "core/tale.h"
#include "sim/memory.h"
#include "sim/rig.h"
#include "support/aborts.h"

#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define OTHER "000000000000000000000000000000a1"
#define YEAR (365 * 86400 * (int64_t)SECOND)

static const struct nebula_place nowhere;

static struct resource *shop_of(const struct rig *r)
{
    return table_get(&r->engine->resources, r->shop);
}

static json_t *ask(struct rig *r, const char *members)
{
    char request[160];
    snprintf(request, sizeof request, "{\"verb\":\"explain\",\"name\":\"shop\"%s}", members);
    json_t *answer = json_loads(nebula_ask(r->nebula, request), 0, NULL);
    assert_non_null(answer);
    return answer;
}

static int64_t number_at(const json_t *o, const char *key)
{
    assert_true(json_is_integer(json_object_get(o, key)));
    return json_integer_value(json_object_get(o, key));
}

/* A call with one record. */
static void add_call(struct rig *r, const struct context *context, int64_t number)
{
    struct tale s = tale_begin(r->engine, context);
    record_add(shop_of(r), &s, RECORD_HEDGED, nowhere, number, 0, 0);
    assert_true(s.is_told);
}

static void begin(struct rig *r)
{
    rig_begin(r);
    rig_open(r);
    assert_null(shop_of(r)->records);
}

/* --- the ring --------------------------------------------------------------------------------- */

static void the_oldest_is_overwritten(void **unused)
{
    (void)unused;
    static const int64_t count[] = {1,
                                    2,
                                    RECORDS_OF_CALLS - 1,
                                    RECORDS_OF_CALLS,
                                    RECORDS_OF_CALLS + 1,
                                    3 * RECORDS_OF_CALLS + 7};
    for (size_t i = 0; i < COUNT(count); i++) {
        struct rig r;
        begin(&r);
        for (int64_t n = 1; n <= count[i]; n++) {
            add_call(&r, NULL, n);
            record_itself(shop_of(&r), RECORD_CIRCUIT_HALF, nowhere, n, 0, 0);
        }
        const struct records *all = shop_of(&r)->records;
        int64_t calls = count[i] < RECORDS_OF_CALLS ? count[i] : RECORDS_OF_CALLS;
        int64_t own = count[i] < RECORDS_OF_ITSELF ? count[i] : RECORDS_OF_ITSELF;
        assert_int_equal(records_of_calls(all), calls);
        assert_int_equal(records_of_itself(all), own);
        for (int64_t n = 0; n < calls; n++) {
            const struct record *one = records_call(all, (uint32_t)n);
            assert_int_equal(one->number[0], count[i] - calls + 1 + n);
            assert_int_equal(one->call, one->number[0]);
        }
        for (int64_t n = 0; n < own; n++) {
            assert_int_equal(records_itself(all, (uint32_t)n)->number[0], count[i] - own + 1 + n);
            assert_int_equal(records_itself(all, (uint32_t)n)->call, 0);
        }
        rig_end(&r);
    }
}

static void calls_do_not_drive_out_what_the_resource_did(void **unused)
{
    (void)unused;
    struct rig r;
    begin(&r);
    record_itself(shop_of(&r), RECORD_CIRCUIT_OPENED, nowhere, CIRCUIT_FAILURES, 3, 32);
    for (int64_t n = 0; n < 10 * RECORDS_OF_CALLS; n++)
        add_call(&r, NULL, n);
    json_t *answer = ask(&r, ""), *events = json_object_get(answer, "events");
    assert_int_equal(json_array_size(events), 1);
    assert_int_equal(number_at(json_array_get(events, 0), "bad"), 3);
    json_decref(answer);
    rig_end(&r);
}

static void without_memory_nothing_is_recorded_and_later_it_is(void **unused)
{
    (void)unused;
    struct rig r;
    begin(&r);
    struct tale s = tale_begin(r.engine, NULL);
    memory_fail(1);
    record_add(shop_of(&r), &s, RECORD_HEDGED, nowhere, 1, 0, 0);
    assert_false(s.is_told);
    memory_fail(1);
    record_itself(shop_of(&r), RECORD_CIRCUIT_HALF, nowhere, 0, 0, 0);
    memory_fail(0);
    assert_int_equal(memory_failed(), 2);
    assert_null(shop_of(&r)->records);
    json_t *answer = ask(&r, "");
    assert_int_equal(json_array_size(json_object_get(answer, "calls")), 0);
    assert_int_equal(json_array_size(json_object_get(answer, "events")), 0);
    json_decref(answer);
    int64_t live = memory_live();
    for (int64_t n = 0; n < 2 * RECORDS_OF_CALLS; n++) {
        record_add(shop_of(&r), &s, RECORD_HEDGED, nowhere, n, 0, 0);
        record_itself(shop_of(&r), RECORD_CIRCUIT_HALF, nowhere, 0, 0, 0);
    }
    assert_true(s.is_told);
    assert_int_equal(memory_live(), live + 1); /* one block for all of them */
    rig_end(&r);
}

/* --- what is told ------------------------------------------------------------------------------ */

static void as_many_calls_are_told_as_are_asked_for(void **unused)
{
    (void)unused;
    static const struct {
        const char *members;
        int64_t calls, first;
    } row[] = {
        {"", 10, 291},
        {",\"last\":1", 1, 300},
        {",\"last\":2", 2, 299},
        {",\"last\":256", 256, 45},
        {",\"trace\":\"" TRACE "\"", 12, 60}, /* all there are */
        {",\"trace\":\"" TRACE "\",\"last\":1", 1, 280},
        {",\"trace\":\"" OTHER "\"", 0, 0},
    };
    struct rig r;
    begin(&r);
    struct context *traced = context_new("00-" TRACE "-b7ad6b7169203331-01", "");
    for (int64_t n = 1; n <= 300; n++)
        add_call(&r, n % 20 == 0 && n < 300 ? traced : NULL, n);
    for (size_t i = 0; i < COUNT(row); i++) {
        json_t *answer = ask(&r, row[i].members), *calls = json_object_get(answer, "calls");
        assert_int_equal(json_array_size(calls), row[i].calls);
        for (int64_t n = 0; n < row[i].calls && strstr(row[i].members, "trace") == NULL; n++)
            assert_int_equal(number_at(json_array_get(calls, (size_t)n), "call"), row[i].first + n);
        const json_t *one = json_array_get(calls, 0);
        assert_true(one == NULL || number_at(one, "call") == row[i].first);
        const char *trace = json_string_value(json_object_get(one, "trace"));
        assert_true((trace != NULL) == (strstr(row[i].members, "trace") != NULL && one != NULL));
        assert_true(trace == NULL || strcmp(trace, TRACE) == 0);
        json_decref(answer);
    }
    context_unref(&traced);
    rig_end(&r);
}

/* Of which nobody is to be reminded by what is written over it. */
static void a_call_without_a_trace_has_none(void **unused)
{
    (void)unused;
    struct rig r;
    begin(&r);
    struct context *traced = context_new("00-" TRACE "-b7ad6b7169203331-01", "");
    for (int64_t n = 0; n < RECORDS_OF_CALLS; n++)
        add_call(&r, traced, n);
    context_unref(&traced);
    struct context *other = context_new("", "acme"); /* where that one was, maybe */
    for (int64_t n = 0; n < RECORDS_OF_CALLS; n++)
        add_call(&r, n % 2 == 0 ? NULL : other, n);
    context_unref(&other);
    json_t *answer = ask(&r, ",\"last\":256"), *one;
    size_t i;
    json_array_foreach(json_object_get(answer, "calls"), i, one)
    {
        assert_null(json_object_get(one, "trace"));
    }
    assert_int_equal(i, RECORDS_OF_CALLS);
    json_decref(answer);
    rig_end(&r);
}

/* Calls whose records lie between each other: the order is that of their last ones. */
static void a_call_has_all_its_records_in_order(void **unused)
{
    (void)unused;
    struct rig r;
    begin(&r);
    struct tale a = tale_begin(r.engine, NULL), b = tale_begin(r.engine, NULL);
    struct resource *shop = shop_of(&r);
    a.attempt = 1;
    record_add(shop, &a, RECORD_HEDGED, nowhere, 1, 0, 0);
    record_add(shop, &b, RECORD_HEDGED, nowhere, 2, 0, 0);
    rig_pass(&r, 5 * MS);
    a.attempt = 2;
    shop->generation = 7;
    record_add(shop, &b, RECORD_EARLY, (struct nebula_place){"p.lua", 9}, 3, 4, 0);
    record_add(shop, &a, RECORD_HEDGE_DENIED, nowhere, 5, 0, 0);
    json_t *answer = ask(&r, ""), *calls = json_object_get(answer, "calls");
    assert_int_equal(json_array_size(calls), 2);
    const json_t *one = json_array_get(calls, 0), *two = json_array_get(calls, 1);
    assert_int_equal(number_at(one, "call"), b.call);
    assert_int_equal(number_at(two, "call"), a.call);
    const json_t *early = json_array_get(json_object_get(one, "records"), 1);
    assert_string_equal(json_string_value(json_object_get(early, "what")), "early");
    assert_string_equal(json_string_value(json_object_get(early, "file")), "p.lua");
    assert_int_equal(number_at(early, "line"), 9);
    assert_int_equal(number_at(early, "left_us"), 3);
    assert_int_equal(number_at(early, "median_us"), 4);
    assert_int_equal(number_at(early, "generation"), 7);
    assert_int_equal(number_at(json_array_get(json_object_get(one, "records"), 0), "generation"),
                     0);
    assert_null(json_object_get(early, "attempt"));
    const json_t *records = json_object_get(two, "records");
    assert_int_equal(json_array_size(records), 2);
    assert_int_equal(number_at(json_array_get(records, 0), "attempt"), 1);
    assert_int_equal(number_at(json_array_get(records, 1), "attempt"), 2);
    assert_null(json_object_get(json_array_get(records, 0), "file"));
    double took = json_real_value(json_object_get(json_array_get(records, 1), "at")) -
                  json_real_value(json_object_get(json_array_get(records, 0), "at"));
    assert_true(took > 0.004999 && took < 0.005001);
    json_decref(answer);
    rig_end(&r);
}

/* After a year, and where the wall's clock was moved meanwhile: it is told by that of now. */
static void times_are_those_of_the_wall_however_long_ago(void **unused)
{
    (void)unused;
    static const int64_t ago_us[] = {0, 1, SECOND, YEAR, 100 * YEAR};
    for (size_t i = 0; i < COUNT(ago_us); i++) {
        struct rig r;
        begin(&r);
        add_call(&r, NULL, INT64_MAX);
        rig_pass(&r, ago_us[i]);
        world_set_wall(-7 * SECOND);
        json_t *answer = ask(&r, ""), *call = json_array_get(json_object_get(answer, "calls"), 0);
        double now = json_real_value(json_object_get(answer, "now"));
        double at = json_real_value(json_object_get(call, "at"));
        double off = now - at - (double)ago_us[i] / 1e6;
        assert_true(off > -1e-5 && off < 1e-5);
        const json_t *one = json_array_get(json_object_get(call, "records"), 0);
        assert_int_equal(number_at(one, "after_us"), INT64_MAX);
        json_decref(answer);
        rig_end(&r);
    }
}

/* Of each sort all that its row says, whatever the numbers are. */
static void each_sort_is_told(void **unused)
{
    (void)unused;
    struct rig r;
    begin(&r);
    for (enum record_what what = 0; what < RECORD_CIRCUIT_OPENED; what++) {
        struct tale s = tale_begin(r.engine, NULL);
        record_add(shop_of(&r), &s, what, nowhere, 0, 1, 1);
    }
    for (enum record_what what = RECORD_CIRCUIT_OPENED; what < RECORDS; what++)
        record_itself(shop_of(&r), what, nowhere, 1, INT64_MIN, INT64_MAX);
    json_t *answer = ask(&r, ",\"last\":256");
    json_t *calls = json_object_get(answer, "calls"), *events = json_object_get(answer, "events");
    assert_int_equal(json_array_size(calls) + json_array_size(events), RECORDS);
    for (enum record_what what = 0; what < RECORDS; what++) {
        bool is_own = what >= RECORD_CIRCUIT_OPENED;
        const json_t *list = json_object_get(json_array_get(calls, what), "records");
        const json_t *one =
            is_own ? json_array_get(events, what - RECORD_CIRCUIT_OPENED) : json_array_get(list, 0);
        const struct record_row *row = record_row(what);
        assert_string_equal(json_string_value(json_object_get(one, "what")), row->name);
        for (int i = 0; row->field[i].name != NULL; i++) {
            const json_t *value = json_object_get(one, row->field[i].name);
            assert_true(row->field[i].word == NULL ? json_is_integer(value)
                                                   : json_string_length(value) > 1);
        }
        for (enum record_what other = 0; other < what; other++)
            assert_string_not_equal(record_row(other)->name, row->name);
    }
    json_decref(answer);
    rig_end(&r);
}

static void a_wrong_question_is_refused(void **unused)
{
    (void)unused;
    static const struct {
        const char *members, *text;
    } row[] = {
        {",\"last\":0", "the member \"last\" is 1 to 256"},
        {",\"last\":257", "the member \"last\" is 1 to 256"},
        {",\"last\":-1", "the member \"last\" is 1 to 256"},
        {",\"last\":1.5", "the member \"last\" is a whole number"},
        {",\"last\":\"10\"", "the member \"last\" is a whole number"},
        {",\"trace\":7", "the member \"trace\" is 32 small hex digits, not all 0"},
        {",\"trace\":\"\"", "the member \"trace\" is 32 small hex digits, not all 0"},
        {",\"trace\":\"0af7651916cd43dd8448eb211c80319\"", "the member \"trace\" is 32"},
        {",\"trace\":\"" TRACE "0\"", "the member \"trace\" is 32"},
        {",\"trace\":\"0AF7651916CD43DD8448EB211C80319C\"", "the member \"trace\" is 32"},
        {",\"trace\":\"00000000000000000000000000000000\"", "the member \"trace\" is 32"},
        {",\"first\":1", "a member that its verb does not know"},
        {",\"role\":\"any\"", "a member that its verb does not know"},
        {",\"min\":1", "a member that its verb does not know"},
    };
    struct rig r;
    begin(&r);
    for (size_t i = 0; i < COUNT(row); i++) {
        json_t *answer = ask(&r, row[i].members);
        assert_true(json_is_false(json_object_get(answer, "ok")));
        assert_string_equal(json_string_value(json_object_get(answer, "code")), "usage");
        const char *error = json_string_value(json_object_get(answer, "error"));
        if (strstr(error, row[i].text) == NULL)
            fail_msg("%s: %s", row[i].members, error);
        json_decref(answer);
    }
    rig_end(&r);
}

static void tell_of_no_such_sort(void)
{
    record_row(RECORDS);
}

static void a_sort_that_is_none_is_a_mistake(void **unused)
{
    (void)unused;
    assert_true(aborts(tell_of_no_such_sort));
}

/* --- where settings stand ---------------------------------------------------------------------- */

static const char *place_in(const struct rig *r, enum nebula_setting setting)
{
    static char text[64];
    struct nebula_place p = place_of(shop_of(r), setting);
    snprintf(text, sizeof text, "%s:%" PRId32, p.file == NULL ? "-" : p.file, p.line);
    return text;
}

static void places_are_copied_and_said_anew(void **unused)
{
    (void)unused;
    struct rig r;
    char file[] = "a.lua";
    struct nebula_place said[NEBULA_SETTINGS] = {
        [NEBULA_SETTING_WAIT] = {file, 3}, [NEBULA_SETTING_EARLY] = {"b.lua", 4}};
    begin(&r);
    assert_string_equal(place_in(&r, NEBULA_SETTING_WAIT), "-:0");
    assert_int_equal(nebula_places(r.nebula, r.shop, said, NEBULA_SETTINGS), 0);
    file[0] = 'z';
    assert_string_equal(place_in(&r, NEBULA_SETTING_WAIT), "a.lua:3");
    assert_string_equal(place_in(&r, NEBULA_SETTING_EARLY), "b.lua:4");
    assert_string_equal(place_in(&r, NEBULA_SETTING_DEADLINE), "-:0");
    said[NEBULA_SETTING_WAIT].line = 5;
    assert_int_equal(nebula_places(r.nebula, r.shop, said, NEBULA_SETTING_WAIT + 1), 0);
    assert_string_equal(place_in(&r, NEBULA_SETTING_WAIT), "z.lua:5");
    assert_string_equal(place_in(&r, NEBULA_SETTING_EARLY), "-:0");
    assert_int_equal(r.engine->places.count, 1);
    assert_int_equal(nebula_places(r.nebula, r.shop, NULL, 0), 0);
    assert_string_equal(place_in(&r, NEBULA_SETTING_WAIT), "-:0");
    assert_int_equal(nebula_places(r.nebula, r.shop, said, -1), -ERROR_USAGE);
    assert_int_equal(nebula_places(r.nebula, r.shop, said, NEBULA_SETTINGS + 1), -ERROR_USAGE);
    assert_int_equal(nebula_places(r.nebula, 99, said, 1), -ERROR_USAGE);
    rig_end(&r);
}

static void those_who_say_the_same_share_it(void **unused)
{
    (void)unused;
    struct rig r;
    const struct nebula_place said[] = {{"a.lua", 3}}, others[] = {{"a.lua", 4}},
                              third[] = {{"b.lua", 4}};
    begin(&r);
    struct nebula_spec spec = r.spec;
    spec.name = "other";
    int32_t other = nebula_declare(r.nebula, &spec);
    assert_int_equal(nebula_places(r.nebula, r.shop, said, 1), 0);
    assert_int_equal(nebula_places(r.nebula, other, said, 1), 0);
    assert_int_equal(r.engine->places.count, 1);
    assert_int_equal(nebula_places(r.nebula, r.shop, said, 1), 0); /* again */
    assert_int_equal(nebula_places(r.nebula, r.shop, others, 1), 0);
    assert_int_equal(r.engine->places.count, 2);
    assert_int_equal(nebula_places(r.nebula, other, others, 1), 0);
    assert_int_equal(r.engine->places.count, 1);
    assert_string_equal(place_in(&r, NEBULA_SETTING_DEADLINE), "a.lua:4");
    for (int i = 0; i < 2; i++) { /* the only one, twice */
        assert_int_equal(nebula_places(r.nebula, r.shop, third, 1), 0);
        assert_string_equal(place_in(&r, NEBULA_SETTING_DEADLINE), "b.lua:4");
        assert_int_equal(r.engine->places.count, 2);
    }
    rig_end(&r);
}

static void without_memory_places_stay_as_they_were(void **unused)
{
    (void)unused;
    struct rig r;
    const struct nebula_place said[] = {{"a.lua", 3}}, others[] = {{"b.lua", 4}};
    begin(&r);
    assert_int_equal(nebula_places(r.nebula, r.shop, said, 1), 0);
    int64_t failed = 0;
    for (int32_t code = -1; code != 0; failed++) {
        memory_fail(failed + 1);
        code = nebula_places(r.nebula, r.shop, others, 1);
        memory_fail(0);
        assert_true(code == 0 || code == -ERROR_MEMORY);
        assert_string_equal(place_in(&r, NEBULA_SETTING_DEADLINE),
                            code == 0 ? "b.lua:4" : "a.lua:3");
    }
    assert_true(failed > 2);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_oldest_is_overwritten),
        cmocka_unit_test(calls_do_not_drive_out_what_the_resource_did),
        cmocka_unit_test(without_memory_nothing_is_recorded_and_later_it_is),
        cmocka_unit_test(as_many_calls_are_told_as_are_asked_for),
        cmocka_unit_test(a_call_without_a_trace_has_none),
        cmocka_unit_test(a_call_has_all_its_records_in_order),
        cmocka_unit_test(times_are_those_of_the_wall_however_long_ago),
        cmocka_unit_test(each_sort_is_told),
        cmocka_unit_test(a_wrong_question_is_refused),
        cmocka_unit_test(a_sort_that_is_none_is_a_mistake),
        cmocka_unit_test(places_are_copied_and_said_anew),
        cmocka_unit_test(those_who_say_the_same_share_it),
        cmocka_unit_test(without_memory_places_stay_as_they_were),
    };
    return cmocka_run_group_tests_name("record", tests, NULL, NULL);
}
