--- operating: the methods of a resource for who operates it: pause, drain, other connections, other bounds, numbers.

local c = require "nebula.c"
local call = require "nebula.call"
local errors = require "nebula.error"
local lazy = require "nebula.lazy"
local options = require "nebula.options"
local own = require "nebula.own"
local rows = require "nebula.declare.rows"
local stats = require "nebula.stats"
local wait = require "nebula.wait"
local worker = require "nebula.worker"

local counts = lazy "nebula.counts"
local lib, engine = c.lib, c.engine

local function told(self, code)
  if code < 0 then
    return nil, errors.from_code(self.name, code)
  end
  return true
end

local function ended(self, ticket)
  local ok, err = wait.settle(ticket)
  if err then
    err.resource = self.name
  end
  return ok, err
end

-- A whole number, no larger than a declaration may say, or -1 for one that is not given.
local function bound(name, number)
  local most = rows.pool[name].max
  if number == nil then
    return -1
  elseif number % 1 ~= 0 or number < 0 or number > most then
    errors.raise("resize: %s must be a whole number from 0 to %d, not %.14g", name, most, number)
  end
  return number
end

---@class nebula.ReconnectOptions
---@field share number|nil how many leave at a time: more than 0, at most 1; default 0.25
---@field every string|nil from one time to the next, a duration; default "1s"

---@class nebula.DrainOptions
---@field within string|nil what is left then is cut off, a duration; default "10s"

---@class nebula.ResizeOptions
---@field min integer|nil default: as it is
---@field max integer|nil default: as it is
---@field role string|nil a max of its own for one role; default: those of the pool, for all roles without one

-- What stands in front of it: with several workers, what all have counted.
local function front_of(self)
  local front = package.loaded["nebula.front"] -- else nothing has one
  local mine = front and front.stats(self)
  if not mine or worker.count == 1 then return mine end
  return counts.of(self, mine)
end

local of_resource = {}

--- New leases wait until resume(), at most as long as for a connection (call.wait). What is leased goes on.
---@return true|nil
---@return nebula.Error|nil
function of_resource:pause()
  return told(self, lib.nebula_pause(engine, self.id))
end

--- The end of pause() and of drain().
---@return true|nil
---@return nebula.Error|nil
function of_resource:resume()
  return told(self, lib.nebula_resume(engine, self.id))
end

--- Opens another connection for each that there is, without anybody noticing: some leave at a time, idle ones first,
--- leased ones when they are given back. Waits until the last of them is gone; who stops waiting stops nothing.
---@param given nebula.ReconnectOptions|nil
---@return true|nil
---@return nebula.Error|nil
function of_resource:reconnect(given)
  options.check("reconnect", given or {}, { share = "number", every = "string" })
  local share = given and given.share or 0.25
  if not (share > 0 and share <= 1) then
    errors.raise("reconnect: share is more than 0 and at most 1, not %g", share)
  end
  local every_us = options.span("reconnect", given and given.every or "1s")
  return ended(self, lib.nebula_reconnect(engine, self.id, math.ceil(share * 100), every_us))
end

--- Runs it empty: who asks from now on is refused with `paused`, what is under way comes to its end, and what is left
--- after `within` is cut off. Waits until nothing is left; who stops waiting stops nothing. resume() brings it back.
---@param given nebula.DrainOptions|nil
---@return true|nil
---@return nebula.Error|nil err cancelled: it was resumed before
function of_resource:drain(given)
  options.check("drain", given or {}, { within = "string" })
  local within_us = options.span("drain", given and given.within or "10s")
  return ended(self, lib.nebula_drain(engine, self.id, within_us))
end

--- Other bounds, at once. Who waits is served as far as there is room now; what is too much closes, idle ones at once
--- and the others when they are given back.
---@param given nebula.ResizeOptions
---@return true|nil
---@return nebula.Error|nil
function of_resource:resize(given)
  options.check("resize", given, { min = "number", max = "number", role = "string" })
  local role = given.role and call.role(self, given.role) or -1
  local min, max = bound("min", given.min), bound("max", given.max)
  return told(self, lib.nebula_resize(engine, self.id, role, min, max))
end

--- What is counted of it, in all workers: numbers by name, and in `roles` those of each role, with the `window` of its
--- last minutes: waits, holds, utilisation and the max that would do. See docs/reference/counters.md. With several
--- workers it waits until each has turned, at most for a second; `silent` lists those who have not. `front` is what
--- was counted of a cache and of fallbacks, where the policy has any.
---@return nebula.Stats|nil
---@return nebula.Error|nil err only with several workers: the task was cancelled, or its deadline has passed
function of_resource:stats()
  local numbers, err = stats(self)
  if numbers then
    numbers.front, err = front_of(self)
  end
  return not err and numbers or nil, err
end

--- Adds them to the methods of a kind's resources.
---@param methods table<string, function>
---@param kind nebula.Kind
return function(methods, kind)
  for name, fn in pairs(of_resource) do
    methods[name] = own.method(kind, name, fn)
  end
end
