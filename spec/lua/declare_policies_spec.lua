-- Declarations from folders: policies, what comes from the environment, several files and folders.

local declare = require "nebula.declare"
local declared = require "spec.support.declared"

local errors_of, errors_in, read = declared.errors_of, declared.errors_in, declared.read
local KINDS = declared.kinds

describe("declare", function()
  it("has no mistakes in the policies that ship", function()
    for _, name in ipairs { "standard", "database", "cache", "batch", "critical", "external-api" } do
      local set = assert(read { ["resources/a.lua"] = ('sqlite "a" { file = "f", policy = "%s" }'):format(name) })
      local policy = set.resources[1].policy
      assert.is_true(policy.wait_us <= policy.deadline_us and policy.tries >= 2)
    end
  end)

  it("reports duplicates, but a policy of the user's replaces one that ships", function()
    assert.equal("resources/b.lua:1:1: a: there is already a resource of this name, in " .. "DIR/resources/a.lua:1",
      (errors_of { ["resources/a.lua"] = 'sqlite "a" { file = "1" }', ["resources/b.lua"] = 'postgres "a" { file = "2" }' })
        :gsub("in /[^:]*/resources", "in DIR/resources"))
    assert.matches("there is already a policy of this name", errors_of {
      ["policies/a.lua"] = 'policy "p" {} policy "p" {}' })
    local set = assert(read { ["resources/a.lua"] = 'sqlite "a" { file = "1" }',
      ["policies/a.lua"] = 'policy "standard" { retry = { tries = 1 } }' })
    assert.equal(1, set.resources[1].policy.tries)
    assert.equal(5e6, set.resources[1].policy.deadline_us)
  end)

  it("follows a line of a hundred policies, and no longer one", function()
    local line = 'for i = 2, %d do policy("p" .. i) { like = "p" .. i - 1 } end policy "p1" { retry = { tries = 7 } } '
    local last = "sqlite 'a' { file = ':memory:', pool = { max = 1 }, policy = 'p100' }"
    local set = declared.read { ["resources/a.lua"] = line:format(100) .. last }
    assert.equal(7, set.resources[1].policy.tries)
    assert.matches("p101.like: is like more than 99 others, one after the other$", errors_of { ["resources/a.lua"] = line:format(101) })
  end)

  it("reports policies that are like themselves, like nothing, or contradict themselves", function()
    assert.equal([[
policies/a.lua:3:14: c.like: goes round in a circle: a -> b -> c -> a
policies/a.lua:4:14: d.like: there is no policy "nobody"
policies/a.lua:5:14: e.like: goes round in a circle: e -> e
policies/a.lua:6:42: f.call.wait: is more than deadline, which is 1s
policies/a.lua:7:15: g.call: expected a table { ... }, got a number
policies/a.lua:7:35: g.retry.on: "always" is not possible here; known: safe; or a function]],
      (errors_of { ["policies/a.lua"] = [[
policy "a" { like = "b" }
policy "b" { like = "c" }
policy "c" { like = "a" }
policy "d" { like = "nobody" }
policy "e" { like = "e" }
policy "f" { call = { deadline = "1s",   wait = "2s" } }
policy "g" {  call = 5, retry = { on = "always" } }]] }))
  end)

  it("reads the environment; what is no secret may be seen", function()
    local set = assert(read { ["resources/a.lua"] = [[
sqlite "a" { file = "postgres://u:" .. env "HOME" .. "@h", password = env("NEBULA_SPEC_NONE", "none"), journal = "wal" }]] })
    local shown = {}
    for _, option in ipairs(set.resources[1].options) do
      shown[option.name] = option
    end
    assert.same({ name = "file", value = "postgres://u:" .. os.getenv "HOME" .. "@h", secret = true }, shown.file)
    assert.same({ name = "password", value = "none", secret = true }, shown.password)
    assert.is_false(shown.journal.secret)
    local plain = assert(read { ["resources/a.lua"] = [[sqlite "a" { file = env "HOME", journal = "wal" }]] })
    for _, option in ipairs(plain.resources[1].options) do
      assert.is_false(option.name == "file" and option.secret)
    end
    assert.equal("resources/a.lua:1:14: a.file: the environment variable NEBULA_SPEC_NONE is not set",
      errors_in 'sqlite "a" { file = env "NEBULA_SPEC_NONE" }')
    for _, use in ipairs { 'tostring(env "HOME")', 'env "HOME" + 1', '("%s"):format(env "HOME")', 'env "HOME" < "a"',
      'env "HOME".x', 'tonumber(env "HOME")', 'env(5)', 'env("A", {})', 'env "HOME" .. {}' } do
      assert.matches("^resources/a.lua:2:%d+: ", errors_in("\nlocal a = " .. use))
    end
  end)

  it("says so when a folder is not there, and reads one that has no declarations", function()
    local _, errors = declare.read { home = ".", dirs = { "/nowhere/at/all" }, kinds = KINDS }
    assert.equal("/nowhere/at/all:1:1: cannot be read: No such file or directory", tostring(errors[1]))
    assert.same({}, assert(read {}).resources)
  end)

  it("lists resources of several folders in order", function()
    local _, _, first = read { ["resources/z.lua"] = 'sqlite "one" { file = "1" }' }
    local _, _, folder = read { ["resources/a.lua"] = 'sqlite "two" { file = "2" }' }
    local set = assert(declare.read { home = ".", dirs = { first, folder }, kinds = KINDS })
    assert.same({ "one", "two" }, { set.resources[1].name, set.resources[2].name })
  end)
end)
