--- transaction: some statements that happen all or not at all.
--
--   orders:transaction({ isolation = "serializable" }, function(tx) ... end)
--
-- It commits when fn returns, and rolls back when fn raises or returns nil, err. See tx.lua for what fn is given.
--
-- Nothing is applied before the commit. So a statement inside fails or works and is never in doubt; the
-- commit itself may be, and then the transaction is.

local again = require "nebula.sql.again"
local c = require "nebula.c"
local errors = require "nebula.error"
local inside = require "nebula.sql.inside"
local options = require "nebula.options"
local outside = require "nebula.outside"
local time = require "nebula.time"
local tree = require "nebula.tree"
local tx = require "nebula.sql.tx"
local verbs = require "nebula.sql.verbs"

local lib = c.lib
local say = tx.say

---@class nebula.TransactionOptions
---@field deadline string|nil of all of it; default: none but those of its statements and of the task
---@field role string|nil one of the kind's roles; default: the writer if there is one and it is not read_only; with
---  read_only, where the declaration sends reads
---@field fail_fast boolean|nil do not queue for a connection
---@field key string|nil where calls are balanced by key: equal keys go to the same endpoint
---@field read_only boolean|nil
---@field isolation "read committed"|"repeatable read"|"serializable"|nil at least that; default: the server's
---@field deferrable boolean|nil with serializable and read_only: wait for a moment in which it cannot conflict
---@field retry boolean|nil run all of it again when it lost against another transaction, as the policy allows: the
--- caller promises that fn touches nothing but its tx

local known = {
  deadline = "string", role = "string", fail_fast = "boolean", read_only = "boolean", isolation = "string",
  deferrable = "boolean", retry = "boolean", key = "string",
}
local isolations = { ["read committed"] = true, ["repeatable read"] = true, ["serializable"] = true }

-- What its end says of it to whoever may run it again.
local function note(self, ok, ...)
  if self.attempt then again.note(self.attempt, self.poison, ok, ...) end
end

local function commit(self, ...)
  local done, err = say(self.lease, "commit")
  if not done then
    note(self, true, nil, err)
    return nil, err
  end
  if select("#", ...) == 0 then return true end
  return ...
end

local function settle(self, ok, ...)
  tx.close_stream(self)
  self.has_ended = true
  if ok and not self.poison and not tx.is_refusal(select("#", ...), ...) then return commit(self, ...) end
  note(self, ok, ...)
  say(self.lease, "rollback")
  if not ok then
    tree.raise((...))
  elseif self.poison then
    return nil, self.poison
  end
  return ...
end

local function seen(attempt, watch, ...)
  outside.done(watch)
  attempt.touched = watch.touched
  return ...
end

-- Runs fn, and sees what it touches when that counts.
local function call(self, fn)
  if not self.attempt then return tree.try(fn, self) end
  local watch = outside.watch(self.lease)
  return seen(self.attempt, watch, tree.try(fn, self))
end

local function within(lease, given, fn, guard, attempt)
  local ok, err = true, nil
  if guard then ok, err = say(lease, guard.on) end
  if ok then ok, err = say(lease, verbs.resource_of(lease).kind.sql.begin(given)) end
  if not ok then
    err.outcome = "failed" -- whether or not the begin was heard, nothing was begun
    return nil, err
  end
  local self = tx.new(lease, attempt)
  return settle(self, call(self, fn))
end

local function leave(on, lease, guard, ok, ...)
  inside.leave(on)
  if lease ~= on then
    lease:release()
  elseif guard then
    say(lease, guard.off)
  end
  if not ok then tree.raise((...)) end
  return ...
end

-- A standby knows no serializable transactions.
local function default_role(on, given)
  if not given.read_only then return on.role_index.writer and "writer" or nil end
  return given.isolation ~= "serializable" and verbs.reading_role(on) or nil
end

local function run(on, given, fn, attempt)
  local lease, role = on, nil
  if type(on) ~= "cdata" then
    local err
    role = given.role or default_role(on, given)
    lease, err = on:lease({ role = role, fail_fast = given.fail_fast, key = given.key }, fn)
    if not lease then return nil, err end
  elseif lib.nebula_in_transaction(c.engine, on.id) == 1 then
    errors.raise "a statement has begun a transaction on this lease already: end it first, or use transaction() alone"
  end
  inside.enter(on, role)
  -- What was opened for reading cannot write anyway; what was not is told.
  local guard = given.read_only and (lease == on or role == "writer") and verbs.resource_of(on).kind.sql.guard
  return leave(on, lease, guard, tree.try(within, lease, given, fn, guard, attempt))
end

local function run_until_done(on, given, fn)
  return again.run(on, function(attempt) return run(on, given, fn, attempt) end)
end

local M = {}

--- Runs fn(tx) in a transaction.
---@param on nebula.Resource|nebula.Lease
---@param given nebula.TransactionOptions|fun(tx: nebula.Transaction): any
---@param fn nil|fun(tx: nebula.Transaction): any
---@return any ... what fn returned, true if nothing; `nil, err` when it was rolled back or, with outcome in_doubt,
--- when nobody knows whether the commit was done
function M.run(on, given, fn)
  if fn == nil then given, fn = {}, given end
  options.check("transaction", given, known)
  if type(fn) ~= "function" then
    errors.raise("transaction(fn): fn must be a function, not %s", type(fn))
  elseif given.isolation and not isolations[given.isolation] then
    errors.raise('transaction: there is no isolation "%s"; known: read committed, repeatable read, serializable',
      given.isolation)
  elseif inside.is_in(on) then
    errors.raise("this task is in a transaction of %s already: use tx:savepoint(fn) for a part that may fail alone, "
      .. "or task(fn) for another transaction", verbs.resource_of(on).name)
  end
  local way = given.retry and run_until_done or run
  if given.deadline then return time.deadline(given.deadline, way, on, given, fn) end
  return way(on, given, fn)
end

return M
