--- for_each: the same for every item, several at a time.

local c = require "nebula.c"
local errors = require "nebula.error"
local failures = require "nebula.failure"
local lazy = require "nebula.lazy"
local options = require "nebula.options"
local tasks = require "nebula.task"
local tree = require "nebula.tree"
local wait = require "nebula.wait"

local spread = lazy "nebula.spread"
local lib, engine = c.lib, c.engine

local PARALLEL = 8

---@class nebula.ForEachOptions
---@field parallel integer|nil most items under way at a time, default 8
---@field workers boolean|nil in all workers: fn, what it uses, items and results are copied

local known = { parallel = "number", workers = "boolean" }

-- The tasks of one for_each: all have to end before it does, and the first failure ends the others.
local Scope = {}
Scope.__index = Scope

function Scope:stop()
  self.is_stopped = true
  for _, task in ipairs(self.tasks) do
    task:cancel()
  end
end

-- A task of the scope ended; said by the task.
function Scope:ended(task)
  self.live = self.live - 1
  if task.failure and not task.is_cancelled and not self.failure then
    self.failure = task.failure
    self:stop()
  elseif task.is_cancelled and not self.is_stopped then
    self.err = errors.new("cancelled", "stop", "in_doubt", "a task of for_each was cancelled")
    self:stop()
  end
  if self.live == 0 and self.waiter then
    lib.nebula_wake(engine, self.waiter, 0)
  end
end

function Scope:work()
  local self_task = wait.current()
  while self.next <= self.count and not self.is_stopped do
    local i = self.next
    self.next = i + 1
    local result, err = self.fn(self.list[i], i)
    if result == nil and err ~= nil then
      if not self.is_stopped and not self_task.is_cancelled then
        self.err = err
        self:stop()
      end
      return
    end
    self.results[i] = result
  end
end

local function parallel_of(given)
  local parallel = given and options.check("for_each", given, known).parallel or PARALLEL
  if parallel < 1 or parallel ~= math.floor(parallel) then
    errors.raise("for_each: parallel must be a whole number of at least 1, not %s", tostring(parallel))
  end
  return parallel
end

-- How many items there are. What is no list would be passed over in silence, as would what stands behind a hole.
local function count_of(list)
  local count, places = #list, 0
  for key in pairs(list) do
    if type(key) == "number" and (key < 1 or key > count or key ~= math.floor(key)) then
      errors.raise("for_each: the list has a hole, or does not count from 1: its length is %d and it has the key %s",
        count, tostring(key))
    end
    places = places + (type(key) == "number" and 1 or 0)
  end
  if places < count then
    errors.raise("for_each: the list has a hole: its length is %d and it has %d items", count, places)
  elseif count == 0 and next(list) ~= nil then
    errors.raise("for_each: a list is expected, and this table has keys alone, such as %s", tostring(next(list)))
  end
  return count
end

local function begin(scope, parallel)
  for i = 1, parallel do
    local task = tasks.task(scope.work, scope)
    task.scope, scope.tasks[i], scope.live = scope, task, i
  end
end

local function wait_for(scope)
  if scope.live == 0 then
    return
  end
  scope.waiter = lib.nebula_wait(engine)
  local ok, err = wait.settle(scope.waiter)
  scope.waiter = nil
  if not ok then
    err.outcome = "in_doubt" -- of the wait it is certain, but of the tasks nobody knows what they have done
    scope.err = scope.err or err
    scope:stop()
    while scope.live > 0 do
      wait.surely(scope)
    end
  end
end

--- Calls fn(item, index) for every item of a list, several at a time, in tasks of its own. When
--- one raises, the others are cancelled and it is raised here; when one returns `nil, err`, the others are
--- cancelled and that is returned.
---@generic T
---@param list T[] without holes; keys that are no numbers beside them are left alone
---@param given nebula.ForEachOptions|fun(item: T, index: integer): any
---@param fn nil|fun(item: T, index: integer): any
---@return any[]|nil results what fn returned, by index
---@return any err
local function for_each(list, given, fn)
  if fn == nil then
    given, fn = nil, given
  end
  if type(list) ~= "table" then
    errors.raise("for_each(list, [options,] fn): list must be a table, not %s", type(list))
  elseif type(fn) ~= "function" then
    errors.raise("for_each(list, [options,] fn): fn must be a function, not %s", type(fn))
  end
  local count = count_of(list)
  local parallel = math.min(parallel_of(given), count)
  if given and given.workers then return spread.run(list, count, parallel, fn) end
  local scope = setmetatable(
    { list = list, count = count, next = 1, fn = fn, results = {}, tasks = {}, live = 0 }, Scope)
  local has_begun, why = tree.try(begin, scope, parallel)
  if not has_begun then -- there are too many tasks: those that are there end before that is said
    scope.failure = failures.of(why)
    scope:stop()
  end
  wait_for(scope)
  if scope.failure then
    tree.raise(scope.failure)
  elseif scope.err ~= nil then
    return nil, scope.err
  end
  return scope.results
end

return for_each
