-- The knee of a server that nobody told of: the limit that is found by itself, beside a sweep of fixed ones at the same
-- server under the same load. limit: 900 s
-- What is done in time is counted: not under asan, not under tsan: they would be measured too
--
-- The best limit is the least one with which the server does 95 % of the most that it does with any, as in
-- spec/rules/limit_knee_spec.c, which has many servers in virtual time. More calls than it can take arrive all the time.

local clock = require "spec.support.clock"
local desk = require "spec.support.desk"
local json = require "cjson"
local process = require "spec.support.process"
local traffic = require "spec.faults.traffic"

local IS_PROOF = os.getenv "NEBULA_PROVE" ~= nil
local CLERKS, MS = 12, 20 -- 600 a second
local FOUND = IS_PROOF and 60 or 6 -- s, after which the limit must have been found
local LOOK = 1500 -- ms, for which it must stay there
local SWEEP = IS_PROOF and 3000 or 500 -- ms of each fixed limit
local FIXED = IS_PROOF and { 34, 50, 67, 75, 84, 92, 100, 109, 117, 125, 150, 200, 300 } or { 67, 84, 92, 100, 109, 150 } -- percent
local SETTLE = 250 -- ms, before a fixed one is looked at

describe("a limit that is found", function()
  local server, load

  before_each(function() server = desk.start { clerks = CLERKS, ms = MS } end)
  after_each(function()
    load.child:kill()
    server:stop()
  end)

  local function begin(limit)
    load = traffic.begin { port = server.port, rate = 1.5 * server.capacity, max = 64, tries = 1, deadline = 1000,
      workers = 2, rules = ("circuit = false, limit = { queue = 50, %s }"):format(limit) }
  end

  -- Answers a second with so many at once.
  local function done_with(fixed)
    begin(("concurrent = %d"):format(fixed))
    local from = load:runs(SETTLE)
    local to = load:runs(SWEEP)
    load.child:kill()
    return server:between(from, to).ok * 1000 / (to - from)
  end

  -- Of the server as it is now.
  local function best_of_a_sweep(clerks)
    local done, most = {}, 0
    for _, percent in ipairs(FIXED) do
      local fixed = math.floor(clerks * percent / 100 + 0.5)
      done[#done + 1] = { limit = fixed, ok = done_with(fixed) }
      most = math.max(most, done[#done].ok)
    end
    local shown, best = {}, nil
    for _, one in ipairs(done) do
      shown[#shown + 1] = ("%d: %.0f"):format(one.limit, one.ok)
      best = best or (one.ok >= 0.95 * most and one.limit)
    end
    print(("# calls a second with so many at once: %s"):format(table.concat(shown, ", ")))
    return best
  end

  local function limit_now()
    local ran = process.run { process.program "nebula", "inspect", "--json", "web", env = { NEBULA_RUN_DIR = load.folder } }
    for _, rules in ipairs(json.decode(ran.output).engines[1].resource.guards) do
      if rules.limit then return rules.limit.most end
    end
    error("there is no limit in " .. ran.output)
  end

  -- The mean of the limits from now on, and what the server did meanwhile.
  local function look()
    local from, sum, count = clock.now(), 0, 0
    while clock.now() < from + LOOK do
      sum, count = sum + limit_now(), count + 1
      load:runs(50)
    end
    return sum / count, server:between(from, clock.now()).ok * 1000 / (clock.now() - from)
  end

  local function is_found(best, clerks)
    load:runs(FOUND * 1000)
    local limit, ok = look()
    print(("# %.1f, where %d is best; %.0f calls a second"):format(limit, best, ok))
    assert(math.abs(limit - best) <= 0.25 * best, ("%.1f, where %d is best"):format(limit, best))
    assert(ok >= 0.85 * clerks * 1000 / MS, ok)
  end

  it("is within a quarter of the best of a sweep, and again when the server has half of it", function()
    local best = best_of_a_sweep(CLERKS)
    server:tell("clerks", CLERKS / 2)
    local half = best_of_a_sweep(CLERKS / 2)
    server:tell("clerks", CLERKS)
    begin "concurrent = 4, adaptive = { max = 200 }"
    is_found(best, CLERKS)
    server:tell("clerks", CLERKS / 2)
    is_found(half, CLERKS / 2)
    if not IS_PROOF then return end
    server:tell("clerks", CLERKS)
    is_found(best, CLERKS)
  end)
end)
