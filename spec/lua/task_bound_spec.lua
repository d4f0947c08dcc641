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

  it("are those of for_each, and then none of it goes on", function()
    for _, options in ipairs { "{ parallel = 60000 }", "{ parallel = 60000, workers = true }" } do
      for workers = 1, 2 do
        local ran = run(workers, ([[
          local items, done, tree = {}, 0, require "nebula.tree"
          for i = 1, 60000 do items[i] = i end
          local function alive()
            local count = 0
            for _ in pairs(tree.alive()) do count = count + 1 end
            return count
          end
          assert(for_each({ 1 }, { workers = true }, function() end)) -- what it needs is there now
          local before = alive()
          local ok, err = pcall(for_each, items, %s, function() sleep "1ms" done = done + 1 end)
          print(ok, err.code, alive() - before, done)
          sleep "50ms"
          print(done)]]):format(options))
        assert.equal("false\tlimit\t0\t0\n0\n", ran.output, options .. workers)
      end
    end
  end)

  it("are those by which for_each has its items done elsewhere, and what was begun there ends", function()
    local ran = run(2, [[
      local list = {}
      while pcall(function() list[#list + 1] = task(function() sleep "1h" end) end) do end
      local function double(item) return 2 * item end
      local function each()
        local ok, err = pcall(for_each, { 1, 2, 3 }, { workers = true }, double)
        print(ok, ok and #err or err.code)
      end
      local function make_room(from, to)
        for i = from, to do list[i]:cancel() list[i]:join() end
      end
      each()
      make_room(1, 1) -- for who deals the items out, and not for who collects the results
      each()
      make_room(2, 10)
      each()
      print(select(2, channel("never"):receive { deadline = "50ms" }).code)
      local counts = spawn_on_all(function()
        local count = 0
        for _ in pairs(require("nebula.tree").alive()) do count = count + 1 end
        return count
      end):join()
      print(counts[2])]])
    assert.equal("false\tlimit\nfalse\tlimit\ntrue\t3\ndeadline\n3\n", ran.output)
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
