--- environment: the globals of a workflow, Lua's and ours.

local suggest = require "nebula.suggest"
local worker = require "nebula.worker"

local environments = {}

local made = setmetatable({}, { __mode = "k" }) -- all that were made
local main                                      -- see main()

local function unknown_in(nebula)
  return function(_, name)
    local names = {}
    for _, from in ipairs { nebula, _G } do
      for one in pairs(from) do
        names[#names + 1] = type(one) == "string" and one or nil
      end
    end
    local hint = suggest(name, names)
    error(("there is no global %q%s"):format(tostring(name), hint), 2)
  end
end

-- Lua's own writes piece by piece, between which other workers may write theirs.
local function print_line(...)
  local texts = { ... }
  for i = 1, select("#", ...) do
    texts[i] = tostring(texts[i])
  end
  io.stdout:write(table.concat(texts, "\t") .. "\n")
end

--- A new one. Reading what is not there is a mistake; setting it is allowed.
---@param nebula table what workflows are given
---@return table
function environments.new(nebula)
  local globals = setmetatable({}, { __index = unknown_in(nebula) })
  for name, one in pairs(_G) do
    globals[name] = one
  end
  for name, one in pairs(nebula) do
    globals[name] = name ~= "environment" and one or nil
  end
  globals._G = globals
  globals.print = worker.count > 1 and print_line or print
  made[globals] = true
  return globals
end

--- Whether a table is one.
---@param x any
---@return boolean
function environments.is(x)
  return made[x] == true
end

--- The one of this worker: of its workflow, and of what other workers hand to it.
---@return table
function environments.main()
  main = main or require("nebula").environment()
  return main
end

return environments
