/* judge.h - runs Lua that somebody else wrote, under bounds, and brings back plain data.
 *
 * Each evaluation has a Lua state of its own, with bounds on steps, work and memory (chamber.h).
 * Nothing that runs in it can reach the state it is called from; what comes back are copies of
 * tables, strings, numbers and booleans. What a declaration may use is decided by the preludes
 * (lua/nebula/declare/).
 */
#ifndef JUDGE_H
#define JUDGE_H

#include <lua.h>

/* Lua's `require "nebula.judge"`, a table:
 *
 *   evaluate { preludes = { chunk... }, sources = { text... }, [steps=] [memory=] }
 *     -> records, errors
 *
 *     Each prelude, text or bytecode, is a function of one table, `room`, that they share: it has
 * `mark` (a value that the sources cannot make) and `here()` (number and line of the source that is
 * running), and they must leave `environment`, the globals of every source, and `records`, which is
 * copied back after the last source. A value that is no data is copied as { [mark] = "function" },
 * with the line at which it begins if it is a function of a source; a table deeper than 32, or
 * beyond 500,000 values, as { [mark] = "deep" } or { [mark] = "large" }.
 * errors is a list of { source = number, line = number (0: unknown), text = sentence }. A source
 * that fails does not keep the next ones from running, unless the bound of steps was reached.
 * records is nil when not even the preludes could run; then errors[1] has source 0. Bounds of one
 * evaluation: 10 million steps or half a second of work (default of `steps`), 64 MB (default of
 * `memory`, in bytes), 4 MB for a single string or table.
 *
 *   mark: the value of room.mark, in this state.
 *   read(path, most_bytes [, is_secret]) -> bytes | nil, why        base/file.h
 *   names(folder, suffix, most) -> list of strings | nil, why    base/file.h
 */
int luaopen_nebula_judge(lua_State *L);

#endif
