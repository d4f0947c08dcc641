-- pipeline.lua - calls that share connections, beside the same calls that do not: 32 tasks on 2 connections.
package.path = "./?.lua;" .. package.path
local ending = require "spec.support.ending"
local measure = require "bench.measure"

local PAIRS, ROUND_US, TASKS, ACCOUNTS = 15, 0.7e6, 32, 10000
local POOL = 'pool = { min = 2, max = 2, start_within = "10s" }'

local shared, lone = measure.declare(('postgres "shared" { %s, pipeline = 8, %s }\npostgres "lone" { %s, %s }'):format(
  measure.postgres, POOL, measure.postgres, POOL))
local words = "select balance from account where id = $1"
local balances = { shared = assert(shared:prepare(words)), lone = assert(lone:prepare(words)) }

local function ask_until(at_us, balance)
  local asked, sum = 0, 0
  repeat
    sum = sum + assert(balance:value(math.random(ACCOUNTS)))
    asked = asked + 1
  until measure.wall_us() >= at_us
  assert(sum > 0)
  return asked
end

local function round(balance)
  local begun, begun_cpu = measure.wall_us(), measure.process_us()
  local tasks, asked = {}, 0
  for i = 1, TASKS do tasks[i] = task(ask_until, begun + ROUND_US, balance) end
  for i = 1, TASKS do asked = asked + tasks[i]:join() end
  return asked * 1e6 / (measure.wall_us() - begun), (measure.process_us() - begun_cpu) / asked
end

round(balances.shared)
round(balances.lone)
for _ = 1, PAIRS do
  local rate, cpu = round(balances.shared)
  local other, other_cpu = round(balances.lone)
  measure.pair("pg.pipeline", rate, other, cpu, other_cpu)
end
ending.run()
