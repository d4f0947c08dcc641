/* The budget for retries is that of the process: as many workers as there are, together they try again no oftener. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "sim/shift.h"

#define CREW 4

static void begin(struct shift *w, int32_t budget, int32_t least)
{
    shift_begin(w, CREW);
    w->spec->pool.max = w->spec->pool.connecting = 2 * CREW;
    w->spec->policy.deadline_us = w->spec->policy.wait_us = 60 * (int64_t)SECOND;
    w->spec->policy.tries = 1000;
    w->spec->policy.pause_us = w->spec->policy.pause_max_us = MS;
    w->spec->policy.budget = budget;
    w->spec->policy.budget_least = least;
    shift_open_all(w);
}

static int64_t retries(const struct shift *w)
{
    int64_t sum = 0;
    for (int i = 0; i < w->count; i++)
        if (shift_is_open(w, i))
            sum += (int64_t)((const struct resource *)table_get(&w->of[i].engine->resources,
                                                                w->of[i].shop))
                       ->retries;
    return sum;
}

/* A call that fails however often it is tried, until the budget is spent. */
static void fail_in(struct shift *w, int i)
{
    int32_t ticket =
        rig_request(&w->of[i], (struct nebula_request){.text = "get 1 1", .is_idempotent = true});
    for (int n = 0; n < 4000 && !shift_has(w, i, ticket); n++)
        shift_pass(w, MS);
    assert_true(rig_await(&w->of[i], ticket, NULL) != ERROR_OK);
}

static void calls_in_all_workers_pay_for_retries_in_one(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w, 20, 0);
    for (int n = 0; n < 100; n++) {
        int32_t ticket = rig_call(&w.of[n % CREW], 0, "get 1 1");
        shift_pass(&w, 10 * MS);
        assert_int_equal(rig_await(&w.of[n % CREW], ticket, NULL), ERROR_OK);
    }
    shift_pass(&w, 20 * MS);
    server_odds(w.of[0].server, FAULT_LOST_BEFORE, 1000);
    fail_in(&w, 1);
    assert_int_equal(retries(&w), 20); /* which was nobody's alone */
    for (int i = 0; i < CREW; i++)
        fail_in(&w, i);
    assert_int_equal(retries(&w), 21); /* a fifth of each of five more */
    shift_end(&w);
}

static void so_many_a_second_are_those_of_all(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w, 0, 5);
    server_odds(w.of[0].server, FAULT_LOST_BEFORE, 1000);
    int64_t begun_us = world_time_us();
    while (world_time_us() < begun_us + 4 * (int64_t)SECOND)
        for (int i = 0; i < CREW; i++)
            fail_in(&w, i);
    int64_t most = 5 + (world_time_us() - begun_us) * 5 / SECOND;
    assert_in_range(retries(&w), most - 1, most);
    shift_end(&w);
}

static void who_leaves_takes_none_with_him(void **unused)
{
    (void)unused;
    struct shift w;
    begin(&w, 100, 0);
    int32_t ticket[8];
    for (int n = 0; n < 8; n++)
        ticket[n] = rig_call(&w.of[0], 0, "get 1 1");
    int32_t other = rig_call(&w.of[1], 0, "get 1 1");
    shift_pass(&w, 5 * MS); /* what he put in is not with the others' yet */
    for (int n = 0; n < 8; n++)
        rig_await(&w.of[0], ticket[n], NULL);
    rig_await(&w.of[1], other, NULL);
    shift_close(&w, 0);
    server_odds(w.of[0].server, FAULT_LOST_BEFORE, 1000);
    fail_in(&w, 1);
    assert_int_equal(retries(&w), 10);
    shift_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_in_all_workers_pay_for_retries_in_one),
        cmocka_unit_test(so_many_a_second_are_those_of_all),
        cmocka_unit_test(who_leaves_takes_none_with_him),
    };
    return cmocka_run_group_tests_name("retry", tests, NULL, NULL);
}
