/* A resource for each tenant, in virtual time: what the border promises of it, and what happens when an
 * allocation fails in the middle of making one. */
#include "core/tenant.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/counters.h"
#include "core/places.h"
#include "sim/memory.h"
#include "sim/rig.h"

/* The server of the rig is called shop, so that is the tenant who finds one. */
static void begin(struct rig *r, const char *pattern)
{
    rig_begin(r);
    r->option.value = "{tenant}";
    r->option.has_tenant = true;
    r->spec.tenant = pattern;
    r->spec.tenants = 2;
}

static int32_t code_of(struct rig *r, const char *tenant)
{
    assert_int_equal(nebula_task_tenant(r->nebula, tenant), 0);
    int32_t ticket = rig_call(r, 0, "add 1 1");
    return ticket < 0 ? -ticket : rig_await(r, ticket, NULL);
}

static void each_has_a_resource_of_his_own(void **unused)
{
    (void)unused;
    struct rig r;
    begin(&r, NULL);
    struct server *other = server_new("other", 2);
    rig_open(&r);
    assert_int_equal(code_of(&r, "shop"), ERROR_OK);
    int32_t own = nebula_find(r.nebula, "shop@shop");
    assert_true(own > 0 && own != r.shop);
    assert_null(engine_pool(r.engine, r.shop, 0));
    assert_int_equal(engine_pool(r.engine, own, 0)->conns.count, 1);
    assert_int_equal(code_of(&r, "shop"), ERROR_OK);
    assert_int_equal(engine_pool(r.engine, own, 0)->conns.count, 1);
    int64_t lease = rig_lease(&r);
    assert_true(lease > 0);
    rig_release(&r, lease);
    assert_int_equal(code_of(&r, "other"), ERROR_OK);
    assert_int_equal(server_sessions(other), 1);
    assert_int_equal(code_of(&r, "third"), ERROR_LIMIT);
    assert_int_equal(code_of(&r, ""), ERROR_USAGE);
    assert_int_equal(nebula_start(r.nebula, r.shop), -ERROR_USAGE);
    assert_int_equal(nebula_retry(r.nebula, r.shop, 1), -ERROR_USAGE);
    assert_int_equal(rig_ask(&r), -ERROR_USAGE);
    rig_end(&r);
    server_free(&other);
}

/* Of whoever came before that was said, and of whoever comes behind. */
static void his_settings_stand_where_those_of_all_do(void **unused)
{
    (void)unused;
    struct rig r;
    const struct nebula_place first[] = {{"a.lua", 3}}, second[] = {{"b.lua", 4}};
    begin(&r, NULL);
    struct server *other = server_new("other", 2);
    rig_open(&r);
    assert_int_equal(nebula_places(r.nebula, r.shop, first, 1), 0);
    assert_int_equal(code_of(&r, "shop"), ERROR_OK);
    const struct resource *own = resource_find(r.engine, "shop@shop");
    assert_string_equal(place_of(own, NEBULA_SETTING_DEADLINE).file, "a.lua");
    assert_int_equal(nebula_places(r.nebula, r.shop, second, 1), 0);
    assert_string_equal(place_of(own, NEBULA_SETTING_DEADLINE).file, "b.lua");
    assert_int_equal(code_of(&r, "other"), ERROR_OK);
    own = resource_find(r.engine, "shop@other");
    assert_string_equal(place_of(own, NEBULA_SETTING_DEADLINE).file, "b.lua");
    assert_int_equal(r.engine->places.count, 1);
    rig_end(&r);
    server_free(&other);
}

/* Under a name that is a tenant's own he would be given what is declared for everybody, or the
 * other way round. */
static void nobody_else_has_the_name_of_one(void **unused)
{
    (void)unused;
    struct rig r;
    begin(&r, NULL);
    rig_open(&r);
    r.spec.name = "shop@shop";
    assert_int_equal(nebula_declare(r.nebula, &r.spec), -ERROR_CONFIG);
    assert_int_equal(nebula_find(r.nebula, "shop@shop"), 0);
    rig_end(&r);
}

static void his_retries_are_paid_by_his_calls(void **unused)
{
    (void)unused;
    struct rig r;
    begin(&r, NULL);
    r.spec.policy.tries = 3;
    r.spec.policy.budget = 100;
    r.spec.policy.budget_least = 0;
    rig_open(&r);
    assert_int_equal(code_of(&r, "shop"), ERROR_OK);
    assert_true(nebula_retry(r.nebula, r.shop, 1) >= 0);
    assert_int_equal(nebula_retry(r.nebula, r.shop, 1), -ERROR_FULL);
    rig_end(&r);
}

static void max_is(struct rig *r, const char *name, int32_t max)
{
    assert_int_equal(resource_size(resource_find(r->engine, name), 0).max, max);
}

/* One of them has bounds of his own, to which the minimum for all does not fit. */
static void bounds_for_all_of_them_are_for_all_or_for_none(void **unused)
{
    (void)unused;
    struct rig r;
    begin(&r, NULL);
    r.spec.pool.max = 8;
    struct server *other = server_new("other", 2);
    rig_open(&r);
    assert_int_equal(code_of(&r, "other"), ERROR_OK);
    assert_int_equal(code_of(&r, "shop"), ERROR_OK);
    int32_t own = nebula_find(r.nebula, "shop@other");
    assert_int_equal(nebula_resize(r.nebula, own, -1, -1, 2), 0);
    assert_int_equal(nebula_resize(r.nebula, r.shop, -1, 5, -1), -ERROR_USAGE);
    assert_non_null(strstr(nebula_error(r.nebula), "shop@other"));
    rig_pass(&r, 100 * MS);
    assert_int_equal(pool_all(engine_pool(r.engine, nebula_find(r.nebula, "shop@shop"), 0)), 1);
    assert_int_equal(resource_find(r.engine, "shop")->min, 0);
    assert_int_equal(nebula_resize(r.nebula, r.shop, -1, -1, 5), 0);
    max_is(&r, "shop", 5);
    max_is(&r, "shop@shop", 5);
    max_is(&r, "shop@other", 5);
    rig_end(&r);
    server_free(&other);
}

static void a_lease_tells_whose_it_is(void **unused)
{
    (void)unused;
    struct rig r;
    begin(&r, NULL);
    rig_open(&r);
    assert_int_equal(nebula_task_tenant(r.nebula, "shop"), 0);
    int64_t lease = rig_lease(&r);
    assert_int_equal(nebula_task_tenant(r.nebula, ""), 0);
    assert_int_equal(nebula_lease_resource(r.nebula, lease), nebula_find(r.nebula, "shop@shop"));
    rig_release(&r, lease);
    assert_int_equal(nebula_lease_resource(r.nebula, lease), -ERROR_STALE);
    rig_end(&r);
}

static void a_name_matches_as_a_whole(void **unused)
{
    (void)unused;
    struct rig r;
    begin(&r, "shop|ab");
    rig_open(&r);
    assert_int_equal(code_of(&r, "shop"), ERROR_OK);
    assert_int_equal(code_of(&r, "shops"), ERROR_USAGE);
    assert_int_equal(code_of(&r, "xab"), ERROR_USAGE);
    assert_int_equal(nebula_task_tenant(r.nebula, "a\nb"), -ERROR_USAGE);
    assert_string_equal(nebula_task_tenant_name(r.nebula), "xab");
    rig_end(&r);
}

static int64_t counted(struct rig *r, enum counter c)
{
    int64_t number[COUNTERS];
    assert_int_equal(nebula_stats(r->nebula, r->shop, -1, number, COUNTERS), COUNTERS);
    return number[c];
}

/* Nobody answers there. */
static struct server *absent(const char *name, uint64_t seed)
{
    struct server *s = server_new(name, seed);
    server_crash(s, INT64_MAX);
    return s;
}

/* Names of which there is no server, in the place of one another and of nobody who has a connection. */
static void who_is_not_needed_makes_room(void **unused)
{
    (void)unused;
    struct rig r;
    begin(&r, NULL);
    rig_open(&r);
    assert_int_equal(code_of(&r, "shop"), ERROR_OK);
    static const char *const name[] = {"john", "jane"};
    static const char *const resource[] = {"shop@john", "shop@jane"};
    struct server *server[] = {absent(name[0], 2), absent(name[1], 3)};
    int32_t own = nebula_find(r.nebula, "shop@shop");
    for (int i = 0; i < 5; i++) {
        assert_int_not_equal(code_of(&r, name[i % 2]), ERROR_OK);
        assert_int_equal(code_of(&r, "hasty"), ERROR_LIMIT);
        int32_t number = nebula_find(r.nebula, resource[i % 2]);
        assert_string_equal(nebula_name(r.nebula, number), resource[i % 2]);
        assert_int_equal(nebula_find(r.nebula, resource[1 - i % 2]), 0);
        rig_pass(&r, TENANT_REST_US);
    }
    assert_int_equal(counted(&r, COUNTER_CALLS), 6);
    assert_int_equal(counted(&r, COUNTER_FAILED), 5);
    assert_true(counted(&r, COUNTER_OPEN_FAILED) >= 5);
    assert_int_equal(counted(&r, COUNTER_MAX), 4); /* of the two there are now */
    assert_int_equal(nebula_find(r.nebula, "shop@shop"), own);
    assert_int_equal(pool_all(engine_pool(r.engine, own, 0)), 1);
    rig_end(&r);
    server_free(&server[0]);
    server_free(&server[1]);
}

static bool is_kept(struct rig *r, const char *name)
{
    rig_pass(r, 2 * TENANT_REST_US);
    assert_int_equal(code_of(r, "other"), ERROR_LIMIT);
    return nebula_find(r->nebula, name) > 0;
}

/* One tenant is the most, and he is needed in one way after the other. */
static void who_is_needed_stays(void **unused)
{
    (void)unused;
    struct rig r;
    begin(&r, NULL);
    r.spec.tenants = 1;
    r.spec.policy.tries = 3;
    r.spec.policy.pause_us = r.spec.policy.pause_max_us = 20 * SECOND;
    r.spec.policy.deadline_us = 60 * SECOND;
    r.spec.policy.budget_least = 100;
    rig_open(&r);
    struct server *lost = absent("lost", 2);
    assert_int_equal(nebula_task_tenant(r.nebula, "lost"), 0);
    int32_t pausing = rig_call(&r, 0, "add 1 1"); /* it tries again later */
    assert_true(is_kept(&r, "shop@lost"));
    nebula_cancel(r.nebula, pausing);
    rig_await(&r, pausing, NULL);
    int32_t own = nebula_find(r.nebula, "shop@lost");
    assert_int_equal(nebula_pause(r.nebula, own), 0);
    assert_true(is_kept(&r, "shop@lost"));
    assert_int_equal(nebula_resume(r.nebula, own), 0);
    assert_int_equal(nebula_resize(r.nebula, own, -1, -1, 1), 0);
    assert_true(is_kept(&r, "shop@lost"));
    assert_int_equal(nebula_resize(r.nebula, own, -1, -1, 2), 0);
    int32_t errand = nebula_drain(r.nebula, own, SECOND);
    rig_come(&r, errand);
    assert_true(is_kept(&r, "shop@lost"));
    assert_int_equal(nebula_resume(r.nebula, own), 0);
    assert_true(is_kept(&r, "shop@lost")); /* somebody has the ticket of his drain */
    rig_await(&r, errand, NULL);
    assert_int_equal(code_of(&r, "shop"), ERROR_OK);
    assert_int_equal(nebula_find(r.nebula, "shop@lost"), 0);
    rig_end(&r);
    server_free(&lost);
}

static void refuses_what_cannot_be_meant(void **unused)
{
    (void)unused;
    static const struct {
        const char *pattern;
        int32_t tenants;
        bool has_tenant;
    } wrong[] = {{"[a-z", 2, true}, {"(", 2, true},   {"ab)|(shop", 2, true},
                 {NULL, 0, true},   {NULL, -1, true}, {NULL, 2, false}};
    for (size_t i = 0; i < COUNT(wrong); i++) {
        struct rig r;
        begin(&r, wrong[i].pattern);
        r.spec.tenants = wrong[i].tenants;
        r.option.has_tenant = wrong[i].has_tenant;
        rig_open(&r);
        assert_int_equal(r.shop, -ERROR_CONFIG);
        rig_end(&r);
    }
    assert_true(nebula_is_pattern("a|b+"));
    assert_false(nebula_is_pattern("*("));
}

/* What failed is not there, and the next try finds what it needs. */
static bool use_failing(int64_t nth)
{
    struct rig r;
    begin(&r, NULL);
    rig_open(&r);
    memory_fail(nth);
    if (nebula_task_tenant(r.nebula, "shop") == 0) {
        int32_t ticket = rig_call(&r, 0, "add 1 1");
        if (ticket > 0)
            rig_await(&r, ticket, NULL);
    }
    bool failed = memory_failed() > 0;
    memory_fail(0);
    assert_int_equal(code_of(&r, "shop"), ERROR_OK);
    rig_end(&r);
    return failed;
}

static void survives_each_allocation_that_fails(void **unused)
{
    (void)unused;
    int64_t nth = 1;
    while (use_failing(nth))
        nth++;
    assert_true(nth > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_has_a_resource_of_his_own),
        cmocka_unit_test(his_settings_stand_where_those_of_all_do),
        cmocka_unit_test(nobody_else_has_the_name_of_one),
        cmocka_unit_test(his_retries_are_paid_by_his_calls),
        cmocka_unit_test(bounds_for_all_of_them_are_for_all_or_for_none),
        cmocka_unit_test(a_lease_tells_whose_it_is),
        cmocka_unit_test(a_name_matches_as_a_whole),
        cmocka_unit_test(who_is_not_needed_makes_room),
        cmocka_unit_test(who_is_needed_stays),
        cmocka_unit_test(refuses_what_cannot_be_meant),
        cmocka_unit_test(survives_each_allocation_that_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
