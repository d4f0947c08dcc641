--- shared: channels of the whole process, from worker to worker.
--
--   local jobs = channel("jobs", { bytes = "4MB" })   -- the same one in every worker that says so
--
-- They are what channel.lua makes, but for these: values are copied (codec.lua), of which nil is one, the bound is in
-- bytes, and all who wait at one, in whatever worker, stand in one line (engine/hub.h).

local channels = require "nebula.channel"
local codec = require "nebula.codec"
local errors = require "nebula.error"
local hub = require "nebula.hub"
local options = require "nebula.options"
local outside = require "nebula.outside"
local units = require "nebula.units"
local waits = require "nebula.shared.waits"

local BYTES = 1000000       -- default bound
local BYTES_MOST = 1e9
local HANDED_MOST = 1000000 -- bytes of one value where a channel holds none
local NAME_MOST = 200       -- bytes

---@class nebula.SharedChannel
---@field name string
---@field most integer bytes that lie in it at most
---@field package handle userdata
---@field package served_at integer when select() last chose it
---@field package sending { channel: nebula.SharedChannel, is_sending: boolean } as a line of channel.lua
---@field package receiving { channel: nebula.SharedChannel, is_sending: boolean }
local Shared = {}
Shared.__index = Shared

local shared = { Shared = Shared }

-- --- what a workflow says ---------------------------------------------------------------------------

local function check(self, name)
  errors.check_self(self, Shared, "channel", name)
end

-- What is no value for it is a mistake of the program. How large one is may depend on the world.
local function bytes_of(self, value, what)
  local bytes, why, is_too_large = codec.encode(value, "value", self.most > 0 and self.most or HANDED_MOST)
  if bytes then return bytes end
  if not is_too_large then errors.raise("%s: %s", what, why) end
  return nil, errors.new("limit", "fix", "failed", ("the channel %s: %s"):format(self.name, why))
end

-- Nil is a value, so it has to be there.
local function check_given(count, what)
  if count == 0 then errors.raise("%s: no value is given; nil is one, when it is written", what) end
end

--- The place of a value that is to be sent, for select(). The value is copied now; one that is too large raises.
---@param ... any the value
---@return nebula.SharedPlace
function Shared:offer(...)
  check(self, "offer")
  check_given(select("#", ...), "offer")
  local value = ...
  local bytes, err = bytes_of(self, value, "offer")
  if not bytes then error(err, 0) end
  return waits.place(self.sending, bytes)
end

--- The place of somebody who receives.
---@package
function Shared:accept()
  return waits.place(self.receiving, false)
end

local function no_room(self)
  local count, bytes = hub.state(self.handle)
  return errors.new("full", "wait", "failed", self.most == 0 and "nobody waits for a value of the channel"
    or ("%d values lie in the channel %s: %d bytes, and %d is the most"):format(count, self.name, bytes, self.most))
end

--- Sends a copy of a value: waits while there is no room for it or, with bytes = "0B", until somebody receives it.
---@param ... any the value, or nebula.ChannelOptions and the value
---@return true|nil
---@return nebula.Error|nil err closed, full, limit (it is larger than the channel), deadline, cancelled; the value was
--- certainly not sent
function Shared:send(...)
  check(self, "send")
  local count = select("#", ...)
  check_given(count, "send")
  local given, value = ...
  local within_us, is_fail_fast
  if count == 1 then
    value = given
  else
    within_us, is_fail_fast = channels.read("send", given)
  end
  local bytes, too_large = bytes_of(self, value, "send")
  local task, cancelled = channels.asking("send")
  if not task or not bytes then return nil, cancelled or too_large end
  local which, got = hub.try(self.handle, bytes)
  if which then return waits.outcome(got) end
  if is_fail_fast then return nil, no_room(self) end
  return waits.at(self, bytes, task, within_us)
end

--- Receives the oldest value: waits while there is none.
---@param given nebula.ChannelOptions|nil
---@return any value nil when there is none, with an error; without one it is what was sent
---@return nebula.Error|nil err closed, empty, full, deadline, cancelled
function Shared:receive(given)
  check(self, "receive")
  local within_us, is_fail_fast
  if given then within_us, is_fail_fast = channels.read("receive", given) end
  local task, cancelled = channels.asking("receive")
  if not task then return nil, cancelled end
  local which, got = hub.try(self.handle, false)
  if which then return waits.outcome(got) end
  if is_fail_fast then return nil, errors.new("empty", "wait", "failed", "nothing lies in the channel") end
  return waits.at(self, false, task, within_us)
end

--- Nothing can be sent any more, in no worker; what lies in it can be received. Who waits is told. Idempotent.
---@return true
function Shared:close()
  check(self, "close")
  outside.touch("a channel")
  hub.close(self.handle)
  return true
end

--- How many values lie in it.
---@return integer
function Shared:count()
  check(self, "count")
  return (hub.state(self.handle))
end

-- As the iterator of a for: the values until it is closed and empty. At a nil it would end before.
function Shared.__call(self)
  local value, err = self:receive()
  if err and err.code ~= "closed" then
    error(err, 0)
  elseif value == nil and not err then
    errors.raise("a nil came through the channel %s, at which a loop ends; receive() takes it", self.name)
  end
  return value
end

function Shared:__tostring()
  local count, bytes, is_closed = hub.state(self.handle)
  return ("channel %s: %d values, %d of %d bytes%s"):format(self.name, count, bytes, self.most,
    is_closed and ", closed" or "")
end

local known = { bytes = "string" }

local function read(name, given)
  if tonumber(name) then
    errors.raise("channel(%q): a capacity is a whole number, and no string; a name is no number", name)
  elseif name == "" or #name > NAME_MOST or name:find "%z" then
    errors.raise("channel(name): a name has 1 to %d bytes, and none of them is zero", NAME_MOST)
  end
  local text = given and options.check("channel(name)", given, known).bytes
  if not text then return BYTES end
  local most, why = units.size(text)
  if not most or most > BYTES_MOST then
    errors.raise("channel(%q): bytes: %s", name, why or ("at most %s"):format(units.show_size(BYTES_MOST)))
  end
  return most
end

local opened = setmetatable({}, { __mode = "v" }) -- by name: the same thing, for as long as somebody knows it

--- The channel of that name, made when there is none in the process.
---@param name string
---@param given { bytes: string|nil }|nil a size, default "1MB"; "0B": each value is handed over to who waits for it
---@return nebula.SharedChannel
function shared.open(name, given)
  return shared.of(name, read(name, given))
end

-- What nobody knows any more may not have been collected yet.
local function open(name, most)
  local handle, why, other = hub.open(name, most)
  if why ~= "full" then return handle, other end
  collectgarbage()
  handle, why, other = hub.open(name, most)
  if why ~= "full" then return handle, other end
  errors.raise("channel(%q): the process has so many channels with names that there cannot be one more", name)
end

--- The same, with the bound in bytes, and another thing each time.
---@param name string
---@param most integer
---@return nebula.SharedChannel
function shared.new(name, most)
  local handle, other = open(name, most)
  if not handle then
    errors.raise("channel(%q): it is there with bytes = %q, not %q; say the same everywhere", name,
      units.show_size(other), units.show_size(most))
  end
  local self = setmetatable({ name = name, most = most, handle = handle, served_at = 0 }, Shared)
  self.sending, self.receiving = { channel = self, is_sending = true }, { channel = self, is_sending = false }
  return self
end

--- The same thing for all of this worker.
---@param name string
---@param most integer
---@return nebula.SharedChannel
function shared.of(name, most)
  local self = opened[name]
  if not self or self.most ~= most then
    self = shared.new(name, most)
    opened[name] = self
  end
  return self
end

--- Forgets what new() gave, before it is collected: nobody in this worker uses it any more.
---@param self nebula.SharedChannel
function shared.forget(self)
  hub.forget(self.handle)
end

--- The end of a channel for all, with what lies in it: that would keep it for as long as the process lives.
---@param self nebula.SharedChannel
function shared.discard(self)
  hub.close(self.handle)
  repeat
    local _, bytes = hub.try(self.handle, false)
  until bytes == nil
  hub.forget(self.handle)
end

return shared
