--- chaos: how ls and inspect show that faults happen on purpose in a resource: nobody is to overlook it.

local show = require "nebula.cli.show"
local units = require "nebula.units"

local chaos = {}

--- The state of a resource, with the mark if it has one.
---@param r table as an engine tells it
---@param state string
---@return string
function chaos.mark(r, state)
  return r.faults and ("%s %s"):format(state, show.paint("red", "CHAOS")) or state
end

--- What happens, and for how much longer, in a line of its own; or that it would, where it is shown from the files.
---@param r table as an engine tells it
function chaos.show(r)
  if r.disturbed_by then
    print(show.paint("red", ("  CHAOS is declared in %s, and wants --allow-chaos"):format(r.disturbed_by)))
  end
  if not r.faults then return end
  local left = units.show_duration(math.max(math.ceil(r.faults.left), 1) * 1e6)
  print(show.paint("red", ("  CHAOS in %s for %s more, %d were hit: %s"):format(r.name, left, r.chaos, r.faults.text)))
end

return chaos
