--- guards: how ls and inspect show what the rules of a resource know now: its circuit, and who is under way and waits.

local keys = require "nebula.keys"
local plain = require "nebula.plain"
local show = require "nebula.cli.show"
local units = require "nebula.units"

local guards = {}

--- The state of a resource, with that of its circuit where it is not closed.
---@param r table as an engine tells it
---@param state string
---@return string
function guards.mark(r, state)
  local parts = { state }
  if r.circuit then parts[2] = show.paint("red", r.circuit == "half" and "circuit half open" or "circuit open") end
  for _, name in ipairs(keys(r.circuits or {})) do
    local is = r.circuits[name] == "half" and "half open" or "open"
    parts[#parts + 1] = show.paint("red", ("circuit of %s %s"):format(plain(name), is))
  end
  return table.concat(parts, ", ")
end

local WHY = {
  failures = "%d of %d failed", slow = "%d of %d were slow", consecutive = "%d of %d failed",
  probe = "%d of %d probes failed", order = "by order",
}

local function span(seconds)
  return units.show_duration(math.floor(seconds * 1000 + 0.5) * 1000)
end

local function circuit(said)
  local state = said.state == "half" and "half open" or said.state
  local why = said.why and (WHY[said.why] or said.why):format(said.bad, said.of)
  local half = said.half_in and ", half open in " .. span(said.half_in) or ""
  if not why then
    return state .. ", and never was open"
  elseif said.state == "closed" then
    return ("closed; opened %d times, the last time as %s"):format(said.trips, why)
  end
  return ("%s: %s%s; opened %d times"):format(state, why, half, said.trips)
end

-- An adaptive one tries a few more and a few less than it has found.
local function found(said)
  if not said then return "" end
  local took = said.latency and (", by calls of %s, %s at least"):format(span(said.latency), span(said.least)) or ""
  return ("; found %d%s"):format(said.limit, took)
end

local function limit(said)
  return ("%d of %d under way, %d wait; %d went at once or in turn, %d refused, %d shed%s"):format(said.under_way,
    said.most, said.waiting, said.ran, said.refused, said.shed, found(said.found))
end

--- A line for each thing that is known: what it is about, and the sentence.
---@param list table[]|nil as an engine tells them
---@param line fun(name: string, format: string, ...)
function guards.show(list, line)
  for _, one in ipairs(list or {}) do
    local of = one.operation == "" and "" or one.operation .. ": "
    if one.circuit then line("now", "%scircuit %s", of, circuit(one.circuit)) end
    for i, each in ipairs(one.circuits or {}) do
      line(i == 1 and "now" or "", "%scircuit of %s %s", of, plain(each.endpoint), circuit(each))
    end
    if one.limit then line((one.circuit or one.circuits) and "" or "now", "%slimit: %s", of, limit(one.limit)) end
  end
end

return guards
