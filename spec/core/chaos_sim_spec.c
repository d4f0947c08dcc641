/* Faults on purpose, each promise as a scenario in virtual time: what becomes of a request that is hit, in each way and with
 * each verb, and what the server has done of it. */
#include "core/chaos.h"

#include <stdio.h>

#include "sim/listening.h"
#include "support/chaos.h"

/* --- each way with each verb -------------------------------------------------------------------- */

static const struct nebula_part parts[] = {{.text = "add 1 1", .text_size = 7},
                                           {.text = "add 1 2", .text_size = 7}};

static const struct nebula_request each_verb[] = {
    {.verb = NEBULA_RUN, .text = "add 1 1"},
    {.verb = NEBULA_RUN, .text = "add 1 1", .is_idempotent = true},
    {.verb = NEBULA_SCRIPT, .text = "add 1 1"},
    {.verb = NEBULA_PREPARE, .text = "add 1 1"},
    {.verb = NEBULA_BATCH, .part = parts, .parts = 2},
    {.verb = NEBULA_STREAM, .text = "rows 1 3", .window = 1},
};

static struct nebula_reply ask(struct rig *r, struct nebula_request request, bool is_leased)
{
    struct nebula_reply reply;
    request.lease = is_leased ? rig_lease(r) : 0;
    int32_t ticket = rig_request(r, request);
    assert_true(ticket > 0);
    rig_await(r, ticket, &reply);
    if (is_leased)
        nebula_release(r->nebula, request.lease, NEBULA_GOOD);
    return reply;
}

static void each_code_fails_each_verb_before_the_server_hears_of_it(void **unused)
{
    (void)unused;
    static const struct {
        int32_t code;
        bool breaks;
    } way[] = {{ERROR_LOST, true},       {ERROR_LOCKED, false},  {ERROR_CONFLICT, false},
               {ERROR_READ_ONLY, false}, {ERROR_STORAGE, false}, {ERROR_SERVER, false},
               {ERROR_PROTOCOL, true}};
    for (size_t i = 0; i < COUNT(way) * COUNT(each_verb) * 2; i++) {
        struct rig r;
        struct nebula_chaos said = failing;
        const struct nebula_request *request = &each_verb[i / 2 % COUNT(each_verb)];
        bool is_leased = i % 2 == 1 || request->verb == NEBULA_STREAM;
        bool breaks = way[i / 2 / COUNT(each_verb)].breaks;
        said.code = way[i / 2 / COUNT(each_verb)].code;
        begin(&r, &said);
        uint32_t conn = rig_pool(&r)->conns.first->id;
        struct nebula_reply reply = ask(&r, *request, is_leased);
        assert_int_equal(reply.code, said.code);
        assert_int_equal(reply.outcome, OUTCOME_FAILED);
        assert_int_equal(server_heard(r.server), 0);
        assert_int_equal(counted(&r, COUNTER_CHAOS), 1);
        assert_int_equal(counted(&r, COUNTER_LOST), breaks);
        say_over(&r);
        assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_OK);
        assert_int_equal(rig_pool(&r)->conns.first->id == conn, !breaks);
        rig_end(&r);
    }
}

/* One of two on the way there, and so not done; of a batch there are two. */
static void what_is_cut_off_is_in_doubt_and_may_be_done(void **unused)
{
    (void)unused;
    struct nebula_chaos said = failing;
    said.code = ERROR_LOST;
    said.is_cut = true;
    for (size_t i = 0; i < COUNT(each_verb); i++) {
        struct rig r;
        int doubts = 0, done = 0;
        bool may_do_something = each_verb[i].verb != NEBULA_PREPARE;
        begin(&r, &said);
        for (int n = 0; n < 40; n++) {
            int before = server_applied(r.server, 1);
            struct nebula_reply reply = ask(&r, each_verb[i], each_verb[i].verb == NEBULA_STREAM);
            assert_int_equal(reply.code, ERROR_LOST);
            doubts += reply.outcome == OUTCOME_IN_DOUBT;
            done += server_applied(r.server, 1) - before;
        }
        assert_int_equal(doubts, may_do_something ? 40 : 0);
        if (may_do_something && each_verb[i].verb != NEBULA_STREAM)
            assert_in_range(done, 10, 30);
        say_over(&r);
        assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_OK);
        rig_end(&r);
    }
}

static void what_becomes_of_a_request_is_said(void **unused)
{
    (void)unused;
    static const struct {
        bool is_cut;
        const char *text;
    } row[] = {{false, "shop: failed by chaos, before it was sent"},
               {true, "shop: the connection was closed: chaos is in force"}};
    for (size_t i = 0; i < COUNT(row); i++) {
        struct rig r;
        struct nebula_reply reply;
        struct nebula_chaos said = failing;
        said.code = ERROR_LOST;
        said.is_cut = row[i].is_cut;
        begin(&r, &said);
        int32_t ticket = rig_call(&r, 0, "add 1 1");
        rig_come(&r, ticket);
        assert_int_equal(nebula_reply(r.nebula, ticket, &reply), 0);
        assert_string_equal(reply.text, row[i].text);
        rig_await(&r, ticket, NULL);
        rig_end(&r);
    }
}

/* Nothing else would stop it at the server. */
static void what_goes_on_with_a_stream_is_lost_or_not_hit(void **unused)
{
    (void)unused;
    static const int32_t code[] = {ERROR_SERVER, ERROR_LOST};
    for (size_t i = 0; i < COUNT(code); i++) {
        struct rig r;
        struct nebula_chaos said = failing;
        said.code = code[i];
        rig_open_warm(&r, 1);
        int64_t lease = rig_lease(&r);
        struct nebula_request rows = {
            .lease = lease, .verb = NEBULA_STREAM, .text = "rows 1 9", .window = 1};
        struct nebula_request pull = {.lease = lease, .verb = NEBULA_PULL, .text = "", .window = 1};
        assert_int_equal(rig_await(&r, rig_request(&r, rows), NULL), ERROR_OK);
        say(&r, &said);
        assert_int_equal(rig_await(&r, rig_request(&r, pull), NULL),
                         code[i] == ERROR_LOST ? ERROR_LOST : ERROR_OK);
        nebula_release(r.nebula, lease, NEBULA_GOOD);
        rig_end(&r);
    }
}

/* --- delays ------------------------------------------------------------------------------------- */

static void what_is_held_back_is_sent_later_and_answered(void **unused)
{
    (void)unused;
    struct rig r;
    begin(&r, &slow);
    assert_in_range(took_us(&r, ERROR_OK), 100 * MS, 110 * MS);
    struct nebula_chaos said = slow;
    said.delay_most_us = 200 * MS;
    say(&r, &said);
    int long_ones = 0;
    for (int i = 0; i < 10; i++) {
        int64_t us = took_us(&r, ERROR_OK);
        assert_in_range(us, 100 * MS, 210 * MS);
        long_ones += us > 120 * MS;
    }
    assert_true(long_ones > 3);
    said.delay_share = 0;
    say(&r, &said);
    assert_true(took_us(&r, ERROR_OK) < 10 * MS);
    said.delay_share = 1;
    said.delay_us = 0;
    say(&r, &said);
    int64_t all_us = 0;
    for (int i = 0; i < 10; i++)
        all_us += took_us(&r, ERROR_OK);
    assert_in_range(all_us, 300 * MS, 2000 * MS);
    assert_int_equal(server_applied(r.server, 1), 22);
    assert_in_range(counted(&r, COUNTER_CHAOS), 20, 21); /* one may be held back for no time */
    rig_end(&r);
}

static void so_many_are_held_back_no_longer_than_its_quantile(void **unused)
{
    (void)unused;
    struct rig r;
    struct nebula_chaos said = slow;
    int short_ones = 0;
    said.delay_quantile = 0.9;
    begin(&r, &said);
    for (int i = 0; i < 400; i++)
        short_ones += took_us(&r, ERROR_OK) <= 102 * MS;
    assert_in_range(short_ones, 345, 375);
    rig_end(&r);
}

/* Whoever gives it up is answered at once, nothing is cancelled at the server, and the connection is as good as before. */
static void what_is_held_back_and_given_up_was_never_sent(void **unused)
{
    (void)unused;
    for (int by_deadline = 0; by_deadline < 2; by_deadline++) {
        struct rig r;
        struct nebula_reply reply;
        struct nebula_chaos said = slow;
        said.delay_us = 5 * (int64_t)SECOND;
        begin(&r, &said);
        uint32_t conn = rig_pool(&r)->conns.first->id;
        int64_t before_us = world_time_us();
        int32_t ticket = rig_call(&r, 0, "add 1 1");
        if (!by_deadline)
            nebula_cancel(r.nebula, ticket);
        assert_int_equal(rig_await(&r, ticket, &reply),
                         by_deadline ? ERROR_DEADLINE : ERROR_CANCELLED);
        assert_int_equal(reply.outcome, OUTCOME_FAILED);
        assert_true(world_time_us() - before_us < SECOND + 3 * MS);
        assert_int_equal(rig_count(&r, CONN_IDLE), 1);
        assert_int_equal(counted(&r, COUNTER_CANCELS), 0);
        rig_pass(&r, 10 * SECOND);
        assert_int_equal(server_heard(r.server), 0);
        say_over(&r);
        assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_OK);
        assert_int_equal(rig_pool(&r)->conns.first->id, conn);
        rig_end(&r);
    }
}

static void a_lease_that_is_given_back_takes_what_it_has_held_back_with_it(void **unused)
{
    (void)unused;
    struct rig r;
    begin(&r, &slow);
    int64_t lease = rig_lease(&r);
    int32_t first = rig_call(&r, lease, "add 1 1"), second = rig_call(&r, lease, "add 1 2");
    assert_int_equal(nebula_release(r.nebula, lease, NEBULA_GOOD), 0);
    assert_int_equal(rig_await(&r, first, NULL), ERROR_STALE);
    assert_int_equal(rig_await(&r, second, NULL), ERROR_STALE);
    assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_OK);
    assert_int_equal(server_total(r.server), 0);
    rig_end(&r);
}

static void what_is_asked_on_a_lease_stays_in_order(void **unused)
{
    (void)unused;
    struct rig r;
    struct nebula_chaos said = slow;
    int32_t ticket[4];
    said.delay_share = 0.5;
    begin(&r, &said);
    for (int round = 0; round < 20; round++) {
        int64_t lease = rig_lease(&r);
        for (int i = 0; i < 4; i++) {
            static const char *const text[] = {"begin 1", "add 1 1", "add 1 2", "commit 1"};
            ticket[i] = rig_call(&r, lease, text[i]);
        }
        for (int i = 0; i < 4; i++)
            assert_int_equal(rig_await(&r, ticket[i], NULL), ERROR_OK);
        rig_release(&r, lease);
    }
    assert_int_equal(server_applied(r.server, 2), 20);
    rig_end(&r);
}

static void one_behind_that_gives_up_changes_nothing(void **unused)
{
    (void)unused;
    struct rig r;
    begin(&r, &slow);
    int64_t lease = rig_lease(&r), before_us = world_time_us();
    int32_t first = rig_call(&r, lease, "add 1 1"), second = rig_call(&r, lease, "add 1 2");
    rig_pass(&r, 60 * MS);
    nebula_cancel(r.nebula, second);
    assert_int_equal(rig_await(&r, second, NULL), ERROR_CANCELLED);
    assert_int_equal(rig_await(&r, first, NULL), ERROR_OK);
    assert_in_range(world_time_us() - before_us, 100 * MS, 110 * MS);
    rig_release(&r, lease);
    rig_end(&r);
}

static void those_behind_one_that_gives_up_go_on(void **unused)
{
    (void)unused;
    struct rig r;
    struct nebula_chaos said = slow;
    begin(&r, &said);
    int64_t lease = rig_lease(&r);
    int32_t first = rig_call(&r, lease, "add 1 1"), second = rig_call(&r, lease, "add 1 2");
    nebula_cancel(r.nebula, first);
    assert_int_equal(rig_await(&r, first, NULL), ERROR_CANCELLED);
    assert_int_equal(rig_await(&r, second, NULL), ERROR_OK);
    rig_release(&r, lease);
    assert_int_equal(server_applied(r.server, 1), 0);
    rig_end(&r);
}

/* What ends a stream that nobody wants any more is ours, and comes after all has been given up. */
static void what_is_cancelled_is_left_alone(void **unused)
{
    (void)unused;
    struct rig r;
    rig_open_warm(&r, 1);
    int64_t lease = rig_lease(&r);
    struct nebula_request rows = {
        .lease = lease, .verb = NEBULA_STREAM, .text = "rows 1 9", .window = 1};
    assert_int_equal(rig_await(&r, rig_request(&r, rows), NULL), ERROR_OK);
    say(&r, &slow);
    rig_release(&r, lease);
    rig_pass(&r, 50 * MS);
    assert_int_equal(rig_count(&r, CONN_IDLE), 1);
    assert_int_equal(counted(&r, COUNTER_CHAOS), 0);
    rig_end(&r);
}

/* --- connecting, checks, listeners -------------------------------------------------------------- */

static void a_connect_that_is_hit_is_not_reached(void **unused)
{
    (void)unused;
    struct rig r;
    struct nebula_chaos said = {.during_us = 60 * (int64_t)SECOND, .connect = 1};
    rig_begin(&r);
    r.spec.pool.is_fail_fast = true;
    rig_open(&r);
    say(&r, &said);
    assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_UNREACHABLE);
    assert_true(is_told(&r, "{\"verb\":\"ls\"}", "\"state\":\"in trouble\""));
    assert_true(counted(&r, COUNTER_CHAOS) >= 1);
    assert_int_equal(counted(&r, COUNTER_CHAOS), counted(&r, COUNTER_OPEN_FAILED));
    say_over(&r);
    rig_pass(&r, 5 * SECOND);
    assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_OK);
    rig_end(&r);
}

static void the_pools_own_words_are_hit_too(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    r.spec.pool.max = 1;
    rig_open(&r);
    assert_int_equal(rig_say(&r, 0, "set 1"), ERROR_OK);
    rig_pass(&r, 10 * MS);
    int64_t lease = rig_lease(&r);
    assert_int_equal(rig_say(&r, lease, "set 1"), ERROR_OK);
    say(&r, &failing);
    rig_release(&r, lease); /* the reset fails, and the connection is not lent again */
    rig_pass(&r, 10 * MS);
    assert_int_equal(counted(&r, COUNTER_CHAOS), 1);
    assert_int_equal(rig_count(&r, CONN_IDLE), 0);
    rig_end(&r);
}

static void who_listens_hears_of_a_gap(void **unused)
{
    (void)unused;
    struct rig r;
    struct nebula_chaos said = failing;
    listening_begin(&r, 2);
    int64_t first = listening_to(&r, "1");
    said.code = ERROR_LOST;
    say(&r, &said);
    static const char *const name[] = {"2"};
    int32_t ticket = listening_ask(&r, 10, 1, name); /* on the same connection */
    rig_pass(&r, 100 * MS);
    say_over(&r);
    int64_t second = listening_of(&r, ticket);
    assert_true(second > 0);
    rig_pass(&r, SECOND);
    listening_hears(&r, first, "gap lost 0");
    server_tell(r.server, 1);
    server_tell(r.server, 2);
    listening_hears(&r, first, "1:1");
    listening_hears(&r, second, "2:2");
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_code_fails_each_verb_before_the_server_hears_of_it),
        cmocka_unit_test(what_is_cut_off_is_in_doubt_and_may_be_done),
        cmocka_unit_test(what_becomes_of_a_request_is_said),
        cmocka_unit_test(what_goes_on_with_a_stream_is_lost_or_not_hit),
        cmocka_unit_test(what_is_held_back_is_sent_later_and_answered),
        cmocka_unit_test(so_many_are_held_back_no_longer_than_its_quantile),
        cmocka_unit_test(what_is_held_back_and_given_up_was_never_sent),
        cmocka_unit_test(a_lease_that_is_given_back_takes_what_it_has_held_back_with_it),
        cmocka_unit_test(what_is_asked_on_a_lease_stays_in_order),
        cmocka_unit_test(one_behind_that_gives_up_changes_nothing),
        cmocka_unit_test(those_behind_one_that_gives_up_go_on),
        cmocka_unit_test(what_is_cancelled_is_left_alone),
        cmocka_unit_test(a_connect_that_is_hit_is_not_reached),
        cmocka_unit_test(the_pools_own_words_are_hit_too),
        cmocka_unit_test(who_listens_hears_of_a_gap),
    };
    return cmocka_run_group_tests_name("chaos", tests, NULL, NULL);
}
