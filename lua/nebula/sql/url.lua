--- url: postgresql://user:password@host:port,host:port/dbname?name=value, taken apart.
--
-- Several hosts come out as one text with commas between them, and so do their ports.
--
-- No complaint repeats any part of the address but names of settings: a password may be anywhere in it.

local endpoints = require "nebula.postgres.endpoints"
local keys = require "nebula.keys"
local suggest = require "nebula.suggest"
local values = require "nebula.declare.values"

local function decoded(text)
  return (text:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end))
end

local function authority(text, into)
  local login, place = text:match "^(.*)@(.*)$"
  place = place or text
  if login then
    local user, password = login:match "^([^:]*):(.*)$"
    into.user = decoded(user or login)
    into.password = password and decoded(password)
  end
  local hosts, ports = {}, {}
  for one in (place .. ","):gmatch "([^,]*)," do
    local host, port = one:match "^%[(.-)%]:?(%d*)$"
    if not host then host, port = one:match "^([^:]*):?(%d*)$" end
    if not host then return "what stands between // and / is not user:password@host:port" end
    hosts[#hosts + 1], ports[#ports + 1] = decoded(host), port
  end
  into.host, into.port = table.concat(hosts, ","), table.concat(ports, ",")
  if into.port:find "^,*$" then into.port = nil end
end

-- What is wrong with a setting, by the row that the kind has for it.
local function complaint_of(name, value, row)
  local _, why = values.read({ type = "string", max = row.max }, value)
  if (row.type == "string" or row.type == "secret") and why then return ("its %s %s"):format(name, why) end
  if row.listed then return nil end -- said by who knows what the list means
  local most = row.max or 2 ^ 31 - 1
  if row.one_of and not (", " .. table.concat(row.one_of, ", ") .. ","):find(", " .. value .. ",", 1, true) then
    return ("its %s is none of %s"):format(name, table.concat(row.one_of, ", "))
  elseif row.type == "integer" and not (value:find "^%d+$" and value + 0 >= row.min and value + 0 <= most) then
    return ("its %s is no number from %d to %d"):format(name, row.min, most)
  elseif row.type == "boolean" and value ~= "0" and value ~= "1" then
    return ("its %s is neither 0 nor 1"):format(name)
  end
  return row.check and row.check(value)
end

-- ssl=true is what other clients write, and libpq takes it too.
local function query(text, into)
  for pair in text:gmatch "[^&]+" do
    local name, value = pair:match "^([^=]*)=(.*)$"
    if not name then return "behind the ? stand settings as name=value, joined by &" end
    if pair == "ssl=true" then name, value = "sslmode", "require" end
    into[name] = decoded(value)
  end
end

-- What may stand in an address or in a service.
local function known(rows)
  local names = {}
  for _, name in ipairs(keys(rows)) do
    if not rows[name].not_yet and not rows[name].is_ours then names[#names + 1] = name end
  end
  return names
end

local function refusal(name, row, rows)
  if row and row.not_yet then return ("its %s is not in force: %s"):format(name, row.not_yet) end
  if row then return ("%s is no setting of an address: declare it by its own name"):format(name) end
  local shown = name:find "^[%l_]+$" and #name < 32 and " " .. name or ""
  return ("behind the ? is a setting%s that is not known%s"):format(shown, suggest(name, known(rows)))
end

local function check(settings, rows)
  local complaints = {}
  for name, value in pairs(settings) do
    local row = rows[name]
    if not row or row.not_yet or row.is_ours then
      complaints[#complaints + 1] = refusal(name, row, rows)
    else
      complaints[#complaints + 1] = complaint_of(name, value, row)
    end
  end
  local _, complaint, setting = endpoints.pair(settings.host, settings.port)
  complaints[#complaints + 1] = complaint and ("its %s %s"):format(setting, complaint)
  table.sort(complaints)
  return complaints[1] and table.concat(complaints, "; ")
end

local M = { complaint_of = complaint_of, known = known }

--- The settings in an address.
---@param text string
---@param rows table<string, nebula.Row> the settings that there are
---@return table<string, string>? settings nil when it is no such address
---@return string? complaint without any of its secrets
function M.parse(text, rows)
  local place, rest = text:match "^postgres://([^/?]*)(.*)$"
  if not place then place, rest = text:match "^postgresql://([^/?]*)(.*)$" end
  if not place then return nil, "an address begins with postgresql://" end
  if text:gsub("%%%x%x", ""):find("%", 1, true) then
    return nil, "behind a % stand two hexadecimal digits; a % itself is written %25"
  end
  local into = {}
  local complaint = authority(place, into)
  local dbname, settings_text = rest:match "^/?([^?]*)%??(.*)$"
  complaint = complaint or query(settings_text, into)
  if dbname ~= "" then into.dbname = decoded(dbname) end
  for name, value in pairs(into) do
    if value == "" then into[name] = nil end
  end
  complaint = complaint or check(into, rows)
  if complaint then return nil, complaint end
  return into
end

return M
