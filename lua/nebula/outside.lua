--- outside: whether a function that may have to be run again touched anything but its transaction.
--
-- A function is watched while it runs, and whatever goes through the engine says here what it touches, before it does
-- so. What does not go through the engine is not seen: variables, print, files.

local wait = require "nebula.wait"

---@class nebula.Watch
---@field package lease integer|nil number of the lease that may be used
---@field package around nebula.Watch|nil of the function in which this one runs
---@field touched string|nil what was touched first

local outside = {
  watches = 0, ---@type integer that are open: while there are none, nobody needs to look
}

--- Watches the current task, until done().
---@param lease nebula.Lease what may be used
---@return nebula.Watch
function outside.watch(lease)
  local task = wait.current()
  local watch = { lease = tonumber(lease.id), around = task.watch }
  task.watch, outside.watches = watch, outside.watches + 1
  return watch
end

--- The end of the watch.
---@param watch nebula.Watch of the current task
function outside.done(watch)
  wait.current().watch, outside.watches = watch.around, outside.watches - 1
end

--- Says what is touched.
---@param what string "another task"
---@param lease nebula.Lease|nil through which
function outside.touch(what, lease)
  local task = outside.watches > 0 and wait.current()
  local watch = task and task.watch
  local number = lease and tonumber(lease.id)
  while watch do
    if number == nil or watch.lease ~= number then watch.touched = watch.touched or what end
    watch = watch.around
  end
end

return outside
