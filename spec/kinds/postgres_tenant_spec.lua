-- One declaration, a database for each tenant: nobody is ever given another's connection.

local c = require "nebula.c"
local declared = require "spec.kinds.declared"
local json = require "cjson"
local postgres = require "spec.support.postgres"
local tasks = require "spec.support.tasks"
local tmp = require "spec.support.tmp"

local fails, raises = tasks.fails, tasks.raises

local TENANTS = { "acme", "globex", "initech" }
local server = postgres.start()
for _, name in ipairs(TENANTS) do
  server:psql(("create database shop_%s owner spec"):format(name))
end

local function text(name, settings)
  return ([[postgres %q { host = %q, port = %d, user = %q, password = %q, %s }]]):format(
    name, server.host, server.port, server.user, server.password, settings)
end

local function declare(name, settings)
  return declared.use(text(name, settings))
end

local function ls()
  local list = {}
  for _, one in ipairs(json.decode(c.string(c.lib.nebula_ask(c.engine, '{"verb":"ls"}'))).resources) do
    list[one.name] = one
  end
  return list
end

local WHERE = "select current_database()"

describe("a resource with tenants", function()
  local db, before

  setup(function() db = declare("shop", 'dbname = "shop_{tenant}", pool = { max = 2 }') end)
  before_each(function() before = declared.count() end)
  after_each(function() declared.is_whole(before) end)

  it("is another one for each tenant, with a pool of its own", function()
    for _, name in ipairs(TENANTS) do
      assert.equal("shop_" .. name, tenant(name, db.value, db, WHERE))
    end
    local all = ls()
    for _, name in ipairs(TENANTS) do
      assert.equal(1, all["shop@" .. name].calls)
      assert.equal(1, all["shop@" .. name].open)
    end
    assert.same({ 3, 3 }, { all.shop.open, all.shop.calls }) -- of all of them
  end)

  it("never mixes them, whatever is under way at once", function()
    local asked = 0
    assert(for_each(TENANTS, { parallel = 3 }, function(name)
      return tenant(name, for_each, { 1, 2, 3, 4, 5 }, { parallel = 5 }, function()
        for _ = 1, 60 do
          assert.equal("shop_" .. name, db:value(WHERE))
          asked = asked + 1
          db:transaction(function(tx)
            assert.equal("shop_" .. name, tx:value(WHERE))
            return true
          end)
          for row in db:stream(WHERE .. " as it") do assert.equal("shop_" .. name, row.it) end
        end
        return true
      end)
    end))
    assert.equal(900, asked)
    for _, name in ipairs(TENANTS) do assert.is_true(ls()["shop@" .. name].open <= 2) end
  end)

  it("is a stream and a COPY of the tenant who made it, whoever reads it first", function()
    for _, one in ipairs {
      tenant("acme", db.stream, db, WHERE .. " as it"),
      tenant("acme", db.copy_out, db, { columns = { "it" } }, ("copy (%s) to stdout"):format(WHERE)),
      tenant("acme", db.copy_out, db, { columns = { "it" } }, ("copy (%s) to stdout binary"):format(WHERE)),
    } do
      assert.equal("shop_acme", tenant("globex", one.next, one).it)
      assert.same({}, { tenant("globex", one.next, one) })
      assert.equal("shop_globex", tenant("globex", db.value, db, WHERE))
    end
  end)

  it("is a lease of the tenant who asked, whoever uses it", function()
    local lease = assert(tenant("acme", db.lease, db))
    assert.equal("shop_acme", tenant("globex", lease.value, lease, WHERE))
    assert(lease:release())
  end)

  it("has types of his own, also where another tenant reads by a lease of him", function()
    local places = tmp.folder()
    for name, words in pairs { acme = "(a int, b text)", globex = "(x text, y int)" } do
      local own = postgres.start()
      own:psql(("create type thing as %s"):format(words))
      assert(os.execute(("mkdir %s/%s && ln -s %s/.s.PGSQL.%d %s/%s/.s.PGSQL.5432"):format(places, name, own.folder,
        own.port, places, name)) == 0)
    end
    local twins = declared.use(([[postgres "twins" { host = "%s/{tenant}", port = 5432, dbname = "spec", user = %q,
      password = %q, pool = { max = 2 } }]]):format(places, server.user, server.password))
    local number = "select 'thing'::regtype::oid::int"
    assert.equal(tenant("acme", twins.value, twins, number), tenant("globex", twins.value, twins, number))
    local lease = assert(tenant("acme", twins.lease, twins))
    tenant("globex", function()
      local of_acme = "select row(7, 'b')::thing"
      assert.equal(7, lease:value(of_acme).a)
      assert.equal("x", twins:value("select row('x', 8)::thing").x)
      assert.equal(7, lease:value(of_acme).a)
    end)
    assert(lease:release())
  end)

  it("is inherited by tasks, and ends with its function", function()
    local child
    tenant("acme", function()
      child = task(db.value, db, WHERE)
      assert.equal("shop_globex", tenant("globex", db.value, db, WHERE))
      assert.equal("shop_acme", db:value(WHERE))
    end)
    assert.equal("shop_acme", child:join())
    fails("usage", db:value(WHERE))
    raises("out of it", tenant, "acme", error, "out of it")
    fails("usage", db:value(WHERE))
  end)

  it("is nobody's without a tenant", function()
    local _, err = db:value(WHERE)
    assert.is_truthy(tostring(err):find("tenant(name, fn)", 1, true), tostring(err))
    fails("usage", db:lease())
    fails("usage", db:transaction(function() return true end))
    fails("usage", tenant("acme", tenant, "", db.value, db, WHERE))
  end)

  it("takes no name that is not as the pattern says, and does not repeat it", function()
    for _, bad in ipairs { "acme host=other", "../acme", "acme;", "\195\132", " acme", "acme'" } do
      local _, err = tenant(bad, db.value, db, WHERE)
      assert.equal("usage", err.code)
      assert.is_nil(tostring(err):find(bad, 1, true))
    end
    local strict = declare("strict", 'dbname = "shop_{tenant}", tenant = "acme|globex", pool = { max = 1 }')
    assert.equal("shop_globex", tenant("globex", strict.value, strict, WHERE))
    for _, bad in ipairs { "initech", "acmex", "xglobex" } do
      fails("usage", tenant(bad, strict.value, strict, WHERE))
    end
  end)

  it("knows a bounded number of them", function()
    local few = declare("few", 'dbname = "shop_{tenant}", tenants = 2, pool = { max = 1 }')
    assert.equal("shop_acme", tenant("acme", few.value, few, WHERE))
    assert.equal("shop_globex", tenant("globex", few.value, few, WHERE))
    fails("limit", tenant("initech", few.value, few, WHERE))
    assert.equal("shop_acme", tenant("acme", few.value, few, WHERE))
  end)

  it("is paused as a whole, those included that come later", function()
    local paused = declare("paused", 'dbname = "shop_{tenant}", pool = { max = 1, fail_fast = true }')
    assert.equal("shop_acme", tenant("acme", paused.value, paused, WHERE))
    assert(paused:pause())
    fails("paused", tenant("acme", paused.value, paused, WHERE))
    fails("paused", tenant("globex", paused.value, paused, WHERE))
    assert(paused:resume())
    assert.equal("shop_globex", tenant("globex", paused.value, paused, WHERE))
  end)

  it("may differ in host and user, too", function()
    server:psql "create role only_acme login; grant spec to only_acme"
    local other = declared.use(([[postgres "users" { host = %q, port = %d, dbname = "shop_{tenant}", user = "only_{tenant}",
      password = "wrong", pool = { max = 1 } }]]):format(server.folder, server.port))
    assert.equal("only_acme", tenant("acme", other.value, other, "select current_user"))
    local hosts = declared.use(([[postgres "hosts" { host = "{tenant}.localhost", port = %d, dbname = "spec", user = %q,
      password = %q, tenant = ".*", pool = { max = 1, fail_fast = true } }]]):format(server.port, server.user,
      server.password))
    local _, err = tenant("no such.", hosts.value, hosts, WHERE)
    assert.is_truthy(tostring(err):find("no such..localhost", 1, true), tostring(err))
  end)

  it("is declared with a pattern that can be read, and only where it means something", function()
    for settings, complaint in pairs {
      ['dbname = "spec", tenant = "[a-z]+"'] = "tenant: neither host nor dbname nor user has {tenant}",
      ['dbname = "spec", tenants = 3'] = "tenants: neither host nor dbname nor user has {tenant}",
      ['dbname = "{tenant}", tenant = "[a-z"'] = "is no extended regular expression",
      ['dbname = "{tenant}", tenants = 0'] = "tenants",
      ['dbname = "{tenant}", options = "-c search_path={tenant}"'] = "options: {tenant} counts in host, dbname and user alone",
      ['application_name = "of {tenant}"'] = "application_name: {tenant} counts in host, dbname and user alone",
      ['dbname = "{tenant}", pool = { min = 1 }'] = "must be 0",
    } do
      local said = declared.complaints(text("wrong", settings))
      assert.is_truthy(said:find(complaint, 1, true), settings .. ": " .. said)
    end
  end)

  it("wants a name of 1 to 63 bytes and a function", function()
    for _, bad in ipairs { ("x"):rep(64), "a\nb", "a\127b" } do
      raises("1 to 63 bytes", tenant, bad, print)
    end
    raises("zero byte", tenant, "acme\0globex", print)
    raises("a string and a function", tenant, 7, print)
    raises("a string and a function", tenant, "acme")
  end)
end)
