-- trace.lua - what it costs to tell the server in whose trace each call is made: beside the same calls in no trace.
--
-- 32 tasks on 8 connections, prepared one-row selects by a random key. Each call has a traceparent of its own, so each
-- is told; the other resource is declared without.
package.path = "./?.lua;" .. package.path
local ending = require "spec.support.ending"
local measure = require "bench.measure"

local PAIRS, ROUND_US, TASKS, ACCOUNTS = 15, 0.7e6, 32, 10000
local POOL = 'pool = { min = 8, max = 8, start_within = "10s" }'

local told, untold = measure.declare(('postgres "told" { %s, trace = true, %s }\npostgres "untold" { %s, %s }'):format(
  measure.postgres, POOL, measure.postgres, POOL))
local balance = "select balance from account where id = $1"
local asks = { told = assert(told:prepare(balance)), untold = assert(untold:prepare(balance)) }

local function plainly()
  return assert(asks.untold:value(math.random(ACCOUNTS)))
end

local calls = 0
local function traced()
  calls = calls + 1
  local traceparent = ("00-4bf92f3577b34da6a3ce929d0e0e4736-%016x-01"):format(calls)
  return assert(trace(traceparent, asks.told.value, asks.told, math.random(ACCOUNTS)))
end

local function ask_until(at_us, ask)
  local asked, sum = 0, 0
  repeat
    sum = sum + ask()
    asked = asked + 1
  until measure.wall_us() >= at_us
  assert(sum > 0)
  return asked
end

local function round(ask)
  local begun, begun_cpu = measure.wall_us(), measure.process_us()
  local tasks, asked = {}, 0
  for i = 1, TASKS do tasks[i] = task(ask_until, begun + ROUND_US, ask) end
  for i = 1, TASKS do asked = asked + tasks[i]:join() end
  return asked * 1e6 / (measure.wall_us() - begun), (measure.process_us() - begun_cpu) / asked
end

round(traced)
round(plainly)
for _ = 1, PAIRS do
  local rate, cpu = round(traced)
  local other, other_cpu = round(plainly)
  measure.pair("pg.trace", rate, other, cpu, other_cpu)
end
ending.run()
