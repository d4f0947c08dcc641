-- SIGINT and SIGTERM: what ends, what goes on, and for how long.

local clock = require "spec.support.clock"
local program = require "spec.support.program"

local ended, over, says, started, folder =
  program.ended, program.over, program.says, program.started, program.folder

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
    local begun = clock.now()
    child:signal "TERM"
    says("did not come back", ended(143, over(child)).errors)
    assert.is_true(clock.now() - begun < 2000) -- there is nothing to cancel, so no time to do it in
  end)

  it("ends an engine that stays", function()
    local child = started([[print "ready"]], "--stay")
    child:signal "TERM"
    ended(0, over(child))
  end)
end)
