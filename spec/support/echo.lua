-- echo.lua - has another worker run a text of Lua, as carried functions do it, by mail alone. A spec puts it beside its
-- workflow as nebula/echo.lua, which `require "nebula.echo"` finds there, in every worker.
--
--   local echo = require "nebula.echo"
--   print(echo.ask(1, "return use('shop'):value 'select 1'"))  -- waits: what it returned; or raises
--   echo.tell(1, text)      -- does not wait
--   echo.inside(1, text)    -- runs in the task that reads the mail, where what is raised ends the worker
local errors = require "nebula.error"
local mail = require "nebula.mail"
local nebula = require "nebula"

local echo = {}
local waiting = {}

local function code(text)
  return setfenv(assert(loadstring(text, "=echo")), nebula.environment())
end

mail.on("echo.run", function(from, id, text, ...)
  assert(mail.task(code(text), function(task)
    local failure = task.failure and tostring(task.failure) or task.is_cancelled and "cancelled" or nil
    mail.send(from, "echo.ran", id, failure, unpack(task.results or {}, 1, task.count or 0))
  end, ...))
end)
mail.on("echo.inside", function(_, text) code(text)() end)

mail.on("echo.ran", function(_, id, failure, ...)
  if waiting[id] then waiting[id].channel:send({ fail_fast = true }, { failure, n = select("#", ...), ... }) end
end)

mail.on_leave(function(index, why)
  for _, one in pairs(waiting) do
    if one.to == index then one.channel:send({ fail_fast = true }, { ("worker %d has left: %s"):format(index, why), n = 0 }) end
  end
end)

function echo.ask(to, text, ...)
  local id = #waiting + 1
  waiting[id] = { to = to, channel = nebula.channel(1) }
  local sent, why = mail.send(to, "echo.run", id, text, ...)
  if not sent then errors.raise("worker %d: %s", to, why) end
  local got = assert(waiting[id].channel:receive())
  if got[1] then error(got[1], 0) end
  return unpack(got, 2, got.n + 1)
end

function echo.tell(to, text, ...)
  return mail.send(to, "echo.run", 0, text, ...)
end

function echo.inside(to, text)
  return mail.send(to, "echo.inside", text)
end

return echo
