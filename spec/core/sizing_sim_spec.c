/* What a strategy says of a pool's size, between the bounds and in all workers, in virtual time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

#include "core/order.h"
#include "core/permits.h"
#include "core/record.h"
#include "core/sizing.h"
#include "sim/memory.h"
#include "sim/told.h"

static const struct nebula_strategy busy = {
    .name = "busy", .file = "policies/busy.lua", .line = 3, .every_us = SECOND};

static int32_t said(struct rig *r, int32_t role, int32_t size)
{
    const struct nebula_sized told = {.size = size, .answer = (double)size};
    return nebula_size(r->nebula, r->shop, role, &told);
}

static int32_t size_of(struct rig *r)
{
    return resource_size(table_get(&r->engine->resources, r->shop), 0).max;
}

static void begin(struct rig *r, int32_t min, int32_t max)
{
    rig_begin(r);
    r->spec.pool.min = min;
    r->spec.pool.max = max;
    rig_open(r);
    assert_int_equal(nebula_strategy(r->nebula, r->shop, &busy), 0);
}

/* --- one worker ------------------------------------------------------------------------------- */

static void a_size_is_kept_between_the_bounds(void **unused)
{
    (void)unused;
    static const struct {
        int32_t min, max, size, is;
    } row[] = {
        {2, 20, 0, 20},  {2, 20, 1, 2},   {2, 20, 2, 2}, {2, 20, 3, 3},          {2, 20, 19, 19},
        {2, 20, 20, 20}, {2, 20, 21, 20}, {0, 20, 1, 1}, {2, 20, INT32_MAX, 20}, {5, 5, 7, 5},
    };
    for (size_t i = 0; i < COUNT(row); i++) {
        struct rig r;
        begin(&r, row[i].min, row[i].max);
        assert_int_equal(said(&r, 0, row[i].size), 0);
        assert_int_equal(size_of(&r), row[i].is);
        rig_end(&r);
    }
}

/* Only when it is another one: what is beyond the bounds is not. */
static void each_change_is_told_with_its_place(void **unused)
{
    (void)unused;
    static const struct {
        int32_t size, from, to;
    } row[] = {{8, 20, 8}, {8, 0, 0}, {3, 8, 3}, {1, 3, 2}, {2, 0, 0}, {99, 2, 20}, {20, 0, 0}};
    struct rig r;
    begin(&r, 2, 20);
    const struct resource *shop = table_get(&r.engine->resources, r.shop);
    uint64_t changes = 0;
    for (size_t i = 0; i < COUNT(row); i++) {
        assert_int_equal(said(&r, 0, row[i].size), 0);
        changes += row[i].to > 0;
        assert_int_equal(shop->records->of_itself, changes);
        if (row[i].to == 0)
            continue;
        const struct record *last = records_itself(shop->records, (uint32_t)changes - 1);
        assert_int_equal(last->what, RECORD_SIZED);
        assert_int_equal(last->number[0], 1);
        assert_int_equal(last->number[1], row[i].from);
        assert_int_equal(last->number[2], row[i].to);
        assert_string_equal(last->file, "policies/busy.lua");
        assert_int_equal(last->line, 3);
    }
    rig_end(&r);
}

/* The bounds are the operator's, and what is between them the strategy's. */
static void bounds_that_move_take_the_size_along(void **unused)
{
    (void)unused;
    struct rig r;
    begin(&r, 2, 20);
    assert_int_equal(said(&r, 0, 8), 0);
    assert_int_equal(nebula_resize(r.nebula, r.shop, -1, -1, 5), 0);
    assert_int_equal(size_of(&r), 5);
    assert_int_equal(nebula_resize(r.nebula, r.shop, -1, 10, 30), 0);
    assert_int_equal(size_of(&r), 10);
    assert_int_equal(nebula_resize(r.nebula, r.shop, 0, 0, 40), 0);
    assert_int_equal(size_of(&r), 8); /* what was said still holds */
    struct nebula_bounds bounds;
    assert_int_equal(nebula_home(r.nebula, r.shop, 0, &bounds), 0); /* nobody used it yet */
    assert_true(bounds.min == 0 && bounds.max == 40 && bounds.size == 8);
    assert_int_equal(nebula_resize(r.nebula, r.shop, 0, 9, -1), 0); /* max stays as it was */
    assert_int_equal(nebula_home(r.nebula, r.shop, 0, &bounds), 0);
    assert_true(bounds.min == 9 && bounds.max == 40 && bounds.size == 9);
    rig_end(&r);
}

static void growing_serves_who_waits_and_shrinking_cuts_off_nobody(void **unused)
{
    (void)unused;
    struct rig r;
    begin(&r, 0, 4);
    assert_int_equal(said(&r, 0, 1), 0);
    int64_t first = rig_lease(&r);
    assert_int_equal(rig_ask(&r), 0);
    int32_t waits = rig_ticket(&r);
    rig_pass(&r, 100 * MS);
    assert_false(rig_is_answered(&r, waits));
    assert_int_equal(said(&r, 0, 2), 0);
    int64_t second = rig_lease_of(&r, waits);
    assert_true(second > 0 && second != first);
    assert_int_equal(said(&r, 0, 1), 0);
    rig_pass(&r, 10 * MS);
    assert_int_equal(rig_count(&r, CONN_LEASED), 2);
    rig_release(&r, first);
    rig_pass(&r, 10 * MS);
    assert_int_equal(pool_all(rig_pool(&r)), 1);
    rig_release(&r, second);
    rig_end(&r);
}

static void it_is_asked_for_while_it_is_used(void **unused)
{
    (void)unused;
    struct rig r;
    struct nebula_bounds bounds;
    begin(&r, 1, 4);
    assert_int_equal(nebula_home(r.nebula, r.shop, 0, &bounds), 0);
    rig_release(&r, rig_lease(&r));
    assert_int_equal(nebula_home(r.nebula, r.shop, 0, &bounds), 1);
    assert_true(bounds.min == 1 && bounds.max == 4 && bounds.size == 4);
    nebula_pause(r.nebula, r.shop);
    assert_int_equal(nebula_home(r.nebula, r.shop, 0, &bounds), 0);
    nebula_resume(r.nebula, r.shop);
    assert_int_equal(nebula_home(r.nebula, r.shop, 0, &bounds), 1);
    assert_true(nebula_drain(r.nebula, r.shop, SECOND) > 0);
    assert_int_equal(nebula_home(r.nebula, r.shop, 0, &bounds), 0);
    rig_pass(&r, 10 * MS);
    r.is_answered[1] = false;
    rig_end(&r);
}

static void a_role_whose_kind_says_max_is_left_alone(void **unused)
{
    (void)unused;
    struct rig r;
    struct nebula_bounds bounds;
    rig_begin(&r);
    r.spec.roles = 3;
    r.spec.role_name[1] = "writer";
    r.spec.role_name[2] = "other";
    r.spec.role_max[1] = 1;
    r.spec.role_is_fixed[1] = true;
    r.spec.pool.min = 2;
    r.spec.pool.max = 9;
    rig_open(&r);
    assert_int_equal(nebula_strategy(r.nebula, r.shop, &busy), 0);
    const struct resource *shop = table_get(&r.engine->resources, r.shop);
    assert_int_equal(said(&r, 1, 2), -ERROR_USAGE);
    assert_int_equal(nebula_lease(r.nebula, r.shop, 1, SECOND, false), 0);
    rig_release(&r, rig_lease_of(&r, rig_ticket(&r)));
    assert_int_equal(nebula_home(r.nebula, r.shop, 1, &bounds), 0);
    assert_int_equal(said(&r, 2, 1), 0);
    assert_int_equal(resource_size(shop, 0).max, 9);
    assert_int_equal(resource_size(shop, 1).max, 1);
    assert_int_equal(resource_size(shop, 2).max, 1); /* only the first keeps a minimum */
    rig_end(&r);
}

static void what_makes_no_sense_is_refused(void **unused)
{
    (void)unused;
    struct rig r;
    struct nebula_bounds bounds;
    struct nebula_strategy wrong[] = {busy, busy, busy};
    wrong[0].name = NULL;
    wrong[1].every_us = 0;
    wrong[2].every_us = -1;
    rig_begin(&r);
    rig_open(&r);
    assert_int_equal(said(&r, 0, 3), -ERROR_USAGE); /* it has none */
    for (size_t i = 0; i < COUNT(wrong); i++)
        assert_int_equal(nebula_strategy(r.nebula, r.shop, &wrong[i]), -ERROR_CONFIG);
    assert_int_equal(nebula_strategy(r.nebula, r.shop + 1, &busy), -ERROR_USAGE);
    assert_int_equal(nebula_strategy(r.nebula, r.shop, &busy), 0);
    assert_int_equal(said(&r, 0, -1), -ERROR_USAGE);
    assert_int_equal(said(&r, -1, 3), -ERROR_USAGE);
    assert_int_equal(said(&r, 1, 3), -ERROR_USAGE);
    assert_int_equal(nebula_home(r.nebula, r.shop, 1, &bounds), -ERROR_USAGE);
    assert_int_equal(nebula_home(r.nebula, r.shop + 1, 0, &bounds), -ERROR_USAGE);
    rig_end(&r);
}

static void without_memory_it_has_none_and_then_one(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    rig_open(&r);
    int64_t nth = 1;
    for (;; nth++) {
        memory_fail(nth);
        int32_t code = nebula_strategy(r.nebula, r.shop, &busy);
        memory_fail(0);
        if (code == 0)
            break;
        assert_int_equal(code, -ERROR_MEMORY);
        assert_int_equal(said(&r, 0, 3), -ERROR_USAGE); /* it has none */
    }
    assert_true(nth > 3);
    assert_int_equal(said(&r, 0, 3), 0);
    rig_end(&r);
}

static void one_whose_session_is_its_data_has_none(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    r.spec.is_data = true;
    r.spec.pool.min = r.spec.pool.max = 1;
    rig_open(&r);
    assert_int_equal(nebula_strategy(r.nebula, r.shop, &busy), -ERROR_CONFIG);
    rig_end(&r);
}

static void a_resource_of_tenants_has_none(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    r.option.value = "{tenant}";
    r.option.has_tenant = true;
    r.spec.tenant = "^%a+$";
    r.spec.tenants = 2;
    rig_open(&r);
    assert_int_equal(nebula_strategy(r.nebula, r.shop, &busy), -ERROR_CONFIG);
    rig_end(&r);
}

/* It is said by who was asked, so it is no verb. */
static void nobody_orders_it_by_the_socket(void **unused)
{
    (void)unused;
    struct order o;
    struct error why;
    json_t *request = json_pack("{s:s, s:s, s:i}", "verb", "size", "name", "shop", "size", 3);
    assert_false(order_read(request, &o, &why));
    assert_non_null(strstr(why.text, "no such verb"));
    assert_null(strstr(why.text, ", size"));
    json_decref(request);
}

/* --- several workers -------------------------------------------------------------------------- */

static void open_one(struct shift *w, int i)
{
    shift_open(w, i);
    assert_int_equal(nebula_strategy(w->of[i].nebula, w->of[i].shop, &busy), 0);
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
    assert_int_equal(said(&w.of[asker(&w, 2)], 0, 2), 0);
    shift_pass(&w, MS);
    open_one(&w, 2);
    for (int i = 0; i < 3; i++)
        assert_int_equal(size_of(&w.of[i]), 2);
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
    assert_int_equal(said(&w.of[0], 0, 5), 0);
    assert_int_equal(nebula_resize(w.of[2].nebula, w.of[2].shop, -1, -1, 4), 0);
    assert_int_equal(said(&w.of[1], 0, 3), 0);
    shift_pass(&w, MS);
    for (int i = 0; i < 3; i++)
        assert_int_equal(size_of(&w.of[i]), 3);
    assert_int_equal(nebula_resize(w.of[0].nebula, w.of[0].shop, -1, 1, 6), 0);
    shift_pass(&w, MS);
    for (int i = 0; i < 3; i++)
        assert_int_equal(size_of(&w.of[i]), 3);
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
        assert_int_equal(said(&w.of[1], 0, 1), 0);
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
    assert_int_equal(said(&w.of[0], 0, 5), 0);
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
    assert_int_equal(said(&w.of[0], 1, 3), 0);
    assert_int_equal(said(&w.of[1], 0, 5), 0);
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
    assert_int_equal(said(&w.of[1], 0, 5), 0);
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
    assert_int_equal(said(&w.of[1], 0, 4), 0);
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
        cmocka_unit_test(a_size_is_kept_between_the_bounds),
        cmocka_unit_test(each_change_is_told_with_its_place),
        cmocka_unit_test(bounds_that_move_take_the_size_along),
        cmocka_unit_test(growing_serves_who_waits_and_shrinking_cuts_off_nobody),
        cmocka_unit_test(it_is_asked_for_while_it_is_used),
        cmocka_unit_test(a_role_whose_kind_says_max_is_left_alone),
        cmocka_unit_test(what_makes_no_sense_is_refused),
        cmocka_unit_test(without_memory_it_has_none_and_then_one),
        cmocka_unit_test(one_whose_session_is_its_data_has_none),
        cmocka_unit_test(a_resource_of_tenants_has_none),
        cmocka_unit_test(nobody_orders_it_by_the_socket),
        cmocka_unit_test(of_all_workers_one_asks_and_another_one_when_it_leaves),
        cmocka_unit_test(a_size_holds_in_all_and_for_who_comes_later),
        cmocka_unit_test(of_two_answers_the_later_one_holds_and_a_resize_moves_neither),
        cmocka_unit_test(a_size_holds_for_all_though_who_joins_hears_of_it_first),
        cmocka_unit_test(what_is_declared_anew_keeps_what_was_answered),
        cmocka_unit_test(each_role_has_a_size_of_its_own_in_all_workers),
        cmocka_unit_test(the_later_answer_is_told_and_why_there_is_none),
    };
    return cmocka_run_group_tests_name("sizing", tests, NULL, NULL);
}
