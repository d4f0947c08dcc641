/* limits_found_sim_spec.c - a bound that is found goes by what becomes of calls: which count, and how. */
#include "sim/ruled.h"

/* It begins with trials of 3 and of 6 calls under way. */
#define BELOW 3
#define ABOVE 6
#define ROUNDS 24 /* in each of which one begins beside enough others to count */

static const struct nebula_rules found = {
    .limit = {
        .concurrent = 4, .queue = 9, .is_adaptive = true, .min = 1, .max = 50, .tolerance = 200}};

/* So many times as many calls as may be under way, all at once. */
static void make_calls(struct rig *r, int times, struct nebula_request request, int32_t code)
{
    int32_t ticket[BELOW];
    for (int i = 0; i < times; i++) {
        for (int n = 0; n < BELOW; n++) {
            request.text = request.text == NULL ? "get 1 1" : request.text;
            ticket[n] = rig_request(r, request);
        }
        for (int n = 0; n < BELOW; n++)
            assert_int_equal(rig_await(r, ticket[n], NULL), code);
    }
}

static void begin(struct rig *r)
{
    ruled_begin(r, 5, found);
    server_pace(r->server, 10 * MS);
    make_calls(r, 1, get, ERROR_OK);
    assert_int_equal(ruled_limit(r).most, BELOW);
}

static void calls_that_go_well_end_a_trial(void **unused)
{
    (void)unused;
    struct rig r;
    begin(&r);
    make_calls(&r, ROUNDS, get, ERROR_OK);
    assert_int_equal(ruled_limit(&r).most, ABOVE);
    rig_end(&r);
}

/* It took the server as long, and it did its work. */
static void so_do_those_that_the_server_refuses(void **unused)
{
    (void)unused;
    struct rig r;
    begin(&r);
    make_calls(&r, ROUNDS, (struct nebula_request){.text = "fail 1 1"}, ERROR_QUERY);
    assert_int_equal(ruled_limit(&r).most, ABOVE);
    rig_end(&r);
}

/* What is tried is not what was found. */
static void what_was_found_is_told(void **unused)
{
    (void)unused;
    struct rig r;
    int32_t ticket[9];
    ruled_begin(&r, 9, found);
    server_pace(r.server, 10 * MS);
    make_calls(&r, 1, get, ERROR_OK);
    assert_int_equal(ruled_limit(&r).found, 4);
    assert_int_equal(ruled_limit(&r).latency_us, 0);
    assert_int_equal(ruled_limit(&r).least_us, 0);
    for (int i = 0; i < 10 * ROUNDS; i++) {
        for (int n = 0; n < 9; n++)
            ticket[n] = ruled_ask(&r, get);
        for (int n = 0; n < 9; n++)
            assert_int_equal(rig_await(&r, ticket[n], NULL), ERROR_OK);
    }
    struct limits_view v = ruled_limit(&r);
    assert_true(v.found >= 1 && v.found != v.most);
    assert_in_range(v.latency_us, 9 * MS, 12 * MS);
    assert_in_range(v.least_us, 9 * MS, v.latency_us);
    rig_end(&r);
}

static void one_that_is_declared_is_not_found(void **unused)
{
    (void)unused;
    struct rig r;
    ruled_begin(&r, 5, (struct nebula_rules){.limit = {.concurrent = 2, .queue = 2}});
    make_calls(&r, 1, get, ERROR_OK);
    assert_int_equal(ruled_limit(&r).most, 2);
    assert_int_equal(ruled_limit(&r).found, 0);
    rig_end(&r);
}

static void where_most_fail_the_bound_is_halved(void **unused)
{
    (void)unused;
    struct rig r;
    begin(&r);
    make_calls(&r, ROUNDS, (struct nebula_request){.within_us = 8 * MS}, ERROR_DEADLINE);
    rig_pass(&r, SECOND);
    assert_int_equal(ruled_limit(&r).most, 1);
    rig_end(&r);
}

/* They wait for connections, which others have. */
static void what_was_not_sent_counts_for_nothing(void **unused)
{
    (void)unused;
    struct rig r;
    int64_t lease[5];
    begin(&r);
    for (int i = 0; i < 5; i++)
        lease[i] = rig_lease(&r);
    make_calls(&r, ROUNDS, (struct nebula_request){.within_us = 20 * MS}, ERROR_DEADLINE);
    for (int i = 0; i < 5; i++)
        rig_release(&r, lease[i]);
    assert_int_equal(ruled_limit(&r).most, BELOW);
    rig_end(&r);
}

static void what_nobody_waits_for_any_more_counts_for_nothing(void **unused)
{
    (void)unused;
    struct rig r;
    int32_t ticket[BELOW];
    begin(&r);
    for (int i = 0; i < ROUNDS; i++) {
        for (int n = 0; n < BELOW; n++)
            ticket[n] = ruled_ask(&r, get);
        rig_pass(&r, 8 * MS);
        for (int n = 0; n < BELOW; n++) {
            nebula_cancel(r.nebula, ticket[n]);
            assert_int_equal(rig_await(&r, ticket[n], NULL), ERROR_CANCELLED);
        }
        rig_pass(&r, 20 * MS);
    }
    assert_int_equal(ruled_limit(&r).most, BELOW);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_that_go_well_end_a_trial),
        cmocka_unit_test(so_do_those_that_the_server_refuses),
        cmocka_unit_test(what_was_found_is_told),
        cmocka_unit_test(one_that_is_declared_is_not_found),
        cmocka_unit_test(where_most_fail_the_bound_is_halved),
        cmocka_unit_test(what_was_not_sent_counts_for_nothing),
        cmocka_unit_test(what_nobody_waits_for_any_more_counts_for_nothing),
    };
    return cmocka_run_group_tests_name("a bound that is found", tests, NULL, NULL);
}
