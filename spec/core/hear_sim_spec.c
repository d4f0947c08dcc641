/* What a listener hears of what it was told, each promise as a scenario in virtual time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "sim/listening.h"

static void a_full_queue_keeps_the_newest_and_says_how_many_were_dropped(void **unused)
{
    (void)unused;
    struct rig r;
    listening_begin(&r, 2);
    static const char *const name[] = {"5"};
    int64_t few = listening_of(&r, listening_ask(&r, 3, 1, name)), many = listening_to(&r, "5");
    for (int i = 0; i < 10; i++)
        server_tell(r.server, 5);
    rig_pass(&r, SECOND);
    listening_hears(&r, few, "gap full 7");
    listening_hears(&r, few, "5:8");
    server_tell(r.server, 5);
    server_tell(r.server, 5);
    rig_pass(&r, SECOND);
    listening_hears(&r, few, "gap full 1");
    listening_hears(&r, few, "5:10");
    listening_hears(&r, many, "5:1");
    server_crash(r.server, 0); /* what was dropped and what was lost is one gap */
    rig_pass(&r, SECOND);
    for (int i = 0; i < 3; i++)
        server_tell(r.server, 5);
    rig_pass(&r, SECOND);
    listening_hears(&r, few, "gap lost 2");
    listening_hears(&r, few, "5:13");
    rig_end(&r);
}

static void bytes_are_bounded_as_well(void **unused)
{
    (void)unused;
    struct rig r;
    listening_begin(&r, 2);
    const char *const name = "5";
    const struct nebula_channels c = {
        .resource = r.shop, .count = 1, .name = &name, .queue = 100, .bytes = 4};
    int64_t listener = listening_of(&r, nebula_listen(r.nebula, &c));
    for (int i = 0; i < 4; i++)
        server_tell(r.server, 5); /* two bytes each */
    rig_pass(&r, SECOND);
    listening_hears(&r, listener, "gap full 2");
    listening_hears(&r, listener, "5:3");
    listening_hears(&r, listener, "5:4");
    for (int i = 4; i < 10; i++)
        server_tell(r.server, 5); /* and the last one three, in the room of two */
    rig_pass(&r, SECOND);
    listening_hears(&r, listener, "gap full 5");
    listening_hears(&r, listener, "5:10");
    rig_end(&r);
}

static void several_who_hear_take_turns(void **unused)
{
    (void)unused;
    struct rig r;
    listening_begin(&r, 2);
    int64_t listener = listening_to(&r, "5");
    int32_t first = nebula_hear(r.nebula, listener, 0);
    int32_t second = nebula_hear(r.nebula, listener, 0);
    int32_t third = nebula_hear(r.nebula, listener, 0);
    server_tell(r.server, 5);
    server_tell(r.server, 5);
    rig_pass(&r, SECOND);
    assert_false(rig_is_answered(&r, third));
    assert_string_equal(listening_word(&r, second), "5:2");
    assert_string_equal(listening_word(&r, first), "5:1");
    nebula_unlisten(r.nebula, listener);
    assert_string_equal(listening_word(&r, third), "closed");
    rig_end(&r);
}

static void what_nobody_looked_at_is_heard_by_the_next(void **unused)
{
    (void)unused;
    struct rig r;
    listening_begin(&r, 2);
    int64_t listener = listening_to(&r, "5");
    int32_t task = nebula_task_open(r.nebula, 0);
    nebula_task_enter(r.nebula, task);
    int32_t lost = nebula_hear(r.nebula, listener, 0);
    nebula_task_enter(r.nebula, 0);
    server_tell(r.server, 5);
    server_tell(r.server, 5);
    rig_pass(&r, SECOND);
    assert_true(rig_is_answered(&r, lost));
    r.is_answered[lost] = false;
    nebula_task_close(r.nebula, task);
    listening_hears(&r, listener, "5:1");
    listening_hears(&r, listener, "5:2");
    rig_end(&r);
}

static void a_listener_ends_with_its_task(void **unused)
{
    (void)unused;
    struct rig r;
    listening_begin(&r, 2);
    int32_t task = nebula_task_open(r.nebula, 0);
    nebula_task_enter(r.nebula, task);
    int64_t listener = listening_to(&r, "5");
    nebula_task_enter(r.nebula, 0);
    int32_t waits = nebula_hear(r.nebula, listener, 0);
    nebula_task_close(r.nebula, task);
    assert_string_equal(listening_word(&r, waits), "closed");
    listening_hears(&r, listener, "stale");
    rig_pass(&r, SECOND);
    assert_int_equal(rig_count(&r, CONN_LISTENING), 0);
    rig_end(&r);
}

static void a_stop_ends_all_and_what_was_told_is_heard_to_its_end(void **unused)
{
    (void)unused;
    struct rig r;
    listening_begin(&r, 2);
    int64_t one = listening_to(&r, "5"), two = listening_to(&r, "5");
    int32_t waits = nebula_hear(r.nebula, two, 0);
    server_tell(r.server, 5);
    server_tell(r.server, 5);
    rig_pass(&r, SECOND);
    assert_string_equal(listening_word(&r, waits), "5:1");
    static const char *const name[] = {"6"};
    int32_t opening = listening_ask(&r, 100, 1, name);
    listening_hears(&r, two, "5:2");
    waits = nebula_hear(r.nebula, two, 0);
    nebula_stop(r.nebula, INT64_MAX);
    assert_string_equal(listening_word(&r, waits), "closed");
    assert_int_equal(listening_of(&r, opening), -ERROR_CLOSED);
    listening_hears(&r, one, "5:1");
    listening_hears(&r, one, "5:2");
    listening_hears(&r, one, "closed");
    rig_pass(&r, SECOND);
    assert_true(nebula_is_stopped(r.nebula));
    assert_int_equal(listening_ask(&r, 100, 1, name), -ERROR_CLOSED);
    rig_end(&r);
}

static void what_makes_no_sense_is_refused(void **unused)
{
    (void)unused;
    struct rig r;
    listening_begin(&r, 2);
    static const char *const bad[] = {"", "123456789", NULL};
    for (int i = 0; i < 3; i++)
        assert_int_equal(listening_ask(&r, 100, 1, bad + i), -ERROR_USAGE);
    static const char *const good[] = {"5"};
    assert_int_equal(listening_ask(&r, 0, 1, good), -ERROR_USAGE);
    assert_int_equal(listening_ask(&r, 1, 0, good), -ERROR_USAGE);
    assert_int_equal(listening_ask(&r, 1, 1, NULL), -ERROR_USAGE);
    struct nebula_told told;
    int32_t nap = nebula_sleep(r.nebula, 0);
    rig_pass(&r, MS);
    assert_int_equal(nebula_told(r.nebula, nap, &told), -ERROR_STALE);
    rig_await(&r, nap, NULL);
    struct nebula_spec other = r.spec;
    other.name = "mute";
    other.listen = other.unlisten = NULL;
    const struct nebula_channels c = {.resource = nebula_declare(r.nebula, &other),
                                      .count = 1,
                                      .name = good,
                                      .queue = 1,
                                      .bytes = 1};
    assert_int_equal(nebula_listen(r.nebula, &c), -ERROR_USAGE);
    static const char *const words[] = {"hark", "%s", "a '%s' '%s'", NULL};
    for (int i = 0; i < 4; i++) {
        other.listen = words[i];
        other.unlisten = "hush 0 %s;";
        assert_int_equal(nebula_declare(r.nebula, &other), -ERROR_CONFIG);
    }
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_queue_keeps_the_newest_and_says_how_many_were_dropped),
        cmocka_unit_test(bytes_are_bounded_as_well),
        cmocka_unit_test(several_who_hear_take_turns),
        cmocka_unit_test(what_nobody_looked_at_is_heard_by_the_next),
        cmocka_unit_test(a_listener_ends_with_its_task),
        cmocka_unit_test(a_stop_ends_all_and_what_was_told_is_heard_to_its_end),
        cmocka_unit_test(what_makes_no_sense_is_refused),
    };
    return cmocka_run_group_tests_name("hearing", tests, NULL, NULL);
}
