--- operations: calls that go by another policy than their resource does: one of its operations, or a policy that the
--- call names itself. Loaded when there is such a call, or an operation.

local c = require "nebula.c"
local call = require "nebula.call"
local errors = require "nebula.error"
local keys = require "nebula.keys"
local lazy = require "nebula.lazy"
local specs = require "nebula.spec"
local suggest = require "nebula.suggest"

local events = lazy "nebula.events"
local places = lazy "nebula.places"

c.also "nebula_policy.h"

local lib, engine = c.lib, c.engine

local PRIORITY = {
  normal = lib.NEBULA_PRIORITY_NORMAL, critical = lib.NEBULA_PRIORITY_CRITICAL, batch = lib.NEBULA_PRIORITY_BATCH,
}

---@class nebula.Operation
---@field number integer the engine's
---@field priority integer

local operations = {}

-- Where its settings stand, if that is known: the number again, or a negative code.
local function tell_places(resource, number, policy_name)
  local known = call.places and call.places(policy_name)
  if not known then
    return number
  end
  local code = lib.nebula_operation_places(engine, resource, number, places.array(known))
  return code < 0 and code or number
end

-- Its number, or a negative code. owner: the name of the resource.
local function tell(resource, owner, name, policy_name, policy, is_apart)
  local at, rules = specs.policy(policy, is_apart)
  local number = lib.nebula_operation(engine, resource, name, at, rules, is_apart)
  if number > 0 and policy.asks then
    events.hear(owner, number, name, policy.asks)
  end
  return number > 0 and tell_places(resource, number, policy_name) or number
end

--- Makes the operations of a resource known to the engine.
---@param resource integer its number
---@param owner string its name
---@param declared table<string, nebula.DeclaredOperation>
---@return table<string, nebula.Operation>|nil
---@return integer|nil code negative
function operations.declare(resource, owner, declared)
  local list = {}
  for _, name in ipairs(keys(declared)) do -- all workers say them in the same order
    local one = declared[name]
    local number = tell(resource, owner, name, one.policy_name, one.policy, one.is_apart)
    if number < 0 then
      return nil, number
    end
    list[name] = { number = number, priority = PRIORITY[one.priority] }
  end
  return list
end

local function operation_of(resource, name)
  local list = rawget(resource, "operations") or {}
  return list[name] or errors.raise('%s has no operation "%s"%s', resource.name, name, suggest(name, keys(list)))
end

local by_policy = {} ---@type table<integer, table<string, integer>> numbers by resource and policy

-- Told when a call names it first. No operation that is declared begins with a point.
local function number_of(resource, name)
  local known = by_policy[resource.id] or {}
  by_policy[resource.id] = known
  if not known[name] then
    local policies = call.policies and call.policies() or {}
    local policy = policies[name]
      or errors.raise('there is no policy "%s"%s', name, suggest(name, keys(policies)))
    local number = tell(resource.id, resource.name, "." .. name, name, policy, false)
    if number < 0 then
      return number
    end
    known[name] = number
  end
  return known[name]
end

--- Puts into a request by which policy it goes. Raises when there is none of that name.
---@param request ffi.cdata* `struct nebula_request`
---@param resource nebula.Resource
---@param options nebula.CallOptions
---@return integer|nil code negative, when the engine has no room for one more
function operations.put(request, resource, options)
  local number, priority = 0, PRIORITY.normal
  if options.operation and options.policy then
    errors.raise "an operation has its policy already: say one of the options operation and policy"
  elseif options.operation then
    local one = operation_of(resource, options.operation)
    number, priority = one.number, one.priority
  elseif options.policy then
    number = number_of(resource, options.policy)
  end
  if number < 0 then
    return number
  elseif options.priority then
    priority = PRIORITY[options.priority]
      or errors.raise('there is no priority "%s"%s', options.priority, suggest(options.priority, keys(PRIORITY)))
  end
  request.operation, request.priority = number, priority
end

return operations
