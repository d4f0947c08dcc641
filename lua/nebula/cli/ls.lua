local chaos = require "nebula.cli.chaos"
local engines = require "nebula.cli.engines"
local folder = require "nebula.cli.folder"
local guards = require "nebula.cli.guards"
local show = require "nebula.cli.show"
local show_services = require "nebula.cli.services"

local colours = { ready = "green", paused = "yellow", ["in trouble"] = "red" }

local function show_endpoints(resources)
  local rows = {}
  for _, r in ipairs(resources) do
    for _, one in ipairs(r.endpoints or {}) do
      rows[#rows + 1] = { one.endpoint, r.name, one.connections,
        show.paint(one.seen_as == "down" and "red" or "bold", one.seen_as) }
    end
  end
  if #rows > 0 then
    print()
    show.table({ "ENDPOINT", "OF", "OPEN", "SEEN AS" }, rows)
  end
end

local function show_engine(answer)
  local stopping = answer.stopping and ", stopping" or ""
  local workers = answer.workers and (", %d workers"):format(answer.workers) or ""
  print(show.paint("bold", ("%s (pid %d%s, %d tasks%s)"):format(answer.program, answer.pid, workers, answer.tasks,
    stopping)))
  local rows = {}
  for i, r in ipairs(answer.resources) do
    rows[i] = { r.name, r.kind, r.open, r.idle, r.leased, r.listeners, r.max, r.waiting, r.calls, r.failed, r.retries,
      chaos.mark(r, guards.mark(r, show.paint(colours[r.state] or "bold", r.state))) }
  end
  show.table({ "NAME", "KIND", "OPEN", "IDLE", "LEASED", "LISTENERS", "MAX", "WAITING", "CALLS", "FAILED", "RETRIES",
    "STATE" }, rows)
  for _, r in ipairs(answer.resources) do chaos.show(r) end
  show_endpoints(answer.resources)
  show_services(answer.services or {})
end

local function from_files(given)
  local resources = folder.resources(given.dir, given.json)
  if not resources then return 2 end
  local list = {}
  for i, r in ipairs(resources) do
    list[i] = { name = r.name, kind = r.kind.name, policy = r.policy_name, min = r.pool.min, max = r.pool.max,
      file = r.file, line = r.line }
  end
  if given.json then
    show.json { engines = {}, resources = list, note = folder.note }
    return 0
  end
  print(folder.note)
  local rows = {}
  for i, r in ipairs(list) do
    rows[i] = { r.name, r.kind, r.policy, r.min, r.max, r.file .. ":" .. r.line }
  end
  show.table({ "NAME", "KIND", "POLICY", "MIN", "MAX", "DECLARED" }, rows)
  return 0
end

return {
  name = "ls",
  text = "list the resources of the engines that run, or else those that the files declare",
  manual = [[
Asks every engine of yours that runs. When none does, it says so and lists what the files declare.
A resource in which faults happen on purpose is marked CHAOS, and what they are and for how much longer stands below
(`faults` of the JSON; `chaos` counts what was hit).
The numbers of a process with several workers are those of all. An engine that does not answer within 2 s (its workflow
computes, or its process was stopped), and a worker that does not within one, is named on stderr, and in `silent` of the
JSON: a list of objects with pid and error, and worker when it is one of several.

Exit codes: 0 ok, 1 an engine did not answer, 2 invalid files or usage.]],
  options = {
    { name = "dir", value = "DIR", text = "the folder whose declarations are shown when nothing runs (default .)" },
    { name = "json", text = "one JSON object: engines and silent, or resources and note, or errors" },
  },
  run = function(given)
    local answers, silent, why = engines.ask { verb = "ls" }
    if why then
      show.complain("%s", why)
    end
    if #answers + #silent == 0 then
      return from_files(given)
    elseif given.json then
      show.json { engines = answers, silent = silent }
    end
    for i, answer in ipairs(given.json and {} or answers) do
      if i > 1 then
        print()
      end
      show_engine(answer)
    end
    engines.complain(silent)
    return #silent == 0 and 0 or 1
  end,
}
