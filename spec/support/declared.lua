-- declared.lua - folders of declarations for specs, of two kinds that have a setting of every type.

local declare = require "nebula.declare"
local kinds = require "nebula.kind"
local tmp = require "spec.support.tmp"
local worker = require "nebula.worker"

local ROWS = {
  file = { type = "string", required = true },
  create = { type = "boolean", default = true },
  journal = { type = "enum", one_of = { "wal", "delete" }, default = "wal" },
  cache_size = { type = "size", default = "8MB" },
  mmap_size = { type = "size" },
  password = { type = "secret" },
  port = { type = "integer", min = 1, max = 65535 },
  tags = { type = "list", max = 4 },
  hosts = { type = "list" },
  url = kinds.load({ worker.home .. "/resources/postgres.lua" }).postgres.options.url,
  service = { type = "string", not_yet = "write its settings here" },
}

local function spec_of(given)
  local told = { options = {} }
  for name, value in pairs(given.options) do
    if type(value) ~= "table" then
      table.insert(told.options, { name = name, value = tostring(value), secret = ROWS[name].type == "secret" })
    end
  end
  table.sort(told.options, function(a, b) return a.name < b.name end)
  if given.options.file == ":memory:" and given.pool.max ~= 1 then
    return nil, { { path = "pool.max", text = "one is enough" } }
  elseif given.options.file == ":memory:" then
    told.pool, told.roles, told.role_max = { life = 0 }, { "writer" }, { 1 }
  end
  return told
end

local function kind(name)
  return { name = name, driver = name, roles = { "main" }, options = ROWS, spec = spec_of }
end

local declared = {}

declared.kinds = { sqlite = kind "sqlite", postgres = kind "postgres" }

---Reads a folder that holds these files: path -> text.
---@return table|nil set
---@return table[]|nil errors
---@return string folder
function declared.read(files)
  local folder = tmp.folder()
  for path, text in pairs(files) do
    tmp.write(folder, path, text)
  end
  local set, errors = declare.read { home = ".", dirs = { folder }, kinds = declared.kinds }
  return set, errors, folder
end

---The errors of these files as lines, without the folder.
---@return string
function declared.errors_of(files)
  local set, errors, folder = declared.read(files)
  assert(not set, "no mistakes")
  local lines = {}
  for i, e in ipairs(errors) do
    lines[i] = tostring(e):sub(#folder + 2)
  end
  return table.concat(lines, "\n")
end

---The errors of one file, resources/a.lua.
---@return string
function declared.errors_in(text)
  return declared.errors_of { ["resources/a.lua"] = text }
end

return declared
