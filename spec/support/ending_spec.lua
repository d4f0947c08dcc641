local clock = require "spec.support.clock"
local process = require "spec.support.process"

-- What a file of specs leaves behind is seen from outside: by a busted of its own.
describe("at the end of the specs", function()
  it("no child and no folder is left, also after a failure", function()
    local tmp = require "spec.support.tmp"
    local folder = tmp.folder()
    tmp.write(folder, "x_spec.lua", [[
      local process, tmp = require "spec.support.process", require "spec.support.tmp"
      it("leaves things behind", function()
        print("left " .. tmp.folder() .. " " .. process.start({ "sleep", "600" }).pid)
        error "and fails"
      end)]])
    local ran = process.run { process.program "nebula-lua", arg[0], "-o", "TAP", folder .. "/x_spec.lua", within = 30000 }
    assert.equal(1, ran.code)
    local left, pid = ran.output:match "left (%S+) (%d+)"
    assert.is_nil(io.open(left))
    clock.eventually("the child is gone", function() return not io.open("/proc/" .. pid .. "/stat") end)
  end)
end)
