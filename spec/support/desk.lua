-- desk.lua - a server of lines whose capacity is known and which fails on command. See desk.c for what it can do.
--
--   local server = desk.start { clerks = 8, ms = 10, queue = 100 }     800 requests a second
--   server:tell("slow", 1000)
--   server:counts().seen, server:between(from, to).seen
--
-- All times are ms of clock.now(), which is the server's clock too.
local clock = require "spec.support.clock"
local ending = require "spec.support.ending"
local process = require "spec.support.process"
local tmp = require "spec.support.tmp"

---@class spec.desk
---@field host string
---@field port integer
---@field ms number that a request takes a clerk
---@field capacity number requests a second, as it was started
local desk = { SLICE = 10 } -- ms
desk.__index = desk

local NAMES = { "seen", "ids", "most", "under_way", "highest", "wasted", "ok", "bad", "stopped", "broken", "busy", "lost" }

---@param given { clerks: integer, ms: number, queue: integer? } so many serve at once, each for so long
---@return spec.desk
function desk.start(given)
  local child = process.start { process.program "spec/desk", tostring(given.clerks), ("%.0f"):format(given.ms * 1000),
    tostring(given.queue or 1000), input = "pipe", errors = false }
  local self = setmetatable({ host = "127.0.0.1", port = tonumber(child:line()), child = child,
    ms = given.ms, capacity = given.clerks * 1000 / given.ms }, desk)
  ending.add(function() self:stop() end)
  return self
end

---Gives a command, which is in force when this returns: server:tell("fail", 100, 503, 0).
---@return number at when
---@return string answer what follows
function desk:tell(...)
  self.child:write(table.concat({ ... }, " ") .. "\n")
  local line = self.child:line() or "no answer"
  local now_us, answer = line:match "^ok (%d+) ?(.*)"
  if not now_us then error("desk: " .. line, 2) end
  return tonumber(now_us) / 1000, answer
end

---@return table<string, integer> counts by the names in desk.c
function desk:counts()
  local _, answer = self:tell "counts"
  local counts, i = {}, 0
  for number in answer:gmatch "%d+" do
    i = i + 1
    counts[NAMES[i]] = tonumber(number)
  end
  return counts
end

---@class spec.Slice
---@field at number ms
---@field seen integer requests
---@field ok integer answers

---What there was from then to then, in windows of so many ms; the last one may reach beyond.
---@return spec.Slice[]
function desk:slices(from, to, ms)
  local _, answer = self:tell("slices", ("%.0f"):format(from * 1000), ("%.0f"):format(to * 1000), ms)
  local list = {}
  for seen, ok in answer:gmatch "(%d+)/(%d+)" do
    list[#list + 1] = { at = from + #list * ms, seen = tonumber(seen), ok = tonumber(ok) }
  end
  return list
end

---@return spec.Slice sum what there was from then to then, in whole slices of 10 ms
function desk:between(from, to)
  local sum = { at = from, seen = 0, ok = 0 }
  local first, last = math.floor(from / desk.SLICE), math.floor(to / desk.SLICE)
  if last <= first then return sum end
  for _, one in ipairs(self:slices(first * desk.SLICE, last * desk.SLICE, math.max(desk.SLICE, (last - first) * desk.SLICE))) do
    sum.seen, sum.ok = sum.seen + one.seen, sum.ok + one.ok
  end
  return sum
end

---@return number rate what it answered from then to then, a second
function desk:does(from, to)
  local first, last = math.floor(from / desk.SLICE), math.floor(to / desk.SLICE)
  return self:between(from, to).ok * 1000 / ((last - first) * desk.SLICE)
end

---The first moment from which it answered so many a second for so long; nil: there was none.
---@param from number
---@param to number
---@param rate number answers a second
---@param span integer ms
---@return number|nil at
function desk:in_full_service(from, to, rate, span)
  local list, wide, sum = self:slices(from, to, desk.SLICE), span / desk.SLICE, 0
  for i, one in ipairs(list) do
    sum = sum + one.ok - (i > wide and list[i - wide].ok or 0)
    if i >= wide and sum >= rate * span / 1000 then return list[i - wide + 1].at end
  end
end

---Waits until nobody waits for it and nobody is served.
function desk:is_idle()
  clock.eventually("the desk has nothing to do", function() return self:counts().under_way == 0 end)
end

function desk:stop()
  self.child:kill()
end

local folder

---A folder for NEBULA_PATH: the kind desk, and its driver.
---@return string
function desk.folder()
  if folder then return folder end
  local here = require("nebula.worker").home
  local made = tmp.folder()
  local built = process.run { "gcc", "-std=c11", "-D_GNU_SOURCE", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC",
    "-I" .. here .. "/engine", here .. "/spec/faults/desk/nebula-desk.c", "-o", made .. "/nebula-desk.so", within = 60000 }
  if built.code ~= 0 then error(built.errors, 2) end
  tmp.write(made, "resources/desk.lua", tmp.read(here .. "/spec/faults/desk/resources/desk.lua"))
  folder = made
  return folder
end

return desk
