--- nebula: what a workflow is given, as globals and as fields of `require "nebula"`.

local context = require "nebula.context"
local environments = require "nebula.environment"
local errors = require "nebula.error"
local for_each = require "nebula.for_each"
local lazy = require "nebula.lazy"
local log = require "nebula.log"
local progress = require "nebula.progress"
local resources = require "nebula.resource"
local tasks = require "nebula.task"
local time = require "nebula.time"
local value = require "nebula.value"

local channels = lazy "nebula.channel"
local composites = lazy "nebula.sql.types.composite"
local ranges = lazy "nebula.sql.types.range"
local selecting = lazy "nebula.select"
local shared = lazy "nebula.shared"

--- Makes a channel between tasks. One that nobody knows any more needs no closing. With a name it is the one of that
--- name in the whole process, and values are copied.
---@param first integer|string|nil how many values may lie in it; 0, the default: each is handed from task to task; or a
--- name
---@param given { bytes: string|nil }|nil of one with a name: how much may lie in it, default "1MB"
---@return nebula.Channel|nebula.SharedChannel
local function channel(first, given)
  if type(first) == "string" then return shared.open(first, given) end
  if given ~= nil then errors.raise "channel(capacity): only a channel with a name has options" end
  return channels.new(first)
end

--- Receives from, or sends to, the first of several channels that is ready. With a number or "#" it is Lua's own.
---@param first nebula.ChannelOptions|nebula.Channel|nebula.Place|integer|string options if any
---@param ... nebula.Channel|nebula.Place|any a channel to receive from, or channel:offer(value)
---@return nebula.Channel|nil channel the one it was; nil: none, and the error is the second value
---@return any value what was received; true when it was sent; nil with an error behind it when that channel is closed
---@return nebula.Error|nil err
local function select_any(first, ...)
  if first == nil then errors.raise "select([options,] ...): a channel or channel:offer(value) is expected, not nil" end
  if type(first) ~= "table" then return select(first, ...) end
  return selecting.run(first, ...)
end

---@class nebula
local nebula = {
  use = resources.use,
  task = tasks.task,
  cancel = tasks.cancel,
  defer = tasks.defer,
  sleep = time.sleep,
  stopping = time.stopping,
  deadline = time.deadline,
  trace = context.trace,
  tenant = context.tenant,
  for_each = for_each,
  spawn_on_all = function(...) return require "nebula.spawn"(...) end,
  channel = channel,
  select = select_any,
  log = log,
  progress = progress,
  null = value.null,
  bytes = value.bytes,
  array = value.array,
  range = function(given) return ranges.new(given) end,
  multirange = function(list) return ranges.new_many(list) end,
  composite = function(list) return composites.new(list) end,
  json = require "cjson",
  args = {}, ---@type string[] what stood behind the file on the command line
}

--- The globals of a workflow, a new table.
---@return table
function nebula.environment()
  return environments.new(nebula)
end

return nebula
