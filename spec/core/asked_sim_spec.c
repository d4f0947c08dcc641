/* asked_sim_spec.c - what the host is asked about a call that failed, in virtual time: what its answer changes, and that no
 * answer delays nobody for long. */
#include <string.h>

#include "core/asked.h"
#include "core/circuits.h"
#include "sim/ruled.h"

#define BIT(what) (1U << NEBULA_##what)

/* A resource with three tries, one of whose calls has failed and is asked about; its ticket. */
static int32_t fail_one(struct rig *r, struct nebula_rules rules, struct nebula_request request,
                        struct nebula_question *q)
{
    rig_begin(r);
    r->spec.policy.tries = 3;
    r->spec.policy.budget_least = 100;
    r->spec.policy.pause_us = r->spec.policy.pause_max_us = MS;
    rig_open(r);
    rig_hold_for(r, MS);
    rules.asks |= BIT(ASK_FAILURE);
    ruled_say(r, rules);
    int32_t ticket = rig_request(r, request);
    rig_pass(r, 20 * MS);
    assert_false(rig_is_answered(r, ticket));
    assert_true(nebula_question(r->nebula, q));
    assert_int_equal(q->what, NEBULA_ASK_FAILURE);
    assert_int_equal(q->ticket, ticket);
    return ticket;
}

static const struct nebula_request refused = {.text = "fail 1 1"};

static void the_question_says_what_there_is(void **unused)
{
    (void)unused;
    struct rig r;
    struct nebula_question q;
    int32_t ticket = fail_one(&r, (struct nebula_rules){.asks = 0}, refused, &q);
    assert_int_equal(q.resource, r.shop);
    assert_int_equal(q.operation, 0);
    assert_int_equal(q.code, ERROR_QUERY);
    assert_int_equal(q.outcome, OUTCOME_FAILED);
    assert_int_equal(q.attempts, 1);
    assert_false(q.is_idempotent || q.may_repeat);
    assert_in_range(q.took_us, 0, 20 * MS);
    assert_in_range(q.left_us, 900 * MS, SECOND);
    assert_true(strlen(q.text) > 0);
    assert_string_equal(q.from, "");
    assert_false(nebula_question(r.nebula, &q));
    assert_int_equal(nebula_answer(r.nebula, ticket, -1, NEBULA_CLASS_USUAL), 0);
    assert_int_equal(rig_await(&r, ticket, NULL), ERROR_QUERY);
    rig_end(&r);
}

static void yes_is_another_attempt_and_no_is_none(void **unused)
{
    (void)unused;
    struct rig r;
    struct nebula_question q;
    struct nebula_reply reply;
    int32_t ticket = fail_one(&r, (struct nebula_rules){.asks = 0}, refused, &q);
    for (int i = 1; i < 3; i++) {
        assert_int_equal(q.attempts, i);
        assert_int_equal(nebula_answer(r.nebula, ticket, 1, NEBULA_CLASS_USUAL), 0);
        rig_pass(&r, 50 * MS);
        assert_true(nebula_question(r.nebula, &q));
    }
    assert_int_equal(nebula_answer(r.nebula, ticket, 1, NEBULA_CLASS_USUAL),
                     0); /* the tries are over */
    assert_int_equal(rig_await(&r, ticket, &reply), ERROR_QUERY);
    assert_int_equal(reply.attempts, 3);
    rig_end(&r);
}

/* It would be: no is none, as usual is one, yes is one. */
static void no_is_none_though_it_may_be_repeated(void **unused)
{
    (void)unused;
    for (int32_t again = -1; again <= 1; again++) {
        struct rig r;
        struct nebula_question q;
        struct nebula_reply reply;
        rig_begin(&r);
        r.spec.policy.tries = 2;
        r.spec.policy.budget_least = 100;
        rig_open(&r);
        rig_hold_for(&r, MS);
        ruled_say(&r, (struct nebula_rules){.asks = BIT(ASK_FAILURE)});
        server_odds(r.server, FAULT_LOST_BEFORE, 1000);
        int32_t ticket =
            rig_request(&r, (struct nebula_request){.text = "get 1 1", .is_idempotent = true});
        rig_pass(&r, 20 * MS);
        server_calm(r.server);
        assert_true(nebula_question(r.nebula, &q));
        assert_true(q.may_repeat);
        assert_int_equal(nebula_answer(r.nebula, ticket, again, NEBULA_CLASS_USUAL), 0);
        assert_int_equal(rig_await(&r, ticket, &reply), again == 0 ? ERROR_LOST : ERROR_OK);
        assert_int_equal(reply.attempts, again == 0 ? 1 : 2);
        rig_end(&r);
    }
}

static void what_is_in_doubt_is_not_done_again_whoever_says_so(void **unused)
{
    (void)unused;
    struct rig r;
    struct nebula_reply reply;
    struct nebula_question q;
    for (int harmless = 0; harmless < 2; harmless++) {
        rig_begin(&r);
        r.spec.policy.tries = 2;
        r.spec.policy.budget_least = 100;
        rig_open(&r);
        rig_hold_for(&r, MS);
        ruled_say(&r, (struct nebula_rules){.asks = BIT(ASK_FAILURE)});
        server_odds(r.server, FAULT_LOST_AFTER, 1000);
        int32_t ticket =
            rig_request(&r, (struct nebula_request){.text = "put 1 1", .is_idempotent = harmless});
        rig_pass(&r, 20 * MS);
        server_calm(r.server);
        assert_true(nebula_question(r.nebula, &q));
        assert_int_equal(q.outcome, OUTCOME_IN_DOUBT);
        assert_int_equal(q.may_repeat, harmless);
        assert_int_equal(nebula_answer(r.nebula, ticket, 1, NEBULA_CLASS_USUAL), 0);
        assert_int_equal(rig_await(&r, ticket, &reply), harmless ? ERROR_OK : ERROR_LOST);
        assert_int_equal(reply.attempts, harmless ? 2 : 1);
        rig_end(&r);
    }
}

/* Failures in a row open it. */
static void the_circuit_counts_what_it_was_said_to_be(void **unused)
{
    (void)unused;
    static const struct {
        const char *text;
        int32_t is, then;
    } row[] = {{"fail 1 1", NEBULA_CLASS_USUAL, ERROR_OK},
               {"fail 1 1", NEBULA_CLASS_FAILED, ERROR_OPEN},
               {"fail 1 1", NEBULA_CLASS_NOTHING, ERROR_OK},
               {"fail 1 1", NEBULA_CLASS_WELL, ERROR_OK}};
    for (size_t i = 0; i < COUNT(row); i++) {
        struct rig r;
        struct nebula_question q;
        const struct nebula_rules rules = {.circuit = {.mode = NEBULA_CIRCUIT_AUTOMATIC,
                                                       .window = 10,
                                                       .least = 10,
                                                       .consecutive = 1,
                                                       .probes = 1,
                                                       .probe_us = SECOND,
                                                       .pause_us = SECOND,
                                                       .pause_max_us = SECOND}};
        int32_t ticket = fail_one(&r, rules, (struct nebula_request){.text = row[i].text}, &q);
        assert_int_equal(nebula_answer(r.nebula, ticket, 0, row[i].is), 0);
        assert_int_equal(rig_await(&r, ticket, NULL), ERROR_QUERY);
        assert_int_equal(rig_say(&r, 0, "get 1 1"), row[i].then);
        rig_end(&r);
    }
}

static void without_an_answer_it_is_as_usual_after_a_second(void **unused)
{
    (void)unused;
    struct rig r;
    struct nebula_question q;
    int32_t ticket =
        fail_one(&r, (struct nebula_rules){.asks = 0},
                 (struct nebula_request){.text = "fail 1 1", .within_us = 5 * (int64_t)SECOND}, &q);
    rig_pass(&r, 900 * MS);
    assert_false(rig_is_answered(&r, ticket));
    rig_pass(&r, 100 * MS);
    assert_int_equal(rig_await(&r, ticket, NULL), ERROR_QUERY);
    assert_int_equal(nebula_answer(r.nebula, ticket, 1, NEBULA_CLASS_USUAL), -ERROR_STALE);
    rig_end(&r);
}

/* It is answered by the host, which knows its ticket, or by the time. */
static void who_is_answered_before_the_host_asks_is_asked_about_no_more(void **unused)
{
    (void)unused;
    for (int by_the_host = 0; by_the_host < 2; by_the_host++) {
        struct rig r;
        struct nebula_question q;
        rig_begin(&r);
        rig_open(&r);
        rig_hold_for(&r, MS);
        ruled_say(&r, (struct nebula_rules){.asks = BIT(ASK_FAILURE)});
        int32_t ticket = rig_request(
            &r, (struct nebula_request){.text = "fail 1 1", .within_us = 5 * (int64_t)SECOND});
        rig_pass(&r, 20 * MS);
        assert_int_equal(r.engine->asked.count, 1);
        if (by_the_host)
            assert_int_equal(nebula_answer(r.nebula, ticket, 0, NEBULA_CLASS_USUAL), 0);
        rig_come(&r, ticket);
        assert_int_equal(r.engine->asked.count, 0);
        assert_false(nebula_question(r.nebula, &q));
        assert_int_equal(rig_await(&r, ticket, NULL), ERROR_QUERY);
        rig_end(&r);
    }
}

static void nor_is_it_waited_for_beyond_the_deadline(void **unused)
{
    (void)unused;
    struct rig r;
    struct nebula_question q;
    int32_t ticket =
        fail_one(&r, (struct nebula_rules){.asks = 0},
                 (struct nebula_request){.text = "fail 1 1", .within_us = 100 * MS}, &q);
    int64_t until_us = world_time_us() + 100 * MS;
    assert_int_equal(rig_await(&r, ticket, NULL), ERROR_QUERY);
    assert_true(world_time_us() <= until_us);
    rig_end(&r);
}

static void who_is_cancelled_is_not_asked_about(void **unused)
{
    (void)unused;
    struct rig r;
    struct nebula_question q;
    int32_t ticket = fail_one(&r, (struct nebula_rules){.limit = {.concurrent = 1}}, refused, &q);
    int32_t other;
    nebula_cancel(r.nebula, ticket);
    assert_int_equal(rig_await(&r, ticket, NULL), ERROR_CANCELLED);
    assert_int_equal(nebula_answer(r.nebula, ticket, 1, NEBULA_CLASS_USUAL), -ERROR_STALE);
    other = rig_request(&r, refused);
    rig_pass(&r, 20 * MS);
    nebula_done(r.nebula, other); /* before the host has heard of it */
    assert_false(nebula_question(r.nebula, &q));
    assert_int_equal(ruled_limit(&r).under, 0);
    rig_end(&r);
}

static void what_cannot_be_an_answer_is_refused(void **unused)
{
    (void)unused;
    struct rig r;
    struct nebula_question q;
    int32_t ticket = fail_one(&r, (struct nebula_rules){.asks = 0}, refused, &q);
    assert_int_equal(nebula_answer(r.nebula, ticket, 1, 4), -ERROR_USAGE);
    assert_int_equal(nebula_answer(r.nebula, 77, 1, 0), -ERROR_STALE);
    assert_int_equal(nebula_answer(r.nebula, ticket, 0, 0), 0);
    assert_int_equal(nebula_answer(r.nebula, ticket, 0, 0), -ERROR_STALE);
    assert_int_equal(rig_await(&r, ticket, NULL), ERROR_QUERY);
    const struct nebula_rules more = {.asks = 1U << NEBULA_ASKS};
    assert_int_equal(nebula_rules(r.nebula, r.shop, &more), -ERROR_CONFIG);
    rig_end(&r);
}

/* --- what is told -------------------------------------------------------------------------------- */

static void it_is_told_what_rules_did(void **unused)
{
    (void)unused;
    struct rig r;
    struct nebula_question q;
    rig_begin(&r);
    r.spec.policy.tries = 2;
    r.spec.policy.budget_least = 100;
    rig_open(&r);
    rig_hold_for(&r, MS);
    ruled_say(
        &r, (struct nebula_rules){.circuit = {.mode = NEBULA_CIRCUIT_AUTOMATIC,
                                              .window = 10,
                                              .least = 10,
                                              .consecutive = 2,
                                              .probes = 1,
                                              .probe_us = SECOND,
                                              .pause_us = SECOND,
                                              .pause_max_us = SECOND},
                                  .asks = BIT(TELL_CIRCUIT) | BIT(TELL_RETRY) | BIT(TELL_REFUSED)});
    server_odds(r.server, FAULT_LOST_BEFORE, 1000);
    assert_int_equal(
        rig_await(&r, ruled_ask(&r, (struct nebula_request){.is_idempotent = true}), NULL),
        ERROR_LOST);
    assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_OPEN);
    server_calm(r.server);
    assert_true(nebula_question(r.nebula, &q));
    assert_int_equal(q.what, NEBULA_TELL_RETRY);
    assert_int_equal(q.code, ERROR_LOST);
    assert_int_equal(q.attempts, 1);
    assert_true(nebula_question(r.nebula, &q));
    assert_int_equal(q.what, NEBULA_TELL_CIRCUIT);
    assert_string_equal(q.from, "closed");
    assert_string_equal(q.to, "open");
    assert_string_equal(q.why, "consecutive");
    assert_int_equal(q.bad, 2);
    assert_in_range(q.pause_us, 800 * MS, SECOND);
    assert_true(nebula_question(r.nebula, &q));
    assert_int_equal(q.what, NEBULA_TELL_REFUSED);
    assert_int_equal(q.code, ERROR_OPEN);
    assert_string_equal(q.text, "shop: circuit open, 2 of 2 calls failed");
    assert_false(nebula_question(r.nebula, &q));
    rig_end(&r);
}

static void what_nobody_takes_is_dropped_the_oldest_first(void **unused)
{
    (void)unused;
    struct rig r;
    struct nebula_question q;
    int taken = 0;
    ruled_begin(
        &r, 1,
        (struct nebula_rules){
            .rate = {.shape = NEBULA_RATE_WINDOW, .tokens = 1, .span_us = 100 * (int64_t)SECOND},
            .asks = BIT(TELL_REFUSED)});
    assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_OK);
    for (int i = 0; i < ASKED_NOTES_MOST + 9; i++)
        assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_RATE);
    while (nebula_question(r.nebula, &q))
        assert_int_equal(q.missed, taken++ == 0 ? 9 : 0);
    assert_int_equal(taken, ASKED_NOTES_MOST);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_question_says_what_there_is),
        cmocka_unit_test(yes_is_another_attempt_and_no_is_none),
        cmocka_unit_test(no_is_none_though_it_may_be_repeated),
        cmocka_unit_test(what_is_in_doubt_is_not_done_again_whoever_says_so),
        cmocka_unit_test(the_circuit_counts_what_it_was_said_to_be),
        cmocka_unit_test(without_an_answer_it_is_as_usual_after_a_second),
        cmocka_unit_test(who_is_answered_before_the_host_asks_is_asked_about_no_more),
        cmocka_unit_test(nor_is_it_waited_for_beyond_the_deadline),
        cmocka_unit_test(who_is_cancelled_is_not_asked_about),
        cmocka_unit_test(what_cannot_be_an_answer_is_refused),
        cmocka_unit_test(it_is_told_what_rules_did),
        cmocka_unit_test(what_nobody_takes_is_dropped_the_oldest_first),
    };
    return cmocka_run_group_tests_name("what is asked", tests, NULL, NULL);
}
