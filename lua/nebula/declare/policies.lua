--- policies: what was declared as policies, each with what it inherits.

local lazy = require "nebula.lazy"
local numbers = require "nebula.declare.numbers"
local places = require "nebula.declare.places"
local rows = require "nebula.declare.rows"
local shape = require "nebula.shape"
local suggest = require "nebula.suggest"

local relations = lazy "nebula.declare.relations"

local LIKE_MOST = 100 -- policies, each like the next one
local HINTS = 50      -- so many unknown names are compared with so many known ones: it takes time

---@class nebula.Policies
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
  local made = { declared = by_name, settings = {}, numbers = {}, places = {}, under_way = {}, hints = 0 }
  return setmetatable(made, Policies)
end

--- The names of all of them.
---@return string[]
function Policies:names()
  local names = {}
  for name in pairs(self.declared) do
    names[#names + 1] = name
  end
  return names
end

--- What an unknown name may have meant.
function Policies:suggest(name)
  self.hints = self.hints + 1
  local names = self.hints <= HINTS and self:names() or {}
  return #names <= HINTS and suggest(name, names) or ""
end

--- Is the way by `like` from one policy too long to be gone? A small circle is not.
function Policies:is_far(one)
  local seen, count, at = {}, 0, one
  while at and not seen[at] and count <= LIKE_MOST do
    seen[at], count = true, count + 1
    at = self.declared[at.settings.like]
  end
  return count > LIKE_MOST
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
    one:fail({ "like" }, "there is no policy " .. shape.quote(like) .. self:suggest(like))
    return nil
  elseif self:is_far(one) then
    one:fail({ "like" }, ("is like more than %d others, one after the other"):format(LIKE_MOST - 1))
    return nil
  end
  self.under_way[one.name] = true
  local base
  if self.under_way[like] then
    one:fail({ "like" }, "goes round in a circle: " .. cycle(self, like))
  else
    base = self:resolve(parent)
    one.failed = one.failed or parent.failed
  end
  self.under_way[one.name] = nil
  return base
end

local function has_rules(settings)
  return settings.circuit or settings.limit or settings.shed or settings.order
    or type(settings.retry.budget) == "string"
end

--- The whole settings of a declared policy, errors reported; on errors they are not to be used.
function Policies:resolve(one)
  local known = self.settings[one.name]
  if not known then
    local base = self:base(one)
    known = one:check(rows.policy, base)
    self.settings[one.name] = known
    if not one.failed and has_rules(known) then
      relations.check(one, known, base)
    end
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

--- A policy in the engine's units, as numbers.of() has it; nil and why there is none. What did not pass is not to be
--- used.
---@param name string
---@param is_secret boolean|nil the name may not be repeated
---@return table|nil policy
---@return string|nil why
function Policies:get(name, is_secret)
  local one = self.declared[name]
  if not one then
    return nil, ("there is no policy %s%s"):format(is_secret and "of this name" or shape.quote(name),
      self:suggest(not is_secret and name))
  end
  local settings = self:resolve(one)
  self.numbers[name] = self.numbers[name] or one.failed and {} or numbers.of(settings)
  return self.numbers[name]
end

--- All of them, for calls that name one.
---@return table<string, table> numbers by name
function Policies:all()
  local all = {}
  for name in pairs(self.declared) do
    all[name] = self:get(name)
  end
  return all
end

--- Where the settings of a policy stand. There are no mistakes in any.
---@param name string
---@return nebula.Places
function Policies:where(name)
  self.places[name] = self.places[name] or places.of(self.declared, name)
  return self.places[name]
end

return policies
