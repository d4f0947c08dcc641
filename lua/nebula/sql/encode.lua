--- encode: Lua values as the parameters of a statement.
--
--   null, booleans, numbers, int64, strings, bytes(s)   as they are
--   array{...}                                          an array, where the kind has arrays
--   range{...}, multirange{...}, composite{...}         their words, where the kind has such types
--   a moment, an interval, a value of a codec           its words
--   any other table, json.null                          a JSON document

local array = require "nebula.sql.types.array"
local json = require "nebula.sql.types.json"
local time = require "nebula.sql.types.time"
local values = require "nebula.value"
local words = require "nebula.sql.types.words"

local M = {}

--- What the driver takes of one table.
---@param value table
---@param has_arrays boolean?
---@return any value nil when it cannot be sent
---@return string? complaint
function M.one(value, has_arrays)
  if values.is_bytes(value) then return value end
  if time.is(value) then return tostring(value) end
  local is_array = values.is_array(value)
  if not is_array and not words.has(value) then return json.encode(value) end
  if not has_arrays then
    return nil, ("this kind has no %s; a plain table is sent as JSON"):format(is_array and "arrays" or "such types")
  end
  if is_array then return array.encode(value) end
  local ok, text = pcall(words.of, value)
  if not ok then return nil, text end
  return text
end

--- Makes what the driver takes of every table in the list, in place.
---@param list any[]
---@param count integer
---@param has_arrays boolean
---@return any[]? list nil when one of them cannot be sent
---@return string? complaint
function M.all(list, count, has_arrays)
  for at = 1, count do
    if type(list[at]) == "table" then
      local value, complaint = M.one(list[at], has_arrays)
      if value == nil then return nil, ("value %d: %s"):format(at, complaint) end
      list[at] = value
    end
  end
  return list
end

return M
