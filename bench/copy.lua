-- copy.lua - many rows into PostgreSQL and out of it by COPY, beside psql's \copy, from and to the same file in memory.
--
-- psql measures its own time, so that its start and its connection do not count. The table is made anew each time.
package.path = "./?.lua;" .. package.path
local ending = require "spec.support.ending"
local measure = require "bench.measure"
local process = require "spec.support.process"
local tmp = require "spec.support.tmp"

local PAIRS, ROWS = 15, 400000

local shop = measure.declare('postgres "shop" { ' .. measure.postgres .. ', pool = { min = 1, start_within = "10s" } }')
local folder = tmp.folder(tmp.MEMORY)
local source, sink = folder .. "/source", folder .. "/sink"
local psql = os.getenv "BENCH_PGBENCH":gsub("pgbench$", "psql")

local function make_source()
  local file = assert(io.open(source, "w"))
  for id = 1, ROWS do
    file:write(("%d\titem no. %d\t%d.%02d\t2024-03-%02d 12:00:00+00\n"):format(id, id * 7919 % ROWS, id % 900, id % 100,
      id % 28 + 1))
  end
  file:close()
end

local function make_table()
  assert(shop:exec [[
    drop table if exists copied;
    create unlogged table copied (id integer, name text, price numeric, placed timestamptz)]])
end

local function rate(rows, us)
  assert(rows == ROWS, rows)
  return rows * 1e6 / us
end

local function timed(fn)
  local begun = measure.wall_us()
  local rows = assert(fn())
  return rate(rows, measure.wall_us() - begun)
end

local function ask_psql(words)
  local ran = process.run { psql, "-XqAt", "-c", "\\timing on", "-c", words, within = 60000 }
  local ms = ran.output:match "Time: ([%d.]+) ms"
  if ran.code ~= 0 or not ms then error(ran.output .. ran.errors) end
  return tonumber(ms) * 1000
end

local function ours_in()
  make_table()
  return timed(function()
    local file = assert(io.open(source))
    local rows, err = shop:copy_in("copy copied from stdin", file)
    file:close()
    return rows, err
  end)
end

local function theirs_in()
  make_table()
  local us = ask_psql(("\\copy copied from '%s'"):format(source))
  return rate(assert(shop:value "select count(*) from copied"), us)
end

local function ours_out()
  return timed(function()
    local file = assert(io.open(sink, "w"))
    local rows, err = shop:copy_out("copy copied to stdout", file)
    file:close()
    return rows, err
  end)
end

local function theirs_out()
  local us = ask_psql(("\\copy copied to '%s'"):format(sink))
  return rate(ROWS, us)
end

-- Each is first in every other pair.
local function pair(row, number, ours, theirs)
  local first, second = ours, theirs
  if number % 2 == 0 then first, second = theirs, ours end
  local a, b = first(), second()
  measure.pair(row, first == ours and a or b, first == ours and b or a)
end

make_source()
ours_in()
theirs_out()
for number = 1, PAIRS do
  pair("pg.copy.in", number, ours_in, theirs_in)
  pair("pg.copy.out", number, ours_out, theirs_out)
end
ending.run()
