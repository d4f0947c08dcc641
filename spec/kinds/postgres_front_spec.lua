-- A cache and fallbacks in front of a real server: how often it is asked, and what is given while it is not there.

local clock = require "spec.support.clock"
local declared = require "spec.kinds.declared"
local fronted = require "spec.support.fronted"
local postgres = require "spec.support.postgres"
local tasks = require "spec.support.tasks"
local tmp = require "spec.support.tmp"

local server = postgres.start { settings = { log_statement = "all" } }

describe("in front of a server", function()
  local names, before = 0, nil

  -- A resource behind this policy.
  local function behind(policy, settings, at)
    names, at = names + 1, at or server
    return declared.use(([[policy "pgfront%d" { like = "standard", %s }
      postgres "pgfront%d" { host = %q, port = %d, user = %q, password = %q, policy = "pgfront%d", %s }]]):format(names, policy,
      names, at.host, at.port, at.user, at.password, names, settings or ('dbname = %q'):format(at.dbname)))
  end

  -- How often the server was asked for a statement with these words in it.
  local function asked(words)
    local count, log = 0, tmp.read(server.log)
    for line in log:gmatch "[^\n]+" do
      if line:find("LOG:  execute", 1, true) and line:find(words, 1, true) then count = count + 1 end
    end
    return count
  end

  -- What fn(i) of each gave, all at once.
  local function at_once(count, fn)
    local list, results = {}, {}
    for i = 1, count do list[i] = task(function() results[i] = { fn(i) } end) end
    for i = 1, count do list[i]:join() end
    return results
  end

  before_each(function() before = declared.count() end)
  after_each(function() fronted.is_whole(before) end)

  describe("one task", function()
    it("asks for all who ask the same at once", function()
      local db = behind 'cache = { ttl = "1h" }'
      local results = at_once(200, function() return db:query "select pg_sleep(0.1)::text as slept, 1 as single" end)
      for i = 1, 200 do
        assert.same({ { { slept = "", single = 1 } } }, results[i])
        assert.is_true(i == 1 or results[i][1] ~= results[1][1])
      end
      assert.equal(1, asked "as single")
      local counts = db:stats().front
      assert.same({ 200, 199, 0 }, { counts.misses, counts.waits, counts.hits })
    end)

    it("does so without a ttl, where that is said, and not where it is not", function()
      local db = behind "cache = { single_flight = true }"
      at_once(20, function() return db:value "select pg_sleep(0.1)::text as lone" end)
      assert.equal(1, asked "as lone")
      assert.equal("", db:value "select pg_sleep(0.1)::text as lone")
      assert.equal(2, asked "as lone")
      at_once(5, function() return db:value({ cache = false }, "select pg_sleep(0.1)::text as lone") end)
      assert.equal(7, asked "as lone")
      db = behind 'cache = { ttl = "1h", single_flight = false }'
      at_once(5, function() return db:value "select pg_sleep(0.1)::text as each" end)
      assert.equal(5, asked "as each")
    end)

    it("has its error told to all, to each his own", function()
      local db = behind 'cache = { ttl = "1h" }'
      local results = at_once(20, function() return db:value "select 1 / (a - 1) as wrong from generate_series(1, 1) a where pg_sleep(0.1)::text = ''" end)
      for i = 1, 20 do
        tasks.fails("query", unpack(results[i]))
        assert.is_true(i == 1 or results[i][2] ~= results[1][2])
        assert.equal(results[1][2].text, results[i][2].text)
      end
      assert.equal(1, asked "as wrong")
    end)

    it("that is cancelled has the next one ask in its place", function()
      local db = behind 'cache = { ttl = "1h" }'
      local results, list = {}, {}
      for i = 1, 10 do list[i] = task(function() results[i] = { db:value "select pg_sleep(0.3)::text as handed" } end) end
      clock.eventually("it is asked", function() return asked "as handed" == 1 end)
      cancel(list[4])
      list[4]:join()
      assert.equal("cancelled", results[4][2].code)
      cancel(list[1])
      cancel(list[2]) -- who is next, in the same turn
      for i = 1, 10 do list[i]:join() end
      for i, result in ipairs(results) do
        assert.equal((i <= 2 or i == 4) and "cancelled" or nil, result[2] and result[2].code, i)
        assert.equal(not result[2] and "" or nil, result[1])
      end
      assert.equal(2, asked "as handed")
    end)

    it("in whose place one asks that has changed his values meanwhile asks for himself alone", function()
      local db = behind 'cache = { ttl = "1h" }'
      local sql, values, results = "select :x + (pg_sleep(0.2)::text = '')::int - 1 as changed", { x = 1 }, {}
      local first = task(function() db:value(sql, { x = 1 }) end)
      tasks.settle()
      local second = task(function() results[1] = { db:value(sql, values) } end)
      local third = task(function() results[2] = { db:value(sql, { x = 1 }) } end)
      clock.eventually("it is asked", function() return asked "as changed" == 1 end)
      values.x = 5
      cancel(first)
      for _, one in ipairs { first, second, third } do one:join() end
      assert.same({ { 5 }, { 1 } }, results)
      assert.equal(1, db:value(sql, { x = 1 }))
      assert.equal(3, asked "as changed")
    end)

    it("that has less time than the others fails alone, as do those that wait", function()
      local db = behind 'cache = { ttl = "1h" }'
      local spans = { "100ms", "5s", "150ms", "5s" }
      local results = at_once(4, function(i) return db:value({ deadline = spans[i] }, "select pg_sleep(0.5)::text as hasty") end)
      for i = 1, 4 do
        assert.equal(i % 2 == 1 and "deadline" or nil, results[i][2] and results[i][2].code, i)
        if results[i][2] then assert.equal(db.name, results[i][2].resource) end
      end
      assert.same({ "", "" }, { results[2][1], results[4][1] })
      assert.equal(2, asked "as hasty")
    end)

    it("that raises has the next one ask, and those that are alone in it raise themselves", function()
      local db = behind 'cache = { ttl = "1h" }'
      db:codec("macaddr", { decode = function() error("no such card", 0) end })
      local results = at_once(3, function()
        return pcall(db.value, db, "select '08:00:2b:01:02:03'::macaddr as raised where pg_sleep(0.05)::text = ''")
      end)
      for i = 1, 3 do
        assert.is_false(results[i][1])
        assert.is_not_nil(tostring(results[i][2]):find("no such card", 1, true))
      end
    end)
  end)

  it("an answer that cannot be copied is each one's own, which is said once", function()
    local db = behind 'cache = { ttl = "1h" }'
    db:codec("macaddr", { decode = function(text) return setmetatable({ text }, { __index = {} }) end })
    local results = at_once(5, function()
      return db:value "select '08:00:2b:01:02:03'::macaddr as odd where pg_sleep(0.05)::text = ''"
    end)
    for i = 1, 5 do assert.equal("08:00:2b:01:02:03", results[i][1][1]) end
    assert.equal(5, asked "as odd")
    assert.equal(0, db:stats().front.entries)
  end)

  it("values are what they were", function()
    local db = behind 'cache = { ttl = "1h" }'
    server:psql "create type spot as (x int, y int)"
    local sql = [[select '2024-02-29T12:00:00.5Z'::timestamptz as at, array[1, null, 3] as list, 9223372036854775807 as large,
      '[1,5)'::int4range as span, row(1, 2)::spot as spot, '1 day'::interval as day, '{"a":[]}'::jsonb as doc, null as nothing]]
    local first, second = db:one(sql), db:one(sql)
    assert.equal(1, db:stats().front.hits)
    for name, value in pairs(first) do
      if name ~= "spot" then assert.equal(getmetatable(value), getmetatable(second[name]), name) end
      assert.equal(tostring(value):gsub("0x%x+", ""), tostring(second[name]):gsub("0x%x+", ""), name)
    end
    assert.same({ first.at:seconds(), first.list[3], first.spot.y }, { second.at:seconds(), second.list[3], second.spot.y })
    assert.is_true(second.large == 9223372036854775807LL and second.at == first.at)
  end)

  it("nothing stands before what may do more than read", function()
    local db = behind 'cache = { ttl = "1h" }, fallback = { value = 0 }'
    assert(db:exec "create sequence counted; create table noted (a int); insert into noted values (1)")
    assert.equal("1", tostring(db:value "select nextval('counted')"))
    assert.equal("2", tostring(db:value "select nextval('counted')"))
    for a = 2, 3 do assert.equal(a, db:value("insert into noted values (?) returning a", a)) end
    for _ = 1, 2 do assert.equal(1, db:value "select a from noted where a = 1 for update") end
    assert.same({ 0, 0 }, { db:stats().front.misses, db:stats().front.entries })
  end)

  it("each tenant has answers of his own", function()
    local db = behind('cache = { ttl = "700ms", stale = "1h" }', ('dbname = "{tenant}"'))
    for _, name in ipairs { "reader_a", "reader_b" } do
      server:psql(("create database %s template %s"):format(name, "template1"))
    end
    for _ = 1, 2 do
      for _, name in ipairs { "reader_a", "reader_b" } do
        assert.equal(name, tenant(name, function() return db:value "select current_database()::text" end))
      end
    end
    clock.pause(750)
    assert.equal("reader_b", tenant("reader_b", function() return db:value "select current_database()::text" end))
    clock.eventually("the newer one is there", function() return asked "select current_database()::text" == 3 end)
    assert.equal("reader_b", tenant("reader_b", function() return db:value "select current_database()::text" end))
  end)

  it("a newer answer is asked for once while the older one is given", function()
    local db = behind 'cache = { ttl = "50ms", stale = "1h" }'
    local function ask() return db:value "select count(*) as again from generate_series(1, 1) where pg_sleep(0.1)::text <> ''" end
    assert.equal(0, ask())
    clock.pause(60)
    local results = at_once(100, ask)
    for i = 1, 100 do assert.same({ 0, "stale" }, { results[i][1], results[i][3].cache }) end
    assert.equal(1, db:stats().front.refreshes)
    clock.eventually("it is there", function() return asked "as again" == 2 end)
  end)

  it("the last good answer is given while the server is killed, with its age, and the new one when it is back", function()
    local mortal = postgres.start()
    local db = behind('fallback = { { last = "1m" }, { value = -1 } }, call = { deadline = "2s" }, retry = { tries = 2 }', nil, mortal)
    assert(db:exec "create table alive (a int); insert into alive values (1)")
    assert.equal(1, db:value "select a from alive")
    local begun = clock.now()
    clock.pause(50)
    mortal:kill()
    for _ = 1, 3 do
      local a, err, how = db:value "select a from alive"
      assert.same({ 1, "last" }, { a, how.fallback })
      assert.is_nil(err)
      assert.is_true(how.because.code == "lost" or how.because.code == "unreachable", how.because.code)
      assert.is_true(how.age >= 0.05 and how.age * 1000 <= clock.now() - begun + 100, how.age)
    end
    local a, _, how = db:value "select a + 1 from alive"
    assert.same({ -1, "value" }, { a, how.fallback })
    assert.is_nil((db:exec "update alive set a = 5"))
    assert.is_nil((db:query "update alive set a = 5 returning a"))
    mortal:restart()
    clock.eventually("it is asked again", function() return select(3, db:value "select a from alive") == nil end)
    mortal:kill()
  end)

  it("another server may answer, and a task that is cancelled meanwhile is given nothing more", function()
    names = names + 1
    local other = ("pgother%d"):format(names)
    declared.use(([[postgres %q { host = %q, port = %d, user = %q, password = %q, dbname = %q }]]):format(other, server.host,
      server.port, server.user, server.password, server.dbname))
    names = names + 1
    local name = ("pgfront%d"):format(names)
    local text = ([[policy %q { like = "standard", fallback = { { resource = %q }, { value = 5 } } }
      postgres %q { host = "127.0.0.1", port = 1, policy = %q }
      postgres "%sb" { host = %q, port = %d, user = %q, password = %q, dbname = %q }]]):format(name, other .. "x", name, name,
      other, server.host, server.port, server.user, server.password, server.dbname)
    local dead = declared.use((text:gsub(other .. "x", other .. "b")))
    local a, _, how = dead:value "select 40 + 2"
    assert.same({ 42, "resource", "unreachable" }, { a, how.fallback, how.because.code })
    local result
    local asks = task(function() result = { dead:value "select pg_sleep(5)::text as mourned" } end)
    clock.eventually("the other one is asked", function() return asked "as mourned" == 1 end)
    cancel(asks)
    asks:join()
    assert.equal("cancelled", result[2].code)
    assert.is_nil(result[1])
  end)
end)
