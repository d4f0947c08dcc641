-- unserved.lua - for how long others had the processor while a thread could have run: what the machine takes is not what
-- a program takes.
local lfs = require "lfs"

local unserved = {}

---@param folder string of the thread, or of the process for its first one: "/proc/self"
---@return number ms since it began; 0 where it has ended, or the kernel does not say
function unserved.thread(folder)
  local file = io.open(folder .. "/schedstat")
  if not file then return 0 end
  local _, ns = file:read("*n", "*n") -- or nil and why not, when it ends just now
  file:close()
  return type(ns) == "number" and ns / 1e6 or 0
end

---The sum over the threads that a process has.
---@param pid integer
---@return number ms
function unserved.process(pid)
  local tasks, sum = ("/proc/%d/task"):format(pid), 0
  local is_there, next_one, state = pcall(lfs.dir, tasks)
  while is_there do
    local name = next_one(state)
    if not name then break end
    if name:find "^%d" then sum = sum + unserved.thread(tasks .. "/" .. name) end
  end
  return sum
end

return unserved
