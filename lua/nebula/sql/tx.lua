--- tx: what the function of a transaction is given: the verbs of a lease, and savepoints.
--
-- A statement that fails poisons the transaction: nothing more is done in it and it cannot commit, unless the failure
-- happened in a savepoint, which is rolled back alone. So every kind behaves like the strictest server.
--
-- Savepoints of one transaction are a stack in the server, so they do not stand side by side: while a task has one
-- open, what another task did would be undone with it. Only that task and those below it may use the transaction then.

local batch = require "nebula.sql.batch"
local c = require "nebula.c"
local call = require "nebula.call"
local errors = require "nebula.error"
local lazy = require "nebula.lazy"
local stream = require "nebula.sql.stream"
local tree = require "nebula.tree"
local verbs = require "nebula.sql.verbs"
local wait = require "nebula.wait"

local lib = c.lib

---@class nebula.Transaction
---@field package lease nebula.Lease
---@field package points { task: nebula.Task, level: integer }[] savepoints that are open, the innermost last
---@field package poison nebula.Error|nil the first failure
---@field package open_stream nebula.Stream|nebula.Copy|nil
---@field package under_way integer statements that were begun and have not ended
---@field package has_ended boolean
---@field package attempt nebula.sql.Attempt|nil when it may be run again
local Transaction = {}
Transaction.__index = Transaction

local M = {}

-- --- statements -------------------------------------------------------------------------------------

local function poison(self, err)
  err.outcome = "failed"
  self.poison = self.poison or err
end

local function watch(self, result, err, ...)
  if result == nil and errors.is(err) then poison(self, err) end
  return result, err, ...
end

local function is_below(task, root)
  while task and task ~= root do
    task = task.parent
  end
  return task == root
end

local function check(self, name)
  errors.check_self(self, Transaction, "transaction", name)
  local point = self.points[#self.points]
  if self.has_ended then
    errors.raise("the transaction has ended: its tx is of no use outside of its function")
  elseif point and not is_below(wait.current(), point.task) then
    errors.raise("another task has a savepoint open in this transaction: join that task first")
  elseif self.open_stream then
    errors.raise("a stream is open in this transaction: read it to its end or close it first")
  end
end

local function ended(self, ok, ...)
  self.under_way = self.under_way - 1
  if not ok then tree.raise((...)) end
  return ...
end

-- Runs a statement, which may ask for more than once: for the types of what it brought, too.
local function run(self, verb, ...)
  self.under_way = self.under_way + 1
  return watch(self, ended(self, tree.try(verb, self.lease, ...)))
end

-- A stream has the connection for itself, and would be in the way of what is still to be asked.
local function check_stream(self, name)
  check(self, name)
  if self.under_way > 0 then
    errors.raise("%s: another task is in a statement of this transaction: join it first", name)
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
    check(self, name)
    refuse_control(self, ...)
    if self.poison then return nil, self.poison end
    return run(self, verb, ...)
  end
end

local prepare = Transaction.prepare

function Transaction:prepare(...)
  local statement, err = prepare(self, ...)
  if not statement then return nil, err end
  statement.on = self
  return statement
end

-- Told what is open in the transaction, and when it is not any more.
local function watcher(self)
  return function(opened, err)
    self.open_stream = opened
    if err then poison(self, err) end
  end
end

--- Like stream() of a resource. It must be read to its end or closed before anything else is asked.
---@return nebula.Stream
function Transaction:stream(...)
  check_stream(self, "stream")
  local opened = stream.open(self.lease, watcher(self), ...)
  if self.poison then
    opened:fail(self.poison)
  else
    self.open_stream = opened
  end
  return opened
end

-- Like those of a resource. One that is given up is a failure like any other; output must be read to its end or
-- closed before anything else is asked.
for name, module in pairs { copy_in = lazy "nebula.sql.copy_in", copy_out = lazy "nebula.sql.copy_out" } do
  Transaction[name] = function(self, ...)
    check_stream(self, name)
    if self.poison then return nil, self.poison end
    return module.run(self.lease, watcher(self), ...)
  end
end

--- Like batch() of a resource.
function Transaction:batch(...)
  check(self, "batch")
  if self.poison then return nil, self.poison end
  return run(self, batch.run, ...)
end

--- Says that the session was changed, so that it is made clean before somebody else gets it.
---@return true|nil
---@return nebula.Error|nil
function Transaction:dirty()
  errors.check_self(self, Transaction, "transaction", "dirty")
  return self.lease:dirty()
end

function Transaction.transaction()
  errors.raise("a transaction has no transactions inside: use tx:savepoint(fn) for a part that may fail alone")
end

-- --- words ------------------------------------------------------------------------------------------

--- Says words of ours.
---@param lease nebula.Lease
---@param words string
---@return true|nil
---@return nebula.Error|nil
function M.say(lease, words)
  local ticket, err = call.run(lease, lib.NEBULA_RUN, nil, words, 0)
  if not ticket then
    err.statement = words
    return nil, err
  end
  call.done(ticket)
  return true
end

--- Ends what is open in it.
---@param self nebula.Transaction
function M.close_stream(self)
  if self.open_stream then self.open_stream:stop() end
end

--- Whether what a function returned says that it failed.
---@param count integer
---@param first any
---@param second any
---@return boolean
function M.is_refusal(count, first, second)
  return count >= 2 and first == nil and second ~= nil
end

local say = M.say

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
  M.close_stream(self)
  if not ok then
    undo(self, point)
    tree.raise((...))
  elseif M.is_refusal(select("#", ...), ...) then
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
  check(self, "savepoint")
  if type(fn) ~= "function" then
    errors.raise("savepoint(fn): fn must be a function, not %s", type(fn))
  end
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

--- What a function is given.
---@param lease nebula.Lease in whose session a transaction was begun
---@param attempt nebula.sql.Attempt|nil
---@return nebula.Transaction
function M.new(lease, attempt)
  return setmetatable({ lease = lease, points = {}, under_way = 0, attempt = attempt }, Transaction)
end

return M
