--- tokens: the words of a Lua source with their places; tolerant, it never fails.
--
-- Only as fine as where.lua needs: names, strings, numbers and single signs. Comments are left out.

local tokens = {}

local ESCAPES = { a = "\a", b = "\b", f = "\f", n = "\n", r = "\r", t = "\t", v = "\v" }

local function unescape(text)
  text = text:gsub("\\z%s*", "")
  text = text:gsub("\\(.)(%x?%x?%d?)", function(c, digits)
    if c == "x" then
      return string.char(tonumber(digits:sub(1, 2), 16) or 0) .. digits:sub(3)
    elseif c:find("%d") then
      local number = (c .. digits):match("^%d%d?%d?")
      return string.char(math.min(tonumber(number), 255)) .. (c .. digits):sub(#number + 1)
    end
    return (ESCAPES[c] or c) .. digits
  end)
  return text
end

--- The end of a long bracket that begins at `at`, and what is in it; nil when none begins there.
local function long_bracket(source, at)
  local _, opened, level = source:find("^%[(=*)%[", at)
  if not opened then
    return nil
  end
  local close, last = source:find("]" .. level .. "]", opened + 1, true)
  return last or #source, source:sub(opened + 1, (close or #source + 1) - 1)
end

local function skip_comment(source, at)
  local last = long_bracket(source, at + 2)
  if last then
    return last + 1
  end
  return source:find("[\r\n]", at) or #source + 1
end

--- The end of a quoted string, which a line's end cuts off.
local function quoted(source, at)
  local quote, i = source:sub(at, at), at + 1
  while true do
    local stop = source:find("[\\\r\n" .. quote .. "]", i)
    if not stop then
      return #source
    end
    local c = source:sub(stop, stop)
    if c ~= "\\" then
      return c == quote and stop or stop - 1
    end
    i = stop + 2
  end
end

--- One token at `at`: its type, its value, its last byte.
local function token(source, at)
  local _, last = source:find("^[%a_\128-\255][%w_\128-\255]*", at)
  if last then
    return "name", source:sub(at, last), last
  end
  _, last = source:find("^%.?%d[%w%.]*", at)
  if last then
    return "number", tonumber((source:sub(at, last))) or false, last
  end
  if source:find("^[\"']", at) then
    last = quoted(source, at)
    return "string", unescape(source:sub(at + 1, last - 1)), last
  end
  local long_last, text = long_bracket(source, at)
  if long_last then
    return "string", text, long_last
  end
  return "sign", source:sub(at, at), at
end

--- Counts lines up to places that only grow.
local function line_counter(source)
  local line, start = 1, 1 -- of the line
  local break_at = source:find("[\r\n]") or #source + 1
  return function(at)
    while break_at < at do
      local pair = source:sub(break_at, break_at + 1)
      local is_pair = pair == "\r\n" or pair == "\n\r"
      line, start = line + 1, break_at + (is_pair and 2 or 1)
      break_at = source:find("[\r\n]", start) or #source + 1
    end
    return line, at - start + 1
  end
end

---@class nebula.Token
---@field type "name"|"string"|"number"|"sign"
---@field value string|number|false
---@field line integer
---@field column integer counted in bytes, from 1

--- All tokens of a source.
---@param source string
---@return nebula.Token[]
function tokens.read(source)
  local list, place = {}, line_counter(source)
  local at = source:find("^\239\187\191") and 4 or 1
  if source:sub(at, at) == "#" then
    at = source:find("[\r\n]", at) or #source + 1
  end
  while true do
    at = source:find("[^%s%z]", at)
    if not at then
      return list
    elseif source:find("^%-%-", at) then
      at = skip_comment(source, at)
    else
      local type, value, last = token(source, at)
      local line, column = place(at)
      list[#list + 1] = { type = type, value = value, line = line, column = column }
      at = last + 1
    end
  end
end

return tokens
