--- chaos: what the engine is told of faults on purpose. Loaded for a resource that has them.

local c = require "nebula.c"

c.also "nebula_chaos.h"

local chaos = {}

-- Who declares it later than the first worker, as one that is begun anew does, has what is left of it.
local function left_us(declared)
  if not c.engine then
    return declared.during_us
  end
  local now_us = tonumber(c.lib.nebula_now_us(c.engine))
  declared.until_us = declared.until_us or now_us + declared.during_us
  return declared.until_us - now_us
end

--- A struct nebula_chaos; nil when it is over already.
---@param declared table see nebula.declare.chaos; remembers when it is over
---@return ffi.cdata*|nil
function chaos.struct(declared)
  local during_us = left_us(declared)
  if during_us <= 0 then
    return nil
  end
  local at = c.new "struct nebula_chaos"
  at.during_us, at.fail, at.connect = during_us, declared.fail, declared.connect
  at.code, at.is_cut = declared.code, declared.is_cut
  at.delay_share, at.delay_us = declared.delay_share, declared.delay_us or 0
  at.delay_most_us, at.delay_quantile = declared.delay_most_us or 0, declared.delay_quantile or 0
  at.seed = declared.seed or 0
  return at
end

return chaos
