-- peers.lua - prepared one-row selects beside what a user would write elsewhere: node-postgres, and pgmoon in nginx.
--
-- All are one process with one thread, 32 tasks on 8 connections, the same statement with a random key, on the same
-- server, for the same time, in turn. Each measures time and CPU of its own process, after it got warm. The peers are
-- fetched by their own package managers into the build folder; one that cannot be had is said to be missing.
package.path = "./?.lua;" .. package.path
local ending = require "spec.support.ending"
local measure = require "bench.measure"
local peers = require "bench.peer"
local process = require "spec.support.process"
local tmp = require "spec.support.tmp"

local PAIRS, WARM_MS, ROUND_MS, CONNECTIONS = 15, 400, 800, 8

local bank = measure.declare(('postgres "bank" { %s, pool = { min = %d, max = %d, start_within = "10s" } }'):format(
  measure.postgres, CONNECTIONS, CONNECTIONS))
local ask = measure.balance(bank)

local function ours()
  measure.crowd(WARM_MS * 1000, ask)
  return measure.crowd(ROUND_MS * 1000, ask)
end

-- --- the peers --------------------------------------------------------------------------------------

local numbers = {}
for i, number in ipairs { measure.TASKS, CONNECTIONS, measure.ACCOUNTS, WARM_MS, ROUND_MS } do
  numbers[i] = ("%d"):format(number)
end

local function read(answer)
  local asked, wall_us, cpu_us = answer:match "^(%d+) ([%d.]+) ([%d.]+)%s*$"
  if not asked then error(answer) end
  return asked * 1e6 / wall_us, cpu_us / asked
end

local node = { id = "pg.peers.node", folder = peers.folder "node" }

function node.missing() return peers.missing "node" end

function node.run()
  local ran = process.run { "node", "select.js", folder = node.folder, within = 60000, unpack(numbers) }
  if ran.code ~= 0 then error(ran.errors) end
  return read(ran.output)
end

-- pgmoon is in no registry of packages: PGMOON names a folder that has it.
local nginx = { id = "pg.peers.openresty", folder = peers.folder "openresty", pgmoon = os.getenv "PGMOON" }

function nginx.missing()
  if not nginx.pgmoon then return "pgmoon is no package of the distribution: name its folder in PGMOON" end
  return peers.missing "openresty"
end

local function absolute(path)
  return process.run({ "realpath", path }).output:gsub("\n", "")
end

-- Its module wants a LuaJIT of its own.
local function libraries(folder)
  return (process.run({ "sh", "-c", 'echo "$1"/usr/lib/*-linux-gnu', "sh", folder }).output:gsub("\n", ""))
end

function nginx.run()
  local folder = tmp.folder()
  local filled = { PEER = absolute(nginx.folder), FOLDER = folder, PGMOON = absolute(nginx.pgmoon),
    SELECT = absolute "bench/peers/openresty/select.lua" }
  local conf = tmp.read("bench/peers/openresty/nginx.conf"):gsub("%f[%w_]%u%u+%f[^%w_]", filled)
  local path = tmp.write(folder, "nginx.conf", conf)
  local ran = process.run { nginx.folder .. "/usr/sbin/nginx", "-c", path, within = 60000,
    env = { PEER_NUMBERS = table.concat(numbers, " "), PEER_ANSWER = folder .. "/answer", PEER_USER = "peer",
      LD_LIBRARY_PATH = libraries(filled.PEER) } }
  if ran.code ~= 0 then error(ran.errors) end
  return read(tmp.read(folder .. "/answer"))
end

-- --- in turn ----------------------------------------------------------------------------------------

local here = {}
for _, peer in ipairs { node, nginx } do
  local why = peer.missing()
  if why then
    print(("skip %s %s\nskip %s.cpu %s"):format(peer.id, why, peer.id, why))
  else
    here[#here + 1] = peer
  end
end

for _ = 1, PAIRS do
  for _, peer in ipairs(here) do
    local rate, cpu = ours()
    local other, other_cpu = peer.run()
    measure.pair(peer.id, rate, other, cpu, other_cpu)
    measure.pair(peer.id .. ".cpu", cpu, other_cpu)
  end
end
ending.run()
