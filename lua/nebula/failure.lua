--- failure: something was raised, and where, in the lines of the workflow alone.

local errors = require "nebula.error"

---@class nebula.Failure
---@field value any what was raised
---@field at string|nil FILE:LINE of the workflow
---@field traceback string lines of the workflow, innermost first; "" when there are none
local Failure = {}
Failure.__index = Failure

local DEEPEST = 200 -- frames looked at
local LONGEST = 20  -- lines shown

local failures = {}

local function name_of(at)
  if at.what == "main" then
    return "in the main chunk"
  elseif at.name then
    return ("in '%s'"):format(at.name)
  end
  return ("in a function of line %d"):format(at.linedefined)
end

local function lines_of(first, co)
  local lines, place = {}, nil
  for level = first, DEEPEST do
    local at
    if co then
      at = debug.getinfo(co, level, "Sln")
    else
      at = debug.getinfo(level, "Sln")
    end
    if not at or #lines == LONGEST then
      break
    end
    if at.currentline > 0 and not errors.is_ours(at.source) then
      local here = ("%s:%d"):format(at.source:gsub("^[@=]", ""), at.currentline)
      place = place or here
      lines[#lines + 1] = ("  %s: %s"):format(here, name_of(at))
    end
  end
  return table.concat(lines, "\n"), place
end

--- The nearest line of the workflow above the caller.
---@return string|nil place FILE:LINE
function failures.here()
  for level = 2, DEEPEST do
    local at = debug.getinfo(level, "Sl")
    if not at then
      return nil
    elseif at.currentline > 0 and not errors.is_ours(at.source) then
      return ("%s:%d"):format(at.source:gsub("^[@=]", ""), at.currentline)
    end
  end
end

--- Where a parked coroutine waits, in the workflow's lines.
---@param co thread
---@return string|nil place FILE:LINE
function failures.place_of(co)
  local _, place = lines_of(0, co)
  return place
end

--- A record of what is being raised; to be called by a message handler, directly.
---@param value any
---@return nebula.Failure
function failures.capture(value)
  local traceback, place = lines_of(3)
  return setmetatable({ value = value, at = place, traceback = traceback }, Failure)
end

--- As it is when it was raised again: the lines of both sides when it crossed a join, else it has them all.
---@param inner nebula.Failure
---@param outer nebula.Failure
---@return nebula.Failure
function failures.nest(inner, outer)
  local traceback = inner.traceback
  if traceback:sub(-#outer.traceback) ~= outer.traceback then
    traceback = ("%s\n  joined by:\n%s"):format(traceback, outer.traceback)
  end
  return setmetatable({ value = inner.value, at = inner.at, traceback = traceback }, Failure)
end

--- What a message handler gave, made whole when Lua could not run it (no memory, no stack).
---@param x any
---@return nebula.Failure
function failures.of(x)
  if getmetatable(x) == Failure then
    return x
  end
  return setmetatable({ value = x, traceback = "" }, Failure)
end

--- FILE:LINE: what was raised.
function Failure:__tostring()
  local text = tostring(self.value)
  if self.at and not text:match("^[^\n]-:%d+: ") then
    text = self.at .. ": " .. text
  end
  return text
end

return failures
