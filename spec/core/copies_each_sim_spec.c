/* copies_each_sim_spec.c - that each copy is the same call, when the third one goes, and what is told of them. */
#include "sim/ruled.h"

#include <string.h>

#include "core/call.h"
#include "nebula_balance.h"
#include "sim/tales.h"

#define TRACE "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

static const struct nebula_request twice = {.is_idempotent = true};

/* A copy after 50 ms, and another one after 50 ms more. */
static const struct nebula_rules thrice = {
    .hedge = {.copies = 3, .delay_us = 50 * MS, .percent = 100, .burst = 10}};

static int32_t heard_by(struct rig *r, int64_t before)
{
    return (int32_t)(server_heard(r->server) - before);
}

/* --- the same call ------------------------------------------------------------------------------ */

static void is_the_same(const struct attempt *a, const struct attempt *of)
{
    assert_int_equal(a->role, of->role);
    assert_int_equal(a->asked_us, of->asked_us);
    assert_int_equal(a->deadline_us, of->deadline_us);
    assert_true(a->waiter.key == of->waiter.key);
    assert_int_equal(a->tale.attempt, of->tale.attempt);
    assert_true(a->tale.call == of->tale.call);
    assert_int_equal(a->request.verb, of->request.verb);
    assert_int_equal(a->request.count, of->request.count);
    assert_int_equal(a->request.text_size, of->request.text_size);
    assert_ptr_equal(a->request.text, of->request.text);
    assert_ptr_equal(a->request.value, of->request.value);
    assert_ptr_equal(a->request.context, of->request.context);
    assert_true(a->request.is_idempotent);
}

static void each_goes_by_the_same_request(void **unused)
{
    (void)unused;
    static const struct nebula_value seven = {.type = NEBULA_INT, .integer = 7};
    struct rig r;
    int32_t ticket[3];
    rig_begin(&r);
    r.spec.roles = 2;
    r.spec.role_name[1] = "reader";
    r.spec.role_max[1] = 3;
    rig_open(&r);
    for (int i = 0; i < 3; i++)
        ticket[i] = ruled_ask(&r, (struct nebula_request){.role = 1});
    for (int i = 0; i < 3; i++)
        assert_int_equal(rig_await(&r, ticket[i], NULL), ERROR_OK);
    ruled_say(&r, thrice);
    assert_int_equal(nebula_task_trace(r.nebula, TRACE), 0);
    nebula_task_key(r.nebula, "blue", 4);
    server_odds(r.server, FAULT_STUCK, 1000);
    ticket[0] = ruled_ask(
        &r, (struct nebula_request){.role = 1, .is_idempotent = true, .count = 1, .value = &seven});
    rig_pass(&r, 120 * MS);
    const struct call *c = (const struct call *)ticket_find(r.engine, ticket[0]);
    int32_t copies = 0;
    for (const struct copy *copy = c->copies.first; copy != NULL; copy = copy->next, copies++)
        is_the_same(&copy->attempt, &c->attempt);
    assert_int_equal(copies, 2);
    assert_int_equal(c->attempt.role, 1);
    assert_int_equal(c->attempt.request.count, 1);
    assert_non_null(c->attempt.request.context);
    assert_true(c->attempt.waiter.key != 0);
    nebula_cancel(r.nebula, ticket[0]);
    rig_await(&r, ticket[0], NULL);
    server_calm(r.server);
    rig_end(&r);
}

/* --- the third one ------------------------------------------------------------------------------ */

static void the_third_goes_as_long_after_the_second(void **unused)
{
    (void)unused;
    struct rig r;
    ruled_begin(&r, 4, thrice);
    int64_t before = server_heard(r.server);
    server_odds(r.server, FAULT_STUCK, 1000);
    int32_t ticket = ruled_ask(&r, twice);
    static const struct {
        int64_t after_us;
        int32_t copies;
    } row[] = {{48 * MS, 1}, {52 * MS, 2}, {98 * MS, 2}, {104 * MS, 3}};
    int64_t begun_us = world_time_us();
    for (size_t i = 0; i < COUNT(row); i++) {
        rig_pass(&r, begun_us + row[i].after_us - world_time_us());
        assert_int_equal(rig_count(&r, CONN_LEASED), row[i].copies);
    }
    rig_pass(&r, 300 * MS);
    assert_int_equal(heard_by(&r, before), 3);
    nebula_cancel(r.nebula, ticket);
    assert_int_equal(rig_await(&r, ticket, NULL), ERROR_CANCELLED);
    server_calm(r.server);
    rig_end(&r);
}

/* And none goes once it is answered, however long its ticket lives. */
static void who_answered_is_told_by_its_number(void **unused)
{
    (void)unused;
    static const char *const told[] = {
        "hedged 1. 50ms, hedge_won 1. 2 50ms, ended 1. ok 50ms ok",
        "hedged 1. 50ms, hedged 1. 100ms, hedge_won 1. 3 100ms, ended 1. ok 100ms ok"};
    for (int i = 0; i < 2; i++) {
        struct rig r;
        ruled_begin(&r, 4, thrice);
        int64_t before = server_heard(r.server);
        server_odds(r.server, FAULT_STUCK, 1000);
        int32_t ticket = ruled_ask(&r, twice);
        rig_pass(&r, 20 * MS + i * 50 * MS);
        server_calm(r.server);
        rig_pass(&r, 300 * MS);
        assert_int_equal(heard_by(&r, before), 2 + i);
        assert_int_equal(rig_await(&r, ticket, NULL), ERROR_OK);
        tales_assert(&r, 1, told[i]);
        rig_end(&r);
    }
}

/* The second one answers while the third is under way. */
static void the_second_may_win_beside_the_third(void **unused)
{
    (void)unused;
    struct rig r;
    ruled_begin(&r, 4, thrice);
    server_order(r.server, FAULT_STUCK);
    server_pace(r.server, 60 * MS);
    int32_t ticket = ruled_ask(&r, twice);
    assert_int_equal(rig_await(&r, ticket, NULL), ERROR_OK);
    tales_assert(&r, 1,
                 "hedged 1. 50ms, hedged 1. 100ms, hedge_won 1. 2 110ms, ended 1. ok 110ms ok");
    rig_pass(&r, 100 * MS);
    rig_end(&r);
}

/* Wherever the deadline is between the time of the third and when the loop comes to it. */
static void none_goes_after_the_deadline(void **unused)
{
    (void)unused;
    for (int64_t within_us = 98 * MS; within_us < 104 * MS; within_us += 50) {
        struct rig r;
        ruled_begin(&r, 4, thrice);
        server_odds(r.server, FAULT_STUCK, 1000);
        int64_t begun_us = world_time_us();
        int32_t ticket =
            ruled_ask(&r, (struct nebula_request){.is_idempotent = true, .within_us = within_us});
        assert_int_equal(rig_await(&r, ticket, NULL), ERROR_DEADLINE);
        assert_in_range(world_time_us() - begun_us, within_us, within_us + MS);
        server_calm(r.server);
        rig_end(&r);
    }
}

static void what_fails_is_told_as_failed(void **unused)
{
    (void)unused;
    struct rig r;
    ruled_begin(&r, 4, thrice);
    server_odds(r.server, FAULT_STUCK, 1000);
    int32_t ticket =
        ruled_ask(&r, (struct nebula_request){.is_idempotent = true, .within_us = 90 * MS});
    assert_int_equal(rig_await(&r, ticket, NULL), ERROR_DEADLINE);
    tales_assert(
        &r, 1,
        "hedged 1. 50ms, failed 1. deadline 40ms in_doubt, failed 1. deadline 90ms in_doubt, "
        "ended 1. deadline 90ms in_doubt");
    server_calm(r.server);
    rig_end(&r);
}

/* The last failure is that of a copy, which has not won. */
static void a_copy_that_fails_last_has_not_won(void **unused)
{
    (void)unused;
    struct rig r;
    ruled_begin(&r, 4, thrice);
    server_odds(r.server, FAULT_LOST_BEFORE, 1000);
    assert_int_equal(rig_await(&r, ruled_ask(&r, twice), NULL), ERROR_LOST);
    tales_assert(
        &r, 1,
        "failed 1. lost 0ms in_doubt, hedged 1. 0ms, failed 1. lost 0ms in_doubt, hedged 1. 0ms, "
        "failed 1. lost 0ms in_doubt, not_again 1. tries, ended 1. lost 0ms in_doubt");
    server_calm(r.server);
    rig_end(&r);
}

/* Calls that share one would be slow together. */
static void a_copy_has_a_connection_of_its_own(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    r.spec.pool.max = 3;
    r.spec.pool.pipeline = 4;
    rig_open(&r);
    int64_t lease[3] = {rig_lease(&r), rig_lease(&r), rig_lease(&r)};
    for (int i = 0; i < 3; i++)
        rig_release(&r, lease[i]);
    ruled_say(&r, thrice);
    server_pace(r.server, 60 * MS);
    int32_t ticket = ruled_ask(&r, twice);
    assert_int_equal(rig_pool(&r)->sharers, 1);
    rig_pass(&r, 55 * MS);
    assert_int_equal(rig_pool(&r)->sharers, 1);
    assert_int_equal(rig_count(&r, CONN_LEASED), 2);
    assert_int_equal(rig_await(&r, ticket, NULL), ERROR_OK);
    rig_end(&r);
}

/* --- when there is none -------------------------------------------------------------------------- */

/* It waits for its connection for longer than the delay, and then it takes too long. */
static void who_waited_has_one_when_it_is_sent(void **unused)
{
    (void)unused;
    struct rig r;
    ruled_begin(&r, 2, thrice);
    int64_t one = rig_lease(&r), other = rig_lease(&r), before = server_heard(r.server);
    int32_t ticket = ruled_ask(&r, twice);
    rig_pass(&r, 80 * MS);
    server_odds(r.server, FAULT_STUCK, 1000);
    rig_release(&r, one);
    rig_release(&r, other);
    rig_pass(&r, 15 * MS);
    server_calm(r.server);
    assert_int_equal(heard_by(&r, before), 1);
    assert_int_equal(rig_await(&r, ticket, NULL), ERROR_OK);
    assert_int_equal(heard_by(&r, before), 2);
    rig_end(&r);
}

/* And when it is given up as long as it waits nothing was done. */
static void who_is_given_up_while_it_waits_is_not_in_doubt(void **unused)
{
    (void)unused;
    struct rig r;
    struct nebula_reply reply;
    ruled_begin(&r, 1, thrice);
    int64_t lease = rig_lease(&r);
    int32_t ticket = ruled_ask(&r, twice);
    rig_pass(&r, 80 * MS);
    copies_give_up((struct call *)ticket_find(r.engine, ticket), NULL);
    nebula_cancel(r.nebula, ticket);
    assert_int_equal(rig_await(&r, ticket, &reply), ERROR_CANCELLED);
    assert_int_equal(reply.outcome, OUTCOME_FAILED);
    rig_release(&r, lease);
    rig_end(&r);
}

static void a_batch_has_none(void **unused)
{
    (void)unused;
    static const struct nebula_part parts[] = {{.text = "get 1 1", .text_size = 7}};
    struct rig r;
    ruled_begin(&r, 2, thrice);
    server_pace(r.server, 200 * MS);
    int32_t ticket = nebula_call(r.nebula, &(struct nebula_request){.resource = r.shop,
                                                                    .verb = NEBULA_BATCH,
                                                                    .part = parts,
                                                                    .parts = 1,
                                                                    .is_idempotent = true});
    rig_pass(&r, 150 * MS);
    assert_int_equal(rig_count(&r, CONN_LEASED), 1);
    assert_int_equal(rig_await(&r, ticket, NULL), ERROR_OK);
    rig_end(&r);
}

/* Each call may have one more, and all are spent. */
static void what_is_denied_is_told_once(void **unused)
{
    (void)unused;
    struct rig r;
    struct nebula_rules poor = thrice;
    poor.hedge.percent = 0;
    poor.hedge.burst = 1;
    ruled_begin(&r, 4, poor);
    server_pace(r.server, 60 * MS);
    assert_int_equal(rig_await(&r, ruled_ask(&r, twice), NULL), ERROR_OK);
    rig_pass(&r, 200 * MS);
    server_pace(r.server, 0);
    server_odds(r.server, FAULT_LOST_BEFORE, 1000);
    assert_int_equal(rig_await(&r, ruled_ask(&r, twice), NULL), ERROR_LOST);
    tales_assert(&r, 2,
                 "failed 1. lost 0ms in_doubt, hedge_denied 1. 0ms, not_again 1. tries, ended 1. "
                 "lost 0ms in_doubt");
    server_calm(r.server);
    rig_end(&r);
}

/* Who is refused a connection at once asks for no copy. */
static void what_was_not_sent_has_none(void **unused)
{
    (void)unused;
    struct rig r;
    struct nebula_rules poor = thrice;
    poor.hedge.percent = 0;
    poor.hedge.burst = 1;
    ruled_begin(&r, 2, poor);
    server_pace(r.server, 60 * MS);
    assert_int_equal(rig_await(&r, ruled_ask(&r, twice), NULL), ERROR_OK);
    rig_pass(&r, 200 * MS);
    int64_t one = rig_lease(&r), other = rig_lease(&r);
    assert_int_equal(
        rig_await(
            &r, ruled_ask(&r, (struct nebula_request){.is_idempotent = true, .is_fail_fast = true}),
            NULL),
        ERROR_FULL);
    tales_assert(&r, 2, "refused 1. full 0ms 2 (rig.c:0), ended 1. full 0ms failed");
    rig_release(&r, one);
    rig_release(&r, other);
    rig_end(&r);
}

/* A statement that fails says nothing about how long one takes; so nothing is known, and there is no copy. */
static void what_failed_does_not_move_the_quantile(void **unused)
{
    (void)unused;
    struct rig r;
    struct nebula_rules rules = thrice;
    rules.hedge.permille = 1;
    rules.hedge.delay_us = 0;
    ruled_begin(&r, 4, rules);
    for (int i = 0; i < 20; i++)
        assert_int_equal(rig_await(&r,
                                   rig_request(&r, (struct nebula_request){.text = "fail 1 1",
                                                                           .is_idempotent = true}),
                                   NULL),
                         ERROR_QUERY);
    rig_pass(&r, 100 * MS);
    int64_t before = server_heard(r.server);
    server_pace(r.server, 100 * MS);
    assert_int_equal(rig_await(&r, ruled_ask(&r, twice), NULL), ERROR_OK);
    assert_int_equal(heard_by(&r, before), 1);
    rig_pass(&r, 100 * MS);
    server_pace(r.server, 300 * MS);
    assert_int_equal(rig_await(&r, ruled_ask(&r, twice), NULL),
                     ERROR_OK); /* that of the one is 100 ms */
    rig_pass(&r, 300 * MS);
    assert_int_equal(heard_by(&r, before), 4);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_goes_by_the_same_request),
        cmocka_unit_test(the_third_goes_as_long_after_the_second),
        cmocka_unit_test(who_answered_is_told_by_its_number),
        cmocka_unit_test(the_second_may_win_beside_the_third),
        cmocka_unit_test(none_goes_after_the_deadline),
        cmocka_unit_test(what_fails_is_told_as_failed),
        cmocka_unit_test(a_copy_that_fails_last_has_not_won),
        cmocka_unit_test(a_copy_has_a_connection_of_its_own),
        cmocka_unit_test(who_waited_has_one_when_it_is_sent),
        cmocka_unit_test(who_is_given_up_while_it_waits_is_not_in_doubt),
        cmocka_unit_test(a_batch_has_none),
        cmocka_unit_test(what_is_denied_is_told_once),
        cmocka_unit_test(what_was_not_sent_has_none),
        cmocka_unit_test(what_failed_does_not_move_the_quantile),
    };
    return cmocka_run_group_tests_name("each copy", tests, NULL, NULL);
}
