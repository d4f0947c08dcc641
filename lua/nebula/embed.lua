--- embed: what nebula_declare_source() runs, in the library's own Lua state (engine/declare.c).

local declare = require "nebula.declare"
local keys = require "nebula.keys"
local kind = require "nebula.kind"
local places = require "nebula.places"
local specs = require "nebula.spec"
local worker = require "nebula.worker"

-- Calls in C get what their server says. What would not be in force is refused.
local IN_LUA = "the policy %s has a cache or a fallback, which stand in front of calls in Lua alone"
local SIZED_IN_LUA = "its pool has a strategy, which is asked in Lua alone: see nebula_size()"
local ASKED_IN_LUA = "the policy %s has functions, which are asked in Lua alone"

local function said(errors)
  local lines = {}
  for i, e in ipairs(errors) do
    lines[i] = tostring(e)
  end
  return table.concat(lines, "\n")
end

-- All of them are tried, so that all that the engine refuses is known.
local function tell(resources, policies)
  local refusals = {}
  for _, one in ipairs(resources) do
    local number, why
    if one.strategy then
      why = SIZED_IN_LUA
    elseif one.policy.front or one.policy.asks then
      why = (one.policy.front and IN_LUA or ASKED_IN_LUA):format(one.policy_name)
    else
      number, why = specs.with(one, worker.declare)
    end
    for _, name in ipairs(keys(number and one.operations or {})) do -- all engines say them in the same order
      local each = one.operations[name]
      local policy, rules = specs.policy(each.policy, each.is_apart)
      local place, count = places.array(policies:where(each.policy_name))
      why = why or worker.operation(number, name, policy, rules, each.is_apart, place, count)
    end
    refusals[#refusals + 1] = why and ("%s:%d:1: %s"):format(one.file, one.line, why)
  end
  return refusals
end

---@param folder string|nil
---@param text string|nil
---@param name string of the text
---@param path string|nil as NEBULA_PATH
---@return integer count of the resources
---@return string|nil why
return function(folder, text, name, path)
  local set, errors = declare.read {
    home = worker.home,
    dirs = { folder },
    kinds = kind.known(worker.home, path),
    text = text and { name = name, text = text },
  }
  if not set then
    return 0, said(errors)
  end
  local refusals = tell(set.resources, set.policies)
  return #set.resources, #refusals > 0 and table.concat(refusals, "\n") or nil
end
