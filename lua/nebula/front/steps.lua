--- steps: what is given when a question has no answer, as a policy lists it.

local asking = require "nebula.asking"
local c = require "nebula.c"
local codec = require "nebula.codec"
local declared = require "nebula.declare.front"
local lazy = require "nebula.lazy"
local time = require "nebula.time"
local told = require "nebula.front.told"
local units = require "nebula.units"

local resources = lazy "nebula.resource"
local lib, engine = c.lib, c.engine

local blamed = {}
for _, code in ipairs(declared.codes) do
  blamed[code] = true
end

local LARGEST = 1e9 -- bytes of a value in a declaration, which the judge has bounded long before

local steps = {}

--- Whether an error says that the server failed or could not be asked.
---@param err nebula.Error
---@return boolean
function steps.is_blamed(err)
  return blamed[err.code] or false
end

-- Each way gives whether there is something, the value, and what it is; or false and the error that ends all.
local ways = {}

function ways.last(self, step, question)
  local one = self.kept:get(question.key)
  local age_us = one and tonumber(lib.nebula_now_us(engine)) - one.at_us
  if one and age_us <= step.what then
    return true, codec.decode(one.bytes), { age = age_us / 1e6 }
  end
end

function ways.value(_, step)
  step.bytes = step.bytes or assert(codec.encode(step.what, "value", LARGEST))
  return true, codec.decode(step.bytes), {}
end

function ways.call(self, step, question, err)
  local value = asking.ask(step.what, declared.answer, {
    code = err.code, action = err.action, outcome = err.outcome, resource = self.resource.name, text = err.text,
    method = question.name, attempts = err.attempts or 0,
  })
  return value ~= nil, value, {}
end

-- A role that the other one does not have is none that it could be asked for in.
local function options_for(other, given)
  if not given or not given.role or other.role_index[given.role] then return given end
  local changed = {}
  for name, value in pairs(given) do
    changed[name] = name ~= "role" and value or nil
  end
  return changed
end

local function ask(other, question)
  if not question.given then return other[question.name](other, unpack(question, 1, question.n)) end
  return other[question.name](other, options_for(other, question.given), unpack(question, 2, question.n))
end

-- The deadline that its caller has given is for all of it.
local function ask_in_time(other, question)
  local span = question.given and question.given.deadline
  if not span then return ask(other, question) end
  return time.before(question.start_us + units.duration(span), ask, other, question)
end

function ways.resource(_, step, question)
  local other = resources.use(step.what)
  if not other.kind.reads[question.name] then return false end
  local value, err, how = ask_in_time(other, question)
  if err ~= nil then return false, err end
  return true, value, { resource = step.what, age = how and how.age }
end

--- What the first step has that has something; the error as it is when none has.
---@param self nebula.Front
---@param question nebula.Question
---@param err nebula.Error
---@return any value
---@return nebula.Error|nil err
---@return nebula.Instead|nil how
function steps.take(self, question, err)
  for at, step in ipairs(self.spec.steps) do
    if step.on[err.code] then
      local is_given, value, how = ways[step.way](self, step, question, err)
      if is_given then
        self.counts[step.way] = self.counts[step.way] + 1
        told.fallback(self, question, at, step.way, err, how.age)
        how.fallback, how.because = step.way, err
        return value, nil, how
      end
      told.no_fallback(self, question, at, step.way, value)
      if value and value.code == "cancelled" then
        return nil, value
      end
    end
  end
  return nil, err
end

return steps
