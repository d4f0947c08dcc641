-- pools.lua - lending an idle connection and taking it back, from C, beside the pools of other languages.
--
-- Each is a program of its own that tells the ns of its thread, in Node.js of its process; see bench/slices.lua.
package.path = "./?.lua;" .. package.path
local ending = require "spec.support.ending"
local peer = require "bench.peer"
local process = require "spec.support.process"
local slices = require "bench.slices"

local ours = { program = { process.program "bench/hit", "slices" } }

local function in_java(name)
  local java = peer.folder "java"
  return { id = "pool.hit." .. name, made = "java", warm_us = slices.COMPILING_US,
    program = { "java", "-cp", java .. ":" .. java .. "/lib/*", "Lend", name } }
end

local function in_rust(name)
  return { id = "pool.hit." .. name, made = "rust", program = { peer.folder "rust" .. "/target/release/lend", name } }
end

local function in_node(name)
  return { id = "pool.hit." .. name, made = "node", warm_us = slices.COMPILING_US,
    program = { "node", "lend.js", name, folder = peer.folder "node" } }
end

local peers = {
  in_java "hikari", in_java "bag", in_java "commons",
  { id = "pool.hit.puddle", made = "go", program = { peer.folder "go" .. "/lend" } },
  in_rust "deadpool", in_rust "deadpool.unmanaged", in_rust "bb8",
  in_node "generic-pool", in_node "tarn",
  { id = "pool.hit.mutex", program = { process.program "bench/mutex" } },
  { id = "noise.pools", program = ours.program },
}

local missing = {}
for _, one in ipairs(peers) do
  if one.made and missing[one.made] == nil then missing[one.made] = peer.missing(one.made) or false end
  if missing[one.made or ""] then
    print(("skip %s %s"):format(one.id, missing[one.made]))
  else
    slices.compare(one.id, ours, one)
  end
end
ending.run()
