--- listen: what a server tells without being asked, note by note.
--
--   for note in assert(orders:listen "jobs") do ... end
--
-- All listeners of a resource hear by one connection of its pool. Whoever listens hears all that is told from then
-- on, each note once and in order, or a note of a gap: then something was missed before whatever follows, and he
-- looks for himself.

local c = require "nebula.c"
local call = require "nebula.call"
local errors = require "nebula.error"
local options = require "nebula.options"
local outside = require "nebula.outside"
local units = require "nebula.units"
local wait = require "nebula.wait"

local lib, engine = c.lib, c.engine

local QUEUE, QUEUE_MOST, BYTES = 1000, 1000000, "1MB"

local known = { queue = "number", bytes = "string", deadline = "string" }

local asked = c.new "struct nebula_channels"
local told = c.new "struct nebula_told"

---@class nebula.ListenOptions
---@field deadline string|nil how long to wait until it hears; default: the policy's
---@field queue integer|nil most notes that wait to be heard, 1000; beyond it the oldest are dropped
---@field bytes string|nil a size, "1MB": most bytes of them together

---@class nebula.Note what was told; or a gap
---@field channel string|nil
---@field payload string|nil
---@field pid integer|nil of the server's process whose session told it
---@field gap string|nil why something was missed: "lost", "closed" the connection's life ended, "full" it was dropped
--- because the queue was full; or another code of an error
---@field text string|nil of a gap: the sentence
---@field seconds number|nil of a gap: how long nothing was heard
---@field missed integer|nil of a gap: notes that were dropped here

---@class nebula.Listener
---@field package id integer|nil the engine's number; nil once it was closed
---@field package name string of the resource
local Listener = {}
Listener.__index = Listener

-- Who leaves a loop over a listener in the middle does not know it any more. Tables have no finalisers, so this hangs
-- on an empty userdata beside it.
local function close_when_forgotten(id)
  local finaliser = newproxy(true)
  getmetatable(finaliser).__gc = function()
    lib.nebula_unlisten(engine, id)
  end
  return finaliser
end

local function note_of(ticket)
  lib.nebula_told(engine, ticket, told)
  if told.gap ~= 0 then
    return {
      gap = c.string(lib.nebula_error_name(told.gap)), text = c.string(told.bytes, told.size),
      seconds = tonumber(told.span_us) / 1e6, missed = tonumber(told.missed),
    }
  end
  return {
    channel = c.string(told.channel, told.channel_size), payload = c.string(told.bytes, told.size),
    pid = tonumber(told.from),
  }
end

local function check(self, name)
  errors.check_self(self, Listener, "listener", name)
  outside.touch("a listener")
end

-- Waits for a ticket of listen or hear. Owes call.done(ticket).
local function await(name, ticket)
  local code = wait.await(ticket)
  if code < 0 then
    return nil, errors.from_code(name, code)
  end
  lib.nebula_reply(engine, ticket, call.reply)
  if code == 0 then
    return ticket
  end
  local err = errors.from_reply(name, call.reply)
  call.done(ticket)
  return nil, err
end

--- What is heard next. Of several tasks the first that asks is served first.
---@param deadline string|nil a duration to wait at most; "0s": only for what was told already. Default: none
---@return nebula.Note|nil
---@return nebula.Error|nil err deadline, cancelled, or closed: nothing more will come
function Listener:next(deadline)
  check(self, "next")
  local within_us = deadline == nil and 0 or math.max(options.span("next", deadline), 1)
  if not self.id then
    return nil, errors.new("closed", "stop", "failed", self.name .. ": the listener was closed")
  end
  local ticket, err = await(self.name, lib.nebula_hear(engine, self.id, within_us))
  if not ticket then
    return nil, err
  end
  local note = note_of(ticket)
  call.done(ticket)
  return note
end

--- Hears no more, and forgets what was not heard. Idempotent.
---@return true
function Listener:close()
  check(self, "close")
  if self.id then
    getmetatable(self.finaliser).__gc = nil
    lib.nebula_unlisten(engine, self.id)
    self.id, self.finaliser = nil, nil
  end
  return true
end

-- As the iterator of a for: it ends when nothing more will come; there is no place for another error there, so that
-- is raised.
function Listener:__call()
  local note, err = self:next()
  if err and err.code ~= "closed" then
    error(err, 0)
  end
  return note
end

local function check_channels(self, channels, most)
  if #channels == 0 then
    errors.raise("listen: which channels of %s?", self.name)
  end
  for i = 1, #channels do
    local name = channels[i]
    if type(name) ~= "string" then
      errors.raise("listen: a channel is a string, not a %s", type(name))
    elseif #name < 1 or #name > most or name:find("\0", 1, true) then
      errors.raise("listen: a channel's name has 1 to %d bytes and no NUL, and this one has %d: %q", most, #name,
        name:sub(1, most))
    end
  end
end

local function room(given)
  local queue = given.queue or QUEUE
  if not (queue >= 1 and queue <= QUEUE_MOST) or queue ~= math.floor(queue) then
    errors.raise("listen: queue must be a whole number of notes from 1 to %d, not %g", QUEUE_MOST, queue)
  end
  local bytes, why = units.size(given.bytes or BYTES)
  if not bytes or bytes < 1 then
    errors.raise("listen: bytes: %s", why or "at least 1B")
  end
  return queue, bytes
end

local listen = {}

--- Listens to channels of a resource from the moment in which this returns.
---@param self nebula.Resource
---@param first nebula.ListenOptions|string options if any, the channels
---@param ... string
---@return nebula.Listener|nil
---@return nebula.Error|nil
function listen.open(self, first, ...)
  local given, channels = {}, { first, ... }
  if type(first) == "table" then
    given, channels = options.check("listen", first, known), { ... }
  end
  check_channels(self, channels, self.kind.listen.most)
  local queue, bytes = room(given)
  local within_us = call.span(given.deadline)
  if not within_us then
    return nil, call.too_late(self)
  end
  local names = c.new("const char *[?]", #channels, channels)
  asked.resource, asked.count, asked.name = self.id, #channels, names
  asked.queue, asked.bytes, asked.within_us = queue, bytes, within_us
  local ticket, err = await(self.name, lib.nebula_listen(engine, asked))
  if not ticket then
    return nil, err
  end
  local id = call.reply.listener
  call.done(ticket)
  return setmetatable({ id = id, name = self.name, finaliser = close_when_forgotten(id) }, Listener)
end

return listen
