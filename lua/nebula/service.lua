--- service: what `nebula serve` keeps up, as services/*.lua declare it:
--
--   service "mail" { instances = 2, run = function(number) while sleep "1s" do send() end end }
--
-- Each worker evaluates the files for itself, because a function belongs to one Lua state. They are read once, by the
-- worker that checks them, and what was wrong with any of them is found at once.

local declaration = require "nebula.declare.declaration"
local errors = require "nebula.error"
local report = require "nebula.declare.report"
local spans = require "nebula.declare.spans"

---@class nebula.Service
---@field name string
---@field run fun(number: integer): any
---@field instances integer|"per-worker"
---@field restart { pause: integer, pause_max: integer, steady: integer } us
---@field file string
---@field line integer

local MOST = 1000 -- of a folder

local services = {}

--- The settings of a service.
---@type table<string, nebula.Row>
services.rows = {
  run = {
    type = "function", required = true, class = "restart",
    text = "What an instance does. It is given its number, from 1. When it returns the instance has finished; when it "
      .. "raises or returns `nil, err` it has failed, and is started again.",
  },
  instances = {
    type = "integer", words = { "per-worker" }, default = 1, min = 1, max = 10000, class = "restart",
    text = "How many there are in the whole program, spread over its workers; `per-worker`: one in each.",
  },
  restart = {
    type = "table", text = "When one that failed is started again.",
    fields = {
      pause = spans.within("pause_max", "100ms",
        "Before the first restart, at most; doubles with each, and a random part of it is waited.", 1000),
      pause_max = spans.span("30s", "The longest pause."),
      steady = spans.span("1m",
        "After a failure of an instance that ran for so long the pause is at most `pause` again."),
    },
  },
}

-- The line of a file whose code runs now.
local function line_in(file)
  local level = 3
  local at = debug.getinfo(level, "Sl")
  while at do
    if at.source == "@" .. file and at.currentline > 0 then return at.currentline end
    level = level + 1
    at = debug.getinfo(level, "Sl")
  end
  return 1
end

-- Who reads settings does not ask metatables: what they would add to them, or do, is not there.
local function check_plain(name, settings, seen)
  if type(settings) ~= "table" or seen[settings] then return end
  seen[settings] = true
  if debug.getmetatable(settings) then
    errors.raise("service %q: its settings must be plain tables, and one has a metatable, which nobody asks", name)
  end
  for _, one in next, settings do check_plain(name, one, seen) end
end

-- The global of a file: it leaves records as the prelude of declarations does.
local function recorder(file, records)
  return function(name)
    if records.are_over then
      errors.raise "service() declares what services/*.lua say when they are read; nothing can be added later"
    end
    local record = { "service", file, line_in(file), name or false, false }
    records[#records + 1] = record
    return function(settings)
      check_plain(tostring(name), settings, {})
      record[5] = settings
    end
  end
end

-- "FILE:LINE: what", as Lua says it.
local function place_of(text, file)
  local prefix = file .. ":"
  if text:sub(1, #prefix) ~= prefix then return 1, text end
  local line, rest = text:sub(#prefix + 1):match "^(%d+): (.*)$"
  return tonumber(line) or 1, rest or text
end

local function report_failure(source, why, reports)
  local line, text = place_of(tostring(why), source.file)
  local harmless, word = report.near(text)
  reports:add(source.file, line, source.places and source:places():word(word, line) or 1, "", harmless)
end

local function evaluate(source, environment, hidden, reports)
  local records = {}
  local chunk, why = loadstring(source.text, "@" .. source.file)
  if not chunk then
    report_failure(source, why, reports)
    return records
  end
  environment.service = recorder(source.file, records)
  local ok, failure = pcall(setfenv(chunk, environment))
  records.are_over = true
  local last = records[#records]
  if not ok and last and not last[5] then
    records[#records] = nil -- it was about to be given its settings
  end
  if not ok and failure ~= hidden then
    report_failure(source, failure, reports)
  end
  return records
end

local function read(one, by_name)
  local other = by_name[one.name]
  if other then
    one:fail({}, ("there is already a service of this name, in %s:%d"):format(other.source.file, other.line))
  end
  by_name[one.name] = other or one
  local settings = one:check(services.rows)
  return {
    name = one.name, run = settings.run, instances = settings.instances, restart = settings.restart,
    file = one.source.file, line = one.line,
  }
end

--- Evaluates services/*.lua, each in an environment of its own.
---@param list nebula.Source[] or with file and text alone, where nothing can be wrong any more
---@param environment fun(): table the globals of a workflow
---@param reports table of declare/report.lua; gets what is wrong
---@param hidden any|nil a failure with this value was reported elsewhere
---@return nebula.Service[] in the order of their declarations; only to be used when nothing was wrong
function services.read(list, environment, reports, hidden)
  local found, by_name = {}, {}
  for _, source in ipairs(list) do
    for _, record in ipairs(evaluate(source, environment(), hidden, reports)) do
      local one = declaration.new(record, source, reports)
      if #found == MOST then
        reports:add(source.file, record[3], 1, "", ("a folder declares at most %d services"):format(MOST))
        return found
      end
      found[#found + 1] = one and read(one, by_name) or nil
    end
  end
  return found
end

-- FNV-1a (Fowler, Noll, Vo), 32 bits; the factor is taken apart because its product would not be exact.
local function hash(text)
  local h = 2166136261
  for i = 1, #text do
    h = bit.bxor(h, text:byte(i)) % 2 ^ 32
    h = (bit.lshift(h, 24) % 2 ^ 32 + h * 403) % 2 ^ 32
  end
  return h
end

--- Which instances of a service a worker has: the first is at home by the service's name, the others go round.
---@param service nebula.Service
---@param worker integer from 0
---@param workers integer
---@return integer[] numbers of instances, from 1
function services.placed(service, worker, workers)
  if service.instances == "per-worker" then return { worker + 1 } end
  local numbers, home = {}, hash(service.name)
  for number = 1, service.instances do
    if (home + number - 1) % workers == worker then numbers[#numbers + 1] = number end
  end
  return numbers
end

return services
