/* traversal.h - pairs() and next() where LuaJIT compiles loops over tables wrongly.
 *
 * LuaJIT 2.1.0-beta3 as Debian 12 has it (of March 2022) compiles `for k, v in pairs(t)`. Where another
 * trace joins such a loop, its body is entered at times with what lay on the stack as key and value:
 * after half a minute of load a loop over the options of a call met a lease that was in no table. The
 * authors of LuaJIT repaired it in September 2022, and what is like it until August 2023; from then on
 * no version is called a beta.
 */
#ifndef TRAVERSAL_H
#define TRAVERSAL_H

#include <lua.h>

/* Gives this state functions for both that LuaJIT does not compile, if its version needs it. The
 * libraries are open and no other code has run: a loop finds out once whether it may be compiled.
 * May raise. */
void traversal_repair(lua_State *lua);

#endif
