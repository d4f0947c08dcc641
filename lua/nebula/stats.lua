--- stats: what the process has counted of a resource, as a table of numbers.
--
-- With one worker the engine tells it at once. With several each has numbers of its own, which are gathered:
-- that waits for the others to turn.

local c = require "nebula.c"
local errors = require "nebula.error"
local json = require "cjson"
local wait = require "nebula.wait"
local worker = require "nebula.worker"

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
---@field silent integer[]|nil workers that did not turn for a second, and whose numbers are missing
---@field front nebula.FrontStats|nil of what stands in front of its calls
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

local function line_at(ticket)
  return c.string(lib.nebula_asked(engine, ticket))
end

local function gathered(resource)
  local request = json.encode { verb = "stats", name = resource.name }
  local line, err = wait.settle(lib.nebula_ask_all(engine, request), line_at)
  if not line then
    err.resource = resource.name
    return nil, err
  end
  local answer = json.decode(line)
  for i, one in ipairs(answer.silent or {}) do
    answer.stats.silent = answer.stats.silent or {}
    answer.stats.silent[i] = one.worker
  end
  return answer.stats
end

--- The numbers of a resource, all its roles together, and in `roles` those of each, with the `window` of its last
--- minutes. With several workers it waits for the others.
---@param resource nebula.Resource
---@return nebula.Stats|nil
---@return nebula.Error|nil err the task was cancelled, or its deadline has passed
return function(resource)
  if worker.count > 1 then
    return gathered(resource)
  end
  local stats = of(resource, -1)
  stats.roles = {}
  for i, role in ipairs(resource.roles) do
    stats.roles[role] = of(resource, i - 1)
    stats.roles[role].window = window_of(resource, i - 1)
  end
  return stats
end
