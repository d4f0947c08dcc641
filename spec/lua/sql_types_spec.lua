-- Values of the database and of Lua, without a server: exact both ways.

local array = require "nebula.sql.types.array"
local bytes = require "nebula.sql.types.bytes"
local encode = require "nebula.sql.encode"
local json = require "nebula.sql.types.json"
local number = require "nebula.sql.types.number"
local time = require "nebula.sql.types.time"
local types = require("nebula.sql.types.catalog").of({}).decoders
local values = require "nebula.value"

local null = values.null

describe("numbers", function()
  it("are doubles up to 2^53 and int64 beyond", function()
    local rows = {
      { "0", 0 }, { "-0", 0 }, { "1", 1 }, { "-42", -42 }, { "+7", 7 }, { "007", 7 },
      { "9007199254740991", 9007199254740991 }, { "9007199254740992", 9007199254740992 },
      { "9007199254740993", 9007199254740993LL }, { "-9007199254740993", -9007199254740993LL },
      { "9223372036854775807", 9223372036854775807LL }, { "-9223372036854775808", -9223372036854775807LL - 1 },
    }
    for _, row in ipairs(rows) do
      local value = number.integer(row[1])
      assert.equal(type(row[2]), type(value), row[1])
      assert.truthy(value == row[2], row[1])
    end
    for _, text in ipairs { "9223372036854775808", "-9223372036854775809", "18446744073709551616", "99999999999999999999" } do
      assert.is_nil(number.integer(text), text)
    end
  end)

  it("have the fewest digits that mean them", function()
    local rows = {
      { 0, "0" }, { 1, "1" }, { -1, "-1" }, { 0.1, "0.1" }, { 0.1 + 0.2, "0.30000000000000004" }, { 1e300, "1e+300" },
      { 5e-324, "4.94065645841247e-324" }, { 123456789012345, "123456789012345" }, { 1 / 0, "Infinity" }, { -1 / 0, "-Infinity" },
      { 0 / 0, "NaN" }, { 2 ^ 53, "9.00719925474099e+15" }, { -0.0, "-0" }, { 1 / 3, "0.3333333333333333" },
    }
    for _, row in ipairs(rows) do
      local text = number.text(row[1])
      assert.truthy(row[2] == text or tonumber(text) == row[1], text)
    end
    for _ = 1, 10000 do
      local value = (math.random() - 0.5) * 10 ^ math.random(-300, 300)
      assert.equal(value, tonumber(number.text(value)))
    end
  end)
end)

describe("json", function()
  it("is read and written without losing anything", function()
    local rows = {
      "[]", "{}", "[[],{}]", '{"a":[]}', "[1,2.5,-1e-07]", "[9007199254740993,-9223372036854775808]", '"text"', "true",
      '[null,true,false,""]', '{"":0}', '{"a b":{"c":[{"d":null}]}}', '"\\u0001\\n\\"\\\\/\\t"', '"\195\164\240\159\152\128"', "0",
    }
    for _, text in ipairs(rows) do
      assert.equal(text, json.encode(json.decode(text)))
    end
  end)

  it("knows the document null from NULL, and from null inside", function()
    assert.equal(json.null, json.decode "null")
    assert.equal("null", json.encode(json.null))
    assert.equal(null, json.decode("[null]")[1])
    assert.not_equal(json.null, null)
  end)

  it("reads what servers write: space, escapes, surrogates, numbers of any size", function()
    assert.same({ a = 1, b = { 1, 2 } }, json.decode ' { "a" : 1 , "b" : [ 1 , 2 ] } ')
    assert.equal("\195\164\240\159\152\128\226\130\172", json.decode '"\\u00e4\\ud83d\\ude00\\u20AC"')
    assert.equal("\\u0041\\", json.decode '"\\\\u0041\\\\"')
    assert.equal("a/b\b\f\r", json.decode '"a\\/b\\b\\f\\r"')
    assert.equal(1e20, json.decode "100000000000000000000")
    assert.equal(-0.5, json.decode "-0.5")
  end)

  it("keeps an empty list a list, also one that was emptied, and one that we make", function()
    local document = json.decode '{"tags":["a"]}'
    document.tags[1] = nil
    assert.equal('{"tags":[]}', json.encode(document))
    assert.equal("[]", json.encode(json.list {}))
    assert.equal("{}", json.encode {})
    assert.equal("[1,2]", json.encode(values.array { 1, 2 }))
  end)

  it("loses nothing however often it runs, compiled or not", function()
    local function document(depth)
      local pick = math.random(depth > 3 and 2 or 5)
      if pick <= 2 then return pick == 1 and math.random(1000) or "x" end
      local made = json.list {}
      if pick == 3 then
        for at = 1, math.random(0, 4) do made[at] = document(depth + 1) end
        return made
      end
      made = {}
      for at = 1, math.random(0, 4) do made["k" .. at] = document(depth + 1) end
      return made
    end
    jit.off(document)
    for _ = 1, 20000 do
      local text = json.encode(document(0))
      assert(json.encode(json.decode(text)) == text, text)
    end
  end)

  it("says what is no document", function()
    local round = {}
    round.self = round
    local rows = {
      { { 1, nil, 3 }, "list without holes" }, { { 1, a = 2 }, "strings as keys" }, { 0 / 0, "no number for NaN" },
      { { 1 / 0 }, "no number for Infinity" }, { { print }, "function is nothing for a document" }, { round, "deeper than 200" },
      { { values.bytes "a" }, "table is nothing" }, { { [true] = 1 }, "strings as keys" },
    }
    for _, row in ipairs(rows) do
      local text, complaint = json.encode(row[1])
      assert.is_nil(text)
      assert.truthy(complaint:find(row[2], 1, true), complaint)
    end
  end)
end)

describe("arrays", function()
  local function decode(oid, text) return types[oid](text) end

  it("come as tables with null, nested, and with their bounds", function()
    local flat = decode(1016, "{1,NULL,9223372036854775807}")
    assert.equal(3, flat.n)
    assert.equal(1, flat[1])
    assert.equal(null, flat[2])
    assert.truthy(flat[3] == 9223372036854775807LL)
    local nested = decode(1007, "[0:1][-1:1]={{1,2,3},{4,NULL,6}}")
    assert.same({ 0, -1 }, nested.lower)
    assert.equal(6, nested[2][3])
    assert.truthy(values.is_array(nested[1]))
    assert.equal(0, decode(1009, "{}").n)
  end)

  it("have elements of every type", function()
    local strings = decode(1009, '{a,"b c","d\\"\\\\e","NULL",NULL,"","{x}","a,b"}')
    assert.same({ "a", "b c", 'd"\\e', "NULL", null, "", "{x}", "a,b", n = 8 }, strings)
    assert.same({ true, false, n = 2 }, decode(1000, "{t,f}"))
    assert.same({ 0.5, 1 / 0, n = 2 }, decode(1022, "{0.5,Infinity}"))
    assert.same({ "a\0\255", "", n = 2 }, decode(1001, '{"\\\\x6100ff","\\\\x"}'))
    assert.same({ "1.50", "NaN", n = 2 }, decode(1231, "{1.50,NaN}"))
    local documents = decode(3807, '{"{\\"a\\": [1, \\"x\\"]}","null",NULL,"[]"}')
    assert.equal("x", documents[1].a[2])
    assert.equal(json.null, documents[2])
    assert.equal(null, documents[3])
    assert.equal("2024-02-29 00:00:00+00", tostring(decode(1185, '{"2024-02-29 01:00:00+01"}')[1]))
  end)

  it("are written so that the server reads the same", function()
    local rows = {
      { {}, "{}" }, { { 1, null, 2.5 }, "{1,NULL,2.5}" }, { { "a", 'q"\\', "" }, '{"a","q\\"\\\\",""}' },
      { { true, false }, "{true,false}" }, { { 0 / 0, -1 / 0 }, "{NaN,-Infinity}" }, { { 9223372036854775807LL }, "{9223372036854775807}" },
      { { values.array { 1 }, values.array { 2 } }, "{{1},{2}}" }, { { { a = 1 } }, '{"{\\"a\\":1}"}' },
      { { values.bytes "\0a" }, '{"\\\\x0061"}' }, { { time.moment("date", "2024-01-02") }, '{"2024-01-02"}' },
    }
    for _, row in ipairs(rows) do assert.equal(row[2], array.encode(values.array(row[1]))) end
    local bounded = types[1007] "[0:1][-1:1]={{1,2,3},{4,NULL,6}}"
    assert.equal("[0:1][-1:1]={{1,2,3},{4,NULL,6}}", array.encode(bounded))
  end)

  it("have no holes and nothing that cannot be sent", function()
    assert.has_error(function() values.array { 1, nil, 3 } end)
    assert.has_error(function() values.array { a = 1 } end)
    assert.has_error(function() values.array "x" end)
    local text, complaint = array.encode(values.array { print })
    assert.is_nil(text)
    assert.equal("a function is nothing for a database", complaint)
  end)
end)

describe("moments", function()
  local function at(text) return time.moment("timestamptz", text) end

  it("are in UTC, exact to the microsecond, from the first day to the last", function()
    local rows = {
      { "2024-02-29 23:59:59.999999+05:30", "2024-02-29 18:29:59.999999+00" },
      { "2024-03-01 00:00:00+01", "2024-02-29 23:00:00+00" },
      { "1883-11-18 12:00:00-04:56:02", "1883-11-18 16:56:02+00" },
      { "0001-01-01 00:00:00+14", "0001-12-31 10:00:00+00 BC" },
      { "4713-01-01 00:00:00+00 BC", "4713-01-01 00:00:00+00 BC" },
      { "294276-12-31 23:59:59.999999+00", "294276-12-31 23:59:59.999999+00" },
      { "1969-12-31 23:59:59.5-00:30", "1970-01-01 00:29:59.500000+00" },
      { "infinity", "infinity" }, { "-infinity", "-infinity" },
    }
    for _, row in ipairs(rows) do assert.equal(row[2], tostring(at(row[1]))) end
    assert.equal("2024-01-02 03:04:05", tostring(time.moment("timestamp", "2024-01-02 03:04:05")))
    assert.equal("5874897-12-31", tostring(time.moment("date", "5874897-12-31")))
  end)

  it("know every day of a thousand years", function()
    local before = time.moment("date", "1599-12-31").day
    local moment, text = time.moment("date", "1599-12-31"), nil
    while text ~= "2600-01-01" do
      moment.day = moment.day + 1
      text = tostring(moment)
      if time.moment("date", text).day ~= moment.day then error(text) end
    end
    local day = moment.day
    assert.equal(1000 * 365 + 243 + 1, day - before) -- with 243 leap days, from the day before
    assert.equal(0, time.moment("date", "1970-01-01").day)
  end)

  it("compare, also with infinity, and differ in seconds", function()
    local a, b = at "2024-01-01 00:00:00+00", at "2024-01-01 00:00:00.000001+00"
    assert.truthy(a < b and a <= b and b > a and a ~= b and a == at "2024-01-01 01:00:00+01")
    assert.truthy(at "-infinity" < a and a < at "infinity" and at "infinity" == at "infinity")
    assert.equal(86400, at "2024-01-02 00:00:00+00" - a)
    assert.equal(1704067200, a:seconds())
    assert.equal("on 2024-01-01 00:00:00+00", "on " .. a)
  end)

  it("in words of another style stay words", function()
    for _, text in ipairs { "01/02/2024", "2024-01-02", "Tue Jan 02 03:04:05 2024 UTC", "2024-01-02 03:04:05" } do
      assert.equal(text, at(text))
    end
  end)
end)

describe("intervals", function()
  it("keep the parts of the server", function()
    local rows = {
      { "1 year 2 mons -3 days +04:05:06.789", 14, -3, 14706, 789000 },
      { "-00:00:00.000001", 0, 0, 0, -1 }, { "00:00:00", 0, 0, 0, 0 }, { "-1 days -02:03:04", 0, -1, -7384, 0 },
      { "-178000000 years", -2136000000, 0, 0, 0 }, { "2562047788:00:54.775807", 0, 0, 9223372036854, 775807 },
      { "1 day", 0, 1, 0, 0 }, { "1 mon", 1, 0, 0, 0 },
    }
    for _, row in ipairs(rows) do
      local i = time.interval(row[1])
      assert.same({ row[2], row[3], row[4], row[5] }, { i.months, i.days, i.seconds, i.us })
      local again = time.interval((tostring(i):gsub("%+(%d+) ", "%1 ")))
      assert.truthy(again == i, tostring(i))
    end
    assert.equal("P1Y", time.interval "P1Y")
  end)

  it("compare as the server does, a month as 30 days", function()
    local function i(text) return time.interval(text) end
    assert.truthy(i "1 mon" == i "30 days" and i "1 day" == i "24:00:00" and i "1 mon" < i "31 days")
    assert.truthy(i "-00:00:00.000001" < i "00:00:00" and i "00:00:01" > i "00:00:00.999999")
    assert.truthy(i "1 day -00:00:00.000001" < i "1 day")
  end)
end)

describe("parameters that are tables", function()
  it("are sent in the words of what they are", function()
    local list = encode.all({ values.array { 1, null }, { a = 1 }, json.null, time.moment("date", "2024-01-02"), 5, "x", null }, 7, true)
    assert.same({ "{1,NULL}", '{"a":1}', "null", "2024-01-02", 5, "x", null }, list)
    local kept = values.bytes "\0"
    assert.equal(kept, encode.all({ kept }, 1, false)[1])
  end)

  it("are refused by number", function()
    local _, complaint = encode.all({ 1, values.array { 1 } }, 2, false)
    assert.equal("value 2: this kind has no arrays; a plain table is sent as JSON", complaint)
    _, complaint = encode.all({ { print } }, 1, true)
    assert.equal("value 1: a function is nothing for a document", complaint)
  end)

  it("of bytes have hexadecimal words", function()
    local all = {}
    for code = 0, 255 do all[#all + 1] = string.char(code) end
    local s = table.concat(all)
    assert.equal(s, bytes.unhex(bytes.hex(s)))
    assert.equal("\\x00ff", bytes.hex "\0\255")
  end)
end)
