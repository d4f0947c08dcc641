-- guarded.lua all|open - calls of a server that does nothing, as a workflow makes them, under a policy that says all;
-- for bench/policies.lua: each line on the input is a number of calls.
--
-- all: the ns of this thread that so many took, less those of as many in a resource whose policy says nothing, in runs
-- that alternate. open: the ns of calls that a circuit refuses, the only rule, from the method to nil, err.
package.path = "./?.lua;" .. package.path
local c = require "nebula.c"
local ending = require "spec.support.ending"
local measure = require "bench.measure"

c.also "nebula_policy.h"

local RUN = 1000 -- calls
local SECOND = 1e6

local guarded, bare = measure.declare [[
  local same = { pool = { min = 2, max = 8, start_within = "5s" }, policy = "standard" }
  nothing "guarded" (same)
  nothing "bare" (same)
]]

local function circuit(mode)
  return { mode = mode, window = 100, least = 20, percent = 50, slow_percent = 80, slow_us = SECOND, probes = 3,
    probe_us = SECOND, pause_us = SECOND, pause_max_us = 60 * SECOND }
end

-- As bench/peers have them, with copies and deadlines besides.
local rules = {
  all = {
    circuit = circuit(c.lib.NEBULA_CIRCUIT_AUTOMATIC),
    rate = { shape = c.lib.NEBULA_RATE_BUCKET, tokens = 1e9, span_us = SECOND, burst = 1e9 },
    limit = { concurrent = 1000, queue = 1000 },
    shed = { interval_us = 1e5, of = { { target_us = 5000, most_us = 1e4 } } },
    hedge = { copies = 2, permille = 990, floor_us = 1000, percent = 5, burst = 10 },
    early = { least = 20, percent = 10 },
  },
  open = { circuit = circuit(c.lib.NEBULA_CIRCUIT_OPEN) },
}

local function go_by(said)
  local kept = c.new("struct nebula_rules", said)
  assert(c.lib.nebula_rules(c.engine, guarded.id, kept) == 0, c.string(c.lib.nebula_error(c.engine)))
end

local function run(resource, times)
  local begun, well = measure.thread_us(), 0
  for _ = 1, times do
    if resource:ask() then well = well + 1 end
  end
  assert(well == times)
  return measure.thread_us() - begun
end

local measured = {}

function measured.all(times)
  local took_us = 0
  for at = 1, times, RUN do
    local some = math.min(RUN, times - at + 1)
    took_us = took_us + run(guarded, some) - run(bare, some)
  end
  return took_us
end

function measured.open(times)
  local begun = measure.thread_us()
  for _ = 1, times do
    local well, err = guarded:ask()
    assert(not well and err.code == "open")
  end
  return measure.thread_us() - begun
end

local word = ...
go_by(rules[word])
for line in io.lines() do
  print(("%.0f"):format(measured[word](tonumber(line)) * 1000))
  io.stdout:flush()
end
ending.run()
