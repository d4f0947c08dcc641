--- time: moments and intervals, exact to the microsecond over all that PostgreSQL knows.
--
-- A moment (timestamptz, timestamp, date) is a day and the microseconds in it, both whole numbers that
-- a Lua number holds exactly. `day` counts from 1970-01-01 and is math.huge or -math.huge for infinity.
-- A timestamptz is kept in UTC. Moments compare with == < <=, their difference is in seconds, tostring()
-- writes them as PostgreSQL reads them, and so they may be parameters again.
--
-- An interval has PostgreSQL's own parts, because a month has no length: months, days, and seconds with
-- microseconds of the same sign. Intervals compare as the server compares them: a month as 30 days.

local DAY_S = 86400
local DAY_US = DAY_S * 1000000

local floor = math.floor

-- --- the calendar -----------------------------------------------------------------------------------

-- Days since 1970-01-01 of a date of the proleptic Gregorian calendar; year 0 is 1 BC. Counted in eras of 400
-- years that begin with March, so that the leap day is the last.
local function day_of(year, month, day)
  if month <= 2 then year = year - 1 end
  local era = floor(year / 400)
  local of_era = year - era * 400
  local of_year = floor((153 * ((month + 9) % 12) + 2) / 5) + day - 1
  return era * 146097 + of_era * 365 + floor(of_era / 4) - floor(of_era / 100) + of_year - 719468
end

local function date_of(day)
  day = day + 719468
  local era = floor(day / 146097)
  local rest = day - era * 146097
  local of_era = floor((rest - floor(rest / 1460) + floor(rest / 36524) - floor(rest / 146096)) / 365)
  local of_year = rest - (365 * of_era + floor(of_era / 4) - floor(of_era / 100))
  local month = floor((5 * of_year + 2) / 153)
  local year = era * 400 + of_era + (month >= 10 and 1 or 0)
  return year, (month + 2) % 12 + 1, of_year - floor((153 * month + 2) / 5) + 1
end

local WHOLE = 2 ^ 52 -- from here on doubles are whole, so what is added to it is rounded, as the server rounds

-- Of what stands behind a point; a whole second when it is rounded up.
local function micros(fraction)
  if #fraction <= 6 then return tonumber((fraction .. "000000"):sub(1, 6)) end
  return tonumber("0." .. fraction) * 1000000 + WHOLE - WHOLE
end

local function clock(us)
  local seconds = floor(us / 1000000)
  local text = ("%02d:%02d:%02d"):format(floor(seconds / 3600), floor(seconds / 60) % 60, seconds % 60)
  local rest = us - seconds * 1000000
  return rest == 0 and text or ("%s.%06d"):format(text, rest)
end

-- --- moments ----------------------------------------------------------------------------------------

---@class nebula.Moment
---@field type "timestamptz"|"timestamp"|"date"
---@field day number days since 1970-01-01; math.huge, -math.huge
---@field us number microseconds of the day
local Moment = {}
Moment.__index = Moment

local function moment(kind, day, us)
  return setmetatable({ type = kind, day = day, us = us }, Moment)
end

function Moment.__eq(a, b)
  return a.day == b.day and a.us == b.us
end

function Moment.__lt(a, b)
  return a.day < b.day or a.day == b.day and a.us < b.us
end

function Moment.__le(a, b)
  return a.day < b.day or a.day == b.day and a.us <= b.us
end

--- Seconds from b to a.
function Moment.__sub(a, b)
  return (a.day - b.day) * DAY_S + (a.us - b.us) / 1000000
end

--- Seconds since 1970-01-01 00:00: exact to the microsecond for 250 years around it.
---@return number
function Moment:seconds()
  return self.day * DAY_S + self.us / 1000000
end

function Moment:__tostring()
  if self.day == math.huge then return "infinity" end
  if self.day == -math.huge then return "-infinity" end
  local year, month, day = date_of(self.day)
  local text = ("%04d-%02d-%02d"):format(year > 0 and year or 1 - year, month, day)
  if self.type ~= "date" then text = text .. " " .. clock(self.us) end
  if self.type == "timestamptz" then text = text .. "+00" end
  return year > 0 and text or text .. " BC"
end

function Moment.__concat(a, b)
  return tostring(a) .. tostring(b)
end

local infinity = { infinity = math.huge, ["-infinity"] = -math.huge }

local function offset_of(text)
  local sign, hours, rest = text:match "^([+-])(%d%d):?(.*)$"
  if not sign then return nil end
  local minutes, seconds = rest:match "^(%d%d):?(%d*)$"
  local total = hours * 3600 + (minutes or 0) * 60 + (tonumber(seconds) or 0)
  return sign == "-" and -total or total
end

local function date_at(text)
  local year, month, day, rest = text:match "^(%d%d%d%d+)-(%d%d)-(%d%d)(.*)$"
  if not year then return nil end
  local before, bc = rest:match "^(.-)( BC)$"
  year = bc and 1 - year or tonumber(year)
  return day_of(year, tonumber(month), tonumber(day)), before or rest
end

local function clock_at(text)
  local hours, minutes, seconds, fraction, zone = text:match "^ (%d%d):(%d%d):(%d%d)%.?(%d*)(.*)$"
  if not hours then return nil end
  return (hours * 3600 + minutes * 60 + seconds) * 1000000 + micros(fraction), zone
end

local M = {}

--- Microseconds of what stands behind the point of a second, rounded; 1000000 when that makes a whole second.
---@param fraction string digits
---@return number
M.micros = micros

--- A moment from its parts.
---@param kind "timestamptz"|"timestamp"|"date"
---@param day number days since 1970-01-01, or an infinity
---@param us number of the day
---@return nebula.Moment
M.at = moment

--- A moment from the server's words; words that are not ISO's stay words.
---@param kind "timestamptz"|"timestamp"|"date"
---@param text string
---@return nebula.Moment|string
function M.moment(kind, text)
  if infinity[text] then return moment(kind, infinity[text], 0) end
  local day, rest = date_at(text)
  if not day then return text end
  if kind == "date" then return moment(kind, day, 0) end
  local us, zone = clock_at(rest)
  if not us then return text end
  if kind == "timestamptz" then
    local offset = offset_of(zone)
    if not offset then return text end
    us = us - offset * 1000000
  end
  local carry = floor(us / DAY_US)
  return moment(kind, day + carry, us - carry * DAY_US)
end

-- --- intervals --------------------------------------------------------------------------------------

---@class nebula.Interval
---@field months number
---@field days number
---@field seconds number whole
---@field us number -999999..999999, of the sign of seconds
local Interval = {}
Interval.__index = Interval

-- Days, seconds of the day, microseconds of the second: as the server compares.
local function weight(i)
  local seconds = i.seconds + (i.us < 0 and -1 or 0)
  local us = i.us % 1000000
  local days = floor(seconds / DAY_S)
  return i.months * 30 + i.days + days, seconds - days * DAY_S, us
end

local function compare(a, b)
  local a_days, a_seconds, a_us = weight(a)
  local b_days, b_seconds, b_us = weight(b)
  if a_days ~= b_days then return a_days - b_days end
  if a_seconds ~= b_seconds then return a_seconds - b_seconds end
  return a_us - b_us
end

function Interval.__eq(a, b) return compare(a, b) == 0 end
function Interval.__lt(a, b) return compare(a, b) < 0 end
function Interval.__le(a, b) return compare(a, b) <= 0 end
Interval.__concat = Moment.__concat

-- Every part has its sign, so that the words mean the same in every style of intervals.
function Interval:__tostring()
  local sign = (self.seconds < 0 or self.us < 0) and "-" or "+"
  local seconds = math.abs(self.seconds)
  return ("%+d mons %+d days %s%02d:%02d:%02d.%06d"):format(self.months, self.days, sign,
    floor(seconds / 3600), floor(seconds / 60) % 60, seconds % 60, math.abs(self.us))
end

local months_of = { year = 12, years = 12, mon = 1, mons = 1 }
local days_of = { day = 1, days = 1 }

--- An interval from the server's words; words of another style than `postgres` stay words.
---@param text string
---@return nebula.Interval|string
function M.interval(text)
  local self = { months = 0, days = 0, seconds = 0, us = 0 }
  local rest = text:gsub("([+-]?%d+) (%a+) ?", function(count, unit)
    self.months = self.months + count * (months_of[unit] or 0)
    self.days = self.days + count * (days_of[unit] or 0)
    return (months_of[unit] or days_of[unit]) and ""
  end)
  if rest ~= "" then
    local sign, hours, minutes, seconds, fraction = rest:match "^([+-]?)(%d+):(%d%d):(%d%d)%.?(%d*)$"
    if not sign then return text end
    local by = sign == "-" and -1 or 1
    local us = micros(fraction)
    self.seconds = by * (hours * 3600 + minutes * 60 + seconds + floor(us / 1000000))
    self.us = by * (us % 1000000)
  end
  return setmetatable(self, Interval)
end

--- An interval from its parts; seconds and us have one sign.
---@param months number
---@param days number
---@param seconds number
---@param us number
---@return nebula.Interval
function M.span(months, days, seconds, us)
  return setmetatable({ months = months, days = days, seconds = seconds, us = us }, Interval)
end

--- Whether a value is a moment or an interval.
---@param value any
---@return boolean
function M.is(value)
  local meta = getmetatable(value)
  return meta == Moment or meta == Interval
end

return M
