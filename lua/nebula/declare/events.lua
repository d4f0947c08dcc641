--- events: the functions in a policy that are asked about calls that failed, or hear of what rules did.
--
-- They are questions: asked in the judge, under bounds, on slow paths (engine/question.h). Without an answer the rules
-- decide as ever. What asks them is nebula.events.

local events = {}

--- What they answer.
events.answers = {
  again = { type = "boolean" },
  class = { type = "enum", one_of = { "failed", "ok", "ignored" } },
  told = { type = "any" }, -- nobody reads it
}

local function question(answer, text)
  return { type = "question", class = "live", answer = answer, text = text }
end

local on = {
  circuit = question(events.answers.told, "Hears that the state of the circuit is another: e.resource e.operation "
    .. "e.from e.to e.why e.bad e.of e.pause, and e.endpoint, whose it is, or \"\"."),
  retry = question(events.answers.told, "Hears that a call is tried again: e.resource e.operation e.code e.outcome "
    .. "e.attempts e.pause e.text."),
  refused = question(events.answers.told, "Hears that a rule refused a call: e.resource e.operation e.code e.text "
    .. "e.missed."),
}

events.rows = {
  on = {
    type = "table", fields = on,
    text = "Functions that hear what rules did, and may say so: log.info(), log.warn(), log.error().",
  },
  classify = question(events.answers.class, "What a call that failed counts as for circuit and limit: \"failed\", "
    .. "\"ok\" or \"ignored\"; nil: as usual. e.resource e.operation e.code e.action e.outcome e.state e.text "
    .. "e.attempts e.idempotent e.may_repeat e.took e.left."),
}

--- What retry.on may be besides a word.
events.again = {
  type = "question", one_of = { "safe" }, default = "safe", class = "live", answer = events.answers.again,
  text = "What is repeated. safe: calls that are idempotent, or proven not applied. A function: true or false, nil: as "
    .. "safe; it is asked as classify is. What is in doubt and not idempotent is never repeated.",
}

--- enum nebula_ask of engine/nebula_policy.h, from its first bit.
events.names = { "failure", "circuit", "retry", "refused" }
local FAILURE, CIRCUIT, RETRY, REFUSED = 1, 2, 4, 8

--- The functions of a policy, and as `bits` what the engine is told of them; nil when it has none.
---@param settings table
---@return table<string, any>|nil
function events.of(settings)
  local said, again = settings.on, settings.retry.on
  local asks = {
    again = type(again) == "table" and again or nil, class = settings.classify,
    circuit = said.circuit, retry = said.retry, refused = said.refused,
  }
  if next(asks) == nil then
    return nil
  end
  asks.bits = ((asks.again or asks.class) and FAILURE or 0) + (asks.circuit and CIRCUIT or 0)
    + (asks.retry and RETRY or 0) + (asks.refused and REFUSED or 0)
  return asks
end

return events
