-- What can be asked, and what is answered. A part of the contract; see contract.lua.
local assert = require "luassert"
local busted = require "busted"
local clock = require "spec.support.clock"
local declared = require "spec.kinds.declared"

local describe, it = busted.describe, busted.it

return function(kind, on)
  local fresh, fails, raises, rows = on.fresh, on.fails, on.raises, on.rows
  local db

  busted.setup(function() db = on.db end)

  describe("open", function()
    it("opens nothing before it is needed, and then one connection", function()
      local one = fresh()
      assert.same({}, declared.inspect(one).connections)
      assert.equal(1, one:value "select 1")
      assert.equal(1, #declared.inspect(one).connections)
    end)

    it("keeps what was opened for the next, never more than max", function()
      local one = fresh()
      for_each({ 1, 2, 3, 4, 5, 6, 7, 8 }, { parallel = 8 }, function(i)
        assert.equal(i, one:value("select cast($1 as integer)", i))
      end)
      local pool = declared.pool(one)
      assert.truthy(pool.opened <= 2 and pool.idle == pool.opened, pool.opened)
    end)

    it("that cannot succeed is an error that says why, and the pool is none the worse", function()
      local one = fresh(kind.unopenable.settings)
      local started = clock.now()
      local err = fails(kind.unopenable.code, "failed", one:query "select 1")
      assert.equal(kind.unopenable.action, err.action)
      assert.equal(one.name, err.resource)
      assert.truthy(clock.now() - started < 8000)
      assert.same({}, declared.inspect(one).connections)
    end)
  end)

  describe("send", function()
    it("answers in rows with every column, NULL being null and nothing else nil", function()
      local list = assert(db:query "select 1 as a, null as b, 'x' as c")
      assert.same({ { a = 1, b = null, c = "x" } }, list)
      assert.is_nil(list[1].d)
      assert.same({}, assert(db:query "select 1 as a where 1 = 0"))
    end)

    it("has a verb for each wish", function()
      assert.equal(2, db:exec "insert into t (a, b) values (1, 'one'), (2, null)")
      assert.equal(0, db:exec "update t set b = 'x' where a = 99")
      assert.same({ a = 2, b = null }, db:one "select a, b from t where a = 2")
      assert.equal("one", db:value "select b from t where a = 1")
      assert.equal(null, db:value "select b from t where a = 2")
      assert.same({ n = 1 }, { n = select("#", db:one "select a from t where a = 99") })
      assert.is_nil(db:value "select a from t where a = 99")
      assert.equal(0, db:exec "create table u (a integer)")
      assert.equal(0, db:exec "drop table u")
    end)

    it("takes parameters in every style", function()
      assert.equal("a1", db:value("select cast(? as text) || cast(? as text)", "a", "1"))
      assert.equal("1a1", db:value("select cast($2 as text) || cast($1 as text) || cast($2 as text)", "a", "1"))
      assert.equal("xyx", db:value("select cast(:p as text) || cast(:q as text) || cast(:p as text)",
        { p = "x", q = "y" }))
    end)

    it("takes back the values it gave", function()
      local values = { 0, -1, 2 ^ 53, 9223372036854775807LL, 0.1, -1e300, "", "tä\n'\"\\x", null }
      local types = { "bigint", "bigint", "bigint", "bigint", "double precision", "double precision", "text", "text",
        "text" }
      for at, value in ipairs(values) do
        local got = db:value(("select cast(? as %s)"):format(types[at]), value)
        assert.truthy(value == got, tostring(value))
      end
      local blob = "\0\1\255'"
      assert.equal(1, db:exec("insert into t (a, b) values (1, ?)", "text"))
      assert.equal(blob, db:value(("select cast(? as %s)"):format(kind.bytes), bytes(blob)))
    end)

    it("refuses what is wrong with the statement as an error that shows no literal", function()
      local err = fails("query", "failed", db:query "select nothing from nowhere where secret = 'hush'")
      assert.equal("fix", err.action)
      assert.equal(kind.prefix, err.resource)
      assert.equal("select nothing from nowhere where secret = ?", err.statement)
      assert.is_nil(tostring(err):find("hush", 1, true))
      assert.equal(", in: " .. err.statement, tostring(err):sub(-#err.statement - 6))
      fails("query", "failed", db:query "select 1 +")
    end)

    it("knows a broken constraint from a wrong statement", function()
      assert.equal(1, db:exec "insert into t (a) values (1)")
      assert.equal("fix", fails("constraint", "failed", db:exec "insert into t (a) values (1)").action)
      assert.equal(1, rows())
    end)

    it("raises what the program got wrong, at the line of the program", function()
      raises("contract/%w+.lua:%d+: the statement takes 2 values, 1 given, in: select %?, %?", function()
        db:query("select ?, ?", 1)
      end)
      raises("contract/%w+.lua:%d+: .*nil", function() db:query("select ?", nil) end)
      for _, self in ipairs { "select 1", {}, 5 } do
        raises("contract/%w+.lua:%d+: this is no resource .* with a colon", function() db.query(self, "select 1") end)
      end
      for _, self in ipairs { "select 1", {}, 5 } do
        local function of(what, thing, ...)
          for _, name in ipairs { ... } do
            raises("contract/%w+.lua:%d+: " .. name .. ": this is no " .. what .. "; call it with a colon", function()
              thing[name](self, "select 1")
            end)
          end
        end
        db:transaction(function(tx) of("transaction", tx, "query", "exec", "stream", "savepoint", "dirty") return true end)
        of("stream", db:stream "select 1", "next", "close")
        of("statement", assert(db:prepare "select 1"), "query", "one", "value", "exec", "stream")
      end
      raises("contract/%w+.lua:%d+: the statement must be a string, not nil", function() db:query() end)
      raises('contract/%w+.lua:%d+: query: there is no option deadlin; did you mean "deadline"', function()
        db:query({ deadlin = "1s" }, "select 1")
      end)
      raises("contract/%w+.lua:%d+: two columns are called a", function() db:query "select 1 as a, 2 as a" end)
      raises("use .*:transaction%(fn%)", function() db:exec "begin" end)
      raises("has no role", function() db:query({ role = "nobody" }, "select 1") end)
    end)

    it("runs several statements at once, all or none", function()
      assert(db:exec "insert into t (a) values (1); insert into t (a) values (2);")
      fails("constraint", "failed", db:exec "insert into t (a) values (3); insert into t (a) values (1)")
      assert.equal(2, rows())
      assert.equal(3, (db:exec "insert into t (a) values (3); update t set b = 'x'"))
      assert.equal(0, (db:exec "update t set b = 'y'; delete from t where a = 9"))
      assert.equal(3, rows())
      raises("take no values", function() db:exec("select 1; select 2", 3) end)
    end)

    it("prepares: a mistake shows at once, options and values in every style", function()
      local find = assert(db:prepare "select a from t where a = :a")
      assert(db:exec "insert into t (a) values (5)")
      assert.equal(5, find:value { a = 5 })
      assert.equal(5, find:one({ deadline = "5s" }, { a = 5 }).a)
      local insert = assert(db:prepare "insert into t (a) values (?)")
      assert.equal(1, insert:exec(6))
      assert.equal(1, insert:exec({ deadline = "5s" }, 7))
      assert.equal(3, #assert(db:prepare "select * from t"):query())
      fails("query", "failed", db:prepare "select nothing from nowhere")
    end)
  end)
end
