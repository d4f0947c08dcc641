-- SIGINT and SIGTERM: what ends, what goes on, and for how long.

local clock = require "spec.support.clock"
local program = require "spec.support.program"
local tmp = require "spec.support.tmp"

local ended, over, says, started, folder =
  program.ended, program.over, program.says, program.started, program.folder

local function is_stopped(child)
  return tmp.read(("/proc/%d/stat"):format(child.pid)):match "%) (%a)" == "T"
end

describe("a signal", function()
  it("ends sleeps and lets the workflow come to its end", function()
    for _, name in ipairs { "INT", "TERM" } do
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

  it("bounds even a workflow that never comes back", function()
    local child = started([[print "ready" while true do end]], "--drain", "10ms")
    child:signal "TERM"
    says("did not come back", ended(143, over(child)).errors)
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

  it("ends an engine that stays", function()
    local child = started([[print "ready"]], "--stay")
    child:signal "TERM"
    ended(0, over(child))
  end)
end)
