-- The program as people and scripts use it: exit codes, help, JSON, signals.

local clock = require "spec.support.clock"
local json = require "cjson"
local process = require "spec.support.process"
local tmp = require "spec.support.tmp"

local COMMANDS = { "run", "check", "ls", "inspect", "version", "help" }

local folder, sockets

-- A run folder of its own, so that other engines on this machine are not seen.
setup(function()
  folder, sockets = tmp.folder(), tmp.folder()
  tmp.write(folder, "resources/shop.lua", ('sqlite "shop" { file = %q, pool = { min = 1, max = 4 } }\n'):format(
    folder .. "/shop.db"))
end)

local function command(...)
  return { process.program "nebula", env = { NEBULA_RUN_DIR = sockets, NO_COLOR = "1" }, ... }
end

local function nebula(...)
  return process.run(command(...))
end

-- The same on a terminal, where errors and output come out together.
local function terminal(...)
  local words = table.concat({ process.program "nebula", ... }, " ")
  return process.run {
    "script", "-qec", words, "/dev/null",
    env = { NEBULA_RUN_DIR = sockets, NO_COLOR = false, TERM = "xterm" },
  }
end

local function workflow(text)
  return tmp.write(folder, "flow.lua", text)
end

local function ended(code, result)
  assert.is_nil(result.signal, result.errors)
  assert.equal(code, result.code, result.output .. result.errors)
  return result
end

local function says(text, where)
  assert.is_not_nil(where:find(text, 1, true), where)
end

local function run(text, ...)
  return nebula("run", workflow(text), ...)
end

-- A workflow that says "ready" and then goes on, as a process.
local function started(text, ...)
  local words = command("run", ...)
  words[#words + 1] = workflow("io.stdout:setvbuf 'line'\n" .. text)
  local child = process.start(words)
  assert.equal("ready", child:line())
  return child
end

local function over(child)
  local how = assert(child:wait(15000))
  local output, errors = child:take()
  child:close()
  return { code = how.code, signal = how.signal, output = output, errors = errors }
end

describe("the command line", function()
  it("explains itself and each command", function()
    local all = ended(0, nebula "help").output
    for _, name in ipairs(COMMANDS) do
      says(name, all)
      local one = ended(0, nebula(name, "--help")).output
      says("usage: nebula " .. name, one)
      says("--help", one)
      assert.equal(one, ended(0, nebula("help", name)).output)
    end
    assert.equal(all, ended(0, nebula "--help").output)
  end)

  it("refuses what it does not know, with a suggestion and code 2", function()
    says('did you mean "inspect"', ended(2, nebula "inspec").errors)
    says('did you mean "--json"', ended(2, nebula("ls", "--jsn")).errors)
    says('did you mean "logfmt"', ended(2, nebula("run", "--log", "logfmtt", "x.lua")).errors)
    says('did you mean "run"', ended(2, nebula("help", "rum")).errors)
    says("needs a value", ended(2, nebula("run", "--drain")).errors)
    says("takes no value", ended(2, nebula("ls", "--json=yes")).errors)
    says("--drain", ended(2, nebula("run", "--drain", "5", "x.lua")).errors)
    says("missing: NAME", ended(2, nebula "inspect").errors)
    says("too much", ended(2, nebula("inspect", "a", "b")).errors)
    ended(2, nebula())
  end)

  it("tells its version", function()
    local version = json.decode(ended(0, nebula("version", "--json")).output).nebula
    says(version, ended(0, nebula "version").output)
    says(version, ended(0, nebula "--version").output)
  end)

  it("paints on a terminal alone", function()
    local plain = command("help")
    plain.env.NO_COLOR = false
    assert.is_nil(process.run(plain).output:find "\27")
    says("\27[1mcommands\27[0m", terminal("help").output)
  end)
end)

describe("check", function()
  it("says what is declared", function()
    says("1 resource, no mistakes", ended(0, nebula("check", folder)).output)
    local told = json.decode(ended(0, nebula("check", "--json", folder)).output)
    assert.is_true(told.ok)
    assert.same({}, told.errors)
    assert.equal("shop", told.resources[1].name)
    assert.equal("sqlite", told.resources[1].kind)
  end)

  it("says every mistake with its place, and ends with 2", function()
    local bad = tmp.folder()
    tmp.write(bad, "resources/a.lua", 'sqlite "a" {\n  file = "a.db",\n  poool = {},\n  pool = { max = "x" },\n}\n')
    local errors = ended(2, nebula("check", bad)).errors
    says("resources/a.lua:3:3: a.poool", errors)
    says("resources/a.lua:4:", errors)
    local told = json.decode(ended(2, nebula("check", bad, "--json")).output)
    assert.is_false(told.ok)
    assert.equal(2, #told.errors)
    assert.equal(3, told.errors[1].line)
    ended(2, nebula("run", "--dir", bad, workflow "print(1)"))
  end)
end)

describe("run", function()
  it("gives a workflow its arguments, its globals and its resources", function()
    local result = ended(0, run([[
      local shop = use "shop"
      print(args[1], args[2], #args, json.encode { null }, type(log.info))
      print(shop:value "select 1 + 1")
    ]], "--json", "b"))
    assert.equal("--json\tb\t2\t[null]\tfunction\n2\n", result.output)
    assert.equal("", result.errors)
  end)

  it("ends with 1 and the workflow's own lines when it raises", function()
    local errors = ended(1, run [[
local function inner(x) error("broken: " .. x) end
local function work() local y = inner("this") return y end
local t = task(work)
t:join()
]]).errors
    assert.equal(([[
nebula: FLOW:1: broken: this
  FLOW:1: in 'inner'
  FLOW:2: in a function of line 2
  joined by:
  FLOW:4: in the main chunk
]]):gsub("FLOW", folder .. "/flow.lua"), errors)
  end)

  it("ends with 1 when it returns nil, err", function()
    says("deadline", ended(1, run 'return deadline("1ms", sleep, "1h")').errors)
  end)

  it("names globals and resources that are not there", function()
    says('no global "shopp"', ended(1, run "print(shopp)").errors)
    says('did you mean "sleep"', ended(1, run 'sleeep("1s")').errors)
    says('did you mean "shop"', ended(1, run 'use "shpo"').errors)
    says("no method qery; did you mean \"query\"", ended(1, run 'use("shop"):qery "select 1"').errors)
    assert.equal("1\n", ended(0, run "mine = 1 print(mine)").output)
  end)

  it("ends with 2 when the file is no Lua or not there", function()
    says("flow.lua:1:", ended(2, run "local = 1").errors)
    says("nowhere.lua", ended(2, nebula("run", "nowhere.lua")).errors)
  end)

  it("ends with the code of os.exit, in order", function()
    ended(3, run 'use("shop"):value "select 1" os.exit(3)')
    ended(0, run "task(function() os.exit(true) end):join()")
    ended(1, run "os.exit(false)")
  end)

  it("refuses a lease of one kind as another, and a second release", function()
    local result = ended(0, run [[
      local shop = use "shop"
      local lease = shop:lease()
      print(pcall(lease.release, {}))
      print(lease:release())
      local ok, err = lease:release()
      print(ok, err.code)
      print(shop:with(function(l) return l:value "select 2" end))
      print(pcall(shop.with, shop, function() error("inside", 0) end))
      print(pcall(shop.lease, shop, { role = "riter" }))
    ]])
    says("not a lease of the kind sqlite", result.output)
    says("true\nnil\tstale\n2\nfalse\tinside\n", result.output)
    says("its roles are", result.output)
  end)

  it("tells of progress in the log, and on a terminal in one line that is drawn over", function()
    local text = 'local bar = progress("import", 4) for _ = 1, 4 do bar:add() sleep "60ms" end bar:finish()'
    says("import: 4 of 4 (100 %)", ended(0, run(text)).errors)
    local shown = ended(0, terminal("run", workflow(text))).output
    assert.matches("\r\27%[Kimport: [23] of 4", shown)
    assert.matches("import: 4 of 4 %(100 %%%), %d+/s\r?\n", shown)
  end)

  it("writes its log as asked", function()
    local text = 'log.warn("hot: %d", 5) log.info("quiet")'
    local words = command("run", "--log", "json", "--log-level", "warn", workflow(text))
    local lines = ended(0, process.run(words)).errors
    assert.equal("hot: 5", json.decode(lines).text)
    assert.equal("", ended(0, nebula("run", "--log-level", "nothing", workflow(text))).errors)
    says('text="hot: 5"', ended(0, run(text)).errors)
  end)
end)

describe("ls and inspect", function()
  it("show the files when nothing runs", function()
    says("not running: shown from the files", ended(0, nebula("ls", "--dir", folder)).output)
    local told = json.decode(ended(0, nebula("ls", "--json", "--dir", folder)).output)
    assert.same({}, told.engines)
    assert.equal("shop", told.resources[1].name)
    says("not running", ended(0, nebula("inspect", "shop", "--dir", folder)).output)
    assert.equal(4, json.decode(ended(0, nebula("inspect", "shop", "--json", "--dir", folder)).output).pool.max)
    says('did you mean "shop"', ended(2, nebula("inspect", "shp", "--dir", folder)).errors)
  end)

  it("ask the engine that runs", function()
    local child = started([[use("shop"):value "select 1" print "ready"]], "--stay")
    local told = json.decode(ended(0, nebula("ls", "--json")).output)
    assert.equal(1, #told.engines)
    assert.equal(child.pid, told.engines[1].pid)
    assert.equal("shop", told.engines[1].resources[1].name)
    says("shop", ended(0, nebula "ls").output)
    local shop = json.decode(ended(0, nebula("inspect", "shop", "--json")).output).engines[1].resource
    assert.equal(1, shop.calls)
    says("connections", ended(0, nebula("inspect", "shop")).output)
    child:signal "TERM"
    ended(0, over(child))
    assert.same({}, json.decode(ended(0, nebula("ls", "--json", "--dir", folder)).output).engines)
  end)

  it("do not trip over an engine that was killed", function()
    local child = started [[print "ready" sleep "1h"]]
    child:kill()
    says("not running", ended(0, nebula("ls", "--dir", folder)).output)
  end)
end)

describe("a signal", function()
  it("ends sleeps and lets the workflow come to its end", function()
    for _, name in ipairs { "INT", "TERM" } do
      local child = started [[
        defer(function() print "deferred" end)
        print "ready"
        local ok, err = sleep "1h"
        print(ok, err.code)
      ]]
      child:signal(name)
      local result = ended(0, over(child))
      assert.equal("nil\tclosed\ndeferred\n", result.output)
      says("SIG" .. name, result.errors)
    end
  end)

  it("lets what is under way end, and begins nothing new", function()
    local child = started [[
      local shop = use "shop"
      local lease = shop:lease()
      task(function()
        print "ready"
        sleep "1h"
        print(select(2, shop:query "select 1").code)
        print(lease:value "select 1")
        lease:release()
      end):join()
    ]]
    child:signal "TERM"
    assert.equal("closed\n1\n", ended(0, over(child)).output)
  end)

  it("cuts what is open after the bound, and says what it was", function()
    local child = started([[
      local lease = use("shop"):lease()
      task(function()
        print "ready"
        while sleep "1h" or true do
          if select(2, sleep "1h").code == "cancelled" then return end
        end
      end):join()
    ]], "--drain", "100ms")
    local begun = clock.now()
    child:signal "INT"
    local result = ended(1, over(child))
    assert.is_true(clock.now() - begun < 3000)
    says("still open: the task of " .. folder .. "/flow.lua:3", result.errors)
    says("waiting at " .. folder .. "/flow.lua:6", result.errors)
    says("leases of shop", result.errors)
  end)

  it("stops at once when it is the second, with 128 + its number", function()
    for name, code in pairs { INT = 130, TERM = 143 } do
      local child = started [[
        print "ready"
        while true do
          local _, err = sleep "1h"
          print(err.code)
        end
      ]]
      child:signal(name)
      assert.equal("closed", child:line())
      child:signal(name)
      says("stopped at once", ended(code, over(child)).errors)
    end
  end)

  it("bounds even a workflow that never comes back", function()
    local child = started([[print "ready" while true do end]], "--drain", "10ms")
    child:signal "TERM"
    says("did not come back", ended(143, over(child)).errors)
  end)

  it("ends an engine that stays", function()
    local child = started([[print "ready"]], "--stay")
    child:signal "TERM"
    ended(0, over(child))
  end)
end)

describe("nebula-lua", function()
  local function lua(...)
    return process.run { process.program "nebula-lua", ... }
  end

  it("runs chunks and scripts as one task, with arguments", function()
    local file = tmp.write(folder, "script.lua", 'print(arg[0], arg[1], ..., sleep "1ms")')
    assert.equal("1\n" .. file .. "\ta\ta\ttrue\tnil\n", ended(0, lua("-e", "print(1)", file, "a")).output)
    assert.equal("function\n", ended(0, lua("-lcjson", "-e", "print(type(cjson.encode))")).output)
  end)

  it("fails as Lua does", function()
    says("boom", ended(1, lua("-e", 'error "boom"')).errors)
    says("unexpected symbol", ended(1, lua("-e", "= =")).errors)
    ended(2, lua "--bad")
    ended(5, lua("-e", "os.exit(5)"))
  end)
end)
