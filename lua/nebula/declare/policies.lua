--- policies: what was declared as policies, each with what it inherits.

local lazy = require "nebula.lazy"
local named = require "nebula.declare.named"
local numbers = require "nebula.declare.numbers"
local places = require "nebula.declare.places"
local rows = require "nebula.declare.rows"

local relations = lazy "nebula.declare.relations"

---@class nebula.Policies
---@field private known nebula.Named
---@field private numbers table<string, table> by name
---@field private places table<string, nebula.Places> by name
local Policies = {}
Policies.__index = Policies

local policies = {}

local function has_rules(settings)
  return settings.circuit or settings.limit or settings.shed or settings.order
    or type(settings.retry.budget) == "string"
end

local function read(one, base)
  local settings = one:check(rows.policy, base)
  if not one.failed and has_rules(settings) then
    relations.check(one, settings, base)
  end
  return settings
end

--- Collects the declared policies by name; those of a later layer replace those of an earlier one.
---@param declarations nebula.Declaration[]
---@return nebula.Policies
function policies.collect(declarations)
  return setmetatable({ known = named.collect("policy", declarations, read), numbers = {}, places = {} }, Policies)
end

--- Checks every policy that somebody declared. Those that ship are right, and wait until they are asked for.
---@param declarations nebula.Declaration[]
function Policies:check(declarations)
  self.known:check(declarations)
end

--- A policy in the engine's units, as numbers.of() has it; nil and why there is none. What did not pass is not to be
--- used.
---@param name string
---@param is_secret boolean|nil the name may not be repeated
---@return table|nil policy
---@return string|nil why
function Policies:get(name, is_secret)
  local one, why = self.known:find(name, is_secret)
  if not one then
    return nil, why
  end
  local settings = self.known:resolve(one)
  self.numbers[name] = self.numbers[name] or one.failed and {} or numbers.of(settings)
  return self.numbers[name]
end

--- All of them, for calls that name one.
---@return table<string, table> numbers by name
function Policies:all()
  local all = {}
  for name in pairs(self.known.by_name) do
    all[name] = self:get(name)
  end
  return all
end

--- Where the settings of a policy stand. There are no mistakes in any.
---@param name string
---@return nebula.Places
function Policies:where(name)
  self.places[name] = self.places[name] or places.of(self.known.by_name, name)
  return self.places[name]
end

return policies
