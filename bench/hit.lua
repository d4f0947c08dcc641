-- hit.lua - lending an idle connection and taking it back, from Lua, beside a compare-and-swap pair in C.
--
-- As hit.c: ten connections in three resources in turn, short slices of the processor's time of this thread.
package.path = "./?.lua;" .. package.path
local ending = require "spec.support.ending"
local measure = require "bench.measure"

local PAIRS, SLICES, SLICE = 41, 20, 20000

local declaration = [[
sqlite "a" { file = env "BENCH_SQLITE", policy = "standard", pool = { min = 4, max = 4, start_within = "5s" } }
sqlite "b" { file = env "BENCH_SQLITE", policy = "standard", pool = { min = 3, max = 3, start_within = "5s" } }
sqlite "c" { file = env "BENCH_SQLITE", policy = "standard", pool = { min = 3, max = 3, start_within = "5s" } }
]]

local a, b, c = measure.declare(declaration)
local cas = measure.cas()

local function leases()
  local given = 0
  for _ = 1, SLICE / 3 do
    local lease = a:lease()
    if lease:release() then given = given + 1 end
    lease = b:lease()
    if lease:release() then given = given + 1 end
    lease = c:lease()
    if lease:release() then given = given + 1 end
  end
  return given
end

local function time_leases()
  local begun = measure.thread_us()
  local given = leases()
  return (measure.thread_us() - begun) * 1000 / given
end

local function time_cas()
  local begun = measure.thread_us()
  cas(SLICE)
  return (measure.thread_us() - begun) * 1000 / SLICE
end

for _ = 1, 100 do time_leases() end -- until it is compiled
for _ = 1, PAIRS do
  local ours, other = 0, 0
  for _ = 1, SLICES / 2 do -- each is first as often as the other
    ours, other = ours + time_leases() / SLICES, other + time_cas() / SLICES
    other, ours = other + time_cas() / SLICES, ours + time_leases() / SLICES
  end
  measure.pair("pool.hit.lua", ours, other)
end
ending.run()
