-- Several workers in one process, seen and operated from outside: they are told as one, each is asked, and who does not
-- turn, or leaves meanwhile, is no reason to wait. limit: 600 s

local clock = require "spec.support.clock"
local json = require "cjson"
local many = require "spec.support.many"
local program = require "spec.support.program"

local ended, nebula, says = program.ended, program.nebula, program.says

-- Each worker has called three times; then what `text` does.
local function begun(workers, text)
  return many.started(workers, [[
    for i = 0, worker.count - 1 do echo.ask(i, "for _ = 1, 3 do use('shop'):value 'select 1' end") end
    print "ready"
  ]] .. text)
end

local function shown(...)
  return json.decode(ended(0, nebula(...)).output).engines[1]
end

-- What each worker says of itself.
local function states()
  local list = {}
  for i, one in ipairs(shown("inspect", "--json", "shop").resource.workers or {}) do list[i] = one.state end
  return table.concat(list, " ")
end

describe("a process with several workers", function()
  local child

  after_each(function()
    if child then child:kill() end
    child = nil
  end)

  it("is shown and operated as one", function()
    for _, workers in ipairs { 1, 2, 8 } do
      child = begun(workers, 'sleep "1h"')
      local ls = shown("ls", "--json")
      assert.equal(workers > 1 and workers or nil, ls.workers)
      assert.same({ "shop", 3 * workers, 4 }, { ls.resources[1].name, ls.resources[1].calls, ls.resources[1].max })
      local shop = shown("inspect", "--json", "shop").resource
      assert.equal(3 * workers, shop.calls)
      assert.equal(shop.open, #shop.connections)
      assert.equal(workers > 1 and workers or nil, shop.workers and #shop.workers)
      local sum = 0
      for i, one in ipairs(shop.workers or {}) do
        assert.same({ i - 1, 3 }, { one.worker, one.calls })
        sum = sum + one.open
      end
      assert.equal(workers > 1 and shop.open or 0, sum)
      for _, one in ipairs(shop.connections) do
        assert.equal(workers > 1, one.worker ~= nil)
      end
      assert.equal(3 * workers, shop.pools[1].window.leases + (shop.pools[2] and shop.pools[2].window.leases or 0))
      local text = ended(0, nebula("inspect", "shop")).output
      assert.equal(workers > 1, text:find(("%d workers)"):format(workers), 1, true) ~= nil)
      assert.equal(workers > 1, text:find "WORKER  OPEN  IDLE" ~= nil)

      ended(0, nebula("resize", "shop", "--max", "7"))
      assert.equal(7, shown("ls", "--json").resources[1].max)
      ended(0, nebula("reconnect", "shop", "--share", "1", "--every", "0s", "--wait"))
      assert.equal("shop (pid " .. child.pid .. "): drained\n", ended(0, nebula("drain", "shop", "--wait")).output)
      assert.same({ "drained", 0 }, { shown("ls", "--json").resources[1].state, shown("ls", "--json").resources[1].open })
      assert.equal(workers > 1 and ("drained "):rep(workers):sub(1, -2) or "", states())
      ended(0, nebula("resume", "shop"))
      ended(0, nebula("pause", "shop"))
      assert.equal(workers > 1 and ("paused "):rep(workers):sub(1, -2) or "", states())
      assert.equal("paused", shown("ls", "--json").resources[1].state)
      child:kill()
    end
  end)

  it("names the worker that does not turn, and tells of the others", function()
    child = begun(3, [[
      echo.tell(1, "while true do end")
      sleep "1h"
    ]])
    clock.eventually("it is noticed", function()
      return nebula("ls").code == 1
    end)
    local ls = ended(1, nebula("ls"))
    says("worker 1 has not turned for ", ls.errors)
    says("what is shown is without it", ls.errors)
    says("3 workers", ls.output)
    says("shop", ls.output)
    local begun_at = clock.now()
    local inspected = json.decode(ended(1, nebula("inspect", "--json", "shop")).output)
    assert.truthy(clock.now() - begun_at < 2000)
    assert.equal(6, inspected.engines[1].resource.calls)
    assert.equal(1, inspected.silent[1].worker)
    local paused = ended(1, nebula("pause", "shop"))
    says("it hears of that when it turns", paused.errors)
    assert.equal("paused", json.decode(nebula("ls", "--json").output).engines[1].resources[1].state)
    local drained = ended(1, nebula("drain", "shop", "--wait"))
    says("worker 1 has not turned for ", drained.errors)
  end)

  it("answers while workers leave", function()
    child = begun(8, [[
      for i = 7, 1, -1 do
        sleep "50ms"
        echo.inside(i, "error 'leaves'")
      end
      sleep "1h"
    ]])
    local alone = 0
    for _ = 1, 100 do
      local engine = shown("inspect", "--json", "shop")
      assert.equal(engine.workers, engine.resource.workers and #engine.resource.workers)
      assert.is_nil(engine.silent)
      alone = alone + (engine.workers and 0 or 1)
      if alone > 3 then break end
    end
    assert.truthy(alone > 0)
  end)

  it("is told to a workflow as one", function()
    for _, workers in ipairs { 1, 2, 8 } do
      local result = ended(0, many.run(workers, [[
        for i = 0, worker.count - 1 do echo.ask(i, "for _ = 1, 3 do use('shop'):value 'select 1' end") end
        local stats = use "shop":stats()
        print(stats.calls, stats.max, stats.roles.reader.max, stats.roles.reader.window.leases, stats.roles.writer.window)
        print(echo.ask(worker.count - 1, "local stats = use 'shop':stats() return stats.calls, stats.silent"))
        use "shop":resize { max = 9 }
        print(echo.ask(worker.count - 1, "return use 'shop':stats().roles.reader.max"))
        print(use "shop":drain())
        print(echo.ask(worker.count - 1, "return (select(2, use 'shop':value 'select 1').code)"))
      ]]))
      assert.equal(("%d\t5\t4\t%d\tnil\n%d\tnil\n9\ntrue\tnil\npaused\n"):format(3 * workers, 3 * workers, 3 * workers),
        result.output)
    end
  end)
end)
