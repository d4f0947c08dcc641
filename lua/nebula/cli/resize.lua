local operate = require "nebula.cli.operate"
local rows = require "nebula.declare.rows"

return operate.command {
  name = "resize",
  text = "give the pool of a resource other bounds",
  manual = [[
At once, until the program ends: the declaration stays as it is. Who waits is served as far as there is room now; what
is too much closes, idle connections at once and the others when they are given back. Without --role it is pool.min and
pool.max, which hold for every role that has no max of its own. Where a strategy says how large the pool is, these are
the bounds between which it does.]],
  said = "resized",
  options = {
    { name = "min", value = "N", text = "connections kept open without any traffic" },
    { name = "max", value = "N", text = "never more connections than these" },
    { name = "role", value = "ROLE", text = "a max of its own for one of the kind's roles" },
  },
  words = function(given)
    local min, why = operate.count(given, "min", rows.pool.min)
    local max, other = operate.count(given, "max", rows.pool.max)
    if why or other then
      return nil, why or other
    elseif not min and not max then
      return nil, "what is missing: --min or --max"
    end
    return { min = min, max = max, role = given.role }
  end,
}
