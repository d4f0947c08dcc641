-- `nebula serve` with what goes wrong in a way of its own: nothing of it is passed over in silence. limit: 300 s

local process = require "spec.support.process"
local program = require "spec.support.program"
local served = require "spec.support.served"
local tmp = require "spec.support.tmp"

local ended, nebula, over, says = program.ended, program.nebula, program.over, program.says
local count, folder_of, instances_of, started = served.count, served.folder_of, served.instances_of, served.started
local come_to, eventually = served.come_to, served.eventually

describe("serve", function()
  it("says once that the folder cannot be read", function()
    local said = ended(2, nebula("serve", tmp.folder() .. "/nowhere")).errors
    assert.equal(1, count(said, "cannot be read"))
    says("nebula: :1:1: cannot be read", ended(2, nebula("serve", "")).errors) -- and not of the root
  end)

  it("starts again what failed with something of which no text can be made", function()
    local child = started([[
      local function odd(text) return setmetatable({}, { __tostring = text }) end
      local runs = 0
      service "odd" { restart = { pause = "1ms", pause_max = "5ms" }, run = function()
        runs = runs + 1
        if runs == 1 then error(odd(function() error "no text" end)) end
        if runs == 2 then return nil, odd(function() return {} end) end
        if runs == 3 then error(odd(function() return 5 end)) end
        print "ready"
        sleep "1h"
      end }
    ]], "--workers", "1")
    local one = instances_of(child)["odd 1"]
    assert.same({ 3, "running" }, { one.restarts, one.state })
    child:signal "TERM"
    local said = ended(0, over(child)).errors
    for restart = 1, 3 do
      assert.matches(("restart %d is in %%d+m?s: [^\n]*a table of which no text can be made"):format(restart), said)
    end
  end)

  it("starts again what found no room for its task", function()
    local folder = tmp.folder()
    local child = started(([[
      local may_go = function() return io.open "%s" end
      service "hog" { run = function()
        while pcall(task, function() sleep "1h" end) do end
        print "ready"
        repeat pcall(task, function() sleep "1h" end) sleep "1ms" until may_go()
      end }
      service "late" { restart = { pause = "10ms", pause_max = "50ms" }, run = function()
        if not may_go() then error "not yet" end
        sleep "1h"
      end }
    ]]):format(folder .. "/flag"), "--workers", "1")
    eventually(child, "it is refused", function(all)
      return all["late 1"].reason == "20000 tasks are alive, which is the most (limit)"
    end)
    tmp.write(folder, "flag", "")
    come_to(child, { ["hog 1"] = "finished", ["late 1"] = "running" })
    child:signal "TERM"
    ended(0, over(child))
  end)

  it("begins a worker anew for which there was no task at first", function()
    local folder = tmp.folder()
    local child = started(([[
      local worker, mail = require "nebula.worker", require "nebula.mail"
      service "both" { instances = "per-worker", run = function(number)
        if number == 2 then
          while not io.open "FOLDER/full" and sleep "5ms" do end
          if not io.open "FOLDER/room" then worker.fail "boom" end
          print "ready"
          return sleep "1h"
        end
        while not mail.is_there(1) do sleep "1ms" end
        while pcall(task, function() sleep "1h" end) do end
        io.open("FOLDER/full", "w"):close()
        while mail.is_there(1) do sleep "1ms" end
        sleep "300ms"
        io.open("FOLDER/room", "w"):close()
      end }
    ]]):gsub("FOLDER", folder), "--workers", "2")
    come_to(child, { ["both 1"] = "finished", ["both 2"] = "running" })
    child:signal "TERM"
    assert.equal(1, count(ended(0, over(child)).errors, "worker 1 begins anew"))
  end)

  it("shows of a long reason its begin, with its secrets masked, and a zero in it", function()
    local folder = folder_of([[
      service "long" { restart = { pause = "1h", pause_max = "1h" }, run = function()
        return nil, ("x"):rep(985) .. "hunter2/secret" .. ("y"):rep(20e6)
      end }
      service "zero" { restart = { pause = "1h", pause_max = "1h" }, run = function() return nil, "\0 and more" end }
      service "ready" { run = function() print "ready" io.stdout:flush() sleep "1h" end }
    ]], 'postgres "shop" { host = "127.0.0.1", user = "u", dbname = "d", password = "hunter2/secret" }')
    local child = process.start(program.command("serve", "--workers", "2", "--log", "logfmt", folder))
    assert.equal("ready", child:line())
    local by_name = come_to(child, { ["long 1"] = "pausing", ["zero 1"] = "pausing" })
    assert.equal(("x"):rep(985) .. "***" .. ("y"):rep(9) .. "...", by_name["long 1"].reason)
    assert.equal("\226\144\128 and more", by_name["zero 1"].reason)
    says("pausing for", nebula("ls").output)
    child:signal "TERM"
    assert.is_nil(ended(0, over(child)).errors:find("hunter2", 1, true))
  end)

  it("begins a worker anew in which the files cannot be evaluated", function()
    local flag = tmp.folder() .. "/flag"
    local child = started(([[
      local worker = require "nebula.worker"
      if worker.index == 1 and not io.open("FLAG") then error "not here" end
      service "each" { instances = "per-worker", run = function(number)
        if number == 1 then print "ready" end
        sleep "1h"
      end }
    ]]):gsub("FLAG", flag), "--workers", "2")
    local one = eventually(child, "it is shown", function(all) return all["each 2"] end)["each 2"]
    assert.same({ 1, "pausing", 0 }, { one.worker, one.state, one.restarts })
    assert.matches("^worker 1 has left: [^\n]*a.lua:3:%d+: not here$", one.reason)
    tmp.write(flag:match "^(.*)/", "flag", "")
    come_to(child, { ["each 2"] = "running" })
    child:signal "TERM"
    says("not here", ended(0, over(child)).errors)
  end)

  it("ends when the first worker is the one in which they cannot", function()
    local result = ended(1, nebula("serve", "--workers", "2", folder_of [[
      local worker = require "nebula.worker"
      worker.evaluated = (worker.evaluated or 0) + 1
      if worker.index == 0 and worker.evaluated == 2 then error "not here" end
      service "each" { instances = "per-worker", run = function() sleep "1h" end }
    ]]))
    assert.matches("a.lua:3:%d+: not here\n$", result.errors)
  end)

  it("names the folder where a worker computes while it evaluates the files", function()
    local child, folder = started([[
      local until_then = os.time() + 2
      if require "nebula.worker".index == 1 then while os.time() < until_then do end end
      service "one" { instances = "per-worker", run = function(number)
        if number == 2 then print "ready" end
        sleep "1h"
      end }
    ]], "--workers", "2", "--stuck", "100ms")
    child:signal "TERM"
    says(("task 4, started at %s/services; "):format(folder), ended(0, over(child)).errors)
  end)
end)
