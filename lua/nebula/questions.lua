--- questions: the functions in policies of one generation, as a worker asks them.
--
--   local asked = questions.open { sources = set.asked, kinds = kinds, tell = log_breach }
--   local on = asked:find(policy.retry.on, rows.policy.retry.fields.on.answer)
--   local again = asked:ask(on, { code = "lost", attempt = 2 })    -- nil: the default stands
--
-- They are answered in a judge of their own, under bounds (engine/question.h). A breach is told once, and so is that
-- a function is asked no more.

local preludes = require "nebula.declare.preludes"
local question = require "nebula.question"
local report = require "nebula.declare.report"

---@class nebula.Breach tostring() is a sentence
---@field asked nebula.Asked the function
---@field why "steps"|"time"|"memory"|"error"|"shape"|"changed"|"lost"
---@field file string
---@field line integer
---@field text string what it did: begins with a verb
---@field strikes integer of this function
---@field is_last boolean it is asked no more in this generation
---@field is_anew boolean the judge is made anew before the next question

local Breach = {
  __tostring = function(b)
    local rest = (b.is_last and ", and from now on" or "") .. (b.is_anew and "; the judge begins anew" or "")
    return ("%s:%d: %s of %s %s %s; the default stands%s"):format(b.file, b.line, b.asked.path, b.asked.kind,
      b.asked.name, report.clean(b.text), rest)
  end,
}

---@class nebula.Questions
---@field private judge table
---@field private sources { file: string, text: string }[]
---@field private list table[]
---@field private at table<string, integer>
---@field private expected table<integer, nebula.Row>
---@field private tell fun(breach: nebula.Breach)
---@field private say nil|fun(asked: table, lines: any[], lost: integer)
local Questions = {}
Questions.__index = Questions

local function key(kind, name, path, file)
  return table.concat({ kind, name, path, file }, "\0")
end

--- The number of a function, by which it is asked.
---@param asked nebula.Asked
---@param answer nebula.Row what it answers: a boolean, number, integer, share, string, enum, or a table of these
---@return integer
function Questions:find(asked, answer)
  local at = self.at[key(asked.kind, asked.name, asked.path, asked.file)]
    or error(("there is no %s of %s %s in %s"):format(asked.path, asked.kind, asked.name, asked.file), 2)
  if self.expected[at] ~= answer then
    self.judge:expect(at, answer)
    self.expected[at] = answer
  end
  return at
end

--- Asks a function.
---@param at integer
---@param fields table<string, string|number|boolean> at most 32; of a text the first 4096 bytes
---@return boolean|number|string|table|nil answer nil: it has none, the default stands
---@return nebula.Breach|nil why it has none, as was told
function Questions:ask(at, fields)
  local answer, breach = self.judge:ask(at, fields)
  local lines, lost = self.judge:lines()
  if lines and self.say then
    self.say(self.list[at], lines, lost)
  end
  if breach then
    breach.file, breach.asked = self.sources[breach.source].file, self.list[at]
    self.tell(setmetatable(breach, Breach))
  end
  return answer, breach
end

--- What the state takes of memory, in bytes.
---@return number
function Questions:memory()
  return self.judge:memory()
end

--- Frees the state. Nothing is asked any more.
function Questions:close()
  self.judge:close()
end

local questions = {}

---@class nebula.QuestionsGiven
---@field sources { file: string, text: string }[] declare.read(): asked
---@field kinds table<string, any> by name
---@field tell fun(breach: nebula.Breach)
---@field say nil|fun(asked: table, lines: any[], lost: integer) what a function said: level, text, level, text ...;
---  and how many lines more than there was room for
---@field steps integer|nil of a question, default 100,000
---@field time_us integer|nil default 2,000
---@field memory integer|nil bytes, default 262,144
---@field strikes integer|nil until a function is asked no more, default 3

---@param given nebula.QuestionsGiven
---@return nebula.Questions|nil
---@return string|nil why not, with its place
---@return nebula.DeclareError|nil the same with its place apart
function questions.open(given)
  local texts = {}
  for i, source in ipairs(given.sources) do
    texts[i] = source.text
  end
  local judge, why = question.open {
    preludes = preludes(given.kinds, "kept"), sources = texts,
    steps = given.steps, time_us = given.time_us, memory = given.memory, strikes = given.strikes,
  }
  if not judge then
    local said = report.line(given.sources[math.max(why.source, 1)].file, math.max(why.line, 1), 1, "", why.text)
    return nil, why.source > 0 and tostring(said) or why.text, said
  end
  local list, at = judge:list(), {}
  for i, one in ipairs(list) do
    one.file = given.sources[one.source].file
    at[key(one.kind, one.name, one.path, one.file)] = i
  end
  return setmetatable({
    judge = judge, sources = given.sources, list = list, at = at, expected = {}, tell = given.tell, say = given.say,
  }, Questions)
end

return questions
