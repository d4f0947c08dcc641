-- slices.lua - two programs that take turns, slice by slice, so that both stay warm.
--
-- Each answers lines: so many times, and the ns of its thread that they took. Before that each has some time, in which
-- one that is compiled while it runs is compiled. Ours is started three times, because how fast it is also depends on
-- where its memory happens to lie.
local measure = require "bench.measure"
local process = require "spec.support.process"

local STARTS, PAIRS, SLICES = 3, 7, 4 -- of ours, of each start, of each side in a pair
local SLICE_NS = 5e6
local WARM_US = 2e5
local FIRST = 1000 -- times, before it is known what one costs
local PATIENCE = 20000 -- ms

local slices = { COMPILING_US = 3e6 }

-- ns of one time
local function slice(side)
  side.child:write(("%d\n"):format(side.times))
  local took = tonumber(side.child:line(PATIENCE))
  if not took then error(side.child.name .. ": " .. select(2, side.child:take())) end
  return took / side.times
end

local function start(one)
  one.program.input = "pipe"
  local side = { child = process.start(one.program), times = FIRST }
  local warm_at_us = measure.wall_us() + (one.warm_us or WARM_US)
  repeat
    side.times = math.ceil(SLICE_NS / slice(side))
  until measure.wall_us() >= warm_at_us
  return side
end

local function pair(id, mine, other)
  local our_ns, other_ns = 0, 0
  for _ = 1, SLICES / 2 do -- each is first as often as the other
    our_ns, other_ns = our_ns + slice(mine) / SLICES, other_ns + slice(other) / SLICES
    other_ns, our_ns = other_ns + slice(other) / SLICES, our_ns + slice(mine) / SLICES
  end
  measure.pair(id, our_ns, other_ns)
end

---The pairs of a row whose peer is a number of ns.
---@param id string
---@param ours { program: table, warm_us: number? }
---@param bound_ns number
function slices.bound(id, ours, bound_ns)
  for _ = 1, STARTS do
    local mine = start(ours)
    for _ = 1, PAIRS do
      local our_ns = 0
      for _ = 1, SLICES do our_ns = our_ns + slice(mine) / SLICES end
      measure.pair(id, our_ns, bound_ns)
    end
    mine.child:kill()
  end
end

---The pairs of a row. warm_us: how long one needs until it is as fast as it gets.
---@param id string
---@param ours { program: table, warm_us: number? }
---@param peer { program: table, warm_us: number? }
function slices.compare(id, ours, peer)
  local other = start(peer)
  for _ = 1, STARTS do
    local mine = start(ours)
    for _ = 1, PAIRS do pair(id, mine, other) end
    mine.child:kill()
  end
  other.child:kill()
end

return slices
