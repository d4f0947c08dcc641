-- A pool with far more tasks than connections: whoever waits in turn gets one, and in time. limit: 100 s
--
-- LOAD=n is for how many seconds (3; NEBULA_PROVE: 600). More than 99.999 of 100 acquisitions are to be ok and none late.

local clock = require "spec.support.clock"
local declared = require "spec.kinds.declared"
local postgres = require "spec.support.postgres"

local SECONDS = tonumber(os.getenv "LOAD") or os.getenv "NEBULA_PROVE" and 600 or 3
local TASKS, CONNECTIONS = 64, 4
local DEADLINE = 2000 -- ms
local LATE = 50 -- ms beyond it, on a machine that has other work, too

local server = postgres.start()

local db = declared.use(([[postgres "saturated" { host = %q, port = %d, dbname = %q, user = %q, password = %q,
  pool = { max = %d, queue = %d }, policy = "patient" }]]):format(server.host, server.port, server.dbname, server.user,
  server.password, CONNECTIONS, TASKS), { patient = [[return policy "patient" { like = "standard", call = { wait = "2s" } }]] })

-- How it is asked: each waits in the same queue.
local ways = {
  function(given)
    local lease, err = db:lease(given)
    if not lease then return nil, err end
    local answer
    answer, err = lease:value "select 1"
    lease:release()
    return answer, err
  end,
  function(given) return db:value(given, "select 1") end,
  function(given)
    return db:transaction(given, function(tx) return tx:value "select 1" end)
  end,
}

describe("a saturated pool", function()
  it(("serves everybody in time, for %d s"):format(SECONDS), function()
    assert.equal(1, db:value "select 1")
    local before = declared.count()
    local ok, failures, late, worst = 0, {}, 0, 0
    local last = clock.now() + SECONDS * 1000
    local list = {}
    for i = 1, TASKS do list[i] = ways[i % #ways + 1] end
    assert(for_each(list, { parallel = TASKS }, function(ask)
      while clock.now() < last do
        local begun = clock.now()
        local answer, err = ask { deadline = DEADLINE .. "ms" }
        local took = clock.now() - begun
        worst = math.max(worst, took)
        if took > DEADLINE + LATE then late = late + 1 end
        if answer == 1 then ok = ok + 1 else failures[#failures + 1] = tostring(err) end
      end
    end))
    declared.is_whole(before)
    local pool = declared.pool(db)
    print(("# %d acquisitions, %d waited, %d failed, the slowest took %.0f ms"):format(ok, pool.waited, #failures, worst))
    assert(pool.waited > ok / 2, "nobody had to wait")
    assert.equal(0, late)
    assert(#failures <= (ok + #failures) / 100000, failures[1])
  end)
end)
