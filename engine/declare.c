/* declare.c - declarations in Lua for a program in C: nebula_declare_source().
 *
 * It stands above the border, as the program does, but for the sentence that it leaves in the engine,
 * and is a part of the library alone. The Lua state is made for one call and ends with it; what it runs
 * is what the program runs (lua/nebula/embed.lua), compiled into the library. Nothing in it is compiled
 * to machine code: it runs once.
 */
#include <dlfcn.h>
#include <lauxlib.h>
#include <limits.h>
#include <lua.h>
#include <luajit.h>
#include <lualib.h>
#include <stdlib.h>
#include <string.h>

#include "home.h"
#include "judge.h"
#include "modules.h"
#include "nebula_balance.h"
#include "nebula_border.h"
#include "nebula_chaos.h"
#include "nebula_policy.h"

struct declaration {
    struct nebula *engine;
    const struct nebula_source *source;
    char home[PATH_MAX];
    int32_t count;
    int32_t refusal; /* of the first that the engine refused, negative; 0: none */
    const char *why; /* on the stack of the state */
};

static struct declaration *self(lua_State *lua)
{
    return lua_touserdata(lua, lua_upvalueindex(1));
}

/* Leaves the engine's sentence. */
static void refused(lua_State *lua, struct declaration *d, int32_t code)
{
    if (d->refusal == 0)
        d->refusal = code;
    lua_pushstring(lua, nebula_error(d->engine));
}

/* declare(struct nebula_spec[, struct nebula_balance[, struct nebula_rules[, struct nebula_chaos[,
 * struct nebula_place[], places]]]])
 * -> number | nil, why */
static int declare(lua_State *lua)
{
    struct declaration *d = self(lua);
    int32_t number = nebula_declare(d->engine, lua_topointer(lua, 1)), code = number;
    if (code > 0 && !lua_isnoneornil(lua, 2))
        code = nebula_balance(d->engine, number, lua_topointer(lua, 2));
    if (code >= 0 && !lua_isnoneornil(lua, 3))
        code = nebula_rules(d->engine, number, lua_topointer(lua, 3));
    if (code >= 0 && !lua_isnoneornil(lua, 5))
        code =
            nebula_places(d->engine, number, lua_topointer(lua, 5), (int32_t)lua_tointeger(lua, 6));
    if (code >= 0 && !lua_isnoneornil(lua, 4)) /* which is told of, with its place */
        code = nebula_chaos(d->engine, number, lua_topointer(lua, 4));
    if (code >= 0) {
        lua_pushinteger(lua, number);
        return 1;
    }
    lua_pushnil(lua);
    refused(lua, d, code);
    return 2;
}

/* operation(number, name, struct nebula_policy, struct nebula_rules, is_apart, struct nebula_place[], places)
 * -> nothing | why */
static int operation(lua_State *lua)
{
    struct declaration *d = self(lua);
    int32_t code =
        nebula_operation(d->engine, (int32_t)lua_tointeger(lua, 1), lua_tostring(lua, 2),
                         lua_topointer(lua, 3), lua_topointer(lua, 4), lua_toboolean(lua, 5) != 0);
    if (code > 0)
        code = nebula_operation_places(d->engine, (int32_t)lua_tointeger(lua, 1), code,
                                       lua_topointer(lua, 6), (int32_t)lua_tointeger(lua, 7));
    if (code >= 0)
        return 0;
    refused(lua, d, code);
    return 1;
}

/* What worker.c is to the program, as far as declarations go. */
static int open_worker(lua_State *lua)
{
    struct declaration *d = self(lua);
    lua_createtable(lua, 0, 4);
    lua_pushstring(lua, d->home);
    lua_setfield(lua, -2, "home");
    lua_pushlightuserdata(lua, NULL);
    lua_setfield(lua, -2, "null");
    lua_pushlightuserdata(lua, d);
    lua_pushcclosure(lua, declare, 1);
    lua_setfield(lua, -2, "declare");
    lua_pushlightuserdata(lua, d);
    lua_pushcclosure(lua, operation, 1);
    lua_setfield(lua, -2, "operation");
    return 1;
}

static void prepare(lua_State *lua, struct declaration *d)
{
    luaL_openlibs(lua);
    luaJIT_setmode(lua, 0, LUAJIT_MODE_ENGINE | LUAJIT_MODE_OFF);
    modules_offer(lua);
    lua_getglobal(lua, "package");
    lua_getfield(lua, -1, "preload");
    lua_pushlightuserdata(lua, d);
    lua_pushcclosure(lua, open_worker, 1);
    lua_setfield(lua, -2, "nebula.worker");
    lua_pushcfunction(lua, luaopen_nebula_judge);
    lua_setfield(lua, -2, "nebula.judge");
    lua_pushfstring(lua, "%s/lua/?.lua;%s/lua/?/init.lua", d->home, d->home);
    lua_setfield(lua, 1, "path"); /* of the package */
    lua_settop(lua, 0);
}

static int run(lua_State *lua)
{
    struct declaration *d = lua_touserdata(lua, 1);
    const struct nebula_source *s = d->source;
    lua_settop(lua, 0);
    prepare(lua, d);
    lua_getglobal(lua, "require");
    lua_pushliteral(lua, "nebula.embed");
    lua_call(lua, 1, 1);
    lua_pushstring(lua, s->folder);
    lua_pushstring(lua, s->text);
    lua_pushstring(lua, s->name != NULL ? s->name : "text");
    lua_pushstring(lua, s->path != NULL ? s->path : getenv("NEBULA_PATH"));
    lua_call(lua, 4, 2);
    d->count = (int32_t)lua_tointeger(lua, 1);
    d->why = lua_tostring(lua, 2);
    lua_setfield(lua, LUA_REGISTRYINDEX, "nebula.why"); /* so that it stays */
    return 0;
}

/* The library's own, not the program's: they may be installed apart. */
static bool find_home(struct declaration *d)
{
    const char *told = d->source->home;
    if (told != NULL)
        return realpath(told, d->home) != NULL && home_is(d->home);
    Dl_info found;
    bool is_known = dladdr((void *)(uintptr_t)&nebula_version, &found) != 0;
    return home_find(d->home, is_known ? found.dli_fname : NULL);
}

/* All of the text for *why; the engine's sentence is its first line. */
static int32_t refuse(const struct declaration *d, enum error_code code, const char *text,
                      char **why)
{
    if (text == NULL)
        text = "what is wrong is no text";
    if (why != NULL)
        *why = strdup(text);
    return engine_refuse(&d->engine->engine, code, "%.*s", (int)strcspn(text, "\n"), text);
}

int32_t nebula_declare_source(struct nebula *n, const struct nebula_source *source, char **why)
{
    CHECK(border_is_here(n));
    struct declaration d = {.engine = n, .source = source};
    if (why != NULL)
        *why = NULL;
    if (!find_home(&d))
        return refuse(&d, ERROR_CONFIG,
                      "nebula's own folder is not where it was installed: set NEBULA_HOME to it",
                      why);
    lua_State *lua = luaL_newstate();
    if (lua == NULL)
        return refuse(&d, ERROR_MEMORY, "no memory for declarations", why);
    int status = lua_cpcall(lua, run, &d);
    int32_t code = d.count;
    if (status != 0)
        code = refuse(&d, status == LUA_ERRMEM ? ERROR_MEMORY : ERROR_CONFIG, lua_tostring(lua, -1),
                      why);
    else if (d.why != NULL)
        code = refuse(&d, d.refusal < 0 ? (enum error_code) - d.refusal : ERROR_CONFIG, d.why, why);
    lua_close(lua);
    return code;
}
