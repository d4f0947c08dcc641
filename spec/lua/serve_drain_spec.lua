-- A drain of `nebula serve`: who hears of it, and who does not. limit: 300 s

local clock = require "spec.support.clock"
local program = require "spec.support.program"
local served = require "spec.support.served"

local ended, over, says = program.ended, program.over, program.says
local come_to, count, started = served.come_to, served.count, served.started

describe("a drain", function()
  it("ends sleeps, says stopping(), lets what is under way end, and starts nothing again", function()
    local child = started([[
      local shop = use "shop"
      service "sleeps" { instances = 2, run = function(number)
        while sleep "1h" do end
        print("slept", number, stopping())
      end }
      service "works" { run = function()
        print "ready"
        while not stopping() do sleep "1ms" end
        local _, err = shop:query "select 1"
        print(err.code, (sleep "20ms"))
        return nil, err
      end }
      service "raises" { run = function() assert(sleep "1h") end }
      service "pauses" { restart = { pause = "1h", pause_max = "1h" }, run = function() error "rarely" end }
    ]], "--workers", "2")
    come_to(child, { ["sleeps 1"] = "running", ["sleeps 2"] = "running", ["works 1"] = "running", ["raises 1"] = "running",
      ["pauses 1"] = "pausing" })
    child:signal "TERM"
    local result = ended(0, over(child))
    local lines = {}
    for line in result.output:gmatch "[^\n]+" do lines[#lines + 1] = line end
    table.sort(lines)
    assert.same({ "closed\ttrue", "slept\t1\ttrue", "slept\t2\ttrue" }, lines)
    assert.equal(1, count(result.errors, "is in %d"))
  end)

  it("is not well when an instance fails in it", function()
    local child = started([[
      service "bad" { run = function() print "ready" sleep "1h" error "in the drain" end }
    ]], "--workers", "2")
    child:signal "TERM"
    local result = ended(1, over(child))
    says("service bad: instance 1 failed while the program drains:", result.errors)
    says("1 of 1 instances failed while the program drained", result.errors)
  end)

  it("cancels who does not end, in every worker, and says where he was", function()
    local child, folder = started([[
      service "deaf" { instances = "per-worker", run = function(number)
        defer(function() print("deferred", number) end)
        if number == 2 then print "ready" end
        while true do
          local _, err = sleep "1h"
          if err.code == "cancelled" then return end
        end
      end }
    ]], "--workers", "2", "--drain", "100ms")
    come_to(child, { ["deaf 1"] = "running", ["deaf 2"] = "running" })
    local begun = clock.now()
    child:signal "TERM"
    local result = ended(1, over(child))
    assert.is_true(clock.now() - begun < 3000)
    assert.equal(2, count(result.output, "deferred"))
    for worker = 0, 1 do
      says(("worker=%d text=\"still open: the task of %s/services/a.lua:2, waiting at %s/services/a.lua:6"):format(
        worker, folder, folder), result.errors)
    end
    assert.equal(2, count(result.errors, "still open"))
  end)

  it("ends by force where an instance never waits, in any worker", function()
    for number = 1, 2 do
      local child = started(([[
        service "busy" { instances = "per-worker", run = function(number)
          local there = channel "there"
          if number ~= %d then
            there:send(true) sleep "1h"
          else
            there:receive() print "ready" while true do end
          end
        end }
      ]]):format(number), "--workers", "2", "--drain", "10ms", "--stuck", "0s")
      local begun = clock.now()
      child:signal "TERM"
      local result = over(child)
      assert.equal(143, result.code, result.errors)
      says("did not come back", result.errors)
      assert.is_true(clock.now() - begun < 8000)
    end
  end)

  it("does not wait for a worker that has left", function()
    local child = started([[
      local worker = require "nebula.worker"
      service "dies" { instances = "per-worker", run = function(number)
        if number == 2 then worker.fail "again" sleep "1h" end
        while #require("nebula.mail").workers() == 2 do sleep "1ms" end
        print "ready"
        sleep "1h"
      end }
    ]], "--workers", "2")
    clock.pause(300) -- by then its pauses are some 100 ms
    local begun = clock.now()
    child:signal "TERM"
    ended(0, over(child))
    assert.is_true(clock.now() - begun < 5000)
  end)
end)
