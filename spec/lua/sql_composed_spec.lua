-- Ranges, composites and codecs by themselves: what they refuse, and that no words of a server hang or break them.

local array = require "nebula.sql.types.array"
local composite = require "nebula.sql.types.composite"
local encode = require "nebula.sql.encode"
local hstore = require "nebula.sql.types.extension.hstore"
local range = require "nebula.sql.types.range"
local tasks = require "spec.support.tasks"
local time = require "nebula.sql.types.time"
local values = require "nebula.value"

local raises = tasks.raises
local ROUNDS, SEED = tonumber(os.getenv "ROUNDS") or 20000, tonumber(os.getenv "SEED") or os.time()

local function same(text) return text end

describe("ranges", function()
  it("say what they are", function()
    assert.equal("[1,5)", tostring(range.new { lower = 1, upper = 5 }))
    assert.equal("(,]", tostring(range.new { bounds = "(]" }))
    assert.equal([[["a\"b","\\")]], tostring(range.new { lower = 'a"b', upper = "\\" }))
    assert.equal('["2024-01-02",)', tostring(range.new { lower = time.moment("date", "2024-01-02") }))
    assert.equal("{[1,2),empty}", tostring(range.new_many { range.new { lower = 1, upper = 2 }, range.new { empty = true } }))
  end)

  it("are the same when they say the same", function()
    local function one(text) return range.decode(text, tonumber) end
    assert.equal(one "[1,5)", range.new { lower = 1, upper = 5 })
    assert.equal(one "empty", range.new { empty = true })
    for _, other in ipairs { "[1,5]", "[2,5)", "[1,)", "empty" } do assert.is_false(one "[1,5)" == one(other)) end
    local function many(text) return range.decode_many(text, tonumber) end
    assert.equal(many "{[1,2),[3,4)}", many "{[1,2),[3,4)}")
    assert.is_false(many "{[1,2)}" == many "{[1,2),[3,4)}")
  end)

  it("refuse what cannot be meant", function()
    raises("given must be a table, not number", range.new, 1)
    raises("there is no field from; write lower, upper, bounds, empty", range.new, { from = 1 })
    raises('bounds are "[)", "[]", "(]" or "()", not [', range.new, { bounds = "[" })
    raises("a bound is never null", range.new, { lower = null })
    raises("a list of ranges is expected", range.new_many, { 1 })
    raises("list must be a table", range.new_many, "x")
    local list, complaint = encode.all({ range.new { lower = print } }, 1, true)
    assert.is_nil(list)
    assert.equal("value 1: a function is nothing for a database", complaint)
    list, complaint = encode.all({ range.new { lower = 1 } }, 1, false)
    assert.is_nil(list)
    assert.equal("value 1: this kind has no such types; a plain table is sent as JSON", complaint)
  end)
end)

describe("composites", function()
  it("are written by place, and read by name", function()
    assert.equal('(1,"a""b\\\\",,t,"(2,)")', (tostring(composite.new { 1, 'a"b\\', null, true, composite.new { 2, null } })
      :gsub("true", "t")))
    local names = { "a", "b", "c" }
    local row = composite.decode('(1,"x ""y"" \\\\",)', names, composite.class(names, {}), function(_, text) return text end)
    assert.same({ "1", 'x "y" \\', null }, { row.a, row.b, row.c })
    row.c = values.array { 1, "z" }
    assert.equal('("1","x ""y"" \\\\","{1,""z""}")', tostring(row))
    row.c = nil
    raises("a field of a composite is nil; for a NULL write null", tostring, row)
  end)

  it("refuse what cannot be meant", function()
    raises("list must be a table", composite.new, "x")
    raises("without holes", composite.new, { 1, nil, 3 })
    raises("without holes", composite.new, { a = 1 })
    assert.equal("(1)", tostring(composite.new(composite.new { 1 })))
  end)
end)

describe("words of a server that are none", function()
  local letters = { "(", ")", "[", "]", "{", "}", ",", '"', "\\", "a", "=>", "NULL", "empty", " ", '""' }

  it("end in nothing or in a sentence, and never hang", function()
    math.randomseed(SEED)
    local names = { "a", "b" }
    local class = composite.class(names, {})
    for _ = 1, ROUNDS do
      local piece = {}
      for at = 1, math.random(0, 8) do piece[at] = letters[math.random(#letters)] end
      local text = table.concat(piece)
      local whole = range.decode(text, same)
      assert(whole == nil or range.decode(tostring(whole), same) == whole, ("SEED=%d %s"):format(SEED, text))
      range.decode_many("{" .. text, same)
      composite.decode("(" .. text, names, class, function(_, word) return word end)
      pcall(array.decode, "{" .. text, same)
      pcall(hstore.decode, '"' .. text)
    end
  end)
end)
