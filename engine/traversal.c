#include "traversal.h"

#include <lauxlib.h>
#include <stdbool.h>
#include <string.h>

static int next_pair(lua_State *lua)
{
    luaL_checktype(lua, 1, LUA_TTABLE);
    lua_settop(lua, 2);
    if (lua_next(lua, 1) != 0)
        return 2;
    lua_pushnil(lua);
    return 1;
}

static int all_pairs(lua_State *lua)
{
    luaL_checktype(lua, 1, LUA_TTABLE);
    lua_pushvalue(lua, lua_upvalueindex(1));
    lua_pushvalue(lua, 1);
    lua_pushnil(lua);
    return 3;
}

/* Later versions are numbered by the time of their last change: 2.1.1693350652. */
static bool is_faulty(lua_State *lua)
{
    lua_getglobal(lua, "jit");
    lua_getfield(lua, -1, "version");
    const char *version = lua_tostring(lua, -1);
    bool is_beta = version != NULL && strstr(version, "-beta") != NULL;
    lua_pop(lua, 2);
    return is_beta;
}

void traversal_repair(lua_State *lua)
{
    if (!is_faulty(lua))
        return;
    lua_pushcfunction(lua, next_pair);
    lua_pushvalue(lua, -1);
    lua_setglobal(lua, "next");
    lua_pushcclosure(lua, all_pairs, 1);
    lua_setglobal(lua, "pairs");
}
