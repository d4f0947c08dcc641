-- The command line as people and scripts use it: exit codes, help, JSON.

local clock = require "spec.support.clock"
local json = require "cjson"
local process = require "spec.support.process"
local program = require "spec.support.program"
local tmp = require "spec.support.tmp"

local command, ended, nebula, over, says, started, terminal, workflow, folder =
  program.command, program.ended, program.nebula, program.over, program.says, program.started, program.terminal, program.workflow, program.folder

local COMMANDS = { "run", "check", "ls", "inspect", "explain", "pause", "resume", "drain", "reconnect", "resize", "version", "help" }

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

  it("prints tables of any length", function()
    local script = tmp.write(folder, "long.lua", [[
      local rows = {}
      for i = 1, 20000 do rows[i] = { i, "x" } end
      require("nebula.cli.show").table({ "NUMBER", "LETTER" }, rows)
    ]])
    local output = ended(0, process.run { process.program "nebula-lua", script }).output
    says(" 20000  x\n", output)
    assert.equal(20001, select(2, output:gsub("\n", "")))
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
    local run = workflow 'log.warn "plainly" local bar = progress("bar", 1) bar:add() bar:finish()'
    says("\27[", terminal("run", run).output)
    local dumb = { TERM = "dumb" }
    assert.is_nil(terminal("help", dumb).output:find "\27")
    local said = terminal("run", run, dumb).output
    says("plainly", said)
    assert.is_nil(said:find "\27", said)
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

describe("ls and inspect", function()
  it("show the files when nothing runs", function()
    says("not running: shown from the files", ended(0, nebula("ls", "--dir", folder)).output)
    local told = json.decode(ended(0, nebula("ls", "--json", "--dir", folder)).output)
    assert.same({}, told.engines)
    assert.equal("shop", told.resources[1].name)
    says("not running", ended(0, nebula("inspect", "shop", "--dir", folder)).output)
    assert.equal(4, json.decode(ended(0, nebula("inspect", "shop", "--json", "--dir", folder)).output).pool.max)
    says('did you mean "shop"', ended(2, nebula("inspect", "shp", "--dir", folder)).errors)
    says('did you mean "shop"', json.decode(ended(2, nebula("inspect", "shp", "--dir", folder, "--json")).output).error)
  end)

  it("say in JSON too what is wrong with the files", function()
    local wrong = tmp.folder()
    tmp.write(wrong, "resources/a.lua", 'sqlite "a" {}')
    for _, words in ipairs { { "ls" }, { "inspect", "a" } } do
      local told = json.decode(ended(2, nebula(words[1], words[2] or "--json", "--json", "--dir", wrong)).output)
      assert.same({ "a.file", "is missing" }, { told.errors[1].path, told.errors[1].text })
    end
  end)

  it("tell an empty list from an empty object", function()
    local child = started [[print "ready" sleep "1h"]]
    ended(0, nebula("drain", "shop", "--within", "0s", "--wait"))
    says('"connections":[]', ended(0, nebula("inspect", "shop", "--json")).output)
    says('"silent":[]', ended(0, nebula("ls", "--json")).output)
    child:kill()
    local hollow = tmp.folder()
    tmp.write(hollow, "resources/none.lua", "")
    child = started([[print "ready" sleep "1h"]], "--dir", hollow)
    says('"resources":[]', ended(0, nebula("ls", "--json")).output)
    child:kill()
  end)

  it("mask a secret wherever it stands in the files, as an engine does", function()
    local secret = tmp.folder()
    tmp.write(secret, "resources/a.lua", [[postgres "a" { host = "127.0.0.1", dbname = "a", user = "hunter2", password = "hunter2",
      application_name = "hunter2x" }
    postgres "b" { host = "127.0.0.1", dbname = "hunter2", user = "b" }]])
    for _, name in ipairs { "a", "b" } do
      local said = ended(0, nebula("inspect", name, "--dir", secret)).output
        .. ended(0, nebula("inspect", name, "--dir", secret, "--json")).output
      assert.is_nil(said:find("hunter2", 1, true), said)
      says("***", said)
    end
    says('"application_name":"***x"', ended(0, nebula("inspect", "a", "--dir", secret, "--json")).output)
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
    says('did you mean "shop"', ended(2, nebula("inspect", "shp", "--dir", tmp.folder())).errors)
    says("CONNECTION", ended(0, nebula("inspect", "shop")).output)
    child:signal "TERM"
    ended(0, over(child))
    assert.same({}, json.decode(ended(0, nebula("ls", "--json", "--dir", folder)).output).engines)
  end)

  it("name the engines that do not answer, beside those that do, and end with 1", function()
    local stuck = started [[print "ready" while true do end]]
    local stopped = started [[print "ready" sleep "1h"]]
    stopped:signal "STOP"
    local answers = started [[print "ready" sleep "1h"]]
    local silent = { { pid = stuck.pid, error = "does not answer (within 2 s)" },
      { pid = stopped.pid, error = "does not answer (within 2 s)" } }
    table.sort(silent, function(a, b) return a.pid < b.pid end)
    for _, words in ipairs { { "ls" }, { "inspect", "shop" } } do
      local begun = clock.now()
      local result = ended(1, nebula(unpack(words)))
      assert.is_true(clock.now() - begun < 4000) -- both have the same two seconds
      says("pid " .. stuck.pid .. " does not answer", result.errors)
      says("pid " .. stopped.pid .. " does not answer", result.errors)
      says("pid " .. answers.pid, result.output)
      words[#words + 1] = "--json"
      local told = json.decode(ended(1, nebula(unpack(words))).output)
      assert.equal(answers.pid, told.engines[1].pid)
      assert.same(silent, told.silent)
    end
    answers:kill()
    stopped:kill()
    local alone = ended(1, nebula("ls", "--dir", folder))
    says("pid " .. stuck.pid .. " does not answer", alone.errors)
    assert.equal("", alone.output) -- what the files say is not what is there
    stuck:kill()
  end)

  it("do not trip over an engine that was killed", function()
    local child = started [[print "ready" sleep "1h"]]
    child:kill()
    says("not running", ended(0, nebula("ls", "--dir", folder)).output)
  end)
end)
