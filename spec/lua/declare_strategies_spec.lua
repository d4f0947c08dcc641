-- Strategies as they are declared: what they may say, who may name them, and what is wrong with the rest.

local declare = require "nebula.declare"
local declared = require "spec.support.declared"
local strategies = require "nebula.declare.strategies"
local tmp = require "spec.support.tmp"
local worker = require "nebula.worker"

local SHOP = 'sqlite "shop" { file = "shop.db", pool = { min = 2, max = 20, strategy = "busy" } }'

local function read(strategy, resource)
  return declared.read { ["policies/s.lua"] = strategy, ["resources/a.lua"] = resource or SHOP }
end

local function mistakes_of(strategy, resource)
  return declared.errors_of { ["policies/s.lua"] = strategy, ["resources/a.lua"] = resource or SHOP }
end

local function has(expected, text)
  assert(text:find(expected, 1, true), expected .. " is not in:\n" .. text)
end

describe("a strategy", function()
  it("is what a pool names, with its function where questions find it", function()
    local set, _, folder = read 'return strategy "busy" {\n  every = "1s",\n  size = function(pool) return pool.in_use end,\n}'
    local file = folder .. "/policies/s.lua"
    assert.same({ name = "busy", every_us = 1000000,
      size = { kind = "strategy", name = "busy", path = "size", file = file, line = 3 } }, set.resources[1].strategy)
    assert.equal(file, set.asked[1].file)
    assert.equal(20, set.resources[1].pool.max)
  end)

  it("is asked every five seconds when it does not say how often, and every 100 ms at most", function()
    assert.equal(5000000, read('strategy "busy" { size = function() end }').resources[1].strategy.every_us)
    assert.equal(100000, read('strategy "busy" { every = "100ms", size = function() end }').resources[1].strategy.every_us)
    has("policies/s.lua:1:19: busy.every: is less than 100ms", mistakes_of 'strategy "busy" { every = "99ms", size = function() end }')
    has("busy.every: is less than 100ms", mistakes_of 'strategy "busy" { every = "0s", size = function() end }')
    has("busy.every: is more than 365d", mistakes_of 'strategy "busy" { every = "366d", size = function() end }')
    has("busy.every: 5 will not do", mistakes_of 'strategy "busy" { every = 5, size = function() end }')
  end)

  it("has a size that is a function", function()
    has("busy.size: is missing", mistakes_of 'strategy "busy" { every = "1s" }')
    for _, size in ipairs { "5", '"5"', "{}", "true" } do
      has("policies/s.lua:1:19: busy.size: expected a function", mistakes_of(('strategy "busy" { size = %s }'):format(size)))
    end
    has("busy.size: is a function of the language: write one here", mistakes_of 'strategy "busy" { size = tonumber }')
    has('busy.sise: unknown setting; did you mean "size"?', mistakes_of 'strategy "busy" { sise = function() end }')
    has("busy.every: a function cannot stand here", mistakes_of 'strategy "busy" { every = function() end, size = function() end }')
  end)

  it("may be like another one, and has that one's function", function()
    local file = ", size = function() end }"
    local like = 'strategy "fast" { every = "1s"' .. file .. '\nstrategy "busy" { like = "fast", every = "1m" }'
    local set, _, folder = read(like)
    assert.same({ name = "busy", every_us = 60000000, size = { kind = "strategy", name = "fast", path = "size",
      file = folder .. "/policies/s.lua", line = 1 } }, set.resources[1].strategy)
    assert.equal(1, #set.asked)
    local own = 'strategy "fast" { every = "1s"' .. file .. '\nstrategy "busy" { like = "fast"' .. file
    assert.equal(1000000, read(own).resources[1].strategy.every_us)
    assert.equal("busy", read(own).resources[1].strategy.size.name)
    local ships = read 'strategy "busy" { like = "adaptive", every = "30s" }'
    assert.equal("adaptive", ships.resources[1].strategy.size.name)
    assert.matches("policies/adaptive.lua$", ships.resources[1].strategy.size.file)
  end)

  it("is like one that exists, and not like itself", function()
    assert.equal('policies/s.lua:1:19: busy.like: there is no strategy "bus"; did you mean "busy"?',
      mistakes_of 'strategy "busy" { like = "bus" }')
    assert.equal("policies/s.lua:1:19: busy.like: goes round in a circle: busy -> busy", mistakes_of 'strategy "busy" { like = "busy" }')
    assert.equal("policies/s.lua:1:19: busy.size: expected a function, got a number",
      mistakes_of 'strategy "busy" { size = 5 }\nstrategy "calm" { like = "busy" }')
    assert.equal("policies/s.lua:1:1: busy.size: is missing",
      mistakes_of 'strategy "busy" { every = "1s" }\nstrategy "calm" { like = "busy" }')
    has("busy.like: expected a text", mistakes_of 'strategy "busy" { like = 5 }')
    assert.equal("policies/s.lua:1:19: busy.like: is written here, and does not come from the environment",
      mistakes_of 'strategy "busy" { like = env("NO_SUCH", "adaptive") }')
  end)

  it("may be used by nobody, and is looked at all the same", function()
    local set = read('strategy "idle" { size = function() end }', 'sqlite "shop" { file = "x" }')
    assert.is_nil(set.resources[1].strategy)
    assert.is_truthy(set.asked)
    has("idle.every", mistakes_of('strategy "idle" { every = "1ms", size = function() end }', 'sqlite "shop" { file = "x" }'))
  end)

  it("may stand in any file, behind who names it, and is there once", function()
    assert.equal("busy", read("", SHOP .. '\nstrategy "busy" { size = function() end }').resources[1].strategy.name)
    has("busy: there is already a strategy of this name, in", mistakes_of(
      'strategy "busy" { size = function() end }\nstrategy "busy" { size = function() end }'))
    assert.is_truthy(read 'policy "busy" { like = "standard" }\nstrategy "busy" { size = function() end }')
  end)

  it("has a name that exists", function()
    has('resources/a.lua:1:63: shop.pool.strategy: there is no strategy "busy"; did you mean "bus"?',
      mistakes_of 'strategy "bus" { size = function() end }')
    has("shop.pool.strategy: expected a text, got a number", mistakes_of("", 'sqlite "shop" { file = "x", pool = { strategy = 5 } }'))
    has('shop.strategy: is said of the pool: pool = { strategy = "mine" }',
      mistakes_of("", 'sqlite "shop" { file = "x", strategy = "busy" }'))
    has("has no name; write strategy", mistakes_of("strategy {}", 'sqlite "shop" { file = "x" }'))
    has("a name begins with a letter", mistakes_of('strategy "5" { size = function() end }', 'sqlite "shop" { file = "x" }'))
  end)

  it("does not repeat a name that comes from the environment", function()
    local said = mistakes_of("", 'sqlite "shop" { file = "x", pool = { strategy = env("NO_SUCH", "hunter2") } }')
    has("there is no strategy of this name", said)
    assert.is_nil(said:find("hunter2", 1, true))
    said = mistakes_of('strategy "hunter" { size = function() end }',
      'sqlite "shop" { file = "x", pool = { strategy = env("NO_SUCH", "hunter2") } }')
    assert.is_nil(said:find("did you mean", 1, true))
  end)

  it("takes the place of one of an earlier folder, wrong as that may be", function()
    local folders = {}
    for i, every in ipairs { "1ms", "2s" } do
      folders[i] = tmp.folder()
      tmp.write(folders[i], "policies/s.lua", ('strategy "busy" { every = %q, size = function() end }'):format(every))
    end
    tmp.write(folders[2], "resources/a.lua", SHOP)
    local set = assert(declare.read { home = ".", dirs = folders, kinds = declared.kinds })
    assert.equal(2000000, set.resources[1].strategy.every_us)
  end)

  it("is not for tenants, nor for who lives in memory", function()
    local kinds = require("nebula.kind").load { worker.home .. "/resources/postgres.lua", worker.home .. "/resources/sqlite.lua" }
    local function refused(resource)
      local folder = tmp.folder()
      tmp.write(folder, "resources/a.lua", resource)
      local _, errors = declare.read { home = worker.home, dirs = { folder }, kinds = kinds }
      assert.equal(1, #errors)
      return tostring(errors[1])
    end
    has("one.pool.strategy: a resource of tenants has none: each of them has a pool of his own",
      refused 'postgres "one" { host = "h", dbname = "shop_{tenant}", user = "u", pool = { strategy = "adaptive" } }')
    has("one.pool.strategy: its one connection is its data, so its size is nobody's to say",
      refused 'sqlite "one" { file = ":memory:", pool = { max = 1, strategy = "adaptive" } }')
  end)

  it("takes the place of one that ships", function()
    local set = read('strategy "adaptive" { every = "7s", size = function() end }', (SHOP:gsub("busy", "adaptive")))
    assert.equal(7000000, set.resources[1].strategy.every_us)
  end)

  it("has a manual of all that it gets, which is no more than a question may have", function()
    for _, field in ipairs(strategies.fields) do
      assert.is_true(#field[2] > 0 and field[3]:sub(-1) == ".", field[1])
    end
    assert.is_true(#strategies.fields <= 32)
  end)
end)
