/* What those who listen are promised, each promise as a scenario in virtual time: one connection
 * within max, a gap for each loss, and nothing left. What comes out of a queue: hear_sim_spec.c; with
 * dice: listen_dice_sim_spec.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "core/ear.h"
#include "sim/listening.h"

/* --- one connection --------------------------------------------------------------------------- */

static void all_hear_by_one_connection_and_each_channel_is_asked_for_once(void **unused)
{
    (void)unused;
    struct rig r;
    listening_begin(&r, 4);
    int64_t one = listening_to(&r, "5");
    int64_t heard = server_heard(r.server);
    int64_t other = listening_to(&r, "5");
    assert_int_equal(server_heard(r.server), heard);
    static const char *const both[] = {"6", "5", "6"};
    int64_t two = listening_of(&r, listening_ask(&r, 100, 3, both));
    assert_int_equal(server_heard(r.server), heard + 1);
    assert_int_equal(rig_count(&r, CONN_LISTENING), 1);
    assert_int_equal(server_wires(r.server, 0), 1);
    server_tell(r.server, 5);
    server_tell(r.server, 6);
    server_tell(r.server, 7);
    server_tell(r.server, 5);
    listening_hears(&r, one, "5:1");
    listening_hears(&r, one, "5:4");
    listening_hears(&r, other, "5:1");
    listening_hears(&r, other, "5:4");
    listening_hears(&r, two, "5:1");
    listening_hears(&r, two, "6:2");
    listening_hears(&r, two, "5:4");
    listening_hears_nothing(&r, two);
    rig_end(&r);
}

static void the_last_one_leaves_a_clean_connection(void **unused)
{
    (void)unused;
    struct rig r;
    listening_begin(&r, 1);
    int64_t one = listening_to(&r, "5"), two = listening_to(&r, "6");
    nebula_unlisten(r.nebula, one);
    rig_pass(&r, 100 * MS);
    server_tell(r.server, 5);
    server_tell(r.server, 6);
    rig_pass(&r, 100 * MS);
    assert_int_equal(listening_ear(&r)->told, 1); /* the server was told that nobody hears 5 */
    listening_hears(&r, two, "6:2");
    nebula_unlisten(r.nebula, two);
    assert_int_equal(nebula_unlisten(r.nebula, two), -ERROR_STALE);
    assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_OK);
    assert_int_equal(rig_pool(&r)->stats.resets, 1);
    assert_int_equal(server_opened(r.server), 1);
    assert_true(list_is_empty(&listening_ear(&r)->channels.all));
    rig_end(&r);
}

static void a_listener_that_nobody_saw_is_closed(void **unused)
{
    (void)unused;
    struct rig r;
    listening_begin(&r, 2);
    int64_t one = listening_to(&r, "5");
    static const char *const name[] = {"5"};
    int32_t ticket = listening_ask(&r, 100, 1, name);
    struct nebula_reply reply;
    assert_int_equal(nebula_reply(r.nebula, ticket, &reply), 0); /* 5 is heard already */
    nebula_done(r.nebula, ticket);
    assert_int_equal(nebula_unlisten(r.nebula, reply.listener), -ERROR_STALE);
    assert_int_equal(nebula_unlisten(r.nebula, one), 0);
    assert_int_equal(rig_say(&r, 0, "get 1 1"), ERROR_OK);
    assert_true(list_is_empty(&listening_ear(&r)->channels.all));
    rig_end(&r);
}

static void who_comes_back_in_the_same_breath_changes_nothing(void **unused)
{
    (void)unused;
    struct rig r;
    listening_begin(&r, 2);
    int64_t one = listening_to(&r, "5");
    int64_t heard = server_heard(r.server);
    nebula_unlisten(r.nebula, one);
    one = listening_to(&r, "5");
    rig_pass(&r, 100 * MS);
    assert_int_equal(server_heard(r.server), heard);
    server_tell(r.server, 5);
    listening_hears(&r, one, "5:1");
    rig_end(&r);
}

/* --- within max ------------------------------------------------------------------------------- */

static void it_waits_its_turn_and_then_the_others_wait(void **unused)
{
    (void)unused;
    struct rig r;
    listening_begin(&r, 1);
    int64_t lease = rig_lease(&r);
    static const char *const name[] = {"5"};
    int32_t first = listening_ask(&r, 100, 1, name), second = listening_ask(&r, 100, 1, name);
    rig_pass(&r, 900 * MS);
    assert_false(rig_is_answered(&r, first));
    rig_release(&r, lease);
    assert_true(listening_of(&r, first) > 0);
    assert_true(listening_of(&r, second) > 0);
    int32_t late = rig_call(&r, 0, "get 1 1");
    while (!rig_is_answered(&r, late))
        rig_pass(&r, MS);
    struct nebula_reply reply;
    nebula_reply(r.nebula, late, &reply);
    assert_non_null(strstr(reply.text, "the only one listens"));
    assert_int_equal(rig_await(&r, late, NULL), ERROR_WAIT);
    assert_int_equal(nebula_lease(r.nebula, r.shop, 0, 0, true), -ERROR_FULL);
    assert_non_null(strstr(nebula_error(r.nebula), "the only one listens"));
    rig_end(&r);
}

static void who_cannot_hear_in_time_is_told_why(void **unused)
{
    (void)unused;
    struct rig r;
    listening_begin(&r, 1);
    int64_t lease = rig_lease(&r);
    static const char *const name[] = {"5"};
    int32_t ticket = listening_ask(&r, 100, 1, name);
    while (!rig_is_answered(&r, ticket))
        rig_pass(&r, MS);
    struct nebula_reply reply;
    nebula_reply(r.nebula, ticket, &reply);
    assert_non_null(strstr(reply.text, "in the queue for a connection"));
    assert_int_equal(rig_await(&r, ticket, NULL), ERROR_DEADLINE);
    assert_int_equal(rig_pool(&r)->waiters.count, 0);
    rig_release(&r, lease);
    rig_pass(&r, 10 * MS);
    assert_int_equal(rig_count(&r, CONN_LISTENING), 0);
    rig_end(&r);
}

static void who_is_fail_fast_does_not_wait_to_listen(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    r.spec.pool.max = 1;
    r.spec.pool.is_fail_fast = true;
    rig_open(&r);
    int64_t lease = rig_lease(&r);
    assert_int_equal(listening_to(&r, "5"), -ERROR_FULL);
    rig_release(&r, lease);
    int64_t listener = listening_to(&r, "5");
    server_crash(r.server, world_time_us() + SECOND); /* but who listens already does */
    listening_hears(&r, listener, "gap lost 0");
    rig_end(&r);
}

static void a_paused_resource_goes_on_hearing(void **unused)
{
    (void)unused;
    struct rig r;
    listening_begin(&r, 2);
    int64_t listener = listening_to(&r, "5");
    nebula_pause(r.nebula, r.shop);
    server_tell(r.server, 5);
    listening_hears(&r, listener, "5:1");
    server_crash(r.server, 0);
    rig_pass(&r, SECOND);
    assert_int_equal(rig_count(&r, CONN_LISTENING), 0);
    nebula_resume(r.nebula, r.shop);
    listening_hears(&r, listener, "gap lost 0");
    rig_end(&r);
}

/* --- losses ----------------------------------------------------------------------------------- */

static void each_loss_is_one_gap_before_anything_newer(void **unused)
{
    (void)unused;
    struct rig r;
    listening_begin(&r, 2);
    int64_t one = listening_to(&r, "5"), two = listening_to(&r, "6");
    server_tell(r.server, 5);
    rig_pass(&r, 10 * MS);
    for (int i = 0; i < 3; i++) {
        server_crash(r.server, world_time_us() + 300 * MS);
        server_tell(r.server, 5); /* nobody hears */
        rig_pass(&r, 3 * SECOND);
        server_tell(r.server, 5);
        rig_pass(&r, 10 * MS);
    }
    listening_hears(&r, one, "5:1");
    static const char *const after[] = {"5:3", "5:5", "5:7"};
    for (int i = 0; i < 3; i++) {
        listening_hears(&r, one, "gap lost 0");
        listening_hears(&r, one, after[i]);
        listening_hears(&r, two, "gap lost 0");
    }
    listening_hears_nothing(&r, one);
    listening_hears_nothing(&r, two);
    rig_end(&r);
}

static void a_gap_says_how_long_nothing_was_heard(void **unused)
{
    (void)unused;
    struct rig r;
    listening_begin(&r, 2);
    int64_t listener = listening_to(&r, "5");
    server_crash(r.server, world_time_us() + 2 * SECOND);
    int32_t ticket = nebula_hear(r.nebula, listener, 0);
    while (!rig_is_answered(&r, ticket))
        rig_pass(&r, MS);
    struct nebula_told told;
    assert_int_equal(nebula_told(r.nebula, ticket, &told), 0);
    assert_int_equal(told.gap, ERROR_LOST);
    assert_string_equal(told.bytes, "shop: the server crashed");
    assert_true(told.span_us > 1900 * MS && told.span_us < 4 * SECOND);
    rig_await(&r, ticket, NULL);
    rig_end(&r);
}

static void a_life_that_ends_is_a_gap(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    r.spec.pool.life_us = 2 * SECOND;
    rig_open(&r);
    int64_t listener = listening_to(&r, "5");
    listening_hears(&r, listener, "gap closed 0");
    listening_hears(&r, listener, "gap closed 0");
    assert_int_equal(server_opened(r.server), 3);
    rig_end(&r);
}

static void a_connection_that_is_replaced_is_a_gap(void **unused)
{
    (void)unused;
    struct rig r;
    listening_begin(&r, 2);
    int64_t listener = listening_to(&r, "5");
    rig_await(&r, nebula_reconnect(r.nebula, r.shop, 100, SECOND), NULL);
    listening_hears(&r, listener, "gap closed 0");
    assert_int_equal(server_opened(r.server), 2);
    rig_end(&r);
}

static void a_drained_resource_is_silent_until_it_is_resumed(void **unused)
{
    (void)unused;
    struct rig r;
    listening_begin(&r, 2);
    int64_t listener = listening_to(&r, "5");
    assert_int_equal(rig_await(&r, nebula_drain(r.nebula, r.shop, 10 * SECOND), NULL), ERROR_OK);
    assert_int_equal(listening_to(&r, "5"), -ERROR_PAUSED);
    rig_pass(&r, 20 * SECOND);
    assert_int_equal(pool_all(rig_pool(&r)), 0);
    int64_t resumed_us = world_time_us();
    nebula_resume(r.nebula, r.shop);
    listening_hears(&r, listener, "gap closed 0");
    assert_true(world_time_us() - resumed_us < 50 * MS);
    rig_end(&r);
}

static void a_server_that_says_nothing_is_asked_whether_it_lives(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    r.spec.pool.check_us = SECOND;
    r.spec.pool.connect_us = 50 * MS;
    rig_open(&r);
    int64_t listener = listening_to(&r, "5");
    rig_pass(&r, 5 * SECOND);
    assert_in_range(rig_pool(&r)->stats.checks, 4, 6);
    server_order(r.server, FAULT_OWN_SLOW);
    listening_hears(&r, listener, "gap lost 0");
    server_order(r.server, FAULT_OWN_FAILS);
    listening_hears(&r, listener, "gap server 0");
    listening_hears_nothing(&r, listener);
    rig_end(&r);
}

static void words_that_fail_after_a_loss_are_said_again(void **unused)
{
    (void)unused;
    struct rig r;
    listening_begin(&r, 2);
    int64_t listener = listening_to(&r, "5");
    for (int i = 0; i < 5; i++)
        server_order(r.server, FAULT_OWN_FAILS);
    server_crash(r.server, 0);
    listening_hears(&r, listener, "gap lost 0");
    listening_hears_nothing(&r, listener);
    server_odds(r.server, FAULT_DENIED, 1000); /* nor does a credential that fails end it */
    server_crash(r.server, 0);
    rig_pass(&r, 10 * SECOND);
    server_calm(r.server);
    listening_hears(&r, listener, "gap lost 0");
    rig_end(&r);
}

/* --- opening ---------------------------------------------------------------------------------- */

static void a_refusal_is_one_listeners_alone(void **unused)
{
    (void)unused;
    struct rig r;
    listening_begin(&r, 2);
    int64_t one = listening_to(&r, "5");
    server_order(r.server, FAULT_OWN_FAILS);
    static const char *const name[] = {"5", "6"};
    int32_t refused = listening_ask(&r, 100, 2, name), good = listening_ask(&r, 100, 1, name + 1);
    assert_int_equal(listening_of(&r, refused), -ERROR_SERVER);
    int64_t two = listening_of(&r, good);
    server_tell(r.server, 5);
    server_tell(r.server, 6);
    listening_hears(&r, one, "5:1");
    listening_hears(&r, two, "6:2");
    rig_end(&r);
}

static void who_was_promised_nothing_hears_of_no_gap(void **unused)
{
    (void)unused;
    struct rig r;
    listening_begin(&r, 2);
    int64_t one = listening_to(&r, "5");
    server_crash(r.server, world_time_us() + 300 * MS);
    rig_pass(&r, 100 * MS);
    int64_t two = listening_to(&r, "5");
    server_tell(r.server, 5);
    listening_hears(&r, one, "gap lost 0");
    listening_hears(&r, one, "5:1");
    listening_hears(&r, two, "5:1");
    rig_end(&r);
}

static void a_ticket_that_is_cancelled_leaves_nobody_listening(void **unused)
{
    (void)unused;
    struct rig r;
    listening_begin(&r, 2);
    static const char *const name[] = {"5"};
    for (int i = 0; i < 40; i++) { /* at each moment of the opening */
        int32_t ticket = listening_ask(&r, 100, 1, name);
        rig_pass(&r, i * 100);
        bool has_ended = rig_is_answered(&r, ticket);
        nebula_cancel(r.nebula, ticket);
        int64_t listener = listening_of(&r, ticket);
        assert_int_equal(listener > 0, has_ended);
        if (listener > 0)
            nebula_unlisten(r.nebula, listener);
        rig_pass(&r, 50 * MS);
        assert_int_equal(r.engine->listeners.used, 0);
        assert_int_equal(rig_count(&r, CONN_LISTENING), 0);
    }
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_hear_by_one_connection_and_each_channel_is_asked_for_once),
        cmocka_unit_test(the_last_one_leaves_a_clean_connection),
        cmocka_unit_test(a_listener_that_nobody_saw_is_closed),
        cmocka_unit_test(who_comes_back_in_the_same_breath_changes_nothing),
        cmocka_unit_test(it_waits_its_turn_and_then_the_others_wait),
        cmocka_unit_test(who_cannot_hear_in_time_is_told_why),
        cmocka_unit_test(who_is_fail_fast_does_not_wait_to_listen),
        cmocka_unit_test(a_paused_resource_goes_on_hearing),
        cmocka_unit_test(each_loss_is_one_gap_before_anything_newer),
        cmocka_unit_test(a_gap_says_how_long_nothing_was_heard),
        cmocka_unit_test(a_life_that_ends_is_a_gap),
        cmocka_unit_test(a_connection_that_is_replaced_is_a_gap),
        cmocka_unit_test(a_drained_resource_is_silent_until_it_is_resumed),
        cmocka_unit_test(a_server_that_says_nothing_is_asked_whether_it_lives),
        cmocka_unit_test(words_that_fail_after_a_loss_are_said_again),
        cmocka_unit_test(a_refusal_is_one_listeners_alone),
        cmocka_unit_test(who_was_promised_nothing_hears_of_no_gap),
        cmocka_unit_test(a_ticket_that_is_cancelled_leaves_nobody_listening),
    };
    return cmocka_run_group_tests_name("listeners", tests, NULL, NULL);
}
