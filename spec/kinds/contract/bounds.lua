-- What takes too long, is given up or is ended from outside. A part of the contract; see contract.lua.
local assert = require "luassert"
local busted = require "busted"
local clock = require "spec.support.clock"
local declared = require "spec.kinds.declared"

local describe, it = busted.describe, busted.it

return function(kind, on)
  local fresh, fails, rows = on.fresh, on.fails, on.rows
  local db

  busted.setup(function() db = on.db end)

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

    it("does not begin with a deadline of nothing, whatever it is", function()
      local none, insert = { deadline = "0s" }, "insert into t (a) values (1)"
      local function never() error "it began" end
      fails("deadline", "failed", db:query(none, kind.slow))
      fails("deadline", "failed", db:exec(none, insert))
      fails("deadline", "failed", db:exec(none, insert .. "; " .. insert))
      fails("deadline", "failed", db:prepare(none, insert))
      fails("deadline", "failed", db:stream(none, "select 1 as a"):next())
      fails("deadline", "failed", db:lease(none))
      fails("deadline", "failed", db:with(none, never))
      fails("deadline", "failed", db:transaction(none, never))
      db:with(kind.writing, function(lease)
        fails("deadline", "failed", lease:exec(none, insert))
        fails("deadline", "failed", lease:stream(none, "select 1 as a"):next())
        fails("deadline", "failed", lease:transaction(none, never))
      end)
      assert.equal(0, rows())
    end)

    it("opens a connection where nobody may queue", function()
      local one = fresh "pool = { max = 1, queue = 0 }"
      assert.equal(1, one:value "select 1")
      local lease = assert(one:lease())
      fails("full", "failed", one:query "select 1")
      assert(lease:release())
    end)

    it("is waited for as long as the policy says, to call or to lease", function()
      local one = fresh "pool = { max = 1 }"
      local lease = assert(one:lease())
      local words = { query = "select 1", with = print }
      for _, name in ipairs { "query", "lease", "with" } do
        local started = clock.now()
        fails("wait", "failed", one[name](one, words[name]))
        assert.truthy(clock.now() - started < 2000)
      end
      assert(lease:release())
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
      it("is done again, whether it reads or writes: the server's word proves that nothing was done", function()
        for _, way in ipairs { { "value", kind.slow_read }, { "exec", kind.slow_write } } do
          local before = declared.inspect(db).retries
          local work = task(function() return { db[way[1]](db, { deadline = "20s" }, way[2]) } end)
          clock.eventually("it is ended", function() return kind.end_session(db) end)
          assert.same({ 1 }, work:join())
          assert.truthy(declared.inspect(db).retries > before)
        end
        assert.equal(1, rows())
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
end
