--- network: addresses (inet, cidr) as PostgreSQL's binary has them: family, bits, whether it is a cidr, size, bytes.

local byte, char = string.byte, string.char

local FAMILY = { [4] = 2, [16] = 3 } -- by the size of an address

local M = {}

-- --- reading ----------------------------------------------------------------------------------------

-- The first of the longest runs of at least two zeros: where it begins and how long it is.
local function longest_run(groups)
  local best, best_size, size = 0, 1, 0
  for at = 1, 8 do
    size = groups[at] == 0 and size + 1 or 0
    if size > best_size then best, best_size = at - size + 1, size end
  end
  return best, best > 0 and best_size or 0
end

local function four(bytes, at)
  return ("%d.%d.%d.%d"):format(byte(bytes, at, at + 3))
end

local function hex(groups, from, to)
  local piece = {}
  for at = from, to do piece[#piece + 1] = ("%x"):format(groups[at]) end
  return table.concat(piece, ":")
end

local function sixteen(bytes)
  local groups = {}
  for at = 1, 8 do groups[at] = byte(bytes, 2 * at - 1) * 256 + byte(bytes, 2 * at) end
  local from, size = longest_run(groups)
  if from == 1 and size == 6 then return "::" .. four(bytes, 13) end
  if from == 1 and size == 5 and groups[6] == 0xffff then return "::ffff:" .. four(bytes, 13) end
  if size == 0 then return hex(groups, 1, 8) end
  return hex(groups, 1, from - 1) .. "::" .. hex(groups, from + size, 8)
end

local function read(bytes)
  local family, bits, is_cidr, size = byte(bytes, 1, 4)
  if #bytes < 4 or #bytes ~= 4 + size or FAMILY[size] ~= family then error("it is no address", 0) end
  local text = size == 4 and four(bytes, 5) or sixteen(bytes:sub(5))
  if is_cidr == 0 and bits == 8 * size then return text end
  return ("%s/%d"):format(text, bits)
end

-- --- writing ----------------------------------------------------------------------------------------

local function refuse()
  error("it is no address", 0)
end

local function four_of(text)
  local list = { text:match "^(%d%d?%d?)%.(%d%d?%d?)%.(%d%d?%d?)%.(%d%d?%d?)$" }
  for at = 1, 4 do
    list[at] = tonumber(list[at]) or refuse()
    if list[at] > 255 then refuse() end
  end
  return char(unpack(list))
end

-- The groups on one side of "::"; at the end of all an address of four stands for two.
local function groups_of(text, is_end)
  local piece, last = {}, is_end and text:match "[^:]*$"
  if text == "" then return "" end
  for word in (text .. ":"):gmatch "([^:]*):" do
    if word ~= last or not word:find(".", 1, true) then
      if not word:find "^%x%x?%x?%x?$" then refuse() end
      local group = tonumber(word, 16)
      piece[#piece + 1] = char(math.floor(group / 256), group % 256)
    else
      piece[#piece + 1] = four_of(word)
    end
  end
  return table.concat(piece)
end

local function sixteen_of(text)
  local before, behind = text:match "^(.-)::(.*)$"
  local head, tail = groups_of(before or text, not before), groups_of(behind or "", true)
  local missing = 16 - #head - #tail
  if before and missing < 2 or not before and missing ~= 0 then refuse() end
  return head .. ("\0"):rep(missing) .. tail
end

local function write(is_cidr)
  return function(value)
    local text, bits = tostring(value), nil
    if text:find "/" then text, bits = text:match "^(.-)/(%d+)$" end
    local address = (text or refuse()):find(":", 1, true) and sixteen_of(text) or four_of(text)
    bits = tonumber(bits or 8 * #address)
    if bits > 8 * #address then refuse() end
    return char(FAMILY[#address], bits, is_cidr and 1 or 0, #address) .. address
  end
end

M.inet = { write = write(false), read = read }
M.cidr = { write = write(true), read = read }

return M
