-- soak.lua SECONDS TASKS DEADLINE - a workflow for spec/faults/soak_spec.lua: in every worker so many tasks ask two
-- databases as fast as they can, and each second each worker says, in one write(2):
--
--   beat WORKER SECOND OK FAILED P99_US LATE_US USED_KB
--
-- P99 is that of the calls that were ok and began in that second, LATE that of a nap of 5 ms beside them. USED is what
-- the process has of malloc. What malloc has kept of what was freed goes back to the system each second: it is used
-- again here and there, page by page, and for a long time that looks like memory that is lost.
local seconds, tasks, deadline = tonumber(args[1]), tonumber(args[2]), args[3]

local there = spawn_on_all(function()
  local ffi = require "ffi"
  local clock = require "spec.support.clock"
  local index = require("nebula.worker").index
  pcall(ffi.cdef, [[
    long write(int fd, const void *bytes, size_t size);
    int malloc_trim(size_t pad);
    struct mallinfo2 { size_t arena, ordblks, smblks, hblks, hblkhd, usmblks, fsmblks, uordblks, fordblks, keepcost; };
    struct mallinfo2 mallinfo2(void);
  ]])

  local function used_kb()
    ffi.C.malloc_trim(0)
    local info = ffi.C.mallinfo2()
    return tonumber(info.uordblks + info.hblkhd) / 1024
  end

  -- How many spans of time there were of which length, each place a hundredth longer. It has all the memory that it
  -- will ever have: in a list that grew with the calls of a second, a faster machine looked like memory that is lost.
  local PLACES = 2000 -- from a microsecond to eight minutes
  local Spans = {}
  Spans.__index = Spans

  local function spans()
    return setmetatable({ count = 0, of = ffi.new("uint32_t[?]", PLACES) }, Spans)
  end

  function Spans:add(ms)
    local at = math.floor(100 * math.log(math.max(1, ms * 1000)))
    self.of[at] = self.of[at] + 1
    self.count = self.count + 1
  end

  function Spans:p99_us()
    local at, left = 0, math.ceil(self.count * 0.99)
    while left > self.of[at] do
      left, at = left - self.of[at], at + 1
    end
    return math.exp(at / 100)
  end

  function Spans:clear()
    self.count = 0
    ffi.fill(self.of, ffi.sizeof(self.of))
  end

  local shop, file = use "shop", use "file"
  local begun = clock.now()
  local until_ms = begun + seconds * 1000
  local ok, failed, took, naps = 0, 0, spans(), spans()

  local ways = {
    function(n) return shop:value({ deadline = deadline }, "select $1::int + 1", n) end,
    function(n) return shop:exec({ deadline = deadline }, "insert into soak values ($1)", n) end,
    function(n) return file:value({ deadline = deadline }, "select ? + 1", n) end,
    function(n) return file:exec({ deadline = deadline }, "update tally set n = n + ?", n % 7) end,
    function()
      return shop:with({ deadline = deadline }, function(lease)
        return lease:value({ deadline = deadline }, "select 1")
      end)
    end,
    function()
      return file:with({ deadline = deadline }, function() return true end)
    end,
  }

  local function ask(n)
    local at = clock.now()
    local got = ways[n % #ways + 1](n)
    if got == nil then
      failed = failed + 1
      sleep "5ms" -- what is refused at once is not asked for without end
    else
      ok = ok + 1
      took:add(clock.now() - at)
    end
  end

  for i = 1, tasks do
    task(function()
      local n = i
      while clock.now() < until_ms do
        ask(n)
        n = n + 1
      end
    end)
  end
  local napping = task(function()
    while clock.now() < until_ms do
      local at = clock.now()
      sleep "5ms"
      naps:add(clock.now() - at - 5)
    end
  end)
  for second = 1, seconds do
    sleep(math.ceil(math.max(0, begun + second * 1000 - clock.now())) .. "ms")
    local line = ("beat %d %d %d %d %.0f %.0f %.2f\n"):format(index, second, ok, failed, took:p99_us(), naps:p99_us(),
      index == 0 and used_kb() or 0)
    assert(ffi.C.write(1, line, #line) == #line)
    ok, failed = 0, 0
    took:clear()
    naps:clear()
  end
  napping:join()
end)
assert(there:join())
