--- named: declarations of one sort by their names, policies or strategies, each with what it has by `like`.

local marked = require "nebula.declare.marked"
local shape = require "nebula.shape"
local suggest = require "nebula.suggest"

local LIKE_MOST = 100 -- declarations, each like the next one
local HINTS = 50      -- so many unknown names are compared with so many known ones: it takes time

---@class nebula.Named
---@field sort string what they are called in sentences
---@field by_name table<string, nebula.Declaration>
---@field private settings table<string, table> those that were read, by name
---@field private read fun(one: nebula.Declaration, base: table|nil): table
---@field private under_way table<string, true>
---@field private hints integer
local Named = {}
Named.__index = Named

local named = {}

--- Collects declarations by name; those of a later layer replace those of an earlier one.
---@param sort string
---@param declarations nebula.Declaration[]
---@param read fun(one: nebula.Declaration, base: table|nil): table its whole settings; errors reported
---@return nebula.Named
function named.collect(sort, declarations, read)
  local by_name = {}
  for _, one in ipairs(declarations) do
    local other = by_name[one.name]
    if other and other.source.layer == one.source.layer then
      one:fail({}, ("there is already a %s of this name, in %s:%d"):format(sort, other.source.file, other.line))
    else
      by_name[one.name] = one
    end
  end
  return setmetatable({ sort = sort, by_name = by_name, settings = {}, read = read, under_way = {}, hints = 0 }, Named)
end

-- What an unknown name may have meant.
function Named:suggest(name)
  self.hints = self.hints + 1
  if self.hints > HINTS then return "" end
  local names = {}
  for known in pairs(self.by_name) do
    names[#names + 1] = known
  end
  return #names <= HINTS and suggest(name, names) or ""
end

--- One by its name; nil and why there is none.
---@param name string
---@param is_secret boolean|nil the name may not be repeated
---@return nebula.Declaration|nil
---@return string|nil why
function Named:find(name, is_secret)
  local one = self.by_name[name]
  if one then return one end
  return nil, ("there is no %s %s%s"):format(self.sort, is_secret and "of this name" or shape.quote(name),
    self:suggest(not is_secret and name))
end

-- Is the way by `like` from one of them too long to be gone? A small circle is not.
function Named:is_far(one)
  local seen, count, at = {}, 0, one
  while at and not seen[at] and count <= LIKE_MOST do
    seen[at], count = true, count + 1
    at = self.by_name[at.settings.like]
  end
  return count > LIKE_MOST
end

-- The names from one of them by `like` back to itself.
local function circle(self, name)
  local names, at = { name }, name
  repeat
    at = self.by_name[at].settings.like
    names[#names + 1] = at
  until at == name
  return table.concat(names, " -> ")
end

-- The settings that one begins with: those of the one it is like.
function Named:base(one)
  local like = one.settings.like
  if marked.of(like) == "env" then
    one:fail({ "like" }, "is written here, and does not come from the environment")
  end
  if type(like) ~= "string" then
    return nil
  end
  local parent, why = self:find(like)
  if not parent then
    one:fail({ "like" }, why)
    return nil
  elseif self:is_far(one) then
    one:fail({ "like" }, ("is like more than %d others, one after the other"):format(LIKE_MOST - 1))
    return nil
  end
  self.under_way[one.name] = true
  local base
  if self.under_way[like] then
    one:fail({ "like" }, "goes round in a circle: " .. circle(self, like))
  else
    base = self:resolve(parent)
    one.failed = one.failed or parent.failed
  end
  self.under_way[one.name] = nil
  return base
end

--- The whole settings of one of them, errors reported; on errors they are not to be used.
---@param one nebula.Declaration
---@return table
function Named:resolve(one)
  local known = self.settings[one.name]
  if not known then
    known = self.read(one, self:base(one))
    self.settings[one.name] = known
  end
  return known
end

--- Checks every one that somebody declared. Those that ship are right, and wait until they are asked for.
---@param declarations nebula.Declaration[]
function Named:check(declarations)
  for _, one in ipairs(declarations) do
    if self.by_name[one.name] == one and one.source.layer > 1 then
      self:resolve(one)
    end
  end
end

return named
