-- nebula explain: why calls of an engine that runs waited, failed and were tried again; exit codes, JSON, bad inputs.

local json = require "cjson"
local many = require "spec.support.many"
local program = require "spec.support.program"
local tmp = require "spec.support.tmp"

local ended, nebula, says = program.ended, program.nebula, program.says

local TRACE = "0af7651916cd43dd8448eb211c80319c"
local folder = tmp.folder()

tmp.write(folder, "resources/shop.lua", ('sqlite "shop" { file = %q, policy = "db", pool = { max = 2, queue = 1 } }'):format(
  folder .. "/shop.db"))
tmp.write(folder, "nebula/echo.lua", tmp.read "spec/support/echo.lua")
tmp.write(folder, "policies/db.lua", [[
return policy "db" {
  like = "standard",
  call = { deadline = "5s",
    wait = "100ms" },
}]])

local function started(text)
  return program.started('local shop = use "shop"\n' .. text, "--dir", folder)
end

local function explained(...)
  return json.decode(ended(0, nebula("explain", "shop", "--json", ...)).output)
end

-- What is told of a call, by the names of its records.
local function names(call)
  local list = {}
  for i, one in ipairs(call.records) do list[i] = one.what end
  return table.concat(list, " ")
end

describe("nebula explain", function()
  local child

  after_each(function()
    if child then child:kill() end
    child = nil
  end)

  it("tells how long a call waited, what refused it and where that is set", function()
    child = started [[
      shop:exec "create table if not exists t (a integer primary key)"
      local lease = shop:lease { role = "writer" }
      local refused = shop:exec "insert into t values (1)"
      local waiting = task(function() return shop:exec "insert into t values (2)" end)
      sleep "20ms"
      lease:release()
      waiting:join()
      shop:exec "insert into t values (2)"
      print "ready"
      sleep "1h"
    ]]
    local calls = explained().engines[1].calls
    local count = #calls
    assert.equal("refused ended", names(calls[count - 2]))
    local refused = calls[count - 2].records[1]
    assert.same({ "wait", folder .. "/policies/db.lua", 4, 1 }, { refused.code, refused.file, refused.line, refused.max })
    assert.is_true(refused.waited_us >= 100000)
    assert.equal("served ended", names(calls[count - 1]))
    local served, over = unpack(calls[count - 1].records)
    assert.is_true(served.waited_us >= 20000 and over.after_us >= served.waited_us)
    assert.same({ folder .. "/resources/shop.lua", 1 }, { served.file, served.line })
    assert.equal("failed not_again ended", names(calls[count]))
    assert.same({ "constraint", 1, "failed" }, { calls[count].records[1].code, calls[count].records[1].attempt,
      calls[count].records[3].outcome })

    local text = ended(0, nebula("explain", "shop")).output
    says("shop  (pid " .. child.pid .. ")", text)
    says("s ago", text)
    says((": got none of 1 (wait) after %s because %s/policies/db.lua:4, failed (wait) after "):format(
      require("nebula.cli.tale").span(refused.waited_us), folder), text)
    says("waited 2", text)
    says(" for one of 1, ended ok after ", text)
    says("not tried again, for it would end the same way, failed (constraint) after", text)
    assert.is_nil(text:find("\n\n", 1, true))
  end)

  it("tells of as many calls as are asked for, or of those of a trace", function()
    child = started(([[
      for i = 1, 15 do shop:exec "insert into nothing values (1)" end
      trace("00-%s-b7ad6b7169203331-01", function()
        shop:exec "insert into nothing values (1)"
        shop:exec "insert into nothing values (1)"
      end)
      for i = 1, 3 do shop:exec "insert into nothing values (1)" end
      print "ready"
      sleep "1h"
    ]]):format(TRACE))
    assert.equal(10, #explained().engines[1].calls)
    local last = explained("--last", "2").engines[1].calls
    assert.equal(2, #last)
    assert.is_true(last[1].call < last[2].call)
    assert.equal(last[2].call, explained("--last=1").engines[1].calls[1].call)
    for _, id in ipairs { TRACE, TRACE:upper(), "00-" .. TRACE .. "-b7ad6b7169203331-01" } do
      local calls = explained("--trace", id).engines[1].calls
      assert.equal(2, #calls)
      assert.equal(TRACE, calls[1].trace)
      local text = ended(0, nebula("explain", "shop", "--trace", id)).output
      assert.equal(3, select(2, text:gsub("\n", "")))
      says(", trace " .. TRACE .. ": attempt 1 failed (query) after", text)
    end
    local none = TRACE:reverse()
    assert.same({}, explained("--trace", none).engines[1].calls)
    says("nothing is known of calls of this trace", ended(0, nebula("explain", "shop", "--trace", none)).output)
  end)

  it("has nothing to tell where nothing was decided", function()
    child = started [[print "ready" sleep "1h"]]
    says("nothing was decided about its calls yet", ended(0, nebula("explain", "shop")).output)
    local answer = ended(0, nebula("explain", "shop", "--json")).output
    says('"calls":[]', answer)
    says('"events":[]', answer)
    says('"silent":[]', answer)
  end)

  it("puts the calls of several workers in the order of time", function()
    child = many.started(3, [[
      for i = 0, 5 do
        echo.ask(i % worker.count, "use('shop'):exec 'insert into nothing values (1)'")
        sleep "5ms"
      end
      print "ready"
      sleep "1h"
    ]], "--dir", folder)
    local answer = explained("--last", "6").engines[1]
    assert.equal(3, answer.workers)
    local by = {}
    for i, one in ipairs(answer.calls) do by[i] = one.worker end
    assert.equal("0 1 2 0 1 2", table.concat(by, " "))
    local text = ended(0, nebula("explain", "shop")).output
    says(("(pid %d, 3 workers)"):format(child.pid), text)
    says(", worker 2: ", text)
  end)

  it("knows in each worker where settings stand", function()
    child = many.started(2, [[
      echo.ask(1, "local shop = use 'shop' local lease = shop:lease { role = 'writer' } "
        .. "shop:exec 'create table u (a)' lease:release()")
      print "ready"
      sleep "1h"
    ]], "--dir", folder)
    local answer = explained().engines[1]
    local refused = answer.calls[#answer.calls].records[1]
    assert.same({ 1, "refused", folder .. "/policies/db.lua", 4 }, { answer.calls[#answer.calls].worker, refused.what,
      refused.file, refused.line })
  end)

  it("tells what a cache and a fallback gave, with the call that they gave it for", function()
    tmp.write(folder, "policies/front.lua", [[
policy "front" {
  like = "standard",
  cache = { ttl = "1h" },
  fallback = {
    { last = "1h" },
    { value = 7 },
  },
}]])
    tmp.write(folder, "resources/front.lua",
      'sqlite "front" { file = ":memory:", policy = "front", pool = { max = 1, fail_fast = true } }')
    child = started(([[
      local front = use "front"
      front:exec "create table t (a)"
      trace("00-%s-b7ad6b7169203331-01", function()
        front:query "select a from t"
        front:query "select a from t"
        local lease = front:lease()
        front:value "select 1"
        lease:release()
      end)
      print "ready"
      sleep "1h"
    ]]):format(TRACE))
    local answer = json.decode(ended(0, nebula("explain", "front", "--trace", TRACE, "--json")).output)
    local calls = answer.engines[1].calls
    local list = {}
    for i, one in ipairs(calls) do list[i] = names(one) end
    assert.same({ "missed", "cached", "missed refused ended fallback_none fallback" }, list)
    assert.same({ folder .. "/policies/front.lua", 3, 0 },
      { calls[2].records[1].file, calls[2].records[1].line, calls[2].records[1].generation })
    local text = ended(0, nebula("explain", "front", "--trace", TRACE)).output
    says((", generation 0, trace %s: answered from the cache, "):format(TRACE), text)
    says(("nothing from fallback 1, the last good answer because %s/policies/front.lua:4, answered by fallback 2, a value, "
      .. "for it failed (full) because %s/policies/front.lua:4."):format(folder, folder), text)
    os.remove(folder .. "/resources/front.lua")
  end)

  it("tells what was done by chaos, and by whose order", function()
    tmp.write(folder, "policies/bad.lua", '\n\nchaos "bad" {\n  on = "shop", fail = 1, code = "locked", during = "1h" }')
    child = program.started([[use "shop":query "select 1" print "ready" sleep "1h"]], "--dir", folder, "--allow-chaos")
    local answer = explained().engines[1]
    local records = answer.calls[#answer.calls].records
    local at = records[1].what == "served" and 2 or 1 -- its connection was opened for it
    local hit, failed = records[at], records[at + 1]
    local place = { folder .. "/policies/bad.lua", 3 }
    assert.same({ "chaos", "fail", "locked", place }, { hit.what, hit.fault, hit.code, { hit.file, hit.line } })
    assert.same({ "failed_by_chaos", "locked", place }, { failed.what, failed.code, { failed.file, failed.line } })
    assert.same({ "chaos_began", place }, { answer.events[1].what, { answer.events[1].file, answer.events[1].line } })
    local text = ended(0, nebula("explain", "shop")).output
    says(("chaos began, for 3600s because %s/policies/bad.lua:3, generation 0."):format(folder), text)
    says(("chaos made it fail (locked) because %s/policies/bad.lua:3, attempt 1 failed (locked) by chaos after "):format(
      folder), text)
    os.remove(folder .. "/policies/bad.lua")
  end)

  it("names the policies of operations and of single calls, in each worker", function()
    tmp.write(folder, "policies/strict.lua", '\npolicy "strict" { like = "standard",\n call = { wait = "50ms" } }')
    tmp.write(folder, "policies/other.lua", '\n\n\npolicy "other" { like = "standard",\n call = { wait = "60ms" } }')
    tmp.write(folder, "resources/ops.lua", ('sqlite "ops" { file = %q, pool = { max = 1 }, operations = { pay = "strict" } }')
      :format(folder .. "/ops.db"))
    child = many.started(2, [[
      for i = 0, 1 do
        echo.ask(i, "local ops = use 'ops' local lease = ops:lease() "
          .. "ops:value({ operation = 'pay' }, 'select 1') ops:value({ policy = 'other' }, 'select 1') lease:release()")
      end
      print "ready"
      sleep "1h"
    ]], "--dir", folder)
    local answer = json.decode(ended(0, nebula("explain", "ops", "--json")).output).engines[1]
    local list = {}
    for _, one in ipairs(answer.calls) do
      local first = one.records[1]
      if first.what == "refused" then -- and no lease that was waited for
        list[#list + 1] = ("%d %s %s:%d"):format(one.worker, first.code, first.file:match "[^/]*$", first.line)
      end
    end
    assert.same({ "0 wait strict.lua:3", "0 wait other.lua:5", "1 wait strict.lua:3", "1 wait other.lua:5" }, list)
    os.remove(folder .. "/resources/ops.lua")
  end)

  it("names who does not answer, with code 1", function()
    child = started [[print "ready" sleep "1h"]]
    child:signal "STOP"
    says(("pid %d does not answer"):format(child.pid), ended(1, nebula("explain", "shop")).errors)
    local told = json.decode(ended(1, nebula("explain", "shop", "--json")).output)
    assert.equal(child.pid, told.silent[1].pid)
    child:signal "CONT"
  end)

  it("refuses what makes no sense, with code 2", function()
    says('no engine that runs has a resource "shop"', ended(2, nebula("explain", "shop")).errors)
    local told = json.decode(ended(2, nebula("explain", "shop", "--json")).output)
    says("no engine that runs", told.error)
    assert.same({}, told.engines)
    child = started [[print "ready" sleep "1h"]]
    says('did you mean "shop"', ended(2, nebula("explain", "shp")).errors)
    says("missing: NAME", ended(2, nebula "explain").errors)
    for _, last in ipairs { "0", "257", "-1", "1.5", "x", "", "99999999999" } do
      says("--last: expected a whole number from 1 to 256", ended(2, nebula("explain", "shop", "--last=" .. last)).errors)
    end
    for _, id in ipairs { "", "7", TRACE .. "0", TRACE:sub(2), TRACE:gsub("a", "g"), ("0"):rep(32), "00-" .. TRACE } do
      says("--trace: expected the 32 hex digits", ended(2, nebula("explain", "shop", "--trace=" .. id)).errors)
    end
    says("one of the two", ended(2, nebula("explain", "shop", "--last", "1", "--trace", TRACE)).errors)
    says("there is no option --first", ended(2, nebula("explain", "shop", "--first", "1")).errors)
  end)
end)
