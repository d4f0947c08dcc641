-- handover.lua - a value from task to task through a channel, beside a bare park and wake.
--
-- Two tasks. Through the channel, of no capacity, each value makes one of the two wait. The other side does what is
-- least for that: each task in turn wakes the other one, which the engine resumes, and waits itself.
package.path = "./?.lua;" .. package.path
local c = require "nebula.c"
local ending = require "spec.support.ending"
local measure = require "bench.measure"
local wait = require "nebula.wait"

local PAIRS, SLICES, SLICE = 41, 10, 2000

local lib, engine = c.lib, c.engine

local function hand_over()
  local ch, sum = channel(), 0
  local sender = task(function()
    for i = 1, SLICE do ch:send(i) end
    ch:close()
  end)
  for value in ch do sum = sum + value end
  sender:join()
  assert(sum == SLICE * (SLICE + 1) / 2)
end

local waits = {}

local function park(who)
  waits[who] = lib.nebula_wait(engine)
  wait.settle(waits[who])
end

local function wake()
  local done = 0
  local other = task(function()
    for _ = 1, SLICE / 2 do
      lib.nebula_wake(engine, waits.first, 0)
      park "second"
    end
  end)
  for _ = 1, SLICE / 2 do
    park "first"
    done = done + 1
    lib.nebula_wake(engine, waits.second, 0)
  end
  other:join()
  assert(done == SLICE / 2)
end

local function time(fn)
  local begun = measure.thread_us()
  fn()
  return (measure.thread_us() - begun) * 1000 / SLICE
end

for _ = 1, 20 do hand_over() wake() end -- until it is compiled
for _ = 1, PAIRS do
  local ours, other = 0, 0
  for _ = 1, SLICES / 2 do -- each is first as often as the other
    ours, other = ours + time(hand_over) / SLICES, other + time(wake) / SLICES
    other, ours = other + time(wake) / SLICES, ours + time(hand_over) / SLICES
  end
  measure.pair("channel.handover", ours, other)
end
ending.run()
