--- time: sleep and deadline.

local c = require "nebula.c"
local errors = require "nebula.error"
local options = require "nebula.options"
local tree = require "nebula.tree"
local wait = require "nebula.wait"

local lib, engine = c.lib, c.engine

local time = {}

local function mine(what)
  return wait.current() or errors.raise("%s works only inside a task", what)
end

--- Lets this task wait, and others work.
---@param span string a duration, "250ms"
---@return true|nil
---@return nebula.Error|nil err cancelled, the deadline, or closed: the program is shutting down
function time.sleep(span)
  local self = mine("sleep()")
  local us = options.span("sleep()", span)
  local hears = self.is_hurried and not self.is_ending -- what was deferred cleans up
  local ticket = lib.nebula_sleep(engine, hears and 0 or us)
  self.sleeping = ticket > 0 and ticket or nil
  local ok, err = wait.settle(ticket)
  self.sleeping = nil
  if self.is_hurried and not self.is_cancelled and not self.is_ending then
    self.is_hurried = nil
    return nil, errors.new("closed", "stop", "failed", "the program is shutting down")
  end
  return ok, err
end

local is_stopping = false

--- Whether the program is shutting down: a signal has come, and what is under way may come to its end.
---@return boolean
function time.stopping()
  return is_stopping
end

--- The program is shutting down: every task that lives now hears it once, in the sleep under way or else in its next
--- one. Who sleeps again, sleeps.
function time.hurry()
  is_stopping = true
  for _, task in pairs(tree.alive()) do
    task.is_hurried = true
    if task.sleeping then
      lib.nebula_cancel(engine, task.sleeping)
    end
  end
end

-- From here on until it is put back: a point of the engine's time, or the deadline in force when that is sooner.
local function set_deadline(at)
  local before = lib.nebula_task_deadline(engine, at)
  if before ~= 0 and before < at then
    lib.nebula_task_deadline(engine, before)
  end
  return before
end

--- A ticket that ends when somebody wakes it, or with `deadline`: that of the task, or us from now.
---@param us integer|nil
---@return integer
function time.within(us)
  if not us then return lib.nebula_wait(engine) end
  local before = set_deadline(lib.nebula_now_us(engine) + us)
  local ticket = lib.nebula_wait(engine)
  lib.nebula_task_deadline(engine, before)
  return ticket
end

local function put_back(before, ok, ...)
  lib.nebula_task_deadline(engine, before)
  if not ok then
    tree.raise((...))
  end
  return ...
end

--- Runs fn, whose waits, and those of the tasks it starts, end with `nil, err` (deadline) after span, or at the
--- deadline that is in force already when that is sooner.
---@param span string a duration, "2s"
---@param fn fun(...): any
---@param ... any given to fn
---@return any ... what fn returned
function time.deadline(span, fn, ...)
  mine("deadline()")
  local us = options.span("deadline()", span)
  if type(fn) ~= "function" then
    errors.raise("deadline(span, fn, ...): fn must be a function, not %s", type(fn))
  end
  local before = set_deadline(lib.nebula_now_us(engine) + us)
  return put_back(before, tree.try(fn, ...))
end

--- Like deadline(), with a point of the engine's time.
---@param at_us number
---@param fn fun(...): any
---@param ... any given to fn
---@return any ... what fn returned
function time.before(at_us, fn, ...)
  local before = set_deadline(at_us)
  return put_back(before, tree.try(fn, ...))
end

return time
