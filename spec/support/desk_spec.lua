local clock = require "spec.support.clock"
local desk = require "spec.support.desk"
local process = require "spec.support.process"
local socket = require "spec.support.socket"

describe("desk", function()
  local server
  local clients

  local function connect()
    local client = assert(socket.connect(server.port))
    clients[#clients + 1] = client
    return client
  end

  local function begin(given)
    server = desk.start(given or { clerks = 2, ms = 5 })
    return connect()
  end

  local function ask(client, line)
    client:send(line .. "\n")
    return client:receive()
  end

  before_each(function() clients = {} end)
  after_each(function()
    for _, client in ipairs(clients) do client:close() end
    server:stop()
  end)

  it("answers lines, one after another on a connection", function()
    local client = begin()
    assert.equal("200 pong\n", ask(client, "PING"))
    assert.equal("200 7\n", ask(client, "GET page 7"))
    assert.equal("200 -8\n", ask(client, "POST order -8"))
    assert.equal("400 what\n", ask(client, "PUT order 9"))
    assert.equal("400 what\n", ask(client, "GET page"))
    assert.equal("200 10\n200 11\n", (client:send "GET a 10\nGET a 11\n" and client:receive_all(14)))
    assert.same({ seen = 4, ids = 4, most = 1, under_way = 0, highest = 1, wasted = 0, ok = 4, bad = 2, stopped = 0,
      broken = 0, busy = 0, lost = 0 }, server:counts())
  end)

  it("hangs up on a line without an end", function()
    local client = begin()
    client:send(("x"):rep(256))
    assert.equal("", client:receive())
  end)

  it("counts how often each id came, however many there are", function()
    local client = begin { clerks = 1, ms = 0 }
    local lines = {}
    for id = 1, 3000 do lines[id] = ("GET a %d\n"):format(id * 1024) end
    for first = 1, 3000, 5 do
      assert(client:send(table.concat(lines, "", first, first + 4)))
      local answers = ""
      repeat answers = answers .. client:receive() until select(2, answers:gsub("\n", "")) == 5
    end
    assert.equal("200 1024\n", ask(client, "GET a 1024"))
    local counts = server:counts()
    assert.equal(3001, counts.seen)
    assert.equal(3000, counts.ids)
    assert.equal(2, counts.most)
    server:tell "forget"
    assert.equal("200 1024\n", ask(client, "GET a 1024"))
    assert.equal(1, server:counts().ids)
    assert.equal(1, server:counts().most)
  end)

  it("serves as many at once as there are clerks, and the others in turn", function()
    begin { clerks = 3, ms = 40 }
    local begun = clock.now()
    for id = 1, 12 do connect():send(("GET a %d\n"):format(id)) end
    for id = 1, 12 do
      assert.equal(("200 %d\n"):format(id), clients[id + 1]:receive())
      local least = math.ceil(id / 3) * 40
      local took = clock.now() - begun
      assert(took >= least and took < least + 35 * (process.is_slow and 10 or 1), ("%d took %.1f ms"):format(id, took))
    end
    local counts = server:counts()
    assert.equal(12, counts.highest)
    assert.equal(0, counts.under_way)
  end)

  it("has a capacity that no lateness of its own takes away", function()
    begin { clerks = 1, ms = 1 }
    local from = server:tell "forget"
    for id = 1, 200 do connect():send(("GET a %d\n"):format(id)) end
    server:is_idle()
    local took = clock.now() - from
    assert.equal(200, server:counts().ok)
    assert(took >= 200 and took < 260 * (process.is_slow and 10 or 1), took)
  end)

  it("is slower, with fewer clerks or with a longer service, and is as before", function()
    local client = begin { clerks = 2, ms = 10 }
    server:tell("slow", 1000)
    local begun = clock.now()
    ask(client, "GET a 1")
    assert(clock.now() - begun >= 100)
    server:tell("clerks", 0)
    client:send "GET a 2\n"
    assert.equal("nothing yet", select(2, client:receive(50)))
    assert.equal(1, server:counts().under_way)
    server:tell "pass"
    assert.equal("200 2\n", client:receive())
    begun = clock.now()
    ask(client, "GET a 3")
    assert(clock.now() - begun < 100)
  end)

  it("is busy when too many wait", function()
    begin { clerks = 1, ms = 50, queue = 2 }
    for id = 1, 4 do connect():send(("GET a %d\n"):format(id)) end
    assert.equal("503 retry-after 0\n", clients[5]:receive())
    for id = 1, 3 do assert.equal(("200 %d\n"):format(id), clients[id + 1]:receive()) end
    assert.equal(1, server:counts().busy)
    assert.equal(3, server:counts().highest)
  end)

  it("lets nobody wait where there is no queue", function()
    local client = begin { clerks = 1, ms = 30, queue = 0 }
    client:send "GET a 1\n"
    clock.eventually("it is there", function() return server:counts().under_way == 1 end)
    assert.equal("503 retry-after 0\n", ask(connect(), "GET a 2"))
    assert.equal("200 1\n", client:receive())
  end)

  it("serves who has left, and says that it was in vain", function()
    local client = begin { clerks = 1, ms = 30 }
    client:send "GET a 1\n"
    connect():send "GET a 2\n"
    clock.eventually("both are there", function() return server:counts().under_way == 2 end)
    clients[2]:close()
    assert.equal("200 1\n", client:receive())
    server:is_idle()
    assert.equal(1, server:counts().wasted)
    assert.equal(1, server:counts().ok)
  end)

  it("takes back what is stopped, whether it waits or is served", function()
    local client = begin { clerks = 1, ms = 100 }
    client:send "GET a 1\n"
    connect():send "GET a 2\n"
    connect():send "GET a 3\n"
    clock.eventually("all are there", function() return server:counts().under_way == 3 end)
    local begun = clock.now()
    assert.equal("499 stopped\n", ask(clients[2], "STOP"))
    assert.equal("499 stopped\n", ask(client, "STOP"))
    assert.equal("200 3\n", clients[3]:receive())
    assert(clock.now() - begun >= 100)
    assert.equal("499 stopped\n", ask(client, "STOP"))
    assert.equal("200 4\n", ask(client, "GET a 4"))
    client:send "GET a 5\n"
    clients[2]:send "GET a 6\n"
    clock.eventually("both are there", function() return server:counts().under_way == 2 end)
    assert.equal("499 stopped\n", ask(clients[2], "STOP"))
    clients[2]:send "GET a 7\n" -- behind nobody
    assert.equal("200 5\n", client:receive())
    assert.equal("200 7\n", clients[2]:receive())
    assert.equal(4, server:counts().stopped)
    assert.equal(0, server:counts().wasted)
  end)

  it("fails for a share, evenly, in the way it is told to", function()
    local client = begin { clerks = 1, ms = 0 }
    local function answers(count)
      local list = {}
      for id = 1, count do list[id] = ask(client, "GET a " .. id):match "%d+" end
      return table.concat(list, " ")
    end
    server:tell("fail", 25, 503, 70)
    assert.equal("200 200 200 503 200 200 200 503", (answers(8):gsub("%f[%d]%d%f[%D]", "200")))
    server:tell("fail", 100, 503, 70)
    assert.equal("503 retry-after 70\n", ask(client, "GET a 1"))
    server:tell("fail", 100, 500, 0)
    assert.equal("500 broken\n", ask(client, "GET a 1"))
    server:tell("fail", 100, "lost", 0)
    assert.equal("", ask(client, "GET a 1"))
    server:tell "pass"
    assert.equal("200 5\n", ask(connect(), "GET a 5"))
    local counts = server:counts()
    assert.equal(1, counts.lost)
    assert.equal(1, counts.broken)
    assert.equal(3, counts.busy)
  end)

  it("is a black hole, and what fell into it is gone", function()
    local client = begin { clerks = 1, ms = 50 }
    client:send "GET a 1\n"
    clock.eventually("it is there", function() return server:counts().under_way == 1 end)
    server:tell "blackhole"
    connect():send "GET a 2\n"
    connect():send "PING\n"
    clock.eventually("it is heard", function() return server:counts().seen == 2 end)
    server:is_idle()
    server:tell "pass"
    for _, one in ipairs(clients) do assert.equal("nothing yet", select(2, one:receive(20))) end
    assert.equal("200 3\n", ask(connect(), "GET a 3"))
    assert.equal(1, server:counts().ok)
  end)

  it("refuses, cuts, dies and comes again at the same place", function()
    local client = begin { clerks = 1, ms = 50 }
    assert.equal("200 pong\n", ask(client, "PING"))
    server:tell "refuse"
    assert.same({ nil, socket.REFUSED }, { socket.connect(server.port) })
    assert.equal("200 1\n", ask(client, "GET a 1"))
    server:tell "pass"
    connect()
    server:tell "cut"
    assert.same({ nil, "Connection reset by peer" }, { client:receive() })
    local another = connect()
    another:send "GET a 2\n"
    connect():send "GET a 2\n"
    clock.eventually("both are there", function() return server:counts().under_way == 2 end)
    server:tell "down"
    assert.equal(0, server:counts().under_way)
    assert.same({ nil, "Connection reset by peer" }, { another:receive() })
    assert.same({ nil, socket.REFUSED }, { socket.connect(server.port) })
    server:tell "pass"
    assert.equal("200 3\n", ask(connect(), "GET a 3"))
    assert.equal(0, server:counts().under_way)
  end)

  it("tells what came when", function()
    local client = begin { clerks = 1, ms = 0 }
    local from = server:tell "counts"
    for id = 1, 5 do ask(client, "GET a " .. id) end
    clock.pause(60)
    local to = server:tell "counts"
    server:tell("fail", 100, 503, 0)
    for id = 1, 3 do ask(client, "GET a " .. id) end
    clock.pause(20)
    assert.same({ seen = 5, ok = 5 }, { seen = server:between(from, to - 20).seen, ok = server:between(from, to - 20).ok })
    local after = server:between(to - 20, clock.now())
    assert.same({ 3, 0 }, { after.seen, after.ok })
    assert.equal(0, server:between(from - 1000, from - 20).seen)
    local sum = 0
    for _, one in ipairs(server:slices(from, to, 20)) do sum = sum + one.ok end
    assert.equal(5, sum)
  end)

  it("tells since when all is served", function()
    local client = begin { clerks = 1, ms = 0 }
    server:tell("fail", 100, 503, 0)
    local from, well = server:tell "counts", nil
    for id = 1, 60 do
      if id == 20 then well = server:tell "pass" end
      ask(client, "GET a " .. id)
      clock.pause(5)
    end
    local to = clock.now()
    local at = server:in_full_service(from, to, 100, 100)
    assert(at and at > well - 50 and at < well + 20 * (process.is_slow and 5 or 1), at)
    assert.is_nil(server:in_full_service(from, to, 1000, 100))
    assert.is_nil(server:in_full_service(from, well, 100, 100))
  end)

  it("knows no other command, and ends with its stdin", function()
    begin()
    for _, wrong in ipairs { "nonsense", "clerks 65", "clerks -1", "fail 101 503 0", "fail 1 404 0", "slices 0 1000000000 10",
      "slices 0 1000 9",
      "slow", "slow -1" } do
      local ok, why = pcall(server.tell, server, wrong)
      assert.is_false(ok, wrong)
      assert(tostring(why):find("error", 1, true), why)
    end
    server.child:close_input()
    assert.same({ code = 0 }, server.child:wait())
    assert.equal(2, process.run({ process.program "spec/desk", "0", "1", "1" }).code)
    assert.equal(2, process.run({ process.program "spec/desk", "1", "1", "1", "1" }).code)
    assert.equal(2, process.run({ process.program "spec/desk" }).code)
  end)
end)
