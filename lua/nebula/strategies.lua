--- strategies: asks how large pools are to be, and sees to it that they are.
--
-- Each resource with a strategy has a task of its own in every worker, which belongs to it, so no call waits for
-- that. Of them that one asks which is home of the pool; it gathers the figures of all. What is answered holds in all
-- workers (nebula_size()). Without an answer, or where a worker's figures are missing, the pool stays as it is.

local c = require "nebula.c"
local declared = require "nebula.declare.strategies"
local errors = require "nebula.error"
local log = require "nebula.log"
local stats = require "nebula.stats"
local thrift = require "nebula.thrift"
local time = require "nebula.time"
local tree = require "nebula.tree"
local wait = require "nebula.wait"
local worker = require "nebula.worker"

c.also "nebula_policy.h"

local lib, engine = c.lib, c.engine

---@class nebula.Sized
---@field resource nebula.Resource
---@field strategy nebula.Strategy
---@field is_beyond table<string, true> the roles of which it was said that an answer lies beyond the bounds

local all = {}   ---@type nebula.Sized[]
local gone = {}  ---@type table<string, string> why a function is asked no more, by the name of its own strategy

local bounds, sized = c.new "struct nebula_bounds", c.new "struct nebula_sized"

local function is_due(one, i)
  return lib.nebula_home(engine, one.resource.id, i - 1, bounds) == 1
end

local function any_is_due(one)
  for i in ipairs(one.resource.roles) do
    if is_due(one, i) then return true end
  end
end

-- What declared.fields has, of one role.
local function fields_of(one, role, numbers)
  local fields = {
    resource = one.resource.name, role = role, size = bounds.size, min = math.max(bounds.min, 1), max = bounds.max,
    in_use = numbers.leased, idle = numbers.idle, opening = numbers.opening, waiting = numbers.waiting,
    advised = numbers.window.advised_max,
  }
  for name, number in pairs(numbers.window) do
    local span = name:match "^(.*)_us$"
    if span then
      fields[span .. "_s"] = number / 1e6
    elseif name ~= "ended" and name ~= "advised_max" then
      fields[name] = number
    end
  end
  return fields
end

-- The answer, or nil and why there is none.
local function ask(one, role, numbers)
  local strategy = one.strategy
  if not thrift.has_time() then
    return nil, "functions of policies take a fifth of the worker's time"
  end
  local answer, breach = thrift.ask(strategy.size, declared.answer, fields_of(one, role, numbers))
  if breach and breach.is_last then
    gone[strategy.size.name] = tostring(breach)
  end
  return answer, breach and tostring(breach) or gone[strategy.size.name] or "it answered with nil"
end

-- To have less than min is what a quiet pool wants; other answers beyond the bounds are worth a line, once.
local function within(one, role, answer)
  local least, most, size = math.max(bounds.min, 1), bounds.max, one.strategy.size
  local counts = math.min(math.max(math.ceil(answer), least), most)
  if (answer < 0 or answer > most) and not one.is_beyond[role] then
    one.is_beyond[role] = true
    log.warn("%s: strategy %s, %s:%d, answered %.14g for the %s, which has %d to %d connections: it counts as %d",
      one.resource.name, one.strategy.name, size.file, size.line, answer, role, least, most, counts)
  end
  return counts
end

local function tell(one, i, size, answer, why)
  local before, function_at = bounds.size, one.strategy.size
  sized.size, sized.answer, sized.why = size, answer, why
  local code = lib.nebula_size(engine, one.resource.id, i - 1, sized)
  if code < 0 then
    log.warn("%s: strategy %s: %s", one.resource.name, one.strategy.name, errors.from_code(nil, code).text)
  elseif size > 0 and size ~= before then
    log.info("%s: the %s may have %d connections, and had %d: strategy %s, %s:%d", one.resource.name,
      one.resource.roles[i], size, before, one.strategy.name, function_at.file, function_at.line)
  end
end

-- While the figures came the pool may have become another worker's, its bounds may have changed; and of one that was
-- first used meanwhile there are none.
local function look(one, i, role, numbers, why)
  if not (numbers.window and is_due(one, i)) then return end
  local answer
  if not why then
    answer, why = ask(one, role, numbers)
  end
  if answer then
    tell(one, i, within(one, role, answer), answer, nil)
  else
    tell(one, i, 0, 0, why)
  end
end

-- Fewer figures would look like less load.
local function missing(numbers)
  return numbers.silent and ("worker %d did not turn, so its figures are missing"):format(numbers.silent[1])
end

local function turn(one)
  local numbers = any_is_due(one) and stats(one.resource)
  if not numbers then return end
  local why = missing(numbers)
  for i, role in ipairs(one.resource.roles) do
    look(one, i, role, numbers.roles[role], why)
  end
end

-- Up to a tenth sooner, so that those of many resources do not come all at once.
local function pause(every_us)
  local least_us = math.floor(every_us * 0.9)
  local jitter_us = every_us - least_us
  return wait.settle(lib.nebula_sleep(engine, least_us + worker.backoff(jitter_us, jitter_us, 1)))
end

local function keep(one)
  wait.current().is_of_worker = true
  while pause(one.strategy.every_us) and not time.stopping() do
    turn(one)
  end
end

local strategies = {}

--- The strategy says from now on how large the pools of the resource are.
---@param resource nebula.Resource
---@param strategy nebula.Strategy
---@return integer code 0, or a negative one
function strategies.declare(resource, strategy)
  local said = c.new "struct nebula_strategy"
  said.name, said.file, said.line = strategy.name, strategy.size.file, strategy.size.line
  said.every_us = strategy.every_us
  local code = lib.nebula_strategy(engine, resource.id, said)
  if code == 0 then
    all[#all + 1] = { resource = resource, strategy = strategy, is_beyond = {} }
  end
  return code
end

--- Begins to ask them, in tasks below this one.
function strategies.begin()
  for _, one in ipairs(all) do
    tree.open(wait.current(), keep, one)
  end
end

return strategies
