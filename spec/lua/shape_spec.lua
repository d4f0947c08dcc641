local judge = require "nebula.judge"
local shape = require "nebula.shape"

-- The errors of a tree as "path: text", sorted.
local function wrong(rows, tree)
  local list = {}
  for _, e in ipairs(select(2, shape.check(rows, tree))) do
    list[#list + 1] = table.concat(e.path, ".") .. ": " .. e.text
  end
  table.sort(list)
  return table.concat(list, "\n")
end

local function env(name, default)
  return { [judge.mark] = { { name = name, default = default } } }
end

describe("shape", function()
  local rows = {
    name = { type = "string", required = true, max = 8 },
    size = { type = "size", default = "8MB" },
    span = { type = "duration", default = "5s", min = 1e6, max = 60e6 },
    rate = { type = "rate" },
    mode = { type = "enum", one_of = { "lifo", "fifo" }, default = "lifo" },
    on = { type = "boolean", default = true },
    count = { type = "integer", min = 0, max = 10 },
    share = { type = "number", min = 0, max = 1 },
    key = { type = "secret", check = function(key) return #key < 3 and "is too short" or nil end },
    list = { type = "list", max = 3 },
    map = { type = "map", of = { type = "integer" } },
    later = { type = "integer", not_yet = "it comes" },
    pool = {
      type = "table",
      fields = {
        min = { type = "integer", default = 0, beside = "max", compare = function(min, max)
          return min > max and "too many" or nil
        end },
        max = { type = "integer", default = 10 },
        odd = { type = "integer" },
      },
    },
  }

  it("gives defaults, in the engine's units", function()
    local got, errors = shape.check(rows, { name = "a" })
    assert.same({}, errors)
    assert.same({ name = "a", size = 8e6, span = 5e6, mode = "lifo", on = true, pool = { min = 0, max = 10 } }, got)
  end)

  it("reads every type", function()
    local got, errors = shape.check(rows, {
      name = "häß", size = "1KiB", span = "1m", rate = "120/m", mode = "fifo", on = false, count = 10, share = 0.5,
      key = "key", list = { "a", "b" }, map = { a = 1 }, pool = { min = 2, max = 2 },
    })
    assert.same({}, errors)
    assert.same({
      name = "häß", size = 1024, span = 60e6, rate = 2, mode = "fifo", on = false, count = 10, share = 0.5,
      key = "key", list = { "a", "b" }, map = { a = 1 }, pool = { min = 2, max = 2 },
    }, got)
  end)

  it("finds all that is wrong at once", function()
    assert.equal([[
count: is more than 10
key: expected a text, got a number
later: not yet in force: it comes
list.2: expected a text, got a number
list: has 4 entries; the most is 3
map.a: expected a whole number, got a string
mode: "lifoo" is not possible here; did you mean "lifo"?
nam: unknown setting; did you mean "name"?
name: is missing
on: expected true or false, got a string
pool.1: a value without a name
pool.max: expected a whole number, got a boolean
rate: 5 will not do: expected a rate (a number for each s, m, h or d), such as "200/s"
share: is less than 0
size: "8" will not do: expected a size with its unit (B kB MB GB TB, KiB MiB GiB TiB), such as "64MB"
span: is less than 1s]], (wrong(rows, {
      nam = "a", size = "8", span = "500ms", rate = 5, mode = "lifoo", on = "yes", count = 11, share = -0.5,
      key = 12345, list = { "a", 2, "c", "d" }, map = { a = "1" }, later = 5, pool = { true, max = false },
    })))
  end)

  it("compares two settings only when both are fine, whatever else is wrong", function()
    assert.equal("pool.min: too many", wrong(rows, { name = "a", pool = { min = 11 } }))
    assert.equal("pool.max: expected a whole number, got a string", wrong(rows, { name = "a", pool = { min = 11, max = "x" } }))
    assert.equal("pool.min: too many\npool.odd: expected a whole number, got a string",
      wrong(rows, { name = "a", pool = { min = 11, odd = "x" } }))
  end)

  it("has tables that are false until they are said, and may be said in short", function()
    local optional = {
      part = { type = "table", optional = true, fields = { size = { type = "integer", default = 5 } } },
      pace = { type = "table", optional = true, short = "calls", fields = {
        calls = { type = "pace", required = true }, most = { type = "integer", default = 1 },
      } },
      list = { type = "map", of = { type = "table", short = "name", fields = {
        name = { type = "string", required = true }, is_on = { type = "boolean", default = true },
      } } },
      old = { type = "table", instead = "is said as part" },
    }
    local function read(tree, base)
      local got, errors = shape.check(optional, tree, base)
      assert.same({}, errors)
      return got
    end
    assert.same({ part = false, pace = false }, read {})
    assert.same({ part = { size = 5 }, pace = { calls = { count = 3, us = 1e6 }, most = 1 },
      list = { a = { name = "x", is_on = true }, b = { name = "y", is_on = false } } },
      read { part = {}, pace = "3/s", list = { a = "x", b = { name = "y", is_on = false } } })
    local base = { part = { size = 7 }, pace = { calls = { count = 9, us = 1e6 }, most = 4 } }
    assert.same(base, read({}, base))
    assert.same({ part = false, pace = { calls = { count = 3, us = 1e6 }, most = 4 } },
      read({ part = false, pace = "3/s" }, base))
    assert.same({ size = 5 }, read({ part = {} }, { part = false }).part)
    assert.equal([[
list.a.name: is missing
list.b: expected a text, got a number
old: is said as part
pace.calls: is missing
part: expected a table { ... } or false, got a boolean]],
      wrong(optional, { list = { a = {}, b = 5 }, old = {}, pace = { most = 2 }, part = true }))
    assert.equal('pace: "3" will not do: expected a rate (a number for each s, m, h or d), such as "200/s"',
      wrong(optional, { pace = "3" }))
    assert.equal("pace: the environment variable NEBULA_SPEC_NONE is not set", wrong(optional, { pace = env "NEBULA_SPEC_NONE" }))
    assert.same({ count = 4, us = 1e6 }, read({ pace = env("NEBULA_SPEC_NONE", "4/s") }).pace.calls)
  end)

  it("reads windows of calls or time, delays, and words in the place of a number", function()
    local values = {
      window = { type = "window", min = 10, max = 100 }, delay = { type = "delay" },
      number = { type = "number", words = { "few", "many" }, max = 9 },
    }
    for _, row in ipairs {
      { "window", 1, { calls = 1 } }, { "window", 100, { calls = 100 } }, { "window", "10us", { us = 10 } },
      { "window", env("NEBULA_SPEC_NONE", "12"), { calls = 12 } }, { "window", env("NEBULA_SPEC_NONE", "1s"), { us = 1e6 } },
      { "delay", "p1", { permille = 10 } }, { "delay", "p99", { permille = 990 } }, { "delay", "p99.9", { permille = 999 } },
      { "delay", "1us", { us = 1 } }, { "number", "few", "few" }, { "number", "many", "many" }, { "number", 9, 9 },
    } do
      local got, errors = shape.check(values, { [row[1]] = row[2] })
      assert.same({}, errors)
      assert.same(row[3], got[row[1]])
    end
    for _, row in ipairs {
      { "window", 0 }, { "window", 101 }, { "window", 1.5 }, { "window", "9us" }, { "window", "1" }, { "window", true },
      { "delay", 5 }, { "delay", "p0" }, { "delay", "p0.0" }, { "delay", "p100" }, { "delay", "p9." }, { "delay", "p99.99" },
      { "delay", "0s" }, { "delay", "P95" }, { "number", "none" }, { "number", 10 },
    } do
      assert.matches("^" .. row[1] .. ": ", wrong(values, { [row[1]] = row[2] }))
    end
  end)

  it("makes what was not said fit what it is beside", function()
    local fitting = {
      part = { type = "integer", default = 5, beside = "all", fit = math.min, compare = function(part, all)
        return part > all and "too many" or nil
      end },
      all = { type = "integer", default = 10 },
    }
    assert.same({ part = 5, all = 10 }, (shape.check(fitting, {})))
    assert.same({ part = 3, all = 3 }, (shape.check(fitting, { all = 3 })))
    assert.same({ part = 3, all = 3 }, (shape.check(fitting, { all = 3 }, { part = 4, all = 9 })))
    assert.equal("part: too many", wrong(fitting, { part = 4, all = 3 }))
  end)

  it("asks of each value by itself whether it will do, whatever the others are", function()
    assert.equal("key: is too short\nname: is missing", wrong(rows, { key = "k" }))
    assert.equal("key: is too short", wrong(rows, { name = "a", key = env("NEBULA_SPEC_NONE", "k") }))
  end)

  it("inherits", function()
    local base = shape.check(rows, { name = "a", pool = { min = 3 }, span = "9s" })
    local got, errors = shape.check(rows, { span = "7s", name = "b", pool = { max = 4 } }, base)
    assert.same({}, errors)
    assert.same({ min = 3, max = 4 }, got.pool)
    assert.equal(7e6, got.span)
  end)

  it("refuses numbers that are none", function()
    for _, value in ipairs { math.huge, -math.huge, 0 / 0 } do
      assert.equal("count: is not a finite number", wrong(rows, { name = "a", count = value }))
    end
    assert.equal("count: 1.5 is no whole number", wrong(rows, { name = "a", count = 1.5 }))
    assert.equal("count: 1e+300 is no whole number", wrong(rows, { name = "a", count = 1e300 }))
  end)

  it("refuses text that the engine cannot hold", function()
    assert.equal("name: holds a NUL byte", wrong(rows, { name = "a\0b" }))
    assert.equal("name: has 9 bytes; the most is 8", wrong(rows, { name = "123456789" }))
    for _, bad in ipairs { "\255", "a\128", "\195", "\192\128", "\224\128\128", "\237\160\128", "\244\144\128\128", "\245" } do
      assert.equal("name: is not valid UTF-8", wrong(rows, { name = bad }))
    end
    for _, good in ipairs { "ä", "€", "\240\159\152\128", "\237\159\191" } do
      assert.equal("", wrong(rows, { name = good }))
    end
  end)

  it("refuses lists with gaps and names", function()
    assert.equal("list: a list has no gaps and no names", wrong(rows, { name = "a", list = { [2] = "b" } }))
    assert.equal("list.x: a list has no names\nlist: a list has no gaps and no names",
      wrong(rows, { name = "a", list = { x = "b" } }))
    assert.equal("list: expected a list { ... }, got a string", wrong(rows, { name = "a", list = "b" }))
  end)

  it("reads text from the environment as what is asked for, and never shows it", function()
    local got, errors, from_env = shape.check(rows, {
      name = env("NEBULA_SPEC_NONE", "x"), count = env("NEBULA_SPEC_NONE", "7"), on = env("NEBULA_SPEC_NONE", "false"),
      span = env("NEBULA_SPEC_NONE", "9s"), share = 0.5,
    })
    assert.same({}, errors)
    assert.same({ "x", 7, false, 9e6 }, { got.name, got.count, got.on, got.span })
    assert.same({ name = true, count = true, on = true, span = true }, from_env)
    local text = wrong(rows, {
      name = env("NEBULA_SPEC_NONE", "hunter2 is too long"), count = env("NEBULA_SPEC_NONE", "hunter2"),
      on = env("NEBULA_SPEC_NONE", "hunter2"), span = env("NEBULA_SPEC_NONE", "hunter2"),
      mode = env("NEBULA_SPEC_NONE", "hunter2"), share = env("NEBULA_SPEC_NONE", "1.5"),
      rate = env("NEBULA_SPEC_NONE", "hunter2"), size = env("NEBULA_SPEC_NONE", "hunter2"), key = env("NEBULA_SPEC_NONE"),
    })
    assert.equal(9, select(2, text:gsub("%f[^\n%z]", "")))
    assert.is_nil(text:find("hunter2"))
    assert.is_not_nil(text:find("key: the environment variable NEBULA_SPEC_NONE is not set", 1, true))
  end)

  it("repeats plain words alone", function()
    assert.equal('"lifo"', shape.quote("lifo"))
    assert.equal("12", shape.quote(12))
    for _, value in ipairs { "postgres://u:pw@h", "password=x", ("x"):rep(41), "a\nb", true, {} } do
      assert.equal("this", shape.quote(value))
    end
  end)

  it("hands out what stands for the function of a question, where a row says so and somebody asks", function()
    local asking = {
      on = { type = "question", one_of = { "safe", "never" }, default = "safe", answer = { type = "boolean" } },
      size = { type = "question", answer = { type = "number" } },
      plain = { type = "enum", one_of = { "safe" } },
      retry = { type = "table", fields = { on = { type = "question", answer = { type = "boolean" } } } },
    }
    local function here(line) return { [judge.mark] = "function", line = line } end
    local function ask(path, line) return path .. ":" .. line end
    local function check(tree, base)
      local got, errors = shape.check(asking, tree, base, ask)
      local list = {}
      for i, e in ipairs(errors) do list[i] = table.concat(e.path, ".") .. ": " .. e.text end
      return got, table.concat(list, "\n")
    end
    assert.same({ on = "safe", retry = {} }, (check {}))
    local base = check { on = here(4), size = here(9), retry = { on = here(5) } }
    assert.same({ on = "on:4", size = "size:9", retry = { on = "retry.on:5" } }, base)
    assert.same({ on = "never", size = "size:9", retry = { on = "retry.on:5" } }, (check({ on = "never" }, base)))
    assert.equal([[
on: "saf" is not possible here; did you mean "safe"?; or a function
plain: a function cannot stand here
size: expected a function, got a number]], select(2, check { on = "saf", size = 5, plain = here(1) }))
    assert.equal("size: is a function of the language: write one here",
      select(2, check { size = { [judge.mark] = "function" } }))
    assert.equal("size: holds too many values", select(2, check { size = { [judge.mark] = "large" } }))
    assert.equal("on: a function cannot stand here", wrong(asking, { on = here(4) }))
    assert.equal("on: the environment's value is not possible here; known: safe, never; or a function",
      wrong(asking, { on = env("NEBULA_SPEC_NONE", "hunter2") }))
  end)

  it("tells functions and endless tables apart from data", function()
    local text = wrong(rows, { name = { [judge.mark] = "function" }, pool = { [judge.mark] = "deep" },
      list = { [judge.mark] = "large" }, count = { [judge.mark] = "unknown" } })
    assert.equal([[
list: holds too many values
name: a function cannot stand here
pool: is nested too deep, or holds itself]], text)
  end)
end)
