-- What is given was true when it says: random lives of a cache and its fallbacks beside a number that changes.

local clock = require "spec.support.clock"
local declared = require "spec.kinds.declared"
local dice = require "spec.support.dice"
local fronted = require "spec.support.fronted"

local TTL, STALE, IF_ERROR, LAST = 10, 20, 70, 200 -- ms
local BLUR = 3 -- ms that a clock of turns and one of the machine may be apart, beside what the machine is late

describe("the age of an answer", function()
  local before

  before_each(function() before = declared.count() end)
  after_each(function() fronted.is_whole(before) end)

  it("is never less than it is, and what is too old is never given", function()
    local seed = os.time() % 100000
    local roll = dice(seed)
    local db = fronted.sqlite(([[cache = { ttl = "%dms", stale = "%dms", stale_if_error = "%dms" }, fallback = {
      last = "%dms" }]]):format(TTL, STALE, IF_ERROR, LAST), 'file = ":memory:", pool = { max = 1, fail_fast = true }')
    local other = { cache = false, fallback = false }
    local ends = {} -- of each number: when it was no more

    local seen, is_paused, number = {}, false, 1
    for _ = 1, 600 do
      local what = roll(1, 10)
      if what <= 2 and not is_paused then
        -- A newer answer may be being asked for just then, on the one connection.
        clock.eventually("it is another number", function() return db:exec("update n set a = ?", number + 1) end)
        ends[number] = clock.now()
        number = number + 1
      elseif what == 3 and (not is_paused or roll(1, 3) == 1) then
        assert(db[is_paused and "resume" or "pause"](db))
        is_paused = not is_paused
      elseif what <= 6 then
        clock.pause(roll(1, 25))
      else
        local begun = clock.now()
        local a, err, how = db:value(roll(1, 8) == 1 and other or {}, "select a from n")
        local way = err and "none" or how and (how.cache and (how.because and "because" or "stale") or how.fallback) or "fresh"
        seen[way] = (seen[way] or 0) + 1
        if err then
          assert(is_paused and err.code == "paused", ("%s, seed %d"):format(tostring(err), seed))
        else
          -- It was the number at some time since `most` before it was asked for.
          local most = ({ fresh = TTL, stale = TTL + STALE, because = TTL + IF_ERROR, last = LAST })[way]
          local age = how and how.age * 1000 or most
          assert(age <= most + BLUR, ("%s of %.3f ms, seed %d"):format(way, age, seed))
          local late = clock.now() - begun
          assert(not ends[a] or ends[a] >= begun - age - BLUR - late,
            ("%s: %d was over %.3f ms ago, and is said to be %.3f ms old, seed %d"):format(way, a, begun - (ends[a] or 0), age, seed))
        end
      end
    end
    if is_paused then db:resume() end
    for _, way in ipairs { "fresh", "stale", "because", "last", "none" } do
      assert(seen[way], ("never %s, seed %d"):format(way, seed))
    end
  end)
end)
