--- values: single values of settings, read by their rows: from what was written to what the engine counts in.

local keys = require "nebula.keys"
local suggest = require "nebula.suggest"
local units = require "nebula.units"

local values = {}

--- A word or number that a user wrote, if it is harmless to repeat it.
---@param value any
---@return string # `"lifo"`, `12`, or "this"
function values.quote(value)
  if type(value) == "number" then
    return ("%.14g"):format(value)
  elseif type(value) == "string" and #value <= 40 and value:find("^[%w_][%w_%.%-%%/ ]*$") then
    return '"' .. value .. '"'
  end
  return "this"
end

-- Sequences that look like UTF-8 but are too long for what they say, surrogates, or beyond the last character.
local IMPOSSIBLE = { "\224[\128-\159]", "\237[\160-\191]", "\240[\128-\143]", "\244[\144-\191]" }

local function is_utf8(value)
  for _, pattern in ipairs(IMPOSSIBLE) do
    if value:find(pattern) then
      return false
    end
  end
  local rest = value:gsub("[\194-\223][\128-\191]", ""):gsub("[\224-\239][\128-\191][\128-\191]", "")
    :gsub("[\240-\244][\128-\191][\128-\191][\128-\191]", "")
  return not rest:find("[\128-\255]")
end

local function read_string(value, row)
  if type(value) ~= "string" then
    return nil, "expected a text, got a " .. type(value)
  end
  if value:find("%z") then
    return nil, "holds a NUL byte"
  elseif not is_utf8(value) then
    return nil, "is not valid UTF-8"
  elseif #value > (row.max or 4096) then
    return nil, ("has %d bytes; the most is %d"):format(#value, row.max or 4096)
  end
  return value
end

local function read_number(value, _, from_text)
  if from_text then
    value = tonumber(value)
  end
  if type(value) ~= "number" then
    return nil, "expected a number" .. (from_text and "" or ", got a " .. type(value))
  elseif value ~= value or math.abs(value) == math.huge then
    return nil, "is not a finite number"
  end
  return value
end

local function read_integer(value, row, from_text)
  local number, why = read_number(value, row, from_text)
  if not number then
    return nil, (why:gsub("expected a number", "expected a whole number"))
  elseif number % 1 ~= 0 or math.abs(number) >= 2 ^ 53 then
    return nil, from_text and "is no whole number" or values.quote(number) .. " is no whole number"
  end
  return number
end

local function read_function(value)
  if type(value) ~= "function" then
    return nil, "expected a function, got a " .. type(value)
  end
  return value
end

local function read_boolean(value, _, from_text)
  if from_text and (value == "true" or value == "false") then
    return value == "true"
  elseif type(value) ~= "boolean" then
    return nil, "expected true or false" .. (from_text and "" or ", got a " .. type(value))
  end
  return value
end

local function read_enum(value, row, from_text)
  for _, word in ipairs(row.one_of) do
    if word == value then
      return value
    end
  end
  if from_text then
    return nil, "the environment's value is not possible here; known: " .. table.concat(row.one_of, ", ")
  end
  return nil, values.quote(value) .. " is not possible here" .. suggest(value, { unpack(row.one_of) })
end

-- The function itself stays in the judge: shape.lua reads what stands for it.
local function read_question(value, row, from_text)
  if not row.one_of then
    return nil, "expected a function, got a " .. type(value)
  end
  local word, why = read_enum(value, row, from_text)
  return word, why and why .. "; or a function"
end

local function read_unit(read)
  return function(value, _, from_text)
    local amount, why = read(value)
    if not amount and not from_text and type(value) ~= "table" then
      why = values.quote(value) .. " will not do: " .. why
    end
    return amount, why
  end
end

-- 0.5 or "50%".
local function read_share(value, row, from_text)
  local percent = type(value) == "string" and value:match "^(%d+%.?%d*)%%$"
  local share, why = read_number(percent and tonumber(percent) / 100 or value, row, from_text and not percent)
  if not share then
    return nil, (why:gsub("expected a number", 'expected a share, 0.5 or "50%%"'))
  elseif share < 0 or share > 1 then
    return nil, "is no share: 0 to 1, or 0% to 100%"
  end
  return share
end

-- A rate as it was written: so many calls in so much time.
local function read_pace(value)
  local count, us = units.pace(value)
  if not count then
    return nil, us
  end
  return { count = count, us = us }
end

-- The last calls, or those of the last span.
local function read_window(value, row, from_text)
  local calls = from_text and tonumber(value) or value
  if type(calls) == "number" then
    if calls % 1 ~= 0 or calls < 1 or calls > row.max then
      return nil, ("is no number of calls from 1 to %d"):format(row.max)
    end
    return { calls = calls }
  end
  local us, why = units.duration(value)
  if us and us < row.min then
    return nil, "is less than " .. units.show_duration(row.min)
  end
  return us and { us = us }, why and why .. ", or a number of calls" or nil
end

-- A time, or the one within which so many of 100 calls end.
local function read_delay(value)
  local percent = type(value) == "string" and tonumber(value:match "^p(%d%d?)$" or value:match "^p(%d%d?%.%d)$")
  if percent and percent > 0 then
    return { permille = math.floor(percent * 10 + 0.5) }
  end
  local us, why = units.duration(value)
  if us == 0 then
    return nil, "is no time"
  end
  return us and { us = us }, why and why .. ', or a percentile, such as "p95" or "p99.9"' or nil
end

local SHOW = { duration = units.show_duration, size = units.show_size }
local BOUNDED = { integer = true, number = true, duration = true, size = true, rate = true }
local READ = {
  string = read_string, secret = read_string, number = read_number, integer = read_integer, boolean = read_boolean,
  enum = read_enum, duration = read_unit(units.duration), size = read_unit(units.size), rate = read_unit(units.rate),
  share = read_share,
}

local function check_bounds(value, row)
  local show = SHOW[row.type] or tostring
  if row.min and value < row.min then
    return "is less than " .. show(row.min)
  elseif row.max and value > row.max then
    return "is more than " .. show(row.max)
  end
end

---@type string[] that a single value of a declaration may have, sorted
values.types = keys(READ)
READ["function"] = read_function -- in what is no declaration: services
-- In what is ours, not in the rows of kinds.
READ.question, READ.window = read_question, read_window
READ.pace, READ.delay = read_unit(read_pace), read_unit(read_delay)

--- Is a row about one value, not about a table of them?
---@param row nebula.Row
function values.is_single(row)
  return READ[row.type] ~= nil
end

--- A value as the engine counts it, or nil and why not.
---@param row nebula.Row of a single value
---@param value any
---@param from_text boolean|nil it is text from the environment: a number may be written in it, and it is not repeated
---@return any|nil
---@return string|nil why
function values.read(row, value, from_text)
  local read, why = READ[row.type](value, row, from_text)
  if read ~= nil and BOUNDED[row.type] then
    why = check_bounds(read, row)
  end
  if read ~= nil and not why and row.check then
    why = row.check(read)
  end
  if why then
    return nil, why
  end
  return read
end

return values
