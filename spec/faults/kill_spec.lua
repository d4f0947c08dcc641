-- kill -9 in the middle of 64 calls: what was acknowledged is there, exactly once. limit: 400 s
--
-- KILLS=n is how many times for each kind (25; NEBULA_PROVE: 250, and goes on where it was stopped). The load tells of
-- each answer by one write to a pipe; what was written before the kill was acknowledged before the kill.

local clock = require "spec.support.clock"
local declared = require "spec.kinds.declared"
local ground = require "spec.faults.ground"
local postgres = require "spec.support.postgres"
local process = require "spec.support.process"
local tmp = require "spec.support.tmp"

local PROVE = os.getenv "NEBULA_PROVE" -- the folder to remember in
local KILLS = tonumber(os.getenv "KILLS") or PROVE and 250 or 25
local CALLS = 64
local IDS_A_RUN = 1000000

local schema = [[
  create table tally (id bigint, how text);
  create table pair (id bigint);
  create table upserts (id bigint primary key)]]

local declare = {
  sqlite = function(name, more)
    return ([[sqlite %q { file = %q, %s }]]):format(name, tmp.folder() .. "/shop.db", more)
  end,
  postgres = function(name, more)
    local server = postgres.start()
    return ([[postgres %q { host = %q, port = %d, dbname = %q, user = %q, password = %q, %s }]]):format(name, server.host,
      server.port, server.dbname, server.user, server.password, more)
  end,
}

-- Once the server has come to the end of what it was sent.
local rest_is_over = {
  sqlite = function() end,
  postgres = function(db)
    clock.eventually("the server has forgotten the load", function()
      return db:value "select count(*) from pg_stat_activity where application_name = 'nebula shop'" == 0
    end)
  end,
}

local function rows_of(db, first)
  local has = {}
  for _, name in ipairs { "tally", "pair", "upserts" } do
    has[name] = {}
    local sql = ("select id, count(*) as n from %s where id > ? and id <= ? group by id"):format(name)
    for _, row in ipairs(assert(db:query(sql, first, first + IDS_A_RUN))) do has[name][row.id] = tonumber(row.n) end
  end
  return has
end

local halves = [[
  select count(*) from tally left join pair on pair.id = tally.id
  where (how = 'transaction') <> (pair.id is not null)]]

-- How many were done and not acknowledged, after all that must hold was looked at.
local function agrees(load, has)
  local known, unknown = {}, 0
  for _, one in ipairs(load.ends) do
    assert(one.code == "ok" or process.is_slow and one.code == "wait", one.code) -- 64 calls for 8 connections
    ground.check(one, has)
    known[one.id] = true
  end
  for name, ids in pairs(has) do
    for id, count in pairs(ids) do
      assert(count == 1, ("%d is in %s %d times"):format(id, name, count))
      if name ~= "pair" and not known[id] then unknown = unknown + 1 end
    end
  end
  assert(unknown <= CALLS, ("%d were done and not acknowledged, with %d in flight"):format(unknown, CALLS))
  return unknown
end

-- How many kills of a kind were proved before.
local function done_before(kind)
  local file = PROVE and io.open(("%s/%s"):format(PROVE, kind))
  local done = file and file:read "*n" or 0
  if file then file:close() end
  return done
end

local function remember(kind, run)
  if PROVE then tmp.write(PROVE, kind, tostring(run)) end
end

for kind in pairs(declare) do
  describe(kind, function()
    it(("has every acknowledged call exactly once, killed %d times"):format(KILLS), function()
      local text = declare[kind]("shop", "pool = { max = 8 }")
      local db = declared.use((text:gsub('"shop"', ('"kill_%s"'):format(kind), 1)))
      assert(db:exec(schema))
      local unknown, acknowledged = 0, 0
      for run = done_before(kind) + 1, KILLS do
        local first = run * IDS_A_RUN
        local load = ground.begin { kind = kind, declare = text, tasks = CALLS, deadline = 5000, first = first, output = "pipe" }
        load:sees("calls are acknowledged", function() return true end)
        clock.pause(math.random(0, 100))
        load.child:signal "KILL"
        assert.same({ signal = 9 }, load.child:wait())
        load:read()
        load.child:close()
        rest_is_over[kind](db)
        acknowledged = acknowledged + #load.ends
        unknown = unknown + agrees(load, rows_of(db, first))
        remember(kind, run)
      end
      assert.equal(0, db:value(halves))
      print(("# %s: %d acknowledged, %d done and not acknowledged"):format(kind, acknowledged, unknown))
    end)
  end)
end
