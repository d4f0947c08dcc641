--- strategy: what says how large the pools of a resource are, as `inspect` tells it.

local plain = require "nebula.plain"
local units = require "nebula.units"

local strategy = {}

--- As an engine that runs tells it, before anything was asked.
---@param declared nebula.Strategy|nil
---@return table|nil
function strategy.told(declared)
  if not declared then return nil end
  return {
    name = declared.name, file = declared.size.file, line = declared.size.line, every = declared.every_us / 1e6,
    pools = {},
  }
end

--- Which one it is.
---@param told table|nil
---@param pool table its min and max
---@param line fun(name: string, format: string, ...: any)
function strategy.show(told, pool, line)
  if not told then return end
  line("strategy", "%s, of %d to %d connections, every %s, %s:%d", told.name, pool.min, pool.max,
    units.show_duration(math.floor(told.every * 1e6 + 0.5)), told.file, told.line)
end

--- What it answered last, of each role that was asked for.
---@param told table|nil
---@param now number
---@param line fun(name: string, format: string, ...: any)
function strategy.show_answers(told, now, line)
  for i, one in ipairs(told and told.pools or {}) do
    local answer = one.answer and ("answered %.4g %.1fs ago"):format(one.answer, math.max(now - one.answered, 0))
      or "no answer yet"
    line(i == 1 and "sizes" or "", "%s: %d, %s", one.role, one.size, answer)
    if one.why then
      line("", "%s: asked %.1fs ago: %s", one.role, math.max(now - one.asked, 0), plain(one.why))
    end
  end
end

return strategy
