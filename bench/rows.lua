-- rows.lua - what is measured, beside what, and how good it has to be; and the probe that does it.
--
-- A probe is a program that prints a line "pair ROW OURS OTHER [CPU_OURS CPU_OTHER]" for each pair of measurements.
-- Those in C lie in build/bench, those in Lua run under build/nebula-lua. unit is that of OURS and OTHER; the CPU is in
-- us an operation. is_rate: more is better. The goal of a row noise.* is 1: the same thing beside itself.

local many = require "bench.many"
local rules = require "bench.rules"
local waiting = require "bench.waiting"

local MAKING = 1200000 -- ms, with peers that are made for the first time

-- What every rule adds to a call, and what a circuit takes that refuses one.
local added = "a call from Lua to a server that does nothing: what a policy adds in which every rule is in force"
local refused = "a call that an open circuit refuses, from C, until its ticket is given back"
local guarded = {
  { id = "policy.all", goal = 1, unit = "ns", peer = "150 ns", what = added },
  { id = "policy.all.resilience4j", goal = 1, unit = "ns", peer = "resilience4j 2.4.0, four patterns", what = added },
  { id = "policy.all.gobreaker", goal = 1, unit = "ns", peer = "gobreaker, x/time and a semaphore, Go", what = added },
  { id = "policy.open", goal = 1, unit = "ns", peer = "50 ns", what = refused },
  { id = "policy.open.resilience4j", goal = 1, unit = "ns", peer = "resilience4j 2.4.0", what = refused },
  { id = "policy.open.gobreaker", goal = 1, unit = "ns", peer = "gobreaker 2.4.0, Go", what = refused },
}

local lent = "lease and release of an idle connection from C: 10 connections, one thread"

-- A pool of another language beside pool.hit.c.
local function pool(name, goal, peer)
  return { id = "pool.hit." .. name, goal = goal, unit = "ns", what = lent, peer = peer }
end

local probes = {
  {
    name = "hit",
    rows = {
      {
        id = "noise.hit", what = "a compare-and-swap pair beside itself", peer = "itself", unit = "ns", goal = 1,
      },
      {
        id = "pool.hit.c", goal = 0.5, unit = "ns",
        what = "lease and release of an idle connection from C: 10 connections in 3 resources in turn",
        peer = "compare-and-swap pair",
      },
    },
  },
  {
    name = "hit.lua",
    rows = {
      {
        id = "pool.hit.lua", goal = 0.3, unit = "ns",
        what = "resource:lease() and lease:release() from Lua: 10 connections in 3 resources in turn",
        peer = "compare-and-swap pair",
      },
    },
  },
  {
    name = "pools.lua", within = MAKING,
    rows = {
      pool("hikari", 9, "HikariCP 7.1.0, no isValid: used within 500 ms"),
      pool("bag", 1, "HikariCP's ConcurrentBag alone"),
      pool("commons", 1, "commons-pool2 2.13.1"),
      pool("puddle", 9, "puddle 2.2.3, Go"),
      pool("deadpool", 14, "deadpool 0.13.1, Rust"),
      pool("deadpool.unmanaged", 1, "deadpool without a manager"),
      pool("bb8", 1, "bb8 0.9.1, Rust"),
      pool("generic-pool", 1, "generic-pool 3.9.0, Node.js"),
      pool("tarn", 1, "tarn 3.1.2, Node.js"),
      pool("mutex", 1, "a mutex and a condition variable, C"),
      {
        id = "noise.pools", goal = 1, unit = "ns", peer = "itself", what = "lease and release beside another process",
      },
    },
  },
  { name = "waits.lua", within = MAKING, rows = waiting() },
  {
    name = "workers",
    rows = {
      {
        id = "pool.hit.two", goal = 0.9, unit = "x", peer = "two bare loops",
        what = "a hit while another worker hits the same resource, as a multiple of one alone",
      },
      {
        id = "pool.cross", goal = 0.8, unit = "us", peer = "an eventfd's wake-up",
        what = "one connection from worker to worker, each of which waits for it",
      },
      {
        id = "pool.cross.held", goal = 0.8, unit = "us", peer = "an eventfd's wake-up",
        what = "the same where each holds it for 100 us, so that whoever waits has gone to sleep",
      },
      {
        id = "pool.cross.fair", goal = 0.8, unit = "", is_rate = true, peer = "an equal share",
        what = "the smallest share of 2, 4 and 8 workers that lease as fast as they can; max 1, 2 and one too few",
      },
      {
        id = "noise.shares", goal = 1, unit = "", is_rate = true, peer = "an equal share",
        what = "the same where each has a connection, and the kernel alone shares",
      },
    },
  },
  { name = "policy", rows = rules },
  { name = "policies.lua", within = MAKING, rows = guarded },
  {
    name = "context",
    rows = {
      {
        id = "context", goal = 1, unit = "ns", peer = "none, and 20 ns",
        what = "a call begun, queued and cancelled in a task with a deadline, a tenant and a trace",
      },
    },
  },
  {
    name = "explain",
    rows = {
      {
        id = "explain.record", goal = 1, unit = "ns", peer = "an empty loop, and 10 ns",
        what = "a record of a decision about a call, with the trace of its task and the line of the setting",
      },
    },
  },
  {
    name = "question.lua",
    rows = {
      {
        id = "judge.question", goal = 1, unit = "ns", peer = "2 us",
        what = "a function of a policy, asked from Lua with eight fields and answered in the judge with a boolean",
      },
    },
  },
  {
    name = "handover.lua",
    rows = {
      {
        id = "channel.handover", goal = 0.5, unit = "ns", peer = "park and wake",
        what = "a value from task to task through a channel of no capacity, one of the two waits each time",
      },
    },
  },
  {
    name = "between.lua",
    rows = {
      {
        id = "copy.row", goal = 0.8, unit = "ns", peer = "lua-cjson",
        what = "a row of five fields as bytes and back, as values go from worker to worker",
      },
      {
        id = "channel.workers", goal = 0.4, unit = "1/s", is_rate = true, peer = "the same within one worker",
        what = "numbers through a channel of 1 MB to a task of another worker",
      },
      {
        id = "workers.two", goal = 1.5, unit = "1/s", is_rate = true, peer = "for_each in one worker",
        what = "64 items that compute, dealt out by for_each to two workers",
      },
    },
  },
  {
    name = "miss_sqlite",
    rows = {
      {
        id = "pool.miss.sqlite", goal = 0.9, unit = "us", peer = "libsqlite3",
        what = "from asking for a connection that has to be opened to its first row, SQLite",
      },
    },
  },
  {
    name = "miss_postgres", needs_server = true,
    rows = {
      {
        id = "pool.miss.pg", goal = 0.9, unit = "us", peer = "libpq",
        what = "from asking for a connection that has to be opened to its first row, PostgreSQL",
      },
    },
  },
  {
    name = "roundtrip.lua", needs_server = true,
    rows = {
      {
        id = "pg.roundtrip", goal = 0.95, unit = "1/s", is_rate = true, peer = "pgbench -M prepared -j 1 -c 8",
        what = "prepared one-row selects from Lua: 32 tasks, 8 connections, one worker",
      },
      { id = "noise.pg", what = "pgbench beside itself", peer = "itself", unit = "1/s", is_rate = true, goal = 1 },
    },
  },
  {
    name = "pipeline.lua", needs_server = true,
    rows = {
      {
        id = "pg.pipeline", goal = 1.3, unit = "1/s", is_rate = true, peer = "the same with pipeline = 0",
        what = "prepared one-row selects from Lua that share connections: 32 tasks, 2 connections, pipeline = 8",
      },
    },
  },
  {
    name = "batch.lua", needs_server = true,
    rows = {
      {
        id = "pg.batch", goal = 4, unit = "1/s", is_rate = true, peer = "the same one by one",
        what = "prepared one-row selects from Lua, 16 in a batch, on one connection",
      },
      {
        id = "pg.batch.pgbench", goal = 0.75, unit = "1/s", is_rate = true, peer = "pgbench, 16 in a pipeline",
        what = "prepared one-row selects from Lua, 16 in a batch, on one connection",
      },
    },
  },
  {
    name = "peers.lua", needs_server = true, within = MAKING,
    rows = {
      {
        id = "pg.peers.node", goal = 1, unit = "1/s", is_rate = true, peer = "node-postgres 8, prepared",
        what = "one-row selects from Lua: 32 tasks, 8 connections, one process",
      },
      {
        id = "pg.peers.node.cpu", goal = 1, unit = "us", peer = "node-postgres 8",
        what = "the client's CPU of a query",
      },
      {
        id = "pg.peers.openresty", goal = 1, unit = "1/s", is_rate = true, peer = "nginx with Lua, pgmoon",
        what = "one-row selects from Lua: 32 tasks, 8 connections, one process",
      },
      {
        id = "pg.peers.openresty.cpu", goal = 1, unit = "us", peer = "nginx with Lua, pgmoon",
        what = "the client's CPU of a query",
      },
    },
  },
  {
    name = "trace.lua", needs_server = true,
    rows = {
      {
        id = "pg.trace", goal = 0.9, unit = "1/s", is_rate = true, peer = "the same in no trace",
        what = "prepared one-row selects from Lua, each in a trace of its own that the server is told",
      },
      {
        id = "pg.trace.span", goal = 0.9, unit = "1/s", is_rate = true, peer = "the same in no trace",
        what = "the same, each in a span of its own of one trace",
      },
    },
  },
  {
    name = "copy.lua", needs_server = true,
    rows = {
      {
        id = "pg.copy.in", goal = 0.9, unit = "1/s", is_rate = true, peer = "psql \\copy from",
        what = "rows from a file into a table of four columns: copy_in",
      },
      {
        id = "pg.copy.out", goal = 0.9, unit = "1/s", is_rate = true, peer = "psql \\copy to",
        what = "the same rows into a file: copy_out",
      },
    },
  },
  {
    name = "overhead", needs_server = true,
    rows = {
      {
        id = "pg.overhead.cpu", goal = 0.95, unit = "us", peer = "libpq, non-blocking",
        what = "the client's CPU time of a prepared one-row select from C, 8 at a time on 8 connections",
      },
    },
  },
  {
    name = "stream.lua", needs_server = true,
    rows = {
      {
        id = "stream.rss.sqlite", goal = 1, unit = "kB", peer = "1,000 rows + 8 MB",
        what = "peak memory of a process that streams 5 million rows, SQLite",
      },
      {
        id = "stream.rss.pg", goal = 1, unit = "kB", peer = "1,000 rows + 8 MB",
        what = "peak memory of a process that streams 5 million rows, PostgreSQL",
      },
    },
  },
  {
    name = "start",
    rows = {
      {
        id = "start.sqlite", goal = 0.2, unit = "us", peer = "sqlite3 f.db 'select 1'",
        what = "from the start of the process to the first row on its output: nebula run",
      },
      {
        id = "noise.start", goal = 1, unit = "us", peer = "itself", what = "sqlite3 beside itself",
      },
    },
  },
}

for _, one in ipairs(many) do probes[#probes + 1] = one end

return probes
