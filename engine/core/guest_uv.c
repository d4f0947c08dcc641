/* guest_uv.c - the loop inside somebody else's: one descriptor for all that it waits for.
 *
 * libuv's own epoll is that descriptor: sockets and the news of threads are in it already. The time
 * of the next timer stands in a timer of the kernel, which is one of the descriptors there. It is
 * set as rarely as may be: one that rings too soon costs a step for nothing, one that is set anew
 * for each call costs a system call. A timer that is armed outside a turn and is sooner sets it at
 * once.
 *
 * What is due at once, and is no timer, is told by the same wake-up as news from a thread: a timer
 * that rings in the past takes a hundred times as long. libuv tells the kernel of a new descriptor only
 * in its next turn, so that too is something to do: a step goes round until nothing changes any
 * more, and what changes outside one makes the descriptor readable.
 */
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/check.h"
#include "core/loop_uv.h"

#define ROUNDS_A_STEP 4 /* then whoever's loop it is gets his turn */

void guest_ring(struct loop *loop, int64_t at_us)
{
    struct itimerspec at = {{0, 0}, {0, 0}};
    if (at_us != INT64_MAX) {
        int64_t ring_us = at_us > 0 ? at_us : 1; /* all zero turns it off */
        at.it_value.tv_sec = ring_us / 1000000;
        at.it_value.tv_nsec = ring_us % 1000000 * 1000;
    }
    CHECK(timerfd_settime(loop->alarm_fd, TFD_TIMER_ABSTIME, &at, NULL) == 0);
    loop->alarm_us = at_us;
}

/* It is silent again when it is set anew, so nothing is read. */
static void rang(struct watch *w, int events)
{
    (void)w;
    (void)events;
}

static bool move_in(struct loop *loop)
{
    loop->alarm_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (loop->alarm_fd < 0)
        return false;
    watch_init(&loop->alarm, rang);
    if (!loop_watch(loop, &loop->alarm, loop->alarm_fd, WATCH_READ)) {
        close(loop->alarm_fd);
        return false;
    }
    loop->is_guest = true;
    pthread_mutex_lock(&loop->lock);
    loop->is_up = false;
    pthread_mutex_unlock(&loop->lock);
    loop_step(loop); /* hands out what came until then */
    return true;
}

int loop_fd(struct loop *loop)
{
    loop_must_be_mine(loop);
    return loop->is_guest || move_in(loop) ? uv_backend_fd(&loop->uv) : -1;
}

void guest_leave(struct loop *loop)
{
    if (!loop->is_guest)
        return;
    loop_unwatch(loop, &loop->alarm);
    close(loop->alarm_fd);
    loop->is_guest = false;
}

void loop_step(struct loop *loop)
{
    int rounds = 0;
    do
        loop_go_round(loop, 0);
    while (loop->is_changed && ++rounds < ROUNDS_A_STEP);
    guest_settle(loop);
}

void loop_stir(struct loop *loop)
{
    loop_must_be_mine(loop);
    if (loop->is_guest && !loop->is_turning)
        loop_wake(loop);
}

/* After a turn. An alarm that will ring sooner stays. */
void guest_settle(struct loop *loop)
{
    if (!loop->is_guest)
        return;
    if (loop->is_changed || !list_is_empty(&loop->soons))
        loop_stir(loop);
    int64_t at_us = wheel_next_us(&loop->wheel);
    bool rings_sooner = loop->alarm_us > loop->now_us && loop->alarm_us <= at_us;
    if (at_us != loop->alarm_us && !rings_sooner)
        guest_ring(loop, at_us);
}
