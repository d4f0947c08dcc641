-- Calls that share a connection (pipeline = n): who may, what each is told, and who goes first.

local clock = require "spec.support.clock"
local declared = require "spec.kinds.declared"
local postgres = require "spec.support.postgres"
local proxy = require "spec.support.proxy"

local ROUNDS = os.getenv "NEBULA_PROVE" and 1000 or 40 -- each of about 15 ms, behind those who are in a hurry

local server = postgres.start()

local function declare(name, settings, port)
  return ([[postgres %q { host = %q, port = %d, dbname = %q, user = %q, password = %q, %s }]]):format(
    name, server.host, port or server.port, server.dbname, server.user, server.password, settings)
end

-- What fn(i) of each of them returned, all at once.
local function at_once(count, fn)
  local tasks, results = {}, {}
  for i = 1, count do tasks[i] = task(function() return { fn(i) } end) end
  for i = 1, count do results[i] = tasks[i]:join() end
  return results
end

describe("calls that share a connection", function()
  local db, before

  setup(function()
    db = declared.use(declare("sharing", 'pipeline = 16, pool = { max = 1 }, policy = "unguarded"'), declared.unguarded)
    assert(db:exec "create table shared (id int primary key)")
  end)
  before_each(function() before = declared.count() end)
  after_each(function() declared.is_whole(before) end)

  it("do not wait for each other's round trip", function()
    local network = proxy.start(server)
    local far = declared.use(declare("sharing_far", "pipeline = 16, pool = { max = 1 }", network.port))
    assert.equal(1, far:value "select 1")
    network:tell("delay", 400)
    local begun = clock.now()
    for i, result in ipairs(at_once(16, function(i) return far:value("select ?::int", i) end)) do
      assert.same({ i }, result)
    end
    assert.is_true(clock.now() - begun < 2000) -- one after the other would take 12800
    assert.equal(1, declared.inspect(far).open)
    network:stop()
  end)

  it("have each its own rows and its own failure", function()
    local results = at_once(200, function(i)
      if i % 7 == 0 then return db:value("select 1 / (?::int - ?::int)", i, i) end
      if i % 11 == 0 then return db:query("select * from nowhere where a = ?", i) end
      return db:query("select ? + i as n from generate_series(1, ?) as i", i, i % 5)
    end)
    for i, result in ipairs(results) do
      if i % 7 == 0 then
        assert.equal("22012", result[2].state)
      elseif i % 11 == 0 then
        assert.equal("42P01", result[2].state)
      else
        assert.equal(i % 5, #result[1])
        for at, row in ipairs(result[1]) do assert.equal(i + at, row.n) end
      end
    end
    assert.equal(0, declared.inspect(db).retries)
  end)

  it("are those alone that may be repeated and leave nothing in the session", function()
    local slow = task(function() return db:value "select 1 from pg_sleep(1)" end)
    local function waits(verb, ...)
      local result, err = db[verb](db, { deadline = "50ms" }, ...)
      assert.is_nil(result)
      assert.equal("deadline", err.code)
      assert.matches("in the queue", err.text)
    end
    clock.eventually("it runs", function() return declared.pool(db).leased == 1 end)
    waits("exec", "insert into shared values (1)")
    waits("value", "select nextval('nowhere')")
    for _, words in ipairs { "select set_config('work_mem', '1MB', false)", "set work_mem = '1MB'", "listen news",
      "select 1 as a into temp mine" } do
      local result, err = db:exec({ deadline = "50ms", idempotent = true }, words)
      assert.same({ nil, "deadline" }, { result, err.code })
      assert.matches("in the queue", err.text)
    end
    local lease, err = db:lease { deadline = "50ms" }
    assert.same({ nil, "wait" }, { lease, err.code })
    assert.equal(7, db:value "select 7")
    assert.equal(1, slow:join())
  end)

  it("open another connection beside, while there is room for one", function()
    local wide = declared.use(declare("sharing_wide", "pipeline = 8, pool = { max = 3 }"))
    assert.equal(1, wide:value "select 1")
    at_once(12, function() return wide:value "select 1 from pg_sleep(0.3)" end)
    assert.equal(3, declared.inspect(wide).open)
  end)

  it("do not hold up who waits for a lease, however many they are", function()
    local is_over, calls = false, 0
    local crowd = task(function()
      at_once(16, function()
        while not is_over do
          assert(db:value "select 1")
          calls = calls + 1
        end
      end)
    end)
    for round = 1, 20 do
      assert.equal(round, db:transaction(function(tx)
        local pid = tx:value "select pg_backend_pid()"
        assert.equal(pid, tx:value "select pg_backend_pid()")
        return round
      end))
      assert.equal(1, db:exec("insert into shared values (?)", round))
      local enough = calls + 50
      clock.eventually("the others go on", function() return calls >= enough end)
    end
    is_over = true
    crowd:join()
    assert.equal(20, db:value "select count(*) from shared")
    assert(db:exec "delete from shared")
  end)

  it("are answered at their deadline, and only the first one is cancelled", function()
    local cancels, pid = declared.pool(db).cancels, db:value "select pg_backend_pid()"
    local results = at_once(4, function(i)
      if i == 1 then return db:value "select 1 from pg_sleep(0.5)" end
      if i == 2 then return db:value({ deadline = "100ms" }, "select 2") end
      local begun = clock.now()
      local result, err = db:value({ deadline = i == 3 and "200ms" or nil }, "select ?::int", i)
      return result, err, clock.now() - begun
    end)
    assert.equal(1, results[1][1])
    assert.same({ "deadline", "in_doubt" }, { results[2][2].code, results[2][2].outcome })
    assert.equal("deadline", results[3][2].code)
    assert.is_true(results[3][3] < 400)
    assert.equal(4, results[4][1])
    assert.equal(cancels, declared.pool(db).cancels)
    results = at_once(4, function(i)
      if i == 1 then return db:value({ deadline = "100ms" }, "select 1 from pg_sleep(60)") end
      return db:value("select ?::int", i)
    end)
    assert.equal("deadline", results[1][2].code)
    for i = 2, 4 do assert.equal(i, results[i][1]) end
    assert.equal(cancels + 1, declared.pool(db).cancels)
    assert.equal(pid, db:value "select pg_backend_pid()")
  end)

  it("are cancelled when their turn comes and nobody waits for them any more", function()
    local cancels = declared.pool(db).cancels
    local begun = clock.now()
    local results = at_once(3, function(i)
      if i == 1 then return db:value "select 1 from pg_sleep(0.3)" end
      if i == 2 then return db:value({ deadline = "100ms" }, "select 1 from pg_sleep(60)") end
      return db:value "select 3"
    end)
    assert.equal(1, results[1][1])
    assert.equal("deadline", results[2][2].code)
    assert.equal(3, results[3][1])
    assert.is_true(clock.now() - begun < 3000)
    assert.equal(cancels + 1, declared.pool(db).cancels)
  end)

  it("never hear of a cancel that was meant for another one", function()
    local is_over, late = false, 0
    local hurried = task(function()
      at_once(4, function(i)
        while not is_over do
          local _, err = db:value({ deadline = ("%dms"):format(4 * i) }, "select 1 from pg_sleep(0.013)")
          late = late + (err and 1 or 0)
        end
      end)
    end)
    at_once(6, function(i)
      for n = 1, ROUNDS do
        assert.same({ i * n }, { assert(db:value({ deadline = "60s" }, "select ?::int from pg_sleep(0.001)", i * n)) })
      end
    end)
    is_over = true
    hurried:join()
    assert.is_true(late > 20)
    assert.is_true(declared.pool(db).cancels > 10)
  end)

  it("know more texts than a connection remembers, and forget what the server forgot", function()
    local results = at_once(900, function(i) return db:value(("select %d"):format(i % 300)) end)
    for i, result in ipairs(results) do assert.equal(i % 300, result[1]) end
    assert(db:exec "drop table if exists shape; create table shape (a int); insert into shape values (1)")
    local function read(count)
      for _, result in ipairs(at_once(20, function() return db:query "select * from shape" end)) do
        local columns = 0
        for _ in pairs(assert(result[1], result[2])[1]) do columns = columns + 1 end
        assert.equal(count, columns)
      end
    end
    for _ = 1, 3 do read(1) end
    assert(db:exec "do $$ begin execute 'deallocate all'; end $$")
    read(1)
    assert(db:exec "alter table shape add b int")
    read(2)
    assert.equal(0, declared.inspect(db).retries)
  end)

  it("write and read at the same time, however much it is", function()
    local large = ("x"):rep(1024 * 1024)
    for _, result in ipairs(at_once(12, function()
      return db:value({ deadline = "60s" }, "select repeat(?::text, 3)", large)
    end)) do
      assert.equal(3 * #large, #result[1])
    end
  end)

  it("are bounded by the declaration", function()
    assert.matches("pipeline", declared.complaints(declare("x", "pipeline = 65")))
    assert.matches("pipeline", declared.complaints [[sqlite "x" { file = "x", pipeline = 8 }]])
    local none = declared.use(declare("sharing_none", "pool = { max = 1 }"))
    local slow = task(function() return none:value "select 1 from pg_sleep(0.3)" end)
    clock.eventually("it runs", function()
      local pool = declared.pool(none)
      return pool and pool.leased == 1
    end)
    local result, err = none:value({ deadline = "50ms" }, "select 1")
    assert.same({ nil, "deadline" }, { result, err.code })
    assert.matches("in the queue", err.text)
    assert.equal(1, slow:join())
  end)
end)
