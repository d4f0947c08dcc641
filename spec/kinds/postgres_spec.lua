-- limit: 300 s
-- PostgreSQL keeps the contract of the SQL kinds, and what is its own.

local clock = require "spec.support.clock"
local contract = require "spec.kinds.contract"
local declared = require "spec.kinds.declared"
local socket = require "spec.support.socket"
local postgres = require "spec.support.postgres"
local proxy = require "spec.support.proxy"
local tmp = require "spec.support.tmp"

local server = postgres.start()
server:psql "create role other; grant other to spec"

local function declare(name, settings)
  return ([[postgres %q { host = %q, port = %d, dbname = %q, user = %q, password = %q, %s }]]):format(
    name, server.host, server.port, server.dbname, server.user, server.password, settings)
end

-- Ends what the engine's sessions run; true when there was something.
local function end_session()
  return server:psql [[select count(pg_terminate_backend(pid)) from pg_stat_activity
    where application_name like 'nebula %' and state = 'active' and wait_event = 'PgSleep']] ~= "0"
end

describe("postgres", function()
  contract {
    prefix = "postgres_contract",
    declare = declare,
    serial = "serial primary key",
    bytes = "bytea",
    slow = "select pg_sleep(60)",
    slow_ends = "in_doubt",
    slow_write = "insert into t (a) select 7 from pg_sleep(2)",
    slow_read = "select 1 from pg_sleep(2)",
    breaks_in_the_middle = "select 1 / (i - 1200) from generate_series(1, 2000) i",
    end_session = end_session,
    unopenable = {
      settings = ('port = %d, pool = { max = 1, connect = "2s" }'):format(socket.free_port()),
      code = "unreachable",
      action = "wait",
    },
    dirty = {
      { "set search_path = pg_catalog", "select current_setting('search_path')", '"$user", public' },
      { "create temp table mine (a int)", "select count(*) from pg_class where relname = 'mine'", 0 },
      { "listen news", "select count(*) from pg_listening_channels()", 0 },
      { "declare c cursor with hold for select 1", "select count(*) from pg_cursors where name = 'c'", 0 },
      { "select pg_advisory_lock(7)", "select count(*) from pg_locks where locktype = 'advisory'", 0 },
      { "set role other", "select current_user", "spec" },
    },
  }

  local db, before

  setup(function() db = declared.use(declare("postgres_own", "pool = { max = 1 }")) end)
  before_each(function() before = declared.count() end)
  after_each(function() declared.is_whole(before) end)

  it("is denied with a wrong password, which no text repeats", function()
    local text = declare("postgres_denied", "pool = { max = 1 }"):gsub(server.password, "hush hush")
    local one = declared.use(text)
    local result, err = one:query "select 1"
    assert.is_nil(result)
    assert.equal("denied", err.code)
    assert.equal("rotate", err.action)
    assert.equal("failed", err.outcome)
    assert.is_nil(tostring(err):find "hush")
    assert.equal("***", declared.inspect(one).options.password)
  end)

  it("refuses COPY as a statement, and does not call undone what the server did before it knew", function()
    assert(db:exec "drop table if exists copied; create table copied (a int)")
    local function outcome(words)
      local result, err = db:query(words)
      assert.is_nil(result)
      assert.equal("usage", err.code)
      assert.matches(words:find "from stdin" and "use copy_in%(%)" or "use copy_out%(%)", err.text)
      return err.outcome
    end
    local pid = db:value "select pg_backend_pid()"
    assert.equal("failed", outcome "copy copied from stdin")
    assert.equal(pid, db:value "select pg_backend_pid()")
    assert.equal("in_doubt", outcome "copy (insert into copied values (1) returning a) to stdout")
    clock.eventually("it was done", function() return db:value "select count(*) from copied" == 1 end)
    db:transaction(function(tx)
      tx:exec "insert into copied values (2)"
      assert.equal("failed", select(2, tx:query "copy copied to stdout").outcome)
    end)
    assert.equal(1, db:value "select count(*) from copied")
  end)

  it("does not call undone what a procedure or a block may have committed before it failed", function()
    local one = declared.use(declare("postgres_parts", "pool = { max = 1 }"))
    assert(one:exec [[
      drop table if exists kept; create table kept (a int unique deferrable initially deferred);
      create or replace procedure keep(n int) language plpgsql as
        $$ begin insert into kept values (n); commit; perform 1 / 0; end $$;
      create or replace procedure keep_twice(n int) language plpgsql as
        $$ begin insert into kept values (n); commit; insert into kept values (n); end $$]])
    local function outcome(on, words, ...)
      local result, err = on:exec(words, ...)
      assert.is_nil(result)
      return err.outcome .. " " .. err.state
    end
    assert.equal("in_doubt 22012", outcome(one, "call keep(1)"))
    assert.equal("in_doubt 22012", outcome(one, "call keep(?)", 2))
    assert.equal("in_doubt 22012", outcome(one, "-- so\n do $$ begin call keep(3); end $$"))
    assert.equal("in_doubt 23505", outcome(one, "call keep_twice(4)"))
    assert.equal(4, one:value "select count(*) from kept")
    assert.equal("failed 42883", outcome(one, "call kept(1)"))
    assert.equal("failed 42601", outcome(one, "call call"))
    assert.equal("failed 22012", outcome(one, "select 1 / 0"))
    one:transaction(function(tx) -- in which nothing can be committed
      assert.equal("failed 2D000", outcome(tx, "call keep(5)"))
    end)
    assert.equal(4, one:value "select count(*) from kept")
  end)

  it("may do a transaction again whose statement met changed columns", function()
    local one = declared.use(declare("postgres_columns", "pool = { max = 1 }"))
    assert(one:exec "drop table if exists shape; create table shape (a int); insert into shape values (1)")
    for _ = 1, 3 do assert(one:query "select * from shape") end
    assert(one:exec "alter table shape add b int")
    local ok, err = one:transaction(function(tx) return tx:query "select * from shape" end)
    assert.same({ nil, "conflict", "retry", "failed" }, { ok, err.code, err.action, err.outcome })
    assert.equal(1, #assert(one:transaction(function(tx) return tx:query "select * from shape" end)))
  end)

  it("does not lend a session with a statement of its holder's, nor one that has ended", function()
    local one = declared.use(declare("postgres_spoiled", "pool = { max = 1 }"))
    local pid = one:value "select pg_backend_pid()"
    assert(one:exec "prepare mine as select 1")
    assert.equal(0, one:value "select count(*) from pg_prepared_statements where name = 'mine'")
    local other = one:value "select pg_backend_pid()"
    assert.is_true(pid ~= other)
    local lease = assert(one:lease())
    server:psql(("select pg_terminate_backend(%d)"):format(lease:value "select pg_backend_pid()"))
    local next_one = task(function() return one:value "select 1" end)
    assert.equal("lost", select(2, lease:query "select 1").code)
    lease:release()
    assert.equal(1, next_one:join())
    assert.equal(0, declared.inspect(one).retries)
  end)

  it("understands an address, whose password nobody sees", function()
    local one = declared.use(([[postgres "postgres_url" {
      url = "postgresql://%s:%s@%s:%d/%s?application_name=by%%20address", pool = { max = 1 } }]]):format(server.user,
      (server.password:gsub(" ", "%%20")), server.host, server.port, server.dbname))
    assert.equal("by address", one:value "select current_setting('application_name')")
    assert.equal("***", declared.inspect(one).options.password)
    assert.is_nil(declared.complaints [[postgres "x" { url = "postgresql://u:hush@h?nope=1" }]]:find "hush")
    assert.matches("setting nope", declared.complaints [[postgres "x" { url = "postgresql://u:hush@h?nope=1" }]])
  end)

  it("keeps prepared statements through a reset, and the server's settings for dates", function()
    for i = 1, 3 do assert.equal(i, db:value("select ?::int", i)) end
    local prepared = db:value "select count(*) from pg_prepared_statements"
    assert.truthy(prepared >= 1)
    db:with(function(lease) assert(lease:exec "set datestyle = 'SQL, DMY'") end)
    assert.truthy(db:value "select count(*) from pg_prepared_statements" >= prepared)
    assert.equal(1, declared.pool(db).resets)
    assert.equal("2024-01-02", tostring(db:value "select date '2024-01-02'"))
  end)

  it("runs a transaction with the isolation that was asked for", function()
    local rows = {
      { {}, "read committed", "off", "off" },
      { { isolation = "repeatable read" }, "repeatable read", "off", "off" },
      { { isolation = "serializable", read_only = true, deferrable = true }, "serializable", "on", "on" },
    }
    for _, row in ipairs(rows) do
      assert.same({ { i = row[2], r = row[3], d = row[4] } }, db:transaction(row[1], function(tx)
        return tx:query [[select current_setting('transaction_isolation') i, current_setting('transaction_read_only') r,
          current_setting('transaction_deferrable') d]]
      end))
    end
  end)

  it("tells the one that lost against another transaction to run all of it again", function()
    local two = declared.use(declare("postgres_conflict", "pool = { max = 2 }"))
    assert(two:exec "create table c (a int); insert into c values (0)")
    local result, err = two:transaction({ isolation = "serializable" }, function(tx)
      assert(tx:value "select a from c")
      task(function() assert(two:exec "update c set a = a + 1") end):join()
      return tx:exec "update c set a = a + 10"
    end)
    assert.is_nil(result)
    assert.equal("conflict", err.code)
    assert.equal("retry", err.action)
    assert.equal("40001", err.state)
    assert.equal(1, two:value "select a from c")
  end)

  it("fails a transaction whose commit fails, and nothing is applied", function()
    assert(db:exec "create table d (a int unique deferrable initially deferred)")
    local result, err = db:transaction(function(tx)
      assert(tx:exec "insert into d values (1), (1)")
    end)
    assert.is_nil(result)
    assert.equal("constraint", err.code)
    assert.equal("failed", err.outcome)
    assert.equal(0, db:value "select count(*) from d")
  end)

  it("keeps the ids of its sessions while nothing happens to them", function()
    local pid = db:value "select pg_backend_pid()"
    for _ = 1, 20 do assert.equal(pid, db:value "select pg_backend_pid()") end
  end)

  it("does not lend a lease to another kind", function()
    local other = declared.use(('sqlite "sqlite_beside" { file = %q, pool = { max = 1 } }'):format(
      tmp.folder() .. "/beside.db"))
    local ours, theirs = assert(db:lease()), assert(other:lease())
    for _, verb in ipairs { "query", "exec", "transaction", "release" } do
      local ok, message = pcall(ours[verb], theirs, "select 1")
      assert.is_false(ok)
      assert.matches("not a lease of the kind postgres", message)
    end
    local ok, message = pcall(theirs.query, ours, "select 1")
    assert.is_false(ok)
    assert.matches("not a lease of the kind sqlite", message)
    assert(ours:release())
    assert(theirs:release())
  end)

  it("is in doubt when the answer to a commit is lost, and only then", function()
    local network = proxy.start(server)
    local far = declared.use((declare("postgres_far", "pool = { max = 1 }"):gsub("port = %d+", "port = " .. network.port)))
    assert(db:exec "create table f (a int)")
    local function transfer(number, cut)
      return far:transaction(function(tx)
        assert(tx:exec("insert into f values (?)", number))
        cut()
        return "done"
      end)
    end
    local work = task(function()
      return { transfer(1, function() network:tell("blackhole", "down") end) }
    end)
    clock.eventually("it is committed", function() return db:value "select count(*) from f" == 1 end)
    network:tell "cut"
    network:tell "pass"
    local result, err = unpack(work:join(), 1, 2)
    assert.is_nil(result)
    assert.equal("lost", err.code)
    assert.equal("in_doubt", err.outcome)
    assert.equal("commit", err.statement)
    result, err = transfer(2, function()
      network:tell "cut"
      network:tell "pass"
      clock.eventually("it is gone", function() return declared.inspect(far).open == 0 end)
    end)
    assert.is_nil(result)
    assert.equal("failed", err.outcome)
    assert.equal("done", transfer(3, function() end))
    assert.same({ { a = 1 }, { a = 3 } }, db:query "select a from f order by a")
    network:stop()
  end)

  it("is in doubt of a stream that writes, whose end was not read", function()
    local network = proxy.start(server)
    local far = declared.use((declare("postgres_brook", "pool = { max = 1 }"):gsub("port = %d+", "port = " .. network.port)))
    assert(db:exec "create table brook (a int)")
    local function ends(words, disturb)
      local rows = far:stream({ deadline = "5s", window = 500 }, words)
      local row, err = rows:next()
      disturb()
      while row do row, err = rows:next() end
      return err.code .. " " .. err.outcome
    end
    local writes = "with new as (insert into brook values (%d) returning a) select a, 1 / (1000000 - i) from new, generate_series(1, %d) i"
    assert.equal("lost in_doubt", ends(writes:format(1, 999999), function() network:tell "cut" end))
    assert.equal("query failed", ends(writes:format(2, 1000000), function() end))
    assert.equal(0, db:value "select count(*) from brook where a = 2")
    network:stop()
  end)

  it("waits for nobody when it is stopped: the caller is answered at his deadline", function()
    assert.equal(1, db:value "select 1")
    server:freeze()
    local started = clock.now()
    local _, err = db:query({ deadline = "200ms" }, "select 2")
    local took = clock.now() - started
    server:thaw()
    assert.equal("deadline", err.code)
    assert.truthy(took < 1000, took)
    clock.eventually("it answers again", function() return db:value "select 3" == 3 end)
  end)
end)
