-- report.lua - what became of all mutants: the survivors one by one, reasons that explain nothing any more, and the table.

local reasons = require "spec.mutants.reasons"

-- Of all that were planted: the compiler refused so many; so many are the same code; so many were killed, or stopped by the clock; so
-- many nothing can tell apart, and so many no spec does, both with a reason; and so many live without one.
local COLUMNS = { "planted", "refused", "same", "killed", "clock", "equal", "unheld", "survived" }
local LEAST = 95 -- percent

local Report = {}
Report.__index = Report

local report = {}

---@param known { list: spec.reason[], by_key: table<string, spec.reason> }
function report.new(known)
  return setmetatable({ known = known, rows = {}, complaints = 0, is_seen = {} }, Report)
end

local function new_row(file)
  local row = { file = file }
  for _, column in ipairs(COLUMNS) do row[column] = 0 end
  return row
end

-- The lines around these bytes, the number of the first one, and what they become.
local function shown(text, mistake)
  local before = text:sub(1, mistake.from - 1)
  local head = before:match "[^\n]*$"
  local tail = text:match("^[^\n]*", mistake.to + 1)
  local old = head .. text:sub(mistake.from, mistake.to) .. tail
  local new = head .. mistake.with .. tail
  return reasons.plain(old), reasons.plain(new), select(2, before:gsub("\n", "")) + 1
end

function Report:complain(text)
  self.complaints = self.complaints + 1
  print(text)
end

-- A survivor is explained, or shown: as a reason would have to name it.
function Report:survivor(source, mistake, row)
  local old, new, line = shown(source.text, mistake)
  local reason = self.known.by_key[reasons.key(source.file, mistake.scope, old, new)]
  if reason then
    local column = reason.is_equal and "equal" or "unheld"
    reason.is_used = true
    row[column] = row[column] + 1
    return
  end
  row.survived = row.survived + 1
  local place = ("%s:%d: %s"):format(source.file, line, mistake.scope)
  self:complain(("%s\n- %s\n+ %s"):format(place, old, new))
end

---Counts the mutants of one file.
---@param source spec.source
---@param verdicts spec.verdicts
function Report:add(source, verdicts)
  local row = new_row(source.file)
  row.planted = #source.mistakes
  for _, mistake in ipairs(source.mistakes) do
    local verdict = verdicts:of(mistake)
    if verdict == "survived" then
      self:survivor(source, mistake, row)
    else
      row[verdict] = row[verdict] + 1
    end
  end
  self.is_seen[source.file] = true
  self.rows[#self.rows + 1] = row
end

-- Of those that a spec could kill.
local function percent(row)
  local found = row.killed + row.clock
  local all = found + row.unheld + row.survived
  return all == 0 and 100 or 100 * found / all
end

local function print_row(file, cells, last)
  local line = { ("%-24s"):format(file) }
  for at, cell in ipairs(cells) do line[at + 1] = ("%9s"):format(cell) end
  print(table.concat(line) .. ("%9s"):format(last))
end

local function print_counts(row)
  local cells = {}
  for at, column in ipairs(COLUMNS) do cells[at] = row[column] end
  print_row(row.file, cells, ("%.1f %%"):format(percent(row)))
end

---@param is_all boolean whether all files were looked at
---@return boolean holds
function Report:close(is_all)
  for _, reason in ipairs(self.known.list) do
    if not reason.is_used and (is_all or self.is_seen[reason.file]) then
      self:complain(("reasons.txt:%d: no such mutant lives: %s\n+ %s"):format(reason.line, reason.file, reason.new))
    end
  end
  print_row("file", COLUMNS, "killed")
  local all = new_row "all"
  for _, row in ipairs(self.rows) do
    print_counts(row)
    for _, column in ipairs(COLUMNS) do all[column] = all[column] + row[column] end
  end
  if #self.rows > 1 then print_counts(all) end
  return self.complaints == 0 and percent(all) >= LEAST
end

return report
