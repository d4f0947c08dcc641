/* loop.h - the one place where the engine waits: timers, descriptors, other threads, names,
 * signals.
 *
 * The engine knows this header and nothing of what is behind it: loop_uv.c over libuv in the
 * program, spec/sim/loop_sim.c with virtual time in the simulation. One loop belongs to one thread;
 * only loop_post() may be called from another.
 *
 * loop_now_us() is read from the clock once a turn, so all that happens in a turn happens at one
 * time.
 */
#ifndef CORE_LOOP_H
#define CORE_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/wheel.h"
#include "base/world.h"

struct loop;

/* world is borrowed and must outlive the loop. NULL when out of memory or descriptors. */
struct loop *loop_new(struct world *world);
void loop_free(struct loop **loop); /* everything started on it has been stopped */

struct world *loop_world(const struct loop *loop);
int64_t loop_now_us(const struct loop *loop);
int64_t loop_refresh(struct loop *loop); /* reads the clock now; returns loop_now_us() */
/* The same, but at most 8 us old: cheaper, for what is asked very often. */
int64_t loop_glance(struct loop *loop);
/* Keeps *now_us the same as loop_now_us() from here on, for whoever reads it often; NULL: not any
 * more. */
void loop_keep(struct loop *loop, int64_t *now_us);

/* One turn: waits for something until until_us (0: do not wait, INT64_MAX: for ever), runs all that
 * is due. May return early with nothing done. */
void loop_turn(struct loop *loop, int64_t until_us);

/* For whoever has a loop of his own: a descriptor that is readable as long as loop_step() has
 * something to do, the loop's until loop_free(). The first time takes a turn. -1 when out of memory
 * or descriptors. */
int loop_fd(struct loop *loop);
void loop_step(struct loop *loop); /* runs all that is due and does not wait */
/* Makes the descriptor readable until the next turn: there is something to do that the loop does not
 * see. Nothing when nobody asked for the descriptor. */
void loop_stir(struct loop *loop);

/* Timers: see base/wheel.h. Arming never fails. */
void loop_arm(struct loop *loop, struct timer *t, int64_t at_us);
void loop_disarm(struct loop *loop, struct timer *t);

/* Soon: later in this turn, or at the start of the next, from the top of the loop. What must not
 * happen inside the call that caused it is said soon. First in, first out. */
struct soon {
    struct list_node node;
    void (*run)(struct soon *s); /* s is loose again when this is called */
};
void soon_init(struct soon *s, void (*run)(struct soon *s));
void loop_soon(struct loop *loop, struct soon *s); /* idempotent until it ran */
void loop_unsoon(struct loop *loop, struct soon *s);

/* Descriptors. A watch is level triggered; changing what it waits for keeps it registered. */
enum { WATCH_READ = 1, WATCH_WRITE = 2 };
struct watch {
    void *impl; /* the loop's, NULL when stopped */
    void (*ready)(struct watch *w, int events);
};
void watch_init(struct watch *w, void (*ready)(struct watch *w, int events));
bool watch_is_on(const struct watch *w);
/* Starts it, or changes its events. False when out of memory or fd cannot be watched; a descriptor
 * has one watch. An error of the descriptor is told as all that the watch waits for. */
bool loop_watch(struct loop *loop, struct watch *w, int fd, int events);
/* Idempotent. After it returns, fd may be closed and its number used again. */
void loop_unwatch(struct loop *loop, struct watch *w);

/* News from another thread: arrived() runs on the loop's thread. The note is the sender's until it
 * arrived; each posted note arrives exactly once, in the order of posting by one thread. While
 * notes are expected the loop must live. */
struct note {
    struct note *next;
    void (*arrived)(struct note *n);
};
void loop_post(struct loop *loop,
               struct note *n); /* thread-safe, never fails, never blocks for long */
/* Its two halves, for whoever holds a lock that the loop will want as soon as it is awake: leaves the note; true: the
 * loop is to be roused, once, by whom it was said to. Until then it is not freed. */
bool loop_leave(struct loop *loop, struct note *n);
void loop_rouse(struct loop *loop);
/* News are asked for that may come within microseconds: before it sleeps, the loop looks for them for a moment. */
void loop_expect(struct loop *loop);

/* Names. Resolved by getaddrinfo() on a thread of our own, because it blocks. done() runs on the
 * loop, once, never inside loop_resolve(); code is ERROR_OK with at least one address, or
 * ERROR_UNREACHABLE. */
#define RESOLVE_MOST 16
struct resolved {
    int count;
    struct sockaddr_storage address[RESOLVE_MOST];
    socklen_t size[RESOLVE_MOST];
};
struct resolve;
typedef void resolve_done(void *data, const struct resolved *found, const struct error *error);
/* NULL when out of memory or threads: done() will not run then. */
struct resolve *loop_resolve(struct loop *loop, const char *host, const char *service,
                             resolve_done *done, void *data);
/* done() will not run. Safe at any time until done() returned, which ends r by itself. */
void resolve_forget(struct resolve **r);

/* Computing: what keeps a processor busy for milliseconds and waits for nothing, such as the proof
 * of a password. One thread for all of the loop, started when first asked for and ended with the
 * loop: more would only take the processor from each other, and from the loop. Jobs end before the
 * loop does. NULL when out of memory or threads. */
struct blocking;
struct blocking *loop_computer(struct loop *loop);

/* Files: a folder that somebody edits. changed() runs on the loop when an entry of it was made,
 * written, renamed or removed: a hint to read the folder again, which may come several times for
 * one change. The folder and not the file is watched, because editors put a new file in the old
 * one's place. A folder that is itself replaced gives no hint: watch its parent too. */
struct folder_watch {
    void *impl;
    void (*changed)(struct folder_watch *w);
};
/* False when path is no folder that can be watched, or out of memory. */
bool loop_watch_folder(struct loop *loop, struct folder_watch *w, const char *path);
void loop_unwatch_folder(struct loop *loop, struct folder_watch *w); /* idempotent */

/* Where core/blocking.c keeps the threads that nobody uses now. */
struct spares;
struct spares *loop_spares(struct loop *loop);

/* Signals: for the program only, never for the library. arrived() runs on the loop. */
struct signal_watch {
    void *impl;
    void (*arrived)(struct signal_watch *s, int signum);
};
bool loop_signal(struct loop *loop, struct signal_watch *s, int signum);
void loop_unsignal(struct loop *loop, struct signal_watch *s);

#endif
