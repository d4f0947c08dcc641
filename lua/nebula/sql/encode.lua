--- encode: Lua values as the parameters of a statement.
--
--   null, booleans, numbers, int64, strings, bytes(s)   as they are
--   array{...}                                          an array, where the kind has arrays
--   a moment or an interval, as rows bring them         its words
--   any other table, json.null                          a JSON document

local array = require "nebula.sql.types.array"
local json = require "nebula.sql.types.json"
local time = require "nebula.sql.types.time"
local values = require "nebula.value"

local M = {}

--- What the driver takes of one table.
---@param value table
---@param has_arrays boolean?
---@return any value nil when it cannot be sent
---@return string? complaint
function M.one(value, has_arrays)
  if values.is_bytes(value) then return value end
  if time.is(value) then return tostring(value) end
  if not values.is_array(value) then return json.encode(value) end
  if has_arrays then return array.encode(value) end
  return nil, "this kind has no arrays; a plain table is sent as JSON"
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
