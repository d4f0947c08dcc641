-- What becomes of COPY in the middle when a PostgreSQL server, or the way to it, fails: the outcome of each agrees with
-- what the server has. limit: 300 s

local clock = require "spec.support.clock"
local disk = require "spec.faults.disk"
local ground = require "spec.faults.ground"
local postgres = require "spec.support.postgres"
local process = require "spec.support.process"
local proxy = require "spec.support.proxy"

-- Before the server, which must see it too.
local room = disk.small()
local server = postgres.start()
local net = proxy.start(server)

local DEADLINE = process.is_sanitized and 3000 or 1500 -- ms
local GOOD = { "copy", "copytx", "copyout" }

local function shop(at)
  return ([[postgres "shop" { host = "127.0.0.1", port = %d, dbname = %q, user = %q, password = %q,
    pool = { max = 12, connect = "1s" }, policy = "faults" }]]):format(at.port, server.dbname, server.user, server.password)
end

-- Only once all that the sessions of the load had been sent has come to its end.
local function tally()
  clock.eventually("the server has forgotten the load", function()
    return server:psql "select count(*) from pg_stat_activity where application_name = 'nebula shop'" == "0"
  end)
  return ground.tally(server, "tally", "pair")
end

local function prepare(where)
  server:psql(([[
    drop table if exists tally, pair;
    create table tally (id bigint, how text) %s; alter table tally alter column how set storage external;
    create table pair (id bigint);
    alter table tally owner to spec; alter table pair owner to spec]]):format(where or ""))
end

describe("a load that copies", function()
  local load

  local function begin(at, more)
    local given = { kind = "postgres", declare = shop(at or server), deadline = DEADLINE, ways = "spec.faults.copies" }
    for name, value in pairs(more or {}) do given[name] = value end
    load = ground.begin(given)
    load:flows(GOOD)
    return load
  end

  -- A mistake in the input and what is left in the middle are met in each of them.
  local function ends_only(codes)
    load:finish()
    load:ends_only("query cancelled deadline wait " .. codes)
    ground.agrees(load, tally())
  end

  local function is(how, code, outcome)
    return function(one) return one.how == how and one.code == code and one.outcome == outcome end
  end

  local function fails(code)
    return function(one) return one.code == code and one.outcome == "failed" end
  end

  before_each(function() prepare() end)
  after_each(function()
    net:tell "pass"
    server:thaw()
    if not server.child:is_running() then server:restart() end
    load.child:kill()
  end)

  it("runs, and nothing fails but what must", function()
    begin()
    load:sees("the input was wrong", is("copybad", "query", "failed"))
    load:sees("it was left", is("copyleft", "cancelled", "failed"))
    ends_only ""
  end)

  it("outlives that its server is killed in the middle", function()
    begin()
    for _ = 1, 3 do
      local from = #load.ends
      server:kill()
      load:sees("some are lost", function(one) return one.code == "lost" end, from)
      server:restart()
      load:flows(GOOD)
    end
    ends_only "lost unreachable"
  end)

  it("outlives that its server stands still for longer than anybody waits", function()
    begin()
    local from = #load.ends
    server:freeze()
    load:sees("what was not finished is not done", fails "deadline", from)
    clock.pause(2 * DEADLINE)
    server:thaw()
    load:flows(GOOD)
    ends_only "lost unreachable"
  end)

  it("outlives that the administrator ends all its sessions", function()
    begin()
    for _ = 1, 5 do
      server:psql "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'nebula shop'"
      load:flows(GOOD)
    end
    ends_only "lost"
  end)

  it("outlives that its statements are cancelled from elsewhere", function()
    begin()
    for _ = 1, 5 do
      server:psql "select pg_cancel_backend(pid) from pg_stat_activity where application_name = 'nebula shop'"
      load:flows(GOOD)
    end
    ends_only ""
  end)

  it("outlives that the network is cut, closed by half, or truncates", function()
    begin(net)
    for _, fault in ipairs { { "cut" }, { "half", "up" }, { "half", "down" }, { "cut" },
      { "truncate", "up", 100000, "close" }, { "truncate", "down", 100, "close" } } do
      local from = #load.ends
      net:tell(unpack(fault))
      load:sees("some are lost", function(one) return one.code == "lost" or one.code == "unreachable" end, from)
      net:tell "pass"
      load:flows(GOOD)
    end
    ends_only "lost unreachable protocol"
  end)

  it("outlives that nothing comes through and nobody is told, one way or both", function()
    begin(net)
    for _, way in ipairs { "both", "up", "down" } do
      local from = #load.ends
      net:tell("blackhole", way)
      load:sees("one is too late", function(one) return one.code == "deadline" end, from)
      clock.pause(DEADLINE)
      net:tell "pass"
      load:flows(GOOD)
    end
    ends_only "lost unreachable"
  end)

  it("is too late in the middle when the server is slow", function()
    begin(net)
    net:tell("delay", DEADLINE / 10)
    load:sees("it is too late", fails "deadline")
    load:sees("what is left is undone", is("copyleft", "cancelled", "failed"), #load.ends)
    net:tell "pass"
    load:flows(GOOD)
    ends_only "lost unreachable"
  end)

  local on_disk = room and it or pending
  on_disk("is refused on a full disk (needs the right to mount one), and nothing of it is there", function()
    room:give_to "postgres"
    server:psql(("create tablespace small location '%s'"):format(room.folder))
    prepare "tablespace small"
    begin()
    local full = load:sees("there is no room", is("copy", "storage", "failed"), nil, 2 * clock.PATIENCE)
    assert.equal("53100", full.state)
    load:sees("nor in a transaction", is("copytx", "storage", "failed"), nil, 2 * clock.PATIENCE)
    ends_only "storage"
    server:psql "drop table tally, pair"
    server:psql "drop tablespace small"
  end)
end)
