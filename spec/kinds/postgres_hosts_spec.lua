-- limit: 300 s
-- Several hosts are endpoints of ours: two real servers, one of which follows the other.

local clock = require "spec.support.clock"
local declared = require "spec.kinds.declared"
local postgres = require "spec.support.postgres"
local socket = require "spec.support.socket"

local first = postgres.start()
first:psql [[create table t (a int); alter table t owner to spec; insert into t values (1)]]
local second = first:standby()
first:is_replayed_by(second)

local count = 0

-- A resource with these hosts.
local function hosts(list, settings)
  count = count + 1
  return declared.use(([[policy "patient" { call = { deadline = "5s", wait = "5s" }, retry = { tries = 3 } }
    postgres "hosts%d" { host = %s, dbname = %q, user = %q, password = %q, policy = "patient", %s }]]):format(count, list,
    first.dbname, first.user, first.password, settings or ""))
end

local function at(...)
  local list = {}
  for i, server in ipairs { ... } do
    list[i] = ("%q"):format(type(server) == "string" and server or ("%s:%d"):format(server.host, server.port))
  end
  return "{ " .. table.concat(list, ", ") .. " }"
end

local PORT = "select current_setting('port')::int"

local function states(resource)
  local list = {}
  for i, one in ipairs(declared.inspect(resource).endpoints) do list[i] = one.seen_as end
  return list
end

describe("several hosts", function()
  local before

  before_each(function() before = declared.count() end)
  after_each(function() declared.is_whole(before) end)

  it("are asked for the primary in any order, and in every way they can be written", function()
    local both = ("%s:%d,%s:%d"):format(second.host, second.port, first.host, first.port)
    local ways = {
      hosts(at(second, first)),
      hosts(at(first, second)),
      hosts(("%q"):format(both)),
      hosts(("{ %q, %q }, port = { %d, %d }"):format(second.host, first.host, second.port, first.port)),
      hosts(("nil, url = 'postgresql://%s/?target_session_attrs=primary'"):format(both)),
    }
    for _, db in ipairs(ways) do
      assert.equal(first.port, db:value(PORT))
      assert.equal(1, db:exec "update t set a = 1")
    end
  end)

  it("are shown with what they were seen as, and no more is said of one host than before", function()
    local db = hosts(at(second, first), "reads = 'replica'")
    assert.same({ "unknown", "unknown" }, states(db))
    db:exec "update t set a = 1"
    assert.same({ "unknown", "primary" }, states(db))
    db:value(PORT)
    assert.same({ "replica", "primary" }, states(db))
    local told = declared.inspect(db)
    assert.is_nil(told.options.host)
    assert.same({ endpoint = second.host .. ":" .. second.port, state = "unfit", connections = 0, failures = 0 },
      told.pools[1].endpoints[1])
    assert.equal(first.host .. ":" .. first.port, told.connections[1].endpoint)
    local one = declared.inspect(hosts(at(first)))
    assert.is_nil(one.endpoints)
    assert.equal(first.host, one.options.host)
  end)

  it("send reads where the declaration says", function()
    for reads, port in pairs { ["primary"] = first.port, ["replica"] = second.port, ["prefer-replica"] = second.port } do
      local db = hosts(at(first, second), ("reads = %q"):format(reads))
      assert.equal(port, db:value(PORT))
      assert.equal(port, db:stream(PORT):next().current_setting)
      assert.equal(port, db:prepare(PORT):value())
      assert.equal(port, db:transaction({ read_only = true }, function(tx) return tx:value(PORT) end))
      assert.equal(first.port, db:value({ role = "primary" }, PORT))
      assert.equal(second.port, db:value({ role = "replica" }, PORT))
      assert.equal(first.port, db:transaction(function(tx) return tx:value(PORT) end))
      assert.equal(first.port, db:transaction(function() return db:value(PORT) end))
      assert.equal(first.port, db:transaction({ read_only = true, isolation = "serializable" },
        function(tx) return tx:value(PORT) end))
      assert.equal(first.port, db:with(function(lease) return lease:value(PORT) end))
      assert.equal(first.port, db:value("select current_setting('port')::int from t for update"))
    end
  end)

  it("do at the primary what a replica cannot", function()
    local db = hosts(at(first, second), "reads = 'replica'")
    first:psql "create or replace function counted() returns int language sql as 'insert into t values (2) returning a'"
    first:is_replayed_by(second)
    assert.equal(2, db:value({ role = "replica" }, "select counted()"))
    assert.equal(1, db:exec({ role = "replica" }, "delete from t where a = 2"))
    assert.equal(1, declared.pool(db, "replica").idle) -- and nothing was wrong with the replica
    local done, err = db:transaction({ role = "replica" }, function(tx) return tx:exec "delete from t" end)
    assert.is_nil(done)
    assert.equal("25006", err.state)
  end)

  it("pass by one where nobody listens", function()
    local nobody = ("%s:%d"):format(first.host, socket.free_port())
    local db = hosts(at(nobody, second, first))
    assert.equal(first.port, db:value(PORT))
    assert.same({ "down", "unknown", "primary" }, states(db))
    local alone = hosts(at(nobody, second), "pool = { connect = '200ms' }")
    clock.eventually("both were looked at", function()
      local done, err = alone:exec({ deadline = "300ms" }, "update t set a = 1")
      assert.is_nil(done)
      assert.equal("unreachable", err.code)
      return tostring(err):find "no endpoint serves as primary: .* is down, .* is unfit"
    end)
  end)

  it("are retired by no transaction that its user wanted to be read only", function()
    local db = hosts(at(first, second), "pool = { max = 1 }")
    local pid = db:value "select pg_backend_pid()"
    local done, err = db:transaction({ read_only = true }, function(tx) return tx:exec "insert into t values (3)" end)
    assert.is_nil(done)
    assert.equal("read_only", err.code)
    db:with(function(lease)
      lease:exec "set default_transaction_read_only = on"
      assert.equal("25006", select(2, lease:exec "insert into t values (3)").state)
    end)
    assert.equal(pid, db:value "select pg_backend_pid()")
  end)

  it("leave all at once when the primary writes no more, and come back when it does", function()
    local db = hosts(at(first, second), "pool = { max = 4 }")
    local leases = {}
    for i = 1, 4 do leases[i] = assert(db:lease()) end
    for i = 1, 4 do leases[i]:release() end
    first:psql "alter system set default_transaction_read_only = on; select pg_reload_conf()"
    clock.eventually("a write is refused", function()
      local done, err = db:exec({ deadline = "200ms" }, "update t set a = 1")
      return not done and (err.code == "unfit" or err.code == "wait")
    end)
    clock.eventually("all have left", function() return declared.pool(db).idle == 0 end)
    first:psql "alter system reset default_transaction_read_only; select pg_reload_conf()"
    clock.eventually("writes work", function() return db:exec({ deadline = "1s" }, "update t set a = 1") end)
    assert.equal("fit", declared.pool(db).endpoints[1].state)
  end)

  it("are held against what is wanted of them, one or several", function()
    local rows = {
      { "read-write", first }, { "primary", first }, { "standby", second }, { "prefer-standby", second },
      { "read-only", second },
    }
    for _, row in ipairs(rows) do
      local attrs = ("target_session_attrs = %q"):format(row[1])
      assert.equal(row[2].port, hosts(at(first, second), attrs):value(PORT))
      assert.equal(row[2].port, hosts(at(second, first), attrs):value(PORT))
      assert.equal(row[2].port, hosts(at(row[2]), attrs):value(PORT))
    end
    local wrong = hosts(at(second), "target_session_attrs = 'read-write'")
    local result, err = wrong:value({ deadline = "200ms" }, PORT)
    assert.is_nil(result)
    assert.equal("unfit", err.code)
    assert.equal("wait", err.action)
    assert.matches("read%-only", err.text)
    assert.equal(second.port, hosts(at(second, first), "target_session_attrs = 'any'"):value(PORT))
    assert.equal(first.port, hosts(at(first), "target_session_attrs = 'prefer-standby'"):value(PORT))
  end)

  it("are refused where they cannot be meant", function()
    local rows = {
      { "host = 'a,a'", "host: names one server twice" },
      { "host = 'a,,b'", "host: has one without a name" },
      { "host = {}", "host: has no host in it" },
      { "host = 'a:x'", "host: has a port that is no number from 1 to 65535" },
      { "host = { 'a', 'b:70000' }", "host: has a port that is no number from 1 to 65535" },
      { "host = { 'a', 'b' }, port = { 1, 2, 3 }", "port: has 3 ports for 2 hosts" },
      { "host = 'a', port = { 1, 70000 }", "port%[2%]: is more than 65535" },
      { "host = 'a', reads = 'replica'", "reads: there is one host" },
      { "host = 'a,b', reads = 'replica', target_session_attrs = 'standby'", "reads: .* leaves one role" },
      { "host = 'a,b', reads = 'replicas'", 'reads: "replicas" is not possible here; did you mean "replica"' },
      { "host = { 'a', 7 }", "host%[2%]: expected a text" },
      { ("host = '%s'"):format(("a,"):rep(16):gsub("a", function() count = count + 1 return "a" .. count end) .. "b"),
        "host: has 17 hosts; the most is 16" },
    }
    for _, row in ipairs(rows) do
      assert.matches(row[2], declared.complaints(('postgres "wrong" { %s }'):format(row[1])))
    end
  end)

  it("run a transaction again that its standby ended because it was in the way of the replay", function()
    first:psql "create table gone (a int); insert into gone values (1); alter table gone owner to spec"
    local db, runs, ends = hosts(at(first, second), "reads = 'replica', pool = { max = 1 }"), 0, nil
    second:psql "alter system set max_standby_streaming_delay = 0; select pg_reload_conf()"
    first:is_replayed_by(second)
    assert.equal(0, db:transaction({ read_only = true, isolation = "repeatable read", retry = true }, function(tx)
      runs = runs + 1
      local left, pid = assert(tx:value "select count(*) from gone"), assert(tx:value "select pg_backend_pid()")
      if runs == 1 then
        first:psql "delete from gone; vacuum gone"
        clock.eventually("the session was ended", function()
          return second:psql(("select count(*) from pg_stat_activity where pid = %d"):format(pid)) == "0"
        end)
        left, ends = tx:value "select count(*) from gone"
        assert.is_nil(left)
        return nil, ends
      end
      return left
    end))
    assert.same({ 2, "failed" }, { runs, ends.outcome })
    assert.is_true(ends.code == "conflict" or ends.state == "40001", tostring(ends)) -- as it is heard before or behind
    second:psql "alter system reset max_standby_streaming_delay; select pg_reload_conf()"
  end)

  -- --- who is primary changes ------------------------------------------------------------------------

  -- Writes until told to stop; what became of each id, and the longest time without a write that worked.
  local function write(db, tasks)
    local written = { ends = {}, last = clock.now(), gap = 0, tasks = {} }
    for i = 1, tasks do
      written.tasks[i] = task(function()
        local id = i
        while not written.is_over do
          local done, err = db:exec({ deadline = "2s" }, "insert into written values (?)", id)
          written.ends[id] = done and "ok" or err.outcome
          if done then
            written.gap = math.max(written.gap, clock.now() - written.last)
            written.last = clock.now()
          end
          id = id + tasks
          assert(sleep "1ms")
        end
        return true
      end)
    end
    return written
  end

  local function stop(written)
    written.is_over = true
    for _, one in ipairs(written.tasks) do assert(one:join()) end
  end

  -- Acknowledged is there once, failed is not there, in doubt is there at most once.
  local function compare(written, server)
    local has, counts = {}, { ok = 0, failed = 0, in_doubt = 0 }
    for id, times in server:psql "select id, count(*) from written group by id":gmatch "(%d+)|(%d+)" do
      has[tonumber(id)] = tonumber(times)
    end
    for id, outcome in pairs(written.ends) do
      counts[outcome] = counts[outcome] + 1
      local shown = ("%d ended as %s and is there %d times"):format(id, outcome, has[id] or 0)
      assert(outcome ~= "ok" or has[id] == 1, shown)
      assert(outcome ~= "failed" or not has[id], shown)
      assert((has[id] or 0) <= 1, shown)
    end
    return counts
  end

  local function wait_for_writes(written, more)
    local from, seen = #written.ends, written.last
    clock.eventually("writes work", function() return written.last > seen and #written.ends > from + more end, 20000)
  end

  it("switch over under load, and nothing that was acknowledged is lost, nothing in doubt is repeated", function()
    first:psql "create table written (id int); alter table written owner to spec"
    local db = hosts(at(first, second), "reads = 'prefer-replica', pool = { max = 4 }")
    local written = write(db, 8)
    local primary, standby = first, second
    for _ = 1, 2 do
      wait_for_writes(written, 100)
      primary:is_replayed_by(standby) -- so it follows, and a server that is told to stop waits for who does
      primary:stop()
      standby:promote()
      primary:follow(standby)
      primary, standby = standby, primary
      wait_for_writes(written, 100)
    end
    stop(written)
    local counts = compare(written, primary)
    print(("# %d ok, %d failed, %d in doubt; no write worked for %.0f ms at most"):format(counts.ok, counts.failed,
      counts.in_doubt, written.gap))
    assert(written.gap < 5000, written.gap)
    primary:is_replayed_by(standby)
    assert.equal("primary", states(db)[1]) -- it went there and back
    -- One that was not what the role needs, taken while no standby was there, lives for 10 s at most.
    clock.eventually("reads go to the standby", function() return db:value(PORT) == second.port end, 12000)
  end)
end)
