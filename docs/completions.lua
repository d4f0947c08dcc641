-- completions.lua SHELL - writes the completions of the command line for bash, zsh or fish, from its own table.

local commands = require "nebula.cli.commands"
local keys = require "nebula.keys"

local HEAD = "# Written by nebula from the table of its commands.\n"

local function each(visit)
  for _, name in ipairs(commands.order) do
    visit(commands.load(name))
  end
end

local function quoted(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

-- What stands behind a command: files, folders, names of commands, or words that only it knows.
local function argument_of(command)
  local what = command.arguments or ""
  return what:find "FILE" and "files" or what:find "DIR" and "folders" or what:find "COMMAND" and "commands" or nil
end

local function option_words(command)
  local words = { "--help" }
  for _, option in ipairs(command.options) do
    words[#words + 1] = "--" .. option.name
  end
  return table.concat(words, " ")
end

local write = {}

function write.bash()
  local words, values = {}, {}
  each(function(command)
    words[#words + 1] = ("    %s) words=%s arguments=%s ;;"):format(command.name, quoted(option_words(command)),
      argument_of(command) or "none")
    for _, option in ipairs(command.options) do
      if option.value then
        values[#values + 1] = ("    %s.--%s) %s ;;"):format(command.name, option.name,
          option.one_of and ("COMPREPLY=($(compgen -W %s -- \"$word\")); return"):format(
            quoted(table.concat(keys(option.one_of), " ")))
          or option.value == "DIR" and "COMPREPLY=($(compgen -d -- \"$word\")); return" or "return")
      end
    end
  end)
  print(HEAD .. [[
_nebula() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command=${COMP_WORDS[1]}
    local words='' arguments=none
    COMPREPLY=()
    if [ "$COMP_CWORD" -eq 1 ]; then
        COMPREPLY=($(compgen -W ']] .. table.concat(commands.order, " ") .. [[' -- "$word"))
        return
    fi
    case $command.$before in
]] .. table.concat(values, "\n") .. [[

    esac
    case $command in
]] .. table.concat(words, "\n") .. [[

    esac
    case $word in
    -*) COMPREPLY=($(compgen -W "$words" -- "$word")); return ;;
    esac
    case $arguments in
    files) COMPREPLY=($(compgen -f -- "$word")) ;;
    folders) COMPREPLY=($(compgen -d -- "$word")) ;;
    commands) COMPREPLY=($(compgen -W ']] .. table.concat(commands.order, " ") .. [[' -- "$word")) ;;
    esac
}
complete -o filenames -F _nebula nebula]])
end

function write.zsh()
  local list, cases = {}, {}
  local actions = { files = "_files", folders = "_files -/", commands = "($commands_)" }
  local function plain(text)
    return (text:gsub("[%[%]:]", " "))
  end
  each(function(command)
    list[#list + 1] = "    " .. quoted(command.name .. ":" .. plain(command.text))
    local specs = { quoted "--help[this text]" }
    for _, option in ipairs(command.options) do
      local value = option.value and (":%s:%s"):format(option.value, option.one_of
        and "(" .. table.concat(keys(option.one_of), " ") .. ")" or option.value == "DIR" and "_files -/" or "") or ""
      specs[#specs + 1] = quoted(("--%s[%s]%s"):format(option.name, plain(option.text), value))
    end
    local action = actions[argument_of(command)]
    if action then
      specs[#specs + 1] = quoted(("*:%s:%s"):format(plain(command.arguments), action))
    end
    cases[#cases + 1] = ("  %s) _arguments %s ;;"):format(command.name, table.concat(specs, " "))
  end)
  print("#compdef nebula\n" .. HEAD .. [[
local -a list
local commands_=']] .. table.concat(commands.order, " ") .. [['
if (( CURRENT == 2 )); then
  list=(
]] .. table.concat(list, "\n") .. [[

  )
  _describe command list
  return
fi
local command=$words[2]
shift words
(( CURRENT-- ))
case $command in
]] .. table.concat(cases, "\n") .. [[

esac]])
end

function write.fish()
  io.write(HEAD, "complete -c nebula -f\n")
  each(function(command)
    print(("complete -c nebula -n __fish_use_subcommand -a %s -d %s"):format(command.name, quoted(command.text)))
    local within = ("complete -c nebula -n '__fish_seen_subcommand_from %s'"):format(command.name)
    for _, option in ipairs(command.options) do
      local value = option.value and " -x" .. (option.one_of and " -a " .. quoted(table.concat(keys(option.one_of), " "))
        or option.value == "DIR" and " -a '(__fish_complete_directories)'" or "") or ""
      print(("%s -l %s%s -d %s"):format(within, option.name, value, quoted(option.text)))
    end
    local arguments = argument_of(command)
    if arguments == "files" then
      print(within .. " -F")
    elseif arguments == "folders" then
      print(within .. " -a '(__fish_complete_directories)'")
    elseif arguments == "commands" then
      print(within .. " -a " .. quoted(table.concat(commands.order, " ")))
    end
  end)
end

write[(...)]()
