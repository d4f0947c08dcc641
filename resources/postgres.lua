--- postgres: PostgreSQL 10 or later, through libpq.

local c = require "nebula.c"
local catalog = require "nebula.sql.types.catalog"
local endpoints = require "nebula.postgres.endpoints"
local files = require "nebula.postgres.files"
local sql = require "nebula.sql.methods"
local tenants = require "nebula.postgres.tenants"
local url = require "nebula.sql.url"

local function path(text)
  return { type = "string", class = "next-connection", text = text }
end

local function number(text, most)
  return { type = "integer", min = 0, max = most, class = "next-connection", text = text }
end

local protocols = { "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3" }

local options
options = {
  url = {
    type = "secret",
    class = "next-connection",
    is_ours = true,
    text = "All of it in one: postgresql://user:password@host:port/dbname?sslmode=require. Several hosts stand with "
      .. "commas between them. What is also declared by its own name counts more. Kept secret as a whole.",
    check = function(text)
      local _, problem = url.parse(text, options)
      return problem
    end,
  },
  host = {
    type = "string",
    class = "next-connection",
    listed = true,
    text = "Name or address of the server, or the folder of its Unix socket. Several: \"a,b:5433\" or "
      .. "{ \"a\", \"b:5433\" }; each is then an endpoint, and there are the roles primary and replica. Default: "
      .. "libpq's, a Unix socket.",
  },
  port = {
    type = "integer",
    min = 1,
    max = 65535,
    class = "next-connection",
    listed = true,
    text = "Of all hosts, or a list with one for each; behind a host it counts more. Default: 5432.",
  },
  reads = {
    type = "enum",
    one_of = { "primary", "replica", "prefer-replica" },
    class = "restart",
    is_ours = true,
    text = "With several hosts: where statements and transactions go that only read. replica: to servers that replay a "
      .. "primary, and fail when there are none; prefer-replica: to the primary then. They may lag behind. "
      .. "Default: primary.",
  },
  target_session_attrs = {
    type = "enum",
    one_of = { "any", "read-write", "read-only", "primary", "standby", "prefer-standby" },
    class = "restart",
    text = "What a server must be to be connected to. With several hosts it is what the role primary needs; with "
      .. "read-only, standby or prefer-standby there is the role replica alone. Default: any; with several hosts "
      .. "read-write.",
  },
  dbname = { type = "string", class = "next-connection", text = "Default: as user." },
  user = { type = "string", class = "next-connection", text = "Default: the name of the system's user." },
  password = { type = "secret", class = "next-connection", text = "Take it from the environment: env \"NAME\"." },
  passfile = path("File with passwords, read once when there is no password. Nobody else may read it (chmod 600). "
    .. "Default: $PGPASSFILE or ~/.pgpass."),
  service = {
    type = "string",
    class = "next-connection",
    text = "Section of a service file, which is read once and has settings for what is not declared here. Default: "
      .. "$PGSERVICE. The file is $PGSERVICEFILE, or ~/.pg_service.conf and then $PGSYSCONFDIR/pg_service.conf.",
  },
  application_name = {
    type = "string",
    class = "next-connection",
    text = "What pg_stat_activity shows. Default: nebula and the resource's name.",
  },
  tenant = {
    type = "string",
    class = "restart",
    is_ours = true,
    text = "Where host, dbname or user have {tenant}, this is another resource for each tenant that a task acts for: "
      .. "tenant(name, fn). An extended regular expression that the whole name must match. Default: [A-Za-z0-9_-]+",
    check = function(pattern)
      if not c.lib.nebula_is_pattern(pattern) then return "is no extended regular expression" end
    end,
  },
  tenants = {
    type = "integer",
    is_ours = true,
    min = 1,
    max = 10000,
    class = "restart",
    text = "Most tenants that it is used by at a time, each with a pool of its own. Default: 1000.",
  },
  statements = {
    type = "integer",
    min = 0,
    max = 10000,
    class = "next-connection",
    text = "Most prepared statements that a connection keeps; the ones used longest ago leave, on the server too. "
      .. "With 0 none is prepared, for a proxy that cannot keep them. Default: 256.",
  },
  trace = {
    type = "boolean",
    class = "next-connection",
    text = "Whether a call in a trace that is recorded (trace() with the sampled flag) tells the server, in the same "
      .. "write: application_name ends with the trace, and nebula.traceparent is all of it. Scripts and COPY do not. "
      .. "Default: false.",
  },
  pipeline = {
    type = "integer", min = 0, max = 64, class = "restart", is_ours = true,
    text = "How many single calls a connection carries at once, one behind the other, when none is idle: only such as "
      .. "may be repeated, and none of a lease or a transaction. A slow one holds up those behind it. Default: 0.",
  },
  options = {
    type = "string",
    max = 900, -- as many as the driver has room for beside its own
    class = "next-connection",
    text = "Settings of each session: -c search_path=shop",
  },
  sslmode = {
    type = "enum",
    one_of = { "disable", "allow", "prefer", "require", "verify-ca", "verify-full" },
    class = "next-connection",
    text = "Only verify-full proves that it is the right server. Default: prefer.",
  },
  sslrootcert = path "File with the authorities that may sign the server's certificate.",
  sslcert = path "File with the client's certificate.",
  sslkey = path "File with the client's key.",
  sslpassword = { type = "secret", class = "next-connection", text = "Password of sslkey." },
  sslcrl = path "File with revoked certificates.",
  sslcrldir = path "Folder with revoked certificates.",
  sslsni = { type = "boolean", class = "next-connection", text = "Whether TLS names the host. Default: true." },
  ssl_min_protocol_version = {
    type = "enum",
    one_of = protocols,
    class = "next-connection",
    text = "Default: TLSv1.2.",
  },
  ssl_max_protocol_version = {
    type = "enum",
    one_of = protocols,
    class = "next-connection",
    text = "Default: the newest that both know.",
  },
  sslcompression = { type = "boolean", class = "next-connection", text = "Without effect since PostgreSQL 14." },
  sslcertmode = {
    type = "enum",
    one_of = { "disable", "allow", "require" },
    class = "next-connection",
    text = "Whether the client shows a certificate. libpq 16. Default: allow.",
  },
  sslnegotiation = {
    type = "enum",
    one_of = { "postgres", "direct" },
    class = "next-connection",
    text = "Whether TLS begins at once. libpq 17. Default: postgres.",
  },
  require_auth = {
    type = "string",
    class = "next-connection",
    text = "Ways in which the server may ask who we are: scram-sha-256 ... libpq 16. Default: any.",
  },
  channel_binding = {
    type = "enum",
    one_of = { "disable", "prefer", "require" },
    class = "next-connection",
    text = "Whether the password's proof is bound to the TLS channel. Default: prefer.",
  },
  requirepeer = { type = "string", class = "next-connection", text = "System user that must run a local server." },
  gssencmode = {
    type = "enum",
    one_of = { "disable", "prefer", "require" },
    class = "next-connection",
    text = "Whether GSSAPI encrypts. Default: disable.",
  },
  gsslib = { type = "enum", one_of = { "gssapi" }, class = "next-connection", text = "Only counts on Windows." },
  gssdelegation = { type = "boolean", class = "next-connection", text = "Whether GSSAPI delegates. libpq 16." },
  krbsrvname = { type = "string", class = "next-connection", text = "Kerberos name of the service." },
  keepalives = { type = "boolean", class = "next-connection", text = "Whether TCP looks after silent peers." },
  keepalives_idle = number "Seconds of silence before TCP asks. Default: the system's.",
  keepalives_interval = number "Seconds between two such questions.",
  keepalives_count = number "Questions without answer before the connection is lost.",
  tcp_user_timeout = number "Milliseconds that sent bytes may stay unacknowledged. Default: 10000.",
  hostaddr = { type = "string", not_yet = "names are resolved by the engine: write host" },
  servicefile = { type = "string", not_yet = "set PGSERVICEFILE" },
  sslkeylogfile = { type = "string", not_yet = "keys of sessions in a file" },
  min_protocol_version = { type = "string", not_yet = "the protocol is 3.0" },
  max_protocol_version = { type = "string", not_yet = "the protocol is 3.0" },
  scram_client_key = { type = "secret", not_yet = "write password" },
  scram_server_key = { type = "secret", not_yet = "write password" },
  load_balance_hosts = { type = "string", not_yet = "reads are spread by the engine: write reads = \"replica\"" },
  replication = { type = "string", not_yet = "replication connections" },
  connect_timeout = { type = "integer", not_yet = "write pool = { connect = \"5s\" }" },
  client_encoding = { type = "string", not_yet = "sessions are always in UTF8" },
  fallback_application_name = { type = "string", not_yet = "write application_name" },
}

local function words(value)
  if type(value) == "boolean" then return value and "1" or "0" end
  if type(value) == "number" then return ("%d"):format(value) end
  return value
end

-- What becomes an option of endpoints or roles.
local placed = { host = true, port = true, target_session_attrs = true, service = true, passfile = true }

-- What counts least comes first: a service, the address, what is declared by its own name.
local function settings(declared)
  local address = declared.url and assert(url.parse(declared.url, options)) or {}
  local service, value, complaint = declared.service or address.service or os.getenv "PGSERVICE", {}, nil
  if service and service ~= "" then value, complaint = files.service(service, options) end
  if not value then return nil, complaint end
  for _, list in ipairs { address, declared } do
    for name, one in pairs(list) do value[name] = one end
  end
  return value
end

local function refuse(setting, complaint)
  return nil, { { path = setting, text = complaint } }
end

local function spec(declared)
  local told = { options = {} }
  local value, problem = settings(declared.options)
  if not value then return refuse("service", problem) end
  local list, complaint, setting = endpoints.pair(value.host, value.port)
  if not list then return refuse(setting, complaint) end
  for name, text in pairs(value) do
    if not placed[name] and not options[name].is_ours then
      table.insert(told.options, { name = name, value = words(text), secret = options[name].type == "secret" })
    end
  end
  complaint = endpoints.tell(told, list, value.target_session_attrs, value.reads, declared.balance ~= "connections")
  if complaint then return refuse("reads", complaint) end
  complaint = files.passwords(told, list, value)
  if complaint then return refuse("passfile", complaint) end
  local is_mould, misplaced = tenants.mark(told.options)
  if misplaced then return refuse(misplaced, "{tenant} counts in host, dbname and user alone") end
  told.tenant, told.tenants = value.tenant, is_mould and (value.tenants or 1000) or nil
  told.pool = { pipeline = value.pipeline }
  table.sort(told.options, function(a, b) return a.name < b.name end)
  return told, { tenants.check(value, declared.pool, is_mould) }
end

local function begin(asked)
  local words_of = { "begin" }
  if asked.isolation then words_of[#words_of + 1] = "isolation level " .. asked.isolation end
  if asked.read_only then words_of[#words_of + 1] = "read only" end
  if asked.deferrable then words_of[#words_of + 1] = "deferrable" end
  return table.concat(words_of, " ")
end

local resource = {}
for name, method in pairs(sql.resource) do resource[name] = method end

--- Says what the words of a type are in Lua; or asks, without a codec, for what was said or came with the program.
---@param name string of the type, as the database has it; "schema.name" for one of several
---@param codec nebula.Codec|nil
---@return fun(value: any): table # makes a parameter of a value
function resource.codec(self, name, codec) return catalog.codec(self, name, codec) end

return kind "postgres" {
  driver = "postgres",
  roles = { "primary" },
  options = options,
  check = "select 1",
  rollback = "rollback",
  -- Everything that discard all does, but for the prepared statements and the plans.
  reset = "close all; set session authorization default; reset all; unlisten *; "
    .. "select pg_advisory_unlock_all(); discard temp; discard sequences",
  -- A longer name is cut by the server.
  listen = { on = 'listen "%s";', off = 'unlisten "%s";', most = 63 },
  spec = spec,
  resource = resource,
  lease = sql.lease,
  reads = sql.reads,
  sql = {
    dialect = "postgres", begin = begin, catalog = catalog, has_arrays = true, has_copy = true, has_batches = true,
    -- Not a select whose functions are not known: it may write, and on a standby it may still do what no server undoes.
    idempotent = { read = true },
  },
}
