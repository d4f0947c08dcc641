-- The operator's commands act on an engine that runs: exit codes, JSON, bad inputs.

local clock = require "spec.support.clock"
local json = require "cjson"
local process = require "spec.support.process"
local program = require "spec.support.program"
local tmp = require "spec.support.tmp"

local eventually = clock.eventually
local ended, nebula, over, says, started = program.ended, program.nebula, program.over, program.says, program.started

local HELD = [[
  local shop = use "shop"
  local lease = shop:lease()
  print "ready"
  sleep "1h"
]]

local function stop(child)
  child:signal "TERM"
  over(child)
end

local function inspected()
  return json.decode(ended(0, nebula("inspect", "shop", "--json")).output).engines[1].resource
end

describe("an operator", function()
  local child

  after_each(function()
    if child then
      child:kill()
      child = nil
    end
  end)

  it("pauses and resumes", function()
    child = started(HELD)
    says("shop (pid " .. child.pid .. "): paused", ended(0, nebula("pause", "shop")).output)
    assert.equal("paused", inspected().state)
    says("resumed", ended(0, nebula("resume", "shop")).output)
    assert.equal("ready", inspected().state)
  end)

  it("resizes, and sees why not", function()
    child = started(HELD)
    ended(0, nebula("resize", "shop", "--min", "2", "--max", "5"))
    assert.equal(5, inspected().max)
    says("0 <= min <= max", ended(2, nebula("resize", "shop", "--min", "9")).errors)
    says("which its kind says", ended(2, nebula("resize", "shop", "--max", "2", "--role", "writer")).errors)
    says("no role of this name", ended(2, nebula("resize", "shop", "--max", "2", "--role", "owner")).errors)
    local told = json.decode(ended(2, nebula("resize", "shop", "--min", "9", "--json")).output)
    assert.equal("usage", told.refused[1].code)
    assert.same({}, told.engines)
  end)

  it("sees since when, to the tenth of a second", function()
    child = started(HELD)
    local held = clock.now()
    for _ = 1, 3 do
      clock.pause(350)
      local least = clock.now() - held
      local since = ended(0, nebula("inspect", "shop")).output:match "leased +([%d.]+)s ago"
      assert.is_true(since * 1000 > least - 100 and since * 1000 < clock.now() - held + 1000, since)
    end
  end)

  it("reconnects, and may wait until that is over", function()
    local gone = tmp.folder() .. "/gone"
    child = started(([[
      local shop = use "shop"
      local lease = shop:lease()
      print "ready"
      while not io.open(%q) do sleep "10ms" end
      lease:release()
      sleep "1h"
    ]]):format(gone))
    says("reconnecting", ended(0, nebula("reconnect", "shop", "--share", "1")).output)
    assert.equal(1, inspected().pools[1].reconnecting_left)
    says("reader: reconnecting, 1 of ", ended(0, nebula("inspect", "shop")).output)
    local waiting = process.start(program.command("reconnect", "shop", "--share", "1", "--every", "0s", "--wait", "--json"))
    assert.is_nil(waiting:line(200))
    tmp.write(gone:match "^(.*)/", "gone", "")
    local told = json.decode(ended(0, over(waiting)).output)
    assert.equal("ready", told.engines[1].state)
    assert.is_nil(inspected().pools[1].reconnecting)
  end)

  it("drains, waits until nothing is left, and resumes", function()
    child = started(HELD)
    says("draining", ended(0, nebula("drain", "shop", "--within", "1m")).output)
    assert.equal("draining", inspected().state)
    says("drained", ended(0, nebula("drain", "shop", "--within", "0s", "--wait")).output)
    assert.equal(0, #inspected().connections)
    ended(0, nebula("resume", "shop"))
    assert.equal("ready", inspected().state)
  end)

  it("is told when somebody resumes what it waits for to be drained", function()
    child = started(HELD)
    local waiting = process.start(program.command("drain", "shop", "--within", "1m", "--wait", "--json"))
    eventually("it drains", function() return inspected().state == "draining" end)
    ended(0, nebula("resume", "shop"))
    local told = ended(1, over(waiting))
    says("was not drained: somebody resumed it", told.errors)
    local answer = json.decode(told.output).engines[1]
    says("was not drained", answer.error)
    assert.is_false(answer.ok)
  end)

  it("waits for no engine that is not there any more", function()
    child = started(HELD)
    local waiting = process.start(program.command("drain", "shop", "--within", "1m", "--wait"))
    eventually("it drains", function() return inspected().state == "draining" end)
    child:kill()
    child = nil
    says("has ended meanwhile", ended(1, over(waiting)).errors)
  end)

  it("names one of several engines", function()
    child = started(HELD)
    local other = started(HELD)
    local told = json.decode(ended(0, nebula("pause", "shop", "--json")).output)
    assert.equal(2, #told.engines)
    told = json.decode(ended(0, nebula("resume", "shop", "--pid", tostring(other.pid), "--json")).output)
    assert.equal(1, #told.engines)
    assert.equal(other.pid, told.engines[1].pid)
    other:kill()
    assert.equal("paused", inspected().state)
    says("no engine of yours runs as process 1", ended(2, nebula("pause", "shop", "--pid", "1")).errors)
    local absent = ("the engine with the process number %d has no resource \"shp\"; did you mean"):format(child.pid)
    says(absent, ended(2, nebula("pause", "shp", "--pid", tostring(child.pid))).errors)
  end)

  it("is told when an engine does not answer, or is stopping", function()
    child = started [[
      print "ready"
      use("shop"):value({ deadline = "1m" },
        "with recursive n (i) as (values (1) union all select i + 1 from n) select count(*) from n")
    ]]
    eventually("its statement runs", function()
      for _, one in ipairs(inspected().connections) do
        if one.state == "leased" then return true end
      end
    end)
    child:signal "STOP"
    says("does not answer", ended(1, nebula("pause", "shop")).errors)
    child:signal "CONT"
    child:signal "TERM" -- it waits for what is under way
    local refused
    eventually("it stops", function()
      refused = nebula("reconnect", "shop")
      return refused.code == 1
    end)
    says("the engine is shutting down", refused.errors)
  end)

  it("is refused what makes no sense, with code 2", function()
    says("no engine that runs has a resource", ended(2, nebula("drain", "shop")).errors)
    says("no engine that runs", json.decode(ended(2, nebula("drain", "shop", "--json")).output).error)
    child = started(HELD)
    says('did you mean "shop"', ended(2, nebula("pause", "shp")).errors)
    says("missing: NAME", ended(2, nebula "pause").errors)
    says("--within: expected a time", ended(2, nebula("drain", "shop", "--within", "5")).errors)
    says("--share: expected", ended(2, nebula("reconnect", "shop", "--share", "2")).errors)
    says("--share: expected", ended(2, nebula("reconnect", "shop", "--share", "nan")).errors)
    says("--every: expected a time", ended(2, nebula("reconnect", "shop", "--every", "1")).errors)
    says("--min: expected a whole number", ended(2, nebula("resize", "shop", "--min", "-1")).errors)
    says("from 0 to 10000", ended(2, nebula("resize", "shop", "--min", "10001")).errors)
    says("from 1 to 10000", ended(2, nebula("resize", "shop", "--max", "0")).errors)
    says("--max: expected a whole number", ended(2, nebula("resize", "shop", "--max", "99999999999")).errors)
    says("--pid: expected a whole number", ended(2, nebula("pause", "shop", "--pid", "x")).errors)
    says("what is missing", ended(2, nebula("resize", "shop")).errors)
    says("there is no option --wait", ended(2, nebula("pause", "shop", "--wait")).errors)
    assert.equal("ready", inspected().state)
    stop(child)
    child = nil
  end)

  it("sees where a lease was taken that is traced", function()
    local folder = tmp.folder()
    tmp.write(folder, "resources/shop.lua", ('sqlite "shop" { file = %q, pool = { trace_leases = true } }'):format(
      folder .. "/shop.db"))
    child = started(HELD, "--dir", folder)
    says("was taken at " .. program.folder .. "/flow.lua:3", ended(0, nebula("inspect", "shop")).output)
    says("keepalive never, hold 30s", ended(0, nebula("inspect", "shop", "--dir", folder)).output)
  end)
end)
