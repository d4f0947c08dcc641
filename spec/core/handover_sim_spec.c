/* Several engines under one cap, in virtual time: the server never sees more connections than max, and who
 * came first is served first, whichever engine he asked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/check.h"
#include "core/lease.h"
#include "core/task.h"
#include "sim/memory.h"
#include "sim/rig.h"

#define CREW 3

/* The rig's resource in some engines. Only the first rig begins and ends the world. */
struct crew {
    struct nebula_ledger *ledger;
    struct rig of[CREW];
};

static void begin(struct crew *w, int32_t max)
{
    *w = (struct crew){.ledger = NULL};
    rig_begin(&w->of[0]);
    w->of[0].spec.pool.max = max;
    for (int i = 1; i < CREW; i++) {
        w->of[i] = w->of[0];
        w->of[i].spec.option = &w->of[0].option;
    }
    w->ledger = nebula_ledger_new(CREW);
    assert_non_null(w->ledger);
    server_cap(w->of[0].server, 0, max);
}

static void open_one(struct crew *w, int i)
{
    struct rig *r = &w->of[i];
    const struct nebula_options options = {.log_level = 4, .log_fd = -1, .name = "crew"};
    r->nebula = nebula_open_worker(w->ledger, i, &options, NULL, 0);
    assert_non_null(r->nebula);
    r->engine = (struct engine *)(void *)r->nebula;
    r->shop = nebula_declare(r->nebula, &r->spec);
    assert_true(r->shop > 0);
}

static void open_all(struct crew *w)
{
    for (int i = 0; i < CREW; i++)
        open_one(w, i);
}

static void close_one(struct crew *w, int i)
{
    nebula_close(&w->of[i].nebula);
}

/* A little at a time, so that none is late for its timers because another one moved the time. */
static void pass(struct crew *w, int64_t span_us)
{
    int64_t until_us = world_time_us() + span_us;
    do {
        for (int i = 0; i < CREW; i++)
            if (w->of[i].nebula != NULL)
                rig_pass(&w->of[i], 0);
        if (world_time_us() < until_us)
            world_move(world_time_us() +
                       (until_us - world_time_us() < 50 ? until_us - world_time_us() : 50));
    } while (world_time_us() < until_us);
    for (int i = 0; i < CREW; i++)
        if (w->of[i].nebula != NULL)
            rig_pass(&w->of[i], 0);
}

static void end(struct crew *w)
{
    for (int i = 0; i < CREW; i++)
        if (w->of[i].nebula != NULL)
            close_one(w, i);
    nebula_ledger_free(&w->ledger);
    rig_end(&w->of[0]);
}

/* The lease, or 0 when it is not there within that time. */
static int64_t lease_within(struct crew *w, int i, int64_t span_us)
{
    int64_t lease = rig_ask(&w->of[i]);
    if (lease != 0)
        return lease;
    int32_t ticket = rig_ticket(&w->of[i]);
    pass(w, span_us);
    return rig_is_answered(&w->of[i], ticket) ? rig_lease_of(&w->of[i], ticket) : 0;
}

static int32_t asks(struct crew *w, int i)
{
    assert_int_equal(rig_ask(&w->of[i]), 0);
    return rig_ticket(&w->of[i]);
}

static bool has(struct crew *w, int i, int32_t ticket)
{
    return rig_is_answered(&w->of[i], ticket);
}

static int64_t take(struct crew *w, int i, int32_t ticket)
{
    assert_true(has(w, i, ticket));
    return rig_lease_of(&w->of[i], ticket);
}

static void an_idle_connection_goes_to_who_waits_elsewhere(void **unused)
{
    (void)unused;
    struct crew w;
    begin(&w, 1);
    open_all(&w);
    int64_t lease = lease_within(&w, 0, 100 * MS);
    assert_true(lease > 0);
    assert_int_equal(rig_say(&w.of[0], lease, "get 1 1"), ERROR_OK);
    rig_release(&w.of[0], lease);
    lease = lease_within(&w, 1, MS);
    assert_true(lease > 0);
    assert_int_equal(server_opened(w.of[0].server), 1); /* it is the same one */
    assert_int_equal(rig_count(&w.of[0], CONN_IDLE), 0);
    assert_int_equal(rig_say(&w.of[1], lease, "get 2 1"), ERROR_OK);
    rig_release(&w.of[1], lease);
    lease = lease_within(&w, 0, MS);
    assert_true(lease > 0);
    assert_int_equal(rig_say(&w.of[0], lease, "get 3 1"), ERROR_OK);
    rig_release(&w.of[0], lease);
    end(&w);
}

static void there_are_never_more_than_max(void **unused)
{
    (void)unused;
    struct crew w;
    begin(&w, 2);
    open_all(&w);
    int64_t a = lease_within(&w, 0, 100 * MS), b = lease_within(&w, 1, 100 * MS);
    assert_true(a > 0 && b > 0);
    int32_t c = asks(&w, 2);
    pass(&w, 100 * MS);
    assert_false(has(&w, 2, c));
    assert_int_equal(server_wires(w.of[0].server, 0), 2);
    rig_release(&w.of[1], b);
    pass(&w, MS);
    rig_release(&w.of[2], take(&w, 2, c));
    rig_release(&w.of[0], a);
    assert_int_equal(server_opened(w.of[0].server), 2);
    end(&w);
}

static void who_came_first_is_served_first_wherever_he_asked(void **unused)
{
    (void)unused;
    struct crew w;
    begin(&w, 1);
    open_all(&w);
    int64_t lease = lease_within(&w, 0, 100 * MS);
    int32_t first = asks(&w, 2);
    pass(&w, 10 * MS);
    int32_t second = asks(&w, 0);
    pass(&w, 10 * MS);
    int32_t third = asks(&w, 1);
    pass(&w, 10 * MS);
    rig_release(&w.of[0], lease);
    pass(&w, MS);
    assert_false(has(&w, 0, second) || has(&w, 1, third));
    rig_release(&w.of[2], take(&w, 2, first));
    pass(&w, MS);
    assert_false(has(&w, 1, third));
    rig_release(&w.of[0], take(&w, 0, second));
    pass(&w, MS);
    rig_release(&w.of[1], take(&w, 1, third));
    end(&w);
}

static void a_driver_that_keeps_it_gives_the_permit(void **unused)
{
    (void)unused;
    struct crew w;
    begin(&w, 1);
    for (int i = 0; i < CREW; i++)
        w.of[i].spec.driver = "sim_plain";
    open_all(&w);
    int64_t lease = lease_within(&w, 0, 100 * MS);
    int32_t waits = asks(&w, 1);
    rig_release(&w.of[0], lease);
    pass(&w, 100 * MS);
    rig_release(&w.of[1], take(&w, 1, waits));
    assert_int_equal(server_opened(w.of[0].server), 2);
    end(&w);
}

static void one_that_breaks_on_its_way_is_replaced(void **unused)
{
    (void)unused;
    struct crew w;
    begin(&w, 1);
    open_all(&w);
    int64_t lease = lease_within(&w, 0, 100 * MS);
    int32_t waits = asks(&w, 1);
    rig_release(&w.of[0], lease);
    rig_pass(&w.of[0], 0);
    assert_int_equal(pool_all(rig_pool(&w.of[0])), 0);
    server_crash(w.of[0].server, 0);
    pass(&w, 400 * MS);
    lease = take(&w, 1, waits);
    if (rig_say(&w.of[1], lease, "get 1 1") !=
        ERROR_OK) { /* it may be lent before it is known to be broken */
        lease = lease_within(&w, 1, 400 * MS);
        assert_int_equal(rig_say(&w.of[1], lease, "get 1 1"), ERROR_OK);
    }
    rig_release(&w.of[1], lease);
    end(&w);
}

static void who_leaves_takes_nothing_with_him(void **unused)
{
    (void)unused;
    struct crew w;
    begin(&w, 1);
    open_all(&w);
    int64_t lease = lease_within(&w, 0, 100 * MS);
    int32_t waits = asks(&w, 1);
    assert_true(lease > 0);
    pass(&w, MS);
    close_one(&w, 0);
    pass(&w, 100 * MS);
    lease = take(&w, 1, waits);
    waits = asks(&w, 2);
    pass(&w, MS);
    rig_release(&w.of[1], lease); /* on its way to one that leaves */
    rig_pass(&w.of[1], 0);
    close_one(&w, 2);
    assert_true(lease_within(&w, 1, 100 * MS) > 0);
    end(&w);
}

static void what_nobody_waits_for_any_more_serves_the_next(void **unused)
{
    (void)unused;
    struct crew w;
    begin(&w, 1);
    open_all(&w);
    int64_t lease = lease_within(&w, 0, 100 * MS);
    int32_t waits = asks(&w, 1);
    pass(&w, MS);
    rig_release(&w.of[0], lease);
    rig_pass(&w.of[0], 0);
    nebula_cancel(w.of[1].nebula, waits);
    pass(&w, MS);
    rig_await(&w.of[1], waits, NULL);
    assert_int_equal(rig_count(&w.of[1], CONN_IDLE), 1);
    lease = lease_within(&w, 2, MS);
    assert_true(lease > 0);
    rig_release(&w.of[2], lease);
    assert_int_equal(server_opened(w.of[0].server), 1);
    end(&w);
}

/* Of two who asked one was served, and the other has gone by then. */
static void who_has_gone_is_not_asked_for_any_more(void **unused)
{
    (void)unused;
    struct crew w;
    begin(&w, 1);
    open_all(&w);
    int64_t lease = lease_within(&w, 0, 100 * MS);
    int32_t first = asks(&w, 1), second = asks(&w, 1);
    pass(&w, 0);
    rig_release(&w.of[0], lease);
    pass(&w, 0);
    nebula_cancel(w.of[1].nebula, second);
    pass(&w, 0);
    rig_await(&w.of[1], second, NULL);
    assert_true(permits_asked_us(&rig_pool(&w.of[0])->stake) == LEDGER_NOBODY);
    rig_release(&w.of[1], take(&w, 1, first));
    end(&w);
}

static void the_minimum_is_kept_by_one(void **unused)
{
    (void)unused;
    struct crew w;
    begin(&w, 4);
    for (int i = 0; i < CREW; i++)
        w.of[i].spec.pool.min = 2;
    open_all(&w);
    int32_t ticket[CREW];
    for (int i = 0; i < CREW; i++)
        ticket[i] = nebula_start(w.of[i].nebula, w.of[i].shop);
    pass(&w, 100 * MS);
    int32_t idle = 0;
    for (int i = 0; i < CREW; i++) {
        assert_int_equal(rig_await(&w.of[i], ticket[i], NULL), ERROR_OK);
        idle += rig_count(&w.of[i], CONN_IDLE);
    }
    assert_int_equal(idle, 2);
    end(&w);
}

static void bounds_are_those_of_all(void **unused)
{
    (void)unused;
    struct crew w;
    begin(&w, 1);
    server_cap(w.of[0].server, 0, 2);
    open_all(&w);
    int64_t lease = lease_within(&w, 0, 100 * MS);
    int32_t waits = asks(&w, 1);
    pass(&w, 10 * MS);
    for (int i = 0; i < CREW; i++)
        assert_int_equal(nebula_resize(w.of[i].nebula, w.of[i].shop, -1, 0, 2), 0);
    pass(&w, 100 * MS);
    int64_t other = take(&w, 1, waits);
    for (int i = 0; i < CREW; i++)
        assert_int_equal(nebula_resize(w.of[i].nebula, w.of[i].shop, -1, 0, 1), 0);
    rig_release(&w.of[1], other);
    waits = asks(&w, 2);
    pass(&w, 100 * MS);
    rig_release(&w.of[0], lease);
    pass(&w, 100 * MS);
    rig_release(&w.of[2], take(&w, 2, waits));
    pass(&w, 100 * MS);
    assert_int_equal(server_wires(w.of[0].server, 0), 1);
    end(&w);
}

static void whoever_does_not_wait_hears_soon_that_it_is_full(void **unused)
{
    (void)unused;
    struct crew w;
    begin(&w, 1);
    for (int i = 0; i < CREW; i++)
        w.of[i].spec.pool.is_fail_fast = true;
    open_all(&w);
    int64_t lease = lease_within(&w, 0, 100 * MS);
    int64_t asked = rig_ask(&w.of[1]);
    assert_int_equal(asked, 0);
    int32_t waits = rig_ticket(&w.of[1]);
    pass(&w, 60 * MS);
    assert_int_equal(rig_await(&w.of[1], waits, NULL), ERROR_FULL);
    rig_release(&w.of[0], lease);
    lease = lease_within(&w, 1, MS); /* an idle one elsewhere is as good as one here */
    assert_true(lease > 0);
    rig_release(&w.of[1], lease);
    end(&w);
}

static void what_is_older_than_a_reconnect_leaves_where_it_comes_to(void **unused)
{
    (void)unused;
    struct crew w;
    begin(&w, 1);
    open_all(&w);
    int64_t lease = lease_within(&w, 0, 100 * MS);
    int32_t waits = asks(&w, 1);
    pass(&w, MS);
    int32_t all = nebula_reconnect(w.of[1].nebula, w.of[1].shop, 100, 0);
    rig_release(&w.of[0], lease); /* before it hears of that */
    rig_pass(&w.of[0], 0);
    pass(&w, 100 * MS);
    assert_int_equal(rig_await(&w.of[1], all, NULL), ERROR_OK);
    rig_release(&w.of[1], take(&w, 1, waits));
    assert_int_equal(server_opened(w.of[0].server), 2);
    end(&w);
}

static void different_things_of_one_name_share_nothing(void **unused)
{
    (void)unused;
    struct crew w;
    const struct nebula_option other[] = {{.name = "server", .value = "shop"},
                                          {.name = "wants", .value = "primary"}};
    begin(&w, 1);
    server_cap(w.of[0].server, 0, 2);
    w.of[1].spec.option = other;
    w.of[1].spec.options = 2;
    open_all(&w);
    int64_t lease = lease_within(&w, 0, 100 * MS), another = lease_within(&w, 1, 100 * MS);
    assert_true(lease > 0 && another > 0);
    assert_int_equal(server_opened(w.of[0].server), 2);
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_idle_connection_goes_to_who_waits_elsewhere),
        cmocka_unit_test(there_are_never_more_than_max),
        cmocka_unit_test(who_came_first_is_served_first_wherever_he_asked),
        cmocka_unit_test(a_driver_that_keeps_it_gives_the_permit),
        cmocka_unit_test(one_that_breaks_on_its_way_is_replaced),
        cmocka_unit_test(who_leaves_takes_nothing_with_him),
        cmocka_unit_test(what_nobody_waits_for_any_more_serves_the_next),
        cmocka_unit_test(who_has_gone_is_not_asked_for_any_more),
        cmocka_unit_test(the_minimum_is_kept_by_one),
        cmocka_unit_test(bounds_are_those_of_all),
        cmocka_unit_test(whoever_does_not_wait_hears_soon_that_it_is_full),
        cmocka_unit_test(different_things_of_one_name_share_nothing),
        cmocka_unit_test(what_is_older_than_a_reconnect_leaves_where_it_comes_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
