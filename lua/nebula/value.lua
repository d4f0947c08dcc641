--- value: what has no literal in Lua: null, bytes, arrays.

local cjson = require "cjson"

local value = {}

--- SQL's NULL and JSON's null: one value, and true in a condition, unlike nil. Rows hold it; parameters take it.
---@type lightuserdata
value.null = cjson.null

---@class nebula.Bytes
---@field bytes string
local Bytes = {}
Bytes.__index = Bytes

---@class nebula.Array
---@field list any[]
---@field count integer
local Array = {}
Array.__index = Array

--- A parameter that is bytes and not text.
---@param text string
---@return nebula.Bytes
function value.bytes(text)
  if type(text) ~= "string" then
    error("bytes(text): text must be a string, not " .. type(text), 2)
  end
  return setmetatable({ bytes = text }, Bytes)
end

--- A parameter that is an array. Its elements are parameters themselves: null, numbers, strings, arrays ...
---@param list any[]
---@param count integer|nil how many there are; default #list
---@return nebula.Array
function value.array(list, count)
  if type(list) ~= "table" then
    error("array(list): list must be a table, not " .. type(list), 2)
  end
  return setmetatable({ list = list, count = count or #list }, Array)
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
