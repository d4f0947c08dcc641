local folder = require "nebula.cli.folder"
local show = require "nebula.cli.show"
local units = require "nebula.units"
local worker = require "nebula.worker"

local formats = { json = 0, logfmt = 1, pretty = 2 }
local WORKERS_MOST = 64
local WORKERS_WORDS = "--workers: a whole number from 1 to " .. WORKERS_MOST .. " is expected"
local levels = { debug = 0, info = 1, warn = 2, error = 3, nothing = 4 }

local function control_path()
  local where, why = worker.run_dir()
  if not where then
    show.complain("no control socket: %s", why)
    return nil
  end
  return ("%s/%d.sock"):format(where, worker.pid)
end

local function engine_options(given, file)
  local format = given.log or (worker.is_terminal(2) and "pretty" or "logfmt")
  return { name = file, log_format = formats[format], log_level = levels[given["log-level"] or "info"] }
end

local function open_engine(options)
  options.control = control_path()
  local opened, problem = worker.open(options)
  if not opened and options.control then -- too long for a socket, say: it is no part of the work
    show.complain("no control socket: %s", problem)
    options.control = nil
    opened, problem = worker.open(options)
  end
  options.control = nil -- worker 0 has it for all
  return opened, problem
end

-- Makes what the folder declares known to the engine, and gives it back; nil after complaining.
local function declare(dir)
  local declared = folder.resources(dir)
  if not declared then return nil end
  local resources = require "nebula.resource"
  for _, one in ipairs(declared) do
    local resource, err = resources.declare(one)
    if not resource then
      show.complain("%s:%d: %s", one.file, one.line, tostring(err))
      return nil
    end
  end
  return declared
end

local function load_workflow(file, dir, arguments)
  local nebula = require "nebula"
  package.path = package.path .. ";" .. dir .. "/?.lua"
  nebula.args = arguments
  if file ~= "-" and worker.is_file(file) == false then -- reading it might never end
    return nil, file .. ": not a regular file; - reads the standard input"
  end
  local chunk, why = loadfile(file ~= "-" and file or nil)
  return chunk and setfenv(chunk, nebula.environment()), why
end

local function read_workers(text)
  local count = text:match "^%d+$" and tonumber(text)
  return count and count >= 1 and count <= WORKERS_MOST and count
end

-- With so many workers; nil after complaining.
local function open(options, workers)
  local opened, problem = worker.grow(workers)
  if opened then
    opened, problem = open_engine(options)
  end
  if not opened then
    show.complain("%s", problem)
  end
  return opened
end

local function run(given, arguments)
  local drain_us, why = units.duration(given.drain or "10s")
  local workers = read_workers(given.workers or "1")
  if not drain_us or not workers then
    show.complain("%s", workers and "--drain: " .. why or WORKERS_WORDS)
    return 2
  end
  local file = table.remove(arguments, 1)
  local dir = given.dir or file:match("^(.*)/[^/]*$") or "."
  local options = engine_options(given, file)
  if not open(options, workers) then
    return 1
  end
  require "nebula.exit"
  local chunk, mistake = load_workflow(file, dir, arguments)
  if not chunk then
    show.complain("%s", mistake)
    return 2
  end
  local kinds = workers > 1 and require("nebula.kind").keep() or nil
  local declared = declare(dir)
  if not declared then
    return 2
  end
  require("nebula.supervisor").begin {
    file = file,
    chunk = chunk,
    arguments = arguments,
    drain_us = drain_us,
    is_staying = given.stay,
    crew = workers > 1 and require("nebula.crew").given(options, arguments, declared, kinds) or nil,
  }
end

return {
  name = "run",
  arguments = "FILE [ARGS]",
  least = 1,
  text = "run a workflow",
  manual = [[
Runs FILE with the resources that resources/*.lua and policies/*.lua beside it declare. What stands behind FILE
goes to the workflow, as `args`. FILE is a regular file, or - for the standard input.

With --workers FILE runs in the first of so many workers, threads with a Lua state each; the others have the same
resources and do what it hands them. One that fails, or cannot begin, is named in the log, and the others go on; when
the first one fails the program ends.

SIGINT, SIGTERM and SIGHUP drain: nothing new is begun, sleeps end, what is under way goes on. After --drain it
is cancelled, what was still open is said, and the process ends within 4 s; a workflow that has computed all that
time without a wait cannot be cancelled or looked into, and the process ends at once.
A second SIGINT or SIGTERM stops at once (exit code 130 or 143).

Exit codes: 0 ok, 1 the work failed, 2 invalid files or usage.]],
  options = {
    { name = "dir", value = "DIR", text = "the folder with resources/ and policies/ (default: that of FILE)" },
    { name = "workers", value = "N", text = "threads with a Lua state each, 1 to 64 (default 1)" },
    { name = "drain", value = "TIME", text = "bound of the drain (default 10s)" },
    { name = "stay", text = "keep the engine up after the workflow, until a signal" },
    { name = "log", value = "FORMAT", one_of = formats,
      text = "json, logfmt or pretty (default: pretty on a terminal, else logfmt)" },
    { name = "log-level", value = "LEVEL", one_of = levels,
      text = "debug, info, warn, error or nothing (default info)" },
  },
  run = run,
}
