-- What a server truly says is believed, also when it is odd, and costs nobody a connection.

local declared = require "spec.kinds.declared"
local postgres = require "spec.support.postgres"

describe("PostgreSQL's true words", function()
  local server, before, db

  setup(function()
    server = postgres.start { settings = { max_prepared_transactions = 2 } }
    db = declared.use(([[postgres "postgres_belief" { host = %q, port = %d, dbname = %q, user = %q, password = %q,
      pool = { max = 1 }, policy = "standard" }]]):format(server.host, server.port, server.dbname, server.user, server.password))
    assert(db:exec "create table t (a int)")
    before = declared.count()
  end)

  before_each(function() assert(db:exec "truncate t") end)
  after_each(function()
    assert.equal(1, declared.inspect(db).open)
    declared.is_whole(before)
  end)

  local function held() return db:value "select string_agg(a::text, ',' order by a) from t" end

  -- By the one connection that there is, which is there afterwards.
  local function with_session(fn)
    local pid = db:value "select pg_backend_pid()"
    assert(db:with(function(lease)
      fn(lease)
      return true
    end))
    assert.equal(pid, db:value "select pg_backend_pid()")
  end

  it("are that a transaction was prepared, committed and rolled back", function()
    with_session(function(lease)
      for _, ending in ipairs { "commit", "rollback" } do
        assert(lease:exec "begin")
        assert(lease:exec("insert into t values (?)", #ending))
        assert(lease:exec "prepare transaction 'g1'")
        assert(lease:exec(ending .. " prepared 'g1'"))
      end
    end)
    assert.equal("6", held())
  end)

  it("are of each statement in a script that begins with a commit", function()
    with_session(function(lease)
      assert(lease:exec "begin; insert into t values (1)")
      assert(lease:exec "commit; insert into t values (2)")
      assert(lease:exec "begin; insert into t values (3)")
      assert(lease:exec "end; begin; insert into t values (4); rollback")
    end)
    assert.equal("1,2,3", held())
  end)

  it("are of a line of the input, and not of what stands in it", function()
    local function fails(name, line, rows)
      local done, err = db:copy_in(("copy %s from stdin (format csv)"):format(name), rows)
      assert.is_nil(done)
      assert.same({ "query", line, "a" }, { err.code, err.line, err.column })
    end
    server:psql [[create table "T ""q"", 5" (a int); alter table "T ""q"", 5" owner to spec]]
    fails("t", 3, { { 1 }, { "x\nCOPY t, line 4711, column zz: " } }) -- the server names the last line of a row
    fails([["T ""q"", 5"]], 3, { { 1 }, { 2 }, { "x" } })
    server:psql [[drop table "T ""q"", 5"]]
  end)

  it("are that what was copied is no binary format", function()
    with_session(function(lease)
      local short = "PGCOPY\n\255\r\n\0" .. ("\0"):rep(8) .. "\0\1\0\0\0\2\0\7\255\255"
      local done, err = lease:copy_in("copy t from stdin (format binary)", short)
      assert.is_nil(done)
      assert.same({ "query", "failed", "08P01" }, { err.code, err.outcome, err.state })
      assert.equal(1, lease:value "select 1")
    end)
    assert.same(require("nebula.value").null, held())
  end)
end)
