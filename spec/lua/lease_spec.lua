-- Leases as Lua sees them: of a kind, ended with their task, cheap.

local c = require "nebula.c"
local clock = require "spec.support.clock"
local declare = require "nebula.declare"
local json = require "cjson"
local kinds = require "nebula.kind"
local leases = require "nebula.lease"
local program = require "spec.support.program"
local resources = require "nebula.resource"
local tasks = require "spec.support.tasks"
local tmp = require "spec.support.tmp"
local unserved = require "spec.support.unserved"
local worker = require "nebula.worker"


local raises = tasks.raises
local shop

setup(function()
  local folder = tmp.folder()
  tmp.write(folder, "resources/shop.lua", ('sqlite "lease_shop" { file = %q, pool = { max = 2 } }'):format(
    folder .. "/shop.db"))
  local known = kinds.load { worker.home .. "/resources/sqlite.lua" }
  local set = assert(declare.read { home = worker.home, dirs = { folder }, kinds = known })
  shop = assert(resources.declare(set.resources[1]))
end)

local function leased()
  local answer = json.decode(c.string(c.lib.nebula_ask(c.engine, '{"verb":"inspect","name":"lease_shop"}')))
  return answer.resource.leased
end

describe("a lease", function()
  after_each(function()
    assert.equal(0, leased())
  end)

  it("cannot be used as one of another kind", function()
    local function said(self, word)
      return word .. self.resource
    end
    local one = leases.type { name = "one", lease = { say = said } }
    local other = leases.type { name = "other", lease = { say = said } }
    local lease = one(7, 3)
    assert.equal("hi3", lease:say "hi")
    raises("say: this is not a lease of the kind other", other(7, 3).say, lease, "hi")
    raises("release: this is not a lease of the kind other", other(7, 3).release, lease)
    raises("say: this is not a lease of the kind one", lease.say, {}, "hi")
    raises('a lease has no sya; did you mean "say"?', function() lease:sya() end)
    raises("a lease has no listen; known: release, say", function() lease:listen "jobs" end)
  end)

  it("is worth nothing once it was given back", function()
    local lease = assert(shop:lease())
    assert.equal(1, lease:value "select 1")
    assert.is_true(lease:release())
    local result, err = lease:value "select 1"
    assert.is_nil(result)
    assert.equal("stale", err.code)
    assert.equal("stale", select(2, lease:release()).code)
  end)

  it("ends with its task, however that ends", function()
    for _, ending in ipairs { function() end, error, cancel } do
      local t = task(function()
        assert(shop:lease())
        ending()
        sleep "1ms"
      end)
      pcall(t.join, t)
      assert.equal(0, leased())
    end
  end)

  it("is given back by with(), which passes on results and failures", function()
    assert.same({ 1, nil, 3 }, { shop:with(function(lease)
      assert.equal(1, leased())
      return lease:value "select 1", nil, 3
    end) })
    raises("inside", shop.with, shop, function()
      error "inside"
    end)
    raises('did you mean "role"', shop.with, shop, { rol = "reader" }, error)
  end)

  it("is waited for until the deadline, or not at all", function()
    local first, second = assert(shop:lease()), assert(shop:lease())
    local got, err = shop:lease { deadline = "5ms" }
    assert.is_nil(got)
    assert.equal("wait", err.code)
    assert.equal("full", select(2, shop:lease { fail_fast = true }).code)
    local waiter = task(function()
      local lease = assert(shop:lease { deadline = "5s" })
      return lease:value "select 'served'"
    end)
    sleep "1ms"
    first:release()
    assert.equal("served", waiter:join())
    second:release()
  end)

  it("goes from task to task in the order of asking", function()
    local holder, held = { assert(shop:lease()), assert(shop:lease()) }, {}
    local waiters = {}
    for i = 1, 20 do
      waiters[i] = task(function()
        local lease = assert(shop:lease())
        held[#held + 1] = i
        sleep "1ms"
        lease:release()
      end)
    end
    sleep "1ms"
    holder[1]:release()
    holder[2]:release()
    for i = 1, 20 do
      waiters[i]:join()
    end
    for i = 1, 20 do
      assert.equal(i, held[i])
    end
  end)

  it("that is always there at once still lets others have their turn", function()
    -- How late a nap of 1 ms is, without what others had of the processor, the middle of 40, beside somebody who does
    -- something until it is over.
    local function late_beside(work)
      local naps, late, times = 40, {}, 0
      local sleeper = task(function()
        for i = 1, naps do
          local begun, before = clock.now(), unserved.thread "/proc/self"
          sleep "1ms"
          late[i] = clock.now() - begun - 1 - (unserved.thread "/proc/self" - before)
        end
      end)
      while not sleeper.is_ended and times < 2e8 do
        work()
        times = times + 1
      end
      assert.is_true(sleeper.is_ended, "the nap was not over")
      sleeper:join()
      table.sort(late)
      return late[naps / 2], times
    end
    local control = late_beside(function() sleep "0s" end)
    local late, hits = late_beside(function() shop:lease():release() end)
    assert.is_true(hits > 64 * 40, hits .. " hits")
    assert.is_true(late < 2 * control + 1, ("%g ms late beside %g"):format(late, control))
  end)

  -- In a process of its own, and the best of three: LuaJIT throws dice when it gives up on a trace, and in one process of
  -- a hundred or so it never compiles lease() into the loops that call it.
  it("costs no memory on the way in and out, also when it was often waited for before", function()
    local least = math.huge
    for _ = 1, 3 do
      least = math.min(least, tonumber(program.ended(0, program.run [[
        local shop, holder, list = use "shop", {}, {}
        for i = 1, 4 do holder[i] = assert(shop:lease()) end
        for i = 1, 1000 do list[i] = i end
        task(function()
          for _, lease in ipairs(holder) do
            sleep "1ms"
            lease:release()
          end
        end)
        for_each(list, { parallel = 50 }, function()
          local lease = assert(shop:lease())
          sleep "0s"
          lease:release()
        end)

        local function churn(n)
          for _ = 1, n do
            local lease = shop:lease()
            lease:release()
          end
        end
        churn(10000)
        collectgarbage()
        collectgarbage "stop"
        local before = collectgarbage "count"
        churn(100000)
        print(collectgarbage "count" - before)]]).output))
    end
    assert.is_true(least < 100, least .. " kB for 100,000 leases")
  end)
end)

describe("a paused resource", function()
  it("lends nothing until it is resumed", function()
    assert.is_true(shop:pause())
    local waiter = task(function()
      return shop:with({ deadline = "5s" }, function(lease)
        return lease:value "select 1"
      end)
    end)
    sleep "2ms"
    assert.equal(0, leased())
    assert.is_true(shop:resume())
    assert.equal(1, waiter:join())
    clock.eventually("it is back", function()
      return leased() == 0
    end)
  end)
end)
