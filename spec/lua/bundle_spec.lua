-- The modules that the program holds, and those that it loads when they are first used.

local kind = require "nebula.kind"
local lazy = require "nebula.lazy"
local process = require "spec.support.process"
local program = require "spec.support.program"
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

describe("a start with one worker and one query", function()
  it("loads nothing of what it does not use", function()
    local result = program.ended(0, program.run [[
      local loaded = {}
      local function look()
        for name in pairs(package.loaded) do loaded[name] = true end
        for _, name in ipairs { "crew", "mail", "codec", "carry", "parts", "spawn", "spread", "shared", "serving", "service",
          "keeping", "balance", "declare.balance", "sql.harmless", "sql.transaction", "sql.stream" } do
          if loaded["nebula." .. name] then io.write(name, " ") end
        end
        print ""
      end
      use "shop":value "select 1"
      look()
      use "shop":value "select abs(1)"
      look()
    ]])
    assert.equal("\nsql.harmless \n", result.output)
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

  it("has options that are rows, or the file is named that has not", function()
    local wrong = {
      { '5', 'is a table: { type = "string", text = "..." }' },
      { '{ type = "string", secret = true }', "there is no field secret" },
      { '{ type = "string", reqired = true }', 'there is no field reqired; did you mean "required"?' },
      { '{ type = "string", required = 1 }', "required is a boolean, not a number" },
      { '{ text = "" }', "its type is one of boolean, duration, enum, integer, number, rate, secret, share, size, string" },
      { '{ type = "integr" }', "its type is one of boolean" },
      { '{ type = "enum" }', "an enum has one_of, the words that it may be" },
      { '{ type = "string", class = "soon" }', "its class is live, next-connection or restart" },
      { '{ type = "list" }', "it is no single value, so spec() has to say how the driver is told" },
      { '{ type = "string", listed = true }', "it is no single value, so spec() has to say how the driver is told" },
    }
    for i, one in ipairs(wrong) do
      local name = "wrong" .. i
      local kinds = kind.load { path(name, ('return kind "%s" { driver = "x", options = { token = %s }, resource = {}, lease = {} }')
        :format(name, one[1])) }
      assert.error_matches(function() return kinds[name].driver end, ('%s.lua: kind "%s": option token: %s'):format(
        name, name, one[2]), 1, true)
    end
    for i, taken in ipairs { "pool", "policy", "balance", "eject", "slow_start" } do
      local name = "hides" .. i
      local kinds = kind.load { path(name, ('return kind "%s" { driver = "x", options = { %s = { type = "string" } }, '
        .. "resource = {}, lease = {} }"):format(name, taken)) }
      assert.error_matches(function() return kinds[name].driver end, "every resource has a setting of this name", 1, true)
    end
  end)

  it("tells its driver what was written, and which of it is secret", function()
    local kinds = kind.load { path("plain", [[return kind "plain" { driver = "x", resource = {}, lease = {},
      options = { token = { type = "secret" }, big = { type = "integer" }, part = { type = "number" } } }]]) }
    local told = kinds.plain.spec { options = { token = "t", big = 2 ^ 53 - 1, part = 0.1 } }
    assert.same({ { name = "big", value = "9007199254740991", secret = false }, { name = "part", value = "0.1", secret = false },
      { name = "token", value = "t", secret = true } }, told.options)
  end)

  it("has the name of its file, and there is one", function()
    local kinds = kind.load {
      path("other", 'return kind "some" { driver = "none", options = {}, resource = {}, lease = {} }') }
    assert.error_matches(function() return kinds.other.driver end, 'other.lua: a kind file ends with: return kind "other"')
    assert.error_matches(function() kind.load { folder .. "/good.lua", "elsewhere/good.lua" } end, "already defined")
  end)
end)
