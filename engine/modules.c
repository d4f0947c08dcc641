#include "modules.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

static int by_name(const void *name, const void *module)
{
    return strcmp(name, ((const struct module *)module)->name);
}

/* What package.preload does not have: __index, with the table and a name. */
static int find(lua_State *lua)
{
    const char *name = lua_tostring(lua, 2);
    const struct module *m =
        name == NULL ? NULL
                     : bsearch(name, module_table, module_count, sizeof *module_table, by_name);
    if (m == NULL || luaL_loadbuffer(lua, (const char *)m->code, m->size, name) != 0)
        return 0;
    return 1;
}

void modules_offer(lua_State *lua)
{
    lua_getglobal(lua, "package");
    lua_getfield(lua, -1, "preload");
    lua_createtable(lua, 0, 1);
    lua_pushcfunction(lua, find);
    lua_setfield(lua, -2, "__index");
    lua_setmetatable(lua, -2);
    lua_pop(lua, 2);
}
