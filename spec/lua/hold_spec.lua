-- Who holds a lease for too long is named in the log, with the lines at which its task waits.
local program = require "spec.support.program"
local tmp = require "spec.support.tmp"

local ended, nebula, says = program.ended, program.nebula, program.says

describe("a lease that is held for too long", function()
  local folder

  setup(function()
    folder = tmp.folder()
    local function declare(name, pool)
      return ('sqlite %q { file = %q, pool = { %s } }\n'):format(name, folder .. "/hold.db", pool)
    end
    tmp.write(folder, "resources/hold.lua", declare("watched", 'hold = "100ms"')
      .. declare("traced", 'hold = "100ms", trace_leases = true')
      .. declare("taken", 'hold = "100ms", hold_action = "reclaim"') .. declare("free", 'hold = "0s"')
      .. declare("patient", 'hold = "400ms"')) -- a machine may be late by 300
  end)

  local function run(text)
    return ended(0, nebula("run", "--log", "logfmt", tmp.write(folder, "flow.lua", text)))
  end

  it("is reported with the task that holds it, where it was started, and the lines at which it waits", function()
    local said = run([[
      local function inner()
        sleep "150ms"
      end
      task(function()
        use "watched":with(function()
          inner()
        end)
      end):join()
    ]]).errors
    says('text="watched: a lease of connection 1 is held for ', said)
    says(("by the task of %s/flow.lua:4, waiting at %s/flow.lua:2\\n  %s/flow.lua:2: in 'inner'\\n"):format(
      folder, folder, folder), said)
    says("flow.lua:6: in a function of line 5", said)
    assert.is_nil(said:find("taken at", 1, true))
  end)

  it("is reported with the lines of the coroutines inside which its task waits", function()
    local said = run([[
      local function inner()
        sleep "150ms"
      end
      local lease = use "watched":lease()
      local outer = coroutine.wrap(function()
        coroutine.wrap(function()
          inner()
        end)()
      end)
      outer()
    ]]).errors
    says((("by the workflow, waiting at F:2\\n  F:2: in 'inner'\\n  F:7: in a function of line 6\\n  "
      .. "F:8: in a function of line 5\\n  F:10: in the main chunk"):gsub("F", folder .. "/flow.lua")), said)
  end)

  it("is reported once, and again when it has become twice as long", function()
    local said = run([[
      local lease = use "patient":lease()
      sleep "1s"
      lease:release()
      sleep "800ms"
      print(use "patient":stats().holds)
    ]])
    assert.equal("2\n", said.output)
    assert.equal(2, select(2, said.errors:gsub("is held for", "")))
    says("by the workflow, waiting at " .. folder .. "/flow.lua:2", said.errors)
  end)

  it("is placed exactly where leases are traced, in with() and transaction() too", function()
    local said = run([[
      local traced = use "traced"
      local lease = traced:lease()
      sleep "150ms"
      lease:release()
      traced:with({ role = "reader" }, function()
        sleep "150ms"
      end)
      traced:transaction(function()
        sleep "150ms"
      end)
    ]]).errors
    for _, line in ipairs { 2, 5, 8 } do
      says(("taken at %s/flow.lua:%d, is held for"):format(folder, line), said)
    end
  end)

  it("is placed by its function where nothing else is left of who took it", function()
    local said = run([[
      local traced = use "traced"
      for_each({ 1 }, function()
        return traced:transaction(function()
          sleep "150ms"
        end)
      end)
      task(function()
        return traced:with(function()
          sleep "150ms"
        end)
      end):join()
    ]]).errors
    for _, line in ipairs { 3, 8 } do
      says(("taken at %s/flow.lua:%d, is held for"):format(folder, line), said)
    end
  end)

  it("is taken away where that is declared, and its holder is told", function()
    local said = run([[
      local c = require "nebula.c"
      local begun_us = c.lib.nebula_now_us(c.engine)
      local lease = use "taken":lease()
      sleep "150ms"
      print(select(2, lease:query "select 1"))
      print(select(2, lease:release()))
      print(use "taken":value "select 1", use "taken":stats().reclaims)
      print(tonumber(c.lib.nebula_now_us(c.engine) - begun_us) / 1000)
    ]])
    local most, times = tonumber(said.output:match "\n1\t1\n([%d.]+)\n$"), 0
    for ms in said.output:gmatch "the lease was taken away: it was held for (%d+) ms, longer than" do
      assert.truthy(tonumber(ms) >= 100 and tonumber(ms) <= most, said.output)
      says(("taken: a lease of connection 1 was taken away after %sms from the workflow, waiting at %s/flow.lua:4"):format(
        ms, folder), said.errors)
      times = times + 1
    end
    assert.equal(2, times)
  end)

  it("of a task that computed all the while is reported when it lets others run", function()
    local said = run([[
      local lease = use "watched":lease()
      local until_s = os.clock() + 0.15
      while os.clock() < until_s do end
      sleep "5ms"
      lease:release()
    ]]).errors
    says("waiting at " .. folder .. "/flow.lua:4", said)
  end)

  it("is nobody's business with 0s, nor when it was given back in time", function()
    local said = run([[
      local lease = use "free":lease()
      sleep "150ms"
      lease:release()
      for _ = 1, 50 do
        use "patient":with(function() sleep "10ms" end)
      end
    ]]).errors
    assert.equal("", said)
  end)

  it("has bounds that are refused", function()
    local other = tmp.folder()
    tmp.write(other, "resources/a.lua", 'sqlite "a" { file = "a.db", pool = { hold = "50ms", keepalive = "1ms", '
      .. 'hold_action = "kill" } }')
    local said = ended(2, nebula("check", other)).errors
    says("a.pool.hold: is at least 100ms, or 0s", said)
    says("a.pool.keepalive: is at least 100ms, or 0s", said)
    says("a.pool.hold_action", said)
  end)
end)
