--- copy_rows: rows as the lines of a COPY, and back.
--
-- What stands in a line are the server's own words for a value, as in parameters. A line of text is one line
-- whatever is in it; in csv a value may have several.

local new_table = require "table.new"
local values = require "nebula.value"
local bytes = require "nebula.sql.types.bytes"
local encode = require "nebula.sql.encode"
local errors = require "nebula.error"
local number = require "nebula.sql.types.number"

local null = values.null
local byte, find, gsub, sub = string.byte, string.find, string.gsub, string.sub
local QUOTE, NEWLINE = 34, 10

local M = {}

-- --- writing ----------------------------------------------------------------------------------------

local function words_of_table(value, at)
  local words, complaint = encode.one(value, true)
  if not words then errors.raise("copy_in: value %d of the row: %s", at, complaint) end
  return type(words) == "string" and words or bytes.hex(words.bytes)
end

local word_of = {
  string = function(value) return value end,
  number = number.text,
  boolean = tostring,
  table = words_of_table,
  cdata = number.digits,
}

local function refuse(value, at)
  local kind = type(value)
  errors.raise("copy_in: value %d of the row is %s", at, kind == "nil" and "nil: for a NULL write null" or "a " .. kind)
end

-- The server's words; nil for NULL.
local function words(value, at)
  if value == null then return nil end
  local kind = type(value)
  return word_of[kind] and word_of[kind](value, at) or refuse(value, at)
end

local escapes = { ["\\"] = "\\\\", ["\t"] = "\\t", ["\n"] = "\\n", ["\r"] = "\\r" }

local write = {}

function write.text(value, at)
  local text = words(value, at)
  if not text then return "\\N" end
  return find(text, "[\\\t\n\r]") and gsub(text, "[\\\t\n\r]", escapes) or text
end

-- NULL is nothing, so whatever is something has quotes, where it is no number.
function write.csv(value, at)
  local text = words(value, at)
  if not text then return "" end
  if type(value) == "number" or type(value) == "boolean" then return text end
  return '"' .. gsub(text, '"', '""') .. '"'
end

local separators = { text = "\t", csv = "," }

--- How many values a row has. Raises when it has none that can be counted, or more than columns.
---@param row table
---@param columns string[]|nil
---@return integer
function M.count(row, columns)
  if columns then
    if #row > #columns then
      errors.raise("copy_in: a row has %d values, and the option columns %d names", #row, #columns)
    end
    return #columns
  end
  local count = row.n or #row
  if count == 0 then
    errors.raise(next(row) == nil and "copy_in: a row has no values"
      or "copy_in: a row with names needs the option columns, which gives their order")
  end
  return count
end

--- One value of a row. Raises when nothing like it can be in a database.
---@param row table
---@param at integer
---@param columns string[]|nil
---@return any
function M.value(row, at, columns)
  local value = row[columns and row[1] == nil and columns[at] or at]
  if value == null or word_of[type(value)] then return value end
  return refuse(value, at)
end

--- The line of one row.
---@param format "text"|"csv"
---@param row table a list; with columns, by name or a list
---@param columns string[]|nil
---@return string
function M.line(format, row, columns)
  local count, cell = M.count(row, columns), write[format]
  local is_named = columns and row[1] == nil
  local cells = new_table(count, 0)
  for at = 1, count do
    cells[at] = (cell(row[is_named and columns[at] or at], at))
  end
  return table.concat(cells, separators[format]) .. "\n"
end

-- --- reading ----------------------------------------------------------------------------------------

local unescaped = { N = "N", b = "\b", f = "\f", n = "\n", r = "\r", t = "\t", v = "\v", ["\\"] = "\\" }

local function unescape(text)
  if text == "\\N" then return null end
  return find(text, "\\", 1, true) and gsub(text, "\\(.)", unescaped) or text
end

local read = {}

-- One row from there on, and where the next one begins; nil when it is not whole.
function read.text(chunk, at)
  local last = find(chunk, "\n", at, true)
  if not last then return nil end
  local row, count = {}, 0
  repeat
    local tab = find(chunk, "\t", at, true)
    local stop = tab and tab < last and tab or last
    count = count + 1
    row[count] = (unescape(sub(chunk, at, stop - 1)))
    at = stop + 1
  until stop == last
  return row, at
end

-- The value in quotes that begins there, and what is behind it.
local function quoted(chunk, at)
  local last = at
  repeat
    last = find(chunk, '"', last + 1, true)
    if not last then return nil end
    local is_doubled = byte(chunk, last + 1) == QUOTE
    if is_doubled then last = last + 1 end
  until not is_doubled
  return (gsub(sub(chunk, at + 1, last - 1), '""', '"')), last + 1
end

local function plain(chunk, at)
  local last = find(chunk, "[,\n]", at)
  if not last then return nil end
  return last == at and null or sub(chunk, at, last - 1), last
end

function read.csv(chunk, at)
  local row, count = {}, 0
  repeat
    local value
    value, at = (byte(chunk, at) == QUOTE and quoted or plain)(chunk, at)
    local behind = value ~= nil and byte(chunk, at)
    if not behind then return nil end
    count = count + 1
    row[count] = value
    at = at + 1
  until behind == NEWLINE
  return row, at
end

local function named(row, columns)
  if #row ~= #columns then
    errors.raise("copy_out: the option columns has %d names, and a row %d values", #columns, #row)
  end
  local by_name = {}
  for at, name in ipairs(columns) do by_name[name] = row[at] end
  return by_name
end

--- The rows of a chunk.
---@param format "text"|"csv"
---@param chunk string
---@param columns string[]|nil rows are by name then
---@return table[] rows
---@return string rest what is no whole row yet
function M.all(format, chunk, columns)
  local rows, count, at = {}, 0, 1
  local next_row = read[format]
  while true do
    local row, next_at = next_row(chunk, at)
    if not row then return rows, sub(chunk, at) end
    count, at = count + 1, next_at
    rows[count] = columns and named(row, columns) or row
  end
end

return M
