-- What a workflow is given, and how its failures come out.

local json = require "cjson"
local process = require "spec.support.process"
local program = require "spec.support.program"
local tmp = require "spec.support.tmp"

local command, ended, nebula, run, says, terminal, workflow, folder =
  program.command, program.ended, program.nebula, program.run, program.says, program.terminal, program.workflow, program.folder

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

  it("calls code that has no name by a short form of it", function()
    local errors = ended(1, run [[
local code = "local x = 1\n" .. ("-- much of it\n"):rep(1000) .. "error 'broken'"
loadstring(code)()
]]).errors
    assert.equal(([[
nebula: [string "local x = 1..."]:1002: broken
  [string "local x = 1..."]:1002: in the main chunk
  FLOW:2: in the main chunk
]]):gsub("FLOW", folder .. "/flow.lua"), errors)
  end)

  it("shows the workflow's own lines when it overflows the stack", function()
    for _, text in ipairs {
      "jit.off()\nlocal function f(n) return 1 + f(n + 1) end\nprint(f(1))",
      "jit.off()\nlocal function f(n) return 1 + f(n + 1) end\ntask(f, 1):join()",
      "jit.off()\nlocal function f(n) return 1 + f(n + 1) end\nuse('shop'):with(function() return f(1) end)",
    } do
      local errors = ended(1, run(text)).errors
      says(("nebula: FLOW:2: stack overflow\n  FLOW:2: in 'f'\n"):gsub("FLOW", folder .. "/flow.lua"), errors)
    end
  end)

  it("says where compiled code overflowed the stack, as far as LuaJIT lets it", function()
    for _, text in ipairs {
      "local function f(n) return 1 + f(n + 1) end print(f(1))",
      "local function f(n) return 1 + f(n + 1) end for i = 1, 3 do pcall(f, 1) end f(1)",
      "local function f(n) return 1 + f(n + 1) end for i = 1, 3 do pcall(f, 1) end task(f, 1):join()",
      "local function f(n) return 1 + f(n + 1) end use('shop'):with(function() return f(1) end)",
    } do
      local errors = ended(1, run(text)).errors
      assert.is_not_nil(errors:find("^nebula: " .. folder:gsub("%p", "%%%0") .. "/flow.lua:?1?: stack overflow\n"), errors)
    end
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

  it("refuses what is no file to be read to its end, and reads the standard input", function()
    local fifo = tmp.folder() .. "/fifo"
    ended(0, process.run { "mkfifo", fifo })
    says(fifo .. ": not a regular file", ended(2, nebula("run", fifo)).errors)
    says("not a regular file", ended(2, nebula("run", folder)).errors)
    local words = command("run", "--dir", folder, "-", "x")
    words.text = "print(args[1], use('shop'):value 'select 1')"
    assert.equal("x\t1\n", ended(0, process.run(words)).output)
  end)

  it("goes on without a control socket where there cannot be one", function()
    for _, where in ipairs { tmp.folder() .. "/" .. ("x"):rep(120), "/nowhere/at/all" } do
      local words = command("run", workflow "print 'done'")
      words.env.NEBULA_RUN_DIR = where
      local result = ended(0, process.run(words))
      says("no control socket", result.errors)
      assert.equal("done\n", result.output)
    end
  end)

  it("blames a text of the log that cannot be on the workflow, and writes all of it", function()
    says("flow.lua:1: log: bad argument", ended(1, run 'log.info("%d", "x")').errors)
    says("before␀after", ended(0, run 'log.info "before\\0after"').errors)
  end)

  it("lets nothing of a server's words reach the terminal as they are", function()
    local paints = [["select * from \"\27[31m\nred\""]]
    for _, text in ipairs { 'print(select(2, use("shop"):query(%s)))', 'assert(use("shop"):query(%s))', 'return use("shop"):query(%s)',
      'error(%s)', 'log.warn(%s)' } do
      local result = run(text:format(paints))
      assert.is_nil((result.output .. result.errors):find "\27", result.output .. result.errors)
      says("\\u001b[31m", result.output .. result.errors)
    end
  end)

  it("refuses a resource or lease of another kind, and a window beyond the bounds", function()
    local other = tmp.folder()
    tmp.write(other, "resources/a.lua", ([[sqlite "a" { file = %q }
      postgres "b" { dbname = "b", user = "b", host = "127.0.0.1" }]]):format(other .. "/a.db"))
    for _, call in ipairs { 'use("b").value(use("a"), "select 1")', 'use("b").value(use("a"):lease(), "select 1")',
      'use("b").lease(use("a"))', 'use("b").with(use("a"):lease(), print)', 'use("b").pause(use("a"):lease())', 'use("b").exec("select 1")' } do
      says("flow.lua:1: this is no resource of the kind postgres: call " .. call:match "%.(%a+)" .. "() with a colon",
        ended(1, nebula("run", "--dir", other, workflow(call))).errors)
    end
    for _, window in ipairs { "1e12", "0", "0/0", "1.5" } do
      says("flow.lua:1: stream: the window must be", ended(1, run('use("shop"):stream({ window = ' .. window .. ' }, "select 1")')).errors)
    end
  end)

  it("sends as many values as the server takes, and refuses one more", function()
    local text = [[
      local list, values = {}, {}
      for i = 1, tonumber(args[1]) do list[i], values["v" .. i] = ":v" .. i, i end
      print(use("shop"):value({ deadline = "1m" }, "select max(column1) from (values (" .. table.concat(list, "), (") .. "))", values))
    ]]
    local file = workflow(text)
    local words = program.command("run", file, "32766")
    words.within = 60000 -- 2 s of SQLite's, alone
    assert.equal("32766\n", ended(0, process.run(words)).output)
    says("flow.lua:3: there is no parameter :v32767: they go from 1 to 32766", ended(1, nebula("run", file, "32767")).errors)
  end)

  it("ends with the code of os.exit, in order", function()
    ended(3, run 'use("shop"):value "select 1" os.exit(3)')
    ended(0, run "task(function() os.exit(true) end):join()")
    ended(1, run "os.exit(false)")
  end)

  it("lets finalisers have their engine to the last", function()
    local errors = ended(0, run [[
      rows = use("shop"):stream({ window = 1 }, "select 1 union select 2")
      rows:next()
      last = newproxy(true)
      getmetatable(last).__gc = function() log.info("the last word") end
    ]]).errors
    says("the last word", errors)
  end)

  it("runs without any of the three standard streams, and nothing else takes their place", function()
    local file = workflow [[
      use("shop"):exec "create table if not exists streams (a)"
      print "out" io.stderr:write "errors" log.warn "log"
      assert(use("shop"):value "pragma integrity_check" == "ok")
    ]]
    local words = command("run", file)
    ended(0, process.run { "sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", env = words.env, unpack(words) })
  end)

  it("ends with 1 when its output cannot be written", function()
    local words = command("run", workflow 'print "lost"')
    says("could not be written", ended(1, process.run {
      "sh", "-c", 'exec "$@" > /dev/full', "sh", env = words.env, unpack(words) }).errors)
    words = command "version"
    ended(1, process.run { "sh", "-c", 'exec "$@" > /dev/full', "sh", env = words.env, unpack(words) })
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
