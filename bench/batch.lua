-- batch.lua - 16 prepared one-row selects in one round trip, on one connection: beside the same one by one, and beside
-- pgbench, which sends them in a pipeline of its own.
package.path = "./?.lua;" .. package.path
local ending = require "spec.support.ending"
local measure = require "bench.measure"
local process = require "spec.support.process"
local tmp = require "spec.support.tmp"

local PAIRS, ROUND_US, STATEMENTS = 15, 0.7e6, 16

local bank = measure.declare('postgres "bank" { ' .. measure.postgres
  .. ', pool = { min = 1, max = 1, start_within = "10s" } }')
local words = "select balance from account where id = $1"

local function add_all(b)
  for _ = 1, STATEMENTS do b:value(words, math.random(measure.ACCOUNTS)) end
end

local function together()
  local sum, balances = 0, assert(bank:batch(add_all))
  for i = 1, STATEMENTS do sum = sum + balances[i] end
  return sum
end

local function one_by_one()
  local sum = 0
  for _ = 1, STATEMENTS do sum = sum + assert(bank:value(words, math.random(measure.ACCOUNTS))) end
  return sum
end

-- Statements a second.
local function round(ask)
  local begun, asked, sum = measure.wall_us(), 0, 0
  repeat
    sum = sum + ask()
    asked = asked + STATEMENTS
  until measure.wall_us() >= begun + ROUND_US
  assert(sum > 0)
  return asked * 1e6 / (measure.wall_us() - begun)
end

local lines = {}
for i = 1, STATEMENTS do
  lines[i] = ("\\set id random(1, %d)\nselect balance from account where id = :id;\n"):format(measure.ACCOUNTS)
end
local script = tmp.write(tmp.folder(), "pipeline.sql", "\\startpipeline\n" .. table.concat(lines) .. "\\endpipeline\n")

local function pgbench()
  local ran = process.run { os.getenv "BENCH_PGBENCH", "-n", "-M", "prepared", "-c", "1", "-T", "1", "-f", script,
    within = 60000 }
  if ran.code ~= 0 then error(ran.errors) end
  return tonumber(ran.output:match "tps = ([%d.]+)") * STATEMENTS
end

round(together)
round(one_by_one)
for _ = 1, PAIRS do
  local rate = round(together)
  measure.pair("pg.batch", rate, round(one_by_one))
  measure.pair("pg.batch.pgbench", round(together), pgbench())
end
ending.run()
