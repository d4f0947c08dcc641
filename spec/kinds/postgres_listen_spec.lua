-- limit: 300 s
-- Who listens to PostgreSQL hears each notification once and in order, by one connection; and of each loss, before
-- anything newer, one gap.

local clock = require "spec.support.clock"
local declared = require "spec.kinds.declared"
local nebula = require "nebula"
local postgres = require "spec.support.postgres"
local process = require "spec.support.process"
local tasks = require "spec.support.tasks"
local tmp = require "spec.support.tmp"

local fails, raises = tasks.fails, tasks.raises
local task, cancel, deadline, sleep = nebula.task, nebula.cancel, nebula.deadline, nebula.sleep

local server = postgres.start()

local function declare(name, settings)
  return ([[postgres %q { host = %q, port = %d, dbname = %q, user = %q, password = %q, %s }]]):format(
    name, server.host, server.port, server.dbname, server.user, server.password, settings)
end

local function notify(channel, payload)
  server:psql(([[select pg_notify('%s', '%s')]]):format(channel:gsub("'", "''"), payload:gsub("'", "''")))
end

-- What a listener hears next, as a word.
local function word(listener, within)
  local note, err = listener:next(within or "10s")
  if not note then return err.code end
  return note.gap and "gap " .. note.gap or note.channel .. ":" .. note.payload
end

local function words(listener, count)
  local list = {}
  for i = 1, count do list[i] = word(listener) end
  return list
end

describe("listening to postgres", function()
  local db, before

  setup(function() db = declared.use(declare("listen_own", "pool = { max = 4 }")) end)
  before_each(function() before = declared.count() end)
  after_each(function() declared.is_whole(before) end)

  local function ear() return declared.inspect(db).ear end

  it("hears what anybody tells, itself too, on several channels, in the order of the commits", function()
    local listener = assert(db:listen("jobs", "news"))
    assert(db:exec("select pg_notify(?, ?)", "jobs", "1"))
    notify("news", "2")
    notify("other", "3")
    notify("jobs", "4")
    assert.same({ "jobs:1", "news:2", "jobs:4" }, words(listener, 3))
    local told = assert(db:one "select pg_backend_pid() pid, pg_notify('jobs', 'who')")
    assert.same({ channel = "jobs", payload = "who", pid = told.pid }, listener:next "10s")
    fails("deadline", listener:next "0s")
    listener:close()
    fails("closed", listener:next())
    assert.is_true(listener:close())
  end)

  it("hears of a transaction when it is committed, and never of one that was not", function()
    local listener = assert(db:listen "jobs")
    assert(db:transaction(function(tx)
      for i = 1, 3 do assert(tx:exec("select pg_notify('jobs', ?::text)", i)) end
      fails("deadline", listener:next "100ms")
    end))
    db:transaction(function(tx)
      tx:exec "notify jobs, 'undone'"
      return nil, "no"
    end)
    notify("jobs", "after")
    assert.same({ "jobs:1", "jobs:2", "jobs:3", "jobs:after" }, words(listener, 4))
    listener:close()
  end)

  it("takes any name of a channel, and any payload", function()
    local names = { "Jobs", "a b", [["quoted"]], [[it's; drop table "x"]], "gr\195\188n", ("x"):rep(63), "%s", "a\nb\\" }
    local listener = assert(db:listen(unpack(names)))
    for _, name in ipairs(names) do
      assert(db:exec("select pg_notify(?, ?)", name, name))
      assert.equal(name .. ":" .. name, word(listener))
    end
    for _, size in ipairs { 0, 1, 7999 } do
      assert(db:exec("select pg_notify('Jobs', repeat('x', ?))", size))
      assert.equal("Jobs:" .. ("x"):rep(size), word(listener))
    end
    listener:close()
    fails("query", db:listen "not utf-8: \255")
    raises("1 to 63 bytes", db.listen, db, ("x"):rep(64))
    raises("1 to 63 bytes", db.listen, db, "")
    raises("1 to 63 bytes", db.listen, db, "a\0b")
    raises("a channel is a string, not a number", db.listen, db, "a", 5)
    raises("which channels", db.listen, db)
    raises("which channels", db.listen, db, {})
    raises('there is no option qeue; did you mean "queue"?', db.listen, db, { qeue = 1 }, "a")
    raises("queue must be a whole number", db.listen, db, { queue = 0 }, "a")
    raises("bytes", db.listen, db, { bytes = "much" }, "a")
    raises("no listener", listener.next, {})
  end)

  it("has one connection for all, asks once for each channel, and gives it back clean", function()
    local one, two, three = assert(db:listen "a"), assert(db:listen("b", "a")), assert(db:listen "b")
    assert.equal(1, declared.pool(db).listening)
    assert.equal(2, ear().channels)
    assert.equal(3, #ear().listeners)
    notify("a", "1")
    notify("b", "2")
    assert.same({ "a:1" }, words(one, 1))
    assert.same({ "a:1", "b:2" }, words(two, 2))
    assert.same({ "b:2" }, words(three, 1))
    one:close()
    two:close()
    clock.eventually("a is not listened to", function() return ear().channels == 1 end)
    notify("a", "3")
    notify("b", "4")
    assert.same({ "b:4" }, words(three, 1))
    three:close()
    clock.eventually("nobody listens", function() return declared.pool(db).listening == 0 end)
    for _ = 1, 8 do assert.equal(0, db:value "select count(*) from pg_listening_channels()") end
  end)

  it("tells each of many listeners all that many tell at the same time, once and in order", function()
    local LISTENERS, TELLERS, EACH = 3, 4, 250
    local heard = {}
    local listening = {}
    for i = 1, LISTENERS do
      local listener = assert(db:listen "load")
      listening[i] = task(function()
        local last, count = {}, 0
        while count < TELLERS * EACH do
          local note = assert(listener:next "20s")
          local who, number = note.payload:match "(%d+) (%d+)"
          assert.equal((last[who] or 0) + 1, tonumber(number))
          last[who], count = tonumber(number), count + 1
        end
        heard[i] = count
        fails("deadline", listener:next "50ms")
        listener:close()
      end)
    end
    assert(nebula.for_each({ 1, 2, 3, 4 }, function(who)
      for i = 1, EACH do assert(db:exec("select pg_notify('load', ?)", who .. " " .. i)) end
      return true
    end))
    for i = 1, LISTENERS do listening[i]:join() end
    assert.same({ TELLERS * EACH, TELLERS * EACH, TELLERS * EACH }, heard)
  end)

  it("drops the oldest of a full queue, and says how many", function()
    local listener = assert(db:listen({ queue = 5 }, "full"))
    assert(db:exec "select pg_notify('full', i::text) from generate_series(1, 12) i")
    clock.eventually("they have come", function() return ear().listeners[1].told == 12 end)
    assert.equal(5, ear().listeners[1].queued)
    local note = listener:next()
    assert.same({ "full", 7, 0 }, { note.gap, note.missed, note.seconds })
    assert.matches("5 messages", note.text)
    assert.same({ "full:8", "full:9", "full:10", "full:11", "full:12" }, words(listener, 5))
    listener:close()
  end)

  it("ends in a loop when it is closed, and raises in it what else ends it", function()
    local listener = assert(db:listen "loop")
    local heard = {}
    local reader = task(function()
      for note in listener do heard[#heard + 1] = note.payload end
      return "ended"
    end)
    notify("loop", "1")
    notify("loop", "2")
    clock.eventually("both were heard", function() return #heard == 2 end)
    listener:close()
    assert.equal("ended", reader:join())
    listener = assert(db:listen "loop")
    local ok, err = pcall(deadline, "50ms", function() for _ in listener do end end)
    assert.is_false(ok)
    assert.equal("deadline", err.code)
    reader = task(function() for _ in listener do end end)
    sleep "20ms"
    cancel(reader)
    assert.equal("cancelled", select(2, reader:join()).code)
    listener:close()
  end)

  it("is shared by the tasks of a for_each, each note for one of them", function()
    local listener = assert(db:listen "work")
    assert(db:exec "select pg_notify('work', i::text) from generate_series(1, 40) i")
    local done = {}
    assert(nebula.for_each({ 1, 2, 3 }, function()
      for _ = 1, 13 do
        local note = assert(listener:next "10s")
        assert.is_nil(done[note.payload])
        done[note.payload] = true
        sleep "1ms"
      end
      return true
    end))
    assert.equal("work:40", word(listener))
    listener:close()
  end)

  it("ends with its task, and with the last who knows it", function()
    task(function() assert(db:listen "gone") end):join()
    local other = task(function()
      for _ in assert(db:listen "gone") do end
    end)
    sleep "20ms"
    cancel(other)
    other:join()
    notify("gone", "1")
    local is_there
    local function leave()
      local listener = assert(db:listen "left")
      is_there = true
      for note in listener do
        if note.payload == "1" then return end
      end
    end
    local teller = task(function()
      repeat sleep "1ms" until is_there
      notify("left", "1")
    end)
    leave()
    teller:join()
    collectgarbage()
    collectgarbage()
    clock.eventually("nobody listens", function() return #ear().listeners == 0 and declared.pool(db).listening == 0 end)
  end)

  it("waits its turn where max is used up, and says so", function()
    local one = declared.use(declare("listen_one", "pool = { max = 1 }"))
    local lease = assert(one:lease())
    local _, err = one:listen({ deadline = "50ms" }, "x")
    assert.equal("deadline", err.code)
    assert.matches("in the queue for a connection", tostring(err))
    fails("deadline", one:listen({ deadline = "0s" }, "x"))
    local waits = task(function() return assert(one:listen "x"):close() end)
    sleep "20ms"
    lease:release()
    assert.is_true(waits:join())
    local listener = assert(one:listen "x")
    _, err = one:query "select 1"
    assert.matches("the only one listens: with listeners, max must be 2 or more", tostring(err))
    listener:close()
    assert.equal(1, one:value "select 1")
  end)

  it("leaves notifications of a lease's own LISTEN alone, and its session is made clean", function()
    local one = declared.use(declare("listen_lease", "pool = { max = 1 }"))
    one:with(function(lease)
      assert(lease:exec "listen mine")
      assert(lease:exec "notify mine, 'unheard'")
      assert.equal(1, lease:value "select count(*) from pg_listening_channels()")
    end)
    assert.equal(0, one:value "select count(*) from pg_listening_channels()")
  end)

  it("ends with the program, and is shown by ls and inspect until then", function()
    local folder = tmp.folder()
    tmp.write(folder, "resources/shop.lua", declare("shop", ""))
    local flow = tmp.write(folder, "flow.lua", [[
      io.stdout:setvbuf "line"
      local listener = assert(use("shop"):listen("jobs", "news"))
      task(function() print "ready" end)
      for note in listener do print(note.payload) end
      print "no more"]])
    local env = { NEBULA_RUN_DIR = folder, NO_COLOR = "1" }
    local nebula_at = process.program "nebula"
    local child = process.start { nebula_at, "run", "--dir", folder, flow, env = env }
    assert.equal("ready", child:line())
    notify("news", "hello")
    assert.equal("hello", child:line())
    local shown = process.run { nebula_at, "ls", env = env }.output
    assert.matches("LEASED +LISTENERS", shown)
    assert.matches("shop +postgres +1 +0 +0 +1 ", shown)
    shown = process.run { nebula_at, "inspect", "shop", env = env }.output
    assert.matches("listening +by connection 1, 2 channels, 1 notes told, 0 gaps", shown)
    assert.matches("%d+ +0 +1000 +1 +0 +0 +jobs, news", shown)
    assert.matches("1 +primary +listening", shown)
    child:signal "TERM"
    local ended = assert(child:wait(5000))
    local output, complaints = child:take()
    child:close()
    assert.same({ 0, "no more\n" }, { ended.code, output }, complaints)
  end)

  it("is not there for kinds that tell nothing", function()
    local other = declared.use 'sqlite "listen_mute" { file = ":memory:", pool = { max = 1 } }'
    raises("has no method listen", function() other:listen "x" end)
  end)
end)
