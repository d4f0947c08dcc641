-- limit: 300 s
-- A circuit for each of three real servers behind a network of ours: one that keeps failing is left out, asked by probes
-- alone, and found again; by the servers' own count.

local balanced = require "spec.kinds.balanced"
local clock = require "spec.support.clock"
local declared = require "spec.kinds.declared"

local SERVERS, BROKEN, PAUSE = balanced.SERVERS, 2, 1000
local server, proxy = balanced.start()
local served, warm_up, work = balanced.served, balanced.warm_up, balanced.work

-- It counts, and says that the disk is broken where that is so.
for i = 1, SERVERS do
  server[i]:psql [[create table disk (is_broken bool); insert into disk values (false);
    create function served() returns int language plpgsql security definer as $$ begin
      perform nextval('calls'); perform pg_sleep(0.004);
      if (select is_broken from disk) then raise exception 'the disk is broken' using errcode = '58030'; end if;
      return 1; end $$]]
end
balanced.CALL = "select served()"

local function break_one(is_broken)
  server[BROKEN]:psql(("update disk set is_broken = %s"):format(is_broken))
end

local ALONE = "eject = { consecutive = 0 }" -- nobody else leaves anybody out
local RULES = ('circuit = { per = "endpoint", consecutive = 4, percent = 0, probes = 1, pause = "%dms", pause_max = "%dms" }')
  :format(PAUSE, PAUSE)

-- How its circuit stands, and how often it has opened.
local function circuit(db, at)
  local one = declared.inspect(db).guards[1].circuits[at or BROKEN]
  return one.state, one.trips or 0
end

-- Calls until its circuit is open; how many failed.
local function work_until_open(db)
  local failed = 0
  clock.eventually("its circuit is open", function()
    failed = failed + work(db, 4, 3)
    return circuit(db) == "open"
  end)
  return failed
end

describe("a server that fails, each with a circuit of its own,", function()
  local before

  before_each(function() before = declared.count() end)
  after_each(function()
    for i = 1, SERVERS do proxy[i]:tell "pass" end
    break_one(false)
    declared.is_whole(before)
    balanced.drain_used()
  end)

  for _, rule in ipairs { "round-robin", "least-outstanding", "p2c", "least-recently-used" } do
    it(("is left out by %s, probed, and back within two pauses"):format(rule), function()
      local db = balanced.use(('balance = %q, %s'):format(rule, ALONE), RULES)
      warm_up(db)
      break_one(true)
      assert(work_until_open(db) >= 4)
      served()
      local failed, begun, _, trips = 0, clock.now(), circuit(db)
      while clock.now() - begun < 3 * PAUSE do failed = failed + work(db, 5, 6) end
      local probes = select(2, circuit(db)) - trips
      assert(probes >= 2, "it was tried again")
      local by = served()
      assert(failed <= probes and by[BROKEN] <= probes,
        ("%d failed, it was asked %d times, and there were %d probes"):format(failed, by[BROKEN], probes))
      assert(by[1] > 50 and by[3] > 50)
      break_one(false)
      begun = clock.now()
      clock.eventually("it serves again", function()
        failed = work(db, 5, 6)
        return circuit(db) == "closed"
      end)
      assert(clock.now() - begun < 2 * PAUSE, "later than two pauses")
      assert.equal(0, failed)
    end)
  end

  it("whose connections are refused is left out too, and all of them refuse by name", function()
    local db = balanced.use('balance = "p2c", ' .. ALONE, RULES)
    warm_up(db)
    for i = 1, SERVERS do
      proxy[i]:tell "refuse"
      proxy[i]:tell "cut"
    end
    local err
    clock.eventually("all are open", function()
      work(db, 2, 6, { deadline = "200ms" })
      err = select(2, db:one({ deadline = "200ms" }, balanced.CALL))
      return err and err.code == "open"
    end)
    assert.matches("the circuit of no endpoint lets it pass; next is 127%.0%.0%.1:%d+, ", err.text)
    assert(err.retry_after * 1000 <= PAUSE)
    local lease, why = db:lease()
    assert.is_nil(lease)
    assert.equal("open", why.code)
    for i = 1, SERVERS do proxy[i]:tell "pass" end
    clock.eventually("all serve again", function()
      work(db, 2, 6, { deadline = "1s" })
      return circuit(db, 1) == "closed" and circuit(db, 2) == "closed" and circuit(db, 3) == "closed"
    end)
  end)
end)
