-- What an engine tells of its decisions, in words: each sort of record has its own, with all its numbers.

local tale = require "nebula.cli.tale"
local tmp = require "spec.support.tmp"

local AT = { file = "policies/db.lua", line = 9 }

-- Record, its words, and what is added when it is known which setting decided.
local WORDS = {
  { { what = "served", waited_us = 12000, max = 20 }, "waited 12ms for one of 20" },
  { { what = "refused", code = "wait", waited_us = 500000, max = 4 }, "got none of 4 (wait) after 500ms", true },
  { { what = "refused", code = "full", waited_us = 0, max = 4 }, "got none of 4 (full) at once", true },
  { { what = "failed", code = "lost", after_us = 40000, outcome = "in_doubt", attempt = 1 },
    "attempt 1 lost after 40ms", true },
  { { what = "failed", code = "deadline", after_us = 40000, outcome = "in_doubt", attempt = 2 },
    "attempt 2 failed (deadline) after 40ms", true },
  { { what = "counted", state = "closed", bad = 3, of = 32 }, "circuit closed at 3 of 32" },
  { { what = "again", pause_us = 61000, reason = "idempotent" }, "tried again after 61ms", true },
  { { what = "again", pause_us = 0, reason = "not_applied" }, "tried again at once", true },
  { { what = "not_again", reason = "in_doubt" },
    "not tried again, for it may have been done, and is not idempotent", true },
  { { what = "not_again", reason = "hopeless" }, "not tried again, for it would end the same way", true },
  { { what = "not_again", reason = "tries" }, "not tried again, for no tries are left", true },
  { { what = "not_again", reason = "deadline" },
    "not tried again, for the deadline comes before the end of the pause", true },
  { { what = "not_again", reason = "budget" }, "not tried again, for the budget for retries is spent", true },
  { { what = "not_again", reason = "server" }, "not tried again, for the server asked for no other", true },
  { { what = "not_again", reason = "stopping" }, "not tried again, for the engine is shutting down", true },
  { { what = "not_again", reason = "memory" }, "not tried again, for there is no memory for it", true },
  { { what = "circuit", state = "open", bad = 3, of = 3 }, "refused by the circuit, open at 3 of 3", true },
  { { what = "rate_served", waited_us = 5000 }, "waited 5ms for its turn by the rate", true },
  { { what = "rate_refused", retry_after_us = 5000 }, "refused by the rate, which lets one go after 5ms", true },
  { { what = "limit_served", waited_us = 5000, concurrent = 32 }, "waited 5ms for one of 32 calls to end", true },
  { { what = "limit_refused", code = "full", waited_us = 0, queue = 64 },
    "refused by the limit (full) at once, with a queue of 64", true },
  { { what = "shed", waited_us = 105000, target_us = 5000 }, "shed after 105ms, where 5ms is the target", true },
  { { what = "early", left_us = 12000, median_us = 40000 },
    "refused early with 12ms left, for half of such calls take 40ms", true },
  { { what = "hedged", after_us = 50000 }, "a copy was sent after 50ms", true },
  { { what = "hedge_won", copy = 2, after_us = 80000 }, "copy 2 was the first to answer, after 80ms" },
  { { what = "hedge_denied", after_us = 50000 }, "no copy was sent after 50ms, for there were too many", true },
  { { what = "fallback", code = "lost" }, "answered by the fallback (lost)", true },
  { { what = "cached", age_us = 3000000 }, "answered from the cache, 3s old", true },
  { { what = "chaos", code = "lost", pause_us = 10000 }, "chaos: lost after 10ms", true },
  { { what = "ended", outcome = "ok", code = "ok", after_us = 113000, attempt = 1 }, "ended ok after 113ms" },
  { { what = "ended", outcome = "ok", code = "ok", after_us = 113000, attempt = 2 },
    "ended ok after 113ms on attempt 2" },
  { { what = "ended", outcome = "failed", code = "open", after_us = 0 }, "failed (open) at once" },
  { { what = "ended", outcome = "in_doubt", code = "lost", after_us = 9, attempt = 3 },
    "ended in doubt (lost) after 9us on attempt 3" },
  { { what = "circuit_opened", why = "failures", bad = 16, of = 32 }, "circuit opened, for 16 of 32 calls failed", true },
  { { what = "circuit_opened", why = "slow", bad = 16, of = 32 }, "circuit opened, for 16 of 32 calls were slow", true },
  { { what = "circuit_opened", why = "consecutive", bad = 3, of = 3 },
    "circuit opened, for 3 of 3 calls failed in a row", true },
  { { what = "circuit_opened", why = "probe", bad = 1, of = 1 }, "circuit opened, for a probe was bad", true },
  { { what = "circuit_opened", why = "order", bad = 0, of = 0 }, "circuit opened, for it was ordered", true },
  { { what = "circuit_half", was = "open" }, "circuit half open, and probes go", true },
  { { what = "circuit_closed", was = "half" }, "circuit closed", true },
}

describe("a decision", function()
  it("is told in words, with its numbers and where its setting stands", function()
    for _, row in ipairs(WORDS) do
      local one, words, has_place = unpack(row)
      assert.equal(words, tale.words(one))
      one.file, one.line = AT.file, AT.line
      assert.equal(words .. (has_place and " because policies/db.lua:9" or ""), tale.words(one))
    end
  end)

  it("has words of whatever sort an engine knows", function()
    local known = {}
    for _, row in ipairs(WORDS) do known[row[1].what] = true end
    local table_of_rows = tmp.read "engine/core/record.c":match "row%[RECORDS%] = (%b{})"
    local count = 0
    for name in table_of_rows:gmatch '%[RECORD_[%u_]+%] =%s*{"([%l_]+)"' do
      count = count + 1
      assert.is_true(known[name], name)
    end
    assert.equal(23, count)
  end)

  it("of a later engine is told by its name", function()
    assert.equal("teleported", tale.words { what = "teleported" })
    assert.equal("not tried again, for mood", tale.words { what = "not_again", reason = "mood" })
    assert.equal("circuit opened, for mood", tale.words { what = "circuit_opened", why = "mood" })
  end)

  it("is a part of the sentence of its call", function()
    assert.equal("waited 12ms for one of 20, attempt 1 lost after 40ms, circuit closed at 3 of 32, tried again after "
      .. "61ms because policies/db.lua:9, ended ok after 113ms on attempt 2.", tale.sentence {
        { what = "served", waited_us = 12000, max = 20, attempt = 1 },
        { what = "failed", code = "lost", after_us = 40000, attempt = 1 },
        { what = "counted", state = "closed", bad = 3, of = 32, attempt = 1 },
        { what = "again", pause_us = 61000, attempt = 1, file = AT.file, line = AT.line },
        { what = "ended", outcome = "ok", code = "ok", after_us = 113000, attempt = 2 },
      })
  end)

  it("has times with a few digits", function()
    local SPANS = {
      [1] = "1us", [999] = "999us", [1000] = "1ms", [1049] = "1ms", [1050] = "1.1ms", [12345] = "12.3ms", [20000] = "20ms",
      [999949] = "999.9ms", [1000000] = "1s", [1230000] = "1.23s", [1500000] = "1.5s", [10000000] = "10s",
      [600000000] = "600s",
    }
    for us, text in pairs(SPANS) do assert.equal(text, tale.span(us)) end
  end)
end)
