-- limit: 120 s
local clock = require "spec.support.clock"
local postgres = require "spec.support.postgres"
local process = require "spec.support.process"

describe("postgres", function()
  local server

  -- As a client over TCP: the way of the engine.
  local function client(sql, changes)
    local env = { PGPASSWORD = server.password, PGCONNECT_TIMEOUT = "5" }
    for name, value in pairs(changes or {}) do env[name] = value end
    return process.run { server.bin .. "/psql", "-XqAth", server.host, "-p", tostring(server.port),
      "-U", server.user, "-d", server.dbname, "-c", sql, env = env }
  end

  before_each(function() server = postgres.start { settings = { max_connections = 7 } } end)
  after_each(function() server:kill() end)

  it("answers the user over TCP and the administrator over its socket, with the settings asked for", function()
    assert.same({ code = 0, output = "spec|f\n", errors = "" },
      client "select usename, usesuper from pg_user where usename = current_user")
    assert.equal("7|on", server:psql "select current_setting('max_connections'), current_setting('synchronous_commit')")
    assert.has_error(function() server:psql "select nothing" end)
  end)

  it("wants the password", function()
    local ran = client("select 1", { PGPASSWORD = "wrong" })
    assert.equal(2, ran.code)
    assert.matches("password authentication failed", ran.errors)
  end)

  it("keeps what was committed when it is killed, and comes back on its port", function()
    local port = server.port
    client "create table kept as select generate_series(1, 1000) i"
    server:kill()
    assert.matches("refused", client("select 1").errors)
    server:restart()
    assert.equal(port, server.port)
    assert.equal("1000\n", client("select count(*) from kept").output)
  end)

  it("ends sessions when it is killed in the middle of a query", function()
    local asking = process.start { server.bin .. "/psql", "-Xqh", server.folder, "-p", tostring(server.port),
      "-U", "postgres", "-c", "select pg_sleep(60)", server.dbname }
    clock.eventually("the query runs", function()
      return server:psql "select count(*) from pg_stat_activity where query like 'select pg_sleep%'" == "1"
    end)
    server:kill()
    assert.same({ code = 2 }, asking:wait())
    asking:kill()
  end)

  it("freezes with its sessions, and thaws", function()
    server:freeze()
    local asking = process.start { server.bin .. "/psql", "-XqAth", server.host, "-p", tostring(server.port),
      "-U", server.user, "-c", "select 42", server.dbname, env = { PGPASSWORD = server.password } }
    assert.is_nil(asking:line(100))
    server:thaw()
    assert.equal("42", asking:line())
    asking:kill()
  end)

  it("stops in order and starts again with other settings", function()
    assert.same({ code = 0 }, server:stop())
    server:restart { max_connections = 9 }
    assert.equal("9", server:psql "show max_connections")
  end)

  it("has a standby that takes its place, and then follows it", function()
    local standby = server:standby()
    server:psql "create table followed as select generate_series(1, 1000) i"
    server:is_replayed_by(standby)
    assert.equal("1000", standby:psql "select count(*) from followed")
    assert.equal("t", standby:psql "select pg_is_in_recovery()")
    server:stop()
    standby:promote()
    standby:psql "insert into followed values (0)"
    server:follow(standby)
    standby:is_replayed_by(server)
    assert.equal("1001", server:psql "select count(*) from followed")
    standby:stop()
    server:promote()
  end)

  it("two run beside each other", function()
    local other = postgres.start()
    other:psql "create table only_here ()"
    assert.equal("0", server:psql "select count(*) from pg_class where relname = 'only_here'")
    other:kill()
  end)

  it("proves who it is under TLS, and lets rules come first", function()
    server:kill()
    server = postgres.start { tls = true, hba = { "hostnossl all all all reject" } }
    local verified = { PGSSLMODE = "verify-full", PGSSLROOTCERT = server.ca }
    assert.equal("t\n", client("select ssl from pg_stat_ssl where pid = pg_backend_pid()", verified).output)
    assert.matches("rejects connection", client("select 1", { PGSSLMODE = "disable" }).errors)
  end)
end)
