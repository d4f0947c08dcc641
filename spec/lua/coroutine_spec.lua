-- A workflow's own coroutines inside tasks.

local tasks = require "spec.support.tasks"

local raises = tasks.raises

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
