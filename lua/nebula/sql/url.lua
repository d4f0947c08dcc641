--- url: postgresql://user:password@host:port/dbname?name=value, taken apart.
--
-- No complaint repeats any part of the address but names of settings: a password may be anywhere in it.

local settings = {}
for name in ([[host port dbname user password passfile application_name options sslmode sslrootcert sslcert sslkey
  sslpassword sslcrl sslcrldir sslsni ssl_min_protocol_version ssl_max_protocol_version channel_binding requirepeer
  gssencmode krbsrvname keepalives keepalives_idle keepalives_interval keepalives_count tcp_user_timeout]])
  :gmatch "%S+" do
  settings[name] = true
end

local sslmodes = {}
for mode in ("disable allow prefer require verify-ca verify-full"):gmatch "%S+" do sslmodes[mode] = true end

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
  if place:find(",", 1, true) then return "several hosts are not yet in force: name one" end
  local host, port = place:match "^%[(.-)%]:?(%d*)$"
  if not host then host, port = place:match "^([^:]*):?(%d*)$" end
  if not host then return "what stands between // and / is not user:password@host:port" end
  into.host, into.port = decoded(host), port
end

local function query(text, into)
  for pair in text:gmatch "[^&]+" do
    local name, value = pair:match "^([^=]*)=(.*)$"
    if not name then return "behind the ? stand settings as name=value, joined by &" end
    if not settings[name] then
      local shown = name:find "^[%l_]+$" and #name < 32 and " " .. name or ""
      return ("behind the ? is a setting%s that is not known"):format(shown)
    end
    into[name] = decoded(value)
  end
end

local M = {}

--- The settings in an address.
---@param text string
---@return table<string, string>? settings nil when it is no such address
---@return string? complaint without any of its secrets
function M.parse(text)
  local place, rest = text:match "^postgres://([^/?]*)(.*)$"
  if not place then place, rest = text:match "^postgresql://([^/?]*)(.*)$" end
  if not place then return nil, "an address begins with postgresql://" end
  local into = {}
  local complaint = authority(place, into)
  local dbname, settings_text = rest:match "^/?([^?]*)%??(.*)$"
  complaint = complaint or query(settings_text, into)
  if complaint then return nil, complaint end
  if dbname ~= "" then into.dbname = decoded(dbname) end
  for name, value in pairs(into) do
    if value == "" then into[name] = nil end
  end
  if into.port and not (tonumber(into.port) and tonumber(into.port) >= 1 and tonumber(into.port) <= 65535) then
    return nil, "its port is not a number from 1 to 65535"
  elseif into.sslmode and not sslmodes[into.sslmode] then
    return nil, "its sslmode is none of disable, allow, prefer, require, verify-ca, verify-full"
  end
  return into
end

return M
