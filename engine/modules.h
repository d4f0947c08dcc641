/* modules.h - our modules in Lua, as the program and the library hold them: compiled (lua/bundle.lua).
 *
 * `require` finds them before it looks for files, and compiles nothing then. Bytecode of another
 * version of LuaJIT is not accepted, and then the files count.
 */
#ifndef MODULES_H
#define MODULES_H

#include <lua.h>
#include <stddef.h>

struct module {
    const char *name; /* "nebula.call" */
    const unsigned char *code;
    size_t size;
};

/* In the order of their names. */
extern const struct module module_table[];
extern const size_t module_count;

/* Makes them known to `require` of this state, whose libraries are open. May raise. */
void modules_offer(lua_State *lua);

#endif
