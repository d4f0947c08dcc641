--- postgres: PostgreSQL 10 or later, through libpq.

local c = require "nebula.c"
local sql = require "nebula.sql.methods"
local types = require "nebula.sql.types.postgres"
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
    text = "All of it in one: postgresql://user:password@host:port/dbname?sslmode=require. What is also declared by "
      .. "its own name counts more. Kept secret as a whole.",
    check = function(text)
      local _, problem = url.parse(text, options)
      return problem
    end,
  },
  host = {
    type = "string",
    class = "next-connection",
    text = "Name or address of the server, or the folder of its Unix socket. Default: libpq's, a Unix socket.",
    check = function(host)
      if host:find(",", 1, true) then return "several hosts are not yet in force: name one" end
    end,
  },
  port = { type = "integer", min = 1, max = 65535, class = "next-connection", text = "Default: 5432." },
  dbname = { type = "string", class = "next-connection", text = "Default: as user." },
  user = { type = "string", class = "next-connection", text = "Default: the name of the system's user." },
  password = { type = "secret", class = "next-connection", text = "Take it from the environment: env \"NAME\"." },
  passfile = path "File with passwords, used when there is no password.",
  application_name = {
    type = "string",
    class = "next-connection",
    text = "What pg_stat_activity shows. Default: nebula and the resource's name.",
  },
  tenant = {
    type = "string",
    class = "restart",
    text = "Where host, dbname or user have {tenant}, this is another resource for each tenant that a task acts for: "
      .. "tenant(name, fn). An extended regular expression that the whole name must match. Default: [A-Za-z0-9_-]+",
    check = function(pattern)
      if not c.lib.nebula_is_pattern(pattern) then return "is no extended regular expression" end
    end,
  },
  tenants = {
    type = "integer",
    min = 1,
    max = 10000,
    class = "restart",
    text = "Most tenants that it may ever be used by, each with a pool of its own. Default: 1000.",
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
  options = { type = "string", class = "next-connection", text = "Settings of each session: -c search_path=shop" },
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
  krbsrvname = { type = "string", class = "next-connection", text = "Kerberos name of the service." },
  keepalives = { type = "boolean", class = "next-connection", text = "Whether TCP looks after silent peers." },
  keepalives_idle = number "Seconds of silence before TCP asks. Default: the system's.",
  keepalives_interval = number "Seconds between two such questions.",
  keepalives_count = number "Questions without answer before the connection is lost.",
  tcp_user_timeout = number "Milliseconds that sent bytes may stay unacknowledged. Default: 10000.",
  hostaddr = { type = "string", not_yet = "names are resolved by the engine: write host" },
  service = { type = "string", not_yet = "service files: write its settings here" },
  target_session_attrs = { type = "string", not_yet = "several hosts" },
  load_balance_hosts = { type = "string", not_yet = "several hosts" },
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

local MOULDS = { host = true, dbname = true, user = true } -- may differ by tenant

-- What is not for the server.
local function take_tenants(value, pool)
  local tenant, tenants, is_mould = value.tenant, value.tenants, false
  value.tenant, value.tenants = nil, nil
  for name in pairs(MOULDS) do
    is_mould = is_mould or (value[name] or ""):find("{tenant}", 1, true) ~= nil
  end
  if not is_mould and (tenant or tenants) then
    return nil, nil, { path = tenant and "tenant" or "tenants", text = "neither host nor dbname nor user has {tenant}" }
  elseif is_mould and pool.min > 0 then
    return nil, nil, { path = "pool.min", text = "must be 0: before the first call of a tenant there is nobody to "
      .. "connect as" }
  end
  return tenant, is_mould and (tenants or 1000) or nil
end

local function spec(declared)
  local value = {}
  if declared.options.url then value = assert(url.parse(declared.options.url, options)) end
  for name, declared_value in pairs(declared.options) do
    if name ~= "url" then value[name] = declared_value end
  end
  local tenant, tenants, problem = take_tenants(value, declared.pool)
  local told = {}
  for name, text in pairs(value) do
    told[#told + 1] = { name = name, value = words(text), secret = options[name].type == "secret",
      has_tenant = MOULDS[name] and text:find("{tenant}", 1, true) ~= nil }
  end
  table.sort(told, function(a, b) return a.name < b.name end)
  return { options = told, tenant = tenant, tenants = tenants }, { problem }
end

local function begin(asked)
  local words_of = { "begin" }
  if asked.isolation then words_of[#words_of + 1] = "isolation level " .. asked.isolation end
  if asked.read_only then words_of[#words_of + 1] = "read only" end
  if asked.deferrable then words_of[#words_of + 1] = "deferrable" end
  return table.concat(words_of, " ")
end

return kind "postgres" {
  driver = "postgres",
  roles = { "primary" },
  options = options,
  check = "select 1",
  rollback = "rollback",
  -- Everything that discard all does, but for the prepared statements and the plans.
  reset = "close all; set session authorization default; reset all; unlisten *; "
    .. "select pg_advisory_unlock_all(); discard temp; discard sequences",
  spec = spec,
  resource = sql.resource,
  lease = sql.lease,
  sql = {
    dialect = "postgres", begin = begin, types = types, has_arrays = true, has_copy = true, has_batches = true,
  },
}
