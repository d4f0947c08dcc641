/* Who listens where there is more than one server: several hosts, and a resource for each tenant, in
 * virtual time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "core/ear.h"
#include "core/tenant.h"
#include "sim/listening.h"

/* --- two hosts -------------------------------------------------------------------------------- */

/* The first host is the primary, and listeners hear from it. */
struct pair {
    struct rig rig;
    struct server *other;
    struct nebula_option option[3];
};

static void begin(struct pair *p)
{
    static const char *const name[] = {"shop", "other"};
    struct rig *r = &p->rig;
    rig_begin(r);
    p->other = server_new("other", 2);
    server_standby(p->other, true);
    p->option[0] = (struct nebula_option){.name = "server", .value = "shop", .endpoint = 1};
    p->option[1] = (struct nebula_option){.name = "server", .value = "other", .endpoint = 2};
    p->option[2] = (struct nebula_option){.name = "wants", .value = "primary", .role = 1};
    r->spec.option = p->option;
    r->spec.options = COUNT(p->option);
    r->spec.endpoint_name = name;
    r->spec.endpoints = COUNT(name);
    rig_open(r);
}

static void end(struct pair *p)
{
    rig_end(&p->rig);
    server_free(&p->other);
}

static void hears_by_one_connection_to(const struct pair *p, struct server *there,
                                       struct server *elsewhere)
{
    assert_int_equal(rig_count(&p->rig, CONN_LISTENING), 1);
    assert_true(server_wires(there, 0) >= 1);
    assert_int_equal(server_wires(elsewhere, 0), 0);
}

static void a_failover_is_one_gap_and_then_the_new_primary_is_heard(void **unused)
{
    (void)unused;
    struct pair p;
    begin(&p);
    struct rig *r = &p.rig;
    int64_t one = listening_to(r, "5"), two = listening_to(r, "6");
    server_tell(p.other, 5); /* nobody listens there */
    server_tell(r->server, 5);
    listening_hears(r, one, "5:1");
    server_crash(r->server, world_time_us() + 1000 * SECOND);
    rig_pass(r, SECOND);
    server_standby(p.other, false);
    listening_hears(r, one, "gap lost 0");
    listening_hears(r, two, "gap lost 0");
    hears_by_one_connection_to(&p, p.other, r->server);
    server_tell(p.other, 5);
    server_tell(p.other, 6);
    listening_hears(r, one, "5:2");
    listening_hears(r, two, "6:3");
    listening_hears_nothing(r, one);
    listening_hears_nothing(r, two);
    int64_t late = listening_to(r, "6");
    server_tell(p.other, 6);
    listening_hears(r, late, "6:4");
    end(&p);
}

/* It is found by whoever writes, and so for those who only listen too. */
static void a_switch_over_takes_the_listeners_along(void **unused)
{
    (void)unused;
    struct pair p;
    begin(&p);
    struct rig *r = &p.rig;
    int64_t listener = listening_to(r, "5");
    assert_int_equal(rig_say(r, 0, "add 1 1"), ERROR_OK);
    server_standby(r->server, true);
    server_standby(p.other, false);
    rig_say(r, 0, "add 1 1");
    listening_hears(r, listener, "gap closed 0");
    hears_by_one_connection_to(&p, p.other, r->server);
    server_tell(r->server, 5);
    server_tell(p.other, 5);
    listening_hears(r, listener, "5:1");
    listening_hears_nothing(r, listener);
    assert_int_equal(rig_say(r, 0, "add 1 1"), ERROR_OK);
    assert_true(server_applied(p.other, 1) > 0);
    end(&p);
}

static void while_nobody_is_the_primary_nobody_hears(void **unused)
{
    (void)unused;
    struct pair p;
    begin(&p);
    struct rig *r = &p.rig;
    int64_t listener = listening_to(r, "5");
    assert_int_equal(rig_say(r, 0, "add 1 1"), ERROR_OK);
    server_standby(r->server, true);
    rig_say(r, 0, "add 1 1");
    for (int i = 0; i < 10; i++)
        listening_hears_nothing(r, listener);
    assert_int_equal(rig_count(r, CONN_LISTENING), 0);
    server_standby(r->server, false);
    listening_hears(r, listener, "gap closed 0");
    server_tell(r->server, 5);
    listening_hears(r, listener, "5:1");
    end(&p);
}

/* --- tenants ---------------------------------------------------------------------------------- */

static void as(struct rig *r, const char *tenant)
{
    assert_int_equal(nebula_task_tenant(r->nebula, tenant), 0);
}

static struct server *begin_with_tenants(struct rig *r, int32_t most)
{
    rig_begin(r);
    r->option.value = "{tenant}";
    r->option.has_tenant = true;
    r->spec.tenants = most;
    struct server *other = server_new("other", 2);
    rig_open(r);
    return other;
}

static void each_tenant_hears_what_is_told_to_him(void **unused)
{
    (void)unused;
    struct rig r;
    struct server *other = begin_with_tenants(&r, 2);
    as(&r, "");
    assert_int_equal(
        nebula_listen(r.nebula, &(struct nebula_channels){.resource = r.shop,
                                                          .count = 1,
                                                          .name = (const char *[]){"5"},
                                                          .queue = 1,
                                                          .bytes = 1}),
        -ERROR_USAGE);
    as(&r, "shop");
    int64_t one = listening_to(&r, "5");
    as(&r, "other");
    int64_t two = listening_to(&r, "5");
    as(&r, ""); /* whose it is was decided when it was opened */
    server_tell(r.server, 5);
    listening_hears(&r, one, "5:1");
    listening_hears_nothing(&r, two);
    server_crash(other, world_time_us() + SECOND);
    listening_hears(&r, two, "gap lost 0");
    listening_hears_nothing(&r, one);
    server_tell(other, 5);
    listening_hears(&r, two, "5:1");
    listening_hears_nothing(&r, one);
    rig_end(&r);
    server_free(&other);
}

static void who_listens_is_not_forgotten_while_he_cannot_hear(void **unused)
{
    (void)unused;
    struct rig r;
    struct server *other = begin_with_tenants(&r, 1);
    as(&r, "other");
    int64_t listener = listening_to(&r, "5");
    server_crash(other, world_time_us() + 10 * SECOND);
    rig_pass(&r, 2 * TENANT_REST_US);
    as(&r, "shop");
    for (int i = 0; i < 100; i++) { /* also between two attempts to connect */
        assert_int_equal(rig_call(&r, 0, "get 1 1"), -ERROR_LIMIT);
        rig_pass(&r, 50 * MS);
    }
    listening_hears(&r, listener, "gap lost 0");
    server_crash(other, world_time_us() + 1000 * SECOND);
    nebula_unlisten(r.nebula, listener);
    rig_pass(&r, 2 * TENANT_REST_US);
    assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_OK); /* and leaves when nobody listens */
    rig_end(&r);
    server_free(&other);
}

static void a_mould_that_is_drained_is_silent_for_all_until_it_is_resumed(void **unused)
{
    (void)unused;
    struct rig r;
    struct server *other = begin_with_tenants(&r, 2);
    as(&r, "shop");
    int64_t one = listening_to(&r, "5");
    as(&r, "other");
    int64_t two = listening_to(&r, "5");
    assert_int_equal(rig_await(&r, nebula_drain(r.nebula, r.shop, 10 * SECOND), NULL), ERROR_OK);
    listening_hears_nothing(&r, one);
    nebula_resume(r.nebula, r.shop);
    listening_hears(&r, one, "gap closed 0");
    listening_hears(&r, two, "gap closed 0");
    rig_await(&r, nebula_reconnect(r.nebula, r.shop, 100, SECOND), NULL);
    listening_hears(&r, one, "gap closed 0");
    listening_hears(&r, two, "gap closed 0");
    rig_end(&r);
    server_free(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failover_is_one_gap_and_then_the_new_primary_is_heard),
        cmocka_unit_test(a_switch_over_takes_the_listeners_along),
        cmocka_unit_test(while_nobody_is_the_primary_nobody_hears),
        cmocka_unit_test(each_tenant_hears_what_is_told_to_him),
        cmocka_unit_test(who_listens_is_not_forgotten_while_he_cannot_hear),
        cmocka_unit_test(a_mould_that_is_drained_is_silent_for_all_until_it_is_resumed),
    };
    return cmocka_run_group_tests_name("listeners of several servers", tests, NULL, NULL);
}
