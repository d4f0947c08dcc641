-- How types of a database are learnt, when, over which connection, and what codecs make of them.

local assert = require "luassert"
local catalog = require "nebula.sql.types.catalog"
local clock = require "spec.support.clock"
local declared = require "spec.kinds.declared"
local postgres = require "spec.support.postgres"

local PATIENT = [[return policy "patient" { like = "standard", call = { deadline = "20s", wait = "20s" } }]]

describe("the catalog of a database", function()
  local server, before, count = nil, nil, 0

  -- A resource that knows nothing yet.
  local function fresh(most, policy)
    count = count + 1
    return (declared.use(([[postgres "postgres_catalog_%d" { host = %q, port = %d, dbname = %q, user = %q, password = %q,
      pool = { max = %d }, policy = %q }]]):format(count, server.host, server.port, server.dbname, server.user,
      server.password, most or 1, policy or "standard"), { patient = PATIENT }))
  end

  local function raises(text, fn, ...)
    local ok, message = pcall(fn, ...)
    assert.is_false(ok)
    assert.matches(text, tostring(message), 1, true)
  end

  setup(function()
    server = postgres.start()
    server:psql "create extension hstore; create extension ltree"
    assert(fresh():exec [[create type mood as enum ('sad', 'ok'); create type place as (x int, y int);
      create table t (id int, at place); insert into t select i, (i, i)::place from generate_series(1, 2000) i]])
    before = declared.count()
  end)

  after_each(function() declared.is_whole(before) end)

  it("is asked when a reply first has a type of its own, and then never again", function()
    local db = fresh()
    local function calls() return declared.inspect(db).calls end
    assert(db:query "select 1 one, 'x' x, int4range(1, 2) r, now() n, array[1.5] a")
    assert.equal(1, calls())
    assert.equal(1, db:one("select row(1, 2)::place p").p.x)
    assert.equal(3, calls())
    assert.equal(2, db:value("select array[row(1, 2)::place]")[1].y) -- another type
    assert.equal(5, calls())
    for _ = 1, 3 do assert.equal(2, db:value("select array[row(1, 2)::place]")[1].y) end
    assert.equal("sad", db:value("select array['sad']::mood[]")[1])
    assert.equal(10, calls())
    assert.equal(1, db:value("select array[row(1, 2)::place, null]")[1].x)
    assert.equal(11, calls())
  end)

  it("sees what a transaction has made, and leaves it as it was", function()
    local db = fresh()
    assert.equal("off", db:transaction({ isolation = "serializable" }, function(tx)
      assert(tx:exec "create type once as (a text, m mood[])")
      assert.equal("ok", tx:value("select row('x', '{ok}')::once").m[1])
      assert.equal("ok", tx:one("select row('x', '{ok}')::once o").o.m[1])
      for row in tx:stream("select row(i::text, '{sad}')::once o from generate_series(1, 3) i") do
        assert.equal("sad", row.o.m[1])
      end
      assert(tx:exec "drop type once")
      return tx:value "select current_setting('transaction_read_only')"
    end))
  end)

  it("is asked beside a stream that is open", function()
    local db, n = fresh(2), 0
    for row in db:stream({ window = 10 }, "select id, at from t order by id") do
      n = n + 1
      assert.equal(n, row.at.x)
    end
    assert.equal(2000, n)
    db:with(function(lease)
      local other = fresh(2)
      other:with(function(held)
        local rows = held:stream({ window = 10 }, "select at from t order by id")
        assert.equal(1, rows:next().at.y)
        rows:close()
      end)
      for row in lease:stream({ window = 3000 }, "select at from t order by id") do n = n - row.at.x / row.at.y end
    end)
    assert.equal(0, n)
    local alone = fresh(1)
    local rows = alone:stream({ window = 10, deadline = "300ms" }, "select at from t")
    local row, err = rows:next()
    assert.is_nil(row)
    assert.matches("^the types of its columns cannot be found out: ", err.text)
    assert.equal("failed", err.outcome)
    assert.equal(1, alone:value("select at from t order by id").x)
    assert.equal(1, alone:stream({ window = 10 }, "select at from t order by id"):next().at.x)
  end)

  it("is asked for what a batch brings", function()
    local results = assert(fresh():batch(function(b)
      b:value "select row(1, 2)::place"
      b:query "select array['ok']::mood[] m"
      b:one "select 1 as one"
    end))
    assert.equal(2, results[1].y)
    assert.equal("ok", results[2][1].m[1])
    assert.equal(1, results[3].one)
  end)

  it("is asked again when a type has become another one", function()
    local db = fresh()
    assert(db:exec "create type shape as (a int)")
    assert.equal(1, db:value("select row(1)::shape").a)
    assert(db:exec "alter type shape add attribute b text")
    local row = db:one "select row(1, 'x')::shape s, 2 as two"
    assert.same({ 1, "x", 2 }, { row.s.a, row.s.b, row.two })
    assert(db:exec "drop type shape; create type shape as enum ('round')")
    assert.equal("round", db:value("select array['round']::shape[]")[1])
    assert(db:exec "drop type shape; create type shape as (a int, b int, c int)")
    assert.equal(3, db:query("select row(1, 2, 3)::shape s")[1].s.c)
  end)

  it("is asked again after a minute, because a field may have another name", function()
    local db = fresh()
    local known = catalog.of(db)
    assert(db:exec "create type named as (a int, b int)")
    assert.equal(1, db:value("select row(1, 2)::named").a)
    assert(db:exec "alter type named rename attribute a to c")
    assert.is_nil(db:value("select row(1, 2)::named").c)
    assert.is_true(known.due_us > 0)
    known.due_us = 0
    db:transaction(function(tx) assert.equal(1, tx:value("select row(1, 2)::named").a) end)
    assert.equal(1, db:value("select row(1, 2)::named").c)
    assert(db:exec "alter type named rename attribute c to d")
    local calls = declared.inspect(db).calls
    known.due_us = 0
    for row in db:stream({ window = 1 }, "select row(1, 2)::named as n from generate_series(1, 3)") do
      assert.equal(1, row.n.c) -- nobody waits for the one connection
    end
    assert.is_true(declared.inspect(db).calls > calls + 1)
    known.due_us = 0
    assert.equal(1, db:one("select row(1, 2)::named as n").n.d)
    assert(db:exec "drop type named")
  end)

  it("does not call undone what was done and cannot be read", function()
    server:psql "revoke select on pg_catalog.pg_range from public"
    finally(function() server:psql "grant select on pg_catalog.pg_range to public" end)
    local db = fresh()
    local function outcome(result, err)
      assert.is_nil(result)
      assert.matches("the types of its columns cannot be found out: .*permission denied", tostring(err))
      return err.outcome
    end
    assert.equal("failed", outcome(db:query "select row(1, 2)::place p"))
    assert.equal("failed", outcome(db:value "select row(1, 2)::place"))
    assert.equal("in_doubt", outcome(db:one "insert into t values (-1, (1, 2)) returning at"))
    assert.equal(1, db:value "select count(*) from t where id = -1")
    assert.equal("failed", outcome(db:transaction(function(tx)
      return tx:one "insert into t values (-2, (1, 2)) returning at"
    end)))
    assert.equal(1, db:value "select count(*) from t where id < 0")
    assert.equal("failed", outcome(db:transaction(function(tx)
      return tx:stream("insert into t values (-3, (1, 2)) returning at"):next()
    end)))
    assert.equal(1, db:exec "delete from t where id < 0")
  end)

  it("has no more time for its question than the call that brought the type", function()
    local db, begun = fresh(1, "patient"), clock.now()
    local open = db:stream({ deadline = "200ms", window = 1 }, "select row(i, 2)::place p from generate_series(1, 300) i")
    local row, err = open:next() -- it holds the one connection itself
    assert.is_nil(row)
    assert.matches("the types of its columns cannot be found out", tostring(err))
    assert.is_true(clock.now() - begun < 5000)
    assert.equal(1, db:one("select row(1, 2)::place p").p.x)
  end)

  it("takes codecs, of its own types and of those that all have", function()
    local db = fresh()
    local labels = db:codec("ltree", {
      decode = function(text)
        local list = {}
        for label in text:gmatch "[^.]+" do list[#list + 1] = label end
        return list
      end,
      encode = function(list) return table.concat(list, ".") end,
    })
    db:codec("numeric", { decode = tonumber })
    db:codec("public.mood", { decode = string.upper })
    local row = db:one("select ?::ltree l, array['a.b', null]::ltree[] ls, 1.5 n, array[1.5, 2.5] ns, numrange(1, 2.5) r, "
      .. "array['ok']::mood[] m, 'ok'::mood one", labels { "x", "y" })
    assert.same({ { "x", "y" }, { "a", "b" }, null }, { row.l, row.ls[1], row.ls[2] })
    assert.same({ 1.5, 2.5, 2.5, "OK", "OK" }, { row.n, row.ns[2], row.r.upper, row.m[1], row.one })
    assert.equal("x.y", db:value("select (?::ltree[])[1]::text", _G.array { labels { "x", "y" } }))
    assert.equal("1.5", fresh():value "select 1.5") -- of that resource alone
    assert.equal(db:codec "ltree" { "p", "q" }.text, "p.q")
  end)

  it("takes codecs of types that nothing here knows better than as words, and their arrays are arrays", function()
    local db = fresh()
    local row = db:one [=[select array[point(1, 2), null] p, array[box(point(0, 0), point(1, 1)), null] b, array[B'101'] bits,
      array['pg_class'::regclass] c, array[row(1, 'a')] r, array[array['1'::xid]] x, money '1.5' m]=]
    assert.same({ 2, "(1,2)", null }, { row.p.n, row.p[1], row.p[2] })
    assert.same({ 2, "(1,1),(0,0)", null }, { row.b.n, row.b[1], row.b[2] })
    assert.same({ "101", "pg_class", "(1,a)", "1", "$1.50" }, { row.bits[1], row.c[1], row.r[1], row.x[1][1], row.m })
    assert.equal("{(1,1),(0,0);NULL}", db:value("select ?::box[]::text", row.b))
    for _, name in ipairs { "point", "pg_catalog.money", "pg_catalog.numeric" } do
      db:codec(name, { decode = function(text) return "<" .. text .. ">" end })
    end
    row = db:one "select point(1, 2) p, array[point(1, 2)] ps, money '1.5' m, 1.5 n, array[1.5] ns"
    assert.same({ "<(1,2)>", "<(1,2)>", "<$1.50>", "<1.5>", "<1.5>" }, { row.p, row.ps[1], row.m, row.n, row.ns[1] })
  end)

  it("says what is wrong with a codec", function()
    local db = fresh()
    raises('decimal is called "numeric" in the database', db.codec, db, "decimal", {})
    raises('timestamp with time zone is called "timestamptz"', db.codec, db, "timestamp with time zone", {})
    raises("int4 needs none", db.codec, db, "pg_catalog.int4", {})
    raises("nothing was said of ltree yet", db.codec, db, "ltree")
    raises("int4 needs none", db.codec, db, "int4", {})
    raises("codec must be a table, not string", db.codec, db, "ltree", "x")
    raises("there is no field decoder; write decode and encode", db.codec, db, "ltree", { decoder = print })
    raises("decode must be a function", db.codec, db, "ltree", { decode = 1 })
    raises("name must be a string", db.codec, db, 1, {})
    raises("an hstore has texts by name", db:codec "hstore", { 1 })
    db:codec("ltree", { decode = function(text) return text ~= "bad" and error("no " .. text, 0) or nil end })
    raises("the codec of ltree failed: no a, in: select ?::ltree", db.value, db, "select 'a'::ltree")
    raises("the codec of ltree gave nil", db.query, db, "select 'bad'::ltree x")
    raises("the codec of ltree failed", db.one, db, "select array['a']::ltree[] x")
    db:codec("ltree", { decode = string.upper })
    assert.equal("A", db:value "select 'a'::ltree")
  end)

  it("tells in a stream what is wrong with a codec, and in no other call", function()
    local db = fresh(2)
    assert(db:exec "create table told (id int)")
    db:codec("mood", { decode = function(text) return text ~= "sad" and text or nil end })
    local rows = db:stream({ window = 1 }, "select m from unnest('{ok,sad}'::mood[]) m")
    assert.equal("ok", rows:next().m)
    raises("the codec of mood gave nil; a NULL is never asked for, so say null, in: select m", rows.next, rows)
    local row, err = rows:next()
    assert.is_nil(row)
    assert.same({ "usage", "failed" }, { err.code, err.outcome })
    assert.equal(7, db:value "insert into told values (7) returning id")
    raises("the codec of mood gave nil", db.transaction, db, function(tx)
      assert(tx:exec "insert into told values (8)")
      for _ in tx:stream "select 'sad'::mood m" do end
    end)
    db:with(function(lease)
      local open = lease:stream({ window = 1 }, "select 'sad'::mood m from generate_series(1, 3)")
      raises("the codec of mood gave nil", open.next, open)
      assert.equal(1, lease:value "select count(*) from told")
    end)
  end)

  it("keeps what readings meet apart, when a codec waits", function()
    local db = fresh(3)
    db:codec("mood", { decode = function(text)
      if text == "ok" then assert.equal(5, db:value "select 5") end
      return text ~= "sad" and text or nil
    end })
    raises("the codec of mood gave nil", db.query, db, "select 'sad'::mood a, 'ok'::mood b")
    assert.equal(1, db:value "select 1")
  end)

  it("is asked again by a stream when a type has become another one", function()
    local db = fresh(2)
    assert(db:exec "create type form as (a int)")
    assert.equal(1, db:value("select row(1)::form").a)
    assert(db:exec "alter type form add attribute b text")
    assert.equal("x", db:stream("select row(1, 'x')::form f"):next().f.b)
  end)

  it("knows an extension's types as such, and no others of that name", function()
    local db = fresh()
    assert(db:exec "create schema other; create type other.hstore as (a int)")
    assert.equal("1", db:value("select hstore('a', '1')").a)
    assert.equal(2, db:value("select row(2)::other.hstore").a)
  end)
end)
