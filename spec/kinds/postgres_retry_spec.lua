-- A transaction that lost against another one is run again, all of it, and only when nothing is left of it.

local assert = require "luassert"
local clock = require "spec.support.clock"
local declared = require "spec.kinds.declared"
local errors = require "nebula.error"
local postgres = require "spec.support.postgres"
local proxy = require "spec.support.proxy"

local SERIALIZABLE = { isolation = "serializable", retry = true }

local count = 0

-- A pool on the server, under a policy whose retries are these.
local function pool_on(server, retry, settings)
  count = count + 1
  return declared.use(([[
    policy "retry_%d" { like = "standard", call = { deadline = "20s", wait = "20s" }, retry = { %s } }
    postgres "postgres_retry_%d" { host = %q, port = %d, dbname = %q, user = %q, password = %q, policy = "retry_%d", %s }
  ]]):format(count, retry, count, server.host, server.port, server.dbname, server.user, server.password, count,
    settings or "pool = { max = 8 }"))
end

local PLENTY = 'tries = 100, pause = "2ms", pause_max = "20ms", budget = 1, budget_least = 1000000'

local function gives_up(state, why, result, err)
  assert.is_nil(result)
  assert.is_true(errors.is(err), tostring(err))
  assert.same({ "conflict", "failed", state }, { err.code, err.outcome, err.state })
  assert.matches(why, tostring(err), 1, true)
end

describe("a transaction that may be run again", function()
  local server, db, before

  setup(function()
    server = postgres.start { settings = { deadlock_timeout = "10ms" } }
    db = pool_on(server, PLENTY)
    assert(db:exec [[create table account (id int primary key, cents bigint not null);
      create table moved (id int primary key, cents bigint not null); create table n (a int)]])
    before = declared.count()
  end)

  before_each(function()
    assert(db:exec [[truncate account, moved, n; insert into account select i, 1000 from generate_series(1, 4) i;
      insert into n values (0)]])
  end)

  after_each(function() declared.is_whole(before) end)

  -- Adds 100 to what was read, and loses as often as the server is told by an update from elsewhere.
  local function adding(times)
    local runs = 0
    return function(tx)
      runs = runs + 1
      local a = tx:value "select a from n"
      if runs <= times then server:psql "update n set a = a + 1" end
      assert(tx:exec("update n set a = ?", a + 100))
      return runs
    end
  end

  -- Loses each time.
  local function losing(tx)
    local ok, err = pcall(adding(1), tx)
    return ok or nil, not ok and err or nil
  end

  it("is, until it has not lost, and is counted", function()
    local retries = declared.inspect(db).retries
    assert.equal(4, db:transaction(SERIALIZABLE, adding(3)))
    assert.equal(103, db:value "select a from n")
    assert.equal(retries + 3, declared.inspect(db).retries)
  end)

  it("is not when nobody said so", function()
    gives_up("40001", "could not serialize access", db:transaction({ isolation = "serializable" }, losing))
  end)

  it("is, however its function said that it lost", function()
    local function lose(how)
      local runs = 0
      return db:transaction(SERIALIZABLE, function(tx)
        runs = runs + 1
        local a = tx:value "select a from n"
        if runs == 1 then server:psql "update n set a = a + 1" end
        return how(tx, a, runs)
      end)
    end
    local words = "update n set a = ?"
    local ends = {
      returned = function(tx, a) return tx:exec(words, a) end,
      raised = function(tx, a) return assert(tx:exec(words, a)) end,
      unnoticed = function(tx, a) tx:exec(words, a) return 1 end,
      stumbled = function(tx, a) return tx:one("update n set a = ? returning a", a).a and 1 end,
      in_a_savepoint = function(tx, a) return tx:savepoint(function() return tx:exec(words, a) end) end,
      in_a_stream = function(tx, a)
        return tx:stream("update n set a = ? returning a", a):next() and 1
      end,
      with_a_stream_open = function(tx, a, runs)
        local rows = tx:stream({ window = 1 }, "select generate_series(1, 10) + a as x from n")
        rows:next()
        if runs > 1 then return 1 end
        rows:close()
        assert(tx:exec(words, a))
      end,
    }
    for name, how in pairs(ends) do
      assert.equal(1, lose(how), name)
    end
  end)

  it("is when its commit says that it lost", function()
    local runs = 0
    local function add(tx) -- what each of two does would be another thing behind the other
      runs = runs + 1
      local sum = tx:value "select sum(cents)::bigint from moved"
      if runs == 1 then
        server:psql [[begin isolation level serializable; select sum(cents) from moved;
          insert into moved values (1, 10); commit]]
      end
      assert(tx:exec("insert into moved values (?, ?)", 100 + runs, sum == null and 1 or sum + 1))
      return sum
    end
    assert.equal(10, db:transaction(SERIALIZABLE, add))
    assert.equal(2, runs)
    assert.equal(21, tonumber(db:value "select sum(cents)::bigint from moved"))
  end)

  it("is for one of two that wait for each other", function()
    local order = { { 1, 2 }, { 2, 1 } }
    local runs, has_first = { 0, 0 }, {}
    local function move(i)
      return db:transaction({ retry = true }, function(tx)
        runs[i] = runs[i] + 1
        assert(tx:exec("update account set cents = cents + 1 where id = ?", order[i][1]))
        has_first[i] = true
        while not has_first[3 - i] do assert(sleep "1ms") end
        return tx:exec("update account set cents = cents + 1 where id = ?", order[i][2])
      end)
    end
    local one, other = task(move, 1), task(move, 2)
    assert.same({ 1, 1 }, { one:join(), other:join() })
    assert.is_true(runs[1] + runs[2] >= 3)
    assert.same({ { cents = 1002 }, { cents = 1002 } }, db:query "select cents from account where id <= 2")
  end)

  it("keeps the sum of a bank under a storm, each transfer once", function()
    local retries = declared.inspect(db).retries
    local list = {}
    for i = 1, 200 do list[i] = i end
    local done = assert(for_each(list, { parallel = 16 }, function(i)
      local from, to, cents = i % 4 + 1, (i * 7 + 1) % 4 + 1, i % 90 + 1
      return db:transaction(SERIALIZABLE, function(tx)
        local has = assert(tx:value("select cents from account where id = ?", from))
        local other = assert(tx:value("select cents from account where id = ?", to))
        if from == to then other = has end
        assert(tx:exec("update account set cents = ? where id = ?", has - cents, from))
        if from == to then has = has - cents other = has end
        assert(tx:exec("update account set cents = ? where id = ?", other + cents, to))
        assert(tx:exec("insert into moved values (?, ?)", i, cents))
        return i
      end)
    end))
    assert.same(list, done)
    assert.is_true(declared.inspect(db).retries > retries, "nobody lost")
    assert.same({ a = 4000, b = 200 }, db:one [[select (select sum(cents)::bigint from account) a,
      (select count(*) from moved) b]])
    assert.equal(0, db:value [[select count(*) from account c where cents <> 1000
      + (select coalesce(sum(case when (id * 7 + 1) % 4 + 1 = c.id then cents else 0 end
        - case when id % 4 + 1 = c.id then cents else 0 end), 0) from moved)]])
  end)

  it("begins anew: tx, poison, savepoints and leases", function()
    local kept = {}
    assert(db:transaction(SERIALIZABLE, function(tx)
      kept[#kept + 1] = tx
      local ok, err = tx:savepoint(function()
        return tx:savepoint(function()
          local a = tx:value "select a from n"
          if #kept == 1 then server:psql "update n set a = a + 1" end
          return tx:exec("update n set a = ?", a)
        end)
      end)
      if not ok then error(err, 0) end
    end))
    assert.equal(2, #kept)
    assert.is_true(kept[1] ~= kept[2])
    assert.is_false((pcall(kept[1].query, kept[1], "select 1")))
  end)

  it("may be on a lease", function()
    db:with(function(lease)
      assert.equal(3, lease:transaction(SERIALIZABLE, adding(2)))
      local runs = 0
      assert(lease:transaction(SERIALIZABLE, function(tx) -- what goes over that very connection is a part of it
        runs = runs + 1
        local a = lease:value "select a from n"
        if runs == 1 then server:psql "update n set a = a + 1" end
        return tx:exec("update n set a = ?", a)
      end))
      assert.equal(2, runs)
    end)
  end)

  it("is not when its function touched something else, and the error says what", function()
    local other = pool_on(server, PLENTY)
    local ch = channel(100)
    local child = task(sleep, "1h")
    local rows = other:stream({ window = 1 }, "select generate_series(1, 10) g")
    rows:next()
    local ways = {
      [other.name] = function() assert(other:value "select 1") end,
      [db.name] = function() assert(db:value "select 1") end,
      ["another task"] = function() task(function() end):join() end,
      ["a channel"] = function() ch:send(1) end,
      ["defer()"] = function() defer(function() end) end,
      ["cancel()"] = function() child:cancel() end,
    }
    local more = {
      function() for_each({ 1 }, function() return 1 end) end, "another task",
      function() other:pause() other:resume() end, other.name,
      function() other:with(function(lease) return lease:value "select 1" end) end, other.name,
      function() other:transaction({ retry = true }, function(tx) return tx:value "select 1" end) end, other.name,
      function() rows:next() end, other.name,
      function() require("nebula").select({ fail_fast = true }, ch) end, "a channel",
      function() ch:close() end, "a channel",
    }
    local function lose(what, fn)
      local runs = 0
      gives_up("40001", "; not run again: its function also used " .. what .. ", outside of its tx",
        db:transaction(SERIALIZABLE, function(tx)
          runs = runs + 1
          fn()
          return losing(tx)
        end))
      assert.equal(1, runs)
    end
    for what, fn in pairs(ways) do task(lose, what, fn):join() end
    for i = 1, #more, 2 do task(lose, more[i + 1], more[i]):join() end
    rows:close()
    child:join()
    local harmless = adding(1)
    assert.equal(2, db:transaction(SERIALIZABLE, function(tx) -- and nothing of that is left
      assert(sleep "1ms")
      deadline("1s", log.debug, "harmless")
      return harmless(tx)
    end))
  end)

  it("is not beyond the tries of the policy", function()
    local three = pool_on(server, 'tries = 3, pause = "1ms", pause_max = "1ms", budget_least = 1000')
    gives_up("40001", "; not run again: 3 attempts are the most of the policy retry_", three:transaction(SERIALIZABLE, losing))
    assert.equal(2, declared.inspect(three).retries)
  end)

  it("is not when the budget is spent, which is that of all retries", function()
    local poor = pool_on(server, 'tries = 100, pause = "1ms", pause_max = "1ms", budget = 0, budget_least = 0')
    gives_up("40001", "; not run again: the budget for retries of the policy retry_", poor:transaction(SERIALIZABLE, losing))
    assert.equal(0, declared.inspect(poor).retries)
  end)

  it("has one deadline for all its attempts", function()
    local slow = pool_on(server, 'tries = 100, pause = "40ms", pause_max = "40ms", budget = 1, budget_least = 1000')
    local begun = clock.now()
    local _, err = slow:transaction({ isolation = "serializable", retry = true, deadline = "300ms" }, losing)
    assert.is_true(clock.now() - begun < 3000)
    assert.equal("failed", err.outcome)
    assert.is_true(err.code == "deadline" or tostring(err):find("not run again: the deadline comes", 1, true) ~= nil,
      tostring(err))
  end)

  it("ends with its task, while it pauses too", function()
    local slow = pool_on(server, 'tries = 100, pause = "1h", pause_max = "1h", budget = 1, budget_least = 1000')
    local runs, result = 0, nil
    local t = task(function()
      result = { slow:transaction(SERIALIZABLE, function(tx)
        runs = runs + 1
        return losing(tx)
      end) }
    end)
    clock.eventually("it pauses", function() return declared.inspect(slow).retries == 1 end)
    t:cancel()
    t:join()
    gives_up("40001", "not run again: cancelled while it paused", unpack(result, 1, 2))
    assert.equal(1, runs)
  end)

  it("is never when nobody knows whether it was committed", function()
    local network = proxy.start(server)
    local far = declared.use(([[postgres "postgres_retry_far" { host = "127.0.0.1", port = %d, dbname = %q, user = %q,
      password = %q, pool = { max = 1 } }]]):format(network.port, server.dbname, server.user, server.password))
    local runs = 0
    local work = task(function()
      return { far:transaction(SERIALIZABLE, function(tx)
        runs = runs + 1
        assert(tx:exec("insert into moved values (?, 1)", runs))
        network:tell("blackhole", "down")
      end) }
    end)
    clock.eventually("it is committed", function() return db:value "select count(*) from moved" == 1 end)
    network:tell "cut"
    network:tell "pass"
    local result, err = unpack(work:join(), 1, 2)
    assert.same({ nil, "lost", "in_doubt", 1 }, { result, err.code, err.outcome, runs })
    network:stop()
  end)

  it("is not for other failures", function()
    local runs = 0
    local _, err = db:transaction(SERIALIZABLE, function(tx)
      runs = runs + 1
      return tx:exec "insert into account values (1, 1)"
    end)
    assert.same({ "constraint", 1 }, { err.code, runs })
    local mine = {}
    local ok, raised = pcall(db.transaction, db, SERIALIZABLE, function()
      runs = runs + 1
      error(mine)
    end)
    assert.same({ false, mine, 2 }, { ok, raised, runs })
    assert.same({ nil, "no" }, { db:transaction(SERIALIZABLE, function() return nil, "no" end) })
  end)
end)
