-- lanes.lua - ways to one server, each over a network and with resources of its own, so that they may fail side by side.
--
--   lanes.open(24, server, { plain = 'sslmode = "disable", pool = { max = 1 }' })
--   lanes.play(cases, tostring, function(lane, case) ... lane.net, lane.plain ... end)
local clock = require "spec.support.clock"
local declared = require "spec.kinds.declared"
local ground = require "spec.faults.ground"
local nebula = require "nebula"
local proxy = require "spec.support.proxy"

---@class spec.Lane
---@field net spec.proxy
---@field [string] nebula.Resource by the names that were given

local lanes = {}

-- What is not disturbed fails on nothing, however busy the machine is.
local PATIENT = [[return policy "patient" { like = "standard", call = { deadline = "20s", wait = "20s" }, circuit = false }]]

local free = {} ---@type spec.Lane[]
local names = {}

---A resource that is patient: at the server, or at a network before it.
---@param name string
---@param server spec.postgres
---@param port integer
---@param settings string
---@return nebula.Resource
function lanes.declare(name, server, port, settings)
  return declared.use(([[postgres %q { host = "127.0.0.1", port = %d, dbname = %q, user = %q, password = %q,
    policy = "patient", %s }]]):format(name, port, server.dbname, server.user, server.password, settings), { patient = PATIENT })
end

---@param count integer
---@param server spec.postgres
---@param settings table<string, string> of each resource of a lane, by a name
function lanes.open(count, server, settings)
  for name in pairs(settings) do names[#names + 1] = name end
  for number = 1, count do
    local lane = { net = proxy.start(server) }
    for name, text in pairs(settings) do
      lane[name] = lanes.declare(name .. "_" .. number, server, lane.net.port, text)
    end
    free[number] = lane
  end
end

---@return spec.Lane that somebody may have at the same time
function lanes.first()
  return free[1]
end

local function has_forgotten(lane)
  for _, name in ipairs(names) do
    local pool = declared.pool(lane[name])
    if pool and declared.inspect(lane[name]).open > 0 then return false end
  end
  return true
end

---Cuts what is open, and waits until nothing is.
---@param lane spec.Lane
function lanes.forget(lane)
  lane.net:tell "cut"
  clock.eventually("nothing is open", function() return has_forgotten(lane) end)
end

---fn(...), and what fails says in which case.
---@param name string
function lanes.named(name, fn, ...)
  local ok, why = pcall(fn, ...)
  if not ok then error(("%s: %s"):format(name, tostring(why)), 0) end
end

---Each of the cases on a lane of its own.
---@generic T
---@param list T[]
---@param shown fun(case: T): string
---@param fn fun(lane: spec.Lane, case: T)
function lanes.play(list, shown, fn)
  assert(nebula.for_each(list, { parallel = #free }, function(case)
    local lane = table.remove(free)
    lanes.named(shown(case), fn, lane, case)
    free[#free + 1] = lane
  end))
end

---What the server has, once it has forgotten all calls.
---@param server spec.postgres
---@param ... string tables with an id
---@return table<string, table<integer, integer>> has by table and id: how often
function lanes.tally(server, ...)
  clock.eventually("the server has forgotten the calls", function()
    return server:psql [[select count(*) from pg_stat_activity
      where backend_type = 'client backend' and pid <> pg_backend_pid() and state <> 'idle']] == "0"
  end)
  return ground.tally(server, ...)
end

return lanes
