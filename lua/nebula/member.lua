--- member: the life of a worker that is not the first.
--
-- It declares what worker 0 has read, and says that it is ready. Then it does what others ask for by mail (mail.lua),
-- until worker 0 tells it to drain and to leave. What it runs is below one task, and ends with that.

local buffer = require "string.buffer"
local worker = require "nebula.worker"

---@class nebula.Given what the other workers begin with
---@field engine table what worker.open() takes
---@field arguments string[]
---@field path string package.path
---@field kinds table<string, nebula.KeptKind>
---@field is_interpreted boolean|nil
---@field is_kept boolean|nil so that a worker may begin anew
---@field places nebula.Places[] of all resources
---@field resources nebula.DeclaredResource[] with the names of their kinds, and the numbers of their places, instead of
---  these
---@field asked nebula.AskingGiven|nil the functions in their policies
---@field policies table<string, table> that calls may name
---@field policy_places table<string, nebula.Places> where their settings stand

-- Raises when one is refused.
local function declare(given)
  require("nebula.asking").take(given.asked)
  local kinds = require("nebula.kind").made_of(given.kinds)
  local resources = require "nebula.resource"
  local call = require "nebula.call"
  call.policies = function() return given.policies end
  call.places = function(policy) return given.policy_places[policy] end
  for _, one in ipairs(given.resources) do
    one.kind, one.places = kinds[one.kind], given.places[one.places]
    local resource, err = resources.declare(one)
    if not resource then
      error(tostring(err), 0)
    end
  end
end

local function main()
  local c = require "nebula.c"
  local mail = require "nebula.mail"
  local resources = require "nebula.resource"
  local open = require "nebula.open"
  local time = require "nebula.time"
  local wait = require "nebula.wait"
  local lib, engine = c.lib, c.engine
  local self = wait.current()
  local drain_us, is_leaving, ticket -- told by worker 0; on which it waits for that

  local function wake()
    if ticket then
      lib.nebula_wake(engine, ticket, 0)
    end
  end

  mail.on("member.drain", function(_, at_us, cut_us)
    drain_us = at_us
    lib.nebula_stop(engine, cut_us)
    time.hurry()
    wake()
  end)
  mail.on("member.leave", function()
    is_leaving = true
    wake()
  end)

  -- Until it was told something, or the drain's time is over.
  local function pause()
    lib.nebula_task_deadline(engine, drain_us or 0)
    ticket = lib.nebula_wait(engine)
    lib.nebula_task_deadline(engine, 0) -- those below do not inherit it
    local ok, err = wait.settle(ticket)
    ticket = nil
    return ok or err.code == "deadline" or error(err, 0)
  end

  self.is_of_worker = true
  local ok, err = resources.start()
  resources.watch()
  mail.urge(0, "crew.ready", not ok and tostring(err) or nil)
  while not is_leaving and not (drain_us and lib.nebula_now_us(engine) >= drain_us) do
    pause()
  end
  if drain_us then
    open.say()
    lib.nebula_stop(engine, lib.nebula_now_us(engine))
  end
end

return function()
  local given = buffer.decode(worker.given())
  if given.is_interpreted then
    jit.off()
    jit.flush()
  end
  local opened, why = worker.open(given.engine)
  if not opened then
    worker.fail(why)
    return
  end
  local failures, nebula = require "nebula.failure", require "nebula"
  require "nebula.exit"
  nebula.args, package.path = given.arguments, given.path
  declare(given)
  require("nebula.tree").root(main, function(failure)
    if failure then
      worker.fail(failures.text_of(failure))
    else
      worker.leave()
    end
  end)
end
