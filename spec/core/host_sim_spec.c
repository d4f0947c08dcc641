/* host_sim_spec.c - what the program alone asks of its engine: pauses of what has failed, and services in `ls`. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "nebula_host.h"
#include "sim/memory.h"
#include "sim/rig.h"

static json_t *services_of(struct rig *r)
{
    json_t *answer = json_loads(nebula_ask(r->nebula, "{\"verb\":\"ls\"}"), 0, NULL);
    assert_non_null(answer);
    assert_true(json_is_true(json_object_get(answer, "ok")));
    json_t *services = json_incref(json_object_get(answer, "services"));
    json_decref(answer);
    return services;
}

static const char *text_at(const json_t *list, size_t i, const char *key)
{
    const char *text = json_string_value(json_object_get(json_array_get(list, i), key));
    assert_non_null(text);
    return text;
}

static int64_t number_at(const json_t *list, size_t i, const char *key)
{
    const json_t *number = json_object_get(json_array_get(list, i), key);
    assert_true(json_is_integer(number));
    return json_integer_value(number);
}

static const struct nebula_instance running = {
    .service = "mail",
    .state = "running",
    .reason = "",
    .number = 2,
    .worker = 1,
    .since_s = 1700000000,
};

static void an_instance_is_told_of_once_as_it_was_told_last(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    const struct nebula_option option[] = {
        {.name = "server", .value = "shop"},
        {.name = "password", .value = "hunter2/\"x", .is_secret = true},
    };
    r.spec.option = option;
    r.spec.options = COUNT(option);
    rig_open(&r);
    assert_null(services_of(&r));

    struct nebula_instance other = running, again = running;
    other.number = 1;
    assert_true(nebula_tell_instance(r.nebula, &running));
    assert_true(nebula_tell_instance(r.nebula, &other));
    again.state = "pausing";
    again.reason = "it said hunter2/\"x \xff";
    again.restarts = 3;
    again.pause_s = 0.5;
    assert_true(nebula_tell_instance(r.nebula, &again));
    json_t *list = services_of(&r);
    assert_int_equal(json_array_size(list), 2);
    assert_string_equal(text_at(list, 0, "service"), "mail");
    assert_int_equal(number_at(list, 0, "number"), 2);
    assert_int_equal(number_at(list, 0, "worker"), 1);
    assert_int_equal(number_at(list, 0, "restarts"), 3);
    assert_string_equal(text_at(list, 0, "state"), "pausing");
    assert_string_equal(text_at(list, 0, "reason"), "it said *** \xef\xbf\xbd");
    assert_true(json_real_value(json_object_get(json_array_get(list, 0), "pause")) == 0.5);
    assert_int_equal(number_at(list, 1, "number"), 1);
    assert_int_equal(number_at(list, 1, "since"), 1700000000);
    assert_string_equal(text_at(list, 1, "state"), "running");
    json_decref(list);
    rig_end(&r);
}

/* What was told before stays, and nothing is left behind. */
static void without_memory_it_says_so(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    rig_open(&r);
    struct nebula_instance told = running;
    int64_t n = 1;
    for (bool is_told = false; !is_told; n++) {
        memory_fail(n);
        is_told = nebula_tell_instance(r.nebula, &told);
        memory_fail(0);
        json_t *list = services_of(&r);
        assert_int_equal(json_array_size(list), is_told ? 1 : 0);
        json_decref(list);
    }
    assert_true(n > 4);
    told.state = "finished";
    memory_fail(1);
    assert_false(nebula_tell_instance(r.nebula, &told));
    memory_fail(0);
    json_t *list = services_of(&r);
    assert_string_equal(text_at(list, 0, "state"), "running");
    json_decref(list);
    rig_end(&r);
}

static void a_pause_doubles_up_to_its_bound_and_a_random_part_of_it_is_given(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    rig_open(&r);
    const int64_t bound_us[] = {100, 200, 400, 800, 1000, 1000};
    for (int32_t failures = 1; failures <= (int32_t)COUNT(bound_us); failures++) {
        int64_t least = INT64_MAX, most = 0;
        for (int i = 0; i < 1000; i++) {
            int64_t us = nebula_backoff(r.nebula, 100, 1000, failures);
            least = us < least ? us : least;
            most = us > most ? us : most;
        }
        assert_in_range(most, bound_us[failures - 1] * 95 / 100, bound_us[failures - 1]);
        assert_in_range(least, 0, bound_us[failures - 1] * 5 / 100);
    }
    assert_in_range(nebula_backoff(r.nebula, 100, 1000, INT32_MAX - 1), 0, 1000);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_instance_is_told_of_once_as_it_was_told_last),
        cmocka_unit_test(without_memory_it_says_so),
        cmocka_unit_test(a_pause_doubles_up_to_its_bound_and_a_random_part_of_it_is_given),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
