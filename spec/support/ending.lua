-- ending.lua - what has to be undone when the specs of a process are over, last begun first.
local ending = {}
local steps = {}

---Remembers a step. It may be called twice, and after what it undoes is gone.
---@param step fun()
function ending.add(step)
  steps[#steps + 1] = step
end

---Takes all steps; one that fails does not hinder the others.
function ending.run()
  while #steps > 0 do
    local ok, why = pcall(table.remove(steps))
    if not ok then io.stderr:write("# at the end of the specs: ", tostring(why), "\n") end
  end
end

return ending
