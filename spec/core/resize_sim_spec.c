/* The bounds of a pool change while it runs, in virtual time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "core/again.h"
#include "sim/rig.h"

static int32_t resize(struct rig *r, int32_t min, int32_t max)
{
    return nebula_resize(r->nebula, r->shop, -1, min, max);
}

static void growing_serves_who_waits_at_once(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    r.spec.pool.max = 1;
    rig_open(&r);
    int64_t first = rig_lease(&r);
    assert_int_equal(rig_ask(&r), 0);
    int32_t waits = rig_ticket(&r);
    rig_pass(&r, 100 * MS);
    assert_false(rig_is_answered(&r, waits));
    assert_int_equal(resize(&r, -1, 3), 0);
    rig_pass(&r, 10 * MS);
    int64_t second = rig_lease_of(&r, waits);
    assert_true(second > 0 && second != first);
    assert_int_equal(resize(&r, 3, -1), 0);
    rig_pass(&r, 100 * MS);
    assert_int_equal(pool_all(rig_pool(&r)), 3);
    rig_end(&r);
}

static void shrinking_closes_what_is_idle_at_once_and_the_rest_as_it_comes_home(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    r.spec.pool.max = 6;
    rig_open(&r);
    int64_t lease[6];
    for (int i = 0; i < 6; i++)
        lease[i] = rig_lease(&r);
    rig_release(&r, lease[4]);
    rig_release(&r, lease[5]);
    assert_int_equal(resize(&r, -1, 2), 0);
    rig_pass(&r, 10 * MS);
    assert_int_equal(rig_count(&r, CONN_IDLE), 0);
    assert_int_equal(rig_count(&r, CONN_LEASED), 4); /* nobody was cut off */
    for (int i = 0; i < 2; i++)
        rig_release(&r, lease[i]);
    rig_pass(&r, 10 * MS);
    assert_int_equal(pool_all(rig_pool(&r)), 2); /* the first to come home left */
    rig_release(&r, lease[2]);
    assert_int_equal(rig_count(&r, CONN_IDLE), 1); /* on the short path again */
    int64_t again = rig_ask(&r);
    assert_true(again > 0);
    assert_int_equal(rig_ask(&r), 0);
    rig_end(&r);
}

static void above_the_bound_nobody_new_is_served_before_it_is_reached(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    r.spec.pool.max = 3;
    rig_open(&r);
    int64_t lease[3];
    for (int i = 0; i < 3; i++)
        lease[i] = rig_lease(&r);
    assert_int_equal(resize(&r, 0, 1), 0);
    assert_int_equal(rig_ask(&r), 0);
    int32_t waits = rig_ticket(&r);
    rig_release(&r, lease[0]);
    rig_release(&r, lease[1]);
    rig_pass(&r, 10 * MS);
    assert_false(rig_is_answered(&r, waits));
    rig_release(&r, lease[2]);
    assert_int_equal(rig_lease_of(&r, waits) > 0, true);
    assert_int_equal(pool_all(rig_pool(&r)), 1);
    rig_end(&r);
}

static void what_is_being_opened_is_counted(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    r.spec.pool.min = 2;
    rig_open(&r);
    server_order(r.server, FAULT_SLOW_OPEN);
    server_order(r.server, FAULT_SLOW_OPEN);
    nebula_cancel(r.nebula, nebula_start(r.nebula, r.shop));
    rig_pass(&r, MS);
    assert_int_equal(resize(&r, 0, 1), 0);
    rig_pass(&r, 3 * SECOND);
    assert_int_equal(pool_all(rig_pool(&r)), 1);
    assert_int_equal(rig_count(&r, CONN_IDLE), 1);
    r.is_answered[1] = false;
    rig_end(&r);
}

/* It connected, and that it is closed at once speaks against nobody. */
static void what_is_opened_in_vain_is_no_failure(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    r.spec.pool.min = 2;
    rig_open(&r);
    int32_t ticket = nebula_start(r.nebula, r.shop);
    assert_int_equal(nebula_reconnect(r.nebula, r.shop, 100, 0) > 0, true);
    assert_int_equal(resize(&r, 1, 1), 0);
    rig_pass(&r, SECOND);
    assert_int_equal(rig_await(&r, ticket, NULL), ERROR_OK);
    assert_true(rig_pool(&r)->stats.closed > 0);
    assert_int_equal(rig_pool(&r)->stats.open_failed, 0);
    assert_null(rig_pool(&r)->trouble);
    rig_end(&r);
}

static void a_role_has_bounds_of_its_own(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    r.spec.roles = 3;
    r.spec.role_name[1] = "writer";
    r.spec.role_name[2] = "other";
    r.spec.role_max[1] = 1;
    r.spec.role_is_fixed[1] = true;
    rig_open(&r);
    const struct resource *shop = table_get(&r.engine->resources, r.shop);
    assert_int_equal(nebula_resize(r.nebula, r.shop, 2, -1, 5), 0);
    assert_int_equal(resize(&r, 1, 7), 0);
    assert_int_equal(resource_size(shop, 0).max, 7);
    assert_int_equal(resource_size(shop, 0).min, 1);
    assert_int_equal(resource_size(shop, 1).max, 1);
    assert_int_equal(resource_size(shop, 2).max, 5);
    assert_int_equal(nebula_resize(r.nebula, r.shop, 0, 2, 2), 0);
    assert_int_equal(resize(&r, 3, -1), -ERROR_USAGE); /* the first has two at most */
    assert_int_equal(nebula_resize(r.nebula, r.shop, 1, -1, 2), -ERROR_USAGE);
    assert_int_equal(nebula_resize(r.nebula, r.shop, 2, 1, 2), -ERROR_USAGE);
    rig_end(&r);
}

/* What is alike is kept once, and its bounds are not. */
static void another_one_that_was_declared_alike_keeps_its_bounds(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    r.spec.pool.max = 3;
    rig_open(&r);
    r.spec.name = "other";
    int32_t other = nebula_declare(r.nebula, &r.spec);
    struct resource *one = table_get(&r.engine->resources, r.shop);
    struct resource *two = table_get(&r.engine->resources, other);
    assert_ptr_equal(one->spec, two->spec);
    assert_int_equal(resize(&r, -1, 5), 0);
    assert_int_equal(resource_size(one, 0).max, 5);
    assert_int_equal(resource_size(two, 0).max, 3);
    r.spec.name = "third";
    r.spec.policy.tries++;
    int32_t third = nebula_declare(r.nebula, &r.spec);
    assert_int_equal(again_policy(table_get(&r.engine->resources, third), NULL).tries,
                     again_policy(one, NULL).tries + 1);
    rig_end(&r);
}

static void what_makes_no_sense_is_refused(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    r.spec.pool.min = 1;
    rig_open(&r);
    static const int32_t wrong[][2] = {{-1, -1}, {-2, 3}, {0, -2}, {0, 0}, {3, -1}, {4, 3}};
    for (size_t i = 0; i < COUNT(wrong); i++)
        assert_int_equal(resize(&r, wrong[i][0], wrong[i][1]), -ERROR_USAGE);
    assert_int_equal(nebula_resize(r.nebula, r.shop, 1, -1, 3), -ERROR_USAGE);
    assert_int_equal(nebula_resize(r.nebula, r.shop, -2, -1, 3), -ERROR_USAGE);
    assert_int_equal(nebula_resize(r.nebula, r.shop + 1, -1, -1, 3), -ERROR_USAGE);
    int64_t number[2] = {-1, -1};
    assert_true(nebula_stats(r.nebula, r.shop, -1, number, 1) > 20);
    assert_int_equal(number[1], -1); /* no more than there is room for */
    assert_int_equal(nebula_stats(r.nebula, r.shop, 1, number, 2), -ERROR_USAGE);
    assert_int_equal(nebula_stats(r.nebula, r.shop, -2, number, 2), -ERROR_USAGE);
    assert_int_equal(nebula_stats(r.nebula, r.shop + 1, 0, number, 2), -ERROR_USAGE);
    assert_null(nebula_counter(-1));
    assert_null(nebula_counter(nebula_stats(r.nebula, r.shop, -1, NULL, 0)));
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(growing_serves_who_waits_at_once),
        cmocka_unit_test(shrinking_closes_what_is_idle_at_once_and_the_rest_as_it_comes_home),
        cmocka_unit_test(above_the_bound_nobody_new_is_served_before_it_is_reached),
        cmocka_unit_test(what_is_being_opened_is_counted),
        cmocka_unit_test(what_is_opened_in_vain_is_no_failure),
        cmocka_unit_test(a_role_has_bounds_of_its_own),
        cmocka_unit_test(another_one_that_was_declared_alike_keeps_its_bounds),
        cmocka_unit_test(what_makes_no_sense_is_refused),
    };
    return cmocka_run_group_tests_name("resize", tests, NULL, NULL);
}
