-- A worker that does not come back from Lua is told of by exactly one other, with what is known of it. limit: 300 s

local clock = require "spec.support.clock"
local process = require "spec.support.process"
local program = require "spec.support.program"
local served = require "spec.support.served"
local tmp = require "spec.support.tmp"

local ended, over, says = program.ended, program.over, program.says
local count = served.count

-- The second of three workers runs this and the others sleep; line 5 is its first. It goes on where told() is true.
local HEAD = [[
local told = function() local file = io.open "FLAG" return file and file:close() end
service "odd" { instances = "per-worker", run = function(number) if number ~= 2 then return sleep "1h" end
print "ready"
]]

local TOLD = "worker 1 has not come back from Lua for "
local BACK = "worker 1 has come back from Lua after "

-- The thread sanitizer keeps signals back until a function of libc is called.
local LISTENING = process.program "nebula":find "tsan" and 'io.open ""' or ""

local Run = {}
Run.__index = Run

local function begin(text, ...)
  local flag = tmp.folder() .. "/flag"
  local code = HEAD:gsub("FLAG", flag) .. text .. "\nprint 'done' sleep '1h' end }"
  local child, folder = served.started(code, "--workers", "3", "--stuck", "200ms", ...)
  return setmetatable({ child = child, flag = flag, file = folder .. "/services/a.lua", said = "", output = "" },
    Run)
end

function Run:hear()
  local output, errors = self.child:take()
  self.output, self.said = self.output .. output, self.said .. errors
  return self.said
end

function Run:wait_for(text)
  clock.eventually(text .. " is said", function() return self:hear():find(text, 1, true) end)
end

function Run:wait_for_third()
  clock.eventually("it is told of three times", function() return count(self:hear(), TOLD) >= 3 end)
end

function Run:tell()
  tmp.write(self.flag:match "^(.*)/", "flag", "")
end

function Run:finish()
  clock.eventually("it is done", function() return self:hear() and self.output:find("done", 1, true) end)
  self.child:signal "TERM"
  self.said = self.said .. ended(0, over(self.child)).errors
  return self.said
end

-- How long it was the first time, and every time; each is told of once.
local function spans(said)
  local list = {}
  for span in said:gmatch(TOLD .. "([%d.]+)s") do list[#list + 1] = tonumber(span) end
  return list
end

describe("a worker that does not come back from Lua", function()
  it("is told of once by one of the others, again when twice as long, and when it is over", function()
    local run = begin [[
      use "shop":query "select 1"
      repeat until told()
    ]]
    run:wait_for_third()
    run:tell()
    run:wait_for(BACK)
    local said = run:finish()
    local list = spans(said)
    assert.is_true(#list >= 3)
    for i, span in ipairs(list) do
      assert.is_true(span >= 0.2 * 2 ^ (i - 1) - 0.05, said)
    end
    assert.equal(1, count(said, BACK))
    assert.equal(#list, count(said, ("task %%d+, started at %s:3; the call it waited for last: query at %s:5"):format(
      run.file:gsub("%p", "%%%0"), (run.file:gsub("%p", "%%%0")))))
    assert.is_nil(said:find "level=warn worker=1 text=\"worker")
  end)

  it("says where it is, in lines of the workflow alone, when LuaJIT has not compiled that", function()
    local run = begin [[
      local function inner()
        repeat until told()
      end
      use "shop":with(function()
        inner()
      end)
    ]]
    run:wait_for "computes at"
    run:tell()
    local said = run:finish()
    assert.matches(("level=warn worker=1 text=\"task %%d+ computes at:\\n +%s:[27]: in '%%a+'\\n"):format(
      (run.file:gsub("%p", "%%%0"))), said)
    says(run.file .. ":9: in a function of line 8\\n  " .. run.file .. ":8: in a function of line 3", said)
    assert.is_nil(said:find("leasing.lua", 1, true))
  end)

  it("calls code that has no name by a short form of it", function()
    local run = begin [[
      loadstring "\n local told, shop = ...\n shop:query 'select 1'\n repeat until told()"(told, use "shop")
    ]]
    run:wait_for "computes at"
    run:tell()
    local said = run:finish()
    says("the call it waited for last: query at [string]:3", said)
    says([[  [string \"...\"]:4: in the main chunk\n]], said)
  end)

  it("says where it is in compiled code only with --hookcheck, which compiles none", function()
    local busy = "local x = 0 while true do x = x + 1 %s end"
    local compiled, interpreted = begin(busy:format ""), begin(busy:format(LISTENING), "--hookcheck")
    compiled:wait_for_third()
    interpreted:wait_for_third()
    compiled.child:kill()
    interpreted.child:kill()
    assert.is_nil(compiled.said:find("computes at", 1, true))
    says(("computes at:\\n  %s:5: in a function of line 3"):format(interpreted.file), interpreted.said)
  end)

  it("says with --hookcheck what it called at last, though that did not wait", function()
    local busy = ([[
      use "shop":query "select 1"
      channel "watch":send(1)
      %s
      while true do local x = 1 + 1 %s end]])
    local quiet = begin(busy:format("", LISTENING), "--hookcheck")
    quiet:wait_for "computes at"
    quiet.child:kill()
    says(("the call it waited for last: query at %s:5"):format(quiet.file), quiet.said)
    says(("\\n  what it called of nebula since it was resumed, at last: send at %s:6"):format(quiet.file), quiet.said)
    local slept = begin(busy:format('sleep "1ms"', LISTENING), "--hookcheck")
    slept:wait_for "computes at"
    slept.child:kill()
    says(("the call it waited for last: sleep at %s:7"):format(slept.file), slept.said)
    assert.is_nil(slept.said:find("since it was resumed", 1, true))
  end)

  it("is told of in functions of C, and says where when they return", function()
    for _, busy in ipairs { 'local _ = ("a"):rep(23):find(("a?"):rep(23) .. ("a"):rep(23))', 'os.execute "sleep 0.7"' } do
      local run = begin('sleep "1ms"\n' .. busy)
      run:wait_for(TOLD)
      local said = run:finish()
      says("the call it waited for last: sleep at " .. run.file .. ":5", said)
      -- in that line, or in the one behind it
      assert.matches(("computes at:\\n  %s:[67]: in"):format((run.file:gsub("%p", "%%%0"))), said)
      assert.equal(#spans(said), count(said, TOLD))
    end
  end)

  it("is told of when it calls the engine and never waits", function()
    local run = begin 'repeat log.debug "busy" until told()'
    run:wait_for(TOLD)
    run:tell()
    says("the call it waited for last: none yet", run:finish())
  end)

  it("is not meant where the engine lets others run, nor where it waits", function()
    local leases = begin([[
      local shop = use "shop"
      repeat shop:lease { role = "reader" }:release() until told()
    ]], "--stuck", "1s")
    local sleeps = begin('sleep "2s"', "--stuck", "1s")
    local turns = begin('repeat sleep "0s" until told()', "--stuck", "1s")
    clock.pause(2500)
    leases:tell()
    turns:tell()
    for _, run in ipairs { leases, sleeps, turns } do
      assert.is_nil(run:finish():find(TOLD, 1, true))
    end
  end)

  it("is placed in the coroutine of the workflow in which it waited last", function()
    local run = begin [[
      local inner = coroutine.wrap(function()
        sleep "1ms"
        repeat until told()
      end)
      coroutine.wrap(function() inner() end)()
    ]]
    run:wait_for(TOLD)
    run:tell()
    says("the call it waited for last: sleep at " .. run.file .. ":6", run:finish())
  end)

  it("is named with its own task and place among many, whose calls are not noted", function()
    local run = begin [[
      local gate = channel()
      for i = 1, 40 do
        task(function()
          gate:receive()
          if i == 40 then repeat until told() end
        end)
      end
      sleep "1ms"
      for _ = 1, 40 do gate:send(true) end
    ]]
    run:wait_for(TOLD)
    run:tell()
    says(("started at %s:7; the call it waited for last: not noted"):format(run.file), run:finish())
  end)

  it("is not told of for the time in which the process is stopped", function()
    local run = begin('repeat until told()', "--stuck", "2s")
    clock.pause(250) -- the others have seen it
    run.child:signal "STOP"
    clock.pause(2500)
    run.child:signal "CONT"
    clock.pause(250)
    run:tell()
    assert.is_nil(run:finish():find(TOLD, 1, true))
  end)

  it("is nobody's business with one worker, nor with 0s", function()
    local folder = served.folder_of [[
      service "busy" { run = function() os.execute "sleep 0.5" end }
    ]]
    for _, words in ipairs { { "--workers", "1" }, { "--workers", "2", "--stuck", "0s" } } do
      words[#words + 1] = "--log=logfmt"
      words[#words + 1] = folder
      local said = ended(0, program.nebula("serve", unpack(words))).errors
      assert.is_nil(said:find("has not come back", 1, true))
    end
  end)

  it("is the workflow itself where a workflow runs", function()
    local result = ended(0, program.nebula("run", "--workers", "2", "--stuck", "100ms", "--log", "logfmt", "--hookcheck",
      program.workflow 'local until_s = os.time() + 2\nrepeat io.open "" until os.time() >= until_s'))
    assert.matches("level=warn worker=1 text=\"worker 0 has not come back from Lua for [%d.]+s: task %d+, started as the "
      .. "workflow; the call it waited for last: none yet\"", result.errors)
    says(("computes at:\\n  %s/flow.lua:2: in the main chunk"):format(program.folder), result.errors)
  end)

  it("names the line that asked for it where a function runs for another worker", function()
    local child = program.started([[
      local function wait(number)
        if require "nebula.worker".index ~= 1 then return sleep "50ms" end
        local until_then = os.time() + 2
        while os.time() < until_then do end
        return number
      end
      print "ready"
      spawn_on_all(wait):join()
      for_each({ 1, 2, 3, 4 }, { workers = true, parallel = 4 }, wait)
    ]], "--workers", "2", "--stuck", "100ms", "--log", "logfmt")
    local said = ended(0, over(child)).errors
    says("flow.lua:9; the call it waited for last", said)
    says("flow.lua:10; the call it waited for last", said)
    assert.is_nil(said:find("started as the workflow", 1, true))
  end)
end)
