-- In whose trace a call is made, told to a real server in the same write.

local clock = require "spec.support.clock"
local declared = require "spec.kinds.declared"
local postgres = require "spec.support.postgres"
local proxy = require "spec.support.proxy"
local tasks = require "spec.support.tasks"
local tmp = require "spec.support.tmp"

local raises = tasks.raises

local server = postgres.start { settings = { log_statement = "all", log_line_prefix = "[%a] " } }
local network = proxy.start(server)

local function declare(name, settings, port)
  return declared.use(([[postgres %q { host = %q, port = %d, dbname = %q, user = %q, password = %q, %s }]]):format(
    name, server.host, port or server.port, server.dbname, server.user, server.password, settings))
end

local TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
local SAMPLED, UNSAMPLED = "00-" .. TRACE .. "-00f067aa0ba902b7-01", "00-" .. TRACE .. "-00f067aa0ba902b7-00"
local OTHER = "00-" .. ("7"):rep(32) .. "-" .. ("8"):rep(16) .. "-03"
local SAYS = "select current_setting('application_name') as name, coalesce(current_setting('nebula.traceparent', true), '')"
  .. " as trace"

describe("a trace", function()
  local db, before

  setup(function() db = declare("traced", "trace = true, pool = { max = 1 }") end)
  before_each(function() before = declared.count() end)
  after_each(function() declared.is_whole(before) end)

  local function is_told(row, trace)
    assert.same({ name = "nebula traced " .. TRACE, trace = trace or SAMPLED }, row)
  end
  local function is_silent(row)
    assert.same({ name = "nebula traced", trace = "" }, row)
  end

  it("is told with a call that is sampled, and with no other", function()
    is_silent(db:one(SAYS))
    is_told(trace(SAMPLED, db.one, db, SAYS))
    is_silent(trace(UNSAMPLED, db.one, db, SAYS))
    is_told(trace(SAMPLED, db.one, db, SAYS))
    is_silent(db:one(SAYS))
    assert.same(OTHER, trace(OTHER, db.one, db, SAYS).trace)
    is_silent(db:one(SAYS))
  end)

  it("is told span by span, its name once", function()
    local function span(digit) return SAMPLED:sub(1, 36) .. digit:rep(16) .. "-01" end
    local function executed(words)
      return select(2, tmp.read(server.log):gsub("execute nebula_trace_%d_%d: [^\n]*" .. words, ""))
    end
    is_told(trace(SAMPLED, db.one, db, SAYS))
    local names = executed "application_name"
    for _, digit in ipairs { "1", "2", "3" } do is_told(trace(span(digit), db.one, db, SAYS), span(digit)) end
    clock.eventually("the log has it", function() return tmp.read(server.log):find(span "3", 1, true) end)
    assert.equal(names, executed "application_name")
    db:transaction(function(tx)
      is_told(trace(span "4", tx.one, tx, SAYS), span "4")
      return nil, "rolled back"
    end)
    is_told(trace(span "5", db.one, db, SAYS), span "5")
    db:with(function(lease)
      assert(lease:exec "deallocate all")
      is_told(trace(span "6", lease.one, lease, SAYS), span "6")
      is_told(trace(span "7", lease.one, lease, SAYS), span "7")
    end)
    assert.equal("7", trace("00-" .. ("7"):rep(32) .. "-" .. ("8"):rep(16) .. "-01", db.one, db, SAYS).name:sub(-1))
    is_silent(db:one(SAYS))
  end)

  it("is inherited by tasks that are started in it, and theirs when it has ended", function()
    local child
    trace(SAMPLED, function()
      child = task(function()
        sleep "2ms"
        return db:one(SAYS)
      end)
    end)
    is_silent(db:one(SAYS))
    is_told(child:join())
    trace(SAMPLED, trace, OTHER, function() assert.equal(OTHER, db:one(SAYS).trace) end)
    trace(SAMPLED, function()
      trace(OTHER, db.one, db, SAYS)
      is_told(db:one(SAYS))
    end)
  end)

  it("ends with its function, also when that raises", function()
    raises("out of it", trace, SAMPLED, error, "out of it")
    is_silent(db:one(SAYS))
  end)

  it("is told with a COPY, in both directions and when it is given up", function()
    assert(db:exec "drop table if exists copied; create table copied (a int)")
    local query = "copy (select current_setting('nebula.traceparent', true)) to stdout"
    for _ = 1, 2 do
      trace(SAMPLED, function()
        assert.equal(2, db:copy_in("copy copied from stdin", "1\n2\n"))
        assert.equal(SAMPLED .. "\n", db:copy_out(query):next())
        assert(assert(db:copy_in "copy copied from stdin"):close())
        is_told(db:one(SAYS))
        assert.equal(3, select(2, db:copy_in("copy copied from stdin", "1\n2\nx\n")).line)
      end)
      assert.equal("\n", db:copy_out(query):next())
      assert.equal(2, db:copy_in("copy copied from stdin", "1\n2\n"))
    end
    assert.equal(8, db:value "select count(*) from copied")
  end)

  it("survives a rollback, a reset and a session that forgot its statements", function()
    trace(SAMPLED, function()
      db:transaction(function(tx)
        is_told(tx:one(SAYS))
        return nil, "rolled back"
      end)
      is_told(db:one(SAYS))
      db:with(function(lease) assert(lease:exec "set work_mem = '1MB'") end) -- dirty: is reset
      is_told(db:one(SAYS))
      db:with(function(lease)
        assert(lease:exec "deallocate all")
        is_told(lease:one(SAYS))
      end)
    end)
    db:transaction(function(tx)
      trace(SAMPLED, tx.one, tx, SAYS)
      return nil, "rolled back"
    end)
    is_silent(db:one(SAYS))
  end)

  it("is told anew after a statement that failed, and when its own words were lost", function()
    trace(SAMPLED, function()
      local _, err = db:query "select 1 / 0"
      assert.equal("22012", err.state)
      is_told(db:one(SAYS))
      db:with(function(lease)
        local name = lease:value "select name from pg_prepared_statements where name like 'nebula_trace%'"
        assert(lease:exec("deallocate " .. name))
        trace(OTHER, function() assert.equal(OTHER, lease:one(SAYS).trace) end)
        is_told(lease:one(SAYS))
      end)
    end)
  end)

  it("does not hurt a transaction that has failed, and nobody is told there", function()
    trace(SAMPLED, function()
      db:with(function(lease)
        assert(lease:exec "begin")
        local _, err = lease:query "select 1 / 0"
        assert.equal("22012", err.state)
        trace(OTHER, function()
          _, err = lease:query "select 1"
          assert.equal("25P02", err.state)
        end)
        assert(lease:exec "rollback")
        is_told(lease:one(SAYS))
      end)
    end)
  end)

  it("goes with a stream, and one that is left early leaves the session whole", function()
    trace(SAMPLED, function()
      local seen = 0
      for row in db:stream(SAYS .. ", n from generate_series(1, 3000) n") do
        assert.equal(SAMPLED, row.trace)
        seen = seen + 1
      end
      assert.equal(3000, seen)
    end)
    local left = db:stream(SAYS .. ", n from generate_series(1, 3000) n")
    assert.equal("", left:next().trace)
    assert(left:close())
    is_silent(db:one(SAYS))
  end)

  it("goes with the first call of a connection and with prepared statements", function()
    local fresh = declare("traced_first", "trace = true, application_name = 'till', pool = { max = 1 }")
    assert.same({ name = "till " .. TRACE, trace = SAMPLED }, trace(SAMPLED, fresh.one, fresh, SAYS))
    local says = assert(fresh:prepare(SAYS))
    assert.equal(SAMPLED, trace(SAMPLED, says.one, says).trace)
    assert.same({ name = "till", trace = "" }, says:one())
  end)

  it("keeps room in a long name", function()
    local long = declare("traced_long", ("trace = true, application_name = %q"):format(("x"):rep(100)))
    assert.equal(("x"):rep(30) .. " " .. TRACE, trace(SAMPLED, long.one, long, SAYS).name)
    assert.equal(("x"):rep(63), long:one(SAYS).name)
    local wide = declare("traced_wide", ("trace = true, application_name = %q"):format("x" .. ("\195\164"):rep(40)))
    assert.equal("x" .. ("?"):rep(29) .. " " .. TRACE, trace(SAMPLED, wide.one, wide, SAYS).name)
    assert.equal("x" .. ("?"):rep(62), wide:one(SAYS).name)
  end)

  it("is in the server's log beside the statement", function()
    trace(SAMPLED, db.value, db, "select 'seen in the log'")
    clock.eventually("the log has it", function()
      return tmp.read(server.log):find("%[nebula traced " .. TRACE .. "%][^\n]*seen in the log")
    end)
  end)

  it("takes no round trip of its own", function()
    local far = declare("traced_far", "trace = true, pool = { max = 1 }", network.port)
    trace(SAMPLED, far.one, far, SAYS)
    network:tell("delay", 400)
    finally(function() network:tell "pass" end)
    for _, traceparent in ipairs { OTHER, SAMPLED } do
      local begun = clock.now()
      assert.equal(traceparent, trace(traceparent, far.one, far, SAYS).trace)
      assert.is_true(clock.now() - begun < 1560) -- one is 800 ms
    end
  end)

  it("is not told where the declaration does not ask for it", function()
    local quiet = declare("untraced", "pool = { max = 1 }")
    assert.same({ name = "nebula untraced", trace = "" }, trace(SAMPLED, quiet.one, quiet, SAYS))
  end)

  it("wants a traceparent and a function", function()
    for _, bad in ipairs { "00", SAMPLED .. "0", SAMPLED:upper(), "01" .. SAMPLED:sub(3),
      "00-" .. ("0"):rep(32) .. "-00f067aa0ba902b7-01", "00-" .. TRACE .. "-" .. ("0"):rep(16) .. "-01",
      (SAMPLED:gsub("4b", "g0")), (SAMPLED:gsub("%-", "_")) } do
      raises("traceparent", trace, bad, print)
    end
    raises("takes a string and a function", trace, nil, print)
    raises("takes a string and a function", trace, SAMPLED)
    is_silent(db:one(SAYS))
  end)
end)
