-- A driver from outside that does what a driver may do (odd.c), compiled against today's header and against the first
-- one (first/nebula_driver.h): whoever has a driver need not build it anew.

local process = require "spec.support.process"
local program = require "spec.support.program"
local tmp = require "spec.support.tmp"

local HOME = require("nebula.worker").home
local KIND = [[
  local c, call = require "nebula.c", require "nebula.call"
  local function ask(on, text, options)
    local ticket, err = call.run(on, c.lib.NEBULA_RUN, options, text, 2, 1, "two")
    if not ticket then return nil, err end
    local said = call.lua(call.cell(ticket, 0, 0))
    call.done(ticket)
    return said
  end
  return kind "odd" {
    driver = "odd", check = "check", reset = "reset", options = { mood = { type = "string", class = "restart", text = "" } },
    resource = { ask = ask, batch = function(on) return call.batch(on, {}, true, { { text = { text = "x", count = 0 } } }) end },
    lease = { ask = ask },
  }]]

---A folder with the kind, its driver compiled with the header in `include`, and a job.
local function built(include)
  local folder = tmp.folder()
  local ran = process.run { "gcc", "-shared", "-fPIC", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-I" .. include,
    "-I" .. HOME .. "/engine", HOME .. "/spec/library/odd.c", "-o", folder .. "/nebula-odd.so", within = 60000 }
  assert.equal(0, ran.code, ran.errors)
  tmp.write(folder, "resources/odd.lua", KIND)
  tmp.write(folder, "job/resources/odd.lua", [[
    odd "one" { pool = { max = 1 } }
    odd "bad" { mood = "bad", pool = { max = 1, connect = "1s" } }]])
  return folder
end

local headers = {
  { "a driver from outside", HOME .. "/engine", tmp.read(HOME .. "/spec/library/abi.txt"):match "struct nebula_driver (%d+)" },
  { "one of the first header", HOME .. "/spec/library/first", "80" },
}

for _, header in ipairs(headers) do
  local name, include, size = unpack(header)
  describe(name, function()
    local folder
    setup(function() folder = built(include) end)

    local function started(text)
      local file = tmp.write(folder, "job/flow.lua", 'local one, bad = use "one", use "bad"\n' .. text)
      local words = program.command("run", file)
      words.env.NEBULA_PATH, words.within = folder, 30000
      return process.run(words)
    end

    local function run(text)
      return program.ended(0, started(text)).output
    end

    it("is as large as its header says, and has no batches", function()
      assert.equal(size .. " bytes\tits kind has no batches\n", run [[
        local _, err = one:batch()
        print(one:ask "size", err.text:match "its .*")]])
    end)

    it("answers, refuses, works beside the loop, looks names up", function()
      assert.equal("0 resets, 2 values\nworked\nresolved\nquery\tXX1\tfailed\n", run [[
        print(one:ask "x") print(one:ask "work") print(one:ask "resolve")
        local _, err = one:ask "refuse"
        print(err.code, err.state, err.outcome)]])
    end)

    it("is made clean by its own words", function()
      assert.equal("0 resets, 2 values\n1 resets, 2 values\n", run [[print(one:ask "dirty") print(one:ask "x")]])
    end)

    it("is in doubt when it fails, and another connection comes", function()
      assert.equal("lost\tin_doubt\n0 resets, 2 values\n", run [[
        local _, err = one:ask("fail")
        print(err.code, err.outcome) print(one:ask "x")]])
    end)

    it("is not in doubt of what never left", function()
      assert.equal("lost\tfailed\t0 resets, 2 values\n", run [[
        local _, err = one:ask "unsent"
        print(err.code, err.outcome, one:ask "x")]])
    end)

    it("is cancelled at the deadline, and the connection goes on", function()
      assert.equal("deadline\tdeadline\t1 resets, 2 values\n", run [[
        one:ask "dirty" one:ask "x"
        local _, first = one:ask("hang", { deadline = "30ms" })
        local _, second = one:ask("slow", { deadline = "30ms" })
        print(first.code, second.code, one:ask("x", { deadline = "5s" }))]])
    end)

    it("is told from a server that refuses", function()
      assert.equal("denied\n", run [[local _, err = bad:ask "x" print(err.code)]])
    end)

    it("ends the process with the rule that it breaks", function()
      local rules = { inside = "nothing is said inside a verb; ask for soon()", twice = "replied() to no request" }
      for text, rule in pairs(rules) do
        local ran = started(("one:ask %q"):format(text))
        assert.equal(6, ran.signal)
        program.says("nebula: the driver of one breaks a rule of nebula_driver.h: " .. rule, ran.errors)
      end
    end)

    it("is closed while it works, and the program ends", function()
      assert.equal("", run [[task(function() one:ask "slow" end) sleep "20ms" os.exit(0)]])
    end)
  end)
end
