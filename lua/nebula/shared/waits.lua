--- waits: of tasks at channels of the process (shared.lua), alone or in a select().
--
-- The hub says when a task may look; what became of its wait stands there, and is asked for whatever ended the wait.

local c = require "nebula.c"
local channels = require "nebula.channel"
local codec = require "nebula.codec"
local coroutines = require "nebula.coroutine"
local errors = require "nebula.error"
local hub = require "nebula.hub"
local time = require "nebula.time"
local wait = require "nebula.wait"

local lib, engine = c.lib, c.engine
local may_park = coroutines.may_park

local waits = {}

--- What try, wait and finish of the hub brought.
---@param got string|true|nil
---@return any # a value; true when it was sent; or nil
---@return nebula.Error|nil # that it was closed
function waits.outcome(got)
  if got == nil then return channels.closed() end
  if got == true then return true end
  return codec.decode(got)
end

local function full(self)
  return errors.new("full", "wait", "failed", ("too many tasks, or too large values, wait at the channel %s already")
    :format(self.name))
end

-- A task that is abandoned where it waits does not come back for what it is given.
local function let_go(task)
  local one = task.shared_wait
  task.shared_wait, task.let_go = nil, nil
  hub.finish(one, true)
end

local function begin(task, one)
  task.shared_wait, task.let_go = one, let_go
end

local function finish(task)
  local one = task.shared_wait
  task.shared_wait, task.let_go = nil, nil
  return hub.finish(one)
end

--- Waits at one channel.
---@param self nebula.SharedChannel
---@param bytes string|false what is to be sent; false: receives
---@param task nebula.Task
---@param within_us integer|nil
---@return any as outcome()
---@return nebula.Error|nil err
function waits.at(self, bytes, task, within_us)
  local ticket = within_us and time.within(within_us) or lib.nebula_wait(engine)
  local which, got
  if ticket > 0 and may_park() then
    which, got = hub.wait(ticket, self.handle, bytes)
    if which == false then
      begin(task, got)
    else
      lib.nebula_wake(engine, ticket, 0)
    end
  end
  local _, err = wait.settle(ticket)
  if which == false then
    which, got = finish(task)
  elseif not which and got then
    return nil, full(self)
  end
  if which then return waits.outcome(got) end
  return nil, err
end

-- --- select() ---------------------------------------------------------------------------------------

-- Of a select(), also over channels of both kinds: group.shared says where these functions are, for line.lua.

local function note(place, got)
  place.end_of_it = got == nil and "closed" or "served"
  if type(got) == "string" then place.value = codec.decode(got) end
end

local function of_group(group)
  local places, cases = {}, {}
  for i = 1, #group do
    if group[i].bytes ~= nil then
      places[#places + 1] = group[i]
      cases[#cases + 1] = group[i].line.channel.handle
      cases[#cases + 1] = group[i].bytes
    end
  end
  return places, cases
end

--- Whether a place brings something without waiting, and what.
---@param place nebula.SharedPlace
---@return boolean is_done
---@return any ... as outcome()
function waits.try(place)
  local which, got = hub.try(place.line.channel.handle, place.bytes)
  if not which then return false end
  return true, waits.outcome(got)
end

--- The task waits with this ticket for all of ours.
---@param group table
---@param task nebula.Task
---@param ticket integer
function waits.stand(group, task, ticket)
  local places, cases = of_group(group)
  group.places, group.task = places, task
  local which, got = hub.wait(ticket, unpack(cases))
  if which == false then return begin(task, got) end
  lib.nebula_wake(engine, ticket, 0)
  if which then
    note(places[which], got)
  else
    group.refused = full(places[1].line.channel)
  end
end

--- Ends that: what came stands in its place.
---@param group table
---@return boolean has_come
function waits.leave(group)
  if not group.task.shared_wait then return true end
  local which, got = finish(group.task)
  if which then note(group.places[which], got) end
  return which ~= nil
end

---@class nebula.SharedPlace as nebula.Place
---@field bytes string|false what is to be sent; false: it receives

--- A place that waits nowhere yet.
---@param line table
---@param bytes string|false
---@return nebula.SharedPlace
function waits.place(line, bytes)
  return { line = line, bytes = bytes, value = nil, group = false, end_of_it = false }
end

return waits
