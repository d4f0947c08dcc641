--- refusals: what cannot go to another worker, in words that say what it is and what to do instead.

local task = require "nebula.tree"

local LONGEST = 160 -- bytes of a path

local refusals = {}

local functions = "a function; it goes to other workers with spawn_on_all, as what it runs or as a variable of that, "
  .. "not in a table"

-- What we know of tables with metatables, by what they have.
local known = {
  { "a task, which belongs to its worker; send what it returns", function(t) return getmetatable(t) == task.Task end },
  { "a channel of this worker alone; make one with a name, channel(\"name\")",
    function(t) return rawget(t, "receivers") ~= nil and rawget(t, "ring") ~= nil end },
  { "a channel; send its name, and open it there with channel(\"name\")",
    function(t) return rawget(t, "handle") ~= nil and rawget(t, "served_at") ~= nil end },
}

--- What a table with a metatable is.
---@param t table
---@return string
function refusals.of_table(t)
  for _, one in ipairs(known) do
    if one[2](t) then return one[1] end
  end
  local resource = require("nebula.call").resources[rawget(t, "id")]
  if rawequal(resource, t) then
    return ("the resource %s; send its name, and say use(name) there"):format(resource.name)
  end
  return "a table with a metatable, which would be lost; send a plain table of what it is made of"
end

local function of_cdata(one)
  local is_lease = pcall(function() return assert(one.release and one.resource) end)
  if is_lease then return "a lease, which belongs to its worker; take one where it is needed" end
  return ("a cdata (%s), which belongs to its worker"):format(tostring(one):match "^cdata<(.-)>" or "of its own type")
end

--- What a value is that is no table.
---@param one any
---@return string
function refusals.of(one)
  local kind = type(one)
  if kind == "function" then return functions end
  if kind == "cdata" then return of_cdata(one) end
  if kind == "thread" then return "a coroutine, which belongs to its worker" end
  return "a userdata, which belongs to its worker"
end

--- A step of the path to a place: .name or [key].
---@param key any
---@return string
function refusals.step(key)
  if type(key) ~= "string" then return ("[%s]"):format(tostring(key)) end
  if #key > 40 then key = key:sub(1, 40) .. "..." end
  if key:match "^[%a_][%w_]*$" then return "." .. key end
  return (("[%q]"):format(key):gsub("\n", "n"))
end

--- A path as it is shown: the middle of a long one says nothing.
---@param path string
---@return string
function refusals.shown(path)
  return #path <= LONGEST and path or path:sub(1, LONGEST / 2) .. "..." .. path:sub(-LONGEST / 2)
end

return refusals
