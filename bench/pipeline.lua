-- pipeline.lua - calls that share connections, beside the same calls that do not: 32 tasks on 2 connections.
package.path = "./?.lua;" .. package.path
local ending = require "spec.support.ending"
local measure = require "bench.measure"

local PAIRS, ROUND_US = 15, 0.7e6
local POOL = 'pool = { min = 2, max = 2, start_within = "10s" }'

local shared, lone = measure.declare(('postgres "shared" { %s, pipeline = 8, %s }\npostgres "lone" { %s, %s }'):format(
  measure.postgres, POOL, measure.postgres, POOL))
local ask_shared, ask_lone = measure.balance(shared), measure.balance(lone)

measure.crowd(ROUND_US, ask_shared)
measure.crowd(ROUND_US, ask_lone)
for _ = 1, PAIRS do
  local rate, cpu = measure.crowd(ROUND_US, ask_shared)
  local other, other_cpu = measure.crowd(ROUND_US, ask_lone)
  measure.pair("pg.pipeline", rate, other, cpu, other_cpu)
end
ending.run()
