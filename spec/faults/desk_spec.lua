-- The driver and the kind of the line server, with which the specs beside this one measure: what they say is true.

local clock = require "spec.support.clock"
local declared = require "spec.kinds.declared"
local desk = require "spec.support.desk"
local dice = require "spec.support.dice"
local nebula = require "nebula"
local process = require "spec.support.process"
local socket = require "spec.support.socket"

declared.know(desk.folder() .. "/resources/desk.lua")

local POLICY = [[return policy "once" { like = "standard", call = { deadline = "5s" }, retry = { tries = 1 }, circuit = false }]]
local names = 0

local function use(port, settings)
  names = names + 1
  return declared.use(("desk \"web_%d\" { port = %d, policy = \"once\", pool = { max = 4 }, %s }"):format(names, port,
    settings or ""), { once = POLICY })
end

describe("the kind desk", function()
  local server, before

  before_each(function()
    server = desk.start { clerks = 4, ms = 2 }
    before = declared.count()
  end)
  after_each(function()
    server:stop()
    declared.is_whole(before)
  end)

  it("gets and posts, and uses its connections again", function()
    local web = use(server.port)
    for id = 1, 50 do
      assert.equal("200 " .. id, web:get("page", id))
      assert.equal("200 " .. -id, web:post("order", -id))
    end
    assert.equal(1, declared.pool(web).opened)
    assert.equal(100, server:counts().ok)
    local lease = web:lease()
    assert.equal("200 7", lease:get("page", 7))
    lease:release()
  end)

  it("tells what a status means", function()
    local web = use(server.port)
    server:tell("fail", 100, 503, 250)
    local _, err = web:post("order", 1)
    assert.same({ "busy", "wait", "failed", "503", 0.25 }, { err.code, err.action, err.outcome, err.state, err.retry_after })
    server:tell("fail", 100, 500, 0)
    _, err = web:post("order", 2)
    assert.same({ "server", "in_doubt", "500" }, { err.code, err.outcome, err.state })
    server:tell "pass"
    _, err = web:get("two words", 3)
    assert.same({ "query", "failed", "400" }, { err.code, err.outcome, err.state })
    _, err = web:get(("x"):rep(300), 4)
    assert.same({ "usage", "failed" }, { err.code, err.outcome })
    _, err = web:get("a\nGET b", 4)
    assert.equal("usage", err.code)
    assert.equal("200 5", web:get("page", 5))
    assert.equal(1, declared.pool(web).opened)
  end)

  it("is in doubt when it was hung up on, and comes again", function()
    local web = use(server.port)
    server:tell("fail", 100, "lost", 0)
    local _, err = web:post("order", 1)
    assert.same({ "lost", "in_doubt" }, { err.code, err.outcome })
    server:tell "pass"
    assert.equal("200 2", web:post("order", 2))
    server:tell "cut"
    clock.eventually("it has noticed", function() return declared.pool(web).idle == 0 end)
    assert.equal("200 3", web:post("order", 3))
  end)

  it("is refused where nobody listens", function()
    local web = use(server.port)
    server:tell "down"
    local _, err = web:get("page", 1)
    assert.same({ "unreachable", "failed" }, { err.code, err.outcome })
    assert(err.text:find("nobody listens there", 1, true), err.text)
    server:tell "pass"
    clock.eventually("it is reached again", function() return web:get("page", 2) == "200 2" end)
  end)

  it("gives a late answer's connection up, and the server works in vain", function()
    local web = use(server.port)
    assert.equal("200 1", web:get("page", 1))
    server:tell("slow", 5000)
    local begun = clock.now()
    local _, err = web:post("order", 2, { deadline = "30ms" })
    assert.same({ "deadline", "in_doubt" }, { err.code, err.outcome })
    assert(clock.now() - begun < 30 + 20 * (process.is_slow and 10 or 1))
    server:tell "pass"
    assert.equal("200 3", web:get("page", 3))
    server:is_idle()
    assert.equal(1, server:counts().wasted)
    assert.equal(2, declared.pool(web).opened)
  end)

  it("takes a late one back where it may, and keeps the connection", function()
    local web = use(server.port, "stops = true")
    server:tell("slow", 100000)
    for id = 1, 5 do
      local _, err = web:post("order", id, { deadline = "20ms" })
      assert.same({ "deadline", "in_doubt" }, { err.code, err.outcome })
      declared.is_settled(web)
    end
    server:tell "pass"
    assert.equal("200 6", web:get("page", 6))
    local counts = server:counts()
    assert.same({ 5, 0, 0 }, { counts.stopped, counts.wasted, counts.under_way })
    assert.equal(1, declared.pool(web).opened)
  end)

  it("never takes one answer for another, however late they are", function()
    for _, stops in ipairs { "true", "false" } do
      local web = use(server.port, "stops = " .. stops)
      local roll, late, answered, list = dice(17), 0, 0, {}
      for id = 1, 400 do list[id] = id end
      server:tell("slow", 200)
      assert(nebula.for_each(list, { parallel = 8 }, function(id)
        local said, err = web:get("page", id, { deadline = ("%dus"):format(roll(2000, 14000)) })
        if said then assert.equal("200 " .. id, said) else assert.equal("deadline", err.code) end
        late, answered = late + (said and 0 or 1), answered + (said and 1 or 0)
        return true
      end))
      assert(late > 20 and answered > 20, ("%d late, %d answered"):format(late, answered))
      declared.is_settled(web)
      server:tell "pass"
      assert.equal("200 1000", web:get("page", 1000))
    end
  end)

  it("hears an answer that came before it was taken back", function()
    local listener = assert(socket.listen())
    local web = use(listener.port, "stops = true")
    local asking = nebula.task(function() return select(2, web:post("order", 1, { deadline = "30ms" })) end)
    local peer = listener:accept()
    assert.equal("POST order 1\nSTOP\n", peer:receive_all(18))
    assert.equal("deadline", asking:join().code)
    peer:send "200 1\n499 stopped\n"
    declared.is_settled(web)
    asking = nebula.task(function() return web:post("order", 2) end)
    assert.equal("POST order 2\n", peer:receive())
    peer:send "200 2\n"
    assert.equal("200 2", asking:join())
    peer:send "499 stopped\n" -- which nobody has asked for
    assert.equal("", peer:receive())
    peer:close()
    listener:close()
  end)

  it("does not believe what nobody asked for, or what has no end", function()
    local listener = assert(socket.listen())
    local web = use(listener.port)
    for _, said in ipairs { "hello\n", "20\n", "2000 x\n", ("2"):rep(256) } do
      local asking = nebula.task(function() return select(2, web:post("order", 1)) end)
      local peer = listener:accept()
      peer:receive()
      peer:send(said)
      local err = asking:join()
      assert.same({ "protocol", "in_doubt" }, { err.code, err.outcome }, said)
      peer:close()
    end
    local asking = nebula.task(function() return web:get("page", 1) end)
    local peer = listener:accept()
    peer:receive()
    peer:send "200 yes\n200 and\n"
    assert.equal("200 yes", asking:join())
    assert.equal("", peer:receive())
    peer:close()
    listener:close()
  end)
end)
