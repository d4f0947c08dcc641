-- Rows that are pulled. A part of the contract; see contract.lua.
local assert = require "luassert"
local busted = require "busted"
local clock = require "spec.support.clock"
local declared = require "spec.kinds.declared"
local errors = require "nebula.error"
local process = require "spec.support.process"

local describe, it = busted.describe, busted.it

return function(kind, on)
  local fresh, fails, raises, rows = on.fresh, on.fails, on.raises, on.rows
  local db

  busted.setup(function() db = on.db end)

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

    it("frees its connection with the last window, whoever reads it", function()
      local one = fresh "pool = { max = 1 }"
      local sum = 0
      for row in one:stream(numbers:format(3)) do sum = sum + row.i * one:value "select 1" end
      assert.equal(6, sum)
    end)

    it("takes values, and ends for good", function()
      local stream = db:stream("select :a as a", { a = "x" })
      assert.same({ a = "x" }, stream:next())
      assert.same({}, { stream:next() })
      assert.same({}, { stream:next() })
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

    it("that is left in the middle keeps nobody waiting, whatever asks next", function()
      local one = fresh 'pool = { max = 1 }, policy = "batch"' -- which waits: the time is looked at below
      local function look()
        for row in one:stream({ window = 10 }, numbers:format(2e9)) do
          if row.i == 15 then return row.i end
        end
      end
      local started = clock.now()
      collectgarbage "stop"
      local ok, why = pcall(function()
        for _ = 1, 3 do
          assert.equal(15, look())
          assert.equal(15, look())
          assert.equal(1, one:value "select 1")
          look()
          assert.equal(1, one:with(function(lease) return lease:value "select 1" end))
          look()
          assert(one:transaction({ read_only = true }, function(tx) return tx:value "select 1" end))
        end
      end)
      collectgarbage "restart"
      assert(ok, why)
      assert.truthy(clock.now() - started < (process.is_sanitized and 15000 or 3000))
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
end
