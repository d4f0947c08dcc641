-- Strategies as programs have them: what they are asked, what their answers do, and what becomes of wrong ones.

local clock = require "spec.support.clock"
local declared = require "nebula.declare.strategies"
local json = require "cjson"
local process = require "spec.support.process"
local program = require "spec.support.program"
local sizes = require "spec.support.sized"
local tmp = require "spec.support.tmp"

local ended, eventually, nebula, over, says = program.ended, clock.eventually, program.nebula, program.over, program.says

describe("a strategy", function()
  local sized, child

  before_each(function() sized = sizes.new() end)

  after_each(function()
    if child then
      child:kill()
      child = nil
    end
  end)

  -- One that says "ready" and goes on.
  local function start(text, ...)
    child = process.start(program.command(unpack(sized:words("io.stdout:setvbuf 'line'\n" .. text, ...))))
    assert.equal("ready", child:line())
  end

  local function inspected(name)
    return json.decode(ended(0, nebula("inspect", name, "--json")).output).engines[1].resource
  end

  local function size_of(name)
    local pool = inspected(name).strategy.pools[1]
    return pool and pool.size
  end

  -- What each has in the end, when every one was used.
  local function sizes_of(names)
    return ([[
      local names = { %s }
      for _, name in ipairs(names) do use(name):lease():release() end
      sleep "700ms"
      for _, name in ipairs(names) do print(name, use(name):stats().roles.reader.max) end
    ]]):format(('"' .. table.concat(names, '", "') .. '"'))
  end

  it("is told all that its manual says, and nothing else", function()
    sized:declares("busy", [[function(pool)
      local names, numbers = {}, 0
      for name, value in pairs(pool) do
        names[#names + 1] = name
        numbers = numbers + (type(value) == "number" and value >= 0 and 1 or 0)
      end
      log.info("%s|%d", table.concat(names, " "), numbers)
      log.info("%s %s %d %d %d %d %d", pool.resource, pool.role, pool.size, pool.min, pool.max, pool.in_use, pool.waiting)
      log.info("%d %s %s", pool.leases, tostring(pool.hold_p50_s > 0.01 and pool.hold_p50_s < 1),
        tostring(pool.utilisation > 0 and pool.utilisation < 1))
    end]], "min = 0, max = 3")
    local errors = sized:run([[
      local busy = use "busy"
      local lease = busy:lease()
      sleep "30ms"
      lease:release()
      lease = busy:lease()
      sleep "200ms"
      lease:release()
    ]]).errors
    local told, numbers = errors:match 'text="([^"|]*)|(%d+)"'
    local expected, count = {}, 0
    for _, field in ipairs(declared.fields) do
      expected[field[1]] = true
    end
    for name in told:gmatch "%S+" do
      assert.is_true(expected[name], name)
      count = count + 1
    end
    assert.equal(#declared.fields, count)
    assert.equal(#declared.fields - 2, tonumber(numbers)) -- all but the two names
    says("busy reader 3 1 3 1 0", errors)
    says("2 true true", errors)
    assert.is_nil(errors:find("may have", 1, true)) -- nil changes nothing
  end)

  it("makes a pool smaller and larger, and the log says from what to what, and where", function()
    sized:declares("busy", "function(pool) return pool.in_use + pool.waiting end")
    local said = sized:run [[
      local busy, tasks = use "busy", {}
      local function max() return busy:stats().roles.reader.max end
      busy:lease():release()
      busy:exec "create table if not exists t (a)" -- by the writer, of which there is one
      sleep "250ms"
      print(max())
      for i = 1, 7 do
        tasks[i] = task(function()
          local lease = busy:lease()
          sleep "400ms"
          lease:release()
        end)
      end
      sleep "250ms"
      print(max(), busy:stats().leased)
      for i = 1, 7 do tasks[i]:join() end
      sleep "250ms"
      print(max(), busy:stats().roles.reader.idle)
    ]]
    assert.equal("2\n7\t7\n2\t2\n", said.output)
    for _, text in ipairs { "busy: the reader may have 2 connections, and had 20: strategy busy, ", "may have 7 connections, and had 2",
      "policies/busy.lua:3" } do
      says(text, said.errors)
    end
    assert.is_nil(said.errors:find("writer", 1, true))
  end)

  it("has its answer rounded up and kept within the bounds, of which it hears once", function()
    for name, size in pairs { half = "4.2", none = "0", minus = "-3", large = "1e300", most = "20", least = "1e-300" } do
      sized:declares(name, ("function() return %s end"):format(size))
    end
    local said = sized:run(sizes_of { "half", "none", "minus", "large", "most", "least" })
    assert.equal("half\t5\nnone\t2\nminus\t2\nlarge\t20\nmost\t20\nleast\t2\n", said.output)
    for name, text in pairs { minus = "answered -3 for the reader, which has 2 to 20 connections: it counts as 2",
      large = "answered 1e+300 for the reader, which has 2 to 20 connections: it counts as 20" } do
      says(("%s: strategy %s, "):format(name, name), said.errors)
      local _, times = said.errors:gsub(text:gsub("[%-%+]", "%%%0"), "")
      assert.equal(1, times, said.errors)
    end
    local _, lines = said.errors:gsub("it counts as", "")
    assert.equal(2, lines, said.errors)
  end)

  it("without an answer leaves the pool as it is, says why, and is asked no more after three times", function()
    local wrong = {
      fails = { 'error "no idea"', "fails: no idea" }, hangs = { "while true do end", "runs for more than" },
      eats = { 'local t = "x" while true do t = t .. t end', "takes more than" }, text = { 'return "5"', "answers with a string, not with a number" },
      list = { "return { 5 }", "answers with a table" }, truth = { "return true", "answers with a boolean" },
      nan = { "return 0 / 0", "answers with " }, endless = { "return 1 / 0", "answers with inf" },
      reaches = { "return io.open", "unknown name io" }, keeps = { "few = few + 1 return few", "changes what it holds on to" },
      nothing = { "return nil" }, fine = { "return 6" },
    }
    local names = {}
    for name, one in pairs(wrong) do
      names[#names + 1] = name
      sized:declares(name, ("function() %s end"):format(one[1]))
    end
    local said = sized:run(sizes_of(names))
    for name, one in pairs(wrong) do
      says(("%s\t%d\n"):format(name, name == "fine" and 6 or 20), said.output)
      if one[2] then
        says(("policies/%s.lua:3: size of strategy %s "):format(name, name), said.errors)
        says(one[2], said.errors)
        local _, times = said.errors:gsub("size of strategy " .. name .. " ", "")
        assert.equal(3, times, name)
      end
    end
  end)

  it("that fails later leaves its last good answer in force", function()
    sized:declares("busy", 'function(pool) if pool.size == 20 then return 5 end error "enough" end')
    start [[
      use "busy":lease():release()
      print "ready"
      sleep "1h"
    ]]
    eventually("it has failed", function() return size_of "busy" == 5 and inspected("busy").strategy.pools[1].why end)
    local told = inspected "busy"
    assert.equal(5, told.strategy.pools[1].answer)
    assert.equal(20, told.max)
    says("fails: enough", told.strategy.pools[1].why)
    eventually("it is asked no more", function()
      return inspected("busy").strategy.pools[1].why:find("from now on", 1, true)
    end)
    clock.pause(300)
    says("from now on", inspected("busy").strategy.pools[1].why)
    local shown = ended(0, nebula("inspect", "busy")).output
    says("strategy     busy, of 2 to 20 connections, every 100ms, ", shown)
    says("sizes        reader: 5, answered 5 ", shown)
    says("fails: enough", shown)
  end)

  it("that is like another one is told why the function of both is asked no more", function()
    sized:declares("busy", 'function() error "enough" end')
    sized:declares("other", "nil, like = 'busy'")
    start [[
      use "busy":lease():release()
      use "other":lease():release()
      print "ready"
      sleep "1h"
    ]]
    for _, name in ipairs { "busy", "other" } do
      eventually(name .. " is asked no more", function()
        local pool = inspected(name).strategy.pools[1]
        return pool and pool.why:find("from now on", 1, true)
      end)
      clock.pause(250)
      says("from now on", inspected(name).strategy.pools[1].why)
    end
    says("strategy     other, of 2 to 20 connections, every 100ms, ", ended(0, nebula("inspect", "other")).output)
  end)

  it("is shown from the files, too", function()
    sized:declares("busy", "function() return few end")
    says("strategy     busy, of 2 to 20 connections, every 100ms, ", ended(0, nebula("inspect", "busy", "--dir", sized.folder)).output)
    assert.equal("1 resource, no mistakes\n", ended(0, nebula("check", sized.folder)).output)
  end)

  it("answers within the bounds that an operator leaves it", function()
    sized:declares("busy", "function() return 8 end")
    start [[
      use "busy":lease():release()
      print "ready"
      sleep "1h"
    ]]
    eventually("it is 8", function() return size_of "busy" == 8 end)
    ended(0, nebula("resize", "busy", "--max", "5"))
    eventually("it is 5", function() return size_of "busy" == 5 end)
    ended(0, nebula("resize", "busy", "--min", "10", "--max", "30"))
    eventually("it is 10", function() return size_of "busy" == 10 end)
    ended(0, nebula("resize", "busy", "--min", "0"))
    eventually("it is 8", function() return size_of "busy" == 8 end)
    says("busy, of 0 to 30 connections", ended(0, nebula("inspect", "busy")).output)
  end)

  it("is not asked while functions have taken their time, and that is told", function()
    sized:declares("busy", "function() return 8 end")
    start [[
      local thrift = require "nebula.thrift"
      local has_time = thrift.has_time
      thrift.has_time = function() return false end
      use "busy":lease():release()
      print "ready"
      sleep "600ms"
      thrift.has_time = has_time
      sleep "1h"
    ]]
    eventually("there is no time", function()
      local pool = inspected("busy").strategy.pools[1]
      return pool and pool.why == "functions of policies take a fifth of the worker's time" and pool.size == 20
    end)
    eventually("there is", function() return size_of "busy" == 8 end)
  end)

  it("is no task of the workflow, of which a drain tells what is open", function()
    sized:declares("busy", "function() return 8 end")
    tmp.write(sized.folder, "policies/busy.lua", 'strategy "busy" { size = function() return 8 end }') -- every 5s
    start([[
      use "busy":lease():release()
      defer(function() sleep "10s" end)
      print "ready"
      sleep "1h"
    ]], "--drain", "100ms")
    child:signal "TERM"
    local said = over(child)
    child = nil
    says("still open: the task of the workflow", said.errors)
    local _, tasks = said.errors:gsub("still open: the task", "")
    assert.equal(1, tasks, said.errors)
  end)

  it("is not asked while its resource is paused, and ends with the program", function()
    sized:declares("busy", "function(pool) log.info('asked') return 8 end")
    start [[
      use "busy":lease():release()
      use "busy":pause()
      sleep "50ms"
      print "ready"
      sleep "1h"
    ]]
    clock.pause(400)
    assert.is_nil(size_of "busy")
    ended(0, nebula("resume", "busy"))
    eventually("it is 8", function() return size_of "busy" == 8 end)
    local begun = clock.now()
    child:signal "TERM"
    local said = over(child)
    child = nil
    assert.is_true(clock.now() - begun < 3000)
    says("draining", said.errors)
    assert.is_nil(said.errors:find("strategies.lua", 1, true))
  end)
end)
