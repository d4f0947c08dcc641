--- balance: what inspect shows of a resource whose calls are balanced over its endpoints.

local declared = require "nebula.declare.balance"
local show = require "nebula.cli.show"
local units = require "nebula.units"

local balance = {}

local function span(seconds)
  return units.show_duration(math.floor(seconds * 1e6 + 0.5))
end

--- What was declared, in the words and units in which an engine that runs tells it.
---@param given table<string, number>|nil
---@return table|nil
function balance.told(given)
  if not given then return nil end
  local told = {
    consecutive = given.consecutive, factor = given.factor, calls = given.least_calls,
    endpoints = given.least_endpoints, window = given.window_us / 1e6, most = given.most,
    time = given.time_us / 1e6, time_most = given.time_most_us / 1e6, panic = given.panic,
    slow_start = given.slow_start_us / 1e6,
  }
  for name, number in pairs(declared.rules) do
    told.rule = number == given.rule and name or told.rule
  end
  return told
end

--- What was declared, as lines: what it is about, and the sentence.
---@param told table
---@param line fun(name: string, format: string, ...)
function balance.show_settings(told, line)
  line("balance", "%s, slow start %s", told.rule, told.slow_start > 0 and span(told.slow_start) or "never")
  local whys = {}
  if told.consecutive > 0 then whys[#whys + 1] = ("%d failures in a row"):format(told.consecutive) end
  if told.factor > 0 then
    whys[#whys + 1] = ("%.4g deviations below the others (%d calls in %s, %d endpoints)"):format(told.factor,
      told.calls, span(told.window), told.endpoints)
  end
  if #whys == 0 then return line("eject", "never") end
  line("eject", "%s: for %s, then up to %s; at most %.4g %%, and below %.4g %% all are used",
    table.concat(whys, ", or "), span(told.time), span(told.time_most), told.most * 100, told.panic * 100)
end

local function ejection(one)
  if one.ejections == 0 then return "" end
  local times = one.ejections == 1 and "once, by " .. one.ejected_by
    or ("%d times, the last by %s"):format(one.ejections, one.ejected_by)
  return one.ejected_for > 0 and ("%.1fs more; %s"):format(one.ejected_for, times) or "no more; " .. times
end

local function share(number)
  return ("%.2f"):format(number)
end

--- A table of the endpoints of those roles that are balanced.
---@param pools table[]
function balance.show_endpoints(pools)
  local rows = {}
  for _, p in ipairs(pools) do
    for _, one in ipairs(p.balance and p.endpoints or {}) do
      rows[#rows + 1] = { one.endpoint, p.role, one.weight, share(one.health), share(one.success), share(one.speed),
        share(one.slow_start), one.outstanding, ("%.2fms"):format(one.latency * 1e3), one.calls,
        ("%.1f %%"):format(one.success_rate * 100), ejection(one), one.worker }
    end
  end
  if #rows == 0 then return end
  print()
  show.table({ "ENDPOINT", "ROLE", "WEIGHT", "HEALTH", "SUCCESS", "SPEED", "SLOW START", "OUTSTANDING", "LATENCY",
    "CALLS", "WENT WELL", "EJECTED", rows[1][13] and "WORKER" }, rows)
  for _, p in ipairs(pools) do
    if p.panic then
      print(show.paint("red", ("  %s: so few endpoints are left that all are used, ejected or not"):format(p.role)))
    end
  end
end

return balance
