--- exit: os.exit() that ends the program in order: the engine closes what it has open.

-- luacheck: globals os

local coroutines = require "nebula.coroutine"
local wait = require "nebula.wait"
local worker = require "nebula.worker"

local exit = os.exit
local codes = { [true] = 0, [false] = 1 }

function os.exit(code, close)
  if not wait.current() or not coroutines.may_park() then
    exit(code, close)
  end
  io.stdout:flush()
  worker.exit(codes[code] or tonumber(code) or 0)
  coroutines.park(0)
end
