--- c: the engine seen from Lua. The only file that knows the FFI.
--
-- It reads its declarations from the headers of the border, so that is written down once. The host opens the
-- engine before this file is first required; then `engine` is a constant, which compiled code needs.
-- A program that only asks other engines has none: `engine` is nil.

local ffi = require "ffi"
local worker = require "nebula.worker"

local function declarations(header)
  local path = worker.home .. "/engine/" .. header
  local file, why = io.open(path, "r")
  if not file then error(why, 0) end
  local text = file:read("*a")
  file:close()
  local _, before = text:find("/* [ffi */", 1, true) -- a pattern would take longer than all that is declared
  local behind = before and text:find("/* ffi] */", before, true)
  if not behind then error(path .. ": the markers of the part for Lua are missing", 0) end
  return text:sub(before + 1, behind - 1)
end

ffi.cdef(declarations "nebula.h")

local lib = ffi.C

---@class nebula.c
---@field lib table the functions of nebula.h
---@field engine ffi.cdata*|nil `struct nebula *`
local c = {
  lib = lib,
  engine = worker.engine and ffi.cast("struct nebula *", worker.engine) or nil,
  new = ffi.new,
  typeof = ffi.typeof,
  cast = ffi.cast,
  metatype = ffi.metatype,
  istype = ffi.istype,
  fill = ffi.fill,
  string = ffi.string,
}

local is_declared = {}

--- Declares what another header of the border has for Lua.
---@param header string
function c.also(header)
  if is_declared[header] then return end
  ffi.cdef(declarations(header))
  is_declared[header] = true
end

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

local why = ffi.new("int32_t[1]")

--- Asks another engine by its control socket, without waiting.
---@param path string
---@param request string one JSON object
---@param within_us integer from now; what the answer has
---@return fun(): string|nil, string|nil hear waits for the answer, one JSON object; call it once. nil and a code when
--- there is none: "unreachable" nobody listens there, "busy", "deadline", "lost" it hung up
function c.ask_other(path, request, within_us)
  local ask = lib.nebula_ask_begin(path, request, within_us, why)
  local code = why[0]
  return function()
    local answer = ask ~= nil and lib.nebula_ask_end(ask, why) or nil
    if answer == nil then
      return nil, ffi.string(lib.nebula_error_name(ask ~= nil and why[0] or code))
    end
    local line = ffi.string(answer)
    lib.nebula_free(answer)
    return line
  end
end

--- A text with *** where a secret stands, as an engine that knew them would show it.
---@param text string
---@param secrets string[]
---@return string
function c.mask(text, secrets)
  local masked = lib.nebula_mask(text, ffi.new("const char *[?]", #secrets, secrets), #secrets)
  if masked == nil then
    error("no memory to mask secrets", 0)
  end
  local line = ffi.string(masked)
  lib.nebula_free(masked)
  return line
end

return c
