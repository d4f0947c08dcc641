-- proxy.lua - a network between the engine and a server, with faults on command. See proxy.c for what it can do.
local ending = require "spec.support.ending"
local process = require "spec.support.process"

---@class spec.proxy
---@field host string
---@field port integer where the engine connects
local proxy = {}
proxy.__index = proxy

---@param server { port: integer }
---@return spec.proxy
function proxy.start(server)
  local child = process.start { process.program "spec/proxy", "127.0.0.1", tostring(server.port),
    input = "pipe", errors = false }
  local self = setmetatable({ host = "127.0.0.1", port = tonumber(child:line()), child = child }, proxy)
  ending.add(function() self:stop() end)
  return self
end

---Gives a command, which is in force when this returns: proxy:tell("delay", 50), proxy:tell "pass".
---@return string answer what follows "ok "
function proxy:tell(...)
  self.child:write(table.concat({ ... }, " ") .. "\n")
  local answer = self.child:line() or "no answer"
  return answer:match "^ok ?(.*)" or error("proxy: " .. answer, 2)
end

---@return { links: integer, accepted: integer, up: integer, down: integer, spoiled: integer }
function proxy:stats()
  local links, accepted, up, down, spoiled = self:tell("stats"):match "(%d+) (%d+) (%d+) (%d+) (%d+)"
  return { links = tonumber(links), accepted = tonumber(accepted), up = tonumber(up), down = tonumber(down),
    spoiled = tonumber(spoiled) }
end

function proxy:stop()
  self.child:kill()
end

return proxy
