/* limits_sim_spec.c - the limit of a resource in virtual time: who is under way, who waits, who is shed, and that each end gives
 * its permit back, in all workers. */
#include <string.h>

#include "sim/ruled.h"

/* --- limit --------------------------------------------------------------------------------------- */

static const struct nebula_limit two_and_two = {.concurrent = 2, .queue = 2};

static void so_many_are_under_way_so_many_wait_and_one_more_is_refused(void **unused)
{
    (void)unused;
    struct rig r;
    int32_t ticket[5];
    ruled_begin(&r, 5, (struct nebula_rules){.limit = two_and_two});
    server_pace(r.server, 100 * MS);
    for (int i = 0; i < 5; i++)
        ticket[i] = ruled_ask(&r, get);
    assert_int_equal(ruled_says(&r, ticket[4],
                                "shop: 2 calls wait for others to end already, which is the most"),
                     ERROR_FULL);
    struct limits_view v = ruled_limit(&r);
    assert_int_equal(v.under, 2);
    assert_int_equal(v.waiting, 2);
    assert_int_equal(rig_count(&r, CONN_LEASED), 2);
    for (int i = 0; i < 4; i++)
        assert_int_equal(rig_await(&r, ticket[i], NULL), ERROR_OK);
    v = ruled_limit(&r);
    assert_int_equal(v.under, 0);
    assert_int_equal(v.waiting, 0);
    assert_int_equal(v.ran, 4);
    assert_int_equal(v.refused, 1);
    rig_end(&r);
}

static void who_fails_fast_does_not_wait_for_it(void **unused)
{
    (void)unused;
    struct rig r;
    ruled_begin(&r, 5, (struct nebula_rules){.limit = two_and_two});
    server_pace(r.server, 100 * MS);
    int32_t first = ruled_ask(&r, get), second = ruled_ask(&r, get);
    int32_t ticket = ruled_ask(&r, (struct nebula_request){.is_fail_fast = true});
    assert_int_equal(ruled_says(&r, ticket, "shop: as many calls as may be are under way"),
                     ERROR_FULL);
    assert_int_equal(rig_await(&r, first, NULL), ERROR_OK);
    assert_int_equal(rig_await(&r, second, NULL), ERROR_OK);
    rig_end(&r);
}

/* The policy of the rig lets a call wait for 500 ms, and gives it a second. */
static void who_waits_too_long_is_told_so(void **unused)
{
    (void)unused;
    struct rig r;
    ruled_begin(&r, 5, (struct nebula_rules){.limit = two_and_two});
    server_pace(r.server, 800 * MS);
    int32_t first = ruled_ask(&r, get), second = ruled_ask(&r, get), third = ruled_ask(&r, get);
    int32_t last = ruled_ask(&r, (struct nebula_request){.within_us = 200 * MS});
    assert_int_equal(
        ruled_says(&r, last, "shop: waited 200 ms for one of 2 calls under way to end"),
        ERROR_DEADLINE);
    assert_int_equal(
        ruled_says(&r, third, "shop: waited 500 ms for one of 2 calls under way to end"),
        ERROR_WAIT);
    assert_int_equal(ruled_limit(&r).waiting, 0); /* who left is not served in somebody's stead */
    assert_int_equal(rig_await(&r, first, NULL), ERROR_OK);
    assert_int_equal(rig_await(&r, second, NULL), ERROR_OK);
    assert_int_equal(ruled_limit(&r).under, 0);
    rig_end(&r);
}

/* However a call ends its permit comes back, also when its request lives on. */
static void each_end_gives_the_permit_back(void **unused)
{
    (void)unused;
    struct rig r;
    ruled_begin(&r, 5, (struct nebula_rules){.limit = {.concurrent = 1, .queue = 5}});
    server_pace(r.server, 50 * MS);
    int32_t cancelled = ruled_ask(&r, get), waiting = ruled_ask(&r, get),
            served = ruled_ask(&r, get);
    rig_pass(&r, 10 * MS);
    nebula_cancel(r.nebula, waiting);
    nebula_cancel(r.nebula, cancelled);
    assert_int_equal(rig_await(&r, cancelled, NULL), ERROR_CANCELLED);
    assert_int_equal(rig_await(&r, waiting, NULL), ERROR_CANCELLED);
    assert_int_equal(rig_await(&r, served, NULL), ERROR_OK);
    server_pace(r.server, 0);
    server_odds(r.server, FAULT_LOST_BEFORE, 1000);
    assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_LOST);
    server_calm(r.server);
    assert_int_equal(ruled_limit(&r).under, 0);
    assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_OK);
    rig_end(&r);
}

/* A task that ends takes its calls along, one of them served and not told of it. */
static void who_leaves_before_he_hears_gives_it_back(void **unused)
{
    (void)unused;
    struct rig r;
    ruled_begin(&r, 5, (struct nebula_rules){.limit = {.concurrent = 1, .queue = 5}});
    server_pace(r.server, 50 * MS);
    int32_t first = ruled_ask(&r, get), second = ruled_ask(&r, get), third = ruled_ask(&r, get);
    rig_pass(&r, 10 * MS);
    nebula_cancel(r.nebula, first);
    nebula_done(r.nebula, second); /* which has the permit of the first one by now */
    assert_int_equal(rig_await(&r, third, NULL), ERROR_OK);
    assert_int_equal(rig_await(&r, first, NULL), ERROR_CANCELLED);
    assert_int_equal(ruled_limit(&r).under, 0);
    rig_end(&r);
}

/* Nothing was sent, so nothing was done. */
static void who_is_cancelled_while_he_waits_has_failed(void **unused)
{
    (void)unused;
    struct rig r;
    struct nebula_reply reply;
    ruled_begin(&r, 5, (struct nebula_rules){.limit = {.concurrent = 1, .queue = 5}});
    server_pace(r.server, 50 * MS);
    int32_t first = ruled_ask(&r, get), second = ruled_ask(&r, get);
    nebula_cancel(r.nebula, second);
    assert_int_equal(rig_await(&r, second, &reply), ERROR_CANCELLED);
    assert_int_equal(reply.outcome, OUTCOME_FAILED);
    assert_int_equal(rig_await(&r, first, NULL), ERROR_OK);
    rig_end(&r);
}

/* He waits in the queue of the limit, and then for a connection, for 500 ms together; the next attempt has as long. */
static void each_attempt_may_wait_as_long(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    r.spec.policy.tries = 2;
    r.spec.policy.budget_least = 1;
    r.spec.policy.pause_us = r.spec.policy.pause_max_us = MS;
    r.spec.policy.deadline_us = 3 * SECOND;
    rig_open(&r);
    ruled_say(&r, (struct nebula_rules){.limit = {.concurrent = 1, .queue = 5}});
    server_pace(r.server, 400 * MS);
    int32_t first = ruled_ask(&r, get);
    rig_pass(&r, MS);
    int32_t second = ruled_ask(&r, (struct nebula_request){.is_idempotent = true});
    assert_int_equal(rig_await(&r, first, NULL), ERROR_OK);
    rig_pass(&r, 100 * MS);
    server_crash(r.server, world_time_us() + 300 * MS);
    assert_int_equal(rig_await(&r, second, NULL), ERROR_OK);
    rig_end(&r);
}

static void another_bound_is_in_force_at_once(void **unused)
{
    (void)unused;
    struct rig r;
    int32_t ticket[4];
    ruled_begin(&r, 5, (struct nebula_rules){.limit = {.concurrent = 1, .queue = 5}});
    server_pace(r.server, 100 * MS);
    for (int i = 0; i < 4; i++)
        ticket[i] = ruled_ask(&r, get);
    rig_pass(&r, MS);
    assert_int_equal(rig_count(&r, CONN_LEASED), 1);
    ruled_say(&r, (struct nebula_rules){.limit = {.concurrent = 3, .queue = 5}});
    rig_pass(&r, MS);
    assert_int_equal(rig_count(&r, CONN_LEASED), 3);
    ruled_say(&r, (struct nebula_rules){.limit = {.concurrent = 0}});
    rig_pass(&r, MS);
    assert_int_equal(rig_count(&r, CONN_LEASED), 4);
    for (int i = 0; i < 4; i++)
        assert_int_equal(rig_await(&r, ticket[i], NULL), ERROR_OK);
    assert_int_equal(ruled_limit(&r).under, 0);
    rig_end(&r);
}

static void all_workers_have_one_limit_and_one_queue(void **unused)
{
    (void)unused;
    struct shift w;
    const struct nebula_rules rules = {.limit = {.concurrent = 2, .queue = 4}};
    int32_t ticket[6];
    shift_begin(&w, 3);
    w.spec->pool.max = 6;
    shift_open_all(&w);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(shift_await(&w, i, rig_call(&w.of[i], 0, "get 1 1")), ERROR_OK);
        assert_int_equal(nebula_rules(w.of[i].nebula, w.of[i].shop, &rules), 0);
    }
    server_pace(w.of[0].server, 100 * MS);
    for (int i = 0; i < 6; i++) {
        ticket[i] = rig_call(&w.of[i % 3], 0, "get 1 1");
        shift_pass(&w, MS);
    }
    assert_int_equal(shift_await(&w, 1, rig_call(&w.of[1], 0, "get 1 1")), ERROR_FULL);
    assert_int_equal(ruled_limit(&w.of[2]).under, 2);
    assert_int_equal(ruled_limit(&w.of[2]).waiting, 4);
    for (int i = 0; i < 6; i++) { /* first come, first served */
        assert_int_equal(shift_await(&w, i % 3, ticket[i]), ERROR_OK);
        for (int later = i + 2; later < 6; later++)
            assert_false(rig_is_answered(&w.of[later % 3], ticket[later]));
    }
    assert_int_equal(ruled_limit(&w.of[0]).under, 0);
    shift_end(&w);
}

static void a_worker_that_goes_takes_no_permit_along(void **unused)
{
    (void)unused;
    struct shift w;
    const struct nebula_rules rules = {.limit = {.concurrent = 1, .queue = 4}};
    shift_begin(&w, 2);
    shift_open_all(&w);
    for (int i = 0; i < 2; i++)
        assert_int_equal(nebula_rules(w.of[i].nebula, w.of[i].shop, &rules), 0);
    server_pace(w.of[0].server, 100 * MS);
    int32_t first = rig_call(&w.of[0], 0, "get 1 1"), second = rig_call(&w.of[1], 0, "get 1 1");
    shift_pass(&w, MS);
    assert_int_equal(ruled_limit(&w.of[1]).waiting, 1);
    assert_true(first > 0);
    shift_close(&w, 0);
    assert_int_equal(shift_await(&w, 1, second), ERROR_OK);
    assert_int_equal(ruled_limit(&w.of[1]).under, 0);
    shift_end(&w);
}

/* --- shed ---------------------------------------------------------------------------------------- */

static void a_queue_that_stands_sheds_batch_work_first(void **unused)
{
    (void)unused;
    struct rig r;
    const struct nebula_rules rules = {
        .limit = {.concurrent = 1, .queue = 100},
        .shed = {.interval_us = 50 * MS,
                 .of = {[NEBULA_PRIORITY_NORMAL] = {.target_us = 5 * SECOND},
                        [NEBULA_PRIORITY_BATCH] = {.target_us = 20 * MS, .most_us = 20 * MS}}}};
    int32_t ticket[40], shed = 0, ok = 0;
    ruled_begin(&r, 2, rules);
    server_pace(r.server, 10 * MS);
    for (int i = 0; i < 40; i++)
        ticket[i] =
            ruled_ask(&r, (struct nebula_request){.priority = i % 2 == 0 ? NEBULA_PRIORITY_NORMAL
                                                                         : NEBULA_PRIORITY_BATCH});
    for (int i = 0; i < 40; i++) {
        int32_t code = rig_await(&r, ticket[i], NULL);
        assert_true(code == ERROR_OK || (code == ERROR_SHED && i % 2 == 1));
        shed += code == ERROR_SHED;
        ok += code == ERROR_OK;
    }
    assert_true(shed > 10 && ok >= 20);
    assert_int_equal(ruled_limit(&r).shed, shed);
    assert_int_equal(ruled_limit(&r).under, 0);
    rig_end(&r);
}

static void who_is_due_first_goes_first(void **unused)
{
    (void)unused;
    struct rig r;
    const struct nebula_rules rules = {
        .limit = {.concurrent = 1, .queue = 100},
        .shed = {.interval_us = SECOND, .of = {{.patience_us = 10 * (int64_t)SECOND}}}};
    ruled_begin(&r, 2, rules);
    server_pace(r.server, 50 * MS);
    int32_t busy = ruled_ask(&r, get);
    int32_t patient = ruled_ask(&r, (struct nebula_request){.within_us = 900 * MS});
    int32_t hurried = ruled_ask(&r, (struct nebula_request){.within_us = 400 * MS});
    assert_int_equal(rig_await(&r, busy, NULL), ERROR_OK);
    assert_int_equal(rig_await(&r, hurried, NULL), ERROR_OK);
    assert_false(rig_is_answered(&r, patient));
    assert_int_equal(rig_await(&r, patient, NULL), ERROR_OK);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(so_many_are_under_way_so_many_wait_and_one_more_is_refused),
        cmocka_unit_test(who_fails_fast_does_not_wait_for_it),
        cmocka_unit_test(who_waits_too_long_is_told_so),
        cmocka_unit_test(each_end_gives_the_permit_back),
        cmocka_unit_test(who_leaves_before_he_hears_gives_it_back),
        cmocka_unit_test(who_is_cancelled_while_he_waits_has_failed),
        cmocka_unit_test(each_attempt_may_wait_as_long),
        cmocka_unit_test(another_bound_is_in_force_at_once),
        cmocka_unit_test(all_workers_have_one_limit_and_one_queue),
        cmocka_unit_test(a_worker_that_goes_takes_no_permit_along),
        cmocka_unit_test(a_queue_that_stands_sheds_batch_work_first),
        cmocka_unit_test(who_is_due_first_goes_first),
    };
    return cmocka_run_group_tests_name("limits", tests, NULL, NULL);
}
