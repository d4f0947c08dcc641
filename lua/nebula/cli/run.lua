local program = require "nebula.cli.program"
local show = require "nebula.cli.show"
local worker = require "nebula.worker"

local function load_workflow(file, dir, arguments)
  local nebula = require "nebula"
  package.path = package.path .. ";" .. dir .. "/?.lua"
  nebula.args = arguments
  if file ~= "-" and worker.is_file(file) == false then -- reading it might never end
    return nil, file .. ": not a regular file; - reads the standard input"
  end
  local chunk, why = loadfile(file ~= "-" and file or nil)
  return chunk and setfenv(chunk, require("nebula.environment").main()), why
end

local function run(given, arguments)
  local file = table.remove(arguments, 1)
  local dir = given.dir or file:match("^(.*)/[^/]*$") or "."
  local self = program.read(given, file, 1)
  if not self then return 2 end
  if not program.open(self) then return 1 end
  local chunk, mistake = load_workflow(file, dir, arguments)
  if not chunk then
    show.complain("%s", mistake)
    return 2
  end
  local declared = program.declare(self, dir)
  if not declared then return 2 end
  require("nebula.supervisor").begin {
    file = file,
    chunk = chunk,
    arguments = arguments,
    drain_us = self.drain_us,
    is_staying = given.stay,
    crew = program.for_others(self, arguments, declared),
  }
end

return {
  name = "run",
  arguments = "FILE [ARGS]",
  least = 1,
  text = "run a workflow",
  manual = ([[
Runs FILE with the resources that resources/*.lua and policies/*.lua beside it declare. What stands behind FILE
goes to the workflow, as `args`. FILE is a regular file, or - for the standard input.

With --workers FILE runs in the first of so many workers, threads with a Lua state each; the others have the same
resources and do what it hands them. One that fails, or cannot begin, is named in the log, and the others go on; when
the first one fails the program ends.

%s

SIGINT, SIGTERM and SIGHUP drain: nothing new is begun, sleeps end, what is under way goes on. After --drain it
is cancelled, what was still open is said, and the process ends within 4 s; a workflow that has computed all that
time without a wait cannot be cancelled or looked into, and the process ends at once.
A second SIGINT or SIGTERM stops at once (exit code 130 or 143).

Exit codes: 0 ok, 1 the work failed, 2 invalid files or usage.]]):format(program.watch),
  options = program.options("1",
    { name = "dir", value = "DIR", text = "the folder with resources/ and policies/ (default: that of FILE)" },
    { name = "stay", text = "keep the engine up after the workflow, until a signal" }),
  run = run,
}
