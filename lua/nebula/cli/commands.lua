--- commands: what the program can be told to do. A command is a table: name, text, manual, options, arguments, run().

local commands = {
  order = {
    "run", "serve", "check", "ls", "inspect", "explain", "pause", "resume", "drain", "reconnect", "resize", "version",
    "help",
  },
}

--- A command by its name.
---@param name string
---@return table|nil
function commands.load(name)
  for _, one in ipairs(commands.order) do
    if one == name then
      return require("nebula.cli." .. name)
    end
  end
end

return commands
