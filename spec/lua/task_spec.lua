-- Tasks: who owns whom, and how they are joined, cancelled and cleaned up after.

local clock = require "spec.support.clock"
local tasks = require "spec.support.tasks"

local alive, fails, raises = tasks.alive, tasks.fails, tasks.raises

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
          seen.grandchild = "asleep" -- who is cancelled before has nothing to see
          local ok, err = sleep("1h")
          seen.grandchild = not ok and err.code
        end)
        local ok, err = sleep("1h")
        seen.child = not ok and err.code
      end)
      while seen.grandchild ~= "asleep" do sleep("1ms") end
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
