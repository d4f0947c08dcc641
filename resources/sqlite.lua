--- sqlite: a database in a file, inside the process. The default for programs that need no server.
--
-- Any number may read while one writes. So there are two roles: readers, opened read-only, up to the
-- pool's `max`, and one writer for whom the engine queues fairly. Nobody meets a locked database
-- unless another process writes to the same file.

local sql = require "nebula.sql.methods"

local options = {
  file = {
    type = "string",
    required = true,
    class = "restart",
    text = "Path of the database file, relative to where the program runs; or :memory:, a database that "
      .. "nobody else sees and that is gone with the program, which needs pool.max = 1.",
    check = function(file)
      if file == "" then return 'a file has a name; use ":memory:" for a database without one' end
      if file:find "^file:" then return "write the path alone: file: addresses are not understood" end
    end,
  },
  create = {
    type = "boolean",
    default = true,
    class = "next-connection",
    text = "Whether a file that is not there is created.",
  },
  journal = {
    type = "enum",
    one_of = { "wal", "delete", "truncate", "persist" },
    default = "wal",
    class = "next-connection",
    text = "The journal mode. In wal readers and the writer do not wait for each other; it does not work on "
      .. "network file systems.",
  },
  synchronous = {
    type = "enum",
    one_of = { "off", "normal", "full", "extra" },
    default = "full",
    class = "next-connection",
    text = "How much is on the disk when a commit is acknowledged. With full it survives a power cut, with normal "
      .. "(in wal) the end of the process.",
  },
  foreign_keys = {
    type = "boolean",
    default = true,
    class = "next-connection",
    text = "Whether foreign keys are enforced.",
  },
  cache_size = {
    type = "size",
    default = "4MiB",
    class = "next-connection",
    text = "Memory for pages, of each connection.",
  },
  page_size = {
    type = "size",
    class = "restart",
    text = "Bytes of a page, a power of two from 512B to 64KiB. Counts when the file is created. Default: SQLite's.",
    check = function(size)
      if size < 512 or size > 65536 or 2 ^ math.floor(math.log(size) / math.log(2) + 0.5) ~= size then
        return "a page has a power of two of bytes, from 512B to 64KiB"
      end
    end,
  },
  mmap_size = {
    type = "size",
    default = "0B",
    class = "next-connection",
    text = "How much of the file is read through a memory map.",
  },
}

local function words(value)
  if type(value) == "boolean" then return value and "on" or "off" end
  if type(value) == "number" then return ("%d"):format(value) end
  return value
end

-- A database in memory is its connection: there is one, and it is never closed for being old or idle.
local function in_memory(told, pool)
  if pool.max ~= 1 then
    return nil, { { path = "pool.max", text = "every connection to :memory: has a database of its own, so there "
      .. "can be one: write pool = { max = 1 }, or give a file" } }
  end
  told.roles, told.role_max, told.role_is_fixed, told.is_data = { "writer" }, { 1 }, { true }, true
  told.pool = { min = 1, idle = 0, life = 0 }
  return told
end

local function spec(declared)
  local told = { options = {}, role_max = { 0, 1 }, role_is_fixed = { false, true } }
  for name in pairs(options) do
    local value = declared.options[name]
    if value ~= nil then told.options[#told.options + 1] = { name = name, value = words(value) } end
  end
  table.sort(told.options, function(a, b) return a.name < b.name end)
  if declared.options.file == ":memory:" then return in_memory(told, declared.pool) end
  return told
end

return kind "sqlite" {
  driver = "sqlite",
  roles = { "reader", "writer" },
  options = options,
  check = "select 1",
  rollback = "rollback",
  spec = spec,
  resource = sql.resource,
  lease = sql.lease,
  reads = sql.reads,
  sql = {
    dialect = "sqlite",
    -- No function of SQLite changes anything, and nobody can add one: so a select whose functions are not known reads.
    idempotent = { read = true, unknown = true },
    -- Isolation is always serializable, which is no less than what anybody can ask for. A writer says so at once:
    -- two who want to turn from readers into writers would block each other.
    begin = function(asked) return asked.read_only and "begin" or "begin immediate" end,
    guard = { on = "pragma query_only = on", off = "pragma query_only = off" },
  },
}
