/* loop_uv.h - what the files of core/loop.h over libuv share: loop_uv.c, watch_uv.c. */
#ifndef CORE_LOOP_UV_H
#define CORE_LOOP_UV_H

#include <pthread.h>
#include <uv.h>

#include "base/wheel.h"
#include "core/blocking.h"
#include "core/loop.h"

struct loop {
    uv_loop_t uv;
    uv_timer_t bound; /* of the wait */
    int64_t bound_us; /* when it passes, INT64_MAX when it is off */
    uv_async_t news;
    const void *thread;
    struct world *world;
    struct resolver *resolver; /* NULL until the first name */
    struct spares spares;
    struct blocking *computer; /* NULL until the first job */
    int64_t now_us, *kept;     /* see loop_keep() */
    bool is_fresh;             /* now_us was read since the wait ended */
    int handles;               /* watches, folders and signals that are on */
    struct list soons;
    struct wheel wheel;

    pthread_mutex_t lock; /* of the notes */
    struct note *head, **tail;
};

/* The loop's functions are its thread's alone. */
void loop_must_be_mine(const struct loop *loop);
/* Everything that libuv calls comes through here first: the clock is read once, after the wait. */
struct loop *loop_awake(const void *uv_handle);

#endif
