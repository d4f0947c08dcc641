-- What the last minutes of a pool were like, as workflows and operators are told it.
local clock = require "spec.support.clock"
local json = require "cjson"
local program = require "spec.support.program"

local ended, nebula, run, says, started = program.ended, program.nebula, program.run, program.says, program.started

describe("the last minutes of a pool", function()
  it("are told to the workflow: waits, holds, utilisation and which max would do", function()
    local said = ended(0, run([[
      local shop = use "shop"
      print(shop:stats().roles.writer.window)
      for_each({ 1, 2, 3, 4, 5, 6, 7, 8 }, { parallel = 8 }, function()
        for _ = 1, 16 do
          shop:with({ role = "reader" }, function() sleep "10ms" end)
        end
      end)
      local w = shop:stats().roles.reader.window
      assert(w.leases == 128 and w.ended == 128 and w.waited >= 120 and w.refused == 0)
      assert(w.hold_p50_us >= 9800 and w.hold_p50_us <= w.hold_p95_us and w.hold_p95_us <= w.hold_p99_us)
      assert(w.hold_p99_us <= w.hold_max_us and w.hold_mean_us >= 10000 and w.hold_mean_us <= w.hold_max_us)
      assert(w.wait_p50_us > 9000 and w.wait_p50_us <= w.wait_max_us)
      assert(w.utilisation > 0.5 and w.utilisation <= 1 and w.arrivals_per_s > 10 and w.window_us >= 320000)
      assert(w.advised_max >= 4 and w.advised_max % 1 == 0)
      assert(shop:stats().window == nil)
    ]]))
    assert.equal("nil\n", said.output)
  end)

  it("count one that was given back before anything was waited for as held for no time", function()
    ended(0, run([[
      local shop = use "shop"
      for _ = 1, 50 do shop:lease { role = "reader" }:release() end
      local w = shop:stats().roles.reader.window
      assert(w.ended == 50 and w.hold_p99_us == 0)
    ]]))
  end)

  it("are shown by inspect, with the recommendation in words", function()
    local child = started([[
      local shop = use "shop"
      for _ = 1, 110 do shop:value "select 1" end
      print "ready"
    ]], "--stay")
    local window, said
    clock.eventually("both are told the same, which changes with time", function()
      window = json.decode(ended(0, nebula("inspect", "shop", "--json")).output).engines[1].resource.pools[1].window
      said = ended(0, nebula("inspect", "shop")).output
      return said:find("reader: max is 4; " .. window.advised_max .. " ", 1, true)
    end)
    assert.equal(110, window.leases)
    assert.truthy(window.advice:find(
      "^" .. window.advised_max .. " would do: %d+ arrivals/s x [%d.]+ [mu]s %w+ hold x 1%.25$")
      or window.advice:find("as it is: ", 1, true), window.advice)
    says("ROLE    IN THE LAST  ARRIVALS/S  UTILISED  WAIT P50", said)
    child:signal "TERM"
    ended(0, program.over(child))
  end)

  it("recommend nothing where the kind says max", function()
    local child = started([[use("shop"):exec "create table if not exists t (a)" print "ready"]], "--stay")
    says("writer: max is 1; no advice: its kind says that max is 1", ended(0, nebula("inspect", "shop")).output)
    child:signal "TERM"
    ended(0, program.over(child))
  end)
end)
