--- units: durations, sizes and rates as people write them, and as the engine counts them.
--
-- A number without a unit is refused: nobody can see whether 30 is seconds or milliseconds.

local units = {}

local DURATION = { us = 1, ms = 1e3, s = 1e6, m = 60e6, h = 3600e6, d = 86400e6 }
local SIZE = { B = 1, kB = 1e3, KB = 1e3, MB = 1e6, GB = 1e9, TB = 1e12,
  KiB = 2 ^ 10, MiB = 2 ^ 20, GiB = 2 ^ 30, TiB = 2 ^ 40 }
local SPAN = { s = 1, m = 60, h = 3600, d = 86400 }
local LARGEST = 2 ^ 53 -- from here on not every whole number is one

local DURATION_WORDS = 'a time with its unit (us ms s m h d), such as "250ms" or "10m"'
local SIZE_WORDS = 'a size with its unit (B kB MB GB TB, KiB MiB GiB TiB), such as "64MB"'
local RATE_WORDS = 'a rate (a number for each s, m, h or d), such as "200/s"'

--- The whole number that "12.5ms" means by a table of units, or nil and what was expected.
local function read(text, factors, words)
  if type(text) ~= "string" then
    return nil, "expected " .. words
  end
  local number, unit = text:match("^(%d+%.?%d*)%s?(%a+)$")
  local factor = factors[unit]
  if not factor then
    return nil, "expected " .. words
  end
  local value = tonumber(number) * factor
  if value >= LARGEST then
    return nil, "is too large; expected " .. words
  end
  local whole = math.floor(value + 0.5)
  if math.abs(whole - value) > 1e-9 * math.max(value, 1) then
    return nil, "is finer than the engine counts; expected " .. words
  end
  return whole
end

--- Microseconds.
---@param text any such as "250ms"; "0s" is zero
---@return integer|nil us
---@return string|nil why not, without the text itself
function units.duration(text)
  return read(text, DURATION, DURATION_WORDS)
end

--- Bytes. kB, MB, GB are powers of 1000, KiB, MiB, GiB of 1024.
---@param text any such as "64MB"
---@return integer|nil bytes
---@return string|nil why
function units.size(text)
  return read(text, SIZE, SIZE_WORDS)
end

--- How many a second.
---@param text any such as "200/s" or "90/m"
---@return number|nil per_second
---@return string|nil why
function units.rate(text)
  local number, span = nil, nil
  if type(text) == "string" then
    number, span = text:match("^(%d+%.?%d*)/(%a)$")
  end
  if not SPAN[span] or tonumber(number) >= LARGEST then
    return nil, "expected " .. RATE_WORDS
  end
  return tonumber(number) / SPAN[span]
end

local function common(a, b)
  while b > 0 do
    a, b = b, a % b
  end
  return a
end

--- A rate in whole numbers, as it was written: "90/m" is 90 in a minute, "0.5/s" is 1 in two seconds.
---@param text any
---@return integer|nil count at least 1
---@return integer|string us in so many microseconds; or why not
function units.pace(text)
  local whole, part, span = tostring(text):match "^(%d+)%.?(%d*)/(%a)$"
  if type(text) ~= "string" or not SPAN[span] or #whole + #part > 15 then
    return nil, "expected " .. RATE_WORDS
  end
  local count, spans = tonumber(whole .. part), 10 ^ #part
  if count == 0 then
    return nil, "is no rate: nothing would go"
  end
  local by = common(count, spans)
  return count / by, spans / by * SPAN[span] * 1e6
end

--- A duration for people: the largest unit in which it is a whole number.
---@param us integer
---@return string # such as "500ms"
function units.show_duration(us)
  for _, name in ipairs { "d", "h", "m", "s", "ms" } do
    if us >= DURATION[name] and us % DURATION[name] == 0 then
      return ("%d%s"):format(us / DURATION[name], name)
    end
  end
  return us == 0 and "0s" or ("%dus"):format(us)
end

--- A size for people.
---@param bytes integer
---@return string # such as "64MB"
function units.show_size(bytes)
  for _, name in ipairs { "TB", "GB", "MB", "kB" } do
    if bytes >= SIZE[name] and bytes % SIZE[name] == 0 then
      return ("%d%s"):format(bytes / SIZE[name], name)
    end
  end
  return ("%dB"):format(bytes)
end

return units
