-- limit: 300 s
-- Values of every type go from PostgreSQL to Lua and back, and the server says whether they are the same.
--
-- ROUNDS is how many of each type (2,000, with a sanitizer 500; NEBULA_PROVE: 10,000), SEED repeats a run.

local declared = require "spec.kinds.declared"
local json = require "nebula.sql.types.json"
local postgres = require "spec.support.postgres"
local process = require "spec.support.process"
local time = require "nebula.sql.types.time"

local USUAL = os.getenv "NEBULA_PROVE" and 10000 or process.is_sanitized and 500 or 2000
local ROUNDS = tonumber(os.getenv "ROUNDS") or USUAL
local SEED = tonumber(os.getenv "SEED") or os.time()
local BATCH = 250

local random = math.random

-- --- values in the server's words, made without our own encoders --------------------------------------

local function one_of(list) return list[random(#list)] end

-- Any whole number of up to `digits` digits.
local function digits(count)
  local piece = { tostring(random(1, 9)) }
  for at = 2, random(1, count) do piece[at] = tostring(random(0, 9)) end
  return (random(2) == 1 and "-" or "") .. table.concat(piece)
end

local function whole(low, high, most_digits)
  return function()
    if random(10) == 1 then return one_of { low, high, "0", "-1" == low and "0" or "1" } end
    local text = digits(most_digits)
    return low == "0" and text:gsub("-", "") or text
  end
end

local function float(most_exponent, precision)
  return function()
    if random(20) == 1 then return one_of { "NaN", "Infinity", "-Infinity", "-0", "0" } end
    return ("%." .. precision .. "fe%d"):format((random() - 0.5) * 10, random(-most_exponent, most_exponent))
  end
end

local function utf8(code)
  if code < 0x80 then return string.char(code) end
  if code < 0x800 then return string.char(0xc0 + math.floor(code / 64), 0x80 + code % 64) end
  if code < 0x10000 then
    return string.char(0xe0 + math.floor(code / 4096), 0x80 + math.floor(code / 64) % 64, 0x80 + code % 64)
  end
  return string.char(0xf0 + math.floor(code / 262144), 0x80 + math.floor(code / 4096) % 64,
    0x80 + math.floor(code / 64) % 64, 0x80 + code % 64)
end

local function text()
  local piece = {}
  for at = 1, random(0, 12) do
    local code = one_of { random(1, 0x7f), random(0x80, 0x7ff), random(0xe000, 0xfffd), random(0x10000, 0x10ffff),
      one_of { 34, 39, 92, 123, 125, 44, 32, 10 } }
    piece[at] = utf8(code)
  end
  return one_of { table.concat(piece), "", "NULL", "null", "{}", table.concat(piece) }
end

local function hex(count)
  local piece = {}
  for at = 1, count do piece[at] = ("%02x"):format(random(0, 255)) end
  return table.concat(piece)
end

local function bytea() return "\\x" .. hex(random(0, 20)) end

local function uuid()
  return hex(4) .. "-" .. hex(2) .. "-" .. hex(2) .. "-" .. hex(2) .. "-" .. hex(6)
end

local function numeric()
  if random(30) == 1 then return one_of { "NaN", "0", "-0.000" } end
  local fraction = random(3) == 1 and "" or "." .. digits(30):gsub("-", "")
  return digits(40) .. fraction
end

local function fraction()
  return random(3) == 1 and "" or ("." .. ("%06d"):format(random(0, 999999)):sub(1, random(1, 6)))
end

local function clock()
  return ("%02d:%02d:%02d"):format(random(0, 23), random(0, 59), random(0, 59)) .. fraction()
end

-- A day of any year up to `last`; BC reaches back to 4712.
local function day(last)
  local is_bc = random(10) == 1
  local year = is_bc and random(1, 4712) or one_of { random(1900, 2100), random(1, last) }
  return ("%04d-%02d-%02d"):format(year, random(1, 12), random(1, 28)), is_bc and " BC" or ""
end

local function moment(last, with)
  return function()
    if random(20) == 1 then return one_of { "infinity", "-infinity" } end
    local date, bc = day(last)
    return date .. with() .. bc
  end
end

local function zone()
  return one_of { "+00", "-00:30", ("%+03d"):format(random(-14, 14)), ("+%02d:%02d"):format(random(0, 13), random(0, 59)) }
end

local function interval()
  return ("%d mons %d days %s%02d:%02d:%02d"):format(random(-20000, 20000), random(-100000, 100000), one_of { "", "-" },
    one_of { random(0, 99), random(0, 2000000) }, random(0, 59), random(0, 59)) .. fraction()
end

local document

local function json_text()
  local piece = {}
  for at = 1, random(0, 8) do
    piece[at] = one_of { "a", "B", " ", "\\\"", "\\\\", "\\n", "\\u00e9", "\\ud83d\\ude00", "\195\164", "/", "\\/" }
  end
  return '"' .. table.concat(piece) .. '"'
end

local function members(open, close, depth, named)
  local piece = {}
  for at = 1, random(0, 4) do
    piece[at] = (named and ('"k%d%s":'):format(at, one_of { "", " x", "\\n" }) or "") .. document(depth + 1)
  end
  return open .. table.concat(piece, one_of { ",", ", " }) .. close
end

function document(depth)
  local pick = random(depth > 3 and 6 or 10)
  if pick == 1 then return one_of { "null", "true", "false" } end
  if pick == 2 then return (whole("-9223372036854775808", "9223372036854775807", 18)()) end
  if pick == 3 then return ("%.14g"):format((random() - 0.5) * 10 ^ random(-20, 20)) end
  if pick <= 6 then return json_text() end
  if pick <= 8 then return members("[", "]", depth, false) end
  return members("{", "}", depth, true)
end

local function json_document() return document(0) end
local function json_table() return one_of { members("[", "]", 0, false), members("{", "}", 0, true) } end

local function quoted(element)
  return '"' .. element:gsub('["\\]', "\\%0") .. '"'
end

local function items(element, count)
  local piece = {}
  for at = 1, count do piece[at] = random(10) == 1 and "NULL" or quoted((element())) end
  return "{" .. table.concat(piece, ",") .. "}"
end

local function array(element)
  return function()
    local count = random(0, 5)
    if random(4) > 1 or count == 0 then return items(element, count) end
    local low = random(-3, 3)
    if random(2) == 1 then return ("[%d:%d]=%s"):format(low, low + count - 1, items(element, count)) end
    local rows, width = {}, random(1, 3)
    for at = 1, count do rows[at] = items(element, width) end
    return ("[%d:%d][%d:%d]={%s}"):format(low, low + count - 1, -low, -low + width - 1, table.concat(rows, ","))
  end
end

local int8 = whole("-9223372036854775808", "9223372036854775807", 18)
local timestamptz = moment(294275, function() return " " .. clock() .. zone() end)

-- What is compared is the text of the value, which shows scale, bounds and every digit, where nothing else is said.
local types = {
  { "boolean", function() return one_of { "t", "f" } end },
  { "smallint", whole("-32768", "32767", 4) },
  { "integer", whole("-2147483648", "2147483647", 9) },
  { "bigint", int8 },
  { "oid", whole("0", "4294967295", 9) },
  { "real", float(30, 9), same = "float4send(%s)" },
  { "double precision", float(300, 17), same = "float8send(%s)" },
  { "numeric", numeric },
  { "text", text },
  { "varchar", text },
  { "bytea", bytea },
  { "uuid", uuid },
  { "date", moment(5874896, function() return "" end) },
  { "time", clock },
  { "timetz", function() return clock() .. zone() end },
  { "timestamp", moment(294275, function() return " " .. clock() end) },
  { "timestamptz", timestamptz },
  { "interval", interval },
  { "json", json_document, same = "(%s)::jsonb" },
  { "jsonb", json_document, same = "%s" },
  { "int4range", function() return one_of { "empty", "[1,5)", "(,7)", "[3,)", ("[%d,9999)"):format(random(-99, 99)) } end },
  { "inet", function() return ("%d.%d.%d.%d/%d"):format(random(0, 255), random(0, 255), random(0, 255), random(0, 255), random(0, 32)) end },
  { "boolean[]", array(function() return one_of { "t", "f" } end) },
  { "bigint[]", array(int8) },
  { "double precision[]", array(float(300, 17)) },
  { "numeric[]", array(numeric) },
  { "text[]", array(text) },
  { "bytea[]", array(bytea) },
  { "uuid[]", array(uuid) },
  { "timestamptz[]", array(timestamptz) },
  { "interval[]", array(interval) },
  { "jsonb[]", array(json_table), same = "%s" },
}

-- --- the trip -----------------------------------------------------------------------------------------

local function values_list(count, columns, kind)
  local rows, number = {}, 0
  for at = 1, count do
    local cells = { tostring(at) }
    for _ = 1, columns do
      number = number + 1
      cells[#cells + 1] = ("$%d::%s"):format(number, kind)
    end
    rows[at] = "(" .. table.concat(cells, ", ") .. ")"
  end
  return table.concat(rows, ", ")
end

-- A string is sent as text: what came back as one and is none has to be marked again.
local mark = { bytea = bytes, json = json.encode, jsonb = json.encode }

local function marked(kind, value)
  if type(value) == "string" and mark[kind] then return mark[kind](value) end
  if kind == "bytea[]" and value ~= null then
    for at, element in ipairs(value) do value[at] = marked(type(element) == "table" and kind or "bytea", element) end
  end
  return value
end

local function round(db, kind, generate, same)
  local originals = {}
  for at = 1, BATCH do originals[at] = random(20) == 1 and null or (generate()) end
  local came = assert(db:query(("select v from (values %s) as x (i, v) order by i"):format(values_list(BATCH, 1, kind)),
    unpack(originals, 1, BATCH)))
  local both = {}
  for at = 1, BATCH do
    both[2 * at - 1], both[2 * at] = originals[at], marked(kind, came[at].v)
  end
  local different = assert(db:query(("select i, a::text, b::text from (values %s) as x (i, a, b) where %s is distinct from %s")
    :format(values_list(BATCH, 2, kind), same:format "a", same:format "b"), unpack(both, 1, 2 * BATCH)))
  assert(#different == 0, different[1] and ("SEED=%d %s: %s came back as %s"):format(SEED, kind, tostring(different[1].a),
    tostring(different[1].b)))
end

describe("types of postgres", function()
  local server, db

  setup(function()
    math.randomseed(SEED)
    server = postgres.start()
    db = declared.use(([[postgres "postgres_types" { host = %q, port = %d, dbname = %q, user = %q, password = %q,
      pool = { max = 1 } }]]):format(server.host, server.port, server.dbname, server.user, server.password))
  end)

  for _, row in ipairs(types) do
    local kind, generate = row[1], row[2]
    it(("%s comes back as it was, %d times"):format(kind, ROUNDS), function()
      for _ = 1, math.ceil(ROUNDS / BATCH) do round(db, kind, generate, row.same or "(%s)::text") end
    end)
  end

  it("are values of Lua", function()
    local row = assert(db:one [[select true as b, 1::int2 as i, 9007199254740993 as big, 0.5::float8 as f, 1.50 as n,
      '\x00ff'::bytea as y, '{"a": [1, null]}'::jsonb as j, 'null'::json as jn, null::json as sn,
      timestamptz '2024-01-02 03:04:05.000006+00' as t, date 'infinity' as d, interval '1 mon' as v,
      array[1, null] as a, 'x'::varchar as s]])
    assert.is_true(row.b)
    assert.equal(1, row.i)
    assert.truthy(row.big == 9007199254740993LL)
    assert.equal(0.5, row.f)
    assert.equal("1.50", row.n)
    assert.equal("\0\255", row.y)
    assert.equal(null, row.j.a[2])
    assert.equal(json.null, row.jn)
    assert.equal(null, row.sn)
    assert.equal(6, row.t.us % 1000000)
    assert.truthy(time.is(row.t) and time.is(row.v) and row.d.day == math.huge)
    assert.equal(2, row.a.n)
    assert.equal(null, row.a[2])
    assert.equal("x", row.s)
  end)

  it("take values of Lua", function()
    local rows = {
      { "bigint", 9223372036854775807LL, "9223372036854775807" }, { "numeric", 0.1, "0.1" }, { "text", 5, "5" },
      { "boolean", false, "false" }, { "bytea", bytes "\0a", "\\x0061" }, { "int[]", _G.array { 1, null }, "{1,NULL}" },
      { "jsonb", { a = { 1, null } }, '{"a": [1, null]}' }, { "jsonb", json.null, "null" }, { "text", null, null },
      { "jsonb", json.list {}, "[]" },
    }
    for _, row in ipairs(rows) do
      assert.equal(row[3], db:value(("select (?::%s)::text"):format(row[1]), row[2]))
    end
  end)
end)
