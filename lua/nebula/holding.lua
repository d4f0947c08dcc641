--- holding: says in the log who holds a lease for too long, where its task waits, and where it was taken.
--
-- The host calls it from the top of its loop, outside of every task.

local failures = require "nebula.failure"
local log = require "nebula.log"
local tree = require "nebula.tree"
local units = require "nebula.units"

---@class nebula.Hold what the engine has noted
---@field name string of the resource
---@field task integer 0: nobody's
---@field connection integer
---@field held_us number
---@field is_reclaimed boolean
---@field place string|nil where the lease was taken, when that is traced

-- Who holds it. A task that has just begun, or that computes, has no place at which it waits.
local function holder_of(hold)
  local task = tree.alive()[hold.task]
  if not task then
    return "nobody's task", ""
  end
  local started = task.place and "the task of " .. task.place or "the workflow"
  local lines, place = failures.lines_of(task.co)
  return place and started .. ", waiting at " .. place or started, lines ~= "" and "\n" .. lines or ""
end

---@param hold nebula.Hold
return function(hold)
  local span = units.show_duration(math.floor(hold.held_us / 1000) * 1000)
  local holder, lines = holder_of(hold)
  local what = hold.is_reclaimed and "was taken away after %s from" or "is held for %s by"
  log.warn("%s", ("%s: a lease of connection %d%s %s %s%s"):format(hold.name, hold.connection,
    hold.place and ", taken at " .. hold.place .. "," or "", what:format(span), holder, lines))
end
