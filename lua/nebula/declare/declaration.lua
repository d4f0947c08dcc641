--- declaration: one `kind "name" { ... }` of a file, and the way from a setting in it to its place there.

local marked = require "nebula.declare.marked"
local report = require "nebula.declare.report"
local shape = require "nebula.shape"

---@class nebula.Declaration
---@field kind string "policy", "strategy" or "chaos" for one of these
---@field name string
---@field settings table
---@field source nebula.Source
---@field line integer
---@field failed boolean|nil something was wrong with it
---@field private report table
local Declaration = {}
Declaration.__index = Declaration

-- What a report is told of a setting.
function Declaration:place(path, text)
  local line, column = self.source:places():setting(self.kind, self.name, self.line, path)
  return self.source.file, line, column, report.show(self.name, path), text
end

--- Reports that a setting is wrong.
---@param path (string|integer)[] below the declaration
---@param text string
function Declaration:fail(path, text)
  self.failed = true
  if not self.report:wants() then
    return
  end
  self.report:put(self:place(path, text))
end

--- Warns of a setting that is right and will do harm.
---@param path (string|integer)[]
---@param text string
function Declaration:warn(path, text)
  self.report:warn(self:place(path, text))
end

---@class nebula.Asked a setting that is a function, where questions.lua finds it
---@field kind string of the declaration
---@field name string
---@field path string of the setting
---@field file string
---@field line integer where the function begins

---@return nebula.Asked
function Declaration:asked(path, line)
  self.source.is_asked = true
  return { kind = self.kind, name = self.name, path = path, file = self.source.file, line = line }
end

--- Checks the settings by rows, reports what is wrong.
---@param rows table<string, nebula.Row>
---@param base table|nil see shape.check
---@return table settings
---@return table<string, boolean> from_env
function Declaration:check(rows, base)
  local settings, errors, from_env = shape.check(rows, self.settings, base, function(path, line)
    return self:asked(path, line)
  end)
  for _, e in ipairs(errors) do
    self:fail(e.path, e.text)
  end
  return settings, from_env
end

local declaration = {}

local function check_form(one)
  local example = ('%s "name" { ... }'):format(one.kind)
  if type(one.name) ~= "string" then
    one:fail({}, "has no name; write " .. example)
  elseif #one.name > 64 or not one.name:find("^%a[%w_%.%-]*$") then
    one:fail({}, "a name begins with a letter, goes on with letters, digits, _ - or . and has at most 64 of them")
  elseif one.settings == nil then
    one:fail({}, "has no settings; write " .. example)
  elseif type(one.settings) ~= "table" or marked.of(one.settings) then
    one:fail({}, marked.TEXT[marked.of(one.settings)] or "its settings must be a table; write " .. example)
  end
end

--- A declaration from its record (prelude.lua); its form is reported when it is wrong.
---@param record table
---@param source nebula.Source
---@param reports table
---@return nebula.Declaration|nil
function declaration.new(record, source, reports)
  local one = setmetatable({
    kind = record[1], source = source, line = record[3], name = record[4], settings = record[5] or nil,
    report = reports,
  }, Declaration)
  check_form(one)
  return not one.failed and one or nil
end

return declaration
