-- Channels of the process between workers: each value once, one line for all, and nothing lost with one that leaves. limit: 300 s

local many = require "spec.support.many"
local program = require "spec.support.program"

local ended = program.ended

local function prints(workers, expected, text)
  assert.equal(expected, ended(0, many.run(workers, text)).output)
end

describe("a channel between workers", function()
  it("brings each value to one of all, in whatever worker, once", function()
    for _, workers in ipairs { 1, 2, 4 } do
      for _, bytes in ipairs { "0B", "200B", "1MB" } do
        prints(workers, "4000\t8002000\t4000\n", ([[
          local each = [=[
            local of, bytes, workers, index = ...
            local jobs, done = channel("jobs", { bytes = bytes }), channel("done", { bytes = bytes })
            local got, sum = 0, 0
            local receivers = {}
            for i = 1, 3 do
              receivers[i] = task(function()
                for value in jobs do
                  got, sum = got + 1, sum + value.n
                  assert(done:send(value.n))
                end
              end)
            end
            for n = index + 1, of, workers do assert(jobs:send { n = n }) end
            for i = 1, 3 do receivers[i]:join() end
            return got, sum
          ]=]
          local jobs, done = channel("jobs", { bytes = %q }), channel("done", { bytes = %q })
          local seen, all = {}, 0
          local closer = task(function()
            for _ = 1, 4000 do
              local n = assert(done:receive())
              assert(not seen[n])
              seen[n], all = true, all + 1
            end
            jobs:close()
          end)
          local got, sum = 0, 0
          local list = {}
          for i = 0, worker.count - 1 do list[i + 1] = i end
          for_each(list, { parallel = 64 }, function(i)
            local one, of = echo.ask(i, each, 4000, %q, worker.count, i)
            got, sum = got + one, sum + of
          end)
          closer:join()
          print(got, sum, all)
        ]]):format(bytes, bytes, bytes))
      end
    end
  end)

  it("serves who waited longest, whatever worker he is of", function()
    prints(3, "2\t1\t0\t1\t2\n", [[
      local ch, order = channel("line", { bytes = "0B" }), channel("order")
      local say = "local i = ... local ch = channel('line', { bytes = '0B' }) ch:receive() channel('order'):send(i)"
      for _, i in ipairs { 2, 1, 0, 1, 2 } do
        echo.tell(i, say, i)
        echo.ask(i, "return true") -- mail is read in its order: by now it stands in line
      end
      local list = {}
      for i = 1, 5 do
        assert(ch:send({ fail_fast = true }, i))
        list[i] = order:receive()
      end
      print(unpack(list))
    ]])
  end)

  it("is closed for all, and ends a wait at its deadline everywhere", function()
    prints(2, "closed\tdeadline\tclosed\n", [[
      local ch = channel "shut"
      local there = task(echo.ask, 1, "return select(2, channel('shut'):receive()).code")
      local late = echo.ask(1, "return select(2, channel('other'):receive { deadline = '10ms' }).code")
      sleep "20ms"
      ch:close()
      print(there:join(), late, select(2, ch:send(1)).code)
    ]])
  end)

  it("loses nothing with a worker that leaves, not even what was handed to it", function()
    local path = program.workflow([[
      local echo = require "nebula.echo"
      local ch = channel("jobs", { bytes = "1kB" })
      for _ = 1, 3 do echo.tell(1, "channel('jobs', { bytes = '1kB' }):receive()") end
      echo.tell(1, "channel('never', { bytes = '0B' }):send 'never sent'")
      sleep "50ms"
      echo.inside(1, "local at = os.clock() while os.clock() < at + 0.2 do end error 'gone'")
      sleep "50ms"
      for i = 1, 5 do assert(ch:send(i)) end -- three of them to the worker, which does not come for them
      deadline("10s", function()
        while ch:count() < 5 do assert(sleep "5ms") end
      end)
      local got = {}
      for i = 1, 5 do got[i] = assert(ch:receive { deadline = "5s" }) end
      print(unpack(got))
      print(select(2, channel("never", { bytes = "0B" }):receive { deadline = "10ms" }).code)
    ]])
    local result = ended(0, program.nebula("run", "--workers", "2", path))
    assert.equal("1\t2\t3\t4\t5\ndeadline\n", result.output)
    program.says("worker 1 has left", result.errors)
  end)

  it("has other options in no worker", function()
    prints(2, 'false\techo:1: channel("x"): it is there with bytes = "2kB", not "1MB"; say the same everywhere\n', [[
      local ch = channel("x", { bytes = "2kB" })
      print(pcall(echo.ask, 1, "channel 'x'"))
      ch:close()
    ]])
  end)
end)
