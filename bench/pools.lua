-- pools.lua - lending an idle connection and taking it back, from C, beside the pools of other languages.
--
-- Each is a program of its own that answers lines: so many times, and the ns of its thread that they took (in Node.js
-- of its process). So one stays warm while it takes turns with the other, slice by slice. Before that each has some
-- time, in which one that is compiled while it runs is compiled. Ours is started three times, because how fast it is
-- also depends on where its memory happens to lie.
package.path = "./?.lua;" .. package.path
local ending = require "spec.support.ending"
local measure = require "bench.measure"
local peer = require "bench.peer"
local process = require "spec.support.process"

local STARTS, PAIRS, SLICES = 3, 7, 4 -- of ours, of each start, of each side in a pair
local SLICE_NS = 5e6
local WARM_US, COMPILING_US = 2e5, 3e6
local FIRST = 1000 -- times, before it is known what one costs
local PATIENCE = 20000 -- ms

local ours = { process.program "bench/hit", "slices" }

local function in_java(name)
  local java = peer.folder "java"
  return { id = "pool.hit." .. name, made = "java", warm_us = COMPILING_US,
    program = { "java", "-cp", java .. ":" .. java .. "/lib/*", "Lend", name } }
end

local function in_rust(name)
  return { id = "pool.hit." .. name, made = "rust", program = { peer.folder "rust" .. "/target/release/lend", name } }
end

local function in_node(name)
  return { id = "pool.hit." .. name, made = "node", warm_us = COMPILING_US,
    program = { "node", "lend.js", name, folder = peer.folder "node" } }
end

local peers = {
  in_java "hikari", in_java "bag", in_java "commons",
  { id = "pool.hit.puddle", made = "go", program = { peer.folder "go" .. "/lend" } },
  in_rust "deadpool", in_rust "deadpool.unmanaged", in_rust "bb8",
  in_node "generic-pool", in_node "tarn",
  { id = "pool.hit.mutex", program = { process.program "bench/mutex" } },
  { id = "noise.pools", program = ours },
}

-- ns of one lending
local function slice(side)
  side.child:write(("%d\n"):format(side.times))
  local took = tonumber(side.child:line(PATIENCE))
  if not took then error(side.child.name .. ": " .. select(2, side.child:take())) end
  return took / side.times
end

local function start(program, warm_us)
  program.input = "pipe"
  local side = { child = process.start(program), times = FIRST }
  local warm_at_us = measure.wall_us() + warm_us
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

local function compare(one)
  local other = start(one.program, one.warm_us or WARM_US)
  for _ = 1, STARTS do
    local mine = start(ours, WARM_US)
    for _ = 1, PAIRS do pair(one.id, mine, other) end
    mine.child:kill()
  end
  other.child:kill()
end

local missing = {}
for _, one in ipairs(peers) do
  if one.made and missing[one.made] == nil then missing[one.made] = peer.missing(one.made) or false end
  if missing[one.made or ""] then
    print(("skip %s %s"):format(one.id, missing[one.made]))
  else
    compare(one)
  end
end
ending.run()
