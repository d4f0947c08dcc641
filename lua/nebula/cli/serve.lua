local folder = require "nebula.cli.folder"
local lazy = require "nebula.lazy"
local program = require "nebula.cli.program"
local show = require "nebula.cli.show"
local worker = require "nebula.worker"

local report = lazy "nebula.declare.report"
local sources = lazy "nebula.declare.sources"

local HIDDEN = {} -- raised where a resource is used whose declaration is wrong

local function raise_hidden()
  error(HIDDEN, 0)
end

-- Stands for a resource while what is wrong with the declarations is not repaired.
local stand_in = setmetatable({}, { __index = raise_hidden, __newindex = raise_hidden, __call = raise_hidden })

local function environment_of(are_declared)
  local nebula = require "nebula"
  return function()
    local environment = nebula.environment()
    if not are_declared then
      environment.use = function() return stand_in end
    end
    return environment
  end
end

-- The files of services, when nothing is wrong with any file and there is a service; nil after complaining.
local function read_services(dir, are_declared)
  local reports = report.new()
  local list = sources.others(dir, "services", reports)
  local found = require("nebula.service").read(list, environment_of(are_declared), reports, HIDDEN)
  local errors = reports:list()
  if errors and not are_declared and errors[1].file == dir then
    return nil -- that the folder cannot be read was said with the declarations
  elseif errors then
    folder.complain(errors)
  elseif are_declared and #found == 0 then
    show.complain('%s: no services are declared in services/*.lua; write service "name" { run = function() ... end }',
      dir)
  elseif are_declared then
    local given = { place = dir .. "/services", sources = {}, services = {} }
    for i, source in ipairs(list) do given.sources[i] = { file = source.file, text = source.text } end
    for i, one in ipairs(found) do given.services[i] = { name = one.name, instances = one.instances } end
    return given
  end
end

local function run(given, arguments)
  local dir = arguments[1]:match "^(.-)/*$"
  dir = dir == "" and arguments[1] ~= "" and "/" or dir
  local self = program.read(given, dir, math.min(worker.cores(), 64))
  if not self then return 2 end
  if not program.open(self) then return 1 end
  package.path = package.path .. ";" .. dir .. "/?.lua"
  local declared = program.declare(self, dir)
  local services = read_services(dir, declared ~= nil)
  if not services then return 2 end
  local others = program.for_others(self, {}, declared)
  if others then
    others.is_kept = true
  end
  require("nebula.supervisor").begin {
    file = dir,
    chunk = require("nebula.serving").run,
    arguments = { services },
    drain_us = self.drain_us,
    crew = others,
  }
end

return {
  name = "serve",
  arguments = "DIR",
  least = 1,
  most = 1,
  text = "keep services up",
  manual = ([[
Keeps up the services that DIR/services/*.lua declare, service "name" { run = function() ... end }, with the resources
of DIR/resources/*.lua and DIR/policies/*.lua, in as many workers as there are processors. Instances of a service are
spread over the workers. One that fails, because it raises or returns nil, err, is started again after a pause that
doubles; so is a worker that leaves, with all its instances. When all have finished, so has the program. nebula ls
shows what each does. Where anything is wrong with a file nothing is started.

SIGINT, SIGTERM and SIGHUP drain: nothing is started again, sleeps end with `closed`, stopping() is true, and what is
under way goes on. After --drain it is cancelled, what was still open is said, and the process ends within 4 s; the
process ends at once when the first worker has computed all that time without a wait.
A second SIGINT or SIGTERM stops at once (exit code 130 or 143).

%s

Exit codes: 0 all has come to its end, 1 something was cancelled or failed in the drain, 2 invalid files or usage.]])
    :format(program.watch),
  options = program.options "the processors that it may use",
  run = run,
}
