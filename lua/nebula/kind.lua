--- kind: what kinds of resources there are. Each is one Lua file in resources/.
--
--   return kind "sqlite" { driver = "sqlite", roles = { "reader", "writer" }, options = {...}, ... }
--
-- A kind is trusted like the engine itself: its methods run in the workflow's state. Those that ship are in the home;
-- others in folders that somebody names (NEBULA_PATH), each with resources/NAME.lua and, beside that folder, the driver
-- nebula-DRIVER.so when nebula has none of that name. A file is read when something of its kind is first asked for, so
-- it has the kind's name.

local judge = require "nebula.judge"
local keys = require "nebula.keys"
local option_row = require "nebula.declare.row"
local suggest = require "nebula.suggest"

---@class nebula.Declared what a declaration says once its shape was checked
---@field name string
---@field options table<string, any> the kind's own options; durations in us, sizes in bytes
---@field pool table the settings of the pool
---@field balance string how calls spread over endpoints; "connections": they do not

---@class nebula.Option
---@field name string
---@field value string
---@field secret boolean?
---@field role integer? its number, if it is for one role alone
---@field endpoint integer? its number, if it is for one endpoint alone
---@field has_tenant boolean? {tenant} in the value stands for the tenant

---@class nebula.Told what the engine and its driver are told
---@field options nebula.Option[] for the driver; of several with one name and for one place the last counts
---@field tenant string? an extended regular expression that all of a tenant's name must match
---@field tenants integer? the most, when an option has {tenant}
---@field roles string[]? instead of the kind's
---@field role_max integer[]? room of each role; 0 is as pool.max
---@field role_is_fixed boolean[]? by role: nobody may give it another room
---@field is_data boolean? the session is the data: no other connection can take its place
---@field role_choice integer[]? which endpoints each role goes to, enum nebula_choice (nebula.h)
---@field reads string? the role that plain reads go to; default: the first
---@field endpoints string[]? what people call them; none: the options say where it is
---@field pool table? settings of the pool that this kind of resource needs otherwise

---@alias nebula.Reads fun(self: nebula.Resource, ...): string?, nebula.CallOptions? what a call with these arguments
--- asks for, as a text that no other question has, and its options; nil: nothing may stand before this one

---@class nebula.Kind
---@field name string
---@field driver string the driver of the engine
---@field roles string[] at least one; the first is what a call gets that asks for none
---@field options table<string, table> rows of shape.lua
---@field check string? words that a living connection answers
---@field rollback string? words that end a transaction without effect
---@field reset string? words that make a session clean
---@field listen { on: string, off: string, most: integer }? words that begin to hear of a channel and that end it,
--- where %s in quotes is its name; and the most bytes of one
---@field spec fun(declared: nebula.Declared): nebula.Told?, { path: string, text: string }[]?
---@field resource table<string, function> methods of a resource
---@field lease table<string, function> methods of a lease
---@field reads table<string, nebula.Reads>? the methods of a resource before which a cache or a fallback may stand
---@field sql nebula.sql.Kind? what SQL kinds share: see sql/methods.lua

local fields = {
  driver = { "string", is_required = true },
  roles = { "table" },
  options = { "table", is_required = true },
  check = { "string" },
  rollback = { "string" },
  reset = { "string" },
  listen = { "table" },
  spec = { "function" },
  resource = { "table", is_required = true },
  lease = { "table", is_required = true },
  reads = { "table" },
  sql = { "table" },
}

-- Where a kind's author made a mistake is his file, whoever reads it.
local function refuse(path, name, why, ...)
  error(("%s: kind %q: %s"):format(path, name, why:format(...)), 0)
end

local function check_fields(path, name, body)
  for _, field in ipairs(keys(body)) do
    local row, value = fields[field], body[field]
    if not row then
      refuse(path, name, "there is no field %q%s", tostring(field), suggest(field, keys(fields)))
    elseif type(value) ~= row[1] then
      refuse(path, name, "%s must be a %s, not a %s", field, row[1], type(value))
    end
  end
  for _, field in ipairs(keys(fields)) do
    if fields[field].is_required and body[field] == nil then
      refuse(path, name, "the field %s is missing", field)
    end
  end
end

local every_has = { pool = true, policy = true, balance = true, eject = true, slow_start = true }

local function check_options(path, name, body)
  for _, option in ipairs(keys(body.options)) do
    local given = body.options[option]
    local why = type(option) ~= "string" and "has no name" or option_row.mistake(given)
    if why then
      refuse(path, name, "option %s: %s", tostring(option), why)
    elseif every_has[option] then
      refuse(path, name, "option %s: every resource has a setting of this name", option)
    elseif not body.spec and not option_row.is_plain(given) and not given.not_yet then
      refuse(path, name, "option %s: it is no single value, so spec() has to say how the driver is told", option)
    end
  end
end

local function check_reads(path, name, body)
  for _, method in ipairs(keys(body.reads or {})) do
    if not body.resource[method] then
      refuse(path, name, "reads: a resource has no method %s", tostring(method))
    end
  end
end

-- As it was written: tostring() rounds a number of more than 14 digits.
local function as_text(value)
  if type(value) ~= "number" then return tostring(value) end
  if value % 1 == 0 then return ("%.0f"):format(value) end
  local short = tostring(value)
  return tonumber(short) == value and short or ("%.17g"):format(value)
end

-- Options that need no thought: all of them, as text.
local function plain_spec(options)
  return function(declared)
    local told = {}
    for name, value in pairs(declared.options) do
      told[#told + 1] = { name = name, value = as_text(value), secret = options[name].type == "secret" }
    end
    table.sort(told, function(a, b) return a.name < b.name end)
    return { options = told }
  end
end

---@param path string of the file that says it
---@return fun(name: string): fun(body: table): nebula.Kind
local function kind_in(path)
  return function(name)
    if type(name) ~= "string" or not name:find "^%l[%l%d_]*$" then
      error(('%s: a kind has a name of small letters: kind "redis" { ... }'):format(path), 0)
    end
    return function(body)
      check_fields(path, name, body)
      check_options(path, name, body)
      check_reads(path, name, body)
      body.name = name
      body.roles = body.roles or { "main" }
      body.spec = body.spec or plain_spec(body.options)
      return body
    end
  end
end

-- What a kind file sees: everything a Lua file of ours does, and `kind`. It sets no globals.
local function environment(path)
  return setmetatable({ kind = kind_in(path) }, {
    __index = _G,
    __newindex = function(_, global)
      error(("a kind file sets no globals: write local %s"):format(tostring(global)), 2)
    end,
  })
end

local kept ---@type table<string, nebula.KeptKind>|nil by name, when they are kept

local function make(name, path, chunk)
  local made = setfenv(chunk, environment(path))()
  if type(made) ~= "table" or made.name ~= name then
    error(('%s: a kind file ends with: return kind "%s" { ... }'):format(path, name), 0)
  end
  return made
end

local function read(name, path)
  local chunk, problem = loadfile(path)
  if not chunk then error(problem, 0) end
  local made = make(name, path, chunk)
  if kept then kept[name] = { path = path, code = string.dump(chunk) } end
  return made
end

local function is_there(path)
  local file = io.open(path, "rb")
  if file then file:close() end
  return file ~= nil
end

-- A driver that lies beside the kind's folder goes by its path.
local function with_driver(made, path)
  local beside = (path:match "^(.*)/[^/]*/[^/]*$" or ".") .. "/nebula-" .. made.driver .. ".so"
  if is_there(beside) then made.driver = beside end
  if kept then kept[made.name].driver = made.driver end
  return made
end

-- A kind whose file is read when a field of it is first asked for.
local function unread(name, path)
  return setmetatable({ name = name }, {
    __index = function(self, field)
      local made = with_driver(read(name, path), path)
      setmetatable(self, nil)
      for key, value in pairs(made) do self[key] = value end
      return self[field]
    end,
  })
end

local M = {}

local MOST = 1000

local function add_folder(paths, folder)
  local names, why = judge.names(folder .. "/resources", ".lua", MOST)
  for _, name in ipairs(names or {}) do
    paths[#paths + 1] = folder .. "/resources/" .. name
  end
  return names, why
end

---@class nebula.KeptKind a kind as it was read, so that it can be made again elsewhere
---@field path string
---@field code string compiled
---@field driver string

--- From now on what is read is kept.
---@return table<string, nebula.KeptKind> kinds by name; those that are read later, too
function M.keep()
  kept = kept or {}
  return kept
end

--- Kinds that were kept.
---@param list table<string, nebula.KeptKind>
---@return table<string, nebula.Kind>
function M.made_of(list)
  local kinds = {}
  for name, one in pairs(list) do
    kinds[name] = make(name, one.path, assert(loadstring(one.code)))
    kinds[name].driver = one.driver
  end
  return kinds
end

--- The kinds that ship, and those of other folders.
---@param home string
---@param path string|nil folders with : between; a folder without resources/ has no kinds
---@return table<string, nebula.Kind>
function M.known(home, path)
  local paths = {}
  assert(add_folder(paths, home))
  for folder in (path or ""):gmatch "[^:]+" do
    add_folder(paths, folder)
  end
  table.sort(paths)
  return M.load(paths)
end

--- The kinds of these files, by name. A kind that is defined twice is a mistake.
---@param paths string[] resources/NAME.lua ..., in any order
---@return table<string, nebula.Kind>
function M.load(paths)
  local kinds = {}
  for _, path in ipairs(paths) do
    local name = path:match "([^/]+)%.lua$"
    if kinds[name] then error(("%s: the kind %q is already defined"):format(path, name), 0) end
    kinds[name] = unread(name, path)
  end
  return kinds
end

return M
