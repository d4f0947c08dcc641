-- A server that dies and comes again, again and again. limit: 400 s

local clock = require "spec.support.clock"
local desk = require "spec.support.desk"
local process = require "spec.support.process"
local traffic = require "spec.faults.traffic"

local SECONDS = os.getenv "NEBULA_PROVE" and 60 or 1.8
local LATE = 100 * (process.is_slow and 5 or 1) -- ms beyond a deadline: others run beside it

describe("a server that is there and not there", function()
  local server, load, used, lives

  before_each(function() server = desk.start { clerks = 4, ms = 5 } end)
  after_each(function()
    load.child:kill()
    server:stop()
  end)

  -- used: in how many of its lives it was of use. When the last one began.
  local function flaps(given, away, up, down)
    given.port = server.port
    load, used, lives = traffic.begin(given), 0, 0
    load:runs(300)
    local last, begun = clock.now() + SECONDS * 1000, nil
    while clock.now() < last do
      server:tell(unpack(away))
      load:runs(down)
      begun = server:tell "pass"
      local over = load:runs(up)
      used, lives = used + (server:between(begun, over).ok > 0 and 1 or 0), lives + 1
    end
    load:goes_well_after(clock.now())
    local ended = load:ended()
    assert.equal(ended.all, ended.ok + ended.busy + ended.lost + ended.unreachable + ended.deadline + ended.wait + ended.open,
      traffic.shown(ended))
    assert(ended.worst <= load.deadline + LATE, ended.worst)
    load:is_within_budget(server)
    print(("# %s; of use in %d of %d lives"):format(traffic.shown(ended), used, lives))
    return begun
  end

  -- A pool that cannot connect makes pauses, of less than such a life after so short a time.
  it("is used whenever it is there", function()
    flaps({ workers = 1 }, { "down" }, 600, 300)
    assert(used >= lives / 2)
  end)

  it("is used by a circuit, and at once when it stays", function()
    local pause = 200
    local begun = flaps({ workers = 2, rules = traffic.circuit { pause = pause } }, { "fail", 100, 503, 0 }, 300, 300)
    assert(load:said "circuit open" >= lives)
    assert(used >= lives / 2)
    load:is_back_within(server, begun, pause)
  end)
end)
