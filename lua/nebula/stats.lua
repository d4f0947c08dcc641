--- stats: what the engine has counted of a resource, as a table of numbers.

local c = require "nebula.c"
local errors = require "nebula.error"

local lib, engine = c.lib, c.engine

local names = {}
local name = lib.nebula_counter(0)
while name ~= nil do
  names[#names + 1] = c.string(name)
  name = lib.nebula_counter(#names)
end

local numbers = c.new("int64_t[?]", #names)

---@class nebula.Stats what each number means: docs/reference/counters.md
---@field roles table<string, table<string, number>> the same of each role, without what only a resource has
---@field [string] number

local function of(resource, role)
  local count = lib.nebula_stats(engine, resource.id, role, numbers, #names)
  if count < 0 then
    error(errors.from_code(resource.name, count), 0)
  end
  local table_of = {}
  for i = 1, count do
    table_of[names[i]] = tonumber(numbers[i - 1])
  end
  return table_of
end

--- The numbers of a resource, all its roles together, and in `roles` those of each.
---@param resource nebula.Resource
---@return nebula.Stats
return function(resource)
  local stats = of(resource, -1)
  stats.roles = {}
  for i, role in ipairs(resource.roles) do
    stats.roles[role] = of(resource, i - 1)
  end
  return stats
end
