--- balance: how the calls of a resource spread over its endpoints, as its declaration says it.

local units = require "nebula.units"

local YEAR = 365 * 86400e6 -- us

local balance = {}

--- The rules by name: enum nebula_rule of nebula_balance.h.
balance.rules = {
  ["connections"] = 0, ["round-robin"] = 1, ["least-outstanding"] = 2, ["p2c"] = 3, ["least-recently-used"] = 4,
  ["sticky"] = 5,
}

local function needs_a_rule(_, rule)
  return rule == "connections" and "counts only beside a balance: balance = \"p2c\", for example" or nil
end

local function span(default, text)
  return { type = "duration", default = default, min = 100000, max = YEAR, class = "live", text = text }
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
  window = span("10s", "How long calls are counted for, before they are compared."),
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
  time = span("30s", "How long one is ejected: this, times how often it was lately, and up to a tenth less."),
  time_most = span("5m", "The longest time for which one is ejected."),
  panic = {
    type = "share", default = "50%", class = "live",
    text = "When a smaller share of the endpoints than this is left that is neither ejected nor down, those that are "
      .. "ejected are used all the same; 0: never.",
  },
}
eject.time.beside = "time_most"
eject.time.compare = function(time, most)
  return time > most and "is more than time_most, which is " .. units.show_duration(most) or nil
end

--- The settings that every resource has for it.
---@type table<string, nebula.Row>
balance.rows = {
  balance = {
    type = "enum", default = "connections", class = "live",
    one_of = { "connections", "round-robin", "least-outstanding", "p2c", "least-recently-used", "sticky" },
    text = "Which of several endpoints serves the next call, in the roles that spread over them. connections: whose "
      .. "idle connection is next, wherever it leads; round-robin: in turn, weighted by health, successes and latency; "
      .. "least-outstanding: the fewest calls under way; p2c: of two drawn ones that with less latency x calls under "
      .. "way; sticky: by the option key of the call.",
  },
  eject = {
    type = "table", fields = eject, beside = "balance", compare = needs_a_rule,
    text = "When an endpoint is left alone for a while because of what came of the calls to it.",
  },
  slow_start = {
    type = "duration", default = "0s", min = 0, max = YEAR, class = "live", beside = "balance", compare = needs_a_rule,
    text = "How long it takes an endpoint that comes back to get its full share, beginning with a tenth; 0s: no time.",
  },
}

-- --- what was said ----------------------------------------------------------------------------------

local function spreads(told)
  for _, choice in ipairs(told.role_choice or {}) do
    if choice % 2 == 1 then return true end -- NEBULA_SPREAD
  end
end

-- What can never come true with so many endpoints.
local function check_success(one, given, count)
  if given.endpoints > count then
    one:fail({ "eject", "success", "endpoints" }, ("there are %d endpoints, so they are never compared"):format(count))
  elseif given.factor > 0 and given.factor ^ 2 >= count - 1 then
    one:fail({ "eject", "success", "factor" }, ("one of %d endpoints is never more than %.2f deviations away"):format(
      count, math.sqrt(count - 1)))
  end
end

local function check(one, settings, told)
  local count = told.endpoints and #told.endpoints or 1
  if count < 2 then
    one:fail({ "balance" }, "not in force here: it has one endpoint, so there is nothing to choose from")
  elseif not spreads(told) then
    one:fail({ "balance" }, "not in force here: none of its roles spreads over its endpoints")
  elseif settings.pool.max < count then
    one:fail({ "balance" }, ("each of its %d endpoints needs a connection, and pool.max is %d"):format(count,
      settings.pool.max))
  end
  local said = one.settings.eject
  if type(said) == "table" and said.success ~= nil then check_success(one, settings.eject.success, count) end
end

--- What the engine is told of it, fields of struct nebula_balance; nil when there is nothing to be told.
---@param one nebula.Declaration which knows whom to tell of a mistake
---@param settings table of the resource, checked
---@param told nebula.Told
---@return table<string, number>|nil
function balance.read(one, settings, told)
  if settings.balance == "connections" then return nil end
  check(one, settings, told)
  local given, by = settings.eject, settings.eject.success
  return {
    rule = balance.rules[settings.balance], consecutive = given.consecutive, factor = by.factor,
    least_calls = by.calls, least_endpoints = by.endpoints, window_us = by.window, most = given.most,
    time_us = given.time, time_most_us = given.time_most, panic = given.panic, slow_start_us = settings.slow_start,
  }
end

return balance
