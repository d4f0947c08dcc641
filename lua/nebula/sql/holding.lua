--- holding: the connection that a stream or a COPY has for itself while it is open.
--
-- On a resource it is a lease of its own, given back at the end, at an error, at close(), or when nobody knows the
-- holder any more. On a lease it is that one, of which nothing else can be asked meanwhile.

local call = require "nebula.call"
local verbs = require "nebula.sql.verbs"

---@class nebula.sql.Holder
---@field package on nebula.Resource|nebula.Lease
---@field package lease nebula.Lease|nil while it is held
---@field package finaliser userdata|nil with a lease of its own

-- Who abandons a stream (a break in the middle of its loop) must not keep the connection to the end of the task.
-- Tables have no finalisers, so this hangs on an empty userdata beside it.
local function release_when_forgotten(lease)
  local finaliser = newproxy(true)
  call.streams = call.streams + 1
  getmetatable(finaliser).__gc = function()
    call.streams = call.streams - 1
    lease:release()
  end
  return finaliser
end

local function disarm(finaliser)
  call.streams = call.streams - 1
  getmetatable(finaliser).__gc = nil
end

local M = {}

--- Leases a connection, where the holder is not on a lease already.
---@param self nebula.sql.Holder
---@param given nebula.LeaseOptions
---@return true|nil
---@return nebula.Error|nil
function M.take(self, given)
  if type(self.on) == "cdata" then
    self.lease = self.on
    return true
  end
  local got, err = self.on:lease(given)
  if not got then return nil, err end
  self.lease, self.finaliser = got, release_when_forgotten(got)
  return true
end

--- From here on nothing else can be asked of the lease.
---@param self nebula.sql.Holder
function M.open(self)
  verbs.streaming[tonumber(self.lease.id)] = self
end

--- Lets go of it. What is still open on a lease of its own ends with that. Idempotent.
---@param self nebula.sql.Holder
function M.leave(self)
  if self.lease then verbs.streaming[tonumber(self.lease.id)] = nil end
  if self.finaliser then
    disarm(self.finaliser)
    self.lease:release()
  end
  self.lease, self.finaliser = nil, nil
end

return M
