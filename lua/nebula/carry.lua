--- carry: functions as bytes and back, for what other workers run.
--
--   local bytes, why = carry.pack({ fn, 1, { 2 } }, { "fn", "argument 1", "argument 2" }, 3, most)
--   fn, one, list = carry.unpack(bytes)   -- in whatever worker
--
-- A function goes as bytecode with its lines, and with what it uses (its upvalues): values as the codec copies them,
-- functions in the same way, resources, channels of the process and modules by their name, and what is Lua's or ours by
-- where it stands there. What several functions share they share there too, and a function may use itself. Its globals
-- become those of the workflow there. What cannot go is refused, with the name that it has in the function.

local codec = require "nebula.codec"
local environments = require "nebula.environment"
local errors = require "nebula.error"
local failures = require "nebula.failure"
local named = require "nebula.carry.named"

local carry = {}

-- --- packing ----------------------------------------------------------------------------------------

---@class nebula.carry.Pack
---@field functions table[] { code, environment, cells... }
---@field cells table[] what upvalues hold
---@field package numbers table<function, integer>
---@field package places table<userdata, integer> cells by the identity of the upvalue
---@field package left integer bytes

local function refuse(path, why)
  error({ refusal = ("%s: %s"):format(path, why) }, 0)
end

local place -- of a function or a value

local function environment_of(fn, path)
  local environment = getfenv(fn)
  if environment == _G then return "global" end
  if environments.is(environment) then return "workflow" end
  refuse(path, "a function with globals of its own (setfenv), which it would not have there")
end

local function cell_of(pack, fn, i, name, path)
  local id = debug.upvalueid(fn, i)
  if not pack.places[id] then
    local number = #pack.cells + 1
    pack.places[id], pack.cells[number] = number, false
    local _, value = debug.getupvalue(fn, i)
    pack.cells[number] = place(pack, value, ("%s uses %s"):format(path, name))
  end
  return pack.places[id]
end

local function number_of(pack, fn, path)
  local number = pack.numbers[fn]
  if number then return number end
  number = #pack.functions + 1
  local one = { code = string.dump(fn), environment = environment_of(fn, path) }
  pack.numbers[fn], pack.functions[number] = number, one
  pack.left = pack.left - #one.code
  if pack.left < 0 then refuse(path, "it and what it uses are too large") end
  local i, name = 1, debug.getupvalue(fn, 1)
  while name do
    one[i] = cell_of(pack, fn, i, name, path)
    i = i + 1
    name = debug.getupvalue(fn, i)
  end
  return number
end

-- How it is found there, or what it is made of.
function place(pack, value, path)
  local how, name, more = named.of(value)
  if how then return { how, name, more } end
  if type(value) == "function" then
    local at = debug.getinfo(value, "S")
    if at.what == "C" then refuse(path, "a function of C, which has no name there; use it inside of your own") end
    if errors.is_ours(at.source) then
      refuse(path, "a function of nebula's own, which has no name there; use it inside of your own")
    end
    return { "function", number_of(pack, value, ("%s (%s)"):format(path, failures.place_of_function(value))) }
  end
  local bytes, why = codec.encode(value, path, pack.left)
  if not bytes then error({ refusal = why }, 0) end
  pack.left = pack.left - #bytes
  return { "value", bytes }
end

--- The bytes of functions and values.
---@param values any[] each by its place, nil too
---@param names string[] what they are called where they are refused
---@param count integer
---@param most integer bytes
---@return string|nil bytes
---@return string|nil why
function carry.pack(values, names, count, most)
  local pack = { functions = {}, cells = {}, numbers = {}, places = {}, left = most }
  local places = {}
  local ok, raised = pcall(function()
    for i = 1, count do places[i] = place(pack, values[i], names[i]) end
  end)
  if not ok then
    if type(raised) ~= "table" or not raised.refusal then error(raised, 0) end
    return nil, raised.refusal
  end
  return codec.encode({ functions = pack.functions, cells = pack.cells, places = places }, "all of it", most)
end

-- --- unpacking --------------------------------------------------------------------------------------

local environment_there = {
  global = function() return _G end,
  workflow = environments.main,
}

local function made(functions, what)
  local how, name, more = what[1], what[2], what[3]
  if how == "function" then return functions[name] end
  if how == "value" then return codec.decode(name) end
  return named.find(how, name, more)
end

local function fill(functions, described, cells)
  local owners = {} -- of each cell: the first function that has it, and where
  for number, one in ipairs(described) do
    for i, cell in ipairs(one) do
      local owner = owners[cell]
      if owner then
        debug.upvaluejoin(functions[number], i, owner[1], owner[2])
      else
        owners[cell] = { functions[number], i }
        debug.setupvalue(functions[number], i, made(functions, cells[cell]))
      end
    end
  end
end

--- What pack() was given, as it is in this worker. Raises when something has no such name here.
---@param bytes string
---@return any ...
function carry.unpack(bytes)
  local all = codec.decode(bytes)
  local functions, values = {}, {}
  for number, one in ipairs(all.functions) do
    local fn = assert(loadstring(one.code))
    functions[number] = setfenv(fn, environment_there[one.environment]())
  end
  fill(functions, all.functions, all.cells)
  for i, what in ipairs(all.places) do values[i] = made(functions, what) end
  return unpack(values, 1, #all.places)
end

return carry
