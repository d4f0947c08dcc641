-- Where the settings of a policy stand: in the first of those that are like one another that says them.

local declared = require "spec.support.declared"

-- FILE:LINE of each setting, without the folder.
local function places_of(files, at)
  local set, errors, folder = declared.read(files)
  assert(set, errors and tostring(errors[1]))
  local found = {}
  for setting, place in pairs(set.resources[at or 1].places) do
    local file = place.file:sub(1, #folder) == folder and place.file:sub(#folder + 2) or place.file
    found[setting] = ("%s:%d"):format(file, place.line)
  end
  return found
end

local function using(name)
  return ('sqlite "a" { file = "f", policy = "%s" }'):format(name)
end

describe("a setting of a policy", function()
  it("stands where the policy says it", function()
    assert.same({
      deadline = "policies/db.lua:4", wait = "policies/db.lua:5", retry = "policies/db.lua:8",
    }, places_of { ["resources/a.lua"] = using "db", ["policies/none.lua"] = 'policy "none" {}', ["policies/db.lua"] = [[
return policy "db" {
  like = "none",
  call = {
    deadline = "2s",
    wait = "1s",
  },

  retry = {
    tries = 2,
  },
}]] })
  end)

  it("stands in what it is like, where the policy itself says nothing, and so on", function()
    local files = {
      ["resources/a.lua"] = using "c",
      ["policies/a.lua"] = 'policy "a" { call = { wait = "1s" },\nretry = { tries = 2 } }',
      ["policies/b.lua"] = '\n\npolicy "b" { like = "a",\ncall = {\n deadline = "9s" } }',
      ["policies/c.lua"] = 'policy "c" { like = "b" }',
    }
    assert.same({ deadline = "policies/b.lua:5", wait = "policies/a.lua:1", retry = "policies/a.lua:2" },
      places_of(files))
    files["policies/c.lua"] = 'policy "c" { like = "b",\n call = { wait = "2s" } }'
    assert.equal("policies/c.lua:2", places_of(files).wait)
    assert.equal("policies/b.lua:5", places_of(files).deadline)
  end)

  it("stands in the file that ships", function()
    for _, text in ipairs { using "standard", 'sqlite "a" { file = "f" }' } do
      local found = places_of { ["resources/a.lua"] = text }
      assert.matches("^%./policies/standard%.lua:%d+$", found.deadline)
      local lines = {}
      for line in io.lines "policies/standard.lua" do lines[#lines + 1] = line end
      for setting, place in pairs(found) do
        assert.matches("^%s*" .. setting .. "%s*=", lines[tonumber(place:match "%d+$")])
      end
    end
  end)

  it("stands nowhere when no policy says it, and in the line of what makes it when that is computed", function()
    assert.same({ retry = "policies/p.lua:3" }, places_of { ["resources/a.lua"] = using "p", ["policies/p.lua"] = [[
local function often() return { tries = 5 } end
policy "p" {
  retry = often(),
}]] })
    assert.same({ wait = "policies/p.lua:2" }, places_of { ["resources/a.lua"] = using "p", ["policies/p.lua"] = [[
local settings = { call = { wait = "1s" } }
policy "p" (settings)]] })
  end)

  it("may be a whole declaration of chaos, of the resource that it is on alone", function()
    local files = {
      ["resources/a.lua"] = using "p" .. '\nsqlite "b" { file = "g", policy = "p" }',
      ["policies/p.lua"] = 'policy "p" {\nretry = { tries = 2 } }',
      ["policies/q.lua"] = '\nchaos "bad" {\n on = "a", fail = 1, during = "1s" }',
    }
    assert.same({ retry = "policies/p.lua:2", chaos = "policies/q.lua:2" }, places_of(files))
    assert.same({ retry = "policies/p.lua:2" }, places_of(files, 2))
  end)

  it("is looked for once for all resources of a policy", function()
    local set = assert(declared.read { ["resources/a.lua"] = using "p" .. using("p"):gsub('"a"', '"b"'),
      ["policies/p.lua"] = 'policy "p" {}' })
    assert.equal(set.resources[1].places, set.resources[2].places)
    assert.same({}, set.resources[1].places)
  end)

  it("is not looked for where something is wrong", function()
    assert.matches("goes round in a circle", declared.errors_of { ["resources/a.lua"] = using "p",
      ["policies/p.lua"] = 'policy "p" { like = "q" } policy "q" { like = "p" }' })
  end)
end)
