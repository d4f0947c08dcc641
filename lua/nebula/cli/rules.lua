--- rules: what inspect shows of the rules of a resource's policy, and of its operations.

local events = require "nebula.declare.events"
local keys = require "nebula.keys"
local numbers = require "nebula.declare.numbers"
local rules = require "nebula.declare.rules"
local units = require "nebula.units"

local shown = {}

-- --- in words -------------------------------------------------------------------------------------

local function word(codes, code)
  for name, one in pairs(codes) do
    if one == code then return name end
  end
end

local function seconds(us)
  return us / 1e6
end

local tell = {}

function tell.again(a)
  return {
    shape = word(numbers.codes.shape, a.shape), jitter = word(numbers.codes.jitter, a.jitter),
    budget = word(numbers.codes.budget, a.budget) or "share", capacity = (a.capacity or 0) / 1e3,
    success = (a.success or 0) / 1e3, cost = (a.cost or 0) / 1e3, cost_lost = (a.cost_lost or 0) / 1e3,
  }
end

function tell.circuit(c)
  return {
    mode = word(numbers.codes.mode, c.mode), per = word(numbers.codes.circuit_per, c.per), window = c.window,
    span = seconds(c.span_us), least = c.least,
    percent = c.percent, slow_percent = c.slow_percent, consecutive = c.consecutive, slow = seconds(c.slow_us),
    probes = c.probes, probe = seconds(c.probe_us), pause = seconds(c.pause_us), pause_max = seconds(c.pause_max_us),
  }
end

function tell.rate(r)
  return {
    shape = word(numbers.codes.rate_shape, r.shape), per = word(numbers.codes.per, r.per), calls = r.tokens,
    span = seconds(r.span_us), burst = r.burst, wait = seconds(r.wait_us),
  }
end

function tell.limit(l)
  return { concurrent = l.concurrent, queue = l.queue, adaptive = l.is_adaptive, min = l.min, max = l.max,
    tolerance = l.tolerance }
end

function tell.shed(s)
  local told = { interval = seconds(s.interval_us) }
  for name, code in pairs(numbers.codes.priority) do
    local one = s.of[code + 1]
    told[name] = { target = seconds(one.target_us), most = seconds(one.most_us), patience = seconds(one.patience_us) }
  end
  return told
end

function tell.hedge(h)
  return { copies = h.copies, permille = h.permille, delay = seconds(h.delay_us), floor = seconds(h.floor_us),
    percent = h.percent, burst = h.burst }
end

function tell.early(e)
  return { least = e.least, percent = e.percent }
end

function tell.order(list)
  local names = {}
  for i, number in ipairs(list) do
    names[i] = rules.stages[number]
  end
  return names
end

function tell.asks(bits)
  local names = {}
  for i, name in ipairs(events.names) do
    names[#names + 1] = math.floor(bits / 2 ^ (i - 1)) % 2 == 1 and name or nil
  end
  return names
end

--- What was declared, in the words and units in which an engine that runs tells it: times are seconds.
---@param said table<string, table>|nil sections: see nebula.declare.numbers
---@return table|nil
function shown.told(said)
  if not said then return nil end
  local told = {}
  for name, section in pairs(said) do
    told[name] = tell[name](section)
  end
  return told
end

--- The same of its operations.
---@param said table<string, nebula.DeclaredOperation>|nil
---@return table|nil
function shown.told_operations(said)
  if not said then return nil end
  local told = {}
  for name, one in pairs(said) do
    told[name] = { policy = one.policy_name, priority = one.priority, apart = one.is_apart }
  end
  return told
end

-- --- for people -----------------------------------------------------------------------------------

local function span(s)
  return units.show_duration(math.floor(s * 1e6 + 0.5))
end

local say = {}

function say.again(a, line)
  local tokens = a.budget ~= "share" and ("; budget by %s: %.14g tokens, %.14g for each that goes well"):format(
    a.budget, a.capacity, a.success) or ""
  local cost = a.budget == "quota" and (", a retry costs %.14g, %.14g when lost"):format(a.cost, a.cost_lost) or ""
  line("retry", "%s pauses, jitter %s%s%s", a.shape, a.jitter, tokens, cost)
end

local function opens(c)
  local whys = {}
  if c.percent > 0 then whys[#whys + 1] = ("%d %% fail"):format(c.percent) end
  if c.slow > 0 and c.slow_percent > 0 then
    whys[#whys + 1] = ("%d %% take longer than %s"):format(c.slow_percent, span(c.slow))
  end
  local last = c.window > 0 and ("%d calls"):format(c.window) or span(c.span)
  local list = {}
  if #whys > 0 then list[1] = ("of the last %s, at least %d, %s"):format(last, c.least, table.concat(whys, " or ")) end
  if c.consecutive > 0 then list[#list + 1] = ("%d in a row fail"):format(c.consecutive) end
  return #list > 0 and table.concat(list, ", or ") or "told to"
end

function say.circuit(c, line)
  line("circuit", "%s%s: opens when %s", c.mode, c.per == "endpoint" and ", one for each endpoint" or "", opens(c))
  line("", "for %s, then up to %s; closes after %d good probes of %s", span(c.pause), span(c.pause_max), c.probes,
    span(c.probe))
end

function say.rate(r, line)
  local burst = r.shape == "bucket" and (", burst %d"):format(r.burst) or ""
  line("rate", "%d in %s by %s, %s%s, wait up to %s", r.calls, span(r.span), r.per, r.shape, burst, span(r.wait))
end

function say.limit(l, line)
  local found = l.adaptive and (" to begin with, found between %d and %d, tolerance %d %%"):format(l.min, l.max,
    l.tolerance) or ""
  line("limit", "%d under way%s; queue %d", l.concurrent, found, l.queue)
end

function say.shed(s, line)
  for _, name in ipairs { "normal", "critical", "batch" } do
    local one = s[name]
    local sheds = one.target > 0 and ("waits of %s for %s, then none above %s"):format(span(one.target),
      span(s.interval), one.most > 0 and span(one.most) or "what the law says") or "never"
    line(name == "normal" and "shed" or "", "%s: %s; patience %s", name, sheds, span(one.patience))
  end
end

function say.hedge(h, line)
  local after = h.permille > 0 and ("p%.4g, at least %s"):format(h.permille / 10, span(h.floor)) or span(h.delay)
  line("hedge", "%d copies after %s; %d %% of calls, burst %d", h.copies, after, h.percent, h.burst)
end

function say.early(e, line)
  line("early", "refused with less time left than half of %d calls or more take, but for %d %%", e.least, e.percent)
end

function say.order(names, line)
  line("order", "%s", table.concat(names, ", "))
end

function say.asks(names, line)
  line("functions", "asked or told of: %s", table.concat(names, ", "))
end

--- Whether retries are paid with tokens, not with a share of the calls.
---@param told table|nil
function shown.has_tokens(told)
  return told and told.again and told.again.budget ~= "share" or false
end

--- What was declared, as lines: what it is about, and the sentence.
---@param told table|nil
---@param line fun(name: string, format: string, ...)
function shown.show(told, line)
  for _, name in ipairs { "again", "circuit", "rate", "limit", "shed", "hedge", "early", "order", "asks" } do
    if told and told[name] then say[name](told[name], line) end
  end
end

--- The operations, a line each.
---@param told table|nil
---@param line fun(name: string, format: string, ...)
function shown.show_operations(told, line)
  for i, name in ipairs(keys(told or {})) do
    local one = told[name]
    line(i == 1 and "operations" or "", "%s: policy %s, priority %s%s", name, one.policy, one.priority,
      one.apart and ", apart" or "")
  end
end

return shown
