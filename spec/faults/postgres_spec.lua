-- What becomes of a mixed load when a PostgreSQL server, or the way to it, fails. limit: 400 s
-- alone: it measures how late answers to deadlines are

local clock = require "spec.support.clock"
local disk = require "spec.faults.disk"
local ground = require "spec.faults.ground"
local lateness = require "spec.faults.lateness"
local postgres = require "spec.support.postgres"
local process = require "spec.support.process"
local proxy = require "spec.support.proxy"

local SLOTS = 14 -- max_connections, 3 of them for the administrator only

-- Before the server, which must see it too.
local room = disk.small()
local server = postgres.start { settings = { max_connections = SLOTS } }
local net = proxy.start(server)

local function shop(at, settings)
  return ([[postgres "shop" { host = "127.0.0.1", port = %d, dbname = %q, user = %q, password = %q,
    pool = { max = 6, connect = "1s" }, policy = "faults", %s }]]):format(at.port, server.dbname, server.user,
    server.password, settings or "")
end

-- Only once all that the sessions of the load had been sent has come to its end.
local function tally()
  clock.eventually("the server has forgotten the load", function()
    return server:psql "select count(*) from pg_stat_activity where application_name = 'nebula shop'" == "0"
  end)
  return ground.tally(server, "tally", "pair", "upserts")
end

local function has_code(code, outcome)
  return function(one) return one.code == code and (not outcome or one.outcome == outcome) end
end

local function prepare(where)
  server:psql(([[
    drop table if exists tally, pair, upserts;
    create table tally (id bigint, how text) %s;
    create table pair (id bigint);
    create table upserts (id bigint primary key);
    alter table tally owner to spec; alter table pair owner to spec; alter table upserts owner to spec]]):format(where or ""))
end

describe("a mixed load on PostgreSQL", function()
  local load
  local held = {}

  -- A session of the administrator that keeps something until it is killed.
  local function hold(words)
    local child = process.start { server.bin .. "/psql", "-XqAt", "-h", server.folder, "-p", tostring(server.port), "-U",
      "postgres", "-d", server.dbname, input = "pipe" }
    child:write(words .. ";\n\\echo held\n")
    while assert(child:line()) ~= "held" do end
    held[#held + 1] = child
    return child
  end

  local function begin(at, settings, more)
    local given = { kind = "postgres", declare = shop(at or server, settings) }
    for name, value in pairs(more or {}) do given[name] = value end
    load = ground.begin(given)
    return load
  end

  -- The end of each spec: the codes there were may be, the server agrees, and nothing is left.
  local function ends_only(codes)
    load:finish()
    load:ends_only(codes)
    ground.agrees(load, tally())
    lateness.measure(load)
  end

  setup(function() lateness.watch() end)
  before_each(function() prepare() end)
  after_each(function()
    for _, other in ipairs(held) do other:kill() end
    held = {}
    net:tell "pass"
    server:thaw()
    if not server.child:is_running() then server:restart() end
    load.child:kill()
  end)

  it("runs, and nothing fails", function()
    begin():flows()
    load:flows()
    ends_only ""
  end)

  it("outlives that its server is killed in the middle of queries", function()
    begin():flows()
    server:kill()
    load:sees("a write is in doubt", function(one) return one.how == "slow" and has_code("lost", "in_doubt")(one) end)
    load:sees("what begins then has failed", has_code("unreachable", "failed"))
    server:restart()
    load:flows()
    ends_only "lost unreachable deadline"
  end)

  it("outlives that its server stands still for longer than anybody waits", function()
    begin(server, nil, { tasks = 60 }):flows()
    local from = #load.ends
    server:freeze()
    clock.pause(3500)
    load:sees("a write is in doubt", has_code("deadline", "in_doubt"), from)
    load:sees("what waits in the queue has failed", has_code("deadline", "failed"), from)
    server:thaw()
    load:flows()
    ends_only "deadline lost unreachable"
  end)

  it("outlives a restart in order", function()
    begin():flows()
    server:restart()
    load:flows()
    -- What a server ends before it has acknowledged it is proven undone, and was tried again.
    assert.truthy(load:inspect().retries > 0)
    ends_only "lost unreachable deadline"
  end)

  it("outlives that the administrator ends all its sessions, again and again", function()
    begin():flows()
    for _ = 1, 5 do
      server:psql "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'nebula shop'"
      load:flows()
    end
    assert.truthy(load:inspect().retries > 0)
    ends_only "lost deadline"
  end)

  it("outlives that its password is changed, and changed back", function()
    begin():flows()
    local from = #load.ends
    server:psql "alter role spec password 'another'"
    server:psql "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'nebula shop'"
    local denied = load:sees("it is denied", has_code "denied", from)
    assert.equal("28P01", denied.state)
    server:psql(("alter role spec password '%s'"):format(server.password))
    load:flows()
    ends_only "lost denied deadline"
    for _, one in ipairs(load.ends) do
      if one.code == "denied" and one.how ~= "upsert" and one.how ~= "select" then assert.equal("failed", one.outcome) end
    end
  end)

  it("waits for a full server, and takes its places when there are some", function()
    for i = 1, SLOTS do hold("select " .. i) end
    begin()
    local busy = load:sees("there is no place", has_code "busy")
    assert.equal("failed", busy.outcome)
    assert.equal("53300", busy.state)
    for i = 1, 5 do held[i]:kill() end -- three of them are the administrator's
    load:flows()
    for i = 6, SLOTS do held[i]:kill() end
    load:flows()
    ends_only "busy deadline"
  end)

  it("outlives that the network resets its connections", function()
    begin(net):flows()
    for _ = 1, 5 do
      net:tell "cut"
      load:flows()
    end
    load:sees("a write is in doubt", has_code("lost", "in_doubt"))
    ends_only "lost unreachable deadline"
  end)

  it("outlives that nothing comes through and nobody is told, one way or both", function()
    begin(net, nil, { tasks = 60 }):flows()
    for _, way in ipairs { "both", "up", "down" } do
      local from = #load.ends
      net:tell("blackhole", way)
      load:sees("a call is in doubt", function(one)
        return one.code == "deadline" and (process.is_slow or one.outcome == "in_doubt")
      end, from)
      clock.pause(1500)
      net:tell "pass"
      load:flows()
    end
    ends_only "lost unreachable deadline"
  end)

  it("outlives a slow network", function()
    begin(net):flows()
    net:tell("delay", 15)
    load:flows { "exec", "select", "upsert", "slow" }
    net:tell "pass"
    load:flows()
    ends_only "deadline"
  end)

  it("outlives that one half of its connections is closed", function()
    begin(net):flows()
    for _, way in ipairs { "up", "down" } do
      net:tell("half", way)
      load:flows()
    end
    load:sees("some are lost", has_code "lost")
    ends_only "lost unreachable deadline"
  end)

  it("outlives that answers are truncated, wherever", function()
    begin(net):flows()
    local from = #load.ends
    for _, bytes in ipairs { 0, 1, 4, 5, 6, 40, 300, 350, 400 } do
      net:tell("truncate", "down", bytes, "close")
      load:sees("some are lost", function(one) return one.code == "lost" or one.code == "unreachable" end, from)
      net:tell "pass"
      load:flows()
      from = #load.ends
    end
    ends_only "lost unreachable deadline protocol"
  end)

  local on_disk = room and it or pending
  on_disk("is refused what needs room on a full disk (needs the right to mount one), and nothing else", function()
    room:give_to "postgres"
    server:psql(("create tablespace small location '%s'"):format(room.folder))
    prepare "tablespace small"
    begin():flows()
    local from = #load.ends
    room:fill()
    local full = load:sees("there is no room", has_code "storage", from)
    assert.equal("failed", full.outcome)
    assert.equal("53100", full.state)
    load:flows { "select", "upsert" }
    room:empty()
    load:flows()
    ends_only "storage deadline"
    server:psql "drop table tally, pair, upserts"
    server:psql "drop tablespace small"
  end)

  it("waits for a lock of another session until its deadline", function()
    begin(server, nil, { tasks = 60 }):flows()
    local from = #load.ends
    local other = hold "begin; lock table tally in share mode"
    load:sees("a write is in doubt", has_code("deadline", "in_doubt"), from)
    clock.pause(1000)
    other:kill()
    load:flows()
    ends_only "deadline"
  end)

  it("is told of a lock when the server has a bound for it", function()
    begin(server, [[options = "-c lock_timeout=50ms"]]):flows()
    local other = hold "begin; lock table tally in share mode"
    local locked = load:sees("it is locked", has_code "locked")
    assert.equal("failed", locked.outcome)
    assert.equal("55P03", locked.state)
    load:flows { "select", "upsert" }
    other:kill()
    load:flows()
    ends_only "locked deadline"
  end)

  it("was answered in time, whatever failed", function() lateness.is_in_time(1000) end)
end)
