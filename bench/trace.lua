-- trace.lua - what it costs to tell the server in whose trace each call is made: beside the same calls in no trace.
--
-- 32 tasks on 8 connections, prepared one-row selects by a random key. Each call is in a trace of its own, or in a span
-- of its own of one trace, so something is told ahead of each; the other resource is declared without.
package.path = "./?.lua;" .. package.path
local ending = require "spec.support.ending"
local measure = require "bench.measure"

local PAIRS, ROUND_US = 15, 0.7e6
local POOL = 'pool = { min = 8, max = 8, start_within = "10s" }'

local told, untold = measure.declare(('postgres "told" { %s, trace = true, %s }\npostgres "untold" { %s, %s }'):format(
  measure.postgres, POOL, measure.postgres, POOL))
local ask, plainly = measure.balance(told), measure.balance(untold)

local calls = 0
local function traced_as(pattern)
  return function()
    calls = calls + 1
    return trace(pattern:format(calls), ask)
  end
end

local rows = {
  { "pg.trace", traced_as "00-4bf92f3577b34da6%016x-00f067aa0ba902b7-01" },
  { "pg.trace.span", traced_as "00-4bf92f3577b34da6a3ce929d0e0e4736-%016x-01" },
}
for _, row in ipairs(rows) do
  measure.crowd(ROUND_US, row[2])
  measure.crowd(ROUND_US, plainly)
  for _ = 1, PAIRS do
    local rate, cpu = measure.crowd(ROUND_US, row[2])
    local other, other_cpu = measure.crowd(ROUND_US, plainly)
    measure.pair(row[1], rate, other, cpu, other_cpu)
  end
end
ending.run()
