/* Some engines of one ledger in virtual time: what is ordered in one is done in all, by those too who come later. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/order.h"
#include "sim/told.h"

/* --- what a request says ---------------------------------------------------------------------- */

static void say(const struct order *o, char *out, size_t size)
{
    const char *verb = order_name(o->what);
    if (o->what == ORDER_DRAIN)
        snprintf(out, size, "%s %lld", verb, (long long)o->within_us);
    else if (o->what == ORDER_RECONNECT)
        snprintf(out, size, "%s %d every %lld", verb, (int)o->percent, (long long)o->every_us);
    else if (o->what == ORDER_RESIZE)
        snprintf(out, size, "%s %s %d to %d", verb, o->role == NULL ? "all" : o->role, (int)o->min,
                 (int)o->max);
    else
        snprintf(out, size, "%s", verb);
}

/* What is wrong with it stands behind a question mark. */
static void it_is_read_as_it_is_meant_or_refused(void **unused)
{
    (void)unused;
    static const char unknown[] = "? the request has a member that its verb does not know";
    static const char percent[] = "? the member \"percent\" is 1 to 100";
    static const char min[] = "? the member \"min\" is 0 to 2147483647",
                      max[] = "? the member \"max\" is 1 to 2147483647";
    static const struct {
        const char *request, *is; /* ' stands for \" */
    } row[] = {
        {"{'verb':'ls'}", "ls"},
        {"{'verb':'ls','colour':'red'}", "ls"}, /* of what only looks nothing else is read */
        {"{'verb':'stats'}", "? the member \"name\" is missing"},
        {"{'verb':'pause','name':1}", "? the member \"name\" is missing"},
        {"{'verb':'pause','name':'a'}", "pause"},
        {"{'verb':'pause','name':'a','min':1}", unknown},
        {"{'verb':'drain','name':'a'}", "drain 10000000"},
        {"{'verb':'drain','name':'a','within_us':0}", "drain 0"},
        {"{'verb':'drain','name':'a','within_us':-1}",
         "? the member \"within_us\" is 0 to 9223372036854775807"},
        {"{'verb':'drain','name':'a','percent':9}", unknown},
        {"{'verb':'drain','name':'a','role':'any'}", unknown},
        {"{'verb':'reconnect','name':'a'}", "reconnect 25 every 1000000"},
        {"{'verb':'reconnect','name':'a','percent':1,'every_us':0}", "reconnect 1 every 0"},
        {"{'verb':'reconnect','name':'a','percent':100}", "reconnect 100 every 1000000"},
        {"{'verb':'reconnect','name':'a','percent':0}", percent},
        {"{'verb':'reconnect','name':'a','percent':101}", percent},
        {"{'verb':'reconnect','name':'a','percent':2.5}",
         "? the member \"percent\" is a whole number"},
        {"{'verb':'resize','name':'a'}", "resize all -1 to -1"},
        {"{'verb':'resize','name':'a','role':'any','min':0,'max':1}", "resize any 0 to 1"},
        {"{'verb':'resize','name':'a','role':1}", unknown},
        {"{'verb':'resize','name':'a','min':-1}", min},
        {"{'verb':'resize','name':'a','min':2147483648}", min},
        {"{'verb':'resize','name':'a','max':0}", max},
        {"{'verb':'resize','name':'a','max':2147483648}", max},
    };
    for (size_t i = 0; i < COUNT(row); i++) {
        char text[100], is[300];
        struct order o;
        struct error why;
        snprintf(text, sizeof text, "%s", row[i].request);
        for (char *c = text; (c = strchr(c, '\'')) != NULL;)
            *c = '"';
        json_t *request = json_loads(text, 0, NULL);
        if (order_read(request, &o, &why))
            say(&o, is, sizeof is);
        else
            snprintf(is, sizeof is, "? %s", why.text);
        json_decref(request);
        if (strcmp(is, row[i].is) != 0)
            fail_msg("%s: %s", row[i].request, is);
    }
}

static void begin(struct shift *w, int count, int32_t max)
{
    shift_begin(w, count);
    w->spec->pool.max = max;
    server_cap(w->of[0].server, 0, max);
}

/* --- orders ----------------------------------------------------------------------------------- */

static bool is_lent_in(struct shift *w, int i)
{
    int64_t lease = nebula_lease(w->of[i].nebula, w->of[i].shop, 0, 20 * MS, false);
    if (lease == 0) {
        int32_t ticket = rig_ticket(&w->of[i]);
        shift_pass(w, 30 * MS);
        struct nebula_reply reply;
        lease = rig_await(&w->of[i], ticket, &reply) == ERROR_OK ? reply.lease : -1;
    }
    if (lease > 0)
        rig_release(&w->of[i], lease);
    return lease > 0;
}

static void a_pause_is_one_of_all_and_of_who_comes_later(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w, 3, 6);
    shift_open(&w, 0);
    shift_open(&w, 1);
    for (int i = 0; i < 2; i++)
        assert_true(is_lent_in(&w, i));
    assert_int_equal(nebula_pause(w.of[1].nebula, w.of[1].shop), 0);
    shift_pass(&w, MS);
    shift_open(&w, 2);
    for (int i = 0; i < 3; i++)
        assert_false(is_lent_in(&w, i));
    assert_string_equal(told_state(&w, 2), "paused");
    assert_int_equal(nebula_resume(w.of[2].nebula, w.of[2].shop), 0);
    shift_pass(&w, MS);
    shift_close(&w, 0);
    shift_open(&w, 0);
    for (int i = 0; i < 3; i++)
        assert_true(is_lent_in(&w, i));
    shift_end(&w);
}

/* Whichever has the larger number holds, in whatever order they come. */
static void of_two_orders_at_once_all_end_with_the_same(void **unused)
{
    (void)unused;
    for (int last = 0; last < 2; last++) {
        struct shift w;
        begin(&w, 3, 6);
        shift_open_all(&w);
        for (int i = 0; i < 2; i++) {
            if (i == last)
                nebula_resume(w.of[1].nebula, w.of[1].shop);
            else
                nebula_pause(w.of[0].nebula, w.of[0].shop);
        }
        shift_pass(&w, MS);
        for (int i = 0; i < 3; i++)
            assert_int_equal(is_lent_in(&w, i), last == 1);
        shift_end(&w);
    }
}

static void bounds_are_changed_in_all_and_for_who_comes_later(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w, 3, 1);
    server_cap(w.of[0].server, 0, 3);
    shift_open(&w, 0);
    shift_open(&w, 1);
    int64_t lease[3] = {shift_lend(&w, 0)};
    assert_int_equal(nebula_resize(w.of[1].nebula, w.of[1].shop, -1, 2, 3), 0);
    shift_open(&w, 2);
    lease[1] = shift_lend(&w, 1);
    lease[2] = shift_lend(&w, 2);
    assert_int_equal(server_wires(w.of[0].server, 0), 3);
    json_t *stats = told_in(&w, 2, TOLD_STATS);
    assert_int_equal(told_number(told_at(stats, "stats"), "max"), 3);
    assert_int_equal(told_number(told_at(stats, "stats"), "min"), 2);
    json_decref(stats);
    for (int i = 0; i < 3; i++)
        rig_release(&w.of[i], lease[i]);
    assert_int_equal(nebula_resize(w.of[2].nebula, w.of[2].shop, -1, 0, 1), 0);
    shift_pass(&w, 100 * MS);
    assert_int_equal(server_wires(w.of[0].server, 0), 1);
    shift_end(&w);
}

static void
bounds_hold_for_all_though_who_has_connections_goes_before_he_hears_of_them(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w, 3, 2);
    shift_open(&w, 0);
    shift_open(&w, 1);
    shift_lend(&w, 0);
    assert_int_equal(nebula_resize(w.of[1].nebula, w.of[1].shop, -1, 0, 1), 0);
    server_cap(w.of[0].server, 0, 1);
    assert_int_equal(nebula_lease(w.of[1].nebula, w.of[1].shop, 0, SECOND, false), 0);
    int32_t ticket = rig_ticket(&w.of[1]);
    shift_close(&w, 0);
    shift_open(&w, 2);
    shift_pass(&w, 50 * MS);
    assert_int_equal(nebula_lease(w.of[2].nebula, w.of[2].shop, 0, SECOND, false), 0);
    int32_t other = rig_ticket(&w.of[2]);
    shift_pass(&w, 50 * MS);
    assert_int_equal(server_wires(w.of[0].server, 0), 1);
    struct nebula_reply reply;
    assert_int_equal(rig_await(&w.of[1], ticket, &reply), ERROR_OK);
    rig_release(&w.of[1], reply.lease);
    shift_pass(&w, 50 * MS);
    assert_int_equal(rig_await(&w.of[2], other, &reply), ERROR_OK);
    rig_release(&w.of[2], reply.lease);
    shift_end(&w);
}

static void a_drain_is_over_when_it_is_over_in_all(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w, 3, 6);
    shift_open_all(&w);
    int64_t lease = shift_lend(&w, 2);
    rig_release(&w.of[1], shift_lend(&w, 1));
    int32_t ticket = nebula_drain(w.of[0].nebula, w.of[0].shop, 10 * (int64_t)SECOND);
    shift_pass(&w, 100 * MS);
    assert_false(rig_is_answered(&w.of[0], ticket));
    assert_int_equal(server_wires(w.of[0].server, 0), 1);
    assert_string_equal(told_state(&w, 1), "draining");
    rig_release(&w.of[2], lease);
    shift_pass(&w, MS);
    assert_int_equal(shift_await(&w, 0, ticket), ERROR_OK);
    assert_string_equal(told_state(&w, 1), "drained");
    for (int i = 0; i < 3; i++)
        assert_false(is_lent_in(&w, i));
    shift_end(&w);
}

static void a_drain_that_is_resumed_elsewhere_is_cancelled(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w, 3, 6);
    shift_open_all(&w);
    int64_t lease = shift_lend(&w, 2);
    int32_t ticket = nebula_drain(w.of[0].nebula, w.of[0].shop, 10 * (int64_t)SECOND);
    shift_pass(&w, MS);
    nebula_resume(w.of[1].nebula, w.of[1].shop);
    assert_int_equal(shift_await(&w, 0, ticket), ERROR_CANCELLED);
    for (int i = 0; i < 3; i++)
        assert_true(is_lent_in(&w, i));
    rig_release(&w.of[2], lease);
    shift_end(&w);
}

/* He closes what he has, so it is over with him. */
static void a_drain_ends_with_who_leaves(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w, 2, 6);
    shift_open_all(&w);
    assert_true(shift_lend(&w, 1) > 0);
    int32_t ticket = nebula_drain(w.of[0].nebula, w.of[0].shop, 10 * (int64_t)SECOND);
    shift_pass(&w, 10 * MS);
    assert_false(rig_is_answered(&w.of[0], ticket));
    shift_close(&w, 1);
    assert_int_equal(shift_await(&w, 0, ticket), ERROR_OK);
    shift_end(&w);
}

static void what_is_not_known_is_not_called_drained(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w, 2, 6);
    shift_open_all(&w);
    w.is_stuck[1] = true;
    int32_t ticket = nebula_drain(w.of[0].nebula, w.of[0].shop, 10 * (int64_t)SECOND);
    assert_string_equal(told_state(&w, 0), "draining");
    assert_false(rig_is_answered(&w.of[0], ticket));
    w.is_stuck[1] = false;
    assert_int_equal(shift_await(&w, 0, ticket), ERROR_OK);
    assert_string_equal(told_state(&w, 0), "drained");
    shift_end(&w);
}

/* Of eight connections in four workers one quarter at once, and one after the other. */
static void a_reconnect_takes_turns_through_the_workers(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w, 4, 16);
    w.spec->pool.check_us = -1;
    shift_open_all(&w);
    int64_t lease[8];
    for (int i = 0; i < 8; i++)
        lease[i] = shift_lend(&w, i % 4);
    for (int i = 0; i < 8; i++)
        rig_release(&w.of[i % 4], lease[i]);
    assert_int_equal(server_wires(w.of[0].server, 0), 8);
    int64_t opened = server_opened(w.of[0].server);
    int32_t ticket = nebula_reconnect(w.of[3].nebula, w.of[3].shop, 25, SECOND);
    for (int step = 1; step <= 4; step++) {
        shift_pass(&w, 900 * MS);
        int32_t left = 0;
        for (int i = 0; i < 4; i++)
            left += reconnect_left(rig_pool(&w.of[i]));
        assert_int_equal(left, 8 - 2 * step);
        shift_pass(&w, 100 * MS);
    }
    assert_int_equal(shift_await(&w, 3, ticket), ERROR_OK);
    assert_in_range(server_opened(w.of[0].server) - opened, 0, 8);
    shift_end(&w);
}

/* So each worker knows how many leave before its own, though some of them have left by the time that it hears of it. */
static void all_go_by_one_census(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w, 2, 8);
    shift_open_all(&w);
    int64_t lease[3] = {shift_lend(&w, 0), shift_lend(&w, 1), 0};
    struct stake *second = &rig_pool(&w.of[1])->stake;
    struct census census = permits_census(second, 100);
    assert_true(census.all == 2 && census.before == 1);
    lease[2] = shift_lend(&w, 0);
    census = permits_census(second, 100);
    assert_true(census.all == 2 && census.before == 1);
    census = permits_census(second, 101);
    assert_true(census.all == 3 && census.before == 2);
    for (int i = 0; i < 3; i++)
        rig_release(&w.of[i % 2], lease[i]);
    shift_end(&w);
}

static const struct resource *resource_of(const struct rig *r)
{
    return table_get(&r->engine->resources, r->shop);
}

static void who_cannot_do_it_is_named(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w, 3, 6);
    for (int i = 0; i < 3; i++) {
        w.spec->role_is_fixed[0] = i == 1;
        w.spec->role_max[0] = i == 1 ? 6 : 0;
        shift_open(&w, i);
    }
    json_t *answer =
        told_in(&w, 2, "{\"verb\":\"resize\",\"name\":\"shop\",\"role\":\"any\",\"max\":3}");
    assert_true(json_is_false(told_at(answer, "ok")));
    assert_string_equal(told_text(answer, "code"), "usage");
    assert_non_null(
        strstr(told_text(answer, "error"), "worker 1: shop: the any has 6 connections"));
    assert_int_equal(json_array_size(told_at(answer, "refused")), 1);
    assert_int_equal(told_number(json_array_get(told_at(answer, "refused"), 0), "worker"), 1);
    json_decref(answer);
    answer = told_in(&w, 1, "{\"verb\":\"resize\",\"name\":\"shop\",\"role\":\"any\",\"max\":4}");
    assert_true(
        json_is_false(told_at(answer, "ok"))); /* it is refused here, and nobody else hears of it */
    json_decref(answer);
    answer = told_in(&w, 0, "{\"verb\":\"resize\",\"name\":\"shop\",\"role\":\"none\",\"max\":4}");
    assert_non_null(strstr(told_text(answer, "error"), "shop has no role of this name"));
    json_decref(answer);
    json_t *stats = told_in(&w, 0, TOLD_STATS);
    assert_int_equal(told_number(told_at(stats, "stats"), "max"), 6); /* that of worker 1 */
    json_decref(stats);
    for (int i = 0; i < 3; i++)
        assert_int_equal(resource_size(resource_of(&w.of[i]), 0).max, i == 1 ? 6 : 3);
    shift_end(&w);
}

static void what_only_another_worker_has_is_found(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w, 2, 6);
    shift_open_all(&w);
    w.of[1].spec.name = "other";
    assert_true(nebula_declare(w.of[1].nebula, &w.of[1].spec) > 0);
    json_t *answer = told_in(&w, 0, "{\"verb\":\"inspect\",\"name\":\"other\"}");
    assert_string_equal(told_text(told_at(answer, "resource"), "name"), "other");
    json_decref(answer);
    answer = told_in(&w, 0, "{\"verb\":\"pause\",\"name\":\"other\"}");
    assert_true(json_is_true(told_at(answer, "ok")));
    json_decref(answer);
    answer = told_in(&w, 0, "{\"verb\":\"ls\"}");
    assert_int_equal(json_array_size(told_at(answer, "resources")), 2);
    assert_string_equal(told_text(json_array_get(told_at(answer, "resources"), 1), "state"),
                        "paused");
    json_decref(answer);
    answer = told_in(&w, 0, "{\"verb\":\"pause\",\"name\":\"none\"}");
    assert_string_equal(told_text(answer, "error"), "there is no resource of this name");
    json_decref(answer);
    shift_end(&w);
}

/* It cannot wait for the others, and tells of its own worker alone. */
static void an_order_without_waiting_is_for_all_as_well(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w, 2, 4);
    shift_open_all(&w);
    const char *said = nebula_ask(w.of[1].nebula, "{\"verb\":\"pause\",\"name\":\"shop\"}");
    assert_non_null(strstr(said, "\"ok\":true"));
    said = nebula_ask(w.of[1].nebula, "{\"verb\":\"pause\",\"name\":\"none\"}");
    assert_non_null(strstr(said, "there is no resource of this name"));
    shift_pass(&w, MS);
    assert_non_null(strstr(nebula_ask(w.of[0].nebula, TOLD_INSPECT), "\"state\":\"paused\""));
    assert_null(strstr(nebula_ask(w.of[0].nebula, TOLD_INSPECT), "worker"));
    shift_end(&w);
}

/* Of one declaration, a resource for each: the later order holds, be it for all of them or for one. */
static void a_tenant_who_comes_later_elsewhere_finds_what_stands(void **unused)
{
    (void)unused;
    static const struct nebula_option option = {
        .name = "server", .value = "{tenant}", .has_tenant = true};
    for (int order = 0; order < 3; order++) {
        struct shift w;
        begin(&w, 2, 4);
        w.spec->option = &option;
        w.spec->tenants = 4;
        shift_open_all(&w);
        nebula_task_tenant(w.of[0].nebula, "shop");
        nebula_task_tenant(w.of[1].nebula, "shop");
        rig_release(&w.of[0], shift_lend(&w, 0));
        int32_t own = nebula_find(w.of[0].nebula, "shop@shop");
        assert_true(own > 0);
        if (order == 0)
            assert_int_equal(nebula_pause(w.of[0].nebula, w.of[0].shop), 0);
        assert_int_equal(nebula_pause(w.of[0].nebula, own), 0);
        assert_int_equal(nebula_resize(w.of[0].nebula, own, -1, 0, 3), 0);
        if (order == 1)
            assert_int_equal(nebula_resume(w.of[0].nebula, w.of[0].shop), 0);
        if (order == 0)
            assert_int_equal(nebula_resume(w.of[0].nebula, own), 0);
        shift_pass(&w, MS);
        assert_int_equal(is_lent_in(&w, 1), order != 2);
        const struct resource *there = resource_find(w.of[1].engine, "shop@shop");
        assert_int_equal(there->max, 3);
        shift_end(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_read_as_it_is_meant_or_refused),
        cmocka_unit_test(a_pause_is_one_of_all_and_of_who_comes_later),
        cmocka_unit_test(of_two_orders_at_once_all_end_with_the_same),
        cmocka_unit_test(bounds_are_changed_in_all_and_for_who_comes_later),
        cmocka_unit_test(
            bounds_hold_for_all_though_who_has_connections_goes_before_he_hears_of_them),
        cmocka_unit_test(a_drain_is_over_when_it_is_over_in_all),
        cmocka_unit_test(a_drain_that_is_resumed_elsewhere_is_cancelled),
        cmocka_unit_test(a_drain_ends_with_who_leaves),
        cmocka_unit_test(what_is_not_known_is_not_called_drained),
        cmocka_unit_test(a_reconnect_takes_turns_through_the_workers),
        cmocka_unit_test(all_go_by_one_census),
        cmocka_unit_test(who_cannot_do_it_is_named),
        cmocka_unit_test(an_order_without_waiting_is_for_all_as_well),
        cmocka_unit_test(a_tenant_who_comes_later_elsewhere_finds_what_stands),
        cmocka_unit_test(what_only_another_worker_has_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
