--- log: lines for whoever runs the program, where the engine's own lines go.
--
--   log.info("imported %d rows", n)

local c = require "nebula.c"
local errors = require "nebula.error"

local lib, engine = c.lib, c.engine

local NUL = "\226\144\128" -- U+2400, its picture: the engine's texts end at the first

local function at_level(level)
  return function(format, ...)
    if type(format) ~= "string" then
      errors.raise("log: the text must be a string, not %s", type(format))
    end
    local ok, text = true, format
    if select("#", ...) > 0 then
      ok, text = pcall(string.format, format, ...)
    end
    if not ok then
      errors.raise("log: %s", text)
    end
    lib.nebula_log(engine, level, (text:gsub("%z", NUL)))
  end
end

---@class nebula.log
---@field debug fun(format: string, ...: any) what a developer wants to know
---@field info fun(format: string, ...: any) what happened
---@field warn fun(format: string, ...: any) what somebody should look at
---@field error fun(format: string, ...: any) what went wrong
return {
  debug = at_level(0),
  info = at_level(1),
  warn = at_level(2),
  error = at_level(3),
}
