-- The bytes of a binary COPY without a server: in any pieces, cut, and changed.

local composite = require "nebula.sql.types.composite"
local codecs = require "nebula.sql.types.binary.codecs"
local copy_binary = require "nebula.sql.copy_binary"
local numeric = require "nebula.sql.types.binary.numeric"
local plain = require "nebula.sql.types.binary.plain"
local standard = require "nebula.sql.types.postgres"
local time = require "nebula.sql.types.time"
local values = require "nebula.value"

local null = values.null
local random = math.random

local SEED = tonumber(os.getenv "SEED") or os.time()
local ROUNDS = tonumber(os.getenv "ROUNDS") or 20000

local catalog = { type_of = function(_, oid) return standard.types[oid], false end }

local function column(name, oid)
  return { name = name, codec = assert(codecs.of(catalog, oid)) }
end

local columns = {
  column("a", 23), column("b", 25), column("c", 1700), column("d", 1007), column("e", 3904), column("f", 4451),
  column("g", 3802), column("h", 1184), column("i", 1186), column("j", 2950), column("k", 1266), column("l", 17),
}

local row = { 7, "seven", "-7.70", values.array { 1, null, 3 }, { lower = 1, upper = 5, bounds = "[)" },
  { { empty = true }, { lower = 9, bounds = "(]" } }, { k = { 1, "x" } }, time.moment("timestamptz", "2024-02-29 12:00:00+00"),
  time.interval "1 mon -2 days", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "12:00:00.5-03:30", "\0\255" }

local function whole()
  local line = assert(copy_binary.line(columns, row))
  local empty = {}
  for at = 1, #columns do empty[at] = null end
  return copy_binary.head .. line .. assert(copy_binary.line(columns, empty)) .. line .. copy_binary.trailer
end

local function read(pieces)
  local reader, rows = copy_binary.reader(columns), {}
  for _, piece in ipairs(pieces) do
    for _, one in ipairs(reader:rows(piece)) do rows[#rows + 1] = one end
  end
  return rows, reader
end

describe("binary rows", function()
  it("are read in whatever pieces they come", function()
    local bytes = whole()
    for size = 1, #bytes, 7 do
      local pieces = {}
      for at = 1, #bytes, size do pieces[#pieces + 1] = bytes:sub(at, at + size - 1) end
      local rows, reader = read(pieces)
      assert.is_true(reader.is_done)
      assert.equal(3, #rows)
      assert.same({ 7, "seven", "-7.70" }, { rows[3][1], rows[3][2], rows[3][3] })
      assert.equal(null, rows[2][12])
      for at = 7, 12 do assert.same(row[at], rows[1][at]) end
      assert.equal("[1,5)", tostring(rows[1][5]))
      assert.equal("{empty,(9,]}", (tostring(rows[1][6]):gsub("%(9,%)", "(9,]")))
    end
  end)

  it("that are cut are not at their end", function()
    local bytes = whole()
    for size = 0, #bytes - 1 do
      local rows, reader = read { bytes:sub(1, size) }
      assert.is_nil(reader.is_done)
      assert.truthy(#rows <= 3)
    end
  end)

  it("have a head and an end of their own, and as many values as there are columns", function()
    local bytes, head = whole(), copy_binary.head
    for complaint, wrong in pairs {
      ["does not begin as"] = "PGCOPY\n\255\n\0\0" .. bytes:sub(12),
      ["flags that nobody"] = bytes:sub(1, 11) .. "\0\1\0\0" .. bytes:sub(16),
      ["more behind its end"] = bytes .. "\0",
      ["has 2 values, and the statement 12"] = head .. "\0\2",
      ["3 bytes are no int4"] = head .. "\0\12\0\0\0\3abc" .. ("\255"):rep(44),
    } do
      local ok, why = pcall(read, { wrong })
      assert.is_false(ok)
      assert.truthy(why:find(complaint, 1, true), why)
    end
    local rows = read { bytes:sub(1, 11) .. "\0\0\255\255\0\0\0\3abc" .. bytes:sub(20) } -- flags and an extension that may be passed over
    assert.equal(3, #rows)
  end)

  it("that are changed anywhere are other values, or say what is wrong, in words", function()
    math.randomseed(SEED)
    local bytes = whole()
    for _ = 1, ROUNDS do
      local at = random(#copy_binary.head + 1, #bytes)
      local other = bytes:sub(1, at - 1) .. string.char(random(0, 255)) .. bytes:sub(at + 1)
      local ok, why = pcall(read, { other })
      assert.truthy(ok or not why:find "%.lua:", ("SEED=%d: %s"):format(SEED, why))
    end
  end)
end)

describe("a value in binary", function()
  local function write(type_name, value) return pcall(plain[type_name].write, value) end

  local function is_refused(type_name, ...)
    for _, value in ipairs { ... } do
      local ok, why = write(type_name, value)
      assert.is_false(ok, ("%s %s"):format(type_name, tostring(value)))
      assert.is_nil(why:find "%.lua:", why)
    end
  end

  it("is no other one than was given", function()
    is_refused("float8", "1e400", "-1e400", "1e-400", "0b11", "", "x")
    is_refused("float4", "1e-50", 1e-50, 1e39, "-1e39")
    is_refused("interval", "3000000000 days", "99999999999 mons", "-2147483648 days", "99999999999:00:00", time.span(0, 0.5, 0, 0))
    is_refused("date", "99999999-01-01", time.at("date", 1.5, 0))
    is_refused("timestamp", "400000-01-01 00:00:00", time.at("timestamp", 0, 0.5))
    for words, value in pairs { ["0e9"] = 0, [" -0x10 "] = -16, ["+7."] = 7, ["-inf"] = -math.huge, ["5e-324"] = 5e-324 } do
      assert.equal(value, plain.float8.read(plain.float8.write(words)))
    end
    assert.equal("-2147483647 days", ("%d days"):format(plain.interval.read(plain.interval.write "-2147483647 days").days))
  end)

  it("has its time rounded to microseconds, as the server does", function()
    local function again(type_name, words) return tostring(plain[type_name].read(plain[type_name].write(words))) end
    assert.equal("12:34:56.789013", again("time", "12:34:56.7890129"))
    assert.equal("24:00:00", again("time", "23:59:59.9999999"))
    assert.equal("2025-01-01 00:00:00", again("timestamp", "2024-12-31 23:59:59.9999999"))
    assert.equal("+0 mons +0 days -00:00:02.000000", again("interval", "-00:00:01.9999996"))
  end)

  it("that is made of others has nothing that its type has not", function()
    local types = { [16400] = { name = "pair", kind = "composite", fields = { { "a", 23 }, { "b", 25 } } } }
    local pair = assert(codecs.of({ type_of = function(_, oid) return types[oid] or standard.types[oid], false end }, 16400))
    for _, value in ipairs { composite.new { 1, "x", 3 }, { a = 1, b = "x", c = 2 }, { a = 1 }, composite.new { 1 } } do
      assert.is_false((pcall(pair.write, value)))
    end
    assert.equal(pair.write { a = 1, b = "x" }, pair.write(composite.new { 1, "x" }))
    local list = assert(codecs.of(catalog, 1009))
    for _, value in ipairs { { values.array {}, values.array { "x" } }, { "x", values.array { "y" } }, { values.array {} } } do
      assert.is_false((pcall(list.write, values.array(value))))
    end
    assert.equal(0, #list.read(list.write(values.array {})))
  end)
end)

describe("a numeric", function()
  it("is the same digits again, whatever they are", function()
    math.randomseed(SEED)
    for _ = 1, ROUNDS do
      local piece = {}
      for at = 1, random(1, 30) do piece[at] = random(3) == 1 and "0" or tostring(random(0, 9)) end
      local digits = table.concat(piece)
      local cut = random(0, #digits)
      local before, after = digits:sub(1, cut):gsub("^0+", ""), digits:sub(cut + 1)
      local text = (before == "" and "0" or before) .. (after == "" and "" or "." .. after)
      if random(2) == 1 and text:find "[1-9]" then text = "-" .. text end
      assert.equal(text, numeric.read(numeric.write(text)))
    end
    for text, same in pairs { ["1e3"] = "1000", ["-.5E-2"] = "-0.005", ["+7."] = "7", ["-0"] = "0", ["12e-1"] = "1.2" } do
      assert.equal(same, numeric.read(numeric.write(text)))
    end
    for _, text in ipairs { "", ".", "e5", "1e", "0x10", "1 2", "--1", "1e200000", "0." .. ("1"):rep(16384) } do
      assert.is_false((pcall(numeric.write, text)), text)
    end
  end)
end)
