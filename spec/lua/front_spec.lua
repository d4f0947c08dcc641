-- Caches in front of the calls of a resource: what is a question, what is kept, and for how long.

local clock = require "spec.support.clock"
local declared = require "spec.kinds.declared"
local errors = require "nebula.error"
local fronted = require "spec.support.fronted"
local tasks = require "spec.support.tasks"

local ENDLESS, behind = fronted.ENDLESS, fronted.sqlite

local A = "select a from n"

local function set(db, a)
  assert.equal(1, (assert(db:exec("update n set a = ?", a))))
end

describe("in front of a resource's calls", function()
  local before

  before_each(function() before = declared.count() end)
  after_each(function() fronted.is_whole(before) end)

  describe("a cache", function()
    it("gives an answer again within its ttl, and asks then", function()
      local db = behind 'cache = { ttl = "500ms" }'
      assert.equal(1, db:value(A))
      set(db, 2)
      assert.equal(1, select("#", db:value(A)))
      assert.equal(1, db:value(A))
      clock.pause(510)
      assert.equal(2, db:value(A))
      local counts = db:stats().front
      assert.same({ 2, 2, 1, 0 }, { counts.hits, counts.misses, counts.entries, counts.refreshes })
    end)

    it("tells questions apart by method, statement, values with their types, and role", function()
      local db = behind 'cache = { ttl = "1h" }'
      local asked = {
        { "value", "select typeof(?)", "1" }, { "value", "select typeof(?)", 1 }, { "value", "select typeof(?)", 1.5 },
        { "value", "select typeof(?)", bytes "1" }, { "value", "select typeof(?)", null },
        { "value", "select typeof(?1)", 9223372036854775807LL }, { "value", "select typeof($1)", -9223372036854775807LL },
        { "value", "select ?", true }, { "value", "select ?", false }, { "value", "select typeof(:x)", { x = "x" } },
        { "value", "select ? || ?", "a", "bc" }, { "value", "select ? || ?", "ab", "c" }, { "value", "select ?", { 1 } },
        { "value", "select ?", { 2 } }, { "one", "select typeof(?)", "1" }, { "query", "select typeof(?)", "1" },
        { "query", A }, { "query", A .. " " },
      }
      table.remove(asked, 6)
      for at, one in ipairs(asked) do
        assert(db[one[1]](db, unpack(one, 2)))
        assert.equal(at, db:stats().front.entries)
      end
      assert(db:query({ role = "writer" }, A))
      assert.equal(#asked + 1, db:stats().front.entries)
      assert.same({ 0, #asked + 1 }, { db:stats().front.hits, db:stats().front.misses })
      assert.same({ "text", "real", "blob", "null", "integer" }, { db:value("select typeof(?)", "1"),
        db:value("select typeof(?)", 1.5), db:value("select typeof(?)", bytes "1"), db:value("select typeof(?)", null),
        db:value("select typeof($1)", -9223372036854775807LL) })
      assert.equal(5, db:stats().front.hits)
    end)

    it("gives each caller values of his own", function()
      local db = behind 'cache = { ttl = "1h" }'
      for _ = 1, 3 do
        local rows = db:query(A)
        assert.same({ { a = 1 } }, rows)
        rows[1].a, rows[2] = 99, true
      end
    end)

    it("keeps that there is nothing, and NULL, and no error", function()
      local db = behind 'cache = { ttl = "1h" }'
      assert.same({ n = 0 }, { n = select("#", (db:one "select a from n where a = 5")) - 1 })
      set(db, 5)
      assert.is_nil(db:one "select a from n where a = 5")
      assert.equal(null, db:value "select null")
      assert.equal(null, db:value "select null")
      assert.equal(2, db:stats().front.hits)
      tasks.fails("query", db:query "select * from later")
      assert(db:exec "create table later (a)")
      assert.same({}, db:query "select * from later")
    end)

    it("stands before no statement that writes, no script, and none that is said to change its session", function()
      local db = behind 'cache = { ttl = "1h" }'
      for a = 2, 4 do
        assert.equal(1, #db:query("insert into n values (?) returning a", a))
        assert.equal(a, db:value({ dirty = true }, "select count(*) from n"))
      end
      assert.equal(0, db:stats().front.misses)
      tasks.raises("several statements at once bring no rows", db.query, db, "select 1; select 2")
      tasks.raises("cannot begin or end a transaction", db.query, db, "begin")
    end)

    it("is not asked within a transaction, nor on a lease", function()
      local db = behind 'cache = { ttl = "1h" }'
      assert.equal(1, db:value(A))
      assert(db:transaction(function(tx)
        tx:exec "update n set a = 2"
        assert.equal(2, tx:value(A))
        assert.equal(1, db:value(A .. " limit 1")) -- of another connection, and not kept
      end))
      assert.equal(1, db:stats().front.entries)
      assert.equal(2, db:value(A .. " limit 1"))
      local lease = db:lease()
      assert.equal(2, lease:value(A))
      assert.equal(2, lease:value({ cache = true }, A))
      lease:release()
      assert.equal(1, db:value(A))
    end)

    it("is left aside by who says so, whose answer is kept", function()
      local db = behind 'cache = { ttl = "1h" }'
      assert.equal(1, db:value(A))
      set(db, 2)
      assert.equal(2, db:value({ cache = false }, A))
      assert.equal(2, db:value(A))
      set(db, 3)
      assert.equal(3, db:value({ cache = false, fallback = false }, A))
      assert.equal(2, db:value(A))
    end)

    it("takes a caller's word that a statement only reads", function()
      local db = behind 'cache = { ttl = "1h" }'
      for _ = 1, 2 do assert.equal(1, db:query({ cache = true }, "update n set a = a + 1 returning a - 1 as a")[1].a) end
      assert.equal(2, db:value(A))
      tasks.raises("the option cache must be a boolean", db.query, db, { cache = 1 }, A)
      tasks.raises("there is no option cache", db.exec, db, { cache = true }, "delete from n")
      tasks.raises("there is no option cash", db.query, db, { cash = true }, A)
    end)

    it("stands before prepared statements, too", function()
      local db = behind 'cache = { ttl = "1h" }'
      local find = assert(db:prepare "select a from n where a > ?")
      assert.equal(1, find:value(0))
      set(db, 2)
      assert.equal(1, find:value(0))
      assert.equal(2, find:value({ cache = false }, 0))
    end)

    it("keeps no more than so many, and lets those go that were used longest ago", function()
      local db = behind 'cache = { ttl = "1h", entries = 2 }'
      local function ask(n) return db:value("select a + ? from n", n) end
      ask(1) ask(2) ask(1) ask(3)
      local counts = db:stats().front
      assert.same({ 2, 1, 3 }, { counts.entries, counts.hits, counts.misses })
      ask(1)
      assert.equal(2, db:stats().front.hits)
      ask(2)
      assert.equal(4, db:stats().front.misses)
    end)

    it("keeps no more bytes than it may, and says once that an answer is larger than all of them", function()
      local db = behind 'cache = { ttl = "1h", bytes = "10kB" }'
      for n = 1, 100 do assert.equal(1000 + #tostring(n), #db:value("select hex(zeroblob(500)) || ?", n)) end
      local counts = db:stats().front
      assert.is_true(counts.bytes <= 10000 and counts.bytes > 8000 and counts.entries < 10)
      for _ = 1, 2 do assert.equal(20000, #db:value "select hex(zeroblob(10000))") end
      assert.is_true(db:stats().front.bytes <= 10000)
    end)

    it("lets others have their turn, however often it has the answer, and its own time go by", function()
      local db = behind 'cache = { ttl = "100ms" }'
      local turns, is_over = 0, false
      local other = task(function()
        while not is_over do
          turns = turns + 1
          sleep "0s"
        end
      end)
      local begun = clock.now()
      for _ = 1, 64 * 10 do assert.equal(1, db:value(A)) end
      assert.is_true(turns >= 10, turns)
      while clock.now() - begun < 250 do assert(db:value(A)) end
      assert.is_true(db:stats().front.misses >= 2)
      is_over = true
      other:join()
    end)

    it("gives nothing to a task that was told to end", function()
      local db = behind 'cache = { ttl = "1h", stale_if_error = "1h" }, fallback = { last = "1h" }'
      assert.equal(1, db:value(A))
      local results = {}
      local told = task(function()
        for i = 1, 3 do results[i] = { db:value(A) } end
        sleep "1h"
        for i = 4, 6 do results[i] = { db:value(A) } end
        defer(function() results[7] = { db:value(A) } end)
      end)
      tasks.settle()
      cancel(told)
      told:join()
      for i = 1, 3 do assert.same({ 1 }, results[i]) end
      for i = 4, 6 do tasks.fails("cancelled", unpack(results[i])) end
      assert.same({ 1 }, results[7])
      local spinning = task(function()
        while db:value(A) do results.count = (results.count or 0) + 1 end
      end)
      tasks.settle()
      cancel(spinning)
      spinning:join()
      assert.is_true(results.count >= 64)
    end)

    it("has a method called on what it belongs to", function()
      local db = behind 'cache = { ttl = "1h" }'
      tasks.raises("this is no resource of the kind sqlite", db.query, {}, A)
      tasks.raises("this is no resource of the kind sqlite", db.query)
    end)
  end)

  describe("a cache that gives what is stale", function()
    it("does so at once, and has one newer answer asked for", function()
      local db = behind 'cache = { ttl = "20ms", stale = "10s" }'
      assert.equal(1, db:value(A))
      set(db, 2)
      clock.pause(30)
      for _ = 1, 5 do
        local a, err, how = db:value(A)
        assert.same({ 1, "stale" }, { a, how.cache })
        assert.is_nil(err)
        assert.is_nil(how.because)
        assert.is_true(how.age >= 0.02 and how.age < 9)
      end
      assert.same({ 5, 1 }, { db:stats().front.stale, db:stats().front.refreshes })
      clock.eventually("the newer one is there", function() return db:value(A) == 2 end)
    end)

    it("asks for what was asked, whatever becomes of the arguments, and not with their deadline", function()
      local db = behind 'cache = { ttl = "20ms", stale = "10s" }'
      local given, named = { deadline = "5s" }, { x = 10 }
      assert.equal(11, db:value(given, "select a + :x from n", named))
      set(db, 2)
      clock.pause(30)
      assert.equal(11, db:value(given, "select a + :x from n", named))
      named.x, given.deadline = 50, "0s"
      clock.eventually("the newer one is there", function() return db:value("select a + :x from n", { x = 10 }) == 12 end)
    end)

    it("asks at once where what was asked cannot be copied", function()
      local db = behind 'cache = { ttl = "1ms", stale = "1h" }'
      local odd = setmetatable({ 1 }, { __index = {} })
      assert.equal("[1]1", db:value("select ? || a from n", odd))
      set(db, 2)
      clock.pause(5)
      assert.equal("[1]2", db:value("select ? || a from n", odd))
      assert.equal(0, db:stats().front.refreshes)
    end)

    it("goes on giving it when the newer one does not come, until it is too old", function()
      local db = behind 'cache = { ttl = "1ms", stale = "1s" }'
      assert.equal(1, db:value(A))
      assert(db:exec "drop table n")
      clock.pause(5)
      for _ = 1, 3 do
        assert.equal(1, db:value(A))
        clock.pause(5)
      end
      assert.is_true(db:stats().front.refreshes >= 2)
      clock.pause(1010)
      tasks.fails("query", db:value(A))
    end)
  end)

  describe("a cache that gives what is stale where there is an error", function()
    it("does so for what is the server's fault, and for so long", function()
      local db = behind 'cache = { ttl = "1ms", stale_if_error = "1s" }'
      local slow = "select a from n where a = ? or (" .. ENDLESS .. ") = 5"
      local given = { deadline = "20ms" }
      assert.equal(1, db:value(slow, 1))
      set(db, 2)
      clock.pause(5)
      local a, err, how = db:value(given, slow, 1)
      assert.same({ 1, "stale", "deadline" }, { a, how.cache, how.because.code })
      assert.is_nil(err)
      assert.is_true(how.age >= 0.02 and how.age < 1.1, how.age)
      assert.is_true(errors.is(how.because))
      assert.equal(1, db:stats().front.stale_if_error)
      tasks.fails("deadline", db:value({ deadline = "20ms", cache = false }, slow, 1))
      clock.pause(1000)
      tasks.fails("deadline", db:value(given, slow, 1))
    end)

    it("does not for a caller's own mistake", function()
      local db = behind 'cache = { ttl = "1ms", stale_if_error = "1h" }, fallback = { value = 7 }'
      assert.equal(1, db:value(A))
      assert(db:exec "drop table n")
      clock.pause(5)
      tasks.fails("query", db:value(A))
    end)
  end)

  it("nothing stands where the policy says nothing", function()
    local db, other = fronted.sqlite('cache = { ttl = "1h" }', nil, ('sqlite %q { file = ":memory:", pool = { max = 1 } }'):format(
      fronted.name() .. "b"))
    assert.is_nil(other:stats().front)
    assert.equal(0, db:stats().front.entries)
    assert.equal(getmetatable(other).__index.query, getmetatable(getmetatable(db).__index).__index.query)
  end)
end)
