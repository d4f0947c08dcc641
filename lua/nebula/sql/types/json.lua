--- json: documents of json and jsonb columns as Lua tables, without losing anything.
--
-- cjson, which workflows get as `json`, writes 14 digits of a number and cannot tell an empty list from
-- an empty object; a document that is read, changed and written back must not suffer that. Here whole
-- numbers are exact to 64 bits, lists are marked as lists, `null` inside a document is nebula's null, and
-- a document that is nothing but null is json.null, so that it differs from NULL.

local number = require "nebula.sql.types.number"

local values = require "nebula.value"

local null = values.null

local DEEPEST = 200

local M = {}

---@class nebula.sql.json.List a list even when it is empty
local List = {}

---@class nebula.sql.json.Null the document `null`; a copy from another worker is equal to it
local Null = {}
M.null = setmetatable({}, Null)

function Null.__eq() return true end

function Null.__tostring() return "null" end

--- Marks a table as a list, so that it is written as [] when it is empty.
---@generic T: table
---@param list T
---@return T
function M.list(list)
  return setmetatable(list, List)
end

-- --- reading ----------------------------------------------------------------------------------------

local unescaped = { b = "\b", f = "\f", n = "\n", r = "\r", t = "\t", ['"'] = '"', ["\\"] = "\\", ["/"] = "/" }

local function utf8(code)
  if code < 0x80 then return string.char(code) end
  local tail, lead, most = "", 0xc0, 0x20
  repeat
    tail = string.char(0x80 + code % 64) .. tail
    code = math.floor(code / 64)
    if code >= most then lead, most = lead + most, most / 2 end
  until code < most
  return string.char(lead + code) .. tail
end

-- The character of \uXXXX at `at`, or of two of them that are one, and where it ends.
local function unicode(text, at)
  local code, next_at = tonumber(text:sub(at + 2, at + 5), 16), at + 6
  local low = code >= 0xd800 and code <= 0xdbff and text:match("^\\u([dD][c-fC-F]%x%x)", next_at)
  if not low then return utf8(code), next_at end
  return utf8(0x10000 + (code - 0xd800) * 0x400 + tonumber(low, 16) - 0xdc00), next_at + 6
end

local function unescape(text)
  local piece, at = {}, 1
  local slash = text:find("\\", 1, true)
  while slash do
    piece[#piece + 1] = text:sub(at, slash - 1)
    local c = text:sub(slash + 1, slash + 1)
    if c == "u" then
      piece[#piece + 1], at = unicode(text, slash)
    else
      piece[#piece + 1], at = unescaped[c], slash + 2
    end
    slash = text:find("\\", at, true)
  end
  return table.concat(piece) .. text:sub(at)
end

local value_at

-- What does not begin with a quote is no string.
local function string_at(text, at)
  if text:sub(at, at) ~= '"' then error("no string", 0) end
  local last = at
  repeat
    last = text:find('["\\]', last + 1)
    local is_end = text:sub(last, last) == '"'
    if not is_end then last = last + 1 end
  until is_end
  local inner = text:sub(at + 1, last - 1)
  if inner:find("\\", 1, true) then inner = unescape(inner) end
  return inner, last + 1
end

local function list_at(text, at)
  local list, count = M.list {}, 0
  local next_at = text:match("^%s*%]()", at + 1)
  if next_at then return list, next_at end
  repeat
    count = count + 1
    list[count], at = value_at(text, at + 1)
    at = text:match("^%s*()", at)
  until text:sub(at, at) ~= ","
  return list, at + 1
end

local function object_at(text, at)
  local object = {}
  local next_at = text:match("^%s*}()", at + 1)
  if next_at then return object, next_at end
  repeat
    local name
    name, at = string_at(text, text:match("^%s*()", at + 1))
    at = text:match("^%s*:()", at)
    if not at then error("no value", 0) end -- and not from the beginning of the text
    object[name], at = value_at(text, at)
    at = text:match("^%s*()", at)
  until text:sub(at, at) ~= ","
  return object, at + 1
end

local function word(value)
  return function(text, at) return value, text:match("^%a+()", at) end
end

local begins = {
  ['"'] = string_at,
  ["["] = list_at,
  ["{"] = object_at,
  n = word(null),
  t = word(true),
  f = word(false),
}

local function number_at(text, at)
  local digits, next_at = text:match("^([-+.%deE]+)()", at)
  local whole = digits:find "^-?%d+$" and number.integer(digits)
  return whole or tonumber(digits), next_at
end

function value_at(text, at)
  at = text:match("^%s*()", at)
  return (begins[text:sub(at, at)] or number_at)(text, at)
end

--- The value of a document that the server wrote, so it is well-formed; raises or gives nil when it is not.
---@param text string
---@return any
function M.decode(text)
  local value = value_at(text, 1)
  if value == null then return M.null end
  return value
end

-- --- writing ----------------------------------------------------------------------------------------

local escapes = { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }

local function quoted(text)
  return '"' .. text:gsub('[%c"\\]', function(c)
    if c == "\127" then return c end
    return escapes[c] or ("\\u%04x"):format(c:byte())
  end) .. '"'
end

local write

-- How many entries, when the table is a list.
local function length(value)
  local count = 0
  for key in pairs(value) do
    if type(key) ~= "number" then return nil end
    count = count + 1
  end
  if count == #value and (count > 0 or getmetatable(value) == List) then return count end
end

local function write_list(value, count, depth)
  local piece = {}
  for at = 1, count do piece[at] = write(value[at], depth) end
  return "[" .. table.concat(piece, ",") .. "]"
end

local function sorted_names(value)
  local names, count = {}, 0
  for key in pairs(value) do
    if type(key) ~= "string" then
      error("a table is either a list without holes or has strings as keys, to be a JSON document", 0)
    end
    count = count + 1
    names[count] = key
  end
  table.sort(names)
  return names
end

-- Sorted, so that the same table is the same text whoever wrote it.
local function write_object(value, depth)
  local names, piece = sorted_names(value), {}
  for at = 1, #names do
    piece[at] = quoted(names[at]) .. ":" .. write(value[names[at]], depth)
  end
  return "{" .. table.concat(piece, ",") .. "}"
end

-- What is written by its own words: a moment, an interval.
local function has_words(value)
  local meta = getmetatable(value)
  return meta and meta.__tostring
end

local function write_table(value, depth)
  if value == M.null then return "null" end
  if values.is_bytes(value) then return nil end
  if depth == DEEPEST then error(("a document is nested deeper than %d"):format(DEEPEST), 0) end
  local count = values.is_array(value) and #value or length(value)
  if not count and has_words(value) then return quoted(tostring(value)) end
  if count then return write_list(value, count, depth + 1) end
  return write_object(value, depth + 1)
end

local function write_number(value)
  if value ~= value or value == math.huge or value == -math.huge then
    error("a document has no number for " .. number.text(value), 0)
  end
  return number.text(value)
end

local writer = {
  string = quoted,
  boolean = tostring,
  number = write_number,
  table = write_table,
  cdata = number.digits,
}

function write(value, depth)
  if value == null then return "null" end
  local text = writer[type(value)] and writer[type(value)](value, depth)
  return text or error(("a %s is nothing for a document"):format(type(value)), 0)
end

--- The text of a document.
---@param value any
---@return string? text nil when the value is no document
---@return string? complaint
function M.encode(value)
  local ok, text = pcall(write, value, 0)
  if not ok then return nil, text end
  return text
end

return M
