--- marked: values in a tree of the judge that are not data: env(), functions, what was too large.

local judge = require "nebula.judge"

local marked = {}

--- The sentence about each mark but env and unknown.
marked.TEXT = {
  ["function"] = "a function cannot stand here",
  deep = "is nested too deep, or holds itself",
  large = "holds too many values",
}

--- What kind of mark a value has: "env", "unknown", one of marked.TEXT, or nil for plain data.
---@param value any
---@return string|nil
function marked.of(value)
  local mark = type(value) == "table" and value[judge.mark] or nil
  return type(mark) == "table" and "env" or mark
end

--- The text of an env() value. It is a secret as far as anybody knows.
---@param value table
---@return string|nil text
---@return string|nil why not
function marked.resolve(value)
  local out = {}
  for i, part in ipairs(value[judge.mark]) do
    if type(part) == "string" then
      out[i] = part
    else
      out[i] = os.getenv(part.name) or part.default
      if not out[i] then
        local name = part.name:find("^[%w_]+$") and part.name or "it names"
        return nil, ("the environment variable %s is not set"):format(name)
      end
    end
  end
  return table.concat(out)
end

return marked
