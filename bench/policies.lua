-- policies.lua - what a policy that says all adds to a call from Lua, and what a call takes that an open circuit
-- refuses, beside the same patterns of other libraries.
--
-- Each is a program of its own that tells the ns of its thread; see bench/slices.lua. What is added is what it takes,
-- less the bare call. All say the same as far as they can: the last 100 calls, of which 50 % may fail and 80 % take
-- longer than a second; 3 tries; a rate and 1,000 permits that are never reached.
package.path = "./?.lua;" .. package.path
local ending = require "spec.support.ending"
local peer = require "bench.peer"
local process = require "spec.support.process"
local slices = require "bench.slices"

local KIND = process.program "bench/kind"
local WARM_US = 1e6

local words = { "all", "open" }
local bound_ns = { all = 150, open = 50 }

local from_lua = { process.program "nebula-lua", "bench/guarded.lua", "all", env = { NEBULA_PATH = KIND } }
local from_c = { process.program "bench/guarded", "open", env = { BENCH_NOTHING = KIND .. "/nebula-nothing.so" } }
local ours = { all = { program = from_lua, warm_us = WARM_US }, open = { program = from_c } }

local java = peer.folder "java"

local peers = {
  { name = "resilience4j", made = "java", warm_us = slices.COMPILING_US,
    program = { "java", "-cp", java .. ":" .. java .. "/lib/*", "Guard" } },
  { name = "gobreaker", made = "go", program = { peer.folder "go" .. "/lend", "guard" } },
}

-- One of a peer's programs.
local function asked(one, word)
  local program = { unpack(one.program) }
  program[#program + 1] = word
  return { program = program, warm_us = one.warm_us }
end

for _, word in ipairs(words) do slices.bound("policy." .. word, ours[word], bound_ns[word]) end
for _, one in ipairs(peers) do
  local why = peer.missing(one.made)
  for _, word in ipairs(words) do
    local id = ("policy.%s.%s"):format(word, one.name)
    if why then
      print(("skip %s %s"):format(id, why))
    else
      slices.compare(id, ours[word], asked(one, word))
    end
  end
end
ending.run()
