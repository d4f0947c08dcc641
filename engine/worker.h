/* worker.h - one thread of the program: its engine, its Lua state, and the one place that resumes
 * tasks.
 *
 * A task is a coroutine that waits for a ticket. The worker resumes it with the code of the
 * ticket's event, from its own loop and from nowhere else: so no call of the engine can find the
 * Lua state in the middle of something. The tree of tasks is Lua's (lua/nebula/task.lua). What Lua
 * sees of its worker is in host.h.
 *
 * An error that leaves Lua, wherever it is raised, ends the loop of this worker, and no other.
 */
#ifndef WORKER_H
#define WORKER_H

#include <lua.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>

#define WORKER_WHY 512 /* bytes of what is kept of an error */

struct hub;
struct hub_message;
struct mailbox;
struct message;
struct nebula;
struct process;
struct signals;
struct watched;

/* A task that waits. task.lua keeps the coroutine from the collector. */
struct parked {
    lua_State *co; /* NULL: nobody waits for this ticket */
    int32_t task;
    const char *place; /* where it was started, kept by the watchdog; NULL: it is the workflow */
};

struct worker {
    lua_State *lua;
    struct nebula *engine;
    struct parked *parked; /* by ticket */
    int32_t parked_size;
    int32_t left_for;   /* the ticket for which the running task left Lua */
    lua_State *running; /* the coroutine that was resumed, in which there may be others */
    struct signals *signals;
    int32_t signal_ticket; /* 0: Lua does not listen */
    int32_t mail_ticket;   /* 0: Lua does not wait for mail */
    bool is_signal_told;
    bool hears_holds, hears_questions;
    bool is_done;
    int exit_code;
    const char *home;
    struct process *process;
    int32_t index; /* in the process */
    struct mailbox *mailbox;
    struct watched *watched;      /* NULL: nobody looks after it */
    int32_t look_ticket;          /* on which it looks after the others, 0: it has none */
    struct message *reading;      /* while Lua makes a string of it */
    struct hub *hub;              /* NULL: Lua has no channel of the process yet */
    struct hub_message *received; /* while Lua makes a string of it */
    jmp_buf *panic;               /* where an error goes on that nothing protects from */
    char why[WORKER_WHY];         /* it has failed; "" when it has not */
};

/* home and process are borrowed. NULL when out of memory. */
struct worker *worker_new(const char *home, struct process *process, int32_t index);
/* Closes the engine, whatever is open. A second signal still ends the process, until worker_free(). */
void worker_close(struct worker *w);
void worker_free(struct worker **w); /* closed before */

/* Requires the module `entry` and calls it with the arguments. When it returns a number that is the
 * exit code; otherwise tasks run until worker_end(). Of worker 0 it says on stderr what went wrong; of
 * another one in the log, and in worker_why(). */
int worker_run(struct worker *w, const char *entry, int count, char **arguments);
const char *worker_why(const struct worker *w);
int worker_signal(const struct worker *w); /* the first one that it heard, 0: none */

/* --- for host.c ------------------------------------------------------------------------------- */

void worker_end(struct worker *w, int code); /* the loop, once the running task has parked */
/* The same, because of something. NULL: it is no text. */
void worker_fail(struct worker *w, const char *why);
/* From now on the other workers look after it, and it after them; its engine is open. As
 * watchdog_join(), it takes what is at the top of Lua's stack. */
void worker_watch(struct worker *w);
/* Leaves Lua for a ticket, in whatever coroutine of the running task: what a C function returns. From one within
 * it goes with a tag through all around it: lua/nebula/coroutine.lua. */
int worker_wait(struct worker *w, lua_State *co, int32_t ticket);
/* Resumes who waits with the event of the ticket. */
void worker_park(struct worker *w, struct parked who, int32_t ticket);

#endif
