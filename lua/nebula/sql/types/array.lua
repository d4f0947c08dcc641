--- array: PostgreSQL's words for arrays, to Lua tables and back.
--
-- array{ 1, null, 3 } is a parameter; what comes back looks the same. It counts from 1 whatever its bounds
-- are in the database: those, when they are not the usual ones, are in `lower`, one for each dimension. Between two
-- elements stands a comma, but for arrays of box, which have their `delimiter`.
-- An array inside an array is one more dimension; a plain table inside is a document (json[]).

local values = require "nebula.value"
local words = require "nebula.sql.types.words"

local null = values.null

local M = {}

-- --- reading ----------------------------------------------------------------------------------------

local function quoted_at(text, at)
  local last = at
  repeat
    last = text:find('["\\]', last + 1) or error("a quoted item that does not end", 0)
    local is_end = text:sub(last, last) == '"'
    if not is_end then last = last + 1 end
  until is_end
  return text:sub(at + 1, last - 1):gsub("\\(.)", "%1"), last + 1
end

local function items_at(text, at, decode, word)
  local list, count = {}, 0
  at = at + 1
  while text:sub(at, at) ~= "}" do
    local item
    local first = text:sub(at, at)
    if first == "" then
      error("an array ends in the middle of its words", 0)
    elseif first == "{" then
      item, at = items_at(text, at, decode, word)
    elseif first == '"' then
      local inner
      inner, at = quoted_at(text, at)
      item = decode(inner)
    else
      local inner, next_at = text:match(word, at)
      item, at = inner == "NULL" and null or decode(inner), next_at
    end
    count = count + 1
    list[count] = item
    if text:sub(at, at) ~= "}" then at = at + 1 end
  end
  return values.array(list), at + 1
end

--- An array from the server's words. Raises when they are none.
---@param text string
---@param decode fun(text: string): any of one element
---@param delimiter string|nil between two, default a comma
---@return nebula.Array
function M.decode(text, decode, delimiter)
  local bounds, body = text:match "^([%[%]%d:-]+)=({.*)$"
  local list = items_at(body or text, 1, decode, delimiter == ";" and "^([^;}]*)()" or "^([^,}]*)()")
  if bounds then
    list.lower = {}
    for lower in bounds:gmatch "%[(-?%d+):" do list.lower[#list.lower + 1] = tonumber(lower) end
  end
  if delimiter == ";" then list.delimiter = delimiter end
  return list
end

-- --- writing ----------------------------------------------------------------------------------------

local function quote(text)
  return '"' .. text:gsub('["\\]', "\\%0") .. '"'
end

local function write(value, delimiter)
  if values.is_array(value) then
    local piece = {}
    for at = 1, #value do piece[at] = write(value[at], delimiter) end
    return "{" .. table.concat(piece, delimiter) .. "}"
  end
  local text = words.of(value)
  if not text then return "NULL" end
  return words.is_plain(value) and text or quote(text)
end

-- "[0:2][1:1]=" when the bounds are not the usual ones.
local function bounds_of(list)
  local piece, inner = {}, list
  for _, lower in ipairs(list.lower or {}) do
    if not values.is_array(inner) or #inner == 0 then return "" end
    piece[#piece + 1] = ("[%d:%d]"):format(lower, lower + #inner - 1)
    inner = inner[1]
  end
  return #piece > 0 and table.concat(piece) .. "=" or ""
end

--- The words of an array; raises a text when something in it has none.
---@param list nebula.Array
---@return string
function M.write(list)
  return bounds_of(list) .. write(list, list.delimiter or ",")
end

--- The words of an array.
---@param list nebula.Array
---@return string? text nil when something in it is nothing for an array
---@return string? complaint
function M.encode(list)
  local ok, text = pcall(M.write, list)
  if not ok then return nil, text end
  return text
end

return M
