-- limit: 120 s
-- Calls balanced over several hosts in a process with two workers: each goes by what it has seen itself, and from outside
-- it is told which one has seen what.

local clock = require "spec.support.clock"
local json = require "cjson"
local postgres = require "spec.support.postgres"
local program = require "spec.support.program"
local proxies = require "spec.support.proxy"
local tmp = require "spec.support.tmp"

local SERVERS = 3
local server, proxy, host = {}, {}, {}
for i = 1, SERVERS do
  server[i] = postgres.start()
  proxy[i] = proxies.start(server[i])
  host[i] = ("%q"):format(("%s:%d"):format(proxy[i].host, proxy[i].port))
end

tmp.write(program.folder, "nebula/echo.lua", tmp.read "spec/support/echo.lua")
tmp.write(program.folder, "resources/reads.lua", ([[
  policy "patient" { call = { deadline = "5s", wait = "5s" }, retry = { tries = 1 } }
  postgres "reads" { host = { %s }, dbname = %q, user = %q, password = %q, target_session_attrs = "any", policy = "patient",
    pool = { max = 12 }, balance = "least-recently-used",
    eject = { consecutive = 3, most = 1, panic = "50%%", time = "1m" } }]]):format(table.concat(host, ", "),
  server[1].dbname, server[1].user, server[1].password))

local function asked(verb, name)
  local words = name and { verb, "--json", name } or { verb, "--json" }
  return json.decode(program.ended(0, program.nebula(unpack(words))).output).engines[1]
end

-- By worker and endpoint.
local function rows()
  local of = { [0] = {}, [1] = {} }
  local pool = asked("inspect", "reads").resource.pools[1]
  for _, one in ipairs(pool.endpoints) do
    for i = 1, SERVERS do
      if one.endpoint == ("%s:%d"):format(proxy[i].host, proxy[i].port) then of[one.worker][i] = one end
    end
  end
  return of, pool
end

describe("calls that are balanced in several workers", function()
  it("go by what their own worker has seen, and it is told which one that is", function()
    local go = program.folder .. "/go"
    local child = program.started(([[
      local echo = require "nebula.echo"
      local patient = "while not io.open '%s' do assert(use('reads'):value 'select 1') assert(sleep '5ms') end "
      local hasty = "while true do use('reads'):value({ deadline = '60ms' }, 'select 1') assert(sleep '5ms') end"
      echo.tell(0, patient)
      echo.tell(1, patient .. hasty)
      print "ready"
      sleep "1h"
    ]]):format(go), "--workers", "2")
    clock.eventually("each has used all three", function()
      local of = rows()
      for w = 0, 1 do
        for i = 1, SERVERS do
          if not of[w][i] or of[w][i].calls == 0 then return false end
        end
      end
      return true
    end)
    tmp.write(program.folder, "go", "")
    for slow = 1, 2 do
      proxy[slow]:tell("delay", 150)
      clock.eventually("worker 1 has ejected it", function()
        return rows()[1][slow].ejected_for > 0
      end)
      local of, pool = rows()
      assert.equal(0, of[0][slow].ejections)
      assert.equal(1, of[1][slow].ejections)
      assert.equal("ejected", asked("ls").resources[1].endpoints[slow].seen_as)
      assert.equal(slow == 2, pool.panic)
    end
    local text = program.ended(0, program.nebula("inspect", "reads")).output
    program.says("WENT WELL  EJECTED", text)
    program.says("; once, by consecutive", text)
    program.says("WORKER", text)
    program.says("so few endpoints are left that all are used", text)
    child:kill()
  end)
end)
