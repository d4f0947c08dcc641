/* hub_lua.h - the channels of the process as Lua sees them: `require "nebula.hub"`, of which
 * lua/nebula/shared.lua makes what workflows use. A channel is a userdata, which forgets it when it
 * is collected; a wait is a light one, and has to be ended once.
 *
 *   open(name, most)   -> channel | nil, "other" and the bound it has | nil, "full"
 *   forget(channel)    it is of no use any more; idempotent
 *   close(channel)
 *   state(channel)     -> messages, bytes, is_closed
 *   try(channel, bytes | false, ...)   a channel and what is to be sent, false: to receive; several times
 *                      -> which (from 1), bytes | true for sent | nil for closed; nil: none is ready
 *   wait(ticket, channel, bytes | false, ...)   the same; when none is ready the ticket waits
 *                      -> false, wait; or as try(); or nil, "full"
 *   finish(wait, is_abandoned)   -> as try(); nil: nothing came, and nothing was sent
 */
#ifndef HUB_LUA_H
#define HUB_LUA_H

#include <lua.h>

struct worker;

/* What `require` calls when it is first asked for; its upvalue is the worker. */
int hub_open_module(lua_State *lua);
/* After each turn: wakes the tickets that may look. */
void hub_hear(struct worker *w);
/* The worker leaves, and its Lua state is closed. */
void hub_part(struct worker *w);

#endif
