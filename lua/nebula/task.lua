--- task: straight-line work that can wait.
--
-- A task owns what it starts: its children end with it (tree.lua). What a child returns or raises comes out
-- where it is joined.

local c = require "nebula.c"
local errors = require "nebula.error"
local outside = require "nebula.outside"
local tree = require "nebula.tree"
local wait = require "nebula.wait"

local lib, engine = c.lib, c.engine
local Task = tree.Task

local tasks = {}

local function mine(what)
  return wait.current() or errors.raise("%s works only inside a task", what)
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
  return tree.open(parent, fn, ...)
end

--- Cancels a task and all below it; without an argument the current one.
---@param task nebula.Task|nil
function tasks.cancel(task)
  if task ~= nil and getmetatable(task) ~= Task then
    errors.raise("cancel(task): not a task but %s", type(task))
  end
  (task or mine("cancel()")):cancel()
end

--- Runs fn when the current task ends, however it ends; the last deferred first.
---@param fn fun()
function tasks.defer(fn)
  local self = mine("defer()")
  if type(fn) ~= "function" then
    errors.raise("defer(fn): fn must be a function, not %s", type(fn))
  end
  outside.touch("defer()")
  self.deferred = self.deferred or {}
  table.insert(self.deferred, fn)
end

-- What fn returned, or its failure raised here.
local function result(self)
  if self.is_cancelled then
    return nil, errors.new("cancelled", "stop", "in_doubt", "the task was cancelled")
  elseif self.failure then
    tree.raise(self.failure)
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
---@return any ... `nil, err`, in doubt, when it was cancelled, or the task that waits was or ran out of time
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
    if not ok and not self.is_ended then
      err.outcome = "in_doubt" -- of the wait it is certain, but of the task nobody knows what it has done
      return nil, err
    end
  end
  forget_unjoined(self)
  return result(self)
end

return tasks
