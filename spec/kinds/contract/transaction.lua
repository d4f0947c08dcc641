-- All or nothing. A part of the contract; see contract.lua.
local assert = require "luassert"
local busted = require "busted"
local clock = require "spec.support.clock"

local describe, it = busted.describe, busted.it

return function(kind, on)
  local fails, raises, rows = on.fails, on.raises, on.rows
  local db

  busted.setup(function() db = on.db end)

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

    it("have savepoints inside one another, never side by side", function()
      local alone = "another task has a savepoint open in this transaction"
      assert(db:transaction(function(tx)
        local is_open, may_end = false, false
        local one = task(function()
          return tx:savepoint(function()
            assert(tx:exec "insert into t (a) values (1)")
            assert(task(function() -- below the one that has the savepoint
              return tx:savepoint(function() return tx:exec "insert into t (a) values (2)" end)
            end):join())
            is_open = true
            clock.eventually("the other one tried", function() return may_end end)
            return nil, "no"
          end)
        end)
        clock.eventually("the savepoint", function() return is_open end)
        raises(alone, function() tx:savepoint(function() end) end)
        raises(alone, function() tx:exec "insert into t (a) values (3)" end)
        raises(alone, function() tx:stream "select a from t" end)
        may_end = true
        assert.same({ nil, "no" }, { one:join() })
        assert(tx:exec "insert into t (a) values (4)")
        local first = task(function()
          return tx:savepoint(function() return tx:exec "insert into t (a) values (5)" end)
        end)
        local second = task(function() raises(alone, function() tx:savepoint(function() end) end) end)
        second:join()
        assert(first:join())
      end))
      assert.same({ { a = 4 }, { a = 5 } }, db:query "select a from t order by a")
    end)

    it("end a savepoint inside with the one around it", function()
      raises("the savepoint around this one has ended before it", function()
        db:transaction(function(tx)
          local is_open, has_ended = false, false
          local inner
          tx:savepoint(function()
            inner = task(function()
              return tx:savepoint(function()
                is_open = true
                clock.eventually("the outer end", function() return has_ended end)
              end)
            end)
            clock.eventually("the inner savepoint", function() return is_open end)
          end)
          has_ended = true
          assert(inner:join())
        end)
      end)
      assert.equal(0, rows())
    end)

    it("have no transactions inside, and are of no use afterwards", function()
      local kept
      assert(db:transaction(function(tx)
        kept = tx
        raises("contract/%w+.lua:%d+: .*tx:savepoint", function() tx:transaction(function() end) end)
        raises("tx:savepoint", function() db:transaction(function() end) end)
        for _, words in ipairs { "commit", "rollback", "begin", "savepoint a" } do
          raises("tx:savepoint", function() tx:exec(words) end)
        end
      end))
      raises("contract/%w+.lua:%d+: the transaction has ended", function() kept:query "select 1" end)
    end)

    it("end with their function alone, whatever else is said in between", function()
      for _, words in ipairs { "commit", "insert into t (a) values (2); commit; insert into t (a) values (3)" } do
        raises("tx:savepoint", function()
          db:transaction(function(tx)
            assert(tx:exec "insert into t (a) values (1)")
            tx:exec(words)
          end)
        end)
        raises("ends with its function", function()
          db:with(kind.writing, function(lease)
            lease:transaction(function(tx)
              assert(tx:exec "insert into t (a) values (1)")
              lease:exec(words)
            end)
          end)
        end)
        raises("a transaction", function() db:exec(words) end)
      end
      assert.equal(0, rows())
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

    it("that only read cannot write where others can, and only until they end", function()
      local function insert(tx) return tx:exec "insert into t (a) values (1)" end
      local options = { read_only = true, role = (kind.writing or {}).role }
      fails("read_only", "failed", db:transaction(options, insert))
      db:with(kind.writing, function(lease)
        fails("read_only", "failed", lease:transaction({ read_only = true }, insert))
      end)
      assert(db:with(kind.writing, function(lease)
        raises("on purpose", function() lease:transaction({ read_only = true }, function() error "on purpose" end) end)
        assert.equal(0, lease:value "select count(*) from t")
        return lease:transaction(insert)
      end))
      assert.equal(1, rows())
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
