--- front: what stands in front of the calls of a resource: answers that are kept, one task that asks for many, and what
-- is given when there is no answer.
--
-- It wraps those methods of a resource that its kind says are reads (kind.lua), where the policy says so; all others
-- know nothing of it. A method gives `value, err` as without it, and behind them, where the value is none that the
-- server has just given and the policy calls good, a table that says what it is: see nebula.Instead.
--
-- Each worker keeps its own answers, as bytes, which each caller gets as values of his own.

local c = require "nebula.c"
local call = require "nebula.call"
local codec = require "nebula.codec"
local coroutines = require "nebula.coroutine"
local errors = require "nebula.error"
local flights = require "nebula.front.flights"
local kept = require "nebula.front.kept"
local lazy = require "nebula.lazy"
local log = require "nebula.log"
local outside = require "nebula.outside"
local steps = require "nebula.front.steps"
local told = require "nebula.front.told"
local wait = require "nebula.wait"

local behind = lazy "nebula.front.behind"
local lib, engine = c.lib, c.engine

local A_TURN = 64 -- answers that took no wait, as leases that took none

---@class nebula.Instead
---@field cache "stale"|nil the answer is one that was kept for longer than the ttl
---@field fallback "last"|"resource"|"value"|"call"|nil what was given instead of an answer
---@field resource string|nil of a fallback to another resource
---@field age number|nil seconds since the server was asked
---@field because nebula.Error|nil why there is no better answer

---@class nebula.Front of one resource, in this worker
---@field resource nebula.Resource
---@field spec nebula.FrontSpec
---@field deadline_us integer of a call, as the policy has it
---@field kept nebula.Kept|nil nil: no step and no ttl needs an answer again
---@field flights nebula.Flights
---@field refreshing table<string, true>
---@field counts table<string, integer>
---@field is_refused boolean|nil it was said that some answers cannot be kept

---@class nebula.Question a call that something stands in front of
---@field name string of the method
---@field method function that asks the server
---@field look nebula.Reads
---@field key string
---@field start_us number
---@field tale integer in which it is told; 0: as long as it has none
---@field given nebula.CallOptions|nil
---@field n integer
---@field [integer] any its arguments

local fronts = setmetatable({}, { __mode = "k" }) ---@type table<nebula.Resource, nebula.Front>

local front = {}

local function now_us()
  return tonumber(lib.nebula_now_us(engine))
end

-- --- asking the server ------------------------------------------------------------------------------

-- As bytes; nil for what cannot be copied, which is said once.
local function bytes_of(self, value)
  local bytes, why = codec.encode(value, "an answer", self.spec.bytes)
  if not bytes and not self.is_refused then
    self.is_refused = true
    log.warn("%s: not all of its answers can be kept: %s", self.resource.name, why)
  end
  return bytes
end

local function keep(self, key, bytes, at_us)
  local before = self.kept:get(key)
  if not before or before.at_us <= at_us then
    self.kept:put(key, bytes, at_us)
  end
end

-- Who asks late, in the place of another one, may have changed his arguments meanwhile: then it is another question.
local function is_same(self, question)
  return question.look(self.resource, unpack(question, 1, question.n)) == question.look_key
end

local function ask(self, question, is_late)
  local at_us, is_ours = now_us(), not is_late or is_same(self, question)
  told.enter(question)
  local value, err = question.method(self.resource, unpack(question, 1, question.n))
  told.leave()
  if err ~= nil then return nil, err end
  local bytes = is_ours and (self.kept or self.spec.is_single) and bytes_of(self, value) or nil
  if bytes and self.kept then
    keep(self, question.key, bytes, at_us)
  end
  return value, nil, bytes
end

--- Asks the server, or waits for who does.
---@param self nebula.Front
---@param question nebula.Question
---@return any value
---@return nebula.Error|nil err
function front.ask(self, question)
  local given = question.given
  local flight = question.key .. (given and given.fail_fast and "!" or "")
  local until_us = question.start_us + (given and given.deadline and call.span(given.deadline) or self.deadline_us)
  local value, err, waited_us = self.flights:ask(flight, until_us, function(is_late)
    return ask(self, question, is_late)
  end)
  if waited_us then
    told.joined(self, question, err, waited_us)
  end
  return value, err
end

-- --- answers that are kept --------------------------------------------------------------------------

local function age_of(one, start_us)
  return math.max(start_us - one.at_us, 0)
end

local function stale(age_us, because)
  return { cache = "stale", age = age_us / 1e6, because = because }
end

local at_once = 0 -- answers that took no wait, since the last turn that was made for them

-- What is kept takes no wait. A loop over that would hold up all others, and the time by which it is too old.
local function take_turn(self)
  at_once = at_once + 1
  if at_once < A_TURN or not coroutines.may_park() then return true end
  at_once = 0
  local ok, err = wait.settle(lib.nebula_sleep(engine, 0))
  if not ok then
    err.resource = self.resource.name
  end
  return ok, err
end

-- A good one, as bytes.
local function hit(self, key, start_us)
  local one = self.kept:get(key)
  local age_us = one and age_of(one, start_us)
  if not one or age_us >= self.spec.ttl_us then return nil end
  self.counts.hits = self.counts.hits + 1
  told.hit(self, age_us)
  return one.bytes
end

-- Whether it has an answer that is none to be given without a thought; the answer, nil, and what it is.
local function from_cache(self, question)
  local one = self.kept:get(question.key)
  local age_us, spec = one and age_of(one, question.start_us), self.spec
  if one and age_us < spec.ttl_us + spec.stale_us and behind.refresh(self, question) then
    self.counts.stale = self.counts.stale + 1
    told.stale(self, age_us)
    return true, codec.decode(one.bytes), nil, stale(age_us)
  end
  self.counts.misses = self.counts.misses + 1
  told.begin(question)
  told.miss(self, question, age_us)
  return false
end

-- What is given instead of the answer that did not come.
local function instead(self, question, err)
  local given, spec = question.given, self.spec
  if not (given and given.cache == false) and spec.stale_if_error_us > 0 and steps.is_blamed(err) then
    local one = self.kept:get(question.key)
    local age_us = one and now_us() - one.at_us
    if one and age_us < spec.ttl_us + spec.stale_if_error_us then
      self.counts.stale_if_error = self.counts.stale_if_error + 1
      told.stale_if_error(self, question, err, age_us)
      return codec.decode(one.bytes), nil, stale(age_us, err)
    end
  end
  if given and given.fallback == false then return nil, err end
  return steps.take(self, question, err)
end

local function found(self, question, is_found, ...)
  if is_found then return ... end
  local given = question.given
  local way = self.spec.is_single and not (given and given.cache == false) and front.ask or ask
  local value, err = way(self, question)
  if err == nil then return value end
  if not errors.is(err) then return nil, err end
  err.resource = err.resource or self.resource.name
  return instead(self, question, err)
end

-- Who was told to end, or is no task, hears so from the server's side.
local function may_be_given(task)
  return task and not (task.is_cancelled and not task.is_ending)
end

local function asks_cache(self, given)
  return self.spec.ttl_us > 0 and not (given and given.cache == false) and may_be_given(wait.current())
end

local function answer(self, question, is_missed)
  if is_missed then return found(self, question, from_cache(self, question)) end
  told.begin(question)
  return found(self, question, false)
end

-- --- the methods ------------------------------------------------------------------------------------

-- No time at all, or nothing in front: the method says itself what it says then.
local function goes_past(given)
  if not given then return false end
  return given.deadline and not call.span(given.deadline) or given.cache == false and given.fallback == false
end

local function wrapped(kind, name, method)
  local look = kind.reads[name]
  return function(self, ...)
    local it = fronts[self]
    if not it or self.kind ~= kind then return method(self, ...) end
    if outside.watches > 0 then
      outside.touch(self.name)
    end
    local key, given = look(self, ...)
    if not key or goes_past(given) then return method(self, ...) end
    local whole, start_us, is_missed = name .. "\0" .. key, now_us(), asks_cache(it, given)
    if is_missed then
      local ok, err = take_turn(it)
      if not ok then return nil, err end
      local bytes = hit(it, whole, start_us)
      if bytes then return codec.decode(bytes) end -- most have it from here, without a table
    end
    return answer(it, {
      name = name, method = method, look = look, look_key = key, key = whole, given = given, start_us = start_us,
      tale = 0, n = select("#", ...), ...
    }, is_missed)
  end
end

--- The methods of a kind's resources that something stands in front of.
---@param kind nebula.Kind
---@param methods table<string, function> all of them, without
---@return table<string, function>
function front.methods(kind, methods)
  local list = {}
  for name in pairs(kind.reads) do
    list[name] = wrapped(kind, name, methods[name])
  end
  return list
end

--- From now on this stands in front of the calls of a resource.
---@param resource nebula.Resource
---@param policy table as declared: `front` and deadline_us
function front.begin(resource, policy)
  local spec, needs_kept = policy.front, policy.front.ttl_us > 0
  for _, step in ipairs(spec.steps) do
    needs_kept = needs_kept or step.way == "last"
  end
  fronts[resource] = {
    resource = resource, spec = spec, deadline_us = policy.deadline_us, refreshing = {}, flights = flights.new(),
    kept = needs_kept and kept.new(spec.entries, spec.bytes) or nil,
    counts = {
      hits = 0, stale = 0, misses = 0, refreshes = 0, stale_if_error = 0, last = 0, resource = 0, value = 0, call = 0,
    },
  }
end

---@class nebula.FrontStats
---@field workers integer|nil with several: whose numbers are added up
---@field hits integer answers that were kept, within their ttl
---@field stale integer answers that were given at once while others were asked for
---@field misses integer calls that found no answer
---@field waits integer calls that got what another task had asked for
---@field refreshes integer newer answers that were asked for behind
---@field stale_if_error integer answers that were given because of an error
---@field last integer fallbacks to the last good answer; and likewise resource, value, call
---@field entries integer answers that are kept
---@field bytes integer these take

--- What was counted in this worker.
---@param resource nebula.Resource
---@return nebula.FrontStats|nil nil: nothing stands in front
function front.stats(resource)
  local self = fronts[resource]
  if not self then return nil end
  local stats = { waits = self.flights.waits, entries = 0, bytes = 0 }
  for name, count in pairs(self.counts) do
    stats[name] = count
  end
  if self.kept then
    stats.entries, stats.bytes = self.kept.count, self.kept.bytes
  end
  return stats
end

return front
