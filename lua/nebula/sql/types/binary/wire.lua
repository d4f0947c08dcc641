--- wire: numbers as the bytes that PostgreSQL has for them in binary: the first one counts most.

local c = require "nebula.c"

local byte, char = string.byte, string.char

local word = c.new "union { double float8; float float4; int64_t int8; uint8_t byte[8]; }"
word.float8 = 1
local is_little = word.byte[7] ~= 0

local M = {}

local function put8()
  local b = word.byte
  if is_little then return char(b[7], b[6], b[5], b[4], b[3], b[2], b[1], b[0]) end
  return char(b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7])
end

local function take(bytes, at, size)
  for i = 0, size - 1 do
    word.byte[is_little and size - 1 - i or i] = byte(bytes, at + i)
  end
end

--- Unsigned, of two bytes from there on.
---@param bytes string
---@param at integer
---@return integer
function M.read_uint2(bytes, at)
  local high, low = byte(bytes, at, at + 1)
  return high * 256 + low
end

--- Signed, of two bytes.
function M.read_int2(bytes, at)
  local value = M.read_uint2(bytes, at)
  return value < 32768 and value or value - 65536
end

--- Unsigned, of four bytes.
function M.read_uint4(bytes, at)
  return M.read_uint2(bytes, at) * 65536 + M.read_uint2(bytes, at + 2)
end

--- Signed, of four bytes.
function M.read_int4(bytes, at)
  return M.read_int2(bytes, at) * 65536 + M.read_uint2(bytes, at + 2)
end

--- An int64_t.
---@return ffi.cdata*
function M.read_int8(bytes, at)
  take(bytes, at, 8)
  return word.int8
end

function M.read_float8(bytes, at)
  take(bytes, at, 8)
  return word.float8
end

--- As its shortest digits mean it, like the server's words for it: 0.1 and not what is nearest to that.
function M.read_float4(bytes, at)
  take(bytes, at, 4)
  local single = word.float4
  for digits = 1, 9 do
    local near = tonumber(("%." .. digits .. "g"):format(single))
    word.float4 = near
    if word.float4 == single then return near end
  end
  return single
end

---@param value number whole, in the range of its size
---@return string
function M.int2(value)
  return char(math.floor(value / 256) % 256, value % 256)
end

function M.int4(value)
  return M.int2(math.floor(value / 65536)) .. M.int2(value % 65536)
end

---@param value number|ffi.cdata* whole
function M.int8(value)
  word.int8 = value
  return put8()
end

function M.float8(value)
  word.float8 = value
  return put8()
end

function M.float4(value)
  word.float4 = value
  local b = word.byte
  if is_little then return char(b[3], b[2], b[1], b[0]) end
  return char(b[0], b[1], b[2], b[3])
end

--- What becomes a float4 that is neither infinite nor nothing, where the value is neither.
---@param value number
---@return boolean
function M.fits_float4(value)
  word.float4 = value
  return math.abs(value) == math.huge or value ~= value or value == 0
    or math.abs(word.float4) ~= math.huge and word.float4 ~= 0
end

return M
