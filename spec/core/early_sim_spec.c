/* early_sim_spec.c - who will hardly make its deadline is not begun, in virtual time. */
#include <string.h>

#include "sim/ruled.h"

/* A call that takes so long, and has as long. */
static void take(struct rig *r, int64_t span_us)
{
    server_pace(r->server, span_us);
    int32_t ticket = ruled_ask(r, (struct nebula_request){.within_us = 10 * (int64_t)SECOND});
    assert_int_equal(rig_await(r, ticket, NULL), ERROR_OK);
}

/* Whether one with so much time was begun. */
static bool is_begun(struct rig *r, int64_t within_us)
{
    struct nebula_reply reply;
    int32_t ticket = ruled_ask(r, (struct nebula_request){.within_us = within_us});
    assert_int_equal(rig_await(r, ticket, &reply), ERROR_DEADLINE);
    rig_pass(r, reply.attempts > 0 ? 500 * MS : 0); /* until its connection is at home */
    return reply.attempts > 0;
}

static void who_will_hardly_make_it_is_not_begun(void **unused)
{
    (void)unused;
    struct rig r;
    ruled_begin(&r, 2, (struct nebula_rules){.early = {.least = 5, .percent = 0}});
    server_pace(r.server, 100 * MS);
    for (int i = 0; i < 5; i++)
        assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_OK);
    rig_pass(&r, 20 * MS);
    int64_t before = server_heard(r.server);
    int32_t ticket = ruled_ask(&r, (struct nebula_request){.within_us = 50 * MS});
    rig_come(&r, ticket);
    struct nebula_reply reply;
    assert_int_equal(nebula_reply(r.nebula, ticket, &reply), 0);
    assert_int_equal(reply.code, ERROR_DEADLINE);
    assert_int_equal(reply.outcome, OUTCOME_FAILED);
    assert_non_null(
        strstr(reply.text, "not begun with 50 ms left, as half of such calls take more than 1"));
    rig_await(&r, ticket, NULL);
    assert_int_equal(server_heard(r.server), before);
    assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_OK); /* it has a second */
    rig_end(&r);
}

static void it_says_how_much_was_left_and_how_much_they_take(void **unused)
{
    (void)unused;
    struct rig r;
    ruled_begin(&r, 2, (struct nebula_rules){.early = {.least = 2, .percent = 0}});
    for (int i = 0; i < 4; i++)
        take(&r, 4 * (int64_t)SECOND);
    int32_t ticket = ruled_ask(&r, (struct nebula_request){.within_us = 2 * (int64_t)SECOND});
    assert_int_equal(
        ruled_says(
            &r, ticket,
            "shop: not begun with 2000 ms left, as half of such calls take more than 3997 ms"),
        ERROR_DEADLINE);
    rig_end(&r);
}

/* Of 501 the 251st, and of 502 as well: when that is a fast one it takes as long. */
static void it_is_the_half_of_them(void **unused)
{
    (void)unused;
    struct rig r;
    ruled_begin(&r, 2, (struct nebula_rules){.early = {.least = 5, .percent = 0}});
    for (int i = 0; i < 250; i++)
        take(&r, 0);
    for (int i = 0; i < 251; i++)
        take(&r, 20 * MS);
    assert_false(is_begun(&r, 15 * MS));
    take(&r, 0);
    rig_pass(&r, 20 * MS); /* as long as the half is not looked for again */
    server_pace(r.server, 20 * MS);
    assert_true(is_begun(&r, 15 * MS));
    rig_end(&r);
}

/* What was cut off by its deadline would have taken longer: it counts twice. */
static void a_call_that_was_cut_off_would_have_taken_longer(void **unused)
{
    (void)unused;
    struct rig r;
    ruled_begin(&r, 2, (struct nebula_rules){.early = {.least = 5, .percent = 0}});
    server_pace(r.server, 200 * MS);
    for (int i = 0; i < 5; i++)
        assert_true(is_begun(&r, 50 * MS));
    assert_false(is_begun(&r, 80 * MS));
    assert_true(is_begun(&r, 110 * MS));
    rig_end(&r);
}

/* Neither how long somebody waited for a connection, nor how long it takes to fail, nor when nobody waited any more says how
 * long a call takes. */
static void what_was_not_sent_or_failed_or_cancelled_does_not_count(void **unused)
{
    (void)unused;
    struct rig r;
    ruled_begin(&r, 2, (struct nebula_rules){.early = {.least = 2, .percent = 0}});
    int64_t one = rig_lease(&r), other = rig_lease(&r);
    for (int i = 0; i < 4; i++) {
        int32_t ticket = ruled_ask(&r, (struct nebula_request){.within_us = 100 * MS});
        assert_int_equal(rig_await(&r, ticket, NULL), ERROR_DEADLINE);
    }
    rig_release(&r, one);
    rig_release(&r, other);
    server_pace(r.server, 100 * MS);
    for (int i = 0; i < 4; i++)
        assert_int_equal(rig_say(&r, 0, "fail 1 1"), ERROR_QUERY);
    for (int i = 0; i < 4; i++) {
        int32_t ticket = ruled_ask(&r, get);
        rig_pass(&r, 90 * MS);
        nebula_cancel(r.nebula, ticket);
        assert_int_equal(rig_await(&r, ticket, NULL), ERROR_CANCELLED);
        rig_pass(&r, 100 * MS);
    }
    assert_true(is_begun(&r, 50 * MS));
    rig_end(&r);
}

/* So many of a thousand that are too late. */
static int32_t begun_with(int32_t percent)
{
    struct rig r;
    int32_t begun = 0;
    ruled_begin(&r, 2, (struct nebula_rules){.early = {.least = 5, .percent = percent}});
    for (int i = 0; i < 5; i++)
        take(&r, 100 * MS);
    for (int i = 0; i < 1000; i++)
        begun += is_begun(&r, 50 * MS);
    rig_end(&r);
    return begun;
}

static void a_share_of_them_goes_all_the_same(void **unused)
{
    (void)unused;
    assert_int_equal(begun_with(0), 0);
    assert_in_range(begun_with(50), 450, 550);
    assert_in_range(begun_with(99), 970, 998);
    assert_int_equal(begun_with(100), 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_will_hardly_make_it_is_not_begun),
        cmocka_unit_test(it_says_how_much_was_left_and_how_much_they_take),
        cmocka_unit_test(it_is_the_half_of_them),
        cmocka_unit_test(a_call_that_was_cut_off_would_have_taken_longer),
        cmocka_unit_test(what_was_not_sent_or_failed_or_cancelled_does_not_count),
        cmocka_unit_test(a_share_of_them_goes_all_the_same),
    };
    return cmocka_run_group_tests_name("who is too late", tests, NULL, NULL);
}
