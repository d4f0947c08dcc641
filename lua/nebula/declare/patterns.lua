--- patterns: find, match, gmatch and gsub for the judge, where no C function may run for long.
--
-- Lua's own ones can try a short pattern for hours inside one step. These are Lua, so the judge counts
-- their steps like any others. They answer as Lua's do (spec/lua/patterns_spec.lua compares them).
--
-- A prelude: it runs in the judge and leaves `room.matcher`.

local room = ...
local byte, sub = string.byte, string.sub

local PERCENT, DOT, CARET, DOLLAR, DASH = byte("%.^$-", 1, 5)
local STAR, PLUS, QUESTION, OPEN, CLOSE = byte("*+?()", 1, 5)
local BRACKET, END_BRACKET, B, F, ZERO, NINE = byte("[]bf09", 1, 6)
local POSITION, UNCLOSED = -1, -2 -- instead of the length of a capture

local function is_between(c, first, last)
  return c >= byte(first) and c <= byte(last)
end

local class = {
  d = function(c) return is_between(c, "0", "9") end,
  l = function(c) return is_between(c, "a", "z") end,
  u = function(c) return is_between(c, "A", "Z") end,
  s = function(c) return c == 32 or (c >= 9 and c <= 13) end,
  c = function(c) return c < 32 or c == 127 end,
  z = function(c) return c == 0 end,
  g = function(c) return c > 32 and c < 127 end,
}
function class.a(c) return class.l(c) or class.u(c) end
function class.w(c) return class.a(c) or class.d(c) end
function class.p(c) return class.g(c) and not class.w(c) end
function class.x(c) return class.d(c) or is_between(c, "a", "f") or is_between(c, "A", "F") end

--- Is the byte c in the class that the letter after a % names? A capital letter is the opposite.
local function in_class(c, letter)
  local name = string.char(letter)
  local member = class[name:lower()]
  if not member then
    return c == letter
  end
  return member(c) == (name == name:lower())
end

--- Where the set that begins at p[at] (a "[") ends.
local function set_end(p, at)
  local i = at + 1
  if byte(p, i) == CARET then
    i = i + 1
  end
  repeat -- the first "]" is a member
    local c = byte(p, i)
    if not c or (c == PERCENT and not byte(p, i + 1)) then
      error("malformed pattern: a [ without its ]", 0)
    end
    i = i + (c == PERCENT and 2 or 1)
  until byte(p, i) == END_BRACKET
  return i
end

--- Is the byte c in the set p[at..last], brackets included?
local function in_set(c, p, at, last)
  local i, found = at + 1, true
  if byte(p, i) == CARET then
    i, found = i + 1, false
  end
  while i < last do
    local from = byte(p, i)
    if from == PERCENT then
      if in_class(c, byte(p, i + 1)) then
        return found
      end
      i = i + 2
    elseif byte(p, i + 1) == DASH and i + 2 < last then
      if c >= from and c <= byte(p, i + 2) then
        return found
      end
      i = i + 3
    else
      if c == from then
        return found
      end
      i = i + 1
    end
  end
  return not found
end

--- The last byte of the single item that begins at p[at].
local function item_end(p, at)
  local c = byte(p, at)
  if c == PERCENT then
    return byte(p, at + 1) and at + 1 or error("malformed pattern: it ends with %", 0)
  end
  return c == BRACKET and set_end(p, at) or at
end

--- Does the byte of the subject at i fit the single item p[at..last]?
local function fits(m, i, at, last)
  local c, item = byte(m.s, i), byte(m.p, at)
  if not c then
    return false
  elseif item == DOT then
    return true
  elseif item == PERCENT then
    return in_class(c, byte(m.p, last))
  elseif item == BRACKET then
    return in_set(c, m.p, at, last)
  end
  return c == item
end

local match -- match(m, i, at): where the subject from i on has fitted the pattern from `at` on, or nil

local function greedy(m, i, at, last, least)
  local to = i
  while fits(m, to, at, last) do
    to = to + 1
  end
  for j = to, i + least, -1 do
    local e = match(m, j, last + 2)
    if e then
      return e
    end
  end
end

local function lazy(m, i, at, last)
  while true do
    local e = match(m, i, last + 2)
    if e then
      return e
    elseif not fits(m, i, at, last) then
      return nil
    end
    i = i + 1
  end
end

local function balance(m, i, at)
  local open, close = byte(m.p, at, at + 1)
  if not close then
    error("malformed pattern: %b needs two characters", 0)
  elseif byte(m.s, i) ~= open then
    return nil
  end
  local depth = 1
  for j = i + 1, #m.s do
    local c = byte(m.s, j)
    if c == close then
      depth = depth - 1
      if depth == 0 then
        return j + 1
      end
    elseif c == open then
      depth = depth + 1
    end
  end
end

local function open_capture(m, i, at, size)
  m.level = m.level + 1
  if m.level > 32 then
    error("malformed pattern: more than 32 captures", 0)
  end
  m[m.level] = { from = i, size = size }
  local e = match(m, i, at)
  if not e then
    m.level = m.level - 1
  end
  return e
end

local function close_capture(m, i, at)
  for level = m.level, 1, -1 do
    local capture = m[level]
    if capture.size == UNCLOSED then
      capture.size = i - capture.from
      local e = match(m, i, at)
      if not e then
        capture.size = UNCLOSED
      end
      return e
    end
  end
  error("malformed pattern: a ) without its (", 0)
end

local function back_reference(m, i, digit)
  local capture = m[digit - ZERO]
  if digit - ZERO > m.level or not capture or capture.size == UNCLOSED then
    error("malformed pattern: %" .. digit - ZERO .. " refers to no capture", 0)
  elseif capture.size == POSITION then
    return nil
  end
  local text = sub(m.s, capture.from, capture.from + capture.size - 1)
  return sub(m.s, i, i + #text - 1) == text and i + #text or nil
end

local function frontier(m, i, at)
  if byte(m.p, at) ~= BRACKET then
    error("malformed pattern: %f needs a set", 0)
  end
  local last = set_end(m.p, at)
  local before = i == 1 and 0 or byte(m.s, i - 1)
  local after = byte(m.s, i) or 0
  return not in_set(before, m.p, at, last) and in_set(after, m.p, at, last) and last + 1 or nil
end

--- One single item with what may follow it: where to go on (i, at), or the end of the whole match.
local function item(m, i, at)
  local last = item_end(m.p, at)
  local suffix = byte(m.p, last + 1)
  if suffix == STAR then
    return nil, nil, greedy(m, i, at, last, 0)
  elseif suffix == PLUS then
    return nil, nil, greedy(m, i, at, last, 1)
  elseif suffix == DASH then
    return nil, nil, lazy(m, i, at, last)
  elseif suffix == QUESTION then
    local e = fits(m, i, at, last) and match(m, i + 1, last + 2)
    if e then
      return nil, nil, e
    end
    return i, last + 2
  elseif fits(m, i, at, last) then
    return i + 1, last + 1
  end
end

--- The items that begin with %: where to go on, or nil; the third result says that it was none of these.
local function special(m, i, at)
  local next_one = byte(m.p, at + 1)
  if next_one == B then
    return balance(m, i, at + 2), at + 4
  elseif next_one == F then
    local on = frontier(m, i, at + 2)
    return on and i, on
  elseif next_one and next_one >= ZERO and next_one <= NINE then
    return back_reference(m, i, next_one), at + 2
  end
  return nil, nil, true
end

function match(m, i, at)
  while true do
    local c = byte(m.p, at)
    if not c then
      return i
    elseif c == OPEN then
      local is_position = byte(m.p, at + 1) == CLOSE
      return open_capture(m, i, at + (is_position and 2 or 1), is_position and POSITION or UNCLOSED)
    elseif c == CLOSE then
      return close_capture(m, i, at + 1)
    elseif c == DOLLAR and at == #m.p then
      return i == #m.s + 1 and i or nil
    end
    local is_item, next_i, next_at, e = true, nil, nil, nil
    if c == PERCENT then
      next_i, next_at, is_item = special(m, i, at)
    end
    if is_item then
      next_i, next_at, e = item(m, i, at)
    end
    if not next_i then
      return e
    end
    i, at = next_i, next_at
  end
end

room.matcher = { match = match, POSITION = POSITION, UNCLOSED = UNCLOSED }
