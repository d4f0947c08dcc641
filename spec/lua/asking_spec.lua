-- Functions in policies as programs ask them: in every worker, under bounds, and what is said of those that break them.

local program = require "spec.support.program"
local tmp = require "spec.support.tmp"

local ended, nebula, says = program.ended, program.nebula, program.says

describe("a function of a policy", function()
  local folder

  before_each(function() folder = tmp.folder() end)

  local function declares(fallback, before)
    tmp.write(folder, "policies/p.lua", ('%s\npolicy "p" { like = "standard", fallback = %s }\n'):format(before or "", fallback))
    tmp.write(folder, "resources/r.lua", 'sqlite "gone" { file = "/nowhere/at/all.db", create = false, policy = "p" }\n')
  end

  local function run(text, ...)
    local words = { "run", ... }
    words[#words + 1] = tmp.write(folder, "flow.lua", text)
    return nebula(unpack(words))
  end

  it("is told of the error, and what it answers is given", function()
    declares [[{ { last = "1h" }, { call = function(e)
      if e.method == "query" then return {} end
      if e.method == "one" then return { id = 7, name = "none" } end
      return e.code .. "," .. e.action .. "," .. e.outcome .. "," .. e.resource .. "," .. e.attempts .. "," .. #e.text
    end } }]]
    local said = ended(0, run [[
      local gone = use "gone"
      local rows, err, how = gone:query "select 1"
      print(#rows, err, how.fallback, how.because.code)
      print(gone:one("select 1").name, (gone:value "select 1"):match "^(.*),%d+$", gone:stats().front.call)
    ]])
    assert.equal("0\tnil\tcall\tunreachable\nnone\tunreachable,wait,failed,gone,0\t3\n", said.output)
  end)

  it("is asked in every worker, each with its own judge", function()
    declares '{ { call = function(e) if e.method == "query" then error "no" end return e.code end }, { value = 5 } }'
    for _, workers in ipairs { "1", "3" } do
      local said = ended(0, run([[
        local there = spawn_on_all(function()
          for _ = 1, 3 do
            if use("gone"):query "select 1" ~= 5 then return nil end
          end
          return use("gone"):value "select 1"
        end):join()
        for i = 1, there.n do print(there[i]) end
      ]], "--workers", workers, "--log", "logfmt"))
      assert.equal(("unreachable\n"):rep(tonumber(workers)), (said.output:gsub("5", "unreachable")))
      local _, breaches = said.errors:gsub("policies/p.lua:2: fallback.1.call of policy p fails: no", "")
      assert.is_true(breaches >= 3 and breaches <= 3 * tonumber(workers), said.errors)
      says("the default stands, and from now on", said.errors)
    end
  end)

  it("that answers nothing, or what is no plain value, leaves it to the next", function()
    declares [[{ { call = function(e) end }, { call = function(e) return assert end, on = "unreachable" },
      { call = function(e) while true do end end }, { call = function(e) return false end } }]]
    local said = ended(0, run [[
      local value, err, how = use "gone":value "select 1"
      print(value, err, how.fallback)
    ]])
    assert.equal("false\tnil\tcall\n", said.output)
    says("fallback.2.call of policy p answers with a function, not with a plain value; the default stands", said.errors)
    says("fallback.3.call of policy p runs for more than", said.errors)
  end)

  it("is the one of the policy that another one is like", function()
    declares("{ call = function(e) return e.code end }")
    tmp.write(folder, "policies/q.lua", 'policy "q" { like = "p", retry = { tries = 1 } }')
    tmp.write(folder, "resources/r.lua", 'sqlite "gone" { file = "/nowhere/at/all.db", create = false, policy = "q" }\n')
    assert.equal("unreachable\n", ended(0, run [[print((use "gone":value "select 1"))]]).output)
  end)

  it("that could not be asked is refused by check, with its place, and the program goes on without", function()
    declares("{ { call = function(e) return many[1] end }, { value = 3 } }", "local many = {} for i = 1, 2000 do many[i] = i end")
    local said = ended(2, nebula("check", folder))
    assert.equal(("nebula: %s/policies/p.lua:2:1: this function holds on to more than 1000 values\nnebula: 1 mistake\n"):format(folder),
      said.errors)
    says('"column":1', ended(2, nebula("check", "--json", folder)).output)
    says('"text":"this function holds on to more than 1000 values"', ended(2, nebula("check", "--json", folder)).output)
    said = ended(0, run [[print((use "gone":value "select 1")) print((use "gone":value "select 1"))]])
    assert.equal("3\n3\n", said.output)
    local _, times = said.errors:gsub("no function of a policy can be asked", "")
    assert.equal(1, times)
  end)

  it("that can be asked is passed by check", function()
    declares "{ call = function(e) return e.code end }"
    assert.equal("1 resource, no mistakes\n", ended(0, nebula("check", folder)).output)
    declares "{ value = 1 }"
    assert.equal("1 resource, no mistakes\n", ended(0, nebula("check", folder)).output)
  end)
end)

describe("a cache in several workers", function()
  it("is one in each, and the numbers are those of all", function()
    local folder = tmp.folder()
    tmp.write(folder, "policies/p.lua", 'policy "p" { like = "standard", cache = { ttl = "1h" } }')
    tmp.write(folder, "resources/r.lua", ('sqlite "kept" { file = "%s/kept.db", policy = "p" }'):format(folder))
    for workers, shown in pairs { [1] = "1\t1\t1\t1\t1\tnil\n", [3] = "1\t2\t1\t3\t3\t3\n" } do
      local said = ended(0, nebula("run", "--workers", tostring(workers), tmp.write(folder, "flow.lua", [[
        local kept = use "kept"
        kept:exec "drop table if exists n; create table n (a); insert into n values (1)"
        kept:value "select a from n"
        kept:exec "update n set a = 2"
        local there = spawn_on_all(function() return (use("kept"):value "select a from n") end):join()
        table.sort(there)
        local front = kept:stats().front
        print(there[1], there[there.n], front.hits, front.misses, front.entries, front.workers)
      ]])))
      assert.equal(shown, said.output)
    end
  end)

  it("is counted without those that do not turn, or are not there", function()
    local folder = tmp.folder()
    tmp.write(folder, "policies/p.lua", 'policy "p" { like = "standard", cache = { ttl = "1h" } }')
    tmp.write(folder, "resources/r.lua", ('sqlite "kept" { file = "%s/kept.db", policy = "p" }'):format(folder))
    local said = ended(0, nebula("run", "--workers", "3", tmp.write(folder, "flow.lua", [[
      local kept = use "kept"
      kept:value "select 1"
      local there = spawn_on_all(function(until_s)
        if require("nebula.worker").index == 2 then while os.time() < until_s do end end
        return true
      end, os.time() + 4)
      sleep "200ms"
      local stats = kept:stats()
      print(stats.front.misses, stats.front.workers, stats.silent[1])
      there:join()
      local asks = task(function() return kept:stats() end)
      sleep "0s"
      cancel(asks)
      print(select(2, asks:join()).code, kept:stats().front.workers)
    ]])))
    assert.equal("1\t2\t2\ncancelled\t3\n", said.output)
  end)
end)
