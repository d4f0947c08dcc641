--- rules: what the engine is told of the rules of a policy. Loaded when a policy has some.

local c = require "nebula.c"

c.also "nebula_policy.h"

local rules = {}

--- A struct nebula_rules. What is not said in it is not in force.
---@param said table<string, table>|nil its fields: see nebula.declare.numbers
---@return ffi.cdata*
function rules.struct(said)
  return c.new("struct nebula_rules", said or {})
end

return rules
