-- A transaction that lost against another one is run again, all of it, and only when nothing is left of it.

local assert = require "luassert"
local clock = require "spec.support.clock"
local declared = require "spec.kinds.declared"
local lose = require "spec.kinds.losing"
local postgres = require "spec.support.postgres"
local proxy = require "spec.support.proxy"

local gives_up, pool_on = lose.gives_up, lose.pool_on
local SERIALIZABLE = { isolation = "serializable", retry = true }

describe("a transaction that may be run again", function()
  local server, db, losing, before

  local function adding(times) return lose.adding(server, times) end

  setup(function()
    server = postgres.start { settings = { deadlock_timeout = "10ms" } }
    db, losing = pool_on(server, lose.PLENTY), lose.always(server)
    assert(db:exec [[create table account (id int primary key, cents bigint not null);
      create table moved (id int primary key, cents bigint not null); create table n (a int)]])
    before = declared.count()
  end)

  before_each(function()
    assert(db:exec [[truncate account, moved, n; insert into account select i, 1000 from generate_series(1, 4) i;
      insert into n values (0)]])
  end)

  after_each(function() declared.is_whole(before) end)

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
    local function lose_once(how)
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
      assert.equal(1, lose_once(how), name)
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
