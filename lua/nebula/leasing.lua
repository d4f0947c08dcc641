--- leasing: the methods of a resource that lend a connection of it.

local c = require "nebula.c"
local call = require "nebula.call"
local errors = require "nebula.error"
local lazy = require "nebula.lazy"
local leases = require "nebula.lease"
local options = require "nebula.options"
local own = require "nebula.own"
local tree = require "nebula.tree"
local wait = require "nebula.wait"

local balance = lazy "nebula.balance"
local lib, engine = c.lib, c.engine
-- Not looked up at each lease: compiled code knows them for certain.
local await, check, tonumber = wait.await, own.check, tonumber
local ask, ticket_of_it, lent = lib.nebula_lease, lib.nebula_ticket, lib.nebula_lent

---@class nebula.LeaseOptions
---@field deadline string|nil how long to wait for it, a duration; default: the policy's wait
---@field role string|nil one of the kind's roles; default: the first
---@field fail_fast boolean|nil do not queue; default: the pool's
---@field key string|nil where calls are balanced by key: equal keys go to the same endpoint

local lease_options = { deadline = "string", role = "string", fail_fast = "boolean", key = "string" }

-- Why the wait for a ticket brought no lease.
local function refused(self, ticket)
  lib.nebula_reply(engine, ticket, call.reply)
  local err = errors.from_reply(self.name, call.reply)
  lib.nebula_done(engine, ticket)
  return nil, err
end

local function lease_with(self, given)
  options.check("lease", given, lease_options)
  local role, within_us = call.role(self, given.role), call.span(given.deadline)
  if not within_us then
    return nil, call.too_late(self)
  end
  if given.key then balance.enter(given.key) end
  local id = lib.nebula_lease(engine, self.id, role, within_us, given.fail_fast or false)
  if given.key then balance.leave() end
  return id
end

local function give_back(lease, ok, ...)
  lease:release()
  if not ok then
    tree.raise((...))
  end
  return ...
end

local HOT = 1000 -- calls after which a function was compiled

-- A function that becomes hot on a way that waits is compiled up to the wait, and what is compiled so is never
-- inlined: from then on every lease would cost memory. So these become hot at once, on a way that returns: of a
-- resource that is not there.
local function make_hot(methods, kind)
  local nothing = { id = 0, name = "nothing", kind = kind, lease = methods.lease }
  for _ = 1, HOT do
    methods.lease(nothing)
  end
  for _ = 1, HOT do
    methods.with(nothing, make_hot)
  end
end
jit.off(make_hot) -- or its loops would be compiled in their place

--- Adds lease() and with() to the methods of a kind's resources.
---@param methods table<string, function>
---@param kind nebula.Kind
return function(methods, kind)
  local new = leases.type(kind)

  -- In one function, because each that waits is left and found again. What is alive across the wait and is no plain
  -- number would be a new object each time.
  local function when_waited(self, refusal)
    if refusal < 0 then
      return nil, errors.from_code(self.name, refusal)
    end
    local ticket = ticket_of_it(engine)
    if call.streams > 0 then
      collectgarbage() -- a loop that was left leaves its stream to the collector, which does not know who waits
    end
    local code = await(ticket)
    if code < 0 then
      return nil, errors.from_code(self.name, code)
    end
    local got = lent(engine, ticket)
    if got > 0 then
      return new(got, self.id)
    end
    return refused(self, ticket)
  end

  local function as_given(self, given)
    local id, err = lease_with(self, given)
    if not id then
      return nil, err
    elseif id > 0 then
      return new(id, self.id)
    end
    return when_waited(self, tonumber(id))
  end

  --- A connection for this task alone, until release() or the end of the task.
  ---@param given nebula.LeaseOptions|nil
  ---@return nebula.Lease|nil
  ---@return nebula.Error|nil
  function methods:lease(given)
    check(self, kind, "lease")
    if given ~= nil then
      return as_given(self, given)
    end
    local id = ask(engine, self.id, 0, 0, false)
    if id > 0 then
      return new(id, self.id)
    end
    return when_waited(self, tonumber(id))
  end

  --- Runs fn with a lease and gives it back, however fn ends.
  ---@param given nebula.LeaseOptions|fun(lease: nebula.Lease): any
  ---@param fn nil|fun(lease: nebula.Lease): any
  ---@return any ... what fn returned; `nil, err` when there was no lease
  function methods:with(given, fn)
    check(self, kind, "with")
    if fn == nil then
      given, fn = nil, given
    end
    if type(fn) ~= "function" then
      errors.raise("with(fn): fn must be a function, not %s", type(fn))
    end
    local lease, err = self:lease(given, fn)
    if not lease then
      return nil, err
    end
    return give_back(lease, tree.try(fn, lease))
  end

  wait.in_one_turn(make_hot, methods, kind)
end
