--- codecs: the types of a database to PostgreSQL's binary form and back: those of plain.lua, and what is made of them.
--
-- What is made of others is written from the values that a row has, not from words, and read as a row has it. A type
-- whose form is not known here says so by its name; so does one that has a codec, which knows words alone.

local composite = require "nebula.sql.types.composite"
local plain = require "nebula.sql.types.binary.plain"
local range = require "nebula.sql.types.range"
local values = require "nebula.value"
local wire = require "nebula.sql.types.binary.wire"

local null = values.null
local int4, read_int4 = wire.int4, wire.read_int4

local BYTEA = 17
local EMPTY, WITH_LOWER, WITH_UPPER, NO_LOWER, NO_UPPER = 1, 2, 4, 8, 16
local MOST_DIMENSIONS = 6

---@class nebula.sql.Codec
---@field name string of the type
---@field write fun(value: any): string raises a text for what does not fit
---@field read fun(bytes: string): any raises a text for what is not in this form
---@field size integer|nil bytes that it always has

local M = {}

--- A value, NULL too, with its size before it.
---@param codec nebula.sql.Codec
---@param value any
---@return string
function M.write(codec, value)
  if value == null then return "\255\255\255\255" end
  local bytes = codec.write(value)
  return int4(#bytes) .. bytes
end

--- What stands there, and what stands behind; raises a text when that is not all there.
---@param codec nebula.sql.Codec
---@param bytes string
---@param at integer
---@return any
---@return integer
function M.read(codec, bytes, at)
  if #bytes < at + 3 then error("it ends in the middle", 0) end
  local size = read_int4(bytes, at)
  if size == -1 then return null, at + 4 end
  if size < 0 or #bytes < at + 3 + size then error("it ends in the middle", 0) end
  if codec.size and codec.size ~= size then
    error(("%d bytes are no %s, which has %d"):format(size, codec.name, codec.size), 0)
  end
  return codec.read(bytes:sub(at + 4, at + 3 + size)), at + 4 + size
end

-- --- arrays -----------------------------------------------------------------------------------------

local function measure(list)
  local sizes = {}
  while values.is_array(list) do
    sizes[#sizes + 1] = #list
    list = list[1]
  end
  if #sizes > MOST_DIMENSIONS then error("it has more than six dimensions", 0) end
  return sizes
end

-- All elements, one dimension inside the other.
local function flatten(piece, item, list, sizes, depth)
  if not values.is_array(list) or #list ~= sizes[depth] then
    error("its inner arrays are not all of one size", 0)
  end
  for at = 1, #list do
    if depth < #sizes or values.is_array(list[at]) then
      flatten(piece, item, list[at], sizes, depth + 1)
    else
      piece[#piece + 1] = M.write(item, list[at])
    end
  end
end

local function write_array(item, oid, list)
  if not values.is_array(list) then error("it is no array{...}", 0) end
  local sizes = measure(list)
  local items, piece = {}, {}
  flatten(items, item, list, sizes, 1)
  if #sizes > 1 and sizes[#sizes] == 0 then error("an array in it has nothing in it", 0) end
  if sizes[1] == 0 then return int4(0) .. int4(0) .. int4(oid) end
  for at, size in ipairs(sizes) do piece[at] = int4(size) .. int4(list.lower and list.lower[at] or 1) end
  return int4(#sizes) .. int4(1) .. int4(oid) .. table.concat(piece) .. table.concat(items)
end

local function read_items(item, bytes, at, sizes, depth)
  local list = {}
  for i = 1, sizes[depth] do
    if depth < #sizes then
      list[i], at = read_items(item, bytes, at, sizes, depth + 1)
    else
      list[i], at = M.read(item, bytes, at)
    end
  end
  return values.array(list), at
end

local function read_array(item, bytes)
  local dimensions = #bytes >= 12 and read_int4(bytes, 1) or -1
  if dimensions < 0 or dimensions > MOST_DIMENSIONS or #bytes < 12 + 8 * dimensions then
    error("it is no array", 0)
  end
  if dimensions == 0 then return values.array {} end
  local sizes, lower, is_usual, items = {}, {}, true, 1
  for i = 1, dimensions do
    sizes[i], lower[i] = read_int4(bytes, 5 + 8 * i), read_int4(bytes, 9 + 8 * i)
    is_usual, items = is_usual and lower[i] == 1, items * sizes[i]
    if sizes[i] < 1 or 4 * items > #bytes then error("it has other dimensions than it says", 0) end
  end
  local list = read_items(item, bytes, 13 + 8 * dimensions, sizes, 1)
  if not is_usual then list.lower = lower end
  return list
end

local makers = {}

function makers.array(catalog, type_of)
  local item, complaint = M.of(catalog, type_of.of)
  if not item then return nil, complaint end
  return {
    write = function(value) return write_array(item, type_of.of, value) end,
    read = function(bytes) return read_array(item, bytes) end,
  }
end

-- --- ranges -----------------------------------------------------------------------------------------

local function write_range(bound, value)
  if type(value) ~= "table" or not (value.empty or value.bounds) then error("it is no range{...}", 0) end
  if value.empty then return string.char(EMPTY) end
  local flags = value.lower == nil and NO_LOWER or value.bounds:sub(1, 1) == "[" and WITH_LOWER or 0
  flags = flags + (value.upper == nil and NO_UPPER or value.bounds:sub(2) == "]" and WITH_UPPER or 0)
  return string.char(flags) .. (value.lower ~= nil and M.write(bound, value.lower) or "")
    .. (value.upper ~= nil and M.write(bound, value.upper) or "")
end

local function has(flags, flag)
  return flags % (2 * flag) >= flag
end

local function read_range(bound, bytes)
  local flags, at, lower, upper = bytes:byte(), 2, nil, nil
  if not flags then error("it is no range", 0) end
  if has(flags, EMPTY) then return range.of { empty = true } end
  if not has(flags, NO_LOWER) then lower, at = M.read(bound, bytes, at) end
  if not has(flags, NO_UPPER) then upper = M.read(bound, bytes, at) end
  local bounds = (has(flags, WITH_LOWER) and "[" or "(") .. (has(flags, WITH_UPPER) and "]" or ")")
  return range.of { lower = lower, upper = upper, bounds = bounds }
end

function makers.range(catalog, type_of)
  local bound, complaint = M.of(catalog, type_of.of)
  if not bound then return nil, complaint end
  return {
    write = function(value) return write_range(bound, value) end,
    read = function(bytes) return read_range(bound, bytes) end,
  }
end

function makers.multirange(catalog, type_of)
  local bound, complaint = M.of(catalog, type_of.of)
  if not bound then return nil, complaint end
  local one = {
    name = type_of.name,
    write = function(value) return write_range(bound, value) end,
    read = function(bytes) return read_range(bound, bytes) end,
  }
  return {
    write = function(list)
      if type(list) ~= "table" then error("it is no multirange{...}", 0) end
      local piece = { int4(#list) }
      for at = 1, #list do piece[at + 1] = M.write(one, list[at]) end
      return table.concat(piece)
    end,
    read = function(bytes)
      local list, at = range.of({}, true), 5
      if #bytes < 4 then error("it is no multirange", 0) end
      for i = 1, read_int4(bytes, 1) do list[i], at = M.read(one, bytes, at) end
      return list
    end,
  }
end

-- --- composites and domains -------------------------------------------------------------------------

-- What would be left out is refused, as the server refuses words with more than it knows.
local function check_fields(is_known, value, is_listed)
  for key in pairs(value) do
    if not is_known[key] and not (is_listed and key == "n") then
      error(("it has a field %s, and the type has none"):format(tostring(key)), 0)
    end
  end
end

local function write_composite(fields, names, value)
  if type(value) ~= "table" then error("it is no table of its fields", 0) end
  local piece, is_listed = { int4(#fields) }, value[1] ~= nil
  check_fields(is_listed and names or fields, value, is_listed)
  for at, field in ipairs(fields) do
    local inner = value[is_listed and at or names[at]]
    if inner == nil then error(("its field %s is nil; for a NULL write null"):format(names[at]), 0) end
    piece[at + 1] = int4(field.oid) .. M.write(field, inner)
  end
  return table.concat(piece)
end

local function read_composite(fields, names, class, bytes)
  if #bytes < 4 or read_int4(bytes, 1) ~= #fields then error("it has other fields", 0) end
  local row, at = {}, 5
  for i, field in ipairs(fields) do row[names[i]], at = M.read(field, bytes, at + 4) end
  return setmetatable(row, class)
end

function makers.composite(catalog, type_of)
  local fields, names, are_bytes = {}, {}, {}
  for at, field in ipairs(type_of.fields) do
    local codec, complaint = M.of(catalog, field[2])
    if not codec then return nil, complaint end
    fields[at] = setmetatable({ oid = field[2] }, { __index = codec })
    fields[field[1]] = fields[at]
    names[at], are_bytes[at] = field[1], field[2] == BYTEA
  end
  local class = composite.class(names, are_bytes)
  return {
    write = function(value) return write_composite(fields, names, value) end,
    read = function(bytes) return read_composite(fields, names, class, bytes) end,
  }
end

function makers.domain(catalog, type_of)
  local base, complaint = M.of(catalog, type_of.of)
  if not base then return nil, complaint end
  return { write = base.write, read = base.read, size = base.size }
end

function makers.word(_, type_of)
  local known = not type_of.schema and plain[type_of.name]
  if known then return { write = known.write, read = known.read, size = known.size } end
  return nil, type_of.name
end

function makers.enum()
  return { write = plain.enum.write, read = plain.enum.read }
end

--- What a type is in binary.
---@param catalog nebula.sql.Catalog that has learnt it
---@param oid integer
---@return nebula.sql.Codec|nil
---@return string|nil name of the type that has no binary form here, when it is known
function M.of(catalog, oid)
  local type_of, has_codec = catalog:type_of(oid)
  if not type_of or has_codec then return nil, type_of and type_of.name end
  local codec, complaint = makers[type_of.kind](catalog, type_of)
  if codec then codec.name = type_of.name end
  return codec, complaint
end

return M
