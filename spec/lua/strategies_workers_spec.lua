-- Strategies of programs that do something else, too: in several workers, beside other resources, and the one that ships.

local program = require "spec.support.program"
local sizes = require "spec.support.sized"
local tmp = require "spec.support.tmp"

local says = program.says

describe("a strategy", function()
  local sized

  before_each(function() sized = sizes.new() end)

  it("is asked by one of several workers, with the figures of all, and holds in all", function()
    sized:declares("busy", 'function(pool) log.info("asked: %d leased", pool.in_use) return pool.in_use + pool.waiting end')
    local said = sized:run([[
      local sizes = spawn_on_all(function()
        local busy, lease, other = use "busy", nil, nil
        lease, other = busy:lease(), busy:lease()
        sleep "500ms"
        local max = require("nebula.c").new "int64_t[12]"
        local c = require "nebula.c"
        c.lib.nebula_stats(c.engine, c.lib.nebula_find(c.engine, "busy"), 0, max, 12)
        lease:release()
        other:release()
        return tonumber(max[11])
      end):join()
      for i = 1, sizes.n do print(sizes[i]) end
    ]], "--workers", "3")
    assert.equal("6\n6\n6\n", said.output)
    says("asked: 6 leased", said.errors)
    local _, times = said.errors:gsub("asked: %d leased", "")
    assert.is_true(times >= 2 and times <= 8, said.errors) -- not three times as often
    local _, changes = said.errors:gsub("may have 6 connections", "")
    assert.equal(1, changes, said.errors)
  end)

  -- Of so many pools some have their home in the worker that goes on.
  it("is not asked where a worker's figures are missing", function()
    for i = 1, 8 do
      sized:declares("busy" .. i, "function(pool) return pool.in_use + pool.waiting end", "min = 0, max = 20")
    end
    local said = sized:run([[
      local leases = {}
      for i = 1, 8 do leases[i] = use("busy" .. i):lease() end
      local there = spawn_on_all(function()
        if require("nebula.worker").index ~= 1 then return end
        local mine = {}
        for i = 1, 8 do mine[i] = use("busy" .. i):lease() end
        sleep "1s"
        local until_s = os.time() + 4
        while os.time() < until_s do end
        for i = 1, 8 do mine[i]:release() end
      end)
      local c = require "nebula.c"
      local function sizes() -- as this worker knows them, without a wait
        local list, numbers = {}, c.new "int64_t[12]"
        for i = 1, 8 do
          c.lib.nebula_stats(c.engine, c.lib.nebula_find(c.engine, "busy" .. i), 0, numbers, 12)
          list[i] = tonumber(numbers[11])
        end
        return table.concat(list, " ")
      end
      sleep "800ms"
      print(sizes())
      sleep "2s"
      print(sizes())
      there:join()
      sleep "500ms"
      print(sizes())
    ]], "--workers", "2")
    local two, one = ("2 "):rep(7) .. "2", ("1 "):rep(7) .. "1"
    assert.equal(two .. "\n" .. two .. "\n" .. one .. "\n", said.output)
  end)

  it("moves no other resource when each of many takes all the time that it may", function()
    for i = 1, 16 do
      sized:declares("busy" .. i, "function(pool) local n = 0 for _ = 1, 24000 do n = n + 1 end return 8 end")
    end
    tmp.write(sized.folder, "resources/calm.lua", 'sqlite "calm" { file = ":memory:", pool = { max = 1 } }\n')
    local said = sized:run [[
      for i = 1, 16 do use("busy" .. i):lease():release() end
      local now = os.clock
      local calm, slow, all, until_s = use "calm", 0, 0, now() + 1.5
      while now() < until_s do
        local begun = now()
        calm:query "select 1"
        sleep "0s"
        all, slow = all + 1, slow + (now() - begun > 0.02 and 1 or 0)
      end
      print(all > 500, slow / all < 0.01)
    ]]
    assert.equal("true\ttrue\n", said.output)
  end)

  it("that ships makes a pool as large as its load", function()
    tmp.write(sized.folder, "resources/r.lua",
      ('sqlite "shop" { file = "%s/shop.db", pool = { min = 2, max = 50, strategy = "adaptive" } }\n'):format(sized.folder))
    local said = sized:run [[
      local shop, tasks = use "shop", {}
      for i = 1, 20 do
        tasks[i] = task(function()
          for _ = 1, 10 do -- held for so long that a few ms late are nothing
            local lease = shop:lease()
            sleep "200ms"
            lease:release()
          end
        end)
      end
      for i = 1, 20 do tasks[i]:join() end
      local max = shop:stats().roles.reader.max
      print(max >= 20 and max <= 30, max)
    ]]
    says("true", said.output)
    says("policies/adaptive.lua:", said.errors)
  end)
end)
