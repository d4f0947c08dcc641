-- Declarations of what stands in front of calls: caches and fallbacks.

local asking = require "nebula.asking"
local declared = require "spec.support.declared"

local errors_of, read = declared.errors_of, declared.read

describe("declare", function()
  local with_reads = { query = true }

  setup(function() declared.kinds.sqlite.reads = with_reads end)
  teardown(function() declared.kinds.sqlite.reads = nil end)

  local function front_of(policy, more)
    local files = { ["policies/p.lua"] = ('policy "p" { like = "standard", %s }'):format(policy),
      ["resources/a.lua"] = 'sqlite "a" { file = "f", policy = "p" } sqlite "b" { file = "g" }' }
    for path, text in pairs(more or {}) do files[path] = text end
    local set, errors = read(files)
    return (assert(set, errors and tostring(errors[1]))).resources[1].policy.front, set
  end

  local ALL = { deadline = true, wait = true, full = true, paused = true, lost = true, unreachable = true, unfit = true,
    denied = true, busy = true, locked = true, conflict = true, storage = true, server = true, protocol = true, memory = true,
    open = true, rate = true, shed = true }

  it("puts nothing in front unless it is said", function()
    assert.is_nil(front_of "")
    assert.is_nil(front_of "cache = {}")
    assert.is_nil(front_of "cache = { entries = 5 }")
    assert.is_nil(front_of "cache = { single_flight = false }")
    assert.is_nil(front_of "fallback = {}")
  end)

  it("reads a cache", function()
    assert.same({ ttl_us = 5e6, stale_us = 0, stale_if_error_us = 0, entries = 1000, bytes = 16e6, is_single = true, steps = {} },
      front_of 'cache = { ttl = "5s" }')
    assert.same({ ttl_us = 5e6, stale_us = 30e6, stale_if_error_us = 300e6, entries = 7, bytes = 64000, is_single = false,
      steps = {} }, front_of [[cache = { ttl = "5s", stale = "30s", stale_if_error = "5m", entries = 7, bytes = "64kB",
      single_flight = false }]])
    assert.same({ ttl_us = 0, stale_us = 0, stale_if_error_us = 0, entries = 1000, bytes = 16e6, is_single = true, steps = {} },
      front_of "cache = { single_flight = true }")
  end)

  it("reads a fallback, or a list of them", function()
    assert.same({ { way = "last", what = 600e6, on = ALL } }, front_of('fallback = { last = "10m" }').steps)
    assert.same({
      { way = "last", what = 1000, on = { lost = true } }, { way = "resource", what = "b", on = ALL },
      { way = "value", what = { 1, { a = "x", [true] = false } }, on = { open = true, full = true } },
      { way = "value", what = false, on = ALL },
    }, front_of([[fallback = { { last = "1ms", on = "lost" }, { resource = "b" },
      { value = { 1, { a = "x", [true] = false } }, on = { "open", "full" } }, { value = false } }]]).steps)
  end)

  it("keeps a function as what can be asked, and inherits it", function()
    local step = front_of("fallback = { { last = '1s' }, { call = function(e)\n return 1 end } }").steps[2]
    assert.same({ "call", "policy", "p", "fallback.2.call" }, { step.way, step.what.kind, step.what.name, step.what.path })
    local lone, set = front_of("", { ["policies/q.lua"] = 'policy "q" { fallback = { call = function(e) return e.code end } }',
      ["policies/p.lua"] = 'policy "p" { like = "q", cache = { ttl = "1s" } }' })
    assert.same({ "q", "fallback.call" }, { lone.steps[1].what.name, lone.steps[1].what.path })
    assert.equal(1e6, lone.ttl_us)
    asking.begin(set.asked, declared.kinds)
    assert.equal("lost", asking.ask(lone.steps[1].what, { type = "any" }, { code = "lost" }))
    asking.begin(nil, declared.kinds)
    assert.is_nil(asking.ask(lone.steps[1].what, { type = "any" }, { code = "lost" }))
  end)

  it("inherits a cache, and part of one may be said anew", function()
    local more = { ["policies/q.lua"] = 'policy "q" { cache = { ttl = "9s", stale = "1s", entries = 3 }, fallback = { value = 1 } }' }
    more["policies/p.lua"] = 'policy "p" { like = "q", cache = { entries = 5 } }'
    local front = front_of("", more)
    assert.same({ 9e6, 1e6, 5, true, 1 }, { front.ttl_us, front.stale_us, front.entries, front.is_single, front.steps[1].what })
    more["policies/p.lua"] = 'policy "p" { like = "q", cache = { ttl = "0s" }, fallback = {} }'
    assert.is_nil(front_of("", more))
  end)

  it("reads a value from the environment", function()
    assert.same({ home = os.getenv "HOME" }, front_of('fallback = { value = { home = env "HOME" } }').steps[1].what)
  end)

  it("reports what cannot be meant, each with its place", function()
    assert.equal([[
policies/a.lua:1:24: a.cache.ttl: 5 will not do: expected a time with its unit (us ms s m h d), such as "250ms" or "10m"
policies/a.lua:2:24: b.cache.stale: counts only behind a ttl: ttl = "5s", for example
policies/a.lua:3:24: c.cache.stale_if_error: counts only behind a ttl: ttl = "5s", for example
policies/a.lua:4:24: d.cache.entries: is less than 1
policies/a.lua:4:37: d.cache.bytes: is less than 1kB
policies/a.lua:4:53: d.cache.tll: unknown setting; did you mean "ttl"?
policies/a.lua:5:16: e.fallback: expected a list { ... }, got a number
policies/a.lua:6:16: f.fallback: has one of last, resource, value, call; for several write a list: { { last = "10m" }, { value = {} } }
policies/a.lua:7:16: g.fallback: has one of last, resource, value, call
policies/a.lua:7:29: g.fallback.on: "cancelled" is not possible here
policies/a.lua:8:31: h.fallback[1].last: is less than 1ms
policies/a.lua:8:47: h.fallback[2]: expected a table { ... }, got a number
policies/a.lua:8:52: h.fallback[3].call: expected a function, got a number
policies/a.lua:9:39: i.fallback.value.a: a function cannot stand here
policies/a.lua:10:42: j.fallback[2]: a value without a name]], (errors_of { ["policies/a.lua"] = [[
policy "a" { cache = { ttl = 5 } }
policy "b" { cache = { stale = "5s" } }
policy "c" { cache = { stale_if_error = "5s" } }
policy "d" { cache = { entries = 0, bytes = "999B", tll = "5s" } }
policy "e" {   fallback = 5 }
policy "f" {   fallback = { last = "1s", value = 1 } }
policy "g" {   fallback = { on = "cancelled" } }
policy "h" {   fallback = { { last = "0s" },  5, { call = 5 } } }
policy "i" {   fallback = { value = { a = function() end } } }
policy "j" {   fallback = { last = "1s", [2] = 5 } }]] }))
  end)

  local function at_resources(text, policies)
    return errors_of { ["resources/a.lua"] = text, ["policies/p.lua"] = policies }
  end

  it("reports fallbacks that lead nowhere", function()
    assert.equal([[
resources/a.lua:1:27: a.policy: the fallback of the policy p is a resource that is not declared; did you mean "b"?
resources/a.lua:2:26: b.policy: the fallback of the policy q, c, has no method in common with it
resources/a.lua:3:28: c.policy: the policy q has a cache or a fallback, and nothing that this kind does can have one]],
      at_resources([[
sqlite "a" { file = "f",  policy = "p" } sqlite "bb" { file = "f" }
sqlite "b" { file = "f", policy = "q" }
postgres "c" { file = "f", policy = "q" }]], [[
policy "p" { fallback = { resource = "b2" } }
policy "q" { fallback = { resource = "c" } }]]))
  end)

  it("reports fallbacks that go round in a circle", function()
    assert.equal([[
resources/a.lua:1:26: a.policy: its fallbacks go round in a circle: a -> a
resources/a.lua:2:26: b.policy: its fallbacks go round in a circle: b -> c -> d -> b
resources/a.lua:3:26: c.policy: its fallbacks go round in a circle: c -> d -> b -> c
resources/a.lua:4:26: d.policy: its fallbacks go round in a circle: d -> b -> c -> d]], at_resources([[
sqlite "a" { file = "f", policy = "a" }
sqlite "b" { file = "f", policy = "b" }
sqlite "c" { file = "f", policy = "c" }
sqlite "d" { file = "f", policy = "d" }
sqlite "e" { file = "f", policy = "e" }]], [[
policy "a" { fallback = { resource = "a" } }
policy "b" { fallback = { { value = 1 }, { resource = "c" } } }
policy "c" { fallback = { { last = "1s" }, { resource = "d" } } }
policy "d" { fallback = { { resource = "b" } } }
policy "e" { fallback = { { resource = "a" }, { resource = "b" } } }]]))
  end)
end)
