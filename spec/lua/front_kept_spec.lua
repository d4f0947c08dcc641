-- Answers that are kept: those used last, within a number and a size.

local dice = require "spec.support.dice"
local kept = require "nebula.front.kept"

describe("answers that are kept", function()
  it("are there with when they were given, until others are put in their place", function()
    local k = kept.new(10, 1e6)
    assert.is_nil(k:get "a")
    k:put("a", "1", 5)
    assert.same({ "a", "1", 5 }, { k:get("a").key, k:get("a").bytes, k:get("a").at_us })
    k:put("a", "22", 7)
    assert.same({ "22", 7, 1 }, { k:get("a").bytes, k:get("a").at_us, k.count })
  end)

  it("leave when there are too many, the one used longest ago first", function()
    local k = kept.new(2, 1e6)
    k:put("a", "", 1)
    k:put("b", "", 1)
    k:get "a"
    k:put("c", "", 1)
    assert.same({ true, false, true }, { k:get "a" ~= nil, k:get "b" ~= nil, k:get "c" ~= nil })
    k:put("a", "", 2)
    k:put("d", "", 1)
    assert.same({ true, false, true, 2 }, { k:get "a" ~= nil, k:get "c" ~= nil, k:get "d" ~= nil, k.count })
  end)

  it("leave when they are too large together; one that is so alone never comes", function()
    local k = kept.new(100, 1000)
    k:put("a", ("x"):rep(243), 1) -- 500 with its key and what it takes beside
    assert.equal(500, k.bytes)
    k:put("b", ("x"):rep(243), 1)
    assert.same({ 1000, 2 }, { k.bytes, k.count })
    k:put("c", "", 1)
    assert.same({ false, true, 757, 2 }, { k:get "a" ~= nil, k:get "b" ~= nil, k.bytes, k.count })
    k:put("d", ("x"):rep(744), 1)
    assert.is_nil(k:get "d")
    assert.equal(2, k.count)
    k:put("b", ("x"):rep(744), 1) -- what it was before is not the answer any more
    assert.same({ 257, 1 }, { k.bytes, k.count })
    k:put("e", ("x"):rep(743), 1)
    assert.same({ 1000, 1 }, { k.bytes, k.count })
  end)

  it("do what a list does that is searched from the beginning", function()
    local roll = dice(7)
    for _ = 1, 50 do
      local most, bytes_most = roll(1, 6), roll(300, 3000)
      local k, list = kept.new(most, bytes_most), {}
      local function find(key)
        for at, one in ipairs(list) do
          if one.key == key then return table.remove(list, at) end
        end
      end
      for step = 1, 200 do
        local key = tostring(roll(1, 8))
        if roll(1, 2) == 1 then
          local one = find(key)
          if one then table.insert(list, 1, one) end
          local got = k:get(key)
          assert.equal(one and one.bytes, got and got.bytes)
        else
          local bytes = ("y"):rep(roll(0, 900)) .. step
          find(key)
          if 1 + #bytes + 256 <= bytes_most then table.insert(list, 1, { key = key, bytes = bytes }) end
          k:put(key, bytes, step)
        end
        local size = 0
        for at, one in ipairs(list) do
          size = size + 1 + #one.bytes + 256
          if at > most or size > bytes_most then
            for i = #list, at, -1 do list[i] = nil end
            size = size - 1 - #one.bytes - 256
            break
          end
        end
        assert.same({ #list, size }, { k.count, k.bytes })
      end
    end
  end)
end)
