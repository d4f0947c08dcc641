-- A strategy with a real PostgreSQL under load, in two workers: the server counts how many connections there are.

local clock = require "spec.support.clock"
local json = require "cjson"
local postgres = require "spec.support.postgres"
local process = require "spec.support.process"
local program = require "spec.support.program"
local tmp = require "spec.support.tmp"

local server = postgres.start()
local folder = tmp.folder()

tmp.write(folder, "resources/r.lua", ([[
  postgres "shop" { host = %q, port = %d, dbname = %q, user = %q, password = %q,
    pool = { min = 2, max = 24, strategy = "busy" }, policy = "patient" }
]]):format(server.host, server.port, server.dbname, server.user, server.password))

tmp.write(folder, "policies/p.lua", [[
  policy "patient" { like = "standard", call = { deadline = "30s", wait = "30s" } }
  strategy "busy" {
    every = "200ms",
    size = function(pool) return pool.in_use + pool.waiting end,
  }
]])

-- In each worker so many tasks call without a pause, until somebody writes another number.
local FLOW = [[
  local wanted = ...
  local function number(path)
    local file = assert(io.open(path))
    local text = file:read "*a"
    file:close()
    return tonumber(text)
  end
  local work = spawn_on_all(function(path, number)
    local shop, alive, why = use "shop", 0, nil
    local function call(i)
      while i <= number(path) and not why do
        local value, err = shop:value("select $1::int from pg_sleep(0.03)", i)
        why = value ~= i and tostring(err) or why
      end
      alive = alive - 1
    end
    while number(path) >= 0 and not why do
      while alive < number(path) do
        alive = alive + 1
        task(call, alive)
      end
      sleep "20ms"
    end
    return why or "well"
  end, wanted, number)
  print "ready"
  local ended = work:join()
  for i = 1, ended.n do print(ended[i]) end
]]

describe("a strategy under load", function()
  local child

  after_each(function()
    if child then child:kill() end
  end)

  local function connections()
    return tonumber((server:psql(("select count(*) from pg_stat_activity where usename = '%s'"):format(server.user))))
  end

  local function want(tasks)
    local path = tmp.write(folder, "wanted.new", tostring(tasks))
    assert(os.rename(path, folder .. "/wanted"))
  end

  local function strategy()
    local answer = json.decode(program.ended(0, program.nebula("inspect", "shop", "--json")).output)
    return answer.engines[1].resource.strategy.pools[1] or {}
  end

  it("has as many connections as its load wants, and no call fails while they come and go", function()
    want(1)
    local words = program.command("run", "--workers", "2", "--log", "logfmt",
      tmp.write(folder, "flow.lua", "io.stdout:setvbuf 'line'\n" .. FLOW), folder .. "/wanted")
    child = process.start(words)
    assert.equal("ready", child:line())
    clock.eventually("two are enough for two", function() return connections() == 2 and strategy().size == 2 end)
    want(8)
    clock.eventually("sixteen come", function() return connections() == 16 and strategy().size == 16 end)
    want(20)
    clock.eventually("no more than max come", function() return connections() == 24 and strategy().size == 24 end)
    clock.pause(600)
    assert.equal(24, connections())
    want(2)
    clock.eventually("the rest goes", function() return connections() == 4 and strategy().size == 4 end)
    want(-1)
    local said = program.over(child)
    child = nil
    assert.equal(0, said.code, said.errors)
    assert.equal("well\nwell\n", said.output)
    program.says("shop: the primary may have 16 connections, and had ", said.errors)
    program.says("it counts as 24", said.errors)
    program.says("policies/p.lua:4", said.errors)
  end)
end)
