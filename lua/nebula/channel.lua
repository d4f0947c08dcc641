--- channel: values from task to task, in order, and no more of them on the way than was said.
--
--   local jobs = channel(16)
--   task(function() for job in jobs do work(job) end end)
--   jobs:send(job)
--   jobs:close()
--
-- A value goes to the one who waited longest, by direct hand-over, and a newcomer never overtakes: receivers wait
-- only while nothing lies in the channel, senders only while it is full.

local c = require "nebula.c"
local errors = require "nebula.error"
local lines = require "nebula.line"
local options = require "nebula.options"
local outside = require "nebula.outside"
local wait = require "nebula.wait"

local lib, engine = c.lib, c.engine

local CAPACITY_MOST = 1000000 -- values in a channel

---@class nebula.Channel
---@field package capacity integer
---@field package ring any[] the values that lie in it, from place `head` on, in a circle
---@field package head integer
---@field package held integer how many
---@field package senders nebula.Line
---@field package receivers nebula.Line
---@field package is_closed boolean|nil
---@field package served_at integer when select() last chose it
local Channel = {}
Channel.__index = Channel

local channels = { Channel = Channel }

-- --- what can be done at once -----------------------------------------------------------------------

local function push(self, value)
  self.ring[(self.head + self.held) % self.capacity + 1] = value
  self.held = self.held + 1
end

local function shift(self)
  local at = self.head + 1
  local value = self.ring[at]
  self.ring[at], self.head, self.held = false, at % self.capacity, self.held - 1
  return value
end

--- Puts a value where it goes without waiting. It is not closed.
---@param self nebula.Channel
---@param value any
---@return boolean is_put
function channels.put(self, value)
  local receiver = self.receivers.count > 0 and lines.first(self.receivers)
  if receiver then
    receiver.value = value
    lines.serve(receiver, "served")
    return true
  elseif self.held < self.capacity then
    push(self, value)
    return true
  end
  return false
end

--- Takes the oldest value.
---@param self nebula.Channel
---@return any value nil when there is none
function channels.take(self)
  local sender = self.senders.count > 0 and lines.first(self.senders)
  if self.held > 0 then
    local value = shift(self)
    if sender then
      push(self, sender.value)
      lines.serve(sender, "served")
    end
    return value
  elseif sender then
    lines.serve(sender, "served")
    return sender.value
  end
end

--- What is said of a channel that was closed.
---@return nil
---@return nebula.Error
function channels.closed()
  return nil, errors.new("closed", "stop", "failed", "the channel was closed")
end

-- --- waiting ----------------------------------------------------------------------------------------

---@class nebula.ChannelOptions
---@field deadline string|nil how long to wait, a duration; never beyond that of the task
---@field fail_fast boolean|nil do not wait at all

local known = { deadline = "string", fail_fast = "boolean" }

--- Reads the options of a function.
---@param what string its name
---@param given nebula.ChannelOptions
---@return integer|nil within_us
---@return boolean|nil is_fail_fast
function channels.read(what, given)
  local span = options.check(what, given, known).deadline
  return span and options.span(what, span), given.fail_fast
end

--- The task that asks. One that was cancelled is told so even where it would not have to wait.
---@param what string the function
---@return nebula.Task|nil
---@return nebula.Error|nil
function channels.asking(what)
  local self = wait.current() or errors.raise("%s works only inside a task", what)
  outside.touch("a channel")
  if self.is_cancelled and not self.is_ending then
    return nil, select(2, wait.settle(lib.nebula_wait(engine)))
  end
  return self
end

local spare = false -- places that were used, in a chain by `after`: to make one takes longer than all the rest

local function wait_in(line, value, task, within_us)
  local full = lines.refuse_if_full(line)
  if full then return nil, full end
  local place = spare or lines.place(line)
  spare = place.after
  place.line, place.value, place.end_of_it = line, value, false
  local err = lines.wait(place, task, within_us)
  local end_of_it, got = place.end_of_it, place.value
  place.value, place.task, place.co, place.after, spare = false, false, false, spare, place
  if not end_of_it then
    return nil, err
  elseif end_of_it == "closed" then
    return channels.closed()
  end
  return line.is_sending or got
end

-- --- what a workflow says ---------------------------------------------------------------------------

local function check(self, name)
  errors.check_self(self, Channel, "channel", name)
end

local function check_value(value)
  if value == nil then
    errors.raise("a channel takes no nil, which means its end; send null or false")
  end
end

--- The place of a value that is to be sent, for select().
---@param value any not nil
---@return nebula.Place
function Channel:offer(value)
  check(self, "offer")
  check_value(value)
  return lines.place(self.senders, value)
end

--- The place of somebody who receives.
---@package
function Channel:accept()
  return lines.place(self.receivers)
end

local function no_room(self)
  return errors.new("full", "wait", "failed", self.capacity == 0 and "nobody waits for a value of the channel"
    or ("%d values lie in the channel, which is the most"):format(self.capacity))
end

--- Sends a value: waits while the channel is full or, with the capacity 0, until somebody receives it.
---@param given nebula.ChannelOptions|any the value, when nothing follows
---@param ... any the value behind options
---@return true|nil
---@return nebula.Error|nil err closed, full, deadline, cancelled; the value was certainly not sent
function Channel:send(given, ...)
  check(self, "send")
  local value, within_us, is_fail_fast = given, nil, nil
  if select("#", ...) > 0 then
    value, within_us, is_fail_fast = (...), channels.read("send", given)
  end
  check_value(value)
  local task, cancelled = channels.asking("send")
  if not task then return nil, cancelled end
  if self.is_closed then return channels.closed() end
  if channels.put(self, value) then return true end
  if is_fail_fast then return nil, no_room(self) end
  return wait_in(self.senders, value, task, within_us)
end

--- Receives the oldest value: waits while there is none.
---@param given nebula.ChannelOptions|nil
---@return any value nil when there is none
---@return nebula.Error|nil err closed when the channel was closed and nothing lies in it any more; empty, full,
--- deadline, cancelled
function Channel:receive(given)
  check(self, "receive")
  local within_us, is_fail_fast
  if given then within_us, is_fail_fast = channels.read("receive", given) end
  local task, cancelled = channels.asking("receive")
  if not task then return nil, cancelled end
  local value = channels.take(self)
  if value ~= nil then return value end
  if self.is_closed then return channels.closed() end
  if is_fail_fast then return nil, errors.new("empty", "wait", "failed", "nothing lies in the channel") end
  return wait_in(self.receivers, nil, task, within_us)
end

--- Nothing can be sent any more; what lies in it can be received. Who waits is told. Idempotent.
---@return true
function Channel:close()
  check(self, "close")
  outside.touch("a channel")
  self.is_closed = true
  for _, line in ipairs { self.receivers, self.senders } do
    local place = lines.first(line)
    while place do
      lines.serve(place, "closed")
      place = lines.first(line)
    end
  end
  return true
end

--- How many values lie in it.
---@return integer
function Channel:count()
  check(self, "count")
  return self.held
end

-- As the iterator of a for: the values until it is closed and empty. There is no place for another error, so that is
-- raised.
function Channel.__call(self)
  local value, err = self:receive()
  if err and err.code ~= "closed" then error(err, 0) end
  return value
end

function Channel:__tostring()
  return ("channel: %d of %d%s"):format(self.held, self.capacity, self.is_closed and ", closed" or "")
end

--- Makes a channel.
---@param capacity integer|nil see init.lua
---@return nebula.Channel
function channels.new(capacity)
  capacity = capacity or 0
  if type(capacity) ~= "number" or capacity < 0 or capacity > CAPACITY_MOST or capacity ~= math.floor(capacity) then
    errors.raise("channel(capacity): the capacity must be a whole number from 0 to %d, not %s", CAPACITY_MOST,
      tostring(capacity))
  end
  local self = setmetatable({ capacity = capacity, ring = {}, head = 0, held = 0, served_at = 0 }, Channel)
  self.senders, self.receivers = lines.new(self, true), lines.new(self, false)
  return self
end

return channels
