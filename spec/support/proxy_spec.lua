local clock = require "spec.support.clock"
local proxy = require "spec.support.proxy"
local socket = require "spec.support.socket"

local RESET = "Connection reset by peer"

describe("proxy", function()
  local listener, net, client, server

  local function link()
    client = assert(socket.connect(net.port))
    server = listener:accept()
  end

  before_each(function()
    listener = assert(socket.listen())
    net = proxy.start { port = listener.port }
    link()
  end)

  after_each(function()
    client:close()
    server:close()
    net:stop()
    listener:close()
  end)

  it("passes both ways, and counts", function()
    client:send "question"
    assert.equal("question", server:receive())
    server:send "answer"
    assert.equal("answer", client:receive())
    assert.same({ links = 1, accepted = 1, up = 8, down = 6, spoiled = 0 }, net:stats())
  end)

  it("passes more than buffers hold, unchanged", function()
    local text = {}
    for i = 1, 200000 do text[i] = ("%07d,"):format(i) end
    text = table.concat(text)
    local at, got = 0, {}
    while at < #text do
      at = at + (client:send(text:sub(at + 1, at + 60000)) or 0)
      got[#got + 1] = server:receive(0)
    end
    local have = table.concat(got)
    assert.equal(text, have .. server:receive_all(#text - #have))
  end)

  it("passes the end of a way on and keeps the other", function()
    client:finish()
    assert.equal("", server:receive())
    server:send "last words"
    server:finish()
    assert.equal("last words", client:receive())
    assert.equal("", client:receive())
    clock.eventually("the link is gone", function() return net:stats().links == 0 end)
  end)

  it("passes a reset on when the server is gone", function()
    listener:close()
    local late = assert(socket.connect(net.port))
    assert.same({ nil, RESET }, { late:receive() })
    late:close()
    listener = assert(socket.listen())
  end)

  it("delays", function()
    net:tell("delay", 60)
    local begun = clock.now()
    client:send "slow"
    assert.equal("slow", server:receive())
    assert.is_true(clock.now() - begun >= 60)
  end)

  it("bounds the rate", function()
    net:tell("rate", 100000)
    local begun = clock.now()
    client:send(("x"):rep(10000))
    assert.equal(10000, #server:receive_all(10000))
    assert.is_true(clock.now() - begun >= 100)
  end)

  it("swallows one way or both, and lets what was held go on", function()
    for _, case in ipairs { { "up", client, server, server, client }, { "down", server, client, client, server } } do
      local from, to, back_from, back_to = unpack(case, 2)
      net:tell("blackhole", case[1])
      from:send "lost?"
      back_from:send "heard"
      assert.equal("heard", back_to:receive())
      assert.same({ nil, "nothing yet" }, { to:receive(30) })
      net:tell "pass"
      assert.equal("lost?", to:receive())
    end
    net:tell("blackhole", "both")
    client:close()
    assert.same({ nil, "nothing yet" }, { server:receive(30) })
    net:tell "pass"
    assert.equal("", server:receive())
  end)

  it("refuses new ones and keeps the old, until it passes again", function()
    net:tell "refuse"
    assert.same({ nil, socket.REFUSED }, { socket.connect(net.port) })
    client:send "old"
    assert.equal("old", server:receive())
    net:tell "pass"
    client:close()
    server:close()
    link()
    client:send "new"
    assert.equal("new", server:receive())
  end)

  it("cuts with a reset on both sides", function()
    net:tell "cut"
    assert.same({ nil, RESET }, { client:receive() })
    assert.same({ nil, RESET }, { server:receive() })
  end)

  it("closes one way and keeps the other", function()
    net:tell("half", "down")
    assert.equal("", client:receive())
    client:send "still"
    assert.equal("still", server:receive())
  end)

  local function renew()
    client:close()
    server:close()
    link()
  end

  it("truncates either way at every byte, on new connections too", function()
    for _, way in ipairs { "up", "down" } do
      for bytes = 0, 20 do
        net:tell("truncate", way, bytes, "close")
        renew()
        local from, to = server, client
        if way == "up" then from, to = client, server end
        from:send "the answer of the server"
        local got, why = to:receive_all(1000)
        assert.equal(("the answer of the server"):sub(1, bytes), got)
        assert.equal("end", why)
      end
    end
  end)

  it("truncates and swallows the rest both ways, until one side ends it", function()
    for bytes = 0, 3 do
      net:tell("truncate", "up", bytes, "silence")
      client:send "question"
      assert.equal(("question"):sub(1, bytes), bytes == 0 and "" or server:receive_all(bytes))
      server:send "answer"
      assert.same({ nil, "nothing yet" }, { server:receive(20) })
      assert.same({ nil, "nothing yet" }, { client:receive(20) })
      client:close()
      assert.equal("", server:receive())
      net:tell "pass"
      renew()
    end
  end)

  it("truncates once: those that there are, or the next one", function()
    net:tell("truncate", "down", 2, "close", "once")
    server:send "answer"
    assert.equal("an", client:receive_all(1000))
    renew()
    server:send "answer"
    assert.equal("answer", client:receive())
    client:close()
    server:close()
    clock.eventually("the link is gone", function() return net:stats().links == 0 end)
    net:tell("truncate", "down", 3, "close", "once")
    renew()
    server:send "answer"
    assert.equal("ans", client:receive_all(1000))
    renew()
    server:send "answer"
    assert.equal("answer", client:receive())
  end)

  it("makes other bytes of some, either way, the same of the same seed", function()
    local text = "the answer of the server"
    for _, way in ipairs { "up", "down" } do
      local before, made = net:stats().spoiled, {}
      for seed = 0, 9 do
        for again = 1, 2 do
          local from, to = server, client
          if way == "up" then from, to = client, server end
          net:tell("corrupt", way, 4, 3, seed, "once")
          from:send(text)
          local got = to:receive_all(#text)
          assert.equal("the ", got:sub(1, 4))
          for at = 5, 7 do assert.not_equal(text:sub(at, at), got:sub(at, at)) end
          assert.equal("wer of the server", got:sub(8))
          assert.equal(made[seed] or got, got)
          made[seed] = got
          assert.equal(before + 6 * seed + 3 * again, net:stats().spoiled)
        end
      end
      assert.not_equal(made[1], made[2])
    end
    net:tell("corrupt", "up", 1, 2, "=x", "once")
    client:send "question"
    assert.equal("qxxstion", server:receive_all(8))
  end)

  it("spoils the next connection alone, or all, until it passes again", function()
    client:close()
    server:close()
    clock.eventually("the link is gone", function() return net:stats().links == 0 end)
    local function hears(is_spoiled)
      server:send "answer"
      assert.equal(not is_spoiled, client:receive_all(6) == "answer")
    end
    net:tell("corrupt", "down", 0, 6, 1, "once")
    link()
    hears(true)
    hears(false)
    renew()
    hears(false)
    net:tell("corrupt", "down", 2, 1, 1)
    hears(true)
    renew()
    hears(true)
    renew()
    net:tell "pass"
    hears(false)
  end)

  it("knows no other command", function()
    for _, line in ipairs { "", "dance", "delay -1", "delay x", "delay", "half both", "blackhole left", "truncate 5",
      "truncate both 5 close", "truncate up -1 close", "truncate up 5 open", "corrupt up 1 1", "corrupt both 1 1 1",
      "corrupt up -1 1 1", "corrupt up 1 1 x", "corrupt up 1 1 =", "corrupt up 1 1 =NE" } do
      assert.has_error(function() net:tell(line) end, "proxy: error: no such command: " .. line)
    end
    assert.equal("", net:tell "pass")
  end)
end)
