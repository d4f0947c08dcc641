#include "host.h"

#include <errno.h>
#include <lauxlib.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "mailbox.h"
#include "nebula.h"
#include "nebula_host.h"
#include "process.h"
#include "signals.h"
#include "watchdog.h"
#include "worker.h"

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

static bool has_field(lua_State *lua, const char *name)
{
    lua_getfield(lua, 1, name);
    bool is_so = lua_toboolean(lua, -1);
    lua_pop(lua, 1);
    return is_so;
}

static int32_t number_field(lua_State *lua, const char *name, int32_t fallback)
{
    lua_getfield(lua, 1, name);
    int32_t number = (int32_t)luaL_optinteger(lua, -1, fallback);
    lua_pop(lua, 1);
    return number;
}

/* Where there are others to look after it. */
static void be_watched(lua_State *lua, struct worker *w)
{
    if (process_watchdog(w->process) == NULL)
        return;
    lua_getglobal(lua, "require");
    lua_pushliteral(lua, "nebula.coroutine");
    lua_call(lua, 1, 1);
    lua_getfield(lua, -1, "inner");
    worker_watch(w);
    lua_pop(lua, 1);
    if (has_field(lua, "notes_calls"))
        watchdog_note_calls(w->watched);
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
        .allow_chaos = has_field(lua, "allow_chaos"),
    };
    char text[256] = "";
    struct nebula_ledger *ledger = process_ledger(w->process);
    w->engine = ledger == NULL ? nebula_open(&options, text, sizeof text)
                               : nebula_open_worker(ledger, w->index, &options, text, sizeof text);
    if (w->engine == NULL)
        return refuse(lua, text);
    mailbox_read_by(w->mailbox, w->engine);
    be_watched(lua, w);
    lua_pushlightuserdata(lua, w->engine);
    lua_setfield(lua, lua_upvalueindex(2), "engine");
    lua_pushboolean(lua, true);
    return 1;
}

/* Nothing happens where C stands between. */
static int worker_yield(lua_State *lua)
{
    return lua_isyieldable(lua) ? worker_wait(self(lua), lua, (int32_t)lua_tointeger(lua, 1)) : 0;
}

static int worker_start(lua_State *lua)
{
    struct worker *w = self(lua);
    lua_State *co = lua_tothread(lua, 1);
    luaL_argcheck(lua, co != NULL, 1, "a coroutine is expected");
    struct parked who = {.co = co, .task = (int32_t)luaL_checkinteger(lua, 2)};
    int32_t ticket = (int32_t)luaL_checkinteger(lua, 3);
    luaL_argcheck(lua, ticket > 0, 3, "a ticket is expected");
    const char *place = luaL_optstring(lua, 4, NULL);
    if (place != NULL && w->watched != NULL)
        who.place = watchdog_keep(w->watched, place);
    worker_park(w, who, ticket);
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

/* Keeps the function by the address of what says that there is one. */
static int hear_by(lua_State *lua, bool *hears)
{
    luaL_checktype(lua, 1, LUA_TFUNCTION);
    lua_pushlightuserdata(lua, hears);
    lua_pushvalue(lua, 1);
    lua_rawset(lua, LUA_REGISTRYINDEX);
    *hears = true;
    return 0;
}

static int worker_on_hold(lua_State *lua)
{
    return hear_by(lua, &self(lua)->hears_holds);
}

static int worker_on_question(lua_State *lua)
{
    return hear_by(lua, &self(lua)->hears_questions);
}

static int worker_exit(lua_State *lua)
{
    struct worker *w = self(lua);
    int code = (int)luaL_checkinteger(lua, 1);
    if (w->index == 0)
        worker_end(w, code);
    else
        mailbox_end(process_mailbox(w->process, 0), code);
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

/* --- the other workers ------------------------------------------------------------------------ */

static int worker_grow(lua_State *lua)
{
    struct worker *w = self(lua);
    int32_t count = (int32_t)luaL_checkinteger(lua, 1);
    luaL_argcheck(lua, count >= 1 && count <= 64, 1, "1 to 64 workers");
    luaL_argcheck(lua, w->index == 0 && w->engine == NULL, 1, "the engine is open already");
    if (!process_grow(w->process, count))
        return refuse(lua, "no memory for so many workers");
    w->mailbox = process_mailbox(w->process, 0);
    lua_pushinteger(lua, count);
    lua_setfield(lua, lua_upvalueindex(2), "count");
    lua_pushboolean(lua, true);
    return 1;
}

static int worker_begin(lua_State *lua)
{
    size_t size;
    const char *entry = luaL_checkstring(lua, 1), *bytes = luaL_checklstring(lua, 2, &size);
    if (!process_begin(self(lua)->process, entry, bytes, size, lua_toboolean(lua, 3)))
        return refuse(lua, "no memory for what the other workers begin with");
    lua_pushboolean(lua, true);
    return 1;
}

static int worker_watch_others(lua_State *lua)
{
    struct worker *w = self(lua);
    int64_t bound_us = (int64_t)luaL_checknumber(lua, 1);
    luaL_argcheck(lua, bound_us > 0, 1, "a bound in us");
    luaL_argcheck(lua, w->engine == NULL && process_count(w->process) > 1, 1, "too late, or alone");
    if (!process_watch(w->process, bound_us))
        return refuse(lua, "no memory for what workers see of each other");
    lua_pushboolean(lua, true);
    return 1;
}

static int worker_replace(lua_State *lua)
{
    struct worker *w = self(lua);
    int32_t other = (int32_t)luaL_checkinteger(lua, 1);
    luaL_argcheck(lua, w->index == 0 && other > 0 && other < process_count(w->process), 1,
                  "there is no such worker");
    lua_pushboolean(lua, process_replace(w->process, other));
    return 1;
}

static int worker_given(lua_State *lua)
{
    struct worker *w = self(lua);
    size_t size;
    const char *bytes = process_given(w->process, &size);
    lua_pushlstring(lua, bytes, size);
    process_has_begun(w->process, w->index);
    return 1;
}

static int worker_leave(lua_State *lua)
{
    worker_end(self(lua), 0);
    return 0;
}

static int worker_fails(lua_State *lua)
{
    worker_fail(self(lua), luaL_checkstring(lua, 1));
    return 0;
}

static int worker_why_of(lua_State *lua)
{
    struct worker *w = self(lua);
    int32_t other = (int32_t)luaL_checkinteger(lua, 1);
    luaL_argcheck(lua, process_mailbox(w->process, other) != NULL, 1, "there is no such worker");
    char why[WORKER_WHY];
    process_why(w->process, other, why, sizeof why);
    lua_pushstring(lua, why);
    return 1;
}

static int worker_send(lua_State *lua)
{
    struct worker *w = self(lua);
    size_t size;
    struct mailbox *to = process_mailbox(w->process, (int32_t)luaL_checkinteger(lua, 1));
    luaL_argcheck(lua, to != NULL, 1, "there is no such worker");
    const char *bytes = luaL_checklstring(lua, 2, &size);
    enum error_code code = mailbox_post(to, w->index, bytes, size, lua_toboolean(lua, 3));
    if (code != ERROR_OK)
        return refuse(lua, error_name(code));
    lua_pushboolean(lua, true);
    return 1;
}

/* There may be no memory for the string: then the message is still the worker's. */
static int worker_receive(lua_State *lua)
{
    struct worker *w = self(lua);
    struct passage passage;
    free(w->reading);
    w->reading = mailbox_take(w->mailbox, &passage);
    if (w->reading == NULL && passage.worker < 0)
        return 0;
    lua_pushinteger(lua, w->reading != NULL ? w->reading->from : passage.worker);
    if (w->reading == NULL) {
        lua_pushboolean(lua, passage.is_back);
        return 2;
    }
    lua_pushlstring(lua, w->reading->bytes, w->reading->size);
    free(w->reading);
    w->reading = NULL;
    return 2;
}

static int worker_on_mail(lua_State *lua)
{
    struct worker *w = self(lua);
    w->mail_ticket = (int32_t)luaL_checkinteger(lua, 1);
    lua_pushboolean(lua, mailbox_has_news(w->mailbox));
    return 1;
}

/* --- services --------------------------------------------------------------------------------- */

static int worker_cores(lua_State *lua)
{
    cpu_set_t set;
    int count = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    lua_pushinteger(lua, count);
    return 1;
}

static int worker_backoff(lua_State *lua)
{
    int32_t failures = (int32_t)luaL_checkinteger(lua, 3);
    luaL_argcheck(lua, failures >= 1, 3, "at least one failure");
    int64_t us = nebula_backoff(self(lua)->engine, (int64_t)luaL_checknumber(lua, 1),
                                (int64_t)luaL_checknumber(lua, 2), failures);
    lua_pushnumber(lua, (lua_Number)us);
    return 1;
}

static int worker_tell_instance(lua_State *lua)
{
    luaL_checktype(lua, 1, LUA_TTABLE);
    lua_settop(lua, 1);
    lua_getfield(lua, 1, "service"); /* all stay on the stack until they were copied */
    lua_getfield(lua, 1, "state");
    lua_getfield(lua, 1, "reason");
    lua_getfield(lua, 1, "since");
    lua_getfield(lua, 1, "pause");
    struct nebula_instance told = {
        .service = luaL_checkstring(lua, 2),
        .state = luaL_checkstring(lua, 3),
        .reason = luaL_optstring(lua, 4, ""),
        .since_s = (int64_t)luaL_checknumber(lua, 5),
        .pause_s = luaL_optnumber(lua, 6, 0),
        .number = number_field(lua, "number", 0),
        .worker = number_field(lua, "worker", 0),
        .restarts = number_field(lua, "restarts", 0),
    };
    lua_pushboolean(lua, nebula_tell_instance(self(lua)->engine, &told));
    return 1;
}

/* --- the module ------------------------------------------------------------------------------- */

int host_open_module(lua_State *lua)
{
    /* clang-format off */
    static const luaL_Reg functions[] = {
        {"open", worker_open},
        {"start", worker_start},
        {"yield", worker_yield},
        {"listen", worker_listen},
        {"on_signal", worker_on_signal},
        {"on_hold", worker_on_hold},
        {"on_question", worker_on_question},
        {"exit", worker_exit},
        {"nap", worker_nap},
        {"is_terminal", worker_is_terminal},
        {"is_home", worker_is_home},
        {"is_file", worker_is_file},
        {"run_dir", worker_run_dir},
        {"grow", worker_grow},
        {"watch", worker_watch_others},
        {"begin", worker_begin},
        {"replace", worker_replace},
        {"given", worker_given},
        {"leave", worker_leave},
        {"fail", worker_fails},
        {"why", worker_why_of},
        {"send", worker_send},
        {"receive", worker_receive},
        {"on_mail", worker_on_mail},
        {"cores", worker_cores},
        {"backoff", worker_backoff},
        {"tell_instance", worker_tell_instance},
    };
    /* clang-format on */
    struct worker *w = self(lua);
    lua_createtable(lua, 0, COUNT(functions) + 7);
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
    lua_pushinteger(lua, w->index);
    lua_setfield(lua, -2, "index");
    lua_pushinteger(lua, process_count(w->process));
    lua_setfield(lua, -2, "count");
    return 1;
}
