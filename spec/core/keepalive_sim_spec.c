/* Connections that nobody uses are asked now and then, in virtual time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "sim/rig.h"

static void open_warm(struct rig *r, int32_t min)
{
    r->spec.pool.min = min;
    r->spec.pool.max = 8;
    r->spec.pool.connecting = 8;
    r->spec.pool.keepalive_us = SECOND;
    rig_open(r);
    assert_int_equal(rig_await(r, nebula_start(r->nebula, r->shop), NULL), ERROR_OK);
    rig_pass(r, 100 * MS);
    assert_int_equal(rig_count(r, CONN_IDLE), min);
}

static void each_is_asked_once_in_its_time_and_few_at_once(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    open_warm(&r, 6);
    rig_pass(&r, 790 * MS);
    assert_int_equal(server_heard(r.server), 0);
    int32_t most = 0;
    for (int i = 0; i < 1100; i++) {
        rig_pass(&r, 100);
        most = rig_count(&r, CONN_CHECKING) > most ? rig_count(&r, CONN_CHECKING) : most;
    }
    assert_int_equal(server_heard(r.server), 6);
    assert_int_equal(rig_pool(&r)->stats.keepalives, 6);
    assert_in_range(most, 1, KEEPALIVE_AT_ONCE);
    rig_pass(&r, 9 * SECOND);
    assert_in_range(server_heard(r.server), 6 * 9, 6 * 12);
    assert_int_equal(server_opened(r.server), 6);
    rig_end(&r);
}

static void who_is_dead_is_found_and_replaced_down_to_the_minimum(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    r.spec.pool.connect_us = 100 * MS;
    open_warm(&r, 2);
    int64_t lease[3];
    for (int i = 0; i < 3; i++)
        lease[i] = rig_lease(&r);
    for (int i = 0; i < 3; i++)
        rig_release(&r, lease[i]);
    for (int i = 0; i < 3; i++)
        server_order(r.server, FAULT_OWN_FAILS);
    rig_pass(&r, 2 * SECOND);
    assert_int_equal(rig_count(&r, CONN_IDLE), 2);
    assert_int_equal(server_opened(r.server), 5);
    rig_end(&r);
}

/* What is between has forgotten it: nobody is told, and the question is never answered. */
static void who_does_not_answer_is_lost_and_the_log_says_so(void **unused)
{
    (void)unused;
    struct rig r;
    int fd[2];
    int32_t lines = 0;
    static char said[50000];
    assert_int_equal(pipe2(fd, O_NONBLOCK), 0);
    rig_begin(&r);
    r.spec.pool.connect_us = 100 * MS;
    server_odds(r.server, FAULT_LOST_SILENTLY, 1000);
    open_warm(&r, 2);
    log_init(&rig_pool(&r)->engine->log, fd[1], LOG_LOGFMT, LOG_WARN, NULL);
    rig_pass(&r, 10 * SECOND);
    assert_true(rig_pool(&r)->stats.lost >= 2);
    assert_true(read(fd[0], said, sizeof said - 1) > 0);
    for (const char *at = said; (at = strstr(at, "text=\"connection lost\"")) != NULL; at++)
        lines += strncmp(strstr(at, "state="), "state=checking", 14) == 0;
    assert_int_equal(lines, rig_pool(&r)->stats.lost);
    rig_end(&r);
    close(fd[0]);
    close(fd[1]);
}

static void who_is_asked_is_idle_all_the_same(void **unused)
{
    (void)unused;
    static const bool is_fifo[] = {false, true};
    for (size_t i = 0; i < COUNT(is_fifo); i++) {
        struct rig r;
        rig_begin(&r);
        r.spec.pool.is_fifo = is_fifo[i];
        r.spec.pool.idle_us = 2500 * MS;
        open_warm(&r, 1);
        int64_t first = rig_lease(&r), second = rig_lease(&r);
        uint32_t used_last = rig_conn_of(&r, second);
        rig_release(&r, first);
        rig_pass(&r, 10 * MS);
        rig_release(&r, second);
        rig_pass(&r, 2400 * MS);
        assert_true(rig_pool(&r)->stats.keepalives >= 4);
        assert_int_equal(rig_count(&r, CONN_IDLE), 2);
        rig_pass(&r, 200 * MS);
        assert_int_equal(rig_count(&r, CONN_IDLE),
                         1); /* the other one was spare, and idle too long */
        int64_t lease = rig_lease(&r);
        assert_int_equal(rig_conn_of(&r, lease), used_last);
        rig_release(&r, lease);
        rig_end(&r);
    }
}

static void who_was_asked_keeps_his_turn(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    open_warm(&r, 1);
    int64_t lease[3];
    uint32_t conn[3];
    for (int i = 0; i < 3; i++) {
        lease[i] = rig_lease(&r);
        conn[i] = rig_conn_of(&r, lease[i]);
    }
    for (int i = 0; i < 3; i++) {
        rig_release(&r, lease[i]);
        rig_pass(&r, 10 * MS);
    }
    rig_pass(&r, 5 * SECOND);
    for (int i = 2; i >= 0; i--)
        assert_int_equal(rig_conn_of(&r, rig_lease(&r)), conn[i]);
    rig_end(&r);
}

static void nobody_is_asked_while_somebody_waits_or_nothing_is_to_be_done(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    open_warm(&r, 2);
    nebula_pause(r.nebula, r.shop);
    rig_pass(&r, 5 * SECOND);
    assert_int_equal(server_heard(r.server), 0);
    nebula_resume(r.nebula, r.shop);
    rig_pass(&r, 10 * MS);
    assert_int_equal(server_heard(r.server), 2);
    rig_end(&r);
}

/* A check that gets no answer holds nobody up: another is opened beside it after 50 ms. */
static void who_comes_in_the_middle_is_not_held_up(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    open_warm(&r, 1);
    server_order(r.server, FAULT_OWN_SLOW);
    while (rig_count(&r, CONN_CHECKING) == 0)
        rig_pass(&r, MS);
    int64_t asked_us = world_time_us(), lease = rig_lease(&r);
    assert_true(lease > 0);
    assert_true(world_time_us() - asked_us < 60 * MS);
    rig_release(&r, lease);
    rig_end(&r);
}

static void what_makes_no_sense_is_refused(void **unused)
{
    (void)unused;
    struct rig r;
    rig_begin(&r);
    rig_open(&r);
    static const int64_t wrong[] = {-1, 1, POOL_LOOK_LEAST_US - 1, INT64_MAX};
    for (size_t i = 0; i < COUNT(wrong); i++) {
        struct nebula_spec spec = r.spec;
        spec.name = "other";
        spec.pool.keepalive_us = wrong[i];
        assert_int_equal(nebula_declare(r.nebula, &spec), -ERROR_CONFIG);
    }
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_is_asked_once_in_its_time_and_few_at_once),
        cmocka_unit_test(who_is_dead_is_found_and_replaced_down_to_the_minimum),
        cmocka_unit_test(who_does_not_answer_is_lost_and_the_log_says_so),
        cmocka_unit_test(who_is_asked_is_idle_all_the_same),
        cmocka_unit_test(who_was_asked_keeps_his_turn),
        cmocka_unit_test(nobody_is_asked_while_somebody_waits_or_nothing_is_to_be_done),
        cmocka_unit_test(who_comes_in_the_middle_is_not_held_up),
        cmocka_unit_test(what_makes_no_sense_is_refused),
    };
    return cmocka_run_group_tests_name("keepalive", tests, NULL, NULL);
}
