-- parked.lua - 10,000 tasks that wait: what each costs, how long the collector holds up the others, and what it costs
-- to wake one of many.
--
-- Each measurement is a process of its own. All times are this thread's CPU, so what else runs on the machine is not in
-- them.
package.path = "./?.lua;" .. package.path
local c = require "nebula.c"
local ending = require "spec.support.ending"
local ffi = require "ffi"
local measure = require "bench.measure"
local process = require "spec.support.process"
local wait = require "nebula.wait"

local PAIRS, MANY, FEW = 15, 10000, 100
local EACH_BYTES, PAUSE_US = 2500, 3000 -- what is allowed
local WAKES, CHUNKS, CHUNK = 200000, 4000, 200

ffi.cdef [[
struct bench_memory { size_t arena, free, small, maps, mapped, most, small_free, used, left, keep; };
struct bench_memory mallinfo2(void);
]]

local lib, engine = c.lib, c.engine

local function held()
  for _ = 1, 3 do collectgarbage() end
  local heap = ffi.C.mallinfo2()
  return tonumber(heap.used + heap.mapped) + collectgarbage "count" * 1024
end

local tickets = {}

-- Counts how often it was woken.
local woken = 0
local function park(i)
  while true do
    local ticket = lib.nebula_wait(engine)
    tickets[i] = ticket
    if not wait.settle(ticket) then return end
    woken = woken + 1
  end
end

local function open(count)
  for i = 1, count do tickets[i] = 0 end
  local before, list = held(), {}
  for i = 1, count do list[i] = 0 end
  for i = 1, count do list[i] = task(park, i) end
  sleep "0s"
  sleep "0s"
  return (held() - before) / count, list
end

-- The longest of many short whiles in which garbage is made, with the collector's steps in them.
local function longest_us()
  local longest = 0
  for _ = 1, CHUNKS do
    local begun = measure.thread_us()
    for i = 1, CHUNK do tickets.garbage = { i } end
    longest = math.max(longest, measure.thread_us() - begun)
  end
  return longest
end

local function wake_ns(count)
  local function round()
    for i = 1, count do lib.nebula_wake(engine, tickets[i], 0) end
    sleep "0s"
  end
  for _ = 1, math.max(3, 20000 / count) do round() end
  local before, begun = woken, measure.thread_us()
  for _ = 1, WAKES / count do round() end
  return (measure.thread_us() - begun) * 1000 / (woken - before)
end

if (...) then
  local count = tonumber((...))
  local each, list = open(count)
  local wake = wake_ns(count)
  longest_us()
  print(("%.0f %.1f %.1f"):format(each, longest_us(), wake))
  for i = 1, count do list[i]:cancel() end
  for i = 1, count do list[i]:join() end
else
  local function run(count)
    local ran = process.run { process.program "nebula-lua", "bench/parked.lua", tostring(count), within = 60000 }
    if ran.code ~= 0 then error(ran.errors) end
    local each, longest, wake = ran.output:match "^(%S+) (%S+) (%S+)"
    return tonumber(each), tonumber(longest), tonumber(wake)
  end
  for _ = 1, PAIRS do
    local each, longest, wake = run(MANY)
    local _, control, few = run(FEW)
    measure.pair("task.parked", each, EACH_BYTES)
    measure.pair("task.parked.pause", math.max(longest - control, 1), PAUSE_US)
    measure.pair("task.parked.wake", wake, few)
  end
end
ending.run()
