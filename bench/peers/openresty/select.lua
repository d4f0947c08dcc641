-- select.lua - one-row selects through pgmoon and the pool of nginx's sockets, as its manual says: connect, ask, and
-- keepalive.
--
-- The number stands in the text: what pgmoon sends with parameters goes in several small packets, of which the later
-- ones wait for the server's word on the first (1,400 answers a second instead of 16,000).
-- Writes "ANSWERS WALL_US CPU_US" of the measured time to the file PEER_ANSWER and ends nginx.
local ffi = require "ffi"
local pgmoon = require "pgmoon"

ffi.cdef [[
struct peer_time { long seconds, nanoseconds; };
int clock_gettime(int clock, struct peer_time *out);
int kill(int pid, int signum);
int getppid(void);
]]

local numbers = {}
for one in os.getenv("PEER_NUMBERS"):gmatch "%d+" do numbers[#numbers + 1] = tonumber(one) end
local tasks, connections, accounts, warm_ms, measured_ms = unpack(numbers)
local MONOTONIC, PROCESS, QUIT = 1, 2, 3
local settings = {
  host = os.getenv "PGHOST", port = os.getenv "PGPORT", database = os.getenv "PGDATABASE",
  user = os.getenv "PEER_USER", pool_size = connections, backlog = tasks,
}

local time = ffi.new "struct peer_time"
local function clock_us(clock)
  ffi.C.clock_gettime(clock, time)
  return tonumber(time.seconds) * 1e6 + tonumber(time.nanoseconds) / 1e3
end

local function ask(until_us)
  local asked = 0
  repeat
    local pg = pgmoon.new(settings)
    assert(pg:connect())
    local rows = assert(pg:query("select balance from account where id = " .. math.random(accounts)))
    assert(type(rows[1].balance) == "number")
    assert(pg:keepalive())
    asked = asked + 1
  until clock_us(MONOTONIC) >= until_us
  return asked
end

local function round(ms)
  local begun, begun_cpu = clock_us(MONOTONIC), clock_us(PROCESS)
  local threads, asked = {}, 0
  for i = 1, tasks do threads[i] = ngx.thread.spawn(ask, begun + ms * 1000) end
  for i = 1, tasks do
    local ok, one = ngx.thread.wait(threads[i])
    asked = asked + (ok and one or error(one))
  end
  return ("%d %d %d"):format(asked, clock_us(MONOTONIC) - begun, clock_us(PROCESS) - begun_cpu)
end

assert(ngx.timer.at(0, function()
  local ok, answer = pcall(function()
    round(warm_ms)
    return round(measured_ms)
  end)
  local file = assert(io.open(os.getenv "PEER_ANSWER", "w"))
  file:write(ok and answer or "failed: " .. tostring(answer), "\n")
  file:close()
  ffi.C.kill(ffi.C.getppid(), QUIT)
end))
