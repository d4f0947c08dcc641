--- options: the table directly before what is to be done. An unknown option is a mistake, never ignored.

local errors = require "nebula.error"
local suggest = require "nebula.suggest"
local units = require "nebula.units"

local options = {}

--- Raises unless `given` is a table with known names alone.
---@param what string the function, for the sentence
---@param given any
---@param known table<string, string> name -> type as type() says
---@return table given
function options.check(what, given, known)
  if type(given) ~= "table" then
    errors.raise("%s: the options must be a table, not %s", what, type(given))
  end
  for name, value in pairs(given) do
    local kind = known[name]
    if not kind then
      local names = {}
      for one in pairs(known) do
        names[#names + 1] = one
      end
      errors.raise("%s: there is no option %s%s", what, tostring(name), suggest(name, names))
    elseif type(value) ~= kind then
      errors.raise("%s: the option %s must be a %s, not a %s", what, name, kind, type(value))
    end
  end
  return given
end

--- The microseconds of a duration such as "250ms".
---@param what string the function or option, for the sentence
---@param text any
---@return integer
function options.span(what, text)
  if type(text) ~= "string" then
    errors.raise('%s: a duration is a string with a unit, such as "250ms" or "5s", not a %s', what, type(text))
  end
  local us, why = units.duration(text)
  return us or errors.raise("%s: %s", what, why)
end

return options
