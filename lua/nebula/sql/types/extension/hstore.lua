--- hstore: texts by name, of the extension of that name. null is NULL; a number or boolean is written as a text.

local number = require "nebula.sql.types.number"
local values = require "nebula.value"

local null = values.null

local function quote(text)
  return '"' .. text:gsub('["\\]', "\\%0") .. '"'
end

local writer = {
  string = quote,
  boolean = function(value) return quote(tostring(value)) end,
  number = function(value) return quote(number.text(value)) end,
  cdata = function(value) return quote(number.digits(value)) end,
}

local function encode(map)
  local piece = {}
  for name, value in pairs(map) do
    local text = value == null and "NULL" or writer[type(value)] and writer[type(value)](value)
    if type(name) ~= "string" or not text then error("an hstore has texts by name, and null for NULL", 0) end
    piece[#piece + 1] = quote(name) .. "=>" .. text
  end
  table.sort(piece)
  return table.concat(piece, ", ")
end

local Hstore = { words = encode, __tostring = encode }

-- What stands between quotes from `at` on, and what comes behind.
local function quoted_at(text, at)
  local last = at
  repeat
    last = text:find('["\\]', last + 1) or error("a text in it has no end", 0)
    local is_end = text:sub(last, last) == '"'
    if not is_end then last = last + 1 end
  until is_end
  return text:sub(at + 1, last - 1):gsub("\\(.)", "%1"), last + 1
end

-- "a"=>"1", "b"=>NULL
local function decode(text)
  local map, at = setmetatable({}, Hstore), 1
  while at <= #text do
    local name, value
    name, at = quoted_at(text, at)
    at = at + #"=>"
    if text:sub(at, at) == '"' then
      value, at = quoted_at(text, at)
    else
      value, at = null, at + #"NULL"
    end
    map[name], at = value, at + #", "
  end
  return map
end

return { extension = "hstore", decode = decode, encode = encode }
