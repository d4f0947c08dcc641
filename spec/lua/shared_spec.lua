-- Channels of the process: as channels of a worker, but copied, and bounded in bytes. shared_workers_spec.lua has the rest.

local select_any = require("nebula").select
local tasks = require "spec.support.tasks"

local count, fails, raises, settle = tasks.count, tasks.fails, tasks.raises, tasks.settle

local names = 0

-- One that no other spec knows.
local function fresh(bytes)
  names = names + 1
  return channel("spec " .. names, { bytes = bytes })
end

describe("a channel of the process", function()
  local before
  before_each(function() before = count() end)
  after_each(function() assert.same(before, count()) end)

  it("keeps the order, whatever its bound", function()
    for _, bytes in ipairs { "0B", "12B", "100B", "1MB" } do
      local ch, got = fresh(bytes), {}
      local sender = task(function()
        for i = 1, 50 do assert(ch:send(i)) end
        return ch:close()
      end)
      for value in ch do got[#got + 1] = value end
      assert.is_true(sender:join())
      for i = 1, 50 do assert.equal(i, got[i]) end
      assert.equal(50, #got)
    end
  end)

  it("is the same by its name, and a new one once nobody knows it and nothing lies in it", function()
    local one = channel "named"
    assert.equal(one, channel "named")
    assert.equal(one, channel("named", { bytes = "1MB" }))
    raises('channel("named"): it is there with bytes = "1MB", not "2kB"; say the same everywhere', channel, "named",
      { bytes = "2kB" })
    assert(one:send "lies in it")
    one = nil -- luacheck: ignore
    collectgarbage() collectgarbage()
    assert.equal("lies in it", channel("named"):receive())
    collectgarbage() collectgarbage()
    assert.equal(0, channel("named", { bytes = "2kB" }):count())
  end)

  it("copies, and takes whatever the codec does", function()
    local ch, value = fresh(), { a = { 1, null }, day = require("nebula.sql.types.time").at("date", 1, 0) }
    assert(ch:send(value))
    value.a[1] = 2
    local got = ch:receive()
    assert.same({ 1, null }, got.a)
    assert.equal("1970-01-02", tostring(got.day))
    assert(ch:send(false))
    assert(ch:send(null))
    assert.is_false(ch:receive())
    assert.equal(null, ch:receive())
    raises("send: value.f: a function", ch.send, ch, { f = print })
    raises("offer: value: a coroutine", ch.offer, ch, coroutine.create(print))
    raises("a channel; send its name, and open it there", ch.send, ch, { ch })
    assert.equal(0, ch:count())
  end)

  it("carries nil, which comes without an error", function()
    local ch, handed = fresh(), fresh "0B"
    local waiting = task(function() return handed:receive() end)
    settle()
    assert(ch:send(nil) and ch:send({ deadline = "1s" }, nil) and handed:send(nil))
    assert.equal(ch, (select_any(ch:offer(nil))))
    assert.equal(3, ch:count())
    for _, got in ipairs { { ch:receive() }, { waiting:join() } } do assert.same({}, got) end
    local from, value, err = select_any(ch)
    assert.same({ ch }, { from, value, err })
    raises("a nil came through the channel " .. ch.name .. ", at which a loop ends; receive() takes it", ch)
    raises("send: no value is given", ch.send, ch)
    raises("offer: no value is given", ch.offer, ch)
    fails("empty", ch:receive { fail_fast = true })
  end)

  it("holds as many bytes as was said, and whoever sends more waits", function()
    local ch, sent = fresh "30B", 0
    local sender = task(function()
      for i = 1, 5 do
        assert(ch:send(i))
        sent = i
      end
    end)
    settle()
    assert.equal(3, sent) -- of 10 bytes
    assert.equal(3, ch:count())
    assert.matches("^channel spec %d+: 3 values, 30 of 30 bytes$", tostring(ch))
    fails("full", ch:send({ fail_fast = true }, "x"))
    assert.equal(1, ch:receive())
    settle()
    assert.equal(4, sent)
    for i = 2, 5 do assert.equal(i, ch:receive()) end
    sender:join()
    fails("empty", ch:receive { fail_fast = true })
  end)

  it("refuses a value that is larger than itself, with its size", function()
    local ch, none = fresh "1kB", fresh "0B"
    local sent, err = ch:send(("x"):rep(2000))
    fails("limit", sent, err)
    assert.matches("^the channel spec %d+: value: it takes at least 2002 bytes, and 1000 is the most", err.text)
    fails("limit", none:send(("x"):rep(1000001)))
    local ok, raised = pcall(ch.offer, ch, ("x"):rep(2000))
    assert.is_false(ok)
    assert.equal("limit", raised.code)
    local receiver = task(none.receive, none)
    settle()
    assert(none:send(("x"):rep(999000)))
    assert.equal(999000, #receiver:join())
  end)

  it("serves those who wait in the order in which they came, and lets no newcomer overtake", function()
    local ch, list, order = fresh "0B", {}, {}
    for i = 1, 5 do
      list[i] = task(function()
        local value = ch:receive()
        order[#order + 1] = value * 10 + i
      end)
      settle()
    end
    for i = 1, 5 do assert(ch:send(i)) end
    for i = 1, 5 do list[i]:join() end
    assert.same({ 11, 22, 33, 44, 55 }, order)
    local small = fresh "10B"
    assert(small:send(1))
    local first = task(small.send, small, 2)
    settle()
    assert.equal(1, small:receive())
    fails("full", small:send({ fail_fast = true }, 3))
    assert.equal(2, small:receive())
    first:join()
  end)

  it("that was closed gives what lies in it, and then says so, to who waits too", function()
    local ch, empty = fresh "20B", fresh "0B"
    assert(ch:send(1))
    assert(ch:send(2))
    local late, waiting = task(ch.send, ch, 3), task(empty.receive, empty)
    settle()
    assert.is_true(ch:close())
    assert.is_true(ch:close())
    empty:close()
    fails("closed", late:join())
    fails("closed", waiting:join())
    fails("closed", ch:send(4))
    assert.equal(1, ch:receive())
    assert.equal(2, ch:receive())
    fails("closed", ch:receive())
    for _ in ch do error "nothing is left" end
    assert.matches(", closed$", tostring(ch))
  end)

  it("ends a wait at its deadline, and neither loses nor doubles what comes then", function()
    local ch = fresh()
    fails("deadline", ch:receive { deadline = "5ms" })
    fails("deadline", deadline("5ms", function() return ch:receive() end))
    local none = fresh "0B"
    fails("deadline", none:send({ deadline = "5ms" }, "x"))
    fails("empty", none:receive { fail_fast = true })
    local got, sent = 0, 0
    local receiver = task(function()
      for _ = 1, 300 do
        if ch:receive { deadline = "1ms" } then got = got + 1 end
      end
    end)
    local sender = task(function()
      for _ = 1, 300 do
        sleep "1ms"
        if ch:send({ deadline = "1ms" }, "x") then sent = sent + 1 end
      end
    end)
    receiver:join()
    sender:join()
    assert.equal(300, sent)
    assert.equal(sent, got + ch:count())
  end)

  it("ends with its task, and gives on what was handed to a task that never comes back for it", function()
    local ch = fresh "0B"
    local waiting = task(ch.receive, ch)
    settle()
    waiting:cancel()
    waiting:join()
    fails("full", ch:send({ fail_fast = true }, "nobody waits"))
    local stubborn = task(function()
      for _ = 1, 1100 do ch:receive { deadline = "1h" } end
    end)
    settle()
    stubborn:cancel()
    pcall(stubborn.join, stubborn) -- it is abandoned where it waits
    settle()
    fails("full", ch:send({ fail_fast = true }, "nobody waits"))
    local next_one = task(ch.receive, ch)
    settle()
    assert(ch:send "x")
    assert.equal("x", next_one:join())
  end)

  it("can be one of a select, with channels of the worker, which takes one and leaves the others", function()
    local here, there, other = channel(1), fresh "100B", fresh "0B"
    local function waits() return task(function() return select_any({ deadline = "1s" }, here, there, other:offer "o") end) end
    local function is(from, value, one)
      local got_from, got = one:join()
      assert.equal(from, got_from)
      assert.equal(value, got)
    end
    local one = waits()
    settle()
    assert(there:send(5)) -- it has come to the task, which has not looked yet
    assert(here:send(6))
    is(there, 5, one)
    one = waits()
    is(here, 6, one)
    one = waits()
    settle()
    assert(here:send(7))
    assert(there:send(8))
    is(here, 7, one)
    assert.equal(8, there:receive())
    one = waits()
    settle()
    assert.equal("o", other:receive())
    is(other, true, one)
    there:close()
    local from, value, err = select_any(here, there)
    assert.equal(there, from)
    fails("closed", value, err)
    fails("deadline", select_any({ deadline = "5ms" }, here, other))
    fails("empty", select_any({ fail_fast = true }, here, other))
    raises("each channel can stand in it once", select_any, other, other:offer(1))
    local many = {}
    for i = 1, 64 do many[i] = channel("many " .. i) end
    fails("deadline", select_any({ deadline = "1ms" }, here, unpack(many)))
    many[65] = channel "many 65"
    raises("at most 64 channels with names can stand in it, and here are 65", select_any, here, unpack(many))
  end)

  it("gives its room to who stood behind somebody who was served elsewhere", function()
    local full, elsewhere = fresh "20B", channel(1)
    assert(full:send "0123456789")
    local either = task(function() return select_any(full:offer "a long one", elsewhere) end)
    settle()
    local behind = task(full.send, full, { deadline = "1s" }, "x")
    settle()
    assert(elsewhere:send "x")
    assert.is_true(behind:join())
    assert.equal(elsewhere, (either:join()))
  end)

  it("leaves its name to others when it is known no more, before there are too many of them", function()
    for i = 1, 25000 do channel("short-lived " .. i) end
    raises("the process has so many channels with names that there cannot be one more", function()
      local known = {}
      for i = 1, 10001 do known[i] = channel("kept " .. i) end
      return #known
    end)
    assert.equal(0, channel("one more"):count())
  end)

  it("refuses what cannot be meant", function()
    raises('channel("16"): a capacity is a whole number, and no string; a name is no number', channel, "16")
    raises("a name has 1 to 200 bytes", channel, "")
    raises("a name has 1 to 200 bytes", channel, ("x"):rep(201))
    raises("a name has 1 to 200 bytes", channel, "a\0b")
    raises('channel("x"): bytes: expected a size with its unit', channel, "x", { bytes = "16" })
    raises('channel("x"): bytes: at most 1GB', channel, "x", { bytes = "2GB" })
    raises('there is no option byte; did you mean "bytes"?', channel, "x", { byte = "1kB" })
    local ch = fresh()
    raises('there is no option dedline; did you mean "deadline"?', ch.receive, ch, { dedline = "1s" })
    raises("this is no channel; call it with a colon", ch.receive)
  end)
end)
