--- select: the first of several channels that has something, or room for something.
--
--   local from, value, err = select({ deadline = "1s" }, jobs, results:offer(answer))
--
-- Of several that are ready, the one that was chosen longest ago is chosen, so that none is forgotten.

local channels = require "nebula.channel"
local errors = require "nebula.error"
local lazy = require "nebula.lazy"
local lines = require "nebula.line"

local shared = lazy "nebula.shared"
local waits = lazy "nebula.shared.waits"

local SHARED_MOST = 64 -- channels of the process in one select(), as engine/hub_lua.c has it

local chosen = 0 -- how often so far

local function is_channel(x)
  local class = getmetatable(x)
  return class == channels.Channel or class ~= nil and package.loaded["nebula.shared"] and class == shared.Shared
end

local function is_offer(x)
  return type(x) == "table" and type(x.line) == "table"
end

-- A channel stands in it once, or nobody could tell what became of which.
local function place_of(case, seen)
  local channel = is_channel(case) and case or is_offer(case) and case.line.channel
  if not channel then
    errors.raise("select([options,] ...): a channel or channel:offer(value) is expected, not a %s", type(case))
  elseif seen[channel] then
    errors.raise("select: each channel can stand in it once")
  end
  seen[channel] = true
  if case == channel then return channel:accept() end
  return case.bytes and waits.place(case.line, case.bytes) or channel:offer(case.value) -- it may be offered again
end

local function outcome_of(place)
  if place.end_of_it == "closed" then return channels.closed() end
  if place.line.is_sending then return true end
  return place.value
end

-- Whether a place brings something without waiting, and what: the value, true when it was sent, or nil and why never.
local function try(place)
  if place.bytes ~= nil then return waits.try(place) end
  local line = place.line
  local self = line.channel
  if line.is_sending and not self.is_closed then
    local is_put = channels.put(self, place.value)
    return is_put, is_put
  end
  local value
  if not line.is_sending then value = channels.take(self) end
  if value ~= nil then return true, value end
  if self.is_closed then return true, channels.closed() end
  return false
end

-- Makes one group of the places; an error when nobody more can wait in one of them.
local function gather(group)
  for i = 1, #group do
    local place = group[i]
    place.group = group
    local is_shared = place.bytes ~= nil
    if is_shared then group.shared = waits end
    local full = not is_shared and lines.refuse_if_full(place.line)
    if full then return full end
  end
end

local function check_count(places)
  local count = 0
  for i = 1, #places do count = count + (places[i].bytes ~= nil and 1 or 0) end
  if #places == 0 then
    errors.raise("select([options,] ...): no channel is given, so nothing would ever come")
  elseif count > SHARED_MOST then
    errors.raise("select: at most %d channels with names can stand in it, and here are %d", SHARED_MOST, count)
  end
end

-- The place that brought something, now or later, and what.
local function take(given, group)
  local within_us, is_fail_fast
  if given then within_us, is_fail_fast = channels.read("select", given) end
  local task, cancelled = channels.asking("select")
  if not task then return nil, nil, cancelled end
  for i = 1, #group do
    local is_done, value, err = try(group[i])
    if is_done then return group[i], value, err end
  end
  if is_fail_fast then return nil, nil, errors.new("empty", "wait", "failed", "none of the channels is ready") end
  local full = gather(group)
  if full then return nil, nil, full end
  local err = lines.wait(group[1], task, within_us)
  for i = 1, #group do
    if group[i].end_of_it then return group[i], outcome_of(group[i]) end
  end
  return nil, nil, group.refused or err
end

local function longest_ago_first(a, b)
  return a.line.channel.served_at < b.line.channel.served_at
end

local function choose(given, ...)
  local places, seen = {}, {}
  for i = 1, select("#", ...) do
    places[i] = place_of((select(i, ...)), seen)
  end
  check_count(places)
  table.sort(places, longest_ago_first)
  local place, value, err = take(given, places)
  if not place then return nil, err end
  chosen = chosen + 1
  local channel = place.line.channel
  channel.served_at = chosen
  return channel, value, err
end

local M = {}

--- The select() of workflows; see init.lua.
---@param first nebula.ChannelOptions|nebula.Channel|nebula.Place
---@param ... nebula.Channel|nebula.Place
---@return nebula.Channel|nil
---@return any
---@return nebula.Error|nil
function M.run(first, ...)
  if is_channel(first) or is_offer(first) then return choose(nil, first, ...) end
  return choose(first, ...)
end

return M
