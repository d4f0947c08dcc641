--- task: straight-line work that can wait, and the tree that owns it.
--
-- A task owns its children, its leases and its waits. However it ends, they end: the children are cancelled and
-- awaited, then what was deferred runs, last first, within a second of its own. What a child raises is
-- raised where it is joined; when nobody joins it, its parent fails with it.
--
-- The tree is here; the engine knows of each task only what it owes it.

local c = require "nebula.c"
local coroutines = require "nebula.coroutine"
local errors = require "nebula.error"
local failures = require "nebula.failure"
local wait = require "nebula.wait"
local worker = require "nebula.worker"

local lib, engine = c.lib, c.engine

local GRACE_US = 1000000  -- what defer gets
local UNJOINED_MOST = 100 -- failures of children that nobody joined yet; older ones go to the log

---@class nebula.Task
---@field place string|nil FILE:LINE where it was started
---@field package id integer the engine's number
---@field package parent nebula.Task|nil
---@field package is_cancelled boolean|nil told to end
---@field package is_ending boolean|nil its function is over
---@field package is_ended boolean|nil
---@field package failure nebula.Failure|nil
---@field package waiter integer|nil the ticket on which it waits for its children
local Task = {}
Task.__index = Task

local alive = {} -- by number; keeps the coroutines from the collector

local tasks = {}

local function mine(what)
  return wait.current() or errors.raise("%s works only inside a task", what)
end

-- --- the tree ---------------------------------------------------------------------------------------

local function link(parent, self)
  local last = parent.last_child
  self.before = last
  if last then
    last.after = self
  else
    parent.first_child = self
  end
  parent.last_child = self
end

local function unlink(parent, self)
  local before, after = self.before, self.after
  if before then
    before.after = after
  else
    parent.first_child = after
  end
  if after then
    after.before = before
  else
    parent.last_child = before
  end
  self.before, self.after = nil, nil
end

--- Ends what the task and all below it wait for, now and from now on, with `cancelled`. A task that is
--- ending already is left to it.
---@param self nebula.Task
local function cancel(self)
  if self.is_ended or self.is_ending or self.is_cancelled then
    return
  end
  self.is_cancelled = true
  lib.nebula_task_cancel(engine, self.id)
  local child = self.first_child
  while child do
    cancel(child)
    child = child.after
  end
end

local function end_children(self)
  local child = self.first_child
  while child do
    cancel(child)
    child = child.after
  end
  while self.first_child do
    wait.surely(self)
  end
end

-- The message handler: keeps the lines of a child when its failure goes on through a join.
local function capture(value)
  local failure = failures.capture(value)
  local raised = wait.current().raised
  if raised and rawequal(raised.value, value) then
    return failures.nest(raised, failure)
  end
  return failure
end

--- Raises a failure again; its lines stay with it.
---@param failure nebula.Failure
function tasks.raise(failure)
  wait.current().raised = failure
  error(failure.value, 0)
end

local function report(self, failure)
  lib.nebula_log(engine, 3, ("task of %s: %s\n%s"):format(self.place or "the program",
    tostring(failure), failure.traceback))
end

local function run_deferred(self)
  local deferred = self.deferred
  while deferred and #deferred > 0 do
    lib.nebula_task_grace(engine, self.id, lib.nebula_now_us(engine) + GRACE_US)
    local ok, failure = xpcall(table.remove(deferred), capture)
    failure = not ok and failures.of(failure)
    if failure and (self.failure or self.is_cancelled) then
      report(self, failure)
    elseif failure then
      self.failure = failure
    end
  end
end

local function inherit_failures(self)
  for _, child in ipairs(self.unjoined or {}) do
    if self.failure or self.is_cancelled then
      report(child, child.failure)
    else
      self.failure = child.failure
    end
  end
  self.unjoined = nil
end

local function tell(self)
  if self.scope then
    self.scope:ended(self)
  end
  for ticket in pairs(self.joiners or {}) do
    lib.nebula_wake(engine, ticket, 0)
  end
  local parent = self.parent
  if not parent then
    return
  end
  unlink(parent, self)
  if self.failure and not self.is_cancelled and not self.joiners and not self.scope then
    parent.unjoined = parent.unjoined or {}
    table.insert(parent.unjoined, self)
    if #parent.unjoined > UNJOINED_MOST then
      local oldest = table.remove(parent.unjoined, 1)
      report(oldest, oldest.failure)
    end
  end
  if parent.waiter and not parent.first_child then
    lib.nebula_wake(engine, parent.waiter, 0)
  end
end

-- May be entered again, when what was deferred is abandoned.
local function finish(self)
  self.is_ending, self.refusals = true, 0
  end_children(self)
  run_deferred(self)
  end_children(self)
  inherit_failures(self)
  self.is_ended = true
  alive[self.id] = nil
  lib.nebula_task_close(engine, self.id)
  tell(self)
  self.co, self.left, self.deferred = nil, nil, nil
end

-- --- life -------------------------------------------------------------------------------------------

local function settle_with(self, ok, ...)
  if ok then
    self.results, self.count = { ... }, select("#", ...)
  else
    self.failure = failures.of((...))
  end
  finish(self)
end

local function start(self)
  lib.nebula_task_enter(engine, 0) -- its first turn comes even when it was cancelled before
  local ticket = lib.nebula_sleep(engine, 0)
  lib.nebula_task_enter(engine, wait.current() and wait.current().id or 0)
  if ticket < 0 then
    local err = errors.from_code(nil, ticket)
    lib.nebula_task_close(engine, self.id)
    error(err, 0)
  end
  worker.start(self.co, self.id, ticket)
end

--- Leaves the coroutine of a task that does not end for good, and ends the task in another one.
---@param waits integer how many it asked for since it was told to end
---@package
function Task:abandon(waits)
  self.failure = self.failure
    or failures.of(("the task was told to end and went on for %d waits; abandoned"):format(waits))
  self.left = self.co
  self.co = coroutines.create(function()
    wait.begin(self)
    finish(self)
  end)
  start(self)
  coroutines.park(0)
end

--- A new task below parent. It begins to run in the next turn, never inside this call.
---@param parent nebula.Task|nil nil: a root
---@param fn fun(...): any
---@param ... any given to fn
---@return nebula.Task
function tasks.open(parent, fn, ...)
  local id = lib.nebula_task_open(engine, parent and parent.id or 0)
  if id < 0 then
    error(errors.from_code(nil, id), 0)
  end
  local self = setmetatable({ id = id, parent = parent, refusals = 0, place = failures.here() }, Task)
  local arguments, count = { ... }, select("#", ...)
  self.co = coroutines.create(function()
    wait.begin(self)
    if self.is_cancelled then
      finish(self)
    else
      settle_with(self, xpcall(fn, capture, unpack(arguments, 1, count)))
    end
  end)
  start(self)
  alive[id] = self
  if parent then
    link(parent, self)
    if parent.is_cancelled and not parent.is_ending then
      cancel(self)
    end
  end
  return self
end

--- Starts fn as a child of the current task.
---@param fn fun(...): any
---@param ... any given to fn
---@return nebula.Task
function tasks.task(fn, ...)
  local parent = mine("task()")
  if type(fn) ~= "function" then
    errors.raise("task(fn, ...): fn must be a function, not %s", type(fn))
  end
  return tasks.open(parent, fn, ...)
end

--- Cancels a task and all below it; without an argument the current one.
---@param task nebula.Task|nil
function tasks.cancel(task)
  if task ~= nil and getmetatable(task) ~= Task then
    errors.raise("cancel(task): not a task but %s", type(task))
  end
  cancel(task or mine("cancel()"))
end

--- Runs fn when the current task ends, however it ends; the last deferred first.
---@param fn fun()
function tasks.defer(fn)
  local self = mine("defer()")
  if type(fn) ~= "function" then
    errors.raise("defer(fn): fn must be a function, not %s", type(fn))
  end
  self.deferred = self.deferred or {}
  table.insert(self.deferred, fn)
end

--- Cancels it and all below it: what they wait for returns `nil, err`, and so does every later wait.
function Task:cancel()
  cancel(self)
end

-- What fn returned, or its failure raised here.
local function result(self)
  if self.is_cancelled then
    return nil, errors.new("cancelled", "stop", "the task was cancelled")
  elseif self.failure then
    tasks.raise(self.failure)
  end
  return unpack(self.results, 1, self.count)
end

local function forget_unjoined(self)
  for i, child in ipairs(self.parent and self.parent.unjoined or {}) do
    if child == self then
      table.remove(self.parent.unjoined, i)
      return
    end
  end
end

--- Waits for its end. Returns what its function returned; raises what it raised.
---@return any ... `nil, err` when it, or the task that waits, was cancelled or ran out of time
function Task:join()
  local task = mine("join()")
  local above = task
  while above do
    if above == self then
      errors.raise("a task cannot join itself or a task it runs in: it would wait for ever")
    end
    above = above.parent
  end
  self.joiners = self.joiners or {}
  while not self.is_ended do
    local ticket = lib.nebula_wait(engine)
    self.joiners[ticket] = ticket > 0 or nil
    local ok, err = wait.settle(ticket)
    self.joiners[ticket] = nil
    if not ok then
      return nil, err
    end
  end
  forget_unjoined(self)
  return result(self)
end

--- The tasks that live, for the host's last words: in no order.
---@return table<integer, nebula.Task>
function tasks.alive()
  return alive
end

--- Where a parked task waits.
---@param self nebula.Task
---@return string|nil place FILE:LINE
function tasks.place(self)
  return failures.place_of(self.co)
end

return tasks
