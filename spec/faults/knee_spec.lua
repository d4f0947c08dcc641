-- The adaptive limit at a server whose knee is not told: what a sweep over declared limits shows to be best is found, and
-- found again when the server becomes half as large. limit: 900 s
-- alone: it measures; not under asan, not under tsan: they would be measured too
--
-- The best limit is the least one with which the server does 95 in 100 of the most that it does with any, under the same
-- load: beyond it calls only wait in the server. The sweep looks for it by halving, and then between. The limit is found
-- when it comes within a quarter of the best one and stays there for a while in which the server does nearly all it can, at
-- most a minute after it began.

local clock = require "spec.support.clock"
local desk = require "spec.support.desk"
local process = require "spec.support.process"
local tmp = require "spec.support.tmp"

local TASKS, MOST = 96, 96
local ENOUGH, DOUBTFUL = 0.95, 0.8 -- of the most, with the best limit; with one that may be it
local NEAR, GOOD = 0.25, 0.85 -- from the best limit; of the most, with one that is tried above and below
local SECONDS, STEADY = 60, 1 -- it may take, and has to stay near

-- A quarter of less than 4 is no call more or less: half of a server has as many clerks at least.
local servers = { { clerks = 16, ms = 10, workers = 2 } }
if os.getenv "NEBULA_PROVE" then
  servers = {
    { clerks = 16, ms = 10, workers = 1 }, { clerks = 8, ms = 10, workers = 2 }, { clerks = 10, ms = 20, workers = 2 },
    { clerks = 32, ms = 20, workers = 1 }, { clerks = 24, ms = 50, workers = 2 }, { clerks = 10, ms = 100, workers = 1 },
  }
end

local DECLARATION = [[desk %q { port = %d, pool = { max = %d, queue = %d, idle = "1m" }, policy = %q }]]
local POLICY = [[return policy %q {
  like = "standard",
  call = { deadline = "30s", wait = "30s" },
  retry = { tries = 1 }, circuit = false,
  limit = { queue = %d, %s },
}]]

local function mean_of(seen, from, to)
  local sum, count = 0, 0
  for _, one in ipairs(seen) do
    if one.at >= from and one.at <= to then sum, count = sum + one.under_way, count + 1 end
  end
  return sum / count
end

---@class spec.Crowd tasks that always ask, those of crowd.lua
local crowd = {}
crowd.__index = crowd

function crowd.begin(server, workers)
  local self = setmetatable({ folder = tmp.folder(tmp.MEMORY), server = server, rest = "", read_to = 0, said = {} }, crowd)
  local list = {}
  local function declare(name, limit)
    list[#list + 1] = DECLARATION:format(name, server.port, MOST, TASKS, name)
    tmp.write(self.folder, ("policies/%s.lua"):format(name), POLICY:format(name, TASKS, limit))
  end
  for limit = 1, MOST do declare("at-" .. limit, "concurrent = " .. limit) end
  declare("found", "adaptive = {}")
  tmp.write(self.folder, "resources/all.lua", table.concat(list, "\n"))
  self.path, self.log = tmp.write(self.folder, "said", ""), tmp.write(self.folder, "log", "")
  self:asks "at-1"
  self.child = process.start { process.program "nebula", "run", "--workers", tostring(workers), "--dir", self.folder,
    "--log", "logfmt", "spec/faults/crowd.lua", self.folder, tostring(TASKS), output = self.path, errors = self.log,
    env = { NEBULA_RUN_DIR = self.folder, NEBULA_PATH = desk.folder() } }
  clock.eventually("it asks", function()
    self:read()
    return #self.said > 0 or not self.child:is_running()
  end)
  assert(self.child:is_running(), tmp.read(self.log))
  return self
end

function crowd:asks(name)
  tmp.write(self.folder, "new", name .. "\n")
  assert(os.rename(self.folder .. "/new", self.folder .. "/whom"))
end

function crowd:read()
  local file = assert(io.open(self.path, "rb"))
  file:seek("set", self.read_to)
  local text = file:read "*a"
  file:close()
  self.read_to = self.read_to + #text
  text = self.rest .. text
  local whole = text:match "^.*\n" or ""
  self.rest = text:sub(#whole + 1)
  for at, name, most, found in whole:gmatch "at (%S+) (%S+) (%d+) (%d+)\n" do
    self.said[#self.said + 1] = { at = tonumber(at), name = name, most = tonumber(most), found = tonumber(found) }
  end
end

---What the server does with this limit, a second, by its own count.
function crowd:does(limit)
  local ms = self.server.ms
  self:asks("at-" .. limit)
  clock.pause(math.max(10 * ms, 100)) -- who waited with the one before has been served
  local from = clock.now()
  clock.pause(80 * ms)
  return self.server:does(from, clock.now())
end

local function shown(did)
  local list = {}
  for limit = 1, MOST do if did[limit] then list[#list + 1] = ("%d: %.0f"):format(limit, did[limit]) end end
  return table.concat(list, ", ")
end

---@return integer best
---@return number most that the server does in a second, but for the one limit with which it does more: that was chance
function crowd:sweep()
  local did, first, most = {}, 0, 0
  local function look_at(limit)
    local one = self:does(limit)
    did[limit] = math.max(did[limit] or 0, one)
    first, most = math.max(first, one), math.max(most, math.min(first, one))
    return did[limit]
  end
  -- A machine that has other work takes away from what is done: what is nearly enough is looked at once more.
  local function is_enough(limit)
    local one = look_at(limit)
    if one >= DOUBTFUL * most and one < ENOUGH * most then one = look_at(limit) end
    return one >= ENOUGH * most
  end
  look_at(MOST)
  local best
  local few = MOST
  repeat few, best = math.floor(few / 2), few until few == 0 or not is_enough(few)
  while best - few > 1 do
    local between = math.floor((few + best) / 2)
    if is_enough(between) then best = between else few = between end
  end
  print(("# %s; the best is %d"):format(shown(did), best))
  return best, most
end

---@class spec.Stretch a time in which the limit was near the best one
---@field from number
---@field limit integer at its end
---@field ok number answers a second
---@field under_way number at a time, on average, by the server's count

---The first stretch since then that is long enough and in which the server did what it can; nil: there is none yet.
---@param seen { at: number, under_way: integer }[] of the server
---@return spec.Stretch|nil
function crowd:stretch(best, most, since, seen)
  local from
  for _, one in ipairs(self.said) do
    if one.name == "found" and one.at >= since then
      from = math.abs(one.found - best) <= NEAR * best and (from or one.at) or nil
      if from and one.at - from >= STEADY * 1000 then
        local ok, under_way = self.server:does(from, one.at), mean_of(seen, from, one.at)
        if ok >= GOOD * most then return { from = from, limit = one.found, ok = ok, under_way = under_way } end
        from = nil
      end
    end
  end
end

function crowd:finds(best, most, since)
  local seen = {}
  local it = clock.wait(function()
    self:read()
    seen[#seen + 1] = { at = clock.now(), under_way = self.server:counts().under_way }
    return self:stretch(best, most, since, seen)
  end, (SECONDS + STEADY) * 1000)
  assert(it, ("%d is best, and at last it was %d"):format(best, self.said[#self.said].found))
  print(("# found after %.1f s: %d, with which it does %.0f of %.0f a second, %.1f at a time"):format((it.from - since) / 1000,
    it.limit, it.ok, most, it.under_way))
  assert(it.under_way <= 1.1 * (1 + NEAR) * best + 1, "it is asked for more than was found") -- and tried above
end

describe("an adaptive limit", function()
  local server, all

  after_each(function()
    all.child:kill()
    server:stop()
  end)

  for _, one in ipairs(servers) do
    it(("finds what %d clerks can do in %g ms each, and what half of them can, for %d workers"):format(one.clerks, one.ms,
      one.workers), function()
      server = desk.start(one)
      all = crowd.begin(server, one.workers)
      local best, most = all:sweep()
      server:tell("clerks", one.clerks / 2)
      local best_of_half, most_of_half = all:sweep()
      server:tell "pass"
      all:asks "found"
      all:finds(best, most, clock.now())
      all:finds(best_of_half, most_of_half, server:tell("clerks", one.clerks / 2))
      all:asks ""
      assert.same({ code = 0 }, all.child:wait(15000), tmp.read(all.log))
    end)
  end
end)
