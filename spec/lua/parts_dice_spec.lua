-- Random lives of work in several workers: spawned, dealt out, sent, failing, cancelled, and workers that leave. Whatever
-- comes ends, what is said of it is true, and nothing is left. limit: 300 s

require "spec.support.many" -- which writes nebula/echo.lua
local process = require "spec.support.process"
local program = require "spec.support.program"

local STORY = [[
local echo, mail, worker = require "nebula.echo", require "nebula.mail", require "nebula.worker"
local c, json = require "nebula.c", require "cjson"
local seed, rounds, dying = tonumber(args[1]), tonumber(args[2]), tonumber(args[3])
math.randomseed(seed)
local outcomes = {}
local function note(what) outcomes[what] = (outcomes[what] or 0) + 1 end

local function state()
  local ls = json.decode(c.string(c.lib.nebula_ask(c.engine, '{"verb":"ls"}')))
  return ls.tasks .. " tasks"
end

-- What one of three endings says.
local function told(what, ok, result, err)
  if ok and result ~= nil then return note(what .. " done") end
  local why = not ok and result or err
  local code = type(why) == "table" and why.code or tostring(why):match "%a+$"
  note(what .. " " .. tostring(code))
end

local function spawned(ms, fails)
  told("spawned", pcall(function()
    return deadline("60ms", function()
      return spawn_on_all(function()
        if fails == 1 then error "boom" end
        sleep(ms .. "ms")
        return 1
      end):join()
    end)
  end))
end

local function dealt(ms, fails)
  local items = {}
  for i = 1, ms * 20 do items[i] = i end
  local ok, got, err = pcall(for_each, items, { workers = true, parallel = ms }, function(i)
    if fails == 2 and i == 7 then error "boom" end
    if fails == 3 and i == 9 then return nil, "enough" end
    sleep "0s"
    return i
  end)
  told("dealt", ok, got, err)
  for i = 1, ok and got and #items or 0 do assert(got[i] == i) end
end

-- What was sent was received, or lies in it still, unless a worker left with it.
local function sent(name, ms, fails)
  local ch = channel(name, { bytes = ms % 2 == 0 and "0B" or "100B" })
  local all = spawn_on_all(function()
    local got = 0
    for _ in ch do
      got = got + 1
      if fails == 4 and got == 3 then return nil, "tired" end
    end
    return got
  end)
  local count = 0
  for i = 1, 20 do
    if ch:send({ deadline = "20ms" }, i) then count = count + 1 end
  end
  ch:close()
  local ok, got, err = pcall(all.join, all)
  told("sent", ok, got, err)
  local received = 0
  for i = 1, ok and got and got.n or 0 do received = received + got[i] end
  assert(not (ok and got) or received == count)
end

local function live(name, kind, ms, fails)
  if kind == 1 then return spawned(ms, fails) end
  if kind == 2 then return dealt(ms, fails) end
  if kind == 3 then return sent(name, ms, fails) end
  sleep(ms .. "ms")
end

spawn_on_all(function() return 1 end):join()
local before = state()
for round = 1, rounds do
  local list = {}
  for i = 1, 10 do
    list[i] = task(live, ("%d %d"):format(round, i), math.random(4), math.random(5), math.random(10))
  end
  sleep(math.random(5) .. "ms")
  if dying > 0 and round == math.floor(rounds / 2) then echo.inside(worker.count - 1, "error 'gone'") end
  for i = 1, 10 do
    if math.random(4) == 1 then list[i]:cancel() end
  end
  for i = 1, 10 do list[i]:join() end
end
deadline("5s", function()
  while #mail.workers() > worker.count - dying or dying == 0 and state() ~= before do assert(sleep "5ms") end
end)
local names = {}
for what, often in pairs(outcomes) do names[#names + 1] = what .. " " .. often end
table.sort(names)
print(table.concat(names, "\n"))
print("left " .. (dying > 0 and "one worker less" or "as before"))
]]

local function lives(workers, seed, rounds, dying)
  local path = program.workflow(STORY)
  local words = program.command("run", "--workers", tostring(workers), path, tostring(seed), tostring(rounds), tostring(dying))
  words.within = 60000
  local ran = program.ended(0, process.run(words))
  for _, what in ipairs { "spawned done", "dealt done", "dealt enough", "sent done" } do program.says(what, ran.output) end
  return ran.output
end

describe("work in several workers", function()
  it("ends, and leaves nothing, whatever comes", function()
    for _, workers in ipairs { 1, 2, 4 } do
      for seed = 1, 3 do program.says("left as before", lives(workers, seed, 15, 0)) end
    end
  end)

  it("ends, and says what was lost, when a worker leaves in the middle of it", function()
    local lost = 0
    for seed = 1, 6 do
      local said = lives(3, seed, 15, 1)
      program.says("left one worker less", said)
      lost = lost + (said:find " lost " and 1 or 0)
    end
    assert.is_true(lost >= 3, lost)
  end)
end)
