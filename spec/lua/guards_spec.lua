-- What inspect and ls show of what rules know.

local guards = require "nebula.cli.guards"
local show = require "nebula.cli.show"

local function lines_of(list)
  local lines = {}
  guards.show(list, function(name, format, ...) lines[#lines + 1] = name .. "|" .. format:format(...) end)
  return table.concat(lines, "\n")
end

describe("what rules know", function()
  local paint = show.paint
  setup(function() show.paint = function(_, text) return text end end)
  teardown(function() show.paint = paint end)

  it("is shown by operation", function()
    assert.equal([[
now|circuit closed, and never was open
|limit: 3 of 32 under way, 0 wait; 77 went at once or in turn, 5 refused, 2 shed
now|pay: limit: 0 of 1 under way, 4 wait; 1 went at once or in turn, 0 refused, 0 shed]],
      lines_of { { operation = "", circuit = { state = "closed" },
          limit = { under_way = 3, most = 32, waiting = 0, ran = 77, refused = 5, shed = 2 } },
        { operation = "pay", limit = { under_way = 0, most = 1, waiting = 4, ran = 1, refused = 0, shed = 0 } } })
    assert.equal("", lines_of(nil))
  end)

  it("says what limit was found, and by calls that took how long", function()
    local limit = { under_way = 9, most = 11, waiting = 4, ran = 1, refused = 0, shed = 0, found = { limit = 10 } }
    assert.equal("now|limit: 9 of 11 under way, 4 wait; 1 went at once or in turn, 0 refused, 0 shed; found 10",
      lines_of { { operation = "", limit = limit } })
    limit.found.latency, limit.found.least = 0.0123, 0.0101
    assert.matches("; found 10, by calls of 12ms, 10ms at least$", lines_of { { operation = "", limit = limit } })
  end)

  it("says why a circuit opened, and for how long", function()
    for expected, said in pairs {
      ["now|circuit open: 3 of 32 failed, half open in 1500ms; opened 2 times"] = { state = "open", why = "failures", bad = 3,
        of = 32, trips = 2, half_in = 1.5 },
      ["now|circuit half open: 9 of 10 were slow; opened 1 times"] = { state = "half", why = "slow", bad = 9, of = 10, trips = 1 },
      ["now|circuit closed; opened 4 times, the last time as by order"] = { state = "closed", why = "order", bad = 0, of = 0,
        trips = 4 },
    } do
      assert.equal(expected, lines_of { { operation = "", circuit = said } })
    end
  end)

  it("says how that of each endpoint stands", function()
    assert.equal([[
now|circuit of a closed, and never was open
|circuit of b open: 3 of 3 failed, half open in 2s; opened 1 times
|limit: 0 of 2 under way, 0 wait; 9 went at once or in turn, 0 refused, 0 shed]], lines_of { { operation = "", circuits = {
        { endpoint = "a", state = "closed" },
        { endpoint = "b", state = "open", why = "consecutive", bad = 3, of = 3, trips = 1, half_in = 2 },
      }, limit = { under_way = 0, most = 2, waiting = 0, ran = 9, refused = 0, shed = 0 } } })
  end)

  it("is marked in the list while a circuit is not closed", function()
    assert.equal("ready", guards.mark({}, "ready"))
    assert.equal("ready, circuit open", guards.mark({ circuit = "open" }, "ready"))
    assert.equal("ready, circuit half open", guards.mark({ circuit = "half" }, "ready"))
    assert.equal("ready, circuit of a:1 open, circuit of b:2 half open",
      guards.mark({ circuits = { ["b:2"] = "half", ["a:1"] = "open" } }, "ready"))
  end)
end)
