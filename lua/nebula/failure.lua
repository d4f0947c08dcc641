--- failure: something was raised, and where, in the lines of the workflow alone.

local coroutines = require "nebula.coroutine"
local errors = require "nebula.error"

local resume, running = coroutines.resume, coroutine.running

---@class nebula.Failure
---@field value any what was raised
---@field at string|nil FILE:LINE of the workflow
---@field traceback string lines of the workflow, innermost first; "" when there are none
local Failure = {}
Failure.__index = Failure

local DEEPEST = 200 -- frames looked at
local LONGEST = 20  -- lines shown

local failures = {}

-- A chunk without a name is called by all of its text, of which Lua's short form is one line.
local function source_of(at)
  return at.source:match "^[@=](.*)" or at.short_src
end

local function name_of(at)
  if at.what == "main" then
    return "in the main chunk"
  elseif at.name then
    return ("in '%s'"):format(at.name)
  end
  return ("in a function of line %d"):format(at.linedefined)
end

-- Adds the lines of one coroutine. Gives back the innermost.
local function add_lines(lines, co)
  local place
  for level = 0, DEEPEST do
    local at = debug.getinfo(co, level, "Sl")
    if not at or #lines == LONGEST then
      break
    end
    if at.currentline > 0 and not errors.is_ours(at.source) then
      local here = ("%s:%d"):format(source_of(at), at.currentline)
      place = place or here
      -- Asked for what is shown alone: LuaJIT crashes when it looks for the name of a handler after an overflow.
      at.name = debug.getinfo(co, level, "n").name
      lines[#lines + 1] = ("  %s: %s"):format(here, name_of(at))
    end
  end
  return place
end

--- What a coroutine that does not run is at, in the workflow's lines. Where it waits inside coroutines of the
--- workflow, their lines come first.
---@param co thread
---@return string lines innermost first; "" when there are none
---@return string|nil place FILE:LINE of the innermost
function failures.lines_of(co)
  local chain, lines, place = {}, {}, nil
  while co and #chain < DEEPEST do
    chain[#chain + 1] = co
    co = coroutines.inside(co)
  end
  for i = #chain, 1, -1 do
    local innermost = add_lines(lines, chain[i])
    place = place or innermost
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
      return ("%s:%d"):format(source_of(at), at.currentline)
    end
  end
end

--- Where a parked coroutine waits, in the workflow's lines.
---@param co thread
---@return string|nil place FILE:LINE
function failures.place_of(co)
  local _, place = failures.lines_of(co)
  return place
end

local function capture(co, value)
  local traceback, place = failures.lines_of(co)
  return setmetatable({ value = value, at = place, traceback = traceback }, Failure)
end

--- A message handler that makes a record of what is being raised. It looks from a stack of its own, because after an
--- overflow there is no room on the one that it is called on.
---@param complete fun(failure: nebula.Failure): nebula.Failure
---@return fun(value: any): nebula.Failure
function failures.handler(complete)
  local function look(co, value)
    return complete(capture(co, value))
  end
  local witness = coroutines.create(function(co, value)
    while true do
      co, value = coroutines.yield(select(2, pcall(look, co, value)))
    end
  end)
  return function(value)
    local _, failure = resume(witness, running(), value)
    return failure
  end
end

--- As it is when it was raised again: the lines of both sides when it crossed a join, else it has them all.
---@param inner nebula.Failure
---@param outer nebula.Failure
---@return nebula.Failure
function failures.nest(inner, outer)
  local traceback = inner.traceback
  if traceback == "" then
    traceback = outer.traceback
  elseif outer.traceback ~= "" and traceback:sub(-#outer.traceback) ~= outer.traceback then
    traceback = ("%s\n  joined by:\n%s"):format(traceback, outer.traceback)
  end
  return setmetatable({ value = inner.value, at = inner.at, traceback = traceback }, Failure)
end

--- Of something that was raised in another worker, where its lines were looked at.
---@param value any
---@param at string|nil
---@param traceback string
---@return nebula.Failure
function failures.elsewhere(value, at, traceback)
  return setmetatable({ value = value, at = at, traceback = traceback }, Failure)
end

--- Where a function begins.
---@param fn function
---@return string place FILE:LINE
function failures.place_of_function(fn)
  local at = debug.getinfo(fn, "S")
  return source_of(at) .. (at.linedefined > 0 and ":" .. at.linedefined or "")
end

--- What a message handler gave, made whole when Lua could not run it (no memory, no stack: LuaJIT does not run it when
--- compiled code overflows): with the lines above the call that failed.
---@param x any
---@param fn function|nil what was called, for when there are none
---@param place string|nil FILE:LINE for when that is none of the workflow's
---@return nebula.Failure
function failures.of(x, fn, place)
  if getmetatable(x) == Failure then
    return x
  end
  if x == "not enough memory" then
    pcall(collectgarbage) -- what failed has let go of all that it had, and the other workers need it now
  end
  local failure = capture(running(), x)
  local is_workflow = fn and not errors.is_ours(debug.getinfo(fn, "S").source)
  failure.at = failure.at or is_workflow and failures.place_of_function(fn) or place
  return failure
end

--- What is said of something that was raised, or returned as an error: tostring() may raise itself, or give no string.
---@param value any
---@return string
function failures.words(value)
  local ok, text = pcall(tostring, value)
  return ok and type(text) == "string" and text or ("a %s of which no text can be made"):format(type(value))
end

--- The sentence, and the lines of the workflow below it.
---@param failure nebula.Failure
---@return string
function failures.text_of(failure)
  return tostring(failure) .. (failure.traceback ~= "" and "\n" .. failure.traceback or "")
end

--- FILE:LINE: what was raised.
function Failure:__tostring()
  local text = failures.words(self.value):gsub("^[^\n]-:0: ", "") -- as LuaJIT places an overflow in compiled code
  if self.at and not text:match("^[^\n]-:%d+: ") then
    text = self.at .. ": " .. text
  end
  return text
end

return failures
