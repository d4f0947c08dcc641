--- transaction: some statements that happen all or not at all.
--
--   orders:transaction({ isolation = "serializable" }, function(tx) ... end)
--
-- It commits when fn returns, and rolls back when fn raises or returns nil, err. A statement that fails
-- poisons the transaction: nothing more is done in it and it cannot commit, unless the failure happened in
-- a savepoint, which is rolled back alone. So every kind behaves like the strictest server.
--
-- Nothing is applied before the commit. So a statement inside fails or works and is never in doubt; the
-- commit itself may be, and then the transaction is.
--
-- Savepoints of one transaction are a stack in the server, so they do not stand side by side: while a task has one
-- open, what another task did would be undone with it. Only that task and those below it may use the transaction then.

local c = require "nebula.c"
local call = require "nebula.call"
local errors = require "nebula.error"
local inside = require "nebula.sql.inside"
local options = require "nebula.options"
local stream = require "nebula.sql.stream"
local time = require "nebula.time"
local tree = require "nebula.tree"
local verbs = require "nebula.sql.verbs"
local wait = require "nebula.wait"

local lib = c.lib

---@class nebula.TransactionOptions
---@field deadline string|nil of all of it; default: none but those of its statements and of the task
---@field role string|nil one of the kind's roles; default: the writer if there is one and it is not read_only
---@field fail_fast boolean|nil do not queue for a connection
---@field read_only boolean|nil
---@field isolation "read committed"|"repeatable read"|"serializable"|nil at least that; default: the server's
---@field deferrable boolean|nil with serializable and read_only: wait for a moment in which it cannot conflict

local known = {
  deadline = "string", role = "string", fail_fast = "boolean", read_only = "boolean", isolation = "string",
  deferrable = "boolean",
}
local isolations = { ["read committed"] = true, ["repeatable read"] = true, ["serializable"] = true }

---@class nebula.Transaction
---@field package lease nebula.Lease
---@field package points { task: nebula.Task, level: integer }[] savepoints that are open, the innermost last
---@field package poison nebula.Error|nil the first failure
---@field package open_stream nebula.Stream|nil
---@field package has_ended boolean
local Transaction = {}
Transaction.__index = Transaction

-- --- statements -------------------------------------------------------------------------------------

local function poison(self, err)
  err.outcome = "failed"
  self.poison = self.poison or err
end

local function watch(self, result, err, ...)
  if result == nil and errors.is(err) then poison(self, err) end
  return result, err, ...
end

local function check(self)
  local point = self.points[#self.points]
  if self.has_ended then
    errors.raise("the transaction has ended: its tx is of no use outside of its function")
  elseif point and not tree.is_below(wait.current(), point.task) then
    errors.raise("another task has a savepoint open in this transaction: join that task first")
  elseif self.open_stream then
    errors.raise("a stream is open in this transaction: read it to its end or close it first")
  end
end

local function refuse_control(self, first, second)
  local text = verbs.understand(self.lease, type(first) == "table" and second or first)
  if text.effect == "transaction" then
    errors.raise("a transaction ends with its function, and parts of it are for tx:savepoint(fn), in: %s", text.shown)
  end
end

for _, name in ipairs { "query", "one", "value", "exec", "prepare" } do
  local verb = verbs[name]
  Transaction[name] = function(self, ...)
    check(self)
    refuse_control(self, ...)
    if self.poison then return nil, self.poison end
    return watch(self, verb(self.lease, ...))
  end
end

local prepare = Transaction.prepare

function Transaction:prepare(...)
  local statement, err = prepare(self, ...)
  if not statement then return nil, err end
  statement.on = self
  return statement
end

--- Like stream() of a resource. It must be read to its end or closed before anything else is asked.
---@return nebula.Stream
function Transaction:stream(...)
  check(self)
  local opened = stream.open(self.lease, function(err)
    self.open_stream = nil
    if err then poison(self, err) end
  end, ...)
  if self.poison then
    opened:fail(self.poison)
  else
    self.open_stream = opened
  end
  return opened
end

function Transaction.transaction()
  errors.raise("a transaction has no transactions inside: use tx:savepoint(fn) for a part that may fail alone")
end

-- --- words ------------------------------------------------------------------------------------------

local function say(lease, words)
  local ticket, err = call.run(lease, lib.NEBULA_RUN, nil, words, 0)
  if not ticket then
    err.statement = words
    return nil, err
  end
  call.done(ticket)
  return true
end

local function close_stream(self)
  if self.open_stream then self.open_stream:close() end
end

-- Whether what a function returned says that it failed.
local function is_refusal(count, first, second)
  return count >= 2 and first == nil and second ~= nil
end

-- --- savepoints -------------------------------------------------------------------------------------

local function name_of(point)
  return "nebula_" .. point.level
end

-- Nobody else uses the transaction before the server was told. What lies inside ends with it.
local function close(self, point)
  for level = #self.points, point.level, -1 do self.points[level] = nil end
end

-- To where the savepoint was. What failed inside is forgotten, unless even that fails.
local function undo(self, point)
  local ok, err = say(self.lease, "rollback to " .. name_of(point))
  if ok then ok, err = say(self.lease, "release " .. name_of(point)) end
  close(self, point)
  if not ok then
    poison(self, err)
    return nil, self.poison
  end
  local why = self.poison
  self.poison = nil
  return nil, why
end

local function leave_savepoint(self, point, ok, ...)
  if self.points[point.level] ~= point then
    if not ok then tree.raise((...)) end
    errors.raise("the savepoint around this one has ended before it: join the tasks of a savepoint in its function")
  end
  close_stream(self)
  if not ok then
    undo(self, point)
    tree.raise((...))
  elseif is_refusal(select("#", ...), ...) then
    undo(self, point)
    return ...
  elseif self.poison then
    return undo(self, point)
  end
  local released, err = say(self.lease, "release " .. name_of(point))
  close(self, point)
  if not released then return watch(self, nil, err) end
  if select("#", ...) == 0 then return true end
  return ...
end

--- A part that may fail alone: what it did is undone when fn raises, returns nil, err, or a statement in it failed.
---@param fn fun(tx: nebula.Transaction): any
---@return any ... what fn returned, true if nothing; `nil, err` when it was undone
function Transaction:savepoint(fn)
  if type(fn) ~= "function" then
    errors.raise("savepoint(fn): fn must be a function, not %s", type(fn))
  end
  check(self)
  if self.poison then return nil, self.poison end
  local point = { task = wait.current(), level = #self.points + 1 }
  self.points[point.level] = point
  local ok, err = say(self.lease, "savepoint " .. name_of(point))
  if not ok then
    close(self, point)
    return watch(self, nil, err)
  end
  return leave_savepoint(self, point, tree.try(fn, self))
end

-- --- the whole --------------------------------------------------------------------------------------

local function settle(self, ok, ...)
  close_stream(self)
  self.has_ended = true
  if not ok then
    say(self.lease, "rollback")
    tree.raise((...))
  elseif self.poison then
    say(self.lease, "rollback")
    return nil, self.poison
  elseif is_refusal(select("#", ...), ...) then
    say(self.lease, "rollback")
    return ...
  end
  local done, err = say(self.lease, "commit")
  if not done then return nil, err end
  if select("#", ...) == 0 then return true end
  return ...
end

local function within(lease, given, fn, guard)
  local ok, err = true, nil
  if guard then ok, err = say(lease, guard.on) end
  if ok then ok, err = say(lease, verbs.resource_of(lease).kind.sql.begin(given)) end
  if not ok then
    err.outcome = "failed" -- whether or not the begin was heard, nothing was begun
    return nil, err
  end
  local self = setmetatable({ lease = lease, points = {} }, Transaction)
  return settle(self, tree.try(fn, self))
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

local function run(on, given, fn)
  local lease, role = on, nil
  if type(on) ~= "cdata" then
    local err
    role = given.role or not given.read_only and on.role_index.writer and "writer" or nil
    lease, err = on:lease { role = role, fail_fast = given.fail_fast }
    if not lease then return nil, err end
  elseif lib.nebula_in_transaction(c.engine, on.id) == 1 then
    errors.raise "a statement has begun a transaction on this lease already: end it first, or use transaction() alone"
  end
  inside.enter(on, role)
  -- What was opened for reading cannot write anyway; what was not is told.
  local guard = given.read_only and (lease == on or role == "writer") and verbs.resource_of(on).kind.sql.guard
  return leave(on, lease, guard, tree.try(within, lease, given, fn, guard))
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
  if given.deadline then return time.deadline(given.deadline, run, on, given, fn) end
  return run(on, given, fn)
end

return M
