-- The rules of policies and the operations of resources: what may be said of them, and what the engine is told.

local declared = require "spec.support.declared"

-- The policy of these settings in the engine's units; others may be declared before it.
local function numbers(text, before)
  local set = declared.read {
    ["policies/a.lua"] = ('%s policy "p" { %s }'):format(before or "", text),
    ["resources/a.lua"] = 'sqlite "a" { file = "f", policy = "p" }',
  }
  return assert(set, "there are mistakes in: " .. text).resources[1].policy
end

local function rules(text, before)
  return numbers(text, before).rules
end

describe("a policy", function()
  it("has no rules that nobody said", function()
    assert.is_nil(rules "")
    assert.is_nil(rules "circuit = false, limit = false, shed = false, hedge = false, call = { early = false }")
    assert.is_nil(rules "limit = { queue = 5, adaptive = false, rate = false, concurrent = 0 }, limit = {}")
    assert.is_nil(rules 'retry = { shape = "exponential", jitter = "full", budget = 0 }')
  end)

  it("has these numbers where it says none", function()
    assert.same({ deadline_us = 5e6, wait_us = 5e5, tries = 3, pause_us = 5e4, pause_max_us = 2e6, budget = 20,
      budget_least = 3 }, numbers "")
    assert.equal(0, numbers("retry = { budget_least = 0 }").budget_least)
  end)

  it("has a circuit as soon as one is said", function()
    assert.same({ circuit = { mode = 1, per = 0, window = 32, span_us = 0, least = 8, percent = 50, slow_percent = 80,
      consecutive = 0, slow_us = 0, probes = 2, probe_us = 5e6, pause_us = 1e6, pause_max_us = 30e6 } },
      rules "circuit = {}")
    local got = rules [[circuit = { mode = "metrics", window = "30s", least = 20, percent = 1, slow = "2s",
      slow_percent = 100, consecutive = 7, probes = 16, probe = "3s", pause = "4s", pause_max = "5s" }]]
    assert.same({ mode = 4, per = 0, window = 0, span_us = 30e6, least = 20, percent = 1, slow_percent = 100, consecutive = 7,
      slow_us = 2e6, probes = 16, probe_us = 3e6, pause_us = 4e6, pause_max_us = 5e6 }, got.circuit)
    for mode, code in pairs { automatic = 1, open = 2, closed = 3, metrics = 4 } do
      assert.equal(code, rules(('circuit = { mode = "%s" }'):format(mode)).circuit.mode)
    end
  end)

  it("has a circuit that one thing alone opens", function()
    assert.equal(1, rules('circuit = { percent = 0, slow = "1s", slow_percent = 1 }').circuit.slow_percent)
    assert.equal(0, rules('circuit = { slow = "0s", slow_percent = 0 }').circuit.slow_percent)
    assert.equal(1, rules("circuit = { percent = 0, consecutive = 1 }").circuit.consecutive)
    assert.equal(0, rules('circuit = { percent = 0, mode = "closed" }').circuit.percent)
  end)

  it("makes what was not said of a circuit fit what was", function()
    assert.equal(4, rules("circuit = { window = 4 }").circuit.least)
    assert.equal(8, rules('circuit = { window = "4s" }').circuit.least)
    assert.equal(2e5, rules('circuit = { pause_max = "200ms" }').circuit.pause_us)
  end)

  it("retries by tokens where it says so", function()
    assert.same({ shape = 0, jitter = 0, budget = 1, capacity = 500000, success = 1000, cost = 5000, cost_lost = 10000 },
      rules('retry = { budget = "quota" }').again)
    assert.same({ shape = 0, jitter = 0, budget = 2, capacity = 10000, success = 100, cost = 0, cost_lost = 0 },
      rules('retry = { budget = "ratio" }').again)
    assert.same({ shape = 2, jitter = 3, budget = 1, capacity = 40500, success = 2, cost = 3500, cost_lost = 40500 },
      rules([[retry = { shape = "linear", jitter = "none", budget = "quota",
        tokens = { capacity = 40.5, success = 0.002, cost = 3.5, cost_lost = 40.5 } }]]).again)
    assert.equal(0, numbers('retry = { budget = "quota" }').budget)
  end)

  it("has shapes and jitter of pauses", function()
    for shape, code in pairs { constant = 1, linear = 2, decorrelated = 3 } do
      assert.same({ shape = code, jitter = 0, budget = 0 }, rules(('retry = { shape = "%s" }'):format(shape)).again)
    end
    for jitter, code in pairs { equal = 1, fifth = 2, none = 3 } do
      assert.same({ shape = 0, jitter = code, budget = 0 }, rules(('retry = { jitter = "%s" }'):format(jitter)).again)
    end
  end)

  it("has a rate in one word or in all of them", function()
    local short = { shape = 1, per = 0, tokens = 200, span_us = 1e6, burst = 20, wait_us = 0 }
    assert.same({ rate = short }, rules 'limit = { rate = "200/s" }')
    assert.same({ rate = short }, rules 'limit = { rate = { calls = "200/s" } }')
    assert.same({ shape = 2, per = 1, tokens = 90, span_us = 60e6, burst = 1, wait_us = 3e6 },
      rules('limit = { rate = { calls = "90/m", shape = "leaky", per = "key", wait = "3s" } }').rate)
    assert.same({ shape = 3, per = 2, tokens = 7, span_us = 3600e6, burst = 1, wait_us = 0 },
      rules('limit = { rate = { calls = "7/h", shape = "window", per = "tenant" } }').rate)
    local rate = rules('limit = { rate = { calls = "0.5/s", burst = 12 } }').rate
    assert.same({ 1, 2e6, 12 }, { rate.tokens, rate.span_us, rate.burst })
    rate = rules('limit = { rate = "12.50/s" }').rate
    assert.same({ 25, 2e6, 2 }, { rate.tokens, rate.span_us, rate.burst })
    rate = rules('limit = { rate = "1000000000/s" }').rate
    assert.same({ 1e9, 1e8 }, { rate.tokens, rate.burst })
  end)

  it("has a limit, fixed or found", function()
    assert.same({ limit = { concurrent = 32, queue = 64, is_adaptive = false, min = 0, max = 0, tolerance = 0 } },
      rules "limit = { concurrent = 32, queue = 64 }")
    assert.equal(1000, rules("limit = { concurrent = 1 }").limit.queue)
    assert.same({ concurrent = 20, queue = 5, is_adaptive = true, min = 4, max = 200, tolerance = 150 },
      rules("limit = { concurrent = 20, queue = 5, adaptive = { min = 4, max = 200, tolerance = 1.5 } }").limit)
    assert.equal(200, rules("limit = { adaptive = {} }").limit.tolerance)
    for text, first in pairs { [""] = 4, ["min = 9"] = 9, ["max = 3"] = 3 } do
      assert.equal(first, rules(("limit = { adaptive = { %s } }"):format(text)).limit.concurrent)
    end
  end)

  it("sheds by the class of who waits, and what a class does not say is as for all", function()
    assert.same({ interval_us = 1e5, of = { { target_us = 5e3, most_us = 1e4, patience_us = 0 },
      { target_us = 5e3, most_us = 1e4, patience_us = 0 }, { target_us = 5e3, most_us = 1e4, patience_us = 0 } } },
      rules("shed = {}, limit = { concurrent = 1 }").shed)
    assert.same({ interval_us = 5e4, of = { { target_us = 2e3, most_us = 3e3, patience_us = 4e3 },
      { target_us = 0, most_us = 3e3, patience_us = 4e3 }, { target_us = 1e3, most_us = 0, patience_us = 5e3 } } },
      rules([[limit = { concurrent = 1 }, shed = { target = "2ms", interval = "50ms", most = "3ms", patience = "4ms",
        critical = { target = "0s" }, batch = { target = "1ms", most = "0s", patience = "5ms" } }]]).shed)
    assert.equal(0, rules('call = { wait = "0s" }, shed = { target = "0s" }').shed.of[1].target_us)
    assert.equal(2e3, rules('shed = { batch = { target = "1ms" } }').shed.of[3].most_us)
    assert.equal(5e3, rules('shed = { most = "5ms" }').shed.of[1].most_us)
    assert.equal(8e4, rules('shed = { target = "40ms" }').shed.of[1].most_us)
  end)

  it("that sheds has a limit, which is what the pools have where none is said", function()
    local function limit_of(text)
      local set = assert(declared.read { ["policies/a.lua"] = 'policy "p" { shed = {} } policy "q" { shed = {}, '
        .. 'limit = { concurrent = 3 } }', ["resources/a.lua"] = text })
      return set.resources[1].policy.rules.limit, set.resources[1]
    end
    local limit = limit_of 'sqlite "a" { file = "f", policy = "p", pool = { max = 7, queue = 9 } }'
    assert.same({ concurrent = 7, queue = 9, is_adaptive = false, min = 0, max = 0, tolerance = 0 }, limit)
    assert.equal(3, limit_of('sqlite "a" { file = "f", policy = "q" }').concurrent)
    assert.equal(1, limit_of('sqlite "a" { file = ":memory:", policy = "p", pool = { max = 1 } }').concurrent)
    local _, resource = limit_of 'sqlite "a" { file = "f", policy = "p", operations = { b = "p", c = "q" } }'
    assert.equal(10, resource.operations.b.policy.rules.limit.concurrent)
    assert.equal(3, resource.operations.c.policy.rules.limit.concurrent)
  end)

  it("hedges after a time or a percentile", function()
    assert.same({ hedge = { copies = 2, permille = 950, delay_us = 0, floor_us = 1e3, percent = 5, burst = 10 } },
      rules "hedge = {}")
    assert.same({ copies = 5, permille = 999, delay_us = 7e3, floor_us = 2e3, percent = 100, burst = 3 },
      rules('hedge = { after = "p99.9", copies = 5, floor = "2ms", budget = 1, burst = 3, unknown = "7ms" }').hedge)
    local hedge = rules('hedge = { after = "500us", budget = "0%" }').hedge
    assert.same({ 0, 500, 500, 0 }, { hedge.permille, hedge.delay_us, hedge.floor_us, hedge.percent })
    assert.equal(1, rules('hedge = { after = "p0.1" }').hedge.permille)
  end)

  it("refuses early, and has an order", function()
    assert.same({ early = { least = 100, percent = 5 } }, rules "call = { early = {} }")
    assert.same({ least = 1, percent = 0 }, rules("call = { early = { least = 1, share = 0 } }").early)
    assert.same({ order = { 3, 1, 2, 4, 5, 6 } }, rules 'order = { "retry" }')
    assert.same({ 1, 2, 3, 4, 5, 6 }, rules('order = { "rate", "deadline", "retry", "circuit", "limit", "hedge" }').order)
    assert.same({ 4, 3, 1, 2, 5, 6 }, rules('order = { "circuit", "retry", "hedge" }').order)
  end)

  it("inherits each setting by itself, and may have none of what it is like", function()
    local base = [[policy "b" { circuit = { window = "9s", percent = 20 }, limit = { concurrent = 5, rate = "10/s" },
      retry = { budget = "quota", tokens = { cost = 7 } }, hedge = {}, shed = { batch = { target = "1ms" } } } ]]
    local got = rules('like = "b", circuit = { percent = 30 }, limit = { rate = { burst = 3 } }, '
      .. 'retry = { tokens = { success = 2 } }, hedge = false', base)
    assert.same({ 9e6, 30, 5, 10, 3 },
      { got.circuit.span_us, got.circuit.percent, got.limit.concurrent, got.rate.tokens, got.rate.burst })
    assert.same({ 7000, 2000 }, { got.again.cost, got.again.success })
    assert.is_nil(got.hedge)
    assert.equal(1e3, got.shed.of[3].target_us)
    got = rules('like = "b", circuit = false, limit = false, shed = { batch = false }, retry = { budget = 0.1 }', base)
    assert.same({ nil, nil, nil, 5e3 }, { got.circuit, got.rate, got.again, got.shed.of[3].target_us })
    got = rules('like = "c", circuit = {}', base .. 'policy "c" { like = "b", circuit = false } ')
    assert.same({ 32, 50 }, { got.circuit.window, got.circuit.percent })
    assert.equal(99, rules('like = "b", limit = { rate = "99/s" }', base).rate.tokens)
  end)
end)

describe("operations of a resource", function()
  local function read(text)
    local set = assert(declared.read { ["resources/a.lua"] = ('sqlite "a" { file = "f", operations = %s }'):format(text) })
    return set.resources[1].operations
  end

  it("have policies, priorities, and may stand apart", function()
    local got = read '{ report = "batch", pay = { policy = "critical", priority = "critical", apart = true } }'
    assert.same({ "batch", "normal", false }, { got.report.policy_name, got.report.priority, got.report.is_apart })
    assert.same({ "critical", "critical", true }, { got.pay.policy_name, got.pay.priority, got.pay.is_apart })
    assert.equal(600e6, got.report.policy.deadline_us)
    assert.is_nil(read "{}")
  end)

  it("have no cache and no fallback of their own, and are warned of that", function()
    local set = assert(declared.read { ["policies/a.lua"] = 'policy "kept" { fallback = { value = 1 } }',
      ["resources/a.lua"] = 'sqlite "a" { file = "f", operations = { b = "kept", c = "batch" } }' })
    assert.matches("a.operations.b: its policy has a cache or a fallback, which stand in front of a resource alone$",
      tostring(set.warnings[1]))
    assert.equal(1, #set.warnings)
  end)

  it("are refused where they cannot be meant", function()
    for text, why in pairs {
      ['{ report = "bacth" }'] = 'operations.report.policy: there is no policy "bacth"; did you mean "batch"?',
      ['{ report = { policy = "bacth" } }'] = 'operations.report.policy: there is no policy "bacth"; did you mean "batch"?',
      ["{ report = {} }"] = "operations.report.policy: is missing",
      ["{ report = 5 }"] = "operations.report: expected a text, got a number",
      ['{ report = { policy = "batch", apart = 1 } }'] = "operations.report.apart: expected true or false, got a number",
      ['{ report = { policy = "batch", priority = "high" } }'] = 'operations.report.priority: "high" is not possible here; '
        .. "known: batch, critical, normal",
      ['{ ["a b"] = "batch" }'] = "operations.?: a name begins with a letter, goes on with letters, digits, _ - or . and has "
        .. "at most 63 of them",
      ['{ "batch" }'] = "operations.1: a value without a name",
      ['"batch"'] = "operations: expected a map { ... }, got a string",
    } do
      local said = declared.errors_in(('sqlite "a" { file = "f", operations = %s }'):format(text))
      assert.equal(why, (said:gsub("resources/a.lua:1:%d+: a%.", ""):gsub("%[1%]", ".1")), text)
    end
    local many = {}
    for i = 1, 33 do many[i] = ('o%d = "batch"'):format(i) end
    assert.matches("operations: has 33 entries; the most is 32", declared.errors_in(
      ('sqlite "a" { file = "f", operations = { %s } }'):format(table.concat(many, ", "))))
  end)

  it("and rules are no settings of a resource", function()
    for _, name in ipairs { "call", "retry", "circuit", "limit", "shed", "hedge" } do
      assert.equal(('resources/a.lua:1:26: a.%s: is said in a policy: policy "mine" { %s = ... }'):format(name, name),
        declared.errors_in(('sqlite "a" { file = "f", %s = {} }'):format(name)))
    end
  end)
end)
