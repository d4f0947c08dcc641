-- clock.lua - waiting in a spec: always for a fact, and without holding up the engine that the spec runs in.
local ffi = require "ffi"

ffi.cdef [[
struct spec_timespec { long seconds, nanoseconds; };
int clock_gettime(int clock, struct spec_timespec *out);
int poll(void *descriptors, unsigned long count, int timeout_ms);
]]

local MONOTONIC, THREAD = 1, 3
local clock = {}

---How long a fact may take to come about, in ms: 10 s, with a sanitizer 30.
clock.PATIENCE = (os.getenv "NEBULA_BUILD" or ""):find "[at]san" and 30000 or 10000

---@return number ms of a clock that only goes forward
function clock.now()
  local t = ffi.new "struct spec_timespec"
  ffi.C.clock_gettime(MONOTONIC, t)
  return tonumber(t.seconds) * 1000 + tonumber(t.nanoseconds) / 1e6
end

---@return number us for which this thread had the processor
function clock.worked()
  local t = ffi.new "struct spec_timespec"
  ffi.C.clock_gettime(THREAD, t)
  return tonumber(t.seconds) * 1e6 + tonumber(t.nanoseconds) / 1000
end

-- Under the project's host the engine goes on meanwhile; under another interpreter there is none.
local function engine_sleep()
  local ok, nebula = pcall(require, "nebula")
  return ok and type(nebula) == "table" and nebula.sleep or nil
end

---Lets a moment pass.
---@param ms integer
function clock.pause(ms)
  local sleep = engine_sleep()
  if not sleep then
    ffi.C.poll(nil, 0, ms)
    return
  end
  local _, err = sleep(ms .. "ms")
  if err then error(err, 2) end
end

---Asks again and again until the answer is true.
---@generic T
---@param fact fun(): T?
---@param within integer ms
---@return T? answer nil when it did not come about in time
function clock.wait(fact, within)
  local last = clock.now() + within
  local ms = 1
  while true do
    local answer = fact()
    if answer then return answer end
    if clock.now() >= last then return nil end
    clock.pause(ms)
    ms = math.min(ms * 2, 10)
  end
end

---As clock.wait(), and raises when the fact does not come about.
---@generic T
---@param what string "the server answers"
---@param fact fun(): T?
---@param within? integer ms, default clock.PATIENCE
---@return T
function clock.eventually(what, fact, within)
  within = within or clock.PATIENCE
  return clock.wait(fact, within) or error(("%s: not within %d ms"):format(what, within), 2)
end

return clock
