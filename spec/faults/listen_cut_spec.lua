-- What those who listen hear when the network ends after n bytes of it, either way, for every n: closed, or without a word.
-- limit: 200 s
--
-- From the login on: LISTEN, then numbers that are told, in the middle of which it ends. They are heard in order up to a
-- place; then there is one gap, before anything newer; and what is told from then on is heard. STRIDE=k takes every k-th
-- case (61; NEBULA_PROVE: all of them).

local declared = require "spec.kinds.declared"
local lanes = require "spec.faults.lanes"
local postgres = require "spec.support.postgres"
local process = require "spec.support.process"

local STRIDE = tonumber(os.getenv "STRIDE") or os.getenv "NEBULA_PROVE" and 1 or 61
local MOST = 2000 -- bytes
local LANES = 24
local NUMBERS = 80 -- more than those bytes hold
local PATIENCE = "20s"

local server = postgres.start { settings = { max_connections = 4 * LANES } }
local near

local function tell(channel, first, last)
  assert(near:exec({ deadline = "10s" }, "select pg_notify(?, i::text) from generate_series(?::int, ?::int) i", channel, first, last))
end

-- Those told before anything is demanded of what comes behind a gap. How many were heard, and whether there was a gap.
local function hear_numbers(listener)
  local heard = 0
  repeat
    local note = assert(listener:next(PATIENCE))
    if note.gap then return heard, 1 end
    assert.equal(heard + 1, tonumber(note.payload))
    heard = heard + 1
  until heard == NUMBERS
  return heard, 0
end

-- What is told from now on is heard, but for one that a gap may have swallowed. How many gaps there were.
local function hear_newer(listener, channel)
  local number, heard, gaps = NUMBERS + 1, NUMBERS, 0
  tell(channel, number, number)
  repeat
    local note = assert(listener:next(PATIENCE))
    if note.gap then
      gaps, number = gaps + 1, number + 1
      tell(channel, number, number)
    else
      local payload = tonumber(note.payload)
      assert(payload > heard and payload <= number, ("%d after %d"):format(payload, heard))
      heard = payload
    end
  until heard == number
  return gaps
end

local function listen(lane, channel)
  local listener = assert(lane.far:listen({ deadline = "10s" }, channel))
  tell(channel, 1, NUMBERS)
  return listener
end

local channels, cuts = 0, 0

local function next_channel()
  channels = channels + 1
  return ("c%06d"):format(channels)
end

local function shown(case)
  return ("%s after %d bytes %s"):format(case.ending, case.bytes, case.way)
end

local function play(lane, case)
  local channel = next_channel()
  lanes.forget(lane)
  lane.net:tell("truncate", case.way, case.bytes, case.ending, "once")
  local listener = listen(lane, channel)
  local heard, gaps = hear_numbers(listener)
  gaps = gaps + hear_newer(listener, channel)
  listener:close()
  assert(gaps == 1 or heard == NUMBERS and gaps == 0, ("%d gaps, %d heard"):format(gaps, heard))
  cuts = cuts + gaps
  lane.net:tell "pass"
  declared.is_settled(lane.far)
end

-- Bytes of all of it, each way.
local function measure()
  local lane, channel = lanes.first(), next_channel()
  lanes.forget(lane)
  local before = lane.net:stats()
  local listener = listen(lane, channel)
  assert.same({ NUMBERS, 0 }, { hear_numbers(listener) })
  local after = lane.net:stats()
  listener:close()
  return { up = after.up - before.up, down = after.down - before.down }
end

local function cases()
  local list, every, size = {}, 0, measure()
  assert(size.down > MOST, "there are too few numbers")
  for _, way in ipairs { "up", "down" } do
    for bytes = 0, math.min(size[way] - 1, MOST) do
      for _, ending in ipairs { "close", "silence" } do
        every = every + 1
        if every % STRIDE == 0 then list[#list + 1] = { way = way, bytes = bytes, ending = ending } end
      end
    end
  end
  return list, every
end

describe("those who listen", function()
  it("hear of one gap after a cut in any byte, and all before it and behind it", function()
    near = lanes.declare("cut_near", server, server.port, "pool = { max = 4 }")
    lanes.open(LANES, server, { far = ('sslmode = "disable", pool = { max = 2, connect = %q, check = "1s" }'):format(
      process.is_sanitized and "3s" or "1s") })
    local before = declared.count()
    local list, every = cases()
    lanes.play(list, shown, play)
    declared.is_whole(before)
    print(("# %d of %d cuts, %d of them while it was listened"):format(#list, every, cuts))
    assert(cuts > 0, "nothing was cut")
  end)
end)
