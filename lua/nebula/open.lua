--- open: says in the log what a worker still has open, when the time of a drain is over.

local c = require "nebula.c"
local failures = require "nebula.failure"
local json = require "cjson"
local log = require "nebula.log"
local tree = require "nebula.tree"

local lib, engine = c.lib, c.engine

local SHOWN = 20 -- tasks that are named

-- Those that the workflow has begun, and the workflow.
local function open_tasks()
  local list = {}
  for _, task in pairs(tree.alive()) do
    if not task.is_of_worker then
      list[#list + 1] = task
    end
  end
  table.sort(list, function(a, b)
    return a.id < b.id
  end)
  return list
end

local open = {}

--- Names its tasks and leases.
function open.say()
  local list = open_tasks()
  for i = 1, math.min(#list, SHOWN) do
    log.warn("still open: the task of %s, waiting at %s", list[i].place or "the workflow",
      failures.place_of(list[i].co) or "an unknown place")
  end
  if #list > SHOWN then
    log.warn("still open: %d more tasks", #list - SHOWN)
  end
  for _, resource in ipairs(json.decode(c.string(lib.nebula_ask(engine, '{"verb":"ls"}'))).resources) do
    if resource.leased > 0 then
      log.warn("still open: %d leases of %s", resource.leased, resource.name)
    end
  end
end

return open
