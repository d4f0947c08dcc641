--- folder: what a user's folder declares.

local judge = require "nebula.judge"
local worker = require "nebula.worker"
local show = require "nebula.cli.show"

local KINDS_MOST = 1000

local folder = {
  note = "not running: shown from the files", -- of a command that found no engine to ask
}

-- The kinds that ship.
local function kinds()
  local where = worker.home .. "/resources"
  local paths = {}
  for _, name in ipairs(assert(judge.names(where, ".lua", KINDS_MOST))) do
    paths[#paths + 1] = where .. "/" .. name
  end
  table.sort(paths)
  return require("nebula.kind").load(paths)
end

--- The declarations of a folder, or everything that is wrong with them.
---@param path string
---@return table|nil set
---@return table[]|nil errors
function folder.read(path)
  local dir = worker.is_home(path) and worker.home or path -- its resources/ are kinds
  return require("nebula.declare").read { home = worker.home, dirs = { dir }, kinds = kinds() }
end

--- Prints what is wrong, one line each.
---@param problems table[] of folder.read()
function folder.complain(problems)
  for _, e in ipairs(problems) do
    local path = e.path and e.path ~= "" and e.path .. ": " or ""
    show.complain("%s: %s%s", table.concat({ e.file, e.line, e.column }, ":"), path, e.text)
  end
end

--- The resources that a folder declares; nil after complaining of what is wrong with it.
---@param path string|nil default: the folder one is in
---@return table[]|nil
function folder.resources(path)
  local set, problems = folder.read(path or ".")
  if set then return set.resources end
  folder.complain(problems)
  return nil
end

return folder
