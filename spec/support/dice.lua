-- dice.lua - dice of a spec's own: the same seed rolls the same numbers, whoever else draws some.
local bit = require "bit"

---@param seed integer
---@return fun(low: integer, high: integer): integer roll
return function(seed)
  local state = bit.bxor(seed * 7919 + 1, 0x5bd1e995)
  return function(low, high)
    state = bit.bxor(state, bit.lshift(state, 13))
    state = bit.bxor(state, bit.rshift(state, 17))
    state = bit.bxor(state, bit.lshift(state, 5))
    return low + state % (high - low + 1)
  end
end
