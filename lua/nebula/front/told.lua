--- told: what is decided in front of calls, as the engine records it for `nebula explain`.
--
-- A question that is answered at once is a tale of its own. Any other begins one, in which the call that asks the
-- server goes on, and what is given when that has failed.

local c = require "nebula.c"

c.also "nebula_policy.h"

local lib, engine = c.lib, c.engine

local WAYS = {
  last = lib.NEBULA_WAY_LAST, resource = lib.NEBULA_WAY_RESOURCE, value = lib.NEBULA_WAY_VALUE,
  call = lib.NEBULA_WAY_CALL,
}

local codes = {} ---@type table<string, integer> by name
for number = 0, math.huge do
  local name = c.string(lib.nebula_error_name(number))
  if name == "unknown" then break end
  codes[name] = number
end

local function code_of(err)
  return err and codes[err.code] or 0
end

local told = {}

--- The question begins its tale.
---@param question nebula.Question
function told.begin(question)
  question.tale = tonumber(lib.nebula_tale(engine))
end

--- The next call of this task is a part of it, if it has begun one.
---@param question nebula.Question
function told.enter(question)
  lib.nebula_tale_in(engine, question.tale)
end

--- And is not any more, if it was none.
function told.leave()
  lib.nebula_tale_in(engine, 0)
end

--- An answer that is kept was given.
---@param self nebula.Front
---@param age_us number
function told.hit(self, age_us)
  lib.nebula_front(engine, self.resource.id, 0, lib.NEBULA_FRONT_HIT, age_us, 0, 0)
end

--- One that is older than its ttl, as a newer one is asked for.
---@param self nebula.Front
---@param age_us number
function told.stale(self, age_us)
  lib.nebula_front(engine, self.resource.id, 0, lib.NEBULA_FRONT_STALE, age_us, 0, 0)
end

--- There was none that is good.
---@param self nebula.Front
---@param question nebula.Question
---@param age_us number|nil of the one there is
function told.miss(self, question, age_us)
  lib.nebula_front(engine, self.resource.id, question.tale, lib.NEBULA_FRONT_MISS, age_us or -1, 0, 0)
end

--- Another task had asked the same.
---@param self nebula.Front
---@param question nebula.Question
---@param err nebula.Error|nil
---@param waited_us number
function told.joined(self, question, err, waited_us)
  lib.nebula_front(engine, self.resource.id, question.tale, lib.NEBULA_FRONT_JOINED, code_of(err), waited_us,
    0)
end

--- An old answer was given because of an error.
---@param self nebula.Front
---@param question nebula.Question
---@param err nebula.Error
---@param age_us number
function told.stale_if_error(self, question, err, age_us)
  lib.nebula_front(engine, self.resource.id, question.tale, lib.NEBULA_FRONT_STALE_IF_ERROR, code_of(err), age_us, 0)
end

--- A step of the fallback has something.
---@param self nebula.Front
---@param question nebula.Question
---@param at integer which one, from 1
---@param way string
---@param err nebula.Error because of which it was asked
---@param age number|nil of the last good answer, in seconds
function told.fallback(self, question, at, way, err, age)
  if way == "last" then
    lib.nebula_front(engine, self.resource.id, question.tale, lib.NEBULA_FRONT_FALLBACK_LAST, at, code_of(err),
      age * 1e6)
  else
    lib.nebula_front(engine, self.resource.id, question.tale, lib.NEBULA_FRONT_FALLBACK, at, WAYS[way], code_of(err))
  end
end

--- A step of the fallback has nothing.
---@param self nebula.Front
---@param question nebula.Question
---@param at integer
---@param way string
---@param err nebula.Error|nil of its own
function told.no_fallback(self, question, at, way, err)
  lib.nebula_front(engine, self.resource.id, question.tale, lib.NEBULA_FRONT_FALLBACK_NONE, at, WAYS[way],
    code_of(err))
end

return told
