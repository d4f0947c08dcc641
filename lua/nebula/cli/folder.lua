--- folder: what a user's folder declares.

local worker = require "nebula.worker"
local show = require "nebula.cli.show"

local folder = {
  note = "not running: shown from the files", -- of a command that found no engine to ask
}

--- The declarations of a folder, or everything that is wrong with them.
---@param path string
---@return nebula.DeclaredSet|nil set
---@return nebula.DeclareError[]|nil errors
function folder.read(path)
  local dir = worker.is_home(path) and worker.home or path -- its resources/ are kinds
  local known = require("nebula.kind").known(worker.home, os.getenv "NEBULA_PATH")
  local set, errors = require("nebula.declare").read { home = worker.home, dirs = { dir }, kinds = known }
  if set then
    set.kinds = known
  end
  return set, errors
end

--- Prints what is wrong, one line each.
---@param problems table[] of folder.read()
function folder.complain(problems)
  for _, e in ipairs(problems) do
    show.complain("%s", tostring(e))
  end
end

--- Prints what will do harm.
---@param warnings table[]|nil of folder.read()
function folder.warn(warnings)
  for _, one in ipairs(warnings or {}) do
    show.complain("warning: %s", tostring(one))
  end
end

--- What a folder declares; nil after complaining of what is wrong with it.
---@param path string|nil default: the folder one is in
---@param is_json boolean|nil the complaint is a JSON object
---@return nebula.DeclaredSet|nil set with the kinds that were known, too
function folder.set(path, is_json)
  local set, problems = folder.read(path or ".")
  if set then return set end
  if is_json then
    show.json { engines = {}, errors = problems }
  else
    folder.complain(problems)
  end
  return nil
end

--- The resources among it.
---@param path string|nil
---@param is_json boolean|nil
---@return nebula.DeclaredResource[]|nil
function folder.resources(path, is_json)
  local set = folder.set(path, is_json)
  return set and set.resources
end

return folder
