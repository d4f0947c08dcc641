-- served.lua - the program as a spec serves services: in a folder of their own, with one SQLite resource, `shop`.
local assert = require "luassert"
local clock = require "spec.support.clock"
local json = require "cjson"
local process = require "spec.support.process"
local program = require "spec.support.program"
local tmp = require "spec.support.tmp"

local served = {}

local SHOP = 'sqlite "shop" { file = "FOLDER/shop.db", pool = { max = 4 } }'

---A folder with these services, as files by name or as the text of one, and other resources than the shop.
---@return string
function served.folder_of(services, resources)
  local folder = tmp.folder()
  tmp.write(folder, "resources/shop.lua", ((resources or SHOP):gsub("FOLDER", folder)))
  for name, text in pairs(type(services) == "table" and services or { ["a.lua"] = services }) do
    tmp.write(folder, "services/" .. name, text)
  end
  return folder
end

---The program with these services, one of which says "ready"; with options of serve. The text begins in line 2.
---@return spec.child
---@return string folder
function served.started(services, ...)
  local words = program.command("serve", "--log", "logfmt", ...)
  words[#words + 1] = served.folder_of("io.stdout:setvbuf 'line'\n" .. services)
  local child = process.start(words)
  assert.equal("ready", child:line())
  return child, words[#words]
end

---What `ls` tells of the instances, by service and number.
---@return table<string, table>
function served.instances_of(child)
  local list, by_name = nil, {}
  clock.eventually("it answers", function()
    for _, one in ipairs(json.decode(program.nebula("ls", "--json").output).engines or {}) do
      if one.pid == child.pid then list = one.services end
    end
    return list
  end)
  for _, one in ipairs(list) do by_name[one.service .. " " .. one.number] = one end
  return by_name
end

---Waits until the instances are as they should be, and gives what is told of them then.
---@param is_so fun(all: table<string, table>): any
---@return table<string, table>
function served.eventually(child, what, is_so)
  local all
  clock.eventually(what, function()
    all = served.instances_of(child)
    return is_so(all)
  end)
  return all
end

---The same, until each of these instances is in its state: { ["mail 1"] = "running" }.
---@param states table<string, string>
function served.come_to(child, states)
  return served.eventually(child, "each is in its state", function(all)
    for name, state in pairs(states) do
      if not all[name] or all[name].state ~= state then return false end
    end
    return true
  end)
end

---How often it is in the text.
function served.count(text, pattern)
  return select(2, text:gsub(pattern, ""))
end

return served
