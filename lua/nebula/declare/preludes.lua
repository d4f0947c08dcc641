--- preludes: what the judge runs before sources, so that they find their names.

-- What require would load, for the judge's own state.
local function prelude(name)
  for _, loader in ipairs(package.loaders) do
    local chunk = loader("nebula.declare." .. name)
    if type(chunk) == "function" then
      return string.dump(chunk)
    end
  end
  error("the prelude " .. name .. " is missing")
end

local function kind_names(kinds)
  local list = {}
  for name in pairs(kinds) do
    list[#list + 1] = ("[%q] = true"):format(name)
  end
  return ("local room = ... room.kinds = { %s }"):format(table.concat(list, ", "))
end

--- The chunks of all preludes in order.
---@param kinds table<string, any> by name
---@param last string|nil one more
---@return string[]
return function(kinds, last)
  local list = { kind_names(kinds), prelude "patterns", prelude "strings", prelude "prelude" }
  list[#list + 1] = last and prelude(last)
  return list
end
