-- Several workers in one process: that they begin, answer each other, drain and end together. limit: 600 s

local clock = require "spec.support.clock"
local many = require "spec.support.many"
local process = require "spec.support.process"
local program = require "spec.support.program"
local tmp = require "spec.support.tmp"

local ended, folder, nebula, over, says = program.ended, program.folder, program.nebula, program.over, program.says
local run, begun, HEAD = many.run, many.started, many.HEAD

describe("workers", function()
  it("are as many as is said, 1 to 64, and one unless told", function()
    local path = program.workflow [[
      local worker = require "nebula.worker"
      print(worker.index, worker.count, #require("nebula.mail").workers(), use("shop"):value "select 1 + 1")
    ]]
    assert.equal("0\t1\t1\t2\n", ended(0, nebula("run", path)).output)
    for _, count in ipairs { 1, 2, 8, 64 } do
      local result = ended(0, nebula("run", "--workers", tostring(count), "--stuck", "1m", path)) -- 64 on two processors are slow
      assert.equal(("0\t%d\t%d\t2\n"):format(count, count), result.output)
      assert.equal("", result.errors)
    end
    for _, bad in ipairs { "0", "65", "1.5", "-1", "two", "", "1e1", "0x2", "99999999999999999999" } do
      says("--workers: a whole number from 1 to 64 is expected", ended(2, nebula("run", "--workers", bad, path)).errors)
    end
  end)

  it("give the same answers, however many there are", function()
    for _, count in ipairs { 1, 2, 8 } do
      assert.equal("1\t1\t2\t3\tnil\n64\t64\t2\t3\tnil\n", ended(0, run(count, [[
        for _, i in ipairs { 1, 64 } do
          local list = {}
          for n = 1, i do list[n] = n end
          local sum = 0
          for_each(list, { parallel = 16 }, function(n)
            local of, one = echo.ask(n % worker.count, "local of = ... return of, use('shop'):value 'select 1'", n % worker.count)
            assert(of == n % worker.count)
            sum = sum + one
          end)
          print(i, sum, echo.ask(worker.count - 1, "return 2, 3, nil"))
        end
      ]])).output)
    end
  end)

  it("begin with what worker 0 has read, whatever became of the files", function()
    local here = tmp.folder()
    local kind = tmp.write(here, "kinds/resources/gone.lua", ([[
      os.remove(%q)
      return kind "gone" {
        driver = "sqlite",
        options = { file = { type = "string", class = "restart", text = "" } },
        check = "select 1",
        resource = { name_of = function(self) return self.name end }, lease = {},
      }
    ]]):format(here .. "/kinds/resources/gone.lua"))
    tmp.write(here, "resources/one.lua", 'gone "one" { file = ":memory:", pool = { max = 1 } }')
    local words = program.command("run", "--workers", "3", "--dir", here, program.workflow(HEAD .. [[
      for i = 0, 2 do print(echo.ask(i, "return use('one'):name_of()")) end
    ]]))
    words.env.NEBULA_PATH = here .. "/kinds"
    words.env.LUA_PATH = folder .. "/?.lua;;"
    assert.equal("one\none\none\n", ended(0, process.run(words)).output)
    assert.is_nil(io.open(kind))
  end)

  it("end sleeps at a signal, everywhere, and come to their end", function()
    for _, name in ipairs { "INT", "TERM", "HUP" } do
      local child = begun(3, [[
        local results = for_each({ 0, 1, 2 }, { parallel = 3 }, function(i)
          return echo.ask(i, "local i = ... if i == 2 then print 'ready' end return select(2, sleep '1h').code", i)
        end)
        print(unpack(results))
      ]])
      child:signal(name)
      local result = ended(0, over(child))
      assert.equal("closed\tclosed\tclosed\n", result.output)
      says("SIG" .. name, result.errors)
    end
  end)

  it("say what each has open when the time is over, and end", function()
    local child = begun(3, [[
      for i = 1, 2 do
        echo.tell(i, "local lease = use('shop'):lease { role = 'reader' } defer(function() print 'deferred' end)\n" ..
          "_G.package.loaded.there = true while true do if select(2, sleep '1h').code == 'cancelled' then return end end")
        echo.ask(i, "while not package.loaded.there do sleep '5ms' end")
      end
      print "ready"
      while sleep "1h" or true do if select(2, sleep "1h").code == "cancelled" then return end end
    ]], "--drain", "100ms", "--log", "logfmt")
    local before = clock.now()
    child:signal "TERM"
    local result = ended(1, over(child))
    assert.is_true(clock.now() - before < 3000)
    assert.equal("deferred\ndeferred\n", result.output)
    says("worker=0 text=\"still open: the task of the workflow", result.errors)
    for i = 1, 2 do
      says(("worker=%d text=\"still open: the task of %s/nebula/echo.lua"):format(i, folder), result.errors)
      says("waiting at echo:2", result.errors)
      says(("worker=%d text=\"still open: 1 leases of shop"):format(i), result.errors)
    end
  end)

  it("stay until a signal where that is said", function()
    local child = begun(2, [[print(echo.ask(1, "return 'ready'"))]], "--stay")
    child:signal "TERM"
    ended(0, over(child))
  end)

  it("end with the workflow, and what they still run is cancelled", function()
    assert.equal("begun\ncancelled\n", ended(0, run(2, [[
      echo.tell(1, "print 'begun' print(select(2, sleep '1h').code)")
      echo.ask(1, "return 1")
    ]])).output)
  end)

  it("end all with the code of os.exit in one of them", function()
    ended(7, run(3, [[echo.ask(2, "os.exit(7)")]]))
    ended(0, run(3, [[echo.tell(2, "os.exit(true)") sleep "1h"]]))
  end)

  it("are named and stopped when they do not come back", function()
    local before = clock.now()
    says("worker 1 did not come back from its own work", ended(1, run(2, [[
      echo.tell(1, "channel('there'):send(true) while true do end")
      channel("there"):receive()
    ]])).errors)
    assert.is_true(clock.now() - before < 6000)
  end)

  it("are named with the signal's code where they do not come back when it drains", function()
    local child = begun(2, [[
      echo.tell(1, "print 'ready' io.stdout:flush() while true do end")
      sleep "1h"
    ]], "--drain", "100ms")
    child:signal "TERM"
    -- After 4 s worker 0 would be said not to have come back.
    says("worker 1 did not come back from its own work", ended(143, over(child)).errors)
  end)

  it("start other programs as the first one does", function()
    assert.equal("0\ttrue\n0\ttrue\n", ended(0, run(2, [[
      local masks = {}
      for i = 0, 1 do
        local code, mask = echo.ask(i, [=[
          local code = os.execute "sleep 0.05 & wait" -- a shell that heard of no child would wait for ever
          for line in io.lines "/proc/thread-self/status" do
            if line:find "^SigBlk" then return code, line end
          end
        ]=])
        masks[i] = mask
        print(code, mask == masks[0])
      end
    ]])).output)
  end)

  it("write lines that are whole", function()
    local lines = ended(0, run(4, [[
      io.stdout:setvbuf "no"
      for_each({ 0, 1, 2, 3 }, { parallel = 4 }, function(i)
        return echo.ask(i, "for i = 1, 2000 do print(nil, 'two', i, false) end return true")
      end)
    ]])).output
    assert.equal(8000, select(2, lines:gsub("nil\ttwo\t%d+\tfalse\n", "")))
    assert.equal("", (lines:gsub("nil\ttwo\t%d+\tfalse\n", "")))
  end)

  it("say no secret, whichever it is", function()
    local here = tmp.folder()
    tmp.write(here, "nebula/echo.lua", tmp.read "spec/support/echo.lua")
    tmp.write(here, "resources/far.lua", [[
      postgres "far" { host = "127.0.0.1", port = 1, dbname = "d", user = "u", password = "quite-a-secret-word" } ]])
    local result = ended(0, nebula("run", "--workers", "3", tmp.write(here, "flow.lua", HEAD .. [[
      echo.ask(1, "log.warn 'it is quite-a-secret-word'")
      echo.inside(2, "error 'with quite-a-secret-word'")
      print(select(2, pcall(echo.ask, 2, "sleep '1h'")):gsub("quite%-a%-secret%-word", "(hidden)")) -- as it was raised
      sleep "50ms"
    ]])))
    says("it is ***", result.errors)
    says("with ***", result.errors)
    assert.is_nil(result.errors:find("quite-a", 1, true), result.errors)
  end)

  it("are told `full` by a mailbox that nobody reads, and lose nothing", function()
    assert.equal("full\ttrue\ttrue\nlimit\ntrue\n", ended(0, run(2, [[
      local file = os.tmpname()
      echo.tell(1, "sum, last = 0, 0 repeat local go = io.open(...) until go:read(1) go:close()", file)
      sleep "20ms"
      local sent, why = 0, nil
      repeat
        local ok, problem = mail.send(1, "echo.inside", "package.loaded.sum = (package.loaded.sum or 0) + 1")
        sent, why = sent + (ok and 1 or 0), problem
      until why
      local urgent = true
      for _ = 1, 50 do urgent = urgent and mail.urge(1, "echo.inside", "package.loaded.urgent = (package.loaded.urgent or 0) + 1") end
      print(why, sent >= 9999, urgent)
      print(select(2, mail.send(1, "echo.inside", ("x"):rep(17 * 2 ^ 20))))
      local go = io.open(file, "w")
      go:write("x")
      go:close()
      local is_read, count, urgent_ones
      repeat
        sleep "5ms"
        is_read, count, urgent_ones = pcall(echo.ask, 1, "return package.loaded.sum, package.loaded.urgent")
      until is_read and urgent_ones == 50
      os.remove(file)
      print(count == sent)
    ]])).output)
  end)
end)
