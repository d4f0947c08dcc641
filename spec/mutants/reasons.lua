-- reasons.lua - why some mutants may live, as reasons.txt says it:
--
--   engine/rules/fill.c: smaller
--   - return a < b ? a : b;
--   + return a <= b ? a : b;
--   = Of two equal ones either.
--
-- The file, the function, the text as it is, what it becomes, and the reason. Behind = it says why nothing can tell the two
-- apart, so that it is no mistake; behind ! why no spec does, though one could. Several + behind one - are several mistakes, and
-- one reason may be for all that stands above it. Blanks count for one; where in the function it is does not matter.

local reasons = {}

local Reading = {}
Reading.__index = Reading

---A text with single blanks, and none around it.
function reasons.plain(text)
  return (text:gsub("%s+", " "):match "^ ?(.-) ?$")
end

---How a change is known: by the function and the two texts.
function reasons.key(file, scope, old, new)
  return table.concat({ file, scope, reasons.plain(old), reasons.plain(new) }, "\n")
end

function Reading:wrong(why)
  error(("%s:%d: %s"):format(self.path, self.line, why), 0)
end

-- The changes read so far are over, which have a reason by then.
function Reading:close()
  if #self.open > 0 and not self.open[1].why then self:wrong "a change without a reason stands above" end
  self.open = {}
end

function Reading:place(file, scope)
  self:close()
  self.file, self.scope, self.old = file, scope, nil
end

function Reading:change(sign, text)
  if not self.file then self:wrong "of which file?" end
  if self.open[1] and self.open[1].why then self:close() end
  if sign == "-" then
    self.old = text
    return
  end
  if not self.old then self:wrong "a + without a -" end
  local reason = { file = self.file, scope = self.scope, old = self.old, new = text, line = self.line }
  table.insert(self.open, reason)
  self.list[#self.list + 1] = reason
  local key = reasons.key(self.file, self.scope, self.old, text)
  if self.by_key[key] then self:wrong "the same stands above" end
  self.by_key[key] = reason
end

-- For all changes above that have none.
function Reading:reason(sign, text)
  if #self.open == 0 or self.open[1].why then self:wrong "a reason for what?" end
  for _, reason in ipairs(self.open) do reason.why, reason.is_equal = text, sign == "=" end
end

function Reading:read(line)
  local file, scope = line:match "^([%w_/]+%.[ch])[:%d]*: (%S+)$"
  local sign, text = line:match "^([-+=!]) (.*)$"
  if file then
    self:place(file, scope)
  elseif sign == "-" or sign == "+" then
    self:change(sign, text)
  elseif sign then
    self:reason(sign, text)
  elseif line:find "%S" and not line:find "^#" then
    self:wrong "neither a place nor a change nor a reason"
  end
end

---@class spec.reason
---@field file string
---@field why string
---@field is_equal boolean? nothing can tell it from what it is not
---@field line integer where it stands
---@field is_used boolean? set by who finds the mutant

---@param path string
---@return { list: spec.reason[], by_key: table<string, spec.reason> }
function reasons.read(path)
  local self = setmetatable({ path = path, line = 0, open = {}, list = {}, by_key = {} }, Reading)
  for line in io.lines(path) do
    self.line = self.line + 1
    self:read(line)
  end
  self:close()
  return self
end

return reasons
