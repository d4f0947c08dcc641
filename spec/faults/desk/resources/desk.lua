--- desk: the line server of the specs (spec/support/desk.c), which is asked as HTTP is.
---
---   web:get("page", 17)     may be done again;  web:post("order", 18)  may not

local c = require "nebula.c"
local call = require "nebula.call"

local function ask(on, verb, name, id, options)
  local ticket, err = call.run(on, c.lib.NEBULA_RUN, options, ("%s %s %d"):format(verb, name, id), 0)
  if not ticket then
    local ms = err.state == "503" and err.text:match "retry%-after (%d+)"
    if ms then err.retry_after = tonumber(ms) / 1000 end
    return nil, err
  end
  local answer = call.lua(call.cell(ticket, 0, 0))
  call.done(ticket)
  return answer
end

local function get(on, name, id, options)
  options = options or {}
  options.idempotent = true
  return ask(on, "GET", name, id, options)
end

local function post(on, name, id, options)
  return ask(on, "POST", name, id, options)
end

return kind "desk" {
  driver = "desk",
  options = {
    port = { type = "integer", required = true, min = 1, max = 65535, class = "next-connection",
      text = "Where it listens on 127.0.0.1." },
    stops = { type = "boolean", default = false, class = "next-connection",
      text = "What was asked can be taken back; else its connection is closed." },
  },
  check = "PING",
  resource = { get = get, post = post },
  lease = { get = get, post = post },
}
