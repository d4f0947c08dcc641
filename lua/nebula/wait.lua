--- wait: how a task leaves until the engine has what it asked for.
--
-- Tasks are resumed by the host alone (engine/worker.c); a task waits by parking on a ticket. Whoever asked the
-- engine for a ticket hands it to await() or settle() before anything else.

local c = require "nebula.c"
local coroutines = require "nebula.coroutine"
local errors = require "nebula.error"

local lib, engine = c.lib, c.engine
local park, may_park = coroutines.park, coroutines.may_park

local REFUSALS_MOST = 1000 -- failed waits of a task that is to end, before it is abandoned

local REFUSALS_A_TURN = 64    -- that took no wait, as leases that took none

local current -- whose code runs now
local refusals = 0      -- that took no wait, since the last turn that was made for them
local is_counting = true
local reply = c.new("struct nebula_reply")

local wait = {}

--- The task whose code runs, or nil.
---@return nebula.Task|nil
function wait.current()
  return current
end

--- From here on the running code is this task's. For the task itself, where it begins.
---@param task nebula.Task
function wait.begin(task)
  current = task
end

-- A task that was told to end and goes on asking for waits would spin.
local function failed(self)
  if self and (self.is_cancelled or self.is_ending) then
    self.refusals = self.refusals + 1
    if self.refusals > REFUSALS_MOST then
      if self.let_go then self:let_go() end -- of what it waits for in other workers (shared.lua)
      self:abandon(REFUSALS_MOST)
    end
  end
end

local function refuse(self, ticket, undo, what)
  if undo then undo(what) end
  lib.nebula_cancel(engine, ticket) -- its event finds nobody, and the host gives it back
  if not self then
    errors.raise("only a task can wait")
  end
  errors.raise("cannot wait inside table.sort, string.gsub, require or another function of C: wait before it")
end

--- Parks the current task until the ticket ends.
---@param ticket integer what the engine gave; a negative one is returned at once
---@param undo nil|fun(what: any) called where no wait is possible, before that is raised
---@param what any
---@return integer code 0 ok; positive: the ticket failed, nebula_reply() has more; in both cases nebula_done() is
--- due; negative: there is no ticket and errors.from_code() has the reason
function wait.await(ticket, undo, what)
  local self = current
  if ticket < 0 then return ticket end
  local code = self and park(ticket) or refuse(self, ticket, undo, what)
  current = self
  if code ~= 0 then
    failed(self)
  end
  return code
end

--- Waits for a ticket that brings nothing but its end, or what value_at() has of it then.
---@generic T
---@param ticket integer
---@param value_at nil|fun(ticket: integer): T
---@param undo nil|fun(what: any) see await()
---@param what any
---@return T|true|nil
---@return nebula.Error|nil
function wait.settle(ticket, value_at, undo, what)
  local code = wait.await(ticket, undo, what)
  if code == 0 then
    local value = not value_at or value_at(ticket)
    lib.nebula_done(engine, ticket)
    return value
  elseif code < 0 then
    return nil, errors.from_code(nil, code)
  end
  lib.nebula_reply(engine, ticket, reply)
  local err = errors.from_reply(nil, reply)
  lib.nebula_done(engine, ticket)
  return nil, err
end

-- What is refused takes no wait. A loop over that would hold up all others, and with them whoever could end it: the
-- drain, or the order to resume.
errors.on_refusal(function()
  local self = current
  if not self or not is_counting then return end
  failed(self)
  refusals = refusals + 1
  if refusals < REFUSALS_A_TURN or not may_park() then return end
  refusals = 0
  lib.nebula_task_enter(engine, 0)
  local ticket = lib.nebula_sleep(engine, 0)
  lib.nebula_task_enter(engine, self.id)
  if ticket > 0 then
    park(ticket)
    current = self
    lib.nebula_done(engine, ticket)
  end
end)

--- Calls fn, whose refusals nobody has asked for, in one turn.
---@param fn fun(...): any
---@param ... any
function wait.in_one_turn(fn, ...)
  is_counting = false
  fn(...)
  is_counting = true
end

--- Waits until somebody wakes holder.waiter; no cancelling reaches this wait.
---@param holder { waiter: integer|nil }
function wait.surely(holder)
  lib.nebula_task_enter(engine, 0)
  holder.waiter = lib.nebula_wait(engine)
  lib.nebula_task_enter(engine, current.id)
  local ok, err = wait.settle(holder.waiter)
  holder.waiter = nil
  if not ok then
    error(err, 0)
  end
end

return wait
