--- value: what has no literal in Lua: null, bytes, arrays.

local worker = require "nebula.worker"

local value = {}

--- SQL's NULL and JSON's null: one value, and true in a condition, unlike nil. Rows hold it; parameters take it.
---@type lightuserdata
value.null = worker.null

---@class nebula.Bytes
---@field bytes string
local Bytes = {}
Bytes.__index = Bytes

---@class nebula.Array
---@field n integer how many elements
---@field delimiter string|nil between two elements, when it is no comma: ";" of box[]
---@field lower integer[]|nil lower bounds that are not 1, of each dimension, the outermost first
local Array = {}

function Array:__tostring()
  return ("array: %d"):format(self.n)
end

--- A parameter that is bytes and not text.
---@param text string
---@return nebula.Bytes
function value.bytes(text)
  if type(text) ~= "string" then
    error("bytes(text): text must be a string, not " .. type(text), 2)
  end
  return setmetatable({ bytes = text }, Bytes)
end

--- Makes the table itself an array, as a parameter; rows hold arrays of the same make. It counts from 1 and has no
--- holes, for NULL is null. Its elements are parameters themselves: numbers, strings, arrays (one more dimension) ...
---@param list any[]
---@return nebula.Array
function value.array(list)
  if type(list) ~= "table" then
    error("array(list): list must be a table, not " .. type(list), 2)
  end
  for key in pairs(list) do
    local is_place = type(key) == "number" and key >= 1 and key <= #list
    if not is_place and key ~= "n" and key ~= "lower" and key ~= "delimiter" then
      error("array(list): it counts from 1 without holes; NULL is written null", 2)
    end
  end
  list.n = #list
  return setmetatable(list, Array)
end

---@param x any
---@return boolean
function value.is_bytes(x)
  return getmetatable(x) == Bytes
end

---@param x any
---@return boolean
function value.is_array(x)
  return getmetatable(x) == Array
end

return value
