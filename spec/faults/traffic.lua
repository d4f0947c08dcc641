-- traffic.lua - calls that arrive at a steady rate, in a process of its own, whatever becomes of them, at the line server
-- or another, and what became of them.
--
--   local load = traffic.begin { port = net.port, rate = 200 }
--   load:runs(1000) server:tell("fail", 100, 503, 0) load:runs(2000)
--   load:finish()
--   load:ended(from, to).ok             of the calls that began from then to then
local assert = require "luassert"
local clock = require "spec.support.clock"
local desk = require "spec.support.desk"
local process = require "spec.support.process"
local tmp = require "spec.support.tmp"

---@class spec.Traffic
---@field ends { id: integer, code: string, outcome: string, at: number, took: number }[] at: when it began
local traffic = {}
traffic.__index = traffic

-- What a declaration does not say otherwise. The budget for retries is that of policies/standard.lua.
local usual = { rate = 200, workers = 1, way = "get", max = 8, queue = 200, deadline = 250, wait = 100, tries = 3,
  rules = "circuit = false" }

local DECLARATION = [[desk "web" { port = %d, pool = { max = %d, queue = %d, idle = "1m", connect = "1s" }, policy = "traffic" }]]
local POLICY = [[return policy "traffic" {
  like = "standard",
  call = { deadline = "%dms", wait = "%dms" },
  retry = { tries = %d, pause = "10ms", pause_max = "100ms" },
  %s
}]]

---@class spec.TrafficGiven
---@field port integer|nil of the line server, or of a network before it
---@field declare string|nil of another server, as "web" under the policy "traffic"
---@field rate number|nil calls a second, 200
---@field workers integer|nil
---@field way string|nil of arrivals.lua
---@field max integer|nil of the pool; queue, deadline, wait (ms) and tries are the policy's
---@field rules string|nil sections of the policy besides; none: there is no circuit

---@param given spec.TrafficGiven
---@return spec.Traffic
function traffic.begin(given)
  local self = setmetatable({ folder = tmp.folder(tmp.MEMORY), ends = {}, rest = "", read_to = 0 }, traffic)
  for name, value in pairs(usual) do self[name] = given[name] or value end
  tmp.write(self.folder, "resources/web.lua", given.declare or DECLARATION:format(given.port, self.max, self.queue))
  tmp.write(self.folder, "policies/traffic.lua", POLICY:format(self.deadline, self.wait, self.tries, self.rules))
  self.path, self.log = tmp.write(self.folder, "said", ""), tmp.write(self.folder, "log", "")
  self.child = process.start { process.program "nebula", "run", "--workers", tostring(self.workers), "--dir", self.folder,
    "--log", "logfmt", "spec/faults/arrivals.lua", self.folder, tostring(self.rate), self.way,
    output = self.path, errors = self.log, env = { NEBULA_RUN_DIR = self.folder, NEBULA_PATH = desk.folder() } }
  clock.eventually("the first call has ended", function()
    self:read()
    self:still_runs()
    return self.ends[1]
  end)
  return self
end

function traffic:still_runs()
  if self.child:is_running() then return end
  local how = self.child.ended
  error(("the traffic has ended by %s %d: %s"):format(how.signal and "signal" or "code", how.signal or how.code, tmp.read(self.log)), 0)
end

---Takes in what was said since.
function traffic:read()
  local file = assert(io.open(self.path, "rb"))
  file:seek("set", self.read_to)
  local text = file:read "*a"
  file:close()
  self.read_to = self.read_to + #text
  text = self.rest .. text
  local whole = text:match "^.*\n" or ""
  self.rest = text:sub(#whole + 1)
  for id, code, outcome, at, took in whole:gmatch "end (%-?%d+) (%S+) (%S+) (%S+) (%S+)\n" do
    self.ends[#self.ends + 1] = { id = tonumber(id), code = code, outcome = outcome, at = tonumber(at), took = tonumber(took) }
  end
end

---Lets it go on for so long.
---@param ms number
---@return number at when that was over
function traffic:runs(ms)
  clock.pause(math.ceil(ms))
  self:still_runs()
  return clock.now()
end

---No more calls arrive, and all have come to an end.
function traffic:finish()
  tmp.write(self.folder, "stop", "")
  local ended = self.child:wait(15000)
  self:read()
  assert.same({ code = 0 }, ended, tmp.read(self.log))
  table.sort(self.ends, function(a, b) return a.at < b.at end)
end

---How many of the calls that began from then to then ended by which code, `all` of them, and `worst`, how long one took.
---@param from? number
---@param to? number
---@return table<string, number> counts 0 of a code that none had
function traffic:ended(from, to)
  local counts = setmetatable({ all = 0, worst = 0 }, { __index = function() return 0 end })
  for _, one in ipairs(self.ends) do
    if one.at >= (from or 0) and one.at < (to or math.huge) then
      counts[one.code] = counts[one.code] + 1
      counts.all, counts.worst = counts.all + 1, math.max(counts.worst, one.took)
    end
  end
  return counts
end

---The first, or the last, of those that ended so.
---@param code string
---@param is_last? boolean
---@return number|nil at when it had ended
function traffic:first(code, is_last)
  local found
  for _, one in ipairs(self.ends) do
    local at = one.at + one.took
    if one.code == code and (not found or (is_last or false) == (at > found)) then found = at end
  end
  return found
end

---From so long behind that moment on all goes well for half a second; then it is over.
---@param at number
---@param behind? integer ms, 1000
function traffic:goes_well_after(at, behind)
  local from = at + (behind or 1000)
  self:runs(math.max(0, from + 500 - clock.now()))
  self:finish()
  local ended = self:ended(from)
  assert(ended.ok > 0 and ended.ok == ended.all, traffic.shown(ended))
end

---How often the log has these words.
function traffic:said(words)
  return select(2, tmp.read(self.log):gsub(words, ""))
end

-- --- circuits ----------------------------------------------------------------------------------------

local PROBES = 2

---The section of a circuit: half of the last twenty failed, at least ten, and two probes.
---@param given { pause: integer, slow: integer|nil } ms; slow: half of them are, when they take longer
---@return string
function traffic.circuit(given)
  return ([[circuit = { window = 20, least = 10, percent = 50, probes = %d, probe = "250ms", pause = "%dms", pause_max = "%dms",
    slow = "%dms", slow_percent = 50 },]]):format(PROBES, given.pause, given.pause, given.slow or 0)
end

local UNDER_WAY = 30 -- ms: what was sent when the circuit opened is heard by then

---While the circuit was open the server was asked by probes alone: by its own count, two at most each time a pause was
---over, which is a tenth shorter at least, and one each time that a pause and a probe were. Who waited for a connection
---when it opened had been let pass before, so it is looked at when no such one can wait any more.
---@param server spec.desk|spec.Seen
---@param opened number when a call was first refused
---@param to number when the server was well again
---@param pause integer ms
---@param took integer|nil ms of a probe at most; nil: none reaches the server
function traffic:only_probes_came(server, opened, to, pause, took)
  local span = to - opened
  local seen = server:between(opened + self.wait + UNDER_WAY, to).seen
  print(("# open for %.0f ms: %d requests, %d calls"):format(span, seen, self:ended(opened, to).all))
  assert(seen <= PROBES * math.ceil(span / (0.9 * pause)), "there were others than probes")
  assert(not took or seen >= math.floor((span - self.wait - UNDER_WAY) / (pause + took)), "there were too few probes")
end

---By the server's own count it was in full service before twice the pause had passed since it was well: from then on it
---answered nine of ten calls for a fifth of a second.
---@param server spec.desk
---@param well number
---@param pause integer ms
function traffic:is_back_within(server, well, pause)
  local at = server:in_full_service(well, self.ends[#self.ends].at, 0.9 * self.rate, 200)
  assert(at and at - well < 2 * pause, at and at - well or "never")
  print(("# in full service after %.0f ms"):format(at - well))
end

---@return string counts of codes, to be shown
function traffic.shown(counts)
  local list = {}
  for code, count in pairs(counts) do list[#list + 1] = ("%s %.0f"):format(code, count) end
  table.sort(list)
  return table.concat(list, ", ")
end

---The budget's promise, counted by the server since the traffic began: beside the first request of each id a fifth as
---many, and those three that are there from the beginning.
---@param server spec.desk
---@return number requests to each id
function traffic:is_within_budget(server)
  local counts = server:counts()
  local most = 1.2 * self:ended().all + 3
  assert(counts.seen <= most, ("%d requests for %d ids of %d calls"):format(counts.seen, counts.ids, self:ended().all))
  assert(counts.most <= self.tries)
  return counts.seen / counts.ids
end

return traffic
