--- places: what the engine is told of where the settings of a policy stand. Loaded when a resource has some.

local c = require "nebula.c"

c.also "nebula_policy.h"

local places = {}

local COUNT = tonumber(c.lib.NEBULA_SETTINGS) ---@type integer
local made = setmetatable({}, { __mode = "k" }) -- resources of one policy have the same table

--- An array of struct nebula_place, good as long as the table is.
---@param given nebula.Places
---@return ffi.cdata*
---@return integer count
function places.array(given)
  local at = made[given]
  if not at then
    at = c.new("struct nebula_place[?]", COUNT)
    for setting, place in pairs(given) do
      local one = at[c.lib["NEBULA_SETTING_" .. setting:upper()]]
      one.file, one.line = place.file, place.line
    end
    made[given] = at
  end
  return at, COUNT
end

return places
