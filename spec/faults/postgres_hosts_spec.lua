-- What becomes of a mixed load on two hosts, one of which follows the other, when either fails or they change places.
-- limit: 500 s
-- alone: it measures how late answers to deadlines are

local clock = require "spec.support.clock"
local ground = require "spec.faults.ground"
local lateness = require "spec.faults.lateness"
local postgres = require "spec.support.postgres"
local process = require "spec.support.process"
local proxy = require "spec.support.proxy"

local SLOTS = 14 -- max_connections, 3 of them for the administrator only

local primary = postgres.start { settings = { max_connections = SLOTS } }
local standby = primary:standby()

local function tally()
  clock.eventually("the primary has forgotten the load", function()
    return primary:psql "select count(*) from pg_stat_activity where application_name = 'nebula shop'" == "0"
  end)
  return ground.tally(primary, "tally", "pair", "upserts")
end

-- Whether a commit is acknowledged only once the standby has it: then a primary that dies takes nothing with it.
local function keep_in_step(is_wanted)
  local names = is_wanted and "*" or ""
  primary:psql(("alter system set synchronous_standby_names = '%s'"):format(names))
  primary:psql "select pg_reload_conf()"
  clock.eventually("it is so", function() return primary:psql "show synchronous_standby_names" == names end)
  if is_wanted then
    clock.eventually("the standby keeps step", function()
      return primary:psql "select count(*) from pg_stat_replication where sync_state = 'sync'" == "1"
    end)
  end
end

local function prepare()
  primary:psql [[
    drop table if exists tally, pair, upserts;
    create table tally (id bigint, how text);
    create table pair (id bigint);
    create table upserts (id bigint primary key);
    alter table tally owner to spec; alter table pair owner to spec; alter table upserts owner to spec]]
  primary:is_replayed_by(standby)
end

local function is_code(code)
  return function(one) return one.code == code end
end

-- A slow build has few statements under way when a primary fails, and perhaps no write: there any that fails will do.
local function or_failed_write(is_it)
  if not process.is_slow then return is_it end
  return function(one) return one.how == "exec" and one.outcome ~= "ok" end
end

local is_late_in_doubt = or_failed_write(function(one) return one.code == "deadline" and one.outcome == "in_doubt" end)

describe("a mixed load on two PostgreSQL hosts", function()
  local load, nets
  local held = {}

  -- From now on the other one is the primary. The old one must be fenced, or its connections would still be good.
  local function promote()
    standby:promote()
    primary, standby = standby, primary
    nets = { primary = nets.standby, standby = nets.primary }
    -- What it would wait for is gone.
    primary:psql "alter system set synchronous_standby_names = ''; select pg_reload_conf()"
  end

  local function begin(more, life)
    local given = { kind = "postgres", declare = ([[postgres "shop" { host = "127.0.0.1:%d,127.0.0.1:%d", dbname = %q,
      user = %q, password = %q, reads = "prefer-replica", pool = { max = 5, connect = "1s", life = %q }, policy = "faults" }]]):format(
      nets.standby.port, nets.primary.port, primary.dbname, primary.user, primary.password, life or "30m") }
    for name, value in pairs(more or {}) do given[name] = value end
    load = ground.begin(given)
    return load
  end

  local function hold(server, words)
    local child = process.start { server.bin .. "/psql", "-XqAt", "-h", server.folder, "-p", tostring(server.port), "-U",
      "postgres", "-d", server.dbname, input = "pipe" }
    child:write(words .. ";\n\\echo held\n")
    while assert(child:line()) ~= "held" do end
    held[#held + 1] = child
  end

  local function ends_only(codes)
    load:finish()
    load:ends_only(codes)
    ground.agrees(load, tally())
    lateness.measure(load)
  end

  local function seen_as(word)
    for _, one in ipairs(load:inspect().endpoints) do
      if one.seen_as == word then return one end
    end
  end

  setup(function() lateness.watch() end)
  before_each(function()
    nets = { primary = proxy.start(primary), standby = proxy.start(standby) }
    prepare()
  end)
  after_each(function()
    for _, other in ipairs(held) do other:kill() end
    held = {}
    load.child:kill()
    for _, net in pairs(nets) do net:stop() end
    if not primary.child:is_running() then primary:restart() end -- a case that failed may have left both down
    if not standby.child:is_running() or standby:psql "select pg_is_in_recovery()" ~= "t" then
      standby:kill()
      standby = primary:standby()
    end
    keep_in_step(false)
  end)

  it("runs, each call where it belongs, and nothing fails", function()
    begin():flows()
    load:flows()
    assert.equal(nets.primary.port, tonumber(seen_as "primary".endpoint:match ":(%d+)$"))
    assert.equal(nets.standby.port, tonumber(seen_as "replica".endpoint:match ":(%d+)$"))
    ends_only "deadline"
  end)

  it("outlives that the primary is killed and the standby takes its place", function()
    keep_in_step(true)
    begin():flows()
    local from = #load.ends
    primary:kill()
    load:sees("a write is lost", or_failed_write(is_code "lost"), from)
    load:sees("then none can be done", or_failed_write(function(one)
      return one.code == "unreachable" and one.how == "exec"
    end), from)
    load:flows { "select" }
    promote()
    load:flows()
    ends_only "lost unreachable deadline unfit read_only"
  end)

  it("outlives that the primary stands still and the standby takes its place", function()
    keep_in_step(true)
    begin { tasks = 30 }:flows()
    local from = #load.ends
    primary:freeze()
    load:sees("a write is in doubt", is_late_in_doubt, from)
    clock.pause(1500) -- nobody takes a place at once
    promote()
    load:flows()
    standby:kill()
    load:flows()
    ends_only "lost unreachable deadline unfit read_only"
  end)

  it("outlives that nothing comes to the primary and nobody is told, and the standby takes its place", function()
    keep_in_step(true)
    begin { tasks = 30 }:flows()
    local from = #load.ends
    nets.primary:tell("blackhole", "both")
    load:sees("a write is in doubt", is_late_in_doubt, from)
    clock.pause(1500) -- nobody takes a place at once
    promote()
    load:flows()
    standby:kill()
    ends_only "lost unreachable deadline unfit read_only"
  end)

  it("outlives that they change places in order, there and back", function()
    begin(nil, "2s"):flows() -- what fell back to the primary would live for 10 s
    for _ = 1, 2 do
      primary:stop()
      promote()
      standby:follow(primary)
      load:flows()
      clock.eventually("reads are where they belong", function()
        local replica = seen_as "replica"
        return replica and replica.connections > 0
      end, 30000)
    end
    ends_only "lost unreachable deadline unfit read_only"
  end)

  it("reads from the primary while the standby is down, and returns", function()
    begin():flows()
    standby:kill()
    load:flows()
    standby:restart()
    load:flows()
    clock.eventually("reads return", function()
      return seen_as "replica" and seen_as "replica".connections > 0
    end, 30000) -- a connection that fell back to the primary lives for 10 s
    ends_only "lost unreachable deadline"
  end)

  it("reads from the primary while the standby stands still", function()
    begin { tasks = 30 }:flows()
    standby:freeze()
    clock.pause(1500)
    load:flows()
    standby:thaw()
    load:flows()
    ends_only "lost unreachable deadline"
  end)

  it("waits while the primary writes no more, and goes on when it does", function()
    begin():flows()
    primary:psql "alter system set default_transaction_read_only = on; select pg_reload_conf()"
    local refused = load:sees("a write is refused", function(one) return one.code == "unfit" or one.code == "read_only" end)
    assert.equal("failed", refused.outcome)
    load:flows { "select" }
    primary:psql "set transaction_read_only = off; alter system reset default_transaction_read_only; select pg_reload_conf()"
    load:flows()
    ends_only "unfit read_only deadline"
  end)

  it("outlives a restart of each in order", function()
    begin():flows()
    for _, server in ipairs { primary, standby } do
      server:restart()
      load:flows()
    end
    ends_only "lost unreachable deadline unfit"
  end)

  it("outlives that the administrator ends all its sessions, again and again", function()
    begin():flows()
    for _ = 1, 3 do
      for _, server in ipairs { primary, standby } do
        server:psql "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'nebula shop'"
        load:flows()
      end
    end
    ends_only "lost deadline"
  end)

  it("outlives that its password is changed, and changed back", function()
    begin():flows()
    local from = #load.ends
    primary:psql "alter role spec password 'another'"
    primary:is_replayed_by(standby)
    for _, server in ipairs { primary, standby } do
      server:psql "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'nebula shop'"
    end
    load:sees("it is denied", is_code "denied", from)
    primary:psql(("alter role spec password '%s'"):format(primary.password))
    primary:is_replayed_by(standby)
    load:flows()
    ends_only "lost denied deadline unfit"
  end)

  it("waits for a full primary, while the standby has room", function()
    for i = 1, SLOTS - 1 do hold(primary, "select " .. i) end -- one is the standby's
    begin()
    local busy = load:sees("there is no place", is_code "busy")
    assert.equal("failed", busy.outcome)
    assert.equal("53300", busy.state)
    load:flows { "select" }
    for _, other in ipairs(held) do other:kill() end
    load:flows()
    ends_only "busy deadline"
  end)

  it("outlives that the network resets its connections, cuts answers short or closes one half", function()
    begin():flows()
    for _, net in pairs(nets) do
      net:tell "cut"
      load:flows()
      for _, way in ipairs { "up", "down" } do
        net:tell("half", way)
        load:flows()
      end
      for _, bytes in ipairs { 0, 5, 40, 300, 350 } do
        net:tell("truncate", "down", bytes, "close")
        clock.pause(50)
        net:tell "pass"
        load:flows()
      end
    end
    ends_only "lost unreachable deadline protocol unfit"
  end)

  it("was answered in time, whatever failed", function() lateness.is_in_time(300) end)
end)
