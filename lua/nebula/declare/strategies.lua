--- strategies: what was declared as strategies, which say how large the pools that name them are.
--
-- `size` is a question (engine/question.h) that is asked by nebula.strategies. It has no default: without an answer a
-- pool stays as large as it is.

local keys = require "nebula.keys"
local shape = require "nebula.shape"
local spans = require "nebula.declare.spans"
local suggest = require "nebula.suggest"

local HINTS = 50 -- so many unknown names are compared with so many known ones: it takes time

---@class nebula.Strategy
---@field name string
---@field every_us integer
---@field size nebula.Asked

---@class nebula.Strategies
---@field private declared table<string, nebula.Declaration>
---@field private read table<string, nebula.Strategy>
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
  every = spans.span("5s", "How often it is asked, of each pool; up to a tenth is taken off.", 100000),
  size = {
    type = "question", required = true, class = "live", answer = strategies.answer,
    text = "How many connections there may be: a number, which is rounded up and kept within pool.min and pool.max; "
      .. "nil: as many as now.",
  },
}

--- Collects the declared strategies by name; those of a later layer replace those of an earlier one.
---@param declarations nebula.Declaration[]
---@return nebula.Strategies
function strategies.collect(declarations)
  local by_name = {}
  for _, one in ipairs(declarations) do
    local other = by_name[one.name]
    if other and other.source.layer == one.source.layer then
      one:fail({}, ("there is already a strategy of this name, in %s:%d"):format(other.source.file, other.line))
    else
      by_name[one.name] = one
    end
  end
  return setmetatable({ declared = by_name, read = {}, hints = 0 }, Strategies)
end

--- The whole settings of a declared strategy, errors reported; on errors they are not to be used.
function Strategies:resolve(one)
  if not self.read[one.name] then
    local settings = one:check(strategies.rows)
    self.read[one.name] = { name = one.name, every_us = settings.every, size = settings.size }
  end
  return self.read[one.name]
end

--- Checks every strategy that somebody declared. Those that ship are right, and wait until they are asked for.
---@param declarations nebula.Declaration[]
function Strategies:check(declarations)
  for _, one in ipairs(declarations) do
    if self.declared[one.name] == one and one.source.layer > 1 then
      self:resolve(one)
    end
  end
end

-- What an unknown name may have meant.
function Strategies:suggest(name)
  self.hints = self.hints + 1
  local known = self.hints <= HINTS and keys(self.declared) or {}
  return #known <= HINTS and suggest(name, known) or ""
end

--- A strategy by its name; nil and why there is none. What did not pass is not to be used.
---@param name string
---@param is_secret boolean|nil the name may not be repeated
---@return nebula.Strategy|nil
---@return string|nil why
function Strategies:get(name, is_secret)
  local one = self.declared[name]
  if one then return self:resolve(one) end
  return nil, ("there is no strategy %s%s"):format(is_secret and "of this name" or shape.quote(name),
    self:suggest(not is_secret and name))
end

return strategies
