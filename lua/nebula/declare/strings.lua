--- strings: the string library of the judge: Lua's own, without what can run for long inside one step.
--
-- A prelude: it runs in the judge after patterns.lua and leaves `room.strings`. It is also what the methods
-- of a string are: ("x"):rep(3).

local room = ...
local matcher = room.matcher
local byte, sub, rep = string.byte, string.sub, string.rep
local find_plain, gsub_plain, format = string.find, string.gsub, string.format

local LONGEST = 64 * 1024 -- of what rep() makes
local VALUES = 32         -- of format(), char(): a number with 99 digits, or out of a long text, takes microseconds

local function text(value, name, position)
  if type(value) == "number" then
    return tostring(value)
  elseif type(value) ~= "string" then
    error(("%s: argument %d is a %s, not a string"):format(name, position, type(value)), 0)
  end
  return value
end

local function matching(s, p)
  return { s = s, p = p, level = 0 }
end

--- The n-th capture; without captures the whole match, from..to - 1, is the first.
local function capture(m, n, from, to)
  if n > m.level then
    if n == 1 then
      return sub(m.s, from, to - 1)
    end
    error("malformed pattern or replacement: there is no capture %" .. n, 0)
  end
  local c = m[n]
  if c.size == matcher.POSITION then
    return c.from
  elseif c.size == matcher.UNCLOSED then
    error("malformed pattern: a ( without its )", 0)
  end
  return sub(m.s, c.from, c.from + c.size - 1)
end

local function captures(m, from, to, least)
  local list = {}
  for n = 1, math.max(m.level, least) do
    list[n] = capture(m, n, from, to)
  end
  return unpack(list)
end

local function beginning(s, init)
  init = init or 1
  if init < 0 then
    init = #s + init + 1
  end
  return math.min(math.max(init, 1), #s + 1)
end

--- The first match at or behind `from`.
local function search(m, from)
  local is_anchored = byte(m.p, 1) == byte("^")
  for i = from, is_anchored and from or #m.s + 1 do
    m.level = 0
    local to = matcher.match(m, i, is_anchored and 2 or 1)
    if to then
      return i, to
    end
  end
end

--- The word at or behind `from`, looked for at so many places in one step that it takes some 50 us.
local function find_word(s, word, from)
  local places = math.floor(2 ^ 20 / (128 + #word))
  for at = from, #s + 1, places do
    local first, last = find_plain(sub(s, at, at + places + #word - 2), word, 1, true)
    if first then
      return at + first - 1, at + last - 1
    end
  end
end

--- f for few values: it reads numbers out of texts, all of them in one step.
function room.few(f, name)
  return function(...)
    if select("#", ...) > VALUES then
      error(("%s: more than %d values"):format(name, VALUES), 0)
    end
    return f(...)
  end
end

local strings = {
  byte = byte, char = room.few(string.char, "char"), len = string.len, lower = string.lower,
  reverse = string.reverse, sub = sub, upper = string.upper,
}

--- As Lua's own, but where a table or a function lies in memory is not told: who runs twice says the same twice.
function room.tostring(value)
  local kind, said = type(value), tostring(value)
  return (kind == "table" or kind == "function") and kind or said
end

function strings.format(pattern, ...)
  pattern = text(pattern, "format", 1)
  local count, values = select("#", ...), { ... }
  if count > VALUES then
    error(("format: more than %d values"):format(VALUES), 0)
  elseif find_plain((gsub_plain(pattern, "%%%%", "")), "%%[^%a%%]*p") then
    error("format: there is no %p", 0)
  end
  for i = 1, count do
    local kind = type(values[i])
    values[i] = (kind == "table" or kind == "function") and room.tostring(values[i]) or values[i]
  end
  return format(pattern, unpack(values, 1, count))
end

function strings.rep(s, n, separator)
  s, separator = text(s, "rep", 1), separator and text(separator, "rep", 3) or ""
  n = tonumber(n) or error("rep: argument 2 is not a number", 0)
  if n > 0 and (#s + #separator) * n > LONGEST then
    error(("rep: the result is longer than %d bytes"):format(LONGEST), 0)
  end
  return rep(s, n, separator)
end

function strings.find(s, p, init, plain)
  s, p = text(s, "find", 1), text(p, "find", 2)
  local from = beginning(s, init)
  if plain or not find_plain(p, "[%^%$%*%+%?%.%(%[%%%-]") then
    return find_word(s, p, from)
  end
  local m = matching(s, p)
  local first, to = search(m, from)
  if first then
    return first, to - 1, captures(m, first, to, 0)
  end
end

function strings.match(s, p, init)
  s, p = text(s, "match", 1), text(p, "match", 2)
  local m = matching(s, p)
  local first, to = search(m, beginning(s, init))
  if first then
    return captures(m, first, to, 1)
  end
end

function strings.gmatch(s, p)
  s, p = text(s, "gmatch", 1), text(p, "gmatch", 2)
  local from = 1
  return function()
    local m = matching(s, p)
    for i = from, #s + 1 do
      m.level = 0
      local to = matcher.match(m, i, 1)
      if to then
        from = to > i and to or i + 1
        return captures(m, i, to, 1)
      end
    end
    from = #s + 2
  end
end

local function expand(m, replacement, from, to)
  local out, i = {}, 1
  while i <= #replacement do
    local c = sub(replacement, i, i)
    if c == "%" then
      i = i + 1
      c = sub(replacement, i, i)
      if c == "0" then
        c = sub(m.s, from, to - 1)
      elseif tonumber(c) then
        c = tostring(capture(m, tonumber(c), from, to))
      end
    end
    out[#out + 1] = c
    i = i + 1
  end
  return table.concat(out)
end

local function replaced(m, replacement, from, to)
  local kind = type(replacement)
  local value
  if kind == "table" then
    value = replacement[capture(m, 1, from, to)]
  elseif kind == "function" then
    value = replacement(captures(m, from, to, 1))
  else
    value = expand(m, text(replacement, "gsub", 3), from, to)
  end
  if value == nil or value == false then
    return sub(m.s, from, to - 1)
  elseif type(value) ~= "string" and type(value) ~= "number" then
    error("gsub: the replacement is a " .. type(value), 0)
  end
  return tostring(value)
end

function strings.gsub(s, p, replacement, most)
  s, p = text(s, "gsub", 1), text(p, "gsub", 2)
  most = most or #s + 1
  local m, out, i, count = matching(s, p), {}, 1, 0
  local is_anchored = byte(p, 1) == byte("^")
  while count < most do
    m.level = 0
    local to = matcher.match(m, i, is_anchored and 2 or 1)
    if to then
      count = count + 1
      out[#out + 1] = replaced(m, replacement, i, to)
    end
    if to and to > i then
      i = to
    elseif i <= #s then
      out[#out + 1] = sub(s, i, i)
      i = i + 1
    else
      break
    end
    if is_anchored then
      break
    end
  end
  out[#out + 1] = sub(s, i)
  return table.concat(out), count
end

getmetatable("").__index = strings
room.strings = strings
