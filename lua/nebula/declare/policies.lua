--- policies: what was declared as policies, each with what it inherits.

local places = require "nebula.declare.places"
local rows = require "nebula.declare.rows"
local shape = require "nebula.shape"
local suggest = require "nebula.suggest"

local Policies = {}
Policies.__index = Policies

local policies = {}

--- Collects the declared policies by name; those of a later layer replace those of an earlier one.
---@param declarations nebula.Declaration[]
---@return table
function policies.collect(declarations)
  local by_name = {}
  for _, one in ipairs(declarations) do
    local other = by_name[one.name]
    if other and other.source.layer == one.source.layer then
      one:fail({}, ("there is already a policy of this name, in %s:%d"):format(other.source.file, other.line))
    else
      by_name[one.name] = one
    end
  end
  return setmetatable({ declared = by_name, settings = {}, places = {}, under_way = {} }, Policies)
end

function Policies:names()
  local names = {}
  for name in pairs(self.declared) do
    names[#names + 1] = name
  end
  return names
end

--- The names from one policy by `like` back to itself.
local function cycle(self, name)
  local names, at = { name }, name
  repeat
    at = self.declared[at].settings.like
    names[#names + 1] = at
  until at == name
  return table.concat(names, " -> ")
end

--- The settings that a policy begins with: those of the one it is like.
function Policies:base(one)
  local like = one.settings.like
  if type(like) ~= "string" then
    return nil
  end
  local parent = self.declared[like]
  if not parent then
    one:fail({ "like" }, "there is no policy " .. shape.quote(like) .. suggest(like, self:names()))
    return nil
  end
  self.under_way[one.name] = true
  local base
  if self.under_way[like] then
    one:fail({ "like" }, "goes round in a circle: " .. cycle(self, like))
  else
    base = self:resolve(parent)
  end
  self.under_way[one.name] = nil
  return base
end

--- The whole settings of a declared policy, errors reported; on errors they are not to be used.
function Policies:resolve(one)
  local known = self.settings[one.name]
  if not known then
    known = one:check(rows.policy, self:base(one))
    self.settings[one.name] = known
  end
  return known
end

--- Checks every policy that somebody declared. Those that ship are right, and wait until they are asked for.
---@param declarations nebula.Declaration[]
function Policies:check(declarations)
  for _, one in ipairs(declarations) do
    if self.declared[one.name] == one and one.source.layer > 1 then
      self:resolve(one)
    end
  end
end

local function engine_units(settings)
  local call, retry = settings.call, settings.retry
  return {
    deadline_us = call.deadline,
    wait_us = math.min(call.wait, call.deadline),
    tries = retry.tries,
    pause_us = math.min(retry.pause, retry.pause_max),
    pause_max_us = retry.pause_max,
    budget = math.floor(retry.budget * 100 + 0.5),
    budget_least = retry.budget_least,
  }
end

--- The policy of a resource in the engine's units; nil and why there is none.
---@param name string
---@param is_secret boolean|nil the name may not be repeated
---@return table|nil policy
---@return string|nil why
function Policies:get(name, is_secret)
  local one = self.declared[name]
  if not one then
    return nil, ("there is no policy %s%s"):format(is_secret and "of this name" or shape.quote(name),
      suggest(not is_secret and name, self:names()))
  end
  return engine_units(self:resolve(one))
end

--- Where the settings of a policy stand. There are no mistakes in any.
---@param name string
---@return nebula.Places
function Policies:where(name)
  self.places[name] = self.places[name] or places.of(self.declared, name)
  return self.places[name]
end

return policies
