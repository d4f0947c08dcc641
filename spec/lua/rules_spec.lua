-- What the engine is told of the rules of a policy, and what is shown of them.

local c = require "nebula.c"
local declared = require "spec.support.declared"
local json = require "cjson"
local numbers = require "nebula.declare.numbers"
local program = require "spec.support.program"
local rules = require "nebula.rules"
local specs = require "nebula.spec"
local tmp = require "spec.support.tmp"

local lib = c.lib

-- Each setting once, with numbers that are nowhere twice.
local POLICY = [[
  call = { deadline = "61s", wait = "60s", early = { least = 1, share = "2%" } },
  retry = { tries = 63, pause = "64ms", pause_max = "65ms", budget_least = 66, shape = "constant", jitter = "none",
    budget = "quota", tokens = { capacity = 0.5e3, success = 0.003, cost = 0.004, cost_lost = 0.005 } },
  circuit = { mode = "metrics", window = "6s", least = 7, percent = 8, slow = "11ms", slow_percent = 9,
    consecutive = 10, probes = 12, probe = "13ms", pause = "14ms", pause_max = "15ms" },
  limit = { concurrent = 21, queue = 22, adaptive = { min = 20, max = 23, tolerance = 2.4 },
    rate = { calls = "16/d", shape = "bucket", burst = 18, per = "tenant", wait = "19ms" } },
  shed = { target = "26ms", most = "27ms", patience = "28ms", interval = "95ms",
    critical = { target = "29ms", most = "30ms", patience = "31ms" },
    batch = { target = "32ms", most = "33ms", patience = "34ms" } },
  hedge = { after = "p99.9", unknown = "35ms", floor = "36ms", copies = 3, budget = "37%", burst = 38 },
  order = { "limit", "circuit", "deadline", "rate", "retry", "hedge" },
]]

local function policy_of(text)
  return assert(declared.read { ["policies/a.lua"] = ('policy "p" { %s }'):format(text),
    ["resources/a.lua"] = 'sqlite "a" { file = "f", policy = "p" }' }).resources[1].policy
end

-- The fields of a struct as a table.
local function of(at, fields)
  local told = {}
  for _, name in ipairs(fields) do
    local value = at[name]
    told[name] = type(value) == "boolean" and value or tonumber(value)
  end
  return told
end

describe("struct nebula_policy", function()
  it("has each field from its own setting", function()
    local at = specs.policy(policy_of(POLICY), false)
    assert.same({ deadline_us = 61e6, wait_us = 60e6, tries = 63, pause_us = 64e3, pause_max_us = 65e3, budget = 0,
      budget_least = 66 },
      of(at, { "deadline_us", "wait_us", "tries", "pause_us", "pause_max_us", "budget", "budget_least" }))
  end)
end)

describe("struct nebula_rules", function()
  it("has each field from its own setting", function()
    local at = rules.struct(policy_of(POLICY).rules)
    assert.same({ shape = lib.NEBULA_RETRY_CONSTANT, jitter = lib.NEBULA_JITTER_NONE, budget = lib.NEBULA_BUDGET_QUOTA,
      capacity = 500000, success = 3, cost = 4, cost_lost = 5 },
      of(at.again, { "shape", "jitter", "budget", "capacity", "success", "cost", "cost_lost" }))
    assert.same({ mode = lib.NEBULA_CIRCUIT_METRICS, window = 0, span_us = 6e6, least = 7, percent = 8, slow_percent = 9,
      consecutive = 10, slow_us = 11e3, probes = 12, probe_us = 13e3, pause_us = 14e3, pause_max_us = 15e3 },
      of(at.circuit, { "mode", "window", "span_us", "least", "percent", "slow_percent", "consecutive", "slow_us", "probes",
        "probe_us", "pause_us", "pause_max_us" }))
    assert.same({ shape = lib.NEBULA_RATE_BUCKET, per = lib.NEBULA_PER_TENANT, tokens = 16, span_us = 86400e6, burst = 18,
      wait_us = 19e3 }, of(at.rate, { "shape", "per", "tokens", "span_us", "burst", "wait_us" }))
    assert.same({ concurrent = 21, queue = 22, is_adaptive = true, min = 20, max = 23, tolerance = 240 },
      of(at.limit, { "concurrent", "queue", "is_adaptive", "min", "max", "tolerance" }))
    assert.equal(95e3, tonumber(at.shed.interval_us))
    for class, first in pairs { NORMAL = 26e3, CRITICAL = 29e3, BATCH = 32e3 } do
      assert.same({ target_us = first, most_us = first + 1e3, patience_us = first + 2e3 },
        of(at.shed.of[lib["NEBULA_PRIORITY_" .. class]], { "target_us", "most_us", "patience_us" }))
    end
    assert.same({ copies = 3, permille = 999, delay_us = 35e3, floor_us = 36e3, percent = 37, burst = 38 },
      of(at.hedge, { "copies", "permille", "delay_us", "floor_us", "percent", "burst" }))
    assert.same({ least = 1, percent = 2 }, of(at.early, { "least", "percent" }))
    local order = {}
    for i = 1, lib.NEBULA_STAGES - 1 do order[i] = at.order[i - 1] end
    assert.same({ lib.NEBULA_STAGE_LIMIT, lib.NEBULA_STAGE_CIRCUIT, lib.NEBULA_STAGE_DEADLINE, lib.NEBULA_STAGE_RATE,
      lib.NEBULA_STAGE_RETRY, lib.NEBULA_STAGE_HEDGE }, order)
  end)

  it("is all zero where nothing is in force", function()
    local at, zero = rules.struct(nil), c.new "struct nebula_rules"
    assert.equal(c.string(zero, require("ffi").sizeof(zero)), c.string(at, require("ffi").sizeof(at)))
  end)

  it("has the numbers of the words that its header has", function()
    for name, words in pairs {
      shape = { exponential = lib.NEBULA_RETRY_EXPONENTIAL, constant = lib.NEBULA_RETRY_CONSTANT,
        linear = lib.NEBULA_RETRY_LINEAR, decorrelated = lib.NEBULA_RETRY_DECORRELATED },
      jitter = { full = lib.NEBULA_JITTER_FULL, equal = lib.NEBULA_JITTER_EQUAL, fifth = lib.NEBULA_JITTER_FIFTH,
        none = lib.NEBULA_JITTER_NONE },
      budget = { quota = lib.NEBULA_BUDGET_QUOTA, ratio = lib.NEBULA_BUDGET_RATIO },
      mode = { automatic = lib.NEBULA_CIRCUIT_AUTOMATIC, open = lib.NEBULA_CIRCUIT_OPEN, closed = lib.NEBULA_CIRCUIT_CLOSED,
        metrics = lib.NEBULA_CIRCUIT_METRICS },
      rate_shape = { bucket = lib.NEBULA_RATE_BUCKET, leaky = lib.NEBULA_RATE_LEAKY, window = lib.NEBULA_RATE_WINDOW },
      per = { resource = lib.NEBULA_PER_ALL, key = lib.NEBULA_PER_KEY, tenant = lib.NEBULA_PER_TENANT },
      priority = { normal = lib.NEBULA_PRIORITY_NORMAL, critical = lib.NEBULA_PRIORITY_CRITICAL,
        batch = lib.NEBULA_PRIORITY_BATCH },
      stage = { rate = lib.NEBULA_STAGE_RATE, deadline = lib.NEBULA_STAGE_DEADLINE, retry = lib.NEBULA_STAGE_RETRY,
        circuit = lib.NEBULA_STAGE_CIRCUIT, limit = lib.NEBULA_STAGE_LIMIT, hedge = lib.NEBULA_STAGE_HEDGE },
    } do
      assert.same(words, numbers.codes[name])
    end
  end)
end)

describe("inspect", function()
  local folder = tmp.folder()
  tmp.write(folder, "policies/p.lua", ('policy "p" { %s }'):format(POLICY))
  tmp.write(folder, "policies/q.lua", [[policy "q" { circuit = { window = 20, percent = 0, consecutive = 5 },
    retry = { budget = "ratio" }, limit = { concurrent = 7, rate = { calls = "10/s", shape = "leaky" } },
    hedge = { after = "20ms" }, shed = { critical = { target = "0s" }, batch = { most = "0s" } } }
    policy "r" { circuit = { mode = "open", percent = 0 }, retry = { shape = "linear" } }]])
  tmp.write(folder, "resources/a.lua", [[
    sqlite "one" { file = "f", policy = "p", operations = { report = "batch",
      pay = { policy = "critical", priority = "critical", apart = true } } }
    sqlite "two" { file = "f", policy = "q" } sqlite "three" { file = "f", policy = "r" } sqlite "four" { file = "f" }]])

  local function shown(name)
    return program.ended(0, program.nebula("inspect", name, "--dir", folder)).output
  end

  it("shows all rules in words", function()
    program.says([[
               63 tries, pauses up to 64ms, then up to 65ms
  retry        constant pauses, jitter none; budget by quota: 500 tokens, 0.003 for each that goes well, a retry costs 0.004, 0.005 when lost
  circuit      metrics: opens when of the last 6s, at least 7, 8 % fail or 9 % take longer than 11ms, or 10 in a row fail
               for 14ms, then up to 15ms; closes after 12 good probes of 13ms
  rate         16 in 1d by tenant, bucket, burst 18, wait up to 19ms
  limit        21 under way to begin with, found between 20 and 23, tolerance 240 %; queue 22
  shed         normal: waits of 26ms for 95ms, then none above 27ms; patience 28ms
               critical: waits of 29ms for 95ms, then none above 30ms; patience 31ms
               batch: waits of 32ms for 95ms, then none above 33ms; patience 34ms
  hedge        3 copies after p99.9, at least 36ms; 37 % of calls, burst 38
  early        refused with less time left than half of 1 calls or more take, but for 2 %
  order        limit, circuit, deadline, rate, retry, hedge
  operations   pay: policy critical, priority critical, apart
               report: policy batch, priority normal
]], shown "one")
    program.says([[
  retry        exponential pauses, jitter full; budget by ratio: 10 tokens, 0.1 for each that goes well
  circuit      automatic: opens when 5 in a row fail
               for 1s, then up to 30s; closes after 2 good probes of 5s
  rate         10 in 1s by resource, leaky, wait up to 0s
  limit        7 under way; queue 1000
  shed         normal: waits of 5ms for 100ms, then none above 10ms; patience 0s
               critical: never; patience 0s
               batch: waits of 5ms for 100ms, then none above what the law says; patience 0s
  hedge        2 copies after 20ms; 5 % of calls, burst 10
]], shown "two")
    program.says([[
               3 tries, pauses up to 50ms, then up to 2s; retries: 20 % of calls, at least 3 a second
  retry        linear pauses, jitter full
  circuit      open: opens when told to
]], shown "three")
  end)

  it("has the same of an engine that runs", function()
    local path = tmp.write(folder, "flow.lua", [[
      local c, json = require "nebula.c", require "cjson"
      for _, name in ipairs { "one", "two", "three", "four" } do
        local request = json.encode { verb = "inspect", name = name }
        print(json.encode { of = json.decode(c.string(c.lib.nebula_ask(c.engine, request))).resource.rules })
      end]])
    local lines = program.ended(0, program.nebula("run", path)).output:gmatch "[^\n]+"
    for _, name in ipairs { "one", "two", "three", "four" } do
      local told = program.ended(0, program.nebula("inspect", name, "--dir", folder, "--json")).output
      assert.same(json.decode(told).rules, json.decode(lines()).of)
    end
  end)

  it("has the same in JSON, with times in seconds", function()
    local told = json.decode(program.ended(0, program.nebula("inspect", "one", "--dir", folder, "--json")).output)
    assert.same({ mode = "metrics", per = "resource", window = 0, span = 6, least = 7, percent = 8, slow_percent = 9, consecutive = 10,
      slow = 0.011, probes = 12, probe = 0.013, pause = 0.014, pause_max = 0.015 }, told.rules.circuit)
    assert.same({ shape = "constant", jitter = "none", budget = "quota", capacity = 500, success = 0.003, cost = 0.004,
      cost_lost = 0.005 }, told.rules.again)
    assert.same({ shape = "bucket", per = "tenant", calls = 16, span = 86400, burst = 18, wait = 0.019 }, told.rules.rate)
    assert.same({ target = 0.029, most = 0.03, patience = 0.031 }, told.rules.shed.critical)
    assert.same({ "limit", "circuit", "deadline", "rate", "retry", "hedge" }, told.rules.order)
    assert.same({ policy = "batch", priority = "normal", apart = false }, told.operations.report)
  end)
end)
