#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "host.h"
#include "hub_lua.h"
#include "judge.h"
#include "mailbox.h"
#include "modules.h"
#include "nebula.h"
#include "nebula_policy.h"
#include "process.h"
#include "question_lua.h"
#include "signals.h"
#include "traversal.h"
#include "watchdog.h"

#define EVENTS_A_TURN 512   /* then the outside world gets its turn */
#define QUESTIONS_A_TURN 64 /* then the tasks go on */
#define NOT_LEFT (-1)       /* for a ticket */
#define PANIC_AT (-1)       /* of the registry, where luaL_ref() puts nothing */

/* --- tasks ------------------------------------------------------------------------------------ */

static bool grow(struct worker *w, int32_t ticket)
{
    int32_t size = w->parked_size == 0 ? 64 : w->parked_size;
    while (size <= ticket)
        size *= 2;
    struct parked *grown = realloc(w->parked, (size_t)size * sizeof *grown);
    if (grown == NULL)
        return false;
    memset(grown + w->parked_size, 0, (size_t)(size - w->parked_size) * sizeof *grown);
    w->parked = grown;
    w->parked_size = size;
    return true;
}

void worker_end(struct worker *w, int code)
{
    w->is_done = true;
    w->exit_code = code;
}

/* Then Lua finds none of its files, and says that they are not there. */
static bool is_out_of_files(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (fd >= 0)
        close(fd);
    return fd < 0 && (errno == EMFILE || errno == ENFILE);
}

/* Of the others the log says it; who has no engine yet leaves it to worker 0. */
static void say(struct worker *w, const char *text)
{
    char line[2048];
    if (w->index == 0) {
        fprintf(stderr, "nebula: %s\n", text);
    } else if (w->engine != NULL) {
        snprintf(line, sizeof line, "this worker leaves: %s", text);
        nebula_log(w->engine, 3, line);
    }
}

/* Tasks catch what they raise; what arrives here leaves Lua without a way to go on. */
void worker_fail(struct worker *w, const char *why)
{
    static const char out_of_files[] = "too many open files: raise the limit (ulimit -n)";
    bool is_out = is_out_of_files();
    why = why != NULL ? why : "an error that is no text";
    say(w, why);
    if (is_out)
        say(w, out_of_files);
    snprintf(w->why, sizeof w->why, "%s%s%s", is_out ? out_of_files : "", is_out ? ": " : "", why);
    worker_end(w, 1);
}

const char *worker_why(const struct worker *w)
{
    return w->why;
}

int worker_signal(const struct worker *w)
{
    return w->signals == NULL ? 0 : signals_first(w->signals);
}

static inline void park(struct worker *w, struct parked who, int32_t ticket)
{
    if (ticket == 0)
        return;
    if (ticket >= w->parked_size && !grow(w, ticket)) {
        worker_fail(w, "no memory for one more waiting task");
        return;
    }
    CHECK(w->parked[ticket].co == NULL);
    w->parked[ticket] = who;
}

void worker_park(struct worker *w, struct parked who, int32_t ticket)
{
    park(w, who, ticket);
}

/* Was the yield one of ours? Then its values are off the stack, or never were there. */
static bool is_wait(struct worker *w, lua_State *co)
{
    if (w->left_for != NOT_LEFT)
        return true;
    bool is_ours = lua_gettop(co) == 2 && lua_touserdata(co, 1) == w;
    if (is_ours)
        w->left_for = (int32_t)lua_tointeger(co, 2);
    lua_settop(co, 0);
    return is_ours;
}

int worker_wait(struct worker *w, lua_State *co, int32_t ticket)
{
    if (co == w->running) {
        w->left_for = ticket;
        return lua_yield(co, 0);
    }
    lua_pushlightuserdata(co, w);
    lua_pushinteger(co, ticket);
    return lua_yield(co, 2);
}

/* The code by which LuaJIT says how the coroutine came back. */
static int go_on(struct worker *w, lua_State *co)
{
    w->left_for = NOT_LEFT;
    w->running = co;
    return lua_resume(co, 1);
}

/* An event for which nobody waits: it is the worker's own, or was given up before it came. */
static void pass_over(struct worker *w, int32_t ticket)
{
    nebula_done(w->engine, ticket);
    if (ticket == w->look_ticket) {
        w->look_ticket = 0;
        watchdog_look(process_watchdog(w->process), w->watched);
    }
}

static void resume(struct worker *w, const struct nebula_event *event)
{
    int32_t ticket = event->ticket;
    if (ticket >= w->parked_size || w->parked[ticket].co == NULL) {
        pass_over(w, ticket);
        return;
    }
    struct parked who = w->parked[ticket];
    w->parked[ticket].co = NULL;
    nebula_task_enter(w->engine, who.task);
    if (w->watched != NULL)
        watchdog_enter(w->watched, who.co, who.task, who.place);
    lua_pushinteger(who.co, event->code);
    int status = go_on(w, who.co);
    while (status == LUA_YIELD && !is_wait(w, who.co)) {
        lua_pushlightuserdata(who.co, w); /* coroutine.lua raises when it gets the tag back */
        status = go_on(w, who.co);
    }
    if (w->watched != NULL)
        watchdog_exit(w->watched);
    if (status == LUA_YIELD)
        park(w, who, w->left_for);
    else if (status != 0)
        worker_fail(w, lua_tostring(who.co, -1));
}

static void hear_signal(struct worker *w)
{
    if (w->signals == NULL || w->is_signal_told || w->signal_ticket == 0 ||
        signals_first(w->signals) == 0)
        return;
    w->is_signal_told = true;
    signals_heard(w->signals);
    nebula_wake(w->engine, w->signal_ticket, 0);
    w->signal_ticket = 0;
}

static void hear_mail(struct worker *w)
{
    int code;
    if (!mailbox_has_news(w->mailbox))
        return;
    if (mailbox_is_over(w->mailbox, &code)) {
        worker_end(w, code);
    } else if (w->mail_ticket != 0) {
        nebula_wake(w->engine, w->mail_ticket, 0);
        w->mail_ticket = 0;
    }
}

/* To the function that Lua gave for it, which runs in no task and cannot wait. */
static void tell_hold(struct worker *w, const struct nebula_hold *hold)
{
    lua_State *lua = w->lua;
    lua_pushlightuserdata(lua, &w->hears_holds);
    lua_rawget(lua, LUA_REGISTRYINDEX);
    lua_createtable(lua, 0, 6);
    lua_pushstring(lua, hold->name);
    lua_setfield(lua, -2, "name");
    lua_pushinteger(lua, hold->task);
    lua_setfield(lua, -2, "task");
    lua_pushnumber(lua, hold->connection);
    lua_setfield(lua, -2, "connection");
    lua_pushnumber(lua, (double)hold->held_us);
    lua_setfield(lua, -2, "held_us");
    lua_pushboolean(lua, hold->is_reclaimed);
    lua_setfield(lua, -2, "is_reclaimed");
    lua_pushstring(lua, hold->place);
    lua_setfield(lua, -2, "place");
    if (lua_pcall(lua, 1, 0, 0) != 0)
        worker_fail(w, lua_tostring(lua, -1));
}

static void tell_holds(struct worker *w)
{
    struct nebula_hold hold;
    while (w->hears_holds && !w->is_done && nebula_hold(w->engine, &hold))
        tell_hold(w, &hold);
}

static void hear_question(struct worker *w, struct nebula_question *question)
{
    lua_State *lua = w->lua;
    lua_pushlightuserdata(lua, &w->hears_questions);
    lua_rawget(lua, LUA_REGISTRYINDEX);
    lua_pushlightuserdata(lua, question);
    if (lua_pcall(lua, 1, 0, 0) != 0)
        worker_fail(w, lua_tostring(lua, -1));
}

/* True: there is no more. Nobody hears any more after a failure: Lua may be what has failed. */
static bool hear_questions(struct worker *w)
{
    struct nebula_question question;
    int left = QUESTIONS_A_TURN;
    while (w->hears_questions && w->why[0] == '\0' && left > 0 &&
           nebula_question(w->engine, &question)) {
        hear_question(w, &question);
        left--;
    }
    return left > 0;
}

static void say_seen(void *data, const char *text)
{
    struct worker *w = data;
    nebula_log(w->engine, 2, text);
}

void worker_watch(struct worker *w)
{
    w->watched =
        watchdog_join(process_watchdog(w->process), w->index, w->lua, w->home, say_seen, w);
}

/* Before each turn. */
static void keep_watch(struct worker *w)
{
    w->watched->notes = 0;
    if (w->look_ticket > 0)
        return;
    nebula_task_enter(w->engine, 0);
    w->look_ticket = nebula_sleep(w->engine, WATCHDOG_LOOK_US); /* else it tries again */
}

static void loop(struct worker *w)
{
    bool may_wait = false;
    while (!w->is_done) {
        if (w->watched != NULL)
            keep_watch(w);
        nebula_turn(w->engine, may_wait ? INT64_MAX : 0);
        hear_signal(w);
        hear_mail(w);
        hub_hear(w);
        tell_holds(w);
        bool is_heard = hear_questions(w);
        struct nebula_event event;
        int left = EVENTS_A_TURN;
        while (!w->is_done && left > 0 && nebula_next(w->engine, &event)) {
            resume(w, &event);
            left--;
        }
        may_wait = left > 0 && is_heard;
    }
    hear_questions(w); /* what rules did in the last turn */
}

/* --- life ------------------------------------------------------------------------------------- */

/* Our own modules come first, so that nothing in the folder of a workflow can take their place.
 * Kinds and workflows share the cache of traces, which needs more room than its defaults. Before
 * the first task only what repeats very often is compiled (lua/nebula/tree.lua): a start runs once.
 */
static const char prelude[] =
    "local home = ...\n"
    "package.path = home .. '/lua/?.lua;' .. home .. '/lua/?/init.lua;' .. package.path\n"
    "jit.opt.start('maxtrace=8000', 'maxmcode=16384', 'hotloop=1000')\n"
    "require 'nebula.coroutine'\n";

/* Where Lua was tells something of a mistake, and nothing of what the process lacks. */
static int traceback(lua_State *lua)
{
    if (is_out_of_files())
        return 1;
    const char *why = lua_tostring(lua, 1);
    luaL_traceback(lua, lua, why != NULL ? why : "an error that is no text", 1);
    return 1;
}

/* On the stack is package.preload. */
static void offer(lua_State *lua, struct worker *w, const char *name, lua_CFunction open)
{
    lua_pushlightuserdata(lua, w);
    lua_pushcclosure(lua, open, 1);
    lua_setfield(lua, -2, name);
}

static int prepare(lua_State *lua)
{
    struct worker *w = lua_touserdata(lua, 1);
    luaL_openlibs(lua);
    traversal_repair(lua);
    modules_offer(lua);
    lua_getglobal(lua, "package");
    lua_getfield(lua, -1, "preload");
    offer(lua, w, "nebula.worker", host_open_module);
    offer(lua, w, "nebula.hub", hub_open_module);
    offer(lua, w, "nebula.judge", luaopen_nebula_judge);
    offer(lua, w, "nebula.question", luaopen_nebula_question);
    if (luaL_loadbuffer(lua, prelude, sizeof prelude - 1, "=prelude") != 0)
        return lua_error(lua);
    lua_pushstring(lua, w->home);
    lua_call(lua, 1, 0);
    return 0;
}

/* An error where nothing protects, while an event is told for example: LuaJIT would end the process. It
 * leaves no frame of ours behind but the loop's. */
static int panicked(lua_State *lua)
{
    lua_rawgeti(lua, LUA_REGISTRYINDEX, PANIC_AT);
    struct worker *w = lua_touserdata(lua, -1);
    worker_fail(w, lua_type(lua, -2) == LUA_TSTRING ? lua_tostring(lua, -2) : NULL);
    longjmp(*w->panic, 1);
}

struct worker *worker_new(const char *home, struct process *process, int32_t index)
{
    struct worker *w = calloc(1, sizeof *w);
    if (w == NULL)
        return NULL;
    w->home = home;
    w->process = process;
    w->index = index;
    w->mailbox = process_mailbox(process, index);
    w->lua = luaL_newstate();
    if (w->lua == NULL)
        worker_free(&w);
    return w;
}

void worker_close(struct worker *w)
{
    if (w->watched != NULL)
        watchdog_leave(w->watched);
    lua_close(w->lua); /* its finalisers give back what they hold */
    w->lua = NULL;
    hub_part(w);
    mailbox_close(w->mailbox);
    if (w->signals != NULL)
        signals_leave(w->signals);
    nebula_close(&w->engine);
}

void worker_free(struct worker **worker)
{
    struct worker *w = *worker;
    *worker = NULL;
    signals_free(&w->signals);
    free(w->reading);
    free(w->parked);
    free(w);
}

static void run(struct worker *w, const char *entry, int count, char **arguments)
{
    lua_State *lua = w->lua;
    lua_pushlightuserdata(lua, w);
    lua_rawseti(lua, LUA_REGISTRYINDEX, PANIC_AT);
    lua_pushcfunction(lua, traceback);
    if (lua_cpcall(lua, prepare, w) != 0) {
        worker_fail(w, lua_tostring(lua, -1));
        return;
    }
    lua_getglobal(lua, "require");
    lua_pushstring(lua, entry);
    if (!lua_checkstack(lua, count)) {
        worker_fail(w, "too many arguments");
        return;
    }
    if (lua_pcall(lua, 1, 1, 1) == 0) {
        for (int i = 0; i < count; i++)
            lua_pushstring(lua, arguments[i]);
        if (lua_pcall(lua, count, 1, 1) == 0) {
            if (lua_isnumber(lua, -1))
                worker_end(w, (int)lua_tointeger(lua, -1));
            loop(w);
            return;
        }
    }
    worker_fail(w, lua_tostring(lua, -1));
}

int worker_run(struct worker *w, const char *entry, int count, char **arguments)
{
    jmp_buf panic;
    w->panic = &panic;
    lua_atpanic(w->lua, panicked);
    if (setjmp(panic) == 0)
        run(w, entry, count, arguments);
    w->panic = NULL;
    return w->exit_code;
}
