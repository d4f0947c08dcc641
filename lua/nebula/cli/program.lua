--- program: what `nebula run` and `nebula serve` have in common: the engine, its workers, and the options of both.

local folder = require "nebula.cli.folder"
local show = require "nebula.cli.show"
local units = require "nebula.units"
local worker = require "nebula.worker"

local formats = { json = 0, logfmt = 1, pretty = 2 }
local levels = { debug = 0, info = 1, warn = 2, error = 3, nothing = 4 }
local WORKERS_MOST = 64
local STUCK_LEAST_US = 100000 -- as often as they look

local program = {
  --- For the manual of both.
  watch = [[
With several workers each looks after the others. One that has not come back from Lua for --stuck, because a task
computes or is in a function of C, is named in the log by another one: the task, where it was started, for how long,
and its last call of the engine; again whenever that has become twice as long, and when it is over. Where its code is
not compiled it says itself at which lines it is. Lua that LuaJIT has compiled says nothing until it ends: with
--hookcheck nothing is compiled, which is slower.]],
}

--- Options of a command, with its own between them.
---@param workers string what --workers is without being said
---@param ... table its own
---@return table[]
function program.options(workers, ...)
  return {
    { name = "workers", value = "N", text = "threads with a Lua state each, 1 to 64 (default " .. workers .. ")" },
    { name = "drain", value = "TIME", text = "bound of the drain (default 10s)" },
    { name = "stuck", value = "TIME",
      text = "say which worker has not come back from Lua for so long, 100ms at least (default 1s; 0s: none)" },
    { name = "hookcheck", text = "interpret Lua, so that such a worker can say where it is; see above" },
    { name = "log", value = "FORMAT", one_of = formats,
      text = "json, logfmt or pretty (default: pretty on a terminal, else logfmt)" },
    { name = "log-level", value = "LEVEL", one_of = levels,
      text = "debug, info, warn, error or nothing (default info)" },
    { name = "allow-chaos", text = "let faults happen that `chaos` declares; else such a declaration is an error" },
    ...,
  }
end

local function read_workers(text)
  local count = text:match "^%d+$" and tonumber(text)
  if count and count >= 1 and count <= WORKERS_MOST then return count end
  return nil, ("a whole number from 1 to %d is expected"):format(WORKERS_MOST)
end

local function read_stuck(text)
  local us, why = units.duration(text)
  if us and us > 0 and us < STUCK_LEAST_US then
    return nil, "is at least 100ms, or 0s"
  end
  return us, why
end

---@class nebula.cli.Program
---@field workers integer
---@field drain_us integer
---@field stuck_us integer 0: nobody looks
---@field is_interpreted boolean|nil
---@field engine table what worker.open() takes

--- What was said on the command line; nil after complaining.
---@param given table<string, string|true>
---@param name string of the program, for listings
---@param workers integer unless it is said
---@return nebula.cli.Program|nil
function program.read(given, name, workers)
  local function read(option, by, default)
    local value, why = by(given[option] or default)
    if not value then show.complain("--%s: %s", option, why) end
    return value
  end
  local format = given.log or (worker.is_terminal(2) and "pretty" or "logfmt")
  local self = {
    workers = read("workers", read_workers, tostring(workers)),
    drain_us = read("drain", units.duration, "10s"),
    stuck_us = read("stuck", read_stuck, "1s"),
    is_interpreted = given.hookcheck,
    engine = {
      name = name, log_format = formats[format], log_level = levels[given["log-level"] or "info"],
      notes_calls = given.hookcheck, allow_chaos = given["allow-chaos"],
    },
  }
  return self.workers and self.drain_us and self.stuck_us and self or nil
end

local function control_path()
  local where, why = worker.run_dir()
  if not where then
    show.complain("no control socket: %s", why)
    return nil
  end
  return ("%s/%d.sock"):format(where, worker.pid)
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

--- Opens the engine of worker 0; nil after complaining.
---@param self nebula.cli.Program
---@return true|nil
function program.open(self)
  if self.is_interpreted then
    jit.off()
    jit.flush()
  end
  local opened, problem = worker.grow(self.workers)
  if opened and self.workers > 1 and self.stuck_us > 0 then
    opened, problem = worker.watch(self.stuck_us)
  end
  if opened then
    opened, problem = open_engine(self.engine)
  end
  if not opened then
    show.complain("%s", problem)
    return nil
  end
  require "nebula.exit"
  if self.workers > 1 then
    self.kinds = require("nebula.kind").keep()
  end
  return true
end

local function is_allowed(self, declared)
  local is_so = true
  for _, one in ipairs(declared) do
    if one.chaos and not self.engine.allow_chaos then
      show.complain("%s:%d: chaos %s: the faults that it declares are real; say --allow-chaos to have them in %s",
        one.chaos.file, one.chaos.line, one.chaos.name, one.name)
      is_so = false
    end
  end
  return is_so
end

local function log_warnings(warnings)
  for _, one in ipairs(warnings or {}) do
    require("nebula.log").warn("%s", tostring(one))
  end
end

--- What a folder declares, made known to the engine; nil after complaining.
---@param self nebula.cli.Program
---@param dir string
---@return nebula.DeclaredResource[]|nil
function program.declare(self, dir)
  local set = folder.set(dir)
  if not set or not is_allowed(self, set.resources) then return nil end
  require("nebula.asking").begin(set.asked, set.kinds)
  local resources = require "nebula.resource"
  local call = require "nebula.call"
  call.policies = function() return set.policies:all() end
  call.places = function(policy) return set.policies:where(policy) end
  log_warnings(set.warnings)
  for _, one in ipairs(set.resources) do
    local resource, err = resources.declare(one)
    if not resource then
      show.complain("%s:%d: %s", one.file, one.line, tostring(err))
      return nil
    end
  end
  return set.resources
end

--- What the other workers begin with: all that was read, so that none of them reads it again; nil: there are none.
---@param self nebula.cli.Program
---@param arguments string[]
---@param declared nebula.DeclaredResource[]
---@return nebula.Given|nil
function program.for_others(self, arguments, declared)
  if self.workers == 1 then return nil end
  local given = require("nebula.crew").given(self.engine, arguments, declared, self.kinds)
  given.is_interpreted = self.is_interpreted
  return given
end

return program
