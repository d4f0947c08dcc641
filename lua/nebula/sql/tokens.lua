--- tokens: cuts SQL into the pieces that matter to somebody who must not understand it.
--
-- One tokenizer for everybody who looks into a statement: parameters are found, literals are
-- masked, the effect is guessed. It knows what may hide a question mark or a keyword (quotes,
-- comments, dollar quoting) and leaves the rest of the grammar to the server.
--
-- It never fails: what is not closed goes on to the end, and the server will say so.

---@class nebula.sql.Dialect
---@field name string
---@field dollar_quotes boolean $tag$ ... $tag$ is a literal
---@field escapes boolean E'...' knows backslashes
---@field nested_comments boolean
---@field brackets boolean [name] and `name` are quoted names
---@field placeholder string how the server writes its first parameter without the number
---@field most integer how many parameters a statement may have

---@alias nebula.sql.Token "space"|"comment"|"word"|"name"|"text"|"number"|"sign"|"?"|"$"|":"|"??"|"foreign"

local byte, find, sub = string.byte, string.find, string.sub

-- The end of a literal or name that begins at `at`; a doubled quote is part of it.
local function quoted(sql, at, quote)
  local last = at
  repeat
    last = find(sql, quote, last + 1, true)
    if not last then return #sql end
    local doubled = sub(sql, last + 1, last + 1) == quote
    if doubled then last = last + 1 end
  until not doubled
  return last
end

local function escaped(sql, at)
  local last = at + 1
  while last <= #sql do
    local c = sub(sql, last, last)
    if c == "\\" then
      last = last + 1
    elseif c == "'" then
      if sub(sql, last + 1, last + 1) ~= "'" then return last end
      last = last + 1
    end
    last = last + 1
  end
  return #sql
end

local function block_comment(sql, at, nested)
  local depth, last = 1, at + 1
  while depth > 0 do
    local open = nested and find(sql, "/*", last + 1, true)
    local close = find(sql, "*/", last + 1, true)
    if not close then return #sql end
    if open and open < close then
      depth, last = depth + 1, open + 1
    else
      depth, last = depth - 1, close + 1
    end
  end
  return last
end

local read = {}

function read.word(sql, at, dialect)
  local _, last = find(sql, "^[%w_$\128-\255]+", at)
  local is_escaped = dialect.escapes and last == at and find(sql, "^[eE]'", at)
  if is_escaped then return "text", escaped(sql, last + 1) end
  return "word", last
end

function read.number(sql, at)
  local _, last = find(sql, "^[%w_.]+", at)
  return "number", last
end

function read.space(sql, at)
  local _, last = find(sql, "^%s+", at)
  return "space", last
end

read["'"] = function(sql, at) return "text", quoted(sql, at, "'") end
read['"'] = function(sql, at) return "name", quoted(sql, at, '"') end

read["`"] = function(sql, at, dialect)
  if dialect.brackets then return "name", quoted(sql, at, "`") end
  return "sign", at
end

read["["] = function(sql, at, dialect)
  if dialect.brackets then return "name", find(sql, "]", at, true) or #sql end
  return "sign", at
end

read["-"] = function(sql, at)
  if byte(sql, at + 1) ~= 45 then return "sign", at end
  return "comment", find(sql, "\n", at, true) or #sql
end

read["/"] = function(sql, at, dialect)
  if byte(sql, at + 1) ~= 42 then return "sign", at end
  return "comment", block_comment(sql, at, dialect.nested_comments)
end

read["$"] = function(sql, at, dialect)
  local _, last = find(sql, "^%$%d+", at)
  if last then return "$", last end
  if not dialect.dollar_quotes then
    _, last = find(sql, "^%$[%w_]+", at)
    return last and "foreign" or "sign", last or at
  end
  _, last = find(sql, "^%$[%a_\128-\255]?[%w_\128-\255]*%$", at)
  if not last then return "sign", at end
  local _, close = find(sql, sub(sql, at, last), last + 1, true)
  return "text", close or #sql
end

-- A colon right behind an operand cuts an array (a[lo:hi]) and names no parameter.
read[":"] = function(sql, at)
  if byte(sql, at + 1) == 58 then return "sign", at + 1 end
  local _, last = find(sql, "^:[%a_][%w_]*", at)
  local is_slice = find(sql, '^[%w_$%])"\128-\255]', at - 1)
  if last and not is_slice then return ":", last end
  return "sign", at
end

read["?"] = function(sql, at)
  if byte(sql, at + 1) == 63 then return "??", at + 1 end
  local _, last = find(sql, "^%?%d+", at)
  return last and "foreign" or "?", last or at
end

read["@"] = function(sql, at, dialect)
  local _, last = find(sql, "^@[%a_][%w_]*", at)
  if last and not dialect.dollar_quotes then return "foreign", last end
  return "sign", at
end

local function sign(_, at) return "sign", at end

local reader = {} -- by byte
for code = 0, 255 do reader[code] = code < 128 and sign or read.word end
for code = 65, 90 do reader[code], reader[code + 32] = read.word, read.word end -- A to Z, a to z
for code = 48, 57 do reader[code] = read.number end
for code = 9, 13 do reader[code] = read.space end
for kind, fn in pairs(read) do
  if #kind == 1 then reader[byte(kind)] = fn end
end
reader[32], reader[95] = read.space, read.word -- the blank, and _

local M = {}

---@type table<string, nebula.sql.Dialect>
M.dialects = {
  postgres = {
    name = "postgres",
    dollar_quotes = true,
    escapes = true,
    nested_comments = true,
    brackets = false,
    placeholder = "$",
    most = 65535, -- the protocol counts them in two bytes
  },
  sqlite = {
    name = "sqlite",
    dollar_quotes = false,
    escapes = false,
    nested_comments = false,
    brackets = true,
    placeholder = "?",
    most = 32766, -- as it is built unless somebody says otherwise
  },
}

--- Iterates over the tokens: kind, first byte, last byte. They cover the text without gaps.
---@param sql string
---@param dialect nebula.sql.Dialect
---@return fun(): nebula.sql.Token?, integer?, integer?
function M.each(sql, dialect)
  local at = 1
  return function()
    if at > #sql then return nil end
    local first = at
    local kind, last = reader[byte(sql, at)](sql, at, dialect)
    at = last + 1
    return kind, first, last
  end
end

return M
