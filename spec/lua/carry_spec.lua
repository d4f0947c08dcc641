-- Functions as bytes and back: what they use, what they share, and what cannot go.

local carry = require "nebula.carry"
local program = require "spec.support.program"
local tasks = require "spec.support.tasks"
local tmp = require "spec.support.tmp"

local describe, it, before_each, after_each, assert = describe, it, before_each, after_each, assert

setfenv(1, _G) -- a spec has globals of its own, which its functions would not have elsewhere

local MOST = 1e6

local function copy_of(...)
  local count, names = select("#", ...), {}
  for i = 1, count do names[i] = "argument " .. i end
  return carry.unpack(assert(carry.pack({ ... }, names, count, MOST)))
end

local function refused(pattern, fn)
  local bytes, why = carry.pack({ fn }, { "fn" }, 1, MOST)
  assert.is_nil(bytes)
  assert.matches(pattern, why)
end

describe("a function that is carried", function()
  it("does what it did, with copies of what it uses", function()
    local count, list, text, huge = 0, { 1, { 2, null } }, "a\0b", 9007199254740993LL
    local function inc(by)
      count = count + by
      return count, list[2][1], list[2][2] == null, text, huge
    end
    local copy = copy_of(inc)
    assert.same({ 5, 2, true, "a\0b", 9007199254740993LL }, { copy(5) })
    assert.equal(7, (copy(2)))
    assert.equal(0, count)
    list[2][1] = 3
    assert.equal(2, (select(2, copy(0))))
  end)

  it("shares with others what it shared, and uses itself and others in a circle", function()
    local count = 0
    local function up() count = count + 1 end
    local function get() return count end
    local is_odd
    local function is_even(n) return n == 0 or is_odd(n - 1) end
    function is_odd(n) return n ~= 0 and is_even(n - 1) end
    local function factorial(n) return n < 2 and 1 or n * factorial(n - 1) end
    local up_there, get_there, even_there, factorial_there, again = copy_of(up, get, is_even, factorial, up)
    up_there()
    again()
    assert.equal(2, get_there())
    assert.equal(up_there, again)
    assert.equal(0, count)
    assert.is_true(even_there(10))
    assert.is_false(even_there(7))
    assert.equal(120, factorial_there(5))
  end)

  it("takes nil, varargs, methods of strings and constants of any kind", function()
    local nothing = nil
    local fn = copy_of(function(...)
      local n, first = select("#", ...), (...)
      return nothing, n, first, ("x"):rep(3), 5LL, 1e300, -0.0, { [1] = "a", b = { true } }
    end)
    local got = { fn(nil, 2) }
    assert.is_nil(got[1])
    assert.equal(2, got[2])
    assert.is_nil(got[3])
    assert.same({ "xxx", 5LL, 1e300, -0.0, { "a", b = { true } } }, { unpack(got, 4, 8) })
  end)

  it("takes many arguments, and nil among them", function()
    local got = { n = select("#", copy_of(1, nil, "x", nil)), copy_of(1, nil, "x", nil) }
    assert.same({ n = 4, 1, nil, "x" }, got)
  end)

  it("finds what Lua and nebula offer by its name, and modules", function()
    for _, value in ipairs {
      print, string.gsub, table.concat, math.floor, coroutine.wrap, log.info, log, json, json.encode, channel, for_each, math, string,
      require "nebula", require "spec.support.tmp", _G, bytes, os.time,
    } do
      assert.is_true(rawequal(value, (copy_of(value))), tostring(value))
    end
    local concat, channel_here = table.concat, channel
    assert.equal("12", copy_of(function() return channel_here and concat { 1, 2 } end)())
  end)

  it("finds a channel of the process by its name, as an argument and as what is used", function()
    local ch = channel("carried", { bytes = "5kB" })
    local fn, there = copy_of(function() return ch end, ch)
    assert.equal(ch, fn())
    assert.equal(ch, there)
  end)

  it("keeps its lines in tracebacks", function()
    local line = debug.getinfo(1, "l").currentline + 1
    local fn = copy_of(function() error "boom" end)
    local ok, raised = xpcall(fn, debug.traceback)
    assert.is_false(ok)
    assert.matches(("spec/lua/carry_spec.lua:%d: boom.*carry_spec.lua:%d: in function"):format(line, line), raised)
  end)

  it("is the same after it was compiled", function()
    local sum = 0
    local function hot(n)
      for i = 1, n do sum = (sum + i) % 1000 end
      return sum
    end
    local expected = hot(100000)
    local copy = copy_of(hot)
    sum = 0
    assert.equal(expected, hot(100000))
    assert.equal((copy_of(hot))(1), (expected + 1) % 1000)
    assert.is_number(copy(100000))
  end)

  it("is refused with the name of what cannot go", function()
    local co, ch, file = coroutine.create(print), channel(1), io.stdout
    local one = task(function() end)
    refused("^fn %(spec/lua/carry_spec.lua:%d+%) uses co: a coroutine, which belongs to its worker$", function() return co end)
    refused("uses ch: a channel of this worker alone; make one with a name", function() return ch end)
    refused("uses file: a userdata, which belongs to its worker", function() return file end)
    refused("uses one: a task, which belongs to its worker; send what it returns", function() return one end)
    local helpers = { deep = { function() end } }
    refused("uses helpers%.deep%[1%]: a function; it goes to other workers", function() return helpers end)
    local function inner() return co end
    refused("uses inner %(spec/lua/carry_spec.lua:%d+%) uses co: a coroutine", function() return inner() end)
    local send = ch.send
    refused("uses send: a function of nebula's own, which has no name there; use it inside of your own", function() return send end)
    local iterator = ("x"):gmatch "x"
    refused("uses iterator: a function of C, which has no name there", function() return iterator end)
    refused("a function with globals of its own %(setfenv%)", setfenv(function() end, {}))
    one:join()
  end)

  it("is bounded in bytes", function()
    local long, list = ("x"):rep(MOST), {}
    refused("uses long: it takes at least 1000002 bytes", function() return long end)
    for i = 1, 40 do list[i] = ("return %q"):format(("y"):rep(30000) .. i) end
    local all = {}
    for i = 1, 40 do all[i] = loadstring(list[i]) end
    local names = {}
    for i = 1, 40 do names[i] = "fn" .. i end
    local bytes, why = carry.pack(all, names, 40, MOST)
    assert.is_nil(bytes)
    assert.matches("too large", why)
  end)

  it("has the globals of the workflow there, and finds resources and modules", function()
    tmp.write(program.folder, "helper.lua", "return { twice = function(n) return 2 * n end, words = { 'a' } }")
    tmp.write(program.folder, "nebula/there.lua", [[
      local carry, mail = require "nebula.carry", require "nebula.mail"
      mail.on("there.run", function(from, bytes)
        assert(mail.task(function() return carry.unpack(bytes)() end, function(task)
          mail.send(from, "there.ran", task.failure and tostring(task.failure) or task.results)
        end))
      end)
      local got = require("nebula").channel(1)
      mail.on("there.ran", function(_, results) got:send({ fail_fast = true }, results) end)
      return function(fn)
        assert(mail.send(1, "there.run", assert(carry.pack({ fn }, { "fn" }, 1, 1e6))))
        local results = got:receive()
        if type(results) == "string" then return results end
        return unpack(results)
      end
    ]])
    local path = program.workflow [[
      local there, helper = require "nebula.there", require "helper"
      local shop, twice, say = use "shop", helper.twice, print
      here = "a global of worker 0"
      print(there(function() return require("nebula.worker").index, shop:value "select 42", helper.words[1], twice(4) end))
      print(there(function() say "from there" return use("shop").name end))
      print(there(function() return here end))
      print(there(function() return _G.nothing end))
    ]]
    local ran = program.ended(0, program.nebula("run", "--workers", "2", path))
    assert.equal("1\t42\ta\t8\nfrom there\nshop\n", ran.output:match "^.-shop\n")
    program.says('flow.lua:6: there is no global "here"', ran.output)
    program.says('flow.lua:7: there is no global "nothing"', ran.output)
  end)
end)

describe("carrying", function()
  local before
  before_each(function() before = tasks.count() end)
  after_each(function() assert.same(before, tasks.count()) end)

  it("leaves the function as it is, however often", function()
    local n = 0
    local function fn()
      n = n + 1
      return n
    end
    for _ = 1, 1000 do assert.equal(1, (copy_of(fn))()) end
    assert.equal(1, fn())
  end)
end)
