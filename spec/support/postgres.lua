-- postgres.lua - a real PostgreSQL of the spec's own: started, killed, frozen, restarted, and gone at the end.
--
-- The server is a direct child on a free port of 127.0.0.1, its data a copy of a template that is made once a
-- build. It never runs as root: for root it runs as the user postgres. Data is not synced to disk but every commit
-- is written, so that a killed server keeps what it acknowledged.
local ffi = require "ffi"
local clock = require "spec.support.clock"
local ending = require "spec.support.ending"
local process = require "spec.support.process"
local socket = require "spec.support.socket"
local tmp = require "spec.support.tmp"

ffi.cdef [[ unsigned getuid(void); ]]

---@class spec.postgres
---@field host string "127.0.0.1"
---@field port integer
---@field dbname string
---@field user string owns the database, is no superuser
---@field password string
---@field folder string of its socket, log and certificates
---@field ca string? path, with tls
local postgres = { host = "127.0.0.1", dbname = "spec", user = "spec", password = "pa55 of the spec" }
postgres.__index = postgres

local is_root = ffi.C.getuid() == 0
local base = {
  fsync = "off", synchronous_commit = "on", full_page_writes = "off", shared_buffers = "32MB", jit = "off",
  max_connections = "100", listen_addresses = postgres.host, log_min_messages = "log", lc_messages = "C",
}

local function sh(script, ...)
  local words = { "sh", "-ec", script, "sh", ... }
  words.within = 60000
  local ran = process.run(words)
  if ran.code ~= 0 then error(("%s\n%s%s"):format(script, ran.output, ran.errors), 3) end
  return ran.output
end

local function programs()
  local newest = sh [[ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1]]
  if newest == "" then newest = sh "pg_config --bindir" end
  return (newest:gsub("%s+$", ""))
end

-- As the user that PostgreSQL may run as, and not longer than the spec that started it.
local function as_server(signal, ...)
  local words = { "setpriv", "--pdeathsig", signal }
  if is_root then
    for _, word in ipairs { "--reuid", "postgres", "--regid", "postgres", "--init-groups" } do
      words[#words + 1] = word
    end
  end
  for _, word in ipairs { "--", ... } do words[#words + 1] = word end
  return words
end

local function run_as_server(text, ...)
  local words = as_server("KILL", ...)
  words.within, words.text = 60000, text
  local ran = process.run(words)
  assert(ran.code == 0 and not ran.errors:find "ERROR", ran.errors)
end

local function make_data(bin, folder)
  sh([[printf %s "$2" > "$1/password"; mkdir "$1/data"; [ -z "$3" ] || chown -R "$3" "$1"]], folder,
    postgres.password, is_root and "postgres" or "")
  run_as_server("", bin .. "/initdb", "-D", folder .. "/data", "-U", "postgres", "-E", "UTF8", "--locale=C",
    "--no-sync", "--wal-segsize=1", "--auth-local=trust", "--auth-host=scram-sha-256", "--pwfile=" .. folder .. "/password")
  -- Every start copies it, so it is small: one database that is ours, and the template that it cannot do without.
  local sql = ([[
create role USER login password 'PASSWORD'
alter database postgres rename to DBNAME
alter database DBNAME owner to USER
update pg_database set datistemplate = false where datname = 'template0'
drop database template0
]]):gsub("%u%u%u%u+", { USER = postgres.user, PASSWORD = postgres.password, DBNAME = postgres.dbname })
  run_as_server(sql, bin .. "/postgres", "--single", "-D", folder .. "/data", "-c", "fsync=off", "template1")
end

-- The template is made aside and moved into place at once: two specs may make it at the same time.
local function template(bin)
  local place = ("build/spec/postgres-%s-%d"):format(bin:match "postgresql/(%d+)/" or "x", ffi.C.getuid())
  local made = io.open(place .. "/made")
  if made then
    made:close()
    return place
  end
  local folder = tmp.folder()
  make_data(bin, folder)
  sh([[mkdir -p build/spec; new="$2.$$"
    cp -a "$1/data" "$new"; touch "$new/made"; mv -T "$new" "$2" || rm -rf "$new"]], folder, place)
  return place
end

-- A certificate authority of its own, and a certificate for 127.0.0.1 and localhost.
local function make_certificates(folder)
  sh([[cd "$1"
    new="openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2"
    $new -subj "/CN=authority of the spec" -keyout ca.key -out ca.crt
    $new -subj /CN=localhost -addext "subjectAltName=IP:127.0.0.1,DNS:localhost" -addext basicConstraints=CA:FALSE \
      -CA ca.crt -CAkey ca.key -keyout server.key -out server.crt
    chmod 600 server.key]], folder)
end

local function settings_of(self, options)
  local settings = {}
  for name, value in pairs(base) do settings[name] = value end
  settings.unix_socket_directories = self.folder
  if options.tls then
    settings.ssl = "on"
    settings.ssl_cert_file, settings.ssl_key_file = self.folder .. "/server.crt", self.folder .. "/server.key"
  end
  for name, value in pairs(options.settings or {}) do settings[name] = tostring(value) end
  return settings
end

-- The log tells when it is ready, or that it will not be.
local function begin(self)
  local before = #tmp.read(self.log)
  local words = as_server("INT", self.bin .. "/postgres", "-D", self.folder .. "/data", "-p", tostring(self.port))
  for name, value in pairs(self.settings) do
    words[#words + 1] = "-c"
    words[#words + 1] = name .. "=" .. value
  end
  words.output, words.errors = self.log, "output"
  self.child = process.start(words)
  clock.eventually("PostgreSQL starts", function()
    return tmp.read(self.log):find("ready to accept", before, true) or not self.child:is_running()
  end, 60000)
  return self.child:is_running()
end

local function begin_somewhere(self)
  ending.add(function() self:kill() end)
  for _ = 1, 3 do
    self.port = socket.free_port()
    if begin(self) then return self end
  end
  error("PostgreSQL does not start:\n" .. tmp.read(self.log), 3)
end

---Starts a server. options.settings: postgresql.conf by name; options.tls: with a certificate, its authority in `ca`;
---options.hba: lines of pg_hba.conf that come first.
---@param options? { settings?: table<string, any>, tls?: boolean, hba?: string[] }
---@return spec.postgres
function postgres.start(options)
  options = options or {}
  local bin = programs()
  local folder = tmp.folder()
  local self = setmetatable({ bin = bin, folder = folder, log = folder .. "/log" }, postgres)
  sh([[cp -a "$1" "$2/data"; : > "$2/log"]], template(bin), folder)
  if options.tls then
    make_certificates(folder)
    self.ca = folder .. "/ca.crt"
  end
  if options.hba then
    local path = folder .. "/data/pg_hba.conf"
    tmp.write(folder, "data/pg_hba.conf", table.concat(options.hba, "\n") .. "\n" .. tmp.read(path))
  end
  if is_root then sh([[chown -R postgres "$1"]], folder) end
  self.settings = settings_of(self, options)
  return begin_somewhere(self)
end

---A standby of this server: a copy of it that follows by streaming.
---@return spec.postgres
function postgres:standby()
  local folder = tmp.folder()
  local copy = setmetatable({ bin = self.bin, folder = folder, log = folder .. "/log" }, postgres)
  sh([[mkdir -m 700 "$1/data"; : > "$1/log"; [ -z "$2" ] || chown -R "$2" "$1"]], folder, is_root and "postgres" or "")
  run_as_server("", self.bin .. "/pg_basebackup", "-h", self.folder, "-p", tostring(self.port), "-U", "postgres", "-D",
    folder .. "/data", "-R", "-X", "stream", "-c", "fast", "--no-sync")
  copy.settings = settings_of(copy, { settings = self.settings })
  copy.settings.unix_socket_directories = folder
  return begin_somewhere(copy)
end

---It follows nobody any more, and writes once this returns.
function postgres:promote()
  assert(self:psql "select pg_promote()" == "t", "PostgreSQL cannot be promoted")
end

---Has stopped, and starts as a standby of the server that was promoted in its place.
---@param primary spec.postgres
function postgres:follow(primary)
  tmp.write(self.folder, "data/standby.signal", "")
  self.settings.primary_conninfo = ("host=%s port=%d user=postgres"):format(primary.folder, primary.port)
  if not begin(self) then error("PostgreSQL does not follow:\n" .. tmp.read(self.log), 2) end
end

---Waits until a standby has replayed all that this server has written.
---@param standby spec.postgres
function postgres:is_replayed_by(standby)
  local at = self:psql "select pg_current_wal_flush_lsn()"
  clock.eventually("the standby has replayed", function()
    return standby:psql(("select pg_last_wal_replay_lsn() >= '%s'"):format(at)) == "t"
  end, 60000)
end

-- The server's own processes; each backend has left its process group, so they are asked for.
local function family(self)
  local pids = {}
  local file = io.open(("/proc/%d/task/%d/children"):format(self.child.pid, self.child.pid))
  for pid in (file and file:read "*a" or ""):gmatch "%d+" do pids[#pids + 1] = tonumber(pid) end
  if file then file:close() end
  return pids
end

---Stops in order: "fast" ends sessions, "smart" waits for them, "immediate" aborts.
---@param mode? "fast"|"smart"|"immediate"
function postgres:stop(mode)
  local signal = ({ fast = "INT", smart = "TERM", immediate = "QUIT" })[mode or "fast"]
  self:thaw()
  self.child:signal(signal)
  return assert(self.child:wait(60000), "PostgreSQL does not stop")
end

---Like a cut of power to its processes: all at once, without a word.
function postgres:kill()
  if not self.child or self.child.ended then return end
  self.child:signal "STOP"
  local pids = family(self)
  self.child:kill()
  for _, pid in ipairs(pids) do process.signal(pid, "KILL") end
  for _, pid in ipairs(pids) do
    clock.eventually("a backend is gone", function()
      local file = io.open(("/proc/%d/stat"):format(pid))
      local state = file and file:read("*a"):match "%) (%a)"
      if file then file:close() end
      return not state or state == "Z"
    end)
  end
end

---No process of it gets the processor any more; connections stay, and new ones are accepted by the kernel.
function postgres:freeze()
  self.child:signal "STOP"
  self.frozen = family(self)
  for _, pid in ipairs(self.frozen) do process.signal(pid, "STOP") end
end

---Idempotent.
function postgres:thaw()
  for _, pid in ipairs(self.frozen or {}) do process.signal(pid, "CONT") end
  self.frozen = nil
  self.child:signal "CONT"
end

---Starts it again on the same port and data; stops it before if it runs.
---@param settings? table<string, any> changes
function postgres:restart(settings)
  if self.child:is_running() then self:stop() end
  for name, value in pairs(settings or {}) do self.settings[name] = tostring(value) end
  if not begin(self) then error("PostgreSQL does not start again:\n" .. tmp.read(self.log), 2) end
end

---Runs SQL as the administrator, over the socket; raises when it fails.
---@param sql string
---@return string output rows as lines, columns with | between, without the last newline
function postgres:psql(sql)
  local ran = process.run { self.bin .. "/psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-h", self.folder, "-p",
    tostring(self.port), "-U", "postgres", "-d", self.dbname, "-f", "-", text = sql, within = 60000 }
  if ran.code ~= 0 then error(ran.errors, 2) end
  return (ran.output:gsub("\n$", ""))
end

return postgres
