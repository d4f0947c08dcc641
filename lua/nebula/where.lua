--- where: the line and column of every setting in a source.
--
-- Lua keeps no line for the keys of a table, so a message about one needs a pass of our own. It reads tokens,
-- not Lua: what it does not understand (a setting that comes from a variable or a function) it leaves out, and
-- the answer is then the nearest thing around it that it knows.

local tokens = require "nebula.declare.tokens"

---@class nebula.Where
---@field private words nebula.Token[]
---@field private lines table<integer, nebula.Token[]>
---@field private calls table<string, table>|nil by kind
local Where = {}
Where.__index = Where

local DEEPEST = 200 -- as Lua itself
local OPENS = { ["("] = true, ["["] = true, ["{"] = true }
local CLOSES = { [")"] = true, ["]"] = true, ["}"] = true }
local BEGINS = { ["function"] = true, ["if"] = true, ["do"] = true, ["repeat"] = true }
local ENDS = { ["end"] = true, ["until"] = true }

local function is_sign(word, value)
  return word ~= nil and word.type == "sign" and word.value == value
end

--- Behind the expression that begins at words[i]: at the , ; or closing bracket that ends it.
local function skip_expression(words, i)
  local depth = 0
  while words[i] do
    local word = words[i]
    if word.type == "sign" then
      if depth == 0 and (word.value == "," or word.value == ";" or CLOSES[word.value]) then
        return i
      end
      depth = depth + (OPENS[word.value] and 1 or CLOSES[word.value] and -1 or 0)
    elseif word.type == "name" then
      depth = depth + (BEGINS[word.value] and 1 or ENDS[word.value] and -1 or 0)
    end
    i = i + 1
  end
  return i
end

--- The key that an entry at words[i] begins with, if any, and where its value begins.
local function read_key(words, i)
  if words[i].type == "name" and is_sign(words[i + 1], "=") and not is_sign(words[i + 2], "=") then
    return words[i].value, i + 2
  elseif is_sign(words[i], "[") then
    local close = skip_expression(words, i + 1)
    local key = close == i + 2 and words[i + 1].type ~= "name" and words[i + 1].value
    return key or false, close + 2
  end
end

--- The entries of the table that begins at words[i] (a brace), and what is behind it.
local function read_table(words, i, depth)
  local entries, count = {}, 0
  i = i + 1
  while words[i] and not is_sign(words[i], "}") do
    local word = words[i]
    local key, value = read_key(words, i)
    if key == nil then
      count = count + 1
      key, value = count, i
    end
    local inner
    if is_sign(words[value], "{") and depth < DEEPEST then
      inner = read_table(words, value, depth + 1)
    end
    if key then
      entries[key] = { line = word.line, column = word.column, entries = inner }
    end
    i = skip_expression(words, value)
    if words[i] and not is_sign(words[i], "}") then
      i = i + 1
    end
  end
  return entries, i + 1
end

--- The call `kind "name" { ... }` or `kind("name") { ... }` that begins at words[i], if one does.
local function read_call(words, i)
  local word, argument = words[i], words[i + 1]
  if word.type ~= "name" or not argument then
    return nil
  end
  local call = { kind = word.value, line = word.line, column = word.column, argument = argument.line }
  local behind
  if argument.type == "string" then
    call.name, behind = argument.value, i + 2
  elseif is_sign(argument, "(") then
    behind = skip_expression(words, i + 2) + 1
    call.name = behind == i + 4 and words[i + 2].type == "string" and words[i + 2].value or nil
  else
    return nil
  end
  if is_sign(words[behind], "(") then
    behind = behind + 1
  end
  if is_sign(words[behind], "{") then
    call.entries = read_table(words, behind, 1)
  end
  return call
end

--- The calls of a source by kind, read when they are first asked for: only valid Lua has declarations, and in
-- invalid Lua brackets may be nested without end.
local function read_calls(words)
  local calls = {}
  for i in ipairs(words) do
    local call = read_call(words, i)
    if call then
      local of_kind = calls[call.kind] or { by_line = {}, by_name = {} }
      calls[call.kind] = of_kind
      of_kind.by_line[call.argument] = of_kind.by_line[call.argument] or {}
      table.insert(of_kind.by_line[call.argument], call)
      if call.name then
        of_kind.by_name[call.name] = of_kind.by_name[call.name] or call
      end
    end
  end
  return calls
end

--- The call that made a declaration: in its line, with its name or one that is computed.
local function find_call(calls, name, line)
  local computed
  for _, call in ipairs(calls.by_line[line] or {}) do
    if call.name == name then
      return call
    elseif not call.name then
      computed = computed or call
    end
  end
  return computed or calls.by_name[name]
end

--- Where a setting of a declaration stands.
---@param kind string "policy" for a policy
---@param name string
---@param line integer of the name
---@param path (string|integer)[] keys below the declaration; of an unknown one the nearest known parent
---@return integer line
---@return integer column in bytes, from 1
function Where:setting(kind, name, line, path)
  self.calls = self.calls or read_calls(self.words)
  local place = self.calls[kind] and find_call(self.calls[kind], name, line)
  if not place then
    return line, self:word(kind, line)
  end
  for _, key in ipairs(path) do
    local inner = place.entries and place.entries[key]
    if not inner then
      break
    end
    place = inner
  end
  return place.line, place.column
end

--- The column of a name in a line; of the line's first word if it is not there.
---@param name string|nil
---@param line integer
---@return integer column
function Where:word(name, line)
  local first
  for _, word in ipairs(self.lines[line] or {}) do
    if word.value == name then
      return word.column
    end
    first = first or word.column
  end
  return first or 1
end

local where = {}

--- Reads a source, valid Lua or not.
---@param source string
---@return nebula.Where
function where.read(source)
  local words, lines = tokens.read(source), {}
  for _, word in ipairs(words) do
    lines[word.line] = lines[word.line] or {}
    table.insert(lines[word.line], word)
  end
  return setmetatable({ words = words, lines = lines }, Where)
end

return where
