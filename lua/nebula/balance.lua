--- balance: what the engine is told of the endpoints of a resource; and the keys of calls. Loaded when one of the two
--- is used.

local c = require "nebula.c"

c.also "nebula_balance.h"

local lib, engine = c.lib, c.engine

local balance = {}

--- A struct nebula_balance.
---@param fields table<string, number> see nebula.declare.balance
---@return ffi.cdata*
function balance.struct(fields)
  local at = c.new "struct nebula_balance"
  for name, value in pairs(fields) do at[name] = value end
  return at
end

--- What this task asks for from here on, until leave(), has this key.
---@param key string
function balance.enter(key) lib.nebula_task_key(engine, key, #key) end

--- What it asks for has no key any more.
function balance.leave() lib.nebula_task_key(engine, nil, 0) end

return balance
