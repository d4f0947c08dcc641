-- Leases, and what they leave behind. A part of the contract; see contract.lua.
local assert = require "luassert"
local busted = require "busted"
local clock = require "spec.support.clock"
local declared = require "spec.kinds.declared"

local describe, it = busted.describe, busted.it

return function(kind, on)
  local fresh, fails, raises = on.fresh, on.fails, on.raises
  local db

  busted.setup(function() db = on.db end)

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

    it("know of a script that fails whether a part of it stays", function()
      local function outcome(words)
        return db:with(kind.writing, function(lease)
          local err = select(2, lease:exec(words))
          lease:exec "rollback"
          return err.outcome, lease:value "select count(*) from t"
        end)
      end
      assert.same({ "failed", 0 }, { outcome "begin; insert into t (a) values (1); insert into nowhere values (1)" })
      assert.same({ "in_doubt", 1 }, {
        outcome "begin; insert into t (a) values (1); commit; insert into nowhere values (1)" })
      assert.same({ "in_doubt", 2 }, {
        outcome "begin; insert into t (a) values (2); commit; begin; insert into nowhere values (1)" })
    end)

    it("are given back by with(), however it ends", function()
      assert.equal(7, db:with(kind.writing, function(lease) return lease:value "select 7" end))
      raises("on purpose", function() db:with(function() error "on purpose" end) end)
      raises("contract/%w+.lua:%d+: with%(fn%): fn must be a function, not table", function() db:with {} end)
      raises("fn must be a function, not number", function() db:with(7) end)
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

    it("leaves a transaction alone that a statement began", function()
      db:with(kind.writing, function(lease)
        assert(lease:exec "begin")
        local ok, message = pcall(lease.transaction, lease, function() end)
        assert.is_false(ok)
        assert.matches("a statement has begun a transaction on this lease already", tostring(message))
        assert(lease:exec "rollback")
        assert.is_true(lease:transaction(function() end))
      end)
    end)

    it("happens when somebody says so", function()
      local one = fresh "pool = { max = 1 }"
      local function cleaned()
        assert(one:value "select 1")
        local pool = declared.pool(one)
        return pool.resets + pool.opened
      end
      local ways = {
        function() one:with(function(lease) assert.is_true(lease:dirty()) end) end,
        function() one:with(function(lease) assert(lease:value({ dirty = true }, "select 1")) end) end,
        function() assert(one:value({ dirty = true }, "select 1")) end,
        function() for _ in one:stream({ dirty = true }, "select 1") do end end, -- luacheck: ignore
        function() one:transaction({ read_only = true }, function(tx) return tx:dirty() end) end,
      }
      for at, way in ipairs(ways) do
        local before_it = cleaned()
        way()
        assert.equal(before_it + 1, cleaned(), "way " .. at)
      end
      local lease = assert(one:lease())
      lease:release()
      fails("stale", "failed", lease:dirty())
    end)

    it("happens only when something may have changed the session", function()
      local one = fresh "pool = { max = 1 }"
      for _ = 1, 5 do
        assert(one:value "select 1")
        assert(one:transaction(function(tx) return tx:value "select 1" end))
        one:with(function(lease) return lease:query "select 1" end)
      end
      for _, pool in ipairs(declared.inspect(one).pools) do assert.equal(0, pool.resets) end
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
end
