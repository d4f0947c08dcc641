-- bounded.lua - a process without descriptors or memory: it works, or says what it lacks, and never hangs.
local assert = require "luassert"
local busted = require "busted"
local process = require "spec.support.process"
local tmp = require "spec.support.tmp"

local NEBULA = process.program "nebula"

local bounded = {}

-- Who asks for a connection waits as long as a call may take: that the machine is slow is not what is looked for here.
local PATIENT = 'return policy "patient" { like = "standard", call = { wait = "5s" } }'

---What both kinds do.
bounded.WORK = [[
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
  print(assert(shop:value "select sum(a) from t"))]]

---Runs a workflow under a limit of the shell's: "n" descriptors, "v" kilobytes of addresses.
function bounded.run(declaration, limit, amount, file)
  local place = tmp.folder(tmp.MEMORY)
  tmp.write(place, "resources/shop.lua", declaration)
  tmp.write(place, "policies/patient.lua", PATIENT)
  return process.run { "sh", "-c", ('ulimit -%s %d && exec "$0" "$@"'):format(limit, amount), NEBULA, "run", "--dir", place,
    file, env = { SHOP_FILE = place .. "/shop.db", NEBULA_RUN_DIR = place }, within = 15000 }
end

-- Ends ok with the right answer, or with 1 and a sentence about what is missing. Returns whether ok.
local function ends_well(ran, shown, words, secret)
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
  assert.is_nil(secret and ran.errors:find(secret, 1, true), shown)
  return false
end

-- Under each limit; the least of them is too little and the largest enough.
local function under(given, limit, amounts, words)
  local ok
  for at, amount in ipairs(amounts) do
    local shown = ("%s, ulimit -%s %d: "):format(given.what, limit, amount)
    ok = ends_well(bounded.run(given.declaration, limit, amount, given.file), shown, words, given.secret)
    assert(at > 1 or not ok, shown .. "works, so it proves nothing")
  end
  assert(ok, given.what .. ": not enough with the largest limit")
end

---A sanitizer reserves more addresses than there is memory: then there is nothing to bound.
bounded.with_memory = process.is_sanitized and function() end or busted.it

---Under each limit: too little, enough, and what is between.
---@param given { what: string, declaration: string, file: string, secret?: string }
function bounded.says_what_it_lacks(given)
  busted.describe(given.what, function()
    busted.it("without descriptors says so", function()
      under(given, "n", { 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 20, 22, 24, 28, 64 },
        { "[Tt]oo many open files", "no descriptors" })
    end)

    bounded.with_memory("without memory says so (no bound of addresses works under a sanitizer)", function()
      local amounts = {}
      for kilobytes = 21000, 60000, 1000 do amounts[#amounts + 1] = kilobytes end
      for kilobytes = 70000, 150000, 20000 do amounts[#amounts + 1] = kilobytes end
      amounts[#amounts + 1] = 1000000
      under(given, "v", amounts, { "[Nn]o memory", "out of memory", "not enough memory", "[Cc]annot allocate memory" })
    end)
  end)
end

return bounded
