-- Faults on purpose as they are declared, allowed and shown. What each does to a request: core/chaos_sim_spec.c, and on a real
-- server kinds/postgres_chaos_spec.lua.

local c = require "nebula.c"
local chaos = require "nebula.declare.chaos"
local clock = require "spec.support.clock"
local declare = require "nebula.declare"
local declared = require "spec.kinds.declared"
local json = require "cjson"
local kind = require "nebula.kind"
local process = require "spec.support.process"
local program = require "spec.support.program"
local tmp = require "spec.support.tmp"
local worker = require "nebula.worker"

local ended, nebula, says = program.ended, program.nebula, program.says

local function read(text)
  local folder = tmp.folder()
  tmp.write(folder, "resources/a.lua", 'sqlite "shop" { file = "x" }')
  tmp.write(folder, "policies/b.lua", text)
  local kinds = kind.load { worker.home .. "/resources/sqlite.lua" }
  local set, errors = declare.read { dirs = { folder }, home = worker.home, kinds = kinds }
  if not set then error(tostring(errors[1]), 2) end
  local told = set.resources[1].chaos
  assert.same({ folder .. "/policies/b.lua", 1 }, { told.file, told.line })
  told.file, told.line = nil, nil
  return told
end

describe("a declared chaos", function()
  it("is what the engine wants to know, with what goes without saying", function()
    assert.same({ name = "bad", during_us = 600e6, fail = 0.1, code = chaos.codes.lost, is_cut = false, delay_share = 1,
      connect = 0 }, read 'chaos "bad" { on = "shop", fail = 0.1, during = "10m" }')
    assert.same({ name = "slow", during_us = 86400e6, fail = 0, code = chaos.codes.lost, is_cut = false, delay_us = 50e3,
      delay_quantile = 0.95, delay_share = 0.5, connect = 0.25, seed = 7 }, read [[chaos "slow" { on = "shop", during = "24h",
        delay = { "50ms", "p95" }, delay_share = "50%", connect = "25%", seed = 7 }]])
    assert.same({ name = "cut", during_us = 1000, fail = 1, code = chaos.codes.lost, is_cut = true, delay_us = 0,
      delay_most_us = 20e3, delay_share = 1, connect = 0 }, read [[chaos "cut" { on = "shop", during = "1ms", fail = "100%",
        cut = true, delay = { "0s", "20ms" } }]])
    assert.same({ 2000, 0 }, { read('chaos "a" { on = "shop", during = "1s", delay = "2ms" }').delay_us,
      read('chaos "a" { on = "shop", during = "1s", connect = 1 }').fail })
  end)

  it("names its errors as the engine counts them", function()
    for name, code in pairs(chaos.codes) do
      assert.equal(name, c.string(c.lib.nebula_error_name(code)))
    end
    local names = {}
    for _, name in ipairs(chaos.rows.code.one_of) do names[name] = true end
    for name in pairs(chaos.codes) do assert.is_true(names[name]) end
  end)

  it("is refused where it cannot be meant", function()
    local rows = {
      { 'fail = 1', "during: is missing" },
      { 'fail = 1, during = "24.1h"', "during: is more than" },
      { 'fail = 1, during = "0s"', "during: is less than 1ms" },
      { 'fail = 1, during = 10', "during: .* a time with its unit" },
      { 'during = "1s"', "does nothing; say fail, delay or connect" },
      { 'fail = 0, during = "1s"', "does nothing" },
      { 'fail = 1.1, during = "1s"', "fail: is no share" },
      { 'fail = "110%", during = "1s"', "fail: is no share" },
      { 'fail = -0.1, during = "1s"', "fail: is no share" },
      { 'connect = 2, during = "1s"', "connect: is no share" },
      { 'fail = 1, code = "lots", during = "1s"', 'code: "lots" is not possible here; did you mean "lost"' },
      { 'fail = 1, code = "deadline", during = "1s"', 'code: "deadline" is not possible here' },
      { 'fail = 1, code = "unreachable", during = "1s"', 'code: "unreachable" is not possible here' },
      { 'delay = "1s", code = "server", during = "1s"', "code: counts only beside fail" },
      { 'delay = "1s", cut = true, during = "1s"', "cut: counts only beside fail" },
      { 'fail = 1, cut = true, code = "server", during = "1s"', "code: what is cut off ends with lost" },
      { 'fail = 1, cut = "yes", during = "1s"', "cut: expected true or false" },
      { 'fail = 1, delay_share = 0.5, during = "1s"', "delay_share: counts only beside delay" },
      { 'delay = "50", during = "1s"', "delay: expected a time with its unit" },
      { 'delay = 50, during = "1s"', "delay: expected a text, got a number" },
      { 'delay = "25h", during = "1s"', "delay: is more than 24h" },
      { 'delay = {}, during = "1s"', "delay: of a list there are two" },
      { 'delay = { "1ms" }, during = "1s"', "delay: of a list there are two" },
      { 'delay = { "1ms", "2ms", "3ms" }, during = "1s"', "delay: of a list there are two" },
      { 'delay = { "2ms", "1ms" }, during = "1s"', "delay%[2%]: is less than the first one" },
      { 'delay = { "2ms", 3 }, during = "1s"', "delay%[2%]: expected a text, got a number" },
      { 'delay = { "p95", "50ms" }, during = "1s"', "delay%[1%]: expected a time" },
      { 'delay = { "50ms", "p49" }, during = "1s"', 'delay%[2%]: "p49" is no quantile: write "p95"' },
      { 'delay = { "50ms", "p100" }, during = "1s"', 'delay%[2%]: "p100" is no quantile' },
      { 'delay = { "50ms", "95" }, during = "1s"', "delay%[2%]: expected a time" },
      { 'delay = { least = "50ms", most = "1s" }, during = "1s"', "delay.*a list has no names" },
      { 'fail = 1, seed = 0, during = "1s"', "seed: is less than 1" },
      { 'fail = 1, seed = 1.5, during = "1s"', "seed: 1.5 is no whole number" },
      { 'fail = 1, durign = "1s", during = "1s"', 'durign: unknown setting; did you mean "during"' },
    }
    for _, row in ipairs(rows) do
      assert.matches(row[2], declared.complaints(('sqlite "shop" { file = "x" } chaos "a" { on = "shop", %s }'):format(row[1])))
    end
    local function is_refused(pattern, text) assert.matches(pattern, declared.complaints(text)) end
    is_refused('a.on: there is no resource "shpo"; did you mean "shop"',
      'sqlite "shop" { file = "x" } chaos "a" { on = "shpo", fail = 1, during = "1s" }')
    is_refused("a.on: is missing", 'chaos "a" { fail = 1, during = "1s" }')
    is_refused("a.on: there is already chaos on it, in .*spec.lua:2", [[sqlite "shop" { file = "x" }
      chaos "b" { on = "shop", fail = 1, during = "1s" }
      chaos "a" { on = "shop", fail = 1, during = "1s" }]])
    is_refused("there is already chaos of this name, in .*spec.lua:2", [[sqlite "shop" { file = "x" } sqlite "b" { file = "y" }
      chaos "a" { on = "shop", fail = 1, during = "1s" }
      chaos "a" { on = "b", fail = 1, during = "1s" }]])
    is_refused("has no settings; write chaos \"name\" { ... }", 'chaos "a"')
    is_refused("unknown name \"chaso\"; did you mean \"chaos\"", 'chaso "a" { on = "shop", fail = 1, during = "1s" }')
    is_refused("a.fail: the session of data is its data, which would be lost with the connection; say another code",
      'sqlite "data" { file = ":memory:", pool = { max = 1 } } chaos "a" { on = "data", fail = 1, during = "1s" }')
    assert.equal("", declared.complaints('sqlite "data" { file = ":memory:", pool = { max = 1 } } ' ..
      'chaos "a" { on = "data", fail = 1, code = "locked", during = "1s" }'))
    is_refused("orders.policy: there is no policy", -- and nothing about what is on it
      'sqlite "orders" { file = "x", policy = "none" } chaos "a" { on = "orders", fail = 1, during = "1s" }')
  end)

  it("has what is left of it where it is declared later", function()
    local told = read 'chaos "a" { on = "shop", fail = 1, code = "locked", during = "300ms" }'
    local struct = require("nebula.chaos").struct
    local first = tonumber(struct(told).during_us)
    assert.equal(300e3, first)
    sleep "20ms"
    assert.is_true(tonumber(struct(told).during_us) <= 280e3)
    sleep "300ms"
    assert.is_nil(struct(told))
  end)
end)

describe("chaos", function()
  local folder = tmp.folder()
  tmp.write(folder, "resources/shop.lua", ([[
    sqlite "shop" { file = %q, policy = "once" }
    sqlite "calm" { file = %q }]]):format(folder .. "/shop.db", folder .. "/calm.db"))
  tmp.write(folder, "policies/once.lua", 'return policy "once" { like = "standard", retry = { tries = 1 } }')
  local function say(settings)
    tmp.write(folder, "policies/bad.lua", ('\nchaos "bad" { on = "shop", %s }'):format(settings))
  end
  local function run(text, flag)
    return nebula("run", "--dir", folder, flag or "--log-level=info", tmp.write(folder, "flow.lua", text))
  end

  it("is an error of run and serve that names the flag, and none of check", function()
    say 'fail = 1, code = "locked", during = "1m"'
    local why = folder .. "/policies/bad.lua:2: chaos bad: the faults that it declares are real; say --allow-chaos to have "
      .. "them in shop\n"
    says(why, ended(2, run "print 'never'").errors)
    tmp.write(folder, "services/one.lua", 'service "one" { run = function() end }')
    says(why, ended(2, nebula("serve", folder)).errors)
    assert.equal("2 resources, no mistakes\n", ended(0, nebula("check", folder)).output)
    says("chaos: the faults", ended(2, run "print 'never'").errors:gsub("chaos bad", "chaos"))
    ended(0, nebula("serve", "--allow-chaos", "--workers", "2", folder))
    says(("CHAOS is declared in %s/policies/bad.lua:2, and wants --allow-chaos"):format(folder),
      ended(0, nebula("inspect", "shop", "--dir", folder)).output)
  end)

  it("happens in each worker, is shown by ls and inspect, said in the log once, and over by itself", function()
    say 'fail = 1, code = "locked", during = "2s"'
    for _, workers in ipairs { "1", "3" } do
      local flow = tmp.write(folder, "flow.lua", [[
        io.stdout:setvbuf "line"
        local function everywhere(fn)
          return assert(for_each({ 1, 2, 3, 4, 5, 6 }, { workers = true, parallel = 6 }, fn))
        end
        local said = everywhere(function()
          local _, err = use("shop"):query "select 1"
          return err and err.code .. " " .. err.outcome
        end)
        for i = 1, 6 do assert(said[i] == "locked failed", said[i]) end
        print "ready"
        local shop, begun = use "shop", 0
        repeat sleep "50ms"; begun = begun + 1 until shop:query "select 1" or begun > 100
        print(begun > 10 and begun < 60)
        assert(everywhere(function() return use("shop"):value "select 1" end)[6] == 1)
        print "over"
        sleep "1h"]])
      local child = process.start(program.command("run", "--dir", folder, "--allow-chaos", "--workers",
        workers, "--log", "logfmt", flow))
      assert.equal("ready", child:line())
      local said = ended(0, nebula "ls").output
      assert.matches("shop .* ready CHAOS\n", said)
      assert.matches("calm .* unused\n", said)
      assert.matches("\n  CHAOS in shop for [12]s more, %d+ were hit: all requests fail with locked\n", said)
      assert.matches("^shop  sqlite, ready CHAOS .*\n  CHAOS in shop for", ended(0, nebula("inspect", "shop")).output)
      local told = json.decode(ended(0, nebula("ls", "--json")).output).engines[1].resources[1]
      assert.same({ "shop", "locked", 1 }, { told.name, told.faults.code, told.faults.fail })
      assert.is_true(told.chaos >= 6 and told.faults.left > 0 and told.faults.left <= 2)
      assert.equal("true", child:line())
      assert.equal("over", child:line())
      clock.eventually("all workers have come to its end", function()
        return not ended(0, nebula "ls").output:find "CHAOS"
      end)
      assert.is_nil(ended(0, nebula("ls", "--json")).output:find('"faults"', 1, true))
      child:signal "TERM"
      local errors = program.over(child).errors
      assert.equal(1, select(2, errors:gsub('text="chaos begins" resource=shop what="all requests fail with locked"', "")))
      assert.equal(1, select(2, errors:gsub('text="chaos is over" resource=shop', "")))
    end
  end)

  it("goes on for what is left of it in a worker that is begun anew", function()
    say 'fail = 1, code = "locked", during = "3s"'
    tmp.write(folder, "services/one.lua", ([[
      io.stdout:setvbuf "line"
      local worker, shop = require "nebula.worker", use "shop"
      service "dies" { instances = "per-worker", run = function(number)
        if number == 2 and not io.open(%q) then
          io.open(%q, "w"):close()
          sleep "1500ms"
          worker.fail "boom"
        elseif number == 2 then
          local _, err = shop:query "select 1"
          print(err and err.code)
          sleep "1700ms" -- had it begun anew as well, it would not be over
          print(shop:value "select 1")
        end
        sleep "1h"
      end }]]):format(folder .. "/flag", folder .. "/flag"))
    local child = process.start(program.command("serve", "--allow-chaos", "--workers", "2", "--log", "logfmt", folder))
    assert.equal("locked", child:line(20000))
    assert.equal("1", child:line(20000))
    child:signal "TERM"
    says("this worker leaves: boom", ended(0, program.over(child)).errors)
  end)

  it("falls the same again with a seed", function()
    say 'fail = 0.3, code = "locked", during = "1m", seed = 11'
    local function play()
      return ended(0, run([[
        local said = {}
        for i = 1, 60 do said[i] = use("shop"):query "select 1" and "." or "x" end
        print(table.concat(said))]], "--allow-chaos")).output
    end
    local first = play()
    assert.equal(first, play())
    assert.matches("x", first)
    assert.matches("%.", first)
  end)
end)
