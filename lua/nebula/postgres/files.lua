--- files: what PostgreSQL's clients keep in files: settings under the name of a service, and passwords.
--
-- Both are read once, when the declaration is read, so that no connection waits for a file. They have the form and the
-- places that PostgreSQL documents:
--
--   service    $PGSERVICEFILE, or else ~/.pg_service.conf and then $PGSYSCONFDIR/pg_service.conf; the service is the
--              one declared, or $PGSERVICE
--   passwords  the passfile declared, $PGPASSFILE or ~/.pgpass; read when there is no other password
--
-- ~ is $HOME and nothing else. No complaint repeats what stands in a file but the names of settings.

local endpoints = require "nebula.postgres.endpoints"
local judge = require "nebula.judge"
local suggest = require "nebula.suggest"
local url = require "nebula.sql.url"

local MOST = 1000000 -- bytes

local M = {}

local function home(name)
  local folder = os.getenv "HOME"
  return folder and folder ~= "" and folder .. "/" .. name or nil
end

local function env(name)
  local value = os.getenv(name)
  return value ~= "" and value or nil
end

-- --- services ---------------------------------------------------------------------------------------

-- What is wrong with one line of a service, or nil once it is in `into`. Of two with one name the first counts.
local function take(line, rows, into)
  if line:find "^ldap" then return "no LDAP server is asked for settings: write them here" end
  local name, value = line:match "^([^=]+)=(.*)$"
  if not name then return "is no name=value" end
  local row, plain = rows[name], name:match "^%s*(.-)%s*$"
  if not row and rows[plain] then return ("no space stands between %s and ="):format(plain) end
  if name == "service" then return "a service names no other service" end
  if row and row.not_yet then return ("%s is not in force: %s"):format(name, row.not_yet) end
  if not row or row.is_ours then
    local shown = name:find "^[%l_]+$" and (' "%s"'):format(name) or ""
    return ("unknown setting%s%s"):format(shown, suggest(name, url.known(rows)))
  end
  if into[name] == nil and value ~= "" then into[name] = value end
  return value ~= "" and url.complaint_of(name, value, row) or nil
end

-- What is wrong with the hosts and ports that stand there; ports without hosts are for those declared elsewhere.
local function complaint_of_hosts(into, lines)
  if not into or not into.host and (into.port or ""):find(",", 1, true) then return nil end
  local _, complaint, setting = endpoints.pair(into.host, into.port)
  return complaint and ("line %d: its %s %s"):format(lines[setting] or lines.host or lines.port, setting, complaint)
end

-- The settings under [service]; nil when there is no such section, nil and a complaint when something in it is wrong.
local function section(text, service, rows)
  local into, lines, number, is_in = nil, {}, 0, false
  for line in (text .. "\n"):gmatch "(.-)\r?\n" do
    line, number = line:match "^%s*(.-)%s*$", number + 1
    local title = line:match "^%[(.*)%]$"
    if title then
      if is_in then break end
      is_in = title == service
      into = is_in and {} or nil
    elseif is_in and line ~= "" and line:sub(1, 1) ~= "#" then
      local complaint = take(line, rows, into)
      if complaint then return nil, ("line %d: %s"):format(number, complaint) end
      local name = line:match "^[^=]+"
      lines[name] = lines[name] or number
    end
  end
  local complaint = complaint_of_hosts(into, lines)
  if complaint then return nil, complaint end
  return into
end

-- The places to look in, the first first; a place that was named must be there.
local function service_files()
  local named = env "PGSERVICEFILE"
  if named then return { named }, true end
  local system = env "PGSYSCONFDIR"
  local list = { home ".pg_service.conf" }
  list[#list + 1] = system and system .. "/pg_service.conf"
  return list, false
end

--- The settings of a service.
---@param service string
---@param rows table<string, nebula.Row>
---@return table<string, string>? settings
---@return string? complaint
function M.service(service, rows)
  local list, is_named = service_files()
  for _, path in ipairs(list) do
    local text, why = judge.read(path, MOST)
    if not text and (is_named or not why:find "No such file") then return nil, ("%s %s"):format(path, why) end
    local settings, complaint = section(text or "", service, rows)
    if complaint then return nil, ("%s: %s"):format(path, complaint) end
    if settings then return settings end
  end
  return nil, #list == 0 and "there is no service file: $PGSERVICEFILE is not set, nor is $HOME"
    or ("is in no service file; looked into %s"):format(table.concat(list, ", "))
end

-- --- passwords --------------------------------------------------------------------------------------

-- host:port:dbname:user:password; a backslash takes the next character as it is.
local function fields(line)
  local list, field, at = {}, "", 1
  while at <= #line do
    local char = line:sub(at, at)
    if char == "\\" and at < #line then
      at = at + 1
      field = field .. line:sub(at, at)
    elseif char == ":" and #list < 4 then
      list[#list + 1], field = field, ""
    else
      field = field .. char
    end
    at = at + 1
  end
  list[#list + 1] = field
  return list
end

local function is_for(list, wanted)
  for i = 1, 4 do
    if list[i] ~= "*" and list[i] ~= wanted[i] then return false end
  end
  return true
end

local function find(text, wanted)
  for line in (text .. "\n"):gmatch "(.-)\r?\n" do
    local list = line:sub(1, 1) ~= "#" and fields(line) or {}
    if #list == 5 and is_for(list, wanted) then return list[5] ~= "" and list[5] or nil end
  end
end

-- As libpq names them: a Unix socket where it is by default is localhost.
local function wanted_of(one, value)
  local host, user = one.host or env "PGHOST" or "localhost", value.user or env "PGUSER" or ""
  if host == "/var/run/postgresql" or host == "/tmp" then host = "localhost" end
  return { host, one.port or env "PGPORT" or "5432", value.dbname or env "PGDATABASE" or user, user }
end

local function is_mould(one, value)
  return ((one.host or "") .. (value.dbname or "") .. (value.user or "")):find("{tenant}", 1, true) ~= nil
end

--- Tells of each endpoint the password that a file has for it.
---@param told nebula.Told
---@param list nebula.postgres.Endpoint[]
---@param value table<string, any> the settings
---@return string? complaint about `passfile`
function M.passwords(told, list, value)
  if value.password or env "PGPASSWORD" then return end
  local is_named = value.passfile or env "PGPASSFILE"
  local path = is_named or home ".pgpass"
  local text, why = nil, "No such file"
  if path then text, why = judge.read(path, MOST, true) end
  if not text then
    return (is_named or not why:find "No such file") and ("%s %s"):format(path, why) or nil
  end
  for i, one in ipairs(list) do
    local password = find(text, wanted_of(one, value))
    if not password and value.passfile then
      return ("%s has no line for %s, its dbname and its user; %s"):format(path, one.name, is_mould(one, value)
        and "it is read for all tenants at once, so * stands where they differ" or "declare those that a line names")
    end
    told.options[#told.options + 1] = password and { name = "password", value = password, secret = true,
      endpoint = #list > 1 and i or nil }
  end
end

return M
