-- many.lua - the program as a spec runs it with many workers, which have nebula/echo.lua to run a text in each other.
local assert = require "luassert"
local program = require "spec.support.program"
local tmp = require "spec.support.tmp"

local many = {}

tmp.write(program.folder, "nebula/echo.lua", tmp.read "spec/support/echo.lua")

---What such a workflow begins with: one line.
many.HEAD = 'local echo, mail, worker = require "nebula.echo", require "nebula.mail", require "nebula.worker"\n'

---Runs this text behind that line, or behind another head.
function many.run(workers, text, head)
  return program.nebula("run", "--workers", tostring(workers), program.workflow((head or many.HEAD) .. text))
end

---Behind a head with numbers(count), which is the list of them.
function many.counting(workers, text)
  return many.run(workers, text, many.HEAD .. [[
    local function numbers(count)
      local list = {}
      for i = 1, count do list[i] = i end
      return list
    end
  ]])
end

---So it prints this, whatever the number of workers.
function many.prints(expected, text)
  for _, workers in ipairs { 1, 2, 4 } do
    assert.equal(expected, program.ended(0, many.counting(workers, text)).output, workers .. " workers")
  end
end

---A workflow that says "ready" and then goes on, as a process; with options of run.
function many.started(workers, text, ...)
  return program.started(many.HEAD .. text, "--workers", tostring(workers), ...)
end

return many
