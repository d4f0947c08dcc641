--- order: in which order a policy asks its rules: what it must name, and which orders are known to do harm.

local rules = require "nebula.declare.rules"

local order = {}

--- Which stages have something to do.
local function in_force(settings)
  local limit = settings.limit
  return {
    rate = limit and limit.rate, deadline = settings.call.early, retry = settings.retry.tries > 1,
    circuit = settings.circuit, limit = limit and (limit.concurrent > 0 or limit.adaptive) or settings.shed,
    hedge = settings.hedge,
  }
end

local function places(said)
  local place = {}
  for i, name in ipairs(said) do
    place[name] = place[name] or i
  end
  return place
end

--- What is wrong with it, nil when nothing is.
---@param settings table of a policy
---@return string|nil why
function order.mistake(settings)
  local said = settings.order
  local place, used = places(said), in_force(settings)
  for i, name in ipairs(said) do
    if place[name] ~= i then
      return ('"%s" is there twice'):format(name)
    end
  end
  if place.hedge and place.hedge < #said then
    return '"hedge" is the last one: each copy is a call of its own, for which nothing else is asked again'
  end
  for _, name in ipairs(rules.stages) do
    if used[name] and not place[name] then
      return ('"%s" is missing, and this policy has rules for it'):format(name)
    end
  end
end

local function waits_for_rate(settings)
  return settings.limit.rate.wait > 0
end

-- Orders that somebody will be sorry for. Others than the usual one have good reasons: docs/policies.md.
local HARMFUL = {
  { "circuit", "retry", "the circuit is asked before retry: it takes a call and its retries for one, so it sees fewer "
    .. "failures and opens late, and retries under way go on while it is open" },
  { "limit", "retry", "the limit is asked before retry: a call keeps its place among those under way during the pauses "
    .. "between its attempts, in which the server does nothing for it" },
  { "limit", "rate", "the limit is asked before rate: a call keeps its place among those under way while it waits for "
    .. "its time to go", waits_for_rate },
  { "deadline", "rate", "the deadline is asked before rate: a call that has just enough time waits for its time to go, "
    .. "and then has too little", waits_for_rate },
}

local function is_so(settings, one)
  local said = settings and settings.order
  if not said then
    return false
  end
  local place, used = places(said), in_force(settings)
  local first, second, holds = one[1], one[2], one[4]
  return used[first] and used[second] and place[first] and place[second] and place[first] < place[second]
    and not (holds and not holds(settings))
end

--- What will do harm, and did not in what it is like.
---@param settings table of a policy
---@param base table|nil
---@return string[]
function order.warnings(settings, base)
  local list = {}
  for _, one in ipairs(HARMFUL) do
    if is_so(settings, one) and not is_so(base, one) then
      list[#list + 1] = one[3]
    end
  end
  return list
end

return order
