-- A loop over what is refused at once holds up nobody: not the other tasks, not who could end it. limit: 120 s

local program = require "spec.support.program"

local ended, nebula, over = program.ended, program.nebula, program.over

-- Asks again and again, in each of these ways, until `stop`.
local HEAD = [[
  local shop, stop, asked = use "shop", false, {}
  local ways = {
    call = function() return shop:query "select 1" end,
    call_within = function() return shop:query({ deadline = "1s" }, "select 1") end,
    lease = function() return shop:lease() end,
    lease_within = function() return shop:lease { deadline = "1s" } end,
    with = function() return shop:with(function() end) end,
    transaction = function() return shop:transaction(function() end) end,
    stream = function()
      local stream, err = shop:stream "select 1"
      if not stream then return nil, err end
      return stream:next()
    end,
  }
  local function loop(way)
    local until_then = os.clock() + 20 -- of the processor: it spins, and the rest cannot be looked at
    asked[way] = 0
    while not stop and os.clock() < until_then do
      local _, err = ways[way]()
      if not err then return end -- it was resumed
      asked[way] = asked[way] + 1
    end
    assert(stop, way .. " has held up all others")
  end
  local function many_are_asked()
    repeat
      sleep "10ms"
      local least = math.huge
      for way in pairs(ways) do least = math.min(least, asked[way] or 0) end
    until least > 100
  end
]]

describe("a loop over refusals", function()
  it("holds up nobody while the resource is drained, nor who resumes it", function()
    local child = program.started(HEAD .. [[
      assert(shop:drain())
      for way in pairs(ways) do task(function() loop(way) end) end
      many_are_asked()
      print "ready"
      repeat sleep "10ms" until shop:query "select 1"
      stop = true
    ]])
    ended(0, nebula("ls"))
    ended(0, nebula("resume", "shop"))
    ended(0, over(child))
  end)

  it("holds up nobody behind its deadline", function()
    ended(0, program.run(HEAD .. [[
      for way in pairs(ways) do task(function() deadline("1ms", function() sleep "10ms" loop(way) end) end) end
      many_are_asked()
      stop = true
    ]]))
  end)

  it("holds up nobody while the program drains", function()
    local child = program.started(HEAD .. [[
      print "ready"
      while not stopping() do sleep "10ms" end
      for way in pairs(ways) do task(function() loop(way) end) end
      many_are_asked()
      stop = true
      sleep "10ms"
    ]], "--drain", "20s")
    child:signal "TERM"
    ended(0, over(child))
  end)

  it("is abandoned when it was cancelled", function()
    local ran = ended(0, program.run(HEAD .. [[
      local list = {}
      for way in pairs(ways) do list[#list + 1] = task(function() loop(way) end) end
      shop:drain()
      sleep "10ms"
      for _, one in ipairs(list) do one:cancel() end
      for _, one in ipairs(list) do one:join() end
    ]]))
    local count = select(2, ran.errors:gsub("it was told to end and went on for 1000 waits: abandoned", ""))
    assert.equal(7, count)
  end)
end)
