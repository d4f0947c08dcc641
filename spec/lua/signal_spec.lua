-- SIGINT, SIGTERM and SIGHUP: what ends, what goes on, and for how long.

local clock = require "spec.support.clock"
local process = require "spec.support.process"
local program = require "spec.support.program"
local tmp = require "spec.support.tmp"

local ended, over, says, started, folder =
  program.ended, program.over, program.says, program.started, program.folder

local function is_stopped(child)
  return tmp.read(("/proc/%d/stat"):format(child.pid)):match "%) (%a)" == "T"
end

describe("a signal", function()
  it("ends sleeps and lets the workflow come to its end", function()
    for _, name in ipairs { "INT", "TERM", "HUP" } do
      local child = started [[
        defer(function() print "deferred" end)
        print "ready"
        local ok, err = sleep "1h"
        print(ok, err.code)
      ]]
      child:signal(name)
      local result = ended(0, over(child))
      assert.equal("nil\tclosed\ndeferred\n", result.output)
      says("SIG" .. name, result.errors)
    end
  end)

  it("is heard while the minimum of a resource is awaited, and the workflow does not begin", function()
    local place = tmp.folder()
    tmp.write(place, "resources/far.lua", [[
      postgres "far" { host = "127.0.0.1", port = 1, dbname = "d", user = "u", pool = { min = 1, start_within = "1h" } }
    ]])
    local file = tmp.write(place, "flow.lua", "print 'never'")
    for _, workers in ipairs { "1", "3" } do
      local child, said = process.start(program.command("run", "--workers", workers, "--drain", "1h", file)), ""
      clock.eventually("it tries to connect", function()
        said = said .. select(2, child:take())
        return said:find("cannot connect", 1, true)
      end)
      child:signal "TERM"
      local result = ended(1, over(child))
      assert.equal("", result.output)
      says("SIGTERM: draining", result.errors)
      says(file .. ": stopped before it began", result.errors)
    end
  end)

  it("is heard once by every task that lives: in its sleep, or else in the next one", function()
    local child = started [[
      local done = channel()
      task(function()
        print(select(2, sleep "1h").code, (sleep "20ms"))
        task(function() print((sleep "1ms")) done:send(true) end):join()
      end)
      print "ready"
      print(stopping())
      done:receive()
      print(stopping(), select(2, sleep "1h").code)
      print((sleep "1ms"))
    ]]
    assert.equal("false", child:line())
    child:signal "TERM"
    assert.equal("closed\ttrue\ntrue\ntrue\tclosed\ntrue\n", ended(0, over(child)).output)
  end)

  it("leaves to what is deferred the sleeps that it needs", function()
    local child = started [[
      local done = channel()
      task(function() sleep "1h" done:send(true) end)
      print "ready"
      done:receive()
      defer(function() print((sleep "1ms")) end)
    ]]
    child:signal "TERM"
    assert.equal("true\n", ended(0, over(child)).output)
  end)

  it("lets what is under way end, and begins nothing new", function()
    local child = started [[
      local shop = use "shop"
      local lease = shop:lease()
      task(function()
        print "ready"
        sleep "1h"
        print(select(2, shop:query "select 1").code)
        print(lease:value "select 1")
        lease:release()
      end):join()
    ]]
    child:signal "TERM"
    assert.equal("closed\n1\n", ended(0, over(child)).output)
  end)

  it("cuts what is open after the bound, and says what it was", function()
    local child = started([[
      local lease = use("shop"):lease()
      task(function()
        print "ready"
        while sleep "1h" or true do
          if select(2, sleep "1h").code == "cancelled" then return end
        end
      end):join()
    ]], "--drain", "100ms")
    local begun = clock.now()
    child:signal "INT"
    local result = ended(1, over(child))
    assert.is_true(clock.now() - begun < 3000)
    says("still open: the task of " .. folder .. "/flow.lua:3", result.errors)
    says("waiting at " .. folder .. "/flow.lua:6", result.errors)
    says("leases of shop", result.errors)
  end)

  it("stops at once when it is the second, with 128 + its number", function()
    for name, code in pairs { INT = 130, TERM = 143 } do
      local child = started [[
        print "ready"
        while true do
          local _, err = sleep "1h"
          print(err.code)
        end
      ]]
      child:signal(name)
      assert.equal("closed", child:line())
      child:signal(name)
      says("stopped at once", ended(code, over(child)).errors)
    end
  end)

  -- The shell leads the group of what it starts here, as timeout(1) does.
  it("is none when who leads its group tells it and then the group", function()
    local told = folder .. "/told"
    local words = program.command("run", program.workflow(([[
      io.stdout:setvbuf "line"
      io.open(%q, "w"):close()
      print(select(2, sleep "1h").code, (sleep "50ms"))
    ]]):format(told)))
    local result = ended(0, process.run { "setsid", "--wait", "sh", "-c",
      ('"$@" & while ! [ -e %s ]; do sleep 0.01; done; kill -TERM $!; sleep 0.01; kill -TERM $!; wait $!'):format(told),
      "sh", unpack(words) })
    assert.equal("closed\ttrue\n", result.output)
  end)

  it("is heard by who waits, however short the drain is", function()
    for _ = 1, 5 do
      local child = started([[print "ready" defer(function() print "deferred" end) sleep "1h" sleep "1h"]], "--drain", "0s")
      child:signal "TERM"
      assert.equal("deferred\n", ended(1, over(child)).output)
    end
  end)

  it("drains once when a terminal ends, however often that is told", function()
    local told = folder .. "/told"
    local child = started(([[
      print "ready"
      print(select(2, sleep "1h").code)
      while not io.open(%q) do end
      print "at its end"
    ]]):format(told))
    child:signal "HUP"
    assert.equal("closed", child:line())
    child:signal "HUP"
    tmp.write(folder, "told", "")
    local result = ended(0, over(child))
    assert.equal("at its end\n", result.output)
    says("SIGHUP", result.errors)
  end)

  it("is not heard that whoever started the program keeps from it", function()
    local words = program.command("run", program.workflow [[
      io.stdout:setvbuf "line"
      print "ready"
      print(select(2, sleep "1h").code)
    ]])
    table.insert(words, 1, "nohup")
    local child = process.start(words)
    assert.equal("ready", child:line())
    child:signal "HUP"
    child:signal "TERM"
    local result = ended(0, over(child))
    assert.equal("closed\n", result.output)
    says("SIGTERM", result.errors)
  end)

  it("bounds even a workflow that never comes back", function()
    local child = started([[print "ready" while true do end]], "--drain", "10ms")
    local begun = clock.now()
    child:signal "TERM"
    says("did not come back", ended(143, over(child)).errors)
    assert.is_true(clock.now() - begun < 2000) -- there is nothing to cancel, so no time to do it in
  end)

  it("lets a drain go on that was stopped and continued", function()
    local file = folder .. "/go"
    local child = started(([[
      print "ready"
      print(select(2, sleep "1h").code)
      repeat local go = io.open(%q) until go
      print "worked"
    ]]):format(file))
    child:signal "TERM"
    assert.equal("closed", child:line())
    for _ = 1, 3 do
      child:signal "STOP"
      clock.eventually("it is stopped", function() return is_stopped(child) end)
      child:signal "CONT"
      clock.eventually("it goes on", function() return not is_stopped(child) end)
    end
    tmp.write(folder, "go", "")
    assert.equal("worked\n", ended(0, over(child)).output)
  end)

  it("is not lost when it comes with the end of the workflow", function()
    for _ = 1, 10 do
      local child = started([[
        local ffi = require "ffi"
        ffi.cdef "int kill(int pid, int signum); int getpid(void);"
        print "ready"
        ffi.C.kill(ffi.C.getpid(), 15)
        sleep "0ms"
      ]], "--stay")
      ended(0, over(child))
    end
  end)

  it("ends an engine that stays", function()
    local child = started([[print "ready"]], "--stay")
    child:signal "TERM"
    ended(0, over(child))
  end)
end)
