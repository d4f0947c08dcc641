--- script: `nebula-lua`, a command line like luajit's whose script runs as a task.
--
--   nebula-lua [-e CHUNK]... [-l MODULE]... [SCRIPT [ARGS]]

local plain = require "nebula.plain"
local worker = require "nebula.worker"

local USAGE = "usage: nebula-lua [-e CHUNK]... [-l MODULE]... [-v] [SCRIPT [ARGS]]"

local function refuse(text)
  io.stderr:write("nebula-lua: ", text, "\n", USAGE, "\n")
  return 2
end

-- The work that the options ask for, the place of the script among the arguments, or a complaint.
local function read(arguments)
  local work, i = {}, 1
  while arguments[i] and arguments[i]:sub(1, 1) == "-" and arguments[i] ~= "-" do
    local option, value = arguments[i]:match("^(%-[elv])(.*)$")
    if arguments[i] == "--" then
      return work, i + 1
    elseif not option or option == "-v" and value ~= "" then
      return nil, "unknown option " .. arguments[i]
    elseif option == "-v" then
      work[#work + 1] = { "-e", "print(jit.version)" }
    else
      if value == "" then
        i = i + 1
        value = arguments[i]
      end
      if not value then
        return nil, option .. " needs a value"
      end
      work[#work + 1] = { option, value }
    end
    i = i + 1
  end
  return work, i
end

local function load_all(work, script)
  local chunks = {}
  for _, one in ipairs(work) do
    local chunk, why
    if one[1] == "-l" then
      chunk = function()
        _G[one[2]] = require(one[2])
      end
    else
      chunk, why = loadstring(one[2], "=(command line)")
    end
    if not chunk then
      return nil, why
    end
    chunks[#chunks + 1] = chunk
  end
  if script then
    local chunk, why = loadfile(script ~= "-" and script or nil)
    if not chunk then
      return nil, why
    end
    chunks[#chunks + 1] = chunk
  end
  return chunks
end

local function main(...)
  local arguments = { ... }
  local work, place = read(arguments)
  if not work then
    return refuse(place)
  elseif #work == 0 and not arguments[place] then
    return refuse("no script")
  end
  local opened, problem = worker.open {
    name = arguments[place] or "-e", log_format = 2, log_level = 2,
    allow_chaos = true, -- it reads no files of an operator's: who declares it is the script
  }
  if not opened then
    io.stderr:write("nebula-lua: ", problem, "\n")
    return 1
  end
  local nebula, tree = require "nebula", require "nebula.tree"
  require "nebula.exit"
  local kept = { environment = true, select = true } -- our own modules mean Lua's select
  for name, one in pairs(nebula) do
    _G[name] = not kept[name] and one or _G[name]
  end
  _G.arg = {}
  for i = 1, #arguments do
    _G.arg[i - place] = arguments[i]
  end
  local chunks, why = load_all(work, arguments[place])
  if not chunks then
    io.stderr:write("nebula-lua: ", why, "\n")
    return 1
  end
  tree.root(function(...)
    for _, chunk in ipairs(chunks) do
      chunk(...)
    end
  end, function(failure)
    if failure and failure.value ~= nil then -- a bare error() only ends the script, as in Lua
      io.stderr:write("nebula-lua: ", plain(tostring(failure), true), "\n", failure.traceback, "\n")
    end
    worker.exit(failure and 1 or 0)
  end, unpack(arguments, place + 1))
end

return main
