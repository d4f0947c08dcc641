-- not aside. What programs rely on is kept as long as the shared library has its number.

local process = require "spec.support.process"
local tmp = require "spec.support.tmp"

local HOME = require("nebula.worker").home
local LIBRARY = HOME .. "/" .. process.program "libnebula.so"

local function output(words)
  words.within = 30000
  local ran = process.run(words)
  assert.equal(0, ran.code, ran.errors)
  return ran.output
end

local number = output({ "objdump", "-p", LIBRARY }):match "SONAME%s+libnebula%.so%.(%d+)"

local function lines_of(text)
  local set, count = {}, 0
  for line in text:gmatch "[^\n]+" do
    set[line], count = true, count + 1
  end
  return set, count
end

describe("the border", function()
  local now, count = lines_of(output { "luajit", "spec/library/abi.lua", number, folder = HOME })
  local promised = tmp.read(HOME .. "/spec/library/abi.txt")

  it("is read as a whole", function()
    local functions = 0
    for line in pairs(now) do functions = functions + (line:find "^function" and 1 or 0) end
    assert.is_true(count > 100 and functions > 45)
    assert.is_true(now["struct nebula_value 16: type 0, size 4, integer 8, number 8, bytes 8"])
    assert.is_true(now["function int32_t nebula_fd(struct nebula *n)"])
  end)

  it("keeps what it promised, or has another number", function()
    local gone = {}
    for line in promised:gmatch "[^\n]+" do
      if not now[line] then gone[#gone + 1] = line end
    end
    if not gone[1] or gone[1] ~= "abi " .. (promised:match "^abi (%d+)") then
      assert.same({}, gone, "raise ABI in the Makefile, and engine/nebula.map, or leave it; then: make abi")
    end
  end)

  it("is what the library shows", function()
    local shown = {}
    for name in output({ "nm", "-D", "--defined-only", "--format=just-symbols", LIBRARY }):gmatch "(nebula_[%w_]+)@@" do
      shown[name] = true
    end
    for line in pairs(now) do
      local name = line:match "^function .-([%w_]+)%("
      if name then assert.is_true(shown[name], name .. " is declared and not there") end
      if name then shown[name] = nil end
    end
    assert.same({}, shown)
  end)

  it("has one version", function()
    local header = tmp.read(HOME .. "/engine/nebula.h"):match '#define NEBULA_VERSION "([^"]+)"'
    assert.equal(require "nebula.version", header)
  end)
end)
