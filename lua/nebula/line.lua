--- line: tasks that wait for something of a channel, the one who waited longest first.
--
-- A task waits in one place or, in select(), in several, each in another line. Whether it was served is written down
-- in its place. What its ticket says is only when it may look: a deadline that comes in the same turn takes nothing
-- back, so what was handed over is neither lost nor there twice.

local c = require "nebula.c"
local coroutines = require "nebula.coroutine"
local errors = require "nebula.error"
local time = require "nebula.time"
local wait = require "nebula.wait"

local lib, engine = c.lib, c.engine
local may_park = coroutines.may_park

local WAITING_MOST = 10000 -- tasks in a line

---@class nebula.Line one side of a channel, in a circle: behind the line is the first place, before it the last
---@field channel nebula.Channel
---@field is_sending boolean
---@field count integer
---@field before nebula.Place|nebula.Line
---@field after nebula.Place|nebula.Line

---@class nebula.Place of a task that waits, in one line
---@field line nebula.Line
---@field value any what a sender sends, or a receiver was given
---@field task nebula.Task|false
---@field co thread|false the task's own; a task that was abandoned goes on in another one
---@field ticket integer
---@field group nebula.Place[]|false all of a select(); `shared` of it: where those of channels of the process stand
---@field before nebula.Place|nebula.Line|false while it is in the line
---@field after nebula.Place|nebula.Line|false
---@field end_of_it "served"|"closed"|false

local lines = {}

-- All fields are there from the beginning, because a table that grows costs more than all the rest.
--- A place in no line yet.
---@param line nebula.Line
---@param value any what is to be sent
---@return nebula.Place
function lines.place(line, value)
  return { line = line, value = value, task = false, co = false, ticket = 0, group = false, before = false,
    after = false, end_of_it = false }
end

--- A line in which nobody waits.
---@param channel nebula.Channel
---@param is_sending boolean
---@return nebula.Line
function lines.new(channel, is_sending)
  local line = { channel = channel, is_sending = is_sending, count = 0 }
  line.before, line.after = line, line
  return line
end

local function append(place, task, ticket)
  local line = place.line
  place.task, place.co, place.ticket = task, task.co, ticket
  place.before, place.after = line.before, line
  line.before.after, line.before = place, place
  line.count = line.count + 1
end

--- Idempotent.
---@param place nebula.Place
local function leave(place)
  if not place.before then return end
  place.before.after, place.after.before = place.after, place.before
  place.before, place.after = false, false
  place.line.count = place.line.count - 1
end

local function leave_all(place)
  local group = place.group
  if not group then return leave(place) end
  for i = 1, #group do leave(group[i]) end
end

-- A task that was abandoned where it waits does not come back for what it is given. One that waits elsewhere too, for
-- what another thread brings, leaves there first, unless that has brought something.
local function may_serve(place)
  local shared = place.group and place.group.shared
  return place.task.co == place.co and not (shared and shared.leave(place.group))
end

--- Who has waited longest, and is to be served now.
---@param line nebula.Line
---@return nebula.Place|nil
function lines.first(line)
  local place = line.after
  while place ~= line and not may_serve(place) do
    leave_all(place)
    place = line.after
  end
  return place ~= line and place or nil
end

--- Ends the wait of a task.
---@param place nebula.Place where it waits
---@param end_of_it "served"|"closed"
function lines.serve(place, end_of_it)
  place.end_of_it = end_of_it
  leave_all(place)
  lib.nebula_wake(engine, place.ticket, 0)
end

--- Why nobody more can wait in it.
---@param line nebula.Line
---@return nebula.Error|nil
function lines.refuse_if_full(line)
  if line.count < WAITING_MOST then return end
  return errors.new("full", "wait", "failed", ("%d tasks wait to %s already, which is the most"):format(WAITING_MOST,
    line.is_sending and "send" or "receive"))
end

local function stand_in_all(group, task, ticket)
  if group.shared then group.shared.stand(group, task, ticket) end
  for i = 1, #group do
    if group[i].bytes == nil then append(group[i], task, ticket) end
  end
end

-- Whether one can wait here is asked for a group only: to ask costs as much as to wait.
--- Waits until the place, or one of its group, has an end; or for no longer. Whoever cannot wait here is told so by
--- settle(), and stands in no line then.
---@param place nebula.Place
---@param task nebula.Task
---@param within_us integer|nil
---@return nebula.Error|nil err why it waits no longer; what counts is what stands in the place
function lines.wait(place, task, within_us)
  local ticket = within_us and time.within(within_us) or lib.nebula_wait(engine)
  local group = place.group
  if ticket > 0 and not group then
    append(place, task, ticket)
  elseif ticket > 0 and may_park() then
    stand_in_all(group, task, ticket)
  end
  local _, err = wait.settle(ticket, nil, leave, place)
  leave_all(place)
  if group and group.shared then group.shared.leave(group) end
  return err
end

return lines
