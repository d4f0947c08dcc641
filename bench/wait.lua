-- wait.lua TASKS - tasks for two connections on one worker, for bench/waits.lua: each line on the input is a time in us
-- for which they lease and release as fast as they can; the answer is what came of it.
--
-- The first lease and every 16th are timed: how long they were waited for, and whether the time is over. No connection
-- is idle from the first lease on, which each task holds until all have asked.
package.path = "./?.lua;" .. package.path
local ending = require "spec.support.ending"
local ffi = require "ffi"
local measure = require "bench.measure"

local SIZE, EVERY, SAMPLES = 2, 16, 20000 -- SAMPLES: of a task

local tasks = tonumber((...))
local pool = measure.declare(([[
  sqlite "pool" { file = env "BENCH_SQLITE", policy = "standard", pool = { min = %d, max = %d, start_within = "5s" } }
]]):format(SIZE, SIZE))

local members = {}
for i = 1, tasks do members[i] = { waited = ffi.new("double[?]", SAMPLES), samples = 0 } end

local function time_one(member, hold)
  local begun = measure.wall_us()
  local lease = pool:lease()
  local now = measure.wall_us()
  if hold then sleep "0s" end
  lease:release()
  if member.samples < SAMPLES then
    member.waited[member.samples] = now - begun
    member.samples = member.samples + 1
  end
  return now
end

local function lease_until(member, at_us)
  local rounds = 0
  time_one(member, true)
  repeat
    for _ = 1, EVERY - 1 do
      local lease = pool:lease()
      lease:release()
    end
    rounds = rounds + EVERY
  until time_one(member) >= at_us and member.samples > 2
  return rounds
end

-- In ns.
local function quantile(list, q) return list[math.min(#list, math.floor(#list * q) + 1)] * 1000 end

-- Those while all of the tasks only lease and release, without the first and the last of each, in which others begin or
-- end; and of all the 99 in 100 of the one that fared worst, as beside.
local function waits()
  local all, worst = {}, 0
  for i = 1, tasks do
    local own = {}
    for at = 1, members[i].samples do own[at] = members[i].waited[at - 1] end
    for at = 2, #own - 1 do all[#all + 1] = own[at] end
    table.sort(own)
    worst = math.max(worst, quantile(own, 0.99))
  end
  table.sort(all)
  return all, worst
end

local function crowd(span_us)
  local all, slowest, fastest, list = 0, math.huge, 0, {}
  local begun = measure.wall_us()
  for i = 1, tasks do
    members[i].samples = 0
    list[i] = task(lease_until, members[i], begun + span_us)
  end
  for i = 1, tasks do
    local rounds = list[i]:join()
    all, slowest, fastest = all + rounds, math.min(slowest, rounds), math.max(fastest, rounds)
  end
  local took_us = measure.wall_us() - begun
  local waited, worst = waits()
  print(("%d %.0f %d %d %.0f %.0f %.0f"):format(all, took_us * 1000, slowest, fastest, quantile(waited, 0.5),
    quantile(waited, 0.99), worst))
  io.stdout:flush()
end

for line in io.lines() do crowd(tonumber(line)) end
ending.run()
