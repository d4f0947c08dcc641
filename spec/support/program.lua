-- program.lua - the program as a spec uses it: in a folder with one SQLite resource, `shop`, and a folder of control
-- sockets of its own, so that other engines on this machine are not seen.
local assert = require "luassert"
local process = require "spec.support.process"
local tmp = require "spec.support.tmp"

local program = { folder = tmp.folder() }
local sockets = tmp.folder()

tmp.write(program.folder, "resources/shop.lua", ('sqlite "shop" { file = %q, pool = { min = 1, max = 4 } }\n'):format(
  program.folder .. "/shop.db"))

---What process.run() takes for these words of the command line.
function program.command(...)
  return { process.program "nebula", env = { NEBULA_RUN_DIR = sockets, NO_COLOR = "1" }, ... }
end

function program.nebula(...)
  return process.run(program.command(...))
end

---The same on a terminal, where errors and output come out together. A table behind the words changes its variables.
function program.terminal(...)
  local words = { process.program "nebula", ... }
  local changed = type(words[#words]) == "table" and table.remove(words) or {}
  return process.run {
    "script", "-qec", table.concat(words, " "), "/dev/null",
    env = { NEBULA_RUN_DIR = sockets, NO_COLOR = false, TERM = changed.TERM or "xterm" },
  }
end

---A file with this workflow.
---@return string path
function program.workflow(text)
  return tmp.write(program.folder, "flow.lua", text)
end

function program.run(text, ...)
  return program.nebula("run", program.workflow(text), ...)
end

---A workflow that says "ready" and then goes on, as a process; with options of run.
function program.started(text, ...)
  local words = program.command("run", ...)
  words[#words + 1] = program.workflow("io.stdout:setvbuf 'line'\n" .. text)
  local child = process.start(words)
  assert.equal("ready", child:line())
  return child
end

---Waits for the end of such a process.
function program.over(child)
  local how = assert(child:wait(15000))
  local output, errors = child:take()
  child:close()
  return { code = how.code, signal = how.signal, output = output, errors = errors }
end

---Asserts the exit code, and gives back what there was.
function program.ended(code, result)
  assert.is_nil(result.signal, result.errors)
  assert.equal(code, result.code, result.output .. result.errors)
  return result
end

---Asserts that text is in what was said.
function program.says(text, said)
  assert.is_not_nil(said:find(text, 1, true), said)
end

return program
