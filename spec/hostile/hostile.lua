-- hostile.lua - the policies of this folder, which were written to break the judge, and what comes of them.
--
-- Each begins with a comment that says what it tries and what must happen instead, and with a line of data:
--
--   -- expect: refused "text"      the files are not accepted, and what is said has this text in it
--   -- expect: unasked "text"      they are, but the generation of its functions cannot be opened
--   -- expect: steps               a breach (steps time memory error shape changed), each time until it is asked no more
--   -- expect: error "text"        a breach whose sentence has this text in it
--   -- expect: true                an answer, each time; nothing: none
--
-- "a or b" where chance decides; "a | b" of several functions, in the order of their names.

local clock = require "spec.support.clock"
local declare = require "nebula.declare"
local declared = require "spec.support.declared"
local judge = require "nebula.judge"
local process = require "spec.support.process"
local questions = require "nebula.questions"
local rows = require "nebula.declare.rows"
local tmp = require "spec.support.tmp"

local hostile = {}

hostile.SECRET = "hunter2"
hostile.kinds = declared.kinds

-- The settings that are questions here, as they will be: functions are not yet in force.
local answers = {
  ["retry.on"] = { type = "boolean" },
  size = { type = "number", min = 1, max = 100 },
  class = { type = "enum", one_of = { "safe", "unsafe" } },
  word = { type = "string", max = 100 },
  verdict = { type = "table", fields = { retry = { type = "boolean", required = true }, pause = { type = "number" } } },
}
for path, answer in pairs(answers) do
  local fields = path == "retry.on" and rows.policy.retry.fields or rows.policy
  fields[path:match "%w+$"] = { type = "question", one_of = { "safe" }, default = "safe", answer = answer, class = "live", text = "" }
end

-- Beside each: it holds on to something, makes texts, and is asked about both of its answers.
hostile.innocent = { name = "000-innocent.lua", text = [[
local transient = { ["40001"] = true, lost = true }

policy "innocent" {
  retry = { on = function(e)
    return transient[e.code] == true and ("%s of %d"):format(e.code, e.attempt):match "%d+$" == tostring(e.attempt)
  end },
}
]] }

local function alternatives(text)
  local list = {}
  for one in (text .. " or "):gmatch "(.-) or " do
    local what, part = one:match '^(%a+) "(.*)"$'
    list[#list + 1] = { what = what or one, part = part }
  end
  return list
end

local function expectations(line)
  local list = {}
  for one in (line .. " | "):gmatch "(.-) | " do
    list[#list + 1] = alternatives(one)
  end
  return list
end

---@class spec.hostile.file
---@field name string
---@field text string
---@field what string what it tries, and what must happen instead
---@field expected { what: string, part: string|nil }[][] of its functions, or the one for all

---@return spec.hostile.file[] by number
function hostile.files()
  local list = {}
  for _, name in ipairs(judge.names("spec/hostile", ".lua", 1000)) do
    if name:find "^%d+%-.*%.lua$" then
      local text = tmp.read("spec/hostile/" .. name)
      local what, line = text:gsub("^#[^\n]*\n", ""):match "^(%-%- [^\n]*\n.-)%-%- expect: ([^\r\n]*)\r?\n"
      assert(what and select(2, what:gsub("\n", "")) <= 2, name .. " says what it tries and what to expect")
      list[#list + 1] = { name = name, text = text, what = what:gsub("%-%- ", ""):gsub("%s+", " "), expected = expectations(line) }
    end
  end
  return list
end

---What is expected of one of its functions.
function hostile.expected(file, at)
  return file.expected[at] or file.expected[#file.expected]
end

---Is this what was expected? Where all is slow, time may be what ends a question.
---@param expected { what: string, part: string|nil }[]
---@param what string
---@param said string|nil
function hostile.is_expected(expected, what, said)
  for _, one in ipairs(expected) do
    if one.what == what and (not one.part or said and said:find(one.part, 1, true)) then return true end
  end
  return process.is_slow and what == "time"
end

---A folder with these files as its policies.
---@param files { name: string, text: string }[]
function hostile.folder(files)
  local folder = tmp.folder()
  for _, file in ipairs(files) do
    tmp.write(folder, "policies/" .. file.name, file.text)
  end
  return folder
end

---Reads a folder as a start does.
---@return table|nil set
---@return string[] errors as lines
function hostile.read(folder)
  local set, errors = declare.read { home = ".", dirs = { folder }, kinds = hostile.kinds }
  local lines = {}
  for i, e in ipairs(errors or {}) do
    lines[i] = tostring(e):sub(#folder + 2)
  end
  return set, lines
end

---@class spec.hostile.generation
---@field asked nebula.Questions
---@field functions { file: string, number: integer }[]
---@field told string[] sentences of breaches

---@param set table
---@param bounds table|nil
---@return spec.hostile.generation|nil
---@return string|nil why
function hostile.open(set, bounds)
  local told, given = {}, { sources = set.asked, kinds = hostile.kinds }
  given.tell = function(breach)
    told[#told + 1], told.why = tostring(breach), breach.why
  end
  for name, bound in pairs(bounds or {}) do given[name] = bound end
  local asked, why = questions.open(given)
  if not asked then return nil, why end
  local functions = {}
  for i, one in ipairs(asked.list) do
    functions[i] = { file = one.file:match "[^/]*$", number = asked:find(one, answers[one.path]) }
  end
  return { asked = asked, functions = functions, told = told }
end

---Asks one function: what came of it, the sentence of a breach, and the processor's time that it took in us.
---@param generation spec.hostile.generation
---@param number integer
---@param round integer
---@return string what a breach, "nothing", or the answer as text
---@return string|nil said
---@return number took_us
function hostile.ask(generation, number, round)
  local fields = { n = round, code = round % 3 == 0 and "none" or "lost", attempt = 2, idempotent = true,
    text = "postgres://u:" .. hostile.SECRET .. "@db/" .. ("x"):rep(4000) }
  local before, begun = #generation.told, clock.worked()
  local answer = generation.asked:ask(number, fields)
  local took = clock.worked() - begun
  if #generation.told > before then
    return generation.told.why, generation.told[#generation.told], took
  end
  return answer == nil and "nothing" or tostring(answer), nil, took
end

return hostile
