-- control.lua FILE - a bare timer beside the engine: how late this machine wakes somebody, in each second.
--
-- It sleeps for 1 ms again and again in a process of its own, and for each second writes "SECOND WORST_MS".
local ffi = require "ffi"
local clock = require "spec.support.clock"

local SPAN_MS = 1
local out = assert(io.open(arg[1], "w"))
local second, worst = math.floor(clock.now() / 1000), 0
while true do
  local begun = clock.now()
  ffi.C.poll(nil, 0, SPAN_MS)
  local now = clock.now()
  worst = math.max(worst, now - begun - SPAN_MS)
  if math.floor(now / 1000) ~= second then
    out:write(("%d %.3f\n"):format(second, worst))
    out:flush()
    second, worst = math.floor(now / 1000), 0
  end
end
