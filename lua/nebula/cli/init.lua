--- cli: the command line of the program: finds the command, reads its options, runs it.
--
-- run(given, arguments) returns the exit code, or nothing when it began work that ends the program itself.

local commands = require "nebula.cli.commands"
local keys = require "nebula.keys"
local show = require "nebula.cli.show"
local suggest = require "nebula.suggest"

local USAGE = 2

local aliases = { ["--help"] = "help", ["-h"] = "help", ["--version"] = "version" }

local function find(command, name)
  local names = { "--help" }
  for _, option in ipairs(command.options) do
    if option.name == name then
      return option
    end
    names[#names + 1] = "--" .. option.name
  end
  return nil, ("there is no option --%s%s"):format(name, suggest("--" .. name, names))
end

-- One option: how many arguments it took, or nil and a complaint.
local function read_option(command, given, word, following)
  local name, value = word:match("^%-%-([^=]+)=(.*)$")
  name = name or word:match("^%-%-(.+)$")
  if not name then
    return nil, "there is no option " .. word
  end
  local option, why = find(command, name)
  if not option then
    return nil, why
  elseif not option.value and value then
    return nil, ("--%s takes no value"):format(name)
  elseif not option.value then
    given[name] = true
    return 1
  end
  local taken = value and 1 or 2
  value = value or following
  if not value then
    return nil, ("--%s needs a value: %s"):format(name, option.value)
  elseif option.one_of and not option.one_of[value] then
    return nil, ("--%s: there is no %q%s"):format(name, value, suggest(value, keys(option.one_of)))
  end
  given[name] = value
  return taken
end

-- Options stand before the arguments of a command that hands the rest on (run), anywhere else otherwise.
local function read(command, words)
  local given, arguments, i = {}, {}, 1
  while i <= #words do
    local is_over = #arguments > 0 and not command.most
    if is_over or words[i]:sub(1, 1) ~= "-" or words[i] == "-" then
      arguments[#arguments + 1] = words[i]
      i = i + 1
    elseif words[i] == "--help" or words[i] == "-h" then
      return { help = true }
    else
      local taken, why = read_option(command, given, words[i], words[i + 1])
      if not taken then
        return nil, why
      end
      i = i + taken
    end
  end
  if #arguments < (command.least or 0) then
    return nil, "what is missing: " .. command.arguments
  elseif #arguments > (command.most or (command.least and math.huge or 0)) then
    return nil, ("%s is too much"):format(arguments[#arguments])
  end
  return given, arguments
end

local function refuse(text, name)
  show.complain("%s", text)
  show.complain("`nebula %s` tells more", name and name .. " --help" or "help")
  return USAGE
end

return function(...)
  local words = { ... }
  local name = table.remove(words, 1)
  if not name then
    commands.load("help").run({}, {}, commands)
    return USAGE
  end
  name = aliases[name] or name
  local command = commands.load(name)
  if not command then
    return refuse(("there is no command %s%s"):format(name, suggest(name, { unpack(commands.order) })))
  end
  local given, arguments = read(command, words)
  if not given then
    return refuse(arguments, name)
  elseif given.help then
    return commands.load("help").run({}, { name }, commands)
  end
  return command.run(given, arguments, commands)
end
