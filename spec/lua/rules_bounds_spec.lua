-- Whatever passes as a declaration the engine takes: each setting of a policy at its bounds, and policies by chance.

local c = require "nebula.c"
local declared = require "spec.support.declared"
local keys = require "nebula.keys"
local kinds = require "spec.kinds.declared"
local rows = require "nebula.declare.rules"
local rules = require "nebula.rules"
local specs = require "nebula.spec"
local units = require "nebula.units"

local lib, engine = c.lib, c.engine

local one = kinds.use 'sqlite "bounds" { file = ":memory:", pool = { max = 1 } }'

-- The values at the bounds of a row, as a declaration has them: text of Lua.
local at_bounds = {
  integer = function(row) return { row.min, row.max } end,
  number = function(row) return { row.min, row.max } end,
  share = function() return { 0, 1 } end,
  boolean = function() return { "true", "false" } end,
  duration = function(row) return { ("%q"):format(units.show_duration(row.min)), '"365d"' } end,
  pace = function() return { '"1/s"', '"1000000000/s"', '"1000000000/d"', '"0.004/d"' } end,
  window = function() return { 1, 1000, '"10us"', '"365d"' } end,
  delay = function() return { '"p0.1"', '"p99.9"', '"1us"', '"365d"' } end,
  enum = function() return {} end,
}

-- The leaves of the rows: { path, values }.
local function leaves(fields, path, list)
  for _, name in ipairs(keys(fields)) do
    local row = fields[name]
    if row.fields and not row.instead and row ~= rows.policy.cache then -- that is no matter of the engine
      leaves(row.fields, path .. name .. ".", list)
    elseif at_bounds[row.type] and not (row.not_yet or row.instead) then
      local values = at_bounds[row.type](row)
      for _, word in ipairs(row.one_of or row.words or {}) do values[#values + 1] = ("%q"):format(word) end
      list[#list + 1] = { path .. name, values }
    end
  end
  return list
end

local LEAVES = leaves(rows.policy, "", {})

-- A tree of settings as text, from paths and values.
local function text_of(said)
  local tree = {}
  for path, value in pairs(said) do
    local at = tree
    for name in path:gmatch "([^.]+)%." do
      at[name] = at[name] or {}
      at = at[name]
    end
    at[path:match "[^.]+$"] = value
  end
  local function show(at)
    local list = {}
    for i, name in ipairs(keys(at)) do
      list[i] = ("%s = %s"):format(name, type(at[name]) == "table" and show(at[name]) or tostring(at[name]))
    end
    return "{ " .. table.concat(list, ", ") .. " }"
  end
  return show(tree)
end

-- What is declared of texts from one to another: policies, and a resource for each of them.
local function read(texts, from, to, is_wrong)
  local policies, resources = {}, {}
  for i = from, math.min(to, #texts) do
    if not is_wrong[i] then
      policies[#policies + 1] = ('policy "p%d" %s'):format(i, texts[i])
      resources[#resources + 1] = ('sqlite "r%d" { file = "f", policy = "p%d" }'):format(i, i)
    end
  end
  return declared.read { ["policies/a.lua"] = table.concat(policies, "\n"),
    ["resources/a.lua"] = table.concat(resources, "\n") }
end

local AT_ONCE = 100 -- as many texts have no more mistakes than are told

-- The policies of these texts that pass, in the engine's units, by the numbers of the texts.
local function passing(texts)
  local list, passed = {}, {}
  for from = 1, #texts, AT_ONCE do
    local is_wrong = {}
    local set, errors = read(texts, from, from + AT_ONCE - 1, is_wrong)
    for _, e in ipairs(errors or {}) do is_wrong[tonumber(e.path:match "^[pr](%d+)")] = true end
    set = set or assert(read(texts, from, from + AT_ONCE - 1, is_wrong))
    for _, resource in ipairs(set.resources) do
      local i = tonumber(resource.name:match "%d+")
      list[#list + 1], passed[i] = i, resource.policy
    end
  end
  return list, passed
end

local function check_all(texts)
  local list, passed = passing(texts)
  for _, i in ipairs(list) do
    local policy = passed[i]
    local code = lib.nebula_rules(engine, one.id, rules.struct(policy.rules))
    assert.equal(0, code, texts[i] .. ": " .. c.string(lib.nebula_error(engine)))
    for _, is_apart in ipairs { true, false } do
      local at, all = specs.policy(policy, is_apart)
      assert.is_true(lib.nebula_operation(engine, one.id, is_apart and "a" or "b", at, all, is_apart) > 0,
        texts[i] .. ": " .. c.string(lib.nebula_error(engine)))
    end
  end
  return #list
end

describe("a policy that passes", function()
  it("is taken by the engine, each setting at each of its bounds", function()
    local texts = {}
    for _, leaf in ipairs(LEAVES) do
      for _, value in ipairs(leaf[2]) do
        local said = { [leaf[1]] = value }
        if leaf[1]:find "^limit.rate" then said["limit.rate.calls"] = said["limit.rate.calls"] or '"9/s"' end
        if leaf[1] == "limit.queue" then said["limit.concurrent"] = 5 end
        if leaf[1]:find "^limit.adaptive" then said["limit.adaptive.tolerance"] = said["limit.adaptive.tolerance"] or 2 end
        if leaf[1]:find "^retry.tokens" then said["retry.budget"] = '"quota"' end
        texts[#texts + 1] = text_of(said)
      end
    end
    local passed = check_all(texts)
    assert.is_true(#texts > 110 and passed >= #texts - 15, ("%d of %d pass"):format(passed, #texts))
  end)

  it("is taken by the engine, whatever it says", function()
    local seed = tonumber(os.getenv "NEBULA_SEED") or os.time()
    math.randomseed(seed)
    local texts = {}
    for i = 1, 2000 do
      local said = { ["limit.rate.calls"] = math.random(2) == 1 and '"7/m"' or nil }
      for _ = 1, math.random(4) do
        local leaf = LEAVES[math.random(#LEAVES)]
        said[leaf[1]] = leaf[2][math.random(#leaf[2])]
      end
      texts[i] = text_of(said)
    end
    local ok, passed = pcall(check_all, texts)
    assert.is_true(ok, ("NEBULA_SEED=%d: %s"):format(seed, tostring(passed)))
    assert.is_true(passed > 400, ("NEBULA_SEED=%d: %d of 2000 pass"):format(seed, passed))
  end)

  it("and one that does not pass would not be taken, either: the engine's own bounds are looked at", function()
    local at = rules.struct { hedge = { copies = 6, permille = 1, burst = 1 } }
    assert.is_true(lib.nebula_rules(engine, one.id, at) < 0)
    assert.matches("hedge: 2 to 5 copies", c.string(lib.nebula_error(engine)))
  end)
end)
