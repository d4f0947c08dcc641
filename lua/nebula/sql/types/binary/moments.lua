--- moments: dates, times and intervals as PostgreSQL's binary has them: whole numbers that count from 2000-01-01.

local time = require "nebula.sql.types.time"
local wire = require "nebula.sql.types.binary.wire"

local DAY_US = 86400000000LL
local EPOCH = 10957 -- days from 1970 to 2000
local ENDLESS = { [4] = { 2147483647, -2147483648 }, [8] = { 0x7fffffffffffffffLL, -0x7fffffffffffffffLL - 1 } }

local MOST_DAYS = 106751990 -- whose microseconds are an int64; the server has fewer
local MOST_SECONDS = 9223372036853 -- whose microseconds are one, with those of another second

local M = {}

local function bounded(value, most, what)
  if type(value) ~= "number" or value ~= math.floor(value) or math.abs(value) > most then
    error(("its %s are out of range"):format(what), 0)
  end
  return value
end

-- --- days and moments -------------------------------------------------------------------------------

-- The server reads more than it writes; here its own words are read alone, and none for a day that is not there.
local function is_there(text)
  local date = text:match "^%d+%-%d%d%-%d%d"
  local hours, minutes, seconds = text:match "[ T](%d%d):(%d%d):(%d%d)"
  local day = date and time.moment("date", date .. (text:match " BC$" or ""))
  return not date or tostring(day):match "^[%d-]+" == date
    and (not hours or hours < "24" and minutes < "60" and seconds < "60")
end

local function moment_of(kind, value)
  if type(value) == "string" then value = is_there(value) and time.moment(kind, value) end
  if not time.is(value) or not value.day then error(("it is no %s in ISO's words"):format(kind), 0) end
  if kind == "timestamptz" and value.type ~= kind then error("it does not say in which zone it is", 0) end
  return value
end

local function endless(size, day)
  if day == math.huge then return ENDLESS[size][1] end
  if day == -math.huge then return ENDLESS[size][2] end
end

local function day_of(size, whole)
  if whole == ENDLESS[size][1] then return math.huge end
  if whole == ENDLESS[size][2] then return -math.huge end
end

M.date = {
  write = function(value)
    local day = moment_of("date", value).day
    return wire.int4(endless(4, day) or bounded(day - EPOCH, 2147483646, "days"))
  end,
  read = function(bytes)
    local whole = wire.read_int4(bytes, 1)
    return time.at("date", day_of(4, whole) or whole + EPOCH, 0)
  end,
  size = 4,
}

local function moment(kind)
  return {
    write = function(value)
      local it = moment_of(kind, value)
      return wire.int8(endless(8, it.day)
        or bounded(it.day - EPOCH, MOST_DAYS, "days") * DAY_US + bounded(it.us, 86400000000, "microseconds"))
    end,
    read = function(bytes)
      local whole = wire.read_int8(bytes, 1)
      local day = day_of(8, whole)
      if day then return time.at(kind, day, 0) end
      local us = whole % DAY_US
      if us < 0 then us = us + DAY_US end
      return time.at(kind, tonumber((whole - us) / DAY_US) + EPOCH, tonumber(us))
    end,
    size = 8,
  }
end

M.timestamp = moment "timestamp"
M.timestamptz = moment "timestamptz"

M.interval = {
  write = function(value)
    local it = type(value) == "string" and time.interval(value) or value
    if not time.is(it) or not it.months then error("it is no interval in PostgreSQL's words", 0) end
    local us = bounded(it.seconds, MOST_SECONDS, "seconds") * 1000000LL + bounded(it.us, 999999, "microseconds")
    return wire.int8(us) .. wire.int4(bounded(it.days, 2147483647, "days"))
      .. wire.int4(bounded(it.months, 2147483647, "months"))
  end,
  read = function(bytes)
    local whole = wire.read_int8(bytes, 1)
    return time.span(wire.read_int4(bytes, 13), wire.read_int4(bytes, 9), tonumber(whole / 1000000LL),
      tonumber(whole % 1000000LL))
  end,
  size = 16,
}

-- --- times of a day, which are words in Lua ---------------------------------------------------------

local function clock(us)
  local seconds = math.floor(us / 1000000)
  local text = ("%02d:%02d:%02d"):format(math.floor(seconds / 3600), math.floor(seconds / 60) % 60, seconds % 60)
  local rest = us % 1000000
  return rest == 0 and text or text .. ("." .. ("%06d"):format(rest)):gsub("0+$", "")
end

local function zone(west)
  local seconds = math.abs(west)
  local text = ("%s%02d"):format(west > 0 and "-" or "+", math.floor(seconds / 3600))
  if seconds % 3600 ~= 0 then text = text .. (":%02d"):format(math.floor(seconds / 60) % 60) end
  return seconds % 60 == 0 and text or text .. (":%02d"):format(seconds % 60)
end

local function us_of(text)
  local hours, minutes, seconds, fraction, rest = text:match "^(%d%d):(%d%d):?(%d*)%.?(%d*)(.*)$"
  if not hours then error("it is no time of a day in ISO's words", 0) end
  local us = time.micros(fraction)
  us = us + (hours * 3600 + minutes * 60 + (tonumber(seconds) or 0)) * 1000000
  if us > 86400000000 or minutes > "59" or seconds > "59" then error("there is no such time of a day", 0) end
  return us, rest
end

M.time = {
  write = function(value)
    local us, rest = us_of(tostring(value))
    if rest ~= "" then error("it is no time of a day in ISO's words", 0) end
    return wire.int8(us)
  end,
  read = function(bytes) return clock(tonumber(wire.read_int8(bytes, 1))) end,
  size = 8,
}

M.timetz = {
  write = function(value)
    local us, rest = us_of(tostring(value))
    local sign, hours, minutes, seconds = rest:match "^([+-])(%d%d):?(%d*):?(%d*)$"
    if not sign then error("it does not say in which zone it is", 0) end
    local east = hours * 3600 + (tonumber(minutes) or 0) * 60 + (tonumber(seconds) or 0)
    return wire.int8(us) .. wire.int4(sign == "+" and -east or east)
  end,
  read = function(bytes)
    return clock(tonumber(wire.read_int8(bytes, 1))) .. zone(wire.read_int4(bytes, 9))
  end,
  size = 12,
}

return M
