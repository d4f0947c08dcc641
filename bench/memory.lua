-- memory.lua - what a declared resource that nobody uses costs.
--
-- Each measurement is a process of its own, which declares 10,000 resources as users do: files that are evaluated,
-- checked and handed to the engine. What is counted is what the process holds more than before, once all that the
-- reading left behind is collected: the bytes in use of malloc (mallinfo2) and the Lua heap (collectgarbage "count").
package.path = "./?.lua;" .. package.path
local ffi = require "ffi"
local ending = require "spec.support.ending"
local measure = require "bench.measure"
local process = require "spec.support.process"

ffi.cdef [[
struct bench_heap { size_t arena, free, small, maps, mapped, most, small_free, used, left, keep; };
struct bench_heap mallinfo2(void);
]]

local PAIRS, FILES, EACH, ALLOWED = 15, 10, 1000, 1000

local function held()
  for _ = 1, 3 do collectgarbage() end
  local heap = ffi.C.mallinfo2()
  return tonumber(heap.used + heap.mapped) + collectgarbage "count" * 1024
end

local function text(file)
  local lines = {}
  for i = 1, EACH do
    lines[i] = ('sqlite "shop%d" { file = "shop%d.db", policy = "standard" }'):format(file * EACH + i, file * EACH + i)
  end
  return table.concat(lines, "\n")
end

local function declare()
  measure.declare 'sqlite "first" { file = "first.db", policy = "standard" }'
  local before = held()
  for file = 1, FILES do measure.declare(text(file)) end
  print((held() - before) / (FILES * EACH))
end

if (...) == "declare" then
  declare()
else
  for _ = 1, PAIRS do
    local ran = process.run { process.program "nebula-lua", "bench/memory.lua", "declare", within = 60000 }
    if ran.code ~= 0 then error(ran.errors) end
    measure.pair("mem.resource", tonumber(ran.output), ALLOWED)
  end
end
ending.run()
