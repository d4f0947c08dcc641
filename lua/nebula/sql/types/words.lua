--- words: any value as PostgreSQL would write it, for where it stands inside another one.
--
-- What has words of its own says so in its metatable: `words(value)`. Ranges, composites, values of a codec do.

local array = require "nebula.lazy" "nebula.sql.types.array"
local bytes = require "nebula.sql.types.bytes"
local json = require "nebula.sql.types.json"
local number = require "nebula.sql.types.number"
local values = require "nebula.value"

local M = {}

local function of_table(value)
  if values.is_array(value) then return array.write(value) end
  if values.is_bytes(value) then return bytes.hex(value.bytes) end
  local meta = getmetatable(value)
  if meta and meta.words then return meta.words(value) end
  if meta and meta.__tostring then return tostring(value) end
  local document, complaint = json.encode(value)
  return document or error(complaint, 0)
end

local writer = {
  string = function(text) return text end,
  boolean = tostring,
  number = number.text,
  cdata = number.digits,
  table = of_table,
}

--- The words; raises a text when there are none.
---@param value any
---@return string? # nil for null
function M.of(value)
  if value == values.null then return nil end
  local text = writer[type(value)] and writer[type(value)](value)
  return text or error(("a %s is nothing for a database"):format(type(value)), 0)
end

---@class nebula.Coded a parameter that a codec made
---@field text string
local Coded = {}

function Coded.words(self) return self.text end

Coded.__tostring = Coded.words

--- A parameter in its type's words.
---@param text string
---@return nebula.Coded
function M.coded(text)
  return setmetatable({ text = text }, Coded)
end

--- Whether they can stand inside others without quotes.
---@param value any
---@return boolean
function M.is_plain(value)
  local kind = type(value)
  return kind == "number" or kind == "boolean" or kind == "cdata"
end

--- Whether a table has words of its own.
---@param value any
---@return boolean
function M.has(value)
  local meta = getmetatable(value)
  return type(meta) == "table" and meta.words ~= nil
end

return M
