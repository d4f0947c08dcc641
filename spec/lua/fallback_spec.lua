-- Fallbacks: what is given in the place of an answer that did not come, and to whom nothing is given.

local clock = require "spec.support.clock"
local declared = require "spec.kinds.declared"
local fronted = require "spec.support.fronted"
local tasks = require "spec.support.tasks"

local ENDLESS, behind, occupied = fronted.ENDLESS, fronted.sqlite, fronted.occupied

local A = "select a from n"

describe("a fallback", function()
  local before

  before_each(function() before = declared.count() end)
  after_each(function() fronted.is_whole(before) end)

  it("is given when there is no answer, and says that it is one", function()
    local db = occupied "fallback = { value = { { a = 0 } } }"
    assert.same({ { a = 1 } }, db:query(A))
    assert.equal(1, select("#", db:query(A)))
    local lease = db:lease()
    for _ = 1, 2 do
      local rows, err, how = db:query(A)
      assert.same({ { a = 0 } }, rows)
      assert.is_nil(err)
      assert.same({ "value", "full" }, { how.fallback, how.because.code })
      rows[1].a = 5 -- his own
    end
    tasks.fails("full", db:query({ fallback = false }, A))
    assert.equal(2, db:stats().front.value)
    tasks.fails("full", db:query("insert into n values (2) returning a"))
    tasks.fails("full", db:exec "insert into n values (2)")
    assert.same({ { a = 0 } }, (db:query({ fallback = true }, "insert into n values (2) returning a")))
    lease:release()
  end)

  it("is the last good answer to the same question, unless it is too old", function()
    local db = occupied 'fallback = { last = "1s" }'
    assert.equal(1, db:value(A))
    local lease = db:lease()
    clock.pause(30)
    local a, _, how = db:value(A)
    assert.same({ 1, "last", "full" }, { a, how.fallback, how.because.code })
    assert.is_true(how.age >= 0.03 and how.age <= 1, how.age)
    tasks.fails("full", db:value(A .. " limit 1"))
    tasks.fails("full", db:one(A))
    clock.pause(1000)
    tasks.fails("full", db:value(A))
    lease:release()
    assert.equal(1, db:value(A))
  end)

  it("keeps answers without a cache, and no answer is given twice then", function()
    local db = behind 'fallback = { last = "1h" }'
    for a = 2, 4 do
      assert.equal(a - 1, db:value(A))
      assert(db:exec("update n set a = ?", a))
    end
    assert.same({ 0, 0, 1 }, { db:stats().front.hits, db:stats().front.misses, db:stats().front.entries })
  end)

  it("is for the errors that it names, and what comes first of those that are for it", function()
    local db = occupied [[fallback = {
      { value = "lost", on = "lost" }, { last = "1h", on = { "full", "deadline" } }, { value = false }, { value = "no" } }]]
    local lease = db:lease()
    local a, err, how = db:value(A)
    assert.same({ false, "value" }, { a, how.fallback })
    assert.is_nil(err)
    lease:release()
    assert.equal(1, db:value(A))
    lease = db:lease()
    assert.equal("last", select(3, db:value(A)).fallback)
    lease:release()
  end)

  it("is another resource's answer, with its own cache, in a role that it has", function()
    local name = fronted.name()
    local db, other = occupied(('fallback = { { last = "1ms" }, { resource = %q }, { value = 9 } }'):format(name), ([[
      policy %q { like = "standard", cache = { ttl = "1h" } }
      sqlite %q { file = ":memory:", pool = { max = 1 }, policy = %q }]]):format(name, name, name))
    assert(other:exec "create table n (a); insert into n values (2)")
    local lease = db:lease()
    for _ = 1, 2 do
      local a, err, how = db:value(A .. " where a > ?", 1)
      assert.same({ 2, "resource", other.name }, { a, how.fallback, how.resource })
      assert.is_nil(err)
      assert.is_nil(how.age)
    end
    assert.equal(2, db:value({ role = "writer", deadline = "1s" }, A .. " where a > ?", 1))
    assert.same({ 1, 2 }, { other:stats().front.hits, other:stats().front.misses })
    assert.equal(9, db:value "select b from n") -- it has an error, too
    assert.equal(3, db:stats().front.resource)
    lease:release()
  end)

  it("asks another resource in no role that it does not have, and not beyond the caller's deadline", function()
    local name = fronted.name()
    local db, other = fronted.sqlite(('fallback = { { resource = %q }, { value = 9 } }'):format(name), nil, ([[
      sqlite %q { file = ":memory:", pool = { max = 1 } }]]):format(name))
    assert(other:exec "create table n (a); insert into n values (2)")
    db:pause()
    local given = { role = "reader", fail_fast = true }
    local a, _, how = db:value(given, A)
    assert.same({ 2, "resource", "paused" }, { a, how.fallback, how.because.code })
    assert.same({ role = "reader", fail_fast = true }, given)
    local begun = clock.now()
    a, _, how = db:value({ deadline = "50ms" }, ENDLESS)
    assert.same({ 9, "value" }, { a, how.fallback })
    assert.is_true(clock.now() - begun < 3000)
    db:resume()
  end)

  it("is not for a task that is cancelled", function()
    local db = behind "fallback = { value = 0 }"
    local result
    local asks = task(function() result = { db:value(ENDLESS) } end)
    clock.pause(20)
    cancel(asks)
    asks:join()
    assert.is_nil(result[1])
    assert.equal("cancelled", result[2].code)
    assert.is_nil(result[3])
  end)

  it("is for a task whose time is over", function()
    local db = behind "fallback = { value = 0 }"
    local a, _, how = deadline("20ms", function() return db:value(ENDLESS) end)
    assert.same({ 0, "deadline" }, { a, how.because.code })
    assert.equal(1, how.because.attempts)
    tasks.fails("deadline", db:value({ deadline = "0s" }, A)) -- nothing is begun, and nothing given
  end)

  it("is not within a transaction", function()
    local db = behind "fallback = { value = 0 }"
    assert(db:transaction(function()
      tasks.fails("deadline", db:value({ deadline = "20ms" }, ENDLESS))
    end))
  end)
end)
