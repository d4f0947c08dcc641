-- A driver from outside can do what ours can (hub/nebula-hub.c): listeners, batches, streams both ways, a server that
-- turns, several calls at once on a connection. Against a server of its own (hub/hub.c), which is killed and comes back.

local process = require "spec.support.process"
local program = require "spec.support.program"
local tmp = require "spec.support.tmp"

local HOME = require("nebula.worker").home
local HUB = HOME .. "/spec/library/hub"
local folder = tmp.folder()
local both = folder .. "/a.sock," .. folder .. "/b.sock"

local function build(...)
  local built = process.run { "gcc", "-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-I" .. HOME .. "/engine",
    within = 60000, ... }
  assert.equal(0, built.code, built.errors)
end

---A hub at folder/NAME.sock, which listens when this returns.
local function start(name, ...)
  local hub = process.start { folder .. "/hub", folder .. "/" .. name .. ".sock", ... }
  assert.equal("ready", hub:line())
  return hub
end

local function stop(hub)
  hub:signal "KILL"
  assert(hub:wait(15000))
  hub:close()
end

local flows = 0

local function command(text)
  flows = flows + 1
  local words = program.command("run", tmp.write(folder, ("job/flow%d.lua"):format(flows), "io.stdout:setvbuf 'line'\n" .. text))
  words.env.NEBULA_PATH, words.within = folder, 30000
  return words
end

local function run(text)
  return program.ended(0, process.run(command(text))).output
end

setup(function()
  build(HUB .. "/hub.c", "-o", folder .. "/hub")
  build("-shared", "-fPIC", HUB .. "/nebula-hub.c", "-o", folder .. "/nebula-hub.so")
  tmp.write(folder, "resources/hub.lua", tmp.read(HUB .. "/resources/hub.lua"))
  tmp.write(folder, "job/resources/hub.lua", ([[
    hub "one" { path = %q, pool = { max = 4 } }
    hub "many" { path = %q, pipeline = 8, pool = { max = 1 } }
    hub "other" { path = %q }
    hub "easy" { path = %q, fall_back = true }
    hub "both" { path = %q, pool = { max = 2 } }
    hub "spread" { path = %q, balance = "least-recently-used" }
    hub "keyed" { path = %q, balance = "sticky" }]]):format(folder .. "/a.sock", folder .. "/a.sock",
    folder .. "/b.sock", folder .. "/b.sock", both, both, both))
end)

describe("a driver from outside", function()
  local hub
  before_each(function() hub = start "a" end)
  after_each(function() stop(hub) end)

  it("refuses options that cannot be meant, where they are declared", function()
    tmp.write(folder, "wrong/resources/hub.lua", '\nhub "odd" { path = "/a.sock,b.sock" }')
    local words = program.command("run", tmp.write(folder, "wrong/flow.lua", "print(1)"))
    words.env.NEBULA_PATH = folder
    local ran = program.ended(2, process.run(words))
    program.says("resources/hub.lua:2: odd: the path of endpoint 2 does not begin with a slash", ran.errors)
    assert.equal("", ran.output)
  end)

  it("tells who listens, and only of his channels", function()
    assert.equal("3\njobs\t7\njobs\t8\nnews\tx\n", run [[
      local one = use "one"
      local all, jobs = assert(one:listen("jobs", "news")), assert(one:listen "jobs")
      print(one:ask "tell jobs 7" + one:ask "tell jobs 8" + one:ask "tell news x" + one:ask "tell other y")
      for _ = 1, 3 do local note = all:next() print(note.channel, note.payload) assert(note.pid > 0) end
      assert(jobs:next().payload == "7" and jobs:next().payload == "8")
      assert(select(2, jobs:next "0s").code == "deadline")]])
  end)

  it("tells of a gap after a loss, when it hears again", function()
    assert.equal("jobs\tbefore\nlost\tthe hub hung up\njobs\tafter\n", run [[
      local one = use "one"
      local notes = assert(one:listen "jobs")
      one:ask "tell jobs before" one:ask "hush"
      local function show(note) print(note.gap or note.channel, note.payload or note.text:match "the hub hung up") end
      show(notes:next()) show(notes:next())
      assert(one:ask "tell jobs after" == 1)
      show(notes:next())]])
  end)

  it("tells of a gap when the server was killed and has come back", function()
    local words = command [[
      local one = use "one"
      local notes = assert(one:listen("jobs", "news"))
      print "listens"
      local gap = assert(notes:next())
      print(gap.gap, gap.seconds > 0, one:ask "tell news again")
      print(notes:next().payload)]]
    local child = process.start(words)
    assert.equal("listens", child:line())
    stop(hub)
    hub = start "a"
    assert.equal("lost\ttrue\t1", child:line(15000))
    assert.equal("again", child:line())
    assert.equal(0, assert(child:wait(15000)).code)
    child:close()
  end)

  it("has batches of parts that stand for themselves", function()
    assert.equal("1\tquery\tblue\tnil\tquery\n", run [[
      local results, err = use "one":batch(true, "put sky blue", "nonsense", "get sky")
      print(results[1], results[2].code, results[3], err and err.code, results[2].code)]])
  end)

  it("has batches that are done as a whole or not at all", function()
    assert.equal("query\t2\tquery\tquery\nnil\tblue\t0\n", run [[
      local one = use "one"
      local results, err = one:batch(false, "put sky red", "nonsense", "put sea green")
      print(err.code, err.part, results[1].code, results[3].code)
      local good, none = one:batch(false, "put sky blue", "get sky")
      print(none, good[2], one:ask "get sea")]])
  end)

  it("says of each part of a batch what it knows, when the server is killed", function()
    local words = command [[
      local results, err = use "one":batch(true, "put sky blue", "never", "get sky")
      for _, one in ipairs(results) do print(type(one) == "table" and one.outcome or one) end
      print(err.code, err.outcome)]]
    local child = process.start(words)
    -- The first part is there when somebody else sees it.
    assert.equal("blue\n", run [[
      local one, seen = use "one"
      repeat seen = one:ask "get sky" until seen ~= 0
      print(seen)]])
    stop(hub)
    hub = start "a"
    for _, line in ipairs { "1", "in_doubt", "in_doubt", "lost\tin_doubt" } do assert.equal(line, child:line(15000)) end
    assert(child:wait(15000))
    child:close()
  end)

  it("streams rows, and chunks of lines", function()
    assert.equal("a 1,b 2,c 3\na 1\nb 2\n,c 3\n\n", run [[
      local one = use "one"
      for name, value in ("a1b2c3"):gmatch "(%l)(%d)" do one:ask(("put %s %s"):format(name, value)) end
      local lease = assert(one:lease())
      print(table.concat(lease:read("scan", 2), ","))
      print(table.concat(lease:read("dump", 2), ","))
      lease:release()]])
  end)

  it("takes a stream of input, none of it before its end", function()
    assert.equal("0\n3\n2\n", run [[
      local one = use "one"
      local lease = assert(one:lease())
      assert(lease:begin().input) assert(lease:push "a 1\nb")
      print(one:ask "get a")
      lease:stop()
      print(lease:load("a 1\nb", " 2\n", "c 3\n"))
      print(one:ask "get b")
      lease:release()]])
  end)

  it("says which line of the input is wrong, and undoes all of it", function()
    assert.equal("query\t2\tvalue\ta name without a value, line 2 of the input, column value\n0\n", run [[
      local one = use "one"
      local lease = assert(one:lease())
      local _, err = lease:load "a 1\nb\nc 3\n"
      print(err.code, err.line, err.column, err.text:match "a name.*")
      print(one:ask "get a")
      lease:release()]])
  end)

  it("undoes what was pushed when its lease is given back", function()
    assert.equal("0\t1\n", run [[
      local one = use "one"
      local lease = assert(one:lease())
      lease:begin() lease:push "a 1\n"
      lease:release()
      print(one:ask "get a", 1)]])
  end)

  it("carries several calls at once where they may be repeated", function()
    assert.equal("4\t0\n", run [[
      local many, good = use "many", 0
      assert(for_each({ 1, 2, 3, 4 }, { parallel = 4 }, function()
        local answer = assert(many:ask("together 4", { idempotent = true, deadline = "5s" }))
        good = good + (answer == 0 and 1 or 0)
        return true
      end))
      print(good, many:ask "get x")]])
  end)

  it("hears in whose trace it is asked", function()
    assert.equal("-\n00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\n", run [[
      local one = use "one"
      print(one:ask "trace")
      trace("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", function() print(one:ask "trace") end)]])
  end)

  it("sends to the writer what its role cannot do, and asks again what was not done", function()
    assert.equal("1\tblue\n2\n", run [[
      local one = use "one"
      print(one:ask("put sky blue", { role = "any" }), one:ask("get sky", { role = "any" }))
      print(one:ask "fickle")]])
  end)

  it("takes a server as it is where the kind says so", function()
    local other = start("b", "copy")
    assert.equal("0\nunfit\n", run [[
      print(use "easy":ask "get sky")
      local _, err = use "other":ask("get sky", { deadline = "200ms" })
      print(err.text:match "it is a copy" and "unfit")]])
    stop(other)
  end)

  it("leaves a server that is not what the role needs", function()
    local other = start("b", "copy")
    assert.equal("1\n0\tblue\n", run [[
      local both, a, b = use "both", use "one", use "other"
      a:ask("turn", { role = "any" }) b:ask("turn", { role = "any" })
      print(both:ask "put sky blue")
      print(a:ask("get sky", { role = "any" }), b:ask("get sky", { role = "any" }))]])
    stop(other)
  end)

  it("turns away from a server that has turned, and finds the one that has not", function()
    local other = start("b", "copy")
    assert.equal("red\n1\nblue\tred\n", run [[
      local both, a, b = use "both", use "one", use "other"
      both:ask "put sky red"
      print(both:ask "get sky")
      a:ask("turn", { role = "any" }) b:ask("turn", { role = "any" })
      print(both:ask "put sky blue") -- refused by the one, which is proof, and asked again of the other
      print(b:ask("get sky", { role = "any" }), a:ask("get sky", { role = "any" }))]])
    stop(other)
  end)

  it("has its calls balanced over its endpoints", function()
    local other = start "b"
    assert.equal("5 of the one, 5 of the other\n1 of 1, 1 of 1\n", run [[
      local spread, keyed, a, b = use "spread", use "keyed", use "one", use "other"
      a:ask "put sky red" b:ask "put sky blue"
      local function ask(on, key) return on:ask("get sky", { role = "any", key = key }) end
      for _ = 1, 10 do ask(spread) sleep "10ms" end -- each has a connection then
      local of = { red = 0, blue = 0 }
      for _ = 1, 10 do local said = ask(spread) of[said] = of[said] + 1 end
      print(of.red .. " of the one, " .. of.blue .. " of the other")
      for i = 1, 10 do ask(keyed, "k" .. i) sleep "10ms" end
      local same = {}
      for i = 1, 2 do
        local first, count = ask(keyed, "k" .. i), 0
        for _ = 1, 10 do count = count + (ask(keyed, "k" .. i) == first and 1 or 0) end
        same[i] = count / 10 .. " of 1"
      end
      print(table.concat(same, ", "))]])
    stop(other)
  end)
end)
