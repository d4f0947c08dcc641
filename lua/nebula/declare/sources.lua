--- sources: the files of declarations, read once, with a bound on each and on all of them.

local judge = require "nebula.judge"
local lazy = require "nebula.lazy"

local where = lazy "nebula.where"

---@class nebula.Source
---@field file string the path by which it was found, for people
---@field text string
---@field layer integer 1 is what ships; a policy of a later layer replaces one of an earlier layer
---@field is_asked boolean|nil a setting in it is a function
---@field places fun(self: nebula.Source): nebula.Where

local LARGEST = 1000 * 1000   -- bytes of a file
local ALL = 8 * 1000 * 1000   -- of all of them: what the judge reads in a quarter of a second
local FILES = 1000            -- of resources/ or policies/
local NAMES = 1000000         -- of the folder that they are in, which may be anything

local Source = {}
Source.__index = Source

--- The places in it; read when they are first asked for, which is when something is wrong.
function Source:places()
  self.read_places = self.read_places or where.read(self.text)
  return self.read_places
end

local sources = {}

local function add_text(list, report, file, layer, text, why)
  if text and #text > LARGEST then
    text, why = nil, ("is too large: a source may have %d bytes"):format(LARGEST)
  elseif text and text:find("^\27") then
    text, why = nil, "is compiled Lua; only its source is accepted"
  elseif text and list.bytes + #text > ALL then
    text, why = nil, ("is too much: all files together may have %d bytes"):format(ALL)
  end
  if not text then
    report:add(file, 1, 1, "", why)
    return
  end
  list.bytes = list.bytes + #text
  list[#list + 1] = setmetatable({ file = file, text = text, layer = layer }, Source)
end

local function add(list, report, file, layer)
  add_text(list, report, file, layer, judge.read(file, LARGEST))
end

local function add_folder(list, report, folder, layer)
  local names, why = judge.names(folder, ".lua", FILES)
  if not names then
    report:add(folder, 1, 1, "", why)
    return
  end
  for _, name in ipairs(names) do
    add(list, report, folder .. "/" .. name, layer)
  end
end

local function add_folders(list, report, dir, folders, layer)
  local names, why = judge.names(dir, "", NAMES)
  if not names then
    report:add(dir, 1, 1, "", why)
    return
  end
  local is_there = {}
  for _, name in ipairs(names) do
    is_there[name] = true
  end
  for _, folder in ipairs(folders) do
    if is_there[folder] then
      add_folder(list, report, dir .. "/" .. folder, layer)
    end
  end
end

--- Reads every source. What cannot be read is reported.
---@param home string|nil where the policies that ship are; its resources/ are kinds, which are not declarations
---@param dirs string[]
---@param report table
---@param text { name: string, text: string }|nil one more, that is in no file
---@return nebula.Source[]
function sources.read(home, dirs, report, text)
  local list = { bytes = 0 }
  if home then
    add_folders(list, report, home, { "policies" }, 1)
  end
  for i, dir in ipairs(dirs) do
    if dir ~= home then
      add_folders(list, report, dir, { "policies", "resources" }, i + 1)
    end
  end
  if text then
    add_text(list, report, text.name, #dirs + 2, text.text)
  end
  return list
end

--- Reads the files of one folder of dir that hold no declarations; none when there is no such folder.
---@param dir string
---@param folder string
---@param report table
---@return nebula.Source[]
function sources.others(dir, folder, report)
  local list = { bytes = 0 }
  add_folders(list, report, dir, { folder }, 1)
  return list
end

return sources
