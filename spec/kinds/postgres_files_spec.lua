-- What PostgreSQL's clients keep in files, and the options of the libpq that is linked.

local ffi = require "ffi"
local declared = require "spec.kinds.declared"
local kind = require "nebula.kind"
local postgres = require "spec.support.postgres"
local tmp = require "spec.support.tmp"
local worker = require "nebula.worker"

ffi.cdef [[
int setenv(const char *name, const char *value, int overwrite);
int unsetenv(const char *name);
struct spec_option { char *keyword, *variable, *compiled, *value, *label, *shown; int size; };
struct spec_option *PQconninfoParse(const char *text, char **why);
void PQconninfoFree(struct spec_option *options);
]]

local first = postgres.start()
local second = first:standby()
local options = kind.load({ worker.home .. "/resources/postgres.lua" }).postgres.options
local count = 0

local function set(name, value)
  if value then ffi.C.setenv(name, value, 1) else ffi.C.unsetenv(name) end
end

local function resource(settings)
  count = count + 1
  return ("postgres 'files%d' { %s }"):format(count, settings)
end

local function both()
  return ("host = '%s:%d,%s:%d', dbname = '%s'"):format(first.host, first.port, second.host, second.port, first.dbname)
end

describe("files of PostgreSQL's clients", function()
  local folder, before
  local own = { PGPASSFILE = false, PGSERVICEFILE = false, PGSERVICE = false, PGSYSCONFDIR = false, PGUSER = false,
    HOME = false }

  setup(function()
    for name in pairs(own) do own[name] = os.getenv(name) or false end
  end)
  before_each(function()
    folder, before = tmp.folder(), declared.count()
    for name in pairs(own) do set(name, nil) end
    set("HOME", folder)
  end)
  after_each(function() declared.is_whole(before) end)
  teardown(function()
    for name, value in pairs(own) do set(name, value or nil) end
  end)

  local function write(name, text, mode)
    local path = tmp.write(folder, name, text)
    ffi.C.chmod(path, tonumber(mode or "600", 8))
    return path
  end

  it("have passwords, for each host the first line that fits", function()
    local path = write("passwords", table.concat({
      "# host:port:dbname:user:password",
      ("%s:%d:*:other:wrong"):format(first.host, first.port),
      ("%s:%d:%s:%s:%s"):format(first.host, first.port, first.dbname, first.user, first.password),
      ("*:%d:*:*:pa\\55 of the s\\pec"):format(second.port),
      "*:*:*:*:wrong",
    }, "\n"))
    local db = declared.use(resource(both() .. (", user = 'spec', reads = 'replica', passfile = '%s'"):format(path)))
    assert.equal("f", db:value({ role = "primary" }, "select pg_is_in_recovery()::text"):sub(1, 1))
    assert.equal("t", db:value("select pg_is_in_recovery()::text"):sub(1, 1))
    local told = declared.inspect(db).options
    assert.is_nil(told.passfile)
    assert.is_nil(require("cjson").encode(declared.inspect(db)):find(first.password, 1, true))
    local one = ("host = '%s', port = %d, dbname = 'spec', passfile = '%s'"):format(first.host, first.port, path)
    set("PGUSER", "spec")
    assert.equal("spec", declared.use(resource(one)):value "select current_user::text")
    assert.equal("***", declared.inspect(declared.use(resource(one))).options.password)
  end)

  it("are found where libpq finds them, and left alone when there is a password", function()
    local line = ("*:*:*:*:%s\n"):format(first.password)
    local one = ("host = '%s', port = %d, dbname = 'spec', user = 'spec'"):format(first.host, first.port)
    write(".pgpass", line)
    assert.equal(1, declared.use(resource(one)):value "select 1")
    write(".pgpass", "*:*:*:*:wrong\n")
    set("PGPASSFILE", write("other", line))
    assert.equal(1, declared.use(resource(one)):value "select 1")
    write("other", line, "644")
    assert.matches("passfile: .*/other may be read or written by others, with secrets in it: chmod 600",
      declared.complaints(resource(one)))
    assert.equal(1, declared.use(resource(one .. (", password = '%s'"):format(first.password))):value "select 1")
    set("PGPASSFILE", nil)
    os.remove(folder .. "/.pgpass")
    local result, err = declared.use(resource(one)):query "select 1"
    assert.is_nil(result)
    assert.equal("denied", err.code)
  end)

  it("say which file, and where in it, when they cannot be used", function()
    local path = write("passwords", "*:1:*:*:hush\n")
    local rows = {
      { "passfile = '/none'", "passfile: /none cannot be opened" },
      { ("passfile = '%s', host = 'a,b'"):format(path), "passfile: .*/passwords has no line for a:5432" },
      { ("passfile = '%s'"):format(folder), "passfile: .* is a folder" },
      { ("passfile = '%s', host = 'a', dbname = 'shop_{tenant}'"):format(path), "read for all tenants at once, so %* stands" },
      { "service = 'shop'", "service: is in no service file; looked into .*/%.pg_service%.conf" },
    }
    for _, row in ipairs(rows) do assert.matches(row[2], declared.complaints(resource(row[1]))) end
    local texts = {
      { "[shop]\nhost=a\nport", "line 3: is no name=value" },
      { "[shop]\nprot=hush", 'line 2: unknown setting "prot"; did you mean "port"' },
      { "[shop]\n\n# x\nsslmode=hush", "line 4: its sslmode is none of" },
      { "[shop]\nservice=hush", "line 2: a service names no other" },
      { "[shop]\nconnect_timeout=3", "line 2: connect_timeout is not in force: write pool" },
      { "[shop]\nreads=replica", 'line 2: unknown setting "reads"' },
      { "[other]\nprot=1", "is in no service file" },
      { "[shop]\nhost=a,a", "service: .*/%.pg_service%.conf: line 2: its host names one server twice" },
      { "[shop]\nhost=a\nport=hush", "line 3: its port is no number from 1 to 65535" },
      { "[shop]\nhost=a\nport=1,2", "line 3: its port has 2 ports for 1 hosts" },
      { "[shop]\nhost = hush", "line 2: no space stands between host and =" },
      { "[shop]\nldap://u:hush@ldap/dc=hush", "line 2: no LDAP server is asked for settings" },
      { "[shop]\nHush7==", "line 2: unknown setting$" },
    }
    for _, row in ipairs(texts) do
      write(".pg_service.conf", row[1])
      local complaints = declared.complaints(resource "service = 'shop'")
      assert.matches(row[2], complaints)
      assert.is_nil(complaints:find("hush", 1, true), complaints)
    end
    set("PGSERVICEFILE", "/none")
    assert.matches("service: /none cannot be opened", declared.complaints(resource "service = 'shop'"))
  end)

  it("have settings by service, which count less than what is declared", function()
    local text = ("# ours\n[other]\nhost=nowhere\n[shop]\nhost=%s\nport=%d\ndbname=spec\nuser=nobody\npassword=%s\n"
      .. "application_name=by service\n[last]\nhost=nowhere\n"):format(first.host, first.port, first.password)
    write(".pg_service.conf", text)
    local function name(settings)
      return declared.use(resource(settings)):value "select current_setting('application_name') || current_user"
    end
    assert.equal("by servicespec", name "service = 'shop', user = 'spec'")
    assert.equal("by hand" .. "spec", name "service = 'shop', user = 'spec', application_name = 'by hand'")
    assert.equal("by servicespec", name "url = 'postgresql://spec@/?service=shop'")
    set("PGSERVICE", "shop")
    assert.equal("by servicespec", name "user = 'spec'")
    set("PGSERVICE", nil)
    os.remove(folder .. "/.pg_service.conf")
    tmp.write(folder, "etc/pg_service.conf", text)
    set("PGSYSCONFDIR", folder .. "/etc")
    assert.equal("by servicespec", name "service = 'shop', user = 'spec'")
    set("PGSERVICEFILE", folder .. "/etc/pg_service.conf")
    assert.equal("by servicespec", name "service = 'shop', user = 'spec'")
    assert.equal("***", declared.inspect(declared.use(resource "service = 'shop'")).options.password)
  end)

  it("cannot make a declaration wait, or fill the memory", function()
    os.execute(("mkfifo '%s/fifo'"):format(folder))
    assert.matches("is a FIFO", declared.complaints(resource(("passfile = '%s/fifo'"):format(folder))))
    assert.matches("passfile: /dev/zero is a device", declared.complaints(resource "passfile = '/dev/zero'"))
    write("large", ("x"):rep(1000001))
    assert.matches("has 1000001 bytes", declared.complaints(resource(("passfile = '%s/large'"):format(folder))))
  end)

  it("are not the only ones: libpq's options are known by name, all of them, and no others", function()
    local pq = ffi.load "libpq.so.5"
    local list = pq.PQconninfoParse("", nil)
    local i, known = 0, {}
    while list[i].keyword ~= nil do
      local name = ffi.string(list[i].keyword)
      assert(options[name], name .. " has no row")
      known[name], i = true, i + 1
    end
    pq.PQconninfoFree(list)
    assert.matches('unknown setting; did you mean "sslmode"', declared.complaints(resource "sslmod = 'require'"))
    assert.matches("connect_timeout: not yet in force: write pool", declared.complaints(resource "connect_timeout = 3"))
    if not known.sslnegotiation then
      local ok, err = pcall(declared.use, resource "host = 'a', sslnegotiation = 'direct'")
      assert.is_false(ok)
      assert.matches("this libpq, of PostgreSQL %d+, has no option sslnegotiation", tostring(err))
    end
  end)
end)
