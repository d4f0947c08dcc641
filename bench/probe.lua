-- probe.lua - runs one probe in a process of its own, and reads the pairs that it prints.
--
-- The server that probes need is started once, by whoever needs it first. A probe may be that of another revision:
-- then it runs in the folder where that was built.
local postgres = require "spec.support.postgres"
local process = require "spec.support.process"
local tmp = require "spec.support.tmp"

local BOUND = 240000 -- ms, of one probe that makes no peers first

local probe = {}

local function start_server()
  local server = postgres.start { hba = { "host all peer 127.0.0.1/32 trust" } } -- a peer may not know SCRAM
  server:psql [[
    create role peer login;
    create table account (id integer primary key, balance integer not null);
    insert into account select n, n * 7 % 1000 from generate_series(1, 10000) n;
    grant select on account to public;
  ]]
  server:psql "vacuum analyze account"
  return server
end

local server

local function environment(folder)
  local env = { BENCH_SQLITE = folder .. "/bench.db", BENCH_FOLDER = folder, BENCH_NEBULA = process.program "nebula" }
  if server then
    env.PGHOST, env.PGPORT, env.PGDATABASE = server.host, tostring(server.port), server.dbname
    env.PGUSER, env.PGPASSWORD, env.PGSSLMODE = server.user, server.password, "disable"
    env.BENCH_PGBENCH = server.bin .. "/pgbench"
  end
  return env
end

---The pairs by row, and why there are none.
---@param one { name: string, needs_server: boolean?, within: integer? } a row of bench/rows.lua
---@param where? string the folder of another revision
---@return table<string, { ours: number, other: number, cpu_ours: number?, cpu_other: number? }[]> measured
---@return table<string, string> skipped
function probe.run(one, where)
  if one.needs_server and not server then server = start_server() end
  local words = { process.program("bench/" .. one.name), within = one.within or BOUND, folder = where }
  words.env = environment(tmp.folder())
  if one.name:find "%.lua$" then words[1], words[2] = process.program "nebula-lua", "bench/" .. one.name end
  local ran = process.run(words)
  if ran.code ~= 0 then error(("bench/%s: %s%s"):format(one.name, ran.output, ran.errors), 0) end
  local measured = {}
  for id, ours, other, rest in ran.output:gmatch "pair (%S+) (%S+) (%S+)([^\n]*)" do
    local cpu_ours, cpu_other = rest:match "^ (%S+) (%S+)"
    measured[id] = measured[id] or {}
    table.insert(measured[id], { ours = tonumber(ours), other = tonumber(other), cpu_ours = tonumber(cpu_ours),
      cpu_other = tonumber(cpu_other) })
  end
  local skipped = {}
  for id, why in ran.output:gmatch "skip (%S+) ([^\n]*)" do skipped[id] = why end
  return measured, skipped
end

return probe
