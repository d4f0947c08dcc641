--- asking: the functions in policies of this program, as any part of it asks them.
--
--   asking.begin(set.asked, kinds)                        -- once, when the declarations were read
--   local again = asking.ask(policy.retry.on, row.answer, { code = "lost", attempts = 2 })   -- nil: the default stands
--
-- Each worker has a judge of its own for them (questions.lua). It is made when something is first asked, so a program
-- whose functions are never asked pays nothing. What breaks a bound is one line in the log.

local lazy = require "nebula.lazy"

local log = lazy "nebula.log"
local questions = lazy "nebula.questions"
local report = lazy "nebula.declare.report"

---@class nebula.AskingGiven a plain value: it goes to other workers as bytes
---@field sources { file: string, text: string }[] declare.read(): asked
---@field kinds table<string, true> the names of all kinds, which the sources may use

local given  ---@type nebula.AskingGiven|nil
local opened ---@type nebula.Questions|false|nil false: it cannot be opened, as was said

local asking = {}

local function plain(sources, kinds)
  local names = {}
  for name in pairs(kinds) do
    names[name] = true
  end
  return { sources = sources, kinds = names }
end

local function tell(breach)
  log.warn("%s", tostring(breach))
end

local LEVEL = { "info", "warn", "error" }

-- What a function says is of no known origin: it may want to look like lines of others.
local function say(asked, lines, lost)
  for i = 1, #lines, 2 do
    log[LEVEL[lines[i]]]("%s", report.clean(lines[i + 1]))
  end
  if lost > 0 then
    log.warn("%s:%d: %s of %s %s said %d lines more", asked.file, asked.line, asked.path, asked.kind, asked.name, lost)
  end
end

--- From now on functions of these sources can be asked. What was opened before is closed: it is another generation.
---@param sources { file: string, text: string }[]|nil declare.read(): asked; nil: there are no functions
---@param kinds table<string, any> by name
function asking.begin(sources, kinds)
  asking.take(sources and plain(sources, kinds))
end

--- What another worker is to take().
---@return nebula.AskingGiven|nil
function asking.given()
  return given
end

--- As begin(), with what another worker has given.
---@param what nebula.AskingGiven|nil
function asking.take(what)
  if opened then
    opened:close()
  end
  given, opened = what, nil
end

--- What is wrong with sources whose functions could not be asked, which only the attempt shows: they hold on to too
--- much, or there are too many.
---@param sources { file: string, text: string }[]|nil
---@param kinds table<string, any>
---@return nebula.DeclareError|nil
function asking.mistake(sources, kinds)
  if not sources then
    return nil
  end
  local made, _, why = questions.open { sources = sources, kinds = kinds, tell = tell }
  if made then
    made:close()
  end
  return why
end

local function open()
  local why
  opened, why = questions.open { sources = given.sources, kinds = given.kinds, tell = tell, say = say }
  if not opened then
    opened = false
    log.error("no function of a policy can be asked: %s", why)
  end
end

--- Asks a function; waits for nothing. It has its bounds and no more: 100,000 steps, 2 ms, 256 kB.
---@param asked nebula.Asked what stands in the settings where a function was written
---@param answer nebula.Row what it answers, one table for all times: the `answer` of the question's row
---@param fields table<string, string|number|boolean> at most 32; of a text the first 4096 bytes
---@return boolean|number|string|table|nil answer nil: it has none, the default stands
---@return nebula.Breach|nil why it has none, as was said in the log
function asking.ask(asked, answer, fields)
  if opened == nil and given then
    open()
  end
  if opened then
    return opened:ask(opened:find(asked, answer), fields)
  end
end

return asking
