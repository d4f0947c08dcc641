-- Declarations from folders, read as `nebula check` and `nebula run` read them.

local declare = require "nebula.declare"
local declared = require "spec.support.declared"
local questions = require "nebula.questions"
local tmp = require "spec.support.tmp"

local errors_of, errors_in, read = declared.errors_of, declared.errors_in, declared.read
local KINDS = declared.kinds

describe("declare", function()
  it("gives resources with everything that the engine wants to know", function()
    local set, _, folder = read {
      ["resources/b.lua"] = 'sqlite "late" { file = "late.db", policy = "mine" }',
      ["resources/a.lua"] = [[
sqlite "orders" { file = "o.db", pool = { min = 2, max = 4, order = "fifo", idle = "1m", life = "0s", check = "1s" } }

postgres("shop") {
  file = "s", password = "pw", tags = { "a" },
}
]],
      ["policies/mine.lua"] = [[return policy "mine" { like = "standard", call = { deadline = "100ms" }, retry = { tries = 9 } }]],
    }
    local orders, shop, late = unpack(assert(set).resources)
    assert.same({
      min = 2, max = 4, queue = 1000, connecting = 2, fail_fast = false, fifo = true, idle_us = 60e6, life_us = 0,
      life_jitter = 10, check_us = 1e6, connect_us = 5e6, start_us = 0, keepalive_us = 0, hold_us = 30e6,
      is_reclaiming = false, trace_leases = false, pipeline = 0,
    }, orders.pool)
    assert.same({
      deadline_us = 5e6, wait_us = 5e5, tries = 3, pause_us = 5e4, pause_max_us = 2e6, budget = 20, budget_least = 3,
      rules = { circuit = {
        mode = 1, per = 0, window = 32, span_us = 0, least = 8, percent = 50, slow_percent = 80, consecutive = 0, slow_us = 0,
        probes = 2, probe_us = 5e6, pause_us = 1e6, pause_max_us = 30e6,
      } },
    }, orders.policy)
    assert.same({ "orders", KINDS.sqlite, "standard", folder .. "/resources/a.lua", 1 },
      { orders.name, orders.kind, orders.policy_name, orders.file, orders.line })
    assert.same({ "shop", KINDS.postgres, 3 }, { shop.name, shop.kind, shop.line })
    assert.same({
      { name = "cache_size", value = "8000000", secret = false }, { name = "create", value = "true", secret = false },
      { name = "file", value = "s", secret = false }, { name = "journal", value = "wal", secret = false },
      { name = "password", value = "pw", secret = true },
    }, shop.options)
    assert.same({ "late", "mine", 100e3, 100e3, 9 },
      { late.name, late.policy_name, late.policy.deadline_us, late.policy.wait_us, late.policy.tries })
    assert.equal(3, #set.resources)
  end)

  it("takes what the kind makes of it", function()
    local set = assert(read { ["resources/a.lua"] = 'sqlite "m" { file = ":memory:", pool = { max = 1 } }' })
    local m = set.resources[1]
    assert.same({ { "writer" }, { 1 }, 0, 1 }, { m.roles, m.role_max, m.pool.life_us, m.pool.max })
    assert.equal("resources/a.lua:1:42: m.pool.max: one is enough",
      errors_in 'sqlite "m" { file = ":memory:", pool = { max = 2 } }')
  end)

  it("finds errors on 20 lines of one declaration, each with its place", function()
    local text = [=[
-- The orders of the shop.
local shared = { max = 5 }

postgres "orders" {
  url        = "postgresql://shop:hunter2@db:99999/orders?sslmode=hunter2&hunter2=1&sslmod=require",
  file       = 7,
  creat      = true,
  create     = "yes",
  --[[ journal = "none", ]]
  journal    = "wall",
  cache_size = 64,
  ["mmap_size"] = "1XB",
  password   = 12345,
  port       = 70000,
  [ 'service' ] = "shop",

  tags = {
    "fine",
    7,
    "fine as well", {
      "a list in a list",
    },
  },
  hosts = {
    "a",
    named = "b",
  },

  -- how it is pooled
  pool = {
    min = 1.5,
    max = -1, queue = 10,
    fail_fast = 1,
    order =
      "lifoo",
    idle = "5 parsecs",
    life = 30,
    life_jitter = 51,
    ["check"] = function(a, b)
      local t = { max = 1 }
      return t, a, b
    end,
    connect = "0s",
    strategy = "adaptiv",
    --[==[
      start = "1s",
    ]==]
    start_withn = "1s",
  },

  -- how it is treated
  health = { every = "5s" },
  circuit = { window = 32,
    least = 8 },

  policy = "standart",
  timeout = { deadline = "5s" },
}
-- The end: line 60 is the last one.
--
]=]
    assert.equal(60, select(2, text:gsub("\n", "")))
    local expected = {
      '5:3: orders.url: behind the ? is a setting sslmod that is not known; did you mean "sslmode"?; behind the ? is a '
        .. "setting that is not known; its port is no number from 1 to 65535; its sslmode is none of disable,",
      "6:3: orders.file: expected a text, got a number",
      '7:3: orders.creat: unknown setting; did you mean "create"?',
      "8:3: orders.create: expected true or false, got a string",
      '10:3: orders.journal: "wall" is not possible here; did you mean "wal"?',
      "11:3: orders.cache_size: 64 will not do",
      '12:3: orders.mmap_size: "1XB" will not do',
      "13:3: orders.password: expected a text, got a number",
      "14:3: orders.port: is more than 65535",
      "15:3: orders.service: not yet in force: write its settings here",
      "19:5: orders.tags[2]: expected a text, got a number",
      "20:21: orders.tags[4]: expected a text, got a table",
      "24:3: orders.hosts: a list has no gaps and no names",
      "26:5: orders.hosts.named: a list has no names",
      "31:5: orders.pool.min: 1.5 is no whole number",
      "32:5: orders.pool.max: is less than 1",
      "33:5: orders.pool.fail_fast: expected true or false, got a number",
      '34:5: orders.pool.order: "lifoo" is not possible here; did you mean "lifo"?',
      '36:5: orders.pool.idle: "5 parsecs" will not do',
      "37:5: orders.pool.life: 30 will not do",
      "38:5: orders.pool.life_jitter: is more than 50",
      "39:5: orders.pool.check: a function cannot stand here",
      "43:5: orders.pool.connect: is less than 1ms",
      '44:5: orders.pool.strategy: there is no strategy "adaptiv"; did you mean "adaptive"?',
      '48:5: orders.pool.start_withn: unknown setting; did you mean "start_within"?',
      "52:3: orders.health: not yet in force",
      "53:3: orders.circuit: is said in a policy: policy",
      '56:3: orders.policy: there is no policy "standart"; did you mean "standard"?',
      "57:3: orders.timeout: unknown setting",
    }
    local got, i, lines = errors_in(text), 0, {}
    for line in got:gmatch("[^\n]+") do
      i = i + 1
      local start = "resources/a.lua:" .. (expected[i] or "nothing more")
      assert.equal(start, line:sub(1, #start))
      lines[line:match(":(%d+)")] = true
    end
    assert.equal(#expected, i)
    assert.is_nil(got:find("hunter2", 1, true))
    local count = 0
    for _ in pairs(lines) do
      count = count + 1
    end
    assert.is_true(count >= 20)
  end)

  it("hands out where the function of a question is, and the sources that have some", function()
    local answer = { type = "boolean" }
    local rows = { file = { type = "string" }, classify = { type = "question", answer = answer },
      on = { type = "table", fields = { up = { type = "question", answer = answer } } } }
    local given
    local kinds = { sqlite = { name = "sqlite", driver = "sqlite", roles = { "main" }, options = rows, spec = function(what)
      given = what.options
      return { options = {} }
    end } }
    local folder = tmp.folder()
    tmp.write(folder, "resources/a.lua", 'sqlite "none" { file = "x" }')
    local text = [[
local lost = { lost = true }
sqlite "asked" {
  classify = function(e)
    return lost[e.code] == true
  end,
  on = { up = function(e) return e.n > 1 end },
}]]
    tmp.write(folder, "resources/b.lua", text)
    local set = assert(declare.read { dirs = { folder }, home = ".", kinds = kinds })
    local file = folder .. "/resources/b.lua"
    assert.same({ kind = "sqlite", name = "asked", path = "classify", file = file, line = 3 }, given.classify)
    assert.same({ kind = "sqlite", name = "asked", path = "on.up", file = file, line = 6 }, given.on.up)
    assert.same({ { file = file, text = text } }, set.asked)
    local q = assert(questions.open { sources = set.asked, kinds = kinds, tell = error })
    assert.is_true(q:ask(q:find(given.classify, answer), { code = "lost" }))
    assert.is_false(q:ask(q:find(given.on.up, answer), { n = 1 }))
    tmp.write(folder, "resources/b.lua", "")
    assert.is_nil(assert(declare.read { dirs = { folder }, home = ".", kinds = kinds }).asked)
  end)

  it("goes on behind unknown names, and behind files that fail", function()
    assert.equal([[
policies/p.lua:2:8: '<name>' expected near '='
resources/a.lua:1:1: unknown name "sqlit"; did you mean "sqlite"?
resources/a.lua:2:28: unknown name "unheard"; known: chaos, env, policy, postgres, sqlite, strategy
resources/a.lua:3:1: s.size: is missing
resources/a.lua:5:1: attempt to concatenate a nil value
resources/b.lua:1:22: b.file: expected a text, got a boolean]], (errors_of {
      ["policies/p.lua"] = "\nlocal  = 5",
      ["resources/a.lua"] = 'sqlit "a" { fil = 1 }\nsqlite "a" { file = "a" .. unheard.name(5) + 1 }\n'
        .. 'strategy "s" { every = "1s" }\n\nlocal a = 5 .. nil',
      ["resources/b.lua"] = 'return  sqlite "b" { file = true }',
    }))
  end)

  it("refuses names that are set", function()
    assert.matches("^resources/a.lua:2:1: orders cannot be set", errors_in '\norders = 1')
    assert.matches("^resources/a.lua:1:1: rep cannot be set", errors_in 'string.rep = nil')
    assert.matches('^resources/a.lua:1:1: unknown name "os"', errors_in 'os.execute "touch /tmp/x"')
    for _, name in ipairs { "require", "load", "loadstring", "dofile", "pcall", "setmetatable", "getfenv", "rawset", "debug",
      "io", "jit", "ffi", "_G", "coroutine", "newproxy", "collectgarbage", "print" } do
      assert.matches(('unknown name "%s"'):format(name), errors_in(("local x = %s"):format(name)), 1, true)
    end
  end)

  it("says how a declaration is written", function()
    assert.equal([[
resources/a.lua:1:1: ?: has no name; write sqlite "name" { ... }
resources/a.lua:2:1: a: has no settings; write sqlite "name" { ... }
resources/a.lua:3:1: b: its settings must be a table; write sqlite "name" { ... }
resources/a.lua:4:1: ?: a name begins with a letter, goes on with letters, digits, _ - or . and has at most 64 of them]],
      (errors_in 'sqlite { file = "x" }\nsqlite "a"\nsqlite "b" "c"\nsqlite "no way" {}'))
  end)

  it("finds the place of settings that were computed", function()
    assert.equal([[
resources/a.lua:3:39: s1.pool.max: is less than 1
resources/a.lua:3:39: s2.pool.max: is less than 1]], (errors_in [[
local pool = { max = 0 }
for i = 1, 2 do
  sqlite("s" .. i) { file = "f" .. i, pool = pool }
end]]))
  end)
end)
