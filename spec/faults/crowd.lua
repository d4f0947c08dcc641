-- crowd.lua - a workflow: tasks that ask a resource again and again, each as soon as it was answered, and what the limit
-- of that resource is meanwhile.
--
--   nebula run --workers N --dir DIR spec/faults/crowd.lua FOLDER TASKS
--
-- The name of the resource is in the file FOLDER/whom, and may be another one after a while; with no name in it they end.
-- The workers share the tasks evenly. Every 20 ms the first of them says to stdout what the limit is, by one write(2):
--
--   at NOW_MS NAME MOST FOUND       as `nebula inspect` tells it; FOUND is 0 where the limit is declared
local there = spawn_on_all(function(folder, tasks)
  local ffi = require "ffi"
  local c = require "nebula.c"
  local clock = require "spec.support.clock"
  local json = require "cjson"
  local worker = require "nebula.worker"

  pcall(ffi.cdef, "long write(int fd, const void *bytes, size_t size);")

  local name, of = nil, nil

  local function look()
    local file = assert(io.open(folder .. "/whom"))
    local now = file:read "*l" or ""
    file:close()
    if now ~= name then name, of = now, now ~= "" and use(now) or nil end
  end

  local function tell()
    local asked = c.string(c.lib.nebula_ask(c.engine, json.encode { verb = "inspect", name = name }))
    local guards = json.decode(asked).resource.guards
    local limit = guards and guards[1] and guards[1].limit
    if not limit then return end
    local line = ("at %.3f %s %d %d\n"):format(clock.now(), name, limit.most, limit.found and limit.found.limit or 0)
    assert(ffi.C.write(1, line, #line) == #line)
  end

  local function ask(id)
    while of do
      local answer = of:get("it", id)
      if not answer then sleep "5ms" end
    end
  end

  look()
  for i = 1, tasks / worker.count do task(ask, worker.index * tasks + i) end
  while of do
    if worker.index == 0 then tell() end
    sleep "20ms"
    look()
  end
end, args[1], tonumber(args[2]))
assert(there:join())
