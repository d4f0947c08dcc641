-- The program without its drivers: they are files beside it, loaded when a resource asks for one.

local process = require "spec.support.process"
local program = require "spec.support.program"
local tmp = require "spec.support.tmp"

local ended, says = program.ended, program.says

local HOME = require("nebula.worker").home

-- The program alone in a folder, with these files beside it.
local function lonely(files)
  local folder = tmp.folder()
  assert(process.run { "cp", process.program "nebula", folder .. "/nebula" }.code == 0)
  for name, text in pairs(files) do tmp.write(folder, name, text) end
  return function(...)
    local words = program.command(...)
    words[1], words.env.NEBULA_HOME = folder .. "/nebula", HOME
    return process.run(words)
  end
end

describe("a driver", function()
  it("that is not there is missed when a resource asks for it, with what and where", function()
    local nebula = lonely {}
    local answer = ended(2, nebula("run", program.workflow "print(1)"))
    says("resources/shop.lua:1: shop: the driver sqlite cannot be loaded: nebula-sqlite.so: cannot open", answer.errors)
    says("it belongs beside the program (one of your own: beside its kind's folder), with its client library installed", answer.errors)
    assert.equal("", answer.output)
  end)

  it("that nobody asks for is not missed", function()
    local nebula, folder = lonely {}, tmp.folder()
    assert.equal("1\n", ended(0, nebula("run", tmp.write(folder, "flow.lua", "print(1)"))).output)
    ended(0, nebula "version")
    ended(0, nebula("check", program.folder))
  end)

  it("that is something else is refused", function()
    local nebula = lonely { ["nebula-sqlite.so"] = "no driver" }
    says("the driver sqlite cannot be loaded", ended(2, nebula("run", program.workflow "print(1)")).errors)
  end)
end)

describe("the program", function()
  it("has no client library before it is needed", function()
    local maps = ended(0, program.run [[
      local function has(name)
        for line in io.lines "/proc/self/maps" do
          if line:find(name, 1, true) then return true end
        end
        return false
      end
      print(has "libsqlite3", has "libpq", has "libcrypto")
    ]])
    assert.equal("true\tfalse\tfalse\n", maps.output)
  end)
end)
