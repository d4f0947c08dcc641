-- Bounded work: deadlines, for_each, and very many tasks at once.

local clock = require "spec.support.clock"
local tasks = require "spec.support.tasks"

local alive, fails, raises = tasks.alive, tasks.fails, tasks.raises

describe("a deadline", function()
  it("ends the waits below it, and only those", function()
    fails("deadline", deadline("5ms", sleep, "1h"))
    assert.is_true(sleep("1ms"))
  end)

  it("is not moved out by one further in", function()
    local begun = clock.now()
    fails("deadline", deadline("10ms", deadline, "1h", sleep, "1h"))
    assert.is_true(clock.now() - begun < 1000)
  end)

  it("is inherited by tasks that are started under it", function()
    local child
    deadline("5ms", function()
      child = task(sleep, "1h")
    end)
    fails("deadline", child:join())
  end)

  it("gives back what the function returned, and raises what it raised", function()
    assert.same({ 1, nil, 3 }, { deadline("1s", function(...)
      return ...
    end, 1, nil, 3) })
    raises("out of it", deadline, "1s", error, "out of it")
    assert.is_true(sleep("1ms"))
  end)

  it("bounds a join", function()
    local t = task(sleep, "50ms")
    fails("deadline", deadline("2ms", t.join, t))
    assert.is_true(t:join())
  end)

  it("wants a duration with a unit", function()
    raises("not a number", sleep, 5)
    raises("sleep()", sleep, "5 parsecs")
    raises("deadline()", deadline, 5, print)
  end)
end)

describe("a join that was cut short", function()
  it("leaves in doubt what the task has done, and is certain of a sleep", function()
    local done, slept
    local t = task(function()
      done = true
      slept = select(2, sleep("1h"))
      return nil, slept
    end)
    sleep("1ms")
    local _, late = deadline("1ms", t.join, t)
    assert.same({ "deadline", "in_doubt" }, { late.code, late.outcome })
    t:cancel()
    local _, err = t:join()
    assert.same({ true, "cancelled", "in_doubt" }, { done, err.code, err.outcome })
    assert.equal("the task was cancelled (cancelled; what was done may stand)", tostring(err))
    assert.same({ "cancelled", "failed" }, { slept.code, slept.outcome })
  end)

  it("hands on what the function returned as it is", function()
    local late
    local function fn()
      late = select(2, deadline("1ms", sleep, "1h"))
      return nil, late
    end
    local _, err = task(fn):join()
    assert.is_true(rawequal(late, err))
    assert.equal("failed", err.outcome)
  end)
end)

describe("for_each", function()
  it("gives the results by index, whatever order they come in", function()
    local results = for_each({ 3, 1, 2 }, { parallel = 3 }, function(ms, i)
      sleep(ms .. "ms")
      return ms * 10 + i
    end)
    assert.same({ 31, 12, 23 }, results)
  end)

  it("has no more under way than parallel, and as many", function()
    local now, most, list = 0, 0, {}
    for i = 1, 40 do
      list[i] = i
    end
    for_each(list, { parallel = 7 }, function()
      now = now + 1
      most = math.max(most, now)
      sleep("1ms")
      now = now - 1
    end)
    assert.equal(7, most)
    assert.equal(0, now)
  end)

  it("ends early when one returns nil, err", function()
    local begun = {}
    local result, err = for_each({ 1, 2, 3, 4, 5, 6 }, { parallel = 2 }, function(x)
      begun[#begun + 1] = x
      if x == 2 then
        return nil, "no"
      end
      return sleep("1h")
    end)
    assert.is_nil(result)
    assert.equal("no", err)
    assert.same({ 1, 2 }, begun)
  end)

  it("ends early when one raises, and raises it", function()
    local cut = 0
    raises("bad 3", for_each, { 1, 2, 3, 4 }, { parallel = 4 }, function(x)
      if x == 3 then
        sleep("1ms")
        error("bad " .. x)
      end
      local _, err = sleep("1h")
      cut = cut + (err.code == "cancelled" and 1 or 0)
    end)
    assert.equal(3, cut)
  end)

  it("ends early when one is cancelled, and never as if all were done", function()
    local begun = {}
    fails("cancelled", for_each({ 1, 2, 3 }, { parallel = 1 }, function(x)
      begun[#begun + 1] = x
      if x == 2 then
        cancel()
      end
      return sleep("1ms")
    end))
    assert.same({ 1, 2 }, begun)
  end)

  it("ends with its caller's deadline, and leaves nothing running", function()
    local before = alive()
    fails("deadline", deadline("5ms", for_each, { 1, 2, 3 }, function()
      return sleep("1h")
    end))
    assert.equal(before, alive())
  end)

  it("is in doubt when it was ended from outside, and not when an item failed", function()
    local done = 0
    local function work()
      done = done + 1
      sleep("1h")
      return true
    end
    local _, late = deadline("5ms", for_each, { 1, 2 }, work)
    assert.same({ 2, "deadline", "in_doubt" }, { done, late.code, late.outcome })
    local _, cancelled = for_each({ 1 }, function() cancel() return sleep "1ms" end)
    assert.same({ "cancelled", "in_doubt" }, { cancelled.code, cancelled.outcome })
    local _, failed = for_each({ 1, 2 }, function() return deadline("1ms", sleep, "1h") end)
    assert.same({ "deadline", "failed" }, { failed.code, failed.outcome })
  end)

  it("refuses what is no list, and a list with a hole", function()
    raises("keys alone, such as a", for_each, { a = 1 }, print)
    raises("the list has a hole", for_each, { 1, nil, 3 }, print)
    raises("the list has a hole, or does not count from 1: its length is 1 and it has the key 9", for_each, { 1, [9] = 2 }, print)
    raises("it has the key 0", for_each, { [0] = 0, 1 }, print)
    assert.same({ 1, 2 }, for_each({ 1, 2, n = 2 }, function(x) return x end))
  end)

  it("takes an empty list, and refuses what it does not know", function()
    assert.same({}, for_each({}, error))
    raises('did you mean "parallel"', for_each, {}, { paralel = 1 }, print)
    raises("at least 1", for_each, {}, { parallel = 0 }, print)
    raises("list must be a table", for_each, 5, print)
    raises("fn must be a function", for_each, {}, { parallel = 1 })
  end)
end)

describe("many tasks", function()
  it("wait at once: 10,000, woken by one", function()
    local before = alive()
    local gate = task(sleep, "20ms")
    local passed = 0
    local waiting = {}
    for i = 1, 10000 do
      waiting[i] = task(function()
        gate:join()
        passed = passed + 1
      end)
    end
    for i = 1, 10000 do
      waiting[i]:join()
    end
    assert.equal(10000, passed)
    assert.equal(before, alive())
  end)

  it("are cancelled at once: 10,000", function()
    local begun, cancelled = 0, 0
    local parent = task(function()
      for _ = 1, 10000 do
        task(function()
          begun = begun + 1
          local ok, err = sleep("1h")
          cancelled = cancelled + (not ok and err.code == "cancelled" and 1 or 0)
        end)
      end
      clock.eventually("all have begun", function()
        return begun == 10000
      end)
    end)
    parent:join()
    assert.equal(10000, cancelled)
  end)
end)
