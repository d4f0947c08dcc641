local show = require "nebula.cli.show"
local suggest = require "nebula.suggest"

local function usage_of(command)
  local arguments = command.arguments and " " .. command.arguments or ""
  return ("nebula %s [OPTIONS]%s"):format(command.name, arguments)
end

local function print_command(command)
  print("usage: " .. usage_of(command))
  print("\n" .. command.text)
  if command.manual then
    print("\n" .. command.manual)
  end
  print("\n" .. show.paint("bold", "options"))
  for _, option in ipairs(command.options) do
    local name = "--" .. option.name .. (option.value and " " .. option.value or "")
    print(("  %-20s %s"):format(name, option.text))
  end
  print(("  %-20s %s"):format("--help", "this text"))
end

local function print_all(commands)
  print("usage: nebula COMMAND [OPTIONS] [ARGUMENTS]\n")
  print("Runs workflows in Lua on pooled resources of the outside world.\n")
  print(show.paint("bold", "commands"))
  for _, name in ipairs(commands.order) do
    print(("  %-10s %s"):format(name, commands.load(name).text))
  end
  print("\nnebula help COMMAND, or nebula COMMAND --help, tells more.")
end

return {
  name = "help",
  arguments = "[COMMAND]",
  most = 1,
  text = "explain the program or one of its commands",
  options = {},
  run = function(_, arguments, commands)
    local name = arguments[1]
    if not name then
      print_all(commands)
    elseif commands.load(name) then
      print_command(commands.load(name))
    else
      show.complain("there is no command %s%s", name, suggest(name, { unpack(commands.order) }))
      return 2
    end
    return 0
  end,
}
