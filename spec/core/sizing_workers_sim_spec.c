/* What a strategy says of a pool's size, in all workers, and what they tell of it, in virtual time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "core/permits.h"
#include "core/pool.h"
#include "sim/sized.h"
#include "sim/told.h"

static void open_one(struct shift *w, int i)
{
    shift_open(w, i);
    assert_int_equal(nebula_strategy(w->of[i].nebula, w->of[i].shop, &sized_busy), 0);
}

static void begin_all(struct shift *w, int count)
{
    shift_begin(w, count);
    w->spec->pool.min = 1;
    w->spec->pool.max = 6;
    server_cap(w->of[0].server, 0, 6);
}

static int asker(struct shift *w, int count)
{
    int home = -1;
    struct nebula_bounds bounds;
    for (int i = 0; i < count; i++) {
        if (!shift_is_open(w, i) || nebula_home(w->of[i].nebula, w->of[i].shop, 0, &bounds) == 0)
            continue;
        assert_int_equal(home, -1);
        home = i;
    }
    return home;
}

static void use(struct shift *w, int count)
{
    for (int i = 0; i < count; i++)
        rig_release(&w->of[i], shift_lend(w, i));
}

static void of_all_workers_one_asks_and_another_one_when_it_leaves(void **unused)
{
    (void)unused;
    struct shift w;
    begin_all(&w, 3);
    for (int i = 0; i < 3; i++)
        open_one(&w, i);
    assert_int_equal(asker(&w, 3), -1);
    use(&w, 3);
    int home = asker(&w, 3);
    assert_true(home >= 0);
    shift_close(&w, home);
    shift_pass(&w, 10 * MS);
    assert_true(asker(&w, 3) >= 0 && asker(&w, 3) != home);
    shift_end(&w);
}

static void a_size_holds_in_all_and_for_who_comes_later(void **unused)
{
    (void)unused;
    struct shift w;
    begin_all(&w, 3);
    open_one(&w, 0);
    open_one(&w, 1);
    use(&w, 2);
    assert_int_equal(sized_say(&w.of[asker(&w, 2)], 0, 2), 0);
    shift_pass(&w, MS);
    open_one(&w, 2);
    for (int i = 0; i < 3; i++)
        assert_int_equal(sized_now(&w.of[i]), 2);
    server_cap(w.of[0].server, 0, 2);
    int64_t lease[2] = {shift_lend(&w, 2), shift_lend(&w, 1)};
    assert_int_equal(nebula_lease(w.of[0].nebula, w.of[0].shop, 0, 20 * MS, false), 0);
    assert_int_equal(shift_await(&w, 0, rig_ticket(&w.of[0])), ERROR_WAIT);
    rig_release(&w.of[2], lease[0]);
    rig_release(&w.of[1], lease[1]);
    shift_end(&w);
}

static void of_two_answers_the_later_one_holds_and_a_resize_moves_neither(void **unused)
{
    (void)unused;
    struct shift w;
    begin_all(&w, 3);
    for (int i = 0; i < 3; i++)
        open_one(&w, i);
    use(&w, 3);
    assert_int_equal(sized_say(&w.of[0], 0, 5), 0);
    assert_int_equal(nebula_resize(w.of[2].nebula, w.of[2].shop, -1, -1, 4), 0);
    assert_int_equal(sized_say(&w.of[1], 0, 3), 0);
    shift_pass(&w, MS);
    for (int i = 0; i < 3; i++)
        assert_int_equal(sized_now(&w.of[i]), 3);
    assert_int_equal(nebula_resize(w.of[0].nebula, w.of[0].shop, -1, 1, 6), 0);
    shift_pass(&w, MS);
    for (int i = 0; i < 3; i++)
        assert_int_equal(sized_now(&w.of[i]), 3);
    shift_end(&w);
}

/* He was there when it was said, or not, and joins the pool while nobody in it has heard of it. */
static void a_size_holds_for_all_though_who_joins_hears_of_it_first(void **unused)
{
    (void)unused;
    for (int joins = 1; joins < 3; joins++) {
        struct shift w;
        begin_all(&w, 3);
        open_one(&w, 0);
        open_one(&w, 1);
        rig_release(&w.of[0], shift_lend(&w, 0));
        w.is_stuck[0] = true;
        assert_int_equal(sized_say(&w.of[1], 0, 1), 0);
        open_one(&w, 2);
        struct rig *one = &w.of[joins];
        assert_int_equal(nebula_lease(one->nebula, one->shop, 0, SECOND, false), 0);
        int32_t ticket = rig_ticket(one);
        assert_int_equal(rig_pool(one)->stake.permits->max, 1);
        w.is_stuck[0] = false;
        assert_int_equal(shift_await(&w, joins, ticket), ERROR_OK);
        assert_int_equal(server_wires(w.of[0].server, 0), 1);
        shift_end(&w);
    }
}

static const json_t *told_strategy(const json_t *inspected)
{
    return told_at(told_at(inspected, "resource"), "strategy");
}

static json_t *told_pool(const json_t *inspected)
{
    return json_array_get(told_at(told_strategy(inspected), "pools"), 0);
}

static void what_is_declared_anew_keeps_what_was_answered(void **unused)
{
    (void)unused;
    struct shift w;
    begin_all(&w, 1);
    open_one(&w, 0);
    use(&w, 1);
    assert_int_equal(sized_say(&w.of[0], 0, 5), 0);
    const struct nebula_strategy other = {.name = "calm", .every_us = 250 * MS};
    assert_int_equal(nebula_strategy(w.of[0].nebula, w.of[0].shop, &other), 0);
    json_t *told = told_in(&w, 0, TOLD_INSPECT);
    assert_string_equal(told_text(told_strategy(told), "name"), "calm");
    assert_string_equal(told_text(told_strategy(told), "file"), "");
    assert_int_equal((int)(json_real_value(told_at(told_strategy(told), "every")) * 1000), 250);
    assert_int_equal((int)json_real_value(told_at(told_pool(told), "answer")), 5);
    json_decref(told);
    shift_end(&w);
}

/* Also when what was said first is heard last; and who comes later finds each of them. */
static void each_role_has_a_size_of_its_own_in_all_workers(void **unused)
{
    (void)unused;
    struct shift w;
    begin_all(&w, 3);
    w.spec->roles = 2;
    w.spec->role_name[1] = "other";
    open_one(&w, 0);
    open_one(&w, 1);
    assert_int_equal(sized_say(&w.of[0], 1, 3), 0);
    assert_int_equal(sized_say(&w.of[1], 0, 5), 0);
    shift_pass(&w, MS);
    open_one(&w, 2);
    for (int i = 0; i < 3; i++) {
        const struct resource *shop = table_get(&w.of[i].engine->resources, w.of[i].shop);
        assert_int_equal(resource_size(shop, 0).max, 5);
        assert_int_equal(resource_size(shop, 1).max, 3);
    }
    shift_end(&w);
}

static void the_later_answer_is_told_and_why_there_is_none(void **unused)
{
    (void)unused;
    struct shift w;
    begin_all(&w, 2);
    open_one(&w, 0);
    open_one(&w, 1);
    use(&w, 2);
    json_t *told = told_in(&w, 0, TOLD_INSPECT);
    const json_t *strategy = told_strategy(told);
    assert_string_equal(told_text(strategy, "name"), "busy");
    assert_string_equal(told_text(strategy, "file"), "policies/busy.lua");
    assert_int_equal(told_number(strategy, "line"), 3);
    assert_int_equal(json_array_size(told_at(strategy, "pools")), 0);
    json_decref(told);
    assert_int_equal(sized_say(&w.of[1], 0, 5), 0);
    struct world *world = w.of[1].engine->world;
    double now = (double)world->wall_us(world) / 1e6;
    for (int i = 0; i < 2; i++) {
        told = told_in(&w, i, TOLD_INSPECT); /* worker 0 was never asked */
        assert_int_equal((int)json_real_value(told_at(told_pool(told), "answer")), 5);
        double asked = json_real_value(told_at(told_pool(told), "asked"));
        assert_true(asked > now - 0.001 && asked < now + 0.001);
        assert_true(json_real_value(told_at(told_pool(told), "answered")) == asked);
        json_decref(told);
    }
    shift_pass(&w, SECOND);
    const struct nebula_sized none = {.size = 0, .why = "it failed"};
    assert_int_equal(nebula_size(w.of[0].nebula, w.of[0].shop, 0, &none), 0);
    for (int i = 0; i < 2; i++) {
        told = told_in(&w, i, TOLD_INSPECT);
        assert_string_equal(told_text(told_pool(told), "why"), "it failed");
        assert_int_equal(told_number(told_pool(told), "size"), 5);
        assert_int_equal((int)json_real_value(told_at(told_pool(told), "answer")), 5);
        assert_true(json_real_value(told_at(told_pool(told), "asked")) >
                    json_real_value(told_at(told_pool(told), "answered")));
        json_decref(told);
    }
    shift_pass(&w, SECOND);
    assert_int_equal(sized_say(&w.of[1], 0, 4), 0);
    shift_pass(&w, MS);
    for (int i = 0; i < 2; i++) {
        told = told_in(&w, i, TOLD_INSPECT);
        assert_null(json_object_get(told_pool(told), "why"));
        assert_int_equal((int)json_real_value(told_at(told_pool(told), "answer")), 4);
        assert_true(json_real_value(told_at(told_pool(told), "answered")) > 0);
        json_decref(told);
    }
    shift_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_all_workers_one_asks_and_another_one_when_it_leaves),
        cmocka_unit_test(a_size_holds_in_all_and_for_who_comes_later),
        cmocka_unit_test(of_two_answers_the_later_one_holds_and_a_resize_moves_neither),
        cmocka_unit_test(a_size_holds_for_all_though_who_joins_hears_of_it_first),
        cmocka_unit_test(what_is_declared_anew_keeps_what_was_answered),
        cmocka_unit_test(each_role_has_a_size_of_its_own_in_all_workers),
        cmocka_unit_test(the_later_answer_is_told_and_why_there_is_none),
    };
    return cmocka_run_group_tests_name("sizing in workers", tests, NULL, NULL);
}
