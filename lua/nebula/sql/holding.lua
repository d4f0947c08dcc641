--- holding: the connection that a stream or a COPY has for itself while it is open.
--
-- On a resource it is a lease of its own, given back at the end, at an error, at close(), or when nobody knows the
-- holder any more. On a lease it is that one, of which nothing else can be asked meanwhile.
--
-- It belongs to whoever is in one of its methods: a call of another task, or of a function that the method itself
-- calls, would find it half done.

local c = require "nebula.c"
local call = require "nebula.call"
local context = require "nebula.context"
local errors = require "nebula.error"
local outside = require "nebula.outside"
local tree = require "nebula.tree"
local verbs = require "nebula.sql.verbs"
local wait = require "nebula.wait"

local lib, engine = c.lib, c.engine

---@class nebula.sql.Holder
---@field package state string "begun": the server was asked, and has not answered; "open": it has
---@field package on nebula.Resource|nebula.Lease
---@field package lease nebula.Lease|nil while it is held
---@field package finaliser userdata|nil with a lease of its own
---@field package within nebula.Lease|nil of the transaction to which it belongs
---@field package tenant string|nil of the task that made it, where each tenant has another database
---@field package text nebula.sql.Text
---@field package doing string|nil the method that is under way
---@field package user nebula.Task|nil whose

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

local function let_go(self, ok, ...)
  self.doing, self.user = nil, nil
  if not ok then tree.raise((...)) end
  return ...
end

local M = {}

--- Remembers who made it: it may begin long afterwards, by another task, and is of the same database then.
---@param self nebula.sql.Holder
---@param watcher function|nil of the transaction to which it belongs
function M.made(self, watcher)
  self.watcher, self.within = watcher, watcher and self.on or nil
  if rawget(verbs.resource_of(self.on), "has_tenants") then
    self.tenant = c.string(lib.nebula_task_tenant_name(engine))
  end
end

--- Something is about to be read of it, or pushed, though perhaps nothing is asked of the server. Of a lease that is
--- that of a transaction, only what belongs to the transaction is no touch from outside.
---@param self nebula.sql.Holder
function M.touch(self)
  if outside.watches > 0 then outside.touch(verbs.resource_of(self.on).name, self.within) end
end

--- What is said to whoever reads on after it was ended before its end: what was read is not all.
---@param self nebula.sql.Holder
---@param was_open boolean the statement had begun
---@return nebula.Error
function M.cut_short(self, was_open)
  local text = "it was closed, or its transaction ended, before it was read to its end"
  local err = errors.new("stale", "fix", "failed", text)
  if was_open and self.text.effect ~= "read" and not self.within then err.outcome = "in_doubt" end
  err.resource, err.statement = verbs.resource_of(self.on).name, self.text.shown
  return err
end

--- Raises when another method is under way.
---@param self nebula.sql.Holder
---@param name string of the method that is called
function M.check_alone(self, name)
  local user = self.user
  if self.doing and not user.is_ended then -- who was abandoned does not come back
    local whose = user == wait.current() and "this" or "another"
    errors.raise("%s: %s task is in %s: one at a time", name, whose, self.doing)
  end
end

--- Runs what may wait of a method, for the tenant who made it, and raises when another one is under way.
---@param self nebula.sql.Holder
---@param name string of the method
---@param fn fun(self: nebula.sql.Holder, ...): any
---@param ... any given to fn
---@return any ... what fn returned
function M.alone(self, name, fn, ...)
  M.check_alone(self, name)
  self.doing, self.user = name, wait.current()
  if self.tenant then return let_go(self, tree.try(context.tenant, self.tenant, fn, self, ...)) end
  return let_go(self, tree.try(fn, self, ...))
end

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

local function begun(self, ok, ...)
  if self.state == "begun" then self.state = "new" end
  if not ok then tree.raise((...)) end
  return ...
end

--- Sends its statement.
---@param self nebula.sql.Holder
---@param sent nebula.CallOptions
---@param ... any its values
---@return integer|nil ticket
---@return nebula.Error|nil
function M.begin(self, sent, ...)
  self.state = "begun"
  return begun(self, tree.try(verbs.send, self.lease, lib.NEBULA_STREAM, sent, self.text, ...))
end

--- From here on nothing else can be asked of the lease.
---@param self nebula.sql.Holder
function M.open(self)
  verbs.streaming[tonumber(self.lease.id)] = self
end

--- Whether it is the server's on a lease that stays, so that who ends it is to tell the server.
---@param self nebula.sql.Holder
---@return boolean
function M.is_to_be_stopped(self)
  return (self.state == "open" or self.state == "begun") and not self.finaliser
end

--- Tells the server that it ends before its end. Who is in it must know by then, for he may wake up first.
---@param lease nebula.Lease that stays
---@return nebula.Error|nil
function M.stop(lease)
  local ticket, err = call.run(lease, lib.NEBULA_STOP, nil, "", 0)
  if ticket then call.done(ticket) end
  return err
end

--- Lets go of it. What is still open on a lease of its own ends with that. Idempotent.
---@param self nebula.sql.Holder
function M.leave(self)
  local number = self.lease and tonumber(self.lease.id)
  if number and verbs.streaming[number] == self then verbs.streaming[number] = nil end
  if self.finaliser then
    disarm(self.finaliser)
    self.lease:release()
  end
  self.lease, self.finaliser = nil, nil
end

return M
