/* watchdog.h - the workers look after each other: who does not come back from Lua is told of.
 *
 * A worker writes down what it does when it resumes a task: a number that counts, the task, where that
 * was started, and what it called at last. Each of the others looks ten times a second, and one whose
 * number has stayed the same for longer than the bound is told of by exactly one of them, again
 * whenever it has become twice as long, and when it is over. With one worker nobody looks.
 *
 * What runs cannot be looked at from another thread. So the one that is told of gets a signal, whose
 * handler asks Lua for a hook, and the hook says where it is: in interpreted code at once, in compiled
 * code when that is left, in a function of C when it returns. Where all is interpreted another hook
 * notes each call of ours, and it says the last of these too, whether that waited or not. The signal
 * is SIGURG, which nobody notices who does not handle it.
 *
 * What a worker writes is written by it alone, with plain stores; nothing is locked, and no clock read.
 */
#ifndef WATCHDOG_H
#define WATCHDOG_H

#include <lua.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/names.h"

#define WATCHDOG_LOOK_US 100000
#define WATCHDOG_NOTES 16 /* calls noted in a turn of the loop */
#define WATCHDOG_WORDS 32 /* of the text of a call */
#define WATCHDOG_TEXT (WATCHDOG_WORDS * sizeof(uint64_t))

struct watchdog;

typedef void watchdog_say(void *data, const char *text);

/* What one worker shows the others, and whom it says what it sees. */
struct watched {
    _Alignas(64) _Atomic uint64_t turn; /* 0: it is not in Lua */
    _Atomic int32_t task;
    _Atomic(const char *) place; /* where the task was started, kept; NULL: it is the workflow */
    _Atomic bool is_noted;
    _Atomic uint64_t call[WATCHDOG_WORDS]; /* what it called at last, as text with its 0 */
    _Atomic uint64_t asked;                /* the turn in which it is to say where it is */
    /* its own: */
    uint64_t turns;
    lua_State *lua;
    lua_Hook hook; /* what was there, while that which says where it is has its place */
    int hook_mask, hook_count;
    int32_t notes; /* in this turn of the loop */
    int inner; /* in the registry: of coroutine.lua, by coroutine the one inside which it waits */
    const char *home;
    watchdog_say *say;
    void *data;
    struct names places;
    char called[WATCHDOG_TEXT]; /* of ours since the resume, where it is noted */
};

/* bound_us > 0. NULL when out of memory. */
struct watchdog *watchdog_new(int32_t workers, int64_t bound_us);
void watchdog_free(struct watchdog **watchdog); /* nobody is watched any more */

/* From now on this thread is watched, and may look. At the top of Lua's stack is the table `inner` of
 * lua/nebula/coroutine.lua; it is taken. home is borrowed. */
struct watched *watchdog_join(struct watchdog *d, int32_t worker, lua_State *lua, const char *home,
                              watchdog_say *say, void *data);
void watchdog_leave(struct watched *s); /* before the Lua state is closed */

/* The one copy of the text of a place, which lives as long as the watchdog. */
const char *watchdog_keep(struct watched *s, const char *place);

/* Notes what the coroutine called at last. */
void watchdog_note(struct watched *s, lua_State *co);

/* From now on each call of ours is noted: for Lua that is interpreted, and slower by that. */
void watchdog_note_calls(struct watched *s);

/* Around each resume. place is kept. */
static inline void watchdog_enter(struct watched *s, lua_State *co, int32_t task, const char *place)
{
    bool is_noted = s->notes < WATCHDOG_NOTES;
    s->called[0] = '\0';
    if (is_noted) {
        s->notes++;
        watchdog_note(s, co);
    }
    atomic_store_explicit(&s->is_noted, is_noted, memory_order_release);
    atomic_store_explicit(&s->task, task, memory_order_release);
    atomic_store_explicit(&s->place, place, memory_order_release);
    atomic_store_explicit(&s->turn, ++s->turns, memory_order_release);
}

static inline void watchdog_exit(struct watched *s)
{
    atomic_store_explicit(&s->turn, 0, memory_order_release);
}

/* Says what there is to be said of the others. Every WATCHDOG_LOOK_US. */
void watchdog_look(struct watchdog *d, struct watched *s);

#endif
