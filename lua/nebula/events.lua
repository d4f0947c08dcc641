--- events: asks the functions of policies about calls that failed, and lets them hear of what rules did.
--
-- The host calls it from the top of its loop, outside of every task, with what the engine asks or tells
-- (nebula_question()). Loaded when a policy has such a function.

local c = require "nebula.c"
local rows = require "nebula.declare.events"
local thrift = require "nebula.thrift"
local worker = require "nebula.worker"

c.also "nebula_policy.h"

local lib, engine, answers = c.lib, c.engine, rows.answers

local OUTCOME = { [0] = "ok", "failed", "in_doubt" }
local CLASS = {
  failed = lib.NEBULA_CLASS_FAILED, ok = lib.NEBULA_CLASS_WELL, ignored = lib.NEBULA_CLASS_NOTHING,
}
local HEARD = {
  [tonumber(lib.NEBULA_TELL_CIRCUIT)] = "circuit", [tonumber(lib.NEBULA_TELL_RETRY)] = "retry",
  [tonumber(lib.NEBULA_TELL_REFUSED)] = "refused",
}

---@class nebula.Hearers the functions of a policy, for calls of one operation
---@field name string of the operation, "" of the resource
---@field asks table<string, any>

local by_resource = {} ---@type table<string, table<integer, nebula.Hearers>> by the operation's number

-- Of a resource that is another one for each tenant its name has that of the tenant behind an @.
local function hearers_of(question)
  local name = c.string(lib.nebula_name(engine, question.resource))
  local list = by_resource[name] or by_resource[name:match "^[^@]*"]
  return name, list and list[question.operation]
end

local function seconds(us)
  return tonumber(us) / 1e6
end

local function failure_of(question, name, hearers)
  return {
    resource = name, operation = hearers.name, code = c.string(lib.nebula_error_name(question.code)),
    action = c.string(lib.nebula_error_action(question.code)), outcome = OUTCOME[question.outcome],
    state = c.string(question.state), text = c.string(question.text), attempts = question.attempts,
    idempotent = question.is_idempotent, may_repeat = question.may_repeat, took = seconds(question.took_us),
    left = seconds(question.left_us),
  }
end

local function answer_failure(question, name, hearers)
  local again, class = -1, 0
  if hearers and thrift.has_time() then
    local fields, asks = failure_of(question, name, hearers), hearers.asks
    local is = asks.class and thrift.ask(asks.class, answers.class, fields)
    local may = asks.again and thrift.ask(asks.again, answers.again, fields)
    class = CLASS[is] or 0
    if may ~= nil then
      again = may and 1 or 0
    end
  end
  lib.nebula_answer(engine, question.ticket, again, class)
end

local fields_of = {}

function fields_of.circuit(question)
  return {
    from = c.string(question.from), to = c.string(question.to), why = c.string(question.why),
    endpoint = c.string(question.endpoint), bad = tonumber(question.bad), of = tonumber(question.of),
    pause = math.max(seconds(question.pause_us), 0),
  }
end

function fields_of.retry(question)
  return {
    code = c.string(lib.nebula_error_name(question.code)), outcome = OUTCOME[question.outcome],
    attempts = question.attempts, pause = seconds(question.pause_us), text = c.string(question.text),
  }
end

function fields_of.refused(question)
  return { code = c.string(lib.nebula_error_name(question.code)), text = c.string(question.text) }
end

local function hear(question, name, hearers)
  local what = HEARD[question.what]
  local asked = hearers and hearers.asks[what]
  if not asked or not thrift.has_time() then
    return
  end
  local fields = fields_of[what](question)
  fields.resource, fields.operation, fields.missed = name, hearers.name, tonumber(question.missed)
  thrift.ask(asked, answers.told, fields)
end

local function hear_one(question)
  local name, hearers = hearers_of(question)
  if question.what == lib.NEBULA_ASK_FAILURE then
    answer_failure(question, name, hearers)
  else
    hear(question, name, hearers)
  end
end

local events, is_heard = {}, false

--- From now on the functions of this policy are asked about calls of the resource that go by this operation.
---@param resource string its name
---@param number integer of the operation, 0: of the resource itself
---@param name string of the operation, "" of the resource
---@param asks table<string, any>|nil nebula.declare.events: of(); nil: it has none
function events.hear(resource, number, name, asks)
  local list = by_resource[resource] or {}
  by_resource[resource] = list
  list[number] = asks and { name = name, asks = asks } or nil
  if asks and not is_heard then
    is_heard = true
    worker.on_question(function(at)
      hear_one(c.cast("struct nebula_question *", at))
    end)
  end
end

return events
