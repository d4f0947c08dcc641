-- measure.lua - what the probes in Lua share: clocks, a compare-and-swap pair to compare with, and resources.
local ffi = require "ffi"
local json = require "cjson"
local declare = require "nebula.declare"
local kind = require "nebula.kind"
local process = require "spec.support.process" -- its clock declares clock_gettime()
local resources = require "nebula.resource"
local tmp = require "spec.support.tmp"
local worker = require "nebula.worker"

ffi.cdef [[
int64_t cas_pairs(int64_t pairs);
]]

local MONOTONIC, PROCESS, THREAD = 1, 2, 3

local measure = {}

local time = ffi.new "struct spec_timespec"

local function clock_us(clock)
  ffi.C.clock_gettime(clock, time)
  return tonumber(time.seconds) * 1e6 + tonumber(time.nanoseconds) / 1e3
end

---@return number us
function measure.wall_us() return clock_us(MONOTONIC) end

---Processor time of the whole process.
---@return number us
function measure.process_us() return clock_us(PROCESS) end

---Processor time of this thread.
---@return number us
function measure.thread_us() return clock_us(THREAD) end

---The compare-and-swap pairs of bench/cas.c.
---@return fun(pairs: integer)
function measure.cas()
  local cas = ffi.load("./" .. process.program "bench/cas.so")
  return function(pairs_) assert(cas.cas_pairs(pairs_) == pairs_) end
end

---Declares resources as users do: the text of a file in resources/.
---@param text string
---@return nebula.Resource ... in the order of the text
function measure.declare(text)
  local folder = tmp.folder()
  tmp.write(folder, "resources/bench.lua", text)
  local kinds = kind.known(worker.home, os.getenv "NEBULA_PATH")
  local set, errors = declare.read { dirs = { folder }, home = worker.home, kinds = kinds }
  if not set then error(tostring(errors[1]), 2) end
  local list = {}
  for at, spec in ipairs(set.resources) do list[at] = assert(resources.declare(spec)) end
  assert(resources.start())
  return unpack(list)
end

---The server that bench/run.lua started, as the options of a declaration.
measure.postgres = ([[host = env "PGHOST", port = %s, dbname = env "PGDATABASE", user = env "PGUSER",
  password = env "PGPASSWORD", sslmode = "disable", policy = "standard"]]):format(os.getenv "PGPORT")

measure.TASKS, measure.ACCOUNTS = 32, 10000

local function ask_until(at_us, ask)
  local asked, sum = 0, 0
  repeat
    sum = sum + ask()
    asked = asked + 1
  until measure.wall_us() >= at_us
  assert(sum > 0)
  return asked
end

---Asks from 32 tasks at once for some time. What is answered is read and summed up.
---@param span_us number
---@param ask fun(): number
---@return number rate answers a second
---@return number cpu of this process, in us an answer
function measure.crowd(span_us, ask)
  local begun, begun_cpu = measure.wall_us(), measure.process_us()
  local tasks, asked = {}, 0
  for i = 1, measure.TASKS do tasks[i] = task(ask_until, begun + span_us, ask) end
  for i = 1, measure.TASKS do asked = asked + tasks[i]:join() end
  return asked * 1e6 / (measure.wall_us() - begun), (measure.process_us() - begun_cpu) / asked
end

---A prepared select of one row by a random key, on a resource of the server.
---@param resource nebula.Resource
---@return fun(): number
function measure.balance(resource)
  local balance = assert(resource:prepare "select balance from account where id = $1")
  return function() return assert(balance:value(math.random(measure.ACCOUNTS))) end
end

---One pair for bench/run.lua.
function measure.pair(row, ours, other, cpu_ours, cpu_other)
  print(("pair %s %.6g %.6g%s"):format(row, ours, other,
    cpu_ours and (" %.6g %.6g"):format(cpu_ours, cpu_other) or ""))
end

measure.json = json

return measure
