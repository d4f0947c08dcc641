--- rows: the settings that every resource has, whatever its kind; those of a policy are in rules.lua.

local front = require "nebula.declare.front"
local operations = require "nebula.declare.operations"
local rules = require "nebula.declare.rules"
local spans = require "nebula.declare.spans"

local rows = {}

local span, within = spans.span, spans.within

-- What the pool has to wake up for.
local function look(default, text)
  local row = span(default, text)
  row.check = function(us)
    return us > 0 and us < 100000 and "is at least 100ms, or 0s" or nil
  end
  return row
end

rows.pool = {
  min = {
    type = "integer", default = 0, min = 0, max = 10000, class = "live",
    text = "Connections kept open without any traffic.",
    beside = "max",
    compare = function(min, max)
      return min > max and ("%d is more than max, which is %d"):format(min, max) or nil
    end,
  },
  max = {
    type = "integer", default = 10, min = 1, max = 10000, class = "live",
    text = "Never more connections than these, those that are being opened included.",
  },
  queue = {
    type = "integer", default = 1000, min = 0, max = 1000000, class = "live",
    text = "How many may wait for a connection; one more is refused with `full`.",
  },
  connecting = {
    type = "integer", default = 2, min = 1, max = 1000, class = "live",
    text = "Connections that are opened at the same time.",
  },
  fail_fast = {
    type = "boolean", default = false, class = "live",
    text = "Refuse with `full` instead of waiting when no connection is free.",
  },
  order = {
    type = "enum", one_of = { "lifo", "fifo" }, default = "lifo", class = "live",
    text = "Which idle connection is lent: the one used last, so that the others may close, or the one idle longest.",
  },
  idle = span("10m", "A connection idle for longer is closed, down to min; 0s: never."),
  life = span("30m", "A connection is closed after about this time; 0s: never."),
  life_jitter = {
    type = "integer", default = 10, min = 0, max = 50, class = "live",
    text = "Percent of life, drawn for each connection and taken off, so that they do not all end together.",
  },
  check = span("30s", "A connection idle for longer is asked whether it lives before it is lent; 0s: always."),
  keepalive = look("0s", "A connection that nobody used for longer is asked in the background whether it lives, a few "
    .. "at a time, and replaced down to min when it does not; up to a tenth is taken off for each. 0s: never."),
  hold = look("30s", "A lease held for longer is reported in the log with the lines of the task that holds it, once, "
    .. "and again whenever it has become twice as long; 0s: never."),
  hold_action = {
    type = "enum", one_of = { "report", "reclaim" }, default = "report", class = "live",
    text = "What is done about it. reclaim: it is reported and taken away, what runs on it is cancelled, and what is "
      .. "asked on it from then on fails with `stale`.",
  },
  trace_leases = {
    type = "boolean", default = false, class = "restart",
    text = "Whether each lease remembers where it was taken, for the report of hold and for inspect. It costs "
      .. "about 1.5 us a lease.",
  },
  connect = span("5s", "Bound of one attempt to connect, and of one check or reset.", 1000),
  start_within = span("0s", "How long the first connections are tried for when the program starts; 0s: once."),
  strategy = {
    type = "string", max = 64, class = "live",
    text = "The name of the strategy that says, again and again, how many connections of min to max there may be.",
  },
}

rows.policy = rules.policy

-- Which of several endpoints serves the next call: see declare/balance.lua.

local function needs_a_rule(_, rule)
  return rule == "connections" and "counts only beside a balance: balance = \"p2c\", for example" or nil
end

local success = {
  factor = {
    type = "number", default = 1.9, min = 0, max = 100, class = "live",
    text = "An endpoint whose share of successes is so many standard deviations below the mean of all is ejected; "
      .. "0: none is. One of n endpoints is never more than the root of n - 1 away: of 5 endpoints, 2.",
  },
  calls = {
    type = "integer", default = 100, min = 1, max = 1e9, class = "live",
    text = "Only endpoints with so many calls in the window are compared.",
  },
  endpoints = {
    type = "integer", default = 5, min = 2, max = 16, class = "live",
    text = "None is compared when fewer endpoints than these have so many calls.",
  },
  window = span("10s", "How long calls are counted for, before they are compared.", 100000),
}

local eject = {
  consecutive = {
    type = "integer", default = 5, min = 0, max = 1000000, class = "live",
    text = "So many failures in a row eject an endpoint; 0: they do not. A failure is a lost connection, a server that "
      .. "fails or no answer by the deadline; no other error, no cancel, and no full pool.",
  },
  success = { type = "table", fields = success, text = "Ejection by the share of successes, beside the others'." },
  most = {
    type = "share", default = "50%", class = "live",
    text = "The share of the endpoints that may be ejected at a time. Who would be one too many stays.",
  },
  time = within("time_most", "30s",
    "How long one is ejected: this, times how often it was lately, and up to a tenth less.", 100000),
  time_most = span("5m", "The longest time for which one is ejected.", 100000),
  panic = {
    type = "share", default = "50%", class = "live",
    text = "When a smaller share of the endpoints than this is left that is neither ejected nor down, those that are "
      .. "ejected are used all the same; 0: never.",
  },
}

rows.resource = {
  policy = {
    type = "string", default = "standard", max = 64, class = "live",
    text = "The name of the policy by which calls are made.",
  },
  operations = operations.row,
  pool = { type = "table", fields = rows.pool, text = "How many connections there are, and for how long." },
  balance = {
    type = "enum", default = "connections", class = "live",
    one_of = { "connections", "round-robin", "least-outstanding", "p2c", "least-recently-used", "sticky" },
    text = "Which of several endpoints serves the next call, in the roles that spread over them. connections: whose "
      .. "idle connection is next, wherever it leads; round-robin: in turn, weighted by health, successes and latency; "
      .. "least-outstanding: the fewest calls under way; p2c: of two drawn ones that with less latency x calls under "
      .. "way; least-recently-used: whose last use is longest ago; sticky: by the option key of the call.",
  },
  eject = {
    type = "table", fields = eject, beside = "balance", compare = needs_a_rule,
    text = "When an endpoint is left alone for a while because of what came of the calls to it.",
  },
  slow_start = {
    type = "duration", default = "0s", min = 0, max = spans.most, class = "live",
    beside = "balance", compare = needs_a_rule,
    text = "How long it takes an endpoint that comes back to get its full share, beginning with a tenth; 0s: no time.",
  },
  credential = { type = "string", not_yet = "give the kind's own settings, from env()" },
  health = { type = "table", not_yet = "pool.check asks a connection before it is lent" },
  depends_on = { type = "list", not_yet = "resources are started in the order of their declarations" },
  strategy = { type = "string", instead = 'is said of the pool: pool = { strategy = "mine" }' },
  tenant = { type = "string", not_yet = "declare a resource for each tenant" },
  tags = { type = "map", not_yet = "nothing groups resources" },
}
for name, row in pairs(rows.policy) do
  if row.type == "table" or row.type == "question" or front.rows[name] then
    rows.resource[name] = { type = "table", not_yet = row.not_yet,
      instead = ('is said in a policy: policy "mine" { %s = ... }'):format(row.instead and "limit" or name) }
  end
end

--- Names that will mean something in a declaration file one day.
rows.names_not_yet = { kind = true, credential = true, tenant = true, graph = true }

return rows
