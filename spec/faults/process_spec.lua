-- A process without descriptors or memory: it works, or says what it lacks, and never hangs. limit: 200 s

local postgres = require "spec.support.postgres"
local process = require "spec.support.process"
local tmp = require "spec.support.tmp"

local NEBULA = process.program "nebula"
local server = postgres.start()
local folder = tmp.folder()

-- Who asks for a connection waits as long as a call may take: that the machine is slow is not what is looked for here.
local PATIENT = 'return policy "patient" { like = "standard", call = { wait = "5s" } }'

local declare = {
  sqlite = [[sqlite "shop" { file = env "SHOP_FILE", pool = { max = 8 }, policy = "patient" }]],
  postgres = ([[postgres "shop" { host = %q, port = %d, dbname = %q, user = %q, password = %q, pipeline = 4,
    pool = { max = 8 }, policy = "patient" }]]):format(server.host, server.port, server.dbname, server.user, server.password),
}

local work = tmp.write(folder, "work.lua", [[
  local shop = use "shop"
  assert(shop:exec "drop table if exists t")
  assert(shop:exec "create table t (a integer, b text)")
  local list = {}
  for i = 1, 30 do list[i] = i end
  assert(for_each(list, { parallel = 10 }, function(i)
    assert(shop:exec("insert into t values (?, ?)", i, ("x"):rep(100000)))
    assert(shop:value "select count(*) from t")
  end))
  assert(#assert(shop:query "select a, b, b || 'y' as c from t") == 30)
  print(assert(shop:value "select sum(a) from t"))]])

-- What takes more than a statement: COPY both ways, batches, calls that share, and a listener, who counts the parts.
local parts = tmp.write(folder, "parts.lua", [[
  local shop = use "shop"
  assert(shop:exec "drop table if exists taken")
  assert(shop:exec "create table taken (a integer, b text)")
  local listener, list = assert(shop:listen "taken"), {}
  for i = 1, 30 do list[i] = i end
  assert(for_each(list, { parallel = 10 }, function(i)
    assert(shop:copy_in("copy taken from stdin", { { i, ("x"):rep(100000) } }))
    assert(shop:copy_out("copy taken to stdout", function() end))
    local results = assert(shop:batch(function(b)
      b:value("select length(b) from taken where a = ?", i)
      b:query("select pg_notify('taken', ?)", i)
    end))
    assert(results[1] == 100000 and assert(shop:value("select a from taken where a = ?", i)) == i)
  end))
  local sum = 0
  for _ = 1, 30 do
    local note = assert(listener:next "10s")
    sum = sum + (note.payload or error(note.text, 0))
  end
  print(sum)]])

-- SQLite's LIKE calls itself for each wildcard, on the stack of one of our threads.
local deep = tmp.write(folder, "deep.lua", [[
  local shop = use "shop"
  for _ = 1, 2 do print(assert(shop:value("select ? like ?", ("a"):rep(24900), ("%a"):rep(24900)))) end]])

local hungry = tmp.write(folder, "hungry.lua", [[
  local kept = {}
  while true do kept[#kept + 1] = ("x"):rep(1000000) .. #kept end]])

-- Runs a workflow under a limit of the shell's: "n" descriptors, "v" kilobytes of addresses.
local function run(kind, limit, amount, file)
  local place = tmp.folder(tmp.MEMORY)
  tmp.write(place, "resources/shop.lua", declare[kind])
  tmp.write(place, "policies/patient.lua", PATIENT)
  return process.run { "sh", "-c", ('ulimit -%s %d && exec "$0" "$@"'):format(limit, amount), NEBULA, "run", "--dir", place,
    file, env = { SHOP_FILE = place .. "/shop.db", NEBULA_RUN_DIR = place }, within = 15000 }
end

-- Ends ok with the right answer, or with 1 and a sentence about what is missing. Returns whether ok.
local function ends_well(ran, shown, words)
  assert.is_nil(ran.signal, shown)
  assert.is_nil(ran.errors:find("stack traceback", 1, true), shown .. ran.errors) -- it is no mistake of ours, or his
  if ran.code == 0 then
    assert.equal("465\n", ran.output, shown)
    return true
  end
  if ran.code == 127 and ran.errors:find "error while loading shared libraries" then return false end -- not yet ours
  if ran.code == 2 and ran.errors:find "cannot be loaded" then return false end -- nor the driver's library
  assert.equal(1, ran.code, shown .. ran.errors)
  local is_said = false
  for _, word in ipairs(words) do is_said = is_said or ran.errors:find(word) ~= nil end
  assert(is_said, shown .. ran.errors)
  assert.is_nil(ran.errors:find(server.password, 1, true), shown)
  return false
end

-- Under each limit; the least of them is too little and the largest enough.
local function under(kind, file, limit, amounts, words)
  local ok
  for at, amount in ipairs(amounts) do
    local shown = ("%s, ulimit -%s %d: "):format(kind, limit, amount)
    ok = ends_well(run(kind, limit, amount, file), shown, words)
    assert(at > 1 or not ok, shown .. "works, so it proves nothing")
  end
  assert(ok, kind .. ": not enough with the largest limit")
end

-- A sanitizer reserves more addresses than there is memory: then there is nothing to bound.
local with_memory_bound = process.is_sanitized and function() end or it

for what, row in pairs {
  sqlite = { "sqlite", work }, postgres = { "postgres", work }, ["postgres in many ways"] = { "postgres", parts },
} do
  local kind, file = unpack(row)
  describe(what, function()
    it("without descriptors says so", function()
      under(kind, file, "n", { 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 20, 22, 24, 28, 64 },
        { "[Tt]oo many open files", "no descriptors" })
    end)

    with_memory_bound("without memory says so (no bound of addresses works under a sanitizer)", function()
      local amounts = {}
      for kilobytes = 21000, 60000, 1000 do amounts[#amounts + 1] = kilobytes end
      for kilobytes = 70000, 150000, 20000 do amounts[#amounts + 1] = kilobytes end
      amounts[#amounts + 1] = 1000000
      under(kind, file, "v", amounts, { "[Nn]o memory", "out of memory", "not enough memory", "[Cc]annot allocate memory" })
    end)
  end)
end

it("the deepest pattern has its stack, whatever the program's own is allowed", function()
  for _, kilobytes in ipairs { 256, 8192 } do
    local ran = run("sqlite", "s", kilobytes, deep)
    assert.equal("1\n1\n", ran.output, ran.errors)
  end
end)

with_memory_bound("a workflow that takes all the memory there is ends with 1 (no bound works under a sanitizer)", function()
  local ran = run("sqlite", "v", 400000, hungry)
  assert.is_nil(ran.signal)
  assert.equal(1, ran.code)
  assert.matches("not enough memory", ran.errors)
end)
