local show = require "nebula.cli.show"

return {
  name = "version",
  text = "print the version of the program",
  options = { { name = "json", text = "one JSON object" } },
  run = function(given)
    local version = require "nebula.version"
    if given.json then
      show.json { nebula = version, lua = jit.version, arch = jit.arch, os = jit.os }
    else
      print(("nebula %s (%s, %s %s)"):format(version, jit.version, jit.os, jit.arch))
    end
    return 0
  end,
}
