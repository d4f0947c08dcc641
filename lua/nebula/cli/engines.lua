--- engines: the programs of this user that run, by their control sockets.

local c = require "nebula.c"
local json = require "cjson"
local judge = require "nebula.judge"
local show = require "nebula.cli.show"
local suggest = require "nebula.suggest"
local worker = require "nebula.worker"

local ENGINES_MOST = 1000
local WITHIN_US = 2000000 -- for all of them together

local engines = {}

-- A worker of one that answered for all others. What is ordered it does when it turns.
local function missing(pid, one, verb)
  local error = one.error and ("worker %d: %s"):format(one.worker, one.error)
    or ("worker %d has not turned for %.1fs"):format(one.worker, one.seconds)
  local is_told = verb == "ls" or verb == "inspect" or verb == "explain"
  return { pid = pid, worker = one.worker,
    error = error .. (is_told and "; what is shown is without it" or "; it hears of that when it turns") }
end

-- One that was killed leaves its socket behind.
local function is_dead(pid)
  local stat = io.open(("/proc/%d/stat"):format(pid))
  if stat then
    stat:close()
  end
  return stat == nil
end

local function begin(folder, request, only)
  local asked = {}
  for _, name in ipairs(judge.names(folder, ".sock", ENGINES_MOST) or {}) do
    local path, pid = folder .. "/" .. name, tonumber(name:match "^(%d+)%.sock$")
    if pid and (not only or pid == only) then
      asked[#asked + 1] = { path = path, pid = pid, hear = c.ask_other(path, request, WITHIN_US) }
    end
  end
  table.sort(asked, function(a, b)
    return a.pid < b.pid
  end)
  return asked
end

-- Who hangs up has come to its end, or had no place for one more: asked again, the one is not there.
local function answer_of(one, request)
  local line, why = one.hear()
  if why == "lost" then
    line, why = c.ask_other(one.path, request, WITHIN_US)()
  end
  local ok, answer = pcall(json.decode, line or "")
  return ok and answer or nil, why
end

--- Asks every engine that runs; all have the same two seconds to answer.
---@param request table
---@param only integer|nil the process number of the one to be asked
---@return table[] answers of those that answered with ok
---@return table[] silent those that did not answer: pid, error, and worker when it is one of several
---@return string|nil complaint of the folder of sockets
---@return table[] refused answers of those that understood it, and could not do it: pid, code, error
function engines.ask(request, only)
  local folder, complaint = worker.run_dir()
  if not folder then
    return {}, {}, complaint, {}
  end
  local line = json.encode(request)
  local answers, silent, refused = {}, {}, {}
  for _, one in ipairs(begin(folder, line, only)) do
    local answer, why = answer_of(one, line)
    for _, worker_of in ipairs(answer and answer.silent or {}) do
      silent[#silent + 1] = missing(one.pid, worker_of, request.verb)
    end
    if answer and answer.ok then
      answers[#answers + 1] = answer
    elseif answer and answer.code then
      refused[#refused + 1] = answer
    elseif is_dead(one.pid) then
      os.remove(one.path)
    elseif not answer and why ~= "unreachable" then
      silent[#silent + 1] = { pid = one.pid, error = ("does not answer (within %g s)"):format(WITHIN_US / 1e6) }
    end
  end
  return answers, silent, nil, refused
end

--- That none of them has a resource, as a sentence.
---@param name string
---@param pid integer|nil of the only one that was asked
---@return string
function engines.nobody_has(name, pid)
  local answers = engines.ask({ verb = "ls" }, pid)
  if pid and not answers[1] then
    return ("no engine of yours runs as process %d"):format(pid)
  end
  local names = {}
  for _, answer in ipairs(answers) do
    for _, resource in ipairs(answer.resources) do
      names[#names + 1] = resource.name
    end
  end
  local nobody = pid and ("the engine with the process number %d has no resource"):format(pid)
    or "no engine that runs has a resource"
  return ("%s %q%s"):format(nobody, name, suggest(name, names))
end

--- Says on stderr which of them did not answer.
---@param silent table[] of engines.ask()
function engines.complain(silent)
  for _, one in ipairs(silent) do
    show.complain("pid %d %s", one.pid, one.error)
  end
end

return engines
