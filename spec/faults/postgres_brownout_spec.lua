-- PostgreSQL behind a network by which all takes ten times as long: brown-out. limit: 400 s
-- alone: it measures how long calls take; not under asan, not under tsan: they would be measured too

local postgres = require "spec.support.postgres"
local proxy = require "spec.support.proxy"
local seen = require "spec.faults.seen"
local traffic = require "spec.faults.traffic"

local SECONDS = os.getenv "NEBULA_PROVE" and 60 or 2
local LATE = 50 -- ms beyond a deadline, on a machine that has other work, too
local DELAY = 25 -- ms each way: with 5 ms of work ten times as much

local server = postgres.start()
local net = proxy.start(server)

describe("PostgreSQL that takes ten times as long", function()
  local tally, load, from, to

  local function browns_out(rules)
    tally = seen.on(server)
    load = traffic.begin { way = "insert", rules = rules, workers = 2, declare = ([[postgres "web" { host = "127.0.0.1", port = %d,
      dbname = %q, user = %q, password = %q, sslmode = "disable", pool = { min = 4, max = 4, queue = 200 }, policy = "traffic" }]]):format(
      net.port, server.dbname, server.user, server.password) }
    load:runs(700)
    from = load:runs(0)
    net:tell("delay", DELAY)
    to = load:runs(SECONDS * 1000)
    net:tell "pass"
    load:goes_well_after(to)
    print("# " .. traffic.shown(load:ended(from, to)))
    assert(load:ended().worst <= load.deadline + LATE, load:ended().worst)
    load:is_within_budget(tally)
  end

  after_each(function() load.child:kill() end)

  it("is asked for as much as the pool lets it, and all of it is of use", function()
    browns_out(nil)
    local could = 4 * 1000 / (2 * DELAY + 5) * (to - from) / 1000
    assert(load:ended(from, to).ok >= 0.7 * could, traffic.shown(load:ended(from, to)))
    assert(tally:between(from, to).ok >= 0.7 * could)
  end)

  it("is left alone by a circuit that looks at slow calls", function()
    local pause = 500
    browns_out(traffic.circuit { pause = pause, slow = 30 })
    local opened = assert(load:first "open", "the circuit never opened")
    assert(opened - from < 700, opened - from)
    load:only_probes_came(tally, opened, to, pause, 100)
    load:is_back_within(tally, to, pause)
  end)
end)
