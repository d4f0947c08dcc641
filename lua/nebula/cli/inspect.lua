local balance = require "nebula.cli.balance"
local chaos = require "nebula.cli.chaos"
local guards = require "nebula.cli.guards"
local declared = require "nebula.cli.declared"
local engines = require "nebula.cli.engines"
local folder = require "nebula.cli.folder"
local keys = require "nebula.keys"
local plain = require "nebula.plain"
local rules = require "nebula.cli.rules"
local show = require "nebula.cli.show"
local strategy = require "nebula.cli.strategy"
local suggest = require "nebula.suggest"
local units = require "nebula.units"

-- --- for people -----------------------------------------------------------------------------------

local function span(seconds)
  return seconds < 0 and "never" or units.show_duration(math.floor(seconds * 1e6 + 0.5))
end

local function unless_never(seconds)
  return seconds == 0 and "never" or span(seconds)
end

local function ago(now, at)
  return ("%.1fs ago"):format(math.max(now - at, 0))
end

local function line(name, format, ...)
  print(("  %-12s %s"):format(name, format:format(...)))
end

local function show_settings(r)
  local p, l = r.pool, r.limits
  chaos.show(r)
  line("declared", "%s:%d", r.file, r.line)
  line("pool", "min %d, max %d, queue %d, %d connecting at once, %s%s", p.min, p.max, p.queue, p.connecting, p.order,
    p.fail_fast and ", fail fast" or "")
  line("", "idle %s, life %s less up to %d %%, check after %s, connect %s, start within %s", span(p.idle), span(p.life),
    p.life_jitter, span(p.check), span(p.connect), span(p.start_within))
  line("", "keepalive %s, hold %s%s", unless_never(p.keepalive), unless_never(p.hold),
    p.hold_action == "reclaim" and ", then it is taken away" or "")
  strategy.show(r.strategy, p, line)
  line("policy", "%s: deadline %s, of it %s in the queue", r.policy, span(l.deadline), span(l.wait))
  line("", "%d tries, pauses up to %s, then up to %s%s", l.tries, span(l.pause), span(l.pause_max),
    rules.has_tokens(r.rules) and ""
      or ("; retries: %d %% of calls, at least %d a second"):format(l.budget, l.budget_least))
  rules.show(r.rules, line)
  rules.show_operations(r.operations, line)
  guards.show(r.guards, line)
  if r.balance then
    balance.show_settings(r.balance, line)
  end
end

local function show_options(options)
  local list = {}
  for _, name in ipairs(keys(options)) do
    list[#list + 1] = ("%s = %s"):format(name, options[name])
  end
  line("options", "%s", table.concat(list, ", "))
end

local function show_pools(pools)
  local rows = {}
  for i, p in ipairs(pools) do
    local open = p.idle + p.leased + p.listening + p.checking + p.resetting + p.cancelling
    rows[i] = { p.role, open, p.idle, p.leased, p.opening, p.closing, p.waiting, p.max, p.leases, p.waited, p.refused,
      p.opened, p.open_failed, p.lost, p.checks, p.resets, p.cancels }
  end
  print()
  show.table({ "ROLE", "OPEN", "IDLE", "LEASED", "OPENING", "CLOSING", "WAITING", "MAX", "LEASES", "WAITED", "REFUSED",
    "OPENED", "FAILED", "LOST", "CHECKS", "RESETS", "CANCELS" }, rows)
  for _, p in ipairs(pools) do
    if p.reconnecting then
      print(("  %s: reconnecting, %d of %d are left"):format(p.role, p.reconnecting_left, p.reconnecting))
    end
    for _, one in ipairs(p.troubles or { p.trouble and p }) do
      local by = one.worker and (" (worker %d)"):format(one.worker) or ""
      print(show.paint("red", ("  %s%s: %s"):format(p.role, by, plain(one.trouble))))
    end
  end
end

local function milliseconds(us)
  return ("%.2fms"):format(us / 1e3)
end

-- What the last minutes were like.
local function show_windows(pools)
  local rows = {}
  for i, p in ipairs(pools) do
    local w = p.window
    rows[i] = { p.role, ("%.0fs"):format(w.window_us / 1e6), ("%.1f"):format(w.arrivals_per_s),
      ("%.0f %%"):format(w.utilisation * 100), milliseconds(w.wait_p50_us), milliseconds(w.wait_p95_us),
      milliseconds(w.wait_p99_us), milliseconds(w.wait_max_us), milliseconds(w.hold_p50_us),
      milliseconds(w.hold_p95_us), milliseconds(w.hold_p99_us), milliseconds(w.hold_max_us) }
  end
  if #rows == 0 then
    return
  end
  print()
  show.table({ "ROLE", "IN THE LAST", "ARRIVALS/S", "UTILISED", "WAIT P50", "P95", "P99", "LONGEST", "HOLD P50", "P95",
    "P99", "LONGEST" }, rows)
  for _, p in ipairs(pools) do
    print(("  %s: max is %d; %s"):format(p.role, p.max, p.window.advice))
  end
end

local function show_endpoints(pools)
  local rows = {}
  for _, p in ipairs(pools) do
    for _, one in ipairs(p.endpoints or {}) do
      rows[#rows + 1] = { one.endpoint, p.role, one.state, one.connections, one.failures, plain(one.error or ""),
        one.worker }
    end
  end
  if #rows > 0 then
    print()
    show.table({ "ENDPOINT", "ROLE", "STATE", "CONNECTIONS", "FAILURES", "LAST ERROR", rows[1][7] and "WORKER" }, rows)
  end
end

-- What not every one has stands behind the rest.
local function with(row, ...)
  for i = 1, select("#", ...) do
    row[#row + 1] = (select(i, ...))
  end
  return row
end

local function show_connections(list, now)
  local rows, first = {}, list[1] or {}
  for i, one in ipairs(list) do
    rows[i] = with({ one.connection, one.role, one.state, ago(now, one.since), ago(now, one.created),
      ago(now, one.last_used), one.uses }, one.endpoint, one.worker)
  end
  print()
  show.table(with({ "CONNECTION", "ROLE", "STATE", "SINCE", "CREATED", "LAST USED", "USES" },
    first.endpoint and "ENDPOINT", first.worker and "WORKER"), rows)
  for _, one in ipairs(list) do
    if one.place then
      print(("  connection %d was taken at %s"):format(one.connection, plain(one.place)))
    end
  end
end

-- How a resource is spread over the workers of its process.
local function show_workers(workers)
  local rows = {}
  for i, one in ipairs(workers) do
    rows[i] = { one.worker, one.open, one.idle, one.leased, one.opening, one.waiting, one.leases, one.calls, one.state }
  end
  print()
  show.table({ "WORKER", "OPEN", "IDLE", "LEASED", "OPENING", "WAITING", "LEASES", "CALLS", "STATE" }, rows)
end

local function show_listeners(ear)
  local state = ear.connection > 0 and "by connection " .. ear.connection
    or ear.home and ("by that of worker %d"):format(ear.home) or ear.state
  state = ear.worker and ("%s, worker %d"):format(state, ear.worker) or state
  line("listening", "%s, %d channels, %d notes told, %d gaps", state, ear.channels, ear.told, ear.gaps)
  if ear.trouble then
    print(show.paint("red", ("  %s"):format(plain(ear.trouble))))
  end
  local rows = {}
  for i, one in ipairs(ear.listeners) do
    rows[i] = { one.task, one.queued, one.queue, one.told, one.gaps, one.missed,
      plain(table.concat(one.channels, ", "), true) }
  end
  print()
  show.table({ "TASK", "QUEUED", "QUEUE", "TOLD", "GAPS", "MISSED", "CHANNELS" }, rows)
end

local function show_resource(answer)
  local r = answer.resource
  local workers = answer.workers and (", %d workers"):format(answer.workers) or ""
  print(("%s  %s, %s (pid %d%s)"):format(show.paint("bold", r.name), r.kind,
    chaos.mark(r, guards.mark(r, r.state)), answer.pid, workers))
  show_settings(r)
  show_options(r.options)
  line("calls", "%d, %d failed, %d in doubt, %d retries", r.calls, r.failed, r.in_doubt, r.retries)
  strategy.show_answers(r.strategy, answer.now, line)
  show_pools(r.pools)
  show_windows(r.pools)
  show_endpoints(r.pools)
  balance.show_endpoints(r.pools)
  if r.workers then
    show_workers(r.workers)
  end
  show_connections(r.connections, answer.now)
  for _, ear in ipairs(r.ears or { r.ear }) do
    print()
    show_listeners(ear)
  end
end

-- --- from the files -------------------------------------------------------------------------------

local function show_declared(r)
  print(("%s  %s (%s)"):format(show.paint("bold", r.name), r.kind, folder.note))
  show_settings(r)
  if r.endpoints then
    line("endpoints", "%s, for %s", table.concat(r.endpoints, ", "), table.concat(r.roles, " and "))
  end
  show_options(r.options)
end

local function of_files(given, name)
  local resources = folder.resources(given.dir, given.json)
  if not resources then return 2 end
  local names = {}
  for i, r in ipairs(resources) do
    names[i] = r.name
    if r.name == name then
      (given.json and show.json or show_declared)(declared.told(r, resources))
      return 0
    end
  end
  for _, answer in ipairs((engines.ask { verb = "ls" })) do
    for _, r in ipairs(answer.resources) do
      names[#names + 1] = r.name
    end
  end
  local text = ("there is no resource %q, neither in an engine that runs nor in the files%s"):format(name,
    suggest(name, names))
  if given.json then
    show.json { engines = {}, error = text }
  else
    show.complain("%s", text)
  end
  return 2
end

return {
  name = "inspect",
  arguments = "NAME",
  least = 1,
  most = 1,
  text = "show one resource: its settings, its counters and every connection",
  manual = [[
Asks every engine of yours that runs. When none has the resource, it is shown from the files. CHAOS: faults happen on
purpose, such ones and for so long.
Of a resource with several hosts each is shown as each role knows it: down does not answer, unfit answers and is not
what the role needs, fit is, unknown was not asked; and what it failed with last.
Where calls are balanced over them: the weight of each in percent and what it is a product of (health, the share of
calls that went well, speed beside the fastest, slow start; which of these count, the rule says), calls under way, the
moving mean of their latency, and for how much longer it is ejected and why.
Of each role is shown what its last two to four minutes were like: how long connections were waited for and held (half,
95 and 99 in 100 leases no longer than that, and the longest), how much of max was leased, and which max would do.
Where a strategy says how large a pool is, its max is what the strategy answered last, within the bounds: what that
was, how long ago, and why there is no newer answer if there is none.
Times are how long ago; of a connection: its state and since when, when it was created and last used, and how
many leases it has served. Of a process with several workers all is told as one, and how it is spread over them.
An engine that does not answer within 2 s (its workflow computes, or its process was stopped), and a worker that does
not within one, is named on stderr, and in `silent` of the JSON: a list of objects with pid and error, and worker when
it is one of several.

Exit codes: 0 ok, 1 an engine did not answer, 2 invalid files or usage, or no such resource.]],
  options = {
    { name = "dir", value = "DIR", text = "the folder whose declarations are shown when nothing runs (default .)" },
    { name = "json", text = "one JSON object: engines, each with pid and resource, and silent; or error or errors" },
  },
  run = function(given, arguments)
    local answers, silent, why = engines.ask { verb = "inspect", name = arguments[1] }
    if why then
      show.complain("%s", why)
    end
    if #answers + #silent == 0 then
      return of_files(given, arguments[1])
    elseif given.json then
      show.json { engines = answers, silent = silent }
    end
    for _, answer in ipairs(given.json and {} or answers) do
      show_resource(answer)
    end
    engines.complain(silent)
    return #silent == 0 and 0 or 1
  end,
}
