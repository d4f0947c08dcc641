/* `ls` of many resources, in virtual time: some with each turn, and whole for whoever reads it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "core/gather.h"
#include "core/tenant.h"
#include "sim/told.h"

#define LS "{\"verb\":\"ls\"}"
#define MANY 1000
#define A_TURN 150 /* so many are told in one turn at most */

static void name_of(char *name, size_t size, int32_t i)
{
    snprintf(name, size, "many%d", (int)i);
}

static void declare(struct rig *r, int32_t from, int32_t to)
{
    for (int32_t i = from; i < to; i++) {
        char name[32];
        struct nebula_spec spec = r->spec;
        name_of(name, sizeof name, i);
        spec.name = name;
        assert_true(nebula_declare(r->nebula, &spec) > 0);
    }
}

/* How often each of so many is in it; whatever else is in it is none of them. */
static void assert_told(const json_t *ls, int32_t count, int32_t times)
{
    int32_t told[2 * MANY] = {0};
    size_t i;
    json_t *one;
    assert_true(json_is_true(told_at(ls, "ok")));
    json_array_foreach(told_at(ls, "resources"), i, one)
    {
        int number;
        if (sscanf(told_text(one, "name"), "many%d", &number) == 1)
            told[number]++;
    }
    for (int32_t at = 0; at < count; at++)
        if (told[at] != times)
            fail_msg("many%d is told %d times", (int)at, (int)told[at]);
}

static json_t *answer_of(struct rig *r, int32_t ticket)
{
    json_t *answer = json_loads(nebula_asked(r->nebula, ticket), 0, NULL);
    assert_non_null(answer);
    assert_int_equal(rig_await(r, ticket, NULL), ERROR_OK);
    return answer;
}

/* --- one worker ------------------------------------------------------------------------------- */

static void others_have_their_turn_meanwhile(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    rig_open(&r);
    declare(&r, 0, MANY);
    int32_t ticket = nebula_ask_all(r.nebula, LS);
    int turns = 0;
    for (; !rig_is_answered(&r, ticket); turns++) {
        int32_t nap = nebula_sleep(r.nebula, 0);
        rig_pass(&r, 0); /* two turns */
        assert_true(rig_is_answered(&r, nap));
        rig_await(&r, nap, NULL);
        assert_true(turns < MANY);
    }
    assert_true(2 * turns >= MANY / A_TURN);
    json_t *ls = answer_of(&r, ticket);
    assert_told(ls, MANY, 1);
    assert_int_equal(json_array_size(told_at(ls, "resources")), MANY + 1);
    json_decref(ls);
    ls = json_loads(nebula_ask(r.nebula, LS), 0, NULL); /* which cannot wait */
    assert_told(ls, MANY, 1);
    json_decref(ls);
    rig_end(&r);
}

static void who_does_not_wait_for_it_any_more_leaves_nothing(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    rig_open(&r);
    declare(&r, 0, MANY);
    int32_t ticket = nebula_ask_all(r.nebula, LS);
    nebula_turn(r.nebula, 0);
    nebula_cancel(r.nebula, ticket);
    assert_int_equal(rig_await(&r, ticket, NULL), ERROR_CANCELLED);
    assert_true(nebula_ask_all(r.nebula, LS) > 0); /* the engine leaves */
    nebula_turn(r.nebula, 0);
    rig_end(&r);
}

/* --- what comes and goes ---------------------------------------------------------------------- */

/* A resource of his own, which nobody needs. */
static void touch(struct rig *r, const char *tenant)
{
    assert_int_equal(nebula_task_tenant(r->nebula, tenant), 0);
    assert_true(nebula_lease(r->nebula, r->shop, 0, 0, true) < 0);
}

/* His resource is told, forgotten, and there again in a place that was not told yet. */
static void who_comes_back_is_not_told_twice(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    r.option.value = "{tenant}";
    r.option.has_tenant = true;
    r.spec.tenants = 2;
    rig_open(&r);
    assert_int_equal(nebula_pause(r.nebula, r.shop), 0);
    touch(&r, "john");
    r.spec.tenants = 0;
    r.option.has_tenant = false;
    declare(&r, 0, MANY);
    touch(&r, "jane");
    int32_t last = nebula_find(r.nebula, "shop@jane");
    int32_t ticket = nebula_ask_all(r.nebula, LS);
    world_move(world_time_us() + TENANT_REST_US);
    nebula_turn(r.nebula, 0);
    touch(&r, "jim");
    touch(&r, "john");
    assert_int_equal(nebula_find(r.nebula, "shop@john"), last);
    rig_come(&r, ticket);
    json_t *ls = answer_of(&r, ticket), *one;
    size_t i, told = 0;
    json_array_foreach(told_at(ls, "resources"), i, one) told +=
        strcmp(told_text(one, "name"), "shop@john") == 0;
    assert_int_equal(told, 1);
    assert_told(ls, MANY, 1);
    json_decref(ls);
    rig_end(&r);
}

/* --- some workers ----------------------------------------------------------------------------- */

/* Not all know of the same ones, so each tells of all. */
static void begin(struct shift *w, int count)
{
    shift_begin(w, count);
    shift_open_all(w);
    for (int i = 0; i < count; i++)
        declare(&w->of[i], 0, MANY);
    declare(&w->of[0], MANY, MANY + 100);
}

static void of_some_workers_each_is_told_once(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w, 3);
    declare(&w.of[1], MANY + 100, MANY + 300);
    declare(&w.of[2], MANY + 200, MANY + 400);
    for (int i = 0; i < 3; i++)
        shift_hold(&w, i, MS);
    json_t *ls = told_in(&w, 0, LS);
    assert_told(ls, MANY + 400, 1);
    assert_int_equal(json_array_size(told_at(ls, "resources")), MANY + 401);
    json_t *shop = json_array_get(told_at(ls, "resources"), 0);
    assert_string_equal(told_text(shop, "name"), "shop");
    assert_int_equal(told_number(shop, "leases"), 3);
    json_decref(ls);
    shift_end(&w);
}

/* The other one turns every 800 ms, and has some turns' work. */
static void he_turns_rarely(struct shift *w)
{
    w->is_stuck[1] = world_time_us() % (800 * MS) != 0;
}

static void who_turns_is_waited_for(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w, 2);
    declare(&w.of[1], MANY + 100, 2 * MANY);
    w.looked = he_turns_rarely;
    shift_pass(&w, 800 * MS - world_time_us() % (800 * MS));
    int64_t begun_us = world_time_us();
    json_t *ls = told_in(&w, 0, LS);
    assert_true(world_time_us() - begun_us > GATHER_US);
    assert_null(json_object_get(ls, "silent"));
    assert_told(ls, 2 * MANY, 1);
    json_decref(ls);
    w.looked = NULL;
    w.is_stuck[1] = false;
    shift_end(&w);
}

/* One needs some turns for his part, and goes on turning when it is told. */
static void who_has_told_his_part_keeps_nobody_waiting(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w, 3);
    w.is_stuck[1] = true;
    int64_t begun_us = world_time_us();
    json_t *ls = told_in(&w, 0, LS);
    assert_true(world_time_us() - begun_us < 2 * GATHER_US);
    assert_int_equal(json_array_size(told_at(ls, "silent")), 1);
    json_decref(ls);
    w.is_stuck[1] = false;
    shift_end(&w);
}

static void of_those_that_only_others_have_some_are_told_in_a_turn(void **unused)
{
    (void)unused;
    struct shift w;
    int turns = 0;
    shift_begin(&w, 2);
    shift_open_all(&w);
    declare(&w.of[1], 0, MANY);
    int32_t ticket = nebula_ask_all(w.of[0].nebula, LS);
    for (int i = 0; i < 4 * MANY / A_TURN; i++) /* his part is here */
        nebula_turn(w.of[1].nebula, 0);
    for (; !rig_is_answered(&w.of[0], ticket); turns++)
        rig_pass(&w.of[0], 0);
    assert_true(2 * turns >= MANY / A_TURN);
    json_t *ls = answer_of(&w.of[0], ticket);
    assert_told(ls, MANY, 1);
    json_decref(ls);
    shift_end(&w);
}

/* He comes when the others are told, which takes some turns, and nothing of his is known then. */
static void whose_part_comes_too_late_is_not_told_by_half(void **unused)
{
    (void)unused;
    struct shift w;
    shift_begin(&w, 2);
    shift_open_all(&w);
    declare(&w.of[0], 0, MANY);
    declare(&w.of[1], MANY, MANY + 10);
    w.is_stuck[1] = true;
    int32_t ticket = nebula_ask_all(w.of[0].nebula, LS);
    shift_pass(&w, GATHER_US - MS);
    world_move(world_time_us() + 2 * MS);
    nebula_turn(w.of[0].nebula, 0); /* he is given up, and the first ones are told */
    assert_false(rig_is_answered(&w.of[0], ticket));
    w.is_stuck[1] = false;
    shift_come(&w, 0, ticket);
    json_t *ls = answer_of(&w.of[0], ticket);
    assert_int_equal(json_array_size(told_at(ls, "silent")), 1);
    assert_int_equal(json_array_size(told_at(ls, "resources")), MANY + 1);
    json_decref(ls);
    shift_end(&w);
}

static void while_one_is_silent_nothing_is_called_drained(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w, 2);
    shift_hold(&w, 1, MS);
    w.is_stuck[1] = true;
    int32_t ticket = nebula_drain(w.of[0].nebula, w.of[0].shop, 60 * SECOND);
    for (int is_silent = 1; is_silent >= 0; is_silent--) {
        json_t *ls = told_in(&w, 0, LS), *shop = json_array_get(told_at(ls, "resources"), 0);
        assert_string_equal(told_text(shop, "state"), is_silent ? "draining" : "drained");
        json_decref(ls);
        w.is_stuck[1] = false;
        shift_pass(&w, 10 * MS);
    }
    assert_int_equal(shift_await(&w, 0, ticket), ERROR_OK);
    shift_end(&w);
}

static void who_leaves_tells_the_rest_before(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w, 2);
    int32_t ticket = nebula_ask_all(w.of[0].nebula, LS);
    shift_pass(&w, 0);
    shift_close(&w, 1);
    shift_come(&w, 0, ticket);
    json_t *ls = answer_of(&w.of[0], ticket);
    assert_null(json_object_get(ls, "silent"));
    assert_told(ls, MANY + 100, 1);
    json_decref(ls);
    shift_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(others_have_their_turn_meanwhile),
        cmocka_unit_test(who_does_not_wait_for_it_any_more_leaves_nothing),
        cmocka_unit_test(who_comes_back_is_not_told_twice),
        cmocka_unit_test(of_some_workers_each_is_told_once),
        cmocka_unit_test(who_turns_is_waited_for),
        cmocka_unit_test(who_has_told_his_part_keeps_nobody_waiting),
        cmocka_unit_test(of_those_that_only_others_have_some_are_told_in_a_turn),
        cmocka_unit_test(whose_part_comes_too_late_is_not_told_by_half),
        cmocka_unit_test(while_one_is_silent_nothing_is_called_drained),
        cmocka_unit_test(who_leaves_tells_the_rest_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
