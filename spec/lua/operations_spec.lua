-- Calls that go by another policy than their resource: its operations, and policies that a call names.

local call = require "nebula.call"
local declare = require "nebula.declare"
local kind = require "nebula.kind"
local program = require "spec.support.program"
local resources = require "nebula.resource"
local tmp = require "spec.support.tmp"
local worker = require "nebula.worker"

local SLOW = "with recursive t(n) as (select 1 union all select n + 1 from t limit 100000000) select max(n) from t"

local POLICIES = {
  shut = 'return policy "shut" { circuit = { mode = "open" } }',
  hasty = 'return policy "hasty" { call = { deadline = "5ms" } }',
  rare = 'return policy "rare" { limit = { rate = { calls = "1/h", burst = 3 } } }',
  shedding = 'return policy "shedding" { shed = {} }',
}

-- A resource of that name with what else is said, and all policies known to calls, as the program does it.
local function use(name, more)
  local folder = tmp.folder()
  tmp.write(folder, "resources/a.lua", ('sqlite "%s" { file = ":memory:", pool = { max = 1 }, %s }'):format(name, more))
  for policy, text in pairs(POLICIES) do tmp.write(folder, ("policies/%s.lua"):format(policy), text) end
  local set, errors = declare.read { dirs = { folder }, home = worker.home,
    kinds = kind.load { worker.home .. "/resources/sqlite.lua" } }
  assert(set, tostring((errors or {})[1]))
  call.policies = function() return set.policies:all() end
  return assert(resources.declare(set.resources[1]))
end

local function code_of(value, err)
  return err and err.code or value
end

-- What is raised, without its place.
local function raised(fn, ...)
  local ok, err = pcall(fn, ...)
  assert.is_false(ok)
  return (tostring(err):gsub("^[^ ]*:%d+: ", ""))
end

describe("an operation", function()
  it("goes by its own policy, and what has no name by that of the resource", function()
    local shop = use("one", 'operations = { quick = "hasty", none = { policy = "shut", apart = true } }')
    assert.equal("deadline", code_of(shop:value({ operation = "quick" }, SLOW)))
    shop:value({ operation = "none" }, "select 1") -- with which its circuit comes to be
    assert.equal("open", code_of(shop:value({ operation = "none" }, "select 1")))
    assert.equal(1, shop:value "select 1")
    assert.equal(1, shop:value({ idempotent = true }, "select 1"))
    assert.equal(1, shop:value({ operation = "quick" }, "select 1"))
  end)

  it("counts with the others where it is not apart", function()
    local shop = use("two", 'policy = "rare", operations = { some = "standard", own = { policy = "rare", apart = true } }')
    for _ = 1, 3 do assert.equal(1, shop:value({ operation = "some" }, "select 1")) end
    assert.equal("rate", code_of(shop:value({ operation = "some" }, "select 1")))
    assert.equal("rate", code_of(shop:value "select 1"))
    for _ = 1, 3 do assert.equal(1, shop:value({ operation = "own" }, "select 1")) end
    assert.equal("rate", code_of(shop:value({ operation = "own" }, "select 1")))
  end)

  it("needs no limit to shed by, for it has that of its resource, or of the pools", function()
    local shop = use("three", 'policy = "shedding", operations = { a = "shedding", b = { policy = "shedding", apart = true } }')
    for _, options in ipairs { {}, { operation = "a" }, { operation = "b" }, { policy = "shedding", priority = "batch" } } do
      assert.equal(1, shop:value(options, "select 1"))
    end
  end)
end)

describe("a call", function()
  it("goes by the policy that it names", function()
    local shop = use("four", 'policy = "rare"')
    assert.equal("deadline", code_of(shop:value({ policy = "hasty" }, SLOW)))
    for _ = 1, 2 do assert.equal(1, shop:value({ policy = "critical", priority = "critical" }, "select 1")) end
    assert.equal("rate", code_of(shop:value({ policy = "hasty" }, "select 1"))) -- the rate of the resource
  end)

  it("is refused when it names what is not there", function()
    local shop = use("five", 'operations = { report = "batch" }')
    local value = shop.value
    for text, options in pairs {
      ['five has no operation "repotr"; did you mean "report"?'] = { operation = "repotr" },
      ['there is no policy "bacth"; did you mean "batch"?'] = { policy = "bacth" },
      ['there is no priority "high"; known: batch, critical, normal'] = { priority = "high" },
      ["an operation has its policy already: say one of the options operation and policy"] =
        { operation = "report", policy = "batch" },
    } do
      assert.equal(text, raised(value, shop, options, "select 1"))
    end
    local four = resources.use "four"
    assert.equal('four has no operation "report"', raised(four.value, four, { operation = "report" }, "select 1"))
    assert.matches("the option policy must be a string, not a number", raised(value, shop, { policy = 5 }, "select 1"))
  end)

  it("that runs on a lease goes by no rules", function()
    local shop = resources.use "five"
    for _, name in ipairs { "operation", "policy", "priority" } do
      local options = { [name] = "batch" }
      assert.equal(("the option %s is for a resource: select ? runs on a lease, which goes by no rules"):format(name),
        raised(shop.with, shop, function(lease) lease:value(options, "select 1") end))
      assert.equal(("the option %s is for a resource: what has several statements runs on a lease, which goes by no rules")
        :format(name), raised(shop.exec, shop, options, "select 1; select 2"))
      assert.matches("there is no option " .. name, raised(shop.stream, shop, options, "select 1"))
      assert.matches("there is no option " .. name, raised(shop.lease, shop, options))
    end
  end)

  it("names policies in every worker", function()
    local folder = tmp.folder()
    tmp.write(folder, "policies/a.lua", 'policy "shut" { circuit = { mode = "open" } }')
    tmp.write(folder, "resources/a.lua", ('sqlite "shop" { file = %q, operations = { report = "batch", '
      .. 'none = { policy = "shut", apart = true } } }'):format(folder .. "/shop.db"))
    local path = tmp.write(folder, "flow.lua", [[
      local results = spawn_on_all(function()
        local shop = use "shop"
        assert(shop:value({ policy = "external-api", priority = "batch" }, "select 1") == 1)
        assert(shop:value({ operation = "report" }, "select 1") == 1)
        shop:value({ operation = "none" }, "select 1")
        local _, err = shop:value({ operation = "none" }, "select 1")
        return err.code .. (select(2, pcall(shop.value, shop, { policy = "shutt" }, "select 1")):match "did you mean .*")
      end):join()
      for _, one in ipairs(results) do print(one) end]])
    local said = program.ended(0, program.nebula("run", "--workers", "3", path)).output
    assert.equal(('opendid you mean "shut"?\n'):rep(3), said)
  end)
end)
