-- What a function does to its session is seen by nobody, so somebody says it; and what a session keeps of statements.

local assert = require "luassert"
local declared = require "spec.kinds.declared"
local postgres = require "spec.support.postgres"

describe("a function that changes its session", function()
  local server, before

  local function declare(name, settings)
    return declared.use(([[postgres %q { host = %q, port = %d, dbname = %q, user = %q, password = %q,
      pool = { max = 1 }, %s }]]):format(name, server.host, server.port, server.dbname, server.user, server.password,
      settings or ""))
  end

  setup(function()
    server = postgres.start()
    local db = declare "postgres_dirty"
    assert(db:exec [[create schema app;
      create function app.pretend(text) returns text language plpgsql as
        $$ begin return set_config('app.user', $1, false); end $$;
      create function app."Pretend"(text) returns text language plpgsql as
        $$ begin return set_config('app.user', $1, false); end $$]])
    before = declared.count()
  end)

  after_each(function() declared.is_whole(before) end)

  local WHO = "select coalesce(current_setting('app.user', true), '')"

  it("leaves its trace when nobody says so, and none when somebody does", function()
    local one = declare "postgres_dirty_said"
    assert(one:value "select app.pretend('eve')")
    assert.equal("eve", one:value(WHO))
    assert(one:value({ dirty = true }, "select app.pretend('mallory')"))
    assert.equal("", one:value(WHO))
    one:with(function(lease)
      assert(lease:value "select app.pretend('eve')")
      assert(lease:dirty())
      assert.equal("eve", lease:value(WHO))
    end)
    assert.equal("", one:value(WHO))
  end)

  it("is known by its name", function()
    local one = declare "postgres_dirty_named"
    assert.is_true(one:dirty("other", "pretend"))
    local ways = {
      "select app.pretend('eve')", "select app . PRETEND /* x */ ('eve')", [[select app."pretend"('eve')]],
      "select 1 where exists (select app.pretend('eve'))", "insert into app.log select app.pretend('eve')",
    }
    server:psql "create table app.log (who text); grant all on app.log to public"
    for _, words in ipairs(ways) do
      assert(one:query(words .. (words:find "^insert" and " returning 1" or "")))
      assert.equal("", one:value(WHO), words)
    end
    for row in one:stream "select app.pretend('eve') p" do assert.equal("eve", row.p) end
    assert.equal("", one:value(WHO))
    one:with(function(lease)
      assert(lease:value "select app.pretend('eve')")
      assert.equal("eve", lease:value(WHO))
    end)
    assert.equal("", one:value(WHO))
    assert(one:exec "select app.pretend('eve'); select 1")
    assert.equal("", one:value(WHO))
    assert(one:transaction(function(tx) return tx:value "select app.pretend('eve')" end))
    assert.equal("", one:value(WHO))
    assert(one:batch(function(b) b:value "select app.pretend('eve')" b:query "select 1" end))
    assert.equal("", one:value(WHO))
    assert(one:batch({ dirty = true }, function(b) b:value [[select app."Pretend"('eve')]] end))
    assert.equal("", one:value(WHO))
    assert(one:value [[select app."Pretend"('eve')]])
    assert.equal("eve", one:value(WHO)) -- another function
    assert.is_true(one:dirty 'app."Pretend"')
    assert(one:value [[select app."Pretend"('eve')]])
    assert.equal("", one:value(WHO))
    local resets = declared.pool(one).resets
    assert(one:value "select 'pretend(' || 1 from (select 1 as pretend) x where pretend in (1)")
    assert.equal(resets, declared.pool(one).resets)
  end)

  it("has a name", function()
    local one = declare "postgres_dirty_wrong"
    for _, wrong in ipairs { "", "a b", "f()" } do
      assert.matches("the name of a function is expected", select(2, pcall(one.dirty, one, wrong)))
    end
    assert.matches("the name of a function is expected", select(2, pcall(one.dirty, one, 1)))
  end)

  it("leaves the next one a clean session when its call was cancelled in the middle", function()
    local one = declare "postgres_dirty_cancelled"
    assert.equal("", one:value(WHO)) -- it is open: connecting has no part in the deadline
    local _, err = one:value({ dirty = true, deadline = "100ms" }, "select app.pretend('eve'), pg_sleep(10)")
    assert.equal("deadline", err.code)
    assert.equal("", one:value(WHO))
    assert.equal(1, declared.pool(one).resets)
  end)

  it("keeps as many prepared statements as was declared", function()
    local kept = "select count(*) from pg_prepared_statements"
    local few, none, usual = declare("postgres_few", "statements = 3"), declare("postgres_none", "statements = 0"),
      declare "postgres_usual"
    local function prepare_many(db)
      for round = 1, 3 do
        for i = 1, 20 do assert.equal(i + round, db:value(("select %d + ?::int"):format(i), round)) end
        for i = 1, 3 do assert.equal(i, db:value(("select %d + 0 * ?::int"):format(i), round)) end
      end
      assert(db:prepare "select 77")
      assert.equal(77, db:value "select 77")
      return db:value(kept)
    end
    assert.equal(0, prepare_many(none))
    assert.is_true(prepare_many(few) <= 4) -- one may still be on its way out
    assert.is_true(prepare_many(usual) > 20)
    assert.equal("3", declared.inspect(few).options.statements)
    assert.matches("statements", declared.complaints [[postgres "x" { host = "h", statements = -1 }]])
  end)
end)
