--- lines: a server behind a Unix socket that answers each line with one line, as nebula's own control socket does.

local c = require "nebula.c"
local call = require "nebula.call"

--- Sends a line and waits for the answer.
---@param on nebula.Resource|nebula.Lease
---@param line string
---@return string|nil
---@return nebula.Error|nil
local function ask(on, line)
  if type(line) ~= "string" or line:find "\n" then
    error("ask() wants one line", 2)
  end
  local ticket, err = call.run(on, c.lib.NEBULA_RUN, { idempotent = true }, line, 0)
  if not ticket then return nil, err end
  local answer = call.lua(call.cell(ticket, 0, 0))
  call.done(ticket)
  return answer
end

return kind "lines" {
  driver = "lines",
  options = {
    path = { type = "string", required = true, class = "next-connection", text = "The server's Unix socket." },
  },
  check = '{"verb":"ls"}', -- what is sent to see whether an idle connection lives
  resource = { ask = ask },
  lease = { ask = ask },
}
