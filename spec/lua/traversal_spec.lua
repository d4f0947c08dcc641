-- pairs() and next() are what Lua says they are, whoever has made them.

local util = require "jit.util"

local is_beta = jit.version:find "-beta" ~= nil
-- What LuaJIT compiles of its own has a number above that of any function in C.
local PLAIN = util.funcinfo(require("nebula.judge").evaluate).ffid

local function gather(...)
  local found = {}
  for key, value in ... do found[key] = value end
  return found
end

describe("a loop over a table", function()
  it("is not compiled by a LuaJIT that compiles it wrongly", function()
    assert.equal(is_beta, util.funcinfo(next).ffid == PLAIN)
    assert.equal(is_beta, util.funcinfo(pairs).ffid == PLAIN)
    assert.equal(next, (pairs {}))
  end)

  it("meets each entry once", function()
    local all = { 1, 2, nil, 4, name = "x", [false] = 0, [2.5] = {}, [gather] = true }
    assert.same(all, gather(pairs(all)))
    assert.same(all, gather(next, all))
    assert.same({}, gather(pairs {}))
    assert.same({}, gather(next, {}))
  end)

  it("may change and take away what it has met", function()
    local all, met = {}, 0
    for i = 1, 1000 do all["key " .. i] = i end
    for key, value in pairs(all) do
      all[key] = value % 2 == 0 and value * 2 or nil
      met = met + 1
    end
    assert.equal(1000, met)
    for i = 1, 1000 do assert.equal(i % 2 == 0 and i * 2 or nil, all["key " .. i]) end
  end)

  it("counts all wherever it recurses", function()
    local function count(all)
      local entries = 0
      for _, value in pairs(all) do entries = entries + 1 + (type(value) == "table" and count(value) or 0) end
      return entries
    end
    for round = 1, 300 do
      local all, made = {}, 0
      for i = 1, round % 7 do
        all["a" .. i], made = { i, { x = i, y = {} }, z = false }, made + 6
        all[i], made = round % 2 == 0 and {} or i, made + 1
      end
      assert.equal(made, count(all))
    end
  end)

  it("says what is wrong as Lua does", function()
    local function fails(text, ...)
      local ok, why = pcall(...)
      assert.is_false(ok)
      assert.matches(text, why, 1, true)
    end
    fails("table expected, got number", function() return pairs(3) end)
    fails("table expected, got nil", function() return pairs(nil) end)
    fails("table expected, got nil", function() return next(nil) end)
    fails("invalid key to 'next'", function() return next({}, "none") end)
  end)

  it("begins where next() is told to", function()
    local all = { 10, 20, 30 }
    assert.same({ 2, 20 }, { next(all, 1) })
    assert.is_nil(next(all, 3))
    assert.equal(1, select("#", next({})))
  end)
end)
