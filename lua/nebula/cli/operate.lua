--- operate: what the commands share that change a resource of an engine that runs.

local engines = require "nebula.cli.engines"
local show = require "nebula.cli.show"
local units = require "nebula.units"
local worker = require "nebula.worker"

local USAGE = 2
local NAP_S = 0.1 -- between two looks

local EXIT_CODES = [[
It goes to every engine of yours that runs and has the resource; --pid names one of them. It is done in all of its
workers. An engine that does not answer within 2 s, and a worker that does not within one, is named on stderr, and in
`silent` of the JSON.

Exit codes: 0 ok, 1 an engine did not answer or could not do it, 2 usage, or no engine has the resource.]]

local operate = {}

-- --- what is written behind options -----------------------------------------------------------------

--- The microseconds of an option.
---@param given table
---@param name string
---@return integer|nil us nil when it was not given
---@return string|nil complaint
function operate.span(given, name)
  if not given[name] then
    return nil, nil
  end
  local us, why = units.duration(given[name])
  return us, why and ("--%s: %s"):format(name, why)
end

--- The whole number of an option.
---@param given table
---@param name string
---@param row { min: integer, max: integer }|nil its bounds
---@return integer|nil number nil when it was not given
---@return string|nil complaint
function operate.count(given, name, row)
  local text = given[name]
  local number = text and text:find "^%d+$" and #text <= 9 and tonumber(text) or nil
  if text and (not number or row and (number < row.min or number > row.max)) then
    local bounds = row and (" from %d to %d"):format(row.min, row.max) or ""
    return nil, ("--%s: expected a whole number%s"):format(name, bounds)
  end
  return number, nil
end

-- --- who is asked -----------------------------------------------------------------------------------

local function refuse(text)
  show.complain("%s", text)
  return USAGE
end

-- Looks until it is over: the state then, or nil; and why it was not done, or nobody knows.
local function settle(command, name, pid)
  while true do
    local answers, silent = engines.ask({ verb = "inspect", name = name }, pid)
    local resource = answers[1] and answers[1].resource
    if not resource or silent[1] then
      return nil, silent[1] and silent[1].error or "has ended meanwhile"
    elseif command.is_over(resource) then
      return resource.state, command.undone and command.undone(resource)
    end
    worker.nap(NAP_S)
  end
end

local function wait_for_all(command, name, answers)
  local is_well = true
  for _, answer in ipairs(answers) do
    local why
    answer.state, why = settle(command, name, answer.pid)
    if why then
      answer.ok, answer.error, is_well = false, why, false
      show.complain("pid %d %s", answer.pid, why)
    end
  end
  return is_well
end

local function code_of(answers, refused, silent, is_well)
  local is_misuse = false
  for _, one in ipairs(refused) do
    for _, each in ipairs(one.refused or { one }) do
      local by = one.refused and (" worker %d:"):format(each.worker) or ""
      show.complain("pid %d:%s %s", one.pid, by, each.error)
    end
    is_misuse = is_misuse or one.code == "usage"
  end
  engines.complain(silent)
  if is_misuse or #answers + #refused + #silent == 0 then
    return USAGE
  end
  return #refused + #silent == 0 and is_well and 0 or 1
end

local function run(command, given, name)
  local request, complaint = command.words(given)
  if not request then
    return refuse(complaint)
  end
  local pid
  pid, complaint = operate.count(given, "pid")
  if complaint then
    return refuse(complaint)
  end
  request.verb, request.name = command.name, name
  local answers, silent, why, refused = engines.ask(request, pid)
  if why then
    show.complain("%s", why)
  end
  local absent = #answers + #silent + #refused == 0 and engines.nobody_has(name, pid) or nil
  local is_well = not given.wait or wait_for_all(command, name, answers)
  if given.json then
    show.json { engines = answers, refused = refused, silent = silent, error = absent }
  else
    for _, answer in ipairs(answers) do
      print(("%s (pid %d): %s"):format(name, answer.pid, answer.error or answer.state or command.said))
    end
    if absent then
      show.complain("%s", absent)
    end
  end
  return code_of(answers, refused, silent, is_well)
end

-- --- the commands -----------------------------------------------------------------------------------

---@class nebula.OperatingCommand
---@field name string the verb of the control socket
---@field text string
---@field manual string
---@field said string what is printed of an engine that does it now
---@field options table[]|nil beside --pid, --json and --wait
---@field words fun(given: table): table|nil, string|nil members of the request; nil and a complaint
---@field is_over nil|fun(resource: table): boolean with it, --wait waits for this
---@field undone nil|fun(resource: table): string|nil why what is over was not done

--- A command of the command line.
---@param command nebula.OperatingCommand
---@return table
function operate.command(command)
  local options = command.options or {}
  if command.is_over then
    options[#options + 1] = { name = "wait", text = "end when it is over, not when it has begun" }
  end
  options[#options + 1] = { name = "pid", value = "PID", text = "only the engine with this process number" }
  options[#options + 1] = { name = "json", text = "one JSON object: engines, refused and silent; or error" }
  return {
    name = command.name, arguments = "NAME", least = 1, most = 1, text = command.text,
    manual = command.manual .. "\n\n" .. EXIT_CODES, options = options,
    run = function(given, arguments)
      return run(command, given, arguments[1])
    end,
  }
end

return operate
