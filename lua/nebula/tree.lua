--- tree: the life of tasks, and who owns whom.
--
-- A task owns its children, its leases and its waits. However it ends, they end: the children are cancelled and
-- awaited, then what was deferred runs, last first, within a second of its own. A failure that nobody
-- joined goes on to the parent. The engine knows of each task only what it owes it.

local c = require "nebula.c"
local coroutines = require "nebula.coroutine"
local errors = require "nebula.error"
local failures = require "nebula.failure"
local outside = require "nebula.outside"
local wait = require "nebula.wait"
local worker = require "nebula.worker"

local lib, engine = c.lib, c.engine

local GRACE_US = 1000000  -- what defer gets
local UNJOINED_MOST = 100 -- failures of children that nobody joined yet; older ones go to the log

---@class nebula.Task
---@field place string|nil FILE:LINE where it was started; nil: the workflow
---@field package at string|nil where those are started that no line of the workflow starts
---@field package id integer the engine's number
---@field package parent nebula.Task|nil
---@field package is_cancelled boolean|nil told to end
---@field package is_ending boolean|nil its function is over
---@field package is_ended boolean|nil
---@field package failure nebula.Failure|nil
---@field package waiter integer|nil the ticket on which it waits for its children
local Task = { refusals = 0 }
Task.__index = Task

local alive, nobody = {}, {} -- alive: tasks by number; it keeps the coroutines from the collector

local tree = { Task = Task } -- and `work`: the task below which runs what other workers ask for

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

local function cancel_children(self)
  local child = self.first_child
  while child do
    child:cancel()
    child = child.after
  end
end

--- Ends what it and all below it wait for with `nil, err` (cancelled), and every later wait too. A task that
--- is ending already is left to it.
function Task:cancel()
  if self.is_ended or self.is_ending or self.is_cancelled then
    return
  end
  outside.touch("cancel()")
  self.is_cancelled = true
  lib.nebula_task_cancel(engine, self.id)
  cancel_children(self)
end

local function end_children(self)
  cancel_children(self)
  while self.first_child do
    wait.surely(self)
  end
end

-- The message handler: keeps the lines of a child when its failure goes on through a join.
local capture = failures.handler(function(failure)
  local raised = wait.current().raised
  if raised and rawequal(raised.value, failure.value) then
    return failures.nest(raised, failure)
  end
  return failure
end)

--- Raises a failure again; its lines stay with it.
---@param failure any what try() gave
function tree.raise(failure)
  failure = failures.of(failure)
  wait.current().raised = failure
  error(failure.value, 0)
end

--- Calls fn so that a failure keeps its lines: true and its results, or false and the failure for raise().
---@param fn fun(...): any
---@param ... any
---@return boolean ok
---@return any ...
function tree.try(fn, ...)
  return xpcall(fn, capture, ...)
end

local function report(self, failure)
  lib.nebula_log(engine, 3, ("%s: %s"):format(self.place and "the task of " .. self.place or "the workflow",
    failures.text_of(failure)))
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
  local is_joined = self.scope or next(self.joiners or nobody)
  if self.failure and not self.is_cancelled and not is_joined then
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
  self.co, self.fn, self.left, self.deferred = nil, nil, nil, nil
end

-- --- life -------------------------------------------------------------------------------------------

local function settle_with(self, ok, ...)
  if ok then
    self.results, self.count = { ... }, select("#", ...)
  else
    self.failure = failures.of((...), self.fn, self.place)
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
  self.start_ticket = ticket
  worker.start(self.co, self.id, ticket, self.place)
end

-- The first words of a coroutine that start() began.
local function begin(self)
  wait.begin(self)
  lib.nebula_done(engine, self.start_ticket)
end

--- Leaves the coroutine of a task that does not end for good, and ends the task in another one.
---@param waits integer how many it asked for since it was told to end
---@package
function Task:abandon(waits)
  local why = failures.of(("%s: it was told to end and went on for %d waits: abandoned"):format(
    failures.here() or "in the engine", waits))
  report(self, why)
  self.failure = self.failure or why
  self.left = self.co
  self.co = coroutines.create(function()
    begin(self)
    finish(self)
  end)
  start(self)
  coroutines.park(0)
end

--- A new task below parent. It begins to run in the next turn, never inside this call.
---@param parent nebula.Task|nil nil: a root
---@param place string|nil FILE:LINE where it was started; nil: the workflow
---@param fn fun(...): any
---@param ... any given to fn
---@return nebula.Task
function tree.open_at(parent, place, fn, ...)
  outside.touch("another task")
  local id = lib.nebula_task_open(engine, parent and parent.id or 0)
  if id < 0 then
    error(errors.from_code(nil, id), 0)
  end
  local self = setmetatable({ id = id, parent = parent, fn = fn, place = place }, Task)
  local arguments, count = { ... }, select("#", ...)
  self.co = coroutines.create(function()
    begin(self)
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
      self:cancel()
    end
  end
  return self
end

--- The same, started at the line of the workflow that runs.
function tree.open(parent, fn, ...)
  return tree.open_at(parent, failures.here() or parent and parent.at, fn, ...)
end

--- A task below nobody.
---@param fn fun(...): any
---@param ended fun(failure: nebula.Failure|nil) told how it ended
---@param ... any given to fn
function tree.root(fn, ended, ...)
  jit.opt.start "hotloop=56" -- LuaJIT's own; until here the program only started
  local self = tree.open(nil, fn, ...)
  tree.work = tree.work or self
  self.scope = {
    ended = function()
      ended(self.failure)
    end,
  }
end

--- The tasks that live, by number.
---@return table<integer, nebula.Task>
function tree.alive()
  return alive
end

return tree
