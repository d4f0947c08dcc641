-- Channels: values from task to task, in order, each once, and nothing that waits for ever.

local clock = require "spec.support.clock"
local coroutines = require "nebula.coroutine"
local tasks = require "spec.support.tasks"

local count, fails, raises, settle = tasks.count, tasks.fails, tasks.raises, tasks.settle

-- Tasks that wait with fn(i), one after the other.
local function waiting(number, fn)
  local list = {}
  for i = 1, number do
    list[i] = task(fn, i)
    settle()
  end
  return list
end

local function join_all(list)
  local results = {}
  for i, one in ipairs(list) do results[i] = one:join() end
  return results
end

describe("a channel", function()
  local before
  before_each(function() before = count() end)
  after_each(function() assert.same(before, count()) end)

  it("keeps the order, whatever its capacity", function()
    for _, capacity in ipairs { 0, 1, 3, 100 } do
      local ch, got = channel(capacity), {}
      local sender = task(function()
        for i = 1, 20 do assert(ch:send(i)) end
        return ch:close()
      end)
      for value in ch do got[#got + 1] = value end
      assert.is_true(sender:join())
      for i = 1, 20 do assert.equal(i, got[i]) end
      assert.equal(20, #got)
    end
  end)

  it("holds as many values as was said, and the sender of one more waits", function()
    local ch, sent = channel(2), 0
    local sender = task(function()
      for i = 1, 5 do
        assert(ch:send(i))
        sent = i
      end
    end)
    settle()
    assert.equal(2, sent)
    assert.equal(2, ch:count())
    assert.equal("channel: 2 of 2", tostring(ch))
    assert.equal(1, ch:receive())
    settle()
    assert.equal(3, sent)
    for i = 2, 5 do assert.equal(i, ch:receive()) end
    sender:join()
    assert.equal(0, ch:count())
  end)

  it("of no capacity hands over when both are there", function()
    local ch, sent = channel(), false
    local sender = task(function()
      sent = ch:send "x"
    end)
    settle()
    assert.is_false(sent)
    assert.equal("x", ch:receive())
    sender:join()
    assert.is_true(sent)
  end)

  it("carries everything but nil", function()
    local ch, value = channel(3), {}
    assert(ch:send(false))
    assert(ch:send(value))
    assert(ch:send(null))
    assert.is_false(ch:receive())
    assert.equal(value, ch:receive())
    assert.equal(null, ch:receive())
    raises("a channel takes no nil", ch.send, ch, nil)
    raises("a channel takes no nil", ch.send, ch, { deadline = "1s" }, nil)
  end)

  it("serves those who wait in the order in which they came", function()
    local ch, order = channel(), {}
    local receivers = waiting(5, function(i)
      local value = ch:receive()
      order[#order + 1] = i
      return value
    end)
    for i = 1, 5 do assert(ch:send(i)) end
    assert.same({ 1, 2, 3, 4, 5 }, join_all(receivers))
    assert.same({ 1, 2, 3, 4, 5 }, order)
    local senders = waiting(5, function(i) return ch:send(i) end)
    for i = 1, 5 do assert.equal(i, ch:receive()) end
    join_all(senders)
  end)

  it("lets no newcomer overtake", function()
    local ch = channel(1)
    assert(ch:send "lies in it")
    local first = task(ch.send, ch, "waits")
    settle()
    assert.equal("lies in it", ch:receive())
    fails("full", ch:send({ fail_fast = true }, "new")) -- its room is already the other one's
    assert.equal("waits", ch:receive())
    first:join()
  end)

  it("that was closed gives what lies in it, and then says so", function()
    local ch = channel(2)
    assert(ch:send(1))
    assert(ch:send(2))
    local late = task(ch.send, ch, 3)
    settle()
    assert.is_true(ch:close())
    assert.is_true(ch:close())
    fails("closed", late:join())
    fails("closed", ch:send(4))
    assert.equal("channel: 2 of 2, closed", tostring(ch))
    assert.equal(1, ch:receive())
    assert.equal(2, ch:receive())
    local _, err = ch:receive()
    assert.same({ "closed", "stop", "failed" }, { err.code, err.action, err.outcome })
    assert.is_nil(ch())
  end)

  it("tells those who wait that it was closed", function()
    local ch = channel()
    local receivers = waiting(3, function() return select("#", ch:receive()), (select(2, ch:receive()).code) end)
    ch:close()
    for _, one in ipairs(receivers) do assert.same({ 2, "closed" }, { one:join() }) end
  end)

  it("waits no longer than a deadline, its own or the task's, and nothing was sent then", function()
    local ch = channel()
    local begun = clock.now()
    fails("deadline", ch:receive { deadline = "5ms" })
    local _, err = ch:send({ deadline = "5ms" }, 1)
    assert.same({ "deadline", "failed" }, { err.code, err.outcome })
    fails("deadline", deadline("5ms", ch.receive, ch))
    fails("deadline", deadline("5ms", ch.send, ch, 2))
    fails("deadline", deadline("5ms", ch.receive, ch, { deadline = "1h" }))
    assert.is_true(clock.now() - begun < 2000)
    fails("empty", ch:receive { fail_fast = true })
    assert.is_true(sleep "1ms") -- the deadline was put back
  end)

  it("does not wait when it is not to", function()
    local ch = channel()
    fails("empty", ch:receive { fail_fast = true })
    fails("full", ch:send({ fail_fast = true }, 1))
    local receiver = task(ch.receive, ch)
    settle()
    assert.is_true(ch:send({ fail_fast = true }, 1))
    assert.equal(1, receiver:join())
  end)

  it("is left by a task that is cancelled", function()
    local ch = channel()
    for _, fn in ipairs { function() return ch:receive() end, function() return ch:send(1) end } do
      local codes = {}
      local t = task(function()
        for i = 1, 3 do codes[i] = select(2, fn()).code end
      end)
      settle()
      t:cancel()
      t:join()
      assert.same({ "cancelled", "cancelled", "cancelled" }, codes)
    end
    fails("empty", ch:receive { fail_fast = true })
    fails("full", ch:send({ fail_fast = true }, 1))
  end)

  it("gives a cancelled task nothing, even when something lies in it", function()
    local ch = channel(1)
    assert(ch:send "kept")
    local t = task(function()
      cancel()
      fails("cancelled", ch:receive())
      fails("cancelled", ch:send "other")
    end)
    t:join()
    assert.equal("kept", ch:receive())
  end)

  it("may be used by what was deferred in a cancelled task", function()
    local ch = channel(1)
    local t = task(function()
      defer(function() assert(ch:send "bye") end)
      sleep "1h"
    end)
    settle()
    t:cancel()
    t:join()
    assert.equal("bye", ch:receive())
  end)

  it("loses nothing when a deadline and a value come in the same turn", function()
    local ch, met = channel(), 0
    -- What one does in the turn in which the other's deadline has come, but before that one may look.
    local function meet(waits, comes)
      local second = task(function()
        assert(sleep "1ms")
        return comes()
      end)
      local first = task(waits)
      assert(sleep "0s")
      local late = clock.now() + 4
      while clock.now() < late do end
      local came, was_served = second:join(), first:join()
      assert.equal(came, was_served)
      met = met + (came and 1 or 0)
    end
    for _ = 1, 20 do
      meet(function() return ch:receive { deadline = "1ms" } end, function() return ch:send({ fail_fast = true }, true) end)
      meet(function() return ch:send({ deadline = "1ms" }, true) end, function() return ch:receive { fail_fast = true } end)
    end
    assert.is_true(met > 0)
    fails("empty", ch:receive { fail_fast = true })
  end)

  it("hands nothing to a task that was abandoned while it waited", function()
    local ch = channel()
    local t = task(function()
      defer(function()
        while true do ch:receive { deadline = "0s" } end
      end)
    end)
    raises("it was told to end and went on for 1000 waits", t.join, t)
    assert.equal(1, ch.receivers.count)
    fails("full", ch:send({ fail_fast = true }, 1))
    local receiver = task(ch.receive, ch)
    settle()
    assert(ch:send "to one who lives")
    assert.equal("to one who lives", receiver:join())
  end)

  it("has a bound on those who wait, with a name", function()
    local ch, most = channel(), 10000
    local list = {}
    for i = 1, most do list[i] = task(ch.receive, ch) end
    settle()
    local _, err = ch:receive()
    assert.equal("full", err.code)
    assert.equal("10000 tasks wait to receive already, which is the most (full)", tostring(err))
    assert(ch:send(1)) -- the senders' side is another one
    assert.equal(1, list[1]:join())
    ch:close()
    for i = 2, most do fails("closed", list[i]:join()) end
  end)

  it("is waited for by tasks alone, where they can wait", function()
    local ch = channel()
    raises("cannot wait inside table.sort", table.sort, { 2, 1, 3 }, function() return ch:receive() end)
    fails("full", ch:send({ fail_fast = true }, 1)) -- nobody is left in the queue
    local co = coroutines.create(function() return ch:receive() end)
    local inner = task(function() return coroutine.wrap(function() return ch:receive() end)() end)
    settle()
    assert(ch:send "in a coroutine")
    assert.equal("in a coroutine", inner:join())
    assert.equal("suspended", coroutine.status(co))
  end)

  it("refuses what cannot be meant", function()
    raises("a whole number from 0 to 1000000, not -1", channel, -1)
    raises("a whole number", channel, 1.5)
    raises("a whole number", channel, "1")
    raises("a whole number", channel, 0 / 0)
    raises("only a channel with a name has options", channel, 16, { bytes = "1MB" })
    local ch = channel()
    raises('there is no option dedline; did you mean "deadline"?', ch.receive, ch, { dedline = "1s" })
    raises("expected a time with its unit", ch.receive, ch, { deadline = "1" })
    raises("the options must be a table", ch.send, ch, "1s", 1)
    raises("this is no channel; call it with a colon", ch.receive)
    raises("this is no channel; call it with a colon", ch.send, {}, 1)
  end)

  it("shares work among many tasks, each value once", function()
    local jobs, results, sum = channel(4), channel(4), 0
    local workers = {}
    for i = 1, 8 do
      workers[i] = task(function()
        for job in jobs do assert(results:send(job * 2)) end
      end)
    end
    local source = task(function()
      for i = 1, 1000 do assert(jobs:send(i)) end
      jobs:close()
    end)
    for _ = 1, 1000 do sum = sum + assert(results:receive()) end
    source:join()
    join_all(workers)
    assert.equal(1000 * 1001, sum)
  end)
end)
