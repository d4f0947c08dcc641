--- strategies: what was declared as strategies, which say how large the pools that name them are.
--
-- `size` is a question (engine/question.h) that is asked by nebula.strategies. It has no default: without an answer a
-- pool stays as large as it is.

local named = require "nebula.declare.named"
local spans = require "nebula.declare.spans"

---@class nebula.Strategy
---@field name string
---@field every_us integer
---@field size nebula.Asked

---@class nebula.Strategies
---@field private known nebula.Named
local Strategies = {}
Strategies.__index = Strategies

local strategies = {}

--- What a size is. What lies beyond the bounds of the pool becomes one of these, so here it has none.
strategies.answer = { type = "number" }

--- What a function gets, in this order: each field, its unit, and the manual's sentence.
strategies.fields = {
  { "resource", "text", "The name of the resource." },
  { "role", "text", "Which of its pools it is: the kind has one for each role." },
  { "size", "connections", "How many there may be now: the last answer, or `max` before there was one." },
  { "min", "connections", "The least that it may be: `pool.min`, or as `nebula resize` left it; at least 1." },
  { "max", "connections", "The most that it may be: `pool.max`, or as `nebula resize` left it." },
  { "in_use", "connections", "How many are leased, just now." },
  { "idle", "connections", "How many wait to be lent, just now." },
  { "opening", "connections", "How many are being opened, just now." },
  { "waiting", "callers", "How many wait for a connection, just now." },
  { "window_s", "seconds", "Of how long the figures below are: the last two to four minutes, or since it was made." },
  { "leases", "count", "Connections given out in it." },
  { "waited", "count", "Of these, how many were waited for." },
  { "refused", "count", "How many got none, because the queue was full or their time in it was over." },
  { "arrivals_per_s", "per second", "Leases and these refusals together." },
  { "utilisation", "share", "How much of `size` was leased: 1 is all connections for all of the time." },
  { "wait_p50_s", "seconds", "Half of the leases were waited for no longer than this." },
  { "wait_p95_s", "seconds", "The same of 95 in 100 leases." },
  { "wait_p99_s", "seconds", "The same of 99 in 100 leases." },
  { "wait_max_s", "seconds", "The longest wait." },
  { "hold_p50_s", "seconds", "Half of the leases that ended were held no longer than this." },
  { "hold_p95_s", "seconds", "The same of 95 in 100." },
  { "hold_p99_s", "seconds", "The same of 99 in 100." },
  { "hold_max_s", "seconds", "The longest hold." },
  { "hold_mean_s", "seconds", "How long they were held on average." },
  { "advised", "connections", "What `nebula inspect` recommends; 0 where fewer than 100 leases tell nothing." },
}

strategies.rows = {
  like = { type = "string", max = 64, class = "live", text = "The strategy that says what this one does not." },
  every = spans.span("5s", "How often it is asked, of each pool; up to a tenth is taken off.", 100000),
  size = {
    type = "question", class = "live", answer = strategies.answer,
    text = "How many connections there may be: a number, which is rounded up and kept within pool.min and pool.max; "
      .. "nil: as many as now. There is no default.",
  },
}

local function read(one, base)
  local settings = one:check(strategies.rows, base)
  if one.settings.size == nil and one.settings.like == nil then
    one:fail({ "size" }, "is missing")
  end
  return settings
end

--- Collects the declared strategies by name; those of a later layer replace those of an earlier one.
---@param declarations nebula.Declaration[]
---@return nebula.Strategies
function strategies.collect(declarations)
  return setmetatable({ known = named.collect("strategy", declarations, read) }, Strategies)
end

--- Checks every strategy that somebody declared. Those that ship are right, and wait until they are asked for.
---@param declarations nebula.Declaration[]
function Strategies:check(declarations)
  self.known:check(declarations)
end

--- A strategy by its name; nil and why there is none. What did not pass is not to be used.
---@param name string
---@param is_secret boolean|nil the name may not be repeated
---@return nebula.Strategy|nil
---@return string|nil why
function Strategies:get(name, is_secret)
  local one, why = self.known:find(name, is_secret)
  if not one then
    return nil, why
  end
  local settings = self.known:resolve(one)
  return { name = name, every_us = settings.every, size = settings.size }
end

return strategies
