--- crew: the other workers, as worker 0 begins, drains and ends them (member.lua is their side).
--
-- One that cannot begin, or leaves, is said in the log, and the others go on.

local buffer = require "string.buffer"
local asking = require "nebula.asking"
local c = require "nebula.c"
local call = require "nebula.call"
local log = require "nebula.log"
local mail = require "nebula.mail"
local wait = require "nebula.wait"
local worker = require "nebula.worker"

local lib, engine = c.lib, c.engine

local ready = {} ---@type table<integer, boolean>
local refusal    ---@type string|nil of the first whose resources did not start
local hears_ready ---@type fun(worker: integer)|nil
local ticket     -- on which worker 0 waits for news of them

local crew = {}

local function wake()
  if ticket then
    lib.nebula_wake(engine, ticket, 0)
  end
end

mail.on("crew.ready", function(from, why)
  ready[from] = true
  refusal = refusal or why
  if hears_ready then hears_ready(from) end
  wake()
end)

mail.on_leave(function(index, why)
  local there = #mail.workers()
  if not ready[index] then
    log.error("worker %d could not begin: %s; %d of %d go on", index, why, there, worker.count)
  elseif why ~= "" then
    log.error("worker %d has left, as it says; %d of %d go on", index, there, worker.count)
  end
  wake()
end)

local function places_of(policies)
  local all = {}
  for name in pairs(policies) do
    all[name] = call.places(name)
  end
  return all
end

--- What they begin with: all that was read, so that none of them reads it again.
---@param options table of worker.open()
---@param arguments string[]
---@param declared nebula.DeclaredResource[]
---@param kinds table<string, nebula.KeptKind>
---@return nebula.Given
function crew.given(options, arguments, declared, kinds)
  local resources, places, number_of, policies = {}, {}, {}, call.policies()
  for i, one in ipairs(declared) do
    resources[i] = {}
    for name, value in pairs(one) do
      resources[i][name] = value
    end
    resources[i].kind = one.kind.name
    if one.places and not number_of[one.places] then
      places[#places + 1] = one.places
      number_of[one.places] = #places
    end
    resources[i].places = number_of[one.places or false]
  end
  return {
    engine = options, arguments = arguments, path = package.path, kinds = kinds, resources = resources,
    places = places, policies = policies, policy_places = places_of(policies), asked = asking.given(),
  }
end

--- Begins them.
---@param given nebula.Given
---@return true|nil
---@return string|nil why
function crew.begin(given)
  return worker.begin("nebula.member", buffer.encode(given), given.is_kept)
end

--- From now on fn hears when a worker has begun: at first, and anew.
---@param fn fun(worker: integer)
function crew.on_ready(fn)
  hears_ready = fn
end

--- Begins a worker anew that has left, with what the others were given; it was kept.
---@param index integer
---@return boolean has_begun false while it still closes what it had
function crew.replace(index)
  if not worker.replace(index) then return false end
  ready[index] = nil
  mail.back(index)
  return true
end

-- at_us 0: however long it takes.
local function wait_until(at_us, is_so)
  while not is_so() do
    lib.nebula_task_deadline(engine, at_us)
    ticket = lib.nebula_wait(engine)
    local ok, err = wait.settle(ticket)
    ticket = nil
    if not ok then
      return err.code == "deadline" or error(err, 0)
    end
  end
end

--- Waits until all are ready, or have left.
---@return true|nil
---@return string|nil why the minimum of a resource did not come in time
function crew.ready()
  wait_until(0, function()
    for _, index in ipairs(mail.workers()) do
      if index ~= worker.index and not ready[index] then
        return refusal ~= nil
      end
    end
    return true
  end)
  return not refusal or nil, refusal
end

local function tell_all(kind, ...)
  for _, index in ipairs(mail.workers()) do
    if index ~= worker.index then
      mail.urge(index, kind, ...)
    end
  end
end

--- What is open may come to its end until at_us, and is cancelled then.
---@param at_us number
---@param cut_us number what is left then is closed
function crew.drain(at_us, cut_us)
  tell_all("member.drain", at_us, cut_us)
end

--- Cancels what they still run, and waits until they have left, at most until at_us.
---@param at_us number
function crew.leave(at_us)
  tell_all("member.leave")
  wait_until(at_us, function()
    return #mail.workers() == 1
  end)
end

return crew
