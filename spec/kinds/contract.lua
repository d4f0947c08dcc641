-- contract.lua - what every SQL kind promises, run on a real database. A kind's spec calls this with itself:
--
--   prefix      names of its resources begin with it
--   declare     function(name, settings): the text of a declaration on the database of the spec
--   serial      words of a column that numbers its rows
--   slow        a query that takes longer than anybody waits
--   unopenable  settings with which no connection opens, and the code, action of the error
--   dirty       list of { words that change a session, query that tells, its answer in a clean one }
--   end_session function(resource), if there is a server that can: ends the sessions that run something
--   slow_ends   how such a query ends when nobody waits any more: failed where it is certain that it did nothing
local assert = require "luassert"
local busted = require "busted"
local clock = require "spec.support.clock"
local declared = require "spec.kinds.declared"
local errors = require "nebula.error"

local describe, it, setup = busted.describe, busted.it, busted.setup
local before_each, after_each = busted.before_each, busted.after_each

return function(kind)
  local db, before, count
  count = 0

  -- A resource of its own for what the common one should not suffer.
  local function fresh(settings)
    count = count + 1
    return declared.use(kind.declare(("%s_%d"):format(kind.prefix, count), settings or "pool = { max = 2 }"))
  end

  local function rows() return db:value "select count(*) from t" end

  local function fails(code, outcome, result, err)
    assert.is_nil(result)
    assert.truthy(errors.is(err), tostring(err))
    assert.equal(code, err.code, tostring(err))
    assert.equal(outcome, err.outcome, tostring(err))
    return err
  end

  local function raises(pattern, fn)
    local ok, message = pcall(fn)
    assert.is_false(ok)
    assert.matches(pattern, tostring(message))
  end

  -- A savepoint or a failure leaves its words in the traceback; only the place of this file counts.
  setup(function()
    db = declared.use(kind.declare(kind.prefix, "pool = { max = 4 }"))
    assert(db:exec(("create table t (id %s, a integer unique, b text)"):format(kind.serial)))
  end)

  before_each(function()
    assert(db:exec "delete from t")
    before = declared.count()
  end)

  after_each(function()
    collectgarbage()
    declared.is_whole(before)
  end)

  describe("open", function()
    it("opens nothing before it is needed, and then one connection", function()
      local one = fresh()
      assert.same({}, declared.inspect(one).connections)
      assert.equal(1, one:value "select 1")
      assert.equal(1, #declared.inspect(one).connections)
    end)

    it("keeps what was opened for the next, never more than max", function()
      local one = fresh()
      for_each({ 1, 2, 3, 4, 5, 6, 7, 8 }, { parallel = 8 }, function(i)
        assert.equal(i, one:value("select cast($1 as integer)", i))
      end)
      local pool = declared.pool(one)
      assert.truthy(pool.opened <= 2 and pool.idle == pool.opened, pool.opened)
    end)

    it("that cannot succeed is an error that says why, and the pool is none the worse", function()
      local one = fresh(kind.unopenable.settings)
      local started = clock.now()
      local err = fails(kind.unopenable.code, "failed", one:query "select 1")
      assert.equal(kind.unopenable.action, err.action)
      assert.equal(one.name, err.resource)
      assert.truthy(clock.now() - started < 8000)
      assert.same({}, declared.inspect(one).connections)
    end)
  end)

  describe("send", function()
    it("answers in rows with every column, NULL being null and nothing else nil", function()
      local list = assert(db:query "select 1 as a, null as b, 'x' as c")
      assert.same({ { a = 1, b = null, c = "x" } }, list)
      assert.is_nil(list[1].d)
      assert.same({}, assert(db:query "select 1 as a where 1 = 0"))
    end)

    it("has a verb for each wish", function()
      assert.equal(2, db:exec "insert into t (a, b) values (1, 'one'), (2, null)")
      assert.equal(0, db:exec "update t set b = 'x' where a = 99")
      assert.same({ a = 2, b = null }, db:one "select a, b from t where a = 2")
      assert.equal("one", db:value "select b from t where a = 1")
      assert.equal(null, db:value "select b from t where a = 2")
      assert.same({ n = 1 }, { n = select("#", db:one "select a from t where a = 99") })
      assert.is_nil(db:value "select a from t where a = 99")
      assert.equal(0, db:exec "create table u (a integer)")
      assert.equal(0, db:exec "drop table u")
    end)

    it("takes parameters in every style", function()
      assert.equal("a1", db:value("select cast(? as text) || cast(? as text)", "a", "1"))
      assert.equal("1a1", db:value("select cast($2 as text) || cast($1 as text) || cast($2 as text)", "a", "1"))
      assert.equal("xyx", db:value("select cast(:p as text) || cast(:q as text) || cast(:p as text)",
        { p = "x", q = "y" }))
    end)

    it("takes back the values it gave", function()
      local values = { 0, -1, 2 ^ 53, 9223372036854775807LL, 0.1, -1e300, "", "tä\n'\"\\x", null }
      local types = { "bigint", "bigint", "bigint", "bigint", "double precision", "double precision", "text", "text",
        "text" }
      for at, value in ipairs(values) do
        local got = db:value(("select cast(? as %s)"):format(types[at]), value)
        assert.truthy(value == got, tostring(value))
      end
      local blob = "\0\1\255'"
      assert.equal(1, db:exec("insert into t (a, b) values (1, ?)", "text"))
      assert.equal(blob, db:value(("select cast(? as %s)"):format(kind.bytes), bytes(blob)))
    end)

    it("refuses what is wrong with the statement as an error that shows no literal", function()
      local err = fails("query", "failed", db:query "select nothing from nowhere where secret = 'hush'")
      assert.equal("fix", err.action)
      assert.equal(kind.prefix, err.resource)
      assert.equal("select nothing from nowhere where secret = ?", err.statement)
      assert.is_nil(tostring(err):find("hush", 1, true))
      fails("query", "failed", db:query "select 1 +")
    end)

    it("knows a broken constraint from a wrong statement", function()
      assert.equal(1, db:exec "insert into t (a) values (1)")
      assert.equal("fix", fails("constraint", "failed", db:exec "insert into t (a) values (1)").action)
      assert.equal(1, rows())
    end)

    it("raises what the program got wrong, at the line of the program", function()
      raises("contract.lua:%d+: the statement takes 2 values, 1 given, in: select %?, %?", function()
        db:query("select ?, ?", 1)
      end)
      raises("contract.lua:%d+: .*nil", function() db:query("select ?", nil) end)
      raises("contract.lua:%d+: the statement must be a string, not nil", function() db:query() end)
      raises('contract.lua:%d+: query: there is no option deadlin; did you mean "deadline"', function()
        db:query({ deadlin = "1s" }, "select 1")
      end)
      raises("contract.lua:%d+: two columns are called a", function() db:query "select 1 as a, 2 as a" end)
      raises("use .*:transaction%(fn%)", function() db:exec "begin" end)
      raises("has no role", function() db:query({ role = "nobody" }, "select 1") end)
    end)

    it("runs several statements at once, all or none", function()
      assert(db:exec "insert into t (a) values (1); insert into t (a) values (2);")
      fails("constraint", "failed", db:exec "insert into t (a) values (3); insert into t (a) values (1)")
      assert.equal(2, rows())
      raises("take no values", function() db:exec("select 1; select 2", 3) end)
    end)

    it("prepares: a mistake shows at once, options and values in every style", function()
      local find = assert(db:prepare "select a from t where a = :a")
      assert(db:exec "insert into t (a) values (5)")
      assert.equal(5, find:value { a = 5 })
      assert.equal(5, find:one({ deadline = "5s" }, { a = 5 }).a)
      local insert = assert(db:prepare "insert into t (a) values (?)")
      assert.equal(1, insert:exec(6))
      assert.equal(1, insert:exec({ deadline = "5s" }, 7))
      assert.equal(3, #assert(db:prepare "select * from t"):query())
      fails("query", "failed", db:prepare "select nothing from nowhere")
    end)
  end)

  describe("slow", function()
    it("ends at the deadline, for the caller at once, and the pool is whole", function()
      local one = fresh()
      assert.equal(1, one:value "select 1")
      local started = clock.now()
      local err = fails("deadline", kind.slow_ends, one:query({ deadline = "100ms" }, kind.slow))
      local took = clock.now() - started
      assert.truthy(took >= 99 and took < 1000, took)
      assert.equal("retry", err.action)
      assert.equal(1, one:value "select 1")
    end)

    it("ends with the deadline of its task", function()
      local started = clock.now()
      fails("deadline", kind.slow_ends, deadline("100ms", function() return db:query(kind.slow) end))
      assert.truthy(clock.now() - started < 1000)
    end)

    it("does not begin when it is too late", function()
      fails("deadline", "failed", deadline("1ms", function()
        sleep "5ms"
        return db:exec "insert into t (a) values (1)"
      end))
      assert.equal(0, rows())
    end)

    it("is not waited for in the queue, with fail_fast", function()
      local one = fresh "pool = { max = 1 }"
      local lease = assert(one:lease())
      fails("full", "failed", one:query({ fail_fast = true }, "select 1"))
      fails("deadline", "failed", one:query({ deadline = "50ms" }, "select 1"))
      assert(lease:release())
      assert.equal(1, one:value({ fail_fast = true }, "select 1"))
    end)
  end)

  describe("cancelled", function()
    it("in flight returns the caller at once, and the connection serves the next", function()
      local one = fresh "pool = { max = 1 }"
      local result
      local work = task(function() result = { one:query(kind.slow) } end)
      clock.eventually("it runs", function() return declared.inspect(one).leased == 1 end)
      work:cancel()
      work:join()
      fails("cancelled", kind.slow_ends, unpack(result, 1, 2))
      assert.equal(1, one:value({ deadline = "5s" }, "select 1"))
    end)

    it("in the queue takes nothing with it", function()
      local one = fresh "pool = { max = 1 }"
      local lease = assert(one:lease())
      local result
      local work = task(function() result = { one:query "select 1" } end)
      clock.eventually("it waits", function() return declared.inspect(one).waiting == 1 end)
      work:cancel()
      work:join()
      fails("cancelled", "failed", unpack(result, 1, 2))
      assert(lease:release())
      assert.equal(1, one:value "select 1")
    end)

    it("in a transaction leaves nothing of it", function()
      local is_in = false
      local work = task(function()
        db:transaction(function(tx)
          assert(tx:exec "insert into t (a) values (1)")
          is_in = true
          sleep "60s"
          return tx:exec "insert into t (a) values (2)"
        end)
      end)
      clock.eventually("it is in", function() return is_in end)
      work:cancel()
      work:join()
      clock.eventually("rolled back", function() return db:exec "insert into t (a) values (1)" == 1 end)
      assert.equal(1, rows())
    end)

    it("tasks leave their leases behind", function()
      local one = fresh "pool = { max = 1 }"
      task(function() assert(one:lease()) end):join()
      assert.equal(1, one:value "select 1")
      pcall(function()
        task(function()
          assert(one:lease())
          error "on purpose"
        end):join()
      end)
      assert.equal(1, one:value "select 1")
    end)
  end)

  if kind.end_session then
    describe("killed in flight", function()
      it("is in doubt, when it writes", function()
        local work = task(function() return { db:exec(kind.slow_write) } end)
        clock.eventually("it is ended", function() return kind.end_session(db) end)
        fails("lost", "in_doubt", unpack(work:join(), 1, 2))
        assert.equal(1, db:value "select 1")
      end)

      it("is done again, when it only reads", function()
        local work = task(function() return { db:value({ deadline = "20s" }, kind.slow_read) } end)
        clock.eventually("it is ended", function() return kind.end_session(db) end)
        assert.same({ 1 }, work:join())
        assert.truthy(declared.inspect(db).retries >= 1)
      end)

      it("has done nothing, when its transaction was not committed", function()
        local work = task(function()
          return { db:transaction(function(tx)
            assert(tx:exec "insert into t (a) values (1)")
            return tx:exec(kind.slow_write)
          end) }
        end)
        clock.eventually("it is ended", function() return kind.end_session(db) end)
        fails("lost", "failed", unpack(work:join(), 1, 2))
        assert.equal(0, rows())
      end)
    end)
  end

  describe("stream", function()
    local numbers = "with recursive n (i) as (select 1 union all select i + 1 from n where i < %d) select i from n"

    it("gives every row once, in order, whatever the window", function()
      for _, window in ipairs { 1, 7, 100, 1000 } do
        local expected = 0
        for row in db:stream({ window = window }, numbers:format(100)) do
          expected = expected + 1
          assert.equal(expected, row.i)
        end
        assert.equal(100, expected)
      end
      for _ in db:stream "select 1 as a where 1 = 0" do error "there is no row" end
    end)

    it("takes values, and ends for good", function()
      local stream = db:stream("select :a as a", { a = "x" })
      assert.same({ a = "x" }, stream:next())
      assert.same({ n = 1 }, { n = select("#", stream:next()) })
      assert.is_nil(stream:next())
      assert.truthy(stream:close())
    end)

    it("asks for no more than it gives", function()
      local one = fresh "pool = { max = 1 }"
      local stream = one:stream({ window = 10 }, numbers:format(2e9))
      for i = 1, 25 do assert.equal(i, stream:next().i) end
      assert.equal(1, declared.inspect(one).leased)
      assert.truthy(stream:close())
      assert.is_nil(stream:next())
      assert.equal(1, one:value "select 1")
    end)

    it("that is left in the middle gives its connection back when nobody knows it any more", function()
      local one = fresh "pool = { max = 1 }"
      local function look()
        for row in one:stream({ window = 10 }, numbers:format(2e9)) do
          if row.i == 15 then return row.i end
        end
      end
      assert.equal(15, look())
      clock.eventually("the connection is back", function()
        collectgarbage()
        return declared.inspect(one).leased == 0
      end)
      assert.equal(1, one:value "select 1")
    end)

    it("ends with its task", function()
      local one = fresh "pool = { max = 1 }"
      local stream = one:stream({ window = 10 }, numbers:format(2e9))
      task(function() stream:next() end):join()
      assert.equal(1, one:value "select 1")
      fails("stale", "failed", (function()
        for _ = 1, 9 do stream:next() end
        return stream:next()
      end)())
    end)

    it("raises an error in the middle, or at the beginning", function()
      local ok, err = pcall(function()
        for _ in db:stream(kind.breaks_in_the_middle) do end
      end)
      assert.is_false(ok)
      assert.truthy(errors.is(err), tostring(err))
      ok, err = pcall(function() for _ in db:stream "select nothing from nowhere" do end end)
      assert.is_false(ok)
      fails("query", "failed", nil, err)
      raises("%?", function() db:stream("select ?") :next() end)
    end)

    it("has its lease for itself", function()
      db:with(function(lease)
        local stream = lease:stream({ window = 2 }, numbers:format(10))
        assert.equal(1, stream:next().i)
        raises("a stream is open", function() lease:query "select 1" end)
        assert(stream:close())
        assert.equal(1, lease:value "select 1")
      end)
      assert(db:transaction(function(tx)
        local stream = tx:stream({ window = 2 }, numbers:format(10))
        assert.equal(1, stream:next().i)
        raises("a stream is open", function() tx:query "select 1" end)
      end))
    end)

    it("in a transaction sees what it did, and poisons it", function()
      assert(db:transaction(function(tx)
        assert(tx:exec "insert into t (a) values (1)")
        for row in tx:stream "select a from t" do assert.equal(1, row.a) end
        assert(tx:exec "insert into t (a) values (2)")
      end))
      fails("query", "failed", db:transaction(function(tx)
        assert(tx:exec "insert into t (a) values (3)")
        tx:stream("select nothing from nowhere"):next()
      end))
      assert.equal(2, rows())
    end)
  end)

  describe("leases", function()
    it("are one session, with all verbs", function()
      local lease = assert(db:lease(kind.writing))
      assert.equal(1, lease:exec "insert into t (a) values (1)")
      assert.equal(1, lease:value "select a from t")
      assert.equal(1, #lease:query "select * from t")
      assert.equal(1, lease:one("select a from t where a = :a", { a = 1 }).a)
      assert.equal(1, lease:prepare("select a from t"):value())
      assert(lease:transaction(function(tx) return tx:exec "insert into t (a) values (2)" end))
      assert(lease:exec "begin")
      assert(lease:exec "delete from t")
      assert(lease:exec "rollback")
      assert.equal(2, lease:value "select count(*) from t")
      assert(lease:release())
      fails("stale", "failed", lease:query "select 1")
      fails("stale", "failed", lease:release())
    end)

    it("are given back by with(), however it ends", function()
      assert.equal(7, db:with(kind.writing, function(lease) return lease:value "select 7" end))
      raises("on purpose", function() db:with(function() error "on purpose" end) end)
    end)
  end)

  describe("reset", function()
    for _, row in ipairs(kind.dirty) do
      local words, question, clean = unpack(row)
      it("undoes: " .. words, function()
        local one = fresh "pool = { max = 1 }"
        local before_it = one:value(question)
        assert.equal(clean, before_it)
        one:with(kind.writing, function(lease)
          assert(lease:exec(words))
          assert.not_equal(clean, lease:value(question))
        end)
        one:with(kind.writing, function(lease) assert.equal(clean, lease:value(question)) end)
        assert.equal(clean, one:value(question))
      end)
    end

    it("rolls back what a lease left open", function()
      db:with(kind.writing, function(lease)
        assert(lease:exec "begin")
        assert(lease:exec "insert into t (a) values (1)")
      end)
      clock.eventually("rolled back", function() return db:exec "insert into t (a) values (1)" == 1 end)
    end)

    it("happens only when something may have changed the session", function()
      local one = fresh "pool = { max = 1 }"
      for _ = 1, 5 do
        assert(one:value "select 1")
        assert(one:transaction(function(tx) return tx:value "select 1" end))
        one:with(function(lease) return lease:query "select 1" end)
      end
      for role in ipairs(declared.inspect(one).pools) do assert.equal(0, declared.pool(one, role).resets) end
    end)
  end)

  describe("check", function()
    it("asks a connection that was idle before it is lent", function()
      local one = fresh 'pool = { max = 1, check = "0s" }'
      for _ = 1, 5 do assert.equal(1, one:value "select 1") end
      local pool = declared.pool(one)
      assert.equal(1, pool.opened)
      assert.truthy(pool.checks >= 4, pool.checks)
    end)
  end)

  describe("transactions", function()
    it("commit what they did, and return what their function returned", function()
      assert.same({ 1, "two" }, { db:transaction(function(tx)
        assert(tx:exec "insert into t (a) values (1)")
        return 1, "two"
      end) })
      assert.is_true(db:transaction(function(tx) assert(tx:exec "insert into t (a) values (2)") end))
      assert.equal(2, rows())
    end)

    it("roll back when their function raises, and raise it on", function()
      local mine = {}
      local ok, raised = pcall(db.transaction, db, function(tx)
        assert(tx:exec "insert into t (a) values (1)")
        error(mine)
      end)
      assert.is_false(ok)
      assert.equal(mine, raised)
      assert.equal(0, rows())
    end)

    it("roll back when their function returns nil and why", function()
      local result, why = db:transaction(function(tx)
        assert(tx:exec "insert into t (a) values (1)")
        return nil, "changed my mind"
      end)
      assert.is_nil(result)
      assert.equal("changed my mind", why)
      assert.equal(0, rows())
    end)

    it("are poisoned by a statement that fails, whatever is done about it", function()
      local later
      local err = fails("constraint", "failed", db:transaction(function(tx)
        assert(tx:exec "insert into t (a) values (1)")
        tx:exec "insert into t (a) values (1)"
        later = { tx:query "select 1" }
        return "all is well"
      end))
      assert.equal(err, later[2])
      assert.is_nil(later[1])
      assert.equal(0, rows())
    end)

    it("go on after a savepoint that was rolled back", function()
      assert(db:transaction(function(tx)
        assert(tx:exec "insert into t (a) values (1)")
        fails("constraint", "failed", tx:savepoint(function(inner)
          assert.equal(tx, inner)
          assert(inner:exec "insert into t (a) values (2)")
          inner:exec "insert into t (a) values (1)"
        end))
        raises("on purpose", function()
          tx:savepoint(function()
            assert(tx:exec "insert into t (a) values (3)")
            error "on purpose"
          end)
        end)
        assert.same({ nil, "no" }, { tx:savepoint(function()
          assert(tx:exec "insert into t (a) values (4)")
          return nil, "no"
        end) })
        assert.equal("yes", tx:savepoint(function()
          assert(tx:exec "insert into t (a) values (5)")
          fails("constraint", "failed", tx:savepoint(function() return tx:exec "insert into t (a) values (5)" end))
          assert(tx:exec "insert into t (a) values (6)")
          return "yes"
        end))
      end))
      assert.same({ { a = 1 }, { a = 5 }, { a = 6 } }, db:query "select a from t order by a")
    end)

    it("have no transactions inside, and are of no use afterwards", function()
      local kept
      assert(db:transaction(function(tx)
        kept = tx
        raises("contract.lua:%d+: .*tx:savepoint", function() tx:transaction(function() end) end)
        raises("tx:savepoint", function() db:transaction(function() end) end)
        for _, words in ipairs { "commit", "rollback", "begin", "savepoint a" } do
          raises("tx:savepoint", function() tx:exec(words) end)
        end
      end))
      raises("contract.lua:%d+: the transaction has ended", function() kept:query "select 1" end)
    end)

    it("may run side by side in tasks", function()
      for_each({ 1, 2, 3, 4, 5, 6, 7, 8 }, { parallel = 8 }, function(i)
        assert(db:transaction(function(tx)
          assert(tx:exec("insert into t (a) values (?)", i))
          sleep "1ms"
          return tx:value("select a from t where a = ?", i)
        end))
      end)
      assert.equal(8, rows())
    end)

    it("that only read cannot write", function()
      local err = fails("read_only", "failed", db:transaction({ read_only = true }, function(tx)
        assert.equal(0, tx:value "select count(*) from t")
        return tx:exec "insert into t (a) values (1)"
      end))
      assert.equal("retry", err.action)
      assert.equal(0, rows())
    end)

    it("see one state of the data when they are isolated", function()
      assert(db:transaction({ isolation = "repeatable read", read_only = true }, function(tx)
        assert.equal(0, tx:value "select count(*) from t")
        task(function() assert(db:exec "insert into t (a) values (1)") end):join()
        assert.equal(0, tx:value "select count(*) from t")
      end))
      assert.equal(1, rows())
      raises('there is no isolation "snapshot"', function() db:transaction({ isolation = "snapshot" }, print) end)
    end)

    it("end by their deadline", function()
      local started = clock.now()
      fails("deadline", "failed", db:transaction({ deadline = "200ms" }, function(tx)
        assert(tx:exec "insert into t (a) values (1)")
        return tx:query(kind.slow)
      end))
      assert.truthy(clock.now() - started < 2000)
      clock.eventually("rolled back", function() return db:exec "insert into t (a) values (1)" == 1 end)
    end)
  end)
end
