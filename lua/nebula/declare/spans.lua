--- spans: rows of settings that are times.

local units = require "nebula.units"

local spans = {
  most = 365 * 86400e6, -- us; who means "for ever" writes 0 where that is possible
}

--- A time.
---@param default string
---@param text string
---@param least integer|nil us, default 0
---@return nebula.Row
function spans.span(default, text, least)
  return { type = "duration", default = default, min = least or 0, max = spans.most, class = "live", text = text }
end

--- A time that is never more than another setting beside it; where it is not said it is as much at most.
---@param other string
---@param default string
---@param text string
---@param least integer|nil us, default 0
---@return nebula.Row
function spans.within(other, default, text, least)
  local row = spans.span(default, text, least)
  row.beside = other
  row.compare = function(us, most)
    return us > most and ("is more than %s, which is %s"):format(other, units.show_duration(most)) or nil
  end
  row.fit = math.min
  return row
end

return spans
