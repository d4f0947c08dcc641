--- stats: what the engine has counted of a resource, as a table of numbers.

local c = require "nebula.c"
local errors = require "nebula.error"

local lib, engine = c.lib, c.engine

local function names_by(name_of)
  local names = {}
  local name = name_of(0)
  while name ~= nil do
    names[#names + 1] = c.string(name)
    name = name_of(#names)
  end
  return names
end

local names, figures = names_by(lib.nebula_counter), names_by(lib.nebula_figure)
local numbers, measured = c.new("int64_t[?]", #names), c.new("double[?]", #figures)

---@class nebula.Stats what each number means: docs/reference/counters.md
---@field roles table<string, nebula.RoleStats> the same of each role, without what only a resource has
---@field [string] number

---@class nebula.RoleStats
---@field window table<string, number>|nil what its last minutes were like; nil until it was used
---@field [string] number

local function told(resource, count, keys, values)
  if count < 0 then
    error(errors.from_code(resource.name, count), 0)
  end
  local table_of = {}
  for i = 1, count do
    table_of[keys[i]] = tonumber(values[i - 1])
  end
  return table_of
end

local function of(resource, role)
  return told(resource, lib.nebula_stats(engine, resource.id, role, numbers, #names), names, numbers)
end

local function window_of(resource, role)
  local count = lib.nebula_figures(engine, resource.id, role, measured, #figures)
  return count ~= 0 and told(resource, count, figures, measured) or nil
end

--- The numbers of a resource, all its roles together, and in `roles` those of each, with the `window` of its last
--- minutes.
---@param resource nebula.Resource
---@return nebula.Stats
return function(resource)
  local stats = of(resource, -1)
  stats.roles = {}
  for i, role in ipairs(resource.roles) do
    stats.roles[role] = of(resource, i - 1)
    stats.roles[role].window = window_of(resource, i - 1)
  end
  return stats
end
