-- load.lua - a workflow: a mixed load that tells how each of its calls ended.
--
--   nebula run --dir DIR spec/faults/load.lua KIND FOLDER TASKS DEADLINE FIRST [WAYS]
--
-- Each call carries an id of its own, counted from FIRST. When it has ended, one write(2) to stdout says so:
--
--   end ID HOW OUTCOME CODE ACTION STATE TOOK_MS AT_MS UNSERVED_MS
--
-- UNSERVED is for how long since its deadline the engine's thread could have run and others had the processor.
-- The load goes on until there is a file FOLDER/stop, then says `sum CALLS`; with FOLDER/again it asks once more on every
-- connection, says `again COUNT` and ends.
local ffi = require "ffi"
local clock = require "spec.support.clock"
local unserved = require "spec.support.unserved"

ffi.cdef "long write(int fd, const void *bytes, size_t size);"

local kind, folder, tasks, deadline_ms, first = args[1], args[2], tonumber(args[3]), tonumber(args[4]), tonumber(args[5])
local DEADLINE = deadline_ms .. "ms"
local shop = use "shop"
local calls = 0

local function say(format, ...)
  local line = format:format(...) .. "\n"
  assert(ffi.C.write(1, line, #line) == #line)
end

local function is_told(name)
  local file = io.open(folder .. "/" .. name)
  if file then file:close() end
  return file ~= nil
end

-- How long the engine's thread could have run and others had the processor, read again and again.
local readings = {} -- each { at, unserved }, both ms, the latest last; those of the last calls are enough
local READINGS_MOST = 4000

local function read_unserved()
  if #readings == READINGS_MOST then readings = { unpack(readings, READINGS_MOST / 2) } end
  readings[#readings + 1] = { at = clock.now(), unserved = unserved.thread "/proc/self" }
  return readings[#readings].unserved
end

-- From the last reading before that moment to now.
local function unserved_since(moment)
  local now = read_unserved()
  for i = #readings, 1, -1 do
    if readings[i].at <= moment then return now - readings[i].unserved end
  end
  return 0
end

local slow = {
  postgres = "insert into tally (id, how) select ?, 'slow' from pg_sleep(0.05)",
  sqlite = "insert into tally (id, how) with recursive n (i) as (select 1 union all select i + 1 from n "
    .. "where i < 20000) select ?, 'slow' || (count(*) - count(*)) from n",
}

-- How a call is made, if no module says otherwise: one statement, all of a transaction or nothing of it, what may be
-- done again, what only reads.
local ways = args[6] and require(args[6])(shop, DEADLINE) or {
  { "exec", function(id)
    return shop:exec({ deadline = DEADLINE }, "insert into tally (id, how) values (?, 'exec')", id)
  end },
  { "transaction", function(id)
    return shop:transaction({ deadline = DEADLINE }, function(tx)
      local done, err = tx:exec("insert into tally (id, how) values (?, 'transaction')", id)
      if not done then return nil, err end
      return tx:exec("insert into pair (id) values (?)", id)
    end)
  end },
  { "select", function(id)
    return shop:value({ deadline = DEADLINE }, "select count(*) from upserts where id = ?", id)
  end },
  { "upsert", function(id)
    return shop:exec({ deadline = DEADLINE, idempotent = true },
      "insert into upserts (id) values (?) on conflict (id) do nothing", id)
  end },
  { "slow", function(id) return shop:exec({ deadline = DEADLINE }, slow[kind], id) end },
}

local function call(way)
  calls = calls + 1
  local id = first + calls
  local begun = clock.now()
  local result, err = way[2](id)
  local now = clock.now()
  err = result == nil and err or { outcome = "ok", code = "ok", action = "none", state = "" }
  say("end %d %s %s %s %s %s %.3f %.3f %.3f", id, way[1], err.outcome, err.code, err.action,
    err.state == "" and "-" or err.state, now - begun, now, now - begun > deadline_ms and unserved_since(begun + deadline_ms) or 0)
end

task(function()
  while not is_told "stop" do
    read_unserved()
    assert(sleep "5ms")
  end
end)

local list = {}
for i = 1, tasks do list[i] = ways[(i - 1) % #ways + 1] end
assert(for_each(list, { parallel = tasks }, function(way)
  while not is_told "stop" do
    call(way)
    assert(sleep "2ms")
  end
end))
say("sum %d", calls)

while not is_told "again" do assert(sleep "5ms") end
local answers = 0
for_each(list, { parallel = tasks }, function()
  if shop:value({ deadline = "5s" }, "select count(*) from tally") then answers = answers + 1 end
end)
say("again %d", answers)
