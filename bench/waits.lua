-- waits.lua - many tasks for two connections, beside the pools of other languages: how long a round takes, how long the
-- longest waits are, and how evenly the tasks are served.
--
-- Each is a program of its own that answers lines: for so many us its tasks take and give back, and it says how often
-- all of them did, how often the slowest and the fastest, and how long they waited: the middle, the 99 in 100, and that
-- of the task that fared worst, since one that starves others waits for nothing itself.
package.path = "./?.lua;" .. package.path
local ending = require "spec.support.ending"
local measure = require "bench.measure"
local peer = require "bench.peer"
local process = require "spec.support.process"

local CROWDS, PAIRS, SLICE_US = { 8, 32, 64 }, 15, 40000
local WARM_US, COMPILING_US = 2e5, 3e6
local ROUND_NS, TAIL, EVEN = 80, 3, 1 / 1.02 -- what ours is to keep to
local PATIENCE = 20000 -- ms

local function in_rust(name)
  return { name = name, made = "rust", program = { peer.folder "rust" .. "/target/release/crowd", name } }
end

local function in_node(name)
  return { name = name, made = "node", warm_us = COMPILING_US,
    program = { "node", "crowd.js", name, folder = peer.folder "node" } }
end

local function in_java(name)
  local java = peer.folder "java"
  return { name = name, made = "java", warm_us = COMPILING_US,
    program = { "java", "-cp", java .. ":" .. java .. "/lib/*", "Crowd", name } }
end

local function in_c(name) return { name = name, program = { process.program "bench/queue", name } } end

local ours = { warm_us = COMPILING_US / 3, program = { process.program "nebula-lua", "bench/wait.lua" } }
local peers = {
  in_java "hikari", in_java "commons", { name = "puddle", made = "go", program = { peer.folder "go" .. "/lend" } },
  in_rust "deadpool", in_rust "deadpool.unmanaged", in_rust "bb8", in_node "generic-pool", in_node "tarn",
  in_c "mutex", in_c "fair",
}

local function slice(child, span_us)
  child:write(("%d\n"):format(span_us))
  local line = child:line(PATIENCE)
  local all, took, slowest, fastest, p50, p99, worst = (line or ""):match("^" .. ("(%d+) "):rep(7):sub(1, -2) .. "$")
  if not all then error(child.name .. ": " .. tostring(line) .. select(2, child:take())) end
  return { round_ns = took / all, even = slowest / fastest, p50 = tonumber(p50), p99 = tonumber(p99),
    worst = tonumber(worst) }
end

local function start(one, crowd)
  local program = { input = "pipe", folder = one.program.folder, env = one.program.env, unpack(one.program) }
  program[#program + 1] = tostring(crowd)
  local child = process.start(program)
  slice(child, SLICE_US)
  slice(child, one.warm_us or WARM_US)
  return child
end

local function tell(id, mine, other)
  measure.pair(id, mine.round_ns, other.round_ns)
  measure.pair(id .. ".p99", mine.worst / 1000, other.worst / 1000)
  measure.pair(id .. ".even", mine.even, other.even)
end

local function alone(id, mine)
  measure.pair(id, mine.round_ns, ROUND_NS)
  measure.pair(id .. ".tail", mine.p99 / mine.p50, TAIL)
  measure.pair(id .. ".even", mine.even, EVEN)
end

local function compare(mine, one, crowd)
  local other = start(one, crowd)
  for i = 1, PAIRS do -- each is first as often as the other
    local first, second = i % 2 == 0 and mine or other, i % 2 == 0 and other or mine
    local a, b = slice(first, SLICE_US), slice(second, SLICE_US)
    tell(("pool.wait.%d.%s"):format(crowd, one.name), i % 2 == 0 and a or b, i % 2 == 0 and b or a)
  end
  other:kill()
end

local function skip(one, why)
  for _, crowd in ipairs(CROWDS) do
    for _, what in ipairs { "", ".p99", ".even" } do
      print(("skip pool.wait.%d.%s%s %s"):format(crowd, one.name, what, why))
    end
  end
end

local here = {}
for _, one in ipairs(peers) do
  local why = one.made and peer.missing(one.made)
  if why then skip(one, why) else here[#here + 1] = one end
end
for _, crowd in ipairs(CROWDS) do
  local mine = start(ours, crowd)
  for _ = 1, PAIRS do alone("pool.wait." .. crowd, slice(mine, SLICE_US)) end
  for _, one in ipairs(here) do compare(mine, one, crowd) end
  mine:kill()
end
ending.run()
