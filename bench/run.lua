-- run.lua - the numbers of the project: `make bench [ONLY=prefix]`.
--
-- Runs the probes of bench/rows.lua one after the other, each in a process of its own, so that none profits or suffers
-- from another. A row of noise is measured in each run, whatever was asked for.

package.path = "./?.lua;" .. package.path

local ending = require "spec.support.ending"
local postgres = require "spec.support.postgres"
local probes = require "bench.rows"
local process = require "spec.support.process"
local report = require "bench.report"
local tmp = require "spec.support.tmp"

local BOUND = 240000 -- ms, of one probe
local ALWAYS = "noise.hit"

local prefix = (...) or ""

local function is_wanted(row)
  return row.id:sub(1, #prefix) == prefix or row.id == ALWAYS
end

local function wanted_rows(probe)
  local rows = {}
  for _, row in ipairs(probe.rows) do
    if is_wanted(row) then rows[#rows + 1] = row end
  end
  return rows
end

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

local function command(probe, folder)
  local words = { process.program("bench/" .. probe.name), within = BOUND, env = environment(folder) }
  if probe.name:find "%.lua$" then
    words[1], words[2] = process.program "nebula-lua", "bench/" .. probe.name
  end
  return words
end

-- The pairs by row, and why there are none.
local function run(probe)
  if probe.needs_server and not server then server = start_server() end
  local ran = process.run(command(probe, tmp.folder()))
  if ran.code ~= 0 then error(("bench/%s: %s%s"):format(probe.name, ran.output, ran.errors), 0) end
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

local function measure()
  local judged = {}
  for _, probe in ipairs(probes) do
    local rows = wanted_rows(probe)
    if #rows > 0 then
      io.stderr:write("bench: ", probe.name, "\n")
      local measured, skipped = run(probe)
      for _, row in ipairs(rows) do
        judged[#judged + 1] = skipped[row.id] and report.skip(row, skipped[row.id])
          or report.judge(row, measured[row.id] or {})
      end
    end
  end
  return judged
end

local ok, rows = pcall(measure)
ending.run()
if not ok then error(rows, 0) end
report.write(rows, process.program "bench.json")
