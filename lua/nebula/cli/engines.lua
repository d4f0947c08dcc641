--- engines: the programs of this user that run, by their control sockets.

local c = require "nebula.c"
local json = require "cjson"
local judge = require "nebula.judge"
local worker = require "nebula.worker"

local ENGINES_MOST = 1000

local engines = {}

-- One that was killed leaves its socket behind.
local function is_dead(name)
  local stat = io.open(("/proc/%s/stat"):format(name:match("^(%d+)%.sock$") or "self"))
  if stat then
    stat:close()
  end
  return stat == nil
end

--- Asks every engine that runs.
---@param request table
---@return table[] answers of those that answered with ok
---@return string|nil complaint of the folder of sockets
function engines.ask(request)
  local folder, why = worker.run_dir()
  if not folder then
    return {}, why
  end
  local answers = {}
  for _, name in ipairs(judge.names(folder, ".sock", ENGINES_MOST) or {}) do
    local path = folder .. "/" .. name
    local line = c.ask_other(path, json.encode(request))
    local ok, answer = pcall(json.decode, line or "")
    if ok and answer.ok then
      answers[#answers + 1] = answer
    elseif is_dead(name) then
      os.remove(path)
    end
  end
  table.sort(answers, function(a, b)
    return a.pid < b.pid
  end)
  return answers
end

return engines
