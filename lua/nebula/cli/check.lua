local asking = require "nebula.asking"
local folder = require "nebula.cli.folder"
local show = require "nebula.cli.show"

-- A folder is right when its functions can be asked, too.
local function read(dir)
  local set, problems = folder.read(dir)
  local mistake = set and asking.mistake(set.asked, set.kinds)
  if mistake then
    return nil, { mistake }
  end
  return set, problems
end

return {
  name = "check",
  arguments = "[DIR]",
  most = 1,
  text = "read the declarations of a folder and say everything that is wrong with them",
  manual = [[
Reads resources/*.lua and policies/*.lua of DIR (default: the folder you are in) without connecting to
anything. Every mistake is printed with its file, line and column. Exit code 2 when there is one.
What is no mistake, and will do harm, is printed as a warning, and changes no exit code.]],
  options = { { name = "json", text = "one JSON object: ok, resources, errors, warnings" } },
  run = function(given, arguments)
    local set, problems = read(arguments[1] or ".")
    local resources = {}
    for i, one in ipairs(set and set.resources or {}) do
      resources[i] = { name = one.name, kind = one.kind.name, policy = one.policy_name,
        file = one.file, line = one.line }
    end
    if given.json then
      local warnings = set and set.warnings or {}
      show.json { ok = set ~= nil, resources = resources, errors = problems or {}, warnings = warnings }
    elseif set then
      folder.warn(set.warnings)
      print(("%d %s, no mistakes"):format(#resources, #resources == 1 and "resource" or "resources"))
    else
      folder.complain(problems)
      show.complain("%d %s", #problems, #problems == 1 and "mistake" or "mistakes")
    end
    return set and 0 or 2
  end,
}
