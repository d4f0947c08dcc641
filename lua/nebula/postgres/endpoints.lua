--- endpoints: the servers of a declaration, and which roles they play for it.
--
--   host = "a,b:5433"   host = { "a", "b:5433" }   host = "a,b", port = { 5432, 5433 }
--
-- A port behind a host counts more than one declared beside it; of those there is one for all hosts or one for each,
-- as with libpq. A bare IPv6 address has no port behind it: [::1]:5433.
--
-- With several hosts there are two roles: `primary`, which is where one of them writes, and `replica`, which are those
-- that only read. Whoever declares that he wants no server that writes has the role `replica` alone.

local MOST = 16

---@class nebula.postgres.Endpoint
---@field host string|nil nil: libpq's own default
---@field port string|nil
---@field name string

local M = {}

local function flat(value)
  local list = {}
  for _, text in ipairs(type(value) == "table" and value or { value }) do
    for part in (tostring(text) .. ","):gmatch "%s*([^,]-)%s*," do list[#list + 1] = part end
  end
  return list
end

local function split(text)
  local host, port = text:match "^%[(.-)%]:?(%d*)$"
  if not host and not text:find "^[/@]" then host, port = text:match "^([^:]*):([^:]*)$" end
  host = host or text
  return host ~= "" and host or nil, port ~= "" and port or nil
end

local function name_of(host, port)
  host = host or "local"
  return (host:find ":" and "[%s]:%s" or "%s:%s"):format(host, port or "5432")
end

local function is_port(port)
  return port:find "^%d+$" and #port <= 5 and port + 0 >= 1 and port + 0 <= 65535
end

-- What is wrong with one of them, and which setting said it.
local function complaint_of(one, is_alone, is_own_port, names)
  if one.port and not is_port(one.port) then
    if is_own_port then return "has a port that is no number from 1 to 65535", "host" end
    return "is no number from 1 to 65535", "port"
  elseif names[one.name] then
    return "names one server twice", "host"
  elseif not one.host and not is_alone then
    return "has one without a name", "host"
  end
end

--- The hosts, each with its port.
---@param host string|string[]|nil
---@param port string|number|(string|number)[]|nil
---@return nebula.postgres.Endpoint[]? list
---@return string? complaint which repeats nothing of what was given
---@return string? setting that the complaint is about
function M.pair(host, port)
  local hosts, ports = flat(host or ""), flat(port or "")
  if #hosts == 0 then return nil, "has no host in it", "host" end
  if #hosts > MOST then return nil, ("has %d hosts; the most is %d"):format(#hosts, MOST), "host" end
  if #ports ~= 1 and #ports ~= #hosts then
    return nil, ("has %d ports for %d hosts: one for all, or one for each"):format(#ports, #hosts), "port"
  end
  local list, names = {}, {}
  for i, text in ipairs(hosts) do
    local own_host, own_port = split(text)
    local beside = ports[#ports == 1 and 1 or i]
    local one = { host = own_host, port = own_port or beside ~= "" and beside or nil }
    one.name = name_of(one.host, one.port)
    local complaint, setting = complaint_of(one, #hosts == 1, own_port, names)
    if complaint then return nil, complaint, setting end
    list[i], names[one.name] = one, true
  end
  return list
end

-- --- roles ------------------------------------------------------------------------------------------

local STAY, SPREAD, FALL_BACK = 0, 1, 2 -- enum nebula_choice

local writes = { any = true, ["read-write"] = true, primary = true }

local function wants(told, role, attrs)
  if attrs ~= "any" then
    told.options[#told.options + 1] = { name = "target_session_attrs", value = attrs, role = role }
  end
end

-- One role, of servers that are there to be read from.
local function only_read(told, attrs)
  local falls_back = attrs == "prefer-standby"
  told.roles, told.role_choice = { "replica" }, { SPREAD + (falls_back and FALL_BACK or 0) }
  wants(told, 1, falls_back and "standby" or attrs)
end

-- Where any server will do, and calls are balanced, there is no reason to stay with one.
local function write_and_read(told, attrs, reads, is_balanced)
  told.roles = { "primary", "replica" }
  local at_primary = attrs == "any" and is_balanced and SPREAD or STAY
  told.role_choice = { at_primary, SPREAD + (reads == "prefer-replica" and FALL_BACK or 0) }
  told.reads = reads ~= "primary" and "replica" or nil
  wants(told, 1, attrs)
  wants(told, 2, "standby")
end

--- Says in `told` where the resource can be had and what its roles need.
---@param told nebula.Told
---@param list nebula.postgres.Endpoint[]
---@param attrs string|nil target_session_attrs
---@param reads string|nil
---@param is_balanced boolean|nil calls spread over those that will do
---@return string? complaint about `reads`
function M.tell(told, list, attrs, reads, is_balanced)
  if #list == 1 then
    if reads and reads ~= "primary" then return "there is one host, and so nothing to choose from: name the others" end
    told.options[#told.options + 1] = list[1].host and { name = "host", value = list[1].host }
    told.options[#told.options + 1] = list[1].port and { name = "port", value = list[1].port }
    told.options[#told.options + 1] = attrs and { name = "target_session_attrs", value = attrs }
    return
  end
  told.endpoints = {}
  for i, one in ipairs(list) do
    told.endpoints[i] = one.name
    told.options[#told.options + 1] = { name = "host", value = one.host, endpoint = i }
    told.options[#told.options + 1] = one.port and { name = "port", value = one.port, endpoint = i }
  end
  if attrs and not writes[attrs] then
    if reads then return ("target_session_attrs = %q leaves one role, and all goes to it"):format(attrs) end
    only_read(told, attrs)
  else
    write_and_read(told, attrs or "read-write", reads or "primary", is_balanced)
  end
end

return M
