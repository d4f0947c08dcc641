-- A server that is well again, but not as well as it was, and is asked for as much as before: it must do what it can, and
-- all of it must be of use; it must not collapse a second time. limit: 600 s
-- What is done in time is counted: not under asan, not under tsan: they would be measured too
--
-- Here the pool has room for more calls than the server has time for: what it cannot serve by the deadline it serves all
-- the same, in vain, because nobody takes it back. Without a limit nothing is of use any more, also when the server could
-- do it all again.

local desk = require "spec.support.desk"
local traffic = require "spec.faults.traffic"

local SECONDS = os.getenv "NEBULA_PROVE" and 60 or 1.5
local PAUSE = 300 -- ms
local CLERKS, MS, RATE = 4, 5, 500 -- of 800 it can

local RULES = traffic.circuit { pause = PAUSE } .. "limit = { concurrent = 20, queue = 100, adaptive = { max = 200 } }"

describe("a server that was away", function()
  local server, load

  before_each(function() server = desk.start { clerks = CLERKS, ms = MS } end)
  after_each(function()
    load.child:kill()
    server:stop()
  end)

  local function begin(given)
    given.port, given.rate = server.port, RATE
    load = traffic.begin(given)
    load:runs(500)
    server:tell("fail", 100, 503, 0)
    load:runs(700)
  end

  -- Of so much a second all but a part was done, in every window of half a second from then to then.
  local function did_what_it_could(from, to, could)
    for _, one in ipairs(server:slices(from, to - 490, 500)) do
      assert(one.ok >= 0.75 * could / 2, ("%d after %.0f ms"):format(one.ok, one.at - from))
    end
  end

  local function comes_back_at_30(given)
    begin(given)
    server:tell "pass"
    local back = server:tell("slow", 333)
    local to = load:runs(SECONDS * 1000)
    local counts = server:counts()
    server:tell "pass"
    load:runs(1000)
    load:finish()
    local could, during = 0.3 * server.capacity, load:ended(back, to)
    print(("# %.0f of %.0f a second, %d in vain; %s"):format(during.ok * 1000 / (to - back), could, counts.wasted, traffic.shown(during)))
    return { back = back, to = to, could = could, share = during.ok * 1000 / (to - back) / could, wasted = counts.wasted }
  end

  it("has collapsed a second time where nothing holds calls back", function()
    local it = comes_back_at_30 { max = 64, workers = 2 }
    local last = server:between(it.to - 500, it.to).ok
    assert(last < 0.2 * it.could / 2 and it.wasted > 100, ("the others prove nothing: it still does %d"):format(last))
  end)

  it("does what it can behind a pool that is no larger than what it can take", function()
    local it = comes_back_at_30 { max = 8 }
    assert(it.share >= 0.9, it.share)
    assert.equal(0, it.wasted)
    did_what_it_could(it.back + 100, it.to, it.could)
  end)

  it("does what it can behind a circuit and a limit that is found", function()
    local it = comes_back_at_30 { max = 64, workers = 2, rules = RULES }
    did_what_it_could(it.back + 2 * PAUSE, it.to, it.could)
    assert(it.wasted <= it.could * SECONDS / 20, it.wasted)
    local last = assert(load:first("open", true), "the circuit never opened")
    assert(last < it.back + 2 * PAUSE, "it opened again")
    load:is_within_budget(server)
  end)

  it("does what it can while it becomes well bit by bit, and all when it is", function()
    begin { max = 64, workers = 2, rules = RULES }
    server:tell("clerks", 1)
    local back, to = server:tell("fail", 0, 503, 0), nil
    for clerks = 1, CLERKS do
      local from = server:tell("clerks", clerks)
      to = load:runs(clerks == 1 and 2 * PAUSE + 500 or 500)
      local could = math.min(RATE, clerks * 1000 / MS)
      did_what_it_could(clerks == 1 and from + 2 * PAUSE or from, to, could)
    end
    load:goes_well_after(to, 300)
    assert(load:first("open", true) < back + 2 * PAUSE, "it opened again")
    local counts = server:counts()
    print(("# %s, %d in vain"):format(traffic.shown(load:ended(back, to)), counts.wasted))
    assert(counts.wasted <= 20, counts.wasted)
    load:is_within_budget(server)
  end)
end)
