-- stream.lua - the peak memory of a process that streams 5 million rows, beside one that streams 1,000 and 8 MB more.
--
-- Each measurement is a process of its own, and its peak what the kernel says: VmHWM, the most that was ever resident.
package.path = "./?.lua;" .. package.path
local ending = require "spec.support.ending"
local measure = require "bench.measure"
local process = require "spec.support.process"
local tmp = require "spec.support.tmp"

local PAIRS, MANY, FEW, ALLOWED_KB = 15, 5000000, 1000, 8000

local declarations = {
  sqlite = 'sqlite "rows" { file = env "BENCH_SQLITE", policy = "batch" }',
  pg = 'postgres "rows" { ' .. measure.postgres:gsub('"standard"', '"batch"') .. " }",
}
local statements = {
  sqlite = "select id, name, price from item where id <= ?",
  pg = "select n as id, 'item ' || n as name, n * 0.25::float8 as price from generate_series(1, $1::int) n",
}

-- --- one measurement --------------------------------------------------------------------------------

local function stream(name, count)
  local rows, sum = measure.declare(declarations[name]), 0
  for row in rows:stream(statements[name], count) do
    sum = sum + row.id
  end
  assert(sum == count * (count + 1) / 2)
  print(tmp.read("/proc/self/status"):match "VmHWM:%s*(%d+)")
end

-- --- all of them ------------------------------------------------------------------------------------

local function make_file()
  local rows = measure.declare('sqlite "rows" { file = env "BENCH_SQLITE", policy = "batch", synchronous = "off" }')
  assert(rows:exec "create table item (id integer primary key, name text not null, price real not null)")
  assert(rows:exec([[
    with recursive n(i) as (select 1 union all select i + 1 from n where i < ?)
    insert into item select i, 'item ' || i, i * 0.25 from n]], MANY))
end

local function start(name, count)
  return process.start { process.program "nebula-lua", "bench/stream.lua", name, tostring(count) }
end

local function peak(child)
  local ended = assert(child:wait(120000), "a stream that does not end")
  local output, errors = child:take()
  child:close()
  if ended.code ~= 0 then error(errors) end
  return tonumber(output)
end

if ... then
  stream((...), tonumber((select(2, ...))))
else
  make_file()
  for _ = 1, PAIRS do
    -- Memory is what is measured and not time, so the two may run side by side.
    local sqlite, pg = start("sqlite", MANY), start("pg", MANY)
    measure.pair("stream.rss.sqlite", peak(sqlite), peak(start("sqlite", FEW)) + ALLOWED_KB)
    measure.pair("stream.rss.pg", peak(pg), peak(start("pg", FEW)) + ALLOWED_KB)
  end
end
ending.run()
