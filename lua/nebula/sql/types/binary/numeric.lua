--- numeric: digits to PostgreSQL's binary form and back, exact: groups of four, and where the point stands.
--
-- int2 groups, int2 weight (the first group counts 10000^weight), int2 sign, int2 digits behind the point, the groups.

local wire = require "nebula.sql.types.binary.wire"

local read_int2, read_uint2, int2 = wire.read_int2, wire.read_uint2, wire.int2

local MINUS = 0x4000
local MOST_BEHIND = 16383 -- digits; the server has no more
local MOST_BEFORE = 131072

local sign_of = { NaN = 0xC000, Infinity = 0xD000, ["-Infinity"] = 0xF000 }
local special = {}
for name, sign in pairs(sign_of) do special[sign] = name end

local M = {}

-- --- reading ----------------------------------------------------------------------------------------

local function group(bytes, count, at)
  return at >= 0 and at < count and read_uint2(bytes, 9 + 2 * at) or 0
end

local function behind(bytes, count, weight, scale)
  local piece = {}
  for at = 1, math.ceil(scale / 4) do piece[at] = ("%04d"):format(group(bytes, count, weight + at)) end
  return table.concat(piece):sub(1, scale)
end

--- The server's words for it.
---@param bytes string
---@return string
function M.read(bytes)
  if #bytes < 8 then error("it is no numeric", 0) end
  local count, weight = read_uint2(bytes, 1), read_int2(bytes, 3)
  local sign, scale = read_uint2(bytes, 5), read_uint2(bytes, 7)
  if #bytes ~= 8 + 2 * count then error("its groups are not as many as it says", 0) end
  if special[sign] then return special[sign] end
  local piece = { sign == MINUS and "-" or "", tostring(group(bytes, count, weight >= 0 and 0 or -1)) }
  for at = 1, weight do piece[#piece + 1] = ("%04d"):format(group(bytes, count, at)) end
  if scale > 0 then piece[#piece + 1] = "." .. behind(bytes, count, weight, scale) end
  return table.concat(piece)
end

-- --- writing ----------------------------------------------------------------------------------------

local function parts(text)
  local sign, before, after, rest = text:match "^%s*([+-]?)(%d*)%.?(%d*)(.-)%s*$"
  local exponent = rest == "" and 0 or tonumber(rest:match "^[eE]([+-]?%d+)$")
  if not sign or before .. after == "" or not exponent then error("it is no number", 0) end
  return sign == "-", before .. after, #before + exponent, math.max(#after - exponent, 0)
end

-- Without zeros before them, filled up to whole groups, and where the point stands then.
local function in_groups(digits, point)
  local first = digits:find "[1-9]"
  if not first then return "", 0 end
  digits, point = digits:sub(first), point - first + 1
  local lead = -point % 4
  digits = ("0"):rep(lead) .. digits
  digits = digits .. ("0"):rep(-#digits % 4)
  return digits, point + lead
end

--- Its bytes; raises a text for words that are no number.
---@param text string
---@return string
function M.write(text)
  if sign_of[text] then return "\0\0\0\0" .. int2(sign_of[text]) .. "\0\0" end
  local is_negative, digits, point, scale = parts(text)
  if math.abs(point) > MOST_BEFORE or scale > MOST_BEHIND then error("it has more digits than a numeric", 0) end
  digits, point = in_groups(digits, point)
  local piece = {}
  for four in digits:gmatch "%d%d%d%d" do piece[#piece + 1] = int2(tonumber(four)) end
  while piece[#piece] == "\0\0" do piece[#piece] = nil end
  local weight = #piece == 0 and 0 or point / 4 - 1
  local sign = is_negative and #piece > 0 and MINUS or 0
  return int2(#piece) .. int2(weight) .. int2(sign) .. int2(scale) .. table.concat(piece)
end

return M
