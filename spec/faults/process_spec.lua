-- A process with SQLite, without descriptors or memory. limit: 200 s

local bounded = require "spec.faults.bounded"
local tmp = require "spec.support.tmp"

local folder = tmp.folder()
local run, with_memory_bound = bounded.run, bounded.with_memory

local SQLITE = [[sqlite "shop" { file = env "SHOP_FILE", pool = { max = 8 }, policy = "patient" }]]

-- SQLite's LIKE calls itself for each wildcard, on the stack of one of our threads.
local deep = tmp.write(folder, "deep.lua", [[
  local shop = use "shop"
  for _ = 1, 2 do print(assert(shop:value("select ? like ?", ("a"):rep(24900), ("%a"):rep(24900)))) end]])

local hungry = tmp.write(folder, "hungry.lua", [[
  local kept = {}
  while true do kept[#kept + 1] = ("x"):rep(1000000) .. #kept end]])

bounded.says_what_it_lacks { what = "sqlite", declaration = SQLITE, file = tmp.write(folder, "work.lua", bounded.WORK) }

it("the deepest pattern has its stack, whatever the program's own is allowed", function()
  for _, kilobytes in ipairs { 256, 8192 } do
    local ran = run(SQLITE, "s", kilobytes, deep)
    assert.equal("1\n1\n", ran.output, ran.errors)
  end
end)

with_memory_bound("a workflow that takes all the memory there is ends with 1 (no bound works under a sanitizer)", function()
  local ran = run(SQLITE, "v", 400000, hungry)
  assert.is_nil(ran.signal)
  assert.equal(1, ran.code)
  assert.matches("not enough memory", ran.errors)
end)
