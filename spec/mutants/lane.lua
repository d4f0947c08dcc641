-- lane.lua - a folder in which one mutant after the other is compiled, linked and run.

local clock = require "spec.support.clock"
local mistakes = require "spec.mutants.mistakes"
local process = require "spec.support.process"
local project = require "spec.mutants.project"
local tmp = require "spec.support.tmp"

-- How long a mutant may run: so many times what the spec takes without a mistake. First of the processor; then of all time, in
-- which it is not counted that others had the processor.
local TIMES = 10
local LEAST_CPU, LEAST = 2, 10 -- s
local FIRST = 30 -- s, before that is known
local LINK = 0.05 -- s, what it takes to link one
local COMMAND_MOST = 600000 -- ms
-- Plays of the simulation: whoever finds something seldom needs more. Memory is not zero, as with the sanitizers of make test. Of
-- what is asked for otherwise nothing is.
local ASKED = { SEEDS = "50", MALLOC_PERTURB_ = "165", SEED = false, NEBULA_PROVE = false }
-- Nothing goes on when who started it is gone.
local BOUNDED = [[ulimit -c 0; ulimit -v "$0"; ulimit -t "$1"; shift; exec setpriv --pdeathsig KILL "$@"]]
local BY_THE_CLOCK = { [128 + 9] = true, [128 + 24] = true } -- SIGKILL, SIGXCPU
local INTERRUPTED = { [128 + 1] = true, [128 + 2] = true, [128 + 15] = true }
local CANNOT_RUN = { [126] = true, [127] = true }

-- How a program is built. Without what a debugger needs, or who links all as a whole, the same code is the same object.
local PLAIN = { says = "", object = ".o", compile = " -g0 -fno-lto", link = " -Wl,-S", memory = "2000000" } -- kB of addresses
local SANITIZERS = " -fsanitize=address,undefined -fno-sanitize-recover=all"
local SANITIZED = {
  says = " with the sanitizers", object = ".sanitized.o", compile = " -g0 -O1 -w -fno-lto" .. SANITIZERS, link = SANITIZERS,
  memory = "unlimited",
}

---@class spec.lane
---@field folder string
local Lane = {}
Lane.__index = Lane

local lane = {}

---@param from spec.project whose specs are built
---@param number integer
---@return spec.lane
function lane.open(from, number)
  local folder = ("%s/lane%d"):format(from.place, number)
  project.must { "sh", "-c", [[rm -rf "$1" && cp -Rp "$0" "$1"]], from.folder, folder }
  return setmetatable({ folder = folder, commands = from.commands, is_made = {} }, Lane)
end

-- What went wrong, if it did.
function Lane:shell(command)
  local ran = process.run { "sh", "-c", command, folder = self.folder, env = { CCACHE_DISABLE = "1" }, output = false,
    within = COMMAND_MOST }
  return ran.code ~= 0 and ran.errors or nil
end

-- The code it ends with, or 128 and the signal, as a shell says it.
function Lane:run(program, seconds, way)
  local cpu, all = math.max(LEAST_CPU, TIMES * seconds), math.max(LEAST, TIMES * seconds)
  local child = process.start { "sh", "-c", BOUNDED, way.memory, ("%d"):format(math.ceil(cpu)), program,
    folder = self.folder, output = false, errors = false, env = ASKED }
  local ended = child:wait(all * 1000)
  child:kill()
  local code = ended and ended.code or 128 + (ended and ended.signal or 9)
  if INTERRUPTED[code] then error("interrupted", 0) end
  if CANNOT_RUN[code] then error(program .. " cannot be run", 0) end
  return code
end

local function built(object, way)
  return (object:gsub("%.o$", way.object))
end

function Lane:compile(object, way)
  return self:shell(self.commands[object]:gsub(" %-o %S+", " -o " .. built(object, way), 1) .. way.compile)
end

-- All that the file becomes part of, with this text. What went wrong, if it did.
function Lane:plant(source, text, way)
  tmp.write(self.folder, source.file, text)
  for _, object in ipairs(source.objects) do
    local why = self:compile(object, way)
    if why then return why end
  end
end

-- The spec's own object, of which no mistake is a part. The plain one was made by make.
function Lane:make_own(own, way)
  if way == PLAIN or self.is_made[own] then return end
  self.is_made[own] = true
  return self:compile(own, way)
end

-- With these objects before the archive, which has the healthy ones.
function Lane:link(spec, way)
  local own = spec.program .. ".o"
  local others, is_own = {}, false
  for _, object in ipairs(spec.objects) do
    if object == own then is_own = true else others[#others + 1] = built(object, way) end
  end
  local why = not is_own and self:make_own(own, way)
  local objects = built(own, way) .. " " .. table.concat(others, " ")
  why = why or self:shell(self.commands[spec.program]:gsub(" %-o (%S+) %S+", " -o %1 " .. objects, 1) .. way.link)
  if why then error(("%s: %s"):format(spec.program, why), 0) end
end

function Lane:codes(source)
  local codes = {}
  for at, object in ipairs(source.objects) do codes[at] = tmp.read(self.folder .. "/" .. object) end
  return table.concat(codes)
end

-- The ways in which mutants of this file are built.
local function ways_of(source)
  return source.is_sanitized and { PLAIN, SANITIZED } or { PLAIN }
end

---Without a mistake: as it is before the first and behind the last one.
---@param source spec.source
function Lane:heal(source)
  for _, way in ipairs(ways_of(source)) do
    local why = self:plant(source, source.text, way)
    if why then error(source.file .. ": " .. why, 0) end
  end
  self.healthy = self:codes(source)
end

---How long a spec takes. It holds without a mistake, or nothing can be said.
---@param source spec.source
function Lane:measure(source, spec)
  spec.seconds = {}
  for _, way in ipairs(ways_of(source)) do
    self:link(spec, way)
    local begun = clock.now()
    if self:run(spec.program, FIRST, way) ~= 0 then
      error(spec.program .. way.says .. " fails without a mistake", 0)
    end
    spec.seconds[way] = (clock.now() - begun) / 1000
  end
end

-- Those first that have found most for their time.
local function likely(specs)
  local list = {}
  for at, spec in ipairs(specs) do list[at] = spec end
  local function worth(spec) return (spec.kills + 1) / (spec.seconds[PLAIN] + LINK) end
  table.sort(list, function(a, b) return worth(a) > worth(b) end)
  return list
end

-- Which spec finds it, when it is built so, and whether that was only by the clock.
function Lane:found(source, way)
  for _, spec in ipairs(likely(source.specs)) do
    self:link(spec, way)
    local code = self:run(spec.program, spec.seconds[way], way)
    if code ~= 0 then
      spec.kills = spec.kills + 1
      return spec.program, BY_THE_CLOCK[code]
    end
  end
end

---What becomes of a mutant, and by which spec. Who lives is built again with the sanitizers, where make test runs such specs
---with them, too: what reads beyond an array is a mistake of which nothing else may come.
---@param source spec.source
---@param mistake spec.mistake
---@return "refused"|"same"|"killed"|"clock"|"survived" verdict
---@return string? by
function Lane:try(source, mistake)
  local text = mistakes.plant(source.text, mistake)
  for _, way in ipairs(ways_of(source)) do
    local why = self:plant(source, text, way)
    if why and not why:find "%d: error: " then error(source.file .. ": " .. why, 0) end -- of the compiler, not of the mutant
    if why then return "refused" end
    if way == PLAIN and self:codes(source) == self.healthy then return "same" end
    local by, is_late = self:found(source, way)
    if by then return is_late and "clock" or "killed", by end
  end
  return "survived"
end

return lane
