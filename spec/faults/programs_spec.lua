-- Random programs on PostgreSQL do what a simple model says, whatever is done to their connections. limit: 200 s
--
-- SEEDS=n is how many programs (200; NEBULA_PROVE: 5,000); SEED=n plays that one alone. A program that fails is printed.

local author = require "spec.faults.programs.author"
local bugs = require "spec.faults.programs.bugs"
local declared = require "spec.kinds.declared"
local player = require "spec.faults.programs.player"
local postgres = require "spec.support.postgres"
local process = require "spec.support.process"
local proxy = require "spec.support.proxy"

local SEED = tonumber(os.getenv "SEED")
local SEEDS = SEED and 1 or tonumber(os.getenv "SEEDS") or os.getenv "NEBULA_PROVE" and 5000 or 200
local STAGES = 12
-- Until a bug is found. The rarest, a lost lease given anew, takes 200 in the mean: of 1,000 one run in a hundred finds nothing.
local PROGRAMS_MOST = 4000
-- A calm program fails on nothing, however busy the machine is.
local PATIENT = [[return policy "patient" { like = "standard", call = { deadline = "60s", wait = "60s" } }]]

local server = postgres.start { settings = { max_connections = 100 } }
server:psql(player.TABLE .. "; alter table kv owner to spec")

local free = {}

local function open_stage(number)
  local net = proxy.start(server)
  local function declare(name, port, most)
    return declared.use(([[postgres "%s_%d" { host = "127.0.0.1", port = %d, dbname = %q, user = %q, password = %q,
      pool = { max = %d, connect = %q }, policy = "patient" }]]):format(name, number, port, server.dbname, server.user, server.password,
      most, process.is_sanitized and "6s" or "2s"), { patient = PATIENT })
  end
  free[number] = { net = net, db = declare("programs", net.port, 3), admin = declare("programs_admin", server.port, 1) }
end

-- made counts the programs that came to their end, for the worse too, and the mistakes of a bug.
local function play_all(first, last, made, change)
  local list = {}
  for seed = first, last do list[#list + 1] = seed end
  return for_each(list, { parallel = STAGES }, function(seed)
    local stage = table.remove(free)
    local db = change and change(stage.db, made) or stage.db
    local ok, why = pcall(player.play, { net = stage.net, db = db, admin = stage.admin }, author.write(seed))
    free[#free + 1] = stage
    made.programs = made.programs + 1
    if not ok then error(why, 0) end
  end)
end

local function names_of(list)
  local names = {}
  for name in pairs(list) do names[#names + 1] = name end
  table.sort(names)
  return names
end

describe("programs on PostgreSQL", function()
  local before

  setup(function()
    for number = 1, STAGES do open_stage(number) end
    before = declared.count()
  end)

  it("do what the model says", function()
    local first = SEED or 1
    local made = { programs = 0 }
    assert(play_all(first, first + SEEDS - 1, made))
    assert.equal(SEEDS, made.programs)
    declared.is_whole(before)
  end)

  -- Programs of their own for each: those of the last one were given up in the middle, and may still be at their rows.
  for at, name in ipairs(names_of(bugs)) do
    it("find it when " .. name, function()
      local made, first = { programs = 0, mistakes = 0 }, SEEDS * 2 + at * PROGRAMS_MOST
      local ok, why, err = pcall(play_all, first, first + PROGRAMS_MOST - 1, made, bugs[name])
      local played = ("%d programs ended, the mistake was made %d times"):format(made.programs, made.mistakes)
      -- Whatever else for_each() may answer is no program that failed.
      assert(not ok, ("%s, and nothing was found%s"):format(played, why == nil and ": " .. tostring(err) or ""))
      assert.matches("replay: SEED=", tostring(why), 1, true)
      assert(made.mistakes > 0, played .. ", and yet: " .. tostring(why))
      print(("# %s: %s"):format(played, tostring(why):match "[^\n]*"))
    end)
  end
end)
