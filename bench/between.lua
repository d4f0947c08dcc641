-- between.lua - what it costs to work in several workers: copies, a channel of the process, work dealt out.
--
-- The probe runs itself again in a program with two workers, where it measures.
package.path = "./?.lua;" .. package.path
local ending = require "spec.support.ending"
local measure = require "bench.measure"
local process = require "spec.support.process"
local worker = require "nebula.worker"

if worker.count == 1 then
  local ran = process.run { process.program "nebula", "run", "--workers", "2", "bench/between.lua", within = 200000 }
  assert(ran.code == 0, ran.output .. ran.errors)
  print(ran.output)
  return ending.run()
end

local codec = require "nebula.codec"
local json = require "cjson"

local PAIRS = 21

-- --- a copy, beside one by lua-cjson ----------------------------------------------------------------

local row = { id = 17, name = "Ada Lovelace", total = 12.5, paid = true, day = "1815-12-10" }

local function copies(count)
  for _ = 1, count do codec.decode(codec.encode(row, "row", 1e6)) end
end

local function copies_of_json(count)
  for _ = 1, count do json.decode(json.encode(row)) end
end

-- --- values through a channel, to a task of another worker, beside one of this worker ------------------

local VALUES = 20000

local function receive_all(count)
  local values, sum = channel("values", { bytes = "1MB" }), 0
  for _ = 1, count do sum = sum + values:receive() end
  return sum
end

local function send_all()
  local values = channel("values", { bytes = "1MB" })
  for i = 1, VALUES do assert(values:send(i)) end
end

local function to_another()
  local receivers = spawn_on_all(function(count)
    return require("nebula.worker").index == 1 and receive_all(count) or 0
  end, VALUES)
  send_all()
  assert(receivers:join()[2] == VALUES * (VALUES + 1) / 2)
end

local function to_ours()
  local receiver = task(receive_all, VALUES)
  send_all()
  assert(receiver:join() == VALUES * (VALUES + 1) / 2)
end

-- --- items that compute, in two workers beside one ----------------------------------------------------

local items = {}
for i = 1, 64 do items[i] = i end

local function compute(seed)
  local x = seed
  for i = 1, 400000 do x = (x * 31 + i) % 1000003 end
  return x
end

local function computed(given)
  local sum = 0
  for _, x in ipairs(assert(for_each(items, given, compute))) do sum = sum + x end
  return sum
end

local IN_ALL, HERE = { workers = true, parallel = 8 }, { parallel = 8 }

-- --- pairs ----------------------------------------------------------------------------------------------

local function time(count, fn, ...)
  local begun = measure.wall_us()
  fn(...)
  return (measure.wall_us() - begun) / count
end

assert(computed(IN_ALL) == computed(HERE)) -- and all of it is compiled
to_another()
to_ours()
copies(10000)
copies_of_json(10000)
for _ = 1, PAIRS do
  measure.pair("copy.row", time(20, copies, 20000), time(20, copies_of_json, 20000)) -- ns, of 20,000
  measure.pair("channel.workers", 1e6 / time(VALUES, to_another), 1e6 / time(VALUES, to_ours))
  measure.pair("workers.two", 1e6 / time(#items, computed, IN_ALL), 1e6 / time(#items, computed, HERE))
end
