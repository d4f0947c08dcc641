-- The time that functions of policies may take, a fifth of each second, by a clock of our own.

local SHARE_US, SECOND_US = 200000, 1000000

describe("thrift", function()
  local now_us, lines, thrift
  local kept = {}

  setup(function()
    for _, name in ipairs { "nebula.asking", "nebula.c", "nebula.log", "nebula.thrift" } do
      kept[name] = package.loaded[name] or false
    end
  end)

  teardown(function()
    for name, module in pairs(kept) do
      package.loaded[name] = module or nil
    end
  end)

  before_each(function()
    now_us, lines = 5 * SECOND_US, 0
    package.loaded["nebula.c"] = { lib = { nebula_now_us = function() return now_us end } }
    package.loaded["nebula.log"] = { warn = function() lines = lines + 1 end }
    package.loaded["nebula.asking"] = { ask = function(asked, _, takes_us)
      now_us = now_us + takes_us
      return asked, "why"
    end }
    package.loaded["nebula.thrift"] = nil
    thrift = require "nebula.thrift"
    assert.is_true(thrift.has_time())
  end)

  it("gives the answer, and why there is none", function()
    assert.same({ "size", "why" }, { thrift.ask("size", {}, 0) })
  end)

  it("is over with a fifth of the second, and there again in the next one", function()
    for _ = 1, 3 do -- not what was left of the last one
      thrift.ask("size", {}, SHARE_US - 1)
      assert.is_true(thrift.has_time())
      thrift.ask("size", {}, 1)
      assert.is_false(thrift.has_time())
      now_us = now_us + SECOND_US - SHARE_US - 1
      assert.is_false(thrift.has_time())
      now_us = now_us + 1
      assert.is_true(thrift.has_time())
    end
  end)

  it("says so every ten seconds at most", function()
    assert.equal(0, lines)
    for second = 1, 11 do
      thrift.ask("size", {}, SHARE_US)
      assert.is_false(thrift.has_time())
      assert.is_false(thrift.has_time())
      assert.equal(second <= 10 and 1 or 2, lines)
      now_us = now_us + SECOND_US - SHARE_US
      assert.is_true(thrift.has_time())
    end
  end)
end)
