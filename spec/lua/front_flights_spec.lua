-- Tasks that ask the same at once: one asks, whatever becomes of it, and each has an end of his own.

local c = require "nebula.c"
local clock = require "spec.support.clock"
local codec = require "nebula.codec"
local dice = require "spec.support.dice"
local errors = require "nebula.error"
local flights = require "nebula.front.flights"
local tasks = require "spec.support.tasks"

local function in_us(us)
  return tonumber(c.lib.nebula_now_us(c.engine)) + us
end

local LONG = 10e6

describe("of many that ask the same", function()
  local f, before, asked, under_way

  before_each(function()
    f, asked, under_way, before = flights.new(), 0, 0, tasks.count()
  end)
  after_each(function()
    assert.same(before, tasks.count())
    assert.is_nil(next(f.by_key))
  end)

  -- Asks for so long, and ends with this: a value, an error, or what is raised.
  local function answering(ms, how)
    return function(is_late)
      asked, under_way = asked + 1, under_way + 1
      assert.equal(1, under_way)
      local ok, err = sleep(ms .. "ms")
      under_way = under_way - 1
      if not ok then return nil, err end
      return how(is_late)
    end
  end

  local function value(one)
    return function() return one, nil, codec.encode(one, "value", 1e6) end
  end

  -- All ask with this; what each has, and how long those waited that did not ask themselves.
  local function all(count, fn, us)
    local list, results, waited = {}, {}, {}
    for i = 1, count do
      list[i] = task(function()
        local ok, given, err, waited_us = pcall(f.ask, f, "key", in_us(us or LONG), fn)
        results[i], waited[i] = { ok, given, err }, waited_us
      end)
    end
    return list, results, waited
  end

  local function joined(list, ...)
    for _, one in ipairs(list) do one:join() end
    return ...
  end

  it("one asks for himself alone where the answer cannot be copied, and has waited for nobody", function()
    local results, waited = joined(all(2, answering(20, function(is_late)
      return 7, nil, is_late and codec.encode(7, "value", 1e6) or nil
    end)))
    assert.same({ { true, 7 }, { true, 7 } }, results)
    assert.same({}, waited)
    assert.same({ 2, 0 }, { asked, f.waits })
  end)

  it("one asks, and each has a value of his own", function()
    local results, waited = joined(all(20, answering(20, value { 1 })))
    for i = 1, 20 do
      assert.same({ true, { 1 } }, results[i])
      assert.is_true(i == 1 or results[i][2] ~= results[i - 1][2])
      assert.is_true(i == 1 and not waited[i] or i > 1 and waited[i] >= 19e3)
    end
    assert.same({ 1, 19 }, { asked, f.waits })
  end)

  it("who comes later asks anew", function()
    assert.equal(1, f:ask("key", in_us(LONG), value(1)))
    assert.equal(2, f:ask("key", in_us(LONG), value(2)))
    assert.equal(0, f.waits)
  end)

  it("other questions are asked beside it", function()
    local list = all(2, answering(20, value(1)))
    tasks.settle()
    assert.is_true(f:has "key")
    assert.is_false(f:has "other")
    assert.equal(5, f:ask("other", in_us(LONG), value(5)))
    joined(list)
    assert.is_false(f:has "key")
  end)

  it("an error is for all, with the same words, and each may write into his own", function()
    local results = joined(all(5, answering(5, function() return nil, errors.new("lost", "retry", "failed", "gone") end)))
    for i = 1, 5 do
      local err = results[i][3]
      assert.same({ "lost", "gone", true }, { err.code, err.text, errors.is(err) })
      err.text = "mine"
    end
    assert.equal(1, asked)
  end)

  it("what is one's own end is not the others': each that is left asks in turn", function()
    for _, code in ipairs { "cancelled", "deadline" } do
      asked = 0
      local results = joined(all(4, answering(2, function() return nil, errors.new(code, "stop", "failed", "mine") end)))
      for i = 1, 4 do assert.equal(code, results[i][3].code) end
      assert.equal(4, asked)
    end
  end)

  it("who raises does so alone, and the next one asks, and is told that others did before", function()
    local late = {}
    local results = joined(all(3, answering(2, function(is_late)
      late[#late + 1] = is_late or false
      if asked < 3 then error("no", 0) end
      return value(3)()
    end)))
    assert.same({ { false, "no" }, { false, "no" }, { true, 3 } }, results)
    assert.same({ false, true, true }, late)
  end)

  it("what cannot be copied each asks for himself", function()
    local late = 0
    local results = joined(all(4, function(is_late)
      late = late + (is_late and 1 or 0)
      sleep "2ms"
      return "mine"
    end))
    for i = 1, 4 do assert.same({ true, "mine" }, results[i]) end
    assert.same({ 3, 0 }, { late, f.waits })
  end)

  it("nil is a value", function()
    local results = joined(all(3, answering(2, value(nil))))
    for i = 1, 3 do assert.is_nil(results[i][3]) end
    assert.equal(1, asked)
  end)

  it("who waits has his own deadline, and who asks in another's place has no other", function()
    local list, results = all(1, answering(300, value(1)))
    local hasty, less = all(2, answering(300, value(1)), 30000)
    local begun = clock.now()
    joined(hasty)
    assert.is_true(clock.now() - begun < 250)
    for i = 1, 2 do assert.equal("deadline", less[i][3].code) end
    joined(list)
    assert.same({ true, 1 }, results[1])
    list = all(1, answering(20, value(1)))
    hasty, less = all(1, answering(1000, value(1)), 100000)
    tasks.settle()
    cancel(list[1])
    begun = clock.now()
    joined(list)
    joined(hasty)
    assert.is_true(clock.now() - begun < 900)
    assert.equal("deadline", less[1][3].code)
  end)

  it("who is woken to ask, and is cancelled in the same turn, has the one behind him ask", function()
    local list, results = all(4, answering(20, value(1)))
    tasks.settle()
    for i = 1, 3 do cancel(list[i]) end
    joined(list)
    for i = 1, 3 do assert.equal("cancelled", results[i][3].code) end
    assert.same({ true, 1 }, results[4])
    assert.is_true(asked <= 4)
  end)

  it("all may be cancelled", function()
    local list, results = all(5, answering(1000, value(1)))
    tasks.settle()
    for i = 5, 1, -1 do cancel(list[i]) end
    joined(list)
    for i = 1, 5 do assert.equal("cancelled", results[i][3].code) end
  end)

  it("who is abandoned where he asks keeps nobody from asking", function()
    local spinning = task(function()
      f:ask("key", in_us(LONG), function()
        while true do sleep "1ms" end
      end)
    end)
    tasks.settle()
    cancel(spinning)
    spinning:join()
    assert.is_false(f:has "key")
    assert.equal(7, f:ask("key", in_us(LONG), value(7)))
  end)

  it("one asks, in random lives", function()
    local seed = os.time() % 100000
    local roll = dice(seed)
    local keys, running, done, left = 3, {}, 0, 0
    local function ask(key)
      return function()
        assert(not running[key], "two ask for the same, seed " .. seed)
        running[key] = true
        local ms, way = roll(0, 8), roll(1, 10)
        local ok, err = sleep(ms .. "ms")
        running[key] = nil
        if not ok then return nil, err end
        if way == 1 then error("odd", 0) end
        if way == 2 then return nil, errors.new("lost", "retry", "failed", "gone") end
        return key, nil, codec.encode(key, "key", 100)
      end
    end
    local list = {}
    for i = 1, 600 do
      local key, span, pause = roll(1, keys), roll(1, 60), roll(0, 200)
      list[i] = task(function()
        if not sleep(pause .. "ms") then return end
        local begun = clock.now()
        left = left + 1
        local ok, got, err = pcall(deadline, span .. "ms", f.ask, f, key, in_us(LONG), ask(key))
        left = left - 1
        local late = clock.now() - begun - span
        assert(not ok and got == "odd" or got == key or err, "seed " .. seed)
        assert(late < clock.PATIENCE / 2, "later than its deadline, seed " .. seed)
        assert(not err or err.code == "lost" or err.code == "deadline" or err.code == "cancelled", "seed " .. seed)
        done = done + 1
      end)
    end
    for i = 1, 600, 4 do
      if i % 20 == 1 then assert(sleep "5ms") end
      cancel(list[i])
    end
    for i = 1, 600 do list[i]:join() end
    assert.equal(0, left)
    assert.is_true(done >= 450, done)
  end)
end)
