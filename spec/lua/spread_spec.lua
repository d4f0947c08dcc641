-- for_each over workers: each item once, to whoever is free, and the same program whatever their number. limit: 300 s

local many = require "spec.support.many"
local program = require "spec.support.program"

local ended, says = program.ended, program.says

local run, prints = many.counting, many.prints

describe("for_each with workers = true", function()
  it("gives the results by index, for lists and numbers of any length", function()
    prints("true\n", [[
      for _, count in ipairs { 0, 1, 2, 7, 100, 3000 } do
        for _, parallel in ipairs { 1, 3, 8, 100 } do
          local results, err = for_each(numbers(count), { parallel = parallel, workers = true }, function(item, index)
            assert(item == index)
            return { item, sleep "0s" and 2 * index }
          end)
          assert(results and not err and #results == count)
          for i = 1, count do assert(results[i][1] == i and results[i][2] == 2 * i) end
        end
      end
      print(true)
    ]])
  end)

  it("takes what is no number, and brings nil and false", function()
    prints("a=1\tfalse\tnil\tnull\t4\t1970-01-02\n", [[
      local list = { { a = 1 }, false, "nil", null, { n = 4 }, require("nebula.sql.types.time").at("date", 1, 0) }
      local got = for_each(list, { workers = true, parallel = 2 }, function(item, i)
        if i == 1 then return "a=" .. item.a end
        if i == 3 then return nil end
        if i == 5 then return item.n end
        return item
      end)
      print(got[1], got[2], got[3], got[4] == null and "null", got[5], got[6])
    ]])
  end)

  it("has each item done by whoever is free, in all workers, and no more at a time than was said", function()
    for _, workers in ipairs { 1, 3 } do
      local ran = ended(0, run(workers, [[
        local notes, at = channel "notes", require "nebula.c"
        local counting = task(function()
          local now, most, seen, of = 0, 0, 0, {}
          for note in notes do
            now, seen = now + note.by, seen + 1
            most = math.max(most, now)
            of[note.worker] = (of[note.worker] or 0) + 1
          end
          return most, seen, of
        end)
        assert(for_each(numbers(60), { workers = true, parallel = 6 }, function(i)
          local here = require("nebula.worker").index
          notes:send { by = 1, worker = here }
          sleep(i == 1 and "300ms" or "2ms") -- the others do not wait for who has a long one
          notes:send { by = -1, worker = here }
          return true
        end))
        notes:close()
        local most, seen, of = counting:join()
        local each = {}
        for i = 0, worker.count - 1 do each[i + 1] = of[i] and of[i] > 0 and "some" or "none" end
        print(most, seen, table.concat(each, " "))
      ]]))
      assert.equal(("6\t120\tsome%s\n"):format((" some"):rep(workers - 1)), ran.output)
    end
  end)

  it("does not wait with others for a long one", function()
    local ran = ended(0, run(2, [[
      local others = channel "others"
      print(#for_each(numbers(40), { workers = true, parallel = 4 }, function(i)
        if i > 1 then return others:send(i) end
        for _ = 2, 40 do assert(others:receive { deadline = "5s" }) end -- its end is theirs
        return true
      end))
    ]]))
    assert.equal("40\n", ran.output)
  end)

  it("gives the first nil, err, or raises what was raised, and cancels the others everywhere", function()
    prints("nil\tbad 7\nfalse\ttrue\nnil\tnot so\tfailed\ncancelled\n", [[
      print(for_each(numbers(500), { workers = true }, function(i)
        if i == 7 then return nil, "bad 7" end
        return i
      end))
      local ok, why = pcall(for_each, numbers(500), { workers = true }, function(i)
        if i == 300 then error("boom " .. i) end
        return i
      end)
      print(ok, why:find "flow.lua:%d+: boom 300" ~= nil)
      local result, err = for_each(numbers(4), { workers = true }, function(i)
        if i == 2 then return nil, require("nebula.error").new("constraint", "fix", "failed", "not so") end
        return sleep "1h"
      end)
      print(result, err.text, err.outcome)
      local begun, notes = channel "begun", channel "notes"
      pcall(for_each, numbers(4), { workers = true, parallel = 4 }, function(i)
        if i == 1 then
          for _ = 1, 3 do begun:receive() end
          error "boom"
        end
        defer(function() notes:send(i) end)
        begun:send(true)
        local _, why_not = sleep "1h"
        return nil, why_not
      end)
      local seen = 0
      for _ = 1, 3 do seen = seen + assert(notes:receive { deadline = "5s" }) end
      print(seen == 9 and "cancelled")
    ]])
  end)

  it("is the same whatever the number of workers: what it uses is a copy", function()
    prints("0\tnil\t1\n", [[
      local sum, item = 0, { seen = nil, n = 1 }
      for_each({ item }, { workers = true }, function(one)
        sum, one.seen = sum + 1, true
        one.n = 2
        return sum
      end)
      print(sum, item.seen, item.n)
    ]])
    for _, workers in ipairs { 1, 2 } do
      local ran = ended(0, run(workers, [[
        local co = coroutine.create(print)
        print(select(2, pcall(for_each, { 1 }, { workers = true }, function() return co end)))
        print(select(2, pcall(for_each, { 1, { f = print } }, { workers = true }, function() return 1 end)))
        print(select(2, pcall(for_each, { 1, 2, 3 }, { workers = true }, function(i) return i == 3 and print or i end)))
        local long = ("x"):rep(8e6)
        local result, err = for_each({ 1, { long } }, { workers = true }, function() return 1 end)
        print(result, err.code, err.text)
        result, err = for_each({ 1 }, { workers = true }, function() return { ("x"):rep(8e6) } end)
        print(result, err.code, err.text)
        print(select(2, pcall(for_each, { 1 }, { workers = "yes" }, function() return 1 end)))
      ]]))
      says("uses co: a coroutine, which belongs to its worker", ran.output)
      says("for_each: item 2.f: a function; it goes to other workers with spawn_on_all", ran.output)
      says("for_each: result 3: a function; it goes to other workers with spawn_on_all", ran.output)
      says("nil\tlimit\tfor_each: item 2: it takes at least", ran.output)
      says("nil\tlimit\tfor_each: result 1: it takes at least", ran.output)
      says("for_each: the option workers must be a boolean, not a string", ran.output)
    end
  end)

  it("works with resources of every worker, whose max is that of all", function()
    prints("820\n", [[
      local shop = use "shop"
      local sum = 0
      for _, n in ipairs(for_each(numbers(40), { workers = true, parallel = 16 }, function(i) return shop:value("select $1", i) end)) do
        sum = sum + n
      end
      print(sum)
    ]])
  end)

  it("ends with its task, at its deadline, and says what is in doubt", function()
    prints("nil\tdeadline\tin_doubt\nnil\tcancelled\tin_doubt\n", [[
      local result, err = deadline("100ms", function()
        return for_each(numbers(20), { workers = true }, function() return channel "never":receive() end)
      end)
      print(result, err.code, err.outcome)
      local one = task(function()
        local _, why = for_each(numbers(20), { workers = true }, function() return sleep "1h" end)
        channel "said":send { why.code, why.outcome }
        return why
      end)
      sleep "50ms"
      local said = channel "said"
      defer(function() said:close() end)
      one:cancel()
      result, err = one:join()
      print(result, err.code, err.outcome)
    ]])
    local ran = ended(0, run(3, [[
      local notes = channel "notes"
      local one = task(function()
        return for_each(numbers(20), { workers = true, parallel = 6 }, function()
          notes:send(true)
          return sleep "1h"
        end)
      end)
      for _ = 1, 6 do notes:receive() end
      echo.inside(2, "error 'gone'")
      local result, err = one:join()
      print(result, err.code, err.outcome, err.worker)
      print(#for_each(numbers(20), { workers = true }, function(i) return i end))
    ]]))
    assert.equal("nil\tlost\tin_doubt\t2\n20\n", ran.output)
  end)

  it("leaves nothing behind", function()
    local function leaves_nothing(text)
      prints("same\n", ([[
        local json, c = require "cjson", require "nebula.c"
        -- The most of some moments: whoever reads the mail, which may be the last words of the others, waits for none meanwhile.
        local function state()
          local tasks, tickets = 0, 0
          for _ = 1, 20 do
            local ls = json.decode(c.string(c.lib.nebula_ask(c.engine, '{"verb":"ls"}')))
            tasks, tickets = math.max(tasks, ls.tasks), math.max(tickets, ls.tickets)
            sleep "1ms"
          end
          return tasks .. " " .. tickets
        end
        local function once() assert(for_each(numbers(200), { workers = true }, function(i) return i end)) end
        once()
        collectgarbage()
        local before = state()
        %s
        collectgarbage "restart"
        print(state() == before and "same" or before .. " became " .. state())
      ]]):format(text))
    end
    leaves_nothing "for _ = 1, 200 do once() end"
    leaves_nothing [[
      collectgarbage "stop" -- nor on the collector: its channels are forgotten at once
      for _ = 1, 6000 do assert(for_each({ 1 }, { workers = true }, function(i) return i end)) end
    ]]
    leaves_nothing [[
      collectgarbage "stop"
      local fifty = numbers(50)
      for _ = 1, worker.count == 2 and 10100 or 100 do -- with items that nobody has taken; there are 10,000 names
        local result, err = for_each(fifty, { workers = true, parallel = 2 }, function() return nil, "no" end)
        assert(not result and err == "no")
      end
    ]]
  end)

  it("blames the line of the list for an item, that of the function for a result, and shows no empty lines", function()
    for workers = 1, 2 do
      local ran = ended(1, run(workers, [[
        local function say(...) print((select(2, pcall(...)))) end
        say(function()
          local list = for_each({ 1, print }, { workers = true }, function(item) return item end) -- line 9 of the file
          return list
        end)
        local function wrong() return print end
        say(function()
          local list = for_each({ 1 }, { workers = true }, wrong)
          return list
        end)
        local there = spawn_on_all(wrong)
        there:join()
      ]]))
      assert.matches("^[^\n]*flow.lua:9: for_each: item 2: a function;", ran.output)
      assert.matches("\n[^\n]*flow.lua:12: for_each: result 1: a function;", ran.output)
      assert.matches("flow.lua:17: what it returned cannot go back: results%[1%]: a function[^\n]*\n  [^\n]*flow.lua:18: ",
        ran.errors)
    end
  end)
end)
