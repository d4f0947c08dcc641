-- Functions of policies that are asked about calls that failed, and that hear of what rules did.

local declared = require "spec.support.declared"
local program = require "spec.support.program"
local tmp = require "spec.support.tmp"

local ended, nebula, says = program.ended, program.nebula, program.says

describe("a policy with functions", function()
  local folder

  before_each(function() folder = tmp.folder() end)

  local function declares(settings, more)
    tmp.write(folder, "policies/p.lua", ('policy "p" { like = "standard", circuit = { consecutive = 2, pause = "10s" },\n%s }\n')
      :format(settings))
    tmp.write(folder, "resources/r.lua",
      ('sqlite "shop" { file = ":memory:", policy = "p", pool = { max = 1 }, %s }\n'):format(more or ""))
  end

  local function run(text, ...)
    local words = { "run", "--log", "logfmt", ... }
    words[#words + 1] = tmp.write(folder, "flow.lua", 'local shop = use "shop"\n' .. text)
    return ended(0, nebula(unpack(words)))
  end

  local WRONG = [[
    for _ = 1, 3 do
      local _, err = shop:query "select nothing from nowhere"
      print(err.code, err.attempts)
    end
    sleep "20ms"
  ]]

  it("has what failed tried again, or not", function()
    declares 'circuit = false, retry = { on = function(e) return e.attempts < 2 end }'
    assert.equal(("query\t2\n"):rep(3), run(WRONG).output)
    declares 'circuit = false, retry = { on = function(e) return false end }'
    assert.equal(("query\t1\n"):rep(3), run(WRONG).output)
    declares 'circuit = false, retry = { on = function(e) end }'
    assert.equal(("query\t1\n"):rep(3), run(WRONG).output)
  end)

  it("says what a failure counts as", function()
    for class, expected in pairs { ["failed"] = "query query open ", ["ignored"] = "query query query ",
      ["ok"] = "query query query " } do
      declares(('classify = function(e) return %q end'):format(class))
      assert.equal(expected, (run(WRONG).output:gsub("\t[^\n]*\n", " ")), class)
    end
  end)

  it("is told all that is known of it", function()
    declares [[classify = function(e)
      log.info("%s/%s %s %s %s %d %s %s %s", e.resource, e.operation, e.code, e.action, e.outcome, e.attempts,
        tostring(e.idempotent), tostring(e.may_repeat), tostring(e.took >= 0 and e.left > 1 and #e.text > 10))
    end]]
    says('shop/ query fix failed 1 true false true', run(WRONG).errors)
  end)

  it("hears of a circuit, of what is refused, and of what is tried again", function()
    declares [[classify = function(e) return "failed" end, retry = { on = function(e) return e.attempts == 1 end },
      on = {
        circuit = function(e) log.warn("%s: circuit %s, was %s: %s, %d of %d", e.resource, e.to, e.from, e.why, e.bad, e.of) end,
        refused = function(e) log.error("no: %s %s", e.code, e.text) end,
        retry = function(e) log.info("again: %s %d %s", e.code, e.attempts, tostring(e.pause < 0.1)) end,
      }]]
    local errors = run(WRONG).errors
    says('level=warn text="shop: circuit open, was closed: consecutive, 2 of 2"', errors)
    says('level=error text="no: open shop: circuit open, 2 of 2 calls failed"', errors)
    says('level=info text="again: query 1 true"', errors)
  end)

  it("hears of what was in the last turn, and not after a failure", function()
    declares 'on = { refused = function(e) log.error("no: %s, %d missed", e.code, e.missed) end }, circuit = { mode = "open" }'
    local LAST = ([[
      for _ = 1, %d do print((select(2, shop:query "select 1")).code) end
      %s
    ]])
    for _, way in ipairs { "", "os.exit(0)" } do
      local said = run(LAST:format(2, way))
      assert.equal(("open\n"):rep(2), said.output)
      assert.equal(2, select(2, said.errors:gsub("no: open, 0 missed", "")), way)
    end
    local heard, missed = 0, 0 -- of more than there is room for
    for count in run(LAST:format(100, "os.exit(0)")).errors:gmatch "no: open, (%d+) missed" do
      heard, missed = heard + 1, missed + tonumber(count)
    end
    assert.equal(100, heard + missed)
    assert.is_true(heard >= 64)
    local workers = run([[
      spawn_on_all(function() use("shop"):query "select 1" end):join()
      os.exit(0)
    ]], "--workers", "2").errors
    assert.equal(2, select(2, workers:gsub("no: open", "")))
  end)

  it("has others for an operation, and none for those that go by another policy", function()
    tmp.write(folder, "policies/q.lua", 'policy "q" { like = "p", classify = function(e) log.info("here: %s", e.operation) end }')
    declares('classify = function(e) log.info("there: %s.", e.operation) end', 'operations = { report = "q" }')
    local errors = run([[
      shop:query({ operation = "report" }, "select nothing from nowhere")
      shop:query({ policy = "standard" }, "select nothing from nowhere")
      shop:query "select nothing from nowhere"
    ]]).errors
    assert.equal("here: report there: . ", (errors:gsub('[^\n]*text="([^"]*)"[^\n]*\n', "%1 ")))
  end)

  it("goes on as usual when one fails, does not end, or answers what is no answer", function()
    for body, why in pairs { ['error "no"'] = "fails: no", ["while true do end"] = "runs for more than",
      ['return "maybe"'] = "not with one of those that are possible here" } do
      declares(('retry = { on = "safe" }, classify = function(e) %s end'):format(body))
      local said = run(WRONG)
      assert.equal(("query\t1\n"):rep(3), said.output, body)
      says(why, said.errors)
      says("policies/p.lua:2", said.errors)
      says("the default stands, and from now on", said.errors)
    end
  end)

  it("says at most eight lines a question, without controls", function()
    declares [[classify = function(e)
      for i = 1, 11 do log.info("line %d\27[2J\nlevel=error", i) end
    end]]
    local errors = run(WRONG).errors
    says("line 8", errors)
    assert.is_nil(errors:find("line 9", 1, true))
    assert.is_nil(errors:find("\27", 1, true))
    says("classify of policy p said 3 lines more", errors)
  end)

  it("works in each of several workers", function()
    declares 'circuit = false, retry = { on = function(e) return e.attempts < 2 end }'
    tmp.write(folder, "resources/r.lua", 'sqlite "shop" { file = "shop.db", policy = "p" }\n')
    local said = run([[
      local all = spawn_on_all(function()
        local _, err = use("shop"):query "select nothing from nowhere"
        return err.attempts
      end):join()
      for i = 1, all.n do print(all[i]) end
    ]], "--workers", "3")
    assert.equal(("2\n"):rep(3), said.output)
  end)

  it("is shown to have some", function()
    declares 'classify = function(e) end, on = { refused = function(e) end }'
    says("asked or told of: failure, refused", ended(0, nebula("inspect", "shop", "--dir", folder)).output)
  end)

  it("moves no other resource when it takes all the time that it may", function()
    declares 'circuit = false, retry = { on = function(e) local n = 0 for _ = 1, 20000 do n = n + 1 end return false end }'
    tmp.write(folder, "resources/s.lua", 'sqlite "calm" { file = ":memory:", pool = { max = 1 } }\n')
    local said = run [[
      local now = os.clock -- nothing waits here for long
      local until_s, storm = now() + 1.5, {}
      for i = 1, 8 do
        storm[i] = task(function()
          while now() < until_s do shop:query "select nothing from nowhere" end
        end)
      end
      local calm, slow, all = use "calm", 0, 0
      while now() < until_s do
        local begun = now()
        calm:query "select 1"
        all, slow = all + 1, slow + (now() - begun > 0.05 and 1 or 0)
      end
      for i = 1, 8 do storm[i]:join() end
      print(all > 50, slow / all < 0.01)
    ]]
    assert.equal("true\ttrue\n", said.output)
    says("take a fifth of the worker's time", said.errors)
  end)
end)

describe("a function in a policy", function()
  local function mistake_of(settings)
    local _, errors = declared.read { ["policies/a.lua"] = ('policy "p" { %s }'):format(settings) }
    return errors and tostring(errors[1])
  end

  it("stands where one may stand, and nowhere else", function()
    for settings, expected in pairs {
      ['retry = { on = "always" }'] = 'p.retry.on: "always" is not possible here; known: safe; or a function',
      ['retry = { on = 5 }'] = "p.retry.on: 5 is not possible here; known: safe; or a function",
      ["retry = { tries = function() end }"] = "p.retry.tries: a function cannot stand here",
      ["retry = { on = error }"] = "p.retry.on: is a function of the language: write one here",
      ['classify = "failed"'] = "p.classify: expected a function, got a string",
      ["on = function() end"] = "p.on: a function cannot stand here",
      ["on = { circuits = function() end }"] = "p.on.circuits: unknown setting",
    } do
      local said = mistake_of(settings)
      assert.is_truthy(said and said:find(expected, 1, true), settings .. ": " .. tostring(said))
    end
  end)
end)
