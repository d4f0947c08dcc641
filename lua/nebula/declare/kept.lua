--- kept: the functions among the settings of declarations, and what each of them holds on to.
--
-- The last prelude of the judge of questions (engine/question.h). It leaves `room.keep`, which is called behind the
-- sources and gives a list of { function, held, source, line, kind, name, path }.
--
-- What was there before the sources is trusted, and stays as it is. All else that a function can reach it could
-- change: its upvalues, and whatever tables and functions there are among them. `held` is false when there is nothing
-- of the kind, else a list by which the judge finds out (engine/question_load.c): each table or function, how many
-- values follow, its length, and these values: keys and values as next() gives them, or upvalues.

local room = ...
local upvalue, origin = room.upvalue, room.origin

local FUNCTIONS_MOST, HELD_MOST, DEPTH_MOST = 1000, 1000, 32

local fixed = {
  __metatable = false,
  __newindex = function()
    error("nothing can be added to what a function holds on to: it is not its own", 0)
  end,
}

local function is_holder(value)
  return type(value) == "table" or type(value) == "function"
end

--- The values that a table or a function holds, and how many these are.
local function contents(holder)
  local list, count = {}, 0
  if type(holder) == "table" then
    for key, value in next, holder do
      list[count + 1], list[count + 2], count = key, value, count + 2
    end
    return list, count
  end
  local is_there, value = upvalue(holder, 1)
  while is_there do
    count = count + 1
    list[count] = value
    is_there, value = upvalue(holder, count + 1)
  end
  return list, count
end

--- Calls tell(holder, contents, count) for each table and function that can be reached and was not seen yet.
local function walk(value, seen, tell)
  local todo = { value }
  while #todo > 0 do
    local holder = table.remove(todo)
    if is_holder(holder) and not seen[holder] then
      seen[holder] = true
      local list, count = contents(holder)
      tell(holder, list, count)
      for i = 1, count do
        todo[#todo + 1] = is_holder(list[i]) and list[i] or nil
      end
    end
  end
end

-- log is for those who are asked: what a file says while it is read is nobody's to hear.
local say, format = room.say, room.strings.format

local function at_level(level)
  return function(text, ...)
    say(level, select("#", ...) > 0 and format(text, ...) or room.tostring(text))
  end
end

room.names.log = room.closed({ info = at_level(1), warn = at_level(2), error = at_level(3) }, "log.")

local trusted = {}
walk({ room.names, room.libraries }, trusted, function() end)

local function held_by(value, place)
  local held, size, total = {}, 0, 0
  walk(value, setmetatable({}, { __index = trusted }), function(holder, list, count)
    total = total + count
    if total > HELD_MOST then
      error(("%s: this function holds on to more than %d values"):format(place, HELD_MOST), 0)
    end
    if type(holder) == "table" and getmetatable(holder) == nil then
      setmetatable(holder, fixed)
    end
    held[size + 1], held[size + 2], held[size + 3] = holder, count, type(holder) == "table" and #holder or 0
    for i = 1, count do
      held[size + 3 + i] = list[i]
    end
    size = size + 3 + count
  end)
  return total > 0 and held
end

local function keep_all(settings, path, depth, keep)
  for key, value in next, settings do
    local is_plain = type(key) == "string" or type(key) == "number"
    if is_plain and type(value) == "function" then
      keep(value, path .. key)
    elseif is_plain and type(value) == "table" and depth < DEPTH_MOST then
      keep_all(value, path .. key .. ".", depth + 1, keep)
    end
  end
end

-- The order of declarations may be one of chance, as that of pairs() is.
local function is_before(a, b)
  for _, field in ipairs { 3, 5, 6, 7 } do
    if a[field] ~= b[field] then
      return a[field] < b[field]
    end
  end
  return false
end

function room.keep()
  local kept = {}
  for _, record in ipairs(room.records[2]) do
    local kind, name, settings = record[1], record[4], record[5]
    if type(name) == "string" and type(settings) == "table" then
      keep_all(settings, "", 1, function(value, path)
        local source, line = origin(value)
        if source == 0 then
          return -- one of the language
        elseif #kept == FUNCTIONS_MOST then
          error(("%d:%d: there are more than %d functions"):format(source, line, FUNCTIONS_MOST), 0)
        end
        kept[#kept + 1] = { value, held_by(value, source .. ":" .. line), source, line, kind, name, path }
      end)
    end
  end
  table.sort(kept, is_before)
  for i = #room.records[2], 1, -1 do
    room.records[2][i] = nil -- no other setting is wanted here
  end
  room.seal()
  return kept
end
