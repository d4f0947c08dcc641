--- named: what has a name by which every worker finds its own: resources, channels of the process, modules, and what
--- Lua and we offer.

local call = require "nebula.call"
local environments = require "nebula.environment"
local errors = require "nebula.error"
local resources = require "nebula.resource"

local named = {}

local names -- of functions and tables: where they stand, "nebula" or a module, and the field
local noted -- so many modules were loaded then

-- The first name counts.
local function note(value, how, name, field)
  local kind = type(value)
  if (kind == "function" or kind == "table") and not names[value] then
    names[value] = { how, name, field }
  end
end

local function note_fields(how, name, of)
  for field, value in next, of do
    if type(field) == "string" and type(value) == "function" then note(value, how, name, field) end
  end
end

-- Tables go by name when they are a module, functions also when they are in one.
local function note_all()
  names = setmetatable({}, { __mode = "k" })
  local nebula = require "nebula"
  for name, value in next, nebula do note(value, "nebula", name) end
  note_fields("nebula", "log", nebula.log)
  note(environments.main().print, "print")
  for name, value in next, package.loaded do
    if value ~= _G then note(value, "module", name) end
  end
  note_fields("module", "_G", _G)
  for name, value in next, package.loaded do
    if type(value) == "table" and not tostring(name):find "^nebula" then note_fields("module", name, value) end
  end
end

local function is_workflow(value)
  local at = type(value) == "function" and debug.getinfo(value, "S")
  return at and at.what ~= "C" and not errors.is_ours(at.source)
end

local function loaded()
  local count = 0
  for _ in next, package.loaded do count = count + 1 end
  return count
end

local function of_names(value)
  local count = loaded()
  if count ~= noted then note_all() end
  noted = count
  local one = names[value]
  -- A function of a module of the workflow goes as what it is.
  if not one or one[3] and is_workflow(value) then return nil end
  return one[1], one[2], one[3]
end

--- How a value is found in another worker.
---@param value any
---@return string|nil how nil: it has no name
---@return string|nil name
---@return any more
function named.of(value)
  if type(value) == "function" then return of_names(value) end
  if type(value) ~= "table" then return nil end
  if rawequal(value, _G) then return "global" end
  if environments.is(value) then return "workflow" end
  if rawequal(call.resources[rawget(value, "id")], value) then return "resource", value.name end
  local shared = package.loaded["nebula.shared"]
  if shared and getmetatable(value) == shared.Shared then return "channel", value.name, value.most end
  return of_names(value)
end

local find = {
  global = function() return _G end,
  workflow = function() return environments.main() end,
  resource = function(name) return resources.use(name) end,
  channel = function(name, most) return require("nebula.shared").of(name, most) end,
  print = function() return environments.main().print end,
  nebula = function(name, field)
    local value = require("nebula")[name]
    if field then return value[field] end
    return value
  end,
  module = function(name, field)
    local module = name == "_G" and _G or require(name)
    if field then return module[field] end
    return module
  end,
}

--- What it is in this worker. Raises when it is not here.
---@param how string
---@param name string|nil
---@param more any
---@return any
function named.find(how, name, more)
  local value = find[how](name, more)
  if value == nil then error(("%s.%s is not in this worker"):format(name, tostring(more)), 0) end
  return value
end

return named
