-- A worker that leaves: by an error that nobody catches, by a panic of Lua, for want of memory, threads or descriptors.
-- It takes nothing with it, and the others go on; what is broken in C ends the process. limit: 600 s

local many = require "spec.support.many"
local process = require "spec.support.process"
local program = require "spec.support.program"
local socket = require "spec.support.socket"
local tmp = require "spec.support.tmp"

local ended, folder, says = program.ended, program.folder, program.says

tmp.write(folder, "resources/one.lua", ('sqlite "one" { file = %q, pool = { max = 1, hold = "100ms" } }\n'):format(
  folder .. "/one.db"))

local HEAD = many.HEAD .. [[
  local there = function() return table.concat(mail.workers(), " ") end
  -- Until worker 1 has left: then no answer comes from it, and nothing that is sent to it arrives.
  local function gone() while mail.is_there(1) do sleep "5ms" end print(there(), pcall(echo.ask, 1, "return 1")) end
]]

local function command(text, workers)
  return program.command("run", "--workers", tostring(workers or 3), "--log", "logfmt", program.workflow(HEAD .. text))
end

local function run(text, workers)
  return process.run(command(text, workers))
end

-- Under a limit that prlimit knows: { nofile = 20 }. as = addresses in bytes.
local function limited(limit, amount, words)
  local all = { "prlimit", ("--%s=%d:%d"):format(limit, amount, amount), env = words.env, within = words.within }
  for _, word in ipairs(words) do all[#all + 1] = word end
  return process.run(all)
end

-- A sanitizer reserves more addresses than there is memory: then there is nothing to bound.
local with_memory_bound = process.is_sanitized and function() end or it
-- The thread sanitizer needs descriptors to find the names of what it leaves out.
local with_descriptors_bound = (os.getenv "NEBULA_BUILD" or ""):find "tsan" and function() end or it

describe("a worker", function()
  it("that an error leaves is named, and the others go on", function()
    local result = ended(0, run [[
      local answer = task(function() return pcall(echo.ask, 1, "sleep '1h'") end)
      sleep "20ms"
      echo.inside(1, "error 'broken'")
      print(answer:join())
      gone()
      print(pcall(echo.ask, 2, "return require('nebula.worker').index"))
    ]])
    says("level=error worker=1 text=\"this worker leaves: echo:1: broken\\n  echo:1: in the main chunk", result.errors)
    says("level=error worker=0 text=\"worker 1 has left, as it says; 2 of 3 go on\"", result.errors)
    says("false\tworker 1 has left: echo:1: broken\n", result.output)
    says("0 2\tfalse\t", result.output)
    says("worker 1: closed\n", result.output)
    says("true\t2\n", result.output)
  end)

  it("leaves its connections to the others", function()
    local result = ended(0, run [[
      echo.ask(1, "lease = use('one'):lease { role = 'writer' } lease:exec 'create table t (a)' return 1")
      echo.tell(1, "lease:exec 'insert into t select 1 from (with recursive n(i) as (select 1 union all select i + 1 from n) select * from n)'")
      local waiting = task(function() return echo.ask(2, "return use('one'):exec 'create table u (a)'") end)
      sleep "50ms"
      echo.inside(1, "error 'broken'")
      print(waiting:join())
      print(use("one"):value "select count(*) from t")
    ]])
    assert.equal("0\tnil\n0\n", result.output)
  end)

  it("may leave in the middle of much traffic", function()
    local result = ended(0, run([[
      local shop = use "one"
      shop:exec "create table if not exists hits (worker integer)"
      local busy = "local of = ... for _ = 1, 8 do task(function() while true do\n" ..
        "local ok, err = use('one'):exec('insert into hits values (?)', of) if not ok and err.code == 'cancelled' then return end\n" ..
        "assert(use('one'):value 'select 1') end end) end sleep '1h'"
      for i = 1, 7 do echo.tell(i, busy, i) end
      local function hits_of(i)
        local count
        repeat count = shop:value("select count(*) from hits where worker = ?", i) until count -- 65 wait for one connection
        return count
      end
      local function progress(i)
        local before = hits_of(i)
        repeat sleep "2ms" until hits_of(i) > before
      end
      for i = 1, 7 do
        for j = i, 7 do progress(j) end
        echo.inside(i, "error 'enough'")
      end
      while #mail.workers() > 1 do sleep "5ms" end
      local count = shop:value "select count(*) from hits"
      sleep "50ms"
      print(shop:value "select count(*) from hits" == count, shop:exec "delete from hits" == count)
    ]], 8))
    assert.equal("true\ttrue\n", result.output)
    local named = {}
    for left, go_on in result.errors:gmatch "worker (%d) has left, as it says; (%d) of 8 go on" do
      named[#named + 1] = tonumber(left)
      assert.equal(8 - #named, tonumber(go_on), result.errors)
    end
    table.sort(named) -- one that was told to leave a little later may have done so a little earlier
    assert.same({ 1, 2, 3, 4, 5, 6, 7 }, named, result.errors)
  end)

  it("that Lua gives up is named, and the others go on", function()
    local result = ended(0, run [[
      echo.tell(1, [=[
        jit.off() jit.flush() -- compiled code cannot stand a finaliser that raises
        local lease = use("one"):lease()
        collectgarbage "stop"
        for _ = 1, 1000 do getmetatable(newproxy(true)).__gc = function() error "broken" end end
        local c, park = require "nebula.c", require("nebula.coroutine").park
        local ticket = c.lib.nebula_wait(c.engine)
        collectgarbage("setstepmul", 100000000)
        collectgarbage "restart" -- and the first to need memory is the host, which tells of the hold
        park(ticket)
      ]=])
      gone()
      print(use("one"):value "select 1")
    ]])
    says("worker=1 text=\"this worker leaves: echo:4: broken\"", result.errors)
    says("1 has left, as it says; 2 of 3 go on", result.errors)
    says("\n1\n", result.output)
  end)

  it("that is alone, or the first, and that Lua gives up ends the program with 1", function()
    for _, count in ipairs { 1, 2 } do
      local result = ended(1, run([[
        jit.off() jit.flush()
        local lease = use("one"):lease()
        collectgarbage "stop"
        for _ = 1, 1000 do getmetatable(newproxy(true)).__gc = function() error "broken" end end
        local c, park = require "nebula.c", require("nebula.coroutine").park
        local ticket = c.lib.nebula_wait(c.engine)
        collectgarbage("setstepmul", 100000000)
        collectgarbage "restart"
        park(ticket)
      ]], count))
      assert.equal(("nebula: %s/flow.lua:8: broken\n"):format(folder), result.errors)
    end
  end)

  with_memory_bound("that has no memory left is named, and the others go on (no bound works under a sanitizer)", function()
    local hungry = "local t = {} while true do t[#t + 1] = ('x'):rep(1e6) .. #t end"
    local result = ended(0, limited("as", 500e6, command(([[
      print(pcall(echo.ask, 1, %q))
      print(echo.ask(1, "return 'a task alone has failed'"))
      echo.inside(1, %q)
      gone()
      print(echo.ask(2, "return #('x'):rep(1e8)")) -- what it had is free
      print(use("one"):value "select 1")
    ]]):format(hungry, hungry))))
    says("false\techo: not enough memory\na task alone has failed\n0 2\tfalse", result.output)
    says("\n100000000\n1\n", result.output)
    says("worker=1 text=\"this worker leaves: ", result.errors)
    says("not enough memory", result.errors)
  end)

  local hungry = [[
    local function hungry()
      local t = {}
      while require("nebula.worker").index == 1 do t[#t + 1] = ("x"):rep(1e6) .. #t end
    end
  ]]

  with_memory_bound("in which a function finds no memory left says which line asked for it", function()
    local result = ended(1, limited("as", 500e6, command(hungry .. "spawn_on_all(hungry):join()")))
    assert.matches("nebula: [^ ]*/flow.lua:%d+: worker 1: not enough memory", result.errors)
  end)

  with_memory_bound("in which a function took all the memory there is gives it back at once", function()
    local result = ended(0, limited("as", 500e6, command(hungry .. [[
      for _ = 1, 3 do
        print(pcall(function() spawn_on_all(hungry):join() end))
        print(#("x"):rep(1e8))
      end
    ]])))
    assert.equal(("false\tworker 1: not enough memory\n100000000\n"):rep(3), result.output)
  end)

  it("that is the first ends the program with 1", function()
    says("nebula: echo:1: broken", ended(1, run [[echo.inside(0, "error 'broken'") sleep "1h"]]).errors)
    says("nebula: echo:1: broken", ended(1, run [[echo.ask(2, "require('nebula.echo').inside(0, [=[error 'broken']=]) sleep '1h'")]]).errors)
  end)

  it("in which C is broken ends the process", function()
    local result = run [[
      echo.ask(1, "for _ = 1, 2 do require('nebula.worker').start(coroutine.create(print), 0, 900) end")
      sleep "1h"
    ]]
    assert.equal(6, result.signal)
    says("w->parked[ticket].co == NULL does not hold", result.errors)
  end)

  it("is not waited for in vain: who sends to it hears so", function()
    local result = ended(0, run [[
      echo.inside(1, "error 'broken'")
      while mail.is_there(1) do sleep "5ms" end
      print(echo.tell(1, "return 1"))
      print(mail.urge(1, "echo.inside", "return 1"))
      print(pcall(mail.send, 3, "echo.inside"))
    ]])
    says("nil\tclosed\nnil\tclosed\nfalse\t", result.output)
    says("there is no such worker", result.output)
  end)
end)

it("the minimum of a resource that does not come in time ends the program, whichever worker keeps it", function()
  local place = tmp.folder()
  local file = tmp.write(place, "flow.lua", "print 'never'")
  for i = 1, 8 do -- the name decides who keeps it
    tmp.write(place, "resources/far.lua", ([[
      postgres "far%d" { host = "127.0.0.1", port = 1, dbname = "d", user = "u", pool = { min = 1, start_within = "50ms" } }
    ]]):format(i))
    local result = ended(1, program.nebula("run", "--workers", "4", file))
    assert.equal("", result.output)
    says(("nebula: far%d: "):format(i), result.errors)
  end
end)

it("the minimum of a resource is awaited by the worker that keeps it, when another one tries to open it", function()
  local place, silent = tmp.folder(), socket.listen()
  for i = 1, 5 do
    tmp.write(place, "resources/far.lua", ([[
      postgres "far%d" { host = "127.0.0.1", port = %d, dbname = "d", user = "u", pool = { max = 1, min = 1, start_within = "300ms" } }
    ]]):format(i, silent.port))
    local result = ended(1, program.nebula("run", "--workers", "4", tmp.write(place, "flow.lua", "print 'never'")))
    assert.equal("", result.output)
    says(("nebula: far%d: "):format(i), result.errors)
  end
  silent:close()
end)

describe("workers that cannot begin", function()
  local place = tmp.folder()
  tmp.write(place, "nebula/echo.lua", tmp.read "spec/support/echo.lua")
  local file = tmp.write(place, "flow.lua", [[
    local echo, mail = require "nebula.echo", require "nebula.mail"
    local list = mail.workers()
    for i, index in ipairs(list) do assert(echo.ask(index, "return require('nebula.worker').index") == index) end
    print(#list)
  ]])
  local words = program.command("run", "--workers", "6", file)

  -- How many workers there were; 0: not even one, which is said with these words. Those that are not there are named.
  local function begun(result, lacks)
    assert.is_nil(result.signal, result.errors)
    if result.code ~= 0 then
      assert(result.code == 1 or result.code == 127, result.errors)
      local is_said = result.errors:find "error while loading shared libraries" ~= nil
      for _, lack in ipairs(lacks) do is_said = is_said or result.errors:find(lack) ~= nil end
      assert(is_said, result.errors)
      return 0
    end
    local count = tonumber(result.output)
    assert.equal(6 - count, select(2, result.errors:gsub("worker %d could not begin", "")), result.errors)
    return count
  end

  -- Under the first of these bounds there is none, under the last one all are, and between them some.
  local function begin_under(limit, amounts, lacks)
    local counts, is_between = {}, false
    for i, amount in ipairs(amounts) do
      counts[i] = begun(limited(limit, amount, words), lacks)
      is_between = is_between or counts[i] > 0 and counts[i] < 6
    end
    assert.equal(0, counts[1])
    assert.equal(6, counts[#counts])
    assert(is_between, table.concat(counts, " "))
  end

  with_descriptors_bound("for want of descriptors are named, and the others go on (no bound works under the thread sanitizer)", function()
    local amounts = {}
    for amount = 4, 64, 2 do amounts[#amounts + 1] = amount end
    begin_under("nofile", amounts, { "[Tt]oo many open files", "no descriptors" })
  end)

  with_memory_bound("for want of memory are named, and the others go on (no bound works under a sanitizer)", function()
    local amounts = {}
    for amount = 15e6, 60e6, 1e6 do amounts[#amounts + 1] = amount end
    amounts[#amounts + 1] = 500e6
    begin_under("as", amounts, { "[Nn]o memory", "not enough memory", "out of memory", "[Cc]annot allocate memory" })
  end)

  it("for want of threads are named, and the others go on", function()
    if process.run({ "id", "-u" }).output ~= "0\n" then pending "only root can be a user of whom nothing else runs" end
    assert.equal(0, process.run({ "chmod", "-R", "a+rwX", place }).code)
    local counts = {}
    for _, amount in ipairs { 1, 2, 3, 4, 7, 8 } do
      local result = process.run { "setpriv", "--reuid", "64321", "--clear-groups", "prlimit", ("--nproc=%d:%d"):format(amount, amount),
        unpack(words) }
      counts[#counts + 1] = begun(result, { "no memory or threads" })
    end
    assert.same(process.is_sanitized and { 0, counts[2], counts[3], counts[4], counts[5], 6 } or { 0, 1, 2, 3, 6, 6 }, counts)
    assert(counts[3] <= counts[4] and counts[4] < 6, "a sanitizer has one thread of its own at most")
  end)
end)
