-- What an engine tells of its decisions, in words: each sort of record has its own, with all its numbers.

local tale = require "nebula.cli.tale"
local tmp = require "spec.support.tmp"

local AT = { file = "policies/db.lua", line = 9 }

-- Record, its words, and what is added when it is known which setting decided.
local WORDS = {
  { { what = "served", waited_us = 12000, max = 20 }, "waited 12ms for one of 20" },
  { { what = "refused", code = "wait", waited_us = 500000, max = 4 }, "got none of 4 (wait) after 500ms", true },
  { { what = "refused", code = "full", waited_us = 0, max = 4 }, "got none of 4 (full) at once", true },
  { { what = "refused_by_chaos", code = "unreachable", waited_us = 500000, max = 4 },
    "got none of 4 (unreachable, by chaos) after 500ms", true },
  { { what = "failed", code = "lost", after_us = 40000, outcome = "in_doubt", attempt = 1 },
    "attempt 1 lost after 40ms", true },
  { { what = "failed", code = "deadline", after_us = 40000, outcome = "in_doubt", attempt = 2 },
    "attempt 2 failed (deadline) after 40ms", true },
  { { what = "failed_by_chaos", code = "lost", after_us = 40000, outcome = "in_doubt", attempt = 1 },
    "attempt 1 lost by chaos after 40ms", true },
  { { what = "failed_by_chaos", code = "server", after_us = 0, outcome = "failed", attempt = 3 },
    "attempt 3 failed (server) by chaos after 0us", true },
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
  { { what = "cached", age_us = 3000000 }, "answered from the cache, 3s old", true },
  { { what = "stale", age_us = 7000000 }, "answered from the cache, 7s old, as a newer answer is asked for", true },
  { { what = "missed", age_us = -1 }, "nothing in the cache", true },
  { { what = "missed", age_us = 0 }, "too old in the cache, with 0us", true },
  { { what = "missed", age_us = 7000000 }, "too old in the cache, with 7s", true },
  { { what = "joined", code = "ok", waited_us = 12000 },
    "had the answer of another task that asked the same, after 12ms" },
  { { what = "joined", code = "lost", waited_us = 12000 },
    "no answer (lost) from another task that asked the same, after 12ms" },
  { { what = "stale_if_error", code = "lost", age_us = 7000000 },
    "answered from the cache, 7s old, for it failed (lost)", true },
  { { what = "fallback", step = 2, way = "value", code = "lost" },
    "answered by fallback 2, a value, for it failed (lost)", true },
  { { what = "fallback", step = 1, way = "resource", code = "lost" },
    "answered by fallback 1, another resource, for it failed (lost)", true },
  { { what = "fallback", step = 3, way = "call", code = "open" },
    "answered by fallback 3, a function, for it failed (open)", true },
  { { what = "fallback_last", step = 1, code = "open", age_us = 7000000 },
    "answered by fallback 1, the last good answer, 7s old, for it failed (open)", true },
  { { what = "fallback_none", step = 1, way = "last", code = "ok" },
    "nothing from fallback 1, the last good answer", true },
  { { what = "fallback_none", step = 2, way = "resource", code = "full" },
    "nothing from fallback 2, another resource (full)", true },
  { { what = "chaos", fault = "held", code = "ok", delay_us = 10000 }, "chaos held it back for 10ms", true },
  { { what = "chaos", fault = "behind", code = "ok", delay_us = 0 }, "chaos held back what is before it", true },
  { { what = "chaos", fault = "fail", code = "locked", delay_us = 0 }, "chaos made it fail (locked)", true },
  { { what = "chaos", fault = "fail", code = "locked", delay_us = 10000 },
    "chaos held it back for 10ms and made it fail (locked)", true },
  { { what = "chaos", fault = "cut_there", code = "lost", delay_us = 0 }, "chaos cut it off on its way (lost)", true },
  { { what = "chaos", fault = "cut_back", code = "lost", delay_us = 10000 },
    "chaos held it back for 10ms and cut off its answer (lost)", true },
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
  { { what = "chaos_began", during_us = 600000000 }, "chaos began, for 600s", true },
  { { what = "chaos_over", faults = 13 }, "chaos over, with 13 faults", true },
  { { what = "sized", pool = 2, from = 2, to = 10 }, "pool 2 may have 10 connections, and had 2", true },
  { { what = "circuit_opened", why = "failures", bad = 16, of = 32, endpoint = "b:1" },
    "circuit of b:1 opened, for 16 of 32 calls failed", true },
  { { what = "circuit_half", was = "open", endpoint = "b:1" }, "circuit of b:1 half open, and probes go", true },
  { { what = "circuit_closed", was = "half", endpoint = "b:1" }, "circuit of b:1 closed", true },
  { { what = "counted", state = "open", bad = 3, of = 3, endpoint = "b:1" }, "circuit of b:1 open at 3 of 3" },
  { { what = "circuit", state = "half", bad = 3, of = 3, endpoint = "b:1" },
    "refused by the circuits of all endpoints, next is b:1, half at 3 of 3", true },
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
    assert.equal(34, count)
  end)

  it("of a later engine is told by its name", function()
    assert.equal("teleported", tale.words { what = "teleported" })
    assert.equal("not tried again, for mood", tale.words { what = "not_again", reason = "mood" })
    assert.equal("circuit opened, for mood", tale.words { what = "circuit_opened", why = "mood" })
    assert.equal("chaos mood", tale.words { what = "chaos", fault = "mood", code = "ok", delay_us = 0 })
    assert.equal("nothing from fallback 1, mood", tale.words { what = "fallback_none", step = 1, way = "mood", code = "ok" })
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

  it("says where other declarations have decided than those that it began with", function()
    assert.equal("attempt 1 lost after 40ms, by generation 4 tried again at once because policies/db.lua:9, ended ok "
      .. "after 1s on attempt 2.", tale.sentence {
        { what = "failed", code = "lost", after_us = 40000, attempt = 1, generation = 3 },
        { what = "again", pause_us = 0, attempt = 1, file = AT.file, line = AT.line, generation = 4 },
        { what = "ended", outcome = "ok", code = "ok", after_us = 1000000, attempt = 2, generation = 4 },
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
