/* given.h - what a driver of ours is given of the engine when it is a shared object.
 *
 * The names of the engine are nobody's but its own: the program and libnebula.so show nebula_* and
 * nothing else. So a driver does not look for them in whoever loads it, but gets one table, and
 * given.c, linked to each driver, has the names that its files call. What a driver comes to call of
 * core/ gets a row here, a line in given_table and a function in given.c; base/ is linked to it.
 *
 * Both see the same structs only when they were built together, which is asked before anything else.
 * Drivers of other people speak nebula_driver.h instead, and may be of any age.
 */
#ifndef DRIVERS_GIVEN_H
#define DRIVERS_GIVEN_H

#include "core/blocking.h"
#include "core/context.h"
#include "core/driver.h"

struct given {
    const char *version; /* NEBULA_VERSION */
    size_t size, conn_size, request_size;
    __typeof__(conn_opened) *conn_opened;
    __typeof__(conn_replied) *conn_replied;
    __typeof__(conn_failed) *conn_failed;
    __typeof__(conn_cancelled) *conn_cancelled;
    __typeof__(conn_turned) *conn_turned;
    __typeof__(conn_closed) *conn_closed;
    __typeof__(conn_told) *conn_told;
    __typeof__(conn_notice) *conn_notice;
    __typeof__(conn_loop) *conn_loop;
    __typeof__(conn_open_until_us) *conn_open_until_us;
    __typeof__(conn_resource) *conn_resource;
    __typeof__(context_is_sampled) *context_is_sampled;
    __typeof__(target_has) *target_has;
    __typeof__(target_get) *target_get;
    __typeof__(loop_world) *loop_world;
    __typeof__(loop_now_us) *loop_now_us;
    __typeof__(loop_arm) *loop_arm;
    __typeof__(loop_disarm) *loop_disarm;
    __typeof__(soon_init) *soon_init;
    __typeof__(loop_soon) *loop_soon;
    __typeof__(loop_unsoon) *loop_unsoon;
    __typeof__(watch_init) *watch_init;
    __typeof__(loop_watch) *loop_watch;
    __typeof__(loop_unwatch) *loop_unwatch;
    __typeof__(loop_post) *loop_post;
    __typeof__(loop_resolve) *loop_resolve;
    __typeof__(resolve_forget) *resolve_forget;
    __typeof__(loop_computer) *loop_computer;
    __typeof__(blocking_new) *blocking_new;
    __typeof__(blocking_run) *blocking_run;
    __typeof__(blocking_move) *blocking_move;
    __typeof__(blocking_free) *blocking_free;
};

extern const struct given given_table;

/* The driver's side. False when it was built for another engine, or belongs to another one already. */
bool given_take(const struct given *g);

#endif
