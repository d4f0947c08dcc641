-- How many tasks there may be in a worker.

local program = require "spec.support.program"

describe("tasks beyond the bound", function()
  it("are refused by its name, and may be had again when one is gone", function()
    local ran = program.ended(0, program.run [[
      local list = {}
      local ok, err
      repeat
        ok, err = pcall(task, function() sleep "1h" end)
        if ok then list[#list + 1] = err end
      until not ok
      print(#list, err.code, err)
      sleep "0s"
      list[#list]:cancel()
      list[#list]:join()
      print(task(function() return "another" end):join())]])
    local pattern = "^(%d+)\tlimit\t20000 tasks are alive, which is the most %(limit%)\nanother\n$"
    local opened = tonumber(ran.output:match(pattern))
    assert.is_true(opened and opened > 19990, ran.output)
  end)
end)
