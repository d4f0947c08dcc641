local engines = require "nebula.cli.engines"
local folder = require "nebula.cli.folder"
local keys = require "nebula.keys"
local show = require "nebula.cli.show"
local suggest = require "nebula.suggest"

local function ago(now, at)
  return ("%.1f s"):format(math.max(now - at, 0))
end

local function show_fields(title, object)
  print(show.paint("bold", title))
  for _, key in ipairs(keys(object)) do
    if type(object[key]) ~= "table" then
      print(("  %-14s %s"):format(key, tostring(object[key])))
    end
  end
end

local function show_connections(list)
  local now, rows = os.time(), {}
  for i, one in ipairs(list) do
    rows[i] = { one.connection, one.role, one.state, ago(now, one.since), ago(now, one.created),
      ago(now, one.last_used), one.uses }
  end
  print(show.paint("bold", "connections"))
  show.table({ "ID", "ROLE", "STATE", "SINCE", "CREATED", "LAST USED", "USES" }, rows)
end

local function show_resource(answer)
  local r = answer.resource
  show_fields(("%s (pid %d)"):format(r.name, answer.pid), r)
  show_fields("pool", r.pool)
  show_fields("limits", r.limits)
  show_fields("options", r.options)
  for _, pool in ipairs(r.pools) do
    show_fields("role " .. pool.role, pool)
  end
  show_connections(r.connections)
end

local function of_files(given, name)
  local set, problems = folder.read(given.dir or ".")
  if not set then
    folder.complain(problems)
    return 2
  end
  local names = {}
  for i, r in ipairs(set.resources) do
    names[i] = r.name
    if r.name == name then
      local told = { name = r.name, kind = r.kind.name, policy = r.policy_name, file = r.file, line = r.line,
        pool = r.pool, limits = r.policy, note = "not running: shown from the files" }
      if given.json then
        show.json(told)
      else
        show_fields(r.name, told)
        show_fields("pool", told.pool)
        show_fields("limits", told.limits)
      end
      return 0
    end
  end
  show.complain("there is no resource %q, neither in an engine that runs nor in the files%s", name,
    suggest(name, names))
  return 2
end

return {
  name = "inspect",
  arguments = "NAME",
  least = 1,
  most = 1,
  text = "show one resource: its settings, its counters and every connection",
  manual = [[
Asks every engine of yours that runs. When none has the resource, it is shown from the files.
Times are how long ago; of a connection: its state and since when, when it was created and last used, and how
many leases it has served.]],
  options = {
    { name = "dir", value = "DIR", text = "the folder whose declarations are shown when nothing runs (default .)" },
    { name = "json", text = "one JSON object: engines, each with pid and resource" },
  },
  run = function(given, arguments)
    local answers, why = engines.ask { verb = "inspect", name = arguments[1] }
    if why then
      show.complain("%s", why)
    end
    if #answers == 0 then
      return of_files(given, arguments[1])
    elseif given.json then
      show.json { engines = answers }
    else
      for _, answer in ipairs(answers) do
        show_resource(answer)
      end
    end
    return 0
  end,
}
