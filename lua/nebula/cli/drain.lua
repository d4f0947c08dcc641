local operate = require "nebula.cli.operate"

return operate.command {
  name = "drain",
  text = "run a resource empty: nobody new, and every connection closes",
  manual = [[
Who asks from now on is refused with `paused`; leases, calls and who waits already come to their end, and each
connection closes when nobody needs it any more. After --within what is left is cut off. `nebula resume` brings it back.
Without --wait the command ends when that has begun; `nebula inspect` shows how far it is.]],
  said = "draining",
  options = { { name = "within", value = "TIME", text = "what is left then is cut off (default 10s)" } },
  words = function(given)
    local within_us, why = operate.span(given, "within")
    return not why and { within_us = within_us } or nil, why
  end,
  is_over = function(resource)
    return resource.state ~= "draining"
  end,
  undone = function(resource)
    return resource.state ~= "drained" and "was not drained: somebody resumed it" or nil
  end,
}
