-- Tasks: who owns whom, how work is bounded, cancelled and joined, and where its failures come out.

local clock = require "spec.support.clock"
local errors = require "nebula.error"
local tree = require "nebula.tree"

local function alive()
  local count = 0
  for _ in pairs(tree.alive()) do
    count = count + 1
  end
  return count
end

local function fails(code, result, err)
  assert.is_nil(result)
  assert.is_true(errors.is(err), tostring(err))
  assert.equal(code, err.code)
end

local function raises(text, fn, ...)
  local ok, message = pcall(fn, ...)
  assert.is_false(ok)
  assert.is_not_nil(tostring(message):find(text, 1, true), tostring(message))
  return message
end

describe("a task", function()
  local before
  before_each(function()
    before = alive()
  end)
  after_each(function()
    assert.equal(before, alive())
  end)

  it("returns at join what its function returned, absent values included", function()
    local t = task(function(...)
      return select("#", ...), ...
    end, 1, nil, 3, nil)
    local got = { n = select("#", t:join()), t:join() }
    assert.equal(5, got.n)
    assert.same({ n = 5, 4, 1, nil, 3, nil }, got)
  end)

  it("begins in the next turn and never inside the call", function()
    local begun = false
    local t = task(function()
      begun = true
    end)
    assert.is_false(begun)
    t:join()
    assert.is_true(begun)
  end)

  it("may be joined by several, before and after its end", function()
    local t = task(function()
      sleep("2ms")
      return "x"
    end)
    local joiners = {}
    for i = 1, 3 do
      joiners[i] = task(function()
        return t:join()
      end)
    end
    for i = 1, 3 do
      assert.equal("x", joiners[i]:join())
    end
    assert.equal("x", t:join())
  end)

  it("raises at join what it raised, and the value stays itself", function()
    local value = {}
    local ok, got = pcall(function()
      return task(error, value):join()
    end)
    assert.is_false(ok)
    assert.equal(value, got)
  end)

  it("cannot join itself or a task it runs in", function()
    local t
    t = task(function()
      raises("join itself", t.join, t)
      local inner = task(function()
        raises("join itself", t.join, t)
      end)
      inner:join()
    end)
    t:join()
  end)

  it("cancels and awaits its children when it ends", function()
    local seen = {}
    local parent = task(function()
      task(function()
        task(function()
          local ok, err = sleep("1h")
          seen.grandchild = not ok and err.code
        end)
        local ok, err = sleep("1h")
        seen.child = not ok and err.code
      end)
      sleep("1ms")
    end)
    parent:join()
    assert.same({ child = "cancelled", grandchild = "cancelled" }, seen)
  end)

  it("takes its children with it when it raises", function()
    local ended
    local parent = task(function()
      task(function()
        ended = select(2, sleep("1h")).code
      end)
      sleep("1ms")
      error("boom")
    end)
    raises("boom", parent.join, parent)
    assert.equal("cancelled", ended)
  end)

  it("fails with a child that nobody joined", function()
    local parent = task(function()
      task(error, "nobody saw this")
      sleep("2ms")
      return "fine"
    end)
    raises("nobody saw this", parent.join, parent)
  end)

  it("does not fail with a child whose failure was joined", function()
    local parent = task(function()
      local child = task(error, "seen")
      sleep("1ms")
      raises("seen", child.join, child)
      return "fine"
    end)
    assert.equal("fine", parent:join())
  end)

  it("refuses what is no function", function()
    raises("fn must be a function, not string", task, "x")
    raises("fn must be a function, not nil", defer)
    raises("not a task but string", cancel, "x")
  end)
end)

describe("cancelling", function()
  it("ends the wait under way and every later one, whatever pcall does", function()
    local codes = {}
    local t = task(function()
      for i = 1, 3 do
        local _, ok, err = pcall(sleep, "1h")
        codes[i] = not ok and err.code
      end
      return "result"
    end)
    sleep("1ms")
    cancel(t)
    fails("cancelled", t:join())
    assert.same({ "cancelled", "cancelled", "cancelled" }, codes)
  end)

  it("reaches a task that has not begun, which then never does", function()
    local begun = false
    local t = task(function()
      begun = true
    end)
    t:cancel()
    fails("cancelled", t:join())
    assert.is_false(begun)
  end)

  it("reaches children that a cancelled task starts", function()
    local began = false
    local t = task(function()
      sleep("1h")
      task(function()
        began = true
      end)
      return nil
    end)
    sleep("1ms")
    t:cancel()
    fails("cancelled", t:join())
    assert.is_false(began)
  end)

  it("of oneself takes effect at the next wait", function()
    local t = task(function()
      cancel()
      return sleep("1h")
    end)
    fails("cancelled", t:join())
  end)

  it("of a join leaves the joined task alone", function()
    local slow = task(function()
      sleep("10ms")
      return "done"
    end)
    local joiner = task(function()
      return slow:join()
    end)
    sleep("1ms")
    joiner:cancel()
    fails("cancelled", joiner:join())
    assert.equal("done", slow:join())
  end)

  it("of a task that has ended does nothing", function()
    local t = task(function()
      return 1
    end)
    t:join()
    t:cancel()
    assert.equal(1, t:join())
  end)

  it("abandons a task that goes on for ever, and runs what it deferred", function()
    local deferred = false
    local t = task(function()
      defer(function()
        deferred = true
      end)
      while true do
        pcall(sleep, "1ms")
      end
    end)
    sleep("1ms")
    t:cancel()
    fails("cancelled", t:join())
    assert.is_true(deferred)
  end)
end)

describe("defer", function()
  it("runs last first, however the task ends", function()
    local order = {}
    local function work(ending)
      return task(function()
        for i = 1, 3 do
          defer(function()
            order[#order + 1] = i
          end)
        end
        ending()
      end)
    end
    work(function() end):join()
    local failing = work(function()
      error("x")
    end)
    pcall(failing.join, failing)
    local cancelled = work(function()
      sleep("1h")
    end)
    sleep("1ms")
    cancelled:cancel()
    cancelled:join()
    assert.same({ 3, 2, 1, 3, 2, 1, 3, 2, 1 }, order)
  end)

  it("may wait in a cancelled task, for a second at most", function()
    local waited, took, err
    local t = task(function()
      defer(function()
        local begun = clock.now()
        err = select(2, sleep("1h"))
        took = clock.now() - begun
      end)
      defer(function()
        waited = sleep("2ms")
      end)
      sleep("1h")
    end)
    sleep("1ms")
    t:cancel()
    fails("cancelled", t:join())
    assert.is_true(waited)
    assert.equal("deadline", err.code)
    assert.is_true(took >= 900 and took < 3000, took)
  end)

  it("that raises fails the task, and the others still run", function()
    local ran = false
    local t = task(function()
      defer(function()
        ran = true
      end)
      defer(error)
      defer(function()
        error("in defer")
      end)
    end)
    raises("in defer", t.join, t)
    assert.is_true(ran)
  end)

  it("may start tasks, which end with it", function()
    local result
    local t = task(function()
      defer(function()
        result = task(function()
          return "from a task"
        end):join()
      end)
      sleep("1h")
    end)
    sleep("1ms")
    t:cancel()
    t:join()
    assert.equal("from a task", result)
  end)
end)

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

  it("ends with its caller's deadline, and leaves nothing running", function()
    local before = alive()
    fails("deadline", deadline("5ms", for_each, { 1, 2, 3 }, function()
      return sleep("1h")
    end))
    assert.equal(before, alive())
  end)

  it("takes an empty list, and refuses what it does not know", function()
    assert.same({}, for_each({}, error))
    raises('did you mean "parallel"', for_each, {}, { paralel = 1 }, print)
    raises("at least 1", for_each, {}, { parallel = 0 }, print)
    raises("list must be a table", for_each, 5, print)
    raises("fn must be a function", for_each, {}, { parallel = 1 })
  end)
end)

describe("a coroutine of the workflow", function()
  it("may wait, and yields to who resumed it", function()
    local next_one = coroutine.wrap(function(first)
      assert.equal("first", first)
      for i = 1, 3 do
        assert.is_true(sleep("1ms"))
        assert.equal("again", coroutine.yield(i, i * 2))
      end
      return "end"
    end)
    assert.same({ 1, 2 }, { next_one("first") })
    assert.same({ 2, 4 }, { next_one("again") })
    next_one("again")
    assert.equal("end", next_one("again"))
  end)

  it("may wait in coroutines of coroutines", function()
    local outer = coroutine.wrap(function()
      local inner = coroutine.wrap(function()
        sleep("1ms")
        coroutine.yield("inner")
      end)
      coroutine.yield(inner())
    end)
    assert.equal("inner", outer())
  end)

  it("cannot be resumed by another task while it waits", function()
    local co = coroutine.create(function()
      sleep("10ms")
      return "over"
    end)
    local t = task(coroutine.resume, co)
    sleep("1ms")
    assert.equal("normal", coroutine.status(co))
    local ok, why = coroutine.resume(co)
    assert.is_false(ok)
    assert.is_not_nil(why:find("waits in another task", 1, true))
    assert.same({ true, "over" }, { t:join() })
  end)

  it("raises through resume and wrap as Lua does", function()
    local ok, why = coroutine.resume(coroutine.create(error), "x")
    assert.is_false(ok)
    assert.equal("x", why)
    raises("wrapped", coroutine.wrap(function()
      sleep("1ms")
      error("wrapped")
    end))
    local dead = coroutine.wrap(function() end)
    dead()
    raises("dead", dead)
  end)

  it("is what a yield is for: a task has nobody to yield to", function()
    local t = task(function()
      coroutine.yield("lost")
    end)
    raises("nobody to yield to", t.join, t)
  end)

  it("cannot wait inside a function of C, and the error says where that is", function()
    raises("cannot wait inside table.sort", table.sort, { 2, 1 }, function(a, b)
      sleep("1ms")
      return a < b
    end)
    raises("cannot wait inside", string.gsub, "x", "x", function()
      sleep("1ms")
    end)
    assert.is_true(sleep("1ms"))
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
