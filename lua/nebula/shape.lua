--- shape: what a table of settings must look like, as a table; all that is wrong is found at once.
--
-- A shape is a table of rows by name. A row says the type, the bounds, the default and the manual text of one
-- setting. Times come out in microseconds, sizes in bytes, rates as a number a second.
--
-- No text made here contains the value of a setting unless it is a plain word or number, because any setting may
-- have been given a secret by mistake.

local keys = require "nebula.keys"
local marked = require "nebula.declare.marked"
local suggest = require "nebula.suggest"
local values = require "nebula.declare.values"

---@alias nebula.ValueType "string"|"integer"|"number"|"boolean"|"duration"|"size"|"rate"|"share"|"enum"|"secret"
---|"pace"|"window"|"delay"

---@class nebula.Row
---@field type nebula.ValueType|"list"|"map"|"table"|"data"|"function"|"question" data: any plain value
---@field default? any as it would be written; of a table each field has its own
---@field required? boolean
---@field is_ours? boolean a setting of the kind's own, unknown to what it passes settings on to
---@field listed? boolean a list of such values may stand in its place
---@field lone? boolean of a list of tables: one may stand in its place, and comes out as a list of one
---@field words? string[] words that may stand in its place
---@field min? number in the unit that comes out
---@field max? number in the unit that comes out; of a string its most bytes (4096), of a list its most entries (256)
---@field one_of? string[] of an enum; words that may stand in the place of a question
---@field answer? nebula.Row of a question: what its function answers
---@field of? nebula.Row of a list or map: what its entries are (strings)
---@field fields? table<string, nebula.Row> of a table
---@field optional? boolean of a table: it is false until it is said, and false may be said
---@field short? string of a table: the field that is meant when a single value stands in its place
---@field class? "live"|"next-connection"|"restart" when a change is in force
---@field text? string the manual's sentence
---@field not_yet? string known, not in force: refused, with this as the rest of the sentence
---@field instead? string said elsewhere: refused, with this as the rest of the sentence
---@field check? fun(value: any): string|nil what is wrong with a value of this type, without showing it; of a table
---  in a list, as it was written
---@field beside? string the setting of the same table that it is compared with
---@field compare? fun(value: any, other: any): string|nil what is wrong with it beside that one
---@field fit? fun(value: any, other: any): any what it is beside that one where it was not said

---@class nebula.ShapeError
---@field path (string|integer)[]
---@field text string

local shape = { quote = values.quote }

local HINTS = 100 -- so many unknown settings are compared with the known ones: it takes time

---@class nebula.Reading one pass over a tree: where it is, and what was wrong so far
---@field path (string|integer)[]
---@field errors nebula.ShapeError[]
---@field from_env table<string, boolean> the settings at the top whose value came from the environment
---@field ask (fun(path: string, line: integer): any)|nil
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

local function is_word(row, value)
  for _, word in ipairs(row.words or {}) do
    if value == word then
      return true
    end
  end
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
  if is_word(row, value) then
    return value
  end
  local read, why = values.read(row, value, is_from_env)
  if why then
    return self:fail(row.words and ('%s; or "%s"'):format(why, table.concat(row.words, '" or "')) or why)
  end
  return read
end

--- What stands for the function of a question.
function Reading:question(value)
  if not self.ask then
    return self:fail(marked.TEXT["function"])
  elseif not value.line then
    return self:fail("is a function of the language: write one here")
  end
  return self.ask(table.concat(self.path, "."), value.line)
end

--- One of a list or map, with the defaults that it has as a table.
function Reading:complete(row, value)
  local read = self:value(row, value)
  return read and row.fields and self:section(row, read, value) or read
end

--- The value of a list or map.
function Reading:entries(row, value)
  local out, count = {}, 0
  for _, key in ipairs(keys(value)) do
    local entry = value[key]
    count = count + 1
    if type(key) ~= (row.type == "list" and "number" or "string") then
      self:within(key, self.fail, row.type == "list" and "a list has no names" or "a value without a name")
    else
      out[key] = self:within(key, self.complete, row.of or { type = "string" }, entry)
    end
  end
  if row.type == "list" and #value ~= count then
    self:fail("a list has no gaps and no names")
  elseif count > (row.max or 256) then
    self:fail(("has %d entries; the most is %d"):format(count, row.max or 256))
  end
  return out
end

--- Any plain value, as it is.
function Reading:data(value)
  local mark = marked.of(value)
  if mark == "unknown" then
    return nil
  elseif mark == "env" then
    return self:leaf({ type = "string" }, value)
  elseif mark then
    return self:fail(marked.TEXT[mark])
  elseif type(value) ~= "table" then
    return value
  end
  local out = {}
  for _, key in ipairs(keys(value)) do
    out[key] = self:within(key, self.data, value[key])
  end
  return out
end

--- A table in a list, which is nothing beside what it says itself.
function Reading:entry(row, value)
  local out, why = self:fields(row.fields, value), row.check and row.check(value)
  if why then
    return self:fail(why)
  end
  return out
end

--- What a tree says, one setting: in the engine's units, or nil when it was refused.
function Reading:value(row, value)
  local mark = marked.of(value)
  if row.not_yet then
    return self:fail("not yet in force: " .. row.not_yet)
  elseif row.instead then
    return self:fail(row.instead)
  elseif mark == "unknown" then
    return nil -- already told where it was named
  elseif mark == "function" and row.type == "question" then
    return self:question(value)
  elseif mark and mark ~= "env" then
    return self:fail(marked.TEXT[mark])
  elseif row.listed and type(value) == "table" and not mark then
    return self:entries({ type = "list", of = row }, value)
  elseif row.type == "data" then
    return self:data(value)
  elseif values.is_single(row) then
    return self:leaf(row, value)
  elseif row.lone and type(value) == "table" and not mark and next(value) ~= nil and value[1] == nil then
    return { self:entry(row.of, value) }
  elseif row.optional and value == false then
    return false
  elseif row.short and (type(value) ~= "table" or mark) then
    return { [row.short] = self:value(row.fields[row.short], value) }
  elseif type(value) ~= "table" or mark then
    return self:fail(("expected a %s { ... }%s, got a %s"):format(row.type, row.optional and " or false" or "",
      mark and "text" or type(value)))
  elseif row.type == "table" then
    return self:entry(row, value)
  end
  return self:entries(row, value)
end

function Reading:unknown(rows, name)
  if type(name) ~= "string" then
    return self:fail("a value without a name")
  elseif #self.errors >= HINTS then
    return self:fail("unknown setting")
  end
  local names = {}
  for known, row in pairs(rows) do
    names[#names + 1] = not (row.not_yet or row.instead) and known or nil
  end
  self:fail("unknown setting" .. suggest(name, names))
end

function Reading:fields(rows, tree)
  local out = {}
  for _, name in ipairs(keys(tree)) do
    if rows[name] then
      out[name] = self:within(name, self.value, rows[name], tree[name])
    else
      self:within(name, self.unknown, rows, name)
    end
  end
  return out
end

local function default_of(row)
  if row.default ~= nil and values.is_single(row) then
    return (values.read(row, row.default))
  end
  return row.default
end

local sorted = setmetatable({}, { __mode = "k" })

-- Rows do not change, and many declarations are read by the same ones.
local function names_of(rows)
  sorted[rows] = sorted[rows] or keys(rows)
  return sorted[rows]
end

--- Compares settings with one another, unless one of the two was refused. What was not said fits the other one.
function Reading:compare(rows, given, tree, whole)
  for _, name in ipairs(names_of(rows)) do
    local row = rows[name]
    if row.fit and given[name] == nil then
      whole[name] = row.fit(whole[name], whole[row.beside])
    end
    local is_sound = row.compare and given[name] ~= nil and (tree[row.beside] == nil or given[row.beside] ~= nil)
    local why = is_sound and row.compare(given[name], whole[row.beside])
    if why then
      self:within(name, self.fail, why)
    end
  end
end

--- The same of a table among the settings.
function Reading:section(row, given, tree, base)
  if row.optional and not given and (given == false or not base) then
    return false
  end
  if type(tree) ~= "table" or marked.of(tree) then
    tree = row.short and { [row.short] = tree } or {}
  end
  return self:finish(row.fields, given or {}, tree, base or {})
end

--- What was given, over what `base` says, over the defaults.
function Reading:finish(rows, given, tree, base)
  local whole = {}
  for _, name in ipairs(names_of(rows)) do
    local row = rows[name]
    if row.fields and not (row.not_yet or row.instead) then
      whole[name] = self:within(name, self.section, row, given[name], tree[name], base[name])
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
---@param ask (fun(path: string, line: integer): any)|nil gives what stands for a function that answers a question
---@return table settings only to be used without errors
---@return nebula.ShapeError[] errors
---@return table<string, boolean> from_env names of settings whose value came from the environment
function shape.check(rows, tree, base, ask)
  local reading = setmetatable({ path = {}, errors = {}, from_env = {}, ask = ask }, Reading)
  local given = reading:fields(rows, tree)
  return reading:finish(rows, given, tree, base or {}), reading.errors, reading.from_env
end

return shape
