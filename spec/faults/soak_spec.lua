-- Full speed on all workers for long, with a fault every now and then: nothing grows, and nothing gets slower.
-- limit: 900 s; alone: it measures how long calls take
--
-- NEBULA_SOAK is for how many seconds (18; NEBULA_PROVE: 600), SEED repeats the faults. Below 100 s only the faults and
-- the descriptors are looked at, because nothing else tells anything so soon. Else each fault has been there once before
-- these seconds begin: what it is that happens for the first time takes memory for it.

local clock = require "spec.support.clock"
local dice = require "spec.support.dice"
local postgres = require "spec.support.postgres"
local process = require "spec.support.process"
local proxy = require "spec.support.proxy"
local tmp = require "spec.support.tmp"

local SECONDS = tonumber(os.getenv "NEBULA_SOAK") or (os.getenv "NEBULA_PROVE" and 600 or 18)
local SEED = tonumber(os.getenv "SEED") or os.time()
local WORKERS, TASKS, MAX, DEADLINE = 2, 8, 4, "500ms"
local IS_LONG = SECONDS >= 100
local PERIOD = IS_LONG and 20 or 6 -- s from fault to fault
local QUIET = IS_LONG and 6 or 2 -- s before a fault in which all is as it should be again
local FAULTS = 6
local WARM = IS_LONG and FAULTS + 1 or 0 -- periods
local ALL = SECONDS + WARM * PERIOD -- s
-- What the process has of the system is whole pages, and LuaJIT goes on compiling what becomes hot only after hundreds of
-- faults: it has some 10 kB more by that in 10 minutes. What is lost shows by malloc, which is counted in bytes.
local PAGE = 4 -- kB

-- --- what a process has ---------------------------------------------------------------------------

local function rss_kb(pid)
  return tonumber(tmp.read(("/proc/%d/status"):format(pid)):match "VmRSS:%s*(%d+) kB")
end

local function descriptors(pid)
  return tonumber((process.run { "sh", "-c", ("ls /proc/%d/fd | wc -l"):format(pid) }).output)
end

-- --- a line through points ------------------------------------------------------------------------

-- Quantiles of Student's t for 95 in 100 by degrees of freedom.
local T = { 12.7, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23, 2.20, 2.18, 2.16, 2.14, 2.13, 2.12, 2.11, 2.10,
  2.09, 2.09, 2.08, 2.07, 2.07, 2.06, 2.06, 2.06, 2.05, 2.05, 2.05, 2.04 }

-- By how much y grows from one to the next, and the ends of its interval. What is left beside the line may hang together
-- from one to the next; then there are fewer to count (B. Santer et al., Statistical significance of trends, 2000).
local function slope(y)
  local n, sum_x, sum_y = #y, 0, 0
  for x = 1, n do sum_x, sum_y = sum_x + x, sum_y + y[x] end
  local mean_x, mean_y, xx, xy = sum_x / n, sum_y / n, 0, 0
  for x = 1, n do xx, xy = xx + (x - mean_x) ^ 2, xy + (x - mean_x) * (y[x] - mean_y) end
  local b, rest, next_to, before = xy / xx, 0, 0, 0
  for x = 1, n do
    local left = y[x] - mean_y - b * (x - mean_x)
    rest, next_to, before = rest + left ^ 2, next_to + left * before, left
  end
  local r = rest > 0 and math.max(0, next_to / rest) or 0
  local free = math.max(1, n * (1 - r) / (1 + r) - 2)
  local half = T[math.min(math.floor(free), #T)] * math.sqrt(rest / free / xx)
  return b, b - half, b + half
end

local function median(list)
  table.sort(list)
  return list[math.ceil(#list / 2)]
end

-- --- the faults -----------------------------------------------------------------------------------

local roll = dice(SEED)

local function faults(server, network)
  return {
    { "the server is killed", function() server:kill() end, function() server:restart() end },
    { "every connection is cut", function() network:tell "cut" end, function() end },
    { "the network is slow", function() network:tell("delay", 100) end, function() network:tell "pass" end },
    { "the network is silent", function() network:tell("blackhole", "both") end, function() network:tell "pass" end },
    { "the server is frozen", function() server:freeze() end, function() server:thaw() end },
    { "nothing new is let in, and all is cut", function() network:tell "refuse" network:tell "cut" end,
      function() network:tell "pass" end },
  }
end

describe("a soak", function()
  local server, network, load, seconds

  local function begin()
    server = postgres.start()
    network = proxy.start(server)
    server:psql "create unlogged table soak (n integer)"
    server:psql(("grant insert on soak to %s"):format(server.user))
    local folder = tmp.folder(tmp.MEMORY)
    tmp.write(folder, "resources/all.lua", ([[
      postgres "shop" { host = "127.0.0.1", port = %d, dbname = %q, user = %q, password = %q, sslmode = "disable",
        pool = { min = %d, max = %d, connect = "1s" }, policy = "soak" }
      sqlite "file" { file = %q, pool = { min = 2, max = 2 }, policy = "soak" }
    ]]):format(network.port, server.dbname, server.user, server.password, MAX, MAX, folder .. "/soak.db"))
    tmp.write(folder, "policies/soak.lua", [[return policy "soak" {
      call = { deadline = "2s", wait = "500ms" }, retry = { tries = 2, pause = "10ms", pause_max = "100ms" } }]])
    local made = process.run { "sqlite3", folder .. "/soak.db",
      "pragma journal_mode = wal; create table tally (n integer); insert into tally values (0)" }
    assert.equal(0, made.code, made.errors)
    load = process.start { process.program "nebula", "run", "--dir", folder, "--workers", tostring(WORKERS), "--log-level",
      "error", "spec/faults/soak.lua", tostring(ALL), tostring(TASKS), DEADLINE, output = folder .. "/said",
      errors = folder .. "/errors",
      -- What its threads keep for themselves malloc calls used.
      env = { NEBULA_RUN_DIR = folder, GLIBC_TUNABLES = "glibc.malloc.tcache_count=0" } }
    load.folder = folder
  end

  after_each(function() load:kill() end)

  -- Of each second: what all workers together said, and what the process had.
  local function measure()
    seconds = {}
    local list, begun, fault, period = faults(server, network), clock.now(), nil, 0
    for second = 1, ALL - 1 do
      clock.pause(math.ceil(math.max(0, begun + second * 1000 - clock.now())))
      assert.is_true(load:is_running(), tmp.read(load.folder .. "/errors"))
      seconds[second] = { rss = rss_kb(load.pid), fds = descriptors(load.pid), used = 0, ok = 0, failed = 0, p99 = {},
        late = {} }
      if fault and second % PERIOD == math.floor(PERIOD / 4) + 1 then
        fault[3]()
        fault = nil
      elseif second % PERIOD == 0 and ALL - second > PERIOD then
        period = period + 1
        fault = list[period < WARM and period or roll(1, #list)]
        print(("# %d s: %s"):format(second, fault[1]))
        fault[2]()
      end
    end
    if fault then fault[3]() end
  end

  local function hear()
    for worker, second, ok, failed, p99, late, used in tmp.read(load.folder .. "/said"):gmatch
      "beat (%d+) (%d+) (%d+) (%d+) (%d+) (%-?%d+) (%S+)" do
      local one = seconds[tonumber(second)]
      if one then
        one.ok, one.failed = one.ok + tonumber(ok), one.failed + tonumber(failed)
        one.p99[tonumber(worker) + 1], one.late[tonumber(worker) + 1] = tonumber(p99), tonumber(late)
        one.used = math.max(one.used, tonumber(used))
      end
    end
  end

  -- Of each period the seconds before the next fault: the middle one of what they had.
  local function quiet(what, chosen)
    local values = {}
    for last = PERIOD, #seconds, PERIOD do
      local some = {}
      for second = last - QUIET + 1, last do some[#some + 1] = what(seconds[second]) end
      values[#values + 1] = (chosen or median)(some)
    end
    return values
  end

  -- A call that is late on a busy machine is cancelled, and that is a connection of its own for a moment. What is lost is
  -- there in each of the seconds.
  local function keeps_its_descriptors()
    local function of(one) return one.fds end
    local least = quiet(of, function(list) return math.min(unpack(list)) end)
    print("# descriptors, the least and the middle: " .. table.concat(least, " ") .. "; " .. table.concat(quiet(of), " "))
    for i = 2, #least do
      assert.is_true(least[i] <= least[1], ("%d descriptors in period %d, %d in the first"):format(least[i], i, least[1]))
    end
  end

  local function worst(list)
    return math.max(unpack(list))
  end

  -- Since each fault was there once, no line through it goes up by more than so much a period for certain.
  local function is_level(what, otherwise, of, least)
    local values = quiet(of)
    for _ = 1, WARM do table.remove(values, 1) end
    local by, low, high = slope(values)
    print(("# %s: %s; by %.2f (%.2f..%.2f) a period"):format(what, table.concat(values, " "), by, low, high))
    assert.is_true(low <= (least or 0), otherwise)
  end

  it("ends as it began: its memory, its descriptors and how long a call takes", function()
    print(("# %d s, SEED=%d"):format(SECONDS, SEED))
    begin()
    measure()
    local how = load:wait(60000)
    assert.equal(0, how and how.code, tmp.read(load.folder .. "/errors"))
    hear()

    local all, failed = 0, 0
    for _, one in ipairs(seconds) do all, failed = all + one.ok, failed + one.failed end
    print(("# %d calls were ok, %d failed"):format(all, failed))
    for i, ok in ipairs(quiet(function(one) return one.ok end)) do
      assert.is_true(ok > 100, ("period %d: %d calls a second were ok before the next fault"):format(i, ok))
    end

    keeps_its_descriptors()
    if not IS_LONG then return end
    is_level("descriptors", "there are more and more descriptors", function(one) return one.fds end)
    is_level("kB of malloc", "the memory in use grows", function(one) return one.used end)
    is_level("kB of memory", "the memory grows", function(one) return one.rss end, PAGE)
    is_level("us of 99 in 100 calls, less those of a nap", "calls take longer and longer", function(one)
      return worst(one.p99) - worst(one.late)
    end)
  end)
end)
