-- asked.lua - functions of policies for specs: sources that hold them, and what comes of a question.

local preludes = require "nebula.declare.preludes"
local question = require "nebula.question"

local asked = {}

asked.kinds = { sqlite = true }
asked.yes_or_no = { type = "boolean" }

---One source with the functions of these bodies, each of a policy p1, p2 ... in a line of its own.
---@param list string[]
---@param before? string the first line
---@return string
function asked.source_of(list, before)
  local lines = { before or "" }
  for i, body in ipairs(list) do
    lines[i + 1] = ('policy "p%d" { on = function(e) %s end }'):format(i, body)
  end
  return table.concat(lines, "\n")
end

---Of each function true or false is expected.
---@param sources string|string[]
---@param bounds? table<string, integer>
---@return table|nil questions
---@return string|nil why "source:line text"
function asked.open(sources, bounds)
  local what = { preludes = preludes(asked.kinds, "kept"), sources = type(sources) == "table" and sources or { sources } }
  for name, value in pairs(bounds or {}) do
    what[name] = value
  end
  local q, why = question.open(what)
  if not q then
    return nil, ("%d:%d %s"):format(why.source, why.line, why.text)
  end
  for i in ipairs(q:list()) do
    q:expect(i, asked.yes_or_no)
  end
  return q
end

---The answer, or what the breach is called.
---@param q table
---@param at integer
---@param fields? table
---@return any answer
---@return table|nil breach
function asked.ask(q, at, fields)
  local answer, breach = q:ask(at, fields or {})
  if breach then
    return breach.why, breach
  end
  return answer
end

return asked
