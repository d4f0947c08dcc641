--- row: whether a row of settings is one itself.
--
-- Kinds bring rows of their own. What is misspelt in one would be no mistake of any declaration: a secret that is
-- shown, a bound that does not hold.

local keys = require "nebula.keys"
local suggest = require "nebula.suggest"
local values = require "nebula.declare.values"

local FIELDS = {
  type = "string", required = "boolean", is_ours = "boolean", listed = "boolean", words = "table",
  min = "number", max = "number",
  one_of = "table", of = "table", fields = "table", optional = "boolean", short = "string", class = "string",
  text = "string", not_yet = "string", instead = "string",
  check = "function", beside = "string", compare = "function", fit = "function", default = "any",
}
local CLASSES = { live = true, ["next-connection"] = true, restart = true }
local TABLES = { list = true, map = true, table = true }

local row = {}

local function field_mistake(name, value)
  local wanted = FIELDS[name]
  if not wanted then
    return ("there is no field %s%s"):format(tostring(name), suggest(name, keys(FIELDS)))
  elseif wanted ~= "any" and type(value) ~= wanted then
    return ("%s is a %s, not a %s"):format(name, wanted, type(value))
  end
end

--- What is wrong with a row of shape.lua, nil when nothing is.
---@param given any
---@return string|nil
function row.mistake(given)
  if type(given) ~= "table" then
    return 'is a table: { type = "string", text = "..." }'
  end
  for _, name in ipairs(keys(given)) do
    local why = field_mistake(name, given[name])
    if why then return why end
  end
  if not (TABLES[given.type] or values.is_single(given)) then
    return ("its type is one of %s, list, map and table"):format(table.concat(values.types, ", "))
  elseif given.type == "enum" and not given.one_of then
    return "an enum has one_of, the words that it may be"
  elseif given.class and not CLASSES[given.class] then
    return "its class is live, next-connection or restart"
  end
end

--- Is its value one text for a driver, whatever it is?
---@param given nebula.Row
function row.is_plain(given)
  return values.is_single(given) and not given.listed
end

return row
