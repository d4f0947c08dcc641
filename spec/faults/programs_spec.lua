-- Random programs on PostgreSQL do what a simple model says, whatever is done to their connections. limit: 200 s
--
-- SEEDS=n is how many programs (200; NEBULA_PROVE: 5,000); SEED=n plays that one alone. A program that fails is printed.

local author = require "spec.faults.programs.author"
local bugs = require "spec.faults.programs.bugs"
local declared = require "spec.kinds.declared"
local player = require "spec.faults.programs.player"
local postgres = require "spec.support.postgres"
local proxy = require "spec.support.proxy"

local SEED = tonumber(os.getenv "SEED")
local SEEDS = SEED and 1 or tonumber(os.getenv "SEEDS") or os.getenv "NEBULA_PROVE" and 5000 or 200
local STAGES = 12
-- A calm program fails on nothing, however busy the machine is.
local PATIENT = [[return policy "patient" { like = "standard", call = { deadline = "60s", wait = "60s" } }]]

local server = postgres.start { settings = { max_connections = 100 } }
server:psql(player.TABLE .. "; alter table kv owner to spec")

local free = {}

local function open_stage(number)
  local net = proxy.start(server)
  local function declare(name, port, most)
    return declared.use(([[postgres "%s_%d" { host = "127.0.0.1", port = %d, dbname = %q, user = %q, password = %q,
      pool = { max = %d, connect = "2s" }, policy = "patient" }]]):format(name, number, port, server.dbname, server.user, server.password,
      most), { patient = PATIENT })
  end
  free[number] = { net = net, db = declare("programs", net.port, 3), admin = declare("programs_admin", server.port, 1) }
end

local function play_all(first, last, change)
  local list = {}
  for seed = first, last do list[#list + 1] = seed end
  return for_each(list, { parallel = STAGES }, function(seed)
    local stage = table.remove(free)
    local db = change and change(stage.db) or stage.db
    local ok, why = pcall(player.play, { net = stage.net, db = db, admin = stage.admin }, author.write(seed))
    free[#free + 1] = stage
    if not ok then error(why, 0) end
  end)
end

describe("programs on PostgreSQL", function()
  local before

  setup(function()
    for number = 1, STAGES do open_stage(number) end
    before = declared.count()
  end)

  it("do what the model says", function()
    local first = SEED or 1
    assert(play_all(first, first + SEEDS - 1))
    declared.is_whole(before)
  end)

  for name, change in pairs(bugs) do
    it("find it when " .. name, function()
      local ok, why = pcall(play_all, SEEDS * 2, SEEDS * 2 + 1000, change)
      assert.is_false(ok)
      assert.matches("replay: SEED=", tostring(why))
      print("# " .. tostring(why):match "[^\n]*")
    end)
  end
end)
