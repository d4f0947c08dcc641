--- supervisor: runs a workflow to its end, whatever comes.
--
-- SIGINT, SIGTERM and SIGHUP begin a drain: nothing new is begun, sleeps end, and what is under way has the drain's
-- time to come to its end. Then it is cancelled, and what was still open is said. A workflow that computes all that
-- time hears of nothing: the process ends with the drain.

local c = require "nebula.c"
local failures = require "nebula.failure"
local lazy = require "nebula.lazy"
local log = require "nebula.log"
local plain = require "nebula.plain"
local resources = require "nebula.resource"
local tasks = require "nebula.task"
local time = require "nebula.time"
local tree = require "nebula.tree"
local wait = require "nebula.wait"
local worker = require "nebula.worker"

local crew = lazy "nebula.crew"
local open = lazy "nebula.open"
local lib, engine = c.lib, c.engine

local CUT_US = 2000000    -- for cancelled tasks to clean up
local MARGIN_US = 2000000 -- before the process ends by force
local LEAVE_US = 500000   -- of that: for the other workers, to come to their end

local signal_names = { [1] = "SIGHUP", [2] = "SIGINT", [15] = "SIGTERM" }

local supervisor = {}

local cut_us -- what is still there then ends by force; nil while nothing drains

local function now_us()
  return tonumber(lib.nebula_now_us(engine))
end

-- Waits for the end of the flow (nil: of nothing), a signal, or the deadline in force.
local function wait_for(flow)
  local ticket = lib.nebula_wait(engine)
  if flow then
    flow.joiners = { [ticket] = true }
  end
  worker.on_signal(ticket)
  local _, err = wait.settle(ticket)
  return err
end

-- Waits for the end of the flow (nil: of nothing), or for a signal. One that comes with the end is for whoever waits
-- next.
local function follow(flow)
  while not (flow and flow.is_ended) do
    local signum = worker.on_signal(0)
    if signum then return signum end
    wait_for(flow)
  end
end

local function drain(flow, signum, drain_us)
  log.warn("%s: draining for at most %g s; a second signal stops at once", signal_names[signum], drain_us / 1e6)
  local at_us = now_us() + drain_us
  cut_us = at_us + CUT_US
  lib.nebula_stop(engine, cut_us) -- hurried below, once what is open has been seen
  if worker.count > 1 then
    crew.drain(at_us, cut_us)
  end
  time.hurry()
  lib.nebula_task_deadline(engine, at_us)
  while not flow.is_ended and not wait_for(flow) do end
  if flow.is_ended then
    return
  end
  open.say()
  lib.nebula_stop(engine, now_us())
  flow:cancel()
  lib.nebula_task_deadline(engine, now_us() + CUT_US)
  while not flow.is_ended and not wait_for(flow) do end
end

local function say(text)
  io.stdout:flush()
  io.stderr:write("nebula: " .. plain(text, true) .. "\n") -- at once, for the others log meanwhile
end

-- The exit code of a flow that has ended, after its last words.
local function judge(flow, file)
  if not flow.is_ended then
    say(file .. ": stopped before it came to its end")
    return 1
  end
  local ended = { tree.try(flow.join, flow) }
  if not ended[1] then
    say(failures.text_of(flow.failure))
    return 1
  elseif ended[2] == nil and ended[3] ~= nil then
    say(("%s: %s"):format(file, failures.words(ended[3])))
    return 1
  end
  return 0
end

local function stay(drain_us)
  io.stdout:flush() -- the workflow has said all it had to say
  log.info("the workflow has ended; the engine stays up until a signal")
  local signum = follow(nil)
  log.info("%s: stopping", signal_names[signum])
  lib.nebula_stop(engine, now_us() + drain_us)
end

---@class nebula.Supervised
---@field file string the workflow's, for messages
---@field chunk fun(...): any its code
---@field arguments string[]
---@field drain_us integer
---@field is_staying boolean|nil keep the engine up afterwards
---@field crew nebula.Given|nil what other workers begin with

-- Everywhere. They begin while this one does.
local function start(given)
  wait.current().is_of_worker = true
  if given.crew then
    local has_begun, why = crew.begin(given.crew)
    if not has_begun then
      return nil, why
    end
  end
  local ok, err = resources.start()
  if ok and given.crew then
    ok, err = crew.ready()
  end
  return ok, err
end

-- A signal that comes meanwhile ends it.
local function begin(given)
  local beginning = tasks.task(start, given)
  local signum = follow(beginning)
  if signum then
    drain(beginning, signum, given.drain_us)
    return nil, given.file .. ": stopped before it began"
  end
  return beginning:join()
end

local function supervise(given)
  wait.current().is_of_worker = true
  local ok, err = begin(given)
  if not ok then
    say(tostring(err))
    return 1
  end
  resources.watch()
  local flow = tasks.task(given.chunk, unpack(given.arguments))
  tree.work = flow
  local signum = follow(flow)
  if signum then
    drain(flow, signum, given.drain_us)
    return judge(flow, given.file)
  end
  local code = judge(flow, given.file)
  if given.is_staying then
    stay(given.drain_us)
  end
  return code
end

--- Makes it the program's work; the program ends with it.
---@param given nebula.Supervised
function supervisor.begin(given)
  local is_heard, why = worker.listen(given.drain_us, CUT_US + MARGIN_US)
  if not is_heard then
    say(why)
    worker.exit(1)
    return
  end
  tree.root(function()
    local code = supervise(given)
    if given.crew then
      crew.leave(math.max(cut_us or now_us() + CUT_US, now_us()) + LEAVE_US)
    end
    worker.exit(code)
  end, function(failure)
    if failure then
      say(tostring(failure))
      worker.exit(1)
    end
  end)
end

return supervisor
