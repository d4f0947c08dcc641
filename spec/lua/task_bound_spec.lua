-- How many tasks there may be in a worker.

local many = require "spec.support.many"
local program = require "spec.support.program"

local function run(workers, text)
  return program.ended(0, program.nebula("run", "--workers", tostring(workers), "--stuck", "0s", program.workflow(text)))
end

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

  it("are refused to whoever asks for one in another worker, which goes on", function()
    local ran = program.ended(0, many.run(2, [[
      local full = channel "full"
      local fills = task(function()
        return spawn_on_all(function()
          if worker.index == 0 then return true end
          while pcall(task, function() sleep "1h" end) do end
          full:send "full"
          sleep "1h"
        end):join()
      end)
      full:receive()
      local ok, err = pcall(function() return spawn_on_all(function() return true end):join() end)
      print(ok, err.code, err.worker)
      fills:cancel()
      fills:join()
      print(#spawn_on_all(function() return true end):join())
    ]]))
    assert.equal("false\tlimit\t1\n2\n", ran.output)
  end)

  it("are refused to who asks for what he would do himself, and may be had later", function()
    for workers = 1, 2 do
      local ran = run(workers, [[
        local worker = require "nebula.worker"
        local full = assert(spawn_on_all(function()
          if worker.index ~= worker.count - 1 then return true end
          local list = {}
          while pcall(function() list[#list + 1] = task(function() sleep "1h" end) end) do end
          list[1]:cancel() list[1]:join() -- one asks, and there is none for what it asks for
          return (pcall(function() return spawn_on_all(function() return 1 end):join() end))
        end):join())
        print(full[worker.count])
        print(#assert(spawn_on_all(function() return worker.index end):join()))]])
      assert.equal("false\n" .. workers .. "\n", ran.output, workers)
      assert.equal("", ran.errors)
    end
  end)
end)
