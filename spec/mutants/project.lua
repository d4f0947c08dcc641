-- project.lua - a copy of a project, with what make says is to be done there, and which specs a file has.
--
-- A spec is one of a file when its program holds the file's code: the object of a .c, or any that includes a .h.

local mistakes = require "spec.mutants.mistakes"
local process = require "spec.support.process"
local tmp = require "spec.support.tmp"

local PATIENCE = 600000 -- ms, to build the specs

---@class spec.project
---@field folder string the copy
local Project = {}
Project.__index = Project

local project = {}

---Runs a program to its end, and raises when it fails. No cache is filled with what nobody compiles twice.
---@return string output
function project.must(words)
  words.env = words.env or { CCACHE_DISABLE = "1", MAKEFLAGS = false, MFLAGS = false }
  words.within = words.within or PATIENCE
  local ran = process.run(words)
  if ran.code ~= 0 then error(("%s: %s%s"):format(words[1], ran.output, ran.errors), 0) end
  return ran.output
end

local function lines(text)
  local list = {}
  for line in text:gmatch "[^\n]+" do list[#list + 1] = line end
  return list
end

---The files that these patterns of a shell name below a folder, sorted.
---@param patterns string "engine/rules/*.c engine/core/call.c"
---@return string[]
function project.files(folder, patterns)
  return lines(project.must { "sh", "-c", ([[cd "$0" && for f in %s; do [ ! -f "$f" ] || echo "$f"; done]]):format(patterns), folder })
end

---@param root string with engine, spec and a Makefile
---@param build string what is made of it
---@param place string where the copy goes
---@return spec.project
function project.open(root, build, place)
  local folder = place .. "/tree"
  project.must { "sh", "-c", [[. spec/sim/tree.sh && rm -rf "$2" && cd "$0" && copy_healthy "$1" "$2"]], root, build, folder }
  return setmetatable({ folder = folder, place = place, names = {} }, Project)
end

-- What make would do to have these programs, by what comes out.
local function commands_for(folder, programs)
  local words = { "make", "-n", "-B", "BUILD=build", folder = folder }
  for _, program in ipairs(programs) do words[#words + 1] = program end
  local commands = {}
  for _, line in ipairs(lines(project.must(words))) do
    local out = line:match " %-o (%S+) "
    if out then commands[out] = line end
  end
  return commands
end

-- The names that stand in programs and objects, each given as name of the file to a set.
local function names_in(folder, files, options)
  local words = { "nm", "-A", folder = folder }
  for _, word in ipairs(options) do words[#words + 1] = word end
  for _, file in ipairs(files) do words[#words + 1] = file end
  local names = {}
  for _, line in ipairs(lines(project.must(words))) do
    local file, kind, name = line:match "^([^:]+):%S*%s+(%a) (%S+)$"
    if file and kind ~= "U" then
      names[file] = names[file] or {}
      names[file][name] = true
    end
  end
  return names
end

local function program_of(spec_c)
  return "build/" .. spec_c:gsub("%.c$", "")
end

---Builds specs, of which source() tells those of a file.
---@param specs string[] their C files
---@param jobs integer
function Project:build(specs, jobs)
  local programs = {}
  for at, file in ipairs(specs) do programs[at] = program_of(file) end
  local words = { "make", "-j" .. jobs, "BUILD=build", folder = self.folder }
  for _, program in ipairs(programs) do words[#words + 1] = program end
  project.must(words)
  self.commands = commands_for(self.folder, programs)
  self.names = names_in(self.folder, programs, {})
end

-- The objects that a file becomes part of.
function Project:objects_of(file)
  if file:find "%.c$" then return { "build/" .. file:gsub("c$", "o") } end
  local found = process.run { "grep", "-rlwF", "--include=*.d", file, "build", folder = self.folder }
  local list = {}
  for _, path in ipairs(lines(found.output)) do
    local object = path:gsub("d$", "o")
    if self.commands[object] then list[#list + 1] = object end
  end
  return list
end

-- Whether the program has a name that this object defines.
function Project:has_any(program, names)
  for name in pairs(names or {}) do
    if self.names[program][name] then return true end
  end
  return false
end

-- Those of the objects that the program holds. Of specs it is its own.
function Project:held(program, objects, names)
  local held = {}
  for _, object in ipairs(objects) do
    local is_held = object == program .. ".o"
    if not object:find "^build/spec/" then is_held = self:has_any(program, names[object]) end
    if is_held then held[#held + 1] = object end
  end
  return held
end

-- What verdicts depend on: the file, these specs without a mistake, and how they are built.
function Project:digest(source, specs)
  local words = { "sh", "-c", 'cat - "$0" "$@" | sha256sum', source.file, folder = self.folder,
    text = source.is_sanitized and "sanitized" or "plain" }
  for _, spec in ipairs(specs) do words[#words + 1] = spec.program end
  return (project.must(words):match "^%x+")
end

---@class spec.source
---@field file string
---@field text string
---@field mistakes spec.mistake[]
---@field objects string[] that are compiled with each mistake
---@field specs { program: string, objects: string[], kills: integer, digest: string, seconds: table<table, number>? }[]
---@field is_sanitized boolean? with the sanitizers, too
---@field digest string of all that the verdicts depend on; that of a spec is for who was killed by it

---@param file string
---@param specs string[] C files, of which those count whose programs hold the file
---@param is_sanitized boolean?
---@return spec.source
function Project:source(file, specs, is_sanitized)
  local text = tmp.read(self.folder .. "/" .. file)
  local source = { file = file, text = text, mistakes = mistakes.of(text, file:find "%.h$" ~= nil), objects = {}, specs = {},
    is_sanitized = is_sanitized }
  local objects = self:objects_of(file)
  local names = #objects > 0 and names_in(self.folder, objects, { "-g", "--defined-only" }) or {}
  local is_needed = {}
  for _, spec in ipairs(specs) do
    local program = program_of(spec)
    local held = self:held(program, objects, names)
    for _, object in ipairs(held) do
      if not is_needed[object] then table.insert(source.objects, object) end
      is_needed[object] = true
    end
    if #held > 0 then table.insert(source.specs, { program = program, objects = held, kills = 0 }) end
  end
  for _, spec in ipairs(source.specs) do spec.digest = self:digest(source, { spec }) end
  source.digest = self:digest(source, source.specs)
  return source
end

return project
