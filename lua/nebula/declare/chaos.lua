--- chaos: faults on purpose, as a declaration says them: chaos "name" { on = "payments", fail = 0.1, during = "10m" }.

local shape = require "nebula.shape"
local suggest = require "nebula.suggest"
local units = require "nebula.units"

local chaos = {}

local LONGEST_US = 24 * 3600e6 -- who forgets it has it for a day

--- The errors with which a request may fail, by name: enum nebula_error of nebula.h.
chaos.codes = { lost = 7, locked = 12, conflict = 13, read_only = 16, storage = 17, server = 18, protocol = 19 }

local function beside_fail(value, fail)
  return value and fail == 0 and "counts only beside fail, the share of the requests that it is about" or nil
end

chaos.rows = {
  on = {
    type = "string", required = true, max = 64, class = "live",
    text = "The name of the resource that is hit: each request that its driver is given, statements and what the pool "
      .. "asks by itself.",
  },
  during = {
    type = "duration", required = true, min = 1000, max = LONGEST_US, class = "live",
    text = "In force for so long from the start of the program; 24h at most.",
  },
  fail = {
    type = "share", default = "0%", class = "live",
    text = "This share of the requests fails, and the server never hears of it: proven not done.",
  },
  code = {
    type = "enum", default = "lost", class = "live", beside = "fail", compare = beside_fail,
    one_of = { "lost", "locked", "conflict", "read_only", "storage", "server", "protocol" },
    text = "The error with which it fails. With lost and protocol the connection ends too; with any other it stays, "
      .. "and so does what was begun on it, as a transaction. What goes on with a stream fails with these two alone.",
  },
  cut = {
    type = "boolean", default = false, class = "live", beside = "fail", compare = beside_fail,
    text = "Whether it is cut off instead, with lost, and the connection with it: one of two on the way to the server, "
      .. "which never hears of it, the other one on the way back, when it has been done. Both are in doubt.",
  },
  delay = {
    type = "string", listed = true, max = 24, class = "live",
    text = "How long a request is held back before it is sent, and those behind it on the connection: always as long, "
      .. "\"50ms\"; anything between two times, { \"10ms\", \"50ms\" }; or exponential, with the time that 95 in 100 "
      .. "do not exceed, { \"50ms\", \"p95\" }: p50 to p99.",
  },
  delay_share = {
    type = "share", default = "100%", class = "live", beside = "delay",
    compare = function(_, delay)
      return delay == nil and "counts only beside delay" or nil
    end,
    text = "The share of the requests that is held back.",
  },
  connect = {
    type = "share", default = "0%", class = "live",
    text = "This share of the attempts to connect fails with unreachable.",
  },
  seed = {
    type = "integer", min = 1, max = 2 ^ 53 - 1, class = "live",
    text = "Of the dice, so that they fall the same in the next run: for each worker, in the order of its requests.",
  },
}

local function read_time(one, path, text)
  local us, why = units.duration(text)
  if us and us > LONGEST_US then
    us, why = nil, "is more than 24h"
  end
  if not us then one:fail(path, why) end
  return us
end

-- "p95" as 0.95.
local function read_quantile(one, text)
  local percent = tonumber(text:match "^p(%d%d)$")
  if percent and percent >= 50 then
    return percent / 100
  end
  one:fail({ "delay", 2 }, ("%s is no quantile: write \"p95\", or any from p50 to p99"):format(shape.quote(text)))
end

local function read_pair(one, delay)
  if #delay ~= 2 then
    return one:fail({ "delay" }, "of a list there are two: { least, most }, or { a time, \"p95\" }")
  end
  local first = read_time(one, { "delay", 1 }, delay[1])
  if delay[2]:find "^%s*p" then
    return { delay_us = first, delay_quantile = read_quantile(one, delay[2]) }
  end
  local most = read_time(one, { "delay", 2 }, delay[2])
  if first and most and most < first then
    one:fail({ "delay", 2 }, "is less than the first one: write the least, then the most")
  end
  return { delay_us = first, delay_most_us = most }
end

local function read_delay(one, delay)
  if type(delay) == "table" then
    return read_pair(one, delay) or {}
  end
  return { delay_us = delay and read_time(one, { "delay" }, delay) }
end

-- The declaration of the resource that it is on; nil after complaining.
local function find(one, on, is_secret, declared)
  local names, found = {}, nil
  for i, resource in ipairs(declared) do
    names[i] = resource.name
    found = resource.name == on and resource or found
  end
  if not found then
    one:fail({ "on" }, ("there is no resource %s%s"):format(is_secret and "of this name" or shape.quote(on),
      suggest(not is_secret and on, names)))
  end
  return found
end

local function check(one, settings, resource)
  local is_broken = settings.cut or settings.code == "lost" or settings.code == "protocol"
  if settings.cut and settings.code ~= "lost" then
    one:fail({ "code" }, "what is cut off ends with lost")
  elseif settings.fail == 0 and settings.connect == 0 and not settings.delay then
    one:fail({}, "does nothing; say fail, delay or connect")
  elseif settings.fail > 0 and is_broken and resource and resource.is_data then
    one:fail({ "fail" }, ("the session of %s is its data, which would be lost with the connection; say another code")
      :format(resource.name))
  end
end

local function read(one, declared, resources, taken)
  local settings, from_env = one:check(chaos.rows)
  local at = settings.on and find(one, settings.on, from_env.on, declared)
  if one.failed then return end
  local resource = resources[settings.on]
  local other = taken[settings.on]
  if other then
    one:fail({ "on" }, ("there is already chaos on it, in %s:%d"):format(other.source.file, other.line))
  end
  taken[settings.on] = one
  check(one, settings, resource)
  local told = read_delay(one, settings.delay)
  if one.failed or not at or not resource then return end
  told.name, told.file, told.line = one.name, one.source.file, one.line
  told.during_us, told.fail, told.connect = settings.during, settings.fail, settings.connect
  told.code, told.is_cut = chaos.codes[settings.code], settings.cut
  told.delay_share, told.seed = settings.delay_share, settings.seed
  resource.chaos = told
end

--- Reads what was declared, and puts it to its resources: fields of struct nebula_chaos; and name, file and line.
---@param list nebula.Declaration[]
---@param declared nebula.Declaration[] of resources, those that are wrong included
---@param resources nebula.DeclaredResource[]
function chaos.collect(list, declared, resources)
  local by_name, names, taken = {}, {}, {}
  for _, resource in ipairs(resources) do
    by_name[resource.name] = resource
  end
  for _, one in ipairs(list) do
    local other = names[one.name]
    if other then
      one:fail({}, ("there is already chaos of this name, in %s:%d"):format(other.source.file, other.line))
    end
    names[one.name] = other or one
    read(one, declared, by_name, taken)
  end
end

return chaos
