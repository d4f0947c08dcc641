-- A function in every worker: copies there and back, one end for all, and no part that outlives who asked. limit: 300 s

local many = require "spec.support.many"
local process = require "spec.support.process"
local program = require "spec.support.program"
local tmp = require "spec.support.tmp"

local ended, says, run = program.ended, program.says, many.run

-- With one worker, two and four; N in what is expected is their number.
local function prints(expected, text)
  for _, workers in ipairs { 1, 2, 4 } do
    local ran = ended(0, run(workers, text))
    assert.equal(type(expected) == "function" and expected(workers) or expected, ran.output, workers .. " workers")
  end
end

-- A function that says on a channel that it has begun, and how it ended.
local NOTED = [[
  local notes = channel "notes"
  local function noted(fn)
    return function(...)
      notes:send "begun"
      local how = "raised"
      defer(function() notes:send(how) end) -- who was cancelled waits no more elsewhere
      local ok, err = fn(...)
      how = err and err.code or tostring(ok)
      return ok, err
    end
  end
  local function heard(count)
    local seen = {}
    for _ = 1, count do
      local what = assert(notes:receive { deadline = "5s" })
      seen[what] = (seen[what] or 0) + 1
    end
    local list = {}
    for what, often in pairs(seen) do list[#list + 1] = what .. " " .. often / worker.count end
    table.sort(list)
    return table.concat(list, ", ")
  end
]]

describe("spawn_on_all", function()
  it("runs a function in every worker, with copies of what it uses and is given, and brings copies back", function()
    prints(function(workers)
      local list = {}
      for i = 0, workers - 1 do list[i + 1] = i * 100 + 8 end
      return ("%d\t%s\n5\tnil\n42\n"):format(workers, table.concat(list, "\t"))
    end, [[
      local base, given = 5, { by = 3 }
      local results, err = spawn_on_all(function(g)
        base = base + g.by
        g.by = 0
        return require("nebula.worker").index * 100 + base
      end, given):join()
      print(results.n, unpack(results, 1, results.n))
      print(base, err)
      local shop = use "shop"
      print(spawn_on_all(function(...) return select("#", ...) == 3 and shop:value "select 42" end, nil, 2, nil):join()[1])
    ]])
  end)

  it("raises what a first one raised, with its worker and its lines, after the others were cancelled", function()
    prints(function(workers)
      return "begun 1\nfalse\ttrue\tconstraint\n" .. (workers == 1 and "raised 1\n"
        or ("cancelled %g, raised %g\n"):format(1 - 1 / workers, 1 / workers))
    end, NOTED .. [[
      local last = worker.count - 1
      local there = spawn_on_all(noted(function()
        if require("nebula.worker").index == last then
          channel "go":receive()
          error(require("nebula.error").new("constraint", "fix", "failed", "not so"))
        end
        return sleep "1h"
      end))
      print(heard(worker.count))
      channel "go":send(true)
      local ok, err = pcall(there.join, there)
      print(ok, err.worker == last, err.code)
      print(heard(worker.count))
    ]])
    for _, workers in ipairs { 1, 3 } do
      local ran = ended(1, run(workers, [[
        local function deep(list) return list.no.field end
        spawn_on_all(function()
          if require("nebula.worker").index == require("nebula.worker").count - 1 then deep {} end
          return sleep "1h"
        end):join()
      ]]))
      says(("nebula: worker %d: "):format(workers - 1), ran.errors)
      says("flow.lua:2: attempt to index field 'no' (a nil value)\n", ran.errors)
      assert.matches("flow.lua:4: in a function of line 3\n  joined by:\n  [^\n]*flow.lua:6: in the main chunk\n", ran.errors)
    end
  end)

  it("gives the first nil, err, with its worker, after the others were cancelled", function()
    prints(function(workers)
      return "nil\tno\nbegun 1\nnil\tdeadline\ttrue\n" .. (workers == 1 and "deadline 1\n"
        or ("cancelled %g, deadline %g\n"):format(1 - 1 / workers, 1 / workers))
    end, NOTED .. [[
      print(spawn_on_all(function() return nil, "no" end):join())
      local last = worker.count - 1
      local there = spawn_on_all(noted(function()
        if require("nebula.worker").index < last then return sleep "1h" end
        channel "go":receive()
        return channel "never":receive { deadline = "1ms" }
      end))
      print(heard(worker.count))
      channel "go":send(true)
      local result, err = there:join()
      print(result, err.code, err.worker == last)
      print(heard(worker.count))
    ]])
  end)

  it("ends with its task, everywhere, however that ends", function()
    prints("begun 1\ncancelled 1\nbegun 1\ncancelled 1\nbegun 1\ncancelled 1\n", NOTED .. [[
      local part = noted(function() return sleep "1h" end)
      local one = task(function() return spawn_on_all(part):join() end)
      print(heard(worker.count))
      one:cancel()
      one:join()
      print(heard(worker.count))
      task(function() -- who does not join, and comes to his end
        spawn_on_all(part)
        print(heard(worker.count))
      end):join()
      print(heard(worker.count))
      local there = spawn_on_all(part)
      print(heard(worker.count))
      there:cancel()
      there:join()
      print(heard(worker.count))
    ]])
  end)

  it("hands down the deadline, the trace and the tenant", function()
    prints("nil\tdeadline\tin_doubt\nbegun 1, deadline 1\nacme\t00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\n",
      NOTED .. [[
      local result, err = deadline("1s", function() -- enough for all to begin
        return spawn_on_all(noted(function() return channel "never":receive() end)):join()
      end)
      print(result, err.code, err.outcome)
      print(heard(2 * worker.count))
      print(tenant("acme", trace, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", function()
        local list = spawn_on_all(function()
          local c = require "nebula.c"
          return c.string(c.lib.nebula_task_tenant_name(c.engine)) .. "\t" .. c.string(c.lib.nebula_task_traceparent(c.engine))
        end):join()
        for i = 2, list.n do assert(list[i] == list[1]) end
        return list[1]
      end))
    ]])
  end)

  it("says so when a worker leaves meanwhile, and cancels the others", function()
    local ran = ended(0, run(3, NOTED .. [[
      local there = spawn_on_all(noted(function() return sleep "1h" end))
      for _ = 1, 3 do notes:receive() end
      echo.inside(2, "error 'gone'")
      local result, err = there:join()
      print(result, err.code, err.outcome, err.worker, err.text:match "^[^:]*")
      print(notes:receive(), notes:receive())
      print(spawn_on_all(function() return require("nebula.worker").index end):join().n)
    ]]))
    assert.equal("nil\tlost\tin_doubt\t2\tworker 2 has left\ncancelled\tcancelled\n2\n", ran.output)
  end)

  it("cancels its parts when the worker of who asked leaves", function()
    local ran = ended(0, run(3, [[
      local notes = channel "notes"
      echo.tell(1, "local notes = channel 'notes' spawn_on_all(function() notes:send 'begun' " ..
        "local how defer(function() notes:send(how) end) how = select(2, sleep '1h').code end):join()")
      for _ = 1, 3 do notes:receive() end
      echo.inside(1, "error 'gone'")
      print(notes:receive { deadline = "5s" }, notes:receive { deadline = "5s" })
    ]]))
    assert.equal("cancelled\tcancelled\n", ran.output)
  end)

  it("may be inside of another one, and many at a time", function()
    prints(function(workers) return ("%d\n%d\n"):format(workers * workers, workers * 50) end, [[
      local all = spawn_on_all(function()
        local list, sum = spawn_on_all(function() return 1 end):join(), 0
        for i = 1, list.n do sum = sum + list[i] end
        return sum
      end):join()
      local sum = 0
      for i = 1, all.n do sum = sum + all[i] end
      print(sum)
      local many = {}
      for i = 1, 50 do many[i] = spawn_on_all(function() return sleep "1ms" and 1 end) end
      sum = 0
      for i = 1, 50 do
        local list = many[i]:join()
        for k = 1, list.n do sum = sum + list[k] end
      end
      print(sum)
    ]])
  end)

  it("refuses what cannot go, or come back, by its name", function()
    local ran = ended(0, run(2, [[
      local co, here = coroutine.create(print), channel(1)
      print(select(2, pcall(spawn_on_all, function() return co end)))
      print(select(2, pcall(spawn_on_all, function() end, 1, { here })))
      print(select(2, pcall(spawn_on_all, "print")))
      local there = spawn_on_all(function() return { a = function() end } end)
      print(select(2, pcall(there.join, there)))
      there = spawn_on_all(function() return ("x"):rep(9e6) end)
      print(select(2, pcall(there.join, there)))
      there = spawn_on_all(function() error { code = 7 } end)
      print(select(2, pcall(there.join, there)).code)
      there = spawn_on_all(function() error(print) end)
      print((select(2, pcall(there.join, there))))
    ]]))
    says("flow.lua:3: spawn_on_all: fn (", ran.output)
    says("flow.lua:3) uses co: a coroutine, which belongs to its worker\n", ran.output)
    says("spawn_on_all: argument 2[1]: a channel of this worker alone", ran.output)
    says("spawn_on_all(fn, ...): fn must be a function, not string", ran.output)
    says("what it returned cannot go back: results[1].a: a function", ran.output)
    says("what it returned cannot go back: results: it takes at least", ran.output)
    says("\n7\n", ran.output)
    says("function: ", ran.output)
  end)

  it("comes to its end when the program drains", function()
    for _, workers in ipairs { "1", "3" } do
      local child = many.started(workers, [[
        local ready = channel "ready"
        local there = spawn_on_all(function()
          ready:send(true)
          return select(2, sleep "1h").code
        end)
        for _ = 1, worker.count do ready:receive() end
        print "ready"
        local list, err = there:join()
        print(err or table.concat(list, " ", 1, list.n))
      ]])
      child:signal "TERM"
      local result = ended(0, program.over(child))
      assert.equal(workers == "1" and "closed\n" or "closed closed closed\n", result.output)
    end
  end)

  it("works in a service, with the resources of each worker", function()
    local dir = tmp.folder()
    tmp.write(dir, "resources/shop.lua", ('sqlite "shop" { file = %q }'):format(dir .. "/shop.db"))
    tmp.write(dir, "services/count.lua", [[
      io.stdout:setvbuf "line"
      service "count" { run = function()
        local function count(n) return use("shop"):value("select $1 + 1", n) end
        local list = assert(spawn_on_all(function() return count(41) end):join())
        local each = assert(for_each({ 1, 2, 3 }, { workers = true }, count))
        print(list[1], list[2], list.n, table.concat(each, " "))
        while not stopping() do sleep "10ms" end
      end }
    ]])
    local child = process.start(program.command("serve", "--workers", "2", dir))
    assert.equal("42\t42\t2\t2 3 4", child:line())
    child:signal "TERM"
    ended(0, program.over(child))
  end)

  it("is not told of the parts of a worker's former life", function()
    local dir = tmp.folder()
    tmp.write(dir, "services/anew.lua", [[
      io.stdout:setvbuf "line"
      service "anew" { instances = "per-worker", run = function()
        while require("nebula.worker").index ~= 1 and not stopping() do sleep "10ms" end
        if stopping() then return end
        local lives = channel "lives"
        local life = (lives:receive { fail_fast = true } or 0) + 1
        lives:send(life)
        local all = spawn_on_all(function()
          if require("nebula.worker").index == 1 then return life end
          if life == 1 then defer(function() sleep "900ms" end) end -- its end comes when another life has begun
          sleep(life == 1 and "1h" or "2s")
          return life
        end)
        if life == 1 then
          sleep "50ms"
          require("nebula.worker").fail "gone"
          sleep "1h"
        end
        local list, err = all:join()
        print(life, list and list[1] or err, list and list[2])
        while not stopping() do sleep "10ms" end
      end }
    ]])
    local child = process.start(program.command("serve", "--workers", "2", dir))
    assert.equal("2\t2\t2", child:line(20000))
    child:signal "TERM"
    ended(0, program.over(child))
  end)
end)
