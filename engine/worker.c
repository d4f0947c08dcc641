#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "judge.h"
#include "modules.h"
#include "nebula.h"
#include "signals.h"
#include "traversal.h"

#define EVENTS_A_TURN 512 /* then the outside world gets its turn */

/* A task that waits. task.lua keeps the coroutine from the collector. */
struct parked {
    lua_State *co; /* NULL: nobody waits for this ticket */
    int32_t task;
};

struct worker {
    lua_State *lua;
    struct nebula *engine;
    struct parked *parked; /* by ticket */
    int32_t parked_size;
    struct signals *signals;
    int32_t signal_ticket; /* 0: Lua does not listen */
    bool is_signal_told;
    bool hears_holds;
    bool is_done;
    int exit_code;
    const char *home;
};

/* --- tasks ------------------------------------------------------------------------------------ */

static bool has_room(struct worker *w, int32_t ticket)
{
    if (ticket < w->parked_size)
        return true;
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

static void end(struct worker *w, int code)
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

/* Tasks catch what they raise; what arrives here leaves Lua without a way to go on. */
static void fail(struct worker *w, const char *why)
{
    fprintf(stderr, "nebula: %s\n", why != NULL ? why : "an error that is no text");
    if (is_out_of_files())
        fprintf(stderr, "nebula: too many open files: raise the limit (ulimit -n)\n");
    end(w, 1);
}

static void park(struct worker *w, struct parked who, int32_t ticket)
{
    if (ticket == 0)
        return;
    if (!has_room(w, ticket)) {
        fail(w, "no memory for one more waiting task");
        return;
    }
    CHECK(w->parked[ticket].co == NULL);
    w->parked[ticket] = who;
}

/* Was the yield one of ours? Then its values are off the stack. */
static bool is_wait(struct worker *w, lua_State *co, int32_t *ticket_out)
{
    bool is_ours = lua_gettop(co) == 2 && lua_touserdata(co, 1) == w;
    *ticket_out = is_ours ? (int32_t)lua_tointeger(co, 2) : 0;
    lua_settop(co, 0);
    return is_ours;
}

static void resume(struct worker *w, const struct nebula_event *event)
{
    int32_t ticket = event->ticket;
    if (ticket >= w->parked_size || w->parked[ticket].co == NULL) {
        nebula_done(w->engine, ticket); /* given up before its event came */
        return;
    }
    struct parked who = w->parked[ticket];
    w->parked[ticket].co = NULL;
    nebula_task_enter(w->engine, who.task);
    lua_pushinteger(who.co, event->code);
    int status = lua_resume(who.co, 1);
    while (status == LUA_YIELD && !is_wait(w, who.co, &ticket)) {
        lua_pushlightuserdata(who.co, w); /* coroutine.lua raises when it gets the tag back */
        status = lua_resume(who.co, 1);
    }
    if (status == LUA_YIELD)
        park(w, who, ticket);
    else if (status != 0)
        fail(w, lua_tostring(who.co, -1));
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
        fail(w, lua_tostring(lua, -1));
}

static void tell_holds(struct worker *w)
{
    struct nebula_hold hold;
    while (w->hears_holds && !w->is_done && nebula_hold(w->engine, &hold))
        tell_hold(w, &hold);
}

static void loop(struct worker *w)
{
    bool may_wait = false;
    while (!w->is_done) {
        nebula_turn(w->engine, may_wait ? INT64_MAX : 0);
        hear_signal(w);
        tell_holds(w);
        struct nebula_event event;
        int left = EVENTS_A_TURN;
        while (!w->is_done && left > 0 && nebula_next(w->engine, &event)) {
            resume(w, &event);
            left--;
        }
        may_wait = left > 0;
    }
}

/* --- what Lua sees ---------------------------------------------------------------------------- */

static struct worker *self(lua_State *lua)
{
    return lua_touserdata(lua, lua_upvalueindex(1));
}

static int refuse(lua_State *lua, const char *why)
{
    lua_pushnil(lua);
    lua_pushstring(lua, why);
    return 2;
}

static int32_t number_field(lua_State *lua, const char *name, int32_t fallback)
{
    lua_getfield(lua, 1, name);
    int32_t number = (int32_t)luaL_optinteger(lua, -1, fallback);
    lua_pop(lua, 1);
    return number;
}

static int worker_open(lua_State *lua)
{
    struct worker *w = self(lua);
    luaL_checktype(lua, 1, LUA_TTABLE);
    if (w->engine != NULL)
        return refuse(lua, "the engine is open already");
    lua_getfield(lua, 1, "control"); /* both strings stay on the stack until they were copied */
    lua_getfield(lua, 1, "name");
    struct nebula_options options = {
        .control = luaL_optstring(lua, 2, NULL),
        .name = luaL_optstring(lua, 3, "nebula"),
        .log_format = number_field(lua, "log_format", 1),
        .log_level = number_field(lua, "log_level", 1),
        .log_fd = STDERR_FILENO,
    };
    char text[256] = "";
    w->engine = nebula_open(&options, text, sizeof text);
    if (w->engine == NULL)
        return refuse(lua, text);
    lua_pushlightuserdata(lua, w->engine);
    lua_setfield(lua, lua_upvalueindex(2), "engine");
    lua_pushboolean(lua, true);
    return 1;
}

static int worker_start(lua_State *lua)
{
    struct worker *w = self(lua);
    lua_State *co = lua_tothread(lua, 1);
    luaL_argcheck(lua, co != NULL, 1, "a coroutine is expected");
    struct parked who = {.co = co, .task = (int32_t)luaL_checkinteger(lua, 2)};
    int32_t ticket = (int32_t)luaL_checkinteger(lua, 3);
    luaL_argcheck(lua, ticket > 0, 3, "a ticket is expected");
    park(w, who, ticket);
    return 0;
}

static int worker_listen(lua_State *lua)
{
    struct worker *w = self(lua);
    if (w->signals == NULL)
        w->signals = signals_new(w->engine, (int64_t)luaL_checknumber(lua, 1),
                                 (int64_t)luaL_checknumber(lua, 2));
    if (w->signals == NULL)
        return refuse(lua, "no memory or threads to listen to signals");
    lua_pushboolean(lua, true);
    return 1;
}

static int worker_on_signal(lua_State *lua)
{
    struct worker *w = self(lua);
    w->signal_ticket = (int32_t)luaL_checkinteger(lua, 1);
    if (w->signals == NULL || signals_first(w->signals) == 0)
        return 0;
    lua_pushinteger(lua, signals_first(w->signals));
    return 1;
}

static int worker_on_hold(lua_State *lua)
{
    struct worker *w = self(lua);
    luaL_checktype(lua, 1, LUA_TFUNCTION);
    lua_pushlightuserdata(lua, &w->hears_holds);
    lua_pushvalue(lua, 1);
    lua_rawset(lua, LUA_REGISTRYINDEX);
    w->hears_holds = true;
    return 0;
}

static int worker_exit(lua_State *lua)
{
    end(self(lua), (int)luaL_checkinteger(lua, 1));
    return 0;
}

/* For commands, which have no loop. */
static int worker_nap(lua_State *lua)
{
    usleep((useconds_t)(luaL_checknumber(lua, 1) * 1e6));
    return 0;
}

static int worker_is_terminal(lua_State *lua)
{
    lua_pushboolean(lua, isatty((int)luaL_checkinteger(lua, 1)));
    return 1;
}

static int worker_is_home(lua_State *lua)
{
    struct stat home, other;
    bool is_home = stat(self(lua)->home, &home) == 0 &&
                   stat(luaL_checkstring(lua, 1), &other) == 0 && home.st_dev == other.st_dev &&
                   home.st_ino == other.st_ino;
    lua_pushboolean(lua, is_home);
    return 1;
}

static int worker_is_file(lua_State *lua)
{
    struct stat found;
    if (stat(luaL_checkstring(lua, 1), &found) != 0)
        return 0;
    lua_pushboolean(lua, S_ISREG(found.st_mode));
    return 1;
}

static int worker_run_dir(lua_State *lua)
{
    const char *own = getenv("NEBULA_RUN_DIR");
    const char *session = getenv("XDG_RUNTIME_DIR");
    if (own != NULL && *own != '\0')
        lua_pushstring(lua, own);
    else if (session != NULL && *session != '\0')
        lua_pushfstring(lua, "%s/nebula", session);
    else
        lua_pushfstring(lua, "/tmp/nebula-%d", (int)getuid());
    const char *path = lua_tostring(lua, -1);
    struct stat found;
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return refuse(lua, lua_pushfstring(lua, "%s: %s", path, strerror(errno)));
    if (lstat(path, &found) != 0 || !S_ISDIR(found.st_mode) || found.st_uid != getuid())
        return refuse(lua, lua_pushfstring(lua, "%s: not a folder of yours", path));
    return 1;
}

/* --- life ------------------------------------------------------------------------------------- */

static int open_module(lua_State *lua)
{
    /* clang-format off */
    static const luaL_Reg functions[] = {
        {"open", worker_open},
        {"start", worker_start},
        {"listen", worker_listen},
        {"on_signal", worker_on_signal},
        {"on_hold", worker_on_hold},
        {"exit", worker_exit},
        {"nap", worker_nap},
        {"is_terminal", worker_is_terminal},
        {"is_home", worker_is_home},
        {"is_file", worker_is_file},
        {"run_dir", worker_run_dir},
    };
    /* clang-format on */
    struct worker *w = self(lua);
    lua_createtable(lua, 0, COUNT(functions) + 5);
    for (size_t i = 0; i < COUNT(functions); i++) {
        lua_pushlightuserdata(lua, w);
        lua_pushvalue(lua, -2);
        lua_pushcclosure(lua, functions[i].func, 2);
        lua_setfield(lua, -2, functions[i].name);
    }
    lua_pushlightuserdata(lua, w);
    lua_setfield(lua, -2, "tag");
    lua_pushlightuserdata(lua, NULL);
    lua_setfield(lua, -2, "null");
    lua_pushstring(lua, w->home);
    lua_setfield(lua, -2, "home");
    lua_pushinteger(lua, getpid());
    lua_setfield(lua, -2, "pid");
    return 1;
}

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

static int prepare(lua_State *lua)
{
    struct worker *w = lua_touserdata(lua, 1);
    luaL_openlibs(lua);
    traversal_repair(lua);
    modules_offer(lua);
    lua_getglobal(lua, "package");
    lua_getfield(lua, -1, "preload");
    lua_pushlightuserdata(lua, w);
    lua_pushcclosure(lua, open_module, 1);
    lua_setfield(lua, -2, "nebula.worker");
    lua_pushcfunction(lua, luaopen_nebula_judge);
    lua_setfield(lua, -2, "nebula.judge");
    if (luaL_loadbuffer(lua, prelude, sizeof prelude - 1, "=prelude") != 0)
        return lua_error(lua);
    lua_pushstring(lua, w->home);
    lua_call(lua, 1, 0);
    return 0;
}

struct worker *worker_new(const char *home)
{
    struct worker *w = calloc(1, sizeof *w);
    if (w == NULL)
        return NULL;
    w->home = home;
    w->lua = luaL_newstate();
    if (w->lua == NULL)
        worker_free(&w);
    return w;
}

void worker_free(struct worker **worker)
{
    struct worker *w = *worker;
    *worker = NULL;
    if (w->lua != NULL)
        lua_close(w->lua); /* its finalisers give back what they hold */
    if (w->signals != NULL)
        signals_leave(w->signals);
    if (w->engine != NULL)
        nebula_close(&w->engine);
    signals_free(&w->signals);
    free(w->parked);
    free(w);
}

int worker_run(struct worker *w, const char *entry, int count, char **arguments)
{
    lua_State *lua = w->lua;
    lua_pushcfunction(lua, traceback);
    if (lua_cpcall(lua, prepare, w) != 0) {
        fail(w, lua_tostring(lua, -1));
        return w->exit_code;
    }
    lua_getglobal(lua, "require");
    lua_pushstring(lua, entry);
    if (!lua_checkstack(lua, count)) {
        fail(w, "too many arguments");
        return w->exit_code;
    }
    if (lua_pcall(lua, 1, 1, 1) == 0) {
        for (int i = 0; i < count; i++)
            lua_pushstring(lua, arguments[i]);
        if (lua_pcall(lua, count, 1, 1) == 0) {
            if (lua_isnumber(lua, -1))
                end(w, (int)lua_tointeger(lua, -1));
            loop(w);
            return w->exit_code;
        }
    }
    fail(w, lua_tostring(lua, -1));
    return w->exit_code;
}
