--- counts: what workers count in Lua of what stands in front of a resource, added up.
--
-- Each worker is asked by mail, and has a second to turn. Who does not is left out.

local c = require "nebula.c"
local call = require "nebula.call"
local front = require "nebula.front"
local mail = require "nebula.mail"
local time = require "nebula.time"
local wait = require "nebula.wait"
local worker = require "nebula.worker"

local lib, engine = c.lib, c.engine

local PATIENCE_US = 1000000

---@class nebula.counts.Asking
---@field package sums nebula.FrontStats
---@field package left table<integer, true> workers that have not answered
---@field package ticket integer

local asking, last = {}, 0 ---@type table<integer, nebula.counts.Asking>, integer

local function add(sums, numbers)
  for name, number in pairs(numbers) do
    sums[name] = (sums[name] or 0) + number
  end
  sums.workers = sums.workers + 1
end

local function answered(one, from)
  one.left[from] = nil
  if next(one.left) == nil then
    lib.nebula_wake(engine, one.ticket, 0)
  end
end

mail.on("counts.ask", function(from, id, name)
  local resource = call.resources[lib.nebula_find(engine, name)]
  mail.send(from, "counts.told", id, resource and front.stats(resource))
end)

mail.on("counts.told", function(from, id, numbers)
  local one = asking[id]
  if not one or not one.left[from] then return end
  if numbers then
    add(one.sums, numbers)
  end
  answered(one, from)
end)

mail.on_leave(function(index)
  for _, one in pairs(asking) do
    if one.left[index] then
      answered(one, index)
    end
  end
end)

local function ask_others(id, one, name)
  for _, index in ipairs(mail.workers()) do
    if index ~= worker.index and mail.send(index, "counts.ask", id, name) then
      one.left[index] = true
    end
  end
end

local function gather(resource, sums)
  local one = { sums = sums, left = {}, ticket = time.within(PATIENCE_US) }
  last = last + 1
  local id = last
  asking[id] = one
  ask_others(id, one, resource.name)
  if next(one.left) == nil then
    lib.nebula_wake(engine, one.ticket, 0)
  end
  local ok, err = wait.settle(one.ticket)
  asking[id] = nil
  return ok or err.code == "deadline", err
end

local counts = {}

--- What all workers have counted, and in `workers` how many these are. Waits for them.
---@param resource nebula.Resource
---@param mine nebula.FrontStats of this one
---@return nebula.FrontStats|nil
---@return nebula.Error|nil err the task was cancelled
function counts.of(resource, mine)
  local sums = { workers = 0 }
  add(sums, mine)
  local ok, err = gather(resource, sums)
  if not ok then return nil, err end
  return sums
end

return counts
