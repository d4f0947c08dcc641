--- services: what `nebula ls` shows of the services of a program.

local show = require "nebula.cli.show"
local plain = require "nebula.plain"

local colours = { running = "green", pausing = "red", finished = "bold" }

local function doing(one)
  local word = show.paint(colours[one.state] or "bold", one.state)
  if one.state ~= "pausing" then return word end
  return one.pause < 1 and ("%s for %dms"):format(word, one.pause * 1000) or ("%s for %.1fs"):format(word, one.pause)
end

--- Prints a table of the instances, and why those that pause have failed.
---@param list nebula.InstanceState[]
return function(list)
  if #list == 0 then return end
  table.sort(list, function(a, b)
    if a.service ~= b.service then return a.service < b.service end
    return a.number < b.number
  end)
  local rows = {}
  for i, one in ipairs(list) do
    local since = ("%ds ago"):format(math.max(os.time() - one.since, 0))
    rows[i] = { one.service, one.number, one.worker, one.restarts, since, doing(one) }
  end
  print()
  show.table({ "SERVICE", "INSTANCE", "WORKER", "RESTARTS", "SINCE", "STATE" }, rows)
  for _, one in ipairs(list) do
    if one.state == "pausing" then
      print(show.paint("red", ("  %s %d: %s"):format(one.service, one.number, plain(one.reason))))
    end
  end
end
