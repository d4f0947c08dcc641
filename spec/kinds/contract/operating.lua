-- What who operates a resource asks of it while it is in use. A part of the contract; see contract.lua.
local assert = require "luassert"
local busted = require "busted"
local clock = require "spec.support.clock"
local declared = require "spec.kinds.declared"

local describe, it = busted.describe, busted.it

return function(kind, on)
  local fresh, fails, raises = on.fresh, on.fails, on.raises

  -- Tasks that query without a pause until told to end; what went wrong.
  local function load_on(one, tasks)
    local failures, is_over, list = {}, false, {}
    for i = 1, tasks do
      list[i] = task(function()
        while not is_over do
          local value, err = one:value "select 1"
          if value ~= 1 then failures[#failures + 1] = tostring(err) end
        end
      end)
    end
    return function()
      is_over = true
      for _, each in ipairs(list) do each:join() end
      return failures
    end
  end

  local function newest(one)
    local most = 0
    for _, connection in ipairs(declared.inspect(one).connections) do
      most = math.max(most, connection.connection)
    end
    return most
  end

  describe("operating", function()
    it("counts what was done, in all and for each role", function()
      local one = fresh()
      assert.equal(1, one:value "select 1")
      fails("query", "failed", one:query "select nonsense from nowhere")
      local lease = assert(one:lease())
      local stats, first = one:stats(), one.roles[1]
      assert.equal(2, stats.calls)
      assert.equal(1, stats.failed)
      assert.equal(1, stats.leased)
      assert.equal(1, stats.roles[first].leased)
      assert.equal(2, stats.roles[first].max)
      assert.is_nil(stats.roles[first].calls)
      assert.truthy(stats.opened >= 1 and stats.leases >= 3 and stats.waited_us > 0)
      for name, number in pairs(declared.pool(one, first)) do
        if type(number) == "number" then assert.equal(number, stats.roles[first][name], name) end
      end
      assert(lease:release())
    end)

    it("has another connection for each, and nobody notices", function()
      local one = fresh "pool = { min = 2, max = 4 }"
      local stop = load_on(one, 8)
      clock.eventually("all are open", function() return one:stats().opened >= 4 end)
      local before = newest(one)
      assert.is_true(one:reconnect { share = 0.5, every = "20ms" })
      assert.same({}, stop())
      for _, connection in ipairs(declared.inspect(one).connections) do
        assert.truthy(connection.connection > before)
      end
      assert.truthy(one:stats().retired >= 4)
    end)

    it("grows and shrinks while it is used", function()
      local one = fresh "pool = { max = 1 }"
      local first = assert(one:lease())
      local waiter = task(function() return { one:lease { deadline = "5s" } } end)
      clock.eventually("it waits", function() return declared.pool(one).waiting == 1 end)
      assert.is_true(one:resize { max = 3 })
      assert.truthy(unpack(waiter:join()))
      assert.is_true(one:resize { min = 3 })
      clock.eventually("two are warm", function() return one:stats().roles[one.roles[1]].idle == 2 end)
      assert.is_true(one:resize { min = 0, max = 1 })
      clock.eventually("one is left", function() return #declared.inspect(one).connections == 1 end)
      assert.equal(1, first:value "select 1") -- it is the one that is held
      assert(first:release())
      fails("usage", "failed", one:resize { min = 2 })
      fails("usage", "failed", one:resize { max = 0 })
    end)

    it("drains: what is under way ends, nobody new gets in, and resume brings it back", function()
      local one = fresh()
      local lease = assert(one:lease())
      local drained = task(function() return { one:drain { within = "10s" } } end)
      clock.eventually("it drains", function() return declared.inspect(one).state == "draining" end)
      fails("paused", "failed", one:query "select 1")
      fails("paused", "failed", one:lease())
      assert.equal(1, lease:value "select 1")
      assert(lease:release())
      assert.same({ true }, drained:join())
      assert.equal("drained", declared.inspect(one).state)
      assert.equal(0, #declared.inspect(one).connections)
      assert.is_true(one:resume())
      assert.equal(1, one:value "select 1")
    end)

    it("cuts off what is left when a drain has had its time", function()
      local one = fresh()
      local work = task(function()
        local lease = assert(one:lease())
        return { lease:query({ deadline = "60s" }, kind.slow) }
      end)
      clock.eventually("it runs", function() return one:stats().calls == 1 end)
      assert.is_true(one:drain { within = "50ms" })
      local _, err = unpack(work:join(), 1, 2)
      assert.equal("lost", err.code)
      assert.is_not_nil(err.text:find("the connection was closed: the resource is being drained", 1, true), err.text)
      assert.is_true(one:resume())
      assert.equal(1, one:value "select 1")
    end)

    it("is told when a drain is undone, or when nobody waits for it any more", function()
      local one = fresh()
      local lease = assert(one:lease())
      local drained = task(function() return { one:drain() } end)
      clock.eventually("it drains", function() return declared.inspect(one).state == "draining" end)
      fails("deadline", "failed", deadline("20ms", function() return one:drain() end))
      assert.is_true(one:resume())
      fails("cancelled", "failed", unpack(drained:join(), 1, 2))
      assert.equal(1, lease:value "select 1")
      assert(lease:release())
    end)

    it("takes a lease away that is held for too long, and the next one finds it clean", function()
      local one = fresh 'pool = { max = 1, hold = "150ms", hold_action = "reclaim" }'
      local outcome = task(function()
        local lease = assert(one:lease(kind.writing))
        assert(lease:exec "begin")
        assert.equal(1, lease:exec "insert into t (a) values (1)")
        sleep "300ms"
        local _, used = lease:exec "commit"
        local _, released = lease:release()
        return { used, released }
      end):join()
      for _, err in ipairs(outcome) do
        assert.equal("stale", err.code)
        assert.matches("taken away: it was held for %d+ ms", err.text)
      end
      assert.equal(0, one:value "select count(*) from t")
      assert.equal(1, one:stats().reclaims)
    end)

    it("takes a transaction away: it is rolled back and says why", function()
      local one = fresh 'pool = { hold = "150ms", hold_action = "reclaim" }'
      local _, err = one:transaction(function(tx)
        assert(tx:exec "insert into t (a) values (1)")
        sleep "300ms"
      end)
      assert.equal("stale", err.code)
      assert.equal("failed", err.outcome)
      assert.equal(0, on.rows())
    end)

    it("takes a lease away from a statement that runs for too long", function()
      local one = fresh 'pool = { max = 1, hold = "150ms", hold_action = "reclaim" }'
      local lease = assert(one:lease())
      local started = clock.now()
      local result, err = lease:query({ deadline = "60s" }, kind.slow)
      assert.is_nil(result)
      assert.truthy(clock.now() - started < 5000, tostring(err))
      assert.equal("cancelled", err.code)
      assert.matches("taken away: it was held for %d+ ms", err.text)
      fails("stale", "failed", lease:query "select 1")
      assert.equal(1, one:value "select 1")
    end)

    it("asks what nobody uses, and counts it as idle all the same", function()
      local one = fresh 'pool = { max = 2, keepalive = "100ms", idle = "450ms" }'
      assert.equal(1, one:value "select 1")
      clock.eventually("they were asked", function() return one:stats().keepalives >= 3 end)
      clock.eventually("they are closed", function() return #declared.inspect(one).connections == 0 end)
    end)

    it("raises for what makes no sense", function()
      raises("share is more than 0", function() on.db:reconnect { share = 0 } end)
      raises("share is more than 0", function() on.db:reconnect { share = 0 / 0 } end)
      raises("share is more than 0", function() on.db:reconnect { share = 25 } end)
      raises('did you mean "every"', function() on.db:reconnect { evry = "1s" } end)
      raises("a time with its unit", function() on.db:drain { within = "5" } end)
      raises("must be a string", function() on.db:drain { within = 5 } end)
      raises("must be a table", function() on.db:resize(5) end)
      raises("a whole number", function() on.db:resize { max = 2.5 } end)
      raises("a whole number", function() on.db:resize { max = -1 } end)
      raises("from 0 to 10000", function() on.db:resize { max = 10001 } end)
      raises("from 0 to 10000", function() on.db:resize { min = 10001 } end)
      raises("has no role", function() on.db:resize { max = 2, role = "owner" } end)
      raises("call stats%(%) with a colon", function() on.db.stats() end)
    end)
  end)
end
