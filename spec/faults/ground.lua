-- ground.lua - what the specs of faults share: a load in a process of its own, what it said, and what must hold after
-- any fault.
--
--   local load = ground.begin { kind = "postgres", declare = "postgres \"shop\" { ... }" }
--   load:flows()                 calls of every way work
--   ... the fault, and its end ...
--   load:flows()
--   load:finish()                the pool is whole, the engine ends well
--   ground.agrees(load, tally)   with what the server has
local assert = require "luassert"
local c = require "nebula.c"
local clock = require "spec.support.clock"
local json = require "cjson"
local process = require "spec.support.process"
local tmp = require "spec.support.tmp"

local NEBULA = process.program "nebula"
local SLOWER = process.is_sanitized and 3 or 1 -- times
local moving = { "leased", "listening", "opening", "checking", "resetting", "cancelling", "closing", "waiting" }

-- What may be done about each code: docs/reference says the same.
local actions = {
  ok = "none", deadline = "retry", wait = "wait", full = "wait", lost = "retry", unreachable = "wait", paused = "wait", denied = "rotate",
  unfit = "wait", busy = "wait", locked = "wait", conflict = "retry", storage = "ask", query = "fix", read_only = "retry", protocol = "ask",
  cancelled = "stop",
}

-- Calls that nobody may repeat are in doubt only when something was sent and no answer came.
local doubtful = { lost = true, deadline = true }

local policy = ([[
return policy "faults" {
  call = { deadline = %q, wait = %q },
  retry = { tries = 3, pause = "10ms", pause_max = "100ms" },
}
]]):gsub("%%q", ('"%ds"'):format(2 * SLOWER))

---@class spec.Load
---@field ends table[] each { id, how, outcome, code, action, state, took, at, unserved }
---@field calls integer? once it has stopped
---@field deadline integer ms of each call
local load = {}
load.__index = load

local ground = {}

---@class spec.LoadGiven
---@field kind string
---@field declare string the declaration of the resource "shop", under the policy "faults"
---@field tasks integer? 15
---@field deadline integer? ms, 250; with a sanitizer 750
---@field first integer? the first id less one, 0
---@field output string|nil "pipe", or a file by default
---@field ways string|nil the module of its ways, other than those of load.lua

---@param given spec.LoadGiven
---@return spec.Load
function ground.begin(given)
  local folder = tmp.folder(tmp.MEMORY)
  tmp.write(folder, "resources/shop.lua", given.declare)
  tmp.write(folder, "policies/faults.lua", policy)
  local self = setmetatable({ folder = folder, ends = {}, rest = "", read_to = 0, deadline = given.deadline or 250 * SLOWER,
    tasks = given.tasks or 15, path = tmp.write(folder, "said", "") }, load)
  self.child = process.start { NEBULA, "run", "--dir", folder, "--log-level", "error", "spec/faults/load.lua",
    given.kind, folder, tostring(self.tasks), tostring(self.deadline), tostring(given.first or 0), given.ways,
    output = given.output or self.path, env = { NEBULA_RUN_DIR = folder } }
  self.is_piped = given.output == "pipe"
  return self
end

local function understand(self, line)
  local id, how, outcome, code, action, state, took, at, unserved = line:match(
    "^end (%d+) (%a+) ([%a_]+) ([%a_]+) (%a+) (%S+) (%S+) (%S+) (%S+)$")
  if id then
    self.ends[#self.ends + 1] = { id = tonumber(id), how = how, outcome = outcome, code = code, action = action,
      state = state, took = tonumber(took), at = tonumber(at), unserved = tonumber(unserved) }
    return
  end
  local word, count = line:match "^(%a+) (%d+)$"
  self[word == "sum" and "calls" or word == "again" and "answers" or error("the load said: " .. line)] = tonumber(count)
end

---Takes in what the load has said since.
function load:read()
  local text
  if self.is_piped then
    text = self.child:take()
  else
    local file = assert(io.open(self.path, "rb"))
    file:seek("set", self.read_to)
    text = file:read "*a"
    file:close()
    self.read_to = self.read_to + #text
  end
  text = self.rest .. text
  local whole = text:match "^.*\n" or ""
  self.rest = text:sub(#whole + 1)
  for line in whole:gmatch "[^\n]+" do understand(self, line) end
end

function load:still_runs()
  if not self.child:is_running() then
    self:read()
    local _, errors = self.child:take()
    local how = self.child.ended
    error(("the load has ended by %s %d: %s"):format(how.signal and "signal" or "code", how.signal or how.code, errors), 0)
  end
end

---Waits until there is such an end, and returns it.
---@param what string
---@param is_it fun(one: table): boolean
---@param from? integer look at the ends behind this number
---@param within? integer ms, default clock.PATIENCE
function load:sees(what, is_it, from, within)
  local at = (from or 0) + 1
  return clock.eventually(what, function()
    self:read()
    while self.ends[at] do
      if is_it(self.ends[at]) then return self.ends[at] end
      at = at + 1
    end
    self:still_runs()
  end, within)
end

---Waits until calls of each way that begin from now on work.
---@param ways? string[] those that can; default all
function load:flows(ways)
  self:read()
  local from, now = #self.ends, clock.now()
  for _, how in ipairs(ways or { "exec", "transaction", "select", "upsert", "slow" }) do
    self:sees("a call works: " .. how, function(one)
      return one.how == how and one.outcome == "ok" and one.at - one.took > now
    end, from)
  end
end

---@return table the resource as `nebula inspect --json` shows it
function load:inspect()
  local ran = process.run { NEBULA, "inspect", "--json", "shop", env = { NEBULA_RUN_DIR = self.folder } }
  assert.equal(0, ran.code, ran.errors)
  local engines = json.decode(ran.output).engines
  assert.equal(1, engines and #engines, ran.output .. ran.errors)
  return engines[1].resource
end

---Says a verb to the engine's control socket.
---@param verb "pause"|"resume"
function load:tell(verb)
  local path = ("%s/%d.sock"):format(self.folder, self.child.pid)
  local answer = assert(c.ask_other(path, json.encode { verb = verb, name = "shop" }, 10e6)())
  assert.is_true(json.decode(answer).ok, answer)
end

local function what_moves(resource)
  for _, pool in ipairs(resource.pools) do
    for _, state in ipairs(moving) do
      if pool[state] > 0 then return ("%s: %d %s"):format(pool.role, pool[state], state) end
    end
  end
end

-- In doubt beyond two seconds a connection is closed, and closing does not wait.
function load:is_whole()
  local still
  local is_quiet = clock.wait(function()
    still = what_moves(self:inspect())
    return not still
  end, 5000)
  assert(is_quiet, still)
end

---Ends the load: every call has come to an end, the pool is whole, and works.
function load:finish()
  tmp.write(self.folder, "stop", "")
  clock.eventually("the calls come to their ends", function()
    self:read()
    self:still_runs()
    return self.calls
  end)
  self:is_whole()
  tmp.write(self.folder, "again", "")
  local ended = self.child:wait(15000)
  self:read()
  local _, errors = self.child:take()
  self.child:kill()
  assert.same({ code = 0 }, ended, errors)
  assert.equal("", errors)
  assert.equal(self.tasks, self.answers)
  assert.equal(self.calls, #self.ends)
end

-- --- what must hold ---------------------------------------------------------------------------------

---Every end is one of those that may be, with the action that belongs to its code.
---@param may string codes with spaces between, beside ok
function load:ends_only(may)
  local allowed = { ok = true }
  for code in may:gmatch "%S+" do allowed[code] = true end
  for _, one in ipairs(self.ends) do
    local shown = ("%s %d: %s %s %s"):format(one.how, one.id, one.code, one.outcome, one.action)
    assert(allowed[one.code], shown)
    assert.equal(actions[one.code], one.action, shown)
    assert.equal(one.code == "ok", one.outcome == "ok", shown)
    if one.outcome == "in_doubt" and one.how ~= "upsert" and one.how ~= "select" then
      assert(doubtful[one.code], shown)
    end
  end
end

---@class spec.Tally what the server has: by id, how often
---@field tally table<integer, integer>
---@field pair table<integer, integer>
---@field upserts table<integer, integer>

local tables_of = { exec = { "tally" }, slow = { "tally" }, transaction = { "tally", "pair" }, upsert = { "upserts" },
  select = {}, copy = { "tally" }, copytx = { "tally", "pair" }, copyout = { "tally" }, copybad = { "tally" },
  copyleft = { "tally" } }

---What a PostgreSQL server has in these tables: how often each id.
---@param server spec.postgres
---@param ... string
---@return spec.Tally has
function ground.tally(server, ...)
  local has = {}
  for _, name in ipairs { ... } do
    has[name] = {}
    for id, count in server:psql(("select id, count(*) from %s group by id"):format(name)):gmatch "(%d+)|(%d+)" do
      has[name][tonumber(id)] = tonumber(count)
    end
  end
  return has
end

---One end and what the server has of it agree.
---@param one table of load.ends
---@param has spec.Tally
function ground.check(one, has)
  for _, name in ipairs(tables_of[one.how]) do
    local count = has[name][one.id] or 0
    local shown = ("%s %d ended as %s (%s) and is in %s %d times"):format(one.how, one.id, one.outcome, one.code, name, count)
    if one.outcome == "ok" then assert(count == 1, shown) end
    if one.outcome == "failed" then assert(count == 0, shown) end
    assert(count <= 1, shown)
  end
  if tables_of[one.how][2] then
    assert((has.tally[one.id] or 0) == (has.pair[one.id] or 0), "half of transaction " .. one.id)
  end
end

---Every ok is there once, every failed absent, every one in doubt at most once, and nothing else is there.
---@param self spec.Load
---@param has spec.Tally
function ground.agrees(self, has)
  local known, counts = {}, { ok = 0, failed = 0, in_doubt = 0 }
  for _, one in ipairs(self.ends) do
    ground.check(one, has)
    assert(not known[one.id], "an id ended twice")
    known[one.id] = true
    counts[one.outcome] = counts[one.outcome] + 1
  end
  for name, ids in pairs(has) do
    for id in pairs(ids) do assert(known[id], ("%s has %d, which nobody asked for"):format(name, id)) end
  end
  if self.calls then assert.equal(self.calls, counts.ok + counts.failed + counts.in_doubt) end
end

return ground
