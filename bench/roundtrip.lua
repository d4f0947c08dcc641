-- roundtrip.lua - prepared one-row selects on PostgreSQL: 32 tasks on 8 connections in one worker, beside pgbench.
--
-- Both do the same statement with a random key on the same server for the same time, in turn. Ours reads each answer as
-- a number and sums it up. The CPU is the client's.
package.path = "./?.lua;" .. package.path
local ffi = require "ffi"
local ending = require "spec.support.ending"
local measure = require "bench.measure"
local process = require "spec.support.process"
local tmp = require "spec.support.tmp"

ffi.cdef [[
struct bench_usage { long user_s, user_us, system_s, system_us, rest[14]; };
int getrusage(int who, struct bench_usage *out);
]]

local PAIRS, ROUND_US, CHILDREN = 15, 1e6, -1

local bank = measure.declare('postgres "bank" { ' .. measure.postgres
  .. ', pool = { min = 8, max = 8, start_within = "10s" } }')
local ask = measure.balance(bank)

local function children_us()
  local used = ffi.new "struct bench_usage"
  ffi.C.getrusage(CHILDREN, used)
  return tonumber(used.user_s + used.system_s) * 1e6 + tonumber(used.user_us + used.system_us)
end

local script = tmp.write(tmp.folder(), "one.sql",
  ("\\set id random(1, %d)\nselect balance from account where id = :id;\n"):format(measure.ACCOUNTS))

local function pgbench()
  local begun_cpu = children_us()
  local ran = process.run { os.getenv "BENCH_PGBENCH", "-n", "-M", "prepared", "-j", "1", "-c", "8", "-T",
    ("%d"):format(ROUND_US / 1e6), "-f", script, within = 60000 }
  if ran.code ~= 0 then error(ran.errors) end
  local asked = tonumber(ran.output:match "actually processed: (%d+)")
  return tonumber(ran.output:match "tps = ([%d.]+)"), (children_us() - begun_cpu) / asked
end

measure.crowd(ROUND_US, ask)
for _ = 1, PAIRS do
  local rate, cpu = measure.crowd(ROUND_US, ask)
  local other, other_cpu = pgbench()
  local again, again_cpu = pgbench()
  measure.pair("pg.roundtrip", rate, other, cpu, other_cpu)
  measure.pair("noise.pg", again, other, again_cpu, other_cpu)
end
ending.run()
