--- inside: which task is in a transaction of what, so that it does not wait for itself.

local wait = require "nebula.wait"

-- By task, then by what the transaction is on: a resource, or the number of a lease.
local open = setmetatable({}, { __mode = "k" })

local M = {}

local function key_of(on)
  return type(on) == "cdata" and tonumber(on.id) or on
end

--- Whether the current task is in a transaction on this resource or lease.
---@param on nebula.Resource|nebula.Lease
---@return boolean
function M.is_in(on)
  local mine = open[wait.current()]
  return mine ~= nil and mine[key_of(on)] ~= nil
end

--- Whether that transaction has the one connection that writes.
---@param on nebula.Resource
---@return boolean
function M.has_writer(on)
  local mine = open[wait.current()]
  return mine ~= nil and mine[on] == "writer"
end

--- The current task enters a transaction.
---@param on nebula.Resource|nebula.Lease
---@param role string|nil of its lease
function M.enter(on, role)
  local task = wait.current()
  open[task] = open[task] or {}
  open[task][key_of(on)] = role or "some"
end

--- It leaves it.
---@param on nebula.Resource|nebula.Lease
function M.leave(on)
  local task = wait.current()
  local mine = open[task]
  mine[key_of(on)] = nil
  if next(mine) == nil then open[task] = nil end
end

return M
