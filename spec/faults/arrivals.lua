-- arrivals.lua - a workflow: so many calls a second arrive at the resource web, whatever becomes of those before, and
-- each tells how it ended.
--
--   nebula run --workers N --dir DIR spec/faults/arrivals.lua FOLDER RATE WAY
--
-- WAY is get or post of a line server, or insert of PostgreSQL, into seen: 5 ms of work that may be done twice.
-- The workers share the rate evenly. Each call has an id of its own; when it has ended, one write(2) to stdout says so:
--
--   end ID CODE OUTCOME AT_MS TOOK_MS
--
-- They go on until there is a file FOLDER/stop, and end when the last of them has ended.
local there = spawn_on_all(function(folder, rate, way)
  local ffi = require "ffi"
  local clock = require "spec.support.clock"
  local worker = require "nebula.worker"

  pcall(ffi.cdef, "long write(int fd, const void *bytes, size_t size);")

  local web = use "web"
  local function say(format, ...)
    local line = format:format(...) .. "\n"
    assert(ffi.C.write(1, line, #line) == #line)
  end

  local function is_told(name)
    local file = io.open(folder .. "/" .. name)
    if file then file:close() end
    return file ~= nil
  end

  local function ask(id)
    if way == "insert" then return web:exec({ idempotent = true }, "insert into seen (id) select ? from pg_sleep(0.005)", id) end
    local answer, err = web[way](web, "it", id)
    assert(not answer or answer == "200 " .. id, answer)
    return answer, err
  end

  local live = 0

  local function call(id)
    live = live + 1
    local begun = clock.now()
    local answer, err = ask(id)
    say("end %d %s %s %.3f %.3f", id, answer and "ok" or err.code, answer and "ok" or err.outcome, begun, clock.now() - begun)
    live = live - 1
  end

  local gap = 1000 * worker.count / rate -- ms
  local next_at, id = clock.now() + gap * worker.index / worker.count, worker.index * 1e9
  while not is_told "stop" do
    while next_at <= clock.now() do
      id = id + 1
      task(call, id)
      next_at = next_at + gap
    end
    sleep(math.max(1, math.ceil(next_at - clock.now())) .. "ms")
  end
  while live > 0 do sleep "5ms" end
end, args[1], tonumber(args[2]), args[3])
assert(there:join())
