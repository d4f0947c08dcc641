-- What becomes of those who listen when the server, or the way to it, fails. limit: 300 s
--
-- Somebody tells numbers all the time. Whatever happens, each listener hears them in order; between two that he hears
-- nothing is missing that was told, unless there was a gap; and each loss is one gap. What was not told by its deadline may
-- be done behind the next ones, and be heard there.

local clock = require "spec.support.clock"
local declared = require "spec.kinds.declared"
local nebula = require "nebula"
local postgres = require "spec.support.postgres"
local proxy = require "spec.support.proxy"
local tasks = require "spec.support.tasks"

local task, sleep = nebula.task, nebula.sleep

local STRIDES = os.getenv "NEBULA_PROVE" and { close = 1, silence = 7 } or { close = 7, silence = 61 }

local A_RESOURCE = 4 -- cuts: the pause after each is twice as long as the one before, up to 5 s

local server = postgres.start()
local net = proxy.start(server)

local function declare(name, port)
  return ([[postgres %q { host = "127.0.0.1", port = %d, dbname = %q, user = %q, password = %q,
    pool = { max = 3, connect = "1s", check = "1s" } }]]):format(name, port, server.dbname, server.user, server.password)
end

-- Tells 1, 2, 3 ... until it is stopped, and knows what of it was certainly told.
local function begin_telling(db)
  local self = { told = {}, last = 0 }
  self.task = task(function()
    while not self.is_over do
      local number = self.last + 1
      self.last = number
      self.told[number] = db:exec({ deadline = "500ms" }, "select pg_notify('numbers', ?)", tostring(number)) ~= nil
      sleep "2ms"
    end
  end)
  return self
end

-- Keeps the numbers and, between them, the gaps as notes.
local function begin_listening(db)
  local self, listener = { gaps = 0, late = {} }, assert(db:listen("numbers", "end"))
  self.task = task(function()
    for note in listener do
      if note.channel == "end" then break end
      self[#self + 1] = note.gap and note or tonumber(note.payload)
      self.gaps = self.gaps + (note.gap and 1 or 0)
    end
    listener:close()
  end)
  return self
end

local function is_complete(self, teller)
  local before, is_gap
  for _, number in ipairs(self) do
    if type(number) == "table" then
      is_gap = true
    elseif before and number < before and not teller.told[number] then
      assert.is_nil(self.late[number], ("%d twice"):format(number))
      self.late[number] = true
    else
      assert.is_true(number > (before or 0), ("%d after %s"):format(number, before))
      for missing = before and not is_gap and before + 1 or number, number - 1 do
        assert.is_false(teller.told[missing], ("%d is missing before %d"):format(missing, number))
      end
      before, is_gap = number, false
    end
  end
  for missing = before + 1, teller.last do
    assert.is_false(teller.told[missing], ("%d is missing at the end"):format(missing))
  end
end

describe("those who listen", function()
  local near, far, before

  setup(function()
    near, far = declared.use(declare("faults_near", server.port)), declared.use(declare("faults_far", net.port))
  end)
  before_each(function() before = declared.count() end)
  after_each(function() declared.is_whole(before) end)

  local function hears(self, count)
    local from = #self
    clock.eventually("something is heard", function() return #self >= from + count end, 30000)
  end

  local function ear() return declared.inspect(far).ear end

  -- Two listeners and a teller while fault(listener) happens, which is so many losses.
  local function survive(losses, fault)
    local teller, one, other = begin_telling(near), begin_listening(far), begin_listening(far)
    local gaps = ear().gaps
    hears(one, 20)
    fault(one)
    clock.eventually("of each loss was told", function() return one.gaps == losses and other.gaps == losses end, 30000)
    hears(one, 50)
    teller.is_over = true
    teller.task:join()
    assert(near:exec "select pg_notify('end', '')")
    one.task:join()
    other.task:join()
    is_complete(one, teller)
    is_complete(other, teller)
    assert.same({ losses, losses, losses }, { one.gaps, other.gaps, ear().gaps - gaps })
  end

  it("lose nothing while nothing fails", function()
    survive(0, function(one) hears(one, 200) end)
  end)

  it("hear again after their session was ended", function()
    survive(3, function(one)
      for i = 1, 3 do
        server:psql [[select pg_terminate_backend(pid) from pg_stat_activity
          where application_name = 'nebula faults_far']]
        clock.eventually("it is told of", function() return one.gaps == i end)
        hears(one, 20)
      end
    end)
  end)

  it("hear again after the server was killed", function()
    survive(1, function()
      server:kill()
      sleep "1s"
      server:restart()
    end)
  end)

  it("hear again after the server was restarted in order", function()
    survive(1, function() server:restart() end)
  end)

  it("notice a server that is stopped, and hear again when it goes on", function()
    survive(1, function()
      server:freeze()
      clock.eventually("it is noticed", function() return ear().state ~= "open" end)
      server:thaw()
    end)
  end)

  it("hear again after all connections were cut, and new ones refused for a time", function()
    survive(1, function()
      net:tell "refuse"
      net:tell "cut"
      sleep "1s"
      net:tell "pass"
    end)
  end)

  it("notice that nothing arrives any more, in whichever way", function()
    for _, way in ipairs { "up", "down", "both" } do
      survive(1, function()
        net:tell("blackhole", way)
        clock.eventually("it is noticed", function() return ear().state ~= "open" end)
        net:tell "pass"
      end)
    end
  end)

  it("hear again after one way was closed", function()
    for _, way in ipairs { "up", "down" } do
      survive(1, function()
        net:tell("half", way)
        clock.eventually("it is noticed", function() return ear().state ~= "open" end)
        net:tell "pass"
      end)
    end
  end)

  -- Closed, or from then on without a word, which takes the bounds of a check and of its answer.
  for how, stride in pairs(STRIDES) do
    it(("hear all of what came before a cut in the middle of a notification: %s"):format(how), function()
      local sizes = {}
      for size = 1, 130, stride do sizes[#sizes + 1] = size end
      for at = 1, #sizes, A_RESOURCE do
        far = declared.use(declare(("faults_%s_%d"):format(how, at), net.port))
        local last = math.min(at + A_RESOURCE - 1, #sizes)
        survive(last - at + 1, function(one)
          for i = at, last do
            net:tell("truncate", "down", sizes[i], how, "once")
            clock.eventually("it is told of", function() return one.gaps == i - at + 1 end)
            hears(one, 5)
          end
        end)
      end
    end)

    it(("begin to listen although that is cut in the middle: %s"):format(how), function()
      for size = 1, 600, 4 * stride do
        net:tell "cut"
        clock.eventually("nothing is open", function() return declared.inspect(far).open == 0 end)
        net:tell("truncate", "down", size, how, "once")
        local listener = assert(far:listen "numbers")
        assert(near:exec "select pg_notify('numbers', 'one')")
        local note = assert(listener:next "10s")
        if note.gap then -- it was cut behind the last byte of the answer
          assert(near:exec "select pg_notify('numbers', 'one')")
          note = assert(listener:next "10s")
        end
        assert.equal("one", note.payload)
        listener:close()
      end
    end)
  end

  it("end with their task while nothing can be heard, and leave nothing", function()
    local one = task(function()
      for _ in assert(far:listen "numbers") do end
    end)
    clock.eventually("it listens", function() return ear().state == "open" end)
    net:tell "refuse"
    net:tell "cut"
    clock.eventually("it is noticed", function() return ear().state ~= "open" end)
    nebula.cancel(one)
    tasks.fails("cancelled", one:join())
    assert.same({ "closed", 0, 0 }, { ear().state, ear().channels, #ear().listeners })
    local _, err = far:listen({ deadline = "300ms" }, "numbers")
    assert.equal("unreachable", err.code)
    net:tell "pass"
    assert(far:listen "numbers"):close()
  end)
end)
