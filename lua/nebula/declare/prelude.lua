--- prelude: the names that a declaration may use, and the records that it leaves.
--
-- It runs in the judge after strings.lua. room.kinds has the names of the kinds. The records are two lists:
--
--   1  { name=, source=, line= } for every unknown name that was used
--   2  { kind, source, line, name, settings } for every declaration in order; kind is "policy", "strategy" or
--      "chaos" for one of these, and the place is that of the name
--
-- All are lists because lists are copied in order: of a tree that is cut off, everything but its end is known.
--
-- Unknown names do not stop the file: whoever misspelt three names hears of three. What they stand for is
-- marked, answers to everything with itself, and is passed over in the tree.
--
-- room.seal() ends that: from then on questions are asked (engine/question.h), names are only looked up, and one that
-- is unknown is an error like any other.

local room = ...
local mark, here, strings = room.mark, room.here, room.strings

local unknown_names, declarations, views, is_sealed = {}, {}, {}, false
local operators = { "add", "sub", "mul", "div", "mod", "pow", "unm", "concat", "call", "index" }

--- A metatable whose every operator is what make(operator) returns.
local function operated(make)
  local meta = { __metatable = false }
  for _, name in ipairs(operators) do
    meta["__" .. name] = make(name)
  end
  return meta
end

-- unknown names ---------------------------------------------------------------------------------------

local inert = operated(function()
  return function(a, b)
    return type(a) == "table" and rawget(a, mark) == "unknown" and a or b
  end
end)

local UNKNOWN_MOST = 2000 -- nobody reads so far
local told = {}

local function unknown(name)
  local source, line = here()
  local key = source .. ":" .. line .. ":" .. tostring(name)
  if not told[key] and #unknown_names < UNKNOWN_MOST then
    told[key] = true
    unknown_names[#unknown_names + 1] = { name = name, source = source, line = line }
  end
  return setmetatable({ [mark] = "unknown" }, inert)
end

-- env(): known only where the declaration is put in force, never here -----------------------------------

local env_value

--- Of an env() value, else nil.
local function parts_in(value)
  local marked = type(value) == "table" and rawget(value, mark)
  return type(marked) == "table" and marked or nil
end

local function parts_of(value)
  local parts = parts_in(value)
  if parts then
    return parts
  elseif type(value) == "string" or type(value) == "number" then
    return { tostring(value) }
  end
  error("only text, numbers and other env() values can be joined to an env() value", 0)
end

local function refuse()
  error("an env() value is not known yet: it can only be joined with .. and given to a setting", 0)
end

local env_meta = operated(function()
  return refuse
end)
env_meta.__newindex, env_meta.__tostring, env_meta.__lt, env_meta.__le = refuse, refuse, refuse, refuse

function env_meta.__concat(a, b)
  local parts = {}
  for _, list in ipairs { parts_of(a), parts_of(b) } do
    for _, part in ipairs(list) do
      parts[#parts + 1] = part
    end
  end
  return env_value(parts)
end

function env_value(parts)
  return setmetatable({ [mark] = parts }, env_meta)
end

local function only_in_a_file(what)
  if is_sealed then
    error(what .. " is said when the file is read, not when something is asked", 0)
  end
end

local function env(name, default)
  only_in_a_file "env()"
  if type(name) ~= "string" then
    error("env() wants the name of an environment variable", 0)
  elseif default ~= nil and type(default) ~= "string" and type(default) ~= "number" then
    error("the default of env() is a text", 0)
  end
  return env_value { { name = name, default = default and tostring(default) } }
end

-- declarations -----------------------------------------------------------------------------------------

local MOST = 20000 -- of a folder: what is checked in a second

local function declare(kind)
  return function(name)
    only_in_a_file "a declaration"
    local source, line = here()
    if #declarations >= MOST then
      error(("a folder declares at most %d resources and policies; this is one more"):format(MOST), 0)
    end
    local record = { kind, source, line, name or false, false }
    declarations[#declarations + 1] = record
    return function(settings)
      only_in_a_file "a declaration"
      record[5] = settings
    end
  end
end

-- the names --------------------------------------------------------------------------------------------

local function refuse_set(_, name)
  error(("%s cannot be set: the names of a file are its own, say local"):format(room.tostring(name)), 0)
end

--- A view of list that cannot be changed, in which unknown names are told.
local function closed(list, prefix)
  local meta = {
    __metatable = false,
    __newindex = refuse_set,
    __index = function(_, name)
      here() -- so that a tail call, which leaves no trace, has a place nearby
      local value = list[name]
      if value == nil then
        return unknown(prefix .. room.tostring(name))
      end
      return value
    end,
  }
  views[#views + 1] = { meta = meta, list = list, prefix = prefix }
  return setmetatable({}, meta)
end

room.closed = closed

local function refuse_unknown(prefix)
  return function(_, name)
    local is_plain = type(name) == "string" and #name <= 40 and name:find "^[%a_][%w_]*$"
    error(("unknown name %s%s"):format(prefix, is_plain and name or "?"), 0)
  end
end

function room.seal()
  is_sealed = true
  for _, view in ipairs(views) do
    view.meta.__index = setmetatable(view.list, { __index = refuse_unknown(view.prefix) })
  end
end

local function number_of(value, ...)
  if parts_in(value) then
    refuse()
  end
  return tonumber(value, ...)
end

--- There is nothing to see in what is marked: who knew the mark could make values that are none of a file's.
local function next_of(list, key)
  if parts_in(list) then
    refuse()
  elseif type(list) == "table" and rawget(list, mark) then
    return nil
  end
  return next(list, key)
end

local function pairs_of(list)
  local _, checked = pairs(list)
  return next_of, checked
end

--- Lua's own moves in one step whatever is between the position and what it takes for the end, however far that is,
--- and adds to what is shared: only such a list has a metatable.
local function insert(list, ...)
  local count, position, value = select("#", ...), ...
  if type(list) == "table" and getmetatable(list) ~= nil then
    error("insert: nothing can be added to this list, which is not its own", 0)
  elseif count < 2 then
    return table.insert(list, ...)
  end
  position = math.floor(tonumber(position) or 0)
  if count > 2 or not (position >= 1 and position <= #list + 1) then
    error("insert: there is no such position in the list", 0)
  end
  for i = #list, position, -1 do
    list[i + 1] = list[i]
  end
  list[position] = value
end

--- It takes a microsecond to write a number, and Lua's own writes all of them in one step.
local function concat(list, separator, first, last)
  local texts = {}
  first, last = first or 1, last or #list
  for i = first, last do
    local value = list[i]
    if value == nil then
      break
    end
    texts[i] = type(value) == "number" and tostring(value) or value
  end
  return table.concat(texts, separator, first, last)
end

local mathematics = {
  abs = math.abs, ceil = math.ceil, floor = math.floor, fmod = math.fmod, huge = math.huge, log = math.log,
  max = room.few(math.max, "max"), min = room.few(math.min, "min"), pow = math.pow, sqrt = math.sqrt,
}
local tables = { concat = concat, insert = insert, remove = table.remove }

local names = {
  assert = assert, error = error, ipairs = ipairs, next = next_of, pairs = pairs_of, select = select,
  tonumber = number_of, tostring = room.tostring, type = type, unpack = unpack,
  math = closed(mathematics, "math."),
  string = closed(strings, "string."),
  table = closed(tables, "table."),
  env = env,
  policy = declare "policy",
  strategy = declare "strategy",
  chaos = declare "chaos",
}
for kind in pairs(room.kinds) do
  names[kind] = declare(kind)
end

room.names, room.libraries, room.environment = names, { mathematics, strings, tables }, closed(names, "")
room.records = { unknown_names, declarations }
