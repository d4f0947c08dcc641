-- The codec: what goes to another worker is there what it was here, and what would not be is refused with its place.

local c = require "nebula.c"
local codec = require "nebula.codec"
local composites = require "nebula.sql.types.composite"
local dice = require "spec.support.dice"
local errors = require "nebula.error"
local hstore = require "nebula.sql.types.extension.hstore"
local json_types = require "nebula.sql.types.json"
local time = require "nebula.sql.types.time"

local MOST = 16e6

local function bytes_of(value) return assert(codec.encode(value, "value", MOST)) end

local function copy_of(value) return codec.decode(bytes_of(value)) end

local function refused(why, value, most)
  local bytes, said = codec.encode(value, "value", most or MOST)
  assert.is_nil(bytes)
  assert.equal(why, said)
end

-- The same in all that Lua can tell: what cdata are, and which zero it is.
local function is_same(a, b)
  if type(a) ~= type(b) then return false end
  if type(a) == "number" then return a == b and 1 / a == 1 / b or a ~= a and b ~= b end
  if type(a) == "cdata" then return tostring(a) == tostring(b) end
  if type(a) ~= "table" then return a == b end
  for key, one in pairs(a) do
    if not is_same(one, b[key]) then return false end
  end
  for key in pairs(b) do
    if a[key] == nil then return false end
  end
  return getmetatable(a) == getmetatable(b)
end

local function nested(depth)
  local value = 1
  for _ = 1, depth do value = { value } end
  return value
end

-- --- random values ----------------------------------------------------------------------------------

local scalars = {
  function() return false end, function() return true end, function() return null end,
  function(roll) return roll(-1000, 1000) end, function(roll) return roll(0, 1000000) / 7 end,
  function(roll) return 2 ^ roll(-1070, 1023) end, function() return 0 / 0 end, function() return 1 / 0 end,
  function() return -1 / 0 end, function() return -0.0 end, function(roll) return roll(0, 1000000) * 1LL ^ 3 end,
  function(roll) return 0xffffffffffffffffULL - roll(0, 1000) end,
  function(roll) return tostring(roll(0, 20)) end,
  function(roll)
    local piece = {}
    for i = 1, roll(0, 40) do piece[i] = string.char(roll(0, 255)) end
    return table.concat(piece)
  end,
  function(roll) return bytes(("x"):rep(roll(0, 300))) end,
  function(roll) return time.at("timestamptz", roll(-1000, 1000), roll(0, 86399999999)) end,
  function() return json_types.null end,
}

local keys = {
  function(roll) return roll(-3, 12) end, function(roll) return roll(0, 100) / 8 end,
  function(roll) return tostring(roll(0, 12)) end, function(roll) return ("k%d"):format(roll(0, 1000)) end,
  function(roll) return roll(0, 1) == 1 end,
}

local function random(roll, depth)
  if depth == 0 or roll(1, 3) == 1 then return scalars[roll(1, #scalars)](roll) end
  local value = {}
  for i = 1, roll(0, 6) do value[i] = random(roll, depth - 1) end
  for _ = 1, roll(0, 4) do value[keys[roll(1, #keys)](roll)] = random(roll, depth - 1) end
  return value
end

-- One byte is another, and perhaps the end is missing.
local function changed(roll, good)
  local at = roll(2, #good)
  local last = roll(0, 3) > 0 and -1 or roll(at, #good)
  return good:sub(1, at - 1) .. string.char(roll(0, 127)) .. good:sub(at + 1, last)
end

local function rubbish(roll)
  local piece = { string.char(roll(1, 3)) }
  for i = 1, roll(0, 30) do piece[i + 1] = string.char(roll(0, 127)) end
  return table.concat(piece)
end

describe("the codec", function()
  it("brings plain values back as what they were", function()
    for _, value in ipairs {
      true, false, 0, -0.0, 1, -1, 0.1, 1e308, 5e-324, 2 ^ 53, 1 / 0, -1 / 0, 0 / 0, "", "x", "\0a\0", "1", ("z"):rep(1e6),
      5LL, -1LL, 0x7fffffffffffffffLL, 18446744073709551615ULL, null, {}, { 1, 2, 3 }, { n = 3, nil, 2 }, { [0] = "a", "b" },
      { [1] = "number", ["1"] = "string" }, { [-1] = 1, [1.5] = 2, [2 ^ 53] = 3, [true] = 4, [null] = 5, [""] = 6 },
      { a = { b = { c = {} } }, d = { {}, {} } }, { null, null },
    } do
      assert.is_true(is_same(value, copy_of(value)), tostring(value))
    end
    assert.is_nil(copy_of(nil))
    assert.equal(null, copy_of(null))
    assert.equal(null, copy_of { a = null }.a)
  end)

  it("brings random values back as what they were", function()
    for seed = 1, 2000 do
      local value = random(dice(seed), 5)
      assert.is_true(is_same(value, copy_of(value)), "seed " .. seed)
    end
  end)

  it("copies: what is named twice is there twice, and nothing is shared", function()
    local inner = { 1 }
    local copy = copy_of { a = inner, b = inner }
    assert.same({ a = { 1 }, b = { 1 } }, copy)
    assert.is_false(rawequal(copy.a, copy.b))
    copy.a[1] = 2
    assert.same({ 1 }, inner)
  end)

  it("keeps what rows hold", function()
    local day, span = time.at("date", 19000, 0), time.span(1, 2, -3, -4)
    local one_day = range { lower = day }
    for _, value in ipairs {
      day, span, one_day, range { empty = true }, multirange { one_day, one_day }, bytes "\0\1", array { 1, null, array { 2 } },
      composite { "Main Street", null }, json_types.list {}, json_types.null, hstore.decode '"a"=>"1", "b"=>NULL',
    } do
      local copy = copy_of(value)
      assert.is_true(is_same(value, copy))
      if getmetatable(value).__tostring then assert.equal(tostring(value), tostring(copy)) end
      assert.is_true(is_same({ value, value }, copy_of { value, value }))
    end
    assert.is_true(day == copy_of(day))
    assert.is_true(json_types.null == copy_of(json_types.null))
    assert.equal("null", json_types.encode(copy_of(json_types.null)))
    assert.equal("[]", json_types.encode(copy_of(json_types.list {})))
    local err = errors.new("lost", "retry", "in_doubt", "the server hung up")
    assert.is_true(errors.is(copy_of(err)))
    assert.equal(tostring(err), tostring(copy_of(err)))
  end)

  it("keeps composites of a database, whose class is made again", function()
    local street = setmetatable({ road = 'a "b"', number = null }, composites.class({ "road", "number" }, {}))
    local file = setmetatable({ data = "\255" }, composites.class({ "data" }, { true }))
    local copy = copy_of { street, { file, day = time.at("date", 1, 0) }, street }
    assert.equal(tostring(street), tostring(copy[1]))
    assert.equal(tostring(file), tostring(copy[2][1]))
    assert.equal(getmetatable(copy[1]), getmetatable(copy[3]))
    assert.equal(getmetatable(copy[1]), getmetatable(copy_of(street))) -- one class for each description
    assert.equal("1970-01-02", tostring(copy[2].day))
    assert.equal(tostring(street), tostring(copy_of(copy)[1])) -- and on to the next worker
  end)

  it("refuses with its place what would not be the same", function()
    local loop = { a = {} }
    loop.a.b = { loop }
    local shop = setmetatable({}, { __index = {} })
    local no_function = "a function; it goes to other workers with spawn_on_all, as what it runs or as a variable of that, "
      .. "not in a table"
    for why, value in pairs {
      ["value: " .. no_function] = print,
      ["value.orders[3].done: " .. no_function] = { orders = { {}, {}, { done = function() end } } },
      ['value["two words"]["a\\n"][true]: a coroutine, which belongs to its worker'] =
        { ["two words"] = { ["a\n"] = { [true] = coroutine.create(print) } } },
      ["value[1]: a userdata, which belongs to its worker"] = { io.stdout },
      ["value[1]: a cdata (int [2]), which belongs to its worker"] = { c.new "int[2]" },
      ["value.c: a channel of this worker alone; make one with a name, channel(\"name\")"] = { c = channel(1) },
      ["value.a.b[1]: a table that is inside itself, which has no end as a copy"] = loop,
      ["value.s: a table with a metatable, which would be lost; send a plain table of what it is made of"] = { s = shop },
      ["value.t: a key is a table; keys are strings, numbers and booleans"] = { t = { [{}] = 1 } },
      ["value: a key is a cdata; keys are strings, numbers and booleans"] = { [1LL] = 1 },
    } do refused(why, value) end
    refused("value: a table with a metatable, which would be lost; send a plain table of what it is made of",
      setmetatable({}, { __metatable = false })) -- hidden, and there all the same
    local one = task(function() end)
    refused("value[1]: a task, which belongs to its worker; send what it returns", { one })
    one:join()
  end)

  it("looks at tables without their metamethods", function()
    local is_asked = false
    local spy = setmetatable({}, { __index = function() is_asked = true end, __pairs = function() is_asked = true end })
    assert.is_nil(codec.encode(spy, "value", MOST))
    assert.is_false(is_asked)
  end)

  it("is bounded in depth", function()
    assert.is_true(is_same(nested(100), copy_of(nested(100))))
    local bytes, why = codec.encode(nested(101), "value", MOST)
    assert.is_nil(bytes)
    assert.matches("%[1%]: more than 100 tables inside each other$", why)
    assert.is_true(#why < 300)
    local shared = nested(60) -- seen first where it may be, and then deeper
    local deep = { shared }
    for _ = 1, 50 do deep = { deep } end
    assert.matches("more than 100 tables", select(2, codec.encode({ a = shared, b = deep }, "value", MOST)))
  end)

  it("is bounded in bytes, exactly", function()
    for _, value in ipairs { ("x"):rep(1000), { 1, 2, 3, "four", { five = 6 } }, bytes "abc", 7, true } do
      local size = #bytes_of(value)
      assert.equal(size, #assert(codec.encode(value, "value", size)))
      local bytes, why, is_too_large = codec.encode(value, "value", size - 1)
      assert.is_nil(bytes)
      assert.is_true(is_too_large)
      assert.matches(("^value: it takes .*%%d+ bytes, and %d is the most$"):format(size - 1), why)
    end
  end)

  it("refuses what grows before it has grown", function()
    local value = { "leaf" }
    for _ = 1, 80 do value = { value, value } end
    collectgarbage()
    local before = collectgarbage "count"
    local bytes, why = codec.encode(value, "value", MOST)
    assert.is_nil(bytes)
    assert.matches("^value: it takes at least %d+ bytes, and 16000000 is the most$", why)
    assert.is_true(collectgarbage "count" - before < 1000)
    local long = ("x"):rep(1e6)
    local list = {}
    for i = 1, 1000 do list[i] = long end
    before = collectgarbage "count"
    refused("value: it takes at least 1000001002 bytes, and 16000000 is the most", list)
    assert.is_true(collectgarbage "count" - before < 1000)
  end)

  it("is as whole after a refusal as before", function()
    for _ = 1, 3 do
      assert.is_nil(codec.encode({ "kept", print }, "value", MOST))
      assert.is_nil(codec.encode(("x"):rep(100), "value", 50))
      assert.is_false(pcall(codec.decode, bytes_of("x"):sub(1, 2)))
      assert.same({ "next" }, copy_of { "next" })
    end
  end)

  -- It is given our own bytes alone; others make it raise, or some value, and nothing else.
  it("raises on bytes that nobody made", function()
    local raised, kept = 0, { 1, "two", { three = null }, 4LL, bytes "five", time.at("date", 6, 7) }
    local good = bytes_of(kept)
    for seed = 1, 3000 do
      local bytes = seed % 2 == 0 and changed(dice(seed), good) or rubbish(dice(seed))
      raised = raised + (pcall(codec.decode, bytes) and 0 or 1)
    end
    assert.is_true(raised > 1000, raised)
    assert.is_false(pcall(codec.decode, ""))
    assert.is_false(pcall(codec.decode, "\0\1"))
    assert.is_false(pcall(codec.decode, bytes_of(1) .. "x"))
    assert.is_true(is_same(kept, codec.decode(good)))
  end)
end)
