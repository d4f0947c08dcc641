/* What a strategy says of a pool's size, between the bounds, in virtual time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

#include "core/order.h"
#include "core/record.h"
#include "sim/memory.h"
#include "sim/sized.h"

static void begin(struct rig *r, int32_t min, int32_t max)
{
    rig_begin(r);
    r->spec.pool.min = min;
    r->spec.pool.max = max;
    rig_open(r);
    assert_int_equal(nebula_strategy(r->nebula, r->shop, &sized_busy), 0);
}

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
        assert_int_equal(sized_say(&r, 0, row[i].size), 0);
        assert_int_equal(sized_now(&r), row[i].is);
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
        assert_int_equal(sized_say(&r, 0, row[i].size), 0);
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
    assert_int_equal(sized_say(&r, 0, 8), 0);
    assert_int_equal(nebula_resize(r.nebula, r.shop, -1, -1, 5), 0);
    assert_int_equal(sized_now(&r), 5);
    assert_int_equal(nebula_resize(r.nebula, r.shop, -1, 10, 30), 0);
    assert_int_equal(sized_now(&r), 10);
    assert_int_equal(nebula_resize(r.nebula, r.shop, 0, 0, 40), 0);
    assert_int_equal(sized_now(&r), 8); /* what was said still holds */
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
    assert_int_equal(sized_say(&r, 0, 1), 0);
    int64_t first = rig_lease(&r);
    assert_int_equal(rig_ask(&r), 0);
    int32_t waits = rig_ticket(&r);
    rig_pass(&r, 100 * MS);
    assert_false(rig_is_answered(&r, waits));
    assert_int_equal(sized_say(&r, 0, 2), 0);
    int64_t second = rig_lease_of(&r, waits);
    assert_true(second > 0 && second != first);
    assert_int_equal(sized_say(&r, 0, 1), 0);
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
    assert_int_equal(nebula_strategy(r.nebula, r.shop, &sized_busy), 0);
    const struct resource *shop = table_get(&r.engine->resources, r.shop);
    assert_int_equal(sized_say(&r, 1, 2), -ERROR_USAGE);
    assert_int_equal(nebula_lease(r.nebula, r.shop, 1, SECOND, false), 0);
    rig_release(&r, rig_lease_of(&r, rig_ticket(&r)));
    assert_int_equal(nebula_home(r.nebula, r.shop, 1, &bounds), 0);
    assert_int_equal(sized_say(&r, 2, 1), 0);
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
    struct nebula_strategy wrong[] = {sized_busy, sized_busy, sized_busy};
    wrong[0].name = NULL;
    wrong[1].every_us = 0;
    wrong[2].every_us = -1;
    rig_begin(&r);
    rig_open(&r);
    assert_int_equal(sized_say(&r, 0, 3), -ERROR_USAGE); /* it has none */
    for (size_t i = 0; i < COUNT(wrong); i++)
        assert_int_equal(nebula_strategy(r.nebula, r.shop, &wrong[i]), -ERROR_CONFIG);
    assert_int_equal(nebula_strategy(r.nebula, r.shop + 1, &sized_busy), -ERROR_USAGE);
    assert_int_equal(nebula_strategy(r.nebula, r.shop, &sized_busy), 0);
    assert_int_equal(sized_say(&r, 0, -1), -ERROR_USAGE);
    assert_int_equal(sized_say(&r, -1, 3), -ERROR_USAGE);
    assert_int_equal(sized_say(&r, 1, 3), -ERROR_USAGE);
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
        int32_t code = nebula_strategy(r.nebula, r.shop, &sized_busy);
        memory_fail(0);
        if (code == 0)
            break;
        assert_int_equal(code, -ERROR_MEMORY);
        assert_int_equal(sized_say(&r, 0, 3), -ERROR_USAGE); /* it has none */
    }
    assert_true(nth > 3);
    assert_int_equal(sized_say(&r, 0, 3), 0);
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
    assert_int_equal(nebula_strategy(r.nebula, r.shop, &sized_busy), -ERROR_CONFIG);
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
    assert_int_equal(nebula_strategy(r.nebula, r.shop, &sized_busy), -ERROR_CONFIG);
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
    };
    return cmocka_run_group_tests_name("sizing", tests, NULL, NULL);
}
