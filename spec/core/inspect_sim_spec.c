/* inspect_sim_spec.c - an answer is whole, one object of JSON, whatever is told in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/rig.h"

#define LS "{\"verb\":\"ls\"}"
#define INSPECT "{\"verb\":\"inspect\",\"name\":\"shop\"}"
#define REFUSED "{\"ok\":false,"

static json_t *ask(struct rig *r, const char *request)
{
    json_t *answer = json_loads(nebula_ask(r->nebula, request), 0, NULL);
    assert_non_null(answer);
    return answer;
}

static const char *text_at(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    assert_non_null(text);
    return text;
}

static void bytes_that_are_no_text_do_not_blind_it(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    r.spec.file = "w\xff.lua";
    r.option.value = "\xf0\x9f\x94\x91 \xe2\x82";
    rig_open(&r);
    json_t *answer = ask(&r, INSPECT), *shop = json_object_get(answer, "resource");
    assert_true(json_is_true(json_object_get(answer, "ok")));
    assert_string_equal(text_at(shop, "file"), "w\xef\xbf\xbd.lua");
    assert_string_equal(text_at(json_object_get(shop, "options"), "server"),
                        "\xf0\x9f\x94\x91 \xef\xbf\xbd\xef\xbf\xbd");
    json_decref(answer);
    rig_end(&r);
}

/* --- memory that ends ------------------------------------------------------------------------- */

/* An allocator of jansson has no argument to keep its books in. */
static int64_t left;

static void *allocate(size_t size)
{
    return --left == 0 ? NULL : malloc(size);
}

/* Fails the n-th allocation of the answer, for n from 1 until it asks for fewer. */
static void assert_whole(struct rig *r, const char *request)
{
    char *whole = strdup(nebula_ask(r->nebula, request));
    int64_t failed = 0;
    json_set_alloc_funcs(allocate, free);
    for (left = 0; left <= 0; failed++) {
        left = failed + 1;
        const char *answer = nebula_ask(r->nebula, request);
        if (strcmp(answer, whole) != 0 && strncmp(answer, REFUSED, strlen(REFUSED)) != 0)
            fail_msg("allocation %lld failed, the answer is %s", (long long)failed + 1, answer);
    }
    json_set_alloc_funcs(malloc, free);
    assert_true(failed > 50);
    free(whole);
}

static void an_answer_with_gaps_is_none(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    rig_open(&r);
    assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_OK);
    assert_whole(&r, LS);
    assert_whole(&r, INSPECT);
    rig_end(&r);
}

/* --- secrets ---------------------------------------------------------------------------------- */

/* A password may be any word of the answer, and of JSON. */
static void a_secret_is_masked_in_texts_and_nowhere_else(void **unused)
{
    (void)unused;
    static const char *const password[] = {"true", "model", "plain", "shop", "name", "options"};
    for (size_t i = 0; i < COUNT(password); i++) {
        struct rig r;
        rig_begin(&r);
        char url[64];
        snprintf(url, sizeof url, "//root:%s@db", password[i]);
        const struct nebula_option option[] = {
            {.name = "server", .value = "shop"},
            {.name = "url", .value = url},
            {.name = "password", .value = password[i], .is_secret = true},
        };
        r.spec.option = option;
        r.spec.options = COUNT(option);
        rig_open(&r);
        json_t *answer = ask(&r, INSPECT), *shop = json_object_get(answer, "resource");
        assert_true(json_is_true(json_object_get(answer, "ok")));
        assert_string_equal(text_at(shop, "name"), "shop");
        assert_string_equal(text_at(shop, "kind"), "model");
        assert_string_equal(text_at(shop, "policy"), "plain");
        json_t *options = json_object_get(shop, "options");
        assert_string_equal(text_at(options, "url"), "//root:***@db");
        assert_string_equal(text_at(options, "password"), "***");
        json_decref(answer);
        rig_end(&r);
    }
}

static void a_secret_is_masked_in_trouble(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    const struct nebula_option option[] = {
        {.name = "server", .value = "shop"},
        {.name = "password", .value = "refused", .is_secret = true},
    };
    r.spec.option = option;
    r.spec.options = COUNT(option);
    rig_open(&r);
    server_odds(r.server, FAULT_REFUSED, 1000);
    assert_int_not_equal(rig_say(&r, 0, "get 1 1"), ERROR_OK);
    json_t *answer = ask(&r, INSPECT), *shop = json_object_get(answer, "resource");
    assert_string_equal(text_at(json_array_get(json_object_get(shop, "pools"), 0), "trouble"),
                        "shop: connection ***");
    json_decref(answer);
    rig_end(&r);
}

/* --- orders ----------------------------------------------------------------------------------- */

static void an_order_is_understood_or_refused_with_its_code(void **unused)
{
    (void)unused;
    static const struct {
        const char *words, *code;
    } row[] = {
        {"\"pause\"", NULL},
        {"\"resume\"", NULL},
        {"\"drain\"", NULL},
        {"\"resume\"", NULL},
        {"\"drain\",\"within_us\":0", NULL},
        {"\"resume\"", NULL},
        {"\"reconnect\"", NULL},
        {"\"reconnect\",\"percent\":100,\"every_us\":0", NULL},
        {"\"resize\",\"max\":3", NULL},
        {"\"resize\",\"min\":1,\"max\":4,\"role\":\"any\"", NULL},
        {"\"pause\",\"now\":true", "usage"},
        {"\"drain\",\"within_us\":-1", "usage"},
        {"\"drain\",\"within_us\":9223372036854775807", "usage"},
        {"\"drain\",\"within_us\":\"10s\"", "usage"},
        {"\"drain\",\"within\":1", "usage"},
        {"\"reconnect\",\"percent\":0", "usage"},
        {"\"reconnect\",\"percent\":101", "usage"},
        {"\"reconnect\",\"percent\":0.25", "usage"},
        {"\"reconnect\",\"every_us\":null", "usage"},
        {"\"resize\"", "usage"},
        {"\"resize\",\"min\":5", "usage"},
        {"\"resize\",\"max\":4294967297", "usage"},
        {"\"resize\",\"max\":2,\"role\":\"writer\"", "usage"},
        {"\"resize\",\"max\":2,\"role\":7", "usage"},
    };
    struct rig r;
    rig_begin(&r);
    rig_open(&r);
    assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_OK);
    for (size_t i = 0; i < COUNT(row); i++) {
        char request[160];
        snprintf(request, sizeof request, "{\"name\":\"shop\",\"verb\":%s}", row[i].words);
        json_t *answer = ask(&r, request);
        assert_int_equal(json_is_true(json_object_get(answer, "ok")), row[i].code == NULL);
        if (row[i].code != NULL)
            assert_string_equal(text_at(answer, "code"), row[i].code);
        assert_true(json_is_integer(json_object_get(answer, "pid")));
        json_decref(answer);
    }
    rig_pass(&r, SECOND);
    assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_OK);
    rig_end(&r);
}

static json_t *pool_of(const json_t *answer)
{
    return json_array_get(json_object_get(json_object_get(answer, "resource"), "pools"), 0);
}

static void what_is_under_way_is_shown(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    rig_open(&r);
    int64_t lease = rig_lease(&r);
    json_decref(ask(&r, "{\"verb\":\"reconnect\",\"name\":\"shop\"}"));
    json_t *answer = ask(&r, INSPECT);
    assert_int_equal(json_integer_value(json_object_get(pool_of(answer), "reconnecting")), 1);
    assert_int_equal(json_integer_value(json_object_get(pool_of(answer), "reconnecting_left")), 1);
    json_decref(answer);
    rig_release(&r, lease);
    rig_pass(&r, SECOND);
    answer = ask(&r, INSPECT);
    assert_null(json_object_get(pool_of(answer), "reconnecting"));
    assert_int_equal(json_integer_value(json_object_get(pool_of(answer), "retired")), 1);
    json_decref(answer);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_that_are_no_text_do_not_blind_it),
        cmocka_unit_test(an_answer_with_gaps_is_none),
        cmocka_unit_test(a_secret_is_masked_in_texts_and_nowhere_else),
        cmocka_unit_test(a_secret_is_masked_in_trouble),
        cmocka_unit_test(an_order_is_understood_or_refused_with_its_code),
        cmocka_unit_test(what_is_under_way_is_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
