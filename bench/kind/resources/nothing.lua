--- nothing: a server that does nothing, for what the engine and the rules of a policy add to a call.

local c = require "nebula.c"
local call = require "nebula.call"

local run, done, RUN = call.run, call.done, c.lib.NEBULA_RUN
local REPEATABLE = { idempotent = true }

local function ask(on)
  local ticket, err = run(on, RUN, REPEATABLE, "", 0)
  if not ticket then return nil, err end
  done(ticket)
  return true
end

return kind "nothing" {
  driver = "nothing", check = "?", options = {},
  resource = { ask = ask }, lease = { ask = ask },
}
