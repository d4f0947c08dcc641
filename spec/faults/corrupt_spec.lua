-- What becomes of a call when bytes of it, either way, become others: the network lies about what a real server said, or about
-- what it was asked. limit: 200 s
--
-- A client can be lied to. What is demanded all the same: the process lives, each call ends in time, nothing is "ok"
-- that the server has not done, nothing has failed that it has, a connection on which something was said that is not in the
-- protocol is not used again, no answer is taken for that of another call, and the pool is whole afterwards. Values in rows
-- may be others, and so may the code of an error.
--
-- SEEDS=n is how many drawn cases (340; NEBULA_PROVE: 20,000), from SEED on.

local clock = require "spec.support.clock"
local corrupted = require "spec.faults.corrupted"
local declared = require "spec.kinds.declared"
local dice = require "spec.support.dice"
local lanes = require "spec.faults.lanes"
local postgres = require "spec.support.postgres"

local SEED = tonumber(os.getenv "SEED") or 1
local SEEDS = tonumber(os.getenv "SEEDS") or os.getenv "NEBULA_PROVE" and 20000 or 340
-- Types of messages, by exchange and way: an error, a notice, what says nothing, the end of a statement and of all of it.
local LETTERS = os.getenv "NEBULA_PROVE" and { others = { down = "ENdCZ", up = "dHSQ" } }
  or { ["insert that is refused"] = { down = "Nd" }, ["insert that is refused at its commit"] = { down = "N" },
    ["insert with a notice"] = { down = "E" }, others = {} }
local LANES = 24
local DEADLINE = 200
local LATE = 2000 -- ms: no bound of the engine, one of this machine
-- Of a type that was spoiled it is asked what it is, beside an open stream over another connection.
local WIDE = 'sslmode = "disable", pool = { max = 2, connect = "1s" }'
local SETTINGS = 'sslmode = "disable", pool = { max = 1, connect = "1s" }'

-- The password travels as it is: a proof of it would refuse whatever is spoiled in a login.
local server = postgres.start { hba = { "host all all 127.0.0.1/32 password" }, settings = { max_connections = 5 * LANES } }
server:psql(corrupted.TABLES)

-- --- a case of each number --------------------------------------------------------------------------

---@class spec.Corruption
---@field what integer|string the seed, or "=" and the byte that it becomes
---@field exchange spec.Exchange
---@field way "up"|"down"
---@field ahead integer
---@field count integer

local function case_of(seed, sizes)
  local roll, exchange = dice(seed), corrupted.exchanges[seed % #corrupted.exchanges + 1]
  roll(1, 1)
  local way = roll(1, 3) == 1 and "up" or "down"
  return { what = seed, exchange = exchange, way = way, ahead = roll(0, sizes[exchange][way] - 1),
    count = roll(1, 3) == 1 and roll(2, 6) or 1 }
end

-- Each byte of an exchange in turn becomes each of these.
local function add_letters(list, exchange, way, size, letters)
  for ahead = 0, size - 1 do
    for letter in letters:gmatch "." do
      list[#list + 1] = { what = "=" .. letter, exchange = exchange, way = way, ahead = ahead, count = 1 }
    end
  end
end

local function shown(case)
  if not case.what then return case.exchange.name .. ", not spoiled" end
  return ("%s, %d bytes spoiled after %d %s (%s)"):format(case.exchange.name, case.count, case.ahead, case.way,
    type(case.what) == "number" and "SEED=" .. case.what or case.what)
end

-- --- one case ---------------------------------------------------------------------------------------

local ends = {} -- of all calls: { case, end }
local problems = {}

local function note(ok, why)
  if not ok then problems[#problems + 1] = tostring(why) end
end

local function ask(lane, case, deadline)
  local list = case.exchange.run(lane, { deadline = deadline .. "ms" })
  for _, one in ipairs(list) do ends[#ends + 1] = { case, one } end
  return list
end

local function is_well(list)
  for _, one in ipairs(list) do
    if (one.outcome == "ok") == (one.must_fail or false) then return false end
  end
  return true
end

-- As it is before: nothing open, or one connection that knows the statements.
local function make_ready(lane, case)
  local undisturbed = { exchange = case.exchange, way = "down" }
  if case.exchange.is_fresh then
    lanes.forget(lane)
    return
  end
  for _ = 1, 2 do
    local last
    local is_ready = clock.wait(function()
      last = ask(lane, undisturbed, 10000)
      return is_well(last)
    end, 30000)
    assert(is_ready, not is_ready and "no call works: " .. last[1].text)
  end
end

local function pid_of(db)
  return clock.eventually("it answers", function() return db:value({ deadline = "5s" }, "select pg_backend_pid()") end, 60000)
end

-- No answer is taken for that of another call.
local function answers_well(db, first)
  for number = first, first + 3 do
    local answer = clock.eventually("it answers", function()
      return db:value({ deadline = "5s" }, "select ?::bigint + ? + ? + ? + ? + ? + ?", number, 0, 0, 0, 0, 0, 0)
    end, 60000)
    assert.equal(number, answer)
  end
end

local function play_one(lane, case)
  make_ready(lane, case)
  local db = lane[case.exchange.on]
  local before = not case.exchange.is_fresh and pid_of(db)
  lane.net:tell("corrupt", case.way, case.ahead, case.count, case.what, "once")
  local is_lost = false
  for _, one in ipairs(ask(lane, case, DEADLINE)) do
    assert(one.took < DEADLINE + LATE, ("answered after %d ms"):format(one.took))
    is_lost = is_lost or one.code == "protocol" or one.code == "lost"
  end
  declared.is_settled(db)
  lane.net:tell "pass"
  -- What was spoiled on its way up may be prepared there, under the name of what was asked for: nobody can tell.
  if case.way == "up" then lanes.forget(lane) end
  answers_well(db, case.ahead)
  assert(not before or not is_lost or pid_of(db) ~= before, "the connection was used again")
end

local function play(lane, case) lanes.named(shown(case), play_one, lane, case) end

-- Bytes of an exchange, each way.
local function measure(exchange)
  local lane, case = lanes.first(), { exchange = exchange, way = "down" }
  make_ready(lane, case)
  local before = lane.net:stats()
  assert(is_well(ask(lane, case, 10000)))
  local after = lane.net:stats()
  return { up = after.up - before.up, down = after.down - before.down }
end

local function sizes()
  local by_exchange = {}
  for _, exchange in ipairs(corrupted.exchanges) do by_exchange[exchange] = measure(exchange) end
  return by_exchange
end

-- What the server has must agree with how all calls ended.
local function compare(is_one)
  local has, known = lanes.tally(server, "tally", "pair", "once", "loud", "late"), {}
  local counts = { ok = 0, failed = 0, in_doubt = 0 }
  for _, pair in ipairs(ends) do
    local case, one = pair[1], pair[2]
    known[one.id] = true
    counts[one.outcome] = counts[one.outcome] + 1
    note(pcall(lanes.named, shown(case), corrupted.check, one, case.way, has))
  end
  for name, ids in pairs(has) do
    for id in pairs(ids) do assert(known[id], ("%s has %d, which nobody asked for"):format(name, id)) end
  end
  assert(#problems == 0, table.concat(problems, "\n", 1, math.min(#problems, 20)))
  print(("# calls: %d ok, %d failed, %d in doubt"):format(counts.ok, counts.failed, counts.in_doubt))
  assert(is_one or counts.in_doubt > 0 and counts.failed > 0, "nothing was spoiled")
end

describe("an exchange with PostgreSQL", function()
  local size, before

  setup(function()
    lanes.open(LANES, server, { plain = SETTINGS, shared = SETTINGS .. ", pipeline = 4", wide = WIDE })
    before = declared.count()
    size = sizes()
  end)
  before_each(function() problems = {} end)

  local function play_all(list)
    print(("# %d cases"):format(#list))
    lanes.play(list, shown, function(...) note(pcall(play, ...)) end)
    declared.is_whole(before)
    compare(#list == 1)
  end

  it("may be spoiled at any of its bytes", function()
    local list = {}
    for seed = SEED, SEED + SEEDS - 1 do list[#list + 1] = case_of(seed, size) end
    play_all(list)
  end)

  it("leaves no connection whose state nobody knows", function()
    local lane, case = lanes.first(), { exchange = corrupted.exchanges[2], way = "down" }
    make_ready(lane, case)
    local pid = pid_of(lane.plain)
    lane.net:tell("corrupt", "down", size[case.exchange].down - 1, 1, "=?", "once")
    assert.is_true(is_well(ask(lane, case, DEADLINE)))
    declared.is_settled(lane.plain)
    assert.not_equal(pid, pid_of(lane.plain))
  end)

  it("may have each of its messages taken for another", function()
    local list = {}
    for _, exchange in ipairs(corrupted.exchanges) do
      local letters = LETTERS[exchange.name] or LETTERS.others
      for way, which in pairs(letters) do add_letters(list, exchange, way, size[exchange][way], which) end
    end
    play_all(list)
  end)
end)
