-- A server, or a network before it, that takes all and never answers. limit: 400 s
-- alone: it measures how late calls end; not under asan, not under tsan: they would be measured too

local clock = require "spec.support.clock"
local desk = require "spec.support.desk"
local proxy = require "spec.support.proxy"
local traffic = require "spec.faults.traffic"

local SECONDS = os.getenv "NEBULA_PROVE" and 60 or 1.2
local LATE = 50 -- ms beyond a deadline, on a machine that has other work, too

describe("a black hole", function()
  local server, net, load

  before_each(function()
    server = desk.start { clerks = 4, ms = 5 }
    net = proxy.start(server)
  end)
  after_each(function()
    load.child:kill()
    net:stop()
    server:stop()
  end)

  -- The network has room for so many dead connections, and no more.
  local holes = {
    { "that is the server", SECONDS, function() return server:tell "blackhole" end, function() return server:tell "pass" end },
    { "that is the network", 1.2, function() net:tell("blackhole", "both") return clock.now() end,
      function() net:tell "pass" return clock.now() end },
  }
  for _, hole in ipairs(holes) do
    local what, seconds, begin, over = unpack(hole)
    it(what .. " ends each call at its deadline and no later, and then all goes on", function()
      load = traffic.begin { port = net.port, rate = 100, max = 64, wait = 250 }
      load:runs(300)
      local from = begin()
      load:runs(seconds * 1000)
      local to = over()
      load:goes_well_after(to, 500)
      local during = load:ended(from + 10, to - load.deadline)
      assert(during.all >= 50 and during.deadline == during.all, traffic.shown(during))
      for _, one in ipairs(load.ends) do
        if one.code == "deadline" then assert(one.took >= load.deadline - 20, one.took) end
      end
      assert(load:ended().worst <= load.deadline + LATE, load:ended().worst)
      load:is_within_budget(server)
    end)
  end

  it("is left alone by a circuit", function()
    local pause = 500
    load = traffic.begin { port = server.port, workers = 2, rules = traffic.circuit { pause = pause } }
    load:runs(300)
    local from = server:tell "blackhole"
    load:runs(SECONDS * 1000)
    local to = server:tell "pass"
    load:goes_well_after(to)
    local opened = assert(load:first "open", "the circuit never opened")
    assert(opened - from < 2 * load.deadline, opened - from)
    load:only_probes_came(server, opened, to, pause, load.deadline + LATE)
    load:is_back_within(server, to, pause)
  end)
end)
