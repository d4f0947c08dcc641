--- arguments: Lua values where the engine takes them from, in structs that are used again and again, because
--- nebula_call() copies them.

local c = require "nebula.c"
local errors = require "nebula.error"
local value = require "nebula.value"

local lib = c.lib
local floor = math.floor

local LARGEST = 2 ^ 53 -- whole numbers beyond it are not exact in a double

local capacity = 64

local arguments = {
  values = c.new("struct nebula_value[?]", capacity), ---@type ffi.cdata* another one after reserve()
}

local function put_bytes(at, kind, text)
  at.type, at.size, at.bytes = kind, #text, text
end

local function put_number(at, v)
  if v == floor(v) and v > -LARGEST and v < LARGEST and (v ~= 0 or 1 / v > 0) then
    at.type, at.integer = lib.NEBULA_INT, v
  else
    at.type, at.number = lib.NEBULA_FLOAT, v
  end
end

local function put_rest(at, v, number)
  local integer, fits = c.integer(v)
  if integer then
    if not fits then
      errors.raise("parameter %d: %s is too large for a signed integer of 64 bits", number, tostring(v))
    end
    at.type, at.integer = lib.NEBULA_INT, integer
  elseif value.is_bytes(v) then
    put_bytes(at, lib.NEBULA_BYTES, v.bytes)
  elseif v == nil then
    errors.raise("parameter %d is nil; for a NULL write null", number)
  else
    errors.raise("parameter %d is a %s; a parameter is null, a boolean, a number, a string, bytes() or array()",
      number, type(v))
  end
end

local function put(i, v, number)
  local at, kind = arguments.values[i], type(v)
  if kind == "string" then
    put_bytes(at, lib.NEBULA_TEXT, v)
  elseif kind == "number" then
    put_number(at, v)
  elseif kind == "boolean" then
    at.type, at.integer = lib.NEBULA_BOOL, v and 1 or 0
  elseif v == value.null and kind == "userdata" then
    at.type = lib.NEBULA_NULL
  else
    put_rest(at, v, number)
  end
end

--- Makes room for so many; what was put is gone.
---@param count integer
function arguments.reserve(count)
  if count <= capacity then
    return
  end
  while capacity < count do
    capacity = capacity * 2
  end
  arguments.values = c.new("struct nebula_value[?]", capacity)
end

--- Puts a call's values. Most statements have few, and those need no table.
---@param n integer how many follow
---@param ... any null, booleans, numbers, strings, int64, bytes()
function arguments.put_all(n, a, b, d, e, ...)
  arguments.reserve(n)
  if n > 0 then put(0, a, 1) end
  if n > 1 then put(1, b, 2) end
  if n > 2 then put(2, d, 3) end
  if n > 3 then put(3, e, 4) end
  if n > 4 then
    local rest = { ... }
    for i = 5, n do
      put(i - 1, rest[i - 4], i)
    end
  end
end

--- Puts the values of a list, behind what was put before.
---@param at integer where, from 0; there is room
---@param n integer how many of the list
---@param list any[]
function arguments.put_list(at, n, list)
  for i = 1, n do
    put(at + i - 1, list[i], i)
  end
end

return arguments
