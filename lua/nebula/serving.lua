--- serving: the services of a program, over all its workers.
--
-- Worker 0 has read and checked the files. It tells each worker to keep up what that has of them (keeping.lua), hears
-- of every change, for `ls`, and when all of it has finished. A worker that has left is begun anew after a pause, as a
-- service is, and its instances with it.

local c = require "nebula.c"
local crew = require "nebula.lazy" "nebula.crew"
local failures = require "nebula.failure"
local keeping = require "nebula.keeping"
local log = require "nebula.log"
local mail = require "nebula.mail"
local nebula = require "nebula"
local report = require "nebula.declare.report"
local services = require "nebula.service"
local tasks = require "nebula.task"
local time = require "nebula.time"
local tree = require "nebula.tree"
local wait = require "nebula.wait"
local worker = require "nebula.worker"

local lib, engine = c.lib, c.engine

local PAUSE_US, PAUSE_MAX_US, STEADY_US = 100000, 30000000, 60000000 -- before a worker begins anew
local AGAIN_US = 100000

---@class nebula.Served
---@field place string the folder that they are in
---@field sources { file: string, text: string }[] the files, as they were read
---@field services { name: string, instances: integer|"per-worker" }[] what worker 0 found in them

local serving = {}

-- each worker: its own part ------------------------------------------------------------------------------

local known = {} ---@type table<string, nebula.InstanceState> of all workers, in worker 0
local before = {} ---@type table<string, integer> restarts of an instance while it was in a worker that has left

local function note(state)
  local key = state.service .. " " .. state.number
  state.restarts = state.restarts + (before[key] or 0)
  known[key] = state
  worker.tell_instance(state)
end

local unsaid = {} ---@type table<string, nebula.InstanceState> for worker 0, of each instance the latest
local is_saying   -- as soon as its mailbox has room

local function say()
  for key, state in pairs(unsaid) do
    unsaid[key] = not mail.send(0, "serving.state", state) and state or nil
  end
  return next(unsaid) == nil
end

local function say_later()
  wait.current().is_of_worker = true
  while time.sleep "100ms" and not say() do end
  is_saying = false
end

local function tell(state)
  if worker.index ~= 0 then
    unsaid[state.service .. " " .. state.number] = state
    if not is_saying and not say() then is_saying = mail.task(say_later, function() end) ~= nil end
    return
  end
  local copy = {}
  for name, value in pairs(state) do copy[name] = value end
  note(copy)
end

-- Worker 0 has found nothing wrong with them, but they may ask which worker they are in, or need what is not there.
local function keep(given, finished)
  wait.current().is_of_worker = true
  local reports = report.new()
  local list = services.read(given.sources, nebula.environment, reports)
  local first = (reports:list() or {})[1]
  if first then
    error(tostring(first), 0)
  end
  return keeping.run(list, worker.index, worker.count, tell, finished)
end

-- Why the work of a worker did not end well.
local function trouble_of(task)
  if task.failure then
    return tostring(task.failure)
  elseif task.is_cancelled then
    return "it was cancelled"
  end
  return task.results[1] == nil and task.results[2] or nil
end

mail.on("serving.begin", function(_, given, finished)
  local begun, why = mail.task_at(given.place, keep, function(task)
    if task.failure and not time.stopping() then
      worker.fail(failures.text_of(task.failure)) -- and it begins anew, with its services
    else
      mail.urge(0, "serving.ended", trouble_of(task))
    end
  end, given, finished)
  if not begun and why ~= "closed" then error(why, 0) end
  if not begun then
    mail.urge(0, "serving.ended") -- it drains already
  end
end)

-- worker 0: all of them ----------------------------------------------------------------------------------

---@class nebula.Part what one of the others has of the services
---@field state "begins"|"runs"|"gone"|"ended"
---@field since_us number
---@field left integer how often it has left since it was steady
---@field is_idle boolean|nil all that it had has finished: it begins anew to be there, and nobody waits for it
---@field why string|nil

local parts = {}     ---@type table<integer, nebula.Part>
local troubles = {}  ---@type string[]
local given_to_all   ---@type nebula.Served|nil
local ticket         -- on which worker 0 waits for news
local is_crowded     -- somebody is to be brought back for whom there was no task

local function now_us()
  return tonumber(lib.nebula_now_us(engine))
end

local function wake()
  if ticket then
    lib.nebula_wake(engine, ticket, 0)
  end
end

local function begin(index)
  local part, finished = parts[index], {}
  part.state, part.since_us = "runs", now_us()
  for key, state in pairs(known) do
    finished[key] = state.state == "finished" or nil
  end
  local sent, why = mail.send(index, "serving.begin", given_to_all, finished)
  if not sent then
    part.state, part.why = "gone", why
    wake()
  end
end

mail.on("serving.state", function(_, state)
  note(state)
end)

mail.on("serving.ended", function(from, why)
  parts[from].state, parts[from].is_idle = "ended", true
  troubles[#troubles + 1] = why and ("worker %d: %s"):format(from, why)
  wake()
end)

mail.on_leave(function(index, why)
  local part = parts[index]
  if part then
    part.state, part.why = "gone", why
    wake()
  end
end)

local function show_pausing(state, pause_us, why)
  state.state, state.since, state.pause, state.reason = "pausing", os.time(), pause_us / 1e6, why
  worker.tell_instance(state)
end

-- What it had, or would have, is shown as pausing.
local function show_lost(index, pause_us, why)
  for _, service in ipairs(given_to_all.services) do
    for _, number in ipairs(services.placed(service, index, worker.count)) do
      local key = service.name .. " " .. number
      local state = known[key]
      if not state then -- it has never run
        show_pausing({ service = service.name, number = number, worker = index, restarts = 0 }, pause_us, why)
      elseif state.state ~= "finished" then
        state.restarts = state.restarts + 1
        before[key] = state.restarts
        show_pausing(state, pause_us, why)
      end
    end
  end
end

-- Begins a worker anew that has left, after a pause. serving.begin comes when it is ready.
local function bring_back(index)
  wait.current().is_of_worker = true
  local part = parts[index]
  part.left = part.since_us and now_us() - part.since_us >= STEADY_US and 1 or part.left + 1
  local us = worker.backoff(PAUSE_US, PAUSE_MAX_US, part.left)
  log.warn("worker %d begins anew in %d ms", index, us / 1000)
  show_lost(index, us, ("worker %d has left: %s"):format(index, part.why))
  time.sleep(("%dus"):format(us))
  while not time.stopping() and not crew.replace(index) do
    time.sleep "100ms"
  end
  if time.stopping() then
    part.state = "ended"
    wake()
  end
end

-- With as many tasks as there may be it is left for later.
local function begin_bringing(index)
  local has_begun = pcall(tasks.task, bring_back, index)
  parts[index].state = has_begun and "begins" or "gone"
  is_crowded = is_crowded or not has_begun
end

local function is_over()
  local over = true
  is_crowded = false
  for index, part in pairs(parts) do
    if part.state == "gone" and time.stopping() then
      part.state = "ended"
    elseif part.state == "gone" then
      begin_bringing(index)
    end
    over = over and (part.state == "ended" or part.is_idle)
  end
  return over
end

local function begin_others()
  for index = 1, worker.count - 1 do
    parts[index] = { state = "begins", left = 0 }
    if mail.is_there(index) then
      begin(index)
    else
      parts[index].state, parts[index].why = "gone", worker.why(index)
    end
  end
  if worker.count > 1 then
    crew.on_ready(begin)
  end
end

--- Keeps up the services of all workers. Comes back when all of it has finished.
---@param given nebula.Served
---@return true|nil
---@return string|nil why
function serving.run(given)
  wait.current().is_of_worker, wait.current().at = true, given.place
  given_to_all = given
  begin_others()
  local own = tasks.task(keep, given, {})
  local is_own_over, failure
  tasks.task(function()
    wait.current().is_of_worker = true
    local has_returned, ok, why = tree.try(own.join, own)
    failure = not has_returned and ok or nil
    troubles[#troubles + 1] = has_returned and not ok and why and tostring(why) or nil
    is_own_over = true
    wake()
  end)
  while not (failure or is_over() and is_own_over) do
    ticket = not is_crowded and lib.nebula_wait(engine) or nil
    local _, err = wait.settle(ticket or lib.nebula_sleep(engine, AGAIN_US))
    ticket = nil
    if err then return nil, err end
  end
  if failure then tree.raise(failure) end
  if #troubles > 0 then
    return nil, table.concat(troubles, "; ")
  end
  if not time.stopping() then
    log.info "all services have finished"
  end
  return true
end

return serving
