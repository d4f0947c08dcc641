--- coroutine: a workflow's own coroutines may wait, too.
--
-- A task waits by yielding to the host. Inside a coroutine of the workflow that yield would arrive at the
-- workflow's own resume. So those from inside one carry a tag, and `coroutine.resume` and `coroutine.wrap` pass what
-- is tagged on to the task around them. The other way round, a task that yields what is not tagged would sleep for
-- ever: the host gives it the tag back, and it raises.
-- luacheck: globals coroutine


local worker = require "nebula.worker"

local tag = worker.tag

local create, status, running = coroutine.create, coroutine.status, coroutine.running
local resume, yield, isyieldable = coroutine.resume, coroutine.yield, coroutine.isyieldable

-- Coroutines that wait inside some task; resuming them from elsewhere would answer the wait wrongly.
local waiting = setmetatable({}, { __mode = "k" })
-- By coroutine: the one it resumed, in which a task waits now.
local inner = setmetatable({}, { __mode = "kv" })

local function pass(co, ok, first, ...)
  if not ok or first ~= tag then
    return ok, first, ...
  end
  local outer = running()
  waiting[co], inner[outer] = true, co
  local code = yield(tag, ...)
  waiting[co], inner[outer] = nil, nil
  return pass(co, resume(co, code))
end

local function resume_any(co, ...)
  if waiting[co] then
    return false, "cannot resume a coroutine that waits in another task"
  end
  return pass(co, resume(co, ...))
end

local function raise_or_return(co, ok, ...)
  if ok then
    return ...
  end
  local message = ...
  if type(message) == "string" and status(co) == "dead" then
    error(message, 0)
  end
  error(message, 2)
end

local function answered(first, ...)
  if first == tag then
    error("a task has nobody to yield to: coroutine.yield works only inside coroutine.wrap or "
      .. "coroutine.create; to wait, use sleep()", 3)
  end
  return first, ...
end

function coroutine.resume(co, ...)
  return resume_any(co, ...)
end

function coroutine.wrap(fn)
  local co = create(fn)
  return function(...)
    return raise_or_return(co, resume_any(co, ...))
  end
end

function coroutine.yield(...)
  return answered(yield(...))
end

function coroutine.status(co)
  return waiting[co] and "normal" or status(co)
end

local raw = {}

--- Leaves the task until the host has the event of the ticket, which is positive, or 0 to be never resumed. Returns
--- the code of the event; nothing, at once, where no wait is possible.
---@type fun(ticket: integer): integer|nil
raw.park = worker.yield

--- Whether a wait is possible here: not inside table.sort, string.gsub, require or another C function.
raw.may_park = isyieldable
raw.create = create
raw.resume = resume
raw.yield = yield
raw.inner = inner -- for the host, which looks at it before it resumes

--- The coroutine inside which a coroutine waits, when it is not itself that does.
---@param co thread
---@return thread|nil
function raw.inside(co)
  return inner[co]
end

return raw
