--- c: the engine seen from Lua. The only file that knows the FFI.
--
-- It reads its declarations from engine/nebula.h, so the border is written down once. The host opens the
-- engine before this file is first required; then `engine` is a constant, which compiled code needs.
-- A program that only asks other engines has none: `engine` is nil.

local ffi = require "ffi"
local worker = require "nebula.worker"

local function declarations()
  local path = worker.home .. "/engine/nebula.h"
  local file = assert(io.open(path, "r"))
  local text = file:read("*a")
  file:close()
  local part = text:match("/%* %[ffi %*/(.-)/%* ffi%] %*/")
  return part or error(path .. ": the markers of the part for Lua are missing", 0)
end

ffi.cdef(declarations())

local lib = ffi.C

---@class nebula.c
---@field lib table the functions of nebula.h
---@field engine ffi.cdata*|nil `struct nebula *`
local c = {
  lib = lib,
  engine = worker.engine and ffi.cast("struct nebula *", worker.engine) or nil,
  new = ffi.new,
  typeof = ffi.typeof,
  metatype = ffi.metatype,
  istype = ffi.istype,
  fill = ffi.fill,
  string = ffi.string,
}

local int64, uint64 = ffi.typeof("int64_t"), ffi.typeof("uint64_t")

--- The whole number that an `int64_t` or `uint64_t` holds: signed, and whether it fits.
---@param value any
---@return ffi.cdata*|nil int64 nil when value is neither
---@return boolean|nil fits false when an unsigned one is too large
function c.integer(value)
  if ffi.istype(int64, value) then
    return value, true
  elseif ffi.istype(uint64, value) then
    return ffi.cast(int64, value), value <= 0x7fffffffffffffffULL
  end
end

--- Asks another engine by its control socket.
---@param path string
---@param request string one JSON object
---@return string|nil answer one JSON object
---@return string|nil why it could not be had
function c.ask_other(path, request)
  local text = ffi.new("char[256]")
  local answer = lib.nebula_ask_other(path, request, text, 256)
  if answer == nil then
    return nil, ffi.string(text)
  end
  local line = ffi.string(answer)
  lib.nebula_free(answer)
  return line
end

return c
