/* question_lua.h - the functions of policies, as Lua asks them.
 *
 * Lua's `require "nebula.question"`, a table:
 *
 *   open { preludes = { chunk... }, sources = { text... },
 *          [steps=] [time_us=] [memory=] [strikes=] }
 *     -> questions | nil, { source=, line=, text= }       the last prelude is kept.lua
 *
 * questions:list()            { kind=, name=, path=, source=, line= } for each, by its number
 * questions:expect(at, row)   what its answer must be: a row of shape.lua of the types boolean,
 *                             number, integer, share, string, enum, or a table of these; any:
 *                             a boolean, number or text, or a table of these by any names
 * questions:ask(at, fields)   -> answer | nil: the default stands; then a breach may follow:
 *                             { why=, source=, line=, text=, strikes=, is_last=, is_anew= }
 * questions:memory()          bytes of the state
 * questions:made_anew()       how often it was made anew
 * questions:close()           frees the state; then nothing is asked
 */
#ifndef QUESTION_LUA_H
#define QUESTION_LUA_H

#include <lua.h>

int luaopen_nebula_question(lua_State *lua);

#endif
