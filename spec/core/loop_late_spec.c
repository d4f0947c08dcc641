/* loop_late_spec.c - the loop loses the processor between the start of its timer and the poll.
 *
 * uv_timer_start() stands before libuv's in this program and comes back late. A turn that then
 * waits for ever is ended by an alarm.
 */
#include "core/loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#define MS 1000
#define LATE_MS 20

int __real_uv_timer_start(uv_timer_t *timer, uv_timer_cb fire, uint64_t ms, uint64_t again);
int __wrap_uv_timer_start(uv_timer_t *timer, uv_timer_cb fire, uint64_t ms, uint64_t again);

int __wrap_uv_timer_start(uv_timer_t *timer, uv_timer_cb fire, uint64_t ms, uint64_t again)
{
    int code = __real_uv_timer_start(timer, fire, ms, again);
    nanosleep(&(struct timespec){.tv_nsec = LATE_MS * 1000000L}, NULL);
    return code;
}

static int fired;

static void count(struct timer *t)
{
    (void)t;
    fired++;
}

static void a_turn_ends_though_its_time_passed_before_it_waits(void **unused)
{
    (void)unused;
    struct world *world = world_real();
    struct loop *loop = loop_new(world);
    assert_non_null(loop);
    alarm(10);
    int64_t begun_us = loop_refresh(loop);
    loop_turn(loop, begun_us + 2 * MS);
    assert_true(loop_refresh(loop) - begun_us < 1000 * MS);

    struct timer timer;
    timer_init(&timer, count);
    loop_arm(loop, &timer, loop_refresh(loop) + 2 * MS);
    while (fired == 0)
        loop_turn(loop, INT64_MAX);
    assert_true(loop_refresh(loop) - begun_us < 1000 * MS);

    /* And what is in time still waits. */
    begun_us = loop_refresh(loop);
    loop_turn(loop, begun_us + 50 * MS);
    assert_true(loop_refresh(loop) - begun_us >= 45 * MS);
    alarm(0);
    loop_free(&loop);
    free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_turn_ends_though_its_time_passed_before_it_waits),
    };
    return cmocka_run_group_tests_name("a late loop", tests, NULL, NULL);
}
