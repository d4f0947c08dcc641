--- number: exact ways between digits and Lua's numbers.
--
-- A Lua number is a double: whole numbers are exact up to 2^53. Beyond that a whole number of the
-- database is an int64_t (LuaJIT's cdata: it calculates and compares, and prints as 9223372036854775807LL).

local M = {}

local EXACT = 2 ^ 53

--- A whole number from its digits.
---@param text string optional sign, digits
---@return number|ffi.cdata*|nil value nil when it does not fit in 64 bits
function M.integer(text)
  local value = tonumber(text)
  if value > -EXACT and value < EXACT then return value end
  if value < -2 ^ 63 or value > 2 ^ 63 then return nil end
  local sign, digits = text:match "^([+-]?)0*(%d*)$"
  local negative = 0LL -- that side has one more
  for at = 1, #digits do
    negative = negative * 10 - (digits:byte(at) - 48)
    if negative > 0 then return nil end
  end
  if sign == "-" then return M.plain(negative) end
  return negative ~= -negative and M.plain(-negative) or nil -- 2^63 is its own negative
end

--- A whole number as a Lua number if that is exact, else as it is.
---@param value ffi.cdata* int64_t
---@return number|ffi.cdata*
function M.plain(value)
  if value >= -EXACT and value <= EXACT then return tonumber(value) end
  return value
end

--- The shortest digits that mean this number again.
---@param value number
---@return string # "NaN", "Infinity", "-Infinity" for what has no digits
function M.text(value)
  if value ~= value then return "NaN" end
  if value == math.huge then return "Infinity" end
  if value == -math.huge then return "-Infinity" end
  if value == math.floor(value) and value > -EXACT and value < EXACT and (value ~= 0 or 1 / value > 0) then
    return ("%d"):format(value)
  end
  local text = ("%.15g"):format(value)
  if tonumber(text) ~= value then text = ("%.16g"):format(value) end
  if tonumber(text) ~= value then text = ("%.17g"):format(value) end
  return text
end

--- The digits of an int64_t or uint64_t.
---@param value ffi.cdata*
---@return string? # nil when it is another cdata
function M.digits(value)
  return tostring(value):match "^(-?%d+)U?LL$"
end

return M
