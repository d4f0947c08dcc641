--- range: PostgreSQL's ranges and multiranges, to Lua tables and back.
--
--   range { lower = 1, upper = 5 }                  [1,5): from 1 to before 5
--   range { lower = day, bounds = "(]" }            without upper: no end
--   range { empty = true }
--   multirange { range {...}, range {...} }
--
-- Bounds are values of the element's type, as rows bring them. The server writes what it knows to be the same in one
-- way alone: of whole numbers and days [1,4] comes back as [1,5).

local values = require "nebula.value"
local words = require "nebula.sql.types.words"

---@class nebula.Range
---@field lower any nil: no beginning
---@field upper any nil: no end
---@field bounds "[)"|"[]"|"(]"|"()" whether they belong to it
---@field empty boolean|nil nothing is in it
local Range = {}
Range.__index = Range

---@class nebula.Multirange
local Multirange = {}
Multirange.__index = Multirange

local styles = { ["[)"] = true, ["[]"] = true, ["(]"] = true, ["()"] = true }

-- --- writing ----------------------------------------------------------------------------------------

local function bound(value)
  if value == nil then return "" end
  local text = words.of(value) or error("a bound of a range is never null: leave it out for none", 0)
  return words.is_plain(value) and text or '"' .. text:gsub('["\\]', "\\%0") .. '"'
end

--- The words of a range.
---@param self nebula.Range
---@return string
function Range.words(self)
  if self.empty then return "empty" end
  return self.bounds:sub(1, 1) .. bound(self.lower) .. "," .. bound(self.upper) .. self.bounds:sub(2)
end

function Range.__tostring(self)
  return Range.words(self)
end

function Range.__eq(a, b)
  if a.empty or b.empty then return a.empty == b.empty end
  return a.lower == b.lower and a.upper == b.upper and a.bounds == b.bounds
end

--- The words of a multirange.
---@param self nebula.Multirange
---@return string
function Multirange.words(self)
  local piece = {}
  for at, one in ipairs(self) do piece[at] = Range.words(one) end
  return "{" .. table.concat(piece, ",") .. "}"
end

function Multirange.__tostring(self)
  return Multirange.words(self)
end

function Multirange.__eq(a, b)
  for at = 1, math.max(#a, #b) do
    if a[at] ~= b[at] then return false end
  end
  return true
end

-- --- reading ----------------------------------------------------------------------------------------

-- A bound, and what stands behind it. Quotes inside quotes are doubled, and so are backslashes.
local function bound_at(text, at, decode)
  if text:sub(at, at) ~= '"' then
    local word, behind = text:match("^([^,%])]*)()", at)
    if word == "" then return nil, behind end
    return decode(word), behind
  end
  local last = at
  repeat
    last = text:find('["\\]', last + 1)
    if not last then return nil, nil end
    local is_end = text:sub(last, last) == '"' and text:sub(last + 1, last + 1) ~= '"'
    if not is_end then last = last + 1 end
  until is_end
  return decode((text:sub(at + 1, last - 1):gsub('(["\\])(.)', "%2"))), last + 1
end

local function range_at(text, at, decode)
  local first = text:sub(at, at)
  if text:find("^empty", at) then return setmetatable({ empty = true }, Range), at + 5 end
  if first ~= "[" and first ~= "(" then return nil, at end
  local lower, upper
  lower, at = bound_at(text, at + 1, decode)
  if not at or text:sub(at, at) ~= "," then return nil, #text + 2 end
  upper, at = bound_at(text, at + 1, decode)
  local last = at and text:sub(at, at) or ""
  if last ~= "]" and last ~= ")" then return nil, #text + 2 end
  return setmetatable({ lower = lower, upper = upper, bounds = first .. last }, Range), at + 1
end

local M = {}

--- A range, or a multirange, from what it is made of, which is not looked at.
---@param made table
---@param is_many boolean|nil
---@return nebula.Range|nebula.Multirange
function M.of(made, is_many)
  return setmetatable(made, is_many and Multirange or Range)
end

--- A range from the server's words.
---@param text string
---@param decode fun(text: string): any of a bound
---@return nebula.Range? # nil when these are the words of something else
function M.decode(text, decode)
  local range, behind = range_at(text, 1, decode)
  return behind == #text + 1 and range or nil
end

--- A multirange from the server's words.
---@param text string
---@param decode fun(text: string): any of a bound
---@return nebula.Multirange? # nil when these are the words of something else
function M.decode_many(text, decode)
  local list, at = setmetatable({}, Multirange), 2
  if text == "{}" then return list end
  if text:sub(1, 1) ~= "{" then return nil end
  repeat
    list[#list + 1], at = range_at(text, at, decode)
    at = at + 1
  until text:sub(at - 1, at - 1) ~= ","
  return text:sub(at - 1) == "}" and list or nil
end

-- --- what a workflow says ---------------------------------------------------------------------------

--- Makes the table itself a range.
---@param given { lower: any, upper: any, bounds: string|nil, empty: boolean|nil }
---@return nebula.Range
function M.new(given)
  if type(given) ~= "table" then
    error("range(given): given must be a table, not " .. type(given), 3)
  end
  for name in pairs(given) do
    if name ~= "lower" and name ~= "upper" and name ~= "bounds" and name ~= "empty" then
      error(("range(given): there is no field %s; write lower, upper, bounds, empty"):format(tostring(name)), 3)
    end
  end
  if given.bounds ~= nil and not styles[given.bounds] then
    error(('range(given): bounds are "[)", "[]", "(]" or "()", not %s'):format(tostring(given.bounds)), 3)
  elseif given.lower == values.null or given.upper == values.null then
    error("range(given): a bound is never null: leave it out for none", 3)
  end
  given.bounds = given.bounds or "[)"
  return setmetatable(given, Range)
end

--- Makes the list itself a multirange.
---@param list nebula.Range[]
---@return nebula.Multirange
function M.new_many(list)
  if type(list) ~= "table" then
    error("multirange(list): list must be a table, not " .. type(list), 3)
  end
  for key, one in pairs(list) do
    if getmetatable(one) ~= Range or type(key) ~= "number" or key < 1 or key > #list then
      error("multirange(list): a list of ranges is expected", 3)
    end
  end
  return setmetatable(list, Multirange)
end

return M
