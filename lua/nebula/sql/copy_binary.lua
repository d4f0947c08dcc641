--- copy_binary: rows as the bytes of a COPY in the format binary, and back.
--
-- A head, then each row: how many values it has, and each with its size before it. -1 stands where the next row would,
-- when there is none. Nothing in the bytes says of what types they are: see copy_types.lua.

local codecs = require "nebula.sql.types.binary.codecs"
local copy_rows = require "nebula.sql.copy_rows"
local wire = require "nebula.sql.types.binary.wire"

local SIGNATURE = "PGCOPY\n\255\r\n\0"
local CRITICAL = 0x10000 -- flags from here on change what the bytes mean
local HEAD = #SIGNATURE + 8

local M = { head = SIGNATURE .. ("\0"):rep(8), trailer = "\255\255" }

---@class nebula.sql.CopyColumn
---@field name string
---@field codec nebula.sql.Codec

-- --- writing ----------------------------------------------------------------------------------------

--- The bytes of one row.
---@param columns nebula.sql.CopyColumn[]
---@param row table a list; with names, by name or a list
---@param names string[]|nil
---@return string|nil bytes nil when it does not fit
---@return string|nil complaint
---@return string|nil column
function M.line(columns, row, names)
  local count = copy_rows.count(row, names)
  if count ~= #columns then
    return nil, ("a row has %d values, and the statement %d columns"):format(count, #columns)
  end
  local cells = { wire.int2(count) }
  for at, column in ipairs(columns) do
    local value = copy_rows.value(row, at, names)
    local ok, bytes = pcall(codecs.write, column.codec, value)
    if not ok then return nil, ("a value is none of %s: %s"):format(column.codec.name, bytes), column.name end
    cells[at + 1] = bytes
  end
  return table.concat(cells)
end

-- --- reading ----------------------------------------------------------------------------------------

---@class nebula.sql.CopyReader
---@field package columns nebula.sql.CopyColumn[]
---@field package names string[]|nil
---@field package rest string what is no whole row yet
---@field package is_begun boolean|nil
---@field is_done boolean|nil the last row was read
---@field row integer the one that is read, from 1
local Reader = {}
Reader.__index = Reader

-- Where the first row begins; nil when the head is not whole.
local function head(bytes)
  if #bytes < HEAD then return nil end
  if bytes:sub(1, #SIGNATURE) ~= SIGNATURE then error("it does not begin as a binary COPY does", 0) end
  if wire.read_uint4(bytes, #SIGNATURE + 1) >= CRITICAL then error("it has flags that nobody here knows", 0) end
  local more = wire.read_uint4(bytes, #SIGNATURE + 5)
  return #bytes >= HEAD + more and HEAD + more + 1 or nil
end

-- Where the row ends that begins there; nil when it is not whole.
local function row_end(bytes, at, count)
  at = at + 2
  for _ = 1, count do
    if #bytes < at + 3 then return nil end
    at = at + 4 + math.max(wire.read_int4(bytes, at), 0)
  end
  return at - 1 <= #bytes and at or nil
end

local function read_row(self, bytes, at)
  local row, columns, names = {}, self.columns, self.names
  at = at + 2
  for i, column in ipairs(columns) do
    local value, behind = codecs.read(column.codec, bytes, at)
    row[names and names[i] or i], at = value, behind
  end
  return row
end

-- The row that begins there, and where the next one does; nil when there is no whole one.
local function next_row(self, bytes, at)
  if self.is_done or #bytes < at + 1 then return nil, at end
  local count = wire.read_int2(bytes, at)
  if count == -1 then
    self.is_done = true
    return nil, at + 2
  elseif count ~= #self.columns then
    error(("it has %d values, and the statement %d columns"):format(count, #self.columns), 0)
  end
  local behind = row_end(bytes, at, count)
  if not behind then return nil, at end
  return read_row(self, bytes, at), behind
end

--- The rows of a chunk. Raises a text when it is not in the format.
---@param chunk string
---@return table[]
function Reader:rows(chunk)
  local bytes, rows, at = self.rest .. chunk, {}, 1
  if not self.is_begun then
    at = head(bytes) or 0
    self.is_begun = at > 0
  end
  while self.is_begun do
    local row
    row, at = next_row(self, bytes, at)
    if not row then break end
    rows[#rows + 1], self.row = row, self.row + 1
  end
  self.rest = at > 0 and bytes:sub(at) or bytes
  if self.is_done and self.rest ~= "" then error("there is more behind its end", 0) end
  return rows
end

--- For all chunks of one COPY.
---@param columns nebula.sql.CopyColumn[]
---@param names string[]|nil rows are by name then
---@return nebula.sql.CopyReader
function M.reader(columns, names)
  return setmetatable({ columns = columns, names = names, rest = "", row = 1 }, Reader)
end

return M
