--- parts: one function in several workers, as one thing: it ends when all parts have, and the first failure ends the
--- others, wherever they are.
--
-- A part is a task of its worker, with the deadline, the trace and the tenant of the task that asked. What it returns
-- or raises comes back as a copy. When the worker of a part leaves nobody knows what it has done; when that of the
-- task that asked does, its parts are cancelled.

local c = require "nebula.c"
local carry = require "nebula.carry"
local codec = require "nebula.codec"
local errors = require "nebula.error"
local failures = require "nebula.failure"
local mail = require "nebula.mail"
local time = require "nebula.time"
local tree = require "nebula.tree"
local wait = require "nebula.wait"
local worker = require "nebula.worker"

local lib, engine = c.lib, c.engine

local MOST = 8000000 -- bytes of a function with what it uses and is given, and of what comes back

local parts = { MOST = MOST }

-- A mailbox that is full is read again; who has left needs no answer. At the end of a worker its sleeps fail, and so
-- does this.
local function post(to, kind, ...)
  local sent, why = mail.send(to, kind, ...)
  if sent or why == "closed" then return end
  local said, count = { ... }, select("#", ...)
  local task, refusal = mail.task(function()
    local failures_in_a_row = 0
    repeat
      local has_slept = time.sleep "5ms"
      failures_in_a_row = has_slept and 0 or failures_in_a_row + 1
      sent, why = mail.send(to, kind, unpack(said, 1, count))
    until sent or why == "closed" or failures_in_a_row > 10
  end, function() end)
  if not task and refusal ~= "closed" then error(refusal, 0) end
end

local function answer_with(from, id, ...)
  post(from, "parts.ended", id, ...)
end

-- --- where a part runs ------------------------------------------------------------------------------

local running = {} ---@type table<integer, table<string, nebula.Task>> by worker that asked, and its name there

local function call(fn, ...)
  return fn(...)
end

local function run(bytes, given)
  if given.deadline ~= 0 then lib.nebula_task_deadline(engine, given.deadline) end
  if given.trace ~= "" then lib.nebula_task_trace(engine, given.trace) end
  if given.tenant ~= "" then lib.nebula_task_tenant(engine, given.tenant) end
  if given.module then return require(given.module).part(given, carry.unpack(bytes)) end
  return call(carry.unpack(bytes))
end

local function answer_raised(from, id, failure)
  local bytes = codec.encode(failure.value, "value", MOST)
  if not bytes then bytes = assert(codec.encode(tostring(failure):sub(1, 10000), "value", MOST)) end
  answer_with(from, id, "raised", bytes, failure.at, failure.traceback)
end

local function answer(from, id, task)
  if task.is_cancelled then return answer_with(from, id, "cancelled") end
  if task.failure then return answer_raised(from, id, task.failure) end
  local results = task.results
  results.n = task.count
  local bytes, why = codec.encode(results, "results", MOST)
  if bytes then return answer_with(from, id, "returned", bytes) end
  why = ("%s: what it returned cannot go back: %s"):format(task.place, why)
  answer_raised(from, id, failures.elsewhere(why, task.place, ""))
end

mail.on("parts.run", function(from, id, bytes, given)
  local of = running[from] or {}
  running[from] = of
  local task, why = mail.task_at(given.place, run, function(task)
    of[id] = nil
    answer(from, id, task)
  end, bytes, given)
  if not task and why == "closed" then return answer_with(from, id, why) end
  if not task then return answer_raised(from, id, failures.of(why)) end
  of[id] = task
end)

mail.on("parts.cancel", function(from, id)
  local task = running[from] and running[from][id]
  if task then task:cancel() end
end)

-- --- where they are asked for -----------------------------------------------------------------------

---@class nebula.Parts
---@field package id string
---@field package live table<integer, boolean> by worker
---@field package count integer of these
---@field results table<integer, any[]> by worker, with n
---@field failure nebula.Failure|nil the first
---@field err any the first `nil, err`
---@field package is_stopped boolean|nil
---@field package waiter integer|nil
local Parts = {}
Parts.__index = Parts

local asked, last = {}, 0 ---@type table<string, nebula.Parts>
-- A worker that begins anew must not take what was meant for its former life as its own.
local born = ("%.0f"):format(tonumber(lib.nebula_now_us(engine)))

--- A text that nobody else in the process has, nor had a former life of this worker.
---@return string
function parts.unique()
  last = last + 1
  return ("%d %s %d"):format(worker.index, born, last)
end

local function lost(index, why)
  local reason = why ~= "" and ": " .. why or ""
  local err = errors.new("lost", "ask", "in_doubt", ("worker %d has left%s"):format(index, reason))
  err.worker = index
  return err
end

--- Ends the others, because of an error if there is none before.
---@param err any
---@param failure nebula.Failure|nil
function Parts:stop(err, failure)
  if self.is_stopped then return end
  self.is_stopped, self.err, self.failure = true, err, failure
  for index in pairs(self.live) do post(index, "parts.cancel", self.id) end
end

local function part_ended(self, index)
  if not self.live[index] then return end
  self.live[index], self.count = nil, self.count - 1
  if self.count == 0 and self.waiter then lib.nebula_wake(engine, self.waiter, 0) end
end

local ends = {}

function ends.returned(self, index, bytes)
  local results = codec.decode(bytes)
  self.results[index] = results
  local err = results[2]
  if results[1] ~= nil or err == nil then return end
  if errors.is(err) then err.worker = index end
  self:stop(err)
end

function ends.raised(self, index, bytes, at, traceback)
  local value = codec.decode(bytes)
  if type(value) == "string" then
    value = ("worker %d: %s"):format(index, value)
  elseif errors.is(value) then
    value.worker = index
  end
  self:stop(nil, failures.elsewhere(value, at, traceback))
end

function ends.cancelled(self, index)
  local err = errors.new("cancelled", "stop", "in_doubt", ("the part in worker %d was cancelled"):format(index))
  err.worker = index
  self:stop(err)
end

function ends.closed(self, index)
  self:stop(errors.new("closed", "stop", "failed", ("worker %d is shutting down"):format(index)))
end

mail.on("parts.ended", function(from, id, how, ...)
  local self = asked[id]
  if not self then return end
  ends[how](self, from, ...)
  part_ended(self, from)
end)

mail.on_leave(function(index, why)
  for _, self in pairs(asked) do
    if self.live[index] then
      self.live[index] = nil -- it needs no cancelling
      self:stop(lost(index, why))
      self.live[index] = true
      part_ended(self, index)
    end
  end
  for _, task in pairs(running[index] or {}) do task:cancel() end
end)

-- What a task hands down, and where it was started.
local function context(place, more)
  local given = { trace = c.string(lib.nebula_task_traceparent(engine)), place = place }
  given.tenant = c.string(lib.nebula_task_tenant_name(engine))
  local deadline = lib.nebula_task_deadline(engine, 0)
  lib.nebula_task_deadline(engine, deadline)
  given.deadline = tonumber(deadline)
  for name, value in pairs(more or {}) do given[name] = value end
  return given
end

--- Begins a part in each of these workers.
---@param workers integer[]
---@param bytes string what carry.pack() gave: a function and what it is called with
---@param place string FILE:LINE where they are asked for
---@param more_of nil|fun(index: integer): table|nil what it is given besides: module, whose part(given, ...) is called
---@return nebula.Parts
function parts.begin(workers, bytes, place, more_of)
  mail.open()
  local self = setmetatable({ id = parts.unique(), live = {}, count = #workers, results = {} }, Parts)
  asked[self.id] = self
  for _, index in ipairs(workers) do self.live[index] = true end
  for _, index in ipairs(workers) do
    if self.is_stopped then
      part_ended(self, index)
    else
      local sent, why = mail.send(index, "parts.run", self.id, bytes, context(place, more_of and more_of(index)))
      if not sent then
        self.live[index] = nil
        self:stop(why == "closed" and lost(index, "") or
          errors.new(why, "wait", "failed", ("worker %d cannot be asked: its mailbox has no room"):format(index)))
        self.live[index] = true
        part_ended(self, index)
      end
    end
  end
  return self
end

--- Waits until all have ended. Raises what one raised.
---@return table<integer, any[]>|nil results by worker, with n
---@return any err what one returned behind nil; in doubt when one was lost, or the wait was over before
function Parts:wait()
  if self.count > 0 then
    self.waiter = lib.nebula_wait(engine)
    local ok, err = wait.settle(self.waiter)
    self.waiter = nil
    if not ok then
      err.outcome = "in_doubt" -- of the wait it is certain, but of the parts nobody knows what they have done
      self:stop(err)
    end
    while self.count > 0 do
      wait.surely(self)
    end
  end
  asked[self.id] = nil
  if self.failure then
    tree.raise(self.failure)
  elseif self.err ~= nil then
    return nil, self.err
  end
  return self.results
end

return parts
