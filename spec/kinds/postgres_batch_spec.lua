-- Several statements in one round trip: what they bring. What goes wrong on the way is in faults/batch_spec.lua.

local clock = require "spec.support.clock"
local declared = require "spec.kinds.declared"
local postgres = require "spec.support.postgres"
local proxy = require "spec.support.proxy"
local tmp = require "spec.support.tmp"

local server = postgres.start()

local function declare(name, settings, port)
  return ([[postgres %q { host = %q, port = %d, dbname = %q, user = %q, password = %q, %s }]]):format(
    name, server.host, port or server.port, server.dbname, server.user, server.password, settings)
end

local insert = "insert into done (id) values (?)"

describe("a batch", function()
  local db, before

  setup(function()
    db = declared.use(declare("batch", "pool = { max = 1 }"))
    assert(db:exec "create table done (id int primary key); create table late (a int unique deferrable initially deferred)")
  end)
  before_each(function() before = declared.count() end)
  after_each(function() declared.is_whole(before) end)

  local function ids()
    local list = {}
    for at, row in ipairs(assert(db:query "select id from done order by id")) do list[at] = row.id end
    return list
  end

  local function clear() assert(db:exec "delete from done") end

  it("brings what each statement does, in order", function()
    local results = assert(db:batch(function(b)
      b:exec(insert, 1)
      b:query("select id, id + 1 as more from done where id = :id", { id = 1 })
      b:one "select null::int as nothing"
      b:one "select 1 where false"
      b:value("select $1::timestamptz", "2024-01-02 03:04:05+00")
      b:exec("update done set id = ? where id = ?", 2, 1)
      b:value("select ?::jsonb", { a = { 1, 2 } })
    end))
    assert.equal(7, results.n)
    assert.equal(1, results[1])
    assert.same({ { id = 1, more = 2 } }, results[2])
    assert.equal(null, results[3].nothing)
    assert.is_nil(results[4])
    assert.equal("2024-01-02 03:04:05+00", tostring(results[5]))
    assert.equal(1, results[6])
    assert.same({ 1, 2 }, { unpack(results[7].a) })
    assert.same({ 2 }, ids())
    assert.same({ n = 0 }, db:batch(function() end))
    clear()
  end)

  it("is one round trip", function()
    local network = proxy.start(server)
    local far = declared.use(declare("batch_far", "pool = { max = 1 }", network.port))
    assert.equal(1, far:value "select 1")
    network:tell("delay", 400)
    for _, each in ipairs { false, true } do
      local begun = clock.now()
      assert(far:batch({ each = each }, function(b)
        for i = 1, 16 do b:value("select ?::int", i) end
      end))
      assert.is_true(clock.now() - begun < 1600) -- there and back takes 800
    end
    network:stop()
  end)

  it("is done as a whole or not at all", function()
    local results, err = db:batch(function(b)
      b:exec(insert, 1)
      b:exec(insert, 2)
      b:exec(insert, 1)
      b:exec(insert, 3)
    end)
    assert.is_nil(results)
    assert.same({ "constraint", "failed", 3, "23505" }, { err.code, err.outcome, err.part, err.state })
    assert.matches("insert into done", err.statement)
    assert.same({}, ids())
    results, err = db:batch(function(b)
      b:exec("insert into late values (?)", 1)
      b:exec("insert into late values (?)", 1)
    end)
    assert.is_nil(results) -- at the commit
    assert.same({ "constraint", "failed" }, { err.code, err.outcome })
    assert.is_nil(err.part)
    assert.equal(0, db:value "select count(*) from late")
  end)

  it("has all rows after a stream, whose rows come one by one", function()
    local query = "select * from generate_series(1, 5) n"
    for _, read in ipairs { function(stream) for _ in stream do end end, function(stream) stream:next() stream:close() end } do
      for _, each in ipairs { false, true } do
        for _ = 1, 3 do -- at the third its statement is prepared
          read(db:stream "select * from generate_series(1, 2000) n")
          local results = assert(db:batch({ each = each }, function(b)
            b:query(query)
            b:value "select 7"
          end))
          assert.same({ 5, 7 }, { #results[1], results[2] })
        end
      end
    end
    db:with(function(lease)
      for _ in lease:stream "select * from generate_series(1, 2000) n" do end
      assert.equal(5, #assert(lease:query(query)))
    end)
  end)

  it("with each is as many, and says of each how it went", function()
    local results, err = db:batch({ each = true }, function(b)
      b:exec(insert, 1)
      b:exec(insert, 1)
      b:exec(insert, 2)
      b:query "select * from nowhere"
      b:exec("insert into late values (1), (1)")
      b:value "select 7"
    end)
    assert.equal(1, results[1])
    assert.same({ "constraint", "failed", 2 }, { results[2].code, results[2].outcome, results[2].part })
    assert.equal(results[2], err)
    assert.equal(1, results[3])
    assert.same({ "query", "42P01" }, { results[4].code, results[4].state })
    assert.equal("23505", results[5].state)
    assert.equal(7, results[6])
    assert.same({ 1, 2 }, ids())
    clear()
  end)

  it("does not lose what was done because a part of it cannot be read", function()
    assert(db:exec "create type face as enum ('sad')")
    db:codec("face", { decode = function() error("no face", 0) end })
    local function fill(b)
      b:exec(insert, 1)
      b:query "select 1 as a, 2 as a"
      b:value "insert into done (id) values (2) returning 'sad'::face"
      b:value "select 7"
    end
    local function check(results, err)
      assert.same({ 1, 7, 4 }, { results[1], results[4], results.n })
      assert.equal(results[2], err)
      assert.same({ "usage", "failed", 2 }, { err.code, err.outcome, err.part })
      assert.equal("what it brought cannot be read: two columns are called a: give one another name with AS", err.text)
      assert.same({ "in_doubt", 3 }, { results[3].outcome, results[3].part })
      assert.matches("the codec of face failed: no face", results[3].text, 1, true)
      assert.same({ 1, 2 }, ids())
      clear()
    end
    check(db:batch({ each = true }, fill))
    local results, err = db:batch(fill)
    assert.is_nil(results)
    check(err.results, err)
    assert(db:exec "drop type face")
  end)

  it("is a round trip of a transaction, which it poisons when it fails", function()
    assert.equal(2, db:transaction(function(tx)
      assert(tx:batch(function(b)
        b:exec(insert, 1)
        b:exec(insert, 2)
      end))
      return tx:value "select count(*) from done"
    end))
    local result, err = db:transaction(function(tx)
      assert(tx:exec(insert, 3))
      assert.is_nil(tx:batch(function(b)
        b:exec "create table never (a int)"
        b:exec(insert, 1)
        b:exec(insert, 4)
      end))
      return "done"
    end)
    assert.is_nil(result)
    assert.same({ "constraint", 2 }, { err.code, err.part })
    assert.same({ 1, 2 }, ids())
    clear()
    local ok, complaint = pcall(db.transaction, db, function(tx) tx:batch({ each = true }, function() end) end)
    assert.is_false(ok)
    assert.matches("takes the others with it", tostring(complaint))
  end)

  it("refuses before anything is sent what it cannot answer for", function()
    for _, words in ipairs { "call p()", "vacuum", "create table x (a int)", "do $$ begin end $$", "copy done to stdout" } do
      local results, err = db:batch(function(b)
        b:exec(insert, 1)
        b:exec(words)
      end)
      assert.is_nil(results)
      assert.same({ "query", "failed", 2 }, { err.code, err.outcome, err.part })
    end
    assert.same({}, ids())
    local results = db:batch({ each = true }, function(b)
      b:exec "create table x (a int)"
      b:exec "vacuum x"
      b:exec "drop table x"
    end)
    assert.same({ 0, 0, 0, n = 3 }, results)
    local function refusal(...)
      local ok, complaint = pcall(db.batch, db, ...)
      assert.is_false(ok)
      return tostring(complaint)
    end
    assert.matches("begins or ends a transaction", refusal(function(b) b:exec "commit" end))
    assert.matches("single statements", refusal(function(b) b:exec "select 1; select 2" end))
    assert.matches("takes 1 value, 0 given", refusal(function(b) b:exec(insert) end))
    assert.matches("nil", refusal(function(b) b:exec(insert, nil) end))
    assert.matches("stand before its function", refusal(function(b) b:exec({ deadline = "1s" }, insert, 1) end))
    assert.matches("no option eech", refusal({ eech = true }, function() end))
    assert.matches("must be a function", refusal({ each = true }))
    assert.matches("must be a function", refusal())
    assert.matches("oh no", refusal(function(b) b:exec(insert, 1) error "oh no" end))
    assert.same({ nil, "changed my mind" }, { db:batch(function(b)
      b:exec(insert, 1)
      return nil, "changed my mind"
    end) })
    local kept
    assert(db:batch(function(b) kept = b end))
    assert.matches("outside of its function", select(2, pcall(kept.exec, kept, insert, 1)))
    local other = declared.use(('sqlite "batch_beside" { file = %q }'):format(tmp.folder() .. "/beside.db"))
    assert.matches("has no batches", select(2, pcall(other.batch, other, function() end)))
    assert.same({}, ids())
  end)

  it("has bounds, and says so", function()
    local results, err = db:batch(function(b)
      for i = 1, 1001 do b:exec(insert, i) end
    end)
    assert.same({ nil, "limit" }, { results, err.code })
    local large = ("x"):rep(1024 * 1024)
    results, err = db:batch(function(b)
      for _ = 1, 17 do b:value("select length(?::text)", large) end
    end)
    assert.same({ nil, "limit" }, { results, err.code })
    results = assert(db:batch(function(b)
      for i = 1, 1000 do b:exec(insert, i) end
    end))
    assert.equal(1000, results.n)
    assert.equal(1000, #ids())
    clear()
    results, err = db:batch({ deadline = "0s" }, function(b) b:exec(insert, 1) end)
    assert.same({ nil, "deadline" }, { results, err.code })
  end)

  it("writes and reads at the same time, however much it is", function()
    local large = ("x"):rep(100 * 1024)
    for _, each in ipairs { false, true } do
      local results = assert(db:batch({ each = each, deadline = "60s" }, function(b)
        for _ = 1, 150 do b:value("select repeat(?::text, 3)", large) end
      end))
      for i = 1, 150 do assert.equal(3 * #large, #results[i]) end
    end
  end)

  it("knows more texts than a connection remembers", function()
    for round = 1, 3 do
      local results = assert(db:batch({ each = round == 2 }, function(b)
        for i = 1, 600 do b:value(("select %d"):format(i % 300)) end
      end))
      for i = 1, 600 do assert.equal(i % 300, results[i]) end
    end
    assert.is_true(db:value "select count(*) from pg_prepared_statements" <= 256)
  end)

  it("goes on when the server does not know its statements any more, or their columns", function()
    local forget = "do $$ begin execute 'deallocate all'; end $$"
    assert(db:exec "drop table if exists shape; create table shape (a int); insert into shape values (1)")
    for _, each in ipairs { false, true } do
      local function twice(n)
        local results, err = db:batch({ each = each }, function(b)
          b:exec(insert, n)
          b:query "select * from shape"
          b:exec(insert, n + 1)
        end)
        assert.is_nil(err)
        assert.same({ 1, 1 }, { results[1], results[3] })
        return results[2][1]
      end
      for n = 1, 5, 2 do twice(n) end
      assert(db:exec(forget))
      twice(7)
      assert(db:exec "alter table shape add b int")
      assert.equal(null, twice(9).b)
      assert(db:exec "alter table shape drop b")
      assert.same({ a = 1 }, twice(11))
      assert.equal(12, #ids())
      clear()
    end
  end)
end)
