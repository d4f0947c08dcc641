/* loop_uv.h - what the files of core/loop.h over libuv share: loop_uv.c, watch_uv.c, guest_uv.c. */
#ifndef CORE_LOOP_UV_H
#define CORE_LOOP_UV_H

#include <pthread.h>
#include <stdatomic.h>
#include <uv.h>

#include "base/check.h"
#include "base/wheel.h"
#include "core/blocking.h"
#include "core/loop.h"

struct loop {
    uv_loop_t uv;
    uv_timer_t bound; /* of the wait */
    int64_t bound_us; /* when it passes, INT64_MAX when it is off */
    uv_poll_t news;
    int news_fd; /* an eventfd of ours: at libuv's own whoever wakes up spins until its writer is back */
    const void *thread;
    struct world *world;
    struct resolver *resolver; /* NULL until the first name */
    struct spares spares;
    struct blocking *computer; /* NULL until the first job */
    int64_t now_us, *kept;     /* see loop_keep() */
    int64_t polled_us;         /* the last look at the descriptors */
    uint64_t cycle;            /* of the processor, when the clock was read */
    bool is_fresh;             /* now_us was read since the wait ended */
    bool is_turning;
    bool is_changed; /* what libuv is to watch, and the kernel does not know it yet */
    int handles;     /* watches, folders and signals that are on */
    struct list soons;
    struct wheel wheel;

    bool is_guest;      /* in somebody else's loop: guest_uv.c */
    int alarm_fd;       /* a timer of the kernel, among what libuv watches */
    int64_t alarm_us;   /* when it rings or rang, INT64_MAX when it is off */
    struct watch alarm; /* of alarm_fd */

    pthread_mutex_t lock; /* of the notes */
    struct note *head, **tail;
    atomic_bool has_notes; /* for a look without the lock */
    bool is_up;            /* it looks for notes before it sleeps, and need not be roused */
    atomic_int rousing;    /* wake-ups that are due, or under way */
    bool expects;          /* see loop_expect() */
    int naps, in_vain;     /* so often it sleeps at once; so often since it stayed up in vain */
};

/* The loop's functions are its thread's alone. An address that differs from thread to thread names the
 * thread without a call. */
static inline void loop_must_be_mine(const struct loop *loop)
{
    CHECK(loop->thread == __builtin_thread_pointer());
}
/* Everything that libuv calls comes through here first: the clock is read once, after the wait. */
struct loop *loop_awake(const void *uv_handle);

/* What a guest does about its host: guest_uv.c. */
void guest_ring(struct loop *loop, int64_t at_us);
void guest_settle(struct loop *loop);
void guest_leave(struct loop *loop);

void loop_wake(struct loop *loop); /* from any thread, while the loop lives */
/* One turn, whoever's loop it is in. */
void loop_go_round(struct loop *loop, int64_t until_us);
/* A timer was armed. */
static inline void loop_alarm(struct loop *loop, int64_t at_us)
{
    if (loop->is_guest && !loop->is_turning && at_us < loop->alarm_us)
        guest_ring(loop, at_us);
}

#endif
