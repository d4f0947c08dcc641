-- limit: 300 s
-- Calls balanced over several hosts: three real servers behind a network of ours, each of which counts what it is asked.

local balanced = require "spec.kinds.balanced"
local clock = require "spec.support.clock"
local declared = require "spec.kinds.declared"

local CALL, PORT, SERVERS = balanced.CALL, "select current_setting('port')::int", balanced.SERVERS
local server, proxy = balanced.start()
local endpoint, served, shares, use, warm_up = balanced.endpoint, balanced.served, balanced.shares, balanced.use, balanced.warm_up
local work, work_until_ejected = balanced.work, balanced.work_until_ejected

describe("calls that are balanced", function()
  local before

  before_each(function() before = declared.count() end)
  after_each(function()
    for i = 1, SERVERS do proxy[i]:tell "pass" end
    declared.is_whole(before)
    balanced.drain_used()
  end)

  it("are shared out by each rule as it says, where one server is ten times as slow", function()
    local begun = clock.now()
    work(use "balance = 'round-robin'", 40, 6)
    local each = (clock.now() - begun) / 40
    proxy[2]:tell("delay", math.max(20, math.ceil(5 * each))) -- there and back
    local by = shares(use "balance = 'round-robin'", 40, 6)
    assert(by[2] < by[1] / 3 and by[2] < by[3] / 3 and by[2] > 0, "weighted by latency")
    by = shares(use "balance = 'least-outstanding'", 40, 6)
    assert(by[2] < by[1] / 3 and by[2] < by[3] / 3 and by[2] > 0, "by what is under way")
    by = shares(use "balance = 'p2c'", 40, 6)
    assert(by[2] < by[1] / 4 and by[2] < by[3] / 4, "by latency and what is under way")
    by = shares(use "balance = 'least-recently-used'", 60, 1)
    for i = 1, SERVERS do assert(math.abs(by[i] - 20) <= 1, "in turn") end
  end)

  it("are shared out alike where all servers are", function()
    for _, rule in ipairs { "round-robin", "least-outstanding", "p2c", "least-recently-used" } do
      local by = shares(use(("balance = %q"):format(rule)), 50, 6)
      for i = 1, SERVERS do assert(by[i] > 40 and by[i] < 180, rule) end
    end
  end)

  it("go to the same server when they have the same key, whatever is asked", function()
    local db = use "balance = 'sticky'"
    warm_up(db)
    local of = {}
    for i = 1, 30 do of["k" .. i] = db:value({ key = "k" .. i }, PORT) end
    for round = 1, 2 do
      for key, port in pairs(of) do
        clock.eventually("its server has a connection", function() -- it is opened when it is wanted
          return db:value({ key = key }, PORT) == port
        end)
        assert.equal(port, db:stream({ key = key }, PORT):next().current_setting)
        assert.equal(port, db:transaction({ key = key }, function(tx) return tx:value(PORT) end))
        assert.equal(port, db:prepare(PORT):value({ key = key }))
        local lease = assert(db:lease { key = key })
        assert.equal(port, lease:value(PORT))
        lease:release()
        if round == 1 then
          assert(db:exec({ key = key }, "insert into seen values ($1)", key))
          assert(db:exec({ key = key }, ("insert into seen values ('%s'); select 1"):format(key)))
        end
      end
    end
    local keys = 0
    for i = 1, SERVERS do
      for key, times in server[i]:psql("select key, count(*) from seen group by key"):gmatch "(%w+)|(%d+)" do
        assert.equal(server[i].port, of[key])
        assert.equal("2", times)
        keys = keys + 1
      end
    end
    assert.equal(30, keys)
  end)

  it("move to another server with as few keys as may be, and come back", function()
    local db = use "balance = 'sticky'"
    warm_up(db)
    local function ports()
      local of = {}
      for i = 1, 30 do of[i] = db:value({ key = "m" .. i }, PORT) end
      return of
    end
    local first = ports()
    proxy[3]:tell "refuse"
    proxy[3]:tell "cut"
    clock.eventually("it is down", function()
      db:value({ key = "m1" }, PORT)
      work(db, 1, 3)
      return endpoint(db, 3).state == "down"
    end)
    warm_up(db)
    local moved = ports()
    for i = 1, 30 do
      assert(first[i] == server[3].port and moved[i] ~= server[3].port or moved[i] == first[i], i)
    end
    proxy[3]:tell "pass"
    clock.eventually("it is back", function()
      work(db, 1, 6)
      return endpoint(db, 3).state == "fit"
    end)
    warm_up(db)
    assert.same(first, ports())
  end)

  it("pass by a server that refuses, and come back to it bit by bit", function()
    local db = use "balance = 'least-recently-used', slow_start = '3s'"
    warm_up(db)
    proxy[1]:tell "refuse"
    proxy[1]:tell "cut"
    clock.eventually("it is down", function()
      work(db, 1, 6)
      return endpoint(db, 1).state == "down"
    end)
    served()
    assert.equal(0, work(db, 20, 6))
    local by = served()
    assert.equal(0, by[1])
    assert.equal(120, by[2] + by[3])
    proxy[1]:tell "pass"
    clock.eventually("it is back", function()
      work(db, 1, 3)
      return endpoint(db, 1).state == "fit"
    end)
    local share = endpoint(db, 1).slow_start
    assert(share < 0.7, share)
    clock.eventually("it has its full share", function()
      work(db, 1, 3)
      return endpoint(db, 1).weight == 100 and endpoint(db, 1).slow_start == 1
    end)
    served()
    work(db, 60, 1)
    assert(math.abs(served()[1] - 20) <= 1)
  end)

  it("leave a server alone that does not answer in time, for longer each time, and come back", function()
    local db = use "balance = 'round-robin', eject = { consecutive = 3, time = '1s', time_most = '10s' }"
    warm_up(db)
    for times = 1, 2 do
      proxy[2]:tell("delay", 150)
      work_until_ejected(db, 1)
      local out = endpoint(db, 2)
      assert.equal("consecutive", out.ejected_by)
      assert.equal(times, out.ejections)
      assert.equal(0, out.weight)
      assert(out.ejected_for > times * 0.9 - 0.5 and out.ejected_for <= times, out.ejected_for)
      assert.equal("ejected", declared.inspect(db).endpoints[2].seen_as)
      proxy[2]:tell "pass"
      clock.eventually("its connections are gone", function() return endpoint(db, 2).connections == 0 end)
      served()
      assert.equal(0, work(db, 4, 6))
      if endpoint(db, 2).ejected_for > 0 then assert.equal(0, served()[2]) end
      clock.eventually("it is back", function()
        work(db, 1, 6)
        return served()[2] > 0
      end)
      assert.equal(0, endpoint(db, 2).ejected_for)
    end
  end)

  it("never leave more alone than may be, and use all when too few are left", function()
    local few = use "balance = 'least-recently-used', eject = { consecutive = 3, most = '34%', time = '1m' }"
    local all = use [[balance = 'least-recently-used',
      eject = { consecutive = 3, most = 1, panic = '50%', time = '1m' }]]
    warm_up(few)
    warm_up(all)
    proxy[1]:tell("delay", 150)
    proxy[2]:tell("delay", 150)
    work_until_ejected(few, 1)
    for _ = 1, 12 do few:one({ deadline = "50ms" }, CALL) end
    local out = 0
    for i = 1, SERVERS do out = out + endpoint(few, i).ejections end
    assert.equal(1, out)
    work_until_ejected(all, 2)
    assert.is_true(declared.pool(all, "primary").panic)
    proxy[1]:tell "pass"
    proxy[2]:tell "pass"
    clock.eventually("all are used", function()
      served()
      work(all, 5, 3)
      local by = served()
      return by[1] > 0 and by[2] > 0 and by[3] > 0
    end)
    assert(endpoint(all, 1).ejected_for > 30 and endpoint(all, 2).ejected_for > 30)
  end)

  it("count nothing against a server that is not its failure", function()
    local db = use "balance = 'round-robin', eject = { consecutive = 2 }"
    warm_up(db)
    for _ = 1, 12 do
      local done, err = db:one "select 1 / 0"
      assert.is_nil(done)
      assert.equal("query", err.code)
      local given_up = task(function() return db:one "select pg_sleep(10)" end)
      assert(sleep "20ms")
      given_up:cancel()
      given_up:join()
    end
    for i = 1, SERVERS do
      assert.equal(0, endpoint(db, i).ejections)
      assert.equal(1, endpoint(db, i).success_rate)
    end
  end)

  it("have a key that is a text, and of a lease none", function()
    local db = use "balance = 'sticky'"
    assert.has_error(function() db:value({ key = 7 }, "select 1") end,
      "value: the option key must be a string, not a number")
    db:with(function(lease)
      assert.has_error(function() lease:value({ key = "a" }, "select 1") end,
        "a lease has its key already, the option is for resources, in: select ?")
    end)
  end)
end)
