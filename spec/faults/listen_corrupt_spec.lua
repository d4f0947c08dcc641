-- What becomes of those who listen when bytes of it, either way, become others. limit: 200 s
--
-- A payload may be another then, and what was told may be missing without a gap: a channel whose name was spoiled is some
-- channel, and a server that was told to listen to another one says that it does. So it is demanded that every call
-- ends, and that all is heard again after the connection has ended. What is no message at all is noticed at once.
--
-- SEEDS=n is how many drawn cases (240; NEBULA_PROVE: 10,000), from SEED on.

local clock = require "spec.support.clock"
local declared = require "spec.kinds.declared"
local dice = require "spec.support.dice"
local lanes = require "spec.faults.lanes"
local postgres = require "spec.support.postgres"

local SEED = tonumber(os.getenv "SEED") or 1
local SEEDS = tonumber(os.getenv "SEEDS") or os.getenv "NEBULA_PROVE" and 10000 or 240
local LANES = 24
local LATE = 2000 -- ms: no bound of the engine, one of this machine

local server = postgres.start { hba = { "host all all 127.0.0.1/32 password" }, settings = { max_connections = 4 * LANES } }
local near

local function tell(channel, payload)
  assert(near:exec({ deadline = "10s" }, "select pg_notify(?, ?)", channel, payload))
end

local function case_of(seed)
  local roll = dice(seed)
  roll(1, 1)
  local is_fresh = roll(1, 2) == 1
  return { seed = seed, is_fresh = is_fresh, way = is_fresh and roll(1, 3) == 1 and "up" or "down",
    ahead = roll(0, is_fresh and 700 or 250), count = roll(1, 3) == 1 and roll(2, 6) or 1 }
end

local function shown(case)
  return ("SEED=%d, %s, %d bytes spoiled after %d %s"):format(case.seed, case.is_fresh and "from the login on" or "listening",
    case.count, case.ahead, case.way)
end

local function listen(lane, channel)
  local begun = clock.now()
  local listener = lane.far:listen({ deadline = "1s" }, channel)
  assert(clock.now() - begun < 1000 + LATE, "answered too late")
  return listener
end

-- Whatever comes before it. Told again and again: what is told before it listens anew is not heard.
local function hears_again(listener, channel)
  local number = 0
  clock.eventually("it is heard", function()
    number = number + 1
    local newest = "newest " .. number
    tell(channel, newest)
    local note
    repeat
      note = listener:next "500ms"
    until not note or note.payload == newest
    return note
  end, 30000)
end

local function play(lane, case)
  local channel = ("c%06d"):format(case.seed)
  local function spoil() lane.net:tell("corrupt", case.way, case.ahead, case.count, case.seed, "once") end
  lanes.forget(lane)
  if case.is_fresh then spoil() end
  local listener = listen(lane, channel)
  if not case.is_fresh then spoil() end
  for number = 1, 8 do tell(channel, "payload " .. number) end
  lane.net:tell "pass"
  lane.net:tell "cut"
  listener = listener or clock.eventually("it listens", function() return listen(lane, channel) end, 30000)
  hears_again(listener, channel)
  listener:close()
  declared.is_settled(lane.far)
end

describe("those who listen", function()
  local before

  setup(function()
    near = lanes.declare("spoiled_near", server, server.port, "pool = { max = 4 }")
    lanes.open(LANES, server, { far = 'sslmode = "disable", pool = { max = 2, connect = "1s" }' })
    before = declared.count()
  end)
  after_each(function() declared.is_whole(before) end)

  it("hear again, whatever byte was spoiled", function()
    local list = {}
    for seed = SEED, SEED + SEEDS - 1 do list[#list + 1] = case_of(seed) end
    lanes.play(list, shown, play)
  end)

  -- Of no type, and of no length either: then libpq has closed its socket.
  it("are told of a gap when something comes that is no message", function()
    local lane = lanes.first()
    for count, code in ipairs { "protocol", "lost" } do
      local listener = assert(lane.far:listen "numbers")
      tell("numbers", "one")
      assert.equal("one", assert(listener:next "5s").payload)
      lane.net:tell("corrupt", "down", 0, count, "=z", "once")
      tell("numbers", "two")
      assert.equal(code, assert(listener:next "5s").gap)
      tell("numbers", "three")
      assert.equal("three", assert(listener:next "5s").payload)
      listener:close()
    end
  end)
end)
