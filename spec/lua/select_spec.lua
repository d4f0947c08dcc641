-- Select: one of several channels, and the others stay as they are.

local tasks = require "spec.support.tasks"

local count, fails, raises, settle = tasks.count, tasks.fails, tasks.raises, tasks.settle
local select = require("nebula").select

describe("select", function()
  local before
  before_each(function() before = count() end)
  after_each(function() assert.same(before, count()) end)

  it("is Lua's own with a number", function()
    assert.equal(3, select("#", 1, nil, 3))
    assert.same({ 2, 3 }, { select(2, 1, 2, 3) })
    assert.equal(3, select(-1, 1, 2, 3))
    assert.is_false(pcall(select))
    assert.equal(select, require("nebula").environment().select)
  end)

  it("takes what is ready, of receivers and senders", function()
    local a, b, full = channel(1), channel(1), channel(1)
    assert(full:send "x")
    assert(b:send "from b")
    assert.same({ b, "from b" }, { select(a, b, full:offer "y") })
    assert.same({ a, true }, { select(a:offer "to a", b, full:offer "y") })
    assert.equal("to a", a:receive())
    assert.equal(1, full:count())
  end)

  it("waits for the first that becomes ready, and leaves the others", function()
    local a, b, out = channel(), channel(), channel()
    local one = task(function() return select(a, b, out:offer "offered") end)
    settle()
    assert(b:send(2))
    assert.same({ b, 2 }, { one:join() })
    fails("full", a:send({ fail_fast = true }, 1))
    fails("empty", out:receive { fail_fast = true })
    one = task(function() return select(a, b, out:offer "offered") end)
    settle()
    assert.equal("offered", out:receive())
    assert.same({ out, true }, { one:join() })
  end)

  it("meets another select", function()
    local a, b = channel(), channel()
    local one = task(function() return select(a, b:offer "b") end)
    settle()
    local from, value = select(a:offer "a", b)
    assert.same(from == a and { a, true } or { b, "b" }, { from, value })
    assert.same(from == a and { a, "a" } or { b, true }, { one:join() })
    fails("full", a:send({ fail_fast = true }, 1))
  end)

  it("forgets none of those that are always ready", function()
    local list, taken = {}, {}
    for i = 1, 3 do list[i] = channel(1000) end
    for i = 1, 3 do for value = 1, 1000 do assert(list[i]:send(value)) end end
    for _ = 1, 300 do
      local from = select(list[1], list[2], list[3])
      taken[from] = (taken[from] or 0) + 1
    end
    for i = 1, 3 do assert.equal(100, taken[list[i]]) end
    local turns = 0 -- two that take turns with selects of their own
    for _ = 1, 100 do
      turns = turns + (select(list[1], list[2]) == list[1] and 1 or 0)
      select(list[3])
    end
    assert.equal(50, turns)
  end)

  it("tells that a channel was closed", function()
    local a, b = channel(), channel()
    local one = task(function() return select(a, b) end)
    settle()
    b:close()
    local from, value, err = one:join()
    assert.same({ b, nil, "closed" }, { from, value, err.code })
    from, value, err = select(a, b:offer(1))
    assert.same({ b, nil, "closed" }, { from, value, err.code })
  end)

  it("has a deadline, and need not wait", function()
    local a, b = channel(), channel()
    fails("deadline", select({ deadline = "5ms" }, a, b:offer(1)))
    fails("deadline", deadline("5ms", select, a, b:offer(1)))
    fails("empty", select({ fail_fast = true }, a, b:offer(1)))
    local t = task(select, a, b)
    settle()
    t:cancel()
    fails("cancelled", t:join())
    for _, ch in ipairs { a, b } do
      fails("full", ch:send({ fail_fast = true }, 1))
      fails("empty", ch:receive { fail_fast = true })
    end
  end)

  it("leaves nothing behind in a channel that never gets anything", function()
    local quit, jobs = channel(), channel(1)
    local t = task(function()
      for _ = 1, 1000 do assert(select(jobs, quit) == jobs) end
    end)
    for i = 1, 1000 do assert(jobs:send(i)) end
    t:join()
    assert.equal(0, quit.receivers.count)
  end)

  it("refuses what cannot be meant", function()
    local a = channel()
    raises("no channel is given", select, {})
    raises("there is no option default", select, { default = true }, a)
    raises("a channel or channel:offer(value) is expected, not nil", select, nil, a)
    raises("a channel or channel:offer(value) is expected, not a number", select, a, 1)
    raises("a channel or channel:offer(value) is expected, not a table", select, a, {})
    raises("each channel can stand in it once", select, a, a)
    raises("each channel can stand in it once", select, a, a:offer(1))
    raises("a channel takes no nil", a.offer, a, nil)
  end)
end)
