--- shape: what a table of settings must look like, as a table; all that is wrong is found at once.
--
-- A shape is a table of rows by name. A row says the type, the bounds, the default and the manual text of one
-- setting. Times come out in microseconds, sizes in bytes, rates as a number a second.
--
-- No text made here contains the value of a setting unless it is a plain word or number, because any setting may
-- have been given a secret by mistake.

local marked = require "nebula.declare.marked"
local suggest = require "nebula.suggest"
local units = require "nebula.units"

---@class nebula.Row
---@field type "string"|"integer"|"number"|"boolean"|"duration"|"size"|"rate"|"enum"|"secret"|"list"|"map"|"table"
---@field default? any as it would be written; of a table each field has its own
---@field required? boolean
---@field min? number in the unit that comes out
---@field max? number in the unit that comes out; of a string its most bytes (4096), of a list its most entries (256)
---@field one_of? string[] of an enum
---@field of? nebula.Row of a list or map: what its entries are (strings)
---@field fields? table<string, nebula.Row> of a table
---@field class? "live"|"next-connection"|"restart" when a change is in force
---@field text? string the manual's sentence
---@field not_yet? string known, not in force: refused, with this as the rest of the sentence
---@field check? fun(value: any, whole: table): string|nil what is wrong with it beside the other settings

---@class nebula.ShapeError
---@field path (string|integer)[]
---@field text string

local shape = {}

--- A word or number that a user wrote, if it is harmless to repeat it.
---@param value any
---@return string # `"lifo"`, `12`, or "this"
function shape.quote(value)
  if type(value) == "number" then
    return ("%.14g"):format(value)
  elseif type(value) == "string" and #value <= 40 and value:find("^[%w_][%w_%.%-%%/ ]*$") then
    return '"' .. value .. '"'
  end
  return "this"
end

-- Sequences that look like UTF-8 but are too long for what they say, surrogates, or beyond the last character.
local IMPOSSIBLE = { "\224[\128-\159]", "\237[\160-\191]", "\240[\128-\143]", "\244[\144-\191]" }

local function is_utf8(value)
  for _, pattern in ipairs(IMPOSSIBLE) do
    if value:find(pattern) then
      return false
    end
  end
  local rest = value:gsub("[\194-\223][\128-\191]", ""):gsub("[\224-\239][\128-\191][\128-\191]", "")
    :gsub("[\240-\244][\128-\191][\128-\191][\128-\191]", "")
  return not rest:find("[\128-\255]")
end

local function read_string(value, row)
  if type(value) ~= "string" then
    return nil, "expected a text, got a " .. type(value)
  end
  if value:find("%z") then
    return nil, "holds a NUL byte"
  elseif not is_utf8(value) then
    return nil, "is not valid UTF-8"
  elseif #value > (row.max or 4096) then
    return nil, ("has %d bytes; the most is %d"):format(#value, row.max or 4096)
  end
  return value
end

local function read_number(value, _, from_text)
  if from_text then
    value = tonumber(value)
  end
  if type(value) ~= "number" then
    return nil, "expected a number" .. (from_text and "" or ", got a " .. type(value))
  elseif value ~= value or math.abs(value) == math.huge then
    return nil, "is not a finite number"
  end
  return value
end

local function read_integer(value, row, from_text)
  local number, why = read_number(value, row, from_text)
  if not number then
    return nil, (why:gsub("expected a number", "expected a whole number"))
  elseif number % 1 ~= 0 or math.abs(number) >= 2 ^ 53 then
    return nil, from_text and "is no whole number" or shape.quote(number) .. " is no whole number"
  end
  return number
end

local function read_boolean(value, _, from_text)
  if from_text and (value == "true" or value == "false") then
    return value == "true"
  elseif type(value) ~= "boolean" then
    return nil, "expected true or false" .. (from_text and "" or ", got a " .. type(value))
  end
  return value
end

local function read_enum(value, row, from_text)
  for _, word in ipairs(row.one_of) do
    if word == value then
      return value
    end
  end
  if from_text then
    return nil, "the environment's value is not possible here; known: " .. table.concat(row.one_of, ", ")
  end
  return nil, shape.quote(value) .. " is not possible here" .. suggest(value, { unpack(row.one_of) })
end

local function read_unit(read)
  return function(value, _, from_text)
    local amount, why = read(value)
    if not amount and not from_text and type(value) ~= "table" then
      why = shape.quote(value) .. " will not do: " .. why
    end
    return amount, why
  end
end

local SHOW = { duration = units.show_duration, size = units.show_size }
local READ = {
  string = read_string, secret = read_string, number = read_number, integer = read_integer, boolean = read_boolean,
  enum = read_enum, duration = read_unit(units.duration), size = read_unit(units.size), rate = read_unit(units.rate),
}
local BOUNDED = { integer = true, number = true, duration = true, size = true, rate = true }

local function check_bounds(value, row)
  local show = SHOW[row.type] or tostring
  if row.min and value < row.min then
    return "is less than " .. show(row.min)
  elseif row.max and value > row.max then
    return "is more than " .. show(row.max)
  end
end

---@class nebula.Reading one pass over a tree: where it is, and what was wrong so far
---@field path (string|integer)[]
---@field errors nebula.ShapeError[]
---@field from_env table<string, boolean> the settings at the top whose value came from the environment
local Reading = {}
Reading.__index = Reading

function Reading:fail(text)
  self.errors[#self.errors + 1] = { path = { unpack(self.path) }, text = text }
end

--- self:f(...), one key deeper.
function Reading:within(key, f, ...)
  table.insert(self.path, key)
  local result = f(self, ...)
  table.remove(self.path)
  return result
end

--- The value of a setting that is no table, or nil when it was refused.
function Reading:leaf(row, value)
  local is_from_env = marked.of(value) == "env"
  if is_from_env then
    local text, why = marked.resolve(value)
    if not text then
      return self:fail(why)
    end
    value = text
    self.from_env[self.path[1]] = true
  end
  local read, why = READ[row.type](value, row, is_from_env)
  if read ~= nil and BOUNDED[row.type] then
    why = check_bounds(read, row)
  end
  if why then
    return self:fail(why)
  end
  return read
end

--- The value of a list or map.
function Reading:entries(row, value)
  local out, count = {}, 0
  for key, entry in pairs(value) do
    count = count + 1
    if type(key) ~= (row.type == "list" and "number" or "string") then
      self:within(key, self.fail, row.type == "list" and "a list has no names" or "a value without a name")
    else
      out[key] = self:within(key, self.value, row.of or { type = "string" }, entry)
    end
  end
  if row.type == "list" and #value ~= count then
    self:fail("a list has no gaps and no names")
  elseif count > (row.max or 256) then
    self:fail(("has %d entries; the most is %d"):format(count, row.max or 256))
  end
  return out
end

--- What a tree says, one setting: in the engine's units, or nil when it was refused.
function Reading:value(row, value)
  local mark = marked.of(value)
  if row.not_yet then
    return self:fail("not yet in force: " .. row.not_yet)
  elseif mark == "unknown" then
    return nil -- already told where it was named
  elseif mark and mark ~= "env" then
    return self:fail(marked.TEXT[mark])
  elseif READ[row.type] then
    return self:leaf(row, value)
  elseif type(value) ~= "table" or mark then
    return self:fail(("expected a %s { ... }, got a %s"):format(row.type, mark and "text" or type(value)))
  elseif row.type == "table" then
    return self:fields(row.fields, value)
  end
  return self:entries(row, value)
end

function Reading:unknown(rows, name)
  if type(name) ~= "string" then
    return self:fail("a value without a name")
  end
  local names = {}
  for known, row in pairs(rows) do
    names[#names + 1] = not row.not_yet and known or nil
  end
  self:fail("unknown setting" .. suggest(name, names))
end

function Reading:fields(rows, tree)
  local out = {}
  for name, value in pairs(tree) do
    if rows[name] then
      out[name] = self:within(name, self.value, rows[name], value)
    else
      self:within(name, self.unknown, rows, name)
    end
  end
  return out
end

local function default_of(row)
  if row.default ~= nil and READ[row.type] then
    return (READ[row.type](row.default, row))
  end
  return row.default
end

--- Compares settings with one another, unless one of them was refused: then nothing is sure.
function Reading:compare(rows, given, tree, whole)
  for name in pairs(tree) do
    if rows[name] and given[name] == nil then
      return
    end
  end
  for name, row in pairs(rows) do
    local why = row.check and given[name] ~= nil and row.check(given[name], whole)
    if why then
      self:within(name, self.fail, why)
    end
  end
end

--- What was given, over what `base` says, over the defaults.
function Reading:finish(rows, given, tree, base)
  local whole = {}
  for name, row in pairs(rows) do
    if row.type == "table" and not row.not_yet then
      local inner = type(tree[name]) == "table" and tree[name] or {}
      whole[name] = self:within(name, self.finish, row.fields, given[name] or {}, inner, base[name] or {})
    elseif given[name] ~= nil then
      whole[name] = given[name]
    elseif base[name] ~= nil then
      whole[name] = base[name]
    else
      whole[name] = default_of(row)
      if row.required and tree[name] == nil then
        self:within(name, self.fail, "is missing")
      end
    end
  end
  self:compare(rows, given, tree, whole)
  return whole
end

--- Checks a tree of settings and gives them in the engine's units, with defaults.
---@param rows table<string, nebula.Row>
---@param tree table
---@param base table|nil settings in the engine's units that count where the tree says nothing
---@return table settings only to be used without errors
---@return nebula.ShapeError[] errors
---@return table<string, boolean> from_env names of settings whose value came from the environment
function shape.check(rows, tree, base)
  local reading = setmetatable({ path = {}, errors = {}, from_env = {} }, Reading)
  local given = reading:fields(rows, tree)
  return reading:finish(rows, given, tree, base or {}), reading.errors, reading.from_env
end

return shape
