-- SQLite keeps the contract of the SQL kinds, and what is its own.

local clock = require "spec.support.clock"
local contract = require "spec.kinds.contract"
local declared = require "spec.kinds.declared"
local tmp = require "spec.support.tmp"

local folder = tmp.folder()

local function declare(name, settings)
  return ('sqlite %q { file = %q, %s }'):format(name, folder .. "/contract.db", settings)
end

describe("sqlite", function()
  contract {
    prefix = "sqlite_contract",
    declare = declare,
    serial = "integer primary key",
    bytes = "blob",
    writing = { role = "writer" },
    slow = "with recursive n (i) as (select 1 union all select i + 1 from n) select count(*) from n",
    slow_ends = "failed",
    breaks_in_the_middle = "select json_extract(value, '$') from json_each('[\"1\", \"2\", \"broken\"]')",
    unopenable = {
      settings = ('file = %q, create = false, pool = { max = 1, connect = "2s" }'):format(folder .. "/nothing.db"),
      code = "unreachable",
      action = "wait",
    },
    dirty = {
      { "create temp table mine (a)", "select count(*) from sqlite_temp_master", 0 },
      { "pragma case_sensitive_like = on", "select 'a' like 'A'", 1 },
    },
  }

  local function fresh(name, settings)
    return declared.use(('sqlite "sqlite_%s" { file = %q, %s }'):format(name, folder .. "/" .. name .. ".db",
      settings or "pool = { max = 3 }"))
  end

  local before
  before_each(function() before = declared.count() end)
  after_each(function()
    collectgarbage()
    declared.is_whole(before)
  end)

  it("waits for nobody at the other end of a pipe", function()
    local pipe = folder .. "/pipe"
    assert.equal(0, os.execute("mkfifo " .. pipe))
    local db = declared.use(('sqlite "pipe" { file = %q }'):format(pipe))
    local result, err = db:value({ deadline = "5s" }, "select 1")
    assert.is_nil(result)
    assert.equal("config", err.code)
    assert.matches("no regular file", tostring(err))
  end)

  it("sends what writes to the one writer, whatever its words look like, and readers cannot write", function()
    local db = fresh "roles"
    assert(db:exec "create table t (a)")
    assert.same({ { a = 1 } }, db:query "insert into t values (1) returning a")
    assert.equal(2, db:exec "with n (i) as (values (2), (3)) insert into t select i from n")
    assert.equal(1, declared.pool(db, "writer").opened)
    for_each({ 1, 2, 3, 4, 5, 6 }, { parallel = 6 }, function() assert.equal(3, db:value "select count(*) from t") end)
    assert.truthy(declared.pool(db, "reader").opened <= 3)
    local result, err = db:with(function(lease) return lease:exec "delete from t" end)
    assert.is_nil(result)
    assert.equal("read_only", err.code)
    assert.equal(3, db:value "select count(*) from t")
  end)

  it("lets those who write wait for each other in turn, and nobody is locked out", function()
    local db = fresh "turns"
    assert(db:exec "create table t (a integer)")
    local list = {}
    for i = 1, 40 do list[i] = i end
    for_each(list, { parallel = 40 }, function()
      assert(db:transaction(function(tx)
        local last = tx:value "select coalesce(max(a), 0) from t"
        sleep "1ms"
        return tx:exec("insert into t values (?)", last + 1)
      end))
    end)
    assert.equal(40, db:value "select max(a) from t")
    assert.equal(1, declared.pool(db, "writer").opened)
  end)

  it("does not let a task wait for the writer that it has itself", function()
    local db = fresh "itself"
    assert(db:exec "create table t (a)")
    assert(db:transaction(function(tx)
      local ok, message = pcall(db.exec, db, "insert into t values (1)")
      assert.is_false(ok)
      assert.matches("in a transaction of this task, which has the writer: use its tx", tostring(message))
      assert.equal(0, db:value "select count(*) from t")
      assert(tx:exec "insert into t values (2)")
    end))
    assert.equal(1, db:exec "delete from t")
  end)

  it("has done nothing, when its transaction could not begin", function()
    local db = fresh "begins"
    assert(db:exec "create table t (a)")
    local other = declared.use(('sqlite "sqlite_other" { file = %q }'):format(folder .. "/begins.db"))
    local lease = assert(other:lease { role = "writer" })
    assert(lease:query "begin immediate")
    local err
    local work = task(function() err = select(2, db:transaction(function() error "it began" end)) end)
    clock.eventually("it is sent", function() return declared.pool(db, "writer").leased == 1 end)
    work:cancel()
    work:join()
    lease:release()
    assert.same({ "cancelled", "failed" }, { err.code, err.outcome })
  end)

  it("reads while it is written", function()
    local db = fresh "beside"
    assert(db:exec "create table t (a)")
    assert(db:transaction(function(tx)
      assert(tx:exec "insert into t values (1)")
      assert.equal(0, db:value "select count(*) from t")
    end))
    assert.equal(1, db:value "select count(*) from t")
  end)

  it("tells the id of the row that was inserted last", function()
    local db = fresh "ids"
    assert(db:exec "create table t (id integer primary key, a)")
    assert.same({ 1, 1 }, { db:exec "insert into t (a) values ('x')" })
    assert.same({ 2, 3 }, { db:exec "insert into t (a) values ('y'), ('z')" })
  end)

  it("keeps documents as text, and has no arrays", function()
    local db = fresh "values"
    assert.equal('{"a":[1,null]}', db:value("select ?", { a = { 1, null } }))
    assert.equal("[]", db:value("select json(?)", "[]"))
    assert.equal("\0\255", db:value("select ?", bytes "\0\255"))
    assert.equal("blob", db:value("select typeof(?)", bytes "a"))
    assert.equal(1, db:value("select ?", true))
    local ok, message = pcall(db.value, db, "select ?", array { 1 })
    assert.is_false(ok)
    assert.matches("value 1: this kind has no arrays; a plain table is sent as JSON", tostring(message))
  end)

  it("in memory is one connection that stays, for everybody", function()
    local db = declared.use [[sqlite "sqlite_memory" { file = ":memory:", pool = { max = 1, idle = "1ms" } }]]
    assert(db:exec "create table t (a)")
    for_each({ 1, 2, 3, 4 }, { parallel = 4 }, function(i) assert.equal(1, db:exec("insert into t values (?)", i)) end)
    local passed = clock.now() + 50
    clock.eventually("the idle time passes", function() return clock.now() > passed end)
    assert.equal(10, db:value "select sum(a) from t")
    assert.equal(1, #declared.inspect(db).connections)
    assert(db:transaction(function(tx) return tx:exec "delete from t" end))
    assert(db:exec "create table kept (a)")
    for _, words in ipairs { "pragma foreign_keys = off", "create temp table b (a)", "attach ':memory:' as other" } do
      assert(db:exec(words))
      assert.equal(1, db:value "select count(*) from sqlite_master where name = 'kept'", words)
    end
    db:with(function(lease) lease:dirty() end) -- which would take the data with it
    assert.equal(1, db:value "select count(*) from sqlite_master where name = 'kept'")
  end)

  it("refuses declarations that cannot work", function()
    local rows = {
      { 'file = ":memory:"', "1: .*pool.*one: write pool = { max = 1 }, or give a file" },
      { 'file = ""', "a file has a name" }, { 'file = "file:a.db?mode=ro"', "write the path alone" },
      { 'file = "a.db", page_size = "1000B"', "power of two" }, { 'file = "a.db", journal = "wall"', 'journal: .*did you mean "wal"' },
      { "create = true", "file" }, { 'fill = "a.db"', "file" },
    }
    for _, row in ipairs(rows) do
      assert.matches(row[2], declared.complaints(('sqlite "sqlite_wrong" { %s }'):format(row[1])))
    end
  end)

  it("is as it was declared", function()
    local db = fresh("settings", [[journal = "delete", synchronous = "normal", foreign_keys = false,
      page_size = "8KiB", cache_size = "4MiB", pool = { max = 1 }]])
    assert(db:exec "create table t (a)")
    local told = { journal_mode = "delete", synchronous = 1, foreign_keys = 0, page_size = 8192, cache_size = -4096 }
    for name, value in pairs(told) do
      assert.equal(value, db:value({ role = "writer" }, "pragma " .. name), name)
    end
  end)
end)
