-- run.lua - plants small mistakes into C files, one at a time, and sees that the specs find them: `make mutants`.
--
--   nebula-lua spec/mutants/run.lua ROOT BUILD [FILE...]
--
-- ROOT is a project and BUILD what was made of it, as whole paths; FILE is one of those that are mutated, else all are. Nothing
-- is written but BUILD/mutants: a copy of the project, a lane for each processor, and the verdicts, which are remembered.
--
-- A mutant that does not compile, or to the same code, is none. One that lives needs a reason in ROOT/spec/mutants/reasons.txt.
-- Of those that could be told apart 95 percent are to be killed: by a spec that fails, or by the clock.

package.path = "./?.lua;" .. package.path

local lane = require "spec.mutants.lane"
local project = require "spec.mutants.project"
local reasons = require "spec.mutants.reasons"
local report = require "spec.mutants.report"
local verdicts = require "spec.mutants.verdicts"

-- What is mutated, and whose specs find it, with the sanitizers as well where that is quick. Those of the core are in virtual
-- time: they leave nothing behind when they die. `without` are those that look at something else than calls, some for seconds.
local FLOORS = {
  { files = "engine/rules/*.c engine/rules/*.h", specs = "spec/rules/*_spec.c", is_sanitized = true },
  {
    files = "engine/core/rooms.c engine/core/batch.c engine/core/again.c engine/core/stages.c engine/core/copies.c " ..
      "engine/core/attempt.c engine/core/refused.c engine/core/call.c",
    specs = "spec/core/rooms_spec.c spec/core/batch_spec.c spec/core/*_sim_spec.c spec/sim/*_spec.c",
    without = "spec/core/advice*_spec.c spec/core/drain*_spec.c spec/core/gather*_spec.c spec/core/handover*_spec.c " ..
      "spec/core/hear*_spec.c spec/core/home*_spec.c spec/core/identity*_spec.c spec/core/keep*_spec.c spec/core/leave*_spec.c " ..
      "spec/core/listen*_spec.c spec/core/listing*_spec.c spec/core/load_dice*_spec.c spec/core/load_workers*_spec.c " ..
      "spec/core/monitor*_spec.c spec/core/order*_spec.c spec/core/outage*_spec.c spec/core/reach*_spec.c " ..
      "spec/core/reconnect*_spec.c spec/core/resize*_spec.c",
  },
}
local LANES = tonumber(os.getenv "JOBS") or 2
local PROGRESS = 100 -- mutants

local function say(form, ...)
  io.stderr:write("mutants: ", form:format(...), "\n")
end

-- The specs of a floor.
local function specs_of(root, floor)
  local is_out, specs = {}, {}
  for _, spec in ipairs(project.files(root, floor.without or "")) do is_out[spec] = true end
  for _, spec in ipairs(project.files(root, floor.specs)) do
    if not is_out[spec] then specs[#specs + 1] = spec end
  end
  return specs
end

-- The floors with their files, of which only those that were asked for.
local function wanted(root, asked)
  local floors = {}
  for _, floor in ipairs(FLOORS) do
    local files = {}
    for _, file in ipairs(project.files(root, floor.files)) do
      if asked[file] or not next(asked) then files[#files + 1] = file end
      asked[file] = asked[file] and "found"
    end
    local specs = #files > 0 and specs_of(root, floor)
    if specs then floors[#floors + 1] = { files = files, specs = specs, is_sanitized = floor.is_sanitized } end
  end
  for file, found in pairs(asked) do
    if found ~= "found" then error(file .. " is none of those that are mutated", 0) end
  end
  return floors
end

local Run = {}
Run.__index = Run

-- Each item in a lane that is free.
function Run:in_lanes(list, fn)
  for_each(list, { parallel = #self.lanes }, function(item)
    local mine = table.remove(self.free)
    fn(mine, item)
    table.insert(self.free, mine)
  end)
end

function Run:heal(source)
  for _, mine in ipairs(self.lanes) do mine:heal(source) end
end

function Run:try_all(source, known, todo)
  say("%s: %d mutants, %d specs", source.file, #todo, #source.specs)
  local done = 0
  self:heal(source)
  self:in_lanes(source.specs, function(mine, spec) mine:measure(source, spec) end)
  self:in_lanes(todo, function(mine, mistake)
    known:note(mistake, mine:try(source, mistake))
    done = done + 1
    if done % PROGRESS == 0 then say("%s: %d of %d", source.file, done, #todo) end
  end)
  self:heal(source)
end

function Run:file(file, floor)
  local source = self.project:source(file, floor.specs, floor.is_sanitized)
  if #source.mistakes == 0 then return end
  if #source.specs == 0 then error("no spec holds " .. file, 0) end
  local known = verdicts.open(("%s/%s.verdicts"):format(self.place, file:gsub("/", "+")), source)
  local todo = {}
  for _, mistake in ipairs(source.mistakes) do
    if not known:of(mistake) then todo[#todo + 1] = mistake end
  end
  if #todo > 0 then self:try_all(source, known, todo) end
  known:close()
  self.report:add(source, known)
end

local function main(root, build, ...)
  local asked = {}
  for _, file in ipairs { ... } do asked[file] = "asked" end
  local is_all = next(asked) == nil
  local floors = wanted(root, asked)
  local spec_c = {}
  for _, floor in ipairs(floors) do
    for _, spec in ipairs(floor.specs) do spec_c[#spec_c + 1] = spec end
  end
  local self = setmetatable({ place = build .. "/mutants", lanes = {}, free = {} }, Run)
  self.report = report.new(reasons.read(root .. "/spec/mutants/reasons.txt"))
  self.project = project.open(root, build, self.place)
  self.project:build(spec_c, LANES)
  for number = 1, LANES do
    self.lanes[number] = lane.open(self.project, number)
    self.free[number] = self.lanes[number]
  end
  for _, floor in ipairs(floors) do
    for _, file in ipairs(floor.files) do self:file(file, floor) end
  end
  return self.report:close(is_all)
end

io.stdout:setvbuf "line"
os.exit(main(...) and 0 or 1)
