-- The modules that the program holds, and those that it loads when they are first used.

local kind = require "nebula.kind"
local lazy = require "nebula.lazy"
local process = require "spec.support.process"
local tmp = require "spec.support.tmp"

local HOME = require("nebula.worker").home

describe("the program", function()
  it("holds every module, under the name of its file", function()
    local count = 0
    for path in process.run({ "find", HOME .. "/lua/nebula", "-name", "*.lua" }).output:gmatch "[^\n]+" do
      local place = path:sub(#HOME + 2)
      local name = place:gsub("^lua/", ""):gsub("%.lua$", ""):gsub("/init$", ""):gsub("/", ".")
      local chunk = package.loaders[1](name)
      assert.equal("function", type(chunk), name .. ": " .. tostring(chunk))
      assert.equal("=" .. place, debug.getinfo(chunk, "S").source)
      count = count + 1
    end
    assert.is_true(count > 60)
  end)

  it("knows the lines of what it holds", function()
    local of = debug.getinfo(require("nebula.call").run, "S")
    local file = assert(io.open(HOME .. "/lua/nebula/call.lua"))
    local lines = {}
    for line in file:lines() do lines[#lines + 1] = line end
    file:close()
    assert.matches("^function call%.run", lines[of.linedefined])
  end)
end)

describe("a lazy module", function()
  it("is loaded once, when something of it is used", function()
    local loaded = 0
    package.preload["spec.late"] = function()
      loaded = loaded + 1
      return { one = 1, two = 2 }
    end
    local late = lazy "spec.late"
    assert.equal(0, loaded)
    assert.equal(2, late.two)
    assert.equal(1, late.one)
    assert.is_nil(late.three)
    assert.equal(1, loaded)
  end)
end)

describe("a kind", function()
  local folder = tmp.folder()
  local function path(name, text) return tmp.write(folder, name .. ".lua", text) end

  it("is read when something of it is asked for", function()
    local kinds = kind.load {
      path("good", 'return kind "good" { driver = "none", options = {}, resource = {}, lease = {} }'),
      path("broken", "this is no Lua"),
    }
    assert.equal("broken", kinds.broken.name)
    assert.equal("none", kinds.good.driver)
    assert.same({ "main" }, kinds.good.roles)
    assert.is_nil(kinds.good.check)
    assert.error_matches(function() return kinds.broken.driver end, "expected near")
  end)

  it("has the name of its file, and there is one", function()
    local kinds = kind.load {
      path("other", 'return kind "some" { driver = "none", options = {}, resource = {}, lease = {} }') }
    assert.error_matches(function() return kinds.other.driver end, 'other.lua: a kind file ends with: return kind "other"')
    assert.error_matches(function() kind.load { folder .. "/good.lua", "elsewhere/good.lua" } end, "already defined")
  end)
end)
