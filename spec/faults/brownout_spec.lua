-- A server that takes ten times as long as usual, and is asked for more than it then can: brown-out. limit: 400 s
-- alone: it measures how long calls take; not under asan, not under tsan: they would be measured too

local desk = require "spec.support.desk"
local traffic = require "spec.faults.traffic"

local SECONDS = os.getenv "NEBULA_PROVE" and 60 or 2
local LATE = 50 -- ms beyond a deadline, on a machine that has other work, too

local CLERKS, MS, RATE = 4, 5, 200 -- of 800 it can, and of 80 when it takes ten times as long

describe("a line server that takes ten times as long", function()
  local server, load, from, to

  before_each(function() server = desk.start { clerks = CLERKS, ms = MS } end)
  after_each(function()
    load.child:kill()
    server:stop()
  end)

  local function browns_out(given)
    given.port, given.rate, given.max = server.port, RATE, 8
    load = traffic.begin(given)
    load:runs(500)
    from = server:tell("slow", 1000)
    to = load:runs(SECONDS * 1000)
    server:tell "pass"
    load:goes_well_after(to)
    assert(load:ended().worst <= load.deadline + LATE, load:ended().worst)
    load:is_within_budget(server)
    print("# " .. traffic.shown(load:ended(from, to)))
  end

  it("is asked for as much as the pool lets it, does what it can, and all of it is of use", function()
    browns_out { workers = 1 }
    local could, counts = 80 * (to - from) / 1000, server:counts()
    assert(server:between(from, to).ok >= 0.7 * could, "it does less than it can")
    assert(load:ended(from, to).ok >= 0.7 * could, "what it does is of no use to who asked")
    assert(counts.highest <= 8 and counts.wasted <= could / 20, counts.wasted)
  end)

  it("is left alone by a circuit that looks at slow calls", function()
    local pause = 500
    browns_out { workers = 2, rules = traffic.circuit { pause = pause, slow = 25 } }
    local opened = assert(load:first "open", "the circuit never opened")
    assert(opened - from < 500, opened - from)
    load:only_probes_came(server, opened, to, pause, 100)
    load:is_back_within(server, to, pause)
  end)
end)
