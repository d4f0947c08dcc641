--- nebula: what a workflow is given, as globals and as fields of `require "nebula"`.

local context = require "nebula.context"
local for_each = require "nebula.for_each"
local log = require "nebula.log"
local progress = require "nebula.progress"
local resources = require "nebula.resource"
local suggest = require "nebula.suggest"
local tasks = require "nebula.task"
local time = require "nebula.time"
local value = require "nebula.value"

---@class nebula
local nebula = {
  use = resources.use,
  task = tasks.task,
  cancel = tasks.cancel,
  defer = tasks.defer,
  sleep = time.sleep,
  deadline = time.deadline,
  trace = context.trace,
  for_each = for_each,
  log = log,
  progress = progress,
  null = value.null,
  bytes = value.bytes,
  array = value.array,
  json = require "cjson",
  args = {}, ---@type string[] what stood behind the file on the command line
}

local function unknown(_, name)
  local names = {}
  for _, from in ipairs { nebula, _G } do
    for one in pairs(from) do
      names[#names + 1] = type(one) == "string" and one or nil
    end
  end
  local hint = suggest(name, names)
  error(("there is no global %q%s"):format(tostring(name), hint), 2)
end

--- The globals of a workflow: Lua's and ours. Reading one that is not there is a mistake; setting one is allowed.
---@return table
function nebula.environment()
  local globals = setmetatable({}, { __index = unknown })
  for name, one in pairs(_G) do
    globals[name] = one
  end
  for name, one in pairs(nebula) do
    globals[name] = name ~= "environment" and one or nil
  end
  globals._G = globals
  return globals
end

return nebula
