--- keeping: the instances of services that a worker has are kept up.
--
-- An instance is a task. When it fails it is started again after a pause, at most restart.pause at first, that doubles
-- with each failure up to restart.pause_max, and of which a random part is waited. One that ran for restart.steady
-- begins with the first pause again. While the program drains or ends nothing is started again.

local c = require "nebula.c"
local errors = require "nebula.error"
local failures = require "nebula.failure"
local log = require "nebula.log"
local services = require "nebula.service"
local tasks = require "nebula.task"
local time = require "nebula.time"
local tree = require "nebula.tree"
local units = require "nebula.units"
local wait = require "nebula.wait"
local worker = require "nebula.worker"

local lib, engine = c.lib, c.engine

---@class nebula.InstanceState as `nebula ls` shows it
---@field service string
---@field number integer of the instance, from 1
---@field worker integer
---@field state "running"|"pausing"|"finished"
---@field restarts integer
---@field since integer seconds of the clock on the wall
---@field pause number|nil how long the pause is, in seconds
---@field reason string|nil of the last failure

---@class nebula.Kept
---@field service nebula.Service
---@field state nebula.InstanceState
---@field tell fun(state: nebula.InstanceState) hears of each change
---@field in_a_row integer failures since it was steady
---@field has_failed boolean|nil while the program drained
local Kept = {}
Kept.__index = Kept

local REASON_MOST = 65536 -- bytes that go to worker 0, which shows the first 1,000
local NUL = "\226\144\128"  -- U+2400, its picture, as in the log

local keeping = {}

local function now_us()
  return tonumber(lib.nebula_now_us(engine))
end

function Kept:move(state, pause_us)
  self.state.state, self.state.since = state, os.time()
  self.state.pause = pause_us and pause_us / 1e6
  self.tell(self.state)
end

-- One life: whether it failed, with what, and what is to be said of that.
local function live(self)
  local child
  local ended = { tree.try(function()
    child = tasks.task(self.service.run, self.state.number) -- raises where there are too many
    return child:join()
  end) }
  if not ended[1] then
    local failure = child and child.failure or failures.of(ended[2])
    return true, failure.value, tostring(failure), failure.traceback
  elseif ended[2] == nil and ended[3] ~= nil then
    return true, ended[3], failures.words(ended[3]), ""
  end
  return false
end

local function lines_below(text)
  return text ~= "" and "\n" .. text or ""
end

-- Its life ended with a failure while the program drains, or ends: to hear of that is no failure.
local function part(self, value, text, lines)
  local is_told = errors.is(value) and (value.code == "closed" or value.code == "cancelled")
  if not is_told then
    self.has_failed = true
    log.error("service %s: instance %d failed while the program drains: %s%s", self.service.name, self.state.number,
      text, lines_below(lines))
  end
end

local function show(us)
  return us < 1e6 and units.show_duration(math.floor(us / 1000) * 1000) or ("%.1fs"):format(us / 1e6)
end

local function rest(self, text, lines, lived_us)
  local restart, state = self.service.restart, self.state
  self.in_a_row = lived_us >= restart.steady and 1 or self.in_a_row + 1
  state.restarts, state.reason = state.restarts + 1, text:sub(1, REASON_MOST):gsub("%z", NUL)
  local us = worker.backoff(restart.pause, restart.pause_max, self.in_a_row)
  log.error("service %s: instance %d failed, restart %d is in %s: %s%s", self.service.name, state.number,
    state.restarts, show(us), text, lines_below(lines))
  self:move("pausing", us)
  time.sleep(("%dus"):format(us))
end

local function keep(self)
  local task = wait.current()
  task.is_of_worker, task.at = true, ("%s:%d"):format(self.service.file, self.service.line)
  local function is_over() return task.is_cancelled or time.stopping() end
  while not is_over() do
    self:move "running"
    local begun_us = now_us()
    local is_failed, value, text, lines = live(self)
    if not is_failed then
      log.info("service %s: instance %d has finished", self.service.name, self.state.number)
      break
    elseif is_over() then
      part(self, value, text, lines)
      break
    end
    rest(self, text, lines, now_us() - begun_us)
  end
  self:move "finished"
end

--- Keeps up what a worker has of some services. Comes back when all of it has finished.
---@param list nebula.Service[]
---@param index integer of the worker, from 0
---@param workers integer
---@param tell fun(state: nebula.InstanceState)
---@param finished table<string, boolean> "NAME NUMBER" of those that have, before this worker began anew
---@return true|nil ok nil when an instance failed while the program drained
---@return string|nil why
function keeping.run(list, index, workers, tell, finished)
  wait.current().is_of_worker = true
  local kept = {}
  for _, service in ipairs(list) do
    for _, number in ipairs(services.placed(service, index, workers)) do
      if not finished[service.name .. " " .. number] then
        local state = { service = service.name, number = number, worker = index, restarts = 0 }
        local one = setmetatable({ service = service, state = state, tell = tell, in_a_row = 0 }, Kept)
        kept[#kept + 1] = one
        one.task = tasks.task(keep, one)
      end
    end
  end
  local failed = 0
  for _, one in ipairs(kept) do
    one.task:join()
    failed = failed + (one.has_failed and 1 or 0)
  end
  if failed > 0 then
    return nil, ("%d of %d instances failed while the program drained"):format(failed, #kept)
  end
  return true
end

return keeping
