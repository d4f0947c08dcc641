--- rules: the settings of a policy: by which rules calls are made. docs/policies.md is their manual.
--
-- The bounds are those of engine/nebula_policy.h. What sections must be beside one another is in relations.lua, and
-- how the engine is told in numbers.lua.

local events = require "nebula.declare.events"
local front = require "nebula.declare.front"
local spans = require "nebula.declare.spans"

local span, within = spans.span, spans.within

local MOST = 1e9     -- of what is counted: an int32_t has room for it
local MANY = 1000000 -- calls under way, or waiting; tokens

local rules = {}

--- The stages of a call in their usual order: enum nebula_stage.
rules.stages = { "rate", "deadline", "retry", "circuit", "limit", "hedge" }

local function integer(default, min, max, text)
  return { type = "integer", default = default, min = min, max = max, class = "live", text = text }
end

local function enum(words, text)
  return { type = "enum", one_of = words, default = words[1], class = "live", text = text }
end

-- The engine counts in whole percent.
local function percent(default, text)
  return {
    type = "share", default = default, class = "live", text = text,
    check = function(share)
      return math.abs(share * 100 - math.floor(share * 100 + 0.5)) > 1e-9 and "is no whole percent" or nil
    end,
  }
end

-- Of a window or a delay, which may also be no time.
local function is_too_long(value)
  return value.us and value.us > spans.most and "is more than 365d" or nil
end

--- The row counts only where `holds` is true of the setting beside it.
local function only(row, beside, holds, text)
  row.beside, row.compare = beside, function(_, other)
    return not holds(other) and text or nil
  end
  return row
end

-- --- call ------------------------------------------------------------------------------------------

local early = {
  least = integer(100, 1, MOST, "So many calls must have been counted lately; before, nobody is refused."),
  share = percent("5%", "The share of those that would be refused who go all the same: else none shows better times."),
}

local call = {
  deadline = span("5s", "The whole of a call: queue, send, reply, every retry.", 1000),
  wait = within("deadline", "500ms", "The part of the deadline that may pass in the queue."),
  early = {
    type = "table", optional = true, fields = early,
    text = "Refuse a call with `deadline` at once when it has less time left than half of such calls take.",
  },
}

-- --- retry -----------------------------------------------------------------------------------------

-- Thousandths are counted.
local function tokens(min, text)
  return {
    type = "number", min = min, max = MANY, class = "live", text = text,
    check = function(count)
      return math.abs(count * 1000 - math.floor(count * 1000 + 0.5)) > 1e-6 and "is finer than a thousandth" or nil
    end,
  }
end

local function has_tokens(budget)
  return type(budget) == "string"
end

local budget_tokens = {
  capacity = tokens(1, "What there is in the beginning, and at most. Default: 500 for quota, 10 for ratio."),
  success = tokens(0.001, "What an attempt that goes well brings, at most that. Default: 1 for quota, 0.1 for ratio."),
  cost = tokens(0, "quota: what a retry costs, at most the capacity. Default: 5. With ratio each failure costs 1."),
  cost_lost = tokens(0, "quota: what one costs after a lost connection or no answer in time. Default: 10."),
}

local retry = {
  tries = integer(3, 1, 100, "Attempts; 1: no retry."),
  pause = within("pause_max", "50ms",
    "Before the first retry, at most; how it grows says shape, and what of it is waited says jitter."),
  pause_max = span("2s", "The longest pause."),
  shape = enum({ "exponential", "constant", "linear", "decorrelated" },
    "How pauses grow: each twice the one before; not at all; each longer by the first one; each drawn between pause "
      .. "and three times the one before."),
  jitter = only(enum({ "full", "equal", "fifth", "none" },
    "What of a pause is drawn: all of it; its upper half; a fifth less or more; nothing."),
    "shape", function(shape) return shape ~= "decorrelated" end, "counts for nothing: decorrelated pauses are drawn"),
  budget = {
    type = "number", words = { "quota", "ratio" }, default = 0.2, min = 0, max = 1, class = "live",
    text = "Retries of the resource as a whole, as a share of its calls. quota: each costs tokens, which calls that go "
      .. "well bring; ratio: only while no more than some failures come with each call that goes well.",
  },
  budget_least = integer(3, 0, MANY, "Retries a second that are allowed whatever the share is."),
  tokens = only({ type = "table", fields = budget_tokens, text = "The tokens of the budgets quota and ratio." },
    "budget", has_tokens, 'counts only beside budget = "quota" or "ratio"'),
  on = events.again,
}

-- --- circuit ---------------------------------------------------------------------------------------

local function is_not_more_than_window(least, window)
  return window.calls and least > window.calls
    and ("%d is more than the window, which has %d calls"):format(least, window.calls) or nil
end

local circuit = {
  mode = enum({ "automatic", "open", "closed", "metrics" },
    "automatic: it opens and closes by what comes of calls; open: all are refused; closed: none is, and they are "
      .. "counted; metrics: it opens and closes, and refuses none."),
  per = enum({ "resource", "endpoint" },
    "resource: there is one; endpoint: each has one and is left out alone, where `balance` spreads the calls."),
  window = {
    type = "window", default = 32, min = 10, max = 1000, class = "live", check = is_too_long,
    text = "What is looked at: the last calls (a number) or those of the last time (\"30s\").",
  },
  least = integer(8, 1, MOST, "Calls in the window before a share of them says anything."),
  percent = integer(50, 0, 100, "It opens when so many percent of them failed; 0: not looked at."),
  slow = span("0s", "A call that takes longer is slow; 0s: none is."),
  slow_percent = integer(80, 0, 100, "It opens when so many percent of them were slow; 0: not looked at."),
  consecutive = integer(0, 0, MOST, "It opens after so many failures in a row; 0: not looked at."),
  pause = within("pause_max", "1s",
    "How long it refuses before it lets probes through; doubles each time it opens again.", 1000),
  pause_max = span("30s", "The longest of these.", 1000),
  probes = integer(2, 1, 16, "Calls that must go well for it to close; as many are let through at a time."),
  probe = span("5s", "How long such a call may take, before another one is let through in its place.", 1000),
}
circuit.least.beside, circuit.least.compare = "window", is_not_more_than_window
circuit.least.fit = function(least, window)
  return math.min(least, window.calls or least)
end
circuit.slow.beside, circuit.slow.compare = "slow_percent", function(slow, share)
  return slow > 0 and share == 0 and "counts for nothing: slow_percent is 0" or nil
end

-- --- limit -----------------------------------------------------------------------------------------

local rate = {
  calls = {
    type = "pace", required = true, class = "live", text = "So many in that time, such as \"200/s\" or \"1000/h\".",
    check = function(pace)
      return pace.count > MOST and ("is more than %d"):format(MOST)
        or pace.us > spans.most and "is slower than once in 365d" or nil
    end,
  },
  burst = only(integer(nil, 1, MOST, "bucket: calls that may go at once. Default: those of 100ms."), "shape",
    function(shape) return shape == "bucket" end, "counts only for the shape bucket"),
  shape = enum({ "bucket", "leaky", "window" },
    "bucket: a burst at once, and then as fast as the rate; leaky: one behind the other, as far apart as the rate "
      .. "says; window: never more in any such span of time."),
  per = enum({ "resource", "key", "tenant" },
    "Whose calls are counted together: all; those with the same option key; those of tasks of the same tenant."),
  wait = only(span("0s", "A call that has to wait no longer than this waits, any other is refused; 0s: none waits."),
    "shape", function(shape) return shape ~= "window" end, "counts for nothing: none waits for a window"),
}

local adaptive = {
  min = integer(1, 1, MANY, "Never fewer."),
  max = integer(1000, 1, MANY, "Never more."),
  tolerance = {
    type = "number", default = 2, min = 1, max = 1000, class = "live",
    text = "Latency may rise to so many times the lowest one before more calls have to get the more done for it.",
  },
}
adaptive.min.beside, adaptive.min.fit, adaptive.min.compare = "max", math.min, function(min, max)
  return min > max and ("%d is more than max, which is %d"):format(min, max) or nil
end

local limit = {
  concurrent = integer(0, 0, MANY, "Calls under way at a time; 0: any number. Where shed is said and this is not, as "
    .. "many as the pools have connections."),
  queue = integer(1000, 0, MANY, "Calls that wait for one of them to end; one more is refused with `full`. Where "
    .. "concurrent is not said, as pool.queue."),
  adaptive = {
    type = "table", optional = true, fields = adaptive,
    text = "The number is found by trials, and concurrent (4) is where it begins.",
  },
  rate = {
    type = "table", optional = true, short = "calls", fields = rate,
    text = "How often calls may go. One that is refused ends with `rate`.",
  },
}

-- --- shed ------------------------------------------------------------------------------------------

local function class_of(text)
  return {
    type = "table", text = text, optional = true,
    fields = {
      target = span(nil, "As shed.target."),
      most = span(nil, "As shed.most."),
      patience = span(nil, "As shed.patience."),
    },
  }
end

local shed = {
  target = span("5ms", "When all who come out of the queue of limit waited for longer, for an interval, it is too "
    .. "long, and some who wait are refused with `shed`; 0s: none is."),
  interval = span("100ms", "How long it may be too long, as after a burst.", 1000),
  most = span(nil, "Meanwhile nobody waits for longer than this; 0s: some do. Default: twice the target."),
  patience = span("0s", "A call with an earlier deadline overtakes those who waited for less; 0s: none does."),
  critical = class_of "The same of calls of this priority. What is not said is as for all.",
  batch = class_of "The same of calls of this priority. Who has the lowest target is shed first.",
}

-- --- hedge -----------------------------------------------------------------------------------------

local hedge = {
  after = {
    type = "delay", default = "p95", class = "live",
    text = "Another copy goes when a call has taken so long: a time, or a percentile of what such calls took lately.",
    check = is_too_long,
  },
  copies = integer(2, 2, 5, "Of a call in all, the first one included."),
  floor = span("1ms", "No copy goes before, whatever the percentile is."),
  budget = percent("5%", "Copies of the resource as a whole, as a share of its calls."),
  burst = integer(10, 1, MANY, "Copies that are saved up while calls have none."),
  unknown = span("0s", "What counts as the percentile as long as too few calls were seen; 0s: no copies as long."),
}
hedge.floor.beside = "after"
hedge.floor.fit = function(floor, after)
  return math.min(floor, after.us or floor)
end
hedge.floor.compare = function(floor, after)
  return after.us and floor > after.us and "is more than after" or nil
end
only(hedge.unknown, "after", function(after) return after.permille end, "counts only where after is a percentile")

-- --- all of them -----------------------------------------------------------------------------------

local function section(fields, text)
  return { type = "table", optional = true, fields = fields, text = text }
end

--- The rows of a policy.
rules.policy = {
  like = { type = "string", max = 64, class = "live", text = "The policy that says what this one does not." },
  call = { type = "table", fields = call, text = "Bounds of one call." },
  retry = { type = "table", fields = retry, text = "Whether and when a failed call is made again." },
  circuit = section(circuit, "What keeps failing is not called for a while: calls are refused with `open`."),
  limit = section(limit, "How many calls are under way, and how often they may go."),
  shed = section(shed, "Who waits in the queue of limit is refused while it is too long."),
  hedge = section(hedge, "Of a slow call that is idempotent another copy is sent, and the first good answer counts."),
  order = {
    type = "list", of = { type = "enum", one_of = rules.stages }, max = #rules.stages, class = "live",
    text = "By which rules a call goes first: " .. table.concat(rules.stages, ", ")
      .. ". hedge is last, and each rule that the policy has is named.",
  },
  fallback = front.rows.fallback,
  cache = front.rows.cache,
  classify = events.rows.classify,
  on = events.rows.on,
  rate = { type = "table", instead = 'is said as limit = { rate = "200/s" }' },
  bulkhead = { type = "table", instead = "is said as limit = { concurrent = 32, queue = 64 }" },
}

return rules
