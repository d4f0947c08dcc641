--- plain: values that are not made of others, to PostgreSQL's binary form and back.
--
-- By the name of the type: `write(value)` gives bytes or raises a text, `read(bytes)` gives what a row has for it,
-- `size` is how many bytes it always has. A string is the server's words for a value, but for bytea: there it is bytes.

local encode = require "nebula.sql.encode"
local json = require "nebula.sql.types.json"
local moments = require "nebula.sql.types.binary.moments"
local network = require "nebula.sql.types.binary.network"
local number = require "nebula.sql.types.number"
local numeric = require "nebula.sql.types.binary.numeric"
local values = require "nebula.value"
local wire = require "nebula.sql.types.binary.wire"

local M = {}

-- --- numbers ----------------------------------------------------------------------------------------

local function digits(value)
  if type(value) == "number" then return number.text(value) end
  if type(value) == "cdata" then return number.digits(value) end
  return type(value) == "string" and value or nil
end

local function whole_of(value)
  local text = digits(value)
  local whole = text and text:find "^%s*[+-]?%d+%s*$" and number.integer(text:match "%S+")
  return whole or error("it is no whole number of 64 bits", 0)
end

local function bounded(value, low, high)
  local whole = whole_of(value)
  if whole < low or whole > high then error(("it is not between %d and %d"):format(low, high), 0) end
  return whole
end

local function whole(size, low, high, write, read)
  return {
    write = function(value) return write(bounded(value, low, high)) end,
    read = function(bytes) return read(bytes, 1) end,
    size = size,
  }
end

M.int2 = whole(2, -2 ^ 15, 2 ^ 15 - 1, wire.int2, wire.read_int2)
M.int4 = whole(4, -2 ^ 31, 2 ^ 31 - 1, wire.int4, wire.read_int4)
M.oid = whole(4, 0, 2 ^ 32 - 1, wire.int4, wire.read_uint4)
M.int8 = {
  write = function(value) return wire.int8(whole_of(value)) end,
  read = function(bytes) return number.plain(wire.read_int8(bytes, 1)) end,
  size = 8,
}

local specials = {
  nan = 0 / 0, infinity = math.huge, ["-infinity"] = -math.huge, inf = math.huge, ["-inf"] = -math.huge,
}

-- Lua makes an infinity or nothing of digits that no double has.
local function float_of_words(words)
  local text = words:match "^%s*(.-)%s*$"
  if specials[text:lower()] then return specials[text:lower()] end
  local value = text:find "^[+-]?[%d.]" and not text:find "^[+-]?0[bB]" and tonumber(text)
  if not value then error("it is no number", 0) end
  if math.abs(value) == math.huge or value == 0 and text:find "^[^eEpP]*[1-9]" then error("it is out of range", 0) end
  return value
end

local function float_of(value)
  if type(value) == "string" then return float_of_words(value) end
  if type(value) ~= "number" and type(value) ~= "cdata" then error("it is no number", 0) end
  return tonumber(value)
end

M.float8 = {
  write = function(value) return wire.float8(float_of(value)) end,
  read = function(bytes) return wire.read_float8(bytes, 1) end,
  size = 8,
}

M.float4 = {
  write = function(value)
    local float = float_of(value)
    if not wire.fits_float4(float) then error("it is out of range", 0) end
    return wire.float4(float)
  end,
  read = function(bytes) return wire.read_float4(bytes, 1) end,
  size = 4,
}

M.numeric = {
  write = function(value) return numeric.write(digits(value) or error("it is no number", 0)) end,
  read = numeric.read,
}

-- --- truths, bytes, names of things -----------------------------------------------------------------

local truths = { t = "\1", ["true"] = "\1", f = "\0", ["false"] = "\0" }

M.bool = {
  write = function(value) return truths[tostring(value)] or error("it is neither true nor false", 0) end,
  read = function(bytes) return bytes ~= "\0" end,
  size = 1,
}

local function same(bytes) return bytes end

M.bytea = {
  write = function(value)
    if values.is_bytes(value) then return value.bytes end
    return type(value) == "string" and value or error("it is not bytes", 0)
  end,
  read = same,
}

M.uuid = {
  write = function(value)
    local hex = type(value) == "string" and value:gsub("[-{}]", "") or ""
    if not hex:find "^%x+$" or #hex ~= 32 then error("it is no uuid", 0) end
    return (hex:gsub("%x%x", function(two) return string.char(tonumber(two, 16)) end))
  end,
  read = function(bytes)
    local hex = bytes:gsub(".", function(one) return ("%02x"):format(one:byte()) end)
    return ("%s-%s-%s-%s-%s"):format(hex:sub(1, 8), hex:sub(9, 12), hex:sub(13, 16), hex:sub(17, 20), hex:sub(21))
  end,
  size = 16,
}

-- --- texts and documents ----------------------------------------------------------------------------

local function words_of(value)
  if type(value) == "boolean" then return tostring(value) end
  if type(value) ~= "table" then return digits(value) or error("it has no words", 0) end
  local words, complaint = encode.one(value, true)
  if type(words) == "table" then error("it is bytes, and no text", 0) end
  return words or error(complaint, 0)
end

local text = { write = words_of, read = same }
M.text, M.varchar, M.bpchar, M.name, M.enum = text, text, text, text, text

M.char = {
  write = function(value)
    local words = words_of(value)
    if #words > 1 then error("it is more than one byte", 0) end
    return words == "" and "\0" or words
  end,
  read = function(bytes) return bytes == "\0" and "" or bytes end,
  size = 1,
}

local function read_document(words)
  local ok, value = pcall(json.decode, words)
  if not ok or value == nil then error("it is no document", 0) end
  return value
end

M.json = { write = words_of, read = read_document }

M.jsonb = {
  write = function(value) return "\1" .. words_of(value) end,
  read = function(bytes)
    if bytes:byte() ~= 1 then error("it is a jsonb of another version", 0) end
    return read_document(bytes:sub(2))
  end,
}

for name, codec in pairs(moments) do M[name] = codec end
for name, codec in pairs(network) do M[name] = codec end

return M
