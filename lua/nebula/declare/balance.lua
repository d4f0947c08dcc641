--- balance: how the calls of a resource spread over its endpoints, as its declaration says it. Its settings are in
--- rows.lua; this is loaded for a resource that has one.

local numbers = require "nebula.declare.numbers"
local balance = {}

--- The rules by name: enum nebula_rule of nebula_balance.h.
balance.rules = {
  ["connections"] = 0, ["round-robin"] = 1, ["least-outstanding"] = 2, ["p2c"] = 3, ["least-recently-used"] = 4,
  ["sticky"] = 5,
}

local function spreads(told)
  for _, choice in ipairs(told.role_choice or {}) do
    if choice % 2 == 1 then return true end -- NEBULA_SPREAD
  end
end

-- What can never come true with so many endpoints.
local function check_success(one, given, count)
  if given.endpoints > count then
    one:fail({ "eject", "success", "endpoints" }, ("there are %d endpoints, so they are never compared"):format(count))
  elseif given.factor > 0 and given.factor ^ 2 >= count - 1 then
    one:fail({ "eject", "success", "factor" }, ("one of %d endpoints is never more than %.2f deviations away"):format(
      count, math.sqrt(count - 1)))
  end
end

-- Who wants none ejected says so: consecutive = 0, success = { factor = 0 }.
local function check_most(one, most, count)
  if most * count + 1e-9 < 1 then
    one:fail({ "eject", "most" }, ("%.4g %% of %d endpoints is none, so none is ever ejected"):format(
      most * 100, count))
  end
end

local function check(one, settings, told)
  local count = told.endpoints and #told.endpoints or 1
  if count < 2 then
    one:fail({ "balance" }, "not in force here: it has one endpoint, so there is nothing to choose from")
  elseif not spreads(told) then
    one:fail({ "balance" }, "not in force here: none of its roles spreads over its endpoints")
  elseif settings.pool.max < count then
    one:fail({ "balance" }, ("each of its %d endpoints needs a connection, and pool.max is %d"):format(count,
      settings.pool.max))
  end
  local said = one.settings.eject
  if type(said) ~= "table" then return end
  if said.success ~= nil then check_success(one, settings.eject.success, count) end
  if said.most ~= nil then check_most(one, settings.eject.most, count) end
end

local function refuse_each(one, told, path, name)
  local few = told.endpoints and #told.endpoints > 1 and 'calls that are spread over them: say balance = "p2c" here'
    or "several of them"
  one:fail(path, ("the policy %q has a circuit per endpoint, which needs %s, or circuit = { per = \"resource\" } there")
    :format(name, few))
end

--- Reports what goes by circuits of endpoints, where calls are not balanced.
---@param one nebula.Declaration
---@param settings table of the resource, checked
---@param told nebula.Told
---@param policy table|nil in the engine's units
---@param operations table<string, nebula.DeclaredOperation>|nil
function balance.check_absent(one, settings, told, policy, operations)
  if numbers.has_each(policy) then
    refuse_each(one, told, { "policy" }, settings.policy)
  end
  for name, each in pairs(operations or {}) do
    if each.is_apart and numbers.has_each(each.policy) then
      refuse_each(one, told, { "operations", name }, each.policy_name)
    end
  end
end

--- What the engine is told of it, fields of struct nebula_balance.
---@param one nebula.Declaration which knows whom to tell of a mistake
---@param settings table of the resource, checked
---@param told nebula.Told
---@return table<string, number>
function balance.read(one, settings, told)
  check(one, settings, told)
  local given, by = settings.eject, settings.eject.success
  return {
    rule = balance.rules[settings.balance], consecutive = given.consecutive, factor = by.factor,
    least_calls = by.calls, least_endpoints = by.endpoints, window_us = by.window, most = given.most,
    time_us = given.time, time_most_us = given.time_most, panic = given.panic, slow_start_us = settings.slow_start,
  }
end

return balance
