-- The rules of policies: what may not be said of them, what contradicts itself, and what will do harm.

local declared = require "spec.support.declared"
local program = require "spec.support.program"
local tmp = require "spec.support.tmp"

-- What is wrong with a policy, without its place and name.
local function mistakes(text)
  local lines = declared.errors_of { ["policies/a.lua"] = ('policy "p" { %s }'):format(text) }
  return (lines:gsub("policies/a.lua:1:%d+: p%.?", ""))
end

describe("a policy is refused", function()
  local rows = {
    -- what is no value of its kind
    { "circuit = true", "circuit: expected a table { ... } or false, got a boolean" },
    { "limit = 5", "limit: expected a table { ... } or false, got a number" },
    { "rate = {}", 'rate: is said as limit = { rate = "200/s" }' },
    { "bulkhead = {}", "bulkhead: is said as limit = { concurrent = 32, queue = 64 }" },
    { "cirucit = {}", 'cirucit: unknown setting; did you mean "circuit"?' },
    { 'circuit = { per = "key" }', 'circuit.per: "key" is not possible here; known: endpoint, resource' },
    { "circuit = { window = 0 }", "circuit.window: is no number of calls from 1 to 1000" },
    { "circuit = { window = 1001 }", "circuit.window: is no number of calls from 1 to 1000" },
    { "circuit = { window = 1.5 }", "circuit.window: is no number of calls from 1 to 1000" },
    { "circuit = { window = 0/0 }", "circuit.window: is no number of calls from 1 to 1000" },
    { 'circuit = { window = "9us" }', "circuit.window: is less than 10us" },
    { 'circuit = { window = "366d" }', "circuit.window: is more than 365d" },
    { 'circuit = { window = "32" }', "circuit.window: expected a time with its unit (us ms s m h d), such as \"250ms\" or "
      .. '"10m", or a number of calls' },
    { "circuit = { least = 0 }", "circuit.least: is less than 1" },
    { "circuit = { percent = 101 }", "circuit.percent: is more than 100" },
    { "circuit = { percent = -1 }", "circuit.percent: is less than 0" },
    { "circuit = { slow_percent = 101 }", "circuit.slow_percent: is more than 100" },
    { "circuit = { consecutive = 1000000001 }", "circuit.consecutive: is more than 1000000000" },
    { "circuit = { probes = 0 }", "circuit.probes: is less than 1" },
    { "circuit = { probes = 17 }", "circuit.probes: is more than 16" },
    { 'circuit = { probe = "0s" }', "circuit.probe: is less than 1ms" },
    { 'circuit = { pause = "0s" }', "circuit.pause: is less than 1ms" },
    { 'circuit = { mode = "shut" }', 'circuit.mode: "shut" is not possible here; known: automatic, closed, metrics, open' },
    { 'limit = { rate = "200" }', 'limit.rate: "200" will not do: expected a rate (a number for each s, m, h or d), such as '
      .. '"200/s"' },
    { "limit = { rate = true }", "limit.rate: this will not do: expected a rate (a number for each s, m, h or d), such as "
      .. '"200/s"' },
    { 'limit = { rate = "0/s" }', 'limit.rate: "0/s" will not do: is no rate: nothing would go' },
    { 'limit = { rate = "1000000001/s" }', "limit.rate: is more than 1000000000" },
    { 'limit = { rate = "0.001/d" }', "limit.rate: is slower than once in 365d" },
    { "limit = { rate = { burst = 3 } }", "limit.rate.calls: is missing" },
    { 'limit = { rate = { calls = "1/s", burst = 0 } }', "limit.rate.burst: is less than 1" },
    { 'limit = { rate = { calls = "1/s", per = "task" } }', 'limit.rate.per: "task" is not possible here; known: key, '
      .. "resource, tenant" },
    { "limit = { concurrent = -1 }", "limit.concurrent: is less than 0" },
    { "limit = { concurrent = 1000001 }", "limit.concurrent: is more than 1000000" },
    { "limit = { concurrent = 1, queue = -1 }", "limit.queue: is less than 0" },
    { "limit = { concurrent = 1, queue = 1000001 }", "limit.queue: is more than 1000000" },
    { "limit = { adaptive = { min = 0 } }", "limit.adaptive.min: is less than 1" },
    { "limit = { adaptive = { max = 1000001 } }", "limit.adaptive.max: is more than 1000000" },
    { "limit = { adaptive = { tolerance = 0.99 } }", "limit.adaptive.tolerance: is less than 1" },
    { 'shed = { interval = "0s" }', "shed.interval: is less than 1ms" },
    { "shed = { crtical = {} }", 'shed.crtical: unknown setting; did you mean "critical"?' },
    { 'hedge = { after = "p100" }', 'hedge.after: "p100" will not do: expected a time with its unit (us ms s m h d), such as '
      .. '"250ms" or "10m", or a percentile, such as "p95" or "p99.9"' },
    { 'hedge = { after = "p0" }', 'hedge.after: "p0" will not do: expected a time with its unit (us ms s m h d), such as '
      .. '"250ms" or "10m", or a percentile, such as "p95" or "p99.9"' },
    { 'hedge = { after = "0s" }', 'hedge.after: "0s" will not do: is no time' },
    { 'hedge = { after = "366d" }', "hedge.after: is more than 365d" },
    { "hedge = { copies = 1 }", "hedge.copies: is less than 2" },
    { "hedge = { copies = 6 }", "hedge.copies: is more than 5" },
    { "hedge = { burst = 0 }", "hedge.burst: is less than 1" },
    { "hedge = { burst = 1000001 }", "hedge.burst: is more than 1000000" },
    { "limit = { adaptive = { tolerance = 1001 } }", "limit.adaptive.tolerance: is more than 1000" },
    { "hedge = { budget = 0.055 }", "hedge.budget: is no whole percent" },
    { "hedge = { budget = 1.5 }", "hedge.budget: is no share: 0 to 1, or 0% to 100%" },
    { "call = { early = { least = 0 } }", "call.early.least: is less than 1" },
    { 'call = { early = { share = "0.5%" } }', "call.early.share: is no whole percent" },
    { "retry = { budget = 1.5 }", 'retry.budget: is more than 1; or "quota" or "ratio"' },
    { 'retry = { budget = "qouta" }', 'retry.budget: expected a number, got a string; or "quota" or "ratio"' },
    { 'retry = { shape = "quadratic" }', 'retry.shape: "quadratic" is not possible here; known: constant, decorrelated, '
      .. "exponential, linear" },
    { 'retry = { budget = "quota", tokens = { capacity = 0.5 } }', "retry.tokens.capacity: is less than 1" },
    { 'retry = { budget = "quota", tokens = { capacity = 1000001 } }', "retry.tokens.capacity: is more than 1000000" },
    { 'retry = { budget = "quota", tokens = { cost = -1 } }', "retry.tokens.cost: is less than 0" },
    { 'retry = { budget = "ratio", tokens = { success = 0.0001 } }', "retry.tokens.success: is less than 0.001" },
    { 'retry = { budget = "ratio", tokens = { success = 0.0015 } }', "retry.tokens.success: is finer than a thousandth" },
    -- what is wrong beside another setting
    { "circuit = { window = 4, least = 5 }", "circuit.least: 5 is more than the window, which has 4 calls" },
    { 'circuit = { pause = "31s" }', "circuit.pause: is more than pause_max, which is 30s" },
    { 'circuit = { slow = "1s", slow_percent = 0 }', "circuit.slow: counts for nothing: slow_percent is 0" },
    { "circuit = { percent = 0 }", "circuit: nothing opens it: percent, consecutive and slow are all 0" },
    { 'circuit = { percent = 0, mode = "metrics" }', "circuit: nothing opens it: percent, consecutive and slow are all 0" },
    { "retry = { tokens = {} }", 'retry.tokens: counts only beside budget = "quota" or "ratio"' },
    { 'retry = { budget = "quota", tokens = { cost = 501 } }', "retry.tokens.cost: 501 is more than capacity, which is 500" },
    { 'retry = { budget = "quota", tokens = { capacity = 9 } }', "retry.tokens.cost_lost: 10 is more than capacity, which is 9" },
    { 'retry = { budget = "ratio", tokens = { success = 11 } }', "retry.tokens.success: 11 is more than capacity, which is 10" },
    { 'retry = { budget = "ratio", tokens = { cost = 1 } }', 'retry.tokens.cost: counts only beside budget = "quota"' },
    { 'retry = { shape = "decorrelated", jitter = "none" }', "retry.jitter: counts for nothing: decorrelated pauses are drawn" },
    { 'limit = { rate = { calls = "1/s", shape = "leaky", burst = 2 } }', "limit.rate.burst: counts only for the shape bucket" },
    { 'limit = { rate = { calls = "1/s", shape = "window", wait = "1s" } }', "limit.rate.wait: counts for nothing: none waits "
      .. "for a window" },
    { "limit = { queue = 5 }", "limit.queue: counts only beside concurrent or adaptive" },
    { "limit = { adaptive = { min = 5, max = 4 } }", "limit.adaptive.min: 5 is more than max, which is 4" },
    { "limit = { concurrent = 3, adaptive = { min = 4 } }", "limit.adaptive.min: 4 is more than concurrent, which is 3" },
    { "limit = { concurrent = 1, adaptive = { min = 2 } }", "limit.adaptive.min: 2 is more than concurrent, which is 1" },
    { "limit = { concurrent = 9, adaptive = { max = 8 } }", "limit.adaptive.max: 8 is less than concurrent, which is 9" },
    { 'shed = { target = "101ms" }', "shed.target: is more than interval, which is 100ms" },
    { 'shed = { most = "4ms" }', "shed.most: 4ms is less than target, which is 5ms" },
    { 'shed = { most = "8ms", batch = { target = "9ms" } }', "shed.batch.most: 8ms is less than target, which is 9ms" },
    { 'shed = { critical = { target = "1s" } }', "shed.critical.target: is more than interval, which is 100ms" },
    { 'call = { wait = "5ms" }, shed = {}', "shed.target: is no less than call.wait, which is 5ms: who waits for that long is "
      .. "gone" },
    { "limit = { concurrent = 1, queue = 0 }, shed = {}", "shed: nobody is shed where nobody waits: limit.queue is 0" },
    { 'hedge = { after = "5ms", floor = "6ms" }', "hedge.floor: is more than after" },
    { 'hedge = { after = "5ms", unknown = "6ms" }', "hedge.unknown: counts only where after is a percentile" },
    -- the order
    { 'order = { "rate", "rty" }', 'order[2]: "rty" is not possible here; known: circuit, deadline, hedge, limit, rate, retry' },
    { "order = {}, retry = { tries = 2 }", 'order: "retry" is missing, and this policy has rules for it' },
    { "order = {}", 'order: "retry" is missing, and this policy has rules for it' },
    { 'order = { "retry", "retry" }', 'order: "retry" is there twice' },
    { 'order = { "hedge", "retry" }', 'order: "hedge" is the last one: each copy is a call of its own, for which nothing else '
      .. "is asked again" },
    { 'order = { "retry" }, circuit = {}', 'order: "circuit" is missing, and this policy has rules for it' },
    { 'order = { "retry" }, shed = {}', 'order: "limit" is missing, and this policy has rules for it' },
    { 'order = { "retry" }, limit = { rate = "1/s" }', 'order: "rate" is missing, and this policy has rules for it' },
    { 'order = { "retry" }, call = { early = {} }', 'order: "deadline" is missing, and this policy has rules for it' },
    { 'order = { "retry" }, hedge = {}', 'order: "hedge" is missing, and this policy has rules for it' },
  }
  for _, row in ipairs(rows) do
    it("that says " .. row[1], function() assert.equal(row[2], mistakes(row[1])) end)
  end

  it("at the place of the setting, or of what is nearest to it", function()
    assert.equal([[
policies/a.lua:3:13: p.circuit.window: is no number of calls from 1 to 1000
policies/a.lua:5:11: p.limit.rate.burst: is less than 1
policies/a.lua:9:3: q.order: "hedge" is missing, and this policy has rules for it
policies/a.lua:11:12: r: nothing]], (declared.errors_of { ["policies/a.lua"] = [[
policy "p" {
  circuit = {
            window = 0,
  }, limit = { rate = { calls = "1/s",
          burst = 0, },
  },
}
policy "q" { hedge = {},
  order = { "retry" },
}
policy "r" { like = "nobody", bulk = 1 }]] }:gsub("policies/a.lua:11:.*$", "policies/a.lua:11:12: r: nothing")))
  end)

  it("and so is a resource that has it, once", function()
    assert.equal("policies/a.lua:1:24: p.limit.rate.calls: is missing", declared.errors_of {
      ["policies/a.lua"] = 'policy "p" { limit = { rate = {} } }',
      ["resources/a.lua"] = 'sqlite "a" { file = "f", policy = "p", operations = { b = "p" } }' })
  end)

  it("once, where it is like one that is wrong", function()
    assert.equal("policies/a.lua:1:15: a.circuit: nothing opens it: percent, consecutive and slow are all 0",
      (declared.errors_of { ["policies/a.lua"] = 'policy "a" {  circuit = { percent = 0 } } policy "b" { like = "a" }' }))
  end)
end)

describe("an order that does harm", function()
  local function warned(text, before)
    local set = assert(declared.read { ["policies/a.lua"] = ('%s policy "p" {\n  %s }'):format(before or "", text) })
    local lines = {}
    for i, one in ipairs(set.warnings or {}) do lines[i] = tostring(one):match "policies/(a.lua.*)$" end
    return table.concat(lines, "\n")
  end
  local rows = {
    { 'order = { "circuit", "retry" }, circuit = {}', "a.lua:2:3: p.order: the circuit is asked before retry: it takes a call" },
    { 'order = { "limit", "retry" }, limit = { concurrent = 1 }', "a.lua:2:3: p.order: the limit is asked before retry: a call" },
    { 'order = { "retry", "limit", "rate" }, limit = { concurrent = 1, rate = { calls = "1/s", wait = "1us" } }',
      "a.lua:2:3: p.order: the limit is asked before rate: a call" },
    { 'order = { "deadline", "rate", "retry" }, call = { early = {} }, limit = { rate = { calls = "1/s", wait = "1s" } }',
      "a.lua:2:3: p.order: the deadline is asked before rate: a call" },
    -- none of these does
    { 'order = { "circuit", "retry" }', nil },
    { 'order = { "circuit", "retry" }, circuit = {}, retry = { tries = 1 }', nil },
    { 'order = { "retry", "rate" }, limit = { rate = { calls = "1/s", wait = "1s" } }', nil },
    { 'order = { "deadline", "rate", "retry" }, call = { early = {} }, limit = { rate = "1/s" }', nil },
    { 'order = { "rate", "deadline", "retry", "circuit", "limit", "hedge" }, circuit = {}, shed = {}, hedge = {}', nil },
  }
  for _, row in ipairs(rows) do
    it((row[2] and "is warned of: " or "is not: ") .. row[1], function()
      local said = warned(row[1])
      assert.equal(row[2] or "", row[2] and said:sub(1, #row[2]) or said)
      assert.is_nil(said:find "\n")
    end)
  end

  it("is warned of once, where it is said", function()
    assert.equal("a.lua:1:29: a.order", warned('like = "a"',
      'policy "a" {  circuit = {}, order = { "circuit", "retry" } } '):match "^[^:]*:[^:]*:[^:]*: [^:]*")
    assert.equal("a.lua:1:49: p.order", warned('like = "a", circuit = {}',
      'policy "a" {  order = { "circuit", "retry" } } '):match "^[^:]*:[^:]*:[^:]*: [^:]*")
  end)
end)

describe("nebula check", function()
  it("warns of an order, and finds no mistake in it", function()
    local folder = tmp.folder()
    tmp.write(folder, "policies/a.lua", 'policy "a" { circuit = {},\n  order = { "circuit", "retry" } }')
    local ended = program.ended(0, program.nebula("check", folder))
    program.says("0 resources, no mistakes", ended.output)
    program.says("policies/a.lua:2:3: a.order: the circuit is asked before retry", ended.errors)
    local told = require("cjson").decode(program.ended(0, program.nebula("check", "--json", folder)).output)
    assert.equal(2, told.warnings[1].line)
    assert.same({}, told.errors)
  end)
end)
