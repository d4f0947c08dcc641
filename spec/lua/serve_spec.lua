-- `nebula serve`: services are kept up, whatever becomes of them or of their worker. limit: 300 s

local process = require "spec.support.process"
local program = require "spec.support.program"
local served = require "spec.support.served"
local tmp = require "spec.support.tmp"

local ended, nebula, over, says = program.ended, program.nebula, program.over, program.says

local count, folder_of, instances_of, started = served.count, served.folder_of, served.instances_of, served.started
local come_to = served.come_to

local function serve(services)
  return nebula("serve", "--workers", "2", "--log", "logfmt", folder_of(services))
end

describe("serve", function()
  it("begins nothing when anything is wrong with any file, and says all of it", function()
    local folder = folder_of({
      ["a.lua"] = 'local shop = use "shop"\nservice "a" { instances = 1.5, run = function() print "begun" end }',
      ["b.lua"] = "service 'b' {",
      ["c.lua"] = 'local all = use("shop"):query "select 1"\nservice "hidden" { instances = 0, run = print }',
      ["d.lua"] = 'service "d" { run = function() print "begun" end }',
    }, 'sqlite "shop" { fil = ":", pool = { max = 0 } }')
    local result = ended(2, nebula("serve", "--workers", "2", folder))
    assert.equal("", result.output)
    assert.equal([[
nebula: F/resources/shop.lua:1:1: shop.file: is missing
nebula: F/resources/shop.lua:1:17: shop.fil: unknown setting; did you mean "file"?
nebula: F/resources/shop.lua:1:37: shop.pool.max: is less than 1
nebula: F/services/a.lua:2:15: a.instances: 1.5 is no whole number; or "per-worker"
nebula: F/services/b.lua:1:1: unexpected symbol near '<eof>'
]], (result.errors:gsub(folder:gsub("%p", "%%%0"), "F")))
    assert.is_nil(io.open(folder .. "/shop.db"))
  end)

  it("says so when there is nothing to keep up", function()
    local empty = tmp.folder()
    says("no services are declared", ended(2, nebula("serve", empty)).errors)
    says("no services are declared", ended(2, serve "local x = 1").errors)
    says("what is missing: DIR", ended(2, nebula "serve").errors)
    assert.equal(2, nebula("serve", empty .. "/not-there").code)
    says("sleep() works only inside a task", ended(2, serve 'service "a" { run = print }\nsleep "1s"').errors)
    says('no resource of this name is declared; did you mean "shop"?', ended(2, serve 'use "shpo"').errors)
    says("no resource of this name is declared", ended(2, serve 'use "shop\\0"').errors)
    says('use "nil": no resource of this name is declared', ended(2, serve "use(nil)").errors)
    for _, bad in ipairs { "0", "65", "two" } do
      says("--workers: a whole number from 1 to 64", ended(2, nebula("serve", "--workers", bad, empty)).errors)
    end
    for _, bad in ipairs { "5", "99ms", "-1s" } do
      says("--stuck: ", ended(2, nebula("serve", "--stuck", bad, empty)).errors)
    end
  end)

  it("ends when all services have, with 0", function()
    for workers = 1, 3 do
      local result = ended(0, nebula("serve", "--workers", tostring(workers), "--log", "logfmt", folder_of [[
        service "one" { instances = 2, run = function(number) print("one", number) end }
        service "each" { instances = "per-worker", run = function(number) sleep "10ms" print("each", number) end }
      ]]))
      local lines = {}
      for line in result.output:gmatch "[^\n]+" do lines[#lines + 1] = line end
      table.sort(lines)
      local expected = { "each\t1", "each\t2", "each\t3", "one\t1", "one\t2" }
      for _ = workers + 1, 3 do table.remove(expected, workers + 1) end
      assert.same(expected, lines)
      says("all services have finished", result.errors)
      assert.equal(workers + 2, count(result.errors, "has finished"))
    end
  end)

  it("takes as many workers as there are processors it may use", function()
    local processors = io.popen("nproc"):read "*n"
    local folder = folder_of 'service "a" { instances = "per-worker", run = function(number) print(number) end }'
    assert.equal(processors, count(ended(0, nebula("serve", folder)).output, "\n"))
    local words = program.command("serve", folder)
    table.insert(words, 1, "taskset")
    table.insert(words, 2, "--cpu-list")
    table.insert(words, 3, (tmp.read("/proc/self/status"):match "Cpus_allowed_list:%s*(%d+)"))
    assert.equal("1\n", ended(0, process.run(words)).output)
  end)

  it("spreads instances over the workers, and shows them", function()
    local child = started([[
      service "mail" { instances = 4, run = function() sleep "1h" end }
      service "each" { instances = "per-worker", run = function(number)
        if number == 1 then print "ready" end
        sleep "1h"
      end }
      service "short" { run = function() end }
    ]], "--workers", "2")
    local states = { ["each 1"] = "running", ["each 2"] = "running", ["short 1"] = "finished" }
    for i = 1, 4 do states["mail " .. i] = "running" end
    local by_name = come_to(child, states)
    local workers = { [0] = 0, 0 }
    for i = 1, 4 do
      local one = by_name["mail " .. i]
      workers[one.worker] = workers[one.worker] + 1
    end
    assert.same({ [0] = 2, 2 }, workers)
    assert.same({ 0, 1 }, { by_name["each 1"].worker, by_name["each 2"].worker })
    local shown = nebula("ls").output
    assert.matches("SERVICE +INSTANCE +WORKER +RESTARTS +SINCE +STATE\neach +1 +0 +0 +%d+s ago +running\n", shown)
    child:signal "TERM"
    ended(0, over(child))
  end)

  it("starts one again that raises or returns an error, and says why", function()
    local child = started([[
      local runs = 0
      service "bad" { restart = { pause = "1ms", pause_max = "5ms" }, run = function()
        runs = runs + 1
        if runs == 1 then error "broken" end
        if runs == 2 then return nil, "no luck" end
        if runs == 3 then error { code = 7 } end
        if runs == 4 then task(function() error "below" end):join() end
        print "ready"
        sleep "1h"
      end }
    ]], "--workers", "1")
    local one = instances_of(child)["bad 1"]
    assert.same({ 4, "running" }, { one.restarts, one.state })
    assert.matches("a.lua:8: below$", one.reason)
    child:signal "TERM"
    local said = ended(0, over(child)).errors
    says("service bad: instance 1 failed, restart 1 is in", said)
    assert.matches("a.lua:5: broken\\n  /[^\n]*/a.lua:5: in a function of line 3", said)
    assert.matches("restart 2 is in %d+m?s: no luck", said)
    assert.matches("restart 3 is in %d+m?s: [^\n]*table: ", said)
    assert.matches("restart 4 is in %d+m?s: [^\n]*a.lua:8: below", said)
  end)

  it("waits longer each time, at most as long as is said, and begins anew after a steady time", function()
    local said = ended(0, serve [[
      local runs, at = 0, nil
      service "bad" { restart = { pause = "2ms", pause_max = "16ms", steady = "100ms" }, run = function()
        runs = runs + 1
        if runs == 40 then sleep "150ms" end
        if runs == 41 then return end
        return nil, "again"
      end }
    ]]).errors
    local pauses = {}
    for number, pause in said:gmatch "restart (%d+) is in (%d+)ms" do pauses[tonumber(number)] = tonumber(pause) end
    for number in said:gmatch "restart (%d+) is in 0s" do pauses[tonumber(number)] = 0 end
    assert.equal(40, #pauses)
    local longest = 0
    for i, pause in ipairs(pauses) do
      assert.is_true(pause <= math.min(2 * 2 ^ (i - 1), 16), i)
      longest = math.max(longest, pause)
    end
    assert.is_true(longest > 8) -- of 36 that are drawn below 16: by chance never
    assert.is_true(pauses[40] <= 2)
  end)

  it("masks secrets in what an instance failed with, and shows any bytes", function()
    local folder = folder_of([[
      service "bad" { restart = { pause = "1h", pause_max = "1h" }, run = function()
        return nil, "it said hunter2/secret \255\254 and left"
      end }
      service "ready" { run = function() print "ready" io.stdout:flush() sleep "1h" end }
    ]], 'postgres "shop" { host = "127.0.0.1", user = "u", dbname = "d", password = "hunter2/secret" }')
    local child = process.start(program.command("serve", "--workers", "1", "--log", "logfmt", folder))
    assert.equal("ready", child:line())
    local one = come_to(child, { ["bad 1"] = "pausing" })["bad 1"]
    assert.equal("it said *** \239\191\189\239\191\189 and left", one.reason)
    assert.is_true(one.pause > 0 and one.pause <= 3600)
    says("bad 1: it said *** \239\191\189\239\191\189 and left", nebula("ls").output)
    child:signal "TERM"
    assert.is_nil(ended(0, over(child)).errors:find("hunter2", 1, true))
  end)

  it("begins a worker anew that has left, and its instances with it", function()
    local child = started((([[
      local worker = require "nebula.worker"
      local shop = use "shop"
      service "stays" { instances = "per-worker", run = function() sleep "1h" end }
      service "dies" { instances = "per-worker", run = function(number)
        if number == 1 then
          while not io.open("FLAG") and sleep "5ms" do end
          print "ready"
        elseif shop:exec("create table seen (a)") then
          worker.fail "boom"
        elseif shop:exec("create table seen_again (a)") then
          worker.fail "boom again"
        else
          io.open("FLAG", "w"):close()
        end
        sleep "1h"
      end }
    ]]):gsub("FLAG", tmp.folder() .. "/flag")), "--workers", "3")
    local states = {}
    for i = 1, 3 do states["stays " .. i], states["dies " .. i] = "running", "running" end
    local by_name = come_to(child, states)
    local again = by_name["dies 2"].restarts + by_name["dies 3"].restarts
    assert.equal(2, again)
    assert.same({ by_name["dies 2"].restarts, by_name["dies 3"].restarts },
      { by_name["stays 2"].restarts, by_name["stays 3"].restarts })
    assert.equal(0, by_name["stays 1"].restarts)
    child:signal "TERM"
    local said = ended(0, over(child)).errors
    says("this worker leaves: boom", said)
    says("this worker leaves: boom again", said)
    assert.equal(2, count(said, "begins anew in"))
  end)

  it("begins a worker anew that has nothing to do, and none of what has finished", function()
    local child = started([[
      local worker, mail, tree = require "nebula.worker", require "nebula.mail", require "nebula.tree"
      local shop, has_left = use "shop", false
      mail.on_leave(function() has_left = true end)
      service "once" { instances = "per-worker", run = function(number)
        shop:exec "create table if not exists runs (a)"
        assert(shop:exec("insert into runs values (?)", number))
        if number == 2 then
          tree.root(function() sleep "20ms" worker.fail "boom" end, function() end)
        end
      end }
      service "looks" { instances = "per-worker", run = function(number)
        if number > 1 then return end
        while not has_left or not mail.is_there(1) do sleep "1ms" end
        sleep "50ms"
        local runs = shop:value "select count(*) from runs"
        print "ready"
        print(runs)
        sleep "1h"
      end }
    ]], "--workers", "2")
    child:signal "TERM"
    local result = ended(0, over(child))
    assert.equal("2\n", result.output)
    assert.equal(1, count(result.errors, "begins anew in"))
  end)
end)
