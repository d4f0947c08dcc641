--- numbers: a policy in the engine's units: the fields of struct nebula_policy, and as `rules` those sections of
--- struct nebula_rules that are in force; and as `front` what stands before it. Where nothing is said there is none.

local events = require "nebula.declare.events"
local front = require "nebula.declare.front"
local rules = require "nebula.declare.rules"

local numbers = {}

--- The words of settings as nebula_policy.h has them.
numbers.codes = {
  shape = { exponential = 0, constant = 1, linear = 2, decorrelated = 3 },
  jitter = { full = 0, equal = 1, fifth = 2, none = 3 },
  budget = { quota = 1, ratio = 2 }, -- a share is 0
  mode = { automatic = 1, open = 2, closed = 3, metrics = 4 },
  circuit_per = { resource = 0, endpoint = 1 },
  rate_shape = { bucket = 1, leaky = 2, window = 3 },
  per = { resource = 0, key = 1, tenant = 2 },
  priority = { normal = 0, critical = 1, batch = 2 },
  stage = {},
}
for number, name in ipairs(rules.stages) do
  numbers.codes.stage[name] = number
end

local codes = numbers.codes

local function whole(number)
  return math.floor(number + 0.5)
end

local function percent(share)
  return whole(share * 100)
end

-- --- each section ----------------------------------------------------------------------------------

-- Of the AWS SDKs, and of gRPC A6: see engine/rules/throttle.h.
local TOKENS = {
  quota = { capacity = 500, success = 1, cost = 5, cost_lost = 10 },
  ratio = { capacity = 10, success = 0.1, cost = 0, cost_lost = 0 },
}

--- The tokens of a budget, with what was not said.
---@param retry table settings
---@return table<string, number>|nil tokens nil when the budget is a share
function numbers.tokens(retry)
  local usual = TOKENS[retry.budget]
  if not usual then
    return nil
  end
  local tokens = {}
  for name, count in pairs(usual) do
    tokens[name] = retry.tokens[name] or count
  end
  return tokens
end

local function again(retry)
  local shape, jitter, tokens = codes.shape[retry.shape], codes.jitter[retry.jitter], numbers.tokens(retry)
  if shape == 0 and jitter == 0 and not tokens then
    return nil
  end
  local told = { shape = shape, jitter = jitter, budget = codes.budget[retry.budget] or 0 }
  for name, count in pairs(tokens or {}) do
    told[name] = whole(count * 1000)
  end
  return told
end

local function circuit(said)
  return said and {
    mode = codes.mode[said.mode], per = codes.circuit_per[said.per], window = said.window.calls or 0,
    span_us = said.window.us or 0, least = said.least,
    percent = said.percent, slow_percent = said.slow_percent, consecutive = said.consecutive, slow_us = said.slow,
    probes = said.probes, probe_us = said.probe, pause_us = said.pause, pause_max_us = said.pause_max,
  } or nil
end

local function rate(said)
  return said and {
    shape = codes.rate_shape[said.shape], per = codes.per[said.per], tokens = said.calls.count,
    span_us = said.calls.us, wait_us = said.wait,
    burst = said.burst or math.min(math.max(math.ceil(said.calls.count / said.calls.us * 1e5), 1), 1e9),
  } or nil
end

local BEGIN = 4 -- what is never reached is never tried, so better begin with few: engine/rules/limit.h

local function limit(said)
  local adaptive = said and said.adaptive
  if adaptive then
    local first = said.concurrent > 0 and said.concurrent or math.max(adaptive.min, math.min(BEGIN, adaptive.max))
    return { concurrent = first, queue = said.queue, is_adaptive = true, min = adaptive.min, max = adaptive.max,
      tolerance = percent(adaptive.tolerance) }
  elseif said and said.concurrent > 0 then
    return { concurrent = said.concurrent, queue = said.queue, is_adaptive = false, min = 0, max = 0, tolerance = 0 }
  end
end

--- The bounds of a class of waiters, with what it does not say.
---@param said table settings of shed
---@param name string "normal" "critical" "batch"
---@return integer target_us
---@return integer most_us
---@return integer patience_us
function numbers.class(said, name)
  local own = said[name] or {}
  local target = own.target or said.target
  return target, own.most or said.most or 2 * target, own.patience or said.patience
end

local function shed(said)
  if not said then
    return nil
  end
  local told = { interval_us = said.interval, of = {} }
  for name, code in pairs(codes.priority) do
    local target, most, patience = numbers.class(said, name)
    told.of[code + 1] = { target_us = target, most_us = most, patience_us = patience }
  end
  return told
end

local function hedge(said)
  return said and {
    copies = said.copies, permille = said.after.permille or 0, delay_us = said.after.us or said.unknown,
    floor_us = said.floor, percent = percent(said.budget), burst = said.burst,
  } or nil
end

local function early(said)
  return said and { least = said.least, percent = percent(said.share) } or nil
end

-- --- the order -------------------------------------------------------------------------------------

--- The stages in the order of a policy; those that it does not name have no rules, and stand before the last one.
---@param said string[]|nil
---@return string[]|nil
function numbers.order(said)
  if not said then
    return nil
  end
  local list, is_named = {}, { hedge = true }
  for _, name in ipairs(said) do
    is_named[name] = true
    list[#list + 1] = name ~= "hedge" and name or nil
  end
  for _, name in ipairs(rules.stages) do
    list[#list + 1] = not is_named[name] and name or nil
  end
  list[#list + 1] = "hedge"
  return list
end

local function order(said)
  local list = numbers.order(said)
  for i, name in ipairs(list or {}) do
    list[i] = codes.stage[name]
  end
  return list
end

-- --- all of it -------------------------------------------------------------------------------------

local function rules_of(settings, asks)
  local said = settings.limit or {}
  local told = {
    again = again(settings.retry), circuit = circuit(settings.circuit), rate = rate(said.rate),
    limit = limit(settings.limit), shed = shed(settings.shed), hedge = hedge(settings.hedge),
    early = early(settings.call.early), order = order(settings.order), asks = asks and asks.bits,
  }
  return next(told) and told or nil
end

--- A checked policy in the engine's units.
---@param settings table
---@return table
function numbers.of(settings)
  local call, retry, asks = settings.call, settings.retry, events.of(settings)
  return {
    deadline_us = call.deadline,
    wait_us = math.min(call.wait, call.deadline),
    tries = retry.tries,
    pause_us = math.min(retry.pause, retry.pause_max),
    pause_max_us = retry.pause_max,
    budget = type(retry.budget) == "number" and percent(retry.budget) or 0,
    budget_least = retry.budget_least,
    rules = rules_of(settings, asks),
    asks = asks,
    front = front.of(settings),
  }
end

--- The policy for a resource: who sheds has a limit, and where none was said it is what the pools have.
---@param policy table of numbers.of()
---@param connections integer of all pools of the resource
---@param queue integer
---@return table
function numbers.with_limit(policy, connections, queue)
  local said = policy.rules
  if not (said and said.shed) or said.limit then
    return policy
  end
  local copy = { rules = { limit = limit { concurrent = connections, queue = queue } } }
  for name, value in pairs(said) do
    copy.rules[name] = value
  end
  for name, value in pairs(policy) do
    copy[name] = copy[name] or value
  end
  return copy
end

--- Whether it has a circuit for each endpoint.
---@param policy table|nil in the engine's units
---@return boolean|nil
function numbers.has_each(policy)
  local said = policy and policy.rules and policy.rules.circuit
  return said and said.per ~= 0
end

return numbers
