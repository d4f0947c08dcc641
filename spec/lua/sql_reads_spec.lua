-- Which statements may be done twice, by the table of each kind, and what is one and the same question.

local declared = require "spec.kinds.declared"
local verbs = require "nebula.sql.verbs"

describe("a statement", function()
  local pg, lite, behind

  setup(function()
    pg, lite, behind = declared.use [[
      postgres "reads_pg" { host = "127.0.0.1,127.0.0.2", port = 1, reads = "replica" }
      sqlite "reads_lite" { file = "/nowhere/at/all.db", create = false }
      policy "reads_none" { like = "standard" }
      sqlite "reads_policy" { file = "/nowhere/at/all.db", create = false, policy = "reads_none" }]]
  end)

  local cases = {
    -- words, on PostgreSQL, on SQLite
    { "select 1", true, true }, { "SELECT a FROM b WHERE c = ?", true, true }, { "values (1)", true, true },
    { "with x as (select 1) select * from x", true, true }, { "table t", true, true }, { "explain select 1", true, true },
    { "select count(*), lower(a) from b", true, true }, { "select now()", true, true },
    { "select nextval('n')", false, true }, { "select charge(7)", false, true }, { 'select "lower"(a) from b', false, true },
    { "select s.f(1)", false, true }, { "select a from b for update", false, false }, { "select a from b for share", false, false },
    { "select a from b for no key update", false, false }, { "select a from b for key share", false, false },
    { "insert into a values (1)", false, false }, { "update a set b = 1", false, false }, { "delete from a", false, false },
    { "with x as (delete from a returning b) select * from x", false, false }, { "select a into b from c", false, false },
    { "explain analyze insert into a values (1)", false, false }, { "select 1; select 2", false, false },
    { "explain analyze create table t as select 1", false, false }, { "explain analyze execute p", false, false },
    { "explain analyze select 1", true, true }, { "begin", false, false },
    { "pragma user_version", false, false }, { "call f()", false, false }, { "set a = 1", false, false },
    { "copy a to stdout", false, false },
    { "-- insert\nselect 1", true, true }, { "select 'insert'", true, true }, { "", false, true },
  }
  for _, case in ipairs(cases) do
    it(("%q is idempotent or not"):format(case[1]), function()
      for at, on in ipairs { pg, lite } do
        assert.equal(case[at + 1], verbs.is_idempotent(on, verbs.understand(on, case[1])), on.name)
      end
    end)
  end

  local function key(on, ...) return (on.kind.reads.query(on, ...)) end

  it("is a question when it is idempotent and nobody says it is not, or when somebody says that it reads", function()
    local said = { { {}, true }, { { idempotent = false }, false }, { { idempotent = false, cache = true }, true }, { { dirty = true }, false } }
    for _, case in ipairs(said) do assert.equal(case[2], key(pg, case[1], "select 1") ~= nil) end
    said = { { {}, false }, { { idempotent = true }, false }, { { cache = true }, true }, { { fallback = true }, true },
      { { cache = true, dirty = true }, false }, { { cache = false }, false } }
    for _, case in ipairs(said) do assert.equal(case[2], key(pg, case[1], "select f()") ~= nil) end
    assert.is_nil(key(pg, { cache = true }, "select 1; select 2"))
    assert.is_nil(key(pg, { cache = true }, "commit"))
    pg:dirty "set_tenant"
    assert.is_nil(key(pg, { cache = true }, "select set_tenant(1)"))
    assert.is_nil(key(behind, "insert into a values (1)"))
  end)

  it("is the same question when all of it is equal, byte by byte", function()
    local list = {
      { "select ?", 1 }, { "select ?", "1" }, { "select ?", 1.5 }, { "select ?", true }, { "select ?", false }, { "select ?", null },
      { "select ?", bytes "1" }, { "select ?", 1LL }, { "select ?", 9223372036854775807LL }, { "select ?", "" }, { "select  ?", 1 },
      { "select ?, ?", 1, 2 }, { "select ?, ?", "1", "2" }, { "select ?, ?", "12", "" }, { "select ?, ?", "", "12" },
      { "select ?", { 1 } }, { "select ?", { a = 1 } }, { "select ?", array { 1 } }, { "select ?", ("x"):rep(100000) },
      { "select ?", ("x"):rep(100001) }, { "select ?, ?, ?, ?, ?", 1, 2, 3, 4, 5 }, { "select ?, ?, ?, ?, ?", 1, 2, 3, 4, "5" },
      { { role = "primary" }, "select ?", 1 }, { { role = "replica" }, "select ?", 2 }, { "select ?", "\0" }, { "select ?", "\0\0" },
    }
    local seen = {}
    for at, one in ipairs(list) do
      local this = key(pg, unpack(one))
      assert.is_nil(seen[this], at)
      seen[this] = at
      assert.equal(this, key(pg, unpack(one)))
    end
    assert.equal(key(pg, "select ?", 1), key(pg, "select $1", 1))
    assert.equal(key(pg, "select ?", 1), key(pg, "select :x", { x = 1, y = 2 }))
    assert.equal(key(pg, "select ?", 1), key(pg, { deadline = "1s", role = "replica", fail_fast = true }, "select ?", 1))
  end)

  it("whose values cannot be sent is left to what sends it", function()
    assert.is_nil(key(pg, "select ?", print))
    assert.is_nil(key(pg, "select ?", nil))
    assert.has_error(function() key(pg, "select ?") end)
    assert.has_error(function() key(pg, "select :x", {}) end)
    assert.has_error(function() key(pg, { cach = true }, "select 1") end)
    assert.has_error(function() key(pg, 5) end)
  end)
end)
