-- A server that fails, and is well again, before which a circuit stands. By the server's own count: while the circuit is
-- open it is asked by probes alone, and soon after it is well it serves all. limit: 600 s
-- How soon is measured: not under asan, not under tsan: they would be measured too
--
-- How soon depends on when in a pause it becomes well again: NEBULA_PROVE tries twenty moments of it, else one is tried. A
-- pool that cannot connect makes pauses of its own, of a second at most, and refuses probes meanwhile: where nobody listens
-- the pause of the circuit is longer than that, or it would take one more.

local desk = require "spec.support.desk"
local traffic = require "spec.faults.traffic"

local MOMENTS = os.getenv "NEBULA_PROVE" and 20 or 1

local faults = {
  { "answers 503", pause = 400, pauses = 4.5, took = 40, workers = 1, begin = function(server) return server:tell("fail", 100, 503, 0) end },
  { "hangs up", pause = 400, pauses = 2.5, took = 40, workers = 2, begin = function(server) return server:tell("fail", 100, "lost", 0) end },
  { "is not there", pause = 1150, pauses = 1.5, workers = 2, begin = function(server) return server:tell "down" end },
}

describe("a server that", function()
  local server, load

  before_each(function() server = desk.start { clerks = 4, ms = 5 } end)
  after_each(function()
    load.child:kill()
    server:stop()
  end)

  local function falls_ill(fault, outage)
    local pause = fault.pause
    load = traffic.begin { port = server.port, workers = fault.workers, rules = traffic.circuit { pause = pause } }
    load:runs(300)
    local from = fault.begin(server)
    load:runs(outage)
    local to = server:tell "pass"
    load:goes_well_after(to, 2 * pause)
    local opened = assert(load:first "open", "the circuit never opened")
    assert(opened - from < 300, opened - from)
    load:only_probes_came(server, opened, to, pause, fault.took)
    load:is_back_within(server, to, pause)
    load:is_within_budget(server)
    assert.equal(load:said "circuit open", load:said "circuit half open")
    assert.equal(1, load:said "circuit closed")
  end

  for moment = 1, MOMENTS do
    for _, fault in ipairs(faults) do
      local outage = fault.pause * (fault.pauses + (moment - 1) / MOMENTS)
      it(("%s for %.0f ms is left alone, and comes back"):format(fault[1], outage), function() falls_ill(fault, outage) end)
    end
  end
end)
