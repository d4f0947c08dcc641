--- composite: PostgreSQL's rows as values, to Lua tables and back.
--
-- What comes is a table by the names of the type's fields, with every field, and null for NULL. It may be sent back as
-- it is, changed or not. One that was not read is written by place: composite { "Main Street", 5, null }.

local values = require "nebula.value"
local words = require "nebula.sql.types.words"

local null = values.null

local M = {}

-- --- writing ----------------------------------------------------------------------------------------

local function field(value)
  if value == nil then error("a field of a composite is nil; for a NULL write null", 0) end
  local text = words.of(value)
  if not text then return "" end
  return words.is_plain(value) and text or '"' .. text:gsub('["\\]', "%0%0") .. '"'
end

local function write(list, count)
  local piece = {}
  for at = 1, count do piece[at] = field(list(at)) end
  return "(" .. table.concat(piece, ",") .. ")"
end

---@class nebula.Composite by place
local Composite = {}

function Composite.words(self)
  return write(function(at) return self[at] end, self.n)
end

function Composite.__tostring(self)
  return Composite.words(self)
end

local made_of = setmetatable({}, { __mode = "k" }) -- what class() was given, by class

--- What a metatable of class() was made of, for whoever makes the same one elsewhere.
---@param class table
---@return { names: string[], are_bytes: table<integer, boolean> }|nil
function M.made_of(class)
  return made_of[class]
end

--- The metatable of what has these fields.
---@param names string[]
---@param are_bytes table<integer, boolean> fields whose strings are bytes, by place
---@return table
function M.class(names, are_bytes)
  local class = {}
  made_of[class] = { names = names, are_bytes = are_bytes }
  function class.words(self)
    return write(function(at)
      local value = self[names[at]]
      return are_bytes[at] and type(value) == "string" and values.bytes(value) or value
    end, #names)
  end
  class.__tostring = class.words
  return class
end

-- --- reading ----------------------------------------------------------------------------------------

-- The text of a field and what stands behind it; false for NULL. Quotes inside quotes are doubled, and so are
-- backslashes.
local function field_at(text, at)
  local first = text:sub(at, at)
  if first == "," or first == ")" then return false, at end
  if first ~= '"' then return text:match("^([^,)]*)()", at) end
  local last = at
  repeat
    last = text:find('["\\]', last + 1)
    if not last then return false, #text + 2 end
    local is_end = text:sub(last, last) == '"' and text:sub(last + 1, last + 1) ~= '"'
    if not is_end then last = last + 1 end
  until is_end
  return text:sub(at + 1, last - 1):gsub('(["\\])(.)', "%2"), last + 1
end

--- A composite from the server's words.
---@param text string
---@param names string[]
---@param class table what class() gave for them
---@param decode fun(at: integer, text: string): any of the field in a place
---@return table? # nil when these are the words of something else, such as a type that has other fields by now
function M.decode(text, names, class, decode)
  local row, at = {}, 2
  if text:sub(1, 1) ~= "(" then return nil end
  for i = 1, #names do
    local word
    word, at = field_at(text, at)
    if word then row[names[i]] = decode(i, word) else row[names[i]] = null end
    if text:sub(at, at) ~= (i < #names and "," or ")") then return nil end
    at = at + 1
  end
  if #names == 0 then at = at + 1 end
  return at == #text + 1 and setmetatable(row, class) or nil
end

--- Makes the list itself a composite, by place.
---@param list any[] without holes; NULL is null
---@return nebula.Composite
function M.new(list)
  if type(list) ~= "table" then
    error("composite(list): list must be a table, not " .. type(list), 3)
  end
  for key in pairs(list) do
    if key ~= "n" and (type(key) ~= "number" or key < 1 or key > #list) then
      error("composite(list): it counts from 1 without holes; NULL is written null", 3)
    end
  end
  list.n = #list
  return setmetatable(list, Composite)
end

return M
