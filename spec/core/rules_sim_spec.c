/* rules_sim_spec.c - the other rules in force in virtual time: with what retries are paid, what operations are, and the order. */
#include <string.h>

#include "sim/memory.h"
#include "sim/ruled.h"

/* --- retry --------------------------------------------------------------------------------------- */

/* Attempts at a statement that is lost each time. */
static int32_t attempts_of(struct rig *r)
{
    struct nebula_reply reply;
    server_odds(r->server, FAULT_LOST_BEFORE, 1000);
    assert_int_equal(
        rig_await(r, ruled_ask(r, (struct nebula_request){.is_idempotent = true}), &reply),
        ERROR_LOST);
    server_calm(r->server);
    rig_pass(r, 10 * MS);
    return reply.attempts;
}

static void retries_may_be_paid_with_tokens(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    r.spec.policy.tries = 4;
    r.spec.policy.pause_us = r.spec.policy.pause_max_us = MS;
    rig_open(&r);
    rig_hold_for(&r, MS);
    ruled_say(&r, (struct nebula_rules){.again = {.budget = NEBULA_BUDGET_QUOTA,
                                                  .capacity = 50000,
                                                  .success = 1000,
                                                  .cost = 5000,
                                                  .cost_lost = 10000}});
    assert_int_equal(attempts_of(&r), 4);
    assert_int_equal(attempts_of(&r), 3);
    assert_int_equal(attempts_of(&r), 1);
    for (int i = 0; i < 10; i++) /* each brings one back */
        assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_OK);
    assert_int_equal(attempts_of(&r), 2);
    rig_end(&r);
}

static void the_shape_and_the_jitter_are_in_force(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    r.spec.policy.tries = 4;
    r.spec.policy.budget_least = 100;
    r.spec.policy.pause_us = 20 * MS;
    r.spec.policy.pause_max_us = SECOND;
    rig_open(&r);
    rig_hold_for(&r, MS);
    ruled_say(&r, (struct nebula_rules){
                      .again = {.shape = NEBULA_RETRY_LINEAR, .jitter = NEBULA_JITTER_NONE}});
    int64_t before = world_time_us();
    assert_int_equal(attempts_of(&r), 4);
    assert_in_range(world_time_us() - before, 120 * MS, 180 * MS); /* 20 + 40 + 60 */
    rig_end(&r);
}

/* --- operations ----------------------------------------------------------------------------------- */

static void an_operation_has_a_policy_of_its_own(void **unused)
{
    (void)unused;
    struct rig r;
    ruled_begin(&r, 4, (struct nebula_rules){.limit = {.concurrent = 1, .queue = 0}});
    struct nebula_policy policy = r.spec.policy;
    const struct nebula_rules none = {.limit = {.concurrent = 0}};
    policy.deadline_us = 20 * MS;
    int32_t with = nebula_operation(r.nebula, r.shop, "report", &policy, &none, false);
    int32_t apart = nebula_operation(r.nebula, r.shop, "pay", &policy, &none, true);
    assert_int_equal(with, 1);
    assert_int_equal(apart, 2);
    server_pace(r.server, 100 * MS);
    int32_t first = ruled_ask(&r, get);
    assert_int_equal(rig_await(&r, ruled_ask(&r, (struct nebula_request){.operation = with}), NULL),
                     ERROR_FULL);
    int32_t other = ruled_ask(&r, (struct nebula_request){.operation = apart});
    assert_int_equal(rig_await(&r, other, NULL), ERROR_DEADLINE);
    assert_int_equal(rig_await(&r, first, NULL), ERROR_OK);
    policy.deadline_us = SECOND; /* said again */
    assert_int_equal(nebula_operation(r.nebula, r.shop, "pay", &policy, &none, true), 2);
    assert_int_equal(
        rig_await(&r, ruled_ask(&r, (struct nebula_request){.operation = apart}), NULL), ERROR_OK);
    assert_int_equal(rig_request(&r, (struct nebula_request){.text = "get 1 1", .operation = 3}),
                     -ERROR_USAGE);
    for (int32_t priority = -1; priority <= 3; priority += 4)
        assert_int_equal(
            rig_request(&r, (struct nebula_request){.text = "get 1 1", .priority = priority}),
            -ERROR_USAGE);
    rig_end(&r);
}

static void what_no_operation_can_be_is_refused(void **unused)
{
    (void)unused;
    struct rig r;
    const struct nebula_rules none = {.limit = {.concurrent = 0}};
    char name[] = "o00";
    rig_open_warm(&r, 1);
    const struct nebula_policy *p = &r.spec.policy;
    const struct nebula_policy wrong = {.tries = 1};
    static const char *const bad[] = {
        "", "a b", "a/b", NULL, "0123456789012345678901234567890123456789012345678901234567890123"};
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_int_equal(nebula_operation(r.nebula, r.shop, bad[i], p, &none, true), -ERROR_CONFIG);
    assert_int_equal(nebula_operation(r.nebula, r.shop, "a", &wrong, &none, true), -ERROR_CONFIG);
    assert_int_equal(nebula_operation(r.nebula, 99, "a", p, &none, true), -ERROR_USAGE);
    for (int i = 0; i < OPERATIONS_MOST; i++) {
        name[1] = (char)('0' + i / 10);
        name[2] = (char)('0' + i % 10);
        assert_int_equal(nebula_operation(r.nebula, r.shop, name, p, &none, i % 2 == 0), i + 1);
    }
    assert_int_equal(nebula_operation(r.nebula, r.shop, "more", p, &none, true), -ERROR_LIMIT);
    assert_int_equal(nebula_operation(r.nebula, r.shop, "o00", p, &none, false), -ERROR_CONFIG);
    rig_end(&r);
}

/* --- the order ------------------------------------------------------------------------------------- */

/* A retry of its own takes a token where the rate is behind it. */
static void another_order_is_in_force_when_it_is_asked_for(void **unused)
{
    (void)unused;
    struct rig r;
    struct nebula_rules rules = {
        .rate = {.shape = NEBULA_RATE_WINDOW, .tokens = 2, .span_us = 10 * (int64_t)SECOND},
        .order = {NEBULA_STAGE_DEADLINE, NEBULA_STAGE_RETRY, NEBULA_STAGE_RATE,
                  NEBULA_STAGE_CIRCUIT, NEBULA_STAGE_LIMIT, NEBULA_STAGE_HEDGE}};
    struct nebula_reply reply;
    rig_begin(&r);
    r.spec.policy.tries = 4;
    r.spec.policy.budget_least = 100;
    rig_open(&r);
    rig_hold_for(&r, MS);
    ruled_say(&r, rules);
    server_odds(r.server, FAULT_LOST_BEFORE, 1000);
    assert_int_equal(
        rig_await(&r, ruled_ask(&r, (struct nebula_request){.is_idempotent = true}), &reply),
        ERROR_RATE);
    assert_int_equal(reply.attempts, 2);
    server_calm(r.server);
    rig_end(&r);
}

/* --- what cannot be -------------------------------------------------------------------------------- */

static void what_cannot_be_is_refused_with_its_name(void **unused)
{
    (void)unused;
    struct rig r;
    static const struct {
        struct nebula_rules said;
        const char *why;
    } row[] = {
        {{.again = {.shape = 4}}, "shop: retry: there is no such shape, jitter or budget"},
        {{.again = {.jitter = -1}}, "shop: retry: there is no such shape, jitter or budget"},
        {{.again = {.budget = 1, .capacity = 999}},
         "shop: retry: a budget of at least 1,000 thousandths of a token, and nothing costs or "
         "brings more than all of it"},
        {{.again = {.budget = 2, .capacity = 1000, .success = 1001}},
         "shop: retry: a budget of at least 1,000 thousandths of a token, and nothing costs or "
         "brings more than all of it"},
        {{.rate = {.shape = 4}}, "shop: rate: there is no such shape, or per"},
        {{.rate = {.shape = 1, .per = 3}}, "shop: rate: there is no such shape, or per"},
        {{.rate = {.shape = 1, .span_us = 1}},
         "shop: rate: 1 to 1,000,000,000 calls in a span that is positive and not endless, as what "
         "is waited"},
        {{.rate = {.shape = 1, .tokens = 1}},
         "shop: rate: 1 to 1,000,000,000 calls in a span that is positive and not endless, as what "
         "is waited"},
        {{.rate = {.shape = 1, .tokens = 1, .span_us = 1}},
         "shop: rate: a burst of 1 to 1,000,000,000 calls"},
        {{.limit = {.concurrent = -1}},
         "shop: limit: 0 to 1,000,000 calls at once, and as many that wait"},
        {{.limit = {.concurrent = 1, .queue = 1000001}},
         "shop: limit: 0 to 1,000,000 calls at once, and as many that wait"},
        {{.limit = {.concurrent = 1, .is_adaptive = true, .min = 2, .max = 3, .tolerance = 200}},
         "shop: limit: 1 <= min <= concurrent <= max <= 1,000,000, and a tolerance of 100 to "
         "100,000 percent"},
        {{.shed = {.interval_us = 1}}, "shop: shed: needs a limit, in whose queue it sheds"},
        {{.limit = {.concurrent = 1}, .shed = {.interval_us = 1, .of = {{.most_us = -1}}}},
         "shop: shed: a time is negative or endless"},
        {{.hedge = {.copies = 1}},
         "shop: hedge: 2 to 5 copies, permille below 1,000, 0 to 100 percent, and a burst of 1 to "
         "1,000,000"},
        {{.hedge = {.copies = 2, .burst = 1}},
         "shop: hedge: a time is negative or endless, or there is no delay"},
        {{.early = {.least = -1}}, "shop: deadline: least >= 0, and 0 to 100 percent"},
        {{.order = {NEBULA_STAGE_RETRY}}, "shop: order: each stage once, and hedge last"},
        {{.order = {6, 1, 2, 3, 4, 5}}, "shop: order: each stage once, and hedge last"},
        {{.order = {1, 2, 3, 4, 9, 6}}, "shop: order: each stage once, and hedge last"},
    };
    rig_begin(&r);
    rig_open(&r);
    for (size_t i = 0; i < COUNT(row); i++) {
        assert_int_equal(nebula_rules(r.nebula, r.shop, &row[i].said), -ERROR_CONFIG);
        assert_string_equal(nebula_error(r.nebula), row[i].why);
    }
    assert_int_equal(nebula_rules(r.nebula, 99, &row[0].said), -ERROR_USAGE);
    rig_end(&r);
}

/* The next allocation works again. */
static void without_memory_all_is_as_before(void **unused)
{
    (void)unused;
    struct rig r;
    const struct nebula_rules more = {.limit = {.concurrent = 7}};
    ruled_begin(&r, 1, (struct nebula_rules){.limit = {.concurrent = 3}});
    assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_OK);
    memory_fail(1);
    assert_int_equal(nebula_rules(r.nebula, r.shop, &more), -ERROR_MEMORY);
    memory_fail(0);
    assert_int_equal(ruled_limit(&r).most, 3);
    assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_OK);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(retries_may_be_paid_with_tokens),
        cmocka_unit_test(the_shape_and_the_jitter_are_in_force),
        cmocka_unit_test(an_operation_has_a_policy_of_its_own),
        cmocka_unit_test(what_no_operation_can_be_is_refused),
        cmocka_unit_test(another_order_is_in_force_when_it_is_asked_for),
        cmocka_unit_test(what_cannot_be_is_refused_with_its_name),
        cmocka_unit_test(without_memory_all_is_as_before),
    };
    return cmocka_run_group_tests_name("rules in force", tests, NULL, NULL);
}
