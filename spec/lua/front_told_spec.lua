-- What is decided in front of calls is told by `nebula explain`, in the order in which it was, with the call that it is about.

local c = require "nebula.c"
local clock = require "spec.support.clock"
local context = require "nebula.context"
local declared = require "spec.kinds.declared"
local fronted = require "spec.support.fronted"
local json = require "cjson"
local tale = require "nebula.cli.tale"
local tasks = require "spec.support.tasks"

local behind, occupied = fronted.sqlite, fronted.occupied

local A = "select a from n"
local TRACE = "0af7651916cd43dd8448eb211c80319c"

-- The calls of a resource of which something is told.
local function calls_of(resource, more)
  local request = json.encode { verb = "explain", name = resource.name, last = not more and 256 or nil, trace = more }
  return json.decode(c.string(c.lib.nebula_ask(c.engine, request))).calls
end

-- Each as the names of its records, and what is behind them.
local function told(resource, more)
  local list = {}
  for i, one in ipairs(calls_of(resource, more)) do
    local names = {}
    for at, record in ipairs(one.records) do names[at] = record.what end
    list[i] = table.concat(names, " ")
  end
  return list
end

local function last(resource)
  local calls = calls_of(resource)
  return calls[#calls].records
end

-- Its connection is there, and nothing in front knows of the question.
local function warm(db)
  assert.equal(1, db:value({ cache = false, fallback = false }, A))
end

describe("what stands in front of calls", function()
  local before

  before_each(function() before = declared.count() end)
  after_each(function() fronted.is_whole(before) end)

  it("is told when the cache answers and when it does not", function()
    local db = behind 'cache = { ttl = "200ms", stale = "1h" }'
    warm(db)
    local first = #told(db)
    assert.equal(1, db:value(A))
    assert.equal(1, db:value(A))
    clock.pause(210)
    assert.equal(1, db:value(A))
    local list = told(db)
    assert.same({ "missed", "cached", "stale" }, { list[first + 1], list[first + 2], list[first + 3] })
    local stale = last(db)[1]
    assert.is_true(stale.age_us >= 200e3 and stale.age_us < 10e6)
    assert.equal(-1, calls_of(db)[first + 1].records[1].age_us)
    assert.matches("/resources/spec.lua$", stale.file)
    assert.equal(1, stale.line)
  end)

  it("is told with the call that was asked for it", function()
    local db = occupied 'cache = { ttl = "50ms", stale_if_error = "1h" }, fallback = { { last = "1ms" }, { value = 7 } }'
    assert.equal(1, db:value(A))
    clock.pause(60)
    local lease = db:lease()
    assert.equal(1, (db:value(A)))
    assert.equal("missed refused ended stale_if_error", table.concat(told(db), ";"):match "[^;]*$")
    assert.is_true(last(db)[1].age_us >= 50e3)
    assert.same({ "full", "full" }, { last(db)[3].code, last(db)[4].code })
    assert.equal(7, (db:value(A .. " limit 1")))
    assert.equal("missed refused ended fallback_none fallback", table.concat(told(db), ";"):match "[^;]*$")
    local none, given = last(db)[4], last(db)[5]
    assert.same({ 1, "last", "ok" }, { none.step, none.way, none.code })
    assert.same({ 2, "value", "full" }, { given.step, given.way, given.code })
    lease:release()
  end)

  it("is told when nothing helps", function()
    local db = occupied 'fallback = { { value = 7, on = "lost" }, { last = "1h" } }'
    local lease = db:lease()
    tasks.fails("full", db:value(A))
    assert.equal("refused ended fallback_none", table.concat(told(db), ";"):match "[^;]*$")
    assert.equal(2, last(db)[3].step) -- the first one is for other errors
    tasks.fails("full", db:value({ fallback = false }, A))
    assert.equal("refused ended", table.concat(told(db), ";"):match "[^;]*$")
    lease:release()
    assert.equal(1, db:value(A))
    lease = db:lease()
    assert.equal(1, (db:value(A)))
    local record = last(db)[3]
    assert.same({ "fallback_last", 2, "full" }, { record.what, record.step, record.code })
    assert.is_true(record.age_us >= 0)
    lease:release()
  end)

  it("is told of both where another resource is asked", function()
    local other = fronted.name()
    local db, second = occupied(('fallback = { { resource = %q }, { value = 9 } }'):format(other),
      ('sqlite %q { file = ":memory:", pool = { max = 1, fail_fast = true } }'):format(other))
    assert(second:exec "create table n (a); insert into n values (5)")
    local lease = db:lease()
    assert.equal(5, (db:value(A)))
    assert.same({ "fallback", 1, "resource" }, { last(db)[3].what, last(db)[3].step, last(db)[3].way })
    local theirs = second:lease()
    assert.equal(9, (db:value(A)))
    local none = last(db)[3]
    assert.same({ "fallback_none", 1, "resource", "full" }, { none.what, none.step, none.way, none.code })
    assert.equal("refused ended", table.concat(told(second), ";"):match "[^;]*$")
    lease:release()
    theirs:release()
  end)

  it("is told of each that had the answer of another task, and of that task's call", function()
    local db = behind 'cache = { ttl = "1h" }'
    warm(db)
    local many = {}
    for i = 1, 3 do
      many[i] = task(function()
        return context.trace(("00-%s-b7ad6b7169203331-01"):format(i == 1 and TRACE or TRACE:reverse()), function()
          return db:value(A)
        end)
      end)
    end
    for i = 1, 3 do assert.equal(1, (many[i]:join())) end
    assert.same({ "missed" }, told(db, TRACE))
    assert.same({ "missed joined", "missed joined" }, told(db, TRACE:reverse()))
    local joined = last(db)[2]
    assert.equal("ok", joined.code)
    assert.is_true(joined.waited_us >= 0)
  end)

  it("is told of who waits for another one's answer in vain", function()
    local db = behind 'cache = { ttl = "1h" }'
    warm(db)
    local first = task(function() return db:value({ deadline = "300ms" }, fronted.ENDLESS) end)
    assert(sleep "20ms")
    tasks.fails("deadline", db:value({ deadline = "50ms" }, fronted.ENDLESS))
    local missed, joined = unpack(last(db))
    assert.same({ "missed", "joined", "deadline" }, { missed.what, joined.what, joined.code })
    assert.is_true(joined.waited_us >= 50e3 and joined.waited_us < 290e3)
    tasks.fails("deadline", first:join())
    assert.equal("missed failed counted ended", table.concat(told(db), ";"):match "[^;]*$")
  end)

  it("has no part in what is asked behind", function()
    local db = occupied 'cache = { ttl = "50ms", stale = "1h" }'
    assert.equal(1, db:value(A))
    clock.pause(60)
    local lease = db:lease()
    assert.equal(1, (db:value(A)))
    clock.eventually("the newer answer was refused", function()
      return table.concat(told(db), ";"):match "[^;]*;[^;]*$" == "stale;refused ended"
    end)
    lease:release()
  end)

  it("does not stick to what the task asks for later", function()
    local db = occupied 'cache = { ttl = "1h" }'
    local lease = db:lease()
    tasks.fails("full", db:value(A))
    tasks.fails("full", db:exec "insert into n values (1)")
    assert.equal("missed refused ended;refused ended", table.concat(told(db), ";"):match "[^;]*;[^;]*$")
    assert.is_false(pcall(db.value, db, { deadline = "soon" }, A))
    tasks.fails("full", db:exec "insert into n values (1)")
    assert.equal("refused ended", table.concat(told(db), ";"):match "[^;]*$")
    lease:release()
  end)

  it("makes one sentence", function()
    local db = occupied 'cache = { ttl = "1h" }, fallback = { value = 7 }'
    local lease = db:lease()
    assert.equal(7, (db:value(A)))
    assert.matches("^nothing in the cache because .*, got none of 1 %(full%) at once because .*, failed %(full%) at once, "
      .. "answered by fallback 1, a value, for it failed %(full%) because .*:%d+%.$", tale.sentence(last(db)))
    lease:release()
  end)
end)
