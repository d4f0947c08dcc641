--- report: everything that is wrong with a set of declarations, in the order of the files; and what is not, but will
--- do harm: warnings.

---@class nebula.DeclareError
---@field file string
---@field line integer
---@field column integer in bytes, from 1
---@field path string such as "orders.pool.max"; "" when it is about a file
---@field text string what is wrong and what to do, without any secret

local MOST = 1000 -- who has more reads no further

local Report = {}
Report.__index = Report

local Line = {
  __tostring = function(e)
    local path = e.path ~= "" and e.path .. ": " or ""
    return ("%s:%d:%d: %s%s"):format(e.file, e.line, e.column, path, e.text)
  end,
}

--- Free text (what error() was called with in a declaration) may hold an address with a password in it.
local function without_secrets(text)
  text = text:gsub("://[^%s'\"]*@", "://***@")
  return (text:gsub("([Pp][Aa][Ss][Ss]%w*%s*=%s*)[^%s&;,]+", "%1***"))
end

--- Text that somebody else wrote, for a line of ours.
---@param text string
---@return string
local function clean(text)
  return (without_secrets(text):gsub("[%c\127-\255]", "?"))
end

--- Counts an error. Only when it answers true is it still to be added: finding its place is work.
---@return boolean
function Report:wants()
  self.count = self.count + 1
  return self.count <= MOST
end

local function line_of(file, line, column, path, text)
  return setmetatable({ file = file, line = line, column = column, path = path, text = clean(text) }, Line)
end

---@param file string
---@param line integer
---@param column integer
---@param path string
---@param text string
function Report:put(file, line, column, path, text)
  self.errors[#self.errors + 1] = line_of(file, line, column, path, text)
end

--- As put(), but nothing is wrong. Of more than MOST nobody hears.
function Report:warn(...)
  if #self.warned < MOST then
    self.warned[#self.warned + 1] = line_of(...)
  end
end

--- Counts an error whose place is known, and adds it.
function Report:add(...)
  if self:wants() then
    self:put(...)
  end
end

local function is_before(a, b)
  if a.file ~= b.file then
    return a.file < b.file
  elseif a.line ~= b.line then
    return a.line < b.line
  elseif a.column ~= b.column then
    return a.column < b.column
  end
  return a.path .. a.text < b.path .. b.text
end

--- All of it, or nil when there is nothing.
---@return nebula.DeclareError[]|nil
function Report:list()
  if self.count == 0 then
    return nil
  end
  table.sort(self.errors, is_before)
  if self.count > MOST then
    local last = self.errors[MOST]
    local text = ("and %d more errors, not shown"):format(self.count - MOST)
    self:put(last.file, last.line, last.column, "", text)
  end
  return self.errors
end

--- The warnings, or nil when there are none.
---@return nebula.DeclareError[]|nil
function Report:warnings()
  table.sort(self.warned, is_before)
  return #self.warned > 0 and self.warned or nil
end

--- The text of a path; keys that are not plain words may hold anything and are not shown.
---@param name any of the declaration
---@param path (string|integer)[]
---@return string
local function show(name, path)
  local function plain(key)
    return type(key) == "string" and #key <= 64 and key:find("^[%w_][%w_%-%.]*$") and key or "?"
  end
  local out = plain(name)
  for _, key in ipairs(path) do
    out = out .. (type(key) == "number" and ("[%d]"):format(key) or "." .. plain(key))
  end
  return out
end

local report = { show = show, clean = clean, line = line_of }

--- A message of the compiler without what it was near, unless that is harmless to repeat: a string that was not closed
--- may be a password.
---@param text string
---@return string text
---@return string|nil word what it was near
function report.near(text)
  local word = text:match(" near '(.*)'$")
  if not word or word:find("^[%a_][%w_]*$") or #word == 1 or word == "<eof>" then
    return text, word
  end
  return (text:gsub(" near '.*'$", "")), nil
end

function report.new()
  return setmetatable({ errors = {}, warned = {}, count = 0 }, Report)
end

return report
