-- The bytes of a binary COPY without a server: in any pieces, cut, and changed.

local codecs = require "nebula.sql.types.binary.codecs"
local copy_binary = require "nebula.sql.copy_binary"
local numeric = require "nebula.sql.types.binary.numeric"
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
