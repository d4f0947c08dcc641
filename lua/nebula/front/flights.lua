--- flights: of many tasks of a worker that ask the same at once one asks the server, and the others have its answer.
--
-- Each keeps its own deadline and is cancelled alone. When the one that asks is cancelled, runs out of its own time, or
-- raises, the next one asks in its place; any other error is everybody's.

local c = require "nebula.c"
local codec = require "nebula.codec"
local time = require "nebula.time"
local tree = require "nebula.tree"
local wait = require "nebula.wait"

local lib, engine = c.lib, c.engine

---@class nebula.Flight
---@field package asks nebula.Task who asks the server
---@field package waiting { ticket: integer, task: nebula.Task }[] those that wait for it, in their order
---@field package next table|nil of these the one that is to ask
---@field package bytes string|nil the answer, when there is one that can be copied
---@field package err nebula.Error|nil
---@field package is_over boolean|nil

---@class nebula.Flights
---@field package by_key table<string, nebula.Flight>
---@field waits integer how many answers came from others who asked
local Flights = {}
Flights.__index = Flights

-- What became of one call says nothing of another one with more time, or that nobody cancels.
local own = { cancelled = true, deadline = true }

local function wake_all(flight)
  for _, one in ipairs(flight.waiting) do
    lib.nebula_wake(engine, one.ticket, 0)
  end
end

local function finish(self, key, flight)
  flight.is_over = true
  if self.by_key[key] == flight then
    self.by_key[key] = nil
  end
  wake_all(flight)
end

-- The next one asks. It is no longer one of those that wait.
local function hand_over(self, key, flight)
  local one = table.remove(flight.waiting, 1)
  if not one then
    return finish(self, key, flight)
  end
  flight.next, flight.asks = one, one.task
  lib.nebula_wake(engine, one.ticket, 0)
end

-- What the one that asked has of it, which is also for the others.
local function settle(self, key, flight, ok, value, err, bytes)
  if not ok or err and own[err.code] then
    hand_over(self, key, flight)
  else
    flight.bytes, flight.err = bytes, err
    finish(self, key, flight)
  end
  if not ok then tree.raise(value) end
  return value, err
end

local function lead(self, key, flight, fn, is_late)
  flight.asks, flight.next = wait.current(), nil
  return settle(self, key, flight, tree.try(fn, is_late))
end

local function copy(err)
  local other = {}
  for name, value in pairs(err) do
    other[name] = value
  end
  return setmetatable(other, getmetatable(err))
end

local function leave(self, key, flight, me)
  for at, one in ipairs(flight.waiting) do
    if one == me then
      table.remove(flight.waiting, at)
    end
  end
  if flight.next == me then -- it was to ask, and cannot
    hand_over(self, key, flight)
  end
end

local function now_us()
  return tonumber(lib.nebula_now_us(engine))
end

-- Waits for the end of a flight, or for its turn to ask.
local function join(self, key, flight, until_us, fn)
  local begun_us = now_us()
  local ticket = time.within(until_us - begun_us)
  local me = { ticket = ticket, task = wait.current() }
  flight.waiting[#flight.waiting + 1] = ticket > 0 and me or nil
  local ok, err = wait.settle(ticket)
  if not ok then
    leave(self, key, flight, me)
    return nil, err, now_us() - begun_us
  elseif flight.next == me then
    return time.before(until_us, lead, self, key, flight, fn, true)
  elseif not (flight.err or flight.bytes) then
    local value, failed = time.before(until_us, fn, true) -- the answer cannot be copied
    return value, failed
  end
  self.waits = self.waits + 1
  if flight.err then
    return nil, copy(flight.err), now_us() - begun_us
  end
  return codec.decode(flight.bytes), nil, now_us() - begun_us
end

-- Whose task was abandoned does not come back.
local function is_under_way(flight)
  return flight and not flight.asks.is_ended and not flight.asks.left
end

--- Whether somebody asks just now.
---@param key string
---@return boolean
function Flights:has(key)
  return is_under_way(self.by_key[key]) or false
end

--- What fn gives, or what it gave to another task that asked for the same.
---@param key string
---@param until_us number when who waits here has waited for long enough
---@param fn fun(is_late: boolean|nil): any, nebula.Error|nil, string|nil asks the server; the value, or nil and err;
---  and the value as bytes, if it can be copied; is_late: others have asked before
---@return any value
---@return nebula.Error|nil err
---@return number|nil waited_us for the answer of another task, or in vain
function Flights:ask(key, until_us, fn)
  local flight = self.by_key[key]
  if is_under_way(flight) then
    return join(self, key, flight, until_us, fn)
  end
  flight = { waiting = {} }
  self.by_key[key] = flight
  return lead(self, key, flight, fn)
end

local flights = {}

---@return nebula.Flights
function flights.new()
  return setmetatable({ by_key = {}, waits = 0 }, Flights)
end

return flights
