-- How many requests a server gets for each call while all of them fail, by its own count.
--
-- The budget for retries of policies/standard.lua is a fifth of the calls, or three a second where that is more, of which the
-- first three are there from the beginning. So of what comes to 200 calls a second 1.2 requests each are the most. What was
-- saved up while all went well, for 1,000 calls at most, may be spent in an outage on top: it is a fifth of the calls from
-- before.

local clock = require "spec.support.clock"
local desk = require "spec.support.desk"
local traffic = require "spec.faults.traffic"

local SECONDS = os.getenv "NEBULA_PROVE" and 60 or 1.5

describe("a server that fails at once", function()
  local server, load

  before_each(function() server = desk.start { clerks = 8, ms = 2 } end)
  after_each(function()
    load.child:kill()
    server:stop()
  end)

  for _, row in ipairs { { "503", "get", 1 }, { "503", "post", 2 }, { "lost", "get", 2 } } do
    local how, way, workers = unpack(row)
    it(("has a fifth more requests than calls: %s, %s, %d workers"):format(how, way, workers), function()
      server:tell("fail", 100, how, 0)
      load = traffic.begin { port = server.port, way = way, workers = workers }
      load:runs(SECONDS * 1000)
      load:finish()
      local ratio, ended = load:is_within_budget(server), load:ended()
      assert.equal(ended.all, ended.busy + ended.lost, traffic.shown(ended))
      assert.equal(ended.all, server:counts().ids)
      assert(ratio > 1.1, "hardly any was tried again")
      print(("# %s %s: %.3f requests for each call"):format(how, way, ratio))
    end)
  end

  it("is asked once only where it may have done it", function()
    server:tell("fail", 100, "lost", 0)
    load = traffic.begin { port = server.port, way = "post" }
    load:runs(500)
    load:finish()
    local counts = server:counts()
    assert.equal(counts.ids, counts.seen)
    for _, one in ipairs(load.ends) do assert.equal("in_doubt", one.outcome) end
  end)

  it("has no more than that of all calls, when they went well before", function()
    load = traffic.begin { port = server.port, workers = 2 }
    load:runs(2000)
    local from = server:tell("fail", 100, 503, 0)
    local to = load:runs(SECONDS * 1000)
    server:tell "pass"
    local after = clock.now()
    load:runs(500)
    load:finish()
    load:is_within_budget(server)
    local during, well = load:ended(from, to), load:ended(after)
    assert.equal(well.all, well.ok, traffic.shown(well))
    print(("# %.3f requests for each call of the outage, with what was saved before"):format(server:between(from, to).seen / during.all))
  end)
end)
